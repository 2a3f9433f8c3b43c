//! `squelch check`: is the configuration right, and would it work on this machine? Starts nothing and changes nothing, and sends nothing
//! but, with `--send-test`, one harmless record per output.

use super::config::ConfigFile;
use super::error::{Exit, Failure, tell};
use super::print;
use crate::config::{self, Config, Input, Mistakes, Surroundings, ThisMachine};
use crate::delivery::Outcome;
use crate::inputs::open::plain;
use crate::inputs::{file, journald, syslog};
use crate::outputs;
use crate::outputs::alerts::AlertOptions;
use crate::outputs::destination::{Auth, Destination, HttpOptions, OutputOptions, SyslogOptions};
use crate::outputs::nats::{NatsAuth, NatsOptions};
use crate::outputs::tls::client_config;
use crate::store::{Status, StoreError};
use crate::units::{show_bytes, show_count, write_size};
use clap::Args;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// Options of `squelch check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// Which configuration.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Also send one harmless test record to each output, and say what the receiver answers
    #[arg(long)]
    pub send_test: bool,
}

/// How a part would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It works.
    Fine,
    /// It works, and is probably not meant so.
    Warning,
    /// `squelch run` would not do what it says.
    Failed,
}

/// What was tried, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    warnings: usize,
    failures: usize,
    /// Whether test records are sent: what becomes of them is then told in place of "nothing was sent".
    sends: bool,
}

impl Findings {
    fn note(&mut self, verdict: Verdict, what: &str, detail: impl AsRef<str>) {
        let word = match verdict {
            Verdict::Fine => "ok  ",
            Verdict::Warning => "warn",
            Verdict::Failed => "FAIL",
        };
        self.warnings += usize::from(verdict == Verdict::Warning);
        self.failures += usize::from(verdict == Verdict::Failed);
        let _ = writeln!(self.text, "{word}  {what}: {}", detail.as_ref());
    }
}

/// Runs the command: 78 when the configuration is wrong, 1 when it would not work here.
pub fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let mut loaded = match config::load(arguments.file.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(mistakes) => return Ok(tell_mistakes(&mistakes)),
    };
    let mut findings = Findings { sends: arguments.send_test, ..Findings::default() };
    let outputs = std::mem::take(&mut loaded.config.outputs);
    let config = &loaded.config;
    let file = config.path.as_ref().map_or_else(|| "no file, the defaults".to_owned(), |path| path.display().to_string());
    findings.note(Verdict::Fine, "configuration", file);
    for warning in &loaded.warnings {
        findings.note(Verdict::Warning, "configuration", warning.to_string());
    }
    check_rules(config, &mut findings);
    let is_running = check_store(config, &mut findings);
    for input in &config.inputs {
        check_input(input, is_running, &mut findings);
    }
    for output in &outputs {
        check_output(output, &mut findings);
    }
    if arguments.send_test {
        send_tests(outputs, &mut findings)?;
    }
    check_listener("telemetry.listen", config.telemetry.listen, is_running, &mut findings);
    check_listener("telemetry.api_listen", config.telemetry.api_listen, is_running, &mut findings);
    let Findings { mut text, warnings, failures, .. } = findings;
    let _ = match (failures, warnings) {
        (0, 0) => writeln!(text, "\neverything is fine"),
        (0, _) => writeln!(text, "\nit would work; {warnings} to look at"),
        _ => writeln!(text, "\nit would not work: {failures} failed"),
    };
    print(text.as_bytes())?;
    Ok(if failures > 0 { Exit::Failure } else { Exit::Fine })
}

/// Says all mistakes and warnings on stderr.
pub fn tell_mistakes(mistakes: &Mistakes) -> Exit {
    for warning in &mistakes.warnings {
        tell(&format!("warning: {warning}"));
    }
    for mistake in &mistakes.list {
        tell(&format!("error: {mistake}"));
    }
    let count = mistakes.list.len();
    tell(&format!("{count} mistake{} in the configuration; `squelch config print-default` explains every key", if count == 1 { "" } else { "s" }));
    Exit::Configuration
}

fn check_rules(config: &Config, findings: &mut Findings) {
    match (&config.rules_dir, &config.engine.rules) {
        (Some(folder), Some(set)) => {
            findings.note(Verdict::Fine, "rules", format!("{} in all, with those of {}", set.rules().len(), folder.display()));
        }
        _ => findings.note(Verdict::Fine, "rules", "those that are compiled in"),
    }
}

/// Whether another squelch runs on this store.
fn check_store(config: &Config, findings: &mut Findings) -> bool {
    let folder = &config.store.directory;
    let shown = format!("{}, at most {}", folder.display(), write_size(config.store.bytes_max));
    match first_existing(folder) {
        Some(there) if there == folder && !folder.is_dir() => {
            findings.note(Verdict::Failed, "store", format!("{} is no directory", folder.display()));
        }
        Some(there) if !is_writable(there) => {
            let problem = if there == folder { "cannot be written to by this user" } else { "is not there and cannot be made by this user" };
            findings.note(Verdict::Failed, "store", format!("{} {problem}; change its owner, or set state_dir", folder.display()));
        }
        Some(there) if there == folder => match Status::read(folder) {
            Ok(status) => {
                let used = show_bytes(status.used_bytes);
                let user = status.held_by.map(|pid| format!(", in use by process {pid}")).unwrap_or_default();
                findings.note(Verdict::Fine, "store", format!("{shown}, {used} used, {} records kept{user}", show_count(status.records)));
                return status.held_by.is_some();
            }
            Err(StoreError::Missing(_)) => findings.note(Verdict::Fine, "store", format!("{shown}; will be made")),
            Err(error @ StoreError::Corrupt(_)) => {
                findings.note(Verdict::Warning, "store", format!("{error}; `squelch run` puts it aside and begins anew"));
            }
            Err(error) => findings.note(Verdict::Failed, "store", error.to_string()),
        },
        _ => findings.note(Verdict::Fine, "store", format!("{shown}; will be made")),
    }
    false
}

/// The nearest thing above a path that is there.
fn first_existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.exists())
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

fn check_input(input: &Input, is_running: bool, findings: &mut Findings) {
    let what = format!("input ({})", input.type_word());
    match input {
        Input::Files(options) => check_files(options, findings),
        Input::Journal(options) => check_journal(options, findings),
        Input::Syslog(options) => check_syslog(options, is_running, findings),
        Input::Stdin => findings.note(Verdict::Fine, &what, "standard input"),
    }
}

/// Most paths that a dry run looks at: enough for every node, and it ends on a mounted archive.
const PATHS_MAX: usize = 200_000;

fn check_files(options: &file::Options, findings: &mut Findings) {
    let what = format!("inputs.{}", options.name);
    let mut files = Matches::default();
    for glob in &options.include {
        let before = files.paths.len();
        files.look_for(glob, &options.exclude);
        if files.paths.len() == before {
            let problem = match fixed_part(glob) {
                folder if folder.is_dir() => format!("{glob} matches nothing now; files that appear later are read"),
                folder => format!("{glob} matches nothing: {} is not there", folder.display()),
            };
            findings.note(Verdict::Warning, &what, problem);
        }
    }
    files.paths.sort();
    files.paths.dedup();
    let count = files.paths.len();
    let unreadable: Vec<&PathBuf> = files.paths.iter().filter(|path| File::open(path).is_err()).collect();
    match unreadable.first() {
        Some(first) => findings.note(
            Verdict::Failed,
            &what,
            format!(
                "{} of {} files cannot be read by this user, for example {}",
                show_count(unreadable.len() as u64),
                show_count(count as u64),
                first.display()
            ),
        ),
        None if count == 1 => findings.note(Verdict::Fine, &what, "1 file, readable"),
        None => findings.note(Verdict::Fine, &what, format!("{} files, all readable", show_count(count as u64))),
    }
    if count > options.files_max {
        findings.note(
            Verdict::Warning,
            &what,
            format!("{} files, and files_max is {}: some will wait", show_count(count as u64), show_count(options.files_max as u64)),
        );
    }
    for folder in files.unreadable_folders {
        findings.note(Verdict::Warning, &what, format!("{} cannot be listed by this user", folder.display()));
    }
}

/// The directory before the first sign of a glob.
fn fixed_part(glob: &str) -> PathBuf {
    let special = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    let folder = glob[..special].rfind('/').map_or("/", |at| &glob[..at.max(1)]);
    PathBuf::from(folder)
}

/// Files that globs name.
#[derive(Default)]
struct Matches {
    paths: Vec<PathBuf>,
    unreadable_folders: Vec<PathBuf>,
    looked_at: usize,
}

impl Matches {
    fn look_for(&mut self, glob: &str, exclude: &[String]) {
        let build = |glob: &str| globset::GlobBuilder::new(glob).literal_separator(true).build().map(|glob| glob.compile_matcher());
        let Ok(matcher) = build(glob) else { return };
        let exclude: Vec<_> = exclude.iter().filter_map(|glob| build(glob).ok()).collect();
        // Without `**` a path is as deep as its glob.
        let depth_max = if glob.contains("**") { usize::MAX } else { glob.matches('/').count() };
        let mut folders = vec![fixed_part(glob)];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(_) => {
                    self.unreadable_folders.push(folder);
                    continue;
                }
            };
            for entry in entries.flatten() {
                self.looked_at += 1;
                if self.looked_at > PATHS_MAX {
                    return;
                }
                let path = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && path.components().count() <= depth_max {
                    folders.push(path);
                } else if kind.is_file() && matcher.is_match(&path) && !exclude.iter().any(|glob| glob.is_match(&path)) {
                    self.paths.push(path);
                }
            }
        }
    }
}

fn check_journal(options: &journald::Options, findings: &mut Findings) {
    let what = format!("inputs.{}", options.name);
    match ThisMachine.program(&options.journalctl) {
        Some(program) => findings.note(Verdict::Fine, &what, format!("by {}", program.display())),
        None => findings.note(
            Verdict::Failed,
            &what,
            format!("the program {} is not there; install systemd's journalctl, or delete this input", options.journalctl.display()),
        ),
    }
    if let Some(folder) = options.directory.as_ref().filter(|folder| !folder.is_dir()) {
        findings.note(Verdict::Failed, &what, format!("{} is no directory", folder.display()));
    }
}

fn check_syslog(options: &syslog::Options, is_running: bool, findings: &mut Findings) {
    let what = format!("inputs.{}", options.name);
    let bound = match &options.listen {
        syslog::Listen::Udp(address) => UdpSocket::bind(address).map(drop).map_err(|error| (format!("udp {address}"), error)),
        syslog::Listen::Tcp(address) => TcpListener::bind(address).map(drop).map_err(|error| (format!("tcp {address}"), error)),
        syslog::Listen::Unix(path) => {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let (verdict, detail) = match first_existing(folder) {
                Some(there) if there != folder => (Verdict::Failed, format!("the directory {} is not there; make it", folder.display())),
                _ if !is_writable(folder) => (Verdict::Failed, format!("no socket can be made in {} by this user", folder.display())),
                _ => (Verdict::Fine, "can listen".to_owned()),
            };
            return findings.note(verdict, &what, detail);
        }
    };
    match bound {
        Ok(()) => findings.note(Verdict::Fine, &what, "can listen"),
        Err((place, error)) if is_running && error.kind() == std::io::ErrorKind::AddrInUse => {
            findings.note(Verdict::Fine, &what, format!("{place} is in use, most likely by the squelch that runs"));
        }
        Err((place, error)) => findings.note(Verdict::Failed, &what, format!("cannot listen on {place}: {}", plain(&error))),
    }
}

fn check_output(output: &OutputOptions, findings: &mut Findings) {
    let what = format!("outputs.{}", output.name);
    match &output.destination {
        Destination::Stdout => findings.note(Verdict::Fine, &what, "standard output"),
        Destination::File(options) => {
            let folder = options.path.parent().unwrap_or(Path::new("/"));
            if options.path.is_dir() {
                findings.note(Verdict::Failed, &what, format!("{} is a directory", options.path.display()));
            } else if !folder.is_dir() && first_existing(folder).is_some_and(|there| there.is_dir() && is_writable(there)) {
                findings.note(Verdict::Fine, &what, format!("{} in a directory that will be made", options.path.display()));
            } else if !is_writable(folder) || (options.path.exists() && rustix::fs::access(&options.path, rustix::fs::Access::WRITE_OK).is_err()) {
                findings.note(Verdict::Failed, &what, format!("{} cannot be written to by this user", options.path.display()));
            } else {
                findings.note(Verdict::Fine, &what, options.path.display().to_string());
            }
        }
        Destination::Http(options) => check_http(&what, options, findings),
        Destination::Log(options) => check_http(&what, &options.http, findings),
        Destination::Syslog(SyslogOptions { host, port, tls, .. }) => match tls.as_ref().map_or(Ok(()), |tls| client_config(tls).map(drop)) {
            Ok(()) => findings.note(Verdict::Fine, &what, format!("{host}:{port}, nothing was sent")),
            Err(error) => findings.note(Verdict::Failed, &what, error.to_string()),
        },
        Destination::Nats(options) => check_nats(&what, options, findings),
        Destination::Alert(options) => check_alert(&what, options, findings),
    }
}

fn check_nats(what: &str, options: &NatsOptions, findings: &mut Findings) {
    let file = match &options.auth {
        NatsAuth::TokenFile(path) | NatsAuth::Credentials(path) => Some(path),
        NatsAuth::None | NatsAuth::Token(_) | NatsAuth::User { .. } => None,
    };
    let before = findings.failures;
    if let Err(error) = client_config(&options.tls) {
        findings.note(Verdict::Failed, what, error.to_string());
    }
    if let Some((path, Err(error))) = file.map(|path| (path, fs::read_to_string(path))) {
        findings.note(Verdict::Failed, what, format!("cannot read {}: {}", path.display(), plain(&error)));
    }
    if findings.failures == before && !findings.sends {
        let servers: Vec<String> = options.urls.iter().map(ToString::to_string).collect();
        findings.note(Verdict::Fine, what, format!("{}, nothing was sent", servers.join(", ")));
    }
}

fn check_http(what: &str, options: &HttpOptions, findings: &mut Findings) {
    check_client(what, options, &options.url, findings);
}

/// `shown`: the URL, as far as people may see it.
fn check_client(what: &str, options: &HttpOptions, shown: &str, findings: &mut Findings) {
    let before = findings.failures;
    if options.url.starts_with("https:")
        && let Err(error) = client_config(&options.tls)
    {
        findings.note(Verdict::Failed, what, error.to_string());
    }
    if let Auth::BearerFile(path) = &options.auth
        && let Err(error) = fs::read_to_string(path)
    {
        findings.note(Verdict::Failed, what, format!("cannot read {}: {}", path.display(), plain(&error)));
    }
    if findings.failures == before && !findings.sends {
        findings.note(Verdict::Fine, what, format!("{shown}, nothing was sent"));
    }
}

fn check_alert(what: &str, options: &AlertOptions, findings: &mut Findings) {
    match options {
        AlertOptions::Alertmanager(options) => {
            for url in &options.urls {
                check_http(what, &options.client.http(url), findings);
            }
        }
        AlertOptions::Webhook(options) => check_client(what, &options.client.http_secret(&options.url), "a webhook", findings),
        AlertOptions::Slack(options) => check_client(what, &options.client.http_secret(&options.url), "a chat room", findings),
        AlertOptions::Pagerduty(options) => check_http(what, &options.client.http(&options.url), findings),
        AlertOptions::Exec(_) if findings.sends => {}
        AlertOptions::Exec(_) => findings.note(Verdict::Fine, what, "a command, which was not run"),
    }
}

/// One record to each output, one after the other.
fn send_tests(outputs: Vec<OutputOptions>, findings: &mut Findings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot start: {error}")))?;
    for output in outputs {
        let what = format!("outputs.{}", output.name);
        match runtime.block_on(outputs::send_test(output)) {
            Ok((target, Outcome::Delivered { status: 0 })) => findings.note(Verdict::Fine, &what, format!("{target} took the test record")),
            Ok((target, Outcome::Delivered { status })) => {
                findings.note(Verdict::Fine, &what, format!("{target} took the test record (status {status})"));
            }
            Ok((target, outcome)) => findings.note(Verdict::Failed, &what, format!("{target} did not take the test record: {outcome}")),
            Err(error) => findings.note(Verdict::Failed, &what, error.to_string()),
        }
    }
    Ok(())
}

fn check_listener(what: &str, address: Option<SocketAddr>, is_running: bool, findings: &mut Findings) {
    match address.map(|address| (address, TcpListener::bind(address))) {
        None => findings.note(Verdict::Fine, what, "off"),
        Some((address, Ok(_))) => findings.note(Verdict::Fine, what, format!("can listen on {address}")),
        Some((address, Err(error))) if is_running && error.kind() == std::io::ErrorKind::AddrInUse => {
            findings.note(Verdict::Fine, what, format!("{address} is in use, most likely by the squelch that runs"));
        }
        Some((address, Err(error))) => {
            findings.note(Verdict::Failed, what, format!("cannot listen on {address}: {}; give it another address, or \"off\"", plain(&error)));
        }
    }
}

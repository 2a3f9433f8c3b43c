//! The options, their help, and the settings they make.

use super::check::CheckArguments;
use super::config::ConfigArguments;
use super::rules::RulesArguments;
use super::run::RunArguments;
use super::simulate::SimulateArgs;
use super::store::StoreArguments;
use crate::clock;
use crate::engine::{Mode, Options};
use crate::time::{SECOND, UnixNanos};
use crate::units::{parse_duration, parse_offset, parse_size, show_duration};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Collapses retry storms in logs: the first line at once, then counts, samples and who is retrying
#[derive(Debug, Parser)]
#[command(name = "squelch", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true, max_term_width = 110,
    override_usage = "squelch [OPTIONS] [FILE]...\n       COMMAND | squelch [OPTIONS]\n       squelch <COMMAND> [OPTIONS]", after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Cli {
    /// What to do instead of the pipe.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The pipe.
    #[command(flatten)]
    pub pipe: PipeArguments,
}

/// Commands beside the pipe.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look back at logs: storms, who retried how, what would be saved
    #[command(after_long_help = REPORT_LONG_HELP)]
    Report(ReportArguments),
    /// Say how a line is read: envelope, masks, fingerprint, class
    #[command(after_long_help = EXPLAIN_LONG_HELP)]
    Explain(ExplainArguments),
    /// Print the fingerprint and template of each line
    #[command(after_long_help = FINGERPRINT_LONG_HELP)]
    Fingerprint(FingerprintArguments),
    /// List, show and test the rules that say what a message means
    Rules(RulesArguments),
    /// Make a retry storm to try things on
    Simulate(Box<SimulateArgs>),
    /// Run the agent: tail everything, survive everything
    #[command(after_long_help = RUN_LONG_HELP)]
    Run(RunArguments),
    /// Check the configuration of the agent and whether it would work here
    #[command(after_long_help = CHECK_LONG_HELP)]
    Check(CheckArguments),
    /// Print a configuration to begin with, its schema, or what is in effect
    #[command(after_long_help = CONFIG_LONG_HELP)]
    Config(ConfigArguments),
    /// Look into the agent's store: status, waiting records, dead letters
    Store(StoreArguments),
}

const AFTER_HELP: &str = "`--help` says more: examples, units, exit codes.";

const AFTER_LONG_HELP: &str = "\
Examples:
  kubectl logs -f deploy/orders | squelch          follow, repeats collapsed
  squelch app.log app.log.1.gz                     files in time order, gzip and zstd by content
  squelch -o json < app.log | jq .                 NDJSON, OpenTelemetry names
  squelch --observe app.log > /dev/null            what would be saved, nothing swallowed
  squelch --alert-cmd 'curl -sd @- https://hook' ...   each alert to a webhook
  squelch report app.log                           storms, diagnoses and templates of a whole log
  squelch explain 'ERROR retrying in 5s'           why a line is read as it is

A file that is called like a command is read as ./report.

Exit codes:
  0    fine, also when the reader of the output went away
  1    something could not be read or written (named on stderr; the rest was still read)
  2    wrong command line
  3    --fail-on-storm, and there was a storm
  78   wrong configuration
  130  stopped by SIGINT, everything flushed (a second signal ends at once)
  143  stopped by SIGTERM, everything flushed";

const REPORT_LONG_HELP: &str = "\
Examples:
  squelch report app.log app.log.1.gz
  kubectl logs deploy/orders --since=1h | squelch report -
  squelch report -o json app.log | jq '.storms[].diagnosis'
  squelch report -o markdown app.log > incident.md
  squelch report --fail-on-storm app.log > report.txt || echo storm";

const EXPLAIN_LONG_HELP: &str = "\
Examples:
  squelch explain '2026-11-25 12:01:00,020 ERROR mq - retrying in 0ms'
  tail -1 app.log | squelch explain -o json";

const FINGERPRINT_LONG_HELP: &str = "\
Rows: line number, TAB, fingerprint, TAB, template, with tabs, line ends and backslashes of the template escaped.
When two groups join, a row `@merge` says so; --no-group leaves groups out.

Examples:
  squelch fingerprint --tsv < app.log | cut -f2 | sort | uniq -c | sort -rn | head";

const RUN_LONG_HELP: &str = "\
Reads what the configuration names and ships what is left. Without a configuration file the defaults make a working agent: Kubernetes
pods, the usual files of /var/log and the journal, where they are, to standard output as NDJSON.

SIGTERM and SIGINT flush, commit and end with 0. SIGHUP reads the configuration again; so does a change of its content. A configuration
that is wrong keeps the old one in force. State lies in `state_dir`: one agent each.

Examples:
  squelch config print-default > /etc/squelch/squelch.toml
  squelch check && squelch run
  squelch run --config ./squelch.toml";

const CHECK_LONG_HELP: &str = "\
Looks at inputs, outputs, rules, the store and addresses to listen on; starts nothing, sends nothing, changes nothing.

Exit codes:
  0    it would work (there may be warnings)
  1    it would not work on this machine, as this user
  78   the configuration is wrong; all mistakes are on stderr

Examples:
  squelch check
  sudo -u squelch squelch check --config /etc/squelch/squelch.toml";

const CONFIG_LONG_HELP: &str = "\
Examples:
  squelch config print-default > /etc/squelch/squelch.toml
  squelch config show --config squelch.toml
  squelch config schema > squelch.schema.json";

/// Where the log comes from.
#[derive(Args, Clone, Debug)]
pub struct InputArguments {
    /// Logs to read (plain, gzip, zstd, named pipes); `-` is stdin, the default
    ///
    /// Compression is recognised by content. Several files are read in the order of their time stamps, each as a stream of its own.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Replay recorded rows of unix_ns<TAB>stream<TAB>line
    ///
    /// `-` is stdin.
    /// The rows carry the clock: the same recording gives the same output, byte for byte.
    #[arg(long, value_name = "FILE", conflicts_with = "files", help_heading = "Input")]
    pub replay: Option<PathBuf>,
    /// Zone of time stamps without one, as +02:00
    #[arg(long, value_name = "OFFSET", default_value = "UTC", value_parser = parse_offset, allow_hyphen_values = true, help_heading = "Input")]
    pub time_zone: i32,
    /// Longest line; longer ones are cut into several
    ///
    /// The pieces are lines of their own, marked and counted.
    #[arg(long, value_name = "SIZE", default_value = "256KiB", value_parser = parse_line_max, help_heading = "Input")]
    pub line_max: usize,
}

/// What is collapsed.
#[derive(Args, Clone, Debug)]
pub struct CollapseArguments {
    /// Length of a window, on a grid from 10s to 320s
    ///
    /// Allowed are 10s, 20s, 40s, 80s, 160s and 320s.
    /// Repeats of one template in one stream are told once per window, on a time grid in UTC, so that summaries of different machines add up.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_window, help_heading = "Collapsing")]
    pub window: i64,
    /// Records that pass whole before repeats are absorbed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Collapsing")]
    pub keep_first: u64,
    /// Collapse ordinary records, too, from N a second; 0: never
    ///
    /// Records that say nothing about retrying pass untouched until their template floods: a mean over 5 s of at least N/s.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Collapsing")]
    pub flood: u64,
    /// Watch for no storms: no alerts, no diagnoses
    #[arg(long, help_heading = "Storms")]
    pub no_storms: bool,
    /// Never touch records that contain TEXT (repeatable)
    #[arg(long, value_name = "TEXT", value_parser = parse_literal, help_heading = "Collapsing")]
    pub pass: Vec<String>,
    /// Drop and count records that contain TEXT (repeatable)
    #[arg(long, value_name = "TEXT", value_parser = parse_literal, help_heading = "Collapsing")]
    pub drop: Vec<String>,
    /// Show secrets in samples and targets as they are
    ///
    /// Secrets are the user part of URLs and the values of keys like password, token, authorization, cookie.
    /// Templates never show them.
    #[arg(long, help_heading = "Collapsing")]
    pub no_mask_secrets: bool,

    /// Rules of your own: a file or a directory of *.toml (repeatable)
    ///
    /// They add to the rules that are compiled in; one with the same id replaces ours. Try them with `squelch rules test`. A mistake in them
    /// ends squelch with 78 before anything is read.
    #[arg(long, value_name = "PATH", help_heading = "Collapsing")]
    pub rules: Vec<PathBuf>,
    /// Open windows at most; the coldest is closed with its summary when there are more
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = parse_table, hide_short_help = true, help_heading = "Table limits")]
    pub windows_max: usize,
    /// Known fingerprints at most; the coldest is forgotten after its summaries
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = parse_table, hide_short_help = true, help_heading = "Table limits")]
    pub fingerprints_max: usize,
    /// Known line shapes at most; a cache, forgetting costs time only
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = parse_table, hide_short_help = true, help_heading = "Table limits")]
    pub shapes_max: usize,
    /// Streams kept apart at most
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = parse_table, hide_short_help = true, help_heading = "Table limits")]
    pub streams_max: usize,
}

/// `squelch [OPTIONS] [FILE]...`
#[derive(Args, Clone, Debug)]
pub struct PipeArguments {
    /// Input.
    #[command(flatten)]
    pub input: InputArguments,
    /// Text for people, or NDJSON for programs
    #[arg(short, long, value_name = "text|json", default_value = "text", hide_possible_values = true, help_heading = "Output")]
    pub output: OutputFormat,
    /// The accounting on stderr at the end
    #[arg(long, value_name = "text|json|none", default_value = "text", hide_possible_values = true, help_heading = "Output")]
    pub stats: StatsFormat,
    /// Colours: auto, always or never
    ///
    /// `auto` looks for a terminal and at NO_COLOR, CLICOLOR_FORCE and TERM. On a terminal a live footer says what is being collapsed.
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Output")]
    pub color: ColorWhen,
    /// collapse, or observe: forward all, count what would be absorbed
    #[arg(long, value_name = "MODE", default_value = "collapse", hide_possible_values = true, help_heading = "Collapsing")]
    pub mode: ModeName,
    /// The same as --mode observe
    #[arg(long, conflicts_with = "mode", help_heading = "Collapsing")]
    pub observe: bool,
    /// Collapsing.
    #[command(flatten)]
    pub collapse: CollapseArguments,
    /// Run CMD by `sh -c` for each alert, its record on stdin
    ///
    /// The record is one line of JSON, as -o json writes it: squelch.storm when a storm begins, grows or goes on, squelch.storm_end when it is over.
    /// At most 4 run at once, each 30 s at most; what they print goes to stderr. The pipe never waits for them; at the end
    /// squelch does, 30 s at most.
    #[arg(long, value_name = "CMD", value_parser = parse_command, help_heading = "Storms")]
    pub alert_cmd: Option<String>,
    /// Exit with 3 when there was a storm
    ///
    /// One of level warning or critical.
    #[arg(long, help_heading = "Storms")]
    pub fail_on_storm: bool,
    /// The input begins in the middle: what comes at once is no news
    ///
    /// For `kubectl logs -f --tail=0` and the like. A rate that is there from the first seconds on is then taken for the usual one, and
    /// a storm is told only when it is violent ("already running when squelch started").
    #[arg(long, help_heading = "Storms")]
    pub from_middle: bool,
}

/// `squelch report [OPTIONS] [FILE]...`
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// Input.
    #[command(flatten)]
    pub input: InputArguments,
    /// Text for people, one JSON object for programs, or Markdown for an incident document
    #[arg(short, long, value_name = "text|json|markdown", default_value = "text", hide_possible_values = true, help_heading = "Output")]
    pub output: ReportFormat,
    /// Exit with 3 when there was a storm
    ///
    /// One of level warning or critical: for scripts that must notice.
    #[arg(long, help_heading = "Storms")]
    pub fail_on_storm: bool,
    /// Templates to show; JSON has all of them unless this is given
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub top: Option<usize>,
    /// Colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Output")]
    pub color: ColorWhen,
    /// Collapsing.
    #[command(flatten)]
    pub collapse: CollapseArguments,
}

/// `squelch explain [LINE]`
#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// The line; without it each line of stdin is explained
    pub line: Option<String>,
    /// Rules of your own: a file or a directory of *.toml (repeatable)
    ///
    /// They add to the rules that are compiled in; one with the same id replaces ours.
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Text for people, or NDJSON for programs
    #[arg(short, long, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    pub output: OutputFormat,
    /// Colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorWhen,
}

/// `squelch fingerprint [FILE]`
#[derive(Args, Clone, Debug)]
pub struct FingerprintArguments {
    /// The log; `-` is stdin, the default
    pub file: Option<PathBuf>,
    /// Tab-separated rows: line number, fingerprint, template (the only form there is)
    #[arg(long)]
    pub tsv: bool,
    /// Print the fingerprint of each line, not the group it belongs to
    #[arg(long)]
    pub no_group: bool,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For documents.
    #[value(alias = "md")]
    Markdown,
}

/// Forms of the accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// One line for people.
    Text,
    /// One JSON object.
    Json,
    /// Nothing.
    None,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Even into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// Collapse or observe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// Repeats are absorbed.
    Collapse,
    /// Everything is forwarded and counted.
    Observe,
}

impl PipeArguments {
    /// The engine's settings. `reference` dates stamps without a year.
    #[must_use]
    pub fn engine_options(&self, reference: UnixNanos) -> Options {
        let mode = if self.observe || self.mode == ModeName::Observe { Mode::Observe } else { Mode::Collapse };
        let started_in_the_middle = self.from_middle.then(clock::now);
        Options { mode, started_in_the_middle, ..self.collapse.engine_options(&self.input, reference) }
    }
}

impl CollapseArguments {
    /// The engine's settings.
    #[must_use]
    pub fn engine_options(&self, input: &InputArguments, reference: UnixNanos) -> Options {
        Options {
            window_ns: self.window,
            keep_first: self.keep_first,
            flood_per_second: self.flood,
            line_bytes_max: input.line_max,
            windows_max: self.windows_max,
            fingerprints_max: self.fingerprints_max,
            shapes_max: self.shapes_max,
            streams_max: self.streams_max,
            reference,
            zone_offset_seconds: input.time_zone,
            mask_secrets: !self.no_mask_secrets,
            pass: self.pass.clone(),
            drop: self.drop.clone(),
            storms: !self.no_storms,
            ..Options::default()
        }
    }
}

/// Cells of the grid, ns.
const WINDOWS: [i64; 6] = [10 * SECOND, 20 * SECOND, 40 * SECOND, 80 * SECOND, 160 * SECOND, 320 * SECOND];

fn parse_window(text: &str) -> Result<i64, String> {
    let nanos = parse_duration(text)?;
    if WINDOWS.contains(&nanos) {
        return Ok(nanos);
    }
    let nearest = WINDOWS.into_iter().min_by_key(|window| (window - nanos).abs()).unwrap_or(WINDOWS[0]);
    Err(format!("a window is 10s, 20s, 40s, 80s, 160s or 320s, so that summaries add up; {} is nearest", show_duration(nearest).replace(".0s", "s")))
}

/// Shorter lines than this would cut time stamps and levels apart.
const LINE_BYTES_MIN: u64 = 64;
/// Spans of a line are 32 bits; far below that there is no log line left.
const LINE_BYTES_LIMIT: u64 = 1 << 30;

fn parse_line_max(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text)?;
    if !(LINE_BYTES_MIN..=LINE_BYTES_LIMIT).contains(&bytes) {
        return Err("a line may have 64 B to 1 GiB".into());
    }
    usize::try_from(bytes).map_err(|_| "that is more than this machine can address".into())
}

fn parse_table(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a table needs room for at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err(format!("`{text}` is no number of entries; write for example 4096")),
    }
}

fn parse_literal(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an empty text is in every record; write a word that is in those you mean".into()) } else { Ok(text.into()) }
}

fn parse_command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("there is no command in it; write for example 'curl -sd @- https://hook', or leave the option out".into())
    } else {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_engines() {
        let cli = Cli::parse_from(["squelch"]);
        assert_eq!(format!("{:?}", cli.pipe.engine_options(UnixNanos(0))), format!("{:?}", Options::default()));
    }

    #[test]
    fn windows_are_cells_of_the_grid() {
        assert_eq!(parse_window("40s"), Ok(40 * SECOND));
        assert!(parse_window("15s").unwrap_err().contains("10s, 20s, 40s, 80s, 160s or 320s"));
        assert!(parse_window("1h").unwrap_err().contains("5m 20s is nearest"));
        assert!(parse_window("10").unwrap_err().contains("no unit"));
    }
}

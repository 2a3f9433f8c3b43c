//! A machine for tests, and the promises of the configuration as a whole. What is said about mistakes is in `mistakes_tests.rs`.

use super::checked::{Config, Input};
use super::key::Entry;
use super::root::{self, Reading};
use super::schema::{CommentedKey, commented_keys, is_as_for_http};
use super::surroundings::Surroundings;
use super::{DEFAULT_FILE, Loaded, Mistakes, keys};
use crate::engine::Mode;
use crate::inputs::file::Layout;
use crate::outputs::destination::{Auth, Destination};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A machine that is what a test says.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeMachine {
    pub variables: BTreeMap<String, String>,
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    pub is_root: bool,
    pub is_world_readable: bool,
}

impl FakeMachine {
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
    pub fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(path.into(), bytes.to_vec());
        self
    }
}

impl Surroundings for FakeMachine {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(2))
    }
    fn exists(&self, path: &Path) -> bool {
        self.files.keys().any(|file| file.starts_with(path))
    }
    fn is_root(&self) -> bool {
        self.is_root
    }
    fn host_name(&self) -> Option<String> {
        Some("desk".into())
    }
    fn is_world_readable(&self, _: &Path) -> bool {
        self.is_world_readable
    }
}

/// Loads a file of this text.
pub(super) fn load(text: &str, machine: FakeMachine) -> Result<Loaded, Mistakes> {
    let path = Path::new("/etc/squelch/squelch.toml");
    super::load_on(Some(path), &machine.file("/etc/squelch/squelch.toml", text.as_bytes()))
}

fn loaded(text: &str) -> Loaded {
    load(text, FakeMachine::default()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn inputs_of(machine: FakeMachine) -> Vec<(String, Vec<String>)> {
    let loaded = super::load_on(None, &machine).unwrap();
    let include = |input: &Input| match input {
        Input::Files(options) => options.include.clone(),
        _ => Vec::new(),
    };
    loaded.config.inputs.iter().map(|input| (input.type_word().to_owned(), include(input))).collect()
}

#[test]
fn without_a_file_the_agent_reads_what_the_machine_has_each_line_once() {
    let files = |list: &[&str]| ("file".to_owned(), list.iter().map(ToString::to_string).collect::<Vec<_>>());
    let plain = files(&["/var/log/*.log", "/var/log/*/*.log", "/var/log/syslog", "/var/log/messages"]);
    assert_eq!(inputs_of(FakeMachine::default()), [plain]);

    let node =
        FakeMachine::default().file("/var/log/pods/a/b/0.log", b"").file("/var/log/journal/1/system.journal", b"").file("/usr/bin/journalctl", b"");
    let found = inputs_of(node);
    assert_eq!(found[0], ("kubernetes".to_owned(), vec!["/var/log/pods/*/*/*.log*".to_owned()]));
    assert_eq!(found[1].0, "journald");
    assert_eq!(found[2], files(&["/var/log/*.log", "/var/log/*/*.log"]));

    // A journal that nobody can read is none.
    let without_program = FakeMachine::default().file("/var/log/journal/1/system.journal", b"");
    assert_eq!(inputs_of(without_program).len(), 1);
}

#[test]
fn the_configuration_is_looked_for_where_people_put_it() {
    let find = |machine: FakeMachine, named: Option<&str>| super::places::config_file(named.map(Path::new), &machine);
    let everywhere = FakeMachine::default()
        .variable("HOME", "/home/ada")
        .file("/etc/squelch/squelch.toml", b"")
        .file("/home/ada/.config/squelch/squelch.toml", b"");
    assert_eq!(find(everywhere.clone(), Some("my.toml")), Some("my.toml".into()));
    assert_eq!(
        find(everywhere.clone().variable("SQUELCH_CONFIG", "/x.toml"), None),
        Some("/x.toml".into()),
        "what is named need not be there to be meant"
    );
    assert_eq!(find(everywhere, None), Some("/etc/squelch/squelch.toml".into()));
    let of_user = FakeMachine::default().variable("HOME", "/home/ada").file("/home/ada/.config/squelch/squelch.toml", b"");
    assert_eq!(find(of_user, None), Some("/home/ada/.config/squelch/squelch.toml".into()));
    assert_eq!(find(FakeMachine::default(), None), None);
}

#[test]
fn the_state_goes_where_systemd_root_and_users_expect_it() {
    let folder = |machine: FakeMachine| super::places::state_dir(&machine).display().to_string();
    assert_eq!(folder(FakeMachine::default().variable("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")), "/var/lib/a");
    assert_eq!(folder(FakeMachine { is_root: true, ..FakeMachine::default() }), "/var/lib/squelch");
    assert_eq!(folder(FakeMachine::default().variable("XDG_STATE_HOME", "/s")), "/s/squelch");
    assert_eq!(folder(FakeMachine::default().variable("HOME", "/home/ada")), "/home/ada/.local/state/squelch");
}

#[test]
fn a_whole_file_becomes_what_it_says() {
    let machine =
        FakeMachine::default().variable("KEY", "k-1").variable("POD_NAME", "squelch-x").variable("POD_NAMESPACE", "obs").file("/run/token", b"t0k\n");
    let text = r#"
        node = "n-1"
        state_dir = "/data"
        reload_every = "off"
        [engine]
        mode = "observe"
        window = "40s"
        line_bytes_max = 65536
        drop = ["GET /healthz"]
        [inputs.p]
        type = "kubernetes"
        [inputs.f]
        type = "file"
        include = ["/srv/*.log"]
        ignore_older = "2d"
        [outputs.h]
        type = "http"
        url = "https://logs.example.com/in"
        headers = { X-Key = "${env:KEY}" }
        [outputs.h.auth]
        token = "${file:/run/token}"
        [outputs.h.route]
        severity_min = "warn"
        [outputs.h.delivery]
        backoff_cap = "5m"
        [outputs.f]
        type = "file"
        path = "/data/out.ndjson"
    "#;
    let Config { node, engine, inputs, outputs, store, reload_every, .. } =
        load(text, machine).unwrap_or_else(|mistakes| panic!("{mistakes}")).config;
    assert_eq!((node.as_str(), engine.mode, engine.window_ns, engine.line_bytes_max), ("n-1", Mode::Observe, 40_000_000_000, 65_536));
    assert_eq!((engine.drop, reload_every, store.directory), (vec!["GET /healthz".to_owned()], Duration::ZERO, "/data".into()));
    assert_ne!(engine.node, 0, "ids of storms differ between nodes");
    let [Input::Files(pods), Input::Files(files)] = &inputs[..] else { panic!("in the order of the file: {inputs:?}") };
    assert_eq!((pods.layout, &pods.own_pod), (Layout::Pods, &Some(("obs".to_owned(), "squelch-x".to_owned()))));
    assert_eq!((files.name.as_str(), files.ignore_older, files.line_bytes_max), ("f", Some(Duration::from_secs(172_800)), 65_536));
    assert_eq!(files.own_paths, [PathBuf::from("/data"), PathBuf::from("/data/out.ndjson")]);
    assert_eq!(files.exclude, ["/data/out.ndjson.*"], "rotated files of our own are not read either");
    let Destination::Http(http) = &outputs[0].destination else { panic!("{outputs:?}") };
    let Auth::Bearer(token) = &http.auth else { panic!("{:?}", http.auth) };
    assert_eq!((token.expose_secret(), http.headers[0].1.expose_secret()), ("t0k", "k-1"), "the newline of the file is no part of the token");
    assert_eq!((outputs[0].route.severity_min, outputs[0].delivery.backoff_cap), (13, Duration::from_secs(300)));
}

#[test]
fn secrets_are_shown_nowhere() {
    let machine = FakeMachine { is_world_readable: true, ..FakeMachine::default() }.variable("KEY", "s3cret-1").file("/run/token", b"s3cret-2");
    let text = r#"
        [outputs.a]
        type = "http"
        url = "https://a.example.com/"
        headers = { X-Api-Key = "s3cret-3", X-B = "${env:KEY}" }
        [outputs.a.auth]
        token = "${file:/run/token}"
        [outputs.b]
        type = "http"
        url = "https://b.example.com/"
        [outputs.b.auth]
        user = "ada"
        password = "s3cret-4"
        [telemetry]
        api_token = "s3cret-5"
    "#;
    let loaded = load(text, machine).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for shown in [loaded.show(), format!("{loaded:?}"), format!("{:?}", loaded.config)] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    assert!(loaded.show().contains("token = \"${file:/run/token}\"") && loaded.show().contains("password = \"***\""), "{}", loaded.show());
    let warning = loaded.warnings.first().expect("a secret in a file that everybody may read").to_string();
    assert_eq!(
        warning,
        "/etc/squelch/squelch.toml:5:33: outputs.a.headers.X-Api-Key: holds a secret, and everybody on this machine may read the file; \
         chmod 600 it, or write ${env:NAME} or ${file:PATH} instead"
    );
    let broken = load(
        "[telemetry]\napi_token = \"s3cret\"\nlisten = \"s3cret\"\n[engine]\nwindow = \"${env:KEY}\"",
        FakeMachine::default().variable("KEY", "s3cret-1"),
    );
    let told = broken.err().map(|mistakes| format!("{mistakes} {mistakes:?}")).expect("a listener that is none");
    assert!(!told.contains("s3cret-1"), "{told}");
}

#[test]
fn the_variable_for_the_log_wins_for_one_start() {
    let machine = || FakeMachine::default().variable("SQUELCH_LOG", "debug");
    let loaded = load("[log]\nfilter = \"warn\"\n", machine()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.config.telemetry.log_filter, "debug");
    assert!(loaded.show().contains("filter = \"debug\"\n"), "{}", loaded.show());
}

#[test]
fn what_is_shown_is_a_configuration_with_the_same_effect() {
    let text = "node = \"n\"\n[inputs.a]\ntype = \"file\"\ninclude = [\"/a/*.log\"]\n[outputs.o]\ntype = \"file\"\npath = \"/o\\\"x\"\n[outputs.o.route]\nlabels = { \"k8s.namespace.name\" = \"a-*\" }\n";
    let first = loaded(text);
    let again = loaded(&first.show());
    assert_eq!(format!("{:?}", first.config), format!("{:?}", again.config));
}

#[test]
fn the_default_file_changes_nothing() {
    let machine = FakeMachine::default();
    let nothing = super::load_on(None, &machine).unwrap().config;
    let Reading { config, found } = root::read(None, "default.toml", DEFAULT_FILE, &machine);
    assert_eq!(found.mistakes, []);
    assert_eq!(format!("{:?}", config.expect("there are no mistakes")), format!("{nothing:?}"));
}

#[test]
fn the_default_file_uncommented_is_a_configuration_without_mistakes() {
    let Reading { found, .. } = root::read(None, "default.toml", &uncommented(), &FakeMachine::default().file("/etc/squelch/rules.d/mine.toml", b""));
    assert_eq!(found.mistakes, []);
}

#[test]
fn the_default_file_has_each_key_explained_at_its_default_and_no_other() {
    // As the file says it: of a machine with nothing special, as root.
    let machine = FakeMachine { is_root: true, ..FakeMachine::default() }.variable("NODE_NAME", "localhost");
    let entries: Vec<Entry> = keys(&machine).into_iter().filter(|entry| !is_as_for_http(entry)).collect();
    let written: Vec<CommentedKey> = commented_keys().into_iter().filter(|key| key.key != "type").collect();
    let name = |section: &str, variant: Option<&str>, key: &str| format!("[{section}] ({}) {key}", variant.unwrap_or("-"));
    let known: BTreeSet<String> =
        entries.iter().filter(|entry| entry.key != "type").map(|entry| name(&entry.section, entry.variant, entry.key)).collect();
    let explained: BTreeSet<String> = written.iter().map(|key| name(&key.section, key.variant.as_deref(), &key.key)).collect();
    assert_eq!(known.difference(&explained).collect::<Vec<_>>(), Vec::<&String>::new(), "keys that default.toml does not explain");
    assert_eq!(explained.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "keys of default.toml that nobody asks for");
    for entry in entries.iter().filter(|entry| entry.key != "type") {
        let key = written.iter().find(|key| key.is(entry)).expect("each is explained, as was just seen");
        assert!(key.comment.len() > 20, "{} {} is not explained", key.section, key.key);
        if let Some(default) = &entry.default {
            assert_eq!(&key.value, default, "default of {} {}", key.section, key.key);
        }
    }
}

fn uncommented() -> String {
    let line = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with([' ', '#'])).unwrap_or(line);
    DEFAULT_FILE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_schema_in_the_docs_is_the_one_of_the_reader() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.schema.json");
    check_docs(file, &super::json_schema());
}

#[test]
fn the_reference_in_the_docs_is_the_one_of_the_reader() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
    let text = std::fs::read_to_string(file).expect("the page is written by hand, but for its last part");
    let (by_hand, _) = text.split_once(super::reference::BEGIN).expect("a line says where the generated part begins");
    check_docs(file, &format!("{by_hand}{}", super::reference::markdown()));
}

/// Compares a file of the docs with what it must be; writes it when asked to.
fn check_docs(file: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, expected).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == expected, "{file} is out of date; UPDATE_DOCS=1 cargo test --lib config::tests writes it anew");
}

#[test]
fn a_change_of_any_file_behind_the_configuration_changes_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rules = at("rules.d");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(at("token"), "one").unwrap();
    let text = format!("[rules]\ndir = \"{}\"\n[telemetry]\napi_token = \"${{file:{}}}\"\n", rules.display(), at("token").display());
    std::fs::write(at("squelch.toml"), text).unwrap();
    let loaded = super::load(Some(&at("squelch.toml"))).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut seen = BTreeSet::from([loaded.content_hash]);
    assert_eq!(loaded.sources.content_hash(), loaded.content_hash, "nothing changed");
    std::fs::write(at("token"), "two").unwrap();
    assert!(seen.insert(loaded.sources.content_hash()), "a secret");
    std::fs::write(rules.join("mine.toml"), "technology = \"x\"\n").unwrap();
    assert!(seen.insert(loaded.sources.content_hash()), "a rule file");
    std::fs::write(at("squelch.toml"), "node = \"x\"\n").unwrap();
    assert!(seen.insert(loaded.sources.content_hash()), "the configuration");
    std::fs::remove_file(at("squelch.toml")).unwrap();
    assert!(seen.insert(loaded.sources.content_hash()), "its end");
}

#[test]
fn mistakes_in_rules_are_told_with_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), "technology = \"x\"\ndescription = \"y\"\n[[rule]]\nid = \"x.y\"\nclass = \"retyr\"\n").unwrap();
    let file = folder.path().join("squelch.toml");
    std::fs::write(&file, format!("nod = \"x\"\n[rules]\ndir = \"{}\"\n", folder.path().display())).unwrap();
    let told = super::load(Some(&file)).err().expect("two files are wrong").to_string();
    assert!(told.contains("squelch.toml:1:1: nod: unknown key; did you mean `node`?"), "{told}");
    assert!(told.contains("mine.toml:5:1: rule `x.y`: `class` is `retyr`"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = load(&text, FakeMachine::default());
    }

    /// Lines of the default file in any selection and order, cut anywhere: mostly TOML, mostly wrong.
    #[test]
    fn no_mixture_of_real_lines_makes_the_reader_panic(picks in proptest::collection::vec((0_usize..1000, 0_usize..100), 0..30)) {
        let text = uncommented();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let mixed: Vec<String> = picks.iter().map(|(at, cut)| lines[at % lines.len()].chars().take(5 + cut).collect()).collect();
        match load(&mixed.join("\n"), FakeMachine::default()) {
            Ok(loaded) => prop_assert!(loaded.config.path.is_some()),
            Err(mistakes) => prop_assert!(!mistakes.list.is_empty()),
        }
    }
}

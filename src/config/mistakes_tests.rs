//! Every mistake that somebody may make, with the full text of what squelch says.

use super::tests::{FakeMachine, load};
use std::fmt::Write;

/// (what it is, the file)
const MISTAKES: &[(&str, &str)] = &[
    ("not TOML", "node = n-1\n"),
    ("a duration without quotes", "[engine]\nwindow = 10s\n"),
    ("a table without its bracket", "[engine\nwindow = \"10s\"\n"),
    ("a key alone", "[engine]\nstorms\n"),
    ("no closing quote", "node = \"n-1\nstate_dir = \"/x\"\n"),
    ("a key twice", "node = \"a\"\nnode = \"b\"\n"),
    ("an input twice", "[inputs.a]\ntype = \"stdin\"\n[inputs.a]\ntype = \"stdin\"\n"),
    ("a slip of the finger at the top", "stat_dir = \"/x\"\n"),
    ("a slip of the finger in a table", "[engine]\nwidnow = \"10s\"\n"),
    ("a key that is near to none", "[log]\ncolour = true\n"),
    ("a key of another table", "window = \"10s\"\n[store]\nflood_per_second = 5\n[log]\nnode = \"a\"\n"),
    ("a key of a table below", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\ntimeout = \"5s\"\ntoken = \"${env:TOKEN}\"\n"),
    ("a key of another type", "[inputs.a]\ntype = \"journald\"\ninclude = [\"/a\"]\n"),
    ("a table that is called otherwise elsewhere", "[sinks.a]\ntype = \"stdout\"\n"),
    ("a key that is called otherwise elsewhere", "[inputs.a]\ntype = \"file\"\npaths = [\"/a\"]\n"),
    ("a table where a value should be", "[node]\nname = \"a\"\n"),
    ("a value where a table should be", "engine = \"fast\"\n"),
    ("a value where named tables should be", "inputs = [\"/var/log/*.log\"]\n"),
    ("tables in a list", "[[inputs]]\ntype = \"stdin\"\n"),
    ("an input without a name", "[inputs]\ntype = \"stdin\"\n"),
    ("a name with a blank", "[inputs.\"my app\"]\ntype = \"stdin\"\n"),
    ("inputs that are none", "[inputs]\n"),
    ("a duration as a number", "stop_within = 20\n"),
    ("a duration without a unit", "stop_within = \"20\"\n"),
    ("a duration with an unknown unit", "stop_within = \"20 sek\"\n"),
    ("a duration that is none", "stop_within = \"soon\"\n"),
    ("a duration out of range", "stop_within = \"1h\"\n"),
    ("a duration that is below its range", "reload_every = \"10ms\"\n"),
    ("a duration that is off the grid", "[engine]\nwindow = \"15s\"\n"),
    ("a size that is none", "[engine]\nline_bytes_max = \"big\"\n"),
    ("a size with an unknown unit", "[store]\nbytes_max = \"10 gigs\"\n"),
    ("a size out of range", "[store]\nbytes_max = \"1KiB\"\n"),
    ("a size as a number out of range", "[engine]\nline_bytes_max = 0\n"),
    ("a size that is true", "[engine]\nline_bytes_max = true\n"),
    ("a number in quotes", "[engine]\nkeep_first = \"3\"\n"),
    ("a number out of range", "[engine]\nkeep_first = 0\n"),
    ("a negative number", "[engine]\nwindows_max = -1\n"),
    ("a number with a fraction", "[engine]\nkeep_first = 1.5\n"),
    ("a ratio out of range", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.delivery]\nretry_ratio = 10\n"),
    ("true in quotes", "[engine]\nstorms = \"yes\"\n"),
    ("a word that is not known", "[engine]\nmode = \"colapse\"\n"),
    ("a word that is near to none", "[store]\non_full = \"panic\"\n"),
    ("a text where a list should be", "[engine]\npass = \"healthz\"\n"),
    ("a number in a list of texts", "[engine]\ndrop = [\"a\", 2]\n"),
    ("an empty literal", "[engine]\ndrop = [\"\"]\n"),
    ("a literal that passes and is dropped", "[engine]\npass = [\"a\"]\ndrop = [\"b\", \"a\"]\n"),
    ("a zone by name", "[engine]\ntime_zone = \"Europe/Berlin\"\n"),
    ("a relative state directory", "state_dir = \"state\"\n"),
    ("a node with a blank", "node = \"my node\"\n"),
    ("rules that are not there", "[rules]\ndir = \"/nowhere\"\n"),
    ("an input without a type", "[inputs.a]\ninclude = [\"/a/*.log\"]\n"),
    ("an unknown type of input", "[inputs.a]\ntype = \"kafka\"\nbrokers = [\"b\"]\n"),
    ("a type of input that is called otherwise elsewhere", "[inputs.a]\ntype = \"kubernetes_logs\"\n"),
    ("a file input without files", "[inputs.a]\ntype = \"file\"\n"),
    ("a file input with an empty list", "[inputs.a]\ntype = \"file\"\ninclude = []\n"),
    ("a relative glob", "[inputs.a]\ntype = \"file\"\ninclude = [\"logs/*.log\"]\n"),
    ("a glob in a home", "[inputs.a]\ntype = \"file\"\ninclude = [\"~/logs/*.log\"]\n"),
    ("a glob that is none", "[inputs.a]\ntype = \"file\"\ninclude = [\"/a/[z.log\"]\n"),
    ("a glob that ends in a directory", "[inputs.a]\ntype = \"file\"\ninclude = [\"/var/log/\"]\n"),
    ("a glob that climbs", "[inputs.a]\ntype = \"file\"\ninclude = [\"/var/log/../tmp/*\"]\n"),
    ("a glob that is included and excluded", "[inputs.a]\ntype = \"file\"\ninclude = [\"/a/*\"]\nexclude = [\"/a/*\"]\n"),
    ("polls in the wrong order", "[inputs.a]\ntype = \"file\"\ninclude = [\"/a/*\"]\npoll_min = \"5s\"\n"),
    ("a start that is not known", "[inputs.a]\ntype = \"file\"\ninclude = [\"/a/*\"]\nstart_at = \"tail\"\n"),
    ("two inputs with one glob", "[inputs.a]\ntype = \"file\"\ninclude = [\"/a/*\"]\n[inputs.b]\ntype = \"file\"\ninclude = [\"/a/*\"]\n"),
    ("two inputs on stdin", "[inputs.a]\ntype = \"stdin\"\n[inputs.b]\ntype = \"stdin\"\n"),
    ("a unit without its type", "[inputs.j]\ntype = \"journald\"\nunits = [\"nginx\"]\n"),
    ("a unit that is in and out", "[inputs.j]\ntype = \"journald\"\nunits = [\"a.service\"]\nexclude_units = [\"a.service\"]\n"),
    ("the journal twice", "[inputs.j]\ntype = \"journald\"\n[inputs.k]\ntype = \"journald\"\n"),
    ("syslog without a place", "[inputs.s]\ntype = \"syslog\"\n"),
    ("syslog on a port alone", "[inputs.s]\ntype = \"syslog\"\nlisten = \"udp://514\"\n"),
    ("syslog on a name", "[inputs.s]\ntype = \"syslog\"\nlisten = \"tcp://localhost:601\"\n"),
    ("syslog without a scheme", "[inputs.s]\ntype = \"syslog\"\nlisten = \"0.0.0.0:514\"\n"),
    ("syslog on a relative socket", "[inputs.s]\ntype = \"syslog\"\nlisten = \"unix://dev/log\"\n"),
    (
        "syslog twice on one address",
        "[inputs.s]\ntype = \"syslog\"\nlisten = \"udp://0.0.0.0:514\"\n[inputs.t]\ntype = \"syslog\"\nlisten = \"udp://0.0.0.0:514\"\n",
    ),
    ("an output without a type", "[outputs.a]\nurl = \"https://x\"\n"),
    ("an unknown type of output", "[outputs.a]\ntype = \"graylog\"\n"),
    ("a type of output that there is a way round for", "[outputs.a]\ntype = \"kafka\"\n"),
    (
        "more labels than loki takes",
        "[outputs.a]\ntype = \"loki\"\nurl = \"https://x\"\nlabel_fields = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", \"k\", \"l\", \"m\", \"n\", \"o\"]\n",
    ),
    ("nats without servers", "[outputs.a]\ntype = \"nats\"\n"),
    ("a nats server by http", "[outputs.a]\ntype = \"nats\"\nurls = [\"http://n1:4222\"]\n"),
    ("a nats server with a password", "[outputs.a]\ntype = \"nats\"\nurls = [\"nats://ada:pw@n1\"]\n"),
    ("a subject that is a pattern", "[outputs.a]\ntype = \"nats\"\nurls = [\"tls://n1\"]\nsubject = \"logs.*\"\n"),
    ("a subject with an unknown placeholder", "[outputs.a]\ntype = \"nats\"\nurls = [\"tls://n1\"]\nsubject = \"logs.{pod}\"\n"),
    (
        "two ways to say who we are to nats",
        "[outputs.a]\ntype = \"nats\"\nurls = [\"tls://n1\"]\ncredentials_file = \"/c\"\n[outputs.a.auth]\ntoken = \"${env:TOKEN}\"\n",
    ),
    ("an output of another type's keys", "[outputs.a]\ntype = \"stdout\"\nurl = \"https://x\"\n"),
    ("a file output without a path", "[outputs.a]\ntype = \"file\"\n"),
    ("a file output on a directory", "[outputs.a]\ntype = \"file\"\npath = \"/var/log/\"\n"),
    ("two outputs on one file", "[outputs.a]\ntype = \"file\"\npath = \"/o\"\n[outputs.b]\ntype = \"file\"\npath = \"/o\"\n"),
    ("two outputs on stdout", "[outputs.a]\ntype = \"stdout\"\n[outputs.b]\ntype = \"stdout\"\n"),
    ("http without a url", "[outputs.a]\ntype = \"http\"\n"),
    ("a url without a scheme", "[outputs.a]\ntype = \"http\"\nurl = \"logs.example.com/x\"\n"),
    ("a url of another scheme", "[outputs.a]\ntype = \"http\"\nurl = \"tcp://logs.example.com\"\n"),
    ("a url with a password", "[outputs.a]\ntype = \"http\"\nurl = \"https://ada:pw@logs.example.com\"\n"),
    ("a url with a token", "[outputs.a]\ntype = \"http\"\nurl = \"https://logs.example.com/?api_key=pw\"\n"),
    ("a header that squelch sets", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\nheaders = { Content-Type = \"a/b\" }\n"),
    ("a header with a blank", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\nheaders = { \"X Y\" = \"a\" }\n"),
    ("headers that are a list", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\nheaders = [\"X: a\"]\n"),
    ("a header of two lines", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\nheaders = { X = \"a\\nb\" }\n"),
    (
        "two ways to say who we are",
        "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.auth]\ntoken = \"${env:TOKEN}\"\ntoken_file = \"/t\"\n",
    ),
    ("a user without a password", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.auth]\nuser = \"ada\"\n"),
    ("an empty token", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.auth]\ntoken = \"\"\n"),
    (
        "a token and a header for it",
        "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\nheaders = { authorization = \"a\" }\n[outputs.a.auth]\ntoken = \"${env:TOKEN}\"\n",
    ),
    ("a certificate without its key", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.tls]\ncert_file = \"/c.pem\"\n"),
    (
        "whom to trust and trust in anybody",
        "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.tls]\nca_file = \"/c\"\ninsecure_skip_verify = true\n",
    ),
    ("a backoff that begins above its cap", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.delivery]\nbackoff_base = \"10s\"\nbackoff_cap = \"1s\"\n"),
    ("a timeout that is shorter than a part of it", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.delivery]\ntimeout = \"1s\"\n"),
    ("a kind of record that is not known", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.route]\nkinds = [\"summaries\"]\n"),
    ("a severity as a number", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.route]\nseverity_min = 13\n"),
    ("a label that is no glob", "[outputs.a]\ntype = \"stdout\"\n[outputs.a.route]\nlabels = { a = \"[\" }\n"),
    ("a variable that is not set", "node = \"${env:NOWHERE}\"\n"),
    ("a file that is not there", "[telemetry]\napi_token = \"${file:/run/none}\"\n"),
    ("a placeholder that is not known", "node = \"${HOSTNAME}\"\n"),
    ("a variable that is no such number", "[engine]\nkeep_first = \"${env:TOKEN}\"\n"),
    ("a port alone", "[telemetry]\nlisten = \"9977\"\n"),
    ("a name to listen on", "[telemetry]\nlisten = \"localhost:9977\"\n"),
    ("two listeners on one port", "[telemetry]\nlisten = \"127.0.0.1:80\"\napi_listen = \"127.0.0.1:80\"\n"),
    ("a URL for the name of a host", "[telemetry]\nhosts = [\"http://node-7:9977\"]\n"),
    ("more counters than are kept", "[telemetry]\nfingerprints_max = 5000\n"),
    ("an open API without a token", "[telemetry]\napi_listen = \"0.0.0.0:9978\"\n"),
    ("a filter that is none", "[log]\nfilter = \"squelch=loud\"\n"),
    (
        "many at once",
        "stop_within = 5\n[engine]\nmode = \"x\"\nwidnow = \"10s\"\n[inputs.a]\ntype = \"file\"\n[inputs.b]\ntype = \"tcp\"\n[outputs.c]\ntype = \"http\"\nurl = \"x\"\n[outputs.c.delivery]\ntimout = \"1s\"\n",
    ),
];

#[test]
fn every_mistake_says_where_it_is_and_what_to_do() {
    let mut told = String::new();
    for (name, text) in MISTAKES {
        let machine = FakeMachine::default().variable("TOKEN", "s3cret");
        let mistakes = load(text, machine).err().unwrap_or_else(|| panic!("{name}: nothing was found wrong in {text}"));
        let _ = writeln!(told, "## {name}");
        for line in text.lines() {
            let _ = writeln!(told, "    {line}");
        }
        let _ = writeln!(told, "{}\n", mistakes.to_string().replace("/etc/squelch/", ""));
    }
    assert!(!told.contains("s3cret"), "a secret was told");
    insta::assert_snapshot!("mistakes", told);
}

/// (what it is, the file)
const WARNINGS: &[(&str, &str)] = &[
    ("connections of udp", "[inputs.s]\ntype = \"syslog\"\nlisten = \"udp://0.0.0.0:514\"\nconnections_max = 5\n"),
    ("a token in the clear", "[outputs.a]\ntype = \"http\"\nurl = \"http://x.example.com\"\n[outputs.a.auth]\ntoken = \"${env:TOKEN}\"\n"),
    ("tls without tls", "[outputs.a]\ntype = \"http\"\nurl = \"http://x.example.com\"\n[outputs.a.tls]\nca_file = \"/c.pem\"\n"),
    ("trust in anybody", "[outputs.a]\ntype = \"http\"\nurl = \"https://x\"\n[outputs.a.tls]\ninsecure_skip_verify = true\n"),
    ("a secret that everybody may read", "[telemetry]\napi_token = \"s3cret\"\n"),
];

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let mut told = String::new();
    for (name, text) in WARNINGS {
        let machine = FakeMachine { is_world_readable: true, ..FakeMachine::default() }.variable("TOKEN", "s3cret");
        let loaded = load(text, machine).unwrap_or_else(|mistakes| panic!("{name}: {mistakes}"));
        assert!(!loaded.warnings.is_empty(), "{name}");
        for warning in &loaded.warnings {
            let _ = writeln!(told, "## {name}\n{}\n", warning.to_string().replace("/etc/squelch/", ""));
        }
    }
    insta::assert_snapshot!("warnings", told);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let told = |text: &[u8]| {
        let machine = FakeMachine::default().file("/c.toml", text);
        super::load_on(Some(std::path::Path::new("/c.toml")), &machine).err().map(|mistakes| mistakes.to_string()).unwrap_or_default()
    };
    assert_eq!(
        told(b"node = \"a\"\n# \xff\n"),
        "/c.toml: is not UTF-8: byte 13 (in line 2) belongs to no sign; save it as UTF-8\n1 mistake in the configuration"
    );
    assert!(told(&vec![b'#'; (1 << 20) + 1]).contains("has 1048577 bytes, at most 1048576 are read"));
    let missing = super::load_on(Some(std::path::Path::new("/none.toml")), &FakeMachine::default()).err().map(|mistakes| mistakes.to_string());
    assert_eq!(
        missing.as_deref(),
        Some(
            "/none.toml: cannot be read: no such file or directory; `squelch config print-default` prints a file to begin with\n1 mistake in the configuration"
        )
    );
}

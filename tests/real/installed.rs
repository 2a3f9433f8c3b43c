//! Which of the programs of others are here.

use std::path::{Path, PathBuf};

/// Turns what is skipped into failures ...
pub const REQUIRE: &str = "SQUELCH_REQUIRE_REAL";
/// ... but for these names, which could not be installed.
const WITHOUT: &str = "SQUELCH_REAL_WITHOUT";

/// Programs that are looked for, and how each is installed.
const HOW: [(&str, &str); 7] = [
    ("promtool", "apt-get install --no-install-recommends prometheus"),
    ("prometheus", "apt-get install --no-install-recommends prometheus"),
    ("prometheus-alertmanager", "apt-get install --no-install-recommends prometheus-alertmanager"),
    ("rsyslogd", "apt-get install --no-install-recommends rsyslog"),
    ("nats-server", "apt-get install --no-install-recommends nats-server"),
    ("victoria-logs", "go install github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@latest"),
    ("otelcol-real", "an OpenTelemetry Collector of .ci/collector.yaml, as .ci/run makes it"),
];

/// Where a program is. Where it is not, that is said loudly and is `None`, or a failure with `SQUELCH_REQUIRE_REAL=1`.
pub fn installed(name: &str) -> Option<PathBuf> {
    let found = folders().into_iter().map(|folder| folder.join(name)).find(|program| program.is_file());
    if found.is_none() {
        let how = HOW.iter().find(|(known, _)| *known == name).map_or("see .ci/run", |(_, how)| how);
        skipped(&format!("{name} is not installed, nothing was tried against it; {how}"));
    }
    found
}

/// Says what was not tried.
pub fn skipped(what: &str) {
    let is_excused = std::env::var(WITHOUT).is_ok_and(|names| names.split_whitespace().any(|name| what.starts_with(name)));
    assert!(is_excused || !std::env::var(REQUIRE).is_ok_and(|value| value != "0"), "{what} ({REQUIRE} is set)");
    eprintln!("SKIPPED: {what}");
}

/// Programs of the system are often not on the path of people, and those that Go installed neither.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let go = [("GOBIN", ""), ("GOPATH", "bin"), ("HOME", "go/bin")];
    let go = go.into_iter().filter_map(|(variable, below)| Some(Path::new(&std::env::var_os(variable)?).join(below)));
    std::env::split_paths(&path).chain(go).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect()
}

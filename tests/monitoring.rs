//! What squelch ships for monitoring fits what it exposes: the page of metrics, the rules, the dashboard.

#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use squelch::outputs::encode::label_name;
use squelch::telemetry::metrics::family::{self, Kind};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[path = "real/installed.rs"]
#[allow(dead_code, reason = "it knows more than this test asks")]
mod installed;

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Names of all samples that a scrape can hold.
fn exposed() -> BTreeSet<String> {
    let names = family::ALL.iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].iter().map(|ending| format!("{}{ending}", family.name)).collect(),
        _ => vec![family.sample_name()],
    });
    names.collect()
}

/// Names of ours in `text`, those that rules record (`level:metric:operation`) left out.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let ours = words.filter(|word| (word.starts_with("squelch_") || word.starts_with("process_")) && !word.contains(':'));
    ours.map(ToOwned::to_owned).collect()
}

fn check_names(file: &str) {
    let unknown: Vec<String> = named(&read(file)).difference(&exposed()).cloned().collect();
    assert!(unknown.is_empty(), "{file} asks for what nobody exposes: {unknown:?}");
}

#[test]
fn the_page_of_metrics_lists_them_all() {
    const PAGE: &str = "docs/METRICS.md";
    let rows = family::ALL.iter().map(|family| {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} |\n", family.sample_name(), labels.join(", "), family.help)
    });
    let table = format!("<!-- metrics -->\n| name | kind | labels | meaning |\n|---|---|---|---|\n{}<!-- end -->\n", rows.collect::<String>());
    let page = read(PAGE);
    let (before, _) = page.split_once("<!-- metrics -->").expect("the page has a place for the table");
    let expected = format!("{before}{table}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(PAGE), &expected).unwrap();
    }
    assert_eq!(read(PAGE), expected, "UPDATE_DOCS=1 cargo test --test monitoring writes it anew");
}

#[test]
fn rules_ask_only_for_what_is_exposed() {
    check_names("packaging/prometheus/recording.yml");
    check_names("packaging/prometheus/alerts.yml");
}

/// Names of all fields that records have, and those of their resource that agents always write.
fn fields_of_records() -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(&read("docs/records.schema.json")).expect("a schema is JSON");
    let records = ["LineRecord", "SummaryRecord", "StormRecord"]
        .map(|record| schema["$defs"][record]["properties"].as_object().expect("a record has fields").clone());
    let own = records.into_iter().flat_map(|fields| fields.into_iter().map(|(name, _)| name));
    own.chain(["host.name", "k8s.namespace.name"].map(ToOwned::to_owned)).collect()
}

#[test]
fn the_template_for_elasticsearch_maps_only_fields_of_records() {
    let template: serde_json::Value = serde_json::from_str(&read("packaging/elasticsearch/index-template.json")).unwrap();
    let mapped = template["template"]["mappings"]["properties"]["squelch"]["properties"].as_object().unwrap();
    let fields = fields_of_records();
    // The kind of a record is no field of its own: the encoder writes it.
    let unknown: Vec<&String> = mapped.keys().filter(|name| *name != "kind" && !fields.contains(&format!("squelch.{name}"))).collect();
    assert!(unknown.is_empty(), "no record has {unknown:?}");
}

/// Not tried against a real Loki; at least each field that its ruler asks for is one that the Loki output writes.
#[test]
fn rules_for_loki_ask_only_for_fields_of_records() {
    let fields: BTreeSet<String> = fields_of_records().iter().map(|name| label_name(name)).collect();
    let rules = read("packaging/loki/rules.yml");
    let code: String = rules.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect();
    let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let asked: BTreeSet<&str> = words.filter(|word| ["squelch_", "host_", "k8s_", "event_"].iter().any(|ours| word.starts_with(ours))).collect();
    assert!(asked.len() > 5, "{asked:?}");
    let unknown: Vec<&&str> = asked.iter().filter(|word| !fields.contains(**word)).collect();
    assert!(unknown.is_empty(), "no record has {unknown:?}");
}

#[test]
fn a_name_that_nobody_exposes_would_be_found() {
    assert!(!exposed().contains("squelch_lines_read"), "counters are asked for with their ending");
    assert_eq!(named("rate(squelch_linse_read_total[5m]) + class:squelch_x:rate1m"), BTreeSet::from(["squelch_linse_read_total".to_owned()]));
}

#[test]
fn the_dashboard_is_json_and_asks_only_for_what_is_exposed_or_recorded() {
    const DASHBOARD: &str = "packaging/grafana/squelch.json";
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    check_names(DASHBOARD);
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let recorded = read("packaging/prometheus/recording.yml");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap_or_else(|| panic!("{} shows nothing", panel["title"]));
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            for word in query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).filter(|word| word.contains(":squelch_")) {
                assert!(recorded.contains(&format!("record: {word}\n")), "{}: {word} is recorded nowhere", panel["title"]);
            }
        }
    }
}

/// Runs only where promtool is; required with `SQUELCH_REQUIRE_REAL=1`.
#[test]
fn promtool_agrees_with_the_rules() {
    let Some(promtool) = installed::installed("promtool") else { return };
    let folder = path("packaging/prometheus");
    for arguments in [&["check", "rules", "recording.yml", "alerts.yml"][..], &["test", "rules", "tests.yml"][..]] {
        let output = Command::new(&promtool).args(arguments).current_dir(&folder).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "promtool {}: {}", arguments.join(" "), String::from_utf8_lossy(&said));
    }
}

//! Golden file of fingerprints: any change of a mask or of the envelope that moves an id is a visible diff.
//!
//! `tests/golden/lines.log` holds lines of our own, `tests/golden/fingerprints.tsv` their severity, id, template and text. After a wanted change:
//!
//!     SQUELCH_UPDATE_GOLDEN=1 cargo test --test golden
//!
//! and, when the ids of lines change that users have in their dashboards, raise `MASK_VERSION`.

use squelch::fingerprint::{Fingerprint, template};
use squelch::record::{Class, ClassSource};
use squelch::{envelope, scan};
use std::fmt::Write as _;
use std::path::Path;

fn row(line: &str) -> String {
    let mut words = Vec::new();
    scan::find_words(line.as_bytes(), &mut words);
    let envelope = envelope::peel(line.as_bytes(), &words);
    let template = template::build(line.as_bytes(), &words, &envelope).text;
    let fingerprint = Fingerprint::new(envelope.severity, template.as_str(), Class::None, ClassSource::Guess);
    format!("{}\t{}\t{template}\t{line}", envelope.severity, fingerprint.id())
}

#[test]
fn fingerprints_are_what_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let lines = std::fs::read_to_string(folder.join("lines.log")).expect("tests/golden/lines.log is there");
    assert!(lines.lines().count() >= 60, "the golden file covers many formats");
    let mut now = String::from("severity\tid\ttemplate\tline\n");
    for line in lines.lines() {
        writeln!(now, "{}", row(line)).expect("a string takes everything");
    }
    let file = folder.join("fingerprints.tsv");
    if std::env::var_os("SQUELCH_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &now).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&file).expect("tests/golden/fingerprints.tsv is there");
    for (now, golden) in now.lines().zip(golden.lines()) {
        assert_eq!(now, golden, "a fingerprint moved; when that is wanted: SQUELCH_UPDATE_GOLDEN=1 cargo test --test golden");
    }
    assert_eq!(now.lines().count(), golden.lines().count(), "lines were added or taken: SQUELCH_UPDATE_GOLDEN=1 cargo test --test golden");
}

/// The table in the documentation of `squelch::fingerprint` says the truth.
#[test]
fn worked_examples_of_the_documentation_hold() {
    let source = include_str!("../src/fingerprint/mod.rs");
    let rows: Vec<Vec<&str>> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .map(|row| row.trim_end_matches(" |").trim_end_matches('`').split("` | `").collect())
        .collect();
    assert!(rows.len() >= 15, "{} worked examples", rows.len());
    for cells in rows {
        let [line, severity, template, id] = cells[..] else { panic!("a row has four cells: {cells:?}") };
        assert_eq!(row(line), format!("{severity}\t{id}\t{template}\t{line}"));
    }
}

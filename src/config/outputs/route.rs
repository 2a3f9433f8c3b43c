//! `[outputs.NAME.route]`: which records an output takes.

use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::Route;
use crate::record::{Class, Severity};
use crate::store::RecordKind;
use globset::Glob;

const CLASSES: [Class; 7] = [Class::None, Class::Retry, Class::Failure, Class::Overload, Class::Exhausted, Class::Recovery, Class::CrashLoop];
const CLASS_WORDS: [&str; CLASSES.len()] = {
    let mut words = [""; CLASSES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = CLASSES[at].as_str();
        at += 1;
    }
    words
};

const KIND_WORDS: [&str; RecordKind::ALL.len()] = {
    let mut words = [""; RecordKind::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = RecordKind::ALL[at].as_str();
        at += 1;
    }
    words
};

pub(super) fn read(section: &mut Section<'_>) -> Route {
    let severities = [Severity::Unknown, Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];
    Route {
        kinds: section.choices("kinds", &KIND_WORDS, &RecordKind::ALL),
        classes: section.choices("classes", &CLASS_WORDS, &CLASSES).into_iter().map(|class| class.as_str().to_owned()).collect(),
        severity_min: section
            .choice("severity_min", &["any", "trace", "debug", "info", "warn", "error", "fatal"], &severities, Severity::Unknown)
            .otel_number(),
        labels: section.map("labels", "\"k8s.namespace.name\" = \"shop-*\"", false, |_, glob| {
            Glob::new(glob).map(drop).map_err(|error| format!("{} is no glob: {}", text_literal(glob), error.kind()))
        }),
    }
}

//! `[outputs.NAME]`: where records go. One file per type; a new type is a file and a line in [`TYPES`].

mod alertmanager;
mod auth;
mod clickhouse;
mod datadog;
mod delivery;
mod elasticsearch;
mod exec;
mod file;
mod http;
mod kafka;
mod loki;
mod nats;
mod otlp;
mod pagerduty;
mod route;
mod slack;
mod splunk;
mod stdout;
mod syslog;
mod tls;
mod victorialogs;
mod webhook;

use super::reader::Section;
use crate::outputs::destination::{Destination, OutputOptions};

/// A type of output.
pub(super) struct OutputType {
    /// The word in `type`.
    pub word: &'static str,
    /// Reads its keys.
    pub read: fn(&mut Section<'_>) -> Option<Destination>,
}

/// All types, by their words.
pub(super) const TYPES: &[OutputType] = &[
    clickhouse::TYPE,
    datadog::TYPE,
    elasticsearch::TYPE,
    file::TYPE,
    http::TYPE,
    loki::TYPE,
    nats::TYPE,
    otlp::TYPE,
    splunk::TYPE,
    stdout::TYPE,
    syslog::TYPE,
    victorialogs::TYPE,
    // Alerts only.
    alertmanager::TYPE,
    webhook::TYPE,
    slack::TYPE,
    pagerduty::TYPE,
    exec::TYPE,
];

const WORDS: [&str; TYPES.len()] = {
    let mut words = [""; TYPES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = TYPES[at].word;
        at += 1;
    }
    words
};

/// Reads one output.
pub(super) fn read(name: &str, section: &mut Section<'_>) -> Option<OutputOptions> {
    match section.required_choice("type", &WORDS, &[kafka::ADVICE]).and_then(|at| TYPES.get(at)) {
        Some(output_type) => read_as(output_type, name, section),
        None => {
            section.ignore_the_rest();
            None
        }
    }
}

fn read_as(output_type: &OutputType, name: &str, section: &mut Section<'_>) -> Option<OutputOptions> {
    section.variant = Some(output_type.word);
    let destination = (output_type.read)(section);
    let delivery = section.table("delivery", delivery::read);
    let route = section.table("route", route::read);
    Some(OutputOptions { name: name.to_owned(), destination: destination?, route, delivery })
}

/// Asks for the keys of every type.
pub(super) fn describe(section: &mut Section<'_>) {
    for output_type in TYPES {
        section.imagined("outputs", |section| {
            section.variant = Some(output_type.word);
            section.required_choice("type", &WORDS, &[]);
            read_as(output_type, "NAME", section)
        });
    }
}

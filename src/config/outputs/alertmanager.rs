//! `type = "alertmanager"`: alerts to all members of an Alertmanager cluster.

use super::OutputType;
use super::http::check_url;
use super::webhook::read_client;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::alerts::{AlertOptions, AlertmanagerOptions};
use crate::outputs::destination::Destination;

pub(super) const TYPE: OutputType = OutputType { word: "alertmanager", read };

/// Labels that tell one storm from another.
const OURS: [&str; 3] = ["alertname", "fingerprint", "node"];

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let urls = section.required_texts("urls", "http://alertmanager-0:9093", |url| check_url(url).map(drop));
    let labels = section.map("labels", "cluster = \"eu-1\", severity = \"critical\"", false, |name, _| check_label(name));
    let client = read_client(section);
    let urls: Vec<String> = urls.into_iter().map(|url| url.value).collect();
    (!urls.is_empty()).then_some(Destination::Alert(AlertOptions::Alertmanager(AlertmanagerOptions { urls, labels, client })))
}

fn check_label(name: &str) -> Result<(), String> {
    if OURS.contains(&name) {
        return Err("cannot be set here: squelch tells storms apart by it".into());
    }
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_name { Ok(()) } else { Err(format!("{} is no name of a label; it has letters, digits and `_`", text_literal(name))) }
}

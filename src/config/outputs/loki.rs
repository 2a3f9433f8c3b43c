//! `type = "loki"`: Loki's push API.

use super::OutputType;
use super::http::read_http;
use crate::config::reader::Section;
use crate::config::values::not_empty;
use crate::outputs::destination::{Destination, LogOptions, Protocol};
use crate::outputs::encode::loki::{LABELS_MAX, Options};

pub(super) const TYPE: OutputType = OutputType { word: "loki", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "https://loki.example.com");
    let defaults = Options::default();
    let mut labels = section.map("labels", "job = \"squelch\"", false, |_, value| not_empty(value).map(drop));
    if !section.has("labels") {
        labels = defaults.labels;
    }
    let fields = section.texts("label_fields", &defaults.label_fields, "k8s.namespace.name", |text| not_empty(text).map(drop));
    let made = labels.len() + fields.len();
    if made > LABELS_MAX {
        section.mistake("label_fields", format!("makes {made} labels together with `labels`; Loki takes {LABELS_MAX}, and few are better"));
    }
    let label_fields = fields.into_iter().map(|field| field.value).collect();
    Some(Destination::Log(LogOptions { http: http?, protocol: Protocol::Loki(Options { labels, label_fields }) }))
}

//! `type = "otlp"`: OpenTelemetry over HTTP.

use super::OutputType;
use super::http::read_http;
use crate::config::reader::Section;
use crate::outputs::destination::{Destination, LogOptions, Protocol};

pub(super) const TYPE: OutputType = OutputType { word: "otlp", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "http://otel-collector:4318");
    let log_dedup = section.boolean("log_dedup", false);
    Some(Destination::Log(LogOptions { http: http?, protocol: Protocol::Otlp { log_dedup } }))
}

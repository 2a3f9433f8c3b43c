//! `type = "victorialogs"`: JSON lines for VictoriaLogs.

use super::OutputType;
use super::http::read_http;
use crate::config::reader::Section;
use crate::config::values::not_empty;
use crate::outputs::destination::{Destination, LogOptions, Protocol};
use crate::outputs::encode::victorialogs::STREAM_FIELDS;

pub(super) const TYPE: OutputType = OutputType { word: "victorialogs", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "http://victorialogs:9428");
    let fields = section.texts("stream_fields", &STREAM_FIELDS.map(Into::into), "k8s.namespace.name", |text| not_empty(text).map(drop));
    let stream_fields = fields.into_iter().map(|field| field.value).collect();
    Some(Destination::Log(LogOptions { http: http?, protocol: Protocol::VictoriaLogs { stream_fields } }))
}

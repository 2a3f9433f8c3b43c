//! `type = "elasticsearch"`: the bulk API of Elasticsearch and OpenSearch.

use super::OutputType;
use super::http::read_http;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Destination, LogOptions, Protocol};

pub(super) const TYPE: OutputType = OutputType { word: "elasticsearch", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "https://elasticsearch.example.com:9200");
    let data_stream = section.text("data_stream", "logs-squelch-default", "logs-squelch-default", check_name);
    Some(Destination::Log(LogOptions { http: http?, protocol: Protocol::Elasticsearch { data_stream: data_stream? } }))
}

/// What Elasticsearch says about names of indices.
fn check_name(text: &str) -> Result<String, String> {
    let is_name = (1..=255).contains(&text.len())
        && !text.starts_with(['-', '_', '+', '.'])
        && !text.contains(|c: char| c.is_uppercase() || c.is_whitespace() || c.is_control() || "\\/*?\"<>|,#:".contains(c));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is no name of a data stream; write for example \"logs-squelch-default\"", text_literal(text)))
    }
}

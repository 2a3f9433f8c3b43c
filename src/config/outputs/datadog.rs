//! `type = "datadog"`: Datadog's log intake.

use super::OutputType;
use super::http::read_http;
use crate::config::reader::Section;
use crate::outputs::destination::{Destination, LogOptions, Protocol};

pub(super) const TYPE: OutputType = OutputType { word: "datadog", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "https://http-intake.logs.datadoghq.com");
    let key = section.secret("api_key");
    let tags = section.map("tags", "env = \"prod\"", false, |name, value| {
        let is_tag = |text: &str| !text.is_empty() && !text.contains([',', ' ']);
        if is_tag(name) && is_tag(value) { Ok(()) } else { Err("a tag is name:value, both without blanks and commas".into()) }
    });
    let (mut http, key) = (http?, key.or_else(|| missing(section))?);
    http.headers.push(("DD-API-KEY".into(), key));
    Some(Destination::Log(LogOptions { http, protocol: Protocol::Datadog { tags } }))
}

fn missing<T>(section: &Section<'_>) -> Option<T> {
    if section.is_there() && !section.has("api_key") {
        section.mistake("api_key", "is missing; write for example api_key = \"${env:DD_API_KEY}\"");
    }
    None
}

//! `type = "splunk"`: Splunk's HTTP event collector.

use super::OutputType;
use super::http::read_http;
use crate::config::reader::Section;
use crate::outputs::destination::{Auth, Destination, LogOptions, Protocol};
use crate::outputs::splunk::ACKNOWLEDGE_WITHIN;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

pub(super) const TYPE: OutputType = OutputType { word: "splunk", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "https://splunk.example.com:8088");
    let token = section.secret("token");
    let any = |text: &str| Ok(text.to_owned());
    let index = section.text("index", "", "main", any);
    let sourcetype = section.text("sourcetype", "squelch", "squelch", any);
    let acknowledge = section.boolean("acknowledge", false);
    let within = section.duration("acknowledge_within", ACKNOWLEDGE_WITHIN, Duration::from_secs(1)..=Duration::from_secs(3600));
    if section.has("acknowledge_within") && !acknowledge {
        section.warn("acknowledge_within", "has no effect: acknowledge is false");
    }
    if token.is_none() && section.is_there() && !section.has("token") {
        section.mistake("token", "is missing; write for example token = \"${env:SPLUNK_TOKEN}\"");
    }
    let mut http = http?;
    if !matches!(http.auth, Auth::None) {
        section.mistake("auth", "is not for Splunk; use `token`");
    }
    http.headers.push(("Authorization".into(), SecretString::from(format!("Splunk {}", token?.expose_secret()))));
    Some(Destination::Log(LogOptions {
        http,
        protocol: Protocol::Splunk { index: index?, sourcetype: sourcetype?, acknowledge_within: acknowledge.then_some(within) },
    }))
}

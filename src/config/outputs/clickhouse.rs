//! `type = "clickhouse"`: inserts over HTTP.

use super::OutputType;
use super::http::read_http;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Destination, LogOptions, Protocol};

pub(super) const TYPE: OutputType = OutputType { word: "clickhouse", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let http = read_http(section, "https://clickhouse.example.com:8443");
    let database = section.text("database", "squelch", "squelch", check_name);
    let table = section.text("table", "records", "records", check_name);
    Some(Destination::Log(LogOptions { http: http?, protocol: Protocol::ClickHouse { database: database?, table: table? } }))
}

/// Stands in a statement, between backticks.
fn check_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok(text.to_owned()) } else { Err(format!("{} is no name here; use a-z, A-Z, 0-9 and `_`", text_literal(text))) }
}

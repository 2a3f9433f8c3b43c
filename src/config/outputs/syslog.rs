//! `type = "syslog"`: RFC 5424 over TCP or TLS.

use super::{OutputType, tls};
use crate::config::engine::to_usize;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Destination, SyslogOptions, TlsOptions};
use crate::outputs::encode::syslog::FACILITY_DEFAULT;

pub(super) const TYPE: OutputType = OutputType { word: "syslog", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let address = section.required_text("address", "logs.example.com:6514", check_address);
    let is_encrypted = section.choice("transport", &["tls", "tcp"], &[true, false], true);
    let facility = section.count("facility", FACILITY_DEFAULT.into(), 0..=23);
    let message_bytes_max = to_usize(section.size("message_bytes_max", 8 << 10, 1 << 10..=1 << 20));
    let tls = section.table("tls", tls::read);
    if !is_encrypted && tls != TlsOptions::default() {
        section.warn("tls", "has no effect: transport is \"tcp\"");
    }
    let (host, port) = address?;
    let facility = u8::try_from(facility).unwrap_or(FACILITY_DEFAULT);
    Some(Destination::Syslog(SyslogOptions { host, port, tls: is_encrypted.then_some(tls), facility, message_bytes_max }))
}

fn check_address(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() && !host.contains(['/', ' ']) && port > 0 => Ok((host.to_owned(), port)),
        _ => Err(format!("{} is no HOST:PORT; write for example \"logs.example.com:6514\"", text_literal(text))),
    }
}

//! `type = "syslog"`: what other programs and machines send.

use super::InputType;
use crate::config::checked::Input;
use crate::config::engine::to_usize;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::config::telemetry::socket_address;
use crate::inputs::syslog::{Listen, Options};
use std::path::PathBuf;

pub(super) const TYPE: InputType = InputType { word: "syslog", read };

fn read(section: &mut Section<'_>, name: &str) -> Option<Input> {
    let listen = section.required_text("listen", "udp://0.0.0.0:514", parse_listen);
    let defaults = Options::new(name.to_owned(), Listen::Unix(PathBuf::new()));
    let connections_max = to_usize(section.count("connections_max", defaults.connections_max as u64, 1..=10_000));
    if matches!(listen, Some(Listen::Udp(_) | Listen::Unix(_))) && section.has("connections_max") {
        section.warn("connections_max", "has no effect: only tcp has connections");
    }
    Some(Input::Syslog(Options { listen: listen?, connections_max, ..defaults }))
}

fn parse_listen(text: &str) -> Result<Listen, String> {
    let wrong = || {
        format!(
            "{} is no place to listen; write \"udp://0.0.0.0:514\", \"tcp://0.0.0.0:601\" or \"unix:///run/squelch/syslog.sock\"",
            text_literal(text)
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    match scheme {
        "udp" => socket_address(rest).map(Listen::Udp),
        "tcp" => socket_address(rest).map(Listen::Tcp),
        "unix" if rest.starts_with('/') => Ok(Listen::Unix(PathBuf::from(rest))),
        "unix" => Err(format!("{} needs an absolute path: unix:// and then a path that begins with `/`", text_literal(text))),
        _ => Err(wrong()),
    }
}

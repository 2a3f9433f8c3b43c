//! The last part of `docs/CONFIGURATION.md`: every key, made from the calls that read the file and the comments of `default.toml`.

use super::key::{Entry, Kind};
use super::keys;
use super::schema::{Nowhere, comment_of, is_as_for_http};
use std::fmt::Write;

/// What begins the generated part.
pub(super) const BEGIN: &str = "<!-- From here on the page is generated: UPDATE_DOCS=1 cargo test --lib config::tests -->\n";

/// All keys, a table for each table of the file.
pub(super) fn markdown() -> String {
    let mut out = BEGIN.to_owned();
    let entries = keys(&Nowhere);
    let mut heading = (String::from("-"), None);
    for entry in entries.iter().filter(|entry| entry.key != "type" && !is_as_for_http(entry)) {
        if heading != (entry.section.clone(), entry.variant) {
            heading = (entry.section.clone(), entry.variant);
            let _ = writeln!(out, "\n### {}\n\n| key | takes | default | |\n|---|---|---|---|", title(entry));
        }
        let default = match (&entry.default, entry.is_required) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let comment = comment_of(entry).unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {} | {default} | {comment} |", entry.key, takes(entry.kind));
    }
    out
}

fn title(entry: &Entry) -> String {
    match (entry.section.as_str(), entry.variant) {
        ("", _) => "At the top".to_owned(),
        (section @ ("outputs.NAME.delivery" | "outputs.NAME.route"), _) => format!("`[{section}]`, for every output"),
        (section @ ("outputs.NAME.auth" | "outputs.NAME.tls"), _) => {
            format!("`[{section}]`, for every output that speaks HTTP, and nats (tls: syslog, too)")
        }
        (section, Some(variant)) => format!("`[{section}]` with `type = \"{variant}\"`"),
        (section, None) => format!("`[{section}]`"),
    }
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Duration { .. } | Kind::Durations(_) => format!("duration: {}", kind.range()),
        Kind::Size { .. } => format!("size: {}", kind.range()),
        Kind::Count { .. } | Kind::Ratio { .. } => format!("number: {}", kind.range()),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Text(_) => "text".to_owned(),
        Kind::Texts(_) => "list of texts".to_owned(),
        Kind::Choice(words) => words.join(", "),
        Kind::Choices(words) => format!("list of {}", words.join(", ")),
        Kind::Secret => "secret text".to_owned(),
        Kind::Map { is_secret, .. } => if is_secret { "secret texts by name" } else { "texts by name" }.to_owned(),
    }
}

//! What the input itself needs to know of a journal entry. Everything else is the envelope's business.

use crate::time::UnixNanos;
use serde::Deserialize;
use std::borrow::Cow;

/// The few fields looked at. Values may be strings, or arrays of numbers where they are not UTF-8: those are not looked at.
#[derive(Debug, Deserialize)]
struct Fields<'a> {
    #[serde(rename = "__CURSOR", borrow)]
    cursor: Option<Cow<'a, str>>,
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow)]
    realtime: Option<Cow<'a, str>>,
    #[serde(rename = "_SYSTEMD_UNIT", borrow, default)]
    unit: Text<'a>,
    #[serde(rename = "SYSLOG_IDENTIFIER", borrow, default)]
    identifier: Text<'a>,
    #[serde(rename = "_HOSTNAME", borrow, default)]
    host: Text<'a>,
}

/// A value of the journal: text, or something else.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Utf8(#[serde(borrow)] Cow<'a, str>),
    #[default]
    Missing,
    Other(serde::de::IgnoredAny),
}

impl Text<'_> {
    fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// What the input needs to know of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it stands in the journal.
    pub cursor: String,
    /// When journald took it.
    pub realtime: UnixNanos,
    /// `ssh.service`; the syslog identifier (`kernel`) of an entry without unit, else `journal`.
    pub unit: String,
    pub host: Option<String>,
}

/// Reads an entry; `None` for a line that is none.
pub(super) fn read(line: &[u8]) -> Option<Entry> {
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    let micros: i64 = fields.realtime?.parse().ok()?;
    Some(Entry {
        cursor: fields.cursor?.into_owned(),
        realtime: UnixNanos(micros.saturating_mul(1000)),
        unit: fields.unit.as_str().or_else(|| fields.identifier.as_str()).unwrap_or("journal").to_owned(),
        host: fields.host.as_str().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: &str = "s=1d56bab64d414960b9907ab0cc7f7c62;i=2;b=1;m=5;t=6;x=7";

    fn line(more: &str) -> String {
        format!(r#"{{"__CURSOR":"{CURSOR}","__REALTIME_TIMESTAMP":"1790000000123456"{more}}}"#)
    }

    fn check(more: &str, unit: &str) {
        let entry = read(line(more).as_bytes()).unwrap();
        assert_eq!(entry.unit, unit, "{more}");
        assert_eq!((entry.cursor.as_str(), entry.realtime), (CURSOR, UnixNanos(1_790_000_000_123_456_000)));
    }

    #[test]
    fn an_entry_belongs_to_its_unit_else_to_its_identifier() {
        check(r#","_SYSTEMD_UNIT":"orders.service","SYSLOG_IDENTIFIER":"java","MESSAGE":"x""#, "orders.service");
        check(r#","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"x""#, "kernel");
        check(r#","MESSAGE":[1,2,255]"#, "journal");
        check(r#","_SYSTEMD_UNIT":null,"MESSAGE":null"#, "journal");
    }

    #[test]
    fn a_line_that_is_no_entry_is_none() {
        for line in [
            "",
            "{",
            "null",
            "[]",
            "-- No entries --",
            r#"{"MESSAGE":"x"}"#,
            r#"{"__CURSOR":"c"}"#,
            r#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"soon"}"#,
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }
}

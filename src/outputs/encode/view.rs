//! A committed record as encoders see it: the few fields that every receiver has a place for, and the rest by name.

use crate::delivery::idempotency_key;
use crate::store::{Record, RecordKind};
use crate::time::UnixNanos;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Names and values, both as they stand in the record.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A record, read.
#[derive(Debug)]
pub struct View<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// Event time, RFC 3339 with nanoseconds.
    pub timestamp: Cow<'a, str>,
    /// When it was written, RFC 3339 with nanoseconds.
    pub observed: Cow<'a, str>,
    /// `squelch.summary` and the like; empty for lines.
    pub event_name: Cow<'a, str>,
    /// `trace debug info warn error fatal`, or empty.
    pub severity_text: Cow<'a, str>,
    /// OpenTelemetry's number; 0 when the record does not say.
    pub severity_number: u8,
    /// The text, lossy where it was not UTF-8.
    pub body: Cow<'a, str>,
    /// What the envelope said.
    pub attributes: Pairs<'a>,
    /// Where it came from.
    pub resource: Pairs<'a>,
    /// The same in every resend.
    pub uid: Cow<'a, str>,
    /// The stream's label.
    pub stream: Cow<'a, str>,
    /// All other fields, `squelch.fingerprint` and so on, in the order of the record.
    pub rest: Vec<(Cow<'a, str>, Field<'a>)>,
}

/// The value of a field: most are texts, and those are borrowed.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Any other JSON.
    Json(Value),
}

impl Field<'_> {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(_) => None,
        }
    }
    /// A member, if it is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Text(_) => None,
            Self::Json(value) => value.get(name),
        }
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

impl<'a> View<'a> {
    /// Reads a record. Records of ours always read; one that did not would go as its own text, so that nothing is lost.
    #[must_use]
    pub fn new(record: &Record<'a>) -> Self {
        let mut view = serde_json::from_slice(record.json).unwrap_or_else(|_| {
            let body = String::from_utf8_lossy(record.json);
            let epoch = "1970-01-01T00:00:00.000000000Z";
            Self { uid: idempotency_key([&*body].into_iter()).into(), body, timestamp: epoch.into(), observed: epoch.into(), ..Self::empty() }
        });
        view.kind = record.kind;
        view
    }

    fn empty() -> Self {
        let nothing = Cow::Borrowed("");
        Self {
            kind: RecordKind::Line,
            timestamp: nothing.clone(),
            observed: nothing.clone(),
            event_name: nothing.clone(),
            severity_text: nothing.clone(),
            severity_number: 0,
            body: nothing.clone(),
            attributes: Vec::new(),
            resource: Vec::new(),
            uid: nothing.clone(),
            stream: nothing,
            rest: Vec::new(),
        }
    }

    /// Event time.
    #[must_use]
    pub fn at(&self) -> UnixNanos {
        nanos(&self.timestamp)
    }
    /// When it was written.
    #[must_use]
    pub fn observed_at(&self) -> UnixNanos {
        nanos(&self.observed)
    }
    /// A value of the resource.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&str> {
        self.resource.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
    /// One of the other fields.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.rest.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
    /// One of the other fields, if it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Field::as_str)
    }
    /// Everything that has no place of its own, as texts: names as in the record, resource before attributes before our own fields. An
    /// object or a list is its JSON.
    pub fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let pairs = self.resource.iter().chain(&self.attributes).map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        let event_name = (!self.event_name.is_empty()).then(|| ("event_name", Cow::Borrowed(&*self.event_name)));
        let own = [("log.record.uid", Cow::Borrowed(&*self.uid)), ("squelch.stream", Cow::Borrowed(&*self.stream))];
        pairs.chain(event_name).chain(own).chain(self.rest.iter().map(|(name, value)| (&**name, text_of(value))))
    }
}

/// A value as text.
#[must_use]
pub fn text_of<'v>(value: &'v Field<'_>) -> Cow<'v, str> {
    match value {
        Field::Text(text) => Cow::Borrowed(text),
        Field::Json(value) => Cow::Owned(value.to_string()),
    }
}

/// RFC 3339 to nanoseconds; the epoch for what is no time.
pub(super) fn nanos(text: &str) -> UnixNanos {
    let at = text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_nanosecond);
    UnixNanos(i64::try_from(at).unwrap_or(0))
}

/// A text that is borrowed where the JSON has no escapes in it.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Field<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Field::Json(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Field::Json(value.into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Field::Json(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Field::Json(value.into()))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Field::Json(Value::Null))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Value::deserialize(SeqAccessDeserializer::new(seq)).map(Field::Json)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Value::deserialize(MapAccessDeserializer::new(map)).map(Field::Json)
            }
        }
        deserializer.deserialize_any(V)
    }
}

struct Texts<'a>(Pairs<'a>);

/// An object of texts, for who reads a record in part.
pub(super) fn pairs<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a>, D::Error> {
    Texts::deserialize(deserializer).map(|texts| texts.0)
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Texts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push((name, value));
                }
                Ok(Texts(pairs))
            }
        }
        deserializer.deserialize_map(V)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for View<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = View<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<View<'de>, A::Error> {
                let mut view = View::empty();
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    let place = match &*name {
                        "timestamp" => &mut view.timestamp,
                        "observed_timestamp" => &mut view.observed,
                        "event_name" => &mut view.event_name,
                        "severity_text" => &mut view.severity_text,
                        "body" => &mut view.body,
                        "log.record.uid" => &mut view.uid,
                        "squelch.stream" => &mut view.stream,
                        "severity_number" => {
                            view.severity_number = map.next_value()?;
                            continue;
                        }
                        "attributes" => {
                            view.attributes = map.next_value::<Texts<'de>>()?.0;
                            continue;
                        }
                        "resource" => {
                            view.resource = map.next_value::<Texts<'de>>()?.0;
                            continue;
                        }
                        _ => {
                            if view.rest.is_empty() {
                                // A line has three or four, a summary some twenty.
                                view.rest.reserve(if view.event_name.is_empty() { 4 } else { 24 });
                            }
                            view.rest.push((name, map.next_value()?));
                            continue;
                        }
                    };
                    *place = map.next_value::<Text<'de>>()?.0;
                }
                Ok(view)
            }
        }
        deserializer.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_with_everything_in_it() {
        let json = br#"{"timestamp":"2026-11-25T12:00:00.000000001Z","observed_timestamp":"2026-11-25T12:00:01Z","severity_number":13,"body":"a\u0000\"b","attributes":{"k":"v"},"resource":{"host.name":"n1"},"log.record.uid":"0a","squelch.stream":"s","squelch.count":3,"squelch.per_10s":[[1,2]]}"#;
        let view = View::new(&Record { kind: RecordKind::Summary, json });
        assert_eq!((view.at().0, view.observed_at().0), (1_795_608_000_000_000_001, 1_795_608_001_000_000_000));
        assert_eq!((&*view.body, view.severity_number, view.resource("host.name")), ("a\0\"b", 13, Some("n1")));
        let texts: Vec<String> = view.texts().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(texts, ["host.name=n1", "k=v", "log.record.uid=0a", "squelch.stream=s", "squelch.count=3", "squelch.per_10s=[[1,2]]"]);
    }

    #[test]
    fn what_is_no_record_goes_as_text() {
        let view = View::new(&Record { kind: RecordKind::Line, json: b"no \xff json" });
        assert_eq!((&*view.body, view.at().0, view.uid.len()), ("no \u{fffd} json", 0, 32));
    }
}

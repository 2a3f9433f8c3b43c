//! What an output is made of: an [`Encoder`] (records to bytes, pure) and a [`Sender`] (bytes to a receiver). Everything else is shared.

use super::outcome::Outcome;
use crate::store::{BatchNumber, Record, Records};
use memchr::memmem;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::future::Future;
use tokio::time::Instant;

/// Records to the bytes of one request. Pure: the same records give the same bytes.
pub trait Encoder: Send {
    /// The media type of what it writes.
    fn content_type(&self) -> &'static str;
    /// Appends the body for `records` to `out`.
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>);
    /// Where the bytes of a record depend on those beside it: a number for each record of a batch, given back with the record in
    /// [`encode_marked`](Self::encode_marked). Asked with the whole batch, also with what is delivered already or goes elsewhere: batches never
    /// change, so a record has the same number in every resend, in whatever request and after a crash. Most need none.
    fn marks(&self, batch: BatchNumber, records: &Records) -> Vec<u32> {
        let _ = (batch, records);
        Vec::new()
    }
    /// The same as [`encode`](Self::encode), with the mark of each record.
    fn encode_marked(&mut self, records: &[Record<'_>], marks: &[u32], out: &mut Vec<u8>) {
        let _ = marks;
        self.encode(records, out);
    }
}

/// One request, ready to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What the encoder wrote.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
    /// The same for the same records in every resend.
    pub idempotency_key: String,
    /// Records in it.
    pub records: usize,
}

/// A way to a receiver. It tries once and says what came of it; when to try again is not its business. It keeps to its own timeouts.
pub trait Sender: Send {
    /// Where to, for people: no secrets.
    fn target(&self) -> &str;
    /// Sends a request and waits for the answer.
    fn send(&mut self, request: &Request) -> impl Future<Output = Outcome> + Send;
    /// When [`remind`](Self::remind) is due, while there is nothing to send. Most receivers need no reminding.
    fn remind_at(&self) -> Option<Instant> {
        None
    }
    /// Tells the receiver once more what it would forget: alerts that still fire. Once, whatever comes of it.
    fn remind(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// The records as they stand, one a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ndjson;

impl Encoder for Ndjson {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            out.extend_from_slice(record.json);
            out.push(b'\n');
        }
    }
}

/// 32 hex digits over the ids of the records of a request.
#[must_use]
pub fn idempotency_key<'a>(uids: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for uid in uids {
        hash.update((uid.len() as u64).to_be_bytes());
        hash.update(uid);
    }
    let digest = hash.finalize();
    let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

/// The id of a record: its `log.record.uid`.
#[must_use]
pub fn record_uid(json: &[u8]) -> Option<Cow<'_, str>> {
    // Records of ours have it behind all objects that hold names of others, and a quote inside a text is escaped: the last one is it. Reading
    // the whole record takes longer than sending it.
    const KEY: &[u8] = b"\"log.record.uid\":\"";
    let found = memmem::rfind(json, KEY).and_then(|at| {
        let rest = &json[at + KEY.len()..];
        let uid = &rest[..memchr::memchr(b'"', rest)?];
        uid.iter().all(u8::is_ascii_alphanumeric).then(|| std::str::from_utf8(uid).ok())?
    });
    found.map_or_else(|| read_uid(json), |uid| Some(Cow::Borrowed(uid)))
}

/// The same for records that are laid out otherwise.
fn read_uid(json: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(rename = "log.record.uid", borrow)]
        uid: Cow<'a, str>,
    }
    serde_json::from_slice::<Head<'_>>(json).ok().map(|head| head.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RecordKind;

    #[test]
    fn the_id_of_a_record_is_its_own_and_not_one_in_its_attributes() {
        let json = br#"{"body":"\"log.record.uid\":\"x\"","attributes":{"log.record.uid":"evil"},"log.record.uid":"0a1b"}"#;
        assert_eq!(record_uid(json).as_deref(), Some("0a1b"));
        assert_eq!(record_uid(b"{}"), None);
        assert_eq!(record_uid(b"\xff"), None);
    }

    #[test]
    fn the_same_records_have_the_same_key_and_others_another() {
        let key = |uids: &[&str]| idempotency_key(uids.iter().copied());
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
        assert_ne!(key(&["a", "b"]), key(&["b", "a"]));
        assert_eq!(key(&["a"]).len(), 32);
    }

    #[test]
    fn ndjson_is_a_record_a_line() {
        let mut out = Vec::new();
        let record = |json| Record { kind: RecordKind::Line, json };
        Ndjson.encode(&[record(b"{\"a\":1}"), record(b"{}")], &mut out);
        assert_eq!(out, b"{\"a\":1}\n{}\n");
    }
}

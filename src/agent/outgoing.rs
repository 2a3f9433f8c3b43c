//! What the engine says becomes records of the next batch.

use crate::collapse::summary::Summary;
use crate::collapse::{Closed, Plain};
use crate::engine::{Forwarded, Sink};
use crate::outputs::json::JsonEncoder;
use crate::record::Class;
use crate::store::{RecordKind, Records};
use crate::storm::{Burst, StormEvent};
use crate::telemetry::{Retries, Tally};

/// Records since the last commit, encoded.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Encodes into its buffer, which holds the records of the next batch.
    pub encoder: JsonEncoder,
    index: Vec<(RecordKind, u32)>,
    /// An alert is among them: commit at once.
    pub is_urgent: bool,
    /// Records per fingerprint, for metrics.
    pub tally: Tally,
    /// What metrics say of retries.
    pub retries: Retries,
}

impl Outgoing {
    /// Bytes of the records that wait.
    pub(super) fn bytes(&self) -> usize {
        self.encoder.buffer.len()
    }

    /// The records so far; there are none afterwards.
    pub(super) fn take(&mut self) -> Records {
        self.is_urgent = false;
        Records { ndjson: std::mem::take(&mut self.encoder.buffer), index: std::mem::take(&mut self.index) }
    }

    /// Puts a record that is encoded already behind the others.
    pub(super) fn push(&mut self, kind: RecordKind, json: &[u8]) {
        self.encoder.buffer.extend_from_slice(json);
        self.close(kind);
    }

    /// What a window would leave behind, by itself: kind and bytes.
    pub(super) fn encode_apart(&mut self, closed: &Closed<'_>) -> (RecordKind, Vec<u8>) {
        let records = std::mem::take(&mut self.encoder.buffer);
        let kind = match closed {
            Closed::Plain(plain) => {
                self.encoder.forward(&forwarded(plain));
                RecordKind::Line
            }
            Closed::Summary(summary) => {
                self.encoder.summary(summary);
                RecordKind::Summary
            }
        };
        (kind, std::mem::replace(&mut self.encoder.buffer, records))
    }

    fn close(&mut self, kind: RecordKind) {
        let end = u32::try_from(self.encoder.buffer.len()).expect("a batch is committed long before it has 4 GiB");
        self.index.push((kind, end));
    }
}

/// A held record as it passes when its window closes with it alone.
fn forwarded<'a>(plain: &Plain<'a>) -> Forwarded<'a> {
    let Plain { raw, fingerprint, stream, place, arrival, working, event, lines, .. } = *plain;
    Forwarded { raw, stream, place, arrival, working, event, lines, fingerprint: Some(fingerprint), would_absorb: false, fields: &[] }
}

impl Sink for Outgoing {
    fn forward(&mut self, record: &Forwarded<'_>) {
        if let Some(fingerprint) = record.fingerprint.filter(|fingerprint| fingerprint.class != Class::None && !record.would_absorb) {
            self.tally.settle(fingerprint.id(), fingerprint.class, &fingerprint.template, 1);
        }
        self.encoder.forward(record);
        self.close(RecordKind::Line);
    }
    fn summary(&mut self, summary: &Summary) {
        let fingerprint = &summary.fingerprint;
        self.tally.settle(fingerprint.id(), fingerprint.class, &fingerprint.template, summary.count);
        if let Some(gaps) = &summary.intervals {
            self.retries.add_gaps(fingerprint.class, gaps);
        }
        self.encoder.summary(summary);
        self.close(RecordKind::Summary);
    }
    fn absorbed(&mut self, record: &Forwarded<'_>) {
        self.encoder.absorbed(record);
        self.close(RecordKind::Absorbed);
    }
    fn burst(&mut self, burst: &Burst) {
        self.encoder.burst(burst);
        self.close(RecordKind::Burst);
    }
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.retries.note_storm(event);
        self.encoder.storm(event, absorbed);
        self.close(RecordKind::Storm);
        self.is_urgent = true;
    }
}

//! One POST per alert: the record as it stands, or what a template makes of it.

use super::template::Template;
use crate::delivery::Encoder;
use crate::store::Record;

/// Records to bodies.
#[derive(Clone, Debug)]
pub struct WebhookEncoder {
    template: Option<Template>,
}

impl WebhookEncoder {
    /// An encoder with a template, or one that sends records as they stand.
    #[must_use]
    pub const fn new(template: Option<Template>) -> Self {
        Self { template }
    }
}

impl Encoder for WebhookEncoder {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        // One a request: see where it is started.
        for record in records {
            match &self.template {
                None => out.extend_from_slice(record.json),
                Some(template) => template.push(record.json, out),
            }
        }
    }
}

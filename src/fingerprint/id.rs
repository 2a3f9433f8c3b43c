//! The public id of a template: reproducible with `sha256sum`, made when it is first written.

use crate::record::{Class, ClassSource, FingerprintId, Severity};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Changes whenever a mask changes what any line's template is; part of every id.
pub const MASK_VERSION: u32 = 1;

/// Everything that is known about one kind of message. Made once per new template.
#[derive(Debug)]
pub struct Fingerprint {
    /// What its lines say about their severity.
    pub severity: Severity,
    /// The message with typed placeholders.
    pub template: Box<str>,
    /// What it says about retrying.
    pub class: Class,
    /// Who said so.
    pub source: ClassSource,
    id: OnceLock<FingerprintId>,
}

impl Fingerprint {
    /// A fingerprint whose id is not computed yet.
    #[must_use]
    pub fn new(severity: Severity, template: impl Into<Box<str>>, class: Class, source: ClassSource) -> Self {
        Self { severity, template: template.into(), class, source, id: OnceLock::new() }
    }

    /// The public id: the first 16 hex digits of SHA-256 over `squelch/<mask version>\n<severity>\n<template>`.
    pub fn id(&self) -> FingerprintId {
        *self.id.get_or_init(|| {
            let mut hash = Sha256::new();
            hash.update(format!("squelch/{MASK_VERSION}\n{}\n", self.severity));
            hash.update(self.template.as_bytes());
            let digest = hash.finalize();
            FingerprintId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_what_sha256sum_says() {
        // printf 'squelch/1\nfatal\nFATAL: sorry, too many clients already' | sha256sum | cut -c1-16
        let fingerprint = Fingerprint::new(Severity::Fatal, "FATAL: sorry, too many clients already", Class::Overload, ClassSource::Guess);
        assert_eq!(fingerprint.id().to_string(), "58c36f3e1355ccf7");
    }
}

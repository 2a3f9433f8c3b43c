//! The storm stage in the engine: feeds it before anything is collapsed, and lets the collapse back off while a storm lasts.

use super::classify::rules_of;
use super::offer::emit;
use super::{Accounting, Options, Sink};
use crate::collapse::Collapse;
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{FingerprintIndex, StreamId};
use crate::storm::{Diagnosed, FingerprintState, Origin, StormEvent, StormOptions, StormReport, Storms, StormsState};
use crate::time::{SECOND, UnixNanos};
use std::sync::Arc;

/// A fingerprint whose rate rises or storms.
#[derive(Debug)]
struct Risen {
    index: FingerprintIndex,
    fingerprint: Arc<Fingerprint>,
    /// Whether the collapse was told.
    is_told: bool,
}

/// Storms, and what the collapse was told about them.
#[derive(Debug)]
pub(super) struct StormStage {
    /// Absent when the user does not want any.
    storms: Option<Storms>,
    /// In the order of their index.
    risen: Vec<Risen>,
    told: Vec<StormEvent>,
    now: UnixNanos,
    /// Second in which each fingerprint was last looked at: states change once a second at most, so that is often enough.
    looked_at: Vec<i64>,
    /// Records of each fingerprint that were absorbed since it began to rise; of others anything.
    absorbed: Vec<u64>,
}

impl StormStage {
    pub(super) fn new(options: &Options) -> Self {
        let of_storms = StormOptions {
            node: options.node,
            started_in_the_middle: options.started_in_the_middle,
            shows_secrets: !options.mask_secrets,
            rules: Some(rules_of(options.rules.as_ref())),
        };
        let storms = options.storms.then(|| Storms::new(of_storms));
        Self { storms, risen: Vec::new(), told: Vec::new(), now: UnixNanos(i64::MIN), looked_at: Vec::new(), absorbed: Vec::new() }
    }

    /// A record, before the collapse sees it.
    #[inline]
    pub(super) fn observe(&mut self, seen: &Occurrence<'_>, collapse: &mut Collapse, accounting: &mut Accounting, sink: &mut dyn Sink) {
        let Some(storms) = &mut self.storms else { return };
        if !seen.fingerprint.class.is_retry_like() {
            return storms.note_ordinary(seen);
        }
        storms.observe(seen, &mut |event| self.told.push(event));
        let (index, second) = (seen.index.0 as usize, seen.working.second());
        if index >= self.looked_at.len() {
            self.looked_at.resize(index + 1, i64::MIN);
            self.absorbed.resize(index + 1, 0);
        }
        if self.told.is_empty() && self.looked_at[index] == second {
            return;
        }
        self.looked_at[index] = second;
        if storms.is_pending_or_firing(seen.index)
            && let Err(at) = self.risen.binary_search_by_key(&seen.index, |risen| risen.index)
        {
            self.absorbed[index] = 0;
            self.risen.insert(at, Risen { index: seen.index, fingerprint: Arc::clone(seen.fingerprint), is_told: false });
        }
        self.settle(collapse, accounting, sink);
    }

    /// The record that was just observed was absorbed.
    #[inline]
    pub(super) fn note_absorbed(&mut self, index: FingerprintIndex) {
        if let Some(absorbed) = self.absorbed.get_mut(index.0 as usize) {
            *absorbed += 1;
        }
    }

    /// Moves the clock of the storms, the same that the windows go by.
    #[inline]
    pub(super) fn advance(&mut self, now: UnixNanos, collapse: &mut Collapse, accounting: &mut Accounting, sink: &mut dyn Sink) {
        let Some(storms) = &mut self.storms else { return };
        let is_same_second = now.second() <= self.now.second();
        self.now = self.now.max(now);
        if is_same_second {
            // Storms go by whole seconds.
            return;
        }
        storms.advance(now, &mut |event| self.told.push(event));
        self.settle(collapse, accounting, sink);
    }

    /// When [`StormStage::advance`] must be called at the latest.
    pub(super) fn next_wakeup(&self) -> Option<UnixNanos> {
        // Storms go by whole seconds: an earlier call would change nothing.
        let due = self.storms.as_ref()?.next_wakeup()?;
        Some(due.max(UnixNanos(self.now.second().saturating_add(1).saturating_mul(SECOND))))
    }

    /// The input has ended: what still goes on is told so.
    pub(super) fn drain(&mut self, now: UnixNanos, collapse: &mut Collapse, accounting: &mut Accounting, sink: &mut dyn Sink) {
        let Some(storms) = self.storms.as_mut().filter(|_| now.0 != i64::MIN) else { return }; // nothing was read
        storms.drain(now, &mut |event| self.told.push(event));
        self.settle(collapse, accounting, sink);
    }

    /// The index is about to be used for another fingerprint.
    pub(super) fn forget(&mut self, index: FingerprintIndex) {
        if let Some(storms) = &mut self.storms {
            storms.forget(index);
        }
        self.risen.retain(|risen| risen.index != index);
        if let Some(looked_at) = self.looked_at.get_mut(index.0 as usize) {
            *looked_at = i64::MIN;
        }
    }

    /// See [`Storms::set_origin`].
    pub(super) fn set_origin(&mut self, stream: StreamId, origin: Option<Origin>) {
        if let Some(storms) = &mut self.storms {
            storms.set_origin(stream, origin);
        }
    }

    /// Storms that go on now.
    pub(super) fn current(&self) -> Vec<StormReport> {
        self.storms.as_ref().map_or_else(Vec::new, |storms| storms.current().into_iter().filter(|storm| storm.resolved.is_none()).collect())
    }

    /// See [`Storms::diagnoses`].
    pub(super) fn diagnoses(&self) -> Vec<Diagnosed> {
        self.storms.as_ref().map_or_else(Vec::new, Storms::diagnoses)
    }

    /// See [`Storms::snapshot`]; nothing where no storms are wanted.
    pub(super) fn state(&self) -> StormsState {
        self.storms.as_ref().map_or_else(StormsState::default, Storms::snapshot)
    }

    /// See [`Storms::restore`].
    pub(super) fn restore(
        &mut self,
        state: &StormsState,
        now: UnixNanos,
        index_of: impl FnMut(&FingerprintState) -> (FingerprintIndex, Arc<Fingerprint>),
    ) {
        if let Some(storms) = &mut self.storms {
            storms.restore(state, now, index_of);
        }
    }

    /// Tells events, and the collapse which fingerprints storm.
    fn settle(&mut self, collapse: &mut Collapse, accounting: &mut Accounting, sink: &mut dyn Sink) {
        for event in self.told.drain(..) {
            let report = event.report();
            let is_of_it = |risen: &&Risen| report.fingerprints.iter().any(|fingerprint| Arc::ptr_eq(fingerprint, &risen.fingerprint));
            let absorbed: u64 = self.risen.iter().filter(is_of_it).map(|risen| self.absorbed[risen.index.0 as usize]).sum();
            sink.storm(&event, absorbed);
        }
        let Some(storms) = &mut self.storms else { return };
        if storms.has_bursts() {
            storms.take_bursts().for_each(|burst| sink.burst(&burst));
        }
        self.risen.retain_mut(|risen| {
            let is_up = storms.is_pending_or_firing(risen.index);
            if is_up != risen.is_told {
                risen.is_told = is_up;
                collapse.storm(risen.index, is_up, &mut |closed| emit(accounting, sink, closed));
            }
            is_up
        });
    }
}

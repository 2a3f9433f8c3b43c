//! What an output says in squelch's own log: people are told when an outage begins (the breaker opened), each ten minutes while it lasts, and
//! when it is over; a hiccup is not worth a word. Each attempt is a line of level debug that names attempt, target, error and delay in the form
//! that squelch's own rules read: we are a client that retries, too.

use super::batches::ReadError;
use super::outcome::Outcome;
use crate::units::{show_count, show_duration};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// An outage is mentioned again after so long.
const REMIND_EVERY: Duration = Duration::from_secs(600);

/// Dead letters are mentioned at most this often.
const DEAD_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Talk {
    output: Box<str>,
    target: Box<str>,
    down_since: Option<Duration>,
    /// When people were told last of the outage at hand.
    warned: Option<Duration>,
    dead_said: Option<Duration>,
    dead: u64,
    store_fails: bool,
}

impl Talk {
    pub(super) fn new(output: &str, target: &str) -> Self {
        Self { output: output.into(), target: target.into(), down_since: None, warned: None, dead_said: None, dead: 0, store_fails: false }
    }

    /// An attempt failed; the next one comes after `delay`.
    pub(super) fn failed(&mut self, now: Duration, outcome: &Outcome, attempt: u32, delay: Duration, opens: bool) {
        let down_since = *self.down_since.get_or_insert(now);
        let (output, target, delay) = (&self.output, &self.target, delay.as_secs_f64());
        let line = format_args!("output {output}: attempt {attempt} to {target} failed: {outcome}, retrying in {delay:.1}s");
        if matches!(outcome, Outcome::Refused { .. }) {
            // An operator must act: said each time, which is rarely.
            self.warned = Some(now);
            return error!("{line}");
        }
        debug!("{line}");
        if opens && self.warned.is_none() || self.warned.is_some_and(|warned| now.saturating_sub(warned) >= REMIND_EVERY) {
            self.warned = Some(now);
            let down = show(now.saturating_sub(down_since));
            warn!("output {output}: cannot deliver to {target}: {outcome} ({attempt} attempts in {down}); records wait in the store");
        }
    }

    /// A request was taken. Only an outage that was told of is told to be over.
    pub(super) fn delivered(&mut self, now: Duration, failures: u32) {
        if let (Some(since), Some(_)) = (self.down_since.take(), self.warned.take()) {
            let down = show(now.saturating_sub(since));
            info!("output {}: connection to {} recovered after {failures} failed attempts in {down}", self.output, self.target);
        }
    }

    /// A request goes in halves; `learned` is the new limit of requests, when it is lower now.
    pub(super) fn halves(&self, outcome: &Outcome, records: usize, bytes: usize, learned: Option<usize>) {
        let (output, target) = (&self.output, &self.target);
        match learned {
            Some(limit) => {
                info!("output {output}: {target} does not take {bytes} bytes at once ({outcome}); requests are at most {limit} bytes from now on")
            }
            None => debug!("output {output}: {target} may not like one of {records} records ({outcome}); looking for it by halves"),
        }
    }

    /// Records were given up on.
    pub(super) fn dead(&mut self, now: Duration, records: usize, reason: &str) {
        self.dead += records as u64;
        if self.dead_said.is_none_or(|said| now.saturating_sub(said) >= DEAD_EVERY) {
            self.dead_said = Some(now);
            let (output, target, total) = (&self.output, &self.target, show_count(self.dead));
            error!("output {output}: {target} will never take a record: {reason}; kept as dead letter ({total} since the start)");
        }
    }

    pub(super) fn gone(&self, outcome: &Outcome) {
        warn!("output {}: {} is gone for good: {outcome}; this output ends, the others go on", self.output, self.target);
    }

    pub(super) fn store_fails(&mut self, error: &ReadError) {
        if !self.store_fails {
            self.store_fails = true;
            error!("output {}: {error}; trying again", self.output);
        }
    }

    pub(super) fn store_answers(&mut self) {
        if std::mem::take(&mut self.store_fails) {
            info!("output {}: the store can be read again", self.output);
        }
    }
}

fn show(span: Duration) -> String {
    show_duration(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

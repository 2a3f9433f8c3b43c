//! How many records each fingerprint had since the last commit, from what leaves the engine: no counting on the path of a line.
//!
//! A record is *settled* when it was forwarded or stands in a summary that was written, and *open* while it waits in a window. Between two
//! commits a fingerprint had `settled since + open now - open before` records: what moves from a window into a summary counts once.

use super::Retries;
use crate::record::{Class, FingerprintId};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug)]
struct Counted {
    class: Class,
    template: Box<str>,
    settled: u64,
    open: u64,
    open_before: u64,
}

/// Counts between two commits. Holds what was seen since the last one and what is still open: as many entries as there are windows.
#[derive(Debug, Default)]
pub struct Tally {
    by_id: BTreeMap<FingerprintId, Counted>,
}

impl Tally {
    /// Records that were forwarded, or that a written summary counts. Of `observe` mode only the latter.
    pub fn settle(&mut self, id: FingerprintId, class: Class, template: &str, records: u64) {
        if class.is_retry_like() {
            self.entry(id, class, template).settled += records;
        }
    }

    /// Records of one window that is open at this commit.
    pub fn open(&mut self, id: FingerprintId, class: Class, template: &str, records: u64) {
        if class.is_retry_like() {
            self.entry(id, class, template).open += records;
        }
    }

    /// The commit is done, all open windows were told: adds what is new.
    pub fn tell(&mut self, retries: &mut Retries, now: Duration) {
        self.by_id.retain(|id, counted| {
            let records = (counted.settled + counted.open).saturating_sub(counted.open_before);
            retries.add(*id, counted.class, &counted.template, records, now);
            (counted.settled, counted.open_before, counted.open) = (0, counted.open, 0);
            counted.open_before > 0
        });
    }

    fn entry(&mut self, id: FingerprintId, class: Class, template: &str) -> &mut Counted {
        self.by_id.entry(id).or_insert_with(|| Counted { class, template: template.into(), settled: 0, open: 0, open_before: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: FingerprintId = FingerprintId(7);

    /// What the class counter says after each commit: (settled since, open at it).
    fn told(commits: &[(u64, u64)]) -> Vec<u64> {
        let (mut tally, mut retries) = (Tally::default(), Retries::default());
        let after = commits.iter().map(|(settled, open)| {
            tally.settle(ID, Class::Retry, "retrying in <dur>", *settled);
            tally.open(ID, Class::Retry, "retrying in <dur>", *open);
            tally.tell(&mut retries, Duration::from_secs(1));
            retries.status(Duration::from_secs(1)).by_class[0]
        });
        after.collect()
    }

    #[test]
    fn records_are_counted_while_their_window_is_open_and_once() {
        // The first passes, 99 and then 100 more go into a window, which is written as a summary; a new window begins.
        assert_eq!(told(&[(1, 0), (0, 99), (0, 199), (199, 0), (0, 5)]), [1, 100, 200, 200, 205]);
    }

    #[test]
    fn a_window_of_one_record_that_passes_as_plain_line_counts_once() {
        assert_eq!(told(&[(0, 1), (1, 0), (0, 0)]), [1, 1, 1]);
    }

    #[test]
    fn nothing_is_kept_of_what_is_not_open_or_not_about_retrying() {
        let (mut tally, mut retries) = (Tally::default(), Retries::default());
        tally.settle(FingerprintId(1), Class::None, "GET <path>", 5);
        assert!(tally.by_id.is_empty());
        tally.settle(ID, Class::Failure, "refused", 5);
        tally.tell(&mut retries, Duration::from_secs(1));
        assert!(tally.by_id.is_empty());
    }
}

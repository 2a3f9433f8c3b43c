//! What was given to a connection in the last moments: where nobody answers, it is not known to have been read.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// A receiver that lives has read, and written on, what it got so long ago. One that is asked to end may read nothing for seconds before it
/// is gone, while its kernel still takes bytes and connections for it.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Most bytes that are kept for it: about what the buffers of a connection hold.
const BYTES_MAX: usize = 2 << 20;

/// The last requests of a connection, the oldest first.
#[derive(Default)]
pub(super) struct Recent {
    sent: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// What is kept was given to a connection that has ended.
    is_unsure: bool,
}

impl Recent {
    /// A request was given away.
    pub(super) fn sent(&mut self, now: Instant, bytes: &[u8]) {
        if std::mem::take(&mut self.is_unsure) {
            // All of it went along.
            self.sent.iter_mut().for_each(|(at, _)| *at = now);
        }
        self.sent.push_back((now, bytes.to_vec()));
        self.bytes += bytes.len();
        self.forget(now);
    }

    /// The connection ended.
    pub(super) fn ended(&mut self, at: Instant) {
        if !self.is_unsure {
            self.forget(at);
            self.is_unsure = true;
        }
    }

    /// What must be sent again before anything else: nothing unless a connection has ended.
    pub(super) fn unsure(&self) -> impl Iterator<Item = &[u8]> {
        self.sent.iter().filter(|_| self.is_unsure).map(|(_, bytes)| &**bytes)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, bytes)) = self.sent.front()
            && (now.saturating_duration_since(*at) > READ_WITHIN || self.bytes > BYTES_MAX)
        {
            self.bytes -= bytes.len();
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsure(recent: &Recent) -> Vec<&[u8]> {
        recent.unsure().collect()
    }

    #[test]
    fn what_was_sent_right_before_the_end_goes_again_and_nothing_older() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut recent = Recent::default();
        recent.sent(second(0), b"old");
        recent.sent(second(11), b"a");
        recent.sent(second(19), b"b");
        assert!(unsure(&recent).is_empty(), "the connection lives");
        recent.ended(second(20));
        assert_eq!(unsure(&recent), [b"a", b"b"]);
        // It was long ago that it ended, but the same holds: nobody has read more since.
        recent.ended(second(100));
        assert_eq!(unsure(&recent), [b"a", b"b"]);
        recent.sent(second(100), b"c");
        assert!(unsure(&recent).is_empty());
        recent.ended(second(105));
        assert_eq!(unsure(&recent), [b"a", b"b", b"c"], "the second receiver may not have read them either");
        recent.sent(second(105), b"d");
        recent.ended(second(200));
        assert!(unsure(&recent).is_empty(), "an idle connection that is closed has read everything");
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let now = Instant::now();
        let mut recent = Recent::default();
        for _ in 0..10 {
            recent.sent(now, &vec![b'x'; BYTES_MAX / 4]);
        }
        recent.ended(now);
        assert_eq!(unsure(&recent).len(), 4);
    }
}

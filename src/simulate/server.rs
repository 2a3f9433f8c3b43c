//! The server: it makes one connection after another, and saying no costs it time, too.
//!
//! Two things together turn a short outage into a storm that does not end (Bronson et al., "Metastable Failures in
//! Distributed Systems", `HotOS` 2021):
//! - a refusal is work of a higher priority than a handshake (receive livelock: Mogul and Ramakrishnan, 1997), so the more
//!   clients ask, the slower the handshakes become;
//! - a handshake whose client has gone away is finished all the same, since the server cannot know.

use std::collections::VecDeque;

/// What the server can do. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Handshakes a second when nobody disturbs.
    pub handshakes_per_second: f64,
    /// Handshakes that may be open at once, the one in work included; further ones are refused.
    pub backlog: usize,
    /// Server time that a refusal costs.
    pub refusal_cost: i64,
}

/// One attempt, as the server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who asks.
    pub worker: usize,
    /// Which of the worker's attempts this is.
    pub attempt: u64,
}

/// The answer to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody listens: the kernel refuses at no cost.
    Down,
    /// The backlog is full; the refusal is sent at this time.
    Refused(i64),
    /// It waits for its handshake. When it is the only one, its handshake is to be looked at, at this time.
    Accepted(Option<i64>),
}

/// The state of the server.
#[derive(Clone, Debug)]
pub struct Server {
    capacity: Capacity,
    up: bool,
    open: VecDeque<Ticket>,
    finished_at: i64,
    refusing_until: i64,
}

impl Server {
    /// A server that is up and idle.
    #[must_use]
    pub const fn new(capacity: Capacity) -> Self {
        Self { capacity, up: true, open: VecDeque::new(), finished_at: 0, refusing_until: 0 }
    }

    /// Whether it listens.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// The process dies: what was open is gone.
    pub fn stop(&mut self) {
        self.up = false;
        self.open.clear();
    }

    /// The process listens again.
    pub const fn start(&mut self) {
        self.up = true;
    }

    /// An attempt arrives at `now`.
    pub fn offer(&mut self, now: i64, ticket: Ticket) -> Answer {
        if !self.up {
            return Answer::Down;
        }
        if self.open.len() >= self.capacity.backlog {
            self.refusing_until = self.refusing_until.max(now) + self.capacity.refusal_cost;
            self.finished_at += self.capacity.refusal_cost;
            return Answer::Refused(self.refusing_until);
        }
        self.open.push_back(ticket);
        Answer::Accepted((self.open.len() == 1).then(|| self.begin(now)))
    }

    /// Looks at the handshake in work at `now`: the ticket whose handshake is done, and when to look again.
    pub fn advance(&mut self, now: i64) -> (Option<Ticket>, Option<i64>) {
        if self.open.is_empty() {
            return (None, None);
        }
        if now < self.finished_at {
            return (None, Some(self.finished_at)); // refusals have pushed it back
        }
        let done = self.open.pop_front();
        let next = (!self.open.is_empty()).then(|| self.begin(now));
        (done, next)
    }

    fn begin(&mut self, now: i64) -> i64 {
        let owed = (self.refusing_until - now).max(0); // refusals that are still being sent go first
        self.finished_at = now + owed + (1e9 / self.capacity.handshakes_per_second) as i64;
        self.finished_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLI;

    fn server() -> Server {
        Server::new(Capacity { handshakes_per_second: 100.0, backlog: 1, refusal_cost: MILLI })
    }

    #[test]
    fn a_refusal_takes_its_time_from_the_handshake_in_work() {
        let mut server = server();
        let ticket = Ticket { worker: 0, attempt: 1 };
        assert_eq!(server.offer(0, ticket), Answer::Accepted(Some(10 * MILLI)));
        assert_eq!(server.offer(MILLI, Ticket { worker: 1, attempt: 1 }), Answer::Refused(2 * MILLI));
        assert_eq!(server.advance(10 * MILLI), (None, Some(11 * MILLI)));
        assert_eq!(server.advance(11 * MILLI), (Some(ticket), None));
    }

    #[test]
    fn a_server_that_stops_forgets_its_handshakes() {
        let mut server = server();
        server.offer(0, Ticket { worker: 0, attempt: 1 });
        server.stop();
        assert_eq!(server.offer(1, Ticket { worker: 0, attempt: 2 }), Answer::Down);
        assert_eq!(server.advance(10 * MILLI), (None, None));
    }
}

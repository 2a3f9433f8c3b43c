//! What can be set about delivery. The defaults are what squelch preaches: exponential, full jitter after the cap, a budget, a breaker.

use std::time::Duration;

/// How an output treats its receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// A request that is not answered by then has failed.
    pub timeout: Duration,
    /// A connection that is not there by then has failed.
    pub connect_timeout: Duration,
    /// The delay before the first retry is a random part of this ...
    pub backoff_base: Duration,
    /// ... doubled each time up to this; the random part is taken after the cap.
    pub backoff_cap: Duration,
    /// The longest `Retry-After` that is believed.
    pub retry_after_max: Duration,
    /// Retries per request that succeeds (0.1 = one in ten), above a floor of `retry_floor_per_minute`.
    pub retry_ratio: f64,
    /// Retries per minute that are always allowed.
    pub retry_floor_per_minute: u32,
    /// Failures in a row that open the circuit breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open before one probe is sent (a random part from half of it to all of it).
    pub breaker_open: Duration,
    /// Delay between attempts while the receiver says 401, 403 or 404: an outage that people must end.
    pub refused_delay: Duration,
    /// Most bytes of one request before compression.
    pub batch_bytes_max: usize,
    /// Most records of one request.
    pub batch_records_max: usize,
    /// Bytes per second, averaged over a second; 0 = no limit.
    pub bytes_per_second_max: u64,
    /// After a start, old batches wait a random part of this, so that a fleet that restarts does not come at once; alerts a tenth of it.
    pub start_spread: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(600),
            retry_ratio: 0.1,
            retry_floor_per_minute: 10,
            breaker_failures: 5,
            breaker_open: Duration::from_secs(30),
            refused_delay: Duration::from_secs(60),
            batch_bytes_max: 1 << 20,
            batch_records_max: 1000,
            bytes_per_second_max: 0,
            start_spread: Duration::from_secs(10),
        }
    }
}

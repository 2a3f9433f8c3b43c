//! An output on its way: records that the test makes, through the encoder, the sender and the delivery that the agent has.

use crate::server::Server;
use squelch::delivery::{self, Batch, Batches, Counters, ReadError, Stop};
use squelch::outputs::destination::{Auth, Compression, Destination, HttpOptions, OutputOptions, Route, TlsOptions};
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, DeadLetter, Progress, RecordKind, Records};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Records of a batch of the store.
pub const BATCH: usize = 50;

/// Most records of a request: small, so that a run has many, and a server is stopped in the middle of one.
pub const REQUEST: usize = 100;

/// How often a server is stopped and started again on the way.
pub const RESTARTS: usize = 10;

/// How long it is away.
const AWAY: Duration = Duration::from_millis(300);

/// Nobody is waited for longer without any record being delivered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Records for an output by their number: the same record for the same number, always.
pub type Make = Arc<dyn Fn(usize) -> (RecordKind, Vec<u8>) + Send + Sync>;

/// How many records each output sends.
pub fn records() -> usize {
    std::env::var("SQUELCH_REAL_RECORDS").map_or(10_000, |count| count.parse().expect("SQUELCH_REAL_RECORDS is a number"))
}

/// An output of the agent that is fed from memory.
pub struct Running {
    pub name: String,
    /// Records that it gave up, with the reason.
    pub dead: Vec<DeadLetter>,
    /// Its figures.
    pub counters: Arc<Counters>,
    /// When each place was reached.
    pub reached: Vec<(Instant, usize)>,
    progress: mpsc::Receiver<Progress>,
    started: Instant,
    _stop: watch::Sender<Stop>,
    _news: watch::Sender<BatchNumber>,
}

impl Running {
    /// Starts it with `count` records waiting. Must be called inside of a runtime.
    pub fn start(name: &str, destination: Destination, count: usize, make: Make) -> Self {
        Self::start_with(name, destination, count, make, |_| {})
    }

    /// The same with another delivery.
    pub fn start_with(name: &str, destination: Destination, count: usize, make: Make, change: impl FnOnce(&mut delivery::Options)) -> Self {
        let mut delivery = delivery::Options {
            start_spread: Duration::ZERO,
            // A server is away for less than a second here.
            backoff_base: Duration::from_millis(50),
            backoff_cap: Duration::from_millis(500),
            breaker_open: Duration::from_millis(500),
            retry_floor_per_minute: 6000,
            batch_records_max: REQUEST,
            ..delivery::Options::default()
        };
        change(&mut delivery);
        let options = OutputOptions { name: name.into(), destination, route: Route::default(), delivery };
        let batches = Memory { count, make };
        let (news, news_there) = watch::channel(BatchNumber(count.div_ceil(BATCH) as i64));
        let (stop, stop_there) = watch::channel(Stop::Run);
        let (progress_there, progress) = mpsc::channel(16);
        let counters = Arc::<Counters>::default();
        let links = Links {
            batches: Box::new(batches),
            news: news_there,
            progress: progress_there,
            cursor: Cursor { batch: BatchNumber(1), done: 0 },
            stop: stop_there,
            counters: Arc::clone(&counters),
        };
        outputs::start(options, links).unwrap();
        let started = Instant::now();
        Self { name: name.into(), dead: Vec::new(), counters, reached: vec![(started, 0)], progress, started, _stop: stop, _news: news }
    }

    /// Records that are delivered or dead, in order: alerts that overtook the others do not count.
    pub fn done(&self) -> usize {
        self.reached.last().map_or(0, |(_, done)| *done)
    }

    /// Since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Waits until so many records are delivered.
    pub async fn reach(&mut self, count: usize) {
        while self.done() < count {
            let Ok(progress) = tokio::time::timeout(PATIENCE, self.progress.recv()).await else {
                panic!("{} stands still at {}: {:?} {:?}", self.name, self.done(), self.counters.requests(), self.counters.last_error())
            };
            let Progress::Delivered { cursor, dead, .. } = progress.unwrap_or_else(|| panic!("{} ended", self.name)) else { continue };
            self.dead.extend(dead);
            let done = (cursor.batch.0 as usize - 1) * BATCH + cursor.done as usize;
            self.reached.push((Instant::now(), done));
        }
    }

    /// Sends all `count` records while the server is stopped and started again [`RESTARTS`] times, evenly over the way: how it is stopped is told
    /// the number of the restart.
    pub async fn through_restarts(&mut self, count: usize, server: &mut Server, mut stop: impl FnMut(&mut Server, usize)) {
        for restart in 1..=RESTARTS {
            self.reach(restart * count / (RESTARTS + 1)).await;
            stop(server, restart);
            tokio::time::sleep(AWAY).await;
            server.start_again();
        }
        self.reach(count).await;
    }
}

/// HTTP without anything special, compressed.
pub fn http(url: String) -> HttpOptions {
    HttpOptions { url, headers: Vec::new(), auth: Auth::None, tls: TlsOptions::default(), compression: Compression::Gzip }
}

/// Batches that are made when they are asked for.
struct Memory {
    count: usize,
    make: Make,
}

impl Memory {
    fn batch(&self, number: BatchNumber, kind: Option<RecordKind>) -> Option<Batch> {
        let first = usize::try_from(number.0 - 1).ok()? * BATCH;
        let mut records = Records::default();
        for at in first..self.count.min(first + BATCH) {
            let (is, json) = (self.make)(at);
            if kind.is_none_or(|kind| kind == is) {
                records.push(is, &json);
            } else {
                // The store keeps the places of those that were not asked for.
                records.close_record(is);
            }
        }
        (first < self.count).then_some(Batch { number, records })
    }
}

impl Batches for Memory {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        Ok(self.batch(from.batch, None))
    }
    fn next_storms(&mut self, after: BatchNumber) -> Result<Option<Batch>, ReadError> {
        let later = (after.0 + 1..).map_while(|number| self.batch(BatchNumber(number), Some(RecordKind::Storm)));
        Ok(later.into_iter().find(|batch| batch.records.iter().any(|record| !record.json.is_empty())))
    }
}

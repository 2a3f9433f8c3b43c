//! An output with records that wait for it, and all its ends.

use squelch::delivery::{self, Batch, Batches, Counters, Encoder, Ended, ReadError, Stop};
use squelch::outputs::destination::{Auth, Compression, Destination, HttpOptions, OutputOptions, Route, TlsOptions};
use squelch::outputs::http::HttpSender;
use squelch::outputs::protocol::{self, LogSender};
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, DeadLetter, Progress, RecordKind, Records};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Records of a test: ids `r0000` on, in batches of 25.
const RECORDS: usize = 100;

/// Alerts of a test: most of their receivers get one per request.
const STORMS: usize = 40;

/// One output with records waiting for it.
pub struct Output {
    task: JoinHandle<Ended>,
    progress: mpsc::Receiver<Progress>,
    pub counters: Arc<Counters>,
    cursor: Cursor,
    end: Cursor,
    pub dead: Vec<DeadLetter>,
    stop: watch::Sender<Stop>,
    _news: watch::Sender<BatchNumber>,
}

impl Output {
    pub fn start(options: OutputOptions) -> Self {
        let waiting = match options.destination {
            Destination::Alert(_) => Memory::storms(),
            _ => Memory::lines(),
        };
        Self::join(waiting, |links| outputs::start(options, links).unwrap())
    }
    /// The same with delays of its own, for what takes log records by HTTP.
    pub fn start_with(output: OutputOptions, options: delivery::Options, random: impl FnMut() -> f64 + Send + 'static) -> Self {
        let (encoder, sender): (Box<dyn Encoder>, _) = match output.destination {
            Destination::Http(http) => (Box::new(delivery::Ndjson), LogSender::Http(Box::new(HttpSender::new(http, &options, None).unwrap()))),
            Destination::Log(log) => protocol::parts(log, &options).unwrap(),
            other => panic!("{other:?} takes no log records by HTTP"),
        };
        Self::join(Memory::lines(), |links| {
            tokio::spawn(delivery::task::run(delivery::Setup {
                name: output.name.into(),
                options,
                takes: Box::new(|_| true),
                encoder,
                sender,
                batches: links.batches,
                news: links.news,
                progress: links.progress,
                cursor: links.cursor,
                stop: links.stop,
                counters: links.counters,
                random: Box::new(random),
                alerts_first: true,
            }))
        })
    }
    fn join(batches: Memory, start: impl FnOnce(Links) -> JoinHandle<Ended>) -> Self {
        let end = Cursor { batch: BatchNumber(batches.0.len() as i64 + 1), done: 0 };
        let (news, news_there) = watch::channel(BatchNumber(batches.0.len() as i64));
        let (stop, stop_there) = watch::channel(Stop::Run);
        let (progress_there, progress) = mpsc::channel(10_000);
        let counters = Arc::<Counters>::default();
        let task = start(Links {
            batches: Box::new(batches),
            news: news_there,
            progress: progress_there,
            cursor: Cursor { batch: BatchNumber(1), done: 0 },
            stop: stop_there,
            counters: Arc::clone(&counters),
        });
        Self { task, progress, counters, cursor: Cursor::default(), end, dead: Vec::new(), stop, _news: news }
    }
    /// Waits until everything is delivered or dead, then stops it.
    pub async fn finish(&mut self) {
        let everything = async {
            while self.cursor < self.end {
                let Some(Progress::Delivered { cursor, dead, .. }) = self.progress.recv().await else { panic!("the output ended") };
                assert!(cursor >= self.cursor, "a cursor never goes back");
                self.cursor = cursor;
                self.dead.extend(dead);
            }
        };
        tokio::time::timeout(Duration::from_secs(24 * 3600), everything)
            .await
            .unwrap_or_else(|_| panic!("it is not delivered within a day: {:?} {:?}", self.counters.requests(), self.counters.last_error()));
        self.stop.send(Stop::WhenDone).unwrap();
        assert_eq!((&mut self.task).await.unwrap(), Ended::Stopped);
    }
}

/// How `url` is spoken to.
pub fn http_options(url: String, tls: TlsOptions) -> HttpOptions {
    HttpOptions { url, headers: vec![], auth: Auth::None, tls, compression: Compression::Gzip }
}

/// An output that speaks HTTP to `url` and starts at once.
pub fn http(url: String) -> OutputOptions {
    to(Destination::Http(http_options(url, TlsOptions::default())))
}

/// An output that starts at once.
pub fn to(destination: Destination) -> OutputOptions {
    OutputOptions {
        name: "logs".into(),
        destination,
        route: Route::default(),
        delivery: delivery::Options { start_spread: Duration::ZERO, ..delivery::Options::default() },
    }
}

pub fn all_uids() -> Vec<String> {
    (0..RECORDS).map(|number| format!("r{number:04}")).collect()
}

/// Ids of the storms that alerts are of.
pub fn all_storms() -> Vec<String> {
    (0..STORMS).map(|number| format!("5707{number:012x}")).collect()
}

/// Batches of 25 records.
struct Memory(Vec<Records>);

impl Memory {
    fn lines() -> Self {
        Self::of(RecordKind::Line, all_uids().iter().map(|uid| format!("{{\"body\":\"hello\",\"log.record.uid\":\"{uid}\"}}")))
    }
    fn storms() -> Self {
        Self::of(
            RecordKind::Storm,
            all_storms().iter().map(|id| {
                format!(
                    r#"{{"timestamp":"2026-01-01T00:01:00.000000000Z","event_name":"squelch.storm","body":"storm","log.record.uid":"uid-{id}","squelch.storm_id":"{id}","squelch.state":"firing","squelch.alert_level":"warning","squelch.onset":"2026-01-01T00:00:00.000000000Z"}}"#
                )
            }),
        )
    }
    fn of(kind: RecordKind, records: impl Iterator<Item = String>) -> Self {
        let all: Vec<String> = records.collect();
        let batches = all.chunks(25).map(|jsons| {
            let mut records = Records::default();
            for json in jsons {
                records.ndjson.extend_from_slice(json.as_bytes());
                records.ndjson.push(b'\n');
                records.close_record(kind);
            }
            records
        });
        Self(batches.collect())
    }
}

impl Batches for Memory {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        let found = usize::try_from(from.batch.0 - 1).ok().and_then(|at| self.0.get(at));
        Ok(found.map(|records| Batch { number: from.batch, records: records.clone() }))
    }
}

//! An output with a hundred records that wait for it, and all its ends.

use squelch::delivery::{self, Batch, Batches, Counters, Ended, ReadError, Stop};
use squelch::outputs::destination::{Auth, Compression, Destination, HttpOptions, OutputOptions, Route, TlsOptions};
use squelch::outputs::http::HttpSender;
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, DeadLetter, Progress, RecordKind, Records};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Records of a test: ids `r0000` on, in batches of 25.
const RECORDS: usize = 100;

/// One output with a hundred records waiting for it.
pub struct Output {
    task: JoinHandle<Ended>,
    progress: mpsc::Receiver<Progress>,
    pub counters: Arc<Counters>,
    cursor: Cursor,
    pub dead: Vec<DeadLetter>,
    stop: watch::Sender<Stop>,
    _news: watch::Sender<BatchNumber>,
}

impl Output {
    pub fn start(options: OutputOptions) -> Self {
        Self::join(|links| outputs::start(options, links).unwrap())
    }
    /// The same with delays of its own.
    pub fn start_with(output: OutputOptions, options: delivery::Options, random: impl FnMut() -> f64 + Send + 'static) -> Self {
        let Destination::Http(http) = output.destination else { panic!("only HTTP waits") };
        let sender = HttpSender::new(http, &options, None).unwrap();
        Self::join(|links| {
            tokio::spawn(delivery::task::run(delivery::Setup {
                name: output.name.into(),
                options,
                takes: Box::new(|_| true),
                encoder: delivery::Ndjson,
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
    fn join(start: impl FnOnce(Links) -> JoinHandle<Ended>) -> Self {
        let batches = Memory::new();
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
        Self { task, progress, counters, cursor: Cursor::default(), dead: Vec::new(), stop, _news: news }
    }
    /// Waits until everything is delivered or dead, then stops it.
    pub async fn finish(&mut self) {
        let end = Cursor { batch: BatchNumber((RECORDS / 25) as i64 + 1), done: 0 };
        let everything = async {
            while self.cursor < end {
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

/// An output that speaks HTTP to `url` and starts at once.
pub fn http(url: String) -> OutputOptions {
    OutputOptions {
        name: "logs".into(),
        destination: Destination::Http(HttpOptions {
            url,
            headers: vec![],
            auth: Auth::None,
            tls: TlsOptions::default(),
            compression: Compression::Gzip,
        }),
        route: Route::default(),
        delivery: delivery::Options { start_spread: Duration::ZERO, ..delivery::Options::default() },
    }
}

pub fn all_uids() -> Vec<String> {
    (0..RECORDS).map(|number| format!("r{number:04}")).collect()
}

/// Batches of 25 records.
struct Memory(Vec<Records>);

impl Memory {
    fn new() -> Self {
        let uids = all_uids();
        let batches = uids.chunks(25).map(|uids| {
            let mut records = Records::default();
            for uid in uids {
                records.ndjson.extend_from_slice(format!("{{\"body\":\"hello\",\"log.record.uid\":\"{uid}\"}}\n").as_bytes());
                records.close_record(RecordKind::Line);
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

//! What does an encoder cost? `cargo bench --bench encoders`
//!
//! Records that the engine itself made of 40,000 log lines (lines of text and JSON, summaries, storms), in requests of a thousand, through every
//! encoder: MB of records (NDJSON as it stands in the store) a second, as a share of two yardsticks on the same bytes in the same run (copying them;
//! reading them as JSON and throwing the values away), bytes out per byte in, and allocations per record. Time is that of the thread on a
//! processor, the best of several passes.

#![allow(clippy::print_stdout)] // printing is what it is for
#![allow(clippy::unwrap_used)] // a measurement that cannot go on should stop where it is
#![allow(unsafe_code)] // an allocator cannot be written without

use serde::de::IgnoredAny;
use squelch::clock;
use squelch::collapse::summary::Summary;
use squelch::delivery::{Encoder, Ndjson};
use squelch::engine::{Engine, Forwarded, Options, Sink};
use squelch::outputs::StreamName;
use squelch::outputs::alerts::alertmanager::AlertmanagerEncoder;
use squelch::outputs::alerts::pagerduty::PagerdutyEncoder;
use squelch::outputs::alerts::slack::SlackEncoder;
use squelch::outputs::alerts::template::Template;
use squelch::outputs::alerts::webhook::WebhookEncoder;
use squelch::outputs::encode::clickhouse::ClickHouse;
use squelch::outputs::encode::datadog::Datadog;
use squelch::outputs::encode::elasticsearch::Elasticsearch;
use squelch::outputs::encode::loki::{self, Loki};
use squelch::outputs::encode::nats::{Nats, Subject};
use squelch::outputs::encode::otlp::Otlp;
use squelch::outputs::encode::splunk::Splunk;
use squelch::outputs::encode::syslog::Syslog;
use squelch::outputs::encode::victorialogs::VictoriaLogs;
use squelch::outputs::json::JsonEncoder;
use squelch::store::{Record, RecordKind, Records};
use squelch::storm::{Burst, Origin, StormEvent};
use squelch::time::{MILLI, UnixNanos};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Records of a request.
const BATCH: usize = 1000;

/// Passes over all records; the best of each request counts.
const PASSES: usize = 9;

/// Log lines that the records are made of.
const LINES: i64 = 40_000;

/// 2026-11-25T12:00:00Z.
const START: UnixNanos = UnixNanos(1_795_608_000_000_000_000);

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is the system's; a counter changes nothing about it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that it wants.
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() {
    let all = records();
    let logs = Table::new(all.iter().collect());
    println!("\nlog outputs: {}\n", logs.content());
    logs.head();
    logs.row("ndjson (file, stdout, http)", &mut Ndjson);
    logs.row("loki", &mut Loki::new(loki::Options::default()));
    logs.row("elasticsearch", &mut Elasticsearch { data_stream: "logs-squelch-default".into() });
    logs.row("otlp", &mut Otlp { log_dedup: true });
    logs.row("victorialogs", &mut VictoriaLogs);
    logs.row("clickhouse", &mut ClickHouse);
    logs.row("datadog", &mut Datadog { tags: vec![("team".into(), "shop".into())] });
    logs.row("splunk", &mut Splunk { index: "main".into(), sourcetype: "squelch".into() });
    logs.row("syslog", &mut Syslog { facility: 1, message_bytes_max: 8192 });
    logs.row("nats", &mut Nats { subject: Subject::default() });

    let storms: Vec<Record<'_>> = all.iter().filter(|record| record.kind == RecordKind::Storm).collect();
    let alerts = Table::new(storms.iter().copied().cycle().take(storms.len() * 200).collect());
    println!("\nalert outputs: {}\n", alerts.content());
    alerts.head();
    let template = Template::parse(r#"{"text": "{body}", "level": "{alert_level}", "namespace": "{resource.k8s.namespace.name}"}"#).unwrap();
    alerts.row("alertmanager", &mut AlertmanagerEncoder::new(vec![("cluster".into(), "eu-1".into())], clock::now));
    alerts.row("webhook", &mut WebhookEncoder::new(None));
    alerts.row("webhook with a template", &mut WebhookEncoder::new(Some(template)));
    alerts.row("slack", &mut SlackEncoder);
    alerts.row("pagerduty", &mut PagerdutyEncoder::new("key".to_owned().into()));
}

/// What is encoded, and the yardsticks on it.
struct Table<'a> {
    batches: Vec<Vec<Record<'a>>>,
    records: usize,
    bytes: usize,
    copying: Duration,
    reading: Duration,
}

impl<'a> Table<'a> {
    fn new(all: Vec<Record<'a>>) -> Self {
        let (records, bytes) = (all.len(), all.iter().map(|record| record.json.len() + 1).sum());
        let batches: Vec<Vec<Record<'_>>> = all.chunks(BATCH).map(<[_]>::to_vec).collect();
        let copying = best(&batches, |batch, out| batch.iter().for_each(|record| out.extend_from_slice(record.json)));
        let reading = best(&batches, |batch, _| {
            for record in batch {
                black_box(serde_json::from_slice::<IgnoredAny>(record.json).unwrap());
            }
        });
        Self { batches, records, bytes, copying, reading }
    }

    fn content(&self) -> String {
        let of = |kind| self.batches.iter().flatten().filter(|record| record.kind == kind).count();
        let (lines, summaries, storms) = (of(RecordKind::Line), of(RecordKind::Summary), of(RecordKind::Storm));
        let rate = |time: Duration| self.bytes as f64 / time.as_secs_f64() / 1e6;
        format!(
            "{} records of {} B ({lines} lines, {summaries} summaries, {storms} storms); copying {:.0} MB/s, reading as JSON {:.0} MB/s",
            self.records,
            self.bytes / self.records,
            rate(self.copying),
            rate(self.reading)
        )
    }

    fn head(&self) {
        println!("| encoder | MB/s | of copying | of reading JSON | bytes out / in | allocations per record |\n|---|---|---|---|---|---|");
    }

    fn row(&self, name: &str, encoder: &mut dyn Encoder) {
        let took = best(&self.batches, |batch, out| encoder.encode(batch, out));
        let (mut out, mut written) = (Vec::with_capacity(8 << 20), 0);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for batch in &self.batches {
            out.clear();
            encoder.encode(batch, &mut out);
            written += out.len();
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!(
            "| {name} | {:.0} | {:.3} | {:.2} | {:.2} | {:.1} |",
            self.bytes as f64 / took.as_secs_f64() / 1e6,
            self.copying.as_secs_f64() / took.as_secs_f64(),
            self.reading.as_secs_f64() / took.as_secs_f64(),
            written as f64 / self.bytes as f64,
            allocations as f64 / self.records as f64
        );
    }
}

/// The time of this thread on a processor: what else runs on the machine is not in it.
fn on_cpu() -> Duration {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanos: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, at: *mut Timespec) -> i32;
    }
    const THREAD_CPUTIME: i32 = 3;
    let mut at = Timespec { seconds: 0, nanos: 0 };
    // SAFETY: it writes one timespec to where it is told, and 64-bit Linux has two 64-bit numbers in it.
    assert_eq!(unsafe { clock_gettime(THREAD_CPUTIME, &raw mut at) }, 0);
    Duration::new(at.seconds as u64, at.nanos as u32)
}

/// The time that all batches take, each at its best.
fn best(batches: &[Vec<Record<'_>>], mut encode: impl FnMut(&[Record<'_>], &mut Vec<u8>)) -> Duration {
    let mut out = Vec::with_capacity(8 << 20);
    let mut took = vec![Duration::MAX; batches.len()];
    for _ in 0..PASSES {
        for (batch, took) in batches.iter().zip(&mut took) {
            out.clear();
            let start = on_cpu();
            encode(batch, &mut out);
            black_box(&out);
            *took = (*took).min(on_cpu() - start);
        }
    }
    took.iter().sum()
}

/// Keeps what the engine says as the agent does.
#[derive(Default)]
struct Kept {
    encoder: JsonEncoder,
    records: Records,
}

impl Kept {
    fn close(&mut self, kind: RecordKind) {
        self.records.ndjson.append(&mut self.encoder.buffer);
        self.records.close_record(kind);
    }
}

impl Sink for Kept {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.encoder.forward(record);
        self.close(RecordKind::Line);
    }
    fn summary(&mut self, summary: &Summary) {
        self.encoder.summary(summary);
        self.close(RecordKind::Summary);
    }
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.encoder.storm(event, absorbed);
        self.close(RecordKind::Storm);
    }
    fn burst(&mut self, burst: &Burst) {
        self.encoder.burst(burst);
        self.close(RecordKind::Burst);
    }
}

/// An hour of a small node, twenty of its pods: requests as text, orders as JSON, and retries that come and go.
fn records() -> Records {
    let mut kept = Kept::default();
    kept.encoder.node = "node-17".into();
    let mut engine = Engine::new(Options { reference: START, ..Options::default() });
    let streams: Vec<_> = (0..20)
        .map(|number| {
            let pod = format!("orders-7d9f4c6b8-gdlb{number}");
            let resource: Vec<(Box<str>, Box<str>)> = [
                ("k8s.namespace.name", "shop"),
                ("k8s.pod.name", &*pod),
                ("k8s.pod.uid", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"),
                ("k8s.container.name", "app"),
                ("squelch.workload", "orders"),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
            let label = format!("shop/{pod}/app");
            let stream = engine.open_stream(&label, true, true);
            engine.set_origin(stream, Origin::of(&resource));
            kept.encoder.names.insert(stream, StreamName { label, resource, ..StreamName::default() });
            stream
        })
        .collect();
    for n in 0..LINES {
        let at = START.plus(n * 90 * MILLI);
        let time = squelch::outputs::timestamp::rfc3339(at);
        let id = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let line = match n % 4 {
            // Ten minutes of each twenty nobody can reach the database.
            0 | 1 if n / 6667 % 2 == 1 => {
                format!(
                    "{time} ERROR [worker-{}] c.e.orders.Db - connection to db-{}:5432 refused, retrying in {}ms (attempt {})\n",
                    n % 8,
                    n % 3,
                    n % 900,
                    n % 5
                )
            }
            0 | 1 => format!("{time} INFO [http-{}] c.e.orders.Access - GET /cart/{id:x} 200 in {}ms for user {}\n", n % 16, n % 300, id % 10_000),
            _ => format!(
                "{{\"time\":\"{time}\",\"level\":\"info\",\"logger\":\"orders\",\"thread\":\"http-{}\",\"msg\":\"order {id:x} was accepted by warehouse {}\",\"trace_id\":\"{id:032x}\"}}\n",
                n % 16,
                id % 97
            ),
        };
        kept.encoder.now = at;
        engine.feed(streams[(n % 20) as usize], at, line.as_bytes(), &mut kept);
        engine.wake(at, &mut kept);
    }
    engine.drain(START.plus(LINES * 90 * MILLI), &mut kept);
    kept.records
}

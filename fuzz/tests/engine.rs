//! Any bytes at any times: no line is missing, and the same input gives the same output.

use bolero::check;
use squelch::collapse::summary::Summary;
use squelch::engine::{Engine, Forwarded, Options, Sink};
use squelch::storm::StormEvent;
use squelch::time::{SECOND, UnixNanos};

#[derive(Default)]
struct Counted {
    forwarded: u64,
    summarised: u64,
    bytes: Vec<u8>,
}

impl Sink for Counted {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.forwarded += u64::from(record.lines);
        self.bytes.extend_from_slice(record.raw);
    }
    fn summary(&mut self, summary: &Summary) {
        self.summarised += summary.lines;
        self.bytes.extend_from_slice(format!("{:?}", (summary.count, summary.lines, summary.cell_start, summary.part)).as_bytes());
    }
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.bytes.extend_from_slice(format!("{event:?} {absorbed}").as_bytes());
    }
}

fn run(chunks: &[(u8, Vec<u8>)]) -> Counted {
    let mut engine = Engine::new(Options { windows_max: 3, fingerprints_max: 4, shapes_max: 4, line_bytes_max: 300, flood_per_second: 2, ..Options::default() });
    let stream = engine.open_stream("fuzz", false, false);
    let (mut sink, mut now) = (Counted::default(), UnixNanos(1_700_000_000 * SECOND));
    for (seconds, bytes) in chunks {
        now = now.plus(i64::from(*seconds) * SECOND / 8);
        engine.wake(now, &mut sink);
        engine.feed(stream, now, bytes, &mut sink);
        let accounting = engine.accounting();
        assert!(accounting.holds(), "{accounting:?}");
    }
    engine.drain(now, &mut sink);
    let accounting = engine.accounting();
    assert!(accounting.holds() && accounting.open == 0, "{accounting:?}");
    assert_eq!((accounting.forwarded, accounting.summarised), (sink.forwarded, sink.summarised));
    sink
}

#[test]
fn no_line_is_missing_and_the_same_input_gives_the_same_output() {
    check!().with_type::<Vec<(u8, Vec<u8>)>>().for_each(|chunks| {
        let chunks: Vec<(u8, Vec<u8>)> = chunks.iter().map(|(gap, bytes)| (*gap, bytes.iter().map(|b| if b % 16 == 10 { b'\n' } else { *b }).collect())).collect();
        assert_eq!(run(&chunks).bytes, run(&chunks).bytes);
    });
}

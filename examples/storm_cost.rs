//! Prints what the storm stage costs per record: `cargo run --release --example storm_cost`.

#![allow(clippy::print_stdout)] // printing is what it is for

use squelch::fingerprint::Fingerprint;
use squelch::occurrence::Occurrence;
use squelch::record::{Class, ClassSource, FingerprintIndex, Severity, StreamId};
use squelch::storm::{StormOptions, Storms};
use squelch::time::UnixNanos;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    for (name, instances, fingerprints, gap_us) in [
        ("12 instances, 1,200/s", 12, 1, 833),
        ("12 instances, 100,000/s", 12, 1, 10),
        ("300 instances, 10,000/s", 300, 1, 100),
        ("12 instances, 200 fingerprints, 10,000/s", 12, 200, 100),
        ("no instance, 10,000/s", 0, 1, 100),
    ] {
        let known: Vec<_> = (0..fingerprints)
            .map(|n| Arc::new(Fingerprint::new(Severity::Warn, format!("connection {n} refused"), Class::Retry, ClassSource::Guess)))
            .collect();
        let mut storms = Storms::new(StormOptions::default());
        let records = 2_000_000_u64;
        let begin = Instant::now();
        let mut events = 0;
        for n in 0..records {
            let instance = if instances == 0 { 0 } else { (n % instances + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) };
            let which = (n % fingerprints as u64) as usize;
            let at = UnixNanos(1_760_000_000_000_000_000 + n as i64 * gap_us * 1000);
            let seen = Occurrence {
                fingerprint: &known[which],
                index: FingerprintIndex(which as u32),
                stream: StreamId((n % instances.max(1)) as u32),
                place: squelch::record::Place::default(),
                arrival: at,
                working: at,
                event: None,
                feeds_rate: true,
                late: false,
                lines: 1,
                raw: b"connection to broker refused, retrying in 0ms\n",
                instance: (instance != 0).then_some(b"orders-7d9f4c-b551"),
                instance_hash: instance,
                worker_hash: instance,
                target: Some(b"activemq-1:61616"),
                attempt: Some((n / instances.max(1)) as i64),
                max_attempts: None,
                delay: Some(0),
            };
            storms.observe(&seen, &mut |_| events += 1);
        }
        println!("{name:44} {:6.1} ns/record, {events} events", begin.elapsed().as_nanos() as f64 / records as f64);
    }
}

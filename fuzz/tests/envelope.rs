//! Any line has an envelope: no panic, and every span stands inside the line.

use bolero::check;
use squelch::envelope::{peel, stamp};
use squelch::scan::Scanner;
use squelch::time::UnixNanos;

#[test]
fn spans_stand_inside_the_line() {
    check!().for_each(|line: &[u8]| {
        let mut scanner = Scanner::new();
        scanner.scan(line);
        let envelope = peel(line, scanner.words());
        let inside = |span: squelch::record::Span| span.start <= span.end && span.end as usize <= line.len();
        assert!(inside(envelope.message));
        for span in [envelope.logger, envelope.thread, envelope.pid, envelope.host, envelope.instance].into_iter().flatten() {
            assert!(inside(span));
        }
        assert!(envelope.discriminators.iter().all(|&span| inside(span)));
        if let Some(time) = envelope.time {
            assert!(inside(time.span));
            // Any answer is fine; it must come.
            let _parsed = stamp::parse(time.span.of(line), time.format, UnixNanos(1_700_000_000_000_000_000), 0);
        }
    });
}

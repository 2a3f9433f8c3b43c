//! Any line has a template: no panic, and masking what is masked changes nothing.

use bolero::check;
use squelch::envelope::{Envelope, peel};
use squelch::fingerprint::template;
use squelch::record::Span;
use squelch::scan::Scanner;

fn of_message(line: &[u8]) -> String {
    let mut scanner = Scanner::new();
    scanner.scan(line);
    template::build(line, scanner.words(), &Envelope { message: Span::new(0, line.len()), ..Envelope::default() }).text
}

#[test]
fn masking_twice_is_masking_once() {
    check!().for_each(|line: &[u8]| {
        let once = of_message(line);
        assert_eq!(of_message(once.as_bytes()), once);
    });
}

#[test]
fn any_line_has_a_template() {
    check!().for_each(|line: &[u8]| {
        let mut scanner = Scanner::new();
        scanner.scan(line);
        let template = template::build(line, scanner.words(), &peel(line, scanner.words()));
        assert!(template.discriminators.iter().all(|span| span.start <= span.end && span.end as usize <= line.len()));
    });
}

//! Temporary.
use std::io::BufRead;
fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let mut words = Vec::new();
        squelch::scan::find_words(line.as_bytes(), &mut words);
        let e = squelch::envelope::Envelope { message: squelch::record::Span::new(0, line.len()), ..Default::default() };
        let t = squelch::fingerprint::template::build(line.as_bytes(), &words, &e);
        println!("{}\n    {}", line, t.text);
        for m in &t.masks { if std::env::args().len() > 1 { println!("        {} {}", m.placeholder, &line[m.span.start as usize..m.span.end as usize]); } }
    }
}

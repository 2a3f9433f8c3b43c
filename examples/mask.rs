//! Temporary.
use std::io::BufRead;
fn main() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map(|l| l.unwrap()).collect();
    let bench = std::env::args().any(|a| a == "bench");
    let content = std::env::args().any(|a| a == "content");
    let mut words = Vec::new();
    if bench {
        let rounds = 200;
        let (mut w, mut p, mut b, mut n) = (0u128, 0u128, 0u128, 0usize);
        for _ in 0..rounds { for line in &lines {
            let l = line.as_bytes();
            let t = std::time::Instant::now();
            squelch::scan::find_words(l, &mut words);
            w += t.elapsed().as_nanos();
            let t = std::time::Instant::now();
            let e = if content { squelch::envelope::Envelope { message: squelch::record::Span::new(0, l.len()), ..Default::default() } } else { squelch::envelope::peel(l, &words) };
            p += t.elapsed().as_nanos();
            let t = std::time::Instant::now();
            let x = squelch::fingerprint::template::build(l, &words, &e);
            b += t.elapsed().as_nanos();
            n += x.text.len();
        } }
        let k = (rounds * lines.len()) as u128;
        eprintln!("words {} ns, peel {} ns, build {} ns per line of {} bytes, {}", w / k, p / k, b / k, lines.iter().map(String::len).sum::<usize>() / lines.len(), n);
        return;
    }
    for line in &lines {
        squelch::scan::find_words(line.as_bytes(), &mut words);
        let e = if content { squelch::envelope::Envelope { message: squelch::record::Span::new(0, line.len()), ..Default::default() } } else { squelch::envelope::peel(line.as_bytes(), &words) };
        let t = squelch::fingerprint::template::build(line.as_bytes(), &words, &e);
        let f = squelch::fingerprint::Fingerprint::new(e.severity, t.text.as_str(), squelch::record::Class::None, squelch::record::ClassSource::Guess);
        println!("{}\n    {}\t{}\t{}", line, t.text, e.severity, f.id());
    }
}

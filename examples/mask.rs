//! Temporary.
use std::io::BufRead;
fn main() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map(|l| l.unwrap()).collect();
    let bench = std::env::args().any(|a| a == "bench");
    let content = std::env::args().any(|a| a == "content");
    let mut words = Vec::new();
    if bench {
        let mut best = vec![[u128::MAX; 3]; lines.len()];
        for _ in 0..300 { for (i, line) in lines.iter().enumerate() {
            let l = line.as_bytes();
            let t = std::time::Instant::now();
            squelch::scan::find_words(l, &mut words);
            best[i][0] = best[i][0].min(t.elapsed().as_nanos());
            let t = std::time::Instant::now();
            let e = if content { squelch::envelope::Envelope { message: squelch::record::Span::new(0, l.len()), ..Default::default() } } else { squelch::envelope::peel(l, &words) };
            best[i][1] = best[i][1].min(t.elapsed().as_nanos());
            let t = std::time::Instant::now();
            let x = squelch::fingerprint::template::build(l, &words, &e);
            best[i][2] = best[i][2].min(t.elapsed().as_nanos());
            std::hint::black_box(x.text.len());
        } }
        let sum = |k: usize| best.iter().map(|b| b[k]).sum::<u128>() / lines.len() as u128;
        eprintln!("words {} ns, peel {} ns, build {} ns per line of {} bytes", sum(0), sum(1), sum(2), lines.iter().map(String::len).sum::<usize>() / lines.len());
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

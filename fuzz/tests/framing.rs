//! Any bytes in any chunking: the same lines come out, and no byte is lost.

use bolero::check;
use squelch::framing::lines::LineSplitter;

fn split(input: &[u8], chunk: usize, line_bytes_max: usize) -> Vec<(Vec<u8>, usize)> {
    let (mut splitter, mut lines) = (LineSplitter::new(line_bytes_max), Vec::new());
    for piece in input.chunks(chunk) {
        splitter.feed(piece, |line| lines.push((line.bytes.to_vec(), line.text_len)));
        assert!(splitter.open_bytes() <= line_bytes_max, "the unfinished line is bounded");
    }
    splitter.finish(|line| lines.push((line.bytes.to_vec(), line.text_len)));
    lines
}

#[test]
fn no_byte_is_lost_in_any_chunking() {
    check!().with_type::<(Vec<u8>, u8, u8)>().for_each(|(input, chunk, max)| {
        let max = usize::from(*max) + 1;
        let whole = split(input, input.len().max(1), max);
        assert_eq!(whole.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<u8>>(), *input);
        assert_eq!(split(input, usize::from(*chunk) + 1, max), whole);
        assert!(whole.iter().all(|(bytes, text_len)| *text_len <= bytes.len() && bytes.len() <= max.max(2)));
    });
}

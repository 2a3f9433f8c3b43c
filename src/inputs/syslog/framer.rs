//! Frames of syslog over a stream (RFC 6587) to lines, in any chunking. Pure; holds no more than the digits of a length.

/// A length has at most so many digits: 9,999,999 bytes. More is text.
const DIGITS_MAX: usize = 7;

/// Octet counting (`MSG-LEN SP SYSLOG-MSG`) and newline framing, told apart frame by frame: a length is followed by a blank and `<`.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    /// Digits (and the blank) of what may be a length.
    prefix: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before a frame.
    #[default]
    Start,
    /// In what may be a length.
    Length,
    /// In a counted frame: so many bytes are still to come, and whether the last one was a newline.
    Counted(usize, bool),
    /// In a frame that a newline ends.
    Line,
}

impl Framer {
    /// Appends what `bytes` hold to `lines`: each frame with a newline at its end. Newlines inside a counted frame stay.
    pub fn push(&mut self, mut bytes: &[u8], lines: &mut Vec<u8>) {
        while let Some(&byte) = bytes.first() {
            match self.state {
                State::Start => match byte {
                    // What some senders put between frames.
                    b'\n' | b'\0' | b'\r' => bytes = &bytes[1..],
                    b'1'..=b'9' => self.state = State::Length,
                    _ => self.state = State::Line,
                },
                State::Length => {
                    if byte == b'<' && self.prefix.last() == Some(&b' ') {
                        let digits = self.prefix.iter().take_while(|byte| byte.is_ascii_digit());
                        let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
                        self.prefix.clear();
                        self.state = State::Counted(length, false);
                    } else if self.prefix.last() != Some(&b' ') && (byte == b' ' || (byte.is_ascii_digit() && self.prefix.len() < DIGITS_MAX)) {
                        self.prefix.push(byte);
                        bytes = &bytes[1..];
                    } else {
                        // A line that begins with a number.
                        lines.append(&mut self.prefix);
                        self.state = State::Line;
                    }
                }
                State::Counted(left, _) => {
                    let (here, rest) = bytes.split_at(left.min(bytes.len()));
                    lines.extend_from_slice(here);
                    bytes = rest;
                    let ends_line = here.last() == Some(&b'\n');
                    self.state = State::Counted(left - here.len(), ends_line);
                    if left == here.len() {
                        self.end_frame(ends_line, lines);
                    }
                }
                State::Line => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                    lines.extend_from_slice(&bytes[..end]);
                    if bytes[end - 1] == b'\n' {
                        self.state = State::Start;
                    }
                    bytes = &bytes[end..];
                }
            }
        }
    }

    /// The sender hung up: a frame that was not over ends here.
    pub fn finish(&mut self, lines: &mut Vec<u8>) {
        match self.state {
            State::Start => {}
            State::Counted(_, ends_line) => self.end_frame(ends_line, lines),
            State::Length | State::Line => {
                lines.append(&mut self.prefix);
                self.end_frame(false, lines);
            }
        }
    }

    fn end_frame(&mut self, ends_line: bool, lines: &mut Vec<u8>) {
        if !ends_line {
            lines.push(b'\n');
        }
        self.state = State::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(chunks: &[&[u8]]) -> String {
        let (mut framer, mut lines) = (Framer::default(), Vec::new());
        for chunk in chunks {
            framer.push(chunk, &mut lines);
        }
        framer.finish(&mut lines);
        String::from_utf8_lossy(&lines).into_owned()
    }

    fn check(input: &str, expected: &str) {
        assert_eq!(framed(&[input.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        assert_eq!(framed(&bytes), expected, "byte by byte");
    }

    #[test]
    fn a_newline_ends_a_frame() {
        check("<34>1 - - a\n<34>1 - - b\n", "<34>1 - - a\n<34>1 - - b\n");
    }

    #[test]
    fn a_length_counts_the_bytes_of_a_frame() {
        check("11 <34>1 - - a11 <34>1 - - b", "<34>1 - - a\n<34>1 - - b\n");
    }

    #[test]
    fn both_framings_may_be_mixed_on_one_connection() {
        check("<1>a\n4 <1>b<1>c\n\n\n4 <1>d", "<1>a\n<1>b\n<1>c\n<1>d\n");
    }

    #[test]
    fn newlines_inside_a_counted_frame_stay_and_one_at_its_end_is_not_doubled() {
        check("7 <1>a\nbc4 <1>d", "<1>a\nbc\n<1>d\n");
        check("5 <1>a\n<1>b\n", "<1>a\n<1>b\n");
    }

    #[test]
    fn a_line_that_begins_with_a_number_is_a_line() {
        check("404 not found\n12345678901 <x\n7\n", "404 not found\n12345678901 <x\n7\n");
    }

    #[test]
    fn a_frame_that_is_cut_off_ends_where_it_is_cut() {
        check("100 <1>half", "<1>half\n");
        check("<1>no newline", "<1>no newline\n");
        check("12", "12\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn chunking_changes_nothing_and_every_frame_ends(input in "([0-9]{0,9} ?<?[a-z\n\u{0}]{0,6}){0,8}", cut in 1usize..5) {
            let whole = framed(&[input.as_bytes()]);
            prop_assert!(whole.is_empty() || whole.ends_with('\n'));
            let chunks: Vec<&[u8]> = input.as_bytes().chunks(cut).collect();
            prop_assert_eq!(framed(&chunks), whole);
        }
    }
}

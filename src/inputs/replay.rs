//! A recording: rows of `unix_ns<TAB>stream<TAB>line`, replayed on their own clock.
//!
//! A row that is none is counted and its number remembered; the line in a row is never an error.

use crate::time::UnixNanos;
use memchr::memchr;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

/// Longest piece of a row in memory; the rest of a longer one follows as further pieces of the same row.
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// How far we look for a second stream before we say that there is only one.
const PEEK_BYTES_MAX: usize = 4 << 20;

/// Rows of a recording.
pub struct Replay {
    reader: BufReader<WithHead>,
    piece: Vec<u8>,
    row: u64,
    unfinished: Unfinished,
    /// Stream of the unfinished row.
    stream: Vec<u8>,
    /// What is known from looking ahead.
    pub ahead: Ahead,
    /// Rows that were none.
    pub malformed: Malformed,
}

/// What was read ahead, then the rest.
type WithHead = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

/// What the last piece left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfinished {
    Nothing,
    Row(UnixNanos),
    Malformed,
}

/// What the beginning of a recording says about the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Its first time.
    pub first: Option<UnixNanos>,
    /// Whether it has more than one stream: then each stream is one process.
    pub has_streams: bool,
}

/// Rows that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Malformed {
    /// How many.
    pub count: u64,
    /// The number of the first, from 1.
    pub first_row: u64,
}

/// One line, or a piece of a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// When it was read at the time.
    pub arrival: UnixNanos,
    /// Its stream.
    pub stream: &'a [u8],
    /// Its bytes, line end included.
    pub bytes: &'a [u8],
}

impl Replay {
    /// Reads ahead as far as it must.
    ///
    /// # Errors
    /// When reading fails.
    pub fn new(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut head = Vec::new();
        let mut ahead = Ahead::default();
        let mut looked_at = 0;
        let mut first_stream: Option<Vec<u8>> = None;
        let mut piece = vec![0; 64 << 10];
        let mut has_ended = false;
        while !ahead.has_streams && !has_ended && head.len() < PEEK_BYTES_MAX {
            match reader.read(&mut piece) {
                Ok(n) => {
                    head.extend_from_slice(&piece[..n]);
                    has_ended = n == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while looked_at < head.len() {
                let Some(end) = memchr(b'\n', &head[looked_at..]).or(has_ended.then(|| head.len() - looked_at)) else { break };
                if let Some(row) = parse(&head[looked_at..looked_at + end]) {
                    ahead.first.get_or_insert(row.arrival);
                    ahead.has_streams |= first_stream.get_or_insert_with(|| row.stream.to_vec()) != row.stream;
                }
                looked_at += end + 1;
            }
        }
        Ok(Self {
            reader: BufReader::with_capacity(256 << 10, Cursor::new(head).chain(reader)),
            piece: Vec::new(),
            row: 0,
            unfinished: Unfinished::Nothing,
            stream: Vec::new(),
            ahead,
            malformed: Malformed::default(),
        })
    }

    /// The next row, or piece of a row.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        loop {
            self.piece.clear();
            if self.reader.by_ref().take(PIECE_BYTES_MAX).read_until(b'\n', &mut self.piece)? == 0 {
                return Ok(None);
            }
            let before = self.unfinished;
            let is_finished = self.piece.ends_with(b"\n");
            if is_finished {
                self.unfinished = Unfinished::Nothing;
            }
            match before {
                Unfinished::Row(arrival) => return Ok(Some(Row { arrival, stream: &self.stream, bytes: &self.piece })),
                Unfinished::Malformed => continue,
                Unfinished::Nothing => self.row += 1,
            }
            if let Some(row) = parse(&self.piece) {
                if !is_finished {
                    self.unfinished = Unfinished::Row(row.arrival);
                    self.stream = row.stream.to_vec();
                }
                break;
            }
            if !is_finished {
                self.unfinished = Unfinished::Malformed;
            }
            self.malformed.count += 1;
            if self.malformed.count == 1 {
                self.malformed.first_row = self.row;
            }
        }
        Ok(parse(&self.piece))
    }
}

/// Takes a row apart.
fn parse(row: &[u8]) -> Option<Row<'_>> {
    let first = memchr(b'\t', row)?;
    let second = first + 1 + memchr(b'\t', &row[first + 1..])?;
    let digits = std::str::from_utf8(&row[..first]).ok()?;
    Some(Row { arrival: UnixNanos(digits.parse().ok()?), stream: &row[first + 1..second], bytes: &row[second + 1..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> (Vec<(i64, String, String)>, Ahead, Malformed) {
        let mut replay = Replay::new(Box::new(Cursor::new(text.as_bytes().to_vec()))).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = replay.next_row().unwrap() {
            let show = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            rows.push((row.arrival.0, show(row.stream), show(row.bytes)));
        }
        (rows, replay.ahead, replay.malformed)
    }

    #[test]
    fn a_line_may_hold_tabs_and_the_last_needs_no_newline() {
        let (rows, ahead, malformed) = rows("5\ta\tone\ttwo\r\n6\tb\tend");
        assert_eq!(rows, [(5, "a".into(), "one\ttwo\r\n".into()), (6, "b".into(), "end".into())]);
        assert_eq!(ahead, Ahead { first: Some(UnixNanos(5)), has_streams: true });
        assert_eq!(malformed.count, 0);
    }

    #[test]
    fn one_stream_names_no_instance() {
        assert!(!rows("5\ta\tx\n6\ta\ty\n").1.has_streams);
    }

    #[test]
    fn malformed_rows_are_counted_and_the_first_is_named() {
        let (rows, ahead, malformed) = rows("5\ta\tx\nno row\nx\ty\tz\n\n6\ta\ty\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(ahead.first, Some(UnixNanos(5)));
        assert_eq!(malformed, Malformed { count: 3, first_row: 2 });
    }

    #[test]
    fn a_long_row_comes_in_pieces_of_one_stream() {
        let long = "x".repeat(3 << 20);
        let (rows, ..) = rows(&format!("5\ta\t{long}\n6\tb\ty\n"));
        assert!(rows.len() > 2);
        assert!(rows[..rows.len() - 1].iter().all(|row| row.0 == 5 && row.1 == "a"));
        assert_eq!(rows.iter().map(|row| row.2.len()).sum::<usize>(), long.len() + 3);
    }
}

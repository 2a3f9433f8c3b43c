//! Several files in time order, as far as their time stamps allow.
//!
//! Each file is trusted to be in order by itself (logs are, within a fraction of a second). The file whose next line is the oldest gives
//! a *run*: all its lines up to the next line of any other file. The end of a run is searched in doubling steps, so that files of different
//! days cost a few looks per buffer and files of the same minute about two per line. A line without a time stays behind the line before
//! it; a file without any times is read where it stands in the list.
//!
//! Bounds: one buffer per file, [`BUFFER_BYTES_MAX`] at most and all together about [`BUFFERS_BYTES_TOTAL`].

use super::open::InputError;
use crate::time::UnixNanos;
use memchr::{memchr, memrchr};
use std::io::{self, Read};

/// A large read costs no more than a small one.
pub const BUFFER_BYTES_MAX: usize = 256 << 10;
/// Below this a read call costs more than the bytes are worth.
const BUFFER_BYTES_MIN: usize = 16 << 10;
/// All buffers together, while there are fewer than 256 files.
pub const BUFFERS_BYTES_TOTAL: usize = 4 << 20;
/// Lines looked at in search of a time: longer than most stack traces.
const LINES_PEEKED_MAX: usize = 64;

/// Lines of one file that come next.
#[derive(Debug)]
pub enum Run<'a> {
    /// Bytes of a file (index in the list given to [`Merge::new`]), whole lines while other files have lines left.
    Bytes(usize, &'a [u8]),
    /// A file has ended, perhaps by an error.
    End(usize, Option<InputError>),
}

/// The merge of several readers.
pub struct Merge {
    files: Vec<MergeFile>,
}

struct MergeFile {
    input: usize,
    label: String,
    reader: Option<Box<dyn Read + Send>>,
    error: Option<InputError>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Time of the next line; `None` when not looked up yet.
    next: Option<UnixNanos>,
    /// Time of the last line that had one.
    last: UnixNanos,
    is_inside_line: bool,
}

impl Merge {
    /// Of readers with their labels, in the order of the command line.
    #[must_use]
    pub fn new(readers: Vec<(usize, String, Box<dyn Read + Send>)>) -> Self {
        let bytes = (BUFFERS_BYTES_TOTAL / readers.len().max(1)).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        Self::with_buffers(readers, bytes)
    }

    fn with_buffers(readers: Vec<(usize, String, Box<dyn Read + Send>)>, bytes: usize) -> Self {
        let file = |(input, label, reader)| MergeFile {
            input,
            label,
            reader: Some(reader),
            error: None,
            buffer: vec![0; bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            next: None,
            last: UnixNanos(i64::MIN),
            is_inside_line: false,
        };
        Self { files: readers.into_iter().map(file).collect() }
    }

    /// The next run. `time_of` reads the time of one line (no line end).
    pub fn next_run(&mut self, time_of: &mut dyn FnMut(&[u8]) -> Option<UnixNanos>) -> Option<Run<'_>> {
        let is_alone = self.files.len() == 1;
        for file in &mut self.files {
            file.fill(is_alone);
        }
        if let Some(at) = self.files.iter().position(MergeFile::is_over) {
            let file = self.files.remove(at);
            return Some(Run::End(file.input, file.error));
        }
        if self.files.len() <= 1 {
            return self.files.first_mut().map(|file| Run::Bytes(file.input, file.take(file.end)));
        }
        for file in &mut self.files {
            file.look_up(time_of);
        }
        let times = || self.files.iter().enumerate().map(|(at, file)| (file.next.unwrap_or(file.last), at));
        let (_, first) = times().min()?;
        let (limit, _) = times().filter(|(_, at)| *at != first).min()?;
        let file = &mut self.files[first];
        let end = file.run_end(limit, time_of);
        Some(Run::Bytes(file.input, file.take(end)))
    }
}

impl MergeFile {
    fn is_over(&self) -> bool {
        self.reader.is_none() && self.start == self.end
    }

    /// Makes sure that there is a whole line, or all that is left; when it is the only file any bytes will do.
    fn fill(&mut self, any_bytes: bool) {
        while self.reader.is_some() && (self.start == self.end || !any_bytes && memrchr(b'\n', self.unread()).is_none()) {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end == self.buffer.len() {
                return; // one line longer than the buffer: it goes out in pieces
            }
            let Some(reader) = &mut self.reader else { return };
            match reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.reader = None,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(InputError::new(self.label.clone(), error));
                    self.reader = None;
                }
            }
        }
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Hands out the bytes up to `end`.
    fn take(&mut self, end: usize) -> &[u8] {
        let start = std::mem::replace(&mut self.start, end);
        let bytes = &self.buffer[start..end];
        self.is_inside_line = !bytes.ends_with(b"\n");
        self.next = None;
        bytes
    }

    fn look_up(&mut self, time_of: &mut dyn FnMut(&[u8]) -> Option<UnixNanos>) {
        if self.next.is_none() {
            let time = if self.is_inside_line { None } else { first_line(self.unread()).and_then(time_of) };
            self.last = time.unwrap_or(self.last);
            self.next = Some(self.last);
        }
    }

    /// Where the lines end that are not later than `limit`; behind at least one line.
    fn run_end(&mut self, limit: UnixNanos, time_of: &mut dyn FnMut(&[u8]) -> Option<UnixNanos>) -> usize {
        let whole = memrchr(b'\n', self.unread()).map_or(self.end, |at| self.start + at + 1);
        // Behind the last newline at the end of a file stands a line, too; it becomes a run of its own.
        let mut low = line_after(&self.buffer[..whole], self.start);
        let mut is_late = |from: usize, buffer: &[u8]| time_at(&buffer[..whole], from, time_of).is_some_and(|time| time > limit);
        let mut step = 1;
        let mut high = loop {
            if low >= whole {
                return whole;
            }
            if is_late(low, &self.buffer) {
                return low;
            }
            let probe = line_after(&self.buffer[..whole], (low + step).min(whole - 1));
            if probe >= whole {
                break whole;
            }
            if is_late(probe, &self.buffer) {
                break probe;
            }
            low = probe;
            step *= 2;
        };
        // Lines before `low` go, the line at `high` (if there is one) stays.
        loop {
            let middle = line_after(&self.buffer[..whole], low + (high - low) / 2);
            let middle = if middle < high { middle } else { line_after(&self.buffer[..whole], low) };
            if middle >= high {
                return high;
            }
            if is_late(middle, &self.buffer) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }
}

/// The beginning of the line after the one that holds byte `at`.
fn line_after(buffer: &[u8], at: usize) -> usize {
    memchr(b'\n', &buffer[at..]).map_or(buffer.len(), |newline| at + newline + 1)
}

fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let line = &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())];
    (!bytes.is_empty()).then(|| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The time of the first line from `from` on that has one.
fn time_at(buffer: &[u8], mut from: usize, time_of: &mut dyn FnMut(&[u8]) -> Option<UnixNanos>) -> Option<UnixNanos> {
    for _ in 0..LINES_PEEKED_MAX {
        let line = first_line(&buffer[from..])?;
        if let Some(time) = time_of(line) {
            return Some(time);
        }
        from = line_after(buffer, from);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Lines of these tests begin with their time in one to three digits.
    fn time_of(line: &[u8]) -> Option<UnixNanos> {
        let digits: String = line.iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| byte as char).collect();
        digits.parse().ok().map(UnixNanos)
    }

    fn merge(files: &[&str], buffer: usize) -> String {
        let readers =
            files.iter().enumerate().map(|(at, text)| (at, at.to_string(), Box::new(Cursor::new(text.as_bytes().to_vec())) as Box<dyn Read + Send>));
        let mut merge = Merge::with_buffers(readers.collect(), buffer);
        let mut out = String::new();
        while let Some(run) = merge.next_run(&mut time_of) {
            if let Run::Bytes(_, bytes) = run {
                out.push_str(std::str::from_utf8(bytes).unwrap());
            }
        }
        out
    }

    #[test]
    fn lines_of_two_files_come_in_time_order() {
        assert_eq!(merge(&["1 a\n4 a\n5 a\n", "2 b\n3 b\n6 b\n"], 1024), "1 a\n2 b\n3 b\n4 a\n5 a\n6 b\n");
    }

    #[test]
    fn continuation_lines_stay_with_their_line() {
        assert_eq!(merge(&["1 a\n at x\n at y\n4 a\n", "2 b\n"], 1024), "1 a\n at x\n at y\n2 b\n4 a\n");
    }

    #[test]
    fn a_rotated_file_named_last_comes_first() {
        assert_eq!(merge(&["7 new\n8 new\n", "1 old\n2 old\n"], 1024), "1 old\n2 old\n7 new\n8 new\n");
    }

    #[test]
    fn a_line_longer_than_the_buffer_loses_nothing() {
        let long = format!("1 {}\n3 a\n", "x".repeat(100));
        let out = merge(&[&long, "2 b\n"], 16);
        assert_eq!(out.len(), long.len() + 4);
    }

    proptest! {
        #[test]
        fn ordered_files_give_ordered_output_and_every_byte(a in proptest::collection::vec(0_u32..200, 0..60), b in proptest::collection::vec(0_u32..200, 0..60), buffer in 8_usize..200) {
            let file = |mut times: Vec<u32>, name: &str| {
                times.sort_unstable();
                times.iter().map(|time| format!("{time} {name}\n")).collect::<String>()
            };
            let (a, b) = (file(a, "a"), file(b, "b"));
            let out = merge(&[&a, &b], buffer);
            prop_assert_eq!(out.len(), a.len() + b.len());
            let times: Vec<u32> = out.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
            prop_assert!(times.is_sorted(), "{}", out);
            for (name, text) in [("a", &a), ("b", &b)] {
                let own: String = out.lines().filter(|line| line.ends_with(name)).map(|line| format!("{line}\n")).collect();
                prop_assert_eq!(&own, text);
            }
        }
    }
}

//! Bytes to lines, in any chunking. A line ends at `\n`; a line longer than the limit is cut, never buffered without bound.

/// Whether a line is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// From its beginning to its end.
    #[default]
    Whole,
    /// The first piece of a line that was longer than the limit.
    Head,
    /// A further piece of it.
    Rest,
}

/// One line as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// All its bytes, its line end included (`\n` or `\r\n`; none for a cut piece or the last line of an input).
    pub bytes: &'a [u8],
    /// Length without the line end.
    pub text_len: usize,
    /// Whether it was cut.
    pub cut: Cut,
}

/// Splits the bytes of one stream. Holds at most `line_bytes_max` bytes.
#[derive(Debug)]
pub struct LineSplitter {
    line_bytes_max: usize,
}

impl LineSplitter {
    /// A splitter that cuts lines after `line_bytes_max` bytes.
    #[must_use]
    pub const fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max }
    }
    /// Calls `each` for every line that `chunk` completes.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(RawLine<'_>)) {
        // Placeholder body while the module is written.
        debug_assert!(self.line_bytes_max > 0);
        each(RawLine { bytes: chunk, text_len: chunk.len(), cut: Cut::Whole });
    }
    /// The input has ended: what is left is a line without an end.
    pub fn finish(&mut self, each: impl FnMut(RawLine<'_>)) {
        drop(each);
    }
    /// Bytes of the unfinished line.
    #[must_use]
    pub const fn open_bytes(&self) -> usize {
        0
    }
}

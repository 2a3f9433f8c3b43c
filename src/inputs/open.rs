//! Opens what the user named. Compression is recognised by its magic bytes, never by a name: rotations are renamed freely.

use crate::clock;
use crate::time::UnixNanos;
use std::fs::{self, File};
use std::io::{self, Cursor, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-`, or nothing.
    Stdin,
    /// A path.
    Path(PathBuf),
}

impl Source {
    /// `-` is standard input, everything else a path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path.to_owned()) }
    }
    /// How the source is called in output.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Stdin => "stdin".into(),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

/// What can be said of a source before it is opened (opening a named pipe waits for its writer).
#[derive(Clone, Debug)]
pub struct Probe {
    /// A regular file: all of it is there, reading never waits for a writer.
    pub is_regular: bool,
    /// Its size, where that means something.
    pub length: u64,
    /// When it was last written.
    pub modified: Option<UnixNanos>,
}

/// Why a source cannot be read (any more). Says what the user should see after the program's name.
#[derive(Debug, thiserror::Error)]
#[error("{label}: {}", reason(.source))]
pub struct InputError {
    label: String,
    source: io::Error,
}

impl InputError {
    /// An error of the source with this label.
    #[must_use]
    pub const fn new(label: String, source: io::Error) -> Self {
        Self { label, source }
    }
}

/// The reason, and what to do where we know that.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "is a directory; name the files in it, for example with a shell pattern".into(),
        io::ErrorKind::UnexpectedEof => "the compressed data ends too early; what could be read was read".into(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => format!("the compressed data is damaged ({error}); what came before it was read"),
        _ => plain(error),
    }
}

/// An error of the system in our own style: lower case, without its number.
#[must_use]
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// Looks at a source without opening it.
///
/// # Errors
/// When it does not exist, may not be seen, or is a directory.
pub fn probe(source: &Source) -> Result<Probe, InputError> {
    let metadata = match source {
        Source::Stdin => stdin_file().and_then(|file| file.metadata()),
        Source::Path(path) => fs::metadata(path),
    };
    let error = |error| InputError::new(source.label(), error);
    let metadata = metadata.map_err(error)?;
    if metadata.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory.into()));
    }
    let is_regular = metadata.is_file();
    Ok(Probe { is_regular, length: if is_regular { metadata.len() } else { 0 }, modified: metadata.modified().ok().map(clock::of) })
}

/// Opens a source for reading, decompressed. `bytes_read` counts the bytes taken from the file itself, for a progress bar.
///
/// # Errors
/// When it cannot be opened or its first bytes cannot be read.
pub fn open(source: &Source, bytes_read: &Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, InputError> {
    let file = match source {
        Source::Stdin => stdin_file(),
        Source::Path(path) => File::open(path),
    };
    let counted = |file| Counted { file, bytes: Arc::clone(bytes_read) };
    file.map(counted).and_then(decompressed).map_err(|error| InputError::new(source.label(), error))
}

/// Whether standard input is a terminal, where nobody has typed a log.
#[must_use]
pub fn is_stdin_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Standard input without the buffer of `std::io::Stdin`: we read in large pieces.
fn stdin_file() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// As much as a Linux pipe holds.
const FIRST_READ_BYTES: usize = 64 << 10;

/// Reads the first bytes (no more than are there: a producer that has written one line and waits must not be waited for) and puts a
/// decompressor behind them where they ask for one.
fn decompressed(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut head = vec![0; FIRST_READ_BYTES];
    let mut filled = 0;
    while [GZIP, ZSTD].iter().any(|magic| magic.len() > filled && magic.starts_with(&head[..filled])) {
        match reader.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    let kind = (head.starts_with(GZIP), head.starts_with(ZSTD));
    let whole = Cursor::new(head).chain(reader);
    Ok(match kind {
        (true, _) => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn check(bytes: &[u8], expected: &[u8]) {
        let mut text = Vec::new();
        decompressed(Cursor::new(bytes.to_vec())).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, expected);
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_is_seen_by_magic_bytes() {
        check(b"plain\n", b"plain\n");
        check(b"", b"");
        check(b"(", b"(");
        check(b"(\xb5 no zstd\n", b"(\xb5 no zstd\n");
        check(&gzip(b"a\n"), b"a\n");
        check(&[gzip(b"a\n"), gzip(b"b\n")].concat(), b"a\nb\n");
        check(&zstd::encode_all(&b"a\n"[..], 1).unwrap(), b"a\n");
    }

    #[test]
    fn a_first_line_is_not_held_back_for_more_magic_bytes() {
        struct OneLine(bool);
        impl Read for OneLine {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0, "must not read on");
                self.0 = true;
                buffer[..5].copy_from_slice(b"(one\n");
                Ok(5)
            }
        }
        let mut first = [0; 8];
        assert_eq!(decompressed(OneLine(false)).unwrap().read(&mut first).unwrap(), 5);
    }

    #[test]
    fn reasons_are_lower_case_and_say_what_to_do() {
        let show = |kind: io::ErrorKind| InputError::new("app.log".into(), kind.into()).to_string();
        assert_eq!(show(io::ErrorKind::NotFound), "app.log: no such file or directory");
        assert!(show(io::ErrorKind::IsADirectory).starts_with("app.log: is a directory; name the files"));
        assert_eq!(InputError::new("a".into(), io::Error::from_raw_os_error(5)).to_string(), "a: input/output error");
    }
}

//! The output to NDJSON files: appended, synced before progress is told, rotated by size.
//!
//! `out.ndjson` is written; `out.ndjson.1` (`.1.zst` when compressed) is the newest rotated one, the highest number the oldest. A last line that a
//! crash tore is cut off at the start, and what a crash kept from being told as delivered is not written twice: the ids at the end of the
//! file are read once (`TAIL_BYTES`).

use super::destination::FileOptions;
use crate::delivery::task::local_trouble;
use crate::delivery::{Outcome, Request, Sender, record_uid};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much of the end of a file is read for ids when it is opened: more than is written between two commits of the store.
const TAIL_BYTES: u64 = 8 << 20;

/// Log lines may hold what not everybody should read.
const MODE: u32 = 0o640;

/// Compression of rotated files.
const ZSTD_LEVEL: i32 = 3;

/// Appends to a file and rotates it.
#[derive(Debug)]
pub struct FileSender {
    target: String,
    /// Away while a blocking thread writes.
    log: Option<RotatedFile>,
}

impl FileSender {
    /// Opens nothing yet: a file that cannot be opened is an outage of this output, not of the agent.
    #[must_use]
    pub fn new(options: FileOptions) -> Self {
        Self { target: options.path.display().to_string(), log: Some(RotatedFile { options, open: None }) }
    }
}

impl Sender for FileSender {
    fn target(&self) -> &str {
        &self.target
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let Some(mut log) = self.log.take() else { return Outcome::Gone { words: "a write was abandoned".into() } };
        let body = request.body.clone();
        let write = tokio::task::spawn_blocking(move || {
            let result = log.append(&body);
            (log, result)
        });
        let Ok((log, result)) = write.await else { return Outcome::Gone { words: "the writer is gone".into() } };
        self.log = Some(log);
        result.map_or_else(local_trouble, |()| Outcome::Delivered { status: 0 })
    }
}

#[derive(Debug)]
struct RotatedFile {
    options: FileOptions,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
    /// Ids at its end when it was opened, until a request comes that holds none of them.
    tail: HashSet<String>,
}

impl RotatedFile {
    /// Appends the lines and waits for the disk. A failure leaves no part of them behind.
    fn append(&mut self, body: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|open| !is_at(&open.file, &self.options.path)) {
            self.open = None; // somebody moved or removed it
            self.open = Some(open(&self.options.path)?);
        }
        let mut fresh = Vec::new();
        let open_now = self.open.as_mut().expect("it was just opened");
        let body = if open_now.tail.is_empty() {
            body
        } else {
            for line in body.split_inclusive(|&byte| byte == b'\n') {
                if !record_uid(line).is_some_and(|uid| open_now.tail.contains(&*uid)) {
                    fresh.extend_from_slice(line);
                }
            }
            if fresh.len() == body.len() {
                open_now.tail.clear();
            }
            fresh.as_slice()
        };
        let limit = self.options.rotate_bytes;
        if limit > 0 && open_now.len > 0 && open_now.len + body.len() as u64 > limit {
            self.open = None;
            rotate(&self.options)?;
            self.open = Some(open(&self.options.path)?);
        }
        let open = self.open.as_mut().expect("it is open, or opening it failed above");
        if let Err(error) = open.file.write_all(body).and_then(|()| open.file.sync_data()) {
            // Half a record must not stay: what follows it would be glued to it. If even this fails, opening it again cuts it off.
            if open.file.set_len(open.len).is_err() {
                self.open = None;
            }
            return Err(error);
        }
        open.len += body.len() as u64;
        Ok(())
    }
}

/// Whether `path` still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// Opens for appending, cuts off a torn last line, reads the ids at the end.
fn open(path: &Path) -> io::Result<Open> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_new = !path.exists();
    if is_new {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).mode(MODE).open(path)?;
    if is_new {
        File::open(folder)?.sync_all()?; // else the name may be gone after a power cut
    }
    let len = file.metadata()?.len();
    let from = len.saturating_sub(TAIL_BYTES);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    (&mut file).take(TAIL_BYTES).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    if whole < end.len() && (whole > 0 || from == 0) {
        file.set_len(from + whole as u64)?;
        tracing::info!("{}: cut off {} bytes of a last line that was not finished", path.display(), end.len() - whole);
        end.truncate(whole);
    }
    let tail = end.split(|&byte| byte == b'\n').filter_map(record_uid).map(std::borrow::Cow::into_owned).collect();
    Ok(Open { file, len: from + end.len() as u64, tail })
}

/// `out.N` becomes `out.N+1`, `out` becomes `out.1`; the oldest go.
fn rotate(options: &FileOptions) -> io::Result<()> {
    if options.keep == 0 {
        return fs::remove_file(&options.path);
    }
    for number in (1..=options.keep).rev() {
        for ending in ["", ".zst"] {
            let from = numbered(&options.path, number, ending);
            let result = if number == options.keep { fs::remove_file(&from) } else { fs::rename(&from, numbered(&options.path, number + 1, ending)) };
            match result {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    let first = numbered(&options.path, 1, "");
    fs::rename(&options.path, &first)?;
    if options.zstd
        && let Err(error) = compress(&first, &numbered(&options.path, 1, ".zst"))
    {
        // Not a reason to stop writing.
        tracing::warn!("{} stays as it is: cannot compress it: {error}", first.display());
    }
    Ok(())
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut half_done = to.as_os_str().to_owned();
    half_done.push(".part");
    let half_done = PathBuf::from(half_done);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&half_done)?;
    let written = zstd::stream::copy_encode(File::open(from)?, &file, ZSTD_LEVEL).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&half_done, to)) {
        let _ = fs::remove_file(&half_done);
        return Err(error);
    }
    fs::remove_file(from)
}

fn numbered(path: &Path, number: u32, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{ending}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, rotate_bytes: u64, keep: u32, zstd: bool) -> RotatedFile {
        RotatedFile { options: FileOptions { path: folder.join("sub/out.ndjson"), rotate_bytes, keep, zstd }, open: None }
    }

    fn line(uid: &str) -> String {
        format!("{{\"log.record.uid\":\"{uid}\"}}\n")
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.join("sub")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join("sub").join(name)).unwrap()
    }

    #[test]
    fn a_file_is_rotated_by_size_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 50, 2, false);
        for uid in ["a", "b", "c", "d", "e"] {
            log.append(line(uid).repeat(2).as_bytes()).unwrap();
        }
        assert_eq!(names(folder.path()), ["out.ndjson", "out.ndjson.1", "out.ndjson.2"]);
        assert_eq!(text(folder.path(), "out.ndjson"), line("e").repeat(2));
        assert_eq!(text(folder.path(), "out.ndjson.2"), line("c").repeat(2));
    }

    #[test]
    fn rotated_files_are_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 50, 2, true);
        for uid in ["a", "b", "c", "d"] {
            log.append(line(uid).repeat(2).as_bytes()).unwrap();
        }
        assert_eq!(names(folder.path()), ["out.ndjson", "out.ndjson.1.zst", "out.ndjson.2.zst"]);
        let packed = fs::read(folder.path().join("sub/out.ndjson.1.zst")).unwrap();
        assert_eq!(zstd::stream::decode_all(packed.as_slice()).unwrap(), line("c").repeat(2).as_bytes());
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_what_is_there_is_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 0, 1, false).append(format!("{}{}", line("a"), line("b")).as_bytes()).unwrap();
        let path = folder.path().join("sub/out.ndjson");
        fs::write(&path, text(folder.path(), "out.ndjson") + "{\"log.record.uid\":\"c").unwrap();
        let mut log = log(folder.path(), 0, 1, false);
        log.append(format!("{}{}", line("b"), line("c")).as_bytes()).unwrap();
        log.append(line("d").as_bytes()).unwrap();
        assert_eq!(text(folder.path(), "out.ndjson"), ["a", "b", "c", "d"].map(line).concat());
        log.append(line("b").as_bytes()).unwrap();
        assert!(text(folder.path(), "out.ndjson").ends_with(&line("b")), "later, an id again is what the store says it is");
    }

    #[test]
    fn a_file_that_somebody_moved_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 0, 1, false);
        log.append(line("a").as_bytes()).unwrap();
        fs::rename(folder.path().join("sub/out.ndjson"), folder.path().join("sub/moved")).unwrap();
        log.append(line("b").as_bytes()).unwrap();
        assert_eq!((text(folder.path(), "moved"), text(folder.path(), "out.ndjson")), (line("a"), line("b")));
    }

    #[test]
    fn a_folder_that_is_no_folder_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sub"), "a file").unwrap();
        assert!(log(folder.path(), 0, 1, false).append(b"{}\n").is_err());
    }
}

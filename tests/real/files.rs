//! The outputs that need no server: files, rotated and compressed on the way, hold every record byte for byte and in order.

use crate::record::Maker;
use crate::sending::{Running, records};
use squelch::outputs::destination::{Destination, FileOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rotated ones, the oldest first, then the file itself.
fn content(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let siblings = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let number = |sibling: &PathBuf| {
        let rest = sibling.file_name()?.to_str()?.strip_prefix(&name)?;
        Some(rest.trim_start_matches('.').trim_end_matches(".zst").parse::<u32>().unwrap_or(0))
    };
    let mut files: Vec<(u32, PathBuf)> = siblings.filter_map(|sibling| Some((number(&sibling)?, sibling))).collect();
    files.sort_unstable_by(|one, other| other.cmp(one));
    assert!(files.len() > 2, "it was rotated");
    let mut content = Vec::new();
    for (_, file) in files {
        let bytes = std::fs::read(&file).unwrap();
        if file.extension().is_some_and(|extension| extension == "zst") {
            zstd::Decoder::new(&*bytes).unwrap().read_to_end(&mut content).unwrap();
        } else {
            content.extend(bytes);
        }
    }
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn files_hold_every_record_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.ndjson");
    let count = records();
    let maker = Maker::until_now(count);
    let options = FileOptions { rotate_bytes: count as u64 * 60, keep: 1000, zstd: true, ..FileOptions::new(path.clone()) };
    let mut output = Running::start("file", Destination::File(options), count, Arc::new(move |number| maker.record(number)));
    output.reach(count).await;
    let content = content(&path);
    let mut lines = content.split(|byte| *byte == b'\n');
    // Alerts need not overtake anything in a file.
    for number in 0..count {
        assert!(lines.next() == Some(&*maker.record(number).1), "record {number} is not what and where it was");
    }
    assert_eq!(lines.next(), Some(&b""[..]), "nothing is there twice");
    eprintln!("REAL | file | rotated, zstd | {count} records | 0 lost | 0 doubled | 0 different | {:.1} s", output.seconds());
}

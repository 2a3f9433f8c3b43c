//! `type = "file"`: NDJSON files, rotated by size.

use super::OutputType;
use crate::config::engine::to_u32;
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::config::values::absolute_path;
use crate::outputs::destination::{Destination, FileOptions};
use std::path::PathBuf;

pub(super) const TYPE: OutputType = OutputType { word: "file", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let path = section.required_text("path", "/var/log/squelch/records.ndjson", |text| match absolute_path(text) {
        Ok(_) if text.ends_with('/') => Err(format!("{} is a directory; add the name of a file", text_literal(text))),
        other => other,
    });
    let defaults = FileOptions::new(PathBuf::new());
    let rotate_bytes = section.size("rotate_bytes", defaults.rotate_bytes, 1 << 20..=1 << 40);
    let keep = to_u32(section.count("keep", defaults.keep.into(), 0..=10_000));
    let zstd = section.boolean("zstd", defaults.zstd);
    Some(Destination::File(FileOptions { path: path?, rotate_bytes, keep, zstd }))
}

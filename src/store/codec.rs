//! How a batch stands in the file: one zstd frame with a checksum of its own, so that a damaged batch is known to be one.
//!
//! Inside: the number of records (u32), kind (u8) and end (u32) of each, then the NDJSON. A record that a full store dropped keeps its
//! entry and has no bytes: cursors count records, so no cursor may shift.

use super::{RecordKind, Records};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// zstd's fastest ordinary level: 600 B records shrink to a fifth at some 300 MB/s; level 3 wins a tenth for twice the time.
const LEVEL: i32 = 1;

/// The most bytes a batch is unpacked to. Batches are cut at 1 MiB, one record may be larger; beyond this the frame is damaged.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// Bytes of an entry of the index.
const ENTRY: usize = 5;

/// Packs batches. Keeps its memory.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    plain: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    pub(super) fn new() -> Self {
        let mut compressor = Compressor::new(LEVEL).expect("zstd has this level");
        compressor.set_parameter(CParameter::ChecksumFlag(true)).expect("zstd has checksums");
        Self { compressor, plain: Vec::new() }
    }

    /// `records[range]` as one frame.
    pub(super) fn pack(&mut self, records: &Records, range: std::ops::Range<usize>) -> Vec<u8> {
        let start = range.start.checked_sub(1).map_or(0, |before| records.index[before].1);
        let end = range.end.checked_sub(1).map_or(start, |last| records.index[last].1);
        self.plain.clear();
        self.plain.extend((range.len() as u32).to_le_bytes());
        for (kind, end) in &records.index[range] {
            self.plain.push(*kind as u8);
            self.plain.extend((end - start).to_le_bytes());
        }
        self.plain.extend(&records.ndjson[start as usize..end as usize]);
        self.compressor.compress(&self.plain).expect("the buffer is as large as zstd asks for")
    }
}

/// The records of a frame; `None` when it is damaged.
pub(super) fn unpack(frame: &[u8]) -> Option<Records> {
    let plain = Decompressor::new().ok()?.decompress(frame, UNPACKED_BYTES_MAX).ok()?;
    let (count, rest) = plain.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (entries, ndjson) = rest.split_at_checked(count.checked_mul(ENTRY)?)?;
    let mut index = Vec::with_capacity(count);
    let mut before = 0;
    for entry in entries.chunks_exact(ENTRY) {
        let (kind, end) = entry.split_first()?;
        let end = u32::from_le_bytes(end.try_into().ok()?);
        if end < before || end as usize > ndjson.len() {
            return None;
        }
        before = end;
        index.push((RecordKind::from_number(*kind)?, end));
    }
    Some(Records { ndjson: ndjson.to_vec(), index })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        let mut records = Records::default();
        records.push(RecordKind::Line, br#"{"body":"a"}"#);
        records.push(RecordKind::Storm, br#"{"body":"b"}"#);
        records.push(RecordKind::Summary, br#"{"body":"c"}"#);
        records
    }

    #[test]
    fn what_is_packed_comes_back() {
        let packed = Packer::new().pack(&records(), 0..3);
        assert_eq!(unpack(&packed), Some(records()));
    }

    #[test]
    fn a_part_is_a_batch_of_its_own() {
        let packed = Packer::new().pack(&records(), 1..3);
        let unpacked = unpack(&packed).unwrap();
        assert_eq!(unpacked.len(), 2);
        assert_eq!(unpacked.get(0).unwrap().json, br#"{"body":"b"}"#);
        assert_eq!(unpacked.get(1).unwrap().kind, RecordKind::Summary);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let packed = Packer::new().pack(&records(), 0..3);
        for bit in 0..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A bit that means nothing to the decoder may flip; the records may not change.
            assert!(unpack(&damaged).is_none_or(|unpacked| unpacked == records()), "bit {bit}");
        }
    }
}

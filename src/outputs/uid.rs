//! Ids of records, the same in every resend (`log.record.uid`): 32 hex digits.

use sha2::{Digest, Sha256};

/// Hex digits of a line's id that say where it comes from: 80 bits, so that the files of a fleet do not meet.
const ORIGIN_DIGITS: usize = 20;
/// Hex digits that say where it stands there: files up to 256 TiB.
const PLACE_DIGITS: u32 = 12;

/// Makes the ids of a stream's lines: a hash of node, stream and origin, and the place as it is. Lines of one origin never share an id, and
/// the hash is made once per origin, not once per line.
#[derive(Clone, Debug, Default)]
pub struct LineUid {
    origin: Option<u64>,
    text: String,
}

impl LineUid {
    /// Makes the id of the line at `place` of `origin`. Node and stream are always the same.
    pub fn set(&mut self, node: &str, stream: &str, origin: u64, place: u64) {
        if self.origin != Some(origin) {
            self.text = record_uid(&[node.as_bytes(), stream.as_bytes(), &origin.to_be_bytes()]);
            self.origin = Some(origin);
        }
        self.text.truncate(ORIGIN_DIGITS);
        self.text.extend((0..PLACE_DIGITS).rev().map(|at| char::from(b"0123456789abcdef"[(place >> (4 * at) & 0xf) as usize])));
    }

    /// The id that was made last.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// 32 hex digits over the parts, each with its length before it so that no two lists of parts read alike.
pub(super) fn record_uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_line_can_be_read_in_its_id() {
        let mut uid = LineUid::default();
        uid.set("n1", "/var/log/app.log", 7, 0x1f_4a20);
        let first = uid.text().to_owned();
        assert_eq!((first.len(), &first[20..]), (32, "0000001f4a20"));
        uid.set("n1", "/var/log/app.log", 7, 0);
        assert_eq!((&uid.text()[..20], &uid.text()[20..]), (&first[..20], "000000000000"));
    }

    #[test]
    fn another_node_stream_or_origin_has_other_ids() {
        let of = |node, stream, origin| {
            let mut uid = LineUid::default();
            uid.set(node, stream, origin, 1);
            uid.text().to_owned()
        };
        let ids = [of("n1", "a", 7), of("n2", "a", 7), of("n1", "b", 7), of("n1", "a", 8), of("n1a", "", 7)];
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)), "{ids:?}");
        assert_eq!(ids[0], of("n1", "a", 7));
    }
}

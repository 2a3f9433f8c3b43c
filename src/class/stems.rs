//! Where a message might speak of retrying: a pass that skips, so that the many messages that do not cost little.
//!
//! Every word of the vocabulary holds one of [`STEMS`]; only where a stem stands are the words that hold it compared. The search is
//! the one of S. Wu and U. Manber, "A fast algorithm for multi-pattern searching" (1994), with blocks of two bytes.

/// Bytes of a stem. With longer ones the search would skip further, but `retry` has no more.
const STEM_BYTES: usize = 5;

/// Pieces of words in lower case, few and rare in ordinary lines, one of which stands in each word of the vocabulary.
const STEMS: [&str; 57] = [
    "retry", "retri", "attem", "ext t", "again", "backo", "back-", "backi", "ll su", "resta", "conne", "econn", "estab", "faile", "timeo", "timed",
    "deadl", " refu", "reach", " host", "name ", "enotf", "epipe", "broke", "ilabl", "gatew", "ansie", "able ", "lecti", "webso", "hands", "has g",
    "has r", "no le", "no re", " by p", "n a r", "ve up", "ven u", "ng up", " afte", "exhau", "limit", "hrott", "oo ma", "tooma", "ueue ", " open",
    "overl", " busy", "ack o", " too ", "exite", "xitin", "xit c", "cepti", "; not",
];

/// Entries of the table; a power of two, so large that different pairs of bytes share one rarely.
const ENTRIES: usize = 4096;
/// Entries below are how far the window may move, from here on the index of the first stem that ends with this pair.
const FIRST_STEM: u8 = STEM_BYTES as u8;

/// Finds words of a vocabulary in a text, letter case apart.
pub(super) struct Searcher {
    /// By the last two bytes of the window.
    table: Box<[u8; ENTRIES]>,
    /// Sorted by the entry of their last two bytes.
    stems: Vec<Stem>,
}

/// A stem and the words that hold it.
struct Stem {
    entry: usize,
    /// Its first four bytes, as [`head`] has them.
    head: u32,
    text: &'static [u8],
    words: Vec<Place>,
}

/// A word that holds a stem.
struct Place {
    /// Its index in the vocabulary.
    word: usize,
    text: &'static [u8],
    /// Where the stem begins in it.
    offset: usize,
}

/// The table's entry for two bytes, letter case apart (a few other bytes fall together, too).
const fn entry(pair: [u8; 2]) -> usize {
    let folded = (u16::from_le_bytes(pair) & 0xDFDF) as u32;
    (folded.wrapping_mul(0x9E37_79B1) >> 20) as usize
}

/// The first four bytes at `at`, folded as [`entry`] folds; 0 at the end of the text.
fn head(text: &[u8], at: usize) -> u32 {
    text.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four) & 0xDFDF_DFDF)
}

impl Searcher {
    /// For `words` in this order; words without a stem are not found.
    pub(super) fn new(words: impl Iterator<Item = &'static str> + Clone) -> Self {
        let mut stems: Vec<Stem> = STEMS
            .iter()
            .map(|stem| {
                let text = stem.as_bytes();
                let place = |(word, whole): (usize, &'static str)| {
                    let whole = whole.as_bytes();
                    let offset = whole.windows(STEM_BYTES).position(|w| head(w, 0) == head(text, 0) && w.eq_ignore_ascii_case(text))?;
                    Some(Place { word, text: whole, offset })
                };
                Stem {
                    entry: entry([text[STEM_BYTES - 2], text[STEM_BYTES - 1]]),
                    head: head(text, 0),
                    text,
                    words: words.clone().enumerate().filter_map(place).collect(),
                }
            })
            .collect();
        stems.sort_by_key(|stem| stem.entry);
        let mut table = Box::new([STEM_BYTES as u8 - 1; ENTRIES]);
        for stem in &stems {
            for (at, pair) in stem.text.windows(2).enumerate().take(STEM_BYTES - 2) {
                let move_by = &mut table[entry([pair[0], pair[1]])];
                *move_by = (*move_by).min((STEM_BYTES - 2 - at) as u8);
            }
        }
        // Behind the moves: a pair that ends a stem must not be moved past. From the last, so that the first stem of an entry stays.
        for (index, stem) in stems.iter().enumerate().rev() {
            table[stem.entry] = FIRST_STEM + index as u8;
        }
        Self { table, stems }
    }

    /// Calls `found` with index and start of each word in `text`, overlapping ones included, until it says `true`; whether it did.
    pub(super) fn any(&self, text: &[u8], mut found: impl FnMut(usize, usize) -> bool) -> bool {
        let mut at = STEM_BYTES - 2;
        while let Some(&[a, b]) = text.get(at..at + 2) {
            let move_by = self.table[entry([a, b])];
            if move_by < FIRST_STEM {
                at += usize::from(move_by);
                continue;
            }
            let start = at + 2 - STEM_BYTES;
            let head = head(text, start);
            for stem in &self.stems[usize::from(move_by - FIRST_STEM)..] {
                if stem.entry != entry([a, b]) {
                    break;
                }
                if head != stem.head || !text[start..at + 2].eq_ignore_ascii_case(stem.text) {
                    continue;
                }
                for place in &stem.words {
                    let from = start.wrapping_sub(place.offset);
                    let is_there = text.get(from..from.wrapping_add(place.text.len())).is_some_and(|t| t.eq_ignore_ascii_case(place.text));
                    if is_there && found(place.word, from) {
                        return true;
                    }
                }
            }
            at += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: [&str; 7] = ["retry", "retrying", "re-connecting", "UNAVAILABLE", "attempt", "failed to connect", "next attempt"];

    fn check(text: &[u8]) {
        let mut found = Vec::new();
        Searcher::new(WORDS.into_iter()).any(text, |word, start| {
            found.push((word, start));
            false
        });
        let is_there = |word: &str, start: usize| text[start..].get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
        let mut expected: Vec<_> = (0..text.len())
            .flat_map(|start| (0..WORDS.len()).map(move |word| (word, start)))
            .filter(|&(word, start)| is_there(WORDS[word], start))
            .collect();
        // A word with two stems may be found twice.
        found.sort_unstable();
        found.dedup();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", text.escape_ascii());
    }

    #[test]
    fn words_are_found_at_the_edges_and_inside_each_other() {
        check(b"retry");
        check(b"x next attempt, retrying: FAILED to connect: unavailable RETRYING");
        check(b"retr");
        check(b"");
        check(b"etry next attempt");
    }

    proptest! {
        #[test]
        fn it_finds_what_a_slow_search_finds(parts in prop::collection::vec(prop_oneof![
            prop::sample::select(&WORDS[..]), prop::sample::select(&STEMS[..]), Just(" "), Just("re"), Just("-"), Just("\u{ff}"), Just("A"), Just("try"),
        ], 0..20)) {
            check(parts.concat().as_bytes());
        }
    }
}

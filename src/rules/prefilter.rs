//! Which rules may match a message: a pass that skips, over the literals that they cannot do without.
//!
//! A rule is looked for by its longest literal (when it has only `any`, by each of them); where that stands, the others are looked for
//! one by one. In every literal of [`WINDOW`] bytes or more a window of so many is chosen; its pieces of four bytes are put into a table, all
//! of them, so that every [`STRIDE`]-th byte of a message is enough to meet one. A set of bits tells apart the many places where no piece
//! stands. This is built in well under a millisecond; an Aho-Corasick automaton of a thousand literals takes ten times as long to
//! build and to ask.

use super::Rule;
use memchr::memmem;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a piece: what fits one register, and stands in few messages.
const PIECE: usize = 4;
/// Places of a message that are skipped: each 4th is looked at.
const STRIDE: usize = 4;
/// Bytes of a literal that hold a piece at each of `STRIDE` places.
const WINDOW: usize = PIECE + STRIDE - 1;
/// Bits of the set: 8 KiB, some 5 % of them set by our thousand literals.
const HASH_BITS: u32 = 16;

/// A piece of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    hash: u16,
    literal: u16,
    /// Where it begins in the literal.
    offset: u16,
}

/// A literal that rules are looked for by.
#[derive(Debug)]
struct Anchor {
    /// In lower case.
    text: Box<[u8]>,
    /// Indices of the rules.
    rules: Vec<u32>,
}

/// Finds candidates. Letters match in either case (ASCII).
#[derive(Debug)]
pub(super) struct Prefilter {
    anchors: Vec<Anchor>,
    /// Whether a piece with this hash is in `pieces`.
    set: Box<[u64; (1 << HASH_BITS) / 64]>,
    /// In ascending order.
    pieces: Vec<Piece>,
    /// Where the pieces of each word of `set` begin.
    starts: Box<[u32; (1 << HASH_BITS) / 64]>,
    /// Literals too short for a window, and their anchors.
    short: Vec<(memmem::Finder<'static>, u32)>,
    /// Of each rule.
    rules: Vec<Literals>,
}

/// What a rule's messages hold, in lower case.
#[derive(Debug)]
struct Literals {
    all: Vec<Box<[u8]>>,
    /// One of these, when there are any.
    any: Vec<Box<[u8]>>,
}

#[inline]
fn hash(piece: &[u8]) -> u16 {
    let piece = piece.first_chunk::<PIECE>().map_or(0, |piece| u32::from_le_bytes(*piece));
    (piece.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as u16
}

impl Prefilter {
    /// For these rules; candidates are their indices.
    pub(super) fn new(rules: &[Arc<Rule>]) -> Self {
        let lower =
            |literals: &[String]| literals.iter().map(|literal| literal.to_ascii_lowercase().into_bytes().into_boxed_slice()).collect::<Vec<_>>();
        let rules: Vec<_> = rules.iter().map(|rule| Literals { all: lower(&rule.literals), any: lower(&rule.any) }).collect();
        let mut by_text: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        for (index, Literals { all, any }) in rules.iter().enumerate() {
            // Of equally long ones the first: `max_by_key` takes the last.
            let longest = all.iter().rev().max_by_key(|literal| literal.len());
            for anchor in longest.map_or(&any[..], std::slice::from_ref) {
                by_text.entry(anchor).or_default().push(index as u32);
            }
        }
        let anchors: Vec<_> = by_text.into_iter().map(|(text, rules)| Anchor { text: text.into(), rules }).collect();
        let mut counts = vec![0u16; 1 << HASH_BITS];
        let long = || anchors.iter().enumerate().filter(|(_, anchor)| anchor.text.len() >= WINDOW);
        for piece in long().flat_map(|(_, anchor)| anchor.text.windows(PIECE)) {
            counts[usize::from(hash(piece))] += 1;
        }
        let (mut pieces, mut set) = (Vec::new(), Box::new([0; (1 << HASH_BITS) / 64]));
        for (literal, anchor) in long() {
            // Where the pieces are rarest among the literals: they make the fewest false alarms.
            let weight = |window: &[u8]| window.windows(PIECE).map(|piece| u32::from(counts[usize::from(hash(piece))])).sum::<u32>();
            let from = (0..=anchor.text.len() - WINDOW).min_by_key(|&from| weight(&anchor.text[from..from + WINDOW])).unwrap_or(0);
            for offset in from..from + STRIDE {
                let hash = hash(&anchor.text[offset..]);
                set[usize::from(hash / 64)] |= 1u64 << (hash % 64);
                pieces.push(Piece { hash, literal: literal as u16, offset: offset as u16 });
            }
        }
        pieces.sort_unstable();
        let mut starts = Box::new([0; (1 << HASH_BITS) / 64]);
        let mut first = 0;
        for (word, start) in starts.iter_mut().enumerate() {
            while pieces.get(first).is_some_and(|piece: &Piece| usize::from(piece.hash / 64) < word) {
                first += 1;
            }
            *start = first as u32;
        }
        let short = anchors.iter().enumerate().filter(|(_, anchor)| anchor.text.len() < WINDOW);
        let short = short.map(|(index, anchor)| (memmem::Finder::new(&anchor.text).into_owned(), index as u32)).collect();
        Self { set, pieces, starts, short, rules, anchors }
    }

    /// Indices of the rules whose literals are all in `message`, in ascending order.
    pub(super) fn candidates(&self, message: &[u8]) -> Vec<u32> {
        let message = message.to_ascii_lowercase();
        let mut found: Vec<u32> = Vec::new();
        let mut at = 0;
        while let Some(piece) = message.get(at..at + PIECE) {
            let hash = hash(piece);
            if self.set[usize::from(hash / 64)] >> (hash % 64) & 1 == 1 {
                self.look_closer(&message, at, hash, &mut found);
            }
            at += STRIDE;
        }
        for (finder, anchor) in &self.short {
            if finder.find(&message).is_some() {
                found.extend_from_slice(&self.anchors[*anchor as usize].rules);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|&rule| {
            let Literals { all, any } = &self.rules[rule as usize];
            let has = |literal: &[u8]| memmem::find(&message, literal).is_some();
            all.iter().all(|literal| has(literal)) && (any.is_empty() || any.iter().any(|literal| has(literal)))
        });
        found
    }

    /// The rules of the literals that stand where the message has a piece with this hash.
    #[inline(never)]
    fn look_closer(&self, message: &[u8], at: usize, hash: u16, found: &mut Vec<u32>) {
        let near = &self.pieces[self.starts[usize::from(hash / 64)] as usize..];
        for piece in near.iter().skip_while(|piece| piece.hash < hash).take_while(|piece| piece.hash == hash) {
            let anchor = &self.anchors[usize::from(piece.literal)];
            let is_there =
                at.checked_sub(usize::from(piece.offset)).and_then(|from| message.get(from..)).is_some_and(|rest| rest.starts_with(&anchor.text));
            if is_there {
                found.extend_from_slice(&anchor.rules);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::{Rule, RuleSet, contains_ignore_case};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::built_in);

    /// What the prefilter means, said plainly.
    fn is_candidate(rule: &Rule, message: &[u8]) -> bool {
        let has = |literal: &String| contains_ignore_case(message, literal.as_bytes());
        rule.literals.iter().all(has) && (rule.any.is_empty() || rule.any.iter().any(has))
    }

    fn check(message: &[u8]) {
        let expected: Vec<u32> = (0..).zip(RULES.rules()).filter(|(_, rule)| is_candidate(rule, message)).map(|(index, _)| index).collect();
        assert_eq!(RULES.prefilter.candidates(message), expected, "{}", message.escape_ascii());
    }

    #[test]
    fn it_finds_the_candidates_of_every_example() {
        for rule in RULES.rules() {
            for example in &rule.matches {
                check(example.text.as_bytes());
                check(example.text.to_ascii_uppercase().as_bytes());
            }
        }
        check(b"");
        check(b"abc");
    }

    fn literal() -> impl Strategy<Value = String> {
        (0..RULES.rules().len(), any::<prop::sample::Index>()).prop_map(|(rule, literal)| {
            let rule = &RULES.rules()[rule];
            let literals: Vec<_> = rule.literals.iter().chain(&rule.any).collect();
            (*literal.get(&literals)).clone()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_finds_literals_anywhere(parts in prop::collection::vec(prop_oneof![2 => literal(), 1 => ".{0,5}"], 0..8)) {
            check(parts.concat().as_bytes());
        }
    }
}

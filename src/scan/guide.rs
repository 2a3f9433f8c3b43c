//! Ways through lines that were seen before: literal bytes, a digit-word of a kind, literal bytes, ... to the end.
//!
//! Most lines of a busy log go a known way. Following one is comparing its literal bytes and reading its words; no skeleton is
//! written, hashed and compared. A guide says nothing that a scan would not say: each word on the way is either found and classified by
//! the very functions of the scan, or is a time stamp whose bytes are those of an earlier one but for its digits, whose values no
//! rule of [`super::words`] looks at. Two lines come to one leaf if and only if they have one skeleton.
//!
//! A tree: each step has one step before it and any number behind it. Where there is one literal behind a step, it is compared; where there are
//! several, the first and the last bytes before the next run with a digit say which one it may be ([`Guide::place`]). What is not found so is
//! found by hash, once the next word is known. Bounds: [`STEPS_MAX`] and [`LITERAL_BYTES_MAX`]; the guide is emptied when it is full (it is a
//! cache: what is forgotten is learnt again).

use super::bitmap::{AHEAD, Bits, eight};
use super::next_word;
use super::words::{self, GLANCE_BYTES_MAX, Kind, Word, is_word_byte};
use hashbrown::HashTable;
use rapidhash::v3::rapidhash_v3;

/// Most steps: some thousand shapes of a dozen words, 2 MiB.
const STEPS_MAX: usize = 16 * 1024;
/// Most literal bytes of all steps together: 1 MiB.
const LITERAL_BYTES_MAX: usize = 1 << 20;
/// Longer ways, and those of longer lines, are not learnt.
pub(super) const WORDS_MAX: usize = 512;
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Stamps of different layout that are remembered for one step.
const LAYOUTS_MAX: usize = 8;
/// Places for steps that have brothers: 32 KiB. Who comes to a place that is taken is found by hash.
const PLACES: usize = 8 * 1024;
/// Literal bytes that are compared without a loop.
const HEAD: usize = 32;

/// The first bytes of a literal.
type Head = [u64; HEAD / 8];

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;
/// In place of a kind: the line ends.
const END: Option<Kind> = None;

/// The end of a known way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf(u32);

/// How the word of a step is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The line ends behind the literal bytes.
    End,
    /// A run of word bytes begins where the literal bytes end, and none with a digit before.
    Run,
    /// Such a run; when it is a number, the literal bytes do not make it something else.
    Number,
    /// The same for a duration in seconds or milliseconds.
    Dur,
    /// The same for an IPv4 address.
    Ip,
    /// The same for a name whose parts are joined.
    Name,
    /// Such a run, and the beginning of a stamp.
    Stamp,
    /// By looking at everything.
    Search,
}

/// Literal bytes, and the word behind them.
#[derive(Debug)]
struct Step {
    before: u32,
    /// The step behind it, when all of them have its literal.
    only: u32,
    /// The next one with the same literal behind the same step, and a word of another kind.
    also: u32,
    /// Whether there is any step behind it.
    is_passed: bool,
    /// Of an end: the next one that the same lines come to.
    twin: u32,
    kind: Option<Kind>,
    how: How,
    layouts: [u16; LAYOUTS_MAX],
    literal_from: u32,
    literal_len: u32,
    /// The first bytes of the literal, and which of them there are.
    head: Head,
    mask: Head,
    value: u64,
}

/// A stamp but for its digits.
#[derive(Debug)]
struct Layout {
    /// Bytes looked at: the stamp and the one behind it.
    reach: usize,
    /// Which of them are digits.
    digits: u64,
    /// The others; and all bits of each of them set.
    other: [u64; 8],
    mask: [u64; 8],
}

/// Lengths of numbers that are neither dates nor counts of seconds: one bit each.
const ORDINARY_LENGTHS: u64 = !(1 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 13 | 1 << 16 | 1 << 19);

/// No layout.
const BLANK: u16 = u16::MAX;

/// Known ways through lines. Each ends with a value of the caller's.
#[derive(Debug)]
pub struct Guide {
    steps: Vec<Step>,
    literals: Vec<u8>,
    layouts: Vec<Layout>,
    by_hash: HashTable<u32>,
    /// Steps by [`Guide::place`].
    places: Box<[u32; PLACES]>,
    epoch: u32,
}

/// The last bytes of a line with zeros behind them, so that the literals at its end are compared like all others.
struct Tail {
    bytes: [u8; 2 * HEAD],
    /// Where they stand in the line.
    from: usize,
}

impl Tail {
    #[inline(always)]
    fn of(line: &[u8]) -> Self {
        let mut bytes = [0; 2 * HEAD];
        let from = line.len().saturating_sub(HEAD);
        match (bytes.first_chunk_mut::<HEAD>(), line.last_chunk::<HEAD>()) {
            (Some(first), Some(last)) => *first = *last,
            _ => bytes[..line.len()].copy_from_slice(line),
        }
        Self { bytes, from }
    }

    /// As many bytes as a head has from `at` on, if the line has `length` of them, which are no more.
    #[inline(always)]
    fn head<'a>(&'a self, line: &'a [u8], at: usize, length: usize) -> Option<&'a [u8]> {
        if let Some(head) = line.get(at..at + HEAD) {
            return Some(head);
        }
        let head = self.bytes.get(at.checked_sub(self.from)?..)?.get(..HEAD)?;
        (at + length <= line.len()).then_some(head)
    }
}

impl Default for Guide {
    fn default() -> Self {
        Self::new()
    }
}

impl Guide {
    /// A guide that knows no way.
    #[must_use]
    pub fn new() -> Self {
        let places = Box::new([NONE; PLACES]);
        let mut guide = Self { steps: Vec::new(), literals: Vec::new(), layouts: Vec::new(), by_hash: HashTable::new(), places, epoch: 0 };
        guide.clear();
        guide
    }

    /// Counts how often it was emptied, from 1: what was learnt in an earlier epoch is forgotten.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What was learnt at the end of this way.
    #[must_use]
    #[inline]
    pub fn value(&self, leaf: Leaf) -> u64 {
        self.steps[leaf.0 as usize].value
    }

    /// The next leaf of the same skeleton.
    #[must_use]
    #[inline]
    pub fn twin(&self, leaf: Leaf) -> Option<Leaf> {
        let twin = self.steps[leaf.0 as usize].twin;
        (twin != NONE).then_some(Leaf(twin))
    }

    /// Learns the way of a line with these words, all of them. A leaf whose value `is_over` is used again.
    pub fn learn(&mut self, line: &[u8], words: &[Word], value: u64, is_over: impl Fn(u64) -> bool) {
        if words.len() > WORDS_MAX || line.len() > LINE_BYTES_MAX {
            return;
        }
        if self.steps.len() + words.len() >= STEPS_MAX || self.literals.len() + line.len() >= LITERAL_BYTES_MAX {
            self.clear();
        }
        let (mut step, mut at) = (ROOT, 0);
        for word in words {
            let literal = &line[at..word.start as usize];
            let next = self.find(step, Some(word.kind), literal).unwrap_or_else(|| {
                let index = self.add(step, Some(word.kind), literal, how(line, at, word));
                self.give_place(index, line, at);
                index
            });
            self.learn_layout(next, line, word);
            (step, at) = (next, word.end as usize);
        }
        let rest = &line[at..];
        let Some(mut end) = self.find(step, END, rest) else {
            let end = self.add(step, END, rest, if rest.iter().any(u8::is_ascii_digit) { How::Search } else { How::End });
            self.give_place(end, line, at);
            self.steps[end as usize].value = value;
            return;
        };
        while !is_over(self.steps[end as usize].value) {
            let twin = self.steps[end as usize].twin;
            if twin == NONE {
                let twin = self.steps.len() as u32;
                let last = &self.steps[end as usize];
                self.steps.push(Step { only: NONE, also: NONE, twin: NONE, value, ..*last });
                self.steps[end as usize].twin = twin;
                return;
            }
            end = twin;
        }
        self.steps[end as usize].value = value;
    }

    /// Follows the way of `line` as far as it is known; `words` takes the words on it. `bits` are those of the line. The leaf, and how many words.
    #[inline(always)]
    pub(super) fn follow(&self, line: &[u8], bits: &Bits, words: &mut [Word]) -> (Option<Leaf>, usize) {
        let tail = Tail::of(line);
        let (mut step, mut at, mut found) = (ROOT, 0, 0);
        let mut from = &self.steps[ROOT as usize];
        let leaf = loop {
            let mut index = from.only;
            if index == NONE {
                // The first run with a digit ends the literal, unless that is a weak word, or the word is wider than the run.
                let start = bits.next_digit(at).map_or(line.len(), |digit| bits.run_start(digit).max(at));
                index = self.places[place(step, line, at, start)];
            }
            // No way has more words than there is room for.
            let Some(word) = words.get_mut(found) else { break None };
            if let Some(next) = self.steps.get(index as usize)
                && next.before == step
                && self.stands_at(next, line, &tail, at)
            {
                let start = at + next.literal_len as usize;
                if next.how == How::End && start == line.len() {
                    break Some(Leaf(index));
                }
                if self.word_at(next, line, bits, at, start, word) {
                    found += 1;
                    if word.start as usize == start && Some(word.kind) == next.kind {
                        (step, from) = (index, next);
                    } else {
                        let Some(other) = self.other(index, line, at, start, word) else { break None };
                        (step, from) = (other, &self.steps[other as usize]);
                    }
                    at = word.end as usize;
                    continue;
                }
            }
            // A way that few lines go, or one whose words must be searched for.
            let Some(next) = next_word(line, bits, at) else { break self.find(step, END, &line[at..]).map(Leaf) };
            (*word, found) = (next, found + 1);
            let Some(other) = self.find(step, Some(next.kind), &line[at..next.start as usize]) else { break None };
            (step, from, at) = (other, &self.steps[other as usize], next.end as usize);
        };
        (leaf, found)
    }

    /// The brother of the step `index` that this word leads to. The literal of that step stands at `at` and ends at `start`.
    fn other(&self, index: u32, line: &[u8], at: usize, start: usize, word: &Word) -> Option<u32> {
        let step = &self.steps[index as usize];
        let mut also = if word.start as usize == start { step.also } else { NONE };
        while let Some(other) = self.steps.get(also as usize) {
            if other.kind == Some(word.kind) {
                return Some(also);
            }
            also = other.also;
        }
        self.find(step.before, Some(word.kind), &line[at..word.start as usize])
    }

    /// Puts the digit-word of the run at `start` into `word`, when there is one and the step says where to look; `at` is the end of the word
    /// before.
    #[inline(always)]
    fn word_at(&self, step: &Step, line: &[u8], bits: &Bits, at: usize, start: usize, word: &mut Word) -> bool {
        if matches!(step.how, How::End | How::Search) {
            return false;
        }
        let ahead = bits.ahead(start);
        let length = ahead.word.trailing_ones() as usize;
        if length >= AHEAD {
            return false;
        }
        let inside = !(!0 << length);
        let digits = ahead.digit & inside;
        if digits == 0 {
            return false;
        }
        let end = start + length;
        // Behind a longer word a port may end where the bits do.
        let how = if length <= GLANCE_BYTES_MAX { step.how } else { How::Run };
        match how {
            // What `classify_run` says of a number, when nothing before it makes it something else.
            How::Number if digits == inside && ORDINARY_LENGTHS >> length & 1 == 1 && !matches!(line.get(end), Some(b':' | b'/')) => {
                *word = Word { start: start as u32, end: end as u32, kind: Kind::Num };
                return true;
            }
            How::Dur => {
                // Digits, at most one point with digits on both sides, and the unit.
                let whole = digits.trailing_ones() as usize;
                let unit = (digits << (64 - length)).leading_zeros() as usize;
                let is_unit = match unit {
                    1 => line[end - 1] == b's',
                    2 => line[end - 2] == b'm' && line[end - 1] == b's',
                    _ => false,
                };
                let is_number = whole + unit == length
                    || (1..=3).contains(&whole) && line[start + whole] == b'.' && digits.count_ones() as usize + unit + 1 == length;
                if whole > 0 && is_unit && is_number {
                    *word = Word { start: start as u32, end: end as u32, kind: Kind::Dur };
                    return true;
                }
            }
            How::Ip => {
                let gaps = !digits & inside;
                let is_quad = digits & 1 == 1
                    && digits >> (length - 1) == 1
                    && gaps.count_ones() == 3
                    && gaps & gaps >> 1 == 0
                    && digits & digits >> 1 & digits >> 2 & digits >> 3 == 0
                    && has_three_points(line, start, gaps);
                if is_quad {
                    let end = words::with_port_at_a_glance(line, end, ahead.digit >> length);
                    *word = Word { start: start as u32, end: end as u32, kind: Kind::Ip };
                    return true;
                }
            }
            How::Name => {
                let joint = bits.joint_ahead(start) & inside;
                // How many digits it ends with, and what stands before them.
                let number = (digits << (64 - length)).leading_ones() as usize;
                if joint != 0 && joint >> (length - 1) == 0 && is_plain_name(line, start, length) && (number == 0 || line[end - number - 1] != b'.') {
                    let (end, kind) = words::name_with_port(line, end, ahead.digit >> length);
                    *word = Word { start: start as u32, end: end as u32, kind };
                    return true;
                }
            }
            How::Stamp => {
                for &layout in &step.layouts {
                    let (Some(layout), Some(kind)) = (self.layouts.get(usize::from(layout)), step.kind) else { break };
                    if layout.fits(line, start, ahead.digit) {
                        *word = Word { start: start as u32, end: (start + layout.reach - 1) as u32, kind };
                        return true;
                    }
                }
            }
            _ => {}
        }
        look_closer(line, start, end, at, bits, word)
    }

    /// Whether the literal bytes of the step stand at `at`.
    #[inline(always)]
    fn stands_at(&self, step: &Step, line: &[u8], tail: &Tail, at: usize) -> bool {
        let length = step.literal_len as usize;
        if length <= HEAD
            && let Some(head) = tail.head(line, at, length)
        {
            // Loops of fixed length, here and below: they are laid out flat in every kind of build.
            let mut differs = 0;
            for part in 0..HEAD / 8 {
                differs |= (eight(head, part * 8) ^ step.head[part]) & step.mask[part];
            }
            return differs == 0;
        }
        let literal = self.literal(step);
        let Some(there) = line.get(at..at + length) else { return false };
        match (there.first_chunk::<HEAD>(), there.last_chunk::<HEAD>(), literal.first_chunk::<HEAD>(), literal.last_chunk::<HEAD>()) {
            // Two halves that may overlap, so that no function is called.
            (Some(head), Some(tail), Some(known_head), Some(known_tail)) if length <= 2 * HEAD => {
                let mut differs = 0;
                for part in 0..HEAD / 8 {
                    differs |= (eight(head, part * 8) ^ eight(known_head, part * 8)) | (eight(tail, part * 8) ^ eight(known_tail, part * 8));
                }
                differs == 0
            }
            _ => there == literal,
        }
    }

    fn literal(&self, step: &Step) -> &[u8] {
        &self.literals[step.literal_from as usize..][..step.literal_len as usize]
    }

    /// The step behind `before` with this literal and kind.
    fn find(&self, before: u32, kind: Option<Kind>, literal: &[u8]) -> Option<u32> {
        let is_it = |index: u32| {
            let step = &self.steps[index as usize];
            step.before == before && step.kind == kind && self.literal(step) == literal
        };
        self.by_hash.find(hash(before, kind, literal), |&index| is_it(index)).copied()
    }

    fn add(&mut self, before: u32, kind: Option<Kind>, literal: &[u8], how: How) -> u32 {
        let index = self.steps.len() as u32;
        let (mut head, mut mask) = ([0; HEAD / 8], [0; HEAD / 8]);
        for (i, &b) in literal.iter().take(HEAD).enumerate() {
            head[i / 8] |= u64::from(b) << (8 * (i % 8));
            mask[i / 8] |= 0xFF << (8 * (i % 8));
        }
        let literal_from = self.literals.len() as u32;
        self.literals.extend_from_slice(literal);
        self.steps.push(Step {
            before,
            only: NONE,
            also: NONE,
            is_passed: false,
            twin: NONE,
            kind,
            how,
            layouts: [BLANK; LAYOUTS_MAX],
            literal_from,
            literal_len: literal.len() as u32,
            head,
            mask,
            value: 0,
        });
        let Self { steps, literals, by_hash, .. } = self;
        let rehash = |&index: &u32| {
            let step = &steps[index as usize];
            hash(step.before, step.kind, &literals[step.literal_from as usize..][..step.literal_len as usize])
        };
        by_hash.insert_unique(hash(before, kind, literal), index, rehash);
        let only = self.steps[before as usize].only;
        let is_like_all = match self.steps.get(only as usize) {
            Some(only) => only.how != How::End && how != How::End && self.literal(only) == literal,
            None => !self.steps[before as usize].is_passed,
        };
        let step = &mut self.steps[before as usize];
        step.only = match (is_like_all, only) {
            (false, _) => NONE,
            (true, NONE) => index,
            (true, only) => only,
        };
        step.is_passed = true;
        index
    }

    /// Gives a step that was learnt from this line, its literal beginning at `at`, its place, or a place behind its brothers.
    fn give_place(&mut self, index: u32, line: &[u8], at: usize) {
        let step = &self.steps[index as usize];
        if step.how == How::Search {
            return;
        }
        let place = place(step.before, line, at, at + step.literal_len as usize);
        let Some(first) = self.steps.get(self.places[place] as usize) else {
            self.places[place] = index;
            return;
        };
        if first.before != step.before || first.kind == END || step.kind == END || self.literal(first) != self.literal(step) {
            return;
        }
        let mut last = self.places[place];
        while self.steps[last as usize].also != NONE {
            last = self.steps[last as usize].also;
        }
        self.steps[last as usize].also = index;
    }

    /// Remembers how a stamp is written, where that alone says that it is one.
    fn learn_layout(&mut self, index: u32, line: &[u8], word: &Word) {
        let step = &self.steps[index as usize];
        let (start, end) = (word.start as usize, word.end as usize);
        if step.how != How::Stamp || self.layouts.len() >= usize::from(BLANK) {
            return;
        }
        let is_digit = |i: usize| line[i].is_ascii_digit();
        let Some(free) = step.layouts.iter().position(|&layout| layout == BLANK) else { return };
        let Some(layout) = Layout::of(line, self.literal(step), start, end) else { return };
        let digits = (start..=end).filter(|&i| is_digit(i)).fold(0, |bits, i| bits | 1 << (i - start));
        if step.layouts[..free].iter().any(|&known| self.layouts[usize::from(known)].fits(line, start, digits)) {
            return;
        }
        self.steps[index as usize].layouts[free] = self.layouts.len() as u16;
        self.layouts.push(layout);
    }

    fn clear(&mut self) {
        self.steps.clear();
        self.literals.clear();
        self.layouts.clear();
        self.by_hash.clear();
        self.places.fill(NONE);
        self.epoch += 1;
        let root = Step {
            before: NONE,
            only: NONE,
            also: NONE,
            is_passed: false,
            twin: NONE,
            kind: END,
            how: How::Search,
            layouts: [BLANK; LAYOUTS_MAX],
            literal_from: 0,
            literal_len: 0,
            head: [0; HEAD / 8],
            mask: [0; HEAD / 8],
            value: 0,
        };
        self.steps.push(root);
    }
}

impl Layout {
    /// Of the stamp `start..end` behind `literal`: only where its end is plain from the byte behind it, and what may stand before it
    /// and make it something else (a colour code, groups of an IPv6 address) is plain from the literal.
    fn of(line: &[u8], literal: &[u8], start: usize, end: usize) -> Option<Self> {
        let reach = end + 1 - start;
        if !is_apart(literal, start) || reach > AHEAD || !matches!(line.get(end)?, b' ' | b'\t' | b']' | b')' | b'}' | b'"' | b'\'' | b'|' | b'>') {
            return None;
        }
        let (mut digits, mut other, mut mask) = (0, [0; 8], [0; 8]);
        for (i, &b) in line[start..=end].iter().enumerate() {
            if b.is_ascii_digit() {
                digits |= 1 << i;
            } else {
                other[i / 8] |= u64::from(b) << (8 * (i % 8));
                mask[i / 8] |= 0xFF << (8 * (i % 8));
            }
        }
        Some(Self { reach, digits, other, mask })
    }

    /// Whether such a stamp begins at `start`. `digits`: which bytes are some from there on.
    #[inline(always)]
    fn fits(&self, line: &[u8], start: usize, digits: u64) -> bool {
        if (digits ^ self.digits) << (64 - self.reach) != 0 {
            return false;
        }
        let Some(head) = line.get(start..start + 32) else { return false };
        let mut differs = 0;
        for part in 0..4 {
            differs |= eight(head, part * 8) & self.mask[part] ^ self.other[part];
        }
        if self.reach > 32 {
            let Some(tail) = line.get(start + 32..start + 64) else { return false };
            for part in 0..4 {
                differs |= eight(tail, part * 8) & self.mask[4 + part] ^ self.other[4 + part];
            }
        }
        differs == 0 && !words::may_have_zone(line, start + self.reach - 1)
    }
}

/// Whether what stands before `start` is plain from the literal bytes before it, and is neither part of a colour code nor of an IPv6
/// address.
fn is_apart(literal: &[u8], start: usize) -> bool {
    match literal {
        [] => start == 0,
        [.., b';' | b':'] | [b'['] | [.., 0x1B, b'['] => false,
        _ => true,
    }
}

/// How the word of a step is found again in a line that has the same literal bytes from `at` on.
fn how(line: &[u8], at: usize, word: &Word) -> How {
    let start = word.start as usize;
    let literal = &line[at..start];
    let begins_run = literal.last().is_none_or(|&b| !is_word_byte(b)) && is_word_byte(line[start]);
    if !begins_run || literal.iter().any(u8::is_ascii_digit) {
        return How::Search;
    }
    match word.kind {
        Kind::Num if is_apart(literal, start) => How::Number,
        Kind::Dur if is_apart(literal, start) => How::Dur,
        Kind::Ip if is_apart(literal, start) => How::Ip,
        Kind::Id | Kind::Host if is_apart(literal, start) => How::Name,
        Kind::Stamp | Kind::Time => How::Stamp,
        _ => How::Run,
    }
}

/// [`words::classify_run`], kept out of the loop over the steps, which has few registers.
#[inline(never)]
fn look_closer(line: &[u8], start: usize, end: usize, floor: usize, bits: &Bits, word: &mut Word) -> bool {
    let found = words::classify_run(line, start, end, floor, bits);
    if let Some(found) = found {
        *word = found;
    }
    found.is_some()
}

/// Where a step stands whose literal is `line[at..start]`: goes by its first and last eight bytes.
#[inline(always)]
fn place(before: u32, line: &[u8], at: usize, start: usize) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let length = start - at;
    let (head, tail) = match line.get(at..at + 8) {
        Some(_) if length >= 8 => (eight(line, at), eight(line, start - 8)),
        Some(_) => (eight(line, at) & !(!0 << (8 * length)), 0),
        None => (line[at..start].iter().rev().fold(0, |head, &b| head << 8 | u64::from(b)), 0),
    };
    let hash = (head ^ u64::from(before) << 32).wrapping_mul(SPREAD) ^ (tail ^ length as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (hash.wrapping_mul(SPREAD) >> 32) as usize % PLACES
}

/// Whether the three bytes that `gaps` stand for, counted from `start`, are points.
#[inline(always)]
fn has_three_points(line: &[u8], start: usize, gaps: u64) -> bool {
    let second = gaps & gaps.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    let byte = |bits: u64| line[start + bits.trailing_zeros() as usize];
    byte(gaps) == b'.' && byte(second) == b'.' && byte(third) == b'.'
}

/// Whether the name of `length` bytes at `start`, whose parts are joined, is neither a weak word (`sha-256`) nor a code (`ORA-12541`) nor of hex
/// digits: a letter behind `f` is in it.
#[inline(always)]
fn is_plain_name(line: &[u8], start: usize, length: usize) -> bool {
    let (first, second) = (line[start], line[start + 1]);
    if !(first.is_ascii_lowercase() || first.is_ascii_uppercase() && second.is_ascii_lowercase()) {
        return false;
    }
    match first | 0x20 {
        b'a'..=b'f' => line[start + 1..start + length.min(5)].iter().any(|b| matches!(b, b'g'..=b'z')),
        b'i' | b's' | b'u' | b'x' => length > 11,
        _ => true,
    }
}

fn hash(before: u32, kind: Option<Kind>, literal: &[u8]) -> u64 {
    rapidhash_v3(literal) ^ (u64::from(before) << 8 | kind.map_or(0, |kind| kind as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::super::Scanner;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn scanned(line: &[u8]) -> (Vec<Word>, Vec<u8>) {
        let mut scanner = Scanner::new();
        scanner.scan(line);
        (scanner.words().to_vec(), scanner.skeleton().to_vec())
    }

    fn parts() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => prop_oneof![
                Just("2026-11-23T10:00:00.001Z"), Just("2026-11-24T11:22:33.444Z"), Just("2026-11-24 11:22:33.444"), Just("2026-11-24 11:22:33,444 "),
                Just("2026/11/23 10:00:00 "), Just("2026/11/23 10:00:00 UTC"), Just("2026/11/23 10:00:00 +02"), Just("10:00:00,5"), Just("10:00:00"),
                Just("23:59:59 "), Just("2005-06-11-20.07.03.218292 "), Just("20171223-22:15:29:606|"), Just("15/Jun/2026:14:02:01 +0200"), Just("2026-11-23"),
                Just("E1123 10:00:00.123456  "), Just("1123 10:00:00.123 "), Just("Jun 15 02:04:05 "), Just("261123 10:00:00 "), Just("26/11/23 10:00:00 "),
            ].prop_map(str::to_owned),
            4 => prop_oneof![
                Just(" "), Just("["), Just("] "), Just(":"), Just(";"), Just(" ERROR ["), Just(" INFO "), Just("UTC"), Just("CEST"), Just("+"), Just("-"),
                Just("\x1b["), Just("m"), Just("\""), Just(","), Just("."), Just("x"), Just("retrying in "), Just("a literal of more than sixteen bytes "), Just("::"),
            ].prop_map(str::to_owned),
            4 => prop_oneof![
                "[0-9]{1,10}", "[0-9]{1,3}(ms|s)", "10\\.[0-9]{1,3}\\.0\\.[0-9](:[0-9]{2,5})?", "pool-[0-9]-thread-[0-9]{1,2}", "[0-9]{1,5}\\.[0-9]{1,3}(ms|s)", "[0-9]{1,4}(\\.[0-9]{1,4}){2,4}(:[0-9]{1,6})?",
                "[a-zA-Z][a-zA-Z]{0,5}[-._][a-z0-9]{1,9}(:[0-9]{1,6})?", "(sha|utf|iso|core|x86|us|Index)[-._][0-9]{1,4}(-[0-9])?", "mq-[0-9]\\.prod:[0-9]{4}", "[a-f0-9]{8}",
                "(eth|IPv|sha)[0-9]{1,3}", "0x[0-9a-f]{2,4}", "[0-9a-f]{8}-[0-9a-f]{4}-4000-8000-[0-9a-f]{12}", "[0-9a-f]{2}(:[0-9a-f]{2}){1,7}", "[A-Z]{3}-[0-9]{3,5}:?",
            ],
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// Lines of few patterns, so that many go a known way; each part may be written with other digits.
        #[test]
        fn a_guided_scan_finds_what_a_scan_finds(
            lines in prop::collection::vec(prop::collection::vec(parts(), 0..6), 1..5),
            variants in prop::collection::vec((0usize..5, any::<u64>()), 1..40),
        ) {
            let mut guide = Guide::new();
            let mut scanner = Scanner::new();
            let mut leaves: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for (which, mut seed) in variants {
                let line: String = lines[which % lines.len()].concat();
                let line: Vec<u8> = line
                    .bytes()
                    .map(|b| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        if b.is_ascii_digit() && seed >> 63 == 0 { b'0' + (seed >> 40) as u8 % 10 } else { b }
                    })
                    .collect();
                let (words, skeleton) = scanned(&line);
                let leaf = scanner.scan_along(&line, &guide);
                prop_assert_eq!(scanner.words(), &words, "{}", String::from_utf8_lossy(&line));
                prop_assert_eq!(leaf.map(|leaf| guide.value(leaf)), leaves.get(&skeleton).copied());
                scanner.finish(&line);
                prop_assert_eq!(scanner.skeleton(), &skeleton);
                let value = leaves.len() as u64;
                leaves.entry(skeleton).or_insert_with(|| {
                    guide.learn(&line, &words, value, |_| false);
                    value
                });
            }
        }

        #[test]
        fn also_in_any_bytes(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6)) {
            let mut guide = Guide::new();
            let mut scanner = Scanner::new();
            for line in lines.iter().chain(&lines) {
                let (words, _) = scanned(line);
                scanner.scan_along(line, &guide);
                prop_assert_eq!(scanner.words(), &words);
                guide.learn(line, &words, 1, |_| true);
                prop_assert!(scanner.scan_along(line, &guide).is_some());
                prop_assert_eq!(scanner.words(), &words);
            }
        }
    }

    #[test]
    fn a_full_guide_begins_anew() {
        let mut guide = Guide::new();
        let mut scanner = Scanner::new();
        let before = guide.epoch();
        for number in 0..40_000u32 {
            let line: String = number.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).chain(" 5 s".chars()).collect();
            let (words, _) = scanned(line.as_bytes());
            guide.learn(line.as_bytes(), &words, 1, |_| false);
            assert!(scanner.scan_along(line.as_bytes(), &guide).is_some());
        }
        assert!(guide.epoch() > before && guide.steps.len() <= STEPS_MAX && guide.literals.len() <= LITERAL_BYTES_MAX);
    }
}

//! What was decided about a line shape, and where its fields stand in later lines of that shape.
//!
//! A shape is one skeleton (and, where a decision looked into digit-words, their contents). Everything that the slow
//! path found is kept as positions relative to the digit-words, so that a later line of the shape is read by position.

use super::classify::{Classified, Classifier};
use crate::envelope::{self, Envelope, ExtraPart, Partial, TimeField};
use crate::fingerprint::{Fingerprint, template};
use crate::framing::join::{self, Role};
use crate::record::Span;
use crate::scan::{Guide, MARK, Scanner, Word};
use hashbrown::HashTable;
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

/// A byte position that moves with the digit-word before it.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// The word, or `LINE` for the beginning of the line.
    word: u32,
    /// Counted from the word's end, else from its beginning.
    from_end: bool,
    /// Bytes from there.
    delta: i32,
}

const LINE: u32 = u32::MAX;

impl Anchor {
    fn new(at: u32, words: &[Word], is_end: bool) -> Self {
        // The last word that begins before (or, for a beginning, at) the position.
        let before = words.partition_point(|word| if is_end { word.start < at } else { word.start <= at });
        let Some(index) = before.checked_sub(1) else {
            return Self { word: LINE, from_end: false, delta: at as i32 };
        };
        let word = words[index];
        let from_end = at >= word.end || (is_end && at > word.start);
        let base = if from_end { word.end } else { word.start };
        Self { word: index as u32, from_end, delta: at as i32 - base as i32 }
    }

    #[inline]
    fn resolve(self, words: &[Word]) -> i32 {
        let base = if self.word == LINE {
            0
        } else {
            // A hit has the same number of words as the line that taught the shape.
            let word = &words[self.word as usize];
            if self.from_end { word.end } else { word.start }
        };
        base as i32 + self.delta
    }
}

/// A span that moves with the digit-words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    start: Anchor,
    end: Anchor,
    /// The word that it is the whole of, else `LINE`: most fields are one word.
    whole: u32,
}

impl Field {
    pub(super) fn new(span: Span, words: &[Word]) -> Self {
        let (start, end) = (Anchor::new(span.start, words, false), Anchor::new(span.end, words, true));
        let is_whole = start.word == end.word && (start.from_end, start.delta, end.from_end, end.delta) == (false, 0, true, 0);
        Self { start, end, whole: if is_whole { start.word } else { LINE } }
    }

    /// Its bytes in a line of the same shape.
    #[inline]
    pub(super) fn of<'a>(&self, line: &'a [u8], words: &[Word]) -> &'a [u8] {
        if let Some(word) = words.get(self.whole as usize) {
            return line.get(word.start as usize..word.end as usize).unwrap_or_default();
        }
        let (start, end) = (self.start.resolve(words), self.end.resolve(words));
        if start < 0 || end < start { &[] } else { line.get(start as usize..end as usize).unwrap_or_default() }
    }
}

/// Everything that is known about a line before its contents are looked at.
#[derive(Debug)]
pub(super) struct Shape {
    hash: u64,
    skeleton: Box<[u8]>,
    /// Counted over all shapes ever learnt.
    born: u32,
    /// The generation in which it was last young.
    generation: u32,
    /// The epoch of the guide in which its way was learnt.
    guided: u32,
    /// Digit-words whose contents decided something, with what they said.
    checks: Box<[(Field, Box<[u8]>)]>,
    /// The template of the line by itself.
    pub fingerprint: Arc<Fingerprint>,
    /// Where `fingerprint` stood in the engine's table when it was last looked up.
    pub slot: super::fingerprints::Slot,
    /// What it is to the record before it.
    pub role: Role,
    /// Cut by the runtime?
    pub partial: Partial,
    /// Tells writers that share a stream apart, beside `instance`: CRI's `stdout` and `stderr`.
    pub lane_salt: u64,
    /// Not UTF-8, or NUL in it.
    pub is_odd: bool,
    pub time: Option<(Field, u8)>,
    pub message: Field,
    pub logger: Option<Field>,
    pub thread: Option<Field>,
    pub pid: Option<Field>,
    pub host: Option<Field>,
    pub instance: Option<Field>,
    pub attempt: Option<Field>,
    pub max_attempts: Option<Field>,
    pub delay: Option<Field>,
    /// The bytes before the stated delay: a bare number takes its unit from them (`delay_ms=`).
    pub delay_key: Box<[u8]>,
    pub target: Option<Field>,
    /// How many lines the record says were lost at its source.
    pub lost: Option<Field>,
}

impl Shape {
    /// Whether the words that decided something say the same in this line.
    #[inline]
    fn says(&self, line: &[u8], words: &[Word]) -> bool {
        self.checks.iter().all(|(field, said)| field.of(line, words) == &**said)
    }
}

/// Known shapes. A cache: forgetting one costs time, never a line. A shape is kept from its second line on. Bounded by two generations: when the young one has
/// `max / 2` shapes, the old one is forgotten and the young one becomes it; a hit in the old one makes a shape young again.
#[derive(Debug)]
pub(super) struct Shapes {
    slots: Vec<Shape>,
    free: Vec<u32>,
    young: HashTable<u32>,
    old: HashTable<u32>,
    generation_max: usize,
    generation: u32,
    born: u32,
    /// Hashes of skeletons that were seen once, by their low bits.
    seen_once: Box<[u32; SEEN_ONCE]>,
    /// The ways of shapes that were seen twice.
    guide: Guide,
    templates: template::Builder,
}

/// Skeletons that are remembered as seen once: 64 KiB of hashes; one that is forgotten is learnt a third time before it is kept.
const SEEN_ONCE: usize = 16 * 1024;
/// Places for shapes that are not kept. While a line is worked on others may be read (records that waited for it), but not so many.
const PASSING: u32 = 64;

/// Index of a shape in [`Shapes`].
pub(super) type ShapeIndex = u32;

impl Shapes {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            young: HashTable::new(),
            old: HashTable::new(),
            generation_max: (max / 2).max(1),
            generation: 0,
            born: 0,
            seen_once: Box::new([0; SEEN_ONCE]),
            guide: Guide::new(),
            templates: template::Builder::without_masks(),
        }
    }

    #[inline]
    pub(super) fn get(&self, index: ShapeIndex) -> &Shape {
        &self.slots[index as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: ShapeIndex) -> &mut Shape {
        &mut self.slots[index as usize]
    }

    /// Scans a line and finds its shape. Afterwards the scanner holds the words of the line.
    #[inline]
    pub(super) fn read(&mut self, line: &[u8], scanner: &mut Scanner, learn: &Learn<'_>) -> ShapeIndex {
        if let Some(leaf) = scanner.scan_along(line, &self.guide) {
            let mut at = Some(leaf);
            while let Some(leaf) = at {
                let (index, born) = shape_of(self.guide.value(leaf));
                let shape = &self.slots[index as usize];
                if shape.born == born && shape.generation == self.generation && shape.says(line, scanner.words()) {
                    return index;
                }
                at = self.guide.twin(leaf);
            }
            scanner.finish(line);
        }
        self.look_up(line, scanner, learn)
    }

    /// The shape of the line that `scanner` has just scanned.
    fn look_up(&mut self, line: &[u8], scanner: &Scanner, learn: &Learn<'_>) -> ShapeIndex {
        let hash = rapidhash_v3(scanner.skeleton());
        let is_it = |slots: &[Shape], index: u32| {
            let shape = &slots[index as usize];
            shape.hash == hash && *shape.skeleton == *scanner.skeleton() && shape.says(line, scanner.words())
        };
        if let Some(&index) = self.young.find(hash, |&index| is_it(&self.slots, index)) {
            self.guide_to(index, line, scanner.words());
            return index;
        }
        let index = match self.old.find_entry(hash, |&index| is_it(&self.slots, index)) {
            Ok(found) => found.remove().0,
            Err(_) => {
                self.born = self.born.wrapping_add(1);
                let shape = Shape { born: self.born, ..learn.shape(hash, line, scanner, &mut self.templates) };
                let seen = &mut self.seen_once[hash as usize % SEEN_ONCE];
                let tag = (hash >> 32) as u32 | 1;
                if std::mem::replace(seen, tag) != tag {
                    return self.pass_through(shape);
                }
                if let Some(index) = self.free.pop() {
                    self.slots[index as usize] = shape;
                    index
                } else {
                    self.slots.push(shape);
                    (self.slots.len() - 1) as u32
                }
            }
        };
        if self.young.len() >= self.generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.free.extend(self.young.drain());
            self.generation = self.generation.wrapping_add(1);
        }
        self.slots[index as usize].generation = self.generation;
        let slots = &self.slots;
        self.young.insert_unique(hash, index, |&index| slots[index as usize].hash);
        index
    }

    /// A place for a shape that was never seen before: most such shapes are never seen again, and keeping them all would push out those that are.
    fn pass_through(&mut self, shape: Shape) -> ShapeIndex {
        // These places come first, so that they are there before any other.
        let index = self.born % PASSING;
        while self.slots.len() < PASSING as usize {
            self.slots.push(Shape {
                checks: Box::default(),
                skeleton: Box::default(),
                delay_key: Box::default(),
                fingerprint: Arc::clone(&shape.fingerprint),
                ..shape
            });
        }
        self.slots[index as usize] = shape;
        index
    }

    /// The shape was seen twice: its next line is found without a skeleton.
    fn guide_to(&mut self, index: ShapeIndex, line: &[u8], words: &[Word]) {
        let Self { slots, guide, .. } = self;
        let shape = &slots[index as usize];
        // A skeleton with the mark in its literal bytes may stand for several ways.
        if shape.guided == guide.epoch() || shape.is_odd {
            return;
        }
        guide.learn(line, words, value_of(index, shape.born), |value| {
            let (index, born) = shape_of(value);
            slots[index as usize].born != born
        });
        slots[index as usize].guided = guide.epoch();
    }
}

/// What a guide's leaf holds: a shape and its birth number, since another may take its place.
const fn value_of(index: ShapeIndex, born: u32) -> u64 {
    (index as u64) << 32 | born as u64
}

const fn shape_of(value: u64) -> (ShapeIndex, u32) {
    ((value >> 32) as u32, value as u32)
}

/// The slow path: what is asked once per new shape.
pub(super) struct Learn<'a> {
    /// Classes by rules, then by generic words.
    pub classifier: &'a Classifier,
}

impl Learn<'_> {
    fn shape(&self, hash: u64, line: &[u8], scanner: &Scanner, templates: &mut template::Builder) -> Shape {
        let words = scanner.words();
        let envelope = envelope::peel(line, words);
        let template = templates.build(line, words, &envelope);
        let message = envelope.decoded.as_deref().unwrap_or_else(|| envelope.message.of(line));
        let texts = envelope.extras.iter().filter_map(|extra| if let ExtraPart::Text(span) = extra.part { Some(span.of(line)) } else { None });
        let Classified { guess, source, delay_unit, discriminators, lost } = self.classifier.classify(envelope.severity, message, texts);
        let field = |span: Option<Span>| span.map(|span| Field::new(span, words));
        let is_decoded = envelope.decoded.is_some();
        let in_message = |span: Option<Span>| field(span.and_then(|span| in_line(&envelope, span)));
        let deciding = discriminators.iter().filter_map(|&span| in_line(&envelope, span));
        let escaped = words.iter().filter(|word| is_decoded && is_escaped(line, word)).map(|word| Span { start: word.start, end: word.end });
        let checks = envelope.discriminators.iter().chain(&template.discriminators).copied().chain(deciding).chain(escaped);
        let checks = checks.map(|span| (Field::new(span, words), Box::from(span.of(line))));
        Shape {
            hash,
            skeleton: Box::from(scanner.skeleton()),
            born: 0,
            generation: 0,
            guided: 0,
            checks: checks.collect(),
            role: join::role(&envelope, line, words),
            partial: envelope.partial,
            lane_salt: lane_salt(&envelope, line),
            is_odd: memchr::memchr2(0, MARK, line).is_some() || std::str::from_utf8(line).is_err(),
            time: envelope.time.map(|TimeField { span, format }| (Field::new(span, words), format)),
            message: Field::new(envelope.message, words),
            logger: field(envelope.logger),
            thread: field(envelope.thread),
            pid: field(envelope.pid),
            host: field(envelope.host),
            instance: field(envelope.instance),
            attempt: in_message(guess.attempt),
            max_attempts: in_message(guess.max_attempts),
            delay_key: guess.delay.map_or(Box::default(), |delay| delay_key(message, delay, delay_unit)),
            delay: in_message(guess.delay),
            target: in_message(guess.target),
            lost: in_message(lost),
            fingerprint: Arc::new(Fingerprint::new(envelope.severity, template.text.as_str(), guess.class, source)),
            slot: super::fingerprints::Slot::NONE,
        }
    }
}

/// Longest key that can name the unit of a delay, bytes.
const DELAY_KEY_MAX: usize = 32;

fn delay_key(message: &[u8], delay: Span, unit: &str) -> Box<[u8]> {
    if !unit.is_empty() {
        return Box::from(unit.as_bytes());
    }
    let end = (delay.start as usize).min(message.len());
    Box::from(&message[end.saturating_sub(DELAY_KEY_MAX)..end])
}

/// Where a span of the message stands in the raw line; figures of a message with escapes have no place there.
fn in_line(envelope: &Envelope, span: Span) -> Option<Span> {
    envelope.decoded.is_none().then(|| span.shift(envelope.message.start as usize))
}

/// Whether a digit-word begins with the letter of an escape (`\n5`, `\u00e9`): its contents say what the text is.
fn is_escaped(line: &[u8], word: &Word) -> bool {
    word.start > 0 && line[word.start as usize - 1] == b'\\'
}

/// CRI writes two pipes into one file: partial lines and traces of one must not take up lines of the other.
fn lane_salt(envelope: &Envelope, line: &[u8]) -> u64 {
    if envelope.layers.first() != Some(&"cri") {
        return 0;
    }
    let pipe = line.split(|&b| b == b' ').nth(1).unwrap_or_default();
    u64::from(pipe == b"stderr") + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Vec<Word> {
        let mut scanner = Scanner::new();
        scanner.scan(line);
        scanner.words().to_vec()
    }

    fn moved<'a>(taught: &str, part: &str, other: &'a str) -> &'a str {
        let start = taught.find(part).expect("the part stands in the line");
        let field = Field::new(Span::new(start, start + part.len()), &words(taught.as_bytes()));
        std::str::from_utf8(field.of(other.as_bytes(), &words(other.as_bytes()))).expect("test lines are UTF-8")
    }

    #[test]
    fn a_field_moves_with_the_words_before_it() {
        let (taught, other) = ("at 5 to mq-1:61616 try 7 in 0ms", "at 5000 to mq-22:1000 try 123456 in 250ms");
        assert_eq!(moved(taught, "mq-1:61616", other), "mq-22:1000");
        assert_eq!(moved(taught, "7", other), "123456");
        assert_eq!(moved(taught, "0ms", other), "250ms");
        assert_eq!(moved(taught, "to", other), "to");
        assert_eq!(moved(taught, "at 5 to", other), "at 5000 to");
    }

    #[test]
    fn a_field_that_begins_inside_a_word_stays_inside_it() {
        assert_eq!(moved("x host-12:80 y", "12:80", "x host-7:8080 y"), "7:8080");
    }
}

//! Which bytes make a digit-word, where it really ends, and of which kind it is.
//!
//! Everything here is a function of the line's bytes and looks at most a few dozen bytes around the word.

use super::bitmap::{AHEAD, Bits, Twin};

/// What a digit-word looks like. Kinds of one placeholder may be several: the cache may split finer
/// than the template, never coarser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A number: digits, one sign, one point (`12`, `-3`, `1.25`).
    Num = 1,
    /// A number of exactly 6 digits (may be `yymmdd` or `hhmmss`).
    Num6,
    /// A number of exactly 8 digits (may be `yyyymmdd`).
    Num8,
    /// A number that may count s, ms, us or ns since 1970 (10, 13, 16, 19 digits from 1; a fraction may follow).
    Epoch,
    /// `0x...`, or 8 and more hex digits, or a MAC address.
    Hex,
    /// 8-4-4-4-12 hex digits.
    Uuid,
    /// IPv4 or IPv6, its port included.
    Ip,
    /// `name-1.domain:port`: a name with a digit and a port.
    Host,
    /// A duration with its unit.
    Dur,
    /// A size with its unit.
    Size,
    /// A date with a time, zone included.
    Stamp,
    /// A date.
    Date,
    /// A time of day `hh:mm:ss`, fraction included.
    Time,
    /// Any other word with a digit.
    Id,
}

/// A digit-word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What it looks like.
    pub kind: Kind,
}

impl Word {
    /// Its bytes.
    #[must_use]
    pub fn of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.start as usize..self.end as usize]
    }
}

pub(super) const DIGIT: u8 = 1;
const HEX: u8 = 2; // a-f, A-F
const ALPHA: u8 = 4; // other ASCII letters
const DASH: u8 = 8;
const DOT: u8 = 16;
const UNDER: u8 = 32;
const HIGH: u8 = 64; // part of a UTF-8 sequence, or junk
/// Joins the parts of a name.
pub(super) const JOINT: u8 = DASH | DOT | UNDER;
/// Set for every byte that continues a word.
const WORD: u8 = 128;

/// Class of each byte.
pub static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = match b {
            b'0'..=b'9' => DIGIT | WORD,
            b'a'..=b'f' | b'A'..=b'F' => HEX | WORD,
            b'g'..=b'z' | b'G'..=b'Z' => ALPHA | WORD,
            b'-' => DASH | WORD,
            b'.' => DOT | WORD,
            b'_' => UNDER | WORD,
            0x80..=0xFF => HIGH | WORD,
            _ => 0,
        };
        i += 1;
    }
    table
};

/// Whether `b` continues a word.
#[must_use]
pub const fn is_word_byte(b: u8) -> bool {
    CLASS[b as usize] & WORD != 0
}

/// Calls `found` for each digit-word of `line`, left to right, never overlapping.
pub fn for_each(line: &[u8], mut found: impl FnMut(Word)) {
    let mut bits = Bits::default();
    Twin::Scalar.fill(line, &mut bits);
    let (mut at, mut floor) = (0, 0);
    while at < line.len() {
        // The start of a run of word bytes.
        if CLASS[line[at] as usize] & WORD == 0 {
            at += 1;
            continue;
        }
        let start = at;
        let mut seen = 0;
        while at < line.len() && CLASS[line[at] as usize] & WORD != 0 {
            seen |= CLASS[line[at] as usize];
            at += 1;
        }
        if seen & DIGIT == 0 {
            continue;
        }
        if let Some(word) = classify_run(line, start, at, floor, &bits) {
            // The rest of the run is looked at again: text is glued to the end of a colour code.
            at = word.end as usize;
            floor = word.end as usize;
            found(word);
        }
    }
}

fn at(line: &[u8], i: usize) -> u8 {
    line.get(i).copied().unwrap_or(0)
}

fn digits_from(line: &[u8], from: usize) -> usize {
    line.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
}

fn two_digits(line: &[u8], i: usize) -> bool {
    at(line, i).is_ascii_digit() && at(line, i + 1).is_ascii_digit()
}

/// Longest word that is looked at by bits: behind it a port may stand.
pub(super) const GLANCE_BYTES_MAX: usize = AHEAD - 8;

/// The word that the run `start..end` of word bytes stands for, possibly wider than the run (never left of
/// `floor`), or `None` when it stays literal: weak words (`eth0`, `sha256`) and codes (`ORA-12541`). `bits` are those of the line.
#[inline(always)]
pub(super) fn classify_run(line: &[u8], start: usize, end: usize, floor: usize, bits: &Bits) -> Option<Word> {
    let glance = if end - start <= GLANCE_BYTES_MAX { at_a_glance(line, start, end, bits) } else { None };
    glance.or_else(|| classify_with_care(line, start, end, floor))
}

/// The commonest words: a plain number, milliseconds or seconds, an IPv4 address, a UUID, a date, a long name. A shortcut only: what
/// it says is what [`classify_with_care`] says (a test compares them), and `None` means "look closer". `bits` are those of the line.
#[inline(always)]
fn at_a_glance(line: &[u8], start: usize, end: usize, all: &Bits) -> Option<Word> {
    let text = line.get(start..end)?;
    let ahead = all.ahead(start).digit;
    let bits = ahead & !(!0 << text.len());
    let digits = bits.trailing_ones() as usize;
    if digits == 0 {
        return name_at_a_glance(line, start, text, ahead, all.joint_ahead(start));
    }
    let before = if start > 0 { line[start - 1] } else { b' ' };
    let word = |end: usize, kind| Some(Word { start: start as u32, end: end as u32, kind });
    let next = at(line, end);
    // What may stand before the word changes what it is: terminal colours, and groups of an IPv6 address.
    if matches!(before, b':' | b';') || (before == b'[' && start > 1 && line[start - 2] == 0x1B) {
        // `client.go:212: `: no group stands before the colon nor behind the number.
        let is_alone = before == b':' && (start == 1 || !is_of_group(line[start - 2])) && !matches!(next, b':' | b'/' | b' ')
            || next == b':' && digits > 2 && before == b':' && start > 1 && !is_of_group(line[start - 2]) && !is_of_group(at(line, end + 1));
        return if is_alone && digits == text.len() { word(end, number_kind(text)) } else { None };
    }
    if digits == text.len() {
        // Dates and times of day may go on behind a blank, a colon or a slash.
        let may_go_on = next == b'/' || next == b':' && is_of_group(at(line, end + 1)) || next == b' ' && matches!(digits, 6 | 8);
        if !may_go_on {
            return word(end, number_kind(text));
        }
    }
    if digits == 4
        && matches!(at(line, start + 4), b'-' | b'/')
        && let Some((date_end, has_time)) = date_first(line, start)
        && date_end >= end
    {
        return word(date_end, if has_time { Kind::Stamp } else { Kind::Date });
    }
    if digits == text.len() {
        return None;
    }
    if text.len() == 36 {
        return if is_uuid(text) && is_hex_but_for_dashes(text) && bits.count_ones() < 32 { word(end, Kind::Uuid) } else { None };
    }
    match &text[digits..] {
        b"ms" | b"s" => word(end, Kind::Dur),
        // A date may begin with one or two digits, a point, and more of them; none begins like these.
        [b'.', rest @ ..] if matches!(digits, 1 | 3) && !rest.is_empty() && bits.count_ones() as usize == text.len() - 1 => word(end, Kind::Num),
        [b'.', ..] if digits <= 3 && text.len() >= 7 && is_dotted_quad(text, bits) => {
            word(with_port_at_a_glance(line, end, ahead >> text.len()), Kind::Ip)
        }
        // Units end with a letter, and a compact date has eight digits.
        [.., b'0'..=b'9'] if digits != 8 && next != b':' => id_at_a_glance(start, text, bits, all.joint_ahead(start)),
        _ => None,
    }
}

/// A byte that continues a group of an IPv6 or MAC address, or ends one.
#[inline(always)]
const fn is_of_group(b: u8) -> bool {
    b == b':' || CLASS[b as usize] & (DIGIT | HEX) != 0
}

/// Digits and letters without order (`e00926`, `0b7dcbd4`): not so few digits that it may be a weak word. No colon stands beside it.
#[inline(always)]
fn id_at_a_glance(start: usize, text: &[u8], bits: u64, joint: u64) -> Option<Word> {
    let inside = !(!0 << text.len());
    if joint & inside != 0 || bits.count_ones() < 3 || text.len() > 40 {
        return None;
    }
    let kind = if text.len() >= 8 && text.iter().fold(true, |all, b| all & (b.is_ascii_digit() | ((b | 0x20).wrapping_sub(b'a') < 6))) {
        Kind::Hex
    } else if text.len() > 2 && text[1] | 0x20 == b'x' {
        return None;
    } else {
        Kind::Id
    };
    Some(Word { start: start as u32, end: (start + text.len()) as u32, kind })
}

/// Names whose parts are joined (`pool-5-thread-22`, `mq-0.prod.internal`, `HikariPool-1`): no weak word, no code, no hex.
#[inline(always)]
fn name_at_a_glance(line: &[u8], start: usize, text: &[u8], ahead: u64, joint: u64) -> Option<Word> {
    let end = start + text.len();
    if start > 0 && (line[start - 1] == b';' || line[start - 1] == b'[' && start > 1 && line[start - 2] == 0x1B) {
        return None;
    }
    let first = text[0];
    // Codes begin with capitals (`ORA-12541`); the weak words that are joined begin with s, x, u or i (`sha-256`, `x86_64`, `utf-8`, `iso-8859-1`).
    let begins_like_a_name = match first {
        b'a'..=b'z' => true,
        b'A'..=b'Z' => text.get(1).is_some_and(u8::is_ascii_lowercase),
        _ => false,
    };
    // Only letters and digits: may be weak. Only hex digits: may be an id of that kind.
    let inside = !(!0 << text.len());
    let joint = joint & inside;
    let ends_joint = joint >> (text.len() - 1) != 0;
    if joint == 0 {
        // Codes begin with capitals, names of digests and standards (`sha256`, `rfc5424`, `i386`) with s, r or i.
        let may_be_weak = !first.is_ascii_lowercase() || matches!(first, b's' | b'r' | b'i');
        let is_apart = at(line, end) != b':' && (start == 0 || line[start - 1] != b':');
        return if may_be_weak || !is_apart { None } else { id_at_a_glance(start, text, ahead & inside, joint) };
    }
    if !begins_like_a_name || ends_joint || text.len() <= 11 && matches!(first | 0x20, b's' | b'x' | b'u' | b'i') {
        return None;
    }
    if !text.iter().any(|&b| CLASS[b as usize] & ALPHA != 0) {
        let is_plain_uuid = text.len() == 36 && is_uuid(text) && is_hex_but_for_dashes(text) && at(line, end) != b':';
        return is_plain_uuid.then_some(Word { start: start as u32, end: end as u32, kind: Kind::Uuid });
    }
    // `core.2275`: what stands before the last number decides.
    let digits = ahead & inside;
    let number = (digits << (64 - text.len())).leading_ones() as usize;
    if number > 0 && text[text.len() - number - 1] == b'.' && digits & !(!0 << (text.len() - number)) == 0 {
        return None;
    }
    let (end, kind) = name_with_port(line, end, ahead >> text.len());
    Some(Word { start: start as u32, end: end as u32, kind })
}

/// Where a name that ends at `end` really ends, and what it is: the name of a host where a port follows. `digits`: which bytes are some from
/// there on.
#[inline(always)]
pub(super) fn name_with_port(line: &[u8], end: usize, digits: u64) -> (usize, Kind) {
    if at(line, end) != b':' {
        return (end, Kind::Id);
    }
    let port = (digits >> 1).trailing_ones() as usize;
    let after = at(line, end + 1 + port);
    if (2..=5).contains(&port) && !is_word_byte(after) && after != b':' { (end + 1 + port, Kind::Host) } else { (end, Kind::Id) }
}

/// [`with_port`] for a caller that knows which bytes from `end` on are digits.
#[inline(always)]
pub(super) fn with_port_at_a_glance(line: &[u8], end: usize, digits: u64) -> usize {
    if at(line, end) != b':' {
        return end;
    }
    let port = (digits >> 1).trailing_ones() as usize;
    if (1..=5).contains(&port) && !is_word_byte(at(line, end + 1 + port)) { end + 1 + port } else { end }
}

/// Four groups of one to three digits between dots. `bits`: which bytes are digits.
#[inline(always)]
fn is_dotted_quad(text: &[u8], bits: u64) -> bool {
    let mut gaps = !bits & !(!0 << text.len());
    if gaps.count_ones() != 3 {
        return false;
    }
    let mut from = 0;
    while gaps != 0 {
        let gap = gaps.trailing_zeros() as usize;
        if text[gap] != b'.' || !(1..=3).contains(&(gap - from)) {
            return false;
        }
        from = gap + 1;
        gaps &= gaps - 1;
    }
    (1..=3).contains(&(text.len() - from))
}

/// Nothing but hex digits and the four dashes of a UUID. Without an early end, so that it becomes a few vector instructions.
#[inline]
fn is_hex_but_for_dashes(text: &[u8]) -> bool {
    let is_hex = |b: &u8| b.is_ascii_digit() | ((b | 0x20).wrapping_sub(b'a') < 6);
    let (head, tail) = text.split_at(text.len().min(32));
    let count = |bytes: &[u8]| bytes.iter().fold(0u8, |count, b| count + u8::from(is_hex(b)));
    usize::from(count(head) + count(tail)) + 4 == text.len()
}

/// [`classify_run`], looking at everything.
#[inline(never)]
fn classify_with_care(line: &[u8], start: usize, end: usize, floor: usize) -> Option<Word> {
    let (run_start, run_end) = (start, end);
    let (mut start, mut end) = (start, end);
    while end > start && CLASS[line[end - 1] as usize] & (DASH | DOT | UNDER) != 0 {
        end -= 1;
    }
    while start < end && CLASS[line[start] as usize] & (DASH | DOT | UNDER) != 0 {
        start += 1;
    }
    if let Some(end) = colour(line, start, end) {
        return Some(Word { start: start as u32, end: end as u32, kind: Kind::Dur });
    }
    // `address space........0` and `core.2275`: a name without digits, dots, a number: the name stays.
    if line[end - 1].is_ascii_digit() && !line[start].is_ascii_digit() {
        let mut digits = end;
        while digits > start && line[digits - 1].is_ascii_digit() {
            digits -= 1;
        }
        if line[digits - 1] == b'.' && !line[start..digits].iter().any(u8::is_ascii_digit) {
            start = digits;
        }
    }
    let text = &line[start..end];
    let (mut seen, mut dots, mut dashes, mut digits) = (0u8, 0usize, 0usize, 0usize);
    for &b in text {
        let class = CLASS[b as usize];
        seen |= class;
        digits += (class & DIGIT) as usize;
        dashes += (class & DASH != 0) as usize;
        dots += (class & DOT != 0) as usize;
    }
    let word = |start: usize, end: usize, kind| Some(Word { start: start as u32, end: end as u32, kind });
    let next = at(line, end);
    let follows = if end == run_end { next } else { 0 };
    // A sign belongs to a number when nothing stands before it.
    let signed = if start == run_start + 1 && line[run_start] == b'-' { run_start } else { start };

    if seen & (HEX | ALPHA | UNDER | HIGH) == 0 {
        // Digits, points, dashes.
        if let Some(stamp_end) = date_first(line, start) {
            let kind = if stamp_end.1 { Kind::Stamp } else { Kind::Date };
            if stamp_end.0 >= end {
                return word(start, stamp_end.0, kind);
            }
        }
        if dots == 0 && dashes == 0 {
            if follows == b':' {
                if let Some(e) = time_of_day(line, start) {
                    return word(start, e, Kind::Time);
                }
                if let Some((s, e, kind)) = colon_hex(line, start, floor) {
                    return word(s, e, kind);
                }
            } else if start > floor
                && line[start - 1] == b':'
                && let Some((s, e, kind)) = colon_hex(line, start, floor)
            {
                return word(s, e, kind);
            }
            return word(signed, end, number_kind(text));
        }
        if dashes == 0 && dots == 3 && is_ipv4(text) {
            return word(start, with_port(line, end), Kind::Ip);
        }
        if dashes == 0 && dots == 1 {
            let whole = digits_from(line, start);
            let kind = if number_kind(&text[..whole]) == Kind::Epoch { Kind::Epoch } else { Kind::Num };
            return word(signed, end, kind);
        }
        return word(start, end, Kind::Id);
    }

    // Letters are in it.
    if text[0].is_ascii_digit() {
        if let Some((e, has_time)) = date_first(line, start)
            && e >= end
        {
            return word(start, e, if has_time { Kind::Stamp } else { Kind::Date });
        }
        if let Some(kind) = unit_kind(text) {
            return word(signed, end, kind);
        }
    }
    // klog: the letter is the severity and stays literal.
    if text.len() == 5
        && matches!(text[0], b'I' | b'W' | b'E' | b'F')
        && digits == 4
        && next == b' '
        && let Some(e) = time_of_day(line, end + 1)
    {
        return word(start + 1, e, Kind::Stamp);
    }
    if seen & (ALPHA | UNDER | HIGH | DOT) == 0 {
        if dashes == 4 && text.len() == 36 && is_uuid(text) {
            return word(start, end, Kind::Uuid);
        }
        if dashes == 0 {
            if let Some((s, e, kind)) = colon_hex(line, start, floor) {
                return word(s, e, kind);
            }
            if text.len() >= 8 {
                return word(start, end, Kind::Hex);
            }
        }
    }
    if text.len() > 2 && text[0] == b'0' && (text[1] | 0x20) == b'x' && text[2..].iter().all(u8::is_ascii_hexdigit) {
        return word(start, end, Kind::Hex);
    }
    if is_weak(text, digits, seen) || is_code(text, next, digits) {
        return None;
    }
    if follows == b':' {
        let port = digits_from(line, end + 1);
        if (2..=5).contains(&port) && !is_word_byte(at(line, end + 1 + port)) && at(line, end + 1 + port) != b':' {
            return word(start, end + 1 + port, Kind::Host);
        }
    }
    word(start, end, Kind::Id)
}

/// The end of the last parameter of a terminal colour (`31m` of `ESC [ 1 ; 31 m`), when that is what the run at `start` begins with.
fn colour(line: &[u8], start: usize, end: usize) -> Option<usize> {
    let mut from = start;
    while from > 0 && start - from < 16 && matches!(line[from - 1], b'0'..=b'9' | b';') {
        from -= 1;
    }
    if from < 2 || line[from - 1] != b'[' || line[from - 2] != 0x1B {
        return None;
    }
    let letter = start + digits_from(line, start);
    (letter > start && letter < end && line[letter] == b'm').then_some(letter + 1)
}

fn number_kind(text: &[u8]) -> Kind {
    match text.len() {
        6 => Kind::Num6,
        8 => Kind::Num8,
        10 | 13 | 16 | 19 if text[0] == b'1' => Kind::Epoch,
        _ => Kind::Num,
    }
}

fn is_ipv4(text: &[u8]) -> bool {
    text.split(|&b| b == b'.').all(|group| (1..=3).contains(&group.len()))
}

fn is_uuid(text: &[u8]) -> bool {
    [8, 13, 18, 23].iter().all(|&i| text[i] == b'-')
}

fn with_port(line: &[u8], end: usize) -> usize {
    if at(line, end) != b':' {
        return end;
    }
    let port = digits_from(line, end + 1);
    if (1..=5).contains(&port) && !is_word_byte(at(line, end + 1 + port)) { end + 1 + port } else { end }
}

/// `hh:mm:ss` with an optional fraction (`.`, `,` or `:`) from `start`: its end.
#[must_use]
pub fn time_of_day(line: &[u8], start: usize) -> Option<usize> {
    let hour = digits_from(line, start);
    if !(1..=2).contains(&hour) {
        return None;
    }
    let m = start + hour;
    if at(line, m) != b':' || !two_digits(line, m + 1) || at(line, m + 3) != b':' || !two_digits(line, m + 4) {
        return None;
    }
    let mut end = m + 6;
    if matches!(at(line, end), b'.' | b',' | b':') {
        let fraction = digits_from(line, end + 1);
        if (1..=9).contains(&fraction) {
            end += 1 + fraction;
        }
    }
    if at(line, end).is_ascii_digit() || (at(line, end) == b':' && at(line, end + 1).is_ascii_hexdigit()) {
        return None;
    }
    Some(end)
}

/// A date from `start`, with the time and zone that follow it: (end, whether a time follows).
/// Shapes: `yyyy-mm-dd`, `yyyy/mm/dd`, `yyyy.mm.dd`, `yy/mm/dd`, `dd/mm/yyyy`, `dd/Mon/yyyy:`, `mm-dd hh:mm:ss`,
/// `mm.dd hh:mm:ss`, `yyyymmdd-hh:mm:ss`, `yyyymmddThhmmss`, `yymmdd hh:mm:ss`, `yyyy-mm-dd-hh.mm.ss.ffffff`.
fn date_first(line: &[u8], start: usize) -> Option<(usize, bool)> {
    let n = digits_from(line, start);
    let sep = at(line, start + n);
    match (n, sep) {
        (4, b'-' | b'/' | b'.') if two_digits(line, start + 5) && at(line, start + 7) == sep && two_digits(line, start + 8) => {
            let end = start + 10;
            if at(line, end).is_ascii_digit() {
                return None;
            }
            if sep == b'-' && at(line, end) == b'-' && at(line, end + 3) == b'.' && two_digits(line, end + 1) {
                // DB2 and BGL: 2005-06-11-20.07.03.218292
                let mut e = end + 1;
                while at(line, e).is_ascii_digit() || (at(line, e) == b'.' && at(line, e + 1).is_ascii_digit()) {
                    e += 1;
                }
                return Some((e, true));
            }
            date_then_time(line, end)
        }
        (2, b'/') if two_digits(line, start + 3) && at(line, start + 5) == b'/' && two_digits(line, start + 6) => {
            let year = digits_from(line, start + 6);
            matches!(year, 2 | 4).then(|| date_then_time(line, start + 6 + year)).flatten()
        }
        (1 | 2, b'/' | b'-')
            if at(line, start + n + 1).is_ascii_uppercase()
                && at(line, start + n + 2).is_ascii_lowercase()
                && at(line, start + n + 4) == sep
                && digits_from(line, start + n + 5) == 4 =>
        {
            date_then_time(line, start + n + 9)
        }
        (2, b'-' | b'.') if two_digits(line, start + 3) && at(line, start + 5) == b' ' => time_with_zone(line, start + 6).map(|end| (end, true)),
        (8, b'-' | b' ' | b'T' | b'_') => {
            if let Some(end) = time_with_zone(line, start + 9).or_else(|| unpadded_time(line, start + 9)) {
                return Some((end, true));
            }
            if sep != b' ' && digits_from(line, start + 9) == 6 && !matches!(at(line, start + 15), b'-') {
                let mut end = start + 15;
                if matches!(at(line, end), b'.' | b',') && at(line, end + 1).is_ascii_digit() {
                    end += 1 + digits_from(line, end + 1);
                }
                return Some((zone(line, end), true));
            }
            None
        }
        (6, b' ') => time_with_zone(line, start + 7).map(|end| (end, true)),
        _ => None,
    }
}

/// `h:m:s:ms` with one or two digits each, as phones write it behind a compact date.
fn unpadded_time(line: &[u8], start: usize) -> Option<usize> {
    let mut end = start;
    for part in 0..4 {
        let digits = digits_from(line, end);
        if !(1..=if part == 3 { 3 } else { 2 }).contains(&digits) {
            return None;
        }
        end += digits;
        if part < 3 {
            if at(line, end) != b':' {
                return None;
            }
            end += 1;
        }
    }
    (!is_word_byte(at(line, end)) && at(line, end) != b':').then_some(end)
}

fn date_then_time(line: &[u8], end: usize) -> Option<(usize, bool)> {
    if matches!(at(line, end), b'T' | b't' | b' ' | b'_' | b'-' | b':') {
        if let Some(e) = time_with_zone(line, end + 1) {
            return Some((e, true));
        }
        // hh:mm and no seconds, only behind a T.
        if at(line, end) == b'T' && two_digits(line, end + 1) && at(line, end + 3) == b':' && two_digits(line, end + 4) {
            return Some((zone(line, end + 6), true));
        }
    }
    (!is_word_byte(at(line, end)) || matches!(at(line, end), b'.' | b'-' | b'_')).then_some((end, false))
}

fn time_with_zone(line: &[u8], start: usize) -> Option<usize> {
    time_of_day(line, start).map(|end| zone(line, end))
}

/// Whether a zone may follow the stamp that ends at `end`. May say so when none does, never the other way round.
#[inline]
pub(super) fn may_have_zone(line: &[u8], end: usize) -> bool {
    // The first letters of the names that `zone` knows, and signs.
    at(line, end) == b' '
        && matches!(at(line, end + 1), b'+' | b'-' | b'U' | b'G' | b'C' | b'E' | b'P' | b'B' | b'I' | b'J' | b'M')
        && zone(line, end) != end
}

/// The end of a zone at `end` (`Z`, `+hh:mm`, ` +hhmm`, ` UTC`, ` CEST` ...), else `end`.
fn zone(line: &[u8], end: usize) -> usize {
    if matches!(at(line, end), b'Z' | b'z') && !is_word_byte(at(line, end + 1)) {
        return end + 1;
    }
    let from = if at(line, end) == b' ' { end + 1 } else { end };
    if matches!(at(line, from), b'+' | b'-') && two_digits(line, from + 1) {
        let e = if at(line, from + 3) == b':' && two_digits(line, from + 4) {
            from + 6
        } else if two_digits(line, from + 3) {
            from + 5
        } else if from == end {
            from + 3
        } else {
            return end;
        };
        return if is_word_byte(at(line, e)) { end } else { e };
    }
    if from > end {
        let length = line[from..].iter().take(5).take_while(|b| b.is_ascii_uppercase()).count();
        let is_name = matches!(
            &line[from..from + length],
            b"UTC" | b"GMT" | b"CET" | b"CEST" | b"EST" | b"EDT" | b"PST" | b"PDT" | b"CST" | b"CDT" | b"BST" | b"IST" | b"JST" | b"MSK"
        );
        if is_name && !is_word_byte(at(line, from + length)) {
            return from + length;
        }
    }
    end
}

/// IPv6 or MAC: groups of hex digits between colons round `inside`.
fn colon_hex(line: &[u8], inside: usize, floor: usize) -> Option<(usize, usize, Kind)> {
    let mut start = inside;
    while start > floor && (line[start - 1].is_ascii_hexdigit() || line[start - 1] == b':') {
        start -= 1;
    }
    if start > floor && is_word_byte(line[start - 1]) {
        // `en0:fe80::1`: the first group belongs to the name before it.
        let colon = line[start..inside].iter().position(|&b| b == b':')?;
        start += colon + 1;
    }
    let mut end = inside;
    while at(line, end).is_ascii_hexdigit() || at(line, end) == b':' {
        end += 1;
    }
    // `see::a: text` gives back the colon that ends it.
    while end > start && line[end - 1] == b':' && !(end >= start + 2 && line[end - 2] == b':') {
        end -= 1;
    }
    while start < end && line[start] == b':' && at(line, start + 1) != b':' {
        start += 1;
    }
    if end <= inside || at(line, end).is_ascii_alphanumeric() {
        return None;
    }
    let text = &line[start..end];
    let colons = text.iter().filter(|&&b| b == b':').count();
    if colons < 2 {
        return None;
    }
    let mut groups = text.split(|&b| b == b':');
    if colons == 5 && groups.clone().all(|g| g.len() == 2) {
        return Some((start, end, Kind::Hex));
    }
    let double = text.windows(2).any(|w| w == b"::");
    let fits = groups.by_ref().enumerate().all(|(i, g)| g.len() <= 4 || (i == colons && g.len() == 5));
    (fits && (double || colons == 7 || colons == 8)).then_some((start, end, Kind::Ip))
}

/// A number glued to a unit, or a chain of them (`1h2m3.5s`).
fn unit_kind(text: &[u8]) -> Option<Kind> {
    let (mut i, mut kind) = (0, None);
    while i < text.len() {
        let from = i;
        while i < text.len() && (text[i].is_ascii_digit() || text[i] == b'.') {
            i += 1;
        }
        if i == from {
            return None;
        }
        let unit = i;
        while i < text.len() && !(text[i].is_ascii_digit() || text[i] == b'.') {
            i += 1;
        }
        let this = match &text[unit..i] {
            b"ns" | b"us" | b"\xC2\xB5s" | b"\xCE\xBCs" | b"ms" | b"s" | b"sec" | b"secs" | b"m" | b"min" | b"mins" | b"h" | b"hr" | b"d"
            | b"msec" | b"seconds" | b"second" | b"usec" => Kind::Dur,
            b"B" | b"b" | b"kB" | b"KB" | b"K" | b"k" | b"KiB" | b"M" | b"MB" | b"MiB" | b"Mi" | b"Gi" | b"Ki" | b"G" | b"GB" | b"GiB" | b"TB"
            | b"TiB" | b"T" | b"bytes" | b"kb" | b"mb" | b"gb" => Kind::Size,
            _ => return None,
        };
        if kind.is_some_and(|k| k != this) {
            return None;
        }
        kind = Some(this);
    }
    kind
}

/// A letter word with one or two digits at its end or inside (`eth0`, `IPv6`), and a few names that carry digits.
fn is_weak(text: &[u8], digits: usize, seen: u8) -> bool {
    const NAMES: [&[u8]; 16] = [
        b"sha256",
        b"sha512",
        b"sha384",
        b"sha224",
        b"sha-256",
        b"sha-512",
        b"x86_64",
        b"utf-8",
        b"utf-16",
        b"iso-8859-1",
        b"log4j2",
        b"rfc3164",
        b"rfc5424",
        b"i386",
        b"i686",
        b"base64",
    ];
    if seen & (DASH | DOT | UNDER | HIGH) == 0 && digits <= 2 {
        let letters = text.len() - digits;
        // `a1b` is an id: the digits stand together.
        let first = text.iter().position(u8::is_ascii_digit).unwrap_or(0);
        let together = text[first..].iter().take(digits).all(u8::is_ascii_digit);
        return letters >= 2 && first >= 2 && together;
    }
    text.len() <= 11 && NAMES.iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// Codes that say what kind of failure it is: `ORA-12541`, `SQLSTATE-42P01:`, `AMQ004043:`, `E1234:`.
fn is_code(text: &[u8], next: u8, digits: usize) -> bool {
    let letters = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    if !(1..=8).contains(&letters) || !(3..=6).contains(&digits) {
        return false;
    }
    let dash = usize::from(text.get(letters) == Some(&b'-'));
    let number = letters + dash;
    let rest = &text[number..];
    let numeric = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let tail = &rest[numeric..];
    numeric == digits
        && (tail.is_empty() || (tail.len() == 1 && tail[0].is_ascii_uppercase()))
        && (next == b':' || (dash == 1 && letters == 3 && &text[..3] == b"ORA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, Kind)]) {
        let mut words = Vec::new();
        super::super::find_words(line.as_bytes(), &mut words);
        let got: Vec<_> = words.iter().map(|w| (std::str::from_utf8(w.of(line.as_bytes())).expect("test lines are UTF-8"), w.kind)).collect();
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn numbers_units_and_hosts_end_where_a_person_would_end_them() {
        check(
            "Connection to activemq-1.prod:61616 failed, retrying in 0ms (attempt 13768)",
            &[("activemq-1.prod:61616", Kind::Host), ("0ms", Kind::Dur), ("13768", Kind::Num)],
        );
        check("dial tcp 10.0.4.82:9092: connect", &[("10.0.4.82:9092", Kind::Ip)]);
        check("took 1h2m3.5s, sent 12MiB. 3.", &[("1h2m3.5s", Kind::Dur), ("12MiB", Kind::Size), ("3", Kind::Num)]);
        check(
            "at [::1]:8080 and fe80::1ff:fe23:4567:890a or 00:1a:2b:3c:4d:5e",
            &[("::1", Kind::Ip), ("8080", Kind::Num), ("fe80::1ff:fe23:4567:890a", Kind::Ip), ("00:1a:2b:3c:4d:5e", Kind::Hex)],
        );
        check(
            "id 123e4567-e89b-12d3-a456-426614174000 0x7f3a deadbeef12",
            &[("123e4567-e89b-12d3-a456-426614174000", Kind::Uuid), ("0x7f3a", Kind::Hex), ("deadbeef12", Kind::Hex)],
        );
        check("x=-5 y=1.25", &[("-5", Kind::Num), ("1.25", Kind::Num)]);
    }

    proptest::proptest! {
        #[test]
        fn a_glance_says_what_a_close_look_says(
            parts in proptest::collection::vec(proptest::prop_oneof![
                "[0-9]{1,19}", "[0-9]{1,4}(ms|s|h|m)", "[0-9]{1,4}(\\.[0-9]{1,4}){1,4}(:[0-9]{1,6})?", "[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}",
                "[0-9]{8}(-[0-9]{4}){3}-[0-9]{12}", "[ ./:;,T_-]", " ", "\\[", "\x1b\\[", "[a-zA-Z]{1,5}", "[0-9]{2}:[0-9]{2}:[0-9]{2}",
                "2026[-/]11[-/]2[0-9]([T _][0-9]{2}:[0-9]{2}:[0-9]{2})?([.,][0-9]{1,6})?(Z| UTC| WARN)?", "[a-zA-Z][a-zA-Z0-9._-]{1,16}(:[0-9]{1,6})?", "[A-Z]{1,4}-?[0-9]{3,6}:?", "[a-f0-9]{1,12}", ":[a-f0-9]{1,4}", "[a-z][0-9a-z]{3,10}", "[0-9][0-9a-f]{5,9}", "go:[0-9]{1,3}: ", "sha256|sha-256|iso-8859-1|x86_64|utf-16", "[0-9]{1,4}[.][0-9]{1,6}",
            ], 1..8)
        ) {
            let line = parts.concat();
            let line = line.as_bytes();
            let mut bits = Bits::default();
            Twin::Scalar.fill(line, &mut bits);
            let mut at = 0;
            while at < line.len() {
                let end = at + line[at..].iter().take_while(|b| is_word_byte(**b)).count();
                // The word before may have ended right here, or long before.
                for floor in [at, 0] {
                    if line[at..end].iter().any(u8::is_ascii_digit) {
                        proptest::prop_assert_eq!(classify_run(line, at, end, floor, &bits), classify_with_care(line, at, end, floor), "{}", parts.concat());
                    }
                }
                at = end.max(at + 1);
            }
        }
    }

    #[test]
    fn stamps_are_one_word() {
        check("2024-01-02T03:04:05.678901234Z stdout F x", &[("2024-01-02T03:04:05.678901234Z", Kind::Stamp)]);
        check("2024-01-02 03:04:05,678 INFO", &[("2024-01-02 03:04:05,678", Kind::Stamp)]);
        check("2024-01-02 03:04:05.678 UTC [71] LOG", &[("2024-01-02 03:04:05.678 UTC", Kind::Stamp), ("71", Kind::Num)]);
        check("[15/Jun/2026:14:02:01 +0200] \"GET", &[("15/Jun/2026:14:02:01 +0200", Kind::Stamp)]);
        check("I0102 15:04:05.678901       1 x.go:12] m", &[("0102 15:04:05.678901", Kind::Stamp), ("1", Kind::Num), ("12", Kind::Num)]);
        check("17/06/09 20:10:40 INFO", &[("17/06/09 20:10:40", Kind::Stamp)]);
        check("03-17 16:13:38.811  1702", &[("03-17 16:13:38.811", Kind::Stamp), ("1702", Kind::Num)]);
        check("20171223-22:15:29:606|Step", &[("20171223-22:15:29:606", Kind::Stamp)]);
        check("2005-06-11-20.07.03.218292 RAS", &[("2005-06-11-20.07.03.218292", Kind::Stamp)]);
        check("Jun 15 02:04:05 host", &[("15", Kind::Num), ("02:04:05", Kind::Time)]);
        check("081109 203615 148 INFO", &[("081109", Kind::Num6), ("203615", Kind::Num6), ("148", Kind::Num)]);
        check("2005.06.11 x", &[("2005.06.11", Kind::Date)]);
    }

    #[test]
    fn colours_do_not_hide_what_is_glued_to_them() {
        check(
            "\x1b[2m2024-01-02T03:04:05Z\x1b[0m \x1b[1;32mINFO\x1b[0m x7y9z",
            &[
                ("2m", Kind::Dur),
                ("2024-01-02T03:04:05Z", Kind::Stamp),
                ("0m", Kind::Dur),
                ("1", Kind::Num),
                ("32m", Kind::Dur),
                ("0m", Kind::Dur),
                ("x7y9z", Kind::Id),
            ],
        );
    }

    #[test]
    fn a_number_behind_a_name_and_dots_leaves_the_name() {
        check("data address space........0", &[("0", Kind::Num)]);
        check("generating core.2275", &[("2275", Kind::Num)]);
        check("20171223-22:16:0:119|x", &[("20171223-22:16:0:119", Kind::Stamp)]);
        check("en0:fe80::1ff:fe23:4567:890a", &[("fe80::1ff:fe23:4567:890a", Kind::Ip)]);
    }

    #[test]
    fn weak_words_and_codes_stay_literal() {
        check("eth0 IPv6 sha256 x86_64 utf-8 ORA-12541 AMQ004043: E1234: x", &[]);
    }
}

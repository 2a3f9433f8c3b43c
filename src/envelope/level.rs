//! Level words where loggers put them.

use super::cursor::Peeler;
use crate::record::Severity;

/// How a level word is written: the louder, the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `[WARN]`, `<warn>`
    Bracketed,
    /// `WARN`
    Upper,
    /// `Warn`
    Title,
    /// `warn`
    Lower,
    /// `W`
    Letter,
}

/// A level word of a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub severity: Severity,
    pub style: Style,
    /// One past the word and its bracket.
    pub end: usize,
}

/// The level word at `at`, colour codes and brackets round it included.
pub(super) fn level_at(p: &Peeler<'_>, at: usize) -> Option<Level> {
    let at = p.skip_colour(at);
    let open = p.byte(at);
    if matches!(open, b'[' | b'<' | b'(') {
        let close = match open {
            b'[' => b']',
            b'<' => b'>',
            _ => b')',
        };
        let from = p.skip_blanks(at + 1);
        let to = p.letters_end(from);
        let after = p.skip_blanks(to);
        if p.byte(after) != close {
            return None;
        }
        let word = p.text(from, to);
        let severity = of_word(word).or_else(|| letter(word))?;
        return Some(Level { severity, style: Style::Bracketed, end: p.skip_colour(after + 1) });
    }
    let to = p.letters_end(at);
    let word = p.text(at, to);
    let ends = matches!(p.byte(to), b' ' | b'\t' | b':' | b'|' | b',' | b']' | b')' | b';' | b'/' | 0x1B) || to == p.end;
    if word.is_empty() || !ends {
        return None;
    }
    if let [_] = word {
        return letter(word).map(|severity| Level { severity, style: Style::Letter, end: p.skip_colour(to) });
    }
    let severity = of_word(word)?;
    let style = if word.iter().all(u8::is_ascii_uppercase) {
        Style::Upper
    } else if word[0].is_ascii_uppercase() {
        Style::Title
    } else {
        Style::Lower
    };
    Some(Level { severity, style, end: p.skip_colour(to) })
}

/// [`Severity::from_word`] behind a look at three letters: it is asked about every word of a header.
fn of_word(word: &[u8]) -> Option<Severity> {
    let [a, b, c, ..] = word else { return None };
    let known = matches!(
        [a | 0x20, b | 0x20, c | 0x20],
        [b't', b'r', b'a' | b'c']
            | [b'f', b'i', b'n']
            | [b'v', b'e', b'r']
            | [b'a', b'l', b'l' | b'e']
            | [b'd', b'e', b'b' | b'f' | b't']
            | [b'd', b'b', b'g' | b'u']
            | [b'd', b'p', b'a']
            | [b'i', b'n', b'f']
            | [b'n', b'o', b't']
            | [b'c', b'o', b'n']
            | [b'l', b'o', b'g']
            | [b's', b'u', b'c']
            | [b'h', b'i', b'n']
            | [b's', b't', b'a']
            | [b's', b'e', b'v']
            | [b'w', b'a', b'r']
            | [b'w', b'r', b'n']
            | [b'e', b'r', b'r' | b'o']
            | [b'f', b'a', b'i' | b't']
            | [b'f', b't', b'l']
            | [b'c', b'r', b'i']
            | [b'e', b'm', b'e']
            | [b'p', b'a', b'n']
    );
    if known { Severity::from_word(word) } else { None }
}

/// One-letter levels of logcat, klog, MongoDB and short formats.
pub(super) fn letter(word: &[u8]) -> Option<Severity> {
    Some(match word {
        b"V" | b"T" => Severity::Trace,
        b"D" => Severity::Debug,
        b"I" | b"N" => Severity::Info,
        b"W" => Severity::Warn,
        b"E" => Severity::Error,
        b"F" | b"C" | b"A" => Severity::Fatal,
        _ => return None,
    })
}

/// Lower-case words that begin no sentence: after a stamp they are a level even without a colon.
pub(super) fn is_no_prose(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] = [b"info", b"debug", b"warn", b"trace", b"notice", b"crit", b"emerg", b"verbose", b"err"];
    WORDS.iter().any(|level| word.eq_ignore_ascii_case(level))
}

/// Severity of a syslog priority's last three bits.
pub(super) fn of_syslog(level: u8) -> Severity {
    match level & 7 {
        0..=2 => Severity::Fatal,
        3 => Severity::Error,
        4 => Severity::Warn,
        5 | 6 => Severity::Info,
        _ => Severity::Debug,
    }
}

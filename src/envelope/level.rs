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
        let severity = Severity::from_word(word).or_else(|| letter(word))?;
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
    let severity = Severity::from_word(word)?;
    let style = if word.iter().all(u8::is_ascii_uppercase) {
        Style::Upper
    } else if word[0].is_ascii_uppercase() {
        Style::Title
    } else {
        Style::Lower
    };
    Some(Level { severity, style, end: p.skip_colour(to) })
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
    matches!(word.to_ascii_lowercase().as_slice(), b"info" | b"debug" | b"warn" | b"trace" | b"notice" | b"crit" | b"emerg" | b"verbose" | b"err")
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

//! Refuses rules that look at the contents of numbers.
//!
//! The engine asks for a rule once per template and re-uses the answer, so a literal `after 3 attempts` would be right
//! for the first line of its shape and wrong for the next. Figures that the fingerprint keeps (codes) are fine when the rule
//! lists them, and so is a digit or two behind some letters (`eth0`, `http2`), which the fingerprint keeps, too.

/// The first figure in a literal that is neither listed in `codes` nor part of a weak word.
#[must_use]
pub fn number_in_literal<'a>(literal: &'a str, codes: &[String]) -> Option<&'a str> {
    let bytes = literal.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let end = bytes[at..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| at + n);
        // At the end of a literal it may be the start of a longer figure (`AMQ21` of `AMQ212037`).
        let letters = bytes[..at].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        let is_weak = end - at <= 2 && letters >= 2 && bytes.get(end).is_some_and(|b| !b.is_ascii_alphanumeric());
        let is_code = codes.iter().any(|code| find_covering(literal, code, at, end));
        if !is_weak && !is_code {
            return literal.get(at..end);
        }
        at = end;
    }
    None
}

/// The first part of a pattern that depends on which digits stand in a number: a figure, `\d{3}`, `[1-9]`.
#[must_use]
pub fn number_in_pattern(pattern: &str, codes: &[String]) -> Option<String> {
    let bytes = pattern.as_bytes();
    let mut plain = String::with_capacity(pattern.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                // An escape ends a word: `\d`, `\.`; what it stands for is no figure.
                if matches!(bytes.get(at + 1), Some(b'd')) && bytes.get(at + 2) == Some(&b'{') && !pattern[at + 2..].starts_with("{1,") {
                    return Some(format!("\\d{}", until(pattern, at + 2, b'}')));
                }
                plain.push(' ');
                at += 2;
            }
            b'[' => {
                let class = until(pattern, at, b']');
                let has_part_of_digits = class.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'-' && w != b"0-9");
                let has_single = class.replace("0-9", "").replace("\\x", "").bytes().any(|b| b.is_ascii_digit());
                if has_part_of_digits || has_single {
                    return Some(class.to_owned());
                }
                plain.push(' ');
                at += class.len();
            }
            b'{' => {
                plain.push(' ');
                at += until(pattern, at, b'}').len();
            }
            b'(' if pattern[at..].starts_with("(?<") || pattern[at..].starts_with("(?P<") => {
                plain.push(' ');
                at += until(pattern, at, b'>').len();
            }
            b'(' | b')' | b'|' | b'?' | b'*' | b'+' | b'^' | b'$' => {
                plain.push(' ');
                at += 1;
            }
            other => {
                plain.push(if other.is_ascii() { char::from(other) } else { ' ' });
                at += 1;
            }
        }
    }
    number_in_literal(&plain, codes).map(str::to_owned)
}

/// Whether `code` stands in `text` over the bytes `start..end`.
fn find_covering(text: &str, code: &str, start: usize, end: usize) -> bool {
    text.match_indices(code).any(|(at, _)| at <= start && end <= at + code.len())
}

/// From `at` to the next `close` and including it; to the end where there is none.
fn until(text: &str, at: usize, close: u8) -> &str {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while end < bytes.len()
        && (bytes[end] != close || bytes[end - 1] == b'\\' || (close == b']' && (end == at + 1 || (end == at + 2 && bytes[at + 1] == b'^'))))
    {
        end += 1;
    }
    text.get(at..(end + 1).min(bytes.len())).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_not_decide_but_listed_codes_may() {
        let codes = vec!["429".to_owned(), "ORA-12541".to_owned()];
        assert_eq!(number_in_literal("after 3 attempts", &codes), Some("3"));
        assert_eq!(number_in_literal("status 429", &codes), None);
        assert_eq!(number_in_literal("status 4291", &codes), Some("4291"));
        assert_eq!(number_in_literal("ORA-12541: no listener", &codes), None);
        assert_eq!(number_in_literal("link eth0 is", &codes), None);
        assert_eq!(number_in_literal("k8s is", &codes), Some("8"));
        assert_eq!(number_in_literal("code AMQ21", &codes), Some("21"));
    }

    #[test]
    fn a_pattern_may_ask_for_a_number_but_not_for_which() {
        let codes = vec!["503".to_owned()];
        assert_eq!(number_in_pattern(r"retry (?<attempt>\d+) in (?<delay>[0-9.]+ ?m?s)", &codes), None);
        assert_eq!(number_in_pattern(r"status 503\b", &codes), None);
        assert_eq!(number_in_pattern(r"[^\]\s]{1,64} is down", &codes), None);
        assert_eq!(number_in_pattern(r"retry in 0ms", &codes), Some("0".to_owned()));
        assert_eq!(number_in_pattern(r"took [1-9]\d*", &codes), Some("[1-9]".to_owned()));
        assert_eq!(number_in_pattern(r"code \d{3}", &codes), Some(r"\d{3}".to_owned()));
    }
}

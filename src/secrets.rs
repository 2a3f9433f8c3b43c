//! Secrets do not leave the machine: values that a log line should not hold become `***` in samples, targets and alerts.
//!
//! Masked are the userinfo of URLs (`amqp://user:pass@host`) and the values of keys whose name says that they are secret (`password`, `token`,
//! `api-key` ...), as `key=value`, `key: value`, `"key":"value"`, and what follows `Bearer` and `Basic`. Templates have their own
//! masks for the same keys. What this does not do: find a secret that nothing names.

use std::borrow::Cow;

/// Stands in the place of a secret.
pub const HIDDEN: &[u8] = b"***";

/// Words that make a key secret wherever they stand in it (`DB_PASSWORD`, `X-Api-Key`, `access_token`).
const SECRET_WORDS: [&[u8]; 13] = [
    b"password",
    b"passwd",
    b"passphrase",
    b"pwd",
    b"secret",
    b"token",
    b"authorization",
    b"bearer",
    b"cookie",
    b"api-key",
    b"api_key",
    b"apikey",
    b"private_key",
];

/// Longest key that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 48;

/// Whether the value under this key is secret.
#[must_use]
pub fn is_secret_key(key: &[u8]) -> bool {
    if key.len() < 3 || key.len() > KEY_BYTES_MAX {
        return false;
    }
    // How the words end: most keys need no closer look.
    let end = [key[key.len() - 2].to_ascii_lowercase(), key[key.len() - 1].to_ascii_lowercase()];
    matches!(&end, b"rd" | b"wd" | b"se" | b"et" | b"en" | b"on" | b"er" | b"ie" | b"ey") && SECRET_WORDS.iter().any(|word| ends_with_word(key, word))
}

/// `word` ends the key: `refresh_token` is a secret, `token_count` and `tokens` are none.
fn ends_with_word(key: &[u8], word: &[u8]) -> bool {
    key.len() >= word.len() && key[key.len() - word.len()..].eq_ignore_ascii_case(word)
}

const fn is_key_byte(byte: u8) -> bool {
    /// Looked up: samples are read byte by byte.
    static KEY: [bool; 256] = {
        let mut table = [false; 256];
        let mut i = 0;
        while i < 256 {
            let byte = i as u8;
            table[i] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            i += 1;
        }
        table
    };
    KEY[byte as usize]
}

/// Whether a word may announce a secret, by its last letter: most do not.
const fn may_announce(last: u8) -> bool {
    // Those of `is_secret_key`, of `bearer` and of `basic`.
    matches!(last | 0x20, b'd' | b'e' | b't' | b'n' | b'r' | b'y' | b'c')
}

/// The text with `***` for each secret; borrowed when there is none.
#[must_use]
pub fn mask(text: &[u8]) -> Cow<'_, [u8]> {
    // Every secret is announced by one of these; names of instances have none.
    if memchr::memchr3(b':', b'=', b' ', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while at < text.len() {
        let word = run(text, at);
        let is_announced = if word > 0 { may_announce(text[at + word - 1]) } else { text[at] == b':' };
        let Some((start, end)) = (if is_announced { secret_at(text, at) } else { None }) else {
            at += word.max(1);
            continue;
        };
        if end > start && &text[start..end] != HIDDEN {
            let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(&text[copied..start]);
            out.extend_from_slice(HIDDEN);
            copied = end;
        }
        at = end.max(at + 1);
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.extend_from_slice(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

fn run(text: &[u8], from: usize) -> usize {
    text[from..].iter().take_while(|&&byte| is_key_byte(byte)).count()
}

fn blanks(text: &[u8], from: usize) -> usize {
    text[from..].iter().take_while(|&&byte| byte == b' ').count()
}

/// The secret that what begins at `at` announces: its range.
fn secret_at(text: &[u8], at: usize) -> Option<(usize, usize)> {
    if text[at] == b':' && text[at..].starts_with(b"://") {
        let from = at + 3;
        let stop = text[from..].iter().take_while(|byte| !matches!(byte, b'/' | b' ' | b'"' | b'\'' | b'?' | b'#' | b'<' | b'>')).count();
        let sign = text[from..from + stop].iter().rposition(|&byte| byte == b'@')?;
        return Some((from, from + sign));
    }
    if !is_key_byte(text[at]) || (at > 0 && is_key_byte(text[at - 1])) {
        return None;
    }
    let key_end = at + run(text, at);
    let key = &text[at..key_end];
    if (key.eq_ignore_ascii_case(b"bearer") || key.eq_ignore_ascii_case(b"basic")) && text.get(key_end) == Some(&b' ') {
        // `Bearer eyJ...`: a long word, so that "bearer of news" is left alone.
        let from = key_end + 1;
        let len = value_len(text, from);
        return (len >= 8 && key[0].is_ascii_uppercase()).then_some((from, from + len));
    }
    if !is_secret_key(key) {
        return None;
    }
    let mut from = key_end;
    // The quote that ends a JSON key, escaped or not.
    while matches!(text.get(from), Some(b'"' | b'\'' | b'\\')) {
        from += 1;
    }
    from += blanks(text, from);
    if !matches!(text.get(from), Some(b'=' | b':')) {
        return None;
    }
    from += 1;
    from += blanks(text, from);
    while text.get(from) == Some(&b'\\') {
        from += 1;
    }
    if let Some(&quote @ (b'"' | b'\'')) = text.get(from) {
        let len = text[from + 1..].iter().position(|&byte| byte == quote).unwrap_or(text.len() - from - 1);
        let value = &text[from + 1..from + 1 + len];
        return Some((from + 1, from + 1 + len - usize::from(value.ends_with(b"\\"))));
    }
    if ends_with_word(key, b"cookie") {
        let len = text[from..].iter().take_while(|byte| !matches!(byte, b'"' | b'\'' | b'\r' | b'\n')).count();
        return Some((from, from + len));
    }
    let mut len = value_len(text, from);
    let scheme = &text[from..from + len];
    if scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"basic") || scheme.eq_ignore_ascii_case(b"digest") {
        from += len + blanks(text, from + len);
        len = value_len(text, from);
    }
    Some((from, from + len))
}

fn value_len(text: &[u8], from: usize) -> usize {
    text[from..]
        .iter()
        .take_while(|byte| !matches!(byte, b' ' | b',' | b';' | b'&' | b'"' | b'\'' | b')' | b'}' | b']' | b'\r' | b'\n' | b'\t'))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_word_is_a_secret_key_by_itself_and_at_the_end_of_another() {
        for word in SECRET_WORDS {
            assert!(is_secret_key(word), "{}", String::from_utf8_lossy(word));
            assert!(is_secret_key(&[b"MY_", &*word.to_ascii_uppercase()].concat()), "{}", String::from_utf8_lossy(word));
        }
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&mask(text.as_bytes())), expected, "{text}");
        assert_eq!(mask(expected.as_bytes()), Cow::Borrowed(expected.as_bytes()), "masking twice is masking once");
    }

    #[test]
    fn userinfo_of_urls_is_hidden() {
        check("amqp://app:s3cret@mq-1:5672/v lost", "amqp://***@mq-1:5672/v lost");
        check("https://pay.example/a@b", "https://pay.example/a@b");
        check("mongodb://u:p@ss@db-1,db-2/x", "mongodb://***@db-1,db-2/x");
    }

    #[test]
    fn values_of_secret_keys_are_hidden() {
        check("user=ada password=hunter2, retry", "user=ada password=***, retry");
        check("DB_PASSWORD: 'a b c' x", "DB_PASSWORD: '***' x");
        check(r#"{"access_token":"eyJhb","user":"ada"}"#, r#"{"access_token":"***","user":"ada"}"#);
        check(r#"{"log":"{\"pwd\":\"x y\"}"}"#, r#"{"log":"{\"pwd\":\"***\"}"}"#);
        check("GET /a?api_key=77&x=1", "GET /a?api_key=***&x=1");
        check("Authorization: Bearer abc.def-ghi\r\n", "Authorization: Bearer ***\r\n");
        check("Cookie: a=b; c=d", "Cookie: ***");
        check("sent Bearer abcdefgh12 to x", "sent Bearer *** to x");
        check("X-Api-Key: k", "X-Api-Key: ***");
    }

    #[test]
    fn prose_is_left_alone() {
        for text in [
            "Failed password for root from 10.0.0.1",
            "token_count=12 tokens=5",
            "the bearer of news",
            "no secret here",
            "a basic error occurred",
            "",
        ] {
            check(text, text);
        }
    }
}

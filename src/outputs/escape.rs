//! Log text on a terminal: control characters are shown, never obeyed. In a pipe survivors stay byte for byte.

/// Appends `text` with its control characters made visible (`\e[31m`, `\r`, `\x07`); bytes that are not UTF-8 as `\xff`. A tab stays,
/// newlines stay when `keeps_newlines`.
pub fn push_visible(out: &mut Vec<u8>, text: &[u8], keeps_newlines: bool) {
    if text.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t')) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_char(out, character, keeps_newlines);
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
}

fn push_char(out: &mut Vec<u8>, character: char, keeps_newlines: bool) {
    match character {
        '\n' if keeps_newlines => out.push(b'\n'),
        '\t' => out.push(b'\t'),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\u{1b}' => out.extend_from_slice(b"\\e"),
        c if (c as u32) < 0x20 || c == '\u{7f}' => out.extend_from_slice(format!("\\x{:02x}", c as u32).as_bytes()),
        // C1 controls, and the marks that reorder text, which can make a line read as something it is not.
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            out.extend_from_slice(format!("\\u{{{:x}}}", character as u32).as_bytes());
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: &str) {
        let mut out = Vec::new();
        push_visible(&mut out, text, false);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn plain_text_and_tabs_are_left_alone() {
        check("a\tb über 日本".as_bytes(), "a\tb über 日本");
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        check(b"\x1b[2J\x07gone\r\n", "\\e[2J\\x07gone\\r\\n");
        check(b"\xff\xfe", "\\xff\\xfe");
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b");
    }
}

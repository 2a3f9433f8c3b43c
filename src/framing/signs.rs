//! What a single line gives away about its place in a record.
//!
//! A role is remembered by line shape, so nothing here may depend on the contents of a digit-word: each one is replaced by a
//! single `0` before anything is looked at. (`s3.FooException` is therefore no exception to us; the price is a torn record.)

use super::join::Role;
use crate::envelope::Envelope;
use crate::scan::{Word, find_words};

/// Labels of lines that belong to the record before them, though they have a header of their own.
const DETAILS: [&str; 9] = ["DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:", "QUERY:", "LOCATION:", "BACKTRACE:", "PHP Stack trace:", "PHP   0. "];

/// Where `Exception Group Traceback` must begin to be taken for one: behind a header or the frames of outer groups, bytes.
const GROUP_WITHIN: usize = 128;

/// Longest first word that is looked at as a name, bytes; longer ones are data.
const NAME_BYTES_MAX: usize = 200;

/// The role of a line whose envelope is known. `line` is the raw line without its line end, `words` are its digit-words.
///
/// Most lines have a header and no sign of anything else; they are known by a few of their bytes.
#[must_use]
pub fn role(envelope: &Envelope, line: &[u8], words: &[Word]) -> Role {
    let header = Header::of(envelope, line);
    if header.is_json {
        return Role::Sealed;
    }
    if header.is_headed && envelope.decoded.is_none() && !may_be_more(envelope, &header, line, words) {
        return Role::Headed;
    }
    closely(envelope, &header, line, words)
}

/// Whether a headed line must be looked at closely. Never `false` where that would find more than [`Role::Headed`].
fn may_be_more(envelope: &Envelope, header: &Header, line: &[u8], words: &[Word]) -> bool {
    let start = (envelope.message.start as usize).min(line.len());
    let message = &line[start..];
    may_be_sign(&line[header.inner_start.min(line.len())..])
        || (header.is_syslog && may_be_sign(&line[unindented(line, start)..]))
        || may_be_detail(message.trim_ascii_start(), &line[..start])
        || (may_be_source(envelope) && !has_three_parts(line, start, words))
}

/// Whether [`sure_sign`] could find something in `text` (or its indentation decides), told by its ends. Signs of the middle are rare bytes.
fn may_be_sign(text: &[u8]) -> bool {
    let starts = |prefix: &str| text.starts_with(prefix.as_bytes());
    let begins = match text.first() {
        None | Some(b' ' | b'\t'..=b'\r' | b'#') => true,
        Some(b'T') => starts("Traceback ") || starts("The above "),
        Some(b'D') => starts("During "),
        Some(b'F') => starts("File "),
        Some(b'C') => starts("Caused by:") || starts("Call "),
        Some(b'S') => starts("Suppressed:") || starts("Stack "),
        Some(b'E') => starts("Exception "),
        Some(b'U') => starts("Unhandled "),
        Some(b'P') => starts("PHP "),
        Some(b'-') => starts("---"),
        Some(b'.') => starts("..."),
        Some(b'[') => starts("[signal ") || starts("[CIRCULAR "),
        Some(b'(') => starts("(Background "),
        Some(b'a') => starts("at "),
        Some(b'c') => starts("created "),
        Some(b'e') => starts("exit "),
        Some(b'f') => starts("fatal "),
        Some(b'g') => starts("goroutine "),
        Some(b'n') => starts("note: "),
        Some(b'p') => starts("panic: "),
        Some(b's') => starts("stack "),
        Some(b't') => starts("thread "),
        _ => false,
    };
    begins || text.trim_ascii_end().ends_with(b"'") || has_exception_group(text)
}

/// Whether [`headed`] could find a label at the beginning of `message` or at the end of what stands `before` it.
fn may_be_detail(message: &[u8], before: &[u8]) -> bool {
    let begins = matches!(message.first(), Some(b'D' | b'H' | b'C' | b'S' | b'Q' | b'L' | b'B' | b'P'))
        && (message.starts_with(b"PHP ") || DETAILS.iter().any(|label| message.starts_with(label.as_bytes())));
    let ends = match before.trim_ascii_end() {
        // The last letters of the labels.
        [.., b'L' | b'T' | b'Y' | b'N' | b'E' | b'e', b':'] => DETAILS.iter().any(|label| before.trim_ascii_end().ends_with(label.as_bytes())),
        _ => false,
    };
    begins || ends
}

/// Whether the text behind `start` has three parts between blanks, a digit-word being whole.
fn has_three_parts(line: &[u8], start: usize, words: &[Word]) -> bool {
    let text = line[start..].trim_ascii();
    let start = start + (line.len() - start - line[start..].trim_ascii_start().len());
    let is_inside = |at: usize| words.iter().take_while(|word| (word.start as usize) < at).any(|word| at < word.end as usize);
    memchr::memchr_iter(b' ', text).filter(|&blank| !is_inside(start + blank)).nth(1).is_some()
}

/// The role by all of a line's bytes.
fn closely(envelope: &Envelope, header: &Header, line: &[u8], words: &[Word]) -> Role {
    let text = match &envelope.decoded {
        Some(decoded) => {
            let mut words = Vec::new();
            find_words(decoded, &mut words);
            masked(decoded, 0, &words)
        }
        None => masked(line, header.inner_start, words),
    };
    if let Some(sign) = sure_sign(&text) {
        return sign;
    }
    if header.is_syslog && envelope.decoded.is_none() {
        // A relay stamps each line of a trace; only what is sure to continue something is taken for it.
        let text = masked(line, unindented(line, envelope.message.start as usize), words);
        match sure_sign(&text) {
            Some(Role::Blank) => {}
            Some(sign) => return sign,
            // One blank more is how some programs write every line.
            None if text.starts_with(b"  ") => return Role::Indented,
            None if text[0] == b'\t' => return Role::Tabbed,
            None => {}
        }
    }
    if header.is_headed {
        let message = if envelope.decoded.is_some() { text } else { masked(line, envelope.message.start as usize, words) };
        return headed(envelope, line, &message);
    }
    let shape = edge(&text);
    if header.has_level && !matches!(shape, Role::Indented | Role::Tabbed | Role::Detail | Role::Exception | Role::Error) {
        return if starts_with_level(&text) { Role::LevelLine } else { Role::Headed };
    }
    shape
}

/// Which parts of the envelope are a header of the line's own.
struct Header {
    is_json: bool,
    /// Syslog is the innermost header.
    is_syslog: bool,
    is_headed: bool,
    has_level: bool,
    /// Where the line proper begins, behind the transport layers.
    inner_start: usize,
}

impl Header {
    fn of(envelope: &Envelope, line: &[u8]) -> Self {
        let (mut is_json, mut is_carried, mut has_layer) = (false, false, false);
        for &layer in envelope.layers.iter() {
            match kind(layer) {
                "json" => is_json = true,
                // Layers that carry a line from the process to us and say nothing about the line itself.
                "cri" | "docker" | "compose" | "kubectl" | "stern" | "journald" | "export" => is_carried = true,
                // A level word alone (`SEVERE: text`) is no header: it begins a line of a record as often as a record.
                _ => has_layer |= layer != "level",
            }
        }
        has_layer |= is_json;
        let inner_start = if is_carried { inner_start(envelope, line) } else { 0 };
        // The runtime's stamp hides the line's own: then the line had one if more than a level was peeled off behind the transport.
        let peeled = line.get(inner_start..envelope.message.start as usize).unwrap_or_default();
        let has_own_time = envelope.time.is_some() && (!is_carried || !is_blank_or_level(peeled));
        let has_level = envelope.severity != crate::record::Severity::Unknown;
        let has_origin = envelope.logger.is_some() || envelope.thread.is_some() || envelope.pid.is_some();
        let is_bare_level = has_level && !has_own_time && !has_layer && !has_origin;
        let is_syslog = envelope.layers.last() == Some(&"syslog");
        Self { is_json, is_syslog, is_headed: !is_bare_level && (has_own_time || has_layer || has_origin || has_level), has_level, inner_start }
    }
}

/// `json` of `json/zap`.
fn kind(layer: &str) -> &str {
    layer.bytes().position(|b| b == b'/').map_or(layer, |slash| &layer[..slash])
}

/// Where the text behind the transport begins, its indentation included.
fn inner_start(envelope: &Envelope, line: &[u8]) -> usize {
    let message = (envelope.message.start as usize).min(line.len());
    if envelope.layers.contains(&"cri") {
        // `stamp stream flags text`: exactly one blank before the text.
        let mut blank = memchr::memchr_iter(b' ', line);
        if let Some(third) = blank.nth(2) {
            return (third + 1).min(message);
        }
    }
    let before = &line[..message];
    if let Some(bar) = memchr::memchr_iter(b'|', before).find(|&bar| before[..bar].ends_with(b" ") && before[bar + 1..].starts_with(b" ")) {
        return bar + 2;
    }
    if let Some(bracket) = memchr::memchr_iter(b']', before).find(|&bracket| before[bracket + 1..].starts_with(b" ")) {
        return bracket + 2;
    }
    unindented(line, message)
}

/// Where a text begins, its indentation included, whose first word stands at `start`, behind a prefix: one blank separates, more of
/// them indent.
fn unindented(line: &[u8], start: usize) -> usize {
    let start = start.min(line.len());
    let indentation = line[..start].iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    if indentation == start { 0 } else { start - indentation.saturating_sub(1) }
}

fn is_blank_or_level(peeled: &[u8]) -> bool {
    let mut words = peeled.split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (None, _) => true,
        (Some(word), None) => crate::record::Severity::from_word(word).is_some(),
        _ => false,
    }
}

/// The bytes from `start` on, each of the digit-words as one `0`.
fn masked(line: &[u8], start: usize, words: &[Word]) -> Vec<u8> {
    let mut text = Vec::with_capacity(line.len().saturating_sub(start));
    let mut at = start.min(line.len());
    for word in words {
        let (from, to) = (word.start as usize, word.end as usize);
        if to <= at {
            continue;
        }
        text.extend_from_slice(&line[at..from.max(at)]);
        text.push(b'0');
        at = to;
    }
    text.extend_from_slice(&line[at..]);
    text
}

/// Signs that no header can overrule.
fn sure_sign(text: &[u8]) -> Option<Role> {
    let body = text.trim_ascii();
    if body.is_empty() {
        return Some(Role::Blank);
    }
    let is_indented = matches!(text[0], b' ' | b'\t');
    let starts = |prefix: &str| body.starts_with(prefix.as_bytes());
    let has = |part: &str| memchr::memmem::find(body, part.as_bytes()).is_some();
    if starts("Traceback (most recent call last)") || has_exception_group(body) {
        return Some(Role::Traceback);
    }
    if starts("File \"") && has("\", line 0") {
        return Some(Role::PythonFrame);
    }
    if starts("Caused by:") || starts("Suppressed:") || (starts("---> ") && has(".")) {
        return Some(Role::Cause);
    }
    if is_elision(body) {
        return Some(Role::Elision);
    }
    if is_frame(body, is_indented) {
        return Some(Role::Frame);
    }
    if is_indented {
        return None;
    }
    if starts("During handling of the above exception, another exception") || starts("The above exception was the direct cause of") {
        return Some(Role::Chain);
    }
    if starts("panic: ") || starts("fatal error: ") {
        return Some(Role::GoPanic);
    }
    if starts("[signal SIG") {
        return Some(Role::GoSignal);
    }
    if starts("goroutine 0 [") && body.ends_with(b":") {
        return Some(Role::Goroutine);
    }
    if starts("created by ") && !body.ends_with(b".") {
        return Some(Role::GoCall);
    }
    if body == b"exit status 0" {
        return Some(Role::GoExit);
    }
    if starts("thread '") && has("' ") && has("panicked at ") {
        return Some(if body.ends_with(b":") { Role::RustPanic } else { Role::Opening });
    }
    let is_note = starts("note: run with `RUST_BACKTRACE") || starts("note: Some details are omitted") || starts("(Background on this error at");
    if is_note || ["stack backtrace:", "Stack trace:", "PHP Stack trace:", "Call Stack:"].iter().any(|n| body == n.as_bytes()) {
        return Some(Role::Note);
    }
    if starts("Exception in thread ") || starts("Unhandled exception. ") || starts("Unhandled Exception: ") || starts("PHP Fatal error:") {
        return Some(Role::Opening);
    }
    None
}

/// `  + Exception Group Traceback (most recent call last):`, behind whatever frame is drawn round it.
fn has_exception_group(text: &[u8]) -> bool {
    memchr::memchr_iter(b'G', &text[..text.len().min(GROUP_WITHIN)])
        .any(|at| text[at..].starts_with(b"Group Traceback (most recent call last)") && text[..at].ends_with(b"Exception "))
}

fn is_elision(body: &[u8]) -> bool {
    let ends = [&b" more"[..], b"common frames omitted", b"common frames truncated"];
    (body.starts_with(b"... 0 ") && ends.iter().any(|end| body.ends_with(end)))
        || (body.starts_with(b"--- End of ") && body.ends_with(b"---"))
        || body.starts_with(b"[CIRCULAR REFERENCE")
}

fn is_frame(body: &[u8], is_indented: bool) -> bool {
    let has = |part: &str| memchr::memmem::find(body, part.as_bytes()).is_some();
    if let Some(place) = body.strip_prefix(b"at ") {
        // Java, Node and .NET name a function or a place; prose has neither bracket nor `::` behind its first word.
        let first = place.split(|&b| b == b' ').next().unwrap_or_default();
        return is_indented || first.contains(&b'(');
    }
    if is_indented && body.starts_with(b"from ") && has(":0") {
        return true;
    }
    if is_indented && body.starts_with(b"0: ") && has("::") {
        return true;
    }
    if body.starts_with(b"#0 ") {
        return has("(") || has("{main}");
    }
    // A place of a Go frame, indented by a tab.
    if is_indented && has(".go:0") {
        return true;
    }
    if is_indented && body.starts_with(b"0. ") && has("() ") {
        return true;
    }
    // Ruby's frames without `from`; with a text behind the method it is the exception itself.
    let first = body.split(|&b| b == b' ').next().unwrap_or_default();
    first.ends_with(b":0:in") && body.ends_with(b"'")
}

/// A line with a header of its own.
fn headed(envelope: &Envelope, line: &[u8], message: &[u8]) -> Role {
    let message = message.trim_ascii();
    let before = line.get(..envelope.message.start as usize).unwrap_or_default().trim_ascii_end();
    let is_label = |label: &str| {
        let is_before = before.strip_suffix(label.as_bytes()).is_some_and(|rest| rest.last().is_none_or(|b| !b.is_ascii_alphanumeric()));
        // A label that was peeled off as the level may have lost its colon to the separator.
        message.starts_with(label.as_bytes()) || is_before
    };
    if DETAILS.iter().any(|label| is_label(label)) {
        return Role::Detail;
    }
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'<' | b'>'));
    if may_be_source(envelope) {
        let mut parts = message.split(|&b| b == b' ');
        let is_source = match (parts.next(), parts.next(), parts.next()) {
            (Some(class), Some(method), None) => class.contains(&b'.') && class.split(|&b| b == b'.').all(is_word) && is_word(method),
            // The class may have been taken for a logger or, behind `AM`, for a syslog host.
            (Some(method), None, None) => {
                is_word(method) && (envelope.logger.is_some() || envelope.host.is_some_and(|host| follows_half_day(line, host.start as usize)))
            }
            _ => false,
        };
        if is_source {
            return Role::HeadedSource;
        }
    }
    Role::Headed
}

/// Whether time, class and method may be all there is.
fn may_be_source(envelope: &Envelope) -> bool {
    envelope.time.is_some() && envelope.severity == crate::record::Severity::Unknown
}

fn follows_half_day(line: &[u8], at: usize) -> bool {
    line.get(..at).is_some_and(|before| before.ends_with(b" AM ") || before.ends_with(b" PM "))
}

/// What stands at the left edge of a line without header.
fn edge(text: &[u8]) -> Role {
    match text[0] {
        b' ' => return Role::Indented,
        b'\t' => return Role::Tabbed,
        _ => {}
    }
    let body = text.trim_ascii_end();
    let is_label = ["DETAIL:  ", "HINT:  ", "CONTEXT:  ", "STATEMENT:  ", "QUERY:  ", "LOCATION:  "].iter().any(|l| text.starts_with(l.as_bytes()));
    if is_label {
        return Role::Detail;
    }
    if matches!(body[0], b'}' | b']' | b')') && body.iter().all(|b| matches!(b, b'}' | b']' | b')' | b',' | b';')) {
        return Role::BlockClose;
    }
    if let Some(role) = named(body) {
        return role;
    }
    if is_go_call(body) {
        return Role::GoCall;
    }
    if matches!(body.last(), Some(b'{' | b'[')) { Role::BlockOpen } else { Role::Plain }
}

/// A line that begins with a name and nothing behind it but a colon and a text.
fn named(body: &[u8]) -> Option<Role> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b':' | b'-' | b'/' | b'@');
    let length = body.iter().take(NAME_BYTES_MAX).take_while(|b| is_name(b)).count();
    let (mut name, mut rest) = body.split_at(length);
    // Ruby: `app.rb:1:in 'f': text (Err)`.
    if name.ends_with(b":0:in") && matches!(rest, [b' ', b'`' | b'\'', ..]) {
        return Some(Role::Error);
    }
    if let Some(bare) = name.strip_suffix(b":") {
        rest = &body[bare.len()..];
        name = bare;
    } else if rest.starts_with(b" (0):") || rest.starts_with(b" [") {
        // .NET's `SocketException (111): text`, Node's `AggregateError [ECONNREFUSED]: text`.
        rest = memchr::memchr(b':', rest).map_or(&b"-"[..], |at| &rest[at..]);
    }
    let is_alone = rest.is_empty();
    if name.is_empty() || !(is_alone || rest == b":" || rest.starts_with(b": ")) {
        return None;
    }
    let last = name.rsplit(|b| matches!(b, b'.' | b':' | b'$')).next().unwrap_or_default();
    let is_qualified = last.len() < name.len();
    let is_class = last.first().is_some_and(u8::is_ascii_uppercase);
    let is_thrown =
        ["Exception", "Error", "Failure", "Throwable", "Timeout", "Interrupt", "Fault", "Exit"].iter().any(|end| last.ends_with(end.as_bytes()))
            || (is_qualified && memchr::memmem::find(name, b"Errno::").is_some());
    // A class name: a capital first, and a colon where the name has no qualifier (a lone word may be anything).
    if is_thrown && is_class {
        return Some(match (is_qualified, is_alone) {
            (true, _) => Role::Exception,
            (false, false) => Role::Error,
            (false, true) => {
                if last.len() > "Exception".len() {
                    Role::Error
                } else {
                    Role::Named
                }
            }
        });
    }
    if is_go_call(body) {
        return Some(Role::GoCall);
    }
    // One lower-case word on a line of its own is prose.
    (is_qualified || !is_alone || is_class).then_some(Role::Named)
}

/// `main.f(0x1, ...)`, `net/http.(*conn).serve(...)`, or the bare name as zap prints it.
fn is_go_call(body: &[u8]) -> bool {
    if body.len() > NAME_BYTES_MAX || body.contains(&b':') {
        return false;
    }
    let Some(open) = memchr::memchr(b'(', body) else {
        return body.starts_with(b"main.") && !body.contains(&b' ');
    };
    let name = &body[..open];
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'@' | b'%' | b'[' | b']');
    name.iter().all(is_name) && name.contains(&b'.') && (body.ends_with(b")") || body[open..].starts_with(b"(*"))
}

fn starts_with_level(text: &[u8]) -> bool {
    let word = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    text[word..].starts_with(b": ") && crate::record::Severity::from_word(&text[..word]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a line is known for at a glance must be what a close look finds.
    fn check(line: &[u8]) {
        let mut words = Vec::new();
        find_words(line, &mut words);
        let envelope = crate::envelope::peel(line, &words);
        let header = Header::of(&envelope, line);
        if !header.is_json {
            assert_eq!(role(&envelope, line, &words), closely(&envelope, &header, line, &words), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_glance_sees_what_a_close_look_sees() {
        for header in [
            "",
            "10:00:00 ",
            "2026-11-23T10:00:00Z INFO ",
            "2026-11-23T10:00:00Z stderr F ",
            "web-1  | ",
            "<13>Nov 23 10:00:00 node-1 app[7]: ",
            "Nov 23, 2026 10:00:00 AM ",
        ] {
            for text in [
                "text",
                "",
                " x",
                "\tat a.B(C.java:1)",
                "at a.B(C.java:1)",
                "... 12 more",
                "#0 f()",
                "goroutine 7 [running]:",
                "x.rb:1:in `f'",
                "exit status 2",
                "DETAIL: x",
                "a.B run",
            ] {
                check(format!("{header}{text}").as_bytes());
            }
        }
        check(b"Nov 23 10:00:00 node-1 app[7]:   + Exception Group Traceback (most recent call last):");
        check(b"2026-11-23 10:00:00.123 UTC [71] user@shop STATEMENT:  select 1");
    }

    proptest! {
        #[test]
        fn also_in_lines_that_look_like_logs(parts in prop::collection::vec(prop_oneof![
            Just("2026-11-23T10:00:00.001Z "), Just("Nov 23 10:00:00 "), Just("host-1 "), Just("app[7]: "), Just("INFO "), Just("stderr F "), Just("web-1 | "), Just(" "), Just("\t"),
            Just("Traceback (most recent call last):"), Just("Caused by: "), Just("at a.b.C(D.java:1)"), Just("goroutine 1 [running]:"), Just("#0 "), Just("... 3 more"), Just("a.B "),
            Just("run"), Just("DETAIL:  "), Just("Exception "), Just("Group Traceback (most recent call last)"), Just("':"), Just("'"), Just("2026-11-23 10:00:00"), Just("panic: "), Just("x.rb:1:in "),
            Just("PHP "), Just("exit status 2"), Just("note: run with `RUST_BACKTRACE"), Just("thread 'a' panicked at b:"), Just("5"), Just("\"log\":"), Just("--- End of "), Just("---> "),
        ], 0..9)) {
            check(parts.concat().as_bytes());
        }
    }
}

//! What a single line gives away about its place in a record.
//!
//! A role is remembered by line shape, so nothing here may depend on the contents of a digit-word: each one is replaced by a
//! single `0` before anything is looked at. (`s3.FooException` is therefore no exception to us; the price is a torn record.)

use super::join::Role;
use crate::envelope::Envelope;
use crate::scan::{Word, find_words};

/// Layers that carry a line from the process to us and say nothing about the line itself.
const TRANSPORT: [&str; 7] = ["cri", "docker", "compose", "kubectl", "stern", "journald", "export"];

/// Longest first word that is looked at as a name, bytes; longer ones are data.
const NAME_BYTES_MAX: usize = 200;

/// The role of a line whose envelope is known. `line` is the raw line without its line end.
#[must_use]
pub fn role(envelope: &Envelope, line: &[u8]) -> Role {
    let header = Header::of(envelope, line);
    if header.is_json {
        return Role::Sealed;
    }
    let text = match &envelope.decoded {
        Some(decoded) => masked(decoded, 0),
        None => masked(line, header.inner_start),
    };
    if let Some(sign) = sure_sign(&text) {
        return sign;
    }
    if header.is_syslog && envelope.decoded.is_none() {
        // A relay stamps each line of a trace; only what is sure to continue something is taken for it.
        let text = masked(line, unindented(line, envelope.message.start as usize));
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
        let message = if envelope.decoded.is_some() { text } else { masked(line, envelope.message.start as usize) };
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
        let is_transport = |layer: &&str| TRANSPORT.iter().any(|t| layer == t || layer.strip_prefix(t).is_some_and(|rest| rest.starts_with('/')));
        let is_json = envelope.layers.iter().any(|l| *l == "json" || l.starts_with("json/"));
        let is_carried = envelope.layers.iter().any(is_transport);
        let inner_start = if is_carried { inner_start(envelope, line) } else { 0 };
        // The runtime's stamp hides the line's own: then the line had one if more than a level was peeled off behind the transport.
        let peeled = line.get(inner_start..envelope.message.start as usize).unwrap_or_default();
        let has_own_time = envelope.time.is_some() && (!is_carried || !is_blank_or_level(peeled));
        // A level word alone (`SEVERE: text`) is no header: it begins a line of a record as often as a record.
        let has_layer = envelope.layers.iter().any(|l| !is_transport(l) && *l != "level");
        let has_level = envelope.severity != crate::record::Severity::Unknown;
        let has_origin = envelope.logger.is_some() || envelope.thread.is_some() || envelope.pid.is_some();
        let is_bare_level = has_level && !has_own_time && !has_layer && !has_origin;
        let is_syslog = envelope.layers.last() == Some(&"syslog");
        Self { is_json, is_syslog, is_headed: !is_bare_level && (has_own_time || has_layer || has_origin || has_level), has_level, inner_start }
    }
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
    for mark in [&b" | "[..], b"] "] {
        if let Some(at) = memchr::memmem::find(&line[..message], mark) {
            return at + mark.len();
        }
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

/// The bytes from `start` on, each digit-word as one `0`.
fn masked(line: &[u8], start: usize) -> Vec<u8> {
    let mut words: Vec<Word> = Vec::new();
    find_words(line, &mut words);
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
    if starts("Traceback (most recent call last)") || has("Exception Group Traceback (most recent call last)") {
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
    const DETAILS: [&str; 9] = ["DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:", "QUERY:", "LOCATION:", "BACKTRACE:", "PHP Stack trace:", "PHP   0. "];
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
    if envelope.time.is_some() && envelope.severity == crate::record::Severity::Unknown {
        let mut parts = message.split(|&b| b == b' ');
        let is_source = match (parts.next(), parts.next(), parts.next()) {
            (Some(class), Some(method), None) => class.contains(&b'.') && class.split(|&b| b == b'.').all(is_word) && is_word(method),
            // The class may have been taken for a logger or, behind `AM`, for a syslog host.
            (Some(method), None, None) => is_word(method) && (envelope.logger.is_some() || envelope.host.is_some_and(|host| follows_half_day(line, host.start as usize))),
            _ => false,
        };
        if is_source {
            return Role::HeadedSource;
        }
    }
    Role::Headed
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
    let is_thrown = ["Exception", "Error", "Failure", "Throwable", "Timeout", "Interrupt", "Fault", "Exit"].iter().any(|end| last.ends_with(end.as_bytes()))
        || (is_qualified && memchr::memmem::find(name, b"Errno::").is_some());
    // A class name: a capital first, and a colon where the name has no qualifier (a lone word may be anything).
    if is_thrown && is_class {
        return Some(match (is_qualified, is_alone) {
            (true, _) => Role::Exception,
            (false, false) => Role::Error,
            (false, true) => if last.len() > "Exception".len() { Role::Error } else { Role::Named },
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

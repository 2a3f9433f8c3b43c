//! The template of a record of several lines: what went wrong, where, and because of what.
//!
//! ```text
//! order 77 failed                                          order <num> failed
//! java.lang.IllegalStateException: no stock for 12      -> java.lang.IllegalStateException: no stock for <num>
//!     at shop.Orders.place(Orders.java:42)              -> at shop.Orders.place
//!     at shop.$Proxy123.place(Unknown Source)           -> at shop.$Proxy.place
//! Caused by: java.net.ConnectException: refused         -> Caused by: java.net.ConnectException: refused
//! ```
//!
//! Line numbers, addresses and the numbers of generated classes are left out: they change with every build or run.
//! Only the first frames of each link of the cause chain count, so that a deep stack under a varying server loop is one template.

/// Frames kept of each exception of a trace: where it was thrown, and by whom that was called.
pub const FRAMES_MAX: usize = 3;

/// Most links of the cause chain, and most other lines, that take part.
pub const PARTS_MAX: usize = 8;

/// Longest composed template in bytes.
pub const BYTES_MAX: usize = 4 << 10;

/// What a line of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A stack frame: `at x.Y.z(Y.java:1)`, `File "x.py", line 1, in f`, `main.f(0x1)`, `#0 0x1 in f ()`.
    Frame,
    /// An exception and its message, or the next link of the chain (`Caused by:`).
    Cause,
    /// Any other line.
    Other,
}

/// What the text of a continuation line looks like; for callers that know no better.
#[must_use]
pub fn part_of(line: &[u8]) -> Part {
    let text = line.trim_ascii_start();
    let indented = text.len() < line.len();
    if text.starts_with(b"Caused by:") || text.starts_with(b"Suppressed:") || text.starts_with(b"Wrapped by:") || text.starts_with(b"The above exception") {
        return Part::Cause;
    }
    let is_frame = text.starts_with(b"at ")
        || text.starts_with(b"File \"")
        || text.starts_with(b"from ") && indented
        || (text.starts_with(b"... ") && (text.ends_with(b" more") || text.ends_with(b" omitted")))
        || (text.first() == Some(&b'#') && text.get(1).is_some_and(u8::is_ascii_digit))
        || (indented && text.first() == Some(&b'/') && memchr::memmem::find(text, b".go:").is_some())
        || (text.ends_with(b")") && memchr::memmem::find(text, b"(0x").is_some());
    if is_frame {
        return Part::Frame;
    }
    let name = text.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$')).count();
    let is_exception = super::names::is_exception(&text[..name]) && matches!(text.get(name), None | Some(b':'));
    if is_exception { Part::Cause } else { Part::Other }
}

/// Joins the template of a record's first line with what its other lines say. `lines` are the lines behind the header: what each is, and
/// for [`Part::Frame`] its raw text, for the others its template.
#[must_use]
pub fn compose(header: &str, lines: &[(Part, &str)]) -> String {
    let mut text = String::with_capacity(header.len() + 64 * lines.len().min(FRAMES_MAX * 2));
    text.push_str(header);
    let (mut frames, mut parts) = (0, 0);
    let mut last = String::new();
    for &(part, line) in lines {
        let line = line.trim();
        let mut piece = String::new();
        match part {
            Part::Frame => {
                if frames >= FRAMES_MAX || line.starts_with("... ") || parts > PARTS_MAX {
                    continue;
                }
                push_frame(line, &mut piece);
                if piece.is_empty() || piece == last {
                    continue;
                }
                frames += 1;
            }
            Part::Cause | Part::Other => {
                if line.is_empty() || parts >= PARTS_MAX {
                    continue;
                }
                parts += 1;
                if part == Part::Cause {
                    frames = 0;
                }
                push_without_numbers(line, &mut piece);
                // A dump repeats its lines; one of each is enough.
                if piece == last {
                    continue;
                }
            }
        }
        if text.len() + piece.len() + 1 > BYTES_MAX {
            text.push_str(super::template::REST);
            break;
        }
        text.push('\n');
        text.push_str(&piece);
        last = piece;
    }
    text
}

/// A frame without line numbers, addresses, modules and file positions.
fn push_frame(line: &str, into: &mut String) {
    if let Some(rest) = line.strip_prefix("File \"") {
        // Python: the function and the file's name.
        let (path, tail) = rest.split_once('"').unwrap_or((rest, ""));
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let function = tail.rsplit_once(" in ").map_or("", |(_, function)| function);
        into.push_str("in ");
        into.push_str(function);
        into.push_str(" of ");
        push_without_numbers(file, into);
        return;
    }
    let mut line = line.trim_start_matches('#');
    line = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
    if let Some((address, rest)) = line.split_once(' ')
        && address.starts_with("0x")
    {
        line = rest;
    }
    if line.starts_with('/') {
        // Go's second line of a frame: `/src/main.go:42 +0x1b`.
        let path = line.split(' ').next().unwrap_or(line);
        let file = path.rsplit('/').next().unwrap_or(path);
        push_without_numbers(file.split(':').next().unwrap_or(file), into);
        return;
    }
    // JavaScript's `at f (/app/x.js:1:2)` and Java's `at a.B.c(B.java:1)`: the function is what stands before the bracket.
    let name = line.split('(').next().unwrap_or(line).trim_end();
    // `at app//x.Y.z`, `at java.base@17/java.lang...`: the module changes with the runtime.
    let name = match (name.strip_prefix("at "), name.rsplit_once('/')) {
        (Some(_), Some((_, method))) if !method.starts_with(|letter: char| letter.is_ascii_digit()) => {
            into.push_str("at ");
            method
        }
        _ => name,
    };
    push_without_numbers(name.split(':').next().unwrap_or(name), into);
}

/// Leaves out the numbers of generated names: `$Proxy123`, `$$Lambda$45/0x7f`, `$$EnhancerBySpringCGLIB$$ab12`, `lambda$foo$3`,
/// `GeneratedMethodAccessor81`.
fn push_without_numbers(text: &str, into: &mut String) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        if let Some(tail) = rest.strip_prefix("$$Lambda") {
            into.push_str("$$Lambda");
            at = text.len() - tail.trim_start_matches(|letter: char| letter == '$' || letter == '/' || letter.is_ascii_alphanumeric()).len();
            continue;
        }
        if let Some(tail) = rest.strip_prefix("CGLIB$$") {
            into.push_str("CGLIB$$");
            at = text.len() - tail.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()).len();
            continue;
        }
        let generated = ["$Proxy", "Accessor"].into_iter().find(|name| rest.starts_with(name));
        if let Some(name) = generated {
            into.push_str(name);
            at = text.len() - rest[name.len()..].trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            continue;
        }
        if bytes[at] == b'$' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            // Anonymous classes and lambdas: `Orders$3`, `lambda$place$12`.
            into.push('$');
            at = text.len() - rest[1..].trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            continue;
        }
        let letter = rest.chars().next().unwrap_or('\u{FFFD}');
        into.push(letter);
        at += letter.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, lines: &[&str], expected: &str) {
        let lines: Vec<_> = lines.iter().map(|line| (part_of(line.as_bytes()), *line)).collect();
        assert_eq!(compose(header, &lines), expected);
    }

    #[test]
    fn a_java_trace_is_its_exceptions_and_top_frames() {
        check(
            "order <num> failed",
            &[
                "java.lang.IllegalStateException: no stock",
                "\tat shop.Orders.lambda$place$3(Orders.java:42)",
                "\tat shop.$Proxy123.place(Unknown Source)",
                "\tat shop.Api$$Lambda$45/0x00000008000c1040.run(Unknown Source)",
                "\tat java.base/java.lang.Thread.run(Thread.java:833)",
                "Caused by: java.net.ConnectException: Connection refused",
                "\tat java.base@17.0.2/sun.nio.ch.Net.pollConnect(Native Method)",
                "\tat shop.Pool$$EnhancerBySpringCGLIB$$ab12cd.open(<generated>)",
                "\t... 12 more",
            ],
            "order <num> failed\njava.lang.IllegalStateException: no stock\nat shop.Orders.lambda$place$\nat shop.$Proxy.place\nat shop.Api$$Lambda.run\n\
             Caused by: java.net.ConnectException: Connection refused\nat sun.nio.ch.Net.pollConnect\nat shop.Pool$$EnhancerBySpringCGLIB$$.open",
        );
    }

    #[test]
    fn line_numbers_and_depth_do_not_matter() {
        let of = |lines: &[&str]| compose("x", &lines.iter().map(|line| (part_of(line.as_bytes()), *line)).collect::<Vec<_>>());
        assert_eq!(
            of(&["\tat a.B.c(B.java:1)", "\tat a.B.d(B.java:2)", "\tat a.B.e(B.java:3)", "\tat a.B.f(B.java:4)"]),
            of(&["\tat a.B.c(B.java:9)", "\tat a.B.d(B.java:8)", "\tat a.B.e(B.java:7)"])
        );
    }

    #[test]
    fn python_go_and_javascript_frames_are_functions() {
        check("Traceback (most recent call last):", &["  File \"/srv/app/db.py\", line 7, in connect", "socket.timeout: timed out"], "Traceback (most recent call last):\nin connect of db.py\nsocket.timeout: timed out");
        check("panic: boom", &["main.run(0xc000010000, 0x1)", "\t/src/app/main.go:42 +0x1b"], "panic: boom\nmain.run\nmain.go");
        check("Error: boom", &["    at connect (/srv/app/db.js:7:12)"], "Error: boom\nat connect");
    }

    #[test]
    fn a_composed_template_is_bounded() {
        let lines: Vec<String> = (0..1000).map(|i| format!("note {}", "x".repeat(i))).collect();
        let parts: Vec<_> = lines.iter().map(|line| (Part::Other, line.as_str())).collect();
        assert_eq!(compose("head", &parts).lines().count(), 1 + PARTS_MAX);
        let wide = "y".repeat(3000);
        assert!(compose("head", &[(Part::Other, &wide), (Part::Cause, &wide[1..])]).len() <= BYTES_MAX + 8);
    }
}

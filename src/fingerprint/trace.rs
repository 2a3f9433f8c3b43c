//! The template of a record of several lines: what went wrong, where, and because of what.
//!
//! ```text
//! order 77 failed                                          order <num> failed
//! java.lang.IllegalStateException: no stock for 12      -> java.lang.IllegalStateException: no stock for <num>
//!     at shop.Orders.place(Orders.java:42)              -> at shop.Orders.place
//!     at shop.$Proxy123.place(Unknown Source)           -> at shop.$
//! Caused by: java.net.ConnectException: refused         -> Caused by: java.net.ConnectException: refused
//! ```
//!
//! Line numbers, addresses and the numbers of generated classes are left out: they change with every build or run.
//! Only the first frames of each link of the cause chain count, so that a deep stack under a varying server loop is one template.

use crate::framing::join::Part;

/// Frames kept of each exception of a trace: where it was thrown, and by whom that was called.
pub const FRAMES_MAX: usize = 3;

/// Most links of the cause chain, and most other lines, that take part.
pub const PARTS_MAX: usize = 8;

/// Longest composed template in bytes.
pub const BYTES_MAX: usize = 4 << 10;

/// Joins the template of a record's first line with what its other lines say. `lines` are the lines behind the header: what
/// each is, and its template.
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
            Part::Skip => continue,
            Part::Exception | Part::Cause | Part::Text => {
                if line.is_empty() || parts >= PARTS_MAX {
                    continue;
                }
                parts += 1;
                if part != Part::Text {
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

/// A frame without line numbers, addresses, modules and file positions: the function.
fn push_frame(line: &str, into: &mut String) {
    if line.starts_with("File \"") {
        // Python: the function stands at the end.
        if let Some((_, function)) = line.rsplit_once(" in ") {
            into.push_str("in ");
            push_without_numbers(function, into);
        }
        return;
    }
    // gdb and PHP: `#<num> <hex> in f ()`, `#<num> f()`.
    let line = without_values(line.trim_start_matches('#'), |letter| letter.is_ascii_digit() || letter == ' ');
    let line = line.trim_start_matches(['.', ' ']);
    // JavaScript's `at f (/app/x.js:1:2)` and Java's `at a.B.c(B.java:1)`: the function is what stands before the bracket.
    let name = line.split('(').next().unwrap_or(line).trim_end();
    let Some(name) = name.strip_prefix("at ") else { return push_without_numbers(name, into) };
    into.push_str("at ");
    // `at app//x.Y.z`, `at java.base/java.lang...`: the module changes with the runtime.
    match name.rsplit_once('/') {
        Some((module, method)) if !module.contains("$$Lambda") && !method.is_empty() => push_without_numbers(method, into),
        _ => push_without_numbers(name, into),
    }
}

/// Leaves out the numbers of generated names, masked or not: `$Proxy123`, `$$Lambda$45/0x7f`, `$$EnhancerBySpringCGLIB$$ab12`,
/// `lambda$foo$3`, `GeneratedMethodAccessor81`.
fn push_without_numbers(text: &str, into: &mut String) {
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let known = ["$$Lambda", "CGLIB$$", "Accessor", "$Proxy", "$"].into_iter().find(|name| rest.starts_with(name));
        let Some(name) = known else {
            into.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        rest = &rest[name.len()..];
        match name {
            "$$Lambda" => rest = without_values(rest, |letter| matches!(letter, '$' | '/') || letter.is_ascii_alphanumeric()),
            "CGLIB$$" => rest = without_values(rest, |letter| letter.is_ascii_hexdigit()),
            _ => rest = without_values(rest, |letter| letter.is_ascii_digit()),
        }
        // A proxy's number may have been masked together with its name.
        into.push_str(if name == "$Proxy" { "$" } else { name });
    }
}

/// The text behind digits and placeholders.
fn without_values(text: &str, is_value: impl Fn(char) -> bool) -> &str {
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches(&is_value);
        let next = super::normalise::spelled(next.as_bytes()).map_or(next, |(_, len)| &next[len..]);
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;
    use crate::record::Span;
    use crate::{fingerprint::template, scan};

    fn masked(line: &str) -> String {
        let mut words = Vec::new();
        scan::find_words(line.as_bytes(), &mut words);
        template::build(line.as_bytes(), &words, &Envelope { message: Span::new(0, line.len()), ..Envelope::default() }).text
    }

    fn composed(header: &str, lines: &[(Part, &str)]) -> String {
        let lines: Vec<_> = lines.iter().map(|&(part, line)| (part, masked(line))).collect();
        let lines: Vec<_> = lines.iter().map(|(part, line)| (*part, line.as_str())).collect();
        compose(&masked(header), &lines)
    }

    #[test]
    fn a_java_trace_is_its_exceptions_and_top_frames() {
        use Part::{Cause, Exception, Frame, Skip};
        let of = |n: u32| {
            composed(
                &format!("order {n} failed"),
                &[
                    (Exception, "java.lang.IllegalStateException: no stock for 12"),
                    (Frame, &format!("\tat shop.Orders.lambda$place${n}(Orders.java:{n})")),
                    (Frame, &format!("\tat shop.$Proxy{n}.place(Unknown Source)")),
                    (Frame, &format!("\tat shop.Api$$Lambda${n}/0x00000008000c1040.run(Unknown Source)")),
                    (Frame, "\tat java.base/java.lang.Thread.run(Thread.java:833)"),
                    (Cause, "Caused by: java.net.ConnectException: Connection refused"),
                    (Frame, "\tat sun.nio.ch.Net.pollConnect(Native Method)"),
                    (Frame, &format!("\tat shop.Pool$$EnhancerBySpringCGLIB$$ab{n}cd.open(<generated>)")),
                    (Skip, "\t... 12 more"),
                ],
            )
        };
        assert_eq!(
            of(7),
            "order <num> failed\njava.lang.IllegalStateException: no stock for <num>\nat shop.Orders.lambda$place$\nat shop.$\nat shop.Api$$Lambda\n\
             Caused by: java.net.ConnectException: Connection refused\nat sun.nio.ch.Net.pollConnect\nat shop.Pool$$EnhancerBySpringCGLIB$$"
        );
        assert_eq!(of(7), of(123));
        assert_eq!(of(7), of(9));
    }

    #[test]
    fn line_numbers_and_depth_do_not_matter() {
        let of = |lines: &[&str]| composed("x", &lines.iter().map(|line| (Part::Frame, *line)).collect::<Vec<_>>());
        assert_eq!(
            of(&["\tat a.B.c(B.java:1)", "\tat a.B.d(B.java:2)", "\tat a.B.e(B.java:3)", "\tat a.B.f(B.java:4)"]),
            of(&["\tat a.B.c(B.java:9)", "\tat a.B.d(B.java:8)", "\tat a.B.e(B.java:7)"])
        );
    }

    #[test]
    fn python_go_and_javascript_frames_are_functions() {
        let frame = |line| composed("x", &[(Part::Frame, line)]);
        assert_eq!(frame("  File \"/srv/app/db.py\", line 7, in connect"), "x\nin connect");
        assert_eq!(frame("main.run(0xc000010000, 0x1)"), "x\nmain.run");
        assert_eq!(frame("    at connect (/srv/app/db.js:7:12)"), "x\nat connect");
    }

    #[test]
    fn a_composed_template_is_bounded() {
        let lines: Vec<String> = (0..1000).map(|i| format!("note {}", "x".repeat(i))).collect();
        let parts: Vec<_> = lines.iter().map(|line| (Part::Text, line.as_str())).collect();
        assert_eq!(compose("head", &parts).lines().count(), 1 + PARTS_MAX);
        let wide = "y".repeat(3000);
        assert!(compose("head", &[(Part::Text, &wide), (Part::Cause, &wide[1..])]).len() <= BYTES_MAX + 8);
    }
}

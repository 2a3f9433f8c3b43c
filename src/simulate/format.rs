//! How a record looks: the formats that loggers and runtimes write, and the prefixes that `kubectl` and `docker compose` add.

use std::fmt::Write as _;

use super::wording::{SimLine, Writer};
use crate::record::Severity;
use crate::time::SECOND;

/// The look of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Logback's usual pattern; servers and kubelets in their own.
    Logback,
    /// One JSON object a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Logback in the container runtime's wrapping.
    Cri,
    /// RFC 5424.
    Syslog,
    /// Python's `logging`.
    Python,
    /// The message, nothing else.
    Bare,
}

/// What stands before a line when several instances share a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Nothing: a lone pipe names no instance.
    None,
    /// `[pod/NAME/CONTAINER] `, as `kubectl logs --prefix` does.
    Kubectl,
    /// `NAME  | `, as `docker compose logs` does.
    Compose,
}

/// Appends `line` to `out`, each of its lines with a newline; `instance` is the name of who wrote it.
pub fn render(line: &SimLine, instance: &str, format: Format, prefix: Prefix, out: &mut String) {
    let mut body = String::new();
    match format {
        Format::Logback | Format::Cri => native(line, &mut body, logback),
        Format::Python => native(line, &mut body, python),
        Format::Bare => body.push_str(line.bare.as_deref().unwrap_or(&line.message)),
        Format::Json => json(line, instance, &mut body),
        Format::Logfmt => logfmt(line, instance, &mut body),
        Format::Syslog => syslog(line, instance, &mut body),
    }
    if format != Format::Json {
        for frame in &line.trace {
            body.push('\n');
            if format == Format::Logfmt || format == Format::Syslog {
                body.push_str("    ");
            }
            body.push_str(frame);
        }
    }
    for text in body.split('\n') {
        match prefix {
            Prefix::None => {}
            Prefix::Kubectl => put(out, format_args!("[pod/{instance}/{}] ", container(line))),
            Prefix::Compose => put(out, format_args!("{instance}  | ")),
        }
        if format == Format::Cri {
            let stream = if line.severity >= Severity::Error { "stderr" } else { "stdout" };
            let time = Civil::of(line.at);
            put(out, format_args!("{}.{:09}Z {stream} F ", time.date_and_time('T'), time.nanos));
        }
        out.push_str(text);
        out.push('\n');
    }
}

/// `2026-03-02T09:00:00.000Z`.
pub fn rfc3339_millis(at: i64) -> String {
    let time = Civil::of(at);
    format!("{}.{:03}Z", time.date_and_time('T'), time.nanos / 1_000_000)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

const fn container(line: &SimLine) -> &'static str {
    match line.writer {
        Writer::Service => "order-service",
        Writer::Broker => "activemq",
        Writer::Postgres => "postgres",
        Writer::Kubelet => "kubelet",
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown | Severity::Info => "INFO",
        Severity::Trace => "TRACE",
        Severity::Debug => "DEBUG",
        Severity::Warn => "WARN",
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    }
}

fn native(line: &SimLine, out: &mut String, of_services: fn(&SimLine, &mut String)) {
    let time = Civil::of(line.at);
    match line.writer {
        Writer::Service | Writer::Broker => of_services(line, out),
        Writer::Postgres => {
            let word = if line.severity == Severity::Fatal { "FATAL" } else { "LOG" };
            let pid = 400 + line.at / 1_000_000 % 60_000; // every connection has a process of its own
            put(out, format_args!("{}.{:03} UTC [{pid}] {word}:  {}", time.date_and_time(' '), time.nanos / 1_000_000, line.message));
        }
        Writer::Kubelet => {
            let Civil { month, day, hour, minute, second, nanos, .. } = time;
            let (thread, file, message) = (&line.thread, line.logger, &line.message);
            put(out, format_args!("E{month:02}{day:02} {hour:02}:{minute:02}:{second:02}.{:06} {thread:>7} {file}] {message}", nanos / 1_000));
        }
    }
}

fn logback(line: &SimLine, out: &mut String) {
    let time = Civil::of(line.at);
    let (level, thread, message) = (level(line.severity), &line.thread, &line.message);
    put(
        out,
        format_args!("{}.{:03} {level:<5} [{thread}] {} - {message}", time.date_and_time(' '), time.nanos / 1_000_000, abbreviated(line.logger)),
    );
}

fn python(line: &SimLine, out: &mut String) {
    let time = Civil::of(line.at);
    let level = match line.severity {
        Severity::Warn => "WARNING",
        Severity::Fatal => "CRITICAL",
        other => level(other),
    };
    let name = line.logger.trim_start_matches("com.example.").to_ascii_lowercase();
    put(out, format_args!("{},{:03} {level} {name} {}: {}", time.date_and_time(' '), time.nanos / 1_000_000, line.thread, line.message));
}

fn json(line: &SimLine, instance: &str, out: &mut String) {
    put(
        out,
        format_args!(
            "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"service\":\"{}\",\"pod\":",
            rfc3339_millis(line.at),
            level(line.severity),
            container(line)
        ),
    );
    quote(instance, out);
    out.push_str(",\"thread\":");
    quote(&line.thread, out);
    out.push_str(",\"logger\":");
    quote(line.logger, out);
    out.push_str(",\"message\":");
    quote(&line.message, out);
    if !line.trace.is_empty() {
        out.push_str(",\"stack_trace\":");
        quote(&line.trace.join("\n"), out);
    }
    out.push('}');
}

fn logfmt(line: &SimLine, instance: &str, out: &mut String) {
    let level = level(line.severity).to_ascii_lowercase();
    put(out, format_args!("time={} level={level} pod={instance} thread={} logger={} msg=", rfc3339_millis(line.at), line.thread, line.logger));
    quote(&line.message, out);
}

fn syslog(line: &SimLine, instance: &str, out: &mut String) {
    const LOCAL0: u8 = 16;
    let severity = match line.severity {
        Severity::Fatal => 2,
        Severity::Error => 3,
        Severity::Warn => 4,
        Severity::Debug | Severity::Trace => 7,
        Severity::Info | Severity::Unknown => 6,
    };
    put(out, format_args!("<{}>1 {} {instance} {} 1 - - {}", LOCAL0 * 8 + severity, rfc3339_millis(line.at), container(line), line.message));
}

/// A JSON string; logfmt quotes the same way.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => put(out, format_args!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `com.example.orders.OrderPublisher` as Logback prints it where room is short: `c.e.orders.OrderPublisher`.
fn abbreviated(logger: &str) -> String {
    let parts: Vec<&str> = logger.split('.').collect();
    let long = parts.len().saturating_sub(2);
    let short = parts.iter().enumerate().map(|(i, part)| if i < long { &part[..1] } else { part });
    short.collect::<Vec<_>>().join(".")
}

/// A point in time as people read it, in UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
}

impl Civil {
    /// Days to a date by Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms").
    const fn of(at: i64) -> Self {
        let seconds = at.div_euclid(SECOND);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468; // from 0000-03-01
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_based = (5 * day_of_year + 2) / 153;
        let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
        Self {
            year: year_of_era + era * 400 + (month <= 2) as i64,
            month,
            day: day_of_year - (153 * march_based + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanos: at.rem_euclid(SECOND),
        }
    }

    fn date_and_time(&self, between: char) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scenario::START_DEFAULT;
    use crate::simulate::wording::LineKind;

    fn check(format: Format, prefix: Prefix, expected: &str) {
        let line = SimLine {
            at: START_DEFAULT.0 + 30_123_456_789,
            instance: 0,
            writer: Writer::Service,
            severity: Severity::Error,
            thread: "publisher-1".to_owned(),
            logger: "com.example.orders.net.Link",
            message: "no \"broker\"".to_owned(),
            bare: Some("no".to_owned()),
            trace: vec!["\tat x".to_owned()],
            kind: LineKind::Retry,
        };
        let mut out = String::new();
        render(&line, "pod-1", format, prefix, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn every_format_looks_like_itself() {
        check(Format::Logback, Prefix::None, "2026-03-02 09:00:30.123 ERROR [publisher-1] c.e.o.net.Link - no \"broker\"\n\tat x\n");
        check(Format::Python, Prefix::None, "2026-03-02 09:00:30,123 ERROR orders.net.link publisher-1: no \"broker\"\n\tat x\n");
        check(Format::Bare, Prefix::None, "no\n\tat x\n");
        check(
            Format::Json,
            Prefix::None,
            "{\"timestamp\":\"2026-03-02T09:00:30.123Z\",\"level\":\"ERROR\",\"service\":\"order-service\",\"pod\":\"pod-1\",\
             \"thread\":\"publisher-1\",\"logger\":\"com.example.orders.net.Link\",\"message\":\"no \\\"broker\\\"\",\"stack_trace\":\"\\tat x\"}\n",
        );
        check(
            Format::Logfmt,
            Prefix::None,
            "time=2026-03-02T09:00:30.123Z level=error pod=pod-1 thread=publisher-1 logger=com.example.orders.net.Link msg=\"no \\\"broker\\\"\"\n    \tat x\n",
        );
        check(Format::Syslog, Prefix::None, "<131>1 2026-03-02T09:00:30.123Z pod-1 order-service 1 - - no \"broker\"\n    \tat x\n");
        check(
            Format::Cri,
            Prefix::None,
            "2026-03-02T09:00:30.123456789Z stderr F 2026-03-02 09:00:30.123 ERROR [publisher-1] c.e.o.net.Link - no \"broker\"\n\
             2026-03-02T09:00:30.123456789Z stderr F \tat x\n",
        );
    }

    #[test]
    fn prefixes_stand_before_every_line() {
        check(Format::Bare, Prefix::Kubectl, "[pod/pod-1/order-service] no\n[pod/pod-1/order-service] \tat x\n");
        check(Format::Bare, Prefix::Compose, "pod-1  | no\npod-1  | \tat x\n");
    }

    #[test]
    fn dates_are_right_at_their_edges() {
        let at = |seconds: i64| Civil::of(seconds * SECOND).date_and_time(' ');
        assert_eq!(at(0), "1970-01-01 00:00:00");
        assert_eq!(at(-1), "1969-12-31 23:59:59");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(at(1_772_442_000), "2026-03-02 09:00:00");
    }
}

//! What the keys of structured lines mean, JSON and logfmt alike: the conventions of the common loggers.

use super::cursor::Peeler;
use super::level::{letter, of_syslog};
use super::{Extra, ExtraPart};
use crate::record::{Severity, Span};

/// Most extras of one line; further fields do not take part in the template.
pub(super) const MOST_EXTRAS: usize = 32;
/// Longest value that is a code rather than a text, in bytes.
const LONGEST_CODE: usize = 64;

/// Inside which object a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The line's own fields.
    Top,
    /// `log`, `instant`, `fields`, `host`, `process`, `kubernetes`, `jsonPayload`: their fields count.
    Named(Nest),
    /// `err`, `error`, `exception`: key of the object.
    Error(Span),
}

/// An object whose fields are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nest {
    Log,
    Time,
    Fields,
    Host,
    Process,
    Kubernetes,
}

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// Inside of the quotes, and whether a backslash is in it.
    Text(Span, bool),
    /// Number or bare word.
    Bare(Span),
    Array(Span),
    Object(Span),
}

impl Value {
    pub fn span(self) -> Span {
        match self {
            Self::Text(span, _) | Self::Bare(span) | Self::Array(span) | Self::Object(span) => span,
        }
    }
}

/// What a key says its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Time,
    Level,
    /// The lower the rank, the surer.
    Message(u8),
    Logger,
    Thread,
    Pid,
    Host,
    Instance,
    Text,
    Code,
    /// Changes from line to line or repeats the envelope: no part of the template.
    Skip,
    Key,
}

/// What was read from the fields so far; nothing reaches the envelope before the whole line has been understood.
#[derive(Default)]
pub(super) struct Fields {
    pub time: Option<(usize, usize, u8)>,
    pub severity: Severity,
    level_span: Option<Span>,
    pub message: Option<(Value, u8)>,
    logger: Option<Span>,
    thread: Option<Span>,
    pid: Option<Span>,
    host: Option<Span>,
    instance: Option<Span>,
    pub extras: Vec<Extra>,
    /// The first error text and its place in `extras`: the message of lines that have none.
    fallback: Option<(Value, usize)>,
    /// Keys that name the format.
    pub stream: bool,
    pub journald: bool,
    pub docker_log: bool,
    serilog: bool,
    pub count: u32,
}

impl Fields {
    /// Takes one field. True when `value` is an object whose fields should be given, too (with the place returned).
    pub fn take(&mut self, p: &Peeler<'_>, place: Place, key: Span, value: Value) -> Option<Place> {
        let name = key.of(p.line);
        self.count += 1;
        if let Value::Object(_) = value {
            return self.object(place, name, key);
        }
        let span = value.span();
        match role(place, name) {
            Role::Time => {
                if self.time.is_none() {
                    let from = span.start as usize;
                    self.time = p.stamp_at(from, true).map(|(to, format)| (from, to.min(span.end as usize), format));
                }
            }
            Role::Level => self.level(p, name, span),
            Role::Message(rank) => {
                if name == b"log" {
                    self.docker_log = true;
                }
                if name == b"MESSAGE" {
                    self.journald = true;
                }
                if name == b"@mt" {
                    self.serilog = true;
                }
                let array = matches!(value, Value::Array(_));
                if (!array || name == b"MESSAGE") && self.message.is_none_or(|(_, had)| rank < had) {
                    self.message = Some((value, rank));
                }
            }
            Role::Logger => keep(&mut self.logger, value),
            Role::Thread => keep(&mut self.thread, value),
            Role::Pid => keep(&mut self.pid, value),
            Role::Host => keep(&mut self.host, value),
            Role::Instance => keep(&mut self.instance, value),
            Role::Text => {
                let part = if matches!(value, Value::Text(..)) { ExtraPart::Text(span) } else { ExtraPart::Key };
                if self.fallback.is_none() && matches!(part, ExtraPart::Text(_)) {
                    self.fallback = Some((value, self.extras.len()));
                }
                self.extra(place, key, part);
            }
            Role::Code => {
                let code = span.len() <= LONGEST_CODE
                    && !span.is_empty()
                    && !matches!(value, Value::Array(_))
                    && !matches!(span.of(p.line), b"true" | b"false" | b"null");
                self.extra(place, key, if code { ExtraPart::Code(span) } else { ExtraPart::Key });
            }
            Role::Skip => self.stream |= name == b"stream",
            Role::Key => self.extra(place, key, ExtraPart::Key),
        }
        None
    }

    fn object(&mut self, place: Place, name: &[u8], key: Span) -> Option<Place> {
        if place != Place::Top && !matches!(place, Place::Named(Nest::Fields)) {
            return (place == Place::Named(Nest::Process) && name == b"thread").then_some(place);
        }
        Some(match name {
            b"log" => Place::Named(Nest::Log),
            b"instant" | b"t" | b"timestamp" | b"time" => Place::Named(Nest::Time),
            b"fields" | b"jsonPayload" | b"payload" | b"data" | b"record" | b"body" | b"Body" => Place::Named(Nest::Fields),
            b"host" => Place::Named(Nest::Host),
            b"process" => Place::Named(Nest::Process),
            b"kubernetes" => Place::Named(Nest::Kubernetes),
            b"err" | b"error" | b"exception" | b"thrown" | b"exc_info" | b"cause" => Place::Error(key),
            _ => {
                self.extra(place, key, ExtraPart::Key);
                return None;
            }
        })
    }

    fn extra(&mut self, place: Place, key: Span, part: ExtraPart) {
        if self.extras.len() >= MOST_EXTRAS {
            return;
        }
        // Fields of an error object go under the object's key, but for codes, whose own key says more.
        let key = match (place, &part) {
            (Place::Error(outer), ExtraPart::Text(_)) => outer,
            _ => key,
        };
        self.extras.push(Extra { key, part });
    }

    fn level(&mut self, p: &Peeler<'_>, name: &[u8], span: Span) {
        let text = span.of(p.line).trim_ascii();
        let severity = if text.first().is_some_and(u8::is_ascii_digit) {
            self.level_span = Some(span);
            let Some(number) = small_number(text) else { return };
            match (name, number) {
                (b"severityNumber" | b"SeverityNumber" | b"severity_number", 1..=24) => of_otel(number),
                (b"PRIORITY", 0..=7) => of_syslog(number),
                (_, 0..=7) => of_syslog(number),
                (_, 10..=70) => of_pino(number),
                _ => return,
            }
        } else {
            match Severity::from_word(text).or_else(|| letter(text)) {
                Some(severity) => severity,
                None => return,
            }
        };
        // A word wins over a number.
        if self.severity == Severity::Unknown || !text[0].is_ascii_digit() {
            self.severity = severity;
        }
    }

    /// The message, or else the first error text, which then is no extra.
    pub fn message_or_error(&mut self) -> Option<Value> {
        if self.message.is_none() && (self.severity != Severity::Unknown || self.time.is_some()) {
            let (value, index) = self.fallback?;
            if index < self.extras.len() {
                self.extras.remove(index);
            }
            return Some(value);
        }
        self.message.map(|(value, _)| value)
    }

    /// Writes what was read into the envelope; the message is the caller's.
    pub fn commit(self, p: &mut Peeler<'_>) {
        if let Some((from, to, format)) = self.time {
            p.set_time(from, to, format);
        }
        p.set_severity(self.severity);
        if self.serilog && self.severity == Severity::Unknown {
            // Serilog's compact format leaves `@l` out for Information.
            p.set_severity(Severity::Info);
        }
        if let Some(span) = self.level_span {
            p.env.discriminators.push(span);
        }
        p.env.logger = self.logger.or(p.env.logger);
        p.env.thread = self.thread.or(p.env.thread);
        p.env.pid = self.pid.or(p.env.pid);
        p.env.host = self.host.or(p.env.host);
        p.env.instance = p.env.instance.or(self.instance);
        for extra in &self.extras {
            // Codes are literal in the template.
            if let ExtraPart::Code(span) = extra.part {
                p.discriminate(span.start as usize, span.end as usize);
            }
        }
        p.env.extras = self.extras;
    }
}

fn keep(slot: &mut Option<Span>, value: Value) {
    let span = value.span();
    if slot.is_none() && !span.is_empty() && !matches!(value, Value::Array(_) | Value::Object(_)) {
        *slot = Some(span);
    }
}

fn small_number(text: &[u8]) -> Option<u8> {
    if text.len() > 3 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0u8, |n, b| n.checked_mul(10)?.checked_add(b - b'0'))
}

/// pino, bunyan and Python: tens, upwards.
fn of_pino(number: u8) -> Severity {
    match number {
        0..=19 => Severity::Trace,
        20..=29 => Severity::Debug,
        30..=39 => Severity::Info,
        40..=49 => Severity::Warn,
        50..=59 => Severity::Error,
        _ => Severity::Fatal,
    }
}

fn of_otel(number: u8) -> Severity {
    match number {
        0..=4 => Severity::Trace,
        5..=8 => Severity::Debug,
        9..=12 => Severity::Info,
        13..=16 => Severity::Warn,
        17..=20 => Severity::Error,
        _ => Severity::Fatal,
    }
}

fn role(place: Place, key: &[u8]) -> Role {
    match place {
        Place::Error(_) => match key {
            b"message" | b"msg" | b"reason" | b"localizedMessage" | b"stack" | b"stackTrace" | b"stack_trace" | b"extendedStackTrace" => {
                if key.starts_with(b"stack") || key.starts_with(b"ext") { Role::Skip } else { Role::Text }
            }
            b"code" | b"type" | b"class" | b"name" | b"errno" | b"status" | b"statusCode" | b"kind" => Role::Code,
            _ => Role::Skip,
        },
        Place::Named(Nest::Log) => match key {
            b"level" => Role::Level,
            b"logger" => Role::Logger,
            _ => Role::Skip,
        },
        Place::Named(Nest::Time) => match key {
            b"epochSecond" | b"$date" => Role::Time,
            _ => Role::Skip,
        },
        Place::Named(Nest::Host) => match key {
            b"name" | b"hostname" => Role::Host,
            _ => Role::Skip,
        },
        Place::Named(Nest::Process) => match key {
            b"pid" => Role::Pid,
            b"name" => Role::Thread,
            _ => Role::Skip,
        },
        Place::Named(Nest::Kubernetes) => match key {
            b"pod_name" => Role::Instance,
            b"host" => Role::Host,
            _ => Role::Skip,
        },
        Place::Top | Place::Named(Nest::Fields) => top(key),
    }
}

fn top(key: &[u8]) -> Role {
    match key {
        b"time"
        | b"timestamp"
        | b"ts"
        | b"@timestamp"
        | b"t"
        | b"@t"
        | b"datetime"
        | b"date"
        | b"asctime"
        | b"Timestamp"
        | b"eventTime"
        | b"event_time"
        | b"logTime"
        | b"written_at"
        | b"timeMillis"
        | b"__REALTIME_TIMESTAMP"
        | b"_SOURCE_REALTIME_TIMESTAMP"
        | b"T"
        | b"Time" => {
            if key.starts_with(b"_S") {
                Role::Skip
            } else {
                Role::Time
            }
        }
        b"level" | b"severity" | b"lvl" | b"@l" | b"levelname" | b"log.level" | b"loglevel" | b"log_level" | b"logLevel" | b"SeverityText"
        | b"severity_text" | b"severityText" | b"severityNumber" | b"SeverityNumber" | b"severity_number" | b"PRIORITY" | b"s" | b"Level"
        | b"LogLevel" | b"L" | b"level_name" | b"Severity" => Role::Level,
        b"msg" | b"message" | b"@m" | b"MESSAGE" | b"Message" | b"Msg" | b"M" | b"short_message" | b"RenderedMessage" => Role::Message(1),
        b"@mt" | b"MessageTemplate" | b"textPayload" | b"Body" | b"body" => Role::Message(2),
        b"event" | b"text" => Role::Message(3),
        b"log" => Role::Message(4),
        b"logger" | b"logger_name" | b"name" | b"loggerName" | b"log.logger" | b"SourceContext" | b"category" | b"Category" | b"component" | b"c"
        | b"target" | b"channel" | b"SYSLOG_IDENTIFIER" | b"logName" | b"N" => Role::Logger,
        b"thread"
        | b"thread_name"
        | b"threadName"
        | b"process.thread.name"
        | b"goroutine"
        | b"tid"
        | b"thread_id"
        | b"threadId"
        | b"ctx"
        | b"ThreadId" => Role::Thread,
        b"pid" | b"_PID" | b"process" | b"process.pid" | b"processId" | b"ProcessId" | b"process_id" => Role::Pid,
        b"hostname" | b"_HOSTNAME" | b"host.name" | b"HOSTNAME" | b"MachineName" => Role::Host,
        b"pod"
        | b"pod_name"
        | b"podName"
        | b"k8s.pod.name"
        | b"kubernetes.pod_name"
        | b"kubernetes.pod.name"
        | b"service.instance.id"
        | b"container_name"
        | b"CONTAINER_NAME" => Role::Instance,
        b"error"
        | b"err"
        | b"exception"
        | b"cause"
        | b"error.message"
        | b"exception.message"
        | b"errmsg"
        | b"errorMessage"
        | b"error_message"
        | b"exc_info"
        | b"@x"
        | b"stack"
        | b"stack_trace"
        | b"stacktrace"
        | b"error.stack_trace"
        | b"exception.stacktrace"
        | b"Exception"
        | b"reason" => Role::Text,
        b"status"
        | b"statusCode"
        | b"status_code"
        | b"code"
        | b"errno"
        | b"error_code"
        | b"errorCode"
        | b"error.code"
        | b"err.code"
        | b"sqlstate"
        | b"sqlState"
        | b"SQLSTATE"
        | b"sql_state"
        | b"exit_code"
        | b"exitCode"
        | b"exitcode"
        | b"grpc.code"
        | b"grpc_code"
        | b"grpcCode"
        | b"grpc.status"
        | b"http_status"
        | b"http.status_code"
        | b"http.response.status_code"
        | b"httpStatus"
        | b"exception.class"
        | b"exception_class"
        | b"exceptionClass"
        | b"exception.type"
        | b"error.type"
        | b"error_type"
        | b"errorType"
        | b"error.kind"
        | b"state_code"
        | b"signal" => Role::Code,
        b"caller"
        | b"source"
        | b"file"
        | b"line"
        | b"lineno"
        | b"func"
        | b"funcName"
        | b"function"
        | b"pathname"
        | b"filename"
        | b"trace_id"
        | b"traceId"
        | b"span_id"
        | b"spanId"
        | b"trace.id"
        | b"span.id"
        | b"transaction.id"
        | b"request_id"
        | b"requestId"
        | b"req_id"
        | b"reqId"
        | b"correlation_id"
        | b"correlationId"
        | b"@tr"
        | b"@sp"
        | b"@i"
        | b"v"
        | b"@version"
        | b"ecs.version"
        | b"version"
        | b"seq"
        | b"id"
        | b"dd.trace_id"
        | b"dd.span_id"
        | b"stream"
        | b"contextMap"
        | b"endOfBatch"
        | b"threadPriority"
        | b"loggerFqcn"
        | b"levelno"
        | b"level_value"
        | b"host"
        | b"insertId"
        | b"extra"
        | b"context"
        | b"EventId"
        | b"attrs"
        | b"logging.googleapis.com/trace"
        | b"logging.googleapis.com/spanId"
        | b"TraceId"
        | b"SpanId" => Role::Skip,
        // The rest of a journal entry is about the process.
        _ if key.first() == Some(&b'_') || key.starts_with(b"SYSLOG_") || key.starts_with(b"CODE_") => Role::Skip,
        _ => Role::Key,
    }
}

//! Inputs to measure speed with: many loggers' formats, a few hot retry messages, three hundred ordinary ones, random words.
//!
//! Not a story and not a storm with a truth; only bytes that cost a log agent what real ones cost. The same kind, size and
//! seed give the same bytes, so that figures of two builds can be compared.

use std::fmt::Write as _;

use super::random::Random;

/// Which input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 95 % retry lines of twelve messages, 5 % ordinary ones.
    Storm,
    /// Half and half.
    Mixed,
    /// Ordinary lines only.
    Ordinary,
    /// Random words: no line like another.
    Unique,
    /// [`Kind::Storm`] as JSON objects.
    Json,
    /// [`Kind::Storm`] in a container runtime's wrapping.
    Cri,
}

impl Kind {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [Self; 6] = [Self::Storm, Self::Mixed, Self::Ordinary, Self::Unique, Self::Json, Self::Cri];

    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storm => "storm",
            Self::Mixed => "mixed",
            Self::Ordinary => "ordinary",
            Self::Unique => "unique",
            Self::Json => "json",
            Self::Cri => "cri",
        }
    }
}

/// Whole lines of `kind`, `bytes` long or up to a line longer, always the same ones for one `seed`.
#[must_use]
pub fn generate(kind: Kind, bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut micros = 8 * 3_600 * 1_000_000; // 08:00, in microseconds of the day
    let mut out = String::with_capacity(bytes + 1_024);
    while out.len() < bytes {
        micros += 200 + random.below(1_200); // 1,250 lines a second
        let line = match kind {
            Kind::Unique => unique(&mut random),
            Kind::Ordinary => ordinary(&mut random),
            Kind::Mixed if random.below(100) < 50 => ordinary(&mut random),
            Kind::Storm | Kind::Json | Kind::Cri if random.below(100) < 5 => ordinary(&mut random),
            Kind::Storm | Kind::Mixed | Kind::Json | Kind::Cri => retry(&mut random),
        };
        match kind {
            Kind::Json => json(&line, micros, &mut out),
            Kind::Cri => {
                let stream = if line.level == "INFO" { "stdout" } else { "stderr" };
                put(&mut out, format_args!("2026-03-02T{}{:03}Z {stream} F ", Clock(micros), random.below(1_000)));
                line.look.render(&line, micros, &mut out);
            }
            _ => line.look.render(&line, micros, &mut out),
        }
        out.push('\n');
    }
    out.into_bytes()
}

/// Logger formats in the wild.
#[derive(Clone, Copy)]
enum Look {
    Logback,
    SpringBoot,
    Log4j,
    GoLog,
    Logfmt,
    Python,
    Tracing,
    Klog,
    Celery,
    Nginx,
}

struct Line {
    look: Look,
    level: &'static str,
    thread: String,
    logger: &'static str,
    message: String,
}

impl Look {
    fn render(self, line: &Line, micros: u64, out: &mut String) {
        let Line { level, thread, logger, message, .. } = line;
        let (full, millis) = (Clock(micros), Millis(micros));
        match self {
            Self::Logback => put(out, format_args!("2026-03-02 {millis} {level:<5} [{thread}] {logger} - {message}")),
            Self::SpringBoot => put(out, format_args!("2026-03-02T{millis}Z {level:>5} 1 --- [orders] [{thread:>15}] {logger:<40} : {message}")),
            Self::Log4j => put(out, format_args!("{level:<5} | {millis} | {logger} | {thread} | {message}")),
            Self::GoLog => put(out, format_args!("2026/03/02 {full} {logger}: [{level}] {message}")),
            Self::Logfmt => {
                put(out, format_args!("ts=2026-03-02T{millis}Z level={level} caller={logger} msg="));
                quote(message, out);
            }
            Self::Python => put(out, format_args!("2026-03-02 {} [{level}] {logger} ({thread}): {message}", Comma(micros))),
            Self::Tracing => put(out, format_args!("2026-03-02T{full}Z {level:>5} {thread} {logger}: {message}")),
            Self::Klog => put(out, format_args!("{}0302 {full} {thread:>7} {logger}] {message}", &level[..1])),
            Self::Celery => put(out, format_args!("[2026-03-02 {}: {level}/{thread}] {logger}: {message}", Comma(micros))),
            Self::Nginx => put(out, format_args!("2026/03/02 {} [{}] {thread}#{thread}: {message}", Seconds(micros), level.to_ascii_lowercase())),
        }
    }
}

/// The hot messages: a storm has a few that are everywhere and some that come along.
fn retry(random: &mut Random) -> Line {
    let (attempt, host) = (1 + random.below(60_000), address(random));
    let line = |look, level, thread: String, logger, message: String| Line { look, level, thread, logger, message };
    match random.below(100) {
        0..34 => line(
            Look::Logback,
            "ERROR",
            format!("publisher-{}", 1 + random.below(48)),
            "c.e.o.messaging.BrokerConnection",
            format!(
                "Connection to broker activemq-{}:61616 failed, retrying in 0ms (attempt {attempt}): java.net.ConnectException: Connection refused",
                1 + random.below(3)
            ),
        ),
        34..52 => line(
            Look::SpringBoot,
            "WARN",
            format!("Failover-{}", 1 + random.below(160)),
            "c.e.o.transport.FailoverClient",
            format!(
                "Failed to connect to [tcp://{host}:61616?wireFormat.maxInactivityDuration=30000] after: {attempt} attempt(s), trying again in 10 ms"
            ),
        ),
        52..62 => line(
            Look::Python,
            "WARNING",
            format!("Thread-{}", 1 + random.below(32)),
            "billing.http",
            format!(
                "Retry {attempt} of POST https://pay.example.net/v2/charges/{} in 0.{:02} s: 503 Service Unavailable",
                hex(random, 12),
                random.below(100)
            ),
        ),
        62..69 => line(
            Look::GoLog,
            "WARN",
            String::new(),
            "broker.go:184",
            format!("dial tcp {host}:9092: connect: connection refused; will try again in {}ms (try {attempt})", 100 << random.below(5)),
        ),
        69..75 => line(
            Look::Logfmt,
            "error",
            String::new(),
            "cache.go:77",
            format!("redis: reconnect to {host}:6379 failed: i/o timeout after {}ms, attempt={attempt}", 200 + random.below(800)),
        ),
        75..80 => line(
            Look::Log4j,
            "ERROR",
            format!("pool-{}-thread-{}", 1 + random.below(4), 1 + random.below(64)),
            "com.example.jdbc.Pool",
            format!(
                "OrdersPool - connection not available, request timed out after {}ms (total=10, active=10, idle=0, waiting={})",
                30_000 + random.below(50),
                random.below(200)
            ),
        ),
        80..84 => line(
            Look::Tracing,
            "WARN",
            format!("ThreadId({:02})", random.below(16)),
            "shop::db",
            format!(
                "connect failed, backing off attempt={attempt} delay_ms={} peer={host}:5432 error=\"too many clients already\"",
                random.below(5_000)
            ),
        ),
        84..88 => line(
            Look::Celery,
            "ERROR",
            "MainProcess".to_owned(),
            "consumer",
            format!(
                "no connection to amqp://shop:**@rabbit-{}:5672// [Errno 111] Connection refused. Next try in {}.00 seconds",
                random.below(3),
                2 + 2 * random.below(16)
            ),
        ),
        88..91 => {
            let pod = format!("cart-{}-{}", hex(random, 9), hex(random, 5));
            let message = format!(
                "\"Error syncing pod, skipping\" err=\"CrashLoopBackOff: back-off {}s restarting failed container=cart pod={pod}_shop\" pod=\"shop/{pod}\"",
                10 << random.below(5)
            );
            line(Look::Klog, "ERROR", "1742".to_owned(), "pod_workers.go:1324", message)
        }
        91..95 => line(
            Look::Nginx,
            "ERROR",
            (20 + random.below(8)).to_string(),
            "",
            format!(
                "*{attempt} connect() failed (111: Connection refused) while connecting to upstream, client: {host}, upstream: \"http://{}:8080/orders/{}\"",
                address(random),
                random.below(90_000)
            ),
        ),
        95..98 => line(
            Look::Tracing,
            "WARN",
            format!("ThreadId({:02})", random.below(16)),
            "price::grpc",
            format!("subchannel {{{host}:50051}} entered TRANSIENT_FAILURE, reconnecting in {}.{:03}s", random.below(20), random.below(1_000)),
        ),
        _ => line(
            Look::Logback,
            "WARN",
            format!("kafka-producer-{}", 1 + random.below(12)),
            "c.e.o.stream.Producer",
            format!(
                "[producer {}] node {} at {host}:9092 is not reachable, will reconnect (request {})",
                random.below(12),
                random.below(5),
                hex(random, 8)
            ),
        ),
    }
}

/// Three hundred everyday messages; some come more often than others.
fn ordinary(random: &mut Random) -> Line {
    const THINGS: [&str; 20] = [
        "order",
        "parcel",
        "voucher",
        "customer",
        "basket",
        "refund",
        "delivery note",
        "price list",
        "stock level",
        "mail",
        "coupon",
        "address",
        "label",
        "return",
        "supplier",
        "timer",
        "snapshot",
        "ledger entry",
        "webhook",
        "import",
    ];
    const DEEDS: [&str; 15] = [
        "accepted",
        "stored",
        "printed",
        "checked",
        "moved",
        "published",
        "loaded",
        "closed",
        "signed",
        "indexed",
        "renewed",
        "merged",
        "billed",
        "archived",
        "announced",
    ];
    const LOGGERS: [&str; 5] = ["com.example.shop.OrderDesk", "com.example.shop.Warehouse", "shop.billing", "c.e.shop.mail.Sender", "depot.go:64"];
    const LOOKS: [Look; 7] = [Look::Logback, Look::SpringBoot, Look::Log4j, Look::GoLog, Look::Logfmt, Look::Python, Look::Tracing];
    let message = random.below(300).min(random.below(300)); // the lower ones are the common ones
    let (thing, deed) = (THINGS[(message % 20) as usize], DEEDS[(message / 20) as usize]);
    let shape = Random::new(message).next();
    let rest = match shape % 8 {
        0 => format!("no={} took={}ms", random.below(9_000_000), random.below(700)),
        1 => format!("by user {} at {}", random.below(80_000), address(random)),
        2 => format!("trace_id={} status={} bytes={}", hex(random, 32), random.pick(&["200", "201", "204"]), random.below(70_000)),
        3 => format!("under /shop/{}/{} (version {})", random.below(500), hex(random, 10), random.below(60)),
        4 => format!("{} of {}, {}.{:02} s left", random.below(500), 500, random.below(9), random.below(100)),
        5 => format!("(tenant {}, zone {}-{})", random.pick(&["north", "south", "west"]), random.pick(&["a", "b"]), 1 + random.below(3)),
        6 => format!("offset {} partition {} behind {}", random.below(1 << 36), random.below(32), random.below(900)),
        _ => format!("for session {}", uuid(random)),
    };
    Line {
        look: LOOKS[(shape >> 8) as usize % LOOKS.len()],
        level: if shape >> 60 == 0 { "WARN" } else { "INFO" },
        thread: format!("worker-{}", 1 + random.below(24)),
        logger: LOGGERS[(shape >> 16) as usize % LOGGERS.len()],
        message: format!("{thing} {deed} {rest}"),
    }
}

/// The worst case: nothing repeats.
fn unique(random: &mut Random) -> Line {
    let mut message = String::new();
    for i in 0..8 + random.below(12) {
        if i > 0 {
            message.push(' ');
        }
        match random.below(5) {
            0 | 1 => word(random, &mut message),
            2 => {
                word(random, &mut message);
                message.push('=');
                word(random, &mut message);
            }
            3 => message.push_str(&hex(random, 6)),
            _ => put(&mut message, format_args!("{}", random.below(1_000_000))),
        }
    }
    let mut thread = String::new();
    word(random, &mut thread);
    Line { look: Look::Logback, level: "INFO", thread, logger: "c.e.shop.Any", message }
}

fn json(line: &Line, micros: u64, out: &mut String) {
    put(
        out,
        format_args!(
            "{{\"time\":\"2026-03-02T{}Z\",\"level\":\"{}\",\"logger\":\"{}\",\"thread\":\"{}\",\"message\":",
            Clock(micros),
            line.level,
            line.logger,
            line.thread
        ),
    );
    quote(&line.message, out);
    out.push('}');
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

fn word(random: &mut Random, out: &mut String) {
    for _ in 0..3 + random.below(8) {
        out.push(char::from(b'a' + random.below(26) as u8));
    }
}

fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::new();
    while text.len() < digits {
        put(&mut text, format_args!("{:016x}", random.next()));
    }
    text.truncate(digits);
    text
}

fn uuid(random: &mut Random) -> String {
    let digits = hex(random, 32);
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

fn address(random: &mut Random) -> String {
    format!("10.{}.{}.{}", random.below(4), random.below(64), 1 + random.below(254))
}

/// Time of day with microseconds.
struct Clock(u64);
/// Time of day with milliseconds after a point.
struct Millis(u64);
/// Time of day with milliseconds after a comma.
struct Comma(u64);
/// Time of day without a fraction.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0 / 1_000_000;
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
    }
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", Seconds(self.0), self.0 % 1_000_000)
    }
}

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", Seconds(self.0), self.0 / 1_000 % 1_000)
    }
}

impl std::fmt::Display for Comma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{:03}", Seconds(self.0), self.0 / 1_000 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gives_whole_lines_of_the_size_asked_for() {
        for kind in Kind::ALL {
            let bytes = generate(kind, 100_000, 42);
            assert!((100_000..101_000).contains(&bytes.len()), "{}", kind.as_str());
            assert_eq!(bytes.last(), Some(&b'\n'));
            assert_eq!(bytes, generate(kind, 100_000, 42));
            assert_ne!(bytes, generate(kind, 100_000, 43));
        }
    }

    #[test]
    fn json_lines_are_json() {
        for line in String::from_utf8(generate(Kind::Json, 100_000, 42)).unwrap().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn no_random_line_comes_twice() {
        let text = String::from_utf8(generate(Kind::Unique, 500_000, 42)).unwrap();
        let messages: std::collections::BTreeSet<&str> = text.lines().filter_map(|l| l.split_once(" - ")).map(|(_, m)| m).collect();
        assert_eq!(messages.len(), text.lines().count());
    }
}

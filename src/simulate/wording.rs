//! The words of the stories: what services, brokers and databases say.

use super::random::Random;
use super::scenario::{Scenario, Story};
use crate::record::Severity;
use crate::time::MILLI;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens.
    Down,
    /// The server said that it is full.
    Full,
    /// No answer in time.
    TimedOut,
}

/// Which program wrote a line; it decides about the native look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A service with a logger of its own.
    Service,
    /// A message broker, with a logger as services have.
    Broker,
    /// A PostgreSQL server.
    Postgres,
    /// A kubelet (klog).
    Kubelet,
}

/// What a line is in the story; the truth counts by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Everyday work.
    Ordinary,
    /// The event that begins the trouble.
    Trigger,
    /// An attempt failed and will be repeated.
    Retry,
    /// It gave up.
    Exhausted,
    /// It works again.
    Recovery,
    /// The server's side of a refusal.
    Overload,
    /// A container is restarted or waits for it.
    CrashLoop,
}

/// One record of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimLine {
    /// Unix time in nanoseconds.
    pub at: i64,
    /// Index of the instance in [`super::instances`].
    pub instance: usize,
    /// Which program wrote it.
    pub writer: Writer,
    /// Its level.
    pub severity: Severity,
    /// Thread, as loggers print it.
    pub thread: String,
    /// Logger, in full.
    pub logger: &'static str,
    /// The message.
    pub message: String,
    /// The message where there is nothing else on the line, when it is another one.
    pub bare: Option<String>,
    /// Lines below it: a stack trace.
    pub trace: Vec<String>,
    /// What it is in the story.
    pub kind: LineKind,
}

/// What the clients want to reach.
#[must_use]
pub const fn target(story: Story) -> &'static str {
    match story {
        Story::Broker => "activemq-1:61616",
        Story::Postgres => "orders-db:5432",
        Story::CrashLoop => "config-server:8888",
    }
}

/// Logger of the class that connects.
pub(super) const fn connector(story: Story) -> &'static str {
    match story {
        Story::Broker => "com.example.orders.messaging.BrokerConnection",
        Story::Postgres | Story::CrashLoop => "com.example.orders.db.ConnectionSource",
    }
}

/// The retry line, whole and bare.
pub(super) fn retry(scenario: &Scenario, failure: Failure, attempt: u32, delay: i64) -> (String, String) {
    let reason = match (scenario.story, failure) {
        (Story::Broker, Failure::Down) => "java.net.ConnectException: Connection refused",
        (Story::Broker, Failure::Full) => "broker refused the connection: maximum number of connections reached",
        (Story::Broker, Failure::TimedOut) => "java.net.SocketTimeoutException: no wire format answer in time",
        (_, Failure::Down) => {
            "Connection refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections."
        }
        (_, Failure::Full) => "FATAL: sorry, too many clients already",
        (_, Failure::TimedOut) => "The connection attempt timed out.",
    };
    let ms = (delay as f64 / MILLI as f64).round() as i64;
    let next = if scenario.stated_delays { format!("retrying in {ms}ms") } else { "will be retried".to_owned() };
    let number = match (scenario.attempt_numbers, scenario.policy.max_attempts) {
        (false, _) => String::new(),
        (true, None) => format!(" (attempt {attempt})"),
        (true, Some(most)) => format!(" (attempt {attempt}/{most})"),
    };
    let what = if scenario.story == Story::Broker { "broker" } else { "database" };
    let whole = format!("Connection to {what} {} failed, {next}{number}: {reason}", target(scenario.story));
    (whole, format!("Connection failed, {next}"))
}

/// A stack trace as the JVM prints it, with a cause, `lines` long.
pub(super) fn trace(story: Story, lines: u32) -> Vec<String> {
    const FRAMES: [&str; 8] = [
        "\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)",
        "\tat java.base/java.net.Socket.connect(Socket.java:633)",
        "\tat com.example.orders.net.SocketOpener.open(SocketOpener.java:58)",
        "\tat com.example.orders.net.Session.handshake(Session.java:112)",
        "\tat com.example.orders.OrderPublisher.publish(OrderPublisher.java:87)",
        "\tat com.example.orders.OrderService.place(OrderService.java:141)",
        "\tat java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)",
        "\tat java.base/java.lang.Thread.run(Thread.java:840)",
    ];
    let head = format!("com.example.orders.net.ConnectFailedException: could not connect to {}", target(story));
    (0..lines as usize).map(|i| if i == 0 { head.clone() } else { FRAMES[(i - 1) % FRAMES.len()].to_owned() }).collect()
}

/// Everyday lines that need no connection.
pub(super) fn everyday(random: &mut Random) -> (&'static str, String) {
    match random.below(6) {
        0 => ("com.example.orders.Heartbeat", format!("Heartbeat ok, {} orders in flight, heap {} MiB", random.below(4), 180 + random.below(160))),
        1 => (
            "com.example.orders.stock.StockCache",
            format!("Stock levels refreshed, {} articles in {} ms", 4_000 + random.below(300), 8 + random.below(30)),
        ),
        2 => ("com.example.orders.http.AccessLog", format!("GET /orders/{} 200 {} ms", 40_000 + random.below(9_000), 2 + random.below(18))),
        3 => ("com.example.orders.http.AccessLog", "GET /health 200 1 ms".to_owned()),
        4 => ("com.example.orders.price.PriceList", format!("Price list version {} is current", 7_100 + random.below(3))),
        _ => ("com.example.orders.Session", format!("Session of customer {} renewed", 1_000 + random.below(9_000))),
    }
}

/// The line of an order that went through.
pub(super) fn order_done(story: Story, order: u64, millis: i64) -> String {
    match story {
        Story::Broker => format!("Order {order} published to orders.created in {millis} ms"),
        _ => format!("Order {order} stored in {millis} ms"),
    }
}

/// The pod name of instance `index`: the same in every run.
pub(super) fn pod_name(app: &str, index: usize) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789"; // the alphabet of Kubernetes' generated names
    let mut random = Random::new(0x5E_2B1C + index as u64 * 7_919);
    let suffix: String = (0..5).map(|_| char::from(LETTERS[random.below(27) as usize])).collect();
    format!("{app}-7d9f4c6b8-{suffix}")
}

//! `type = "kafka"`: there is none, and what to do instead is said.
//!
//! Looked at in November 2026, for a client in pure Rust that is well kept, has TLS and SASL, and leaves retries to the one policy that paces
//! everything squelch sends:
//!
//! - `krafka` (0.25 to 0.28 within two months, each with breaking changes; 25 more crates): an idempotent producer, but a young one. A topic in
//!   use could be lost for good until September 2026, a connection could hang for good until a release later, and it retries, lingers
//!   and buffers by itself. To be looked at again when it has a 1.0.
//! - `rskafka` (0.6; 31 more crates): small and kept by those who use it, without an idempotent producer, with a back-off of its own.
//! - `kafka` (no TLS but OpenSSL), `samsa` (no licence stated), `kafkit-client` (0.1, Kafka 4 only): no.
//! - `rdkafka` is librdkafka, in C: against what this program is built like.
//!
//! Collectors that speak Kafka stand where Kafka does, so the way there is one hop longer.

/// The word, and what to do.
pub(super) const ADVICE: (&str, &str) = (
    "kafka",
    "\"kafka\" is not spoken by squelch; use \"otlp\" to an OpenTelemetry Collector with its kafka exporter, \"http\" to Vector, \
     or \"nats\"",
);

//! squelch: a log agent for the moment when a system's own retries are killing it.
//!
//! One line of log travels through the folders of this crate from left to right:
//!
//! ```text
//! inputs -> framing -> envelope -> fingerprint -> class -> collapse -> outputs
//!              \________ scan (once per line) ________/
//!                   engine joins the stages; cli runs them
//! ```
//!
//! Everything but `inputs`, `outputs`, `cli`, `clock` is pure: no clock, no I/O, no
//! randomness; time is passed in. `tests/architecture.rs` enforces it.
//!
//! Invariants: (1) lines read = forwarded + summarised + dropped + open, always;
//! (2) the first line is never late; (3) the same bytes at the same times give the
//! same output; (4) every table is bounded and flushes before it forgets.

pub mod agent;
pub mod class;
pub mod cli;
pub mod clock;
pub mod collapse;
pub mod config;
pub mod delivery;
pub mod diagnosis;
pub mod engine;
pub mod envelope;
pub mod fingerprint;
pub mod framing;
pub mod inputs;
pub mod occurrence;
pub mod outputs;
pub mod record;
pub mod rules;
pub mod scan;
pub mod secrets;
pub mod simulate;
pub mod store;
pub mod storm;
pub mod telemetry;
pub mod time;
pub mod units;
pub mod working_time;

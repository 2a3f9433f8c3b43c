//! squelch against the servers that people have, each on a loopback port of its own with a folder of its own. They are stopped and killed
//! while records are on their way, and read back in their own query language.
//!
//! What is not installed is skipped, loudly. With `SQUELCH_REQUIRE_REAL=1` that is a failure. `SQUELCH_REAL_RECORDS` says how many records
//! each output sends (10,000 when nothing is said); `.ci/real` runs everything with 100,000.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper of a test that cannot go on stops where it is, and figures are shown")]

mod alertmanager;
mod clickhouse;
mod collector;
mod comparing;
mod fleet;
mod installed;
mod intake;
mod nats;
mod python;
mod record;
mod rsyslog;
mod sending;
mod server;
mod victorialogs;

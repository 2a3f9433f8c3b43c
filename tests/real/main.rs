//! squelch against the servers that people have, each on a loopback port of its own with a folder of its own. They are stopped and killed
//! while records are on their way, and read back in their own query language.
//!
//! What is not installed is skipped, loudly. With `SQUELCH_REQUIRE_REAL=1` that is a failure. `SQUELCH_REAL_RECORDS` says how many records
//! each output sends (10,000 when nothing is said); `.ci/real` runs everything with 100,000.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper of a test that cannot go on stops where it is, and figures are shown")]

// The agent as a process, a writer that knows every line and an oracle: see `tests/agent`.
#[path = "../agent/agent.rs"]
#[allow(dead_code, reason = "its own tests use more of it")]
mod agent;
#[path = "../agent/oracle.rs"]
#[allow(dead_code, reason = "its own tests use more of it")]
mod oracle;
#[path = "../agent/receiver.rs"]
#[allow(dead_code, reason = "its own tests use more of it")]
mod receiver;
#[path = "../agent/writer.rs"]
#[allow(dead_code, reason = "its own tests use more of it")]
mod writer;

mod alertmanager;
mod clickhouse;
mod collector;
mod comparing;
mod files;
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
mod whole_agent;

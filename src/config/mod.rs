//! `squelch.toml`: raw (as written, with spans) to checked (as the modules want it). No module reads configuration itself.

mod checked;

pub use checked::{Config, Input, Telemetry};

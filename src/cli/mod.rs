//! The command line.

pub mod fingerprint;

//! Repeats become first line, count and samples.

pub mod summary;

//! Bytes to lines ([`lines`]), lines to records ([`join`]).

pub mod join;
pub mod lines;

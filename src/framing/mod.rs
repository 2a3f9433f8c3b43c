//! Bytes to lines ([`lines`]), lines to records ([`join`]; [`signs`] is what a single line gives away).

pub mod join;
pub mod lines;
pub mod signs;

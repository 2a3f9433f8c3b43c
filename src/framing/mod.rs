//! Bytes to lines, lines to records.

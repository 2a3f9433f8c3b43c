//! The thin binary: hands over to [`squelch::cli`].
fn main() {}

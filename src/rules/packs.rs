//! The rule packs that are compiled in.

use super::{Origin, Source};

/// Name and text of each file in `rules/`, in the order of their names. A test compares the list with the folder.
pub const PACKS: &[(&str, &str)] = &[
    ("rules/activemq.toml", include_str!("../../rules/activemq.toml")),
];

/// All of them as sources.
pub fn sources() -> impl Iterator<Item = Source<'static>> {
    PACKS.iter().map(|&(name, text)| Source { name, text, origin: Origin::BuiltIn })
}

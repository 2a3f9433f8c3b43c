//! `[inputs.NAME]`: what is read. One file per type; a new type is a file and a line in [`TYPES`].

mod file;
mod journald;
mod kubernetes;
mod stdin;
mod syslog;

use super::checked::Input;
use super::reader::Section;

/// A type of input.
pub(super) struct InputType {
    /// The word in `type`.
    pub word: &'static str,
    /// Reads its keys.
    pub read: fn(&mut Section<'_>, &str) -> Option<Input>,
}

/// All types, by their words.
pub(super) const TYPES: &[InputType] = &[file::TYPE, journald::TYPE, kubernetes::TYPE, stdin::TYPE, syslog::TYPE];

const WORDS: [&str; TYPES.len()] = {
    let mut words = [""; TYPES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = TYPES[at].word;
        at += 1;
    }
    words
};

/// Reads one input.
pub(super) fn read(name: &str, section: &mut Section<'_>) -> Option<Input> {
    match section.required_choice("type", &WORDS, &[]).and_then(|at| TYPES.get(at)) {
        Some(input_type) => {
            section.variant = Some(input_type.word);
            (input_type.read)(section, name)
        }
        None => {
            section.ignore_the_rest();
            None
        }
    }
}

/// Asks for the keys of every type.
pub(super) fn describe(section: &mut Section<'_>) {
    for input_type in TYPES {
        section.imagined("inputs", |section| {
            section.variant = Some(input_type.word);
            section.required_choice("type", &WORDS, &[]);
            (input_type.read)(section, "NAME")
        });
    }
}

//! What a key takes: its kind and bounds. One description serves the reader, its messages, the JSON Schema and the reference page.

use crate::units::{show_count, write_duration, write_size};
use std::fmt::Write;
use std::time::Duration;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A duration between two; `off` where it can be left out by that word.
    Duration {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
        /// Whether the word `off` is taken, too.
        off: bool,
    },
    /// One of a few durations.
    Durations(&'static [Duration]),
    /// Bytes between two.
    Size {
        /// The fewest.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A whole number between two.
    Count {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// Any number between two.
    Ratio {
        /// The smallest.
        least: f64,
        /// The largest.
        most: f64,
    },
    /// true or false.
    Boolean,
    /// A text; the example is what one may look like.
    Text(&'static str),
    /// A list of texts.
    Texts(&'static str),
    /// A word out of these.
    Choice(&'static [&'static str]),
    /// A list of words out of these.
    Choices(&'static [&'static str]),
    /// A text that is never shown.
    Secret,
    /// Texts by name.
    Map {
        /// What one may look like.
        example: &'static str,
        /// The values are never shown.
        is_secret: bool,
    },
}

impl Kind {
    /// "a duration in quotes like "10s"": for somebody who wrote something else.
    #[must_use]
    pub fn expected(&self, key: &str) -> String {
        match self {
            Self::Duration { least, most, off } => {
                let like = Duration::from_secs(10).clamp(*least, *most);
                format!("a duration in quotes, like {key} = \"{}\"{}", write_duration(like), if *off { ", or \"off\"" } else { "" })
            }
            Self::Durations(list) => {
                format!("a duration in quotes, like {key} = \"{}\"", list.first().map(|d| write_duration(*d)).unwrap_or_default())
            }
            Self::Size { least, most } => format!("a size, like {key} = \"{}\"", write_size((1 << 20).clamp(*least, *most))),
            Self::Count { least, most } => format!("a whole number, like {key} = {}", 10.clamp(*least, *most)),
            Self::Ratio { most, .. } => format!("a number, like {key} = {:?}", most.min(0.1)),
            Self::Boolean => "true or false, without quotes".into(),
            Self::Text(example) => format!("a text in quotes, like {key} = \"{example}\""),
            Self::Texts(example) => format!("a list of texts, like {key} = [\"{example}\"]"),
            Self::Choice(words) => format!("one of {}, like {key} = \"{}\"", quoted(words), words.first().copied().unwrap_or_default()),
            Self::Choices(words) => format!("a list of {}, like {key} = [\"{}\"]", quoted(words), words.first().copied().unwrap_or_default()),
            Self::Secret => format!("a text in quotes, like {key} = \"${{env:NAME}}\""),
            Self::Map { example, .. } => format!("texts by name, like {key} = {{ {example} }}"),
        }
    }

    /// Both ends, for people: `1s to 1h`; empty where there are none.
    #[must_use]
    pub fn range(&self) -> String {
        match self {
            Self::Duration { least, most, off } => {
                format!("{} to {}{}", write_duration(*least), write_duration(*most), if *off { ", or off" } else { "" })
            }
            Self::Durations(list) => list.iter().map(|d| write_duration(*d)).collect::<Vec<_>>().join(", "),
            Self::Size { least, most } => format!("{} to {}", write_size(*least), write_size(*most)),
            Self::Count { least, most } => format!("{} to {}", show_count(*least), show_count(*most)),
            Self::Ratio { least, most } => format!("{least} to {most}"),
            Self::Boolean => "true, false".into(),
            Self::Choice(words) | Self::Choices(words) => words.join(", "),
            Self::Text(_) | Self::Texts(_) | Self::Secret | Self::Map { .. } => String::new(),
        }
    }
}

/// `"a", "b" or "c"`.
#[must_use]
pub fn quoted(words: &[&str]) -> String {
    let mut out = String::new();
    for (at, word) in words.iter().enumerate() {
        let join = match at {
            0 => "",
            _ if at + 1 == words.len() => " or ",
            _ => ", ",
        };
        let _ = write!(out, "{join}\"{word}\"");
    }
    out
}

/// One key that was asked for: what it takes and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Path of its table: `outputs.hook.delivery`; empty for the top.
    pub section: String,
    /// The `type` of the input or output it belongs to.
    pub variant: Option<&'static str>,
    /// Its name.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is when it is not given, in TOML; `None` = it must be given, or means nothing when it is missing.
    pub default: Option<String>,
    /// It must be given.
    pub is_required: bool,
    /// What it is, in TOML, secrets hidden; `None` = nothing.
    pub value: Option<String>,
    /// The file says so; otherwise it is the default.
    pub is_set: bool,
}

/// A text in TOML.
#[must_use]
pub fn text_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of texts in TOML.
#[must_use]
pub fn texts_literal<T: AsRef<str>>(texts: &[T]) -> String {
    format!("[{}]", texts.iter().map(|text| text_literal(text.as_ref())).collect::<Vec<_>>().join(", "))
}

//! The pattern of a rule: a bytes regex with bounds, compiled when it is first needed.

use super::{Captures, Field};
use crate::record::Span;
use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use std::sync::OnceLock;

/// Longest text of a pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 2048;

/// Most memory that a compiled pattern may take: 256 KiB holds what a log message needs and stops `\w{1000}`.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// A bytes regex: ASCII only, letters in either case, `.` any byte but a line end.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// Some 300 patterns are compiled in, few of them ever see a candidate: compiling them all would cost each start some 20 ms.
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern that has been checked before (the compiled-in packs, by a test).
    #[must_use]
    pub(super) fn unchecked(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// Compiles now and looks at the captures' names.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn checked(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("has {} bytes, at most {PATTERN_BYTES_MAX} are allowed; shorten it", text.len()));
        }
        let regex = compile(text).map_err(|error| explain(&error))?;
        if let Some(name) = regex.group_info().all_names().filter_map(|(_, _, name)| name).find(|name| Field::from_name(name).is_none()) {
            let known: Vec<_> = Field::ALL.iter().map(|f| f.as_str()).collect();
            return Err(format!("captures `{name}`, which nothing reads; use {}", known.join(", ")));
        }
        let compiled = OnceLock::new();
        let _ = compiled.set(Some(regex));
        Ok(Self { text: text.to_owned(), compiled })
    }

    /// As written in the rule file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it captures `field`.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.text.contains(&format!("<{}>", field.as_str()))
    }

    /// Matches `message` (bounded by the caller).
    pub(super) fn captures(&self, message: &[u8]) -> Option<Captures> {
        let regex = self.compiled.get_or_init(|| compile(&self.text).ok()).as_ref()?;
        let mut found = regex.create_captures();
        regex.captures(message, &mut found);
        let mut captures = Captures::default();
        for field in Field::ALL {
            if let Some(part) = found.get_group_by_name(field.as_str())
                && !part.is_empty()
            {
                captures.set(field, Span::new(part.start, part.end));
            }
        }
        found.is_match().then_some(captures)
    }
}

/// A pattern is asked once per new line shape and only about messages that hold its literals. So it is built without what makes a
/// regex fast in the long run (automata, reversed, and searches for literals), which takes three times as long to build.
fn compile(text: &str) -> Result<Regex, Box<BuildError>> {
    let config =
        Regex::config().utf8_empty(false).nfa_size_limit(Some(COMPILED_BYTES_MAX)).hybrid(false).dfa(false).onepass(false).auto_prefilter(false);
    let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    Regex::builder().configure(config).syntax(syntax).build(text).map_err(Box::new)
}

/// The parser draws a picture over several lines; one line of a report needs its last sentence.
fn explain(error: &BuildError) -> String {
    if error.size_limit().is_some() {
        return "is too large once compiled; bound its repetitions".to_owned();
    }
    let text = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("not a regex");
    format!("is no regex: {}", last.trim().trim_start_matches("error: "))
}

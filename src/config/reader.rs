//! Walks the tables of a TOML document key by key. Every key that is asked for is remembered with what it takes, so the reader itself
//! knows which keys there are: for messages, for the JSON Schema, for `config show`. A mistake is noted and the default taken, so that
//! all mistakes are found in one go.

use super::interpolate::{self, Expanded};
use super::key::Entry;
use super::mistakes::Mistake;
use super::nearest::nearest;
use super::sources::Sources;
use super::surroundings::Surroundings;
use std::cell::RefCell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What was found while reading.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Mistake>,
    pub entries: Vec<Entry>,
    pub sources: Sources,
    /// A secret stands in the file itself: its key and place.
    pub literal_secret: Option<Mistake>,
}

/// One document and what is found in it.
pub(super) struct Context<'c> {
    /// As messages name it.
    pub file: &'c str,
    pub text: &'c str,
    pub surroundings: &'c dyn Surroundings,
    pub found: RefCell<Found>,
}

impl<'c> Context<'c> {
    pub fn new(file: &'c str, text: &'c str, surroundings: &'c dyn Surroundings) -> Self {
        Self { file, text, surroundings, found: RefCell::default() }
    }

    /// The document's tables, or mistakes.
    pub fn parse(&self) -> Option<Spanned<DeTable<'c>>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Some(document);
        }
        // What stands in a table that is there twice is there twice, too: told once.
        let mut told_until = 0;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let is_twice = error.message() == "duplicate key";
            if is_twice && span.start < told_until {
                continue;
            }
            if is_twice && self.line_at(&span).trim_start().starts_with('[') {
                told_until = self.text[span.end..].find("\n[").map_or(self.text.len(), |at| span.end + at);
            }
            let problem = if is_twice { self.twice(&span) } else { self.no_toml(&span, error.message()) };
            self.mistake(span, "", problem);
        }
        None
    }

    /// The line of a place.
    fn line_at(&self, span: &Range<usize>) -> &'c str {
        let start = span.start.min(self.text.len());
        let from = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        self.text[from..].lines().next().unwrap_or_default()
    }

    fn twice(&self, span: &Range<usize>) -> String {
        let head = |line: &'c str| line.split(['=', ']']).next().unwrap_or_default().trim();
        let line = head(self.line_at(span));
        let is_table = line.starts_with('[');
        let before: Vec<&str> = self.text[..span.start.min(self.text.len())].lines().collect();
        // A key is looked for in its own table only.
        let from = if is_table { 0 } else { before.iter().rposition(|line| line.starts_with('[')).unwrap_or(0) };
        let first = before[from..].iter().position(|other| head(other) == line).filter(|at| from + at + 1 < before.len());
        let what = if is_table { "table" } else { "key" };
        let place = first.map(|at| format!(" (first in line {})", from + at + 1)).unwrap_or_default();
        format!("this {what} stands here for the second time{place}; delete one of the two")
    }

    fn no_toml(&self, span: &Range<usize>, message: &str) -> String {
        if let Some((key, value)) = self.line_at(span).split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            let is_bare = value.starts_with(|c: char| c.is_alphanumeric() || c == '/' || c == '~') && !value.contains(['"', '\'']);
            if is_bare && value.contains(|c: char| c.is_alphabetic() || c == '/') {
                // Not with the value: it may be a secret.
                return format!("texts, durations and sizes stand in quotes, like {key} = \"...\"");
            }
        }
        format!("this is not TOML: {}", message.replace('\n', ", "))
    }

    fn note(&self, span: &Range<usize>, key: &str, problem: impl Into<String>) -> Mistake {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        let place = Some((u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX)));
        Mistake { file: self.file.to_owned(), place, key: key.to_owned(), problem: problem.into() }
    }
    pub fn mistake(&self, span: Range<usize>, key: &str, problem: impl Into<String>) {
        let mistake = self.note(&span, key, problem);
        self.found.borrow_mut().mistakes.push(mistake);
    }
    /// Remembers that a secret stands in the file itself; the first counts.
    pub fn note_literal_secret(&self, span: &Range<usize>, key: &str) {
        let problem = "holds a secret, and everybody on this machine may read the file; chmod 600 it, or write ${env:NAME} or ${file:PATH} instead";
        let note = self.note(span, key, problem);
        self.found.borrow_mut().literal_secret.get_or_insert(note);
    }
    pub fn warn(&self, span: Range<usize>, key: &str, problem: impl Into<String>) {
        let warning = self.note(&span, key, problem);
        self.found.borrow_mut().warnings.push(warning);
    }
}

/// A value with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Bytes of the file.
    pub span: Range<usize>,
}

/// A value as it was found, texts expanded.
pub(super) enum Raw {
    Text { text: Expanded, written: String },
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Other,
}

/// One table while its keys are asked for.
pub struct Section<'s> {
    pub(super) context: &'s Context<'s>,
    table: Option<&'s DeTable<'s>>,
    /// Path of the table; empty for the top.
    pub path: String,
    /// The `type` it belongs to.
    pub variant: Option<&'static str>,
    /// Where its header stands.
    pub span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'s> Section<'s> {
    /// The document itself, or nothing at all: then every key is missing.
    pub(super) fn top(context: &'s Context<'s>, document: Option<&'s Spanned<DeTable<'s>>>) -> Self {
        Self::new(context, document.map(Spanned::get_ref), String::new(), None, 0..0)
    }
    fn new(context: &'s Context<'s>, table: Option<&'s DeTable<'s>>, path: String, variant: Option<&'static str>, span: Range<usize>) -> Self {
        Self { context, table, path, variant, span, known: Vec::new() }
    }

    /// Whether the file has this table.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }
    /// Whether the file has this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }
    /// Where the value of this key stands; the table's header where it is missing.
    #[must_use]
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table.and_then(|table| table.get(key)).map_or_else(|| self.span.clone(), Spanned::span)
    }
    /// `section.key`.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
    /// Notes that something is wrong with the value of `key`.
    pub fn mistake(&self, key: &str, problem: impl Into<String>) {
        self.context.mistake(self.span_of(key), &self.path_of(key), problem);
    }
    /// The same, at a place of its own (one element of a list).
    pub fn mistake_at(&self, span: &Range<usize>, key: &str, problem: impl Into<String>) {
        self.context.mistake(span.clone(), &self.path_of(key), problem);
    }
    /// Notes that the value of `key` is probably not meant so.
    pub fn warn(&self, key: &str, problem: impl Into<String>) {
        self.context.warn(self.span_of(key), &self.path_of(key), problem);
    }

    /// The value of a key, which is known from now on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    pub(super) fn remember(&self, entry: Entry) {
        self.context.found.borrow_mut().entries.push(entry);
    }

    /// Something else than the file decided on the value of a key that was asked for.
    pub(super) fn overrule(&self, key: &str, literal: String) {
        for entry in self.context.found.borrow_mut().entries.iter_mut().filter(|entry| entry.section == self.path && entry.key == key) {
            entry.value = Some(literal.clone());
            entry.is_set = true;
        }
    }

    /// Expands a text; notes what cannot be.
    pub(super) fn expand(&self, key: &str, value: &Spanned<DeValue<'s>>) -> Option<Raw> {
        Some(match value.get_ref() {
            DeValue::String(written) => match interpolate::expand(written, self.context.surroundings) {
                Ok(text) => {
                    for file in &text.files {
                        self.context.found.borrow_mut().sources.add_file(file);
                    }
                    Raw::Text { text, written: written.to_string() }
                }
                Err(problem) => {
                    self.mistake_at(&value.span(), key, problem);
                    return None;
                }
            },
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).map_or(Raw::Other, Raw::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Raw::Other, Raw::Float),
            DeValue::Boolean(value) => Raw::Boolean(*value),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Raw::Other,
        })
    }

    /// A table in this one. What it holds that is not asked for is a mistake.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'s>) -> T) -> T {
        let path = self.path_of(key);
        let (table, span) = match self.value(key) {
            None => (None, self.span.clone()),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), value.span()),
                other => {
                    self.mistake(key, format!("expected a table, found {}; write [{path}] and its keys below", name_of(other)));
                    (None, value.span())
                }
            },
        };
        let mut section = Section::new(self.context, table, path, self.variant, span);
        let result = read(&mut section);
        section.finish();
        result
    }

    /// The tables `[key.NAME]`, in the order of the file.
    pub fn named<T>(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Section<'s>) -> Option<T>) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            let how = if matches!(value.get_ref(), DeValue::Array(_)) { ", with single brackets and a name of yours" } else { "" };
            self.mistake(key, format!("expected tables with names, found {}; write [{key}.NAME]{how}", name_of(value.get_ref())));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut found = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let path = format!("{key}.{}", name.get_ref());
            let DeValue::Table(table) = value.get_ref() else {
                let problem =
                    format!("expected a table, found {}; write [{key}.NAME] with a name of yours and put its keys below", name_of(value.get_ref()));
                self.context.mistake(name.span(), &path, problem);
                continue;
            };
            if !is_name(name.get_ref()) {
                self.context.mistake(
                    name.span(),
                    &path,
                    "a name has 1 to 64 of the signs a-z, A-Z, 0-9, `_` and `-`; it stands in metrics and in the store",
                );
            }
            let mut section = Section::new(self.context, Some(table), path, None, name.span());
            found.extend(read(name.get_ref(), &mut section));
            section.finish();
        }
        found
    }

    /// A table with a name that nobody wrote: to learn which keys there would be.
    pub(super) fn imagined<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'s>) -> T) -> T {
        read(&mut Section::new(self.context, None, format!("{key}.NAME"), None, 0..0))
    }

    /// Whatever else stands in this table is not looked at: nobody knows what it should be.
    pub(super) fn ignore_the_rest(&mut self) {
        self.table = None;
    }

    /// What stands here and was not asked for is a mistake.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let advice =
                self.elsewhere(name).or_else(|| nearest(name, &self.known).map(|near| format!("did you mean `{near}`?"))).unwrap_or_else(|| {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    format!("the keys here are {}", known.join(", "))
                });
            self.context.mistake(key.span(), &self.path_of(name), format!("unknown key; {advice}"));
        }
    }
}

impl Section<'_> {
    /// Where a key would be right, if it is one of another table or of another type.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let mine: Vec<&str> = self.path.split('.').collect();
        let (mut types, mut tables, mut has_own_table) = (Vec::new(), Vec::new(), false);
        for entry in super::keys(self.context.surroundings).into_iter().filter(|entry| entry.key == name && entry.key != "type") {
            let mut parts: Vec<&str> = entry.section.split('.').collect();
            if entry.variant.is_some() {
                if parts[0] != mine[0] || mine.len() < 2 {
                    continue;
                }
                parts[1] = mine[1];
            }
            let path = parts.join(".");
            if path == self.path {
                types.push(format!("type = \"{}\"", entry.variant.unwrap_or_default()));
            } else if entry.variant.is_none() || entry.variant == self.variant {
                has_own_table |= entry.variant.is_some();
                tables.push(if path.is_empty() { "to the top of the file, above all tables".to_owned() } else { format!("into [{path}]") });
            }
        }
        match (&types[..], &tables[..]) {
            ([], []) => None,
            // A table of this very input or output is nearer than another type.
            ([], tables) => Some(format!("it belongs {}", tables.join(" or "))),
            (_, tables) if has_own_table => Some(format!("it belongs {}", tables.join(" or "))),
            (types @ [_, _, _, ..], _) => Some(format!("it belongs to other types: {}", types.join(", ").replace("type = ", ""))),
            (types, _) => Some(format!("it belongs to {}", types.join(" and "))),
        }
    }
}

/// Whether it can name an input or output.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// What somebody wrote, for people: `the number 10`, `a list`.
pub(super) fn name_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a text".into(),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

//! The kinds of values that a key can have: read, checked, remembered.

use super::key::quoted;
use super::key::{Entry, Kind, text_literal, texts_literal};
use super::nearest::nearest;
use super::reader::{At, Raw, Section, name_of};
use crate::units::{parse_duration, parse_size, write_duration, write_size};
use secrecy::SecretString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// Stands where a secret would.
const HIDDEN: &str = "\"***\"";

/// Whether a key must be there.
enum Need<T> {
    Default(T),
    Optional,
    Required,
}

/// What a parser makes of a value: the value, or `None` for "this is not what I take at all", or what is wrong.
type Parsed<T> = Result<Option<T>, String>;

impl<'s> Section<'s> {
    fn read<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        need: Need<T>,
        parse: impl FnOnce(Raw) -> Parsed<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let value = self.value(key);
        let (default, is_required) = match need {
            Need::Default(value) => (Some(value), false),
            Need::Optional => (None, false),
            Need::Required => (None, true),
        };
        let mut entry = Entry {
            section: self.path.clone(),
            variant: self.variant,
            key,
            kind,
            default: default.as_ref().map(&show),
            is_required,
            value: None,
            is_set: value.is_some(),
        };
        let found = match value {
            None => {
                if is_required && self.is_there() {
                    self.mistake(key, format!("is missing; expected {}", kind.expected(key)));
                }
                None
            }
            Some(value) => self.parse(key, kind, value, parse, &show, &mut entry),
        };
        if entry.value.is_none() {
            entry.value.clone_from(&entry.default);
        }
        self.remember(entry);
        found.or(default)
    }

    fn parse<T>(
        &self,
        key: &'static str,
        kind: Kind,
        value: &Spanned<DeValue<'s>>,
        parse: impl FnOnce(Raw) -> Parsed<T>,
        show: &impl Fn(&T) -> String,
        entry: &mut Entry,
    ) -> Option<T> {
        let raw = self.expand(key, value)?;
        // What was put in by ${...} may be secret: what was written is shown instead.
        let as_written = match &raw {
            Raw::Text { text, written } if text.is_interpolated => Some(written.clone()),
            _ => None,
        };
        match parse(raw) {
            Ok(Some(found)) => {
                entry.value = Some(as_written.map_or_else(|| show(&found), |written| text_literal(&written)));
                Some(found)
            }
            Ok(None) => {
                self.mistake(key, format!("expected {}; found {}", kind.expected(key), name_of(value.get_ref())));
                None
            }
            Err(problem) => {
                let problem =
                    as_written.map_or_else(|| problem.clone(), |written| format!("what `{written}` stands for is not {}", kind.expected(key)));
                self.mistake(key, problem);
                None
            }
        }
    }

    /// A duration.
    pub fn duration(&mut self, key: &'static str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let kind = Kind::Duration { least: *range.start(), most: *range.end(), off: false };
        let parse = |raw| duration_of(raw, &range, false).map(|found| found.map(Option::unwrap_or_default));
        self.read(key, kind, Need::Default(default), parse, |d| text_literal(&write_duration(*d))).unwrap_or(default)
    }

    /// A duration, or `off`.
    pub fn duration_or_off(&mut self, key: &'static str, default: Option<Duration>, range: RangeInclusive<Duration>) -> Option<Duration> {
        let kind = Kind::Duration { least: *range.start(), most: *range.end(), off: true };
        let show = |d: &Option<Duration>| text_literal(&d.map_or_else(|| "off".into(), write_duration));
        self.read(key, kind, Need::Default(default), |raw| duration_of(raw, &range, true), show).unwrap_or(default)
    }

    /// One of a few durations.
    pub fn duration_of(&mut self, key: &'static str, default: Duration, list: &'static [Duration], why: &str) -> Duration {
        let parse = |raw| match duration_of(raw, &(Duration::ZERO..=Duration::MAX), false)?.flatten() {
            None => Ok(None),
            Some(found) if list.contains(&found) => Ok(Some(found)),
            Some(found) => {
                let near = list.iter().min_by_key(|allowed| allowed.abs_diff(found)).copied().unwrap_or(default);
                Err(format!(
                    "\"{}\" is not allowed: {why}; use {} (the nearest is \"{}\")",
                    write_duration(found),
                    Kind::Durations(list).range(),
                    write_duration(near)
                ))
            }
        };
        self.read(key, Kind::Durations(list), Need::Default(default), parse, |d| text_literal(&write_duration(*d))).unwrap_or(default)
    }

    /// Bytes.
    pub fn size(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let kind = Kind::Size { least: *range.start(), most: *range.end() };
        let parse = |raw| {
            let bytes = match raw {
                Raw::Text { text, .. } => parse_size(&text.text)?,
                Raw::Integer(number) => u64::try_from(number).map_err(|_| format!("{number} is out of range; use {}", kind.range()))?,
                _ => return Ok(None),
            };
            if range.contains(&bytes) { Ok(Some(bytes)) } else { Err(format!("{} is out of range; use {}", write_size(bytes), kind.range())) }
        };
        self.read(key, kind, Need::Default(default), parse, |bytes| text_literal(&write_size(*bytes))).unwrap_or(default)
    }

    /// A whole number.
    pub fn count(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let kind = Kind::Count { least: *range.start(), most: *range.end() };
        let parse = |raw| match raw {
            Raw::Integer(number) => match u64::try_from(number) {
                Ok(number) if range.contains(&number) => Ok(Some(number)),
                _ => Err(format!("{number} is out of range; use {}", kind.range())),
            },
            // A number from the environment is a text.
            Raw::Text { text, .. } if text.is_interpolated => {
                text.text.parse().ok().filter(|number| range.contains(number)).map(Some).ok_or_else(|| "no such number".into())
            }
            _ => Ok(None),
        };
        self.read(key, kind, Need::Default(default), parse, ToString::to_string).unwrap_or(default)
    }

    /// A number.
    pub fn ratio(&mut self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let kind = Kind::Ratio { least: *range.start(), most: *range.end() };
        let parse = |raw| {
            let number = match raw {
                Raw::Float(number) => number,
                Raw::Integer(number) => number as f64,
                _ => return Ok(None),
            };
            if range.contains(&number) { Ok(Some(number)) } else { Err(format!("{number} is out of range; use {}", kind.range())) }
        };
        self.read(key, kind, Need::Default(default), parse, |number| format!("{number:?}")).unwrap_or(default)
    }

    /// true or false.
    pub fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let parse = |raw| match raw {
            Raw::Boolean(value) => Ok(Some(value)),
            Raw::Text { text, .. } if text.is_interpolated => text.text.parse().map(Some).map_err(|_| "neither".to_owned()),
            _ => Ok(None),
        };
        self.read(key, Kind::Boolean, Need::Default(default), parse, ToString::to_string).unwrap_or(default)
    }

    /// One of a few words.
    pub fn choice<T: Copy + PartialEq>(&mut self, key: &'static str, words: &'static [&'static str], values: &[T], default: T) -> T {
        let parse = |raw| word_of(raw, words).map(|found| found.and_then(|at| values.get(at).copied()));
        let show = |value: &T| text_literal(values.iter().position(|v| v == value).and_then(|at| words.get(at)).copied().unwrap_or_default());
        self.read(key, Kind::Choice(words), Need::Default(default), parse, show).unwrap_or(default)
    }

    /// One of a few words that must be there; its index. `absent`: words that people may expect here, and what they are told.
    pub fn required_choice(&mut self, key: &'static str, words: &'static [&'static str], absent: &[(&str, &str)]) -> Option<usize> {
        let parse = |raw| match &raw {
            Raw::Text { text, .. } => match absent.iter().find(|(word, _)| *word == text.text) {
                Some((_, advice)) => Err((*advice).to_owned()),
                None => word_of(raw, words),
            },
            _ => Ok(None),
        };
        self.read(key, Kind::Choice(words), Need::Required, parse, |at| text_literal(words.get(*at).copied().unwrap_or_default()))
    }

    /// A text that `check` accepts and turns into something.
    pub fn text<T>(&mut self, key: &'static str, default: &str, example: &'static str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let found = self.read(key, Kind::Text(example), Need::Default(default.to_owned()), text_of(&check), |text| text_literal(text))?;
        check(&found).ok()
    }

    /// The same for a text that may be missing.
    pub fn optional_text<T>(&mut self, key: &'static str, example: &'static str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let found = self.read(key, Kind::Text(example), Need::Optional, text_of(&check), |text| text_literal(text))?;
        check(&found).ok()
    }

    /// The same for a text that must be there.
    pub fn required_text<T>(&mut self, key: &'static str, example: &'static str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let found = self.read(key, Kind::Text(example), Need::Required, text_of(&check), |text| text_literal(text))?;
        check(&found).ok()
    }

    /// A path that may be missing.
    pub fn optional_path(&mut self, key: &'static str, example: &'static str) -> Option<PathBuf> {
        self.optional_text(key, example, absolute_path)
    }

    /// A list of texts, each accepted by `check`.
    pub fn texts(
        &mut self,
        key: &'static str,
        default: &[String],
        example: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Vec<At<String>> {
        self.list(key, Kind::Texts(example), Some(default), |text| check(text).map(|()| text.to_owned()), |text| text.clone())
    }

    /// A list of texts that must be there and hold something.
    pub fn required_texts(&mut self, key: &'static str, example: &'static str, check: impl Fn(&str) -> Result<(), String>) -> Vec<At<String>> {
        self.list(key, Kind::Texts(example), None, |text| check(text).map(|()| text.to_owned()), |text| text.clone())
    }

    /// A list of words out of a few.
    pub fn choices<T: Copy + PartialEq>(&mut self, key: &'static str, words: &'static [&'static str], values: &[T]) -> Vec<T> {
        let index = |text: &str| words.iter().position(|word| *word == text).ok_or_else(|| unknown_word(text, words));
        let found = self.list(key, Kind::Choices(words), Some(&[]), index, |at| words.get(*at).copied().unwrap_or_default().to_owned());
        found.iter().filter_map(|at| values.get(at.value).copied()).collect()
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        default: Option<&[T]>,
        check: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Vec<At<T>>
    where
        T: Clone,
    {
        let value = self.value(key);
        let shown = |values: &[T]| texts_literal(&values.iter().map(&show).collect::<Vec<_>>());
        let mut entry = Entry {
            section: self.path.clone(),
            variant: self.variant,
            key,
            kind,
            default: default.map(shown),
            is_required: default.is_none(),
            value: default.map(shown),
            is_set: value.is_some(),
        };
        let mut found = Vec::new();
        let mut written = Vec::new();
        match value.map(|value| (value.get_ref(), value.span())) {
            None => match default {
                Some(default) => found.extend(default.iter().map(|value| At { value: value.clone(), span: self.span.clone() })),
                None if self.is_there() => self.mistake(key, format!("is missing; expected {}", kind.expected(key))),
                None => {}
            },
            Some((DeValue::Array(array), _)) => {
                if array.is_empty() && default.is_none() {
                    self.mistake(key, format!("is empty; expected {}", kind.expected(key)));
                }
                for item in array.iter() {
                    match self.expand(key, item) {
                        None => {}
                        Some(Raw::Text { text, written: as_written }) => match check(&text.text) {
                            Ok(value) => {
                                written.push(if text.is_interpolated { as_written } else { show(&value) });
                                found.push(At { value, span: item.span() });
                            }
                            Err(_) if text.is_interpolated => {
                                self.mistake_at(
                                    &item.span(),
                                    key,
                                    format!("what `{as_written}` stands for cannot be used; expected {}", kind.expected(key)),
                                );
                            }
                            Err(problem) => self.mistake_at(&item.span(), key, problem),
                        },
                        Some(_) => self.mistake_at(
                            &item.span(),
                            key,
                            format!("expected {}; found {} in the list", kind.expected(key), name_of(item.get_ref())),
                        ),
                    }
                }
                entry.value = Some(texts_literal(&written));
            }
            Some((other, _)) => self.mistake(key, format!("expected {}; found {}", kind.expected(key), name_of(other))),
        }
        self.remember(entry);
        found
    }

    /// A secret that may be missing.
    pub fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.secret_that(key, Need::Optional, |_| Ok(()))
    }

    /// A secret that must be there and that `check` accepts; what `check` says must not show it.
    pub fn required_secret(&mut self, key: &'static str, check: impl Fn(&str) -> Result<(), String>) -> Option<SecretString> {
        self.secret_that(key, Need::Required, check)
    }

    fn secret_that(&mut self, key: &'static str, need: Need<SecretString>, check: impl Fn(&str) -> Result<(), String>) -> Option<SecretString> {
        let span = self.span_of(key);
        let path = self.path_of(key);
        let context = self.context;
        let parse = |raw| match raw {
            Raw::Text { text, .. } if text.text.is_empty() => Err("is empty; delete the key or give the secret".to_owned()),
            Raw::Text { text, .. } => {
                check(&text.text)?;
                if !text.is_interpolated {
                    context.note_literal_secret(&span, &path);
                }
                Ok(Some(SecretString::from(text.text)))
            }
            _ => Ok(None),
        };
        self.read(key, Kind::Secret, need, parse, |_| HIDDEN.to_owned())
    }

    /// Texts by name: headers, labels.
    pub fn map(
        &mut self,
        key: &'static str,
        example: &'static str,
        is_secret: bool,
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Vec<(String, String)> {
        let value = self.value(key);
        let kind = Kind::Map { example, is_secret };
        let empty = Some("{}".to_owned());
        let section = self.path.clone();
        let mut entry =
            Entry { section, variant: self.variant, key, kind, default: empty.clone(), is_required: false, value: empty, is_set: value.is_some() };
        let mut found = Vec::new();
        let mut shown = Vec::new();
        match value.map(Spanned::get_ref) {
            None => {}
            Some(DeValue::Table(table)) => {
                for (name, value) in table.iter() {
                    let path = format!("{key}.{}", name.get_ref());
                    match self.expand(&path, value) {
                        None => {}
                        Some(Raw::Text { text, written }) => {
                            if let Err(problem) = check(name.get_ref(), &text.text) {
                                self.mistake_at(&value.span(), &path, problem);
                                continue;
                            }
                            if is_secret && !text.is_interpolated && crate::secrets::is_secret_key(name.get_ref().as_bytes()) {
                                self.context.note_literal_secret(&value.span(), &self.path_of(&path));
                            }
                            let value = match (text.is_interpolated, is_secret) {
                                (false, true) => HIDDEN.to_owned(),
                                (false, false) => text_literal(&text.text),
                                (true, _) => text_literal(&written),
                            };
                            shown.push(format!("{} = {value}", text_literal(name.get_ref())));
                            found.push((name.get_ref().to_string(), text.text));
                        }
                        Some(_) => self.mistake_at(&value.span(), &path, format!("expected a text in quotes; found {}", name_of(value.get_ref()))),
                    }
                }
                if !shown.is_empty() {
                    entry.value = Some(format!("{{ {} }}", shown.join(", ")));
                }
            }
            Some(other) => self.mistake(key, format!("expected {}; found {}", kind.expected(key), name_of(other))),
        }
        self.remember(entry);
        found
    }
}

fn duration_of(raw: Raw, range: &RangeInclusive<Duration>, off: bool) -> Parsed<Option<Duration>> {
    let Raw::Text { text, .. } = raw else { return Ok(None) };
    if off && text.text == "off" {
        return Ok(Some(None));
    }
    let nanos = u64::try_from(parse_duration(&text.text)?).map_err(|_| "a duration cannot be negative".to_owned())?;
    let found = Duration::from_nanos(nanos);
    if range.contains(&found) {
        return Ok(Some(Some(found)));
    }
    Err(format!("\"{}\" is out of range; use {}", write_duration(found), Kind::Duration { least: *range.start(), most: *range.end(), off }.range()))
}

fn word_of(raw: Raw, words: &'static [&'static str]) -> Parsed<usize> {
    let Raw::Text { text, .. } = raw else { return Ok(None) };
    words.iter().position(|word| *word == text.text).map(Some).ok_or_else(|| unknown_word(&text.text, words))
}

fn unknown_word(text: &str, words: &[&'static str]) -> String {
    let guess = nearest(text, words).map(|word| format!(" (did you mean \"{word}\"?)")).unwrap_or_default();
    format!("{} is not known; use {}{guess}", text_literal(text), quoted(words))
}

fn text_of<T>(check: impl Fn(&str) -> Result<T, String>) -> impl FnOnce(Raw) -> Parsed<String> {
    move |raw| match raw {
        Raw::Text { text, .. } => check(&text.text).map(|_| Some(text.text)),
        _ => Ok(None),
    }
}

/// A path from the root on: what is relative depends on where squelch was started.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') { Ok(PathBuf::from(text)) } else { Err(format!("{} must be an absolute path, beginning with `/`", text_literal(text))) }
}

/// Any text that is not empty.
pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("is empty; give a text or delete the key".into()) } else { Ok(text.to_owned()) }
}

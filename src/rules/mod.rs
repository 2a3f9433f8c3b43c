//! Rule packs: what the messages of known technologies say about retrying.
//!
//! One TOML file per technology (`rules/*.toml`, compiled in by [`packs`]; a directory of the user's adds to them and a
//! rule there with the same id replaces ours). [`parse`] reads them, [`examples`] runs the examples that each rule carries.
//!
//! How a message is matched ([`RuleSet::find`]):
//!
//! 1. Only its first [`MESSAGE_PREFIX_BYTES`] count.
//! 2. One pass over the message finds which of the literals that a rule cannot do without are there (`prefilter`).
//! 3. A rule is a candidate when all its `literals` and at least one of its `any` are there.
//! 4. Candidates are tried in a fixed order: rules marked `fallback` (generic wording that many clients quote, such as "connection
//!    refused") after all others; more literal bytes first; then the order of the files, then the order in the file. The first whose `min_severity` and `pattern` agree is the answer.
//!
//! Letters of literals and patterns match in either case (ASCII), because loggers capitalise as they like.
//!
//! **What may decide.** The engine asks once per new template and re-uses the answer for every later line of that shape, so a
//! rule may look at the literal bytes of a message and at *that* a number stands somewhere, but not at *which*: write `\d+`.
//! Only codes that the fingerprint keeps literal (HTTP status, errno, SQLSTATE, exit codes) may be spelt out, and a rule that
//! does so lists them in `codes`; [`lint`] refuses any other figure.

mod digest;
pub mod examples;
pub mod lint;
pub mod packs;
pub mod parse;
mod pattern;
mod prefilter;

use crate::class::{Guess, delay_ns};
use crate::record::{Class, Severity, Span};
use prefilter::Prefilter;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use parse::RuleError;
pub use pattern::Pattern;

/// How much of a message a rule may look at, in bytes: what identifies a message stands at its start, and the bound keeps one long
/// message (a stack trace, a dumped payload) from costing more than some microseconds.
pub const MESSAGE_PREFIX_BYTES: usize = 4096;

/// Most rules in one set. Ours are some 300; the bound only stops a runaway generator.
pub const RULES_MAX: usize = 4096;

/// Where a source of rules comes from: decides what a second rule with the same id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    BuiltIn,
    /// From the user's directory: replaces a compiled-in rule of the same id.
    User,
}

/// One rule file, already read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name as errors should show it (`rules/kafka.toml`).
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Ours or the user's.
    pub origin: Origin,
}

/// A field that a pattern may capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// What the client tries to reach.
    Target,
    /// The number of the attempt.
    Attempt,
    /// The limit on attempts.
    MaxAttempts,
    /// The stated delay before the next attempt.
    Delay,
    /// The process, connection or unit that retries.
    Instance,
    /// The text of the error.
    Error,
    /// How many lines or events were lost before we could read them.
    Lost,
}

impl Field {
    /// All fields, in the order in which they are shown.
    pub const ALL: [Self; 7] = [Self::Target, Self::Attempt, Self::MaxAttempts, Self::Delay, Self::Instance, Self::Error, Self::Lost];

    /// Its name in patterns and examples.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Attempt => "attempt",
            Self::MaxAttempts => "max_attempts",
            Self::Delay => "delay",
            Self::Instance => "instance",
            Self::Error => "error",
            Self::Lost => "lost",
        }
    }
    /// The field of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == name)
    }
}

/// What a pattern captured: spans of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captures([Option<Span>; 7]);

impl Captures {
    /// The span of `field`.
    #[must_use]
    pub const fn get(&self, field: Field) -> Option<Span> {
        self.0[field as usize]
    }
    fn set(&mut self, field: Field, span: Span) {
        self.0[field as usize] = Some(span);
    }
    fn fill_from(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.or(theirs);
        }
    }
    /// All that was captured.
    pub fn iter(&self) -> impl Iterator<Item = (Field, Span)> + '_ {
        Field::ALL.into_iter().filter_map(|f| self.get(f).map(|s| (f, s)))
    }
}

/// The unit of a captured delay whose text has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayUnit {
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `m`
    Minutes,
}

impl DelayUnit {
    /// Its name in rule files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
        }
    }
    /// One of it, in ns.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        match self {
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
        }
    }
}

/// An example that a rule must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The message.
    pub text: String,
    /// What must be captured; a field that is not named here must not be captured.
    pub captures: Vec<(Field, String)>,
    /// Line of the rule file, for reports.
    pub line: u32,
}

/// An example that a rule must not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterExample {
    /// The message.
    pub text: String,
    /// Line of the rule file, for reports.
    pub line: u32,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `technology.client.what-happened`, unique.
    pub id: Arc<str>,
    /// The technology of its file.
    pub technology: Arc<str>,
    /// What a message that matches says about retrying.
    pub class: Class,
    /// All of these must be in the message.
    pub literals: Vec<String>,
    /// At least one of these must be in the message, if there are any.
    pub any: Vec<String>,
    /// Confirms the match and finds the figures in it.
    pub pattern: Option<Pattern>,
    /// Find more figures where they are there; decide nothing. The first that captures a field wins.
    pub captures: Vec<Pattern>,
    /// The unit of a captured `delay` that is a bare number.
    pub delay_unit: Option<DelayUnit>,
    /// Records that say they are less severe are not matched; a record that does not say is.
    pub min_severity: Severity,
    /// Codes spelt out in literals or pattern; the fingerprint keeps them literal.
    pub codes: Vec<String>,
    /// Tried after all rules that are not: its wording is generic and may be quoted inside a message that another rule knows better.
    pub is_fallback: bool,
    /// What an engineer should look at, one or two sentences.
    pub advice: String,
    /// Messages that it must match.
    pub matches: Vec<Example>,
    /// Messages that it must not match.
    pub no_matches: Vec<CounterExample>,
    /// The file that it comes from.
    pub file: Arc<str>,
    /// Line of its header in that file.
    pub line: u32,
    /// Ours or the user's.
    pub origin: Origin,
}

impl Rule {
    /// Bytes that a match is sure to contain: the second key of the order in which candidates are tried.
    #[must_use]
    pub fn literal_bytes(&self) -> usize {
        self.literals.iter().map(String::len).sum::<usize>() + self.any.iter().map(String::len).min().unwrap_or(0)
    }

    /// Matches this rule alone, without the prefilter.
    #[must_use]
    pub fn matches_alone(&self, severity: Severity, message: &[u8]) -> Option<Captures> {
        let message = prefix(message);
        let has = |literal: &String| contains_ignore_case(message, literal.as_bytes());
        let candidate = self.literals.iter().all(has) && (self.any.is_empty() || self.any.iter().any(has));
        if candidate { self.confirm(severity, message) } else { None }
    }

    /// The second half of a match: severity and pattern. `message` is the bounded prefix.
    fn confirm(&self, severity: Severity, message: &[u8]) -> Option<Captures> {
        if severity != Severity::Unknown && severity < self.min_severity {
            return None;
        }
        let mut captures = match &self.pattern {
            None => Captures::default(),
            Some(pattern) => pattern.captures(message)?,
        };
        for more in self.captures.iter().filter_map(|pattern| pattern.captures(message)) {
            captures.fill_from(more);
        }
        Some(captures)
    }
}

/// A rule that matched a message.
#[derive(Clone, Copy, Debug)]
pub struct RuleMatch<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// What it captured: spans of the message.
    pub captures: Captures,
}

impl RuleMatch<'_> {
    /// The same as a guess by words would say it; of a URL the target is its authority without userinfo. The delay's unit stands in
    /// or behind its span, or is [`Rule::delay_unit`]; [`Self::delay_ns`] reads it.
    #[must_use]
    pub fn guess(&self, message: &[u8]) -> Guess {
        Guess {
            class: self.rule.class,
            attempt: self.captures.get(Field::Attempt),
            max_attempts: self.captures.get(Field::MaxAttempts),
            delay: self.captures.get(Field::Delay),
            target: self.captures.get(Field::Target).map(|span| authority(span, message)),
        }
    }

    /// The stated delay in `message`, ns: also of ISO 8601 (`PT0.5S`) and of a bare number whose unit the rule knows.
    #[must_use]
    pub fn delay_ns(&self, message: &[u8]) -> Option<i64> {
        let text = self.captures.get(Field::Delay)?.of(message);
        let text = text.strip_prefix(b"PT").unwrap_or(text).to_ascii_lowercase();
        // A key that ends in a unit is how the generic reader is told the unit of a bare number.
        let key = self.rule.delay_unit.map_or("", DelayUnit::as_str);
        let key = if key.is_empty() { String::new() } else { format!("delay_{key}=") };
        delay_ns(&text, key.as_bytes())
    }

    /// Where the codes that the rule spells out stand in `message`: the contents of these digit-words decided something.
    #[must_use]
    pub fn discriminators(&self, message: &[u8]) -> Vec<Span> {
        let message = prefix(message);
        let mut spans = Vec::new();
        for code in &self.rule.codes {
            spans.extend(memchr::memmem::find_iter(message, code.as_bytes()).take(8).map(|at| Span::new(at, at + code.len())));
        }
        spans.sort_unstable_by_key(|s| (s.start, s.end));
        spans
    }
}

/// All rules, ready to match.
#[derive(Debug)]
pub struct RuleSet {
    /// In the order in which candidates are tried.
    rules: Vec<Arc<Rule>>,
    /// Technology and description of each file, in order.
    technologies: Vec<(Arc<str>, String)>,
    prefilter: Prefilter,
}

impl RuleSet {
    /// Reads rule files. Pure: the caller has read them. Later sources of the user replace our rules of the same id.
    ///
    /// # Errors
    /// Everything that is wrong in all of them, in order, so that one run is enough to mend a directory.
    pub fn load<'a>(sources: impl Iterator<Item = Source<'a>>) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut rules: Vec<Arc<Rule>> = Vec::new();
        let mut technologies: Vec<(Arc<str>, String)> = Vec::new();
        let mut by_id: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for source in sources {
            let pack = parse::parse_pack(source, &mut errors);
            if let Some((name, description)) = pack.technology
                && !technologies.iter().any(|(n, _)| *n == name)
            {
                technologies.push((name, description));
            }
            for rule in pack.rules {
                match by_id.get(&rule.id).copied() {
                    Some(at) if rule.origin == Origin::User && rules[at].origin == Origin::BuiltIn => rules[at] = Arc::new(rule),
                    Some(at) => errors.push(RuleError::duplicate_id(&rule, &rules[at])),
                    None => {
                        by_id.insert(rule.id.clone(), rules.len());
                        rules.push(Arc::new(rule));
                    }
                }
            }
        }
        if rules.len() > RULES_MAX {
            errors.push(RuleError::too_many_rules(rules.len()));
        }
        if errors.is_empty() { Ok(Self::build(rules, technologies)) } else { Err(errors) }
    }

    /// The rules that are compiled in, without their examples: read in a tenth of the time.
    #[must_use]
    pub fn for_matching() -> Self {
        let packs: Option<Vec<parse::Pack>> = packs::sources().map(digest::pack).collect();
        let Some(packs) = packs else { return Self::built_in() };
        let technologies = packs.iter().filter_map(|pack| pack.technology.clone()).collect();
        Self::build(packs.into_iter().flat_map(|pack| pack.rules).map(Arc::new).collect(), technologies)
    }

    /// The rules that are compiled in.
    #[must_use]
    pub fn built_in() -> Self {
        match Self::load(packs::sources()) {
            Ok(set) => set,
            // A test loads them all, so this cannot be reached in a build that passed; without rules, words still guess.
            Err(_) => Self::build(Vec::new(), Vec::new()),
        }
    }

    fn build(mut rules: Vec<Arc<Rule>>, technologies: Vec<(Arc<str>, String)>) -> Self {
        // Stable: rules with equally many literal bytes keep the order of files and of the file.
        rules.sort_by_key(|rule| (rule.is_fallback, std::cmp::Reverse(rule.literal_bytes())));
        let prefilter = Prefilter::new(&rules);
        Self { rules, technologies, prefilter }
    }

    /// All rules, in the order in which candidates are tried.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Technology and description of each file, in the order of the files.
    #[must_use]
    pub fn technologies(&self) -> &[(Arc<str>, String)] {
        &self.technologies
    }

    /// The rule of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| &*rule.id == id)
    }

    /// The rule that this message falls under, if any. `message` is the message without its envelope; any bytes are fine.
    #[must_use]
    pub fn find(&self, severity: Severity, message: &[u8]) -> Option<RuleMatch<'_>> {
        let message = prefix(message);
        self.prefilter.candidates(message).into_iter().find_map(|index| {
            let rule = self.rules.get(index as usize)?;
            let captures = rule.confirm(severity, message)?;
            Some(RuleMatch { rule, captures })
        })
    }
}

/// Of `scheme://user:password@host:port/path` the part `host:port`; of anything else all of it.
fn authority(span: Span, message: &[u8]) -> Span {
    let text = span.of(message);
    let Some(scheme) = memchr::memmem::find(text, b"://") else { return span };
    let start = scheme + 3;
    let rest = &text[start..];
    let length = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let userinfo = memchr::memrchr(b'@', &rest[..length]).map_or(0, |at| at + 1);
    if userinfo == length { span } else { Span::new(start + userinfo, start + length).shift(span.start as usize) }
}

fn prefix(message: &[u8]) -> &[u8] {
    &message[..message.len().min(MESSAGE_PREFIX_BYTES)]
}

fn contains_ignore_case(message: &[u8], literal: &[u8]) -> bool {
    message.windows(literal.len().max(1)).any(|window| window.eq_ignore_ascii_case(literal))
}

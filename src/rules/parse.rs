//! Reads a rule file. Collects everything that is wrong, each with file, line and key.
//!
//! ```toml
//! technology = "kafka"
//! description = "Apache Kafka: Java clients, librdkafka ..."
//!
//! [[rule]]
//! id = "kafka.java.connection-failed"       # unique; technology.client.what-happened
//! class = "failure"                          # retry failure overload exhausted recovery crash_loop none
//! literals = ["Connection to node", "could not be established"]  # all must be in the message, letters in either case
//! any = ["...", "..."]                       # optional: at least one of them must be, too
//! pattern = '''node -?\d+ \((?<target>[^)]+)\)'''   # optional: must match; captures target, attempt, max_attempts,
//!                                            # delay, instance, error, lost
//! captures = ['''from (?<instance>\S+)''']   # optional: more captures, where they are there; these decide nothing
//! delay_unit = "ms"                          # unit of a captured delay that is a bare number: ms, s, m
//! min_severity = "warn"                      # optional: records that say less are not matched
//! codes = ["429"]                            # figures that literals or pattern spell out
//! fallback = true                            # optional: generic wording, tried after all other rules
//! advice = "what to look at, with the names of the settings"
//! match = [{ text = "a message", target = "what must be captured" }]
//! no_match = ["a message that looks alike"]
//! ```

use super::{CounterExample, DelayUnit, Example, Field, Origin, Pattern, Rule, Source, lint};
use crate::record::{Class, Severity};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Longest rule file, in bytes: ours have some 20 KiB.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Most literals in one list, and their longest, in bytes.
pub const LITERALS_MAX: usize = 32;
/// Longest literal, in bytes.
pub const LITERAL_BYTES_MAX: usize = 200;
/// Shortest literal, in bytes: two letters are in half of all messages and make every message a candidate.
pub const LITERAL_BYTES_MIN: usize = 3;

/// Most patterns in `captures`; more are ignored.
pub const CAPTURES_MAX: usize = 4;

const FILE_KEYS: [&str; 3] = ["technology", "description", "rule"];
const RULE_KEYS: [&str; 13] =
    ["id", "class", "literals", "any", "pattern", "captures", "delay_unit", "min_severity", "codes", "fallback", "advice", "match", "no_match"];
pub(super) const CLASSES: [Class; 7] =
    [Class::None, Class::Retry, Class::Failure, Class::Overload, Class::Exhausted, Class::Recovery, Class::CrashLoop];

/// What is wrong in a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1; 0 when it concerns the whole file.
    pub line: u32,
    /// The rule, by its id, where that could be read.
    pub rule: Option<String>,
    /// The key, where it concerns one.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl RuleError {
    pub(super) fn duplicate_id(rule: &Rule, first: &Rule) -> Self {
        Self {
            file: rule.file.to_string(),
            line: rule.line,
            rule: Some(rule.id.to_string()),
            key: Some("id".to_owned()),
            problem: format!("is already used at {}:{}; give this rule another id or delete one of them", first.file, first.line),
        }
    }
    pub(super) fn too_many_rules(count: usize) -> Self {
        Self {
            file: "rules".to_owned(),
            line: 0,
            rule: None,
            key: None,
            problem: format!("{count} rules in all, at most {} are allowed; delete those you do not need", super::RULES_MAX),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ": rule `{rule}`")?;
        }
        match &self.key {
            Some(key) => write!(f, ": `{key}` {}", self.problem),
            None => write!(f, ": {}", self.problem),
        }
    }
}

impl std::error::Error for RuleError {}

/// What a file holds, as far as it could be read.
#[derive(Default)]
pub(super) struct Pack {
    pub(super) technology: Option<(Arc<str>, String)>,
    pub(super) rules: Vec<Rule>,
}

/// Reads one file; pushes what is wrong to `errors`.
pub(super) fn parse_pack(source: Source<'_>, errors: &mut Vec<RuleError>) -> Pack {
    let mut reader = Reader { source, file: Arc::from(source.name), rule: None, errors };
    if source.text.len() > FILE_BYTES_MAX {
        let problem = format!("the file has {} bytes, at most {FILE_BYTES_MAX} are allowed; split it", source.text.len());
        reader.error(0..0, None, problem);
        return Pack::default();
    }
    let (document, toml_errors) = DeTable::parse_recoverable(source.text);
    let is_broken = !toml_errors.is_empty();
    for error in toml_errors {
        // A caret picture is drawn by Display; the message alone fits a line.
        let problem = format!("is not TOML here: {}", error.message().replace('\n', ", "));
        reader.error(error.span().unwrap_or(0..0), None, problem);
    }
    if is_broken {
        return Pack::default();
    }
    reader.pack(document.get_ref())
}

struct Reader<'a, 'e> {
    source: Source<'a>,
    file: Arc<str>,
    rule: Option<String>,
    errors: &'e mut Vec<RuleError>,
}

impl Reader<'_, '_> {
    fn line_of(&self, span: &Range<usize>) -> u32 {
        let before = &self.source.text.as_bytes()[..span.start.min(self.source.text.len())];
        1 + memchr::memchr_iter(b'\n', before).count() as u32
    }

    fn error(&mut self, span: Range<usize>, key: Option<&str>, problem: impl Into<String>) {
        self.errors.push(RuleError {
            file: self.file.to_string(),
            line: self.line_of(&span),
            rule: self.rule.clone(),
            key: key.map(str::to_owned),
            problem: problem.into(),
        });
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let problem = format!("is no key here; the keys are {}", known.join(", "));
            self.error(key.span(), Some(key.get_ref()), problem);
        }
    }

    fn pack(&mut self, document: &DeTable<'_>) -> Pack {
        self.unknown_keys(document, &FILE_KEYS);
        let start = 0..0;
        let technology = self.text(document, "technology", &start, true).map_or_else(|| Arc::from("?"), |(t, _)| Arc::from(t));
        let description = self.text(document, "description", &start, true).map(|(t, _)| t).unwrap_or_default();
        let mut rules = Vec::new();
        match document.get("rule").map(Spanned::get_ref) {
            None => {}
            Some(DeValue::Array(array)) => {
                for item in array.iter() {
                    match item.get_ref() {
                        DeValue::Table(table) => rules.extend(self.rule(table, &item.span(), &technology)),
                        other => {
                            let problem = format!("must be tables; write [[rule]], not a {}", other.type_str());
                            self.error(item.span(), Some("rule"), problem);
                        }
                    }
                }
            }
            Some(_) => {
                let span = document.get("rule").map_or(start, Spanned::span);
                self.error(span, Some("rule"), "must be a list of tables; write [[rule]] with two brackets");
            }
        }
        Pack { technology: Some((technology, description)), rules }
    }

    fn rule(&mut self, table: &DeTable<'_>, span: &Range<usize>, technology: &Arc<str>) -> Option<Rule> {
        let errors_before = self.errors.len();
        self.rule = table.get("id").and_then(|id| id.get_ref().as_str()).map(str::to_owned);
        self.unknown_keys(table, &RULE_KEYS);
        let id = self.text(table, "id", span, true);
        if let Some((id, at)) = &id {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            if id.is_empty() || id.len() > 100 || !id.bytes().all(is_plain) || !id.contains('.') {
                let problem = "must be like kafka.java.connection-failed: small letters, digits, `-`, `_` and at least one dot";
                self.error(at.clone(), Some("id"), problem);
            }
        }
        let class = self.text(table, "class", span, true).and_then(|(word, at)| {
            let class = CLASSES.into_iter().find(|class| class.as_str() == word);
            if class.is_none() {
                let words: Vec<_> = CLASSES.iter().map(|class| class.as_str()).collect();
                self.error(at, Some("class"), format!("is `{word}`; use one of {}", words.join(", ")));
            }
            class
        });
        let codes: Vec<String> = self.texts(table, "codes").into_iter().map(|(code, _)| code).collect();
        let literals = self.literals(table, "literals", &codes);
        let any = self.literals(table, "any", &codes);
        if literals.is_empty() && any.is_empty() && !table.contains_key("literals") && !table.contains_key("any") {
            self.error(span.clone(), Some("literals"), "is missing; give the words that every such message contains");
        }
        let pattern = self.text(table, "pattern", span, false).and_then(|(text, at)| {
            if let Some(number) = lint::number_in_pattern(&text, &codes) {
                self.error(at.clone(), Some("pattern"), number_problem(&number));
            }
            self.compile(&text, at, "pattern")
        });
        let captures: Vec<Pattern> =
            self.texts(table, "captures").into_iter().take(CAPTURES_MAX).filter_map(|(text, at)| self.compile(&text, at, "captures")).collect();
        let delay_unit = self.text(table, "delay_unit", span, false).and_then(|(word, at)| {
            let unit = [DelayUnit::Milliseconds, DelayUnit::Seconds, DelayUnit::Minutes].into_iter().find(|unit| unit.as_str() == word);
            if unit.is_none() {
                self.error(at.clone(), Some("delay_unit"), format!("is `{word}`; use ms, s or m"));
            }
            if !pattern.iter().chain(&captures).any(|p| p.has(Field::Delay)) {
                self.error(at, Some("delay_unit"), "is given but no pattern captures a delay; add (?<delay>...) or delete it");
            }
            unit
        });
        let min_severity = self.text(table, "min_severity", span, false).map_or(Severity::Unknown, |(word, at)| {
            Severity::from_word(word.as_bytes()).unwrap_or_else(|| {
                self.error(at, Some("min_severity"), format!("is `{word}`; use trace, debug, info, warn, error or fatal"));
                Severity::Unknown
            })
        });
        let is_fallback = match table.get("fallback").map(|value| (value.get_ref().as_bool(), value.span())) {
            None => false,
            Some((Some(value), _)) => value,
            Some((None, at)) => {
                self.error(at, Some("fallback"), "must be true or false, without quotes");
                false
            }
        };
        let advice = self.text(table, "advice", span, class.is_some_and(Class::is_retry_like)).map(|(t, _)| t).unwrap_or_default();
        let matches = self.examples(table, span);
        let no_matches = self.texts(table, "no_match").into_iter().map(|(text, at)| CounterExample { text, line: self.line_of(&at) }).collect();
        let rule = self.rule.take();
        if self.errors.len() > errors_before {
            return None;
        }
        Some(Rule {
            id: Arc::from(rule?),
            technology: technology.clone(),
            class: class?,
            literals,
            any,
            pattern,
            captures,
            delay_unit,
            min_severity,
            codes,
            is_fallback,
            advice,
            matches,
            no_matches,
            file: self.file.clone(),
            line: self.line_of(span),
            origin: self.source.origin,
        })
    }

    fn literals(&mut self, table: &DeTable<'_>, key: &str, codes: &[String]) -> Vec<String> {
        let found = self.texts(table, key);
        if found.is_empty()
            && let Some(list) = table.get(key)
            && list.get_ref().as_array().is_some_and(|a| a.is_empty())
        {
            self.error(list.span(), Some(key), "is empty; give at least one text or delete it");
        }
        if found.len() > LITERALS_MAX {
            let at = found.first().map_or(0..0, |(_, at)| at.clone());
            self.error(at, Some(key), format!("has {} texts, at most {LITERALS_MAX} are allowed; split the rule", found.len()));
        }
        for (literal, at) in &found {
            if literal.len() < LITERAL_BYTES_MIN || literal.len() > LITERAL_BYTES_MAX {
                let unit = if literal.len() == 1 { "byte" } else { "bytes" };
                let problem = format!("has `{literal}` of {} {unit}; use {LITERAL_BYTES_MIN} to {LITERAL_BYTES_MAX}", literal.len());
                self.error(at.clone(), Some(key), problem);
            }
            if let Some(number) = lint::number_in_literal(literal, codes) {
                self.error(at.clone(), Some(key), number_problem(number));
            }
        }
        let mut literals: Vec<String> = found.into_iter().map(|(text, _)| text).collect();
        let mut seen = std::collections::BTreeSet::new();
        literals.retain(|literal| seen.insert(literal.to_ascii_lowercase()));
        literals
    }

    fn compile(&mut self, text: &str, at: Range<usize>, key: &str) -> Option<Pattern> {
        if self.source.origin == Origin::BuiltIn {
            return Some(Pattern::unchecked(text));
        }
        Pattern::checked(text).map_err(|problem| self.error(at, Some(key), problem)).ok()
    }

    fn examples(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Vec<Example> {
        let Some(list) = table.get("match") else {
            self.error(span.clone(), Some("match"), "is missing; give at least one message that this rule is for");
            return Vec::new();
        };
        let Some(array) = list.get_ref().as_array().filter(|array| !array.is_empty()) else {
            self.error(list.span(), Some("match"), "must be a list like [{ text = \"a message\", target = \"db:5432\" }]");
            return Vec::new();
        };
        array.iter().filter_map(|item| self.example(item)).collect()
    }

    fn example(&mut self, item: &Spanned<DeValue<'_>>) -> Option<Example> {
        let Some(fields) = item.get_ref().as_table() else {
            self.error(item.span(), Some("match"), "must hold tables; write { text = \"a message\" }");
            return None;
        };
        let line = self.line_of(&item.span());
        let mut text = None;
        let mut captures = Vec::new();
        for (key, value) in fields.iter() {
            let name = key.get_ref().as_ref();
            let Some(value) = value.get_ref().as_str() else {
                self.error(value.span(), Some(name), "must be text in quotes, as it stands in the message");
                continue;
            };
            match Field::from_name(name) {
                _ if name == "text" => text = Some(value.to_owned()),
                Some(field) => captures.push((field, value.to_owned())),
                None => {
                    let fields: Vec<_> = Field::ALL.iter().map(|f| f.as_str()).collect();
                    self.error(key.span(), Some(name), format!("is no key of an example; use text, {}", fields.join(", ")));
                }
            }
        }
        captures.sort();
        if text.is_none() {
            self.error(item.span(), Some("text"), "is missing in this example; give the message");
        }
        Some(Example { text: text?, captures, line })
    }

    /// A string of `table`; an error when it is something else, or `required` and missing.
    fn text(&mut self, table: &DeTable<'_>, key: &str, at: &Range<usize>, required: bool) -> Option<(String, Range<usize>)> {
        match table.get(key) {
            None => {
                if required {
                    self.error(at.clone(), Some(key), "is missing");
                }
                None
            }
            Some(value) => match value.get_ref().as_str() {
                Some(text) => Some((text.to_owned(), value.span())),
                None => {
                    self.error(value.span(), Some(key), format!("must be text in quotes, not a {}", value.get_ref().type_str()));
                    None
                }
            },
        }
    }

    /// A list of strings of `table`; empty when missing.
    fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(array): Option<&DeArray<'_>> = value.get_ref().as_array() else {
            self.error(value.span(), Some(key), format!("must be a list of texts, not a {}", value.get_ref().type_str()));
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(array.len());
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), item.span())),
                None => self.error(item.span(), Some(key), format!("must hold texts in quotes, not a {}", item.get_ref().type_str())),
            }
        }
        texts
    }
}

fn number_problem(number: &str) -> String {
    format!(
        "depends on the number `{number}`, which later messages of the same shape do not share; write \\d+ in `pattern`, or list a code in `codes`"
    )
}

//! Runs the examples that rules carry: `squelch rules test` and our own tests.

use super::{Captures, Rule, RuleSet};
use crate::record::Severity;
use std::fmt;
use std::sync::Arc;

/// What an example showed. All but [`Finding::Shadowed`] are failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A `match` example is not matched by its rule.
    NotMatched,
    /// Matched, but other captures than the example says; each text is `field="value"` or `nothing`.
    OtherCaptures {
        /// What the example says.
        expected: String,
        /// What was captured.
        got: String,
    },
    /// A `no_match` example is matched by its rule.
    Matched,
    /// A rule of another class comes first for this message.
    Overlap {
        /// That rule.
        other: Arc<str>,
    },
    /// A rule of the same class comes first for this message: harmless for counting, but this rule's captures and advice are not used.
    Shadowed {
        /// That rule.
        other: Arc<str>,
    },
}

/// A finding with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleReport {
    /// The rule.
    pub rule: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
    /// The example's line.
    pub line: u32,
    /// The example.
    pub text: String,
    /// What was found.
    pub finding: Finding,
}

impl ExampleReport {
    /// Whether `squelch rules test` fails because of it.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        !matches!(self.finding, Finding::Shadowed { .. })
    }
}

impl fmt::Display for ExampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: rule `{}`: ", self.file, self.line, self.rule)?;
        match &self.finding {
            Finding::NotMatched => write!(f, "does not match its own example")?,
            Finding::OtherCaptures { expected, got } => write!(f, "expected {expected}; got {got}")?,
            Finding::Matched => write!(f, "matches a message that it must not match")?,
            Finding::Overlap { other } => {
                write!(f, "rule `{other}`, of another class, comes first; add a literal here or a pattern there")?;
            }
            Finding::Shadowed { other } => write!(f, "note: rule `{other}`, of the same class, comes first")?,
        }
        write!(f, "\n    {}", self.text.replace('\n', "\\n"))
    }
}

/// Runs the examples of one rule inside its set.
pub fn run_rule(set: &RuleSet, rule: &Rule, out: &mut Vec<ExampleReport>) {
    let mut report = |line: u32, text: &str, finding: Finding| {
        out.push(ExampleReport { rule: rule.id.clone(), file: rule.file.clone(), line, text: text.to_owned(), finding });
    };
    for example in &rule.matches {
        let message = example.text.as_bytes();
        match rule.matches_alone(Severity::Unknown, message) {
            None => report(example.line, &example.text, Finding::NotMatched),
            Some(captures) => {
                let got: Vec<_> = captures.iter().map(|(f, s)| (f, String::from_utf8_lossy(s.of(message)).into_owned())).collect();
                if got != example.captures {
                    let (expected, got) = (show(&example.captures), show(&got));
                    report(example.line, &example.text, Finding::OtherCaptures { expected, got });
                }
            }
        }
        if let Some(first) = set.find(Severity::Unknown, message)
            && first.rule.id != rule.id
        {
            let other = first.rule.id.clone();
            let is_same = first.rule.class == rule.class;
            report(example.line, &example.text, if is_same { Finding::Shadowed { other } } else { Finding::Overlap { other } });
        }
    }
    for example in &rule.no_matches {
        if rule.matches_alone(Severity::Unknown, example.text.as_bytes()).is_some() {
            report(example.line, &example.text, Finding::Matched);
        }
    }
}

/// Runs the examples of all rules, by file and line.
#[must_use]
pub fn run(set: &RuleSet) -> Vec<ExampleReport> {
    let mut out = Vec::new();
    for rule in set.rules() {
        run_rule(set, rule, &mut out);
    }
    out.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    out
}

fn show(captures: &[(super::Field, String)]) -> String {
    if captures.is_empty() {
        return "nothing captured".to_owned();
    }
    let parts: Vec<_> = captures.iter().map(|(field, value)| format!("{}={value:?}", field.as_str())).collect();
    parts.join(" ")
}

/// The captures of a match as text, for `explain`.
#[must_use]
pub fn show_captures(captures: &Captures, message: &[u8]) -> String {
    let all: Vec<_> = captures.iter().map(|(f, s)| (f, String::from_utf8_lossy(s.of(message)).into_owned())).collect();
    show(&all)
}

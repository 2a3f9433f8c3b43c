//! Who says which class a message has: rules before generic words, the message before the error texts beside it.

use crate::class::{self, Guess, prevailing};
use crate::record::{Class, ClassSource, Severity, Span};
use crate::rules::{Field, RuleSet};
use std::sync::{Arc, OnceLock};

/// HTTP statuses that the generic words look at: where one stands, it decided.
const STATUSES: [&[u8]; 4] = [b"429", b"502", b"503", b"504"];

/// What was found out about a message.
#[derive(Debug, Default)]
pub struct Classified {
    /// The class, and where its figures stand in the message.
    pub guess: Guess,
    /// Who says so.
    pub source: ClassSource,
    /// The unit of a bare delay, as a key would name it; empty when the delay names its own.
    pub delay_unit: &'static str,
    /// Codes whose contents decided: spans of the message.
    pub discriminators: Vec<Span>,
    /// How many lines somebody says were lost before we could read them: a span of the message.
    pub lost: Option<Span>,
}

/// Classes messages. Asked once per new shape.
#[derive(Clone, Debug)]
pub struct Classifier {
    rules: Arc<RuleSet>,
}

impl Classifier {
    /// With the user's rules, else with the packs that are compiled in.
    #[must_use]
    pub fn new(rules: Option<&Arc<RuleSet>>) -> Self {
        Self { rules: rules_of(rules) }
    }

    /// The class of a message. `others` are the error texts that stand beside it in a structured line: asked when the message itself says nothing.
    pub fn classify<'a>(&self, severity: Severity, message: &[u8], others: impl Iterator<Item = &'a [u8]>) -> Classified {
        let found = self.of_text(severity, message);
        // "Known, and not about retrying" is an answer, too.
        if found.guess.class.is_retry_like() || found.source != ClassSource::Guess {
            return found;
        }
        let mut said = Classified::default();
        for text in others {
            let other = self.of_text(severity, text);
            if prevailing(said.guess.class, other.guess.class) != said.guess.class {
                // Its figures stand in another text: only the class holds.
                said = Classified { guess: Guess { class: other.guess.class, ..found.guess.clone() }, source: other.source, ..Classified::default() };
            }
        }
        if said.guess.class == Class::None { found } else { said }
    }

    fn of_text(&self, severity: Severity, text: &[u8]) -> Classified {
        let Some(found) = self.rules.find(severity, text) else {
            let guess = class::guess(severity, text);
            let discriminators = if guess.class.is_retry_like() { statuses(text) } else { Vec::new() };
            return Classified { guess, discriminators, ..Classified::default() };
        };
        let mut guess = found.guess(text);
        if guess.class.is_retry_like() {
            // A rule names what it is sure of; words may know the rest.
            let words = class::guess(severity, text);
            guess.attempt = guess.attempt.or(words.attempt);
            guess.max_attempts = guess.max_attempts.or(words.max_attempts);
            guess.target = guess.target.or(words.target);
            guess.delay = guess.delay.or(words.delay);
            // That something failed is the least a rule can say: the words may know what came of it.
            if guess.class == Class::Failure {
                guess.class = prevailing(guess.class, words.class);
            }
        }
        Classified {
            guess,
            source: ClassSource::Rule(Arc::clone(&found.rule.id)),
            delay_unit: found.rule.delay_unit.map_or("", crate::rules::DelayUnit::as_str),
            discriminators: found.discriminators(text),
            lost: found.captures.get(Field::Lost),
        }
    }
}

fn statuses(text: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for status in STATUSES {
        spans.extend(memchr::memmem::find_iter(text, status).take(4).map(|at| Span::new(at, at + status.len())));
    }
    spans
}

/// The user's rules, else the packs that are compiled in.
pub(super) fn rules_of(rules: Option<&Arc<RuleSet>>) -> Arc<RuleSet> {
    rules.map_or_else(built_in, Arc::clone)
}

/// The packs that are compiled in, read once per process.
fn built_in() -> Arc<RuleSet> {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::for_matching())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_asked_before_generic_words() {
        let classifier = Classifier::new(None);
        let said = classifier.classify(
            Severity::Warn,
            b"[Producer clientId=p-1] Connection to node -1 (mq/10.0.0.1:9092) could not be established. Node may not be available.",
            [].into_iter(),
        );
        assert!(matches!(said.source, ClassSource::Rule(_)), "{said:?}");
        assert!(said.guess.class.is_retry_like());
    }

    #[test]
    fn an_error_text_beside_the_message_is_asked_when_the_message_says_nothing() {
        let classifier = Classifier::new(None);
        let said = classifier.classify(
            Severity::Error,
            b"sending alert did not work",
            [&b"dial tcp 10.0.0.1:9093: connect: connection refused"[..]].into_iter(),
        );
        assert_eq!(said.guess.class, Class::Failure);
        assert_eq!(said.guess.target, None);
    }
}

//! What was sent against what a receiver has.

use crate::record::{Maker, number};
use crate::sending::{REQUEST, RESTARTS, Running};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A record as a receiver tells it.
#[derive(Debug, Default)]
pub struct Found {
    /// Empty where the receiver has thrown it away.
    pub uid: String,
    /// Event time in nanoseconds.
    pub time: i64,
    /// Its text; `None` where the receiver has it in a form that cannot be compared.
    pub body: Option<String>,
    /// Other fields by the names that the record has, as far as they were asked for.
    pub fields: BTreeMap<&'static str, String>,
}

/// Fields that are compared beside time and text: exact bytes, numbers, nested values, what is odd.
pub const FIELDS: [&str; 6] = ["note", "squelch.body_base64", "squelch.count", "squelch.storm_id", "squelch.template", "event_name"];

/// What a receiver, or the protocol, makes of a record by its nature.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Digits of a time that are kept: 1 = nanoseconds, 1000 = microseconds.
    pub time_unit: i64,
    /// So many nanoseconds later a record may be.
    pub later_max: i64,
    /// The text that is expected for a text.
    pub body: fn(&str) -> String,
    /// The field that is expected for a field: `None` when the receiver cannot have it.
    pub field: fn(&str, &str) -> Option<String>,
    /// So many records may be there twice: 0 where the receiver keeps one of two.
    pub doubled_max: usize,
}

/// Nobody answers in syslog: what went out in the last 10 s before a connection ended, 2 MiB at most, goes again. Messages have some 200 bytes.
pub const SYSLOG_DOUBLED_MAX: usize = RESTARTS * (2 << 20) / 200;

impl Default for Rules {
    /// Everything as it was. One request is on its way when a server goes: it may have been taken without an answer.
    fn default() -> Self {
        Self { time_unit: 1, later_max: 0, body: str::to_owned, field: |_, value| Some(value.to_owned()), doubled_max: RESTARTS * REQUEST }
    }
}

/// How it went.
#[derive(Debug, Default)]
pub struct Comparison {
    pub lost: Vec<usize>,
    pub doubled: usize,
    /// What is different, in words; a handful of them.
    pub wrong: Vec<String>,
    pub wrong_count: usize,
}

impl Comparison {
    /// Holds what was found against `count` records of `maker`.
    pub fn new(maker: Maker, count: usize, found: impl IntoIterator<Item = Found>, rules: &Rules) -> Self {
        let mut this = Self::default();
        let mut seen = vec![0_u32; count];
        for one in found {
            let known = if one.uid.is_empty() { by_time(maker, one.time, &seen) } else { number(&one.uid) };
            let Some(number) = known.filter(|number| *number < count) else {
                this.wrong(format!("nobody sent {one:?}"));
                continue;
            };
            seen[number] += 1;
            let (_, record) = maker.object(number);
            let late = one.time - maker.time(number) / rules.time_unit * rules.time_unit;
            if !(0..=rules.later_max).contains(&late) {
                this.wrong(format!("record {number} has the time {} instead of {}", one.time, maker.time(number)));
            }
            let body = record["body"].as_str().unwrap();
            let expected = (rules.body)(body);
            if one.body.as_ref().is_some_and(|body| *body != expected) {
                this.wrong(format!("record {number} says {} instead of {}", cut(one.body.as_deref().unwrap()), cut(&expected)));
            }
            for name in FIELDS {
                let Some(expected) = field(&record, name).and_then(|value| (rules.field)(name, &value)) else { continue };
                let found = one.fields.get(name).map_or("", String::as_str);
                if found != expected {
                    this.wrong(format!("{name} of record {number} is {} instead of {}", cut(found), cut(&expected)));
                }
            }
        }
        this.lost = seen.iter().enumerate().filter(|(_, times)| **times == 0).map(|(number, _)| number).collect();
        this.doubled = seen.iter().map(|times| times.saturating_sub(1) as usize).sum();
        this
    }

    fn wrong(&mut self, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < 8 {
            self.wrong.push(what);
        }
    }

    /// Prints a line of the table, and fails when it is not as it must be.
    pub fn tell(&self, server: &str, output: &Running, count: usize, rules: &Rules) {
        let Self { lost, doubled, wrong, wrong_count } = self;
        eprintln!(
            "REAL | {} | {server} | {count} records | {RESTARTS} restarts | {} lost | {doubled} doubled | {wrong_count} different | {:.1} s | {:?}",
            output.name,
            lost.len(),
            output.seconds(),
            output.counters.requests()
        );
        let name = &output.name;
        assert!(output.dead.is_empty(), "{name}: {} given up, the first: {}", output.dead.len(), output.dead[0].reason);
        assert!(lost.is_empty(), "{name}: {} lost: {:?} ...", lost.len(), &lost[..lost.len().min(20)]);
        assert!(*wrong_count == 0, "{name}: {wrong_count} are not what was sent:\n{}", wrong.join("\n"));
        assert!(*doubled <= rules.doubled_max, "{name}: {doubled} doubled, {} at most can be explained", rules.doubled_max);
    }
}

/// Which record it is where the receiver has thrown the id away: each has a time of its own, but for twins.
fn by_time(maker: Maker, time: i64, seen: &[u32]) -> Option<usize> {
    let number = maker.number_at(time)?;
    let twin = maker.time(number + 1) == time && seen.get(number + 1)? < seen.get(number)?;
    Some(number + usize::from(twin))
}

/// A field of a record as text, wherever it stands.
fn field(record: &Map<String, Value>, name: &str) -> Option<String> {
    let value = record.get(name).or_else(|| record.get("attributes")?.get(name))?;
    Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
}

fn cut(text: &str) -> String {
    let head: String = text.chars().take(100).collect();
    format!("{head:?} ({} bytes)", text.len())
}

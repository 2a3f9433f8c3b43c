//! Reads our own packs at the start of every run: a small part of TOML, in a tenth of the time that all of it takes.
//!
//! Our packs are written one key a line (`tests/rules.rs` reads them with [`super::parse`], which says what is wrong with a file). Examples are
//! left out: nothing that matches needs them. What this reader does not know makes it give up, and the file is read by the other
//! one; a test compares both.

use super::parse::{CAPTURES_MAX, CLASSES, Pack};
use super::{DelayUnit, Pattern, Rule, Source};
use crate::record::{Class, Severity};
use std::sync::Arc;

/// A value of a key.
enum Value {
    Text(String),
    List(Vec<String>),
    Flag(bool),
}

/// The pack of this file without its examples; `None` when something in it is written in another way than our packs are.
pub(super) fn pack(source: Source<'_>) -> Option<Pack> {
    let file: Arc<str> = Arc::from(source.name);
    let (mut technology, mut description) = (None, None);
    let mut rules: Vec<Rule> = Vec::new();
    let mut lines = source.text.lines().zip(1u32..);
    while let Some((line, number)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[rule]]" {
            rules.push(empty(&file, technology.as_ref()?, number, source));
            continue;
        }
        let (key, value) = line.split_once(" = ")?;
        if matches!(key, "match" | "no_match") {
            if value == "[" {
                lines.find(|(line, _)| *line == "]")?;
            } else if !value.ends_with(']') {
                return None;
            }
            continue;
        }
        let value = read(value)?;
        match (rules.last_mut(), key, value) {
            (None, "technology", Value::Text(text)) => technology = Some(Arc::<str>::from(text)),
            (None, "description", Value::Text(text)) => description = Some(text),
            (Some(rule), key, value) => set(rule, key, value)?,
            _ => return None,
        }
    }
    let is_whole = rules.iter().all(|rule| !rule.id.is_empty() && (!rule.literals.is_empty() || !rule.any.is_empty()));
    is_whole.then_some(Pack { technology: Some((technology?, description?)), rules })
}

fn empty(file: &Arc<str>, technology: &Arc<str>, line: u32, source: Source<'_>) -> Rule {
    Rule {
        id: Arc::from(""),
        technology: Arc::clone(technology),
        class: Class::None,
        literals: Vec::new(),
        any: Vec::new(),
        pattern: None,
        captures: Vec::new(),
        delay_unit: None,
        min_severity: Severity::Unknown,
        codes: Vec::new(),
        is_fallback: false,
        advice: String::new(),
        matches: Vec::new(),
        no_matches: Vec::new(),
        file: Arc::clone(file),
        line,
        origin: source.origin,
    }
}

fn set(rule: &mut Rule, key: &str, value: Value) -> Option<()> {
    match (key, value) {
        ("id", Value::Text(text)) => rule.id = Arc::from(text),
        ("class", Value::Text(text)) => rule.class = CLASSES.into_iter().find(|class| class.as_str() == text)?,
        ("literals", Value::List(list)) => rule.literals = once_each(list),
        ("any", Value::List(list)) => rule.any = once_each(list),
        ("pattern", Value::Text(text)) => rule.pattern = Some(Pattern::unchecked(&text)),
        ("captures", Value::List(list)) => rule.captures = list.iter().take(CAPTURES_MAX).map(|text| Pattern::unchecked(text)).collect(),
        ("delay_unit", Value::Text(text)) => {
            rule.delay_unit = Some([DelayUnit::Milliseconds, DelayUnit::Seconds, DelayUnit::Minutes].into_iter().find(|unit| unit.as_str() == text)?);
        }
        ("min_severity", Value::Text(text)) => rule.min_severity = Severity::from_word(text.as_bytes())?,
        ("codes", Value::List(list)) => rule.codes = list,
        ("fallback", Value::Flag(flag)) => rule.is_fallback = flag,
        ("advice", Value::Text(text)) => rule.advice = text,
        _ => return None,
    }
    Some(())
}

/// The list without repetitions, letter case apart.
fn once_each(list: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(list.len());
    for text in list {
        if !kept.iter().any(|known| known.eq_ignore_ascii_case(&text)) {
            kept.push(text);
        }
    }
    kept
}

fn read(value: &str) -> Option<Value> {
    match value {
        "true" => return Some(Value::Flag(true)),
        "false" => return Some(Value::Flag(false)),
        _ => {}
    }
    let Some(mut rest) = value.strip_prefix('[') else {
        let (text, rest) = string(value)?;
        return rest.is_empty().then_some(Value::Text(text));
    };
    let mut list = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(']') {
            return end.is_empty().then_some(Value::List(list));
        }
        let (text, behind) = string(rest)?;
        list.push(text);
        rest = behind.strip_prefix(", ").unwrap_or(behind);
    }
}

/// The string that `text` begins with, and what stands behind it.
fn string(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix("'''") {
        // Up to two quotes before the three that end the string belong to it.
        let end = rest.find("'''")?;
        let more = rest.as_bytes()[end + 3..].iter().take(2).take_while(|b| **b == b'\'').count();
        return Some((rest[..end + more].to_owned(), &rest[end + more + 3..]));
    }
    let mut rest = text.strip_prefix('"').filter(|rest| !rest.starts_with("\"\""))?;
    let mut inside = String::with_capacity(memchr::memchr(b'"', rest.as_bytes())?);
    loop {
        let stop = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
        inside.push_str(&rest[..stop]);
        match &rest.as_bytes()[stop..] {
            [b'"', ..] => return Some((inside, &rest[stop + 1..])),
            [_, b'"', ..] => inside.push('"'),
            [_, b'n', ..] => inside.push('\n'),
            [_, b'\\', ..] => inside.push('\\'),
            _ => return None,
        }
        rest = &rest[stop + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::super::packs;
    use super::super::parse::parse_pack;
    use super::*;
    use crate::rules::Origin;

    #[test]
    fn our_packs_are_read_as_the_other_reader_reads_them() {
        for source in packs::sources() {
            let quick = pack(source).unwrap_or_else(|| panic!("{} is written in a way that only the slow reader knows", source.name));
            let mut errors = Vec::new();
            let mut slow = parse_pack(source, &mut errors);
            assert_eq!(errors, []);
            for rule in &mut slow.rules {
                (rule.matches, rule.no_matches) = (Vec::new(), Vec::new());
            }
            assert_eq!(quick.technology, slow.technology);
            assert_eq!(format!("{:?}", quick.rules), format!("{:?}", slow.rules), "{}", source.name);
        }
    }

    #[test]
    fn what_it_does_not_know_is_left_to_the_other_reader() {
        let pack_of = |text: &str| pack(Source { name: "x.toml", text, origin: Origin::BuiltIn });
        let plain = "technology = \"x\"\ndescription = \"y\"\n\n[[rule]]\nid = \"x.y\"\nclass = \"retry\"\nliterals = [\"a\\\"b\", '''c''']\n";
        assert_eq!(pack_of(plain).expect("it is plain").rules[0].literals, ["a\"b", "c"]);
        for odd in ["pattern = 'x'", "literals = [\n \"a\" ]", "advice = \"\"\"a\nb\"\"\"", "advice = \"\\u0041\"", "fallback = yes", "new = \"key\""]
        {
            assert!(pack_of(&format!("{plain}{odd}\n")).is_none(), "{odd}");
        }
    }
}

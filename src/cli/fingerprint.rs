//! `squelch fingerprint`: line to fingerprint and template, for scripts and scorers.

use crate::envelope;
use crate::fingerprint::group::{GroupIndex, Groups};
use crate::fingerprint::{Fingerprint, template, trace};
use crate::framing::join::{self, JoinState, Part};
use crate::record::{Class, ClassSource, FingerprintId, Severity};
use crate::scan::Scanner;
use hashbrown::HashMap;
use std::io::{self, BufRead, Write};

/// Options of `squelch fingerprint`.
#[derive(Clone, Copy, Debug)]
pub struct FingerprintOptions {
    /// Print the group of a fingerprint in its place, and `@merge` rows where groups join.
    pub group: bool,
}

impl Default for FingerprintOptions {
    fn default() -> Self {
        Self { group: true }
    }
}

/// Most lines of one record; the same bound as the engine's default.
const JOIN_LINES_MAX: usize = 500;

/// Most joined lines whose text takes part in a record's template.
const PARTS_MAX: usize = 24;

/// One row per line: `line_number<TAB>group or fingerprint<TAB>template`, with tabs, line ends and backslashes of the template escaped. A
/// continuation line gets the row of its record.
///
/// # Errors
/// What reading and writing give.
pub fn run(mut input: impl BufRead, mut output: impl Write, options: FingerprintOptions) -> io::Result<()> {
    let mut table = Table::default();
    let mut line = Vec::new();
    let (mut scanner, mut builder) = (Scanner::new(), template::Builder::without_masks());
    let mut open: Option<Record> = None;
    let mut number = 0u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        scanner.scan(text);
        let words = scanner.words();
        let envelope = envelope::peel(text, words);
        let role = join::role(&envelope, text, words);
        let template = builder.build(text, words, &envelope).text.clone();
        if let Some(record) = &mut open
            && record.lines < JOIN_LINES_MAX as u64
            && let Some(next) = record.state.accept(role)
        {
            let part = record.state.part(role);
            if part != Part::Skip && record.parts.len() < PARTS_MAX {
                record.parts.push((part, template));
            }
            record.state = next;
            record.lines += 1;
            continue;
        }
        if let Some(record) = open.take() {
            record.write(&mut table, options, &mut output)?;
        }
        let state = JoinState::begin(role);
        open = Some(Record { first: number, lines: 1, severity: envelope.severity, header: template, parts: Vec::new(), state });
    }
    if let Some(record) = open {
        record.write(&mut table, options, &mut output)?;
    }
    output.flush()
}

/// A record whose end has not been seen yet.
struct Record {
    first: u64,
    lines: u64,
    severity: Severity,
    header: String,
    parts: Vec<(Part, String)>,
    state: JoinState,
}

impl Record {
    fn write(self, table: &mut Table, options: FingerprintOptions, output: &mut impl Write) -> io::Result<()> {
        let template = if self.parts.is_empty() {
            self.header
        } else {
            let parts: Vec<_> = self.parts.iter().map(|(part, template)| (*part, template.as_str())).collect();
            trace::compose(&self.header, &parts)
        };
        let id = table.id(self.severity, &template, options.group, output)?;
        for number in self.first..self.first + self.lines {
            writeln!(output, "{number}\t{id}\t{}", Escaped(&template))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Table {
    known: HashMap<(Severity, Box<str>), (FingerprintId, GroupIndex)>,
    groups: Groups,
    /// The fingerprint that names a group.
    names: Vec<FingerprintId>,
}

impl Table {
    fn id(&mut self, severity: Severity, template: &str, group: bool, output: &mut impl Write) -> io::Result<FingerprintId> {
        let key = (severity, Box::from(template));
        if let Some(&(id, index)) = self.known.get(&key) {
            return Ok(if group { self.names[self.groups.current(index).0 as usize] } else { id });
        }
        let id = Fingerprint::new(severity, template, Class::None, ClassSource::Guess).id();
        let mut index = GroupIndex(0);
        if group {
            let placed = self.groups.place(template);
            index = placed.group;
            if placed.is_new {
                self.names.push(id);
            }
            for (old, new) in placed.joined {
                writeln!(output, "@merge\t{}\t{}", self.names[old.0 as usize], self.names[new.0 as usize])?;
            }
        }
        self.known.insert(key, (id, index));
        Ok(if group { self.names[index.0 as usize] } else { id })
    }
}

struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['\t', '\n', '\r', '\\']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'\t' => "\\t",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => "\\\\",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(input: &str, group: bool) -> Vec<(String, String)> {
        let mut output = Vec::new();
        run(input.as_bytes(), &mut output, FingerprintOptions { group }).expect("memory cannot fail");
        let text = String::from_utf8(output).expect("templates are UTF-8");
        text.lines()
            .map(|row| row.split_once('\t').map(|(number, rest)| (number.to_owned(), rest.to_owned())).expect("every row has a tab"))
            .collect()
    }

    #[test]
    fn each_line_has_a_row_and_a_continuation_has_its_records() {
        let rows = rows(
            "2024-01-02 03:04:05,678 ERROR a.B - order 7 failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n2024-01-02 03:04:06,678 INFO a.B - fine\n",
            true,
        );
        assert_eq!(rows.iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
        assert_eq!(rows[0].1, rows[2].1);
        assert!(rows[0].1.contains("no\\nat a.B.c"), "{rows:?}");
        assert_ne!(rows[0].1, rows[3].1);
    }

    #[test]
    fn names_at_one_place_join_and_say_so() {
        let input: String = ["alpha", "beta", "gamma", "delta", "omega", "kappa"].iter().map(|queue| format!("queue {queue} is full\n")).collect();
        let grouped = rows(&input, true);
        assert_eq!(grouped.iter().filter(|(number, _)| number == "@merge").count(), 4);
        let last = &grouped.last().expect("there are rows").1;
        assert_eq!(last.split('\t').next(), grouped[0].1.split('\t').next());
        assert_eq!(rows(&input, false).len(), 6);
    }
}

//! `squelch fingerprint`: line to fingerprint and template, for scripts and scorers.

use crate::envelope;
use crate::fingerprint::group::{GroupIndex, Groups};
use crate::fingerprint::{Fingerprint, template};
use crate::record::{Class, ClassSource, FingerprintId, Severity};
use crate::scan;
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

/// One row per line: `line_number<TAB>group or fingerprint<TAB>template`, with tabs, line ends and backslashes of the template escaped.
///
/// # Errors
/// What reading and writing give.
pub fn run(mut input: impl BufRead, mut output: impl Write, options: FingerprintOptions) -> io::Result<()> {
    let mut table = Table::default();
    let (mut line, mut words) = (Vec::new(), Vec::new());
    let mut number = 0u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        scan::find_words(text, &mut words);
        let envelope = envelope::peel(text, &words);
        let template = template::build(text, &words, &envelope);
        let id = table.id(envelope.severity, &template.text, options.group, &mut output)?;
        writeln!(output, "{number}\t{id}\t{}", Escaped(&template.text))?;
    }
    output.flush()
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

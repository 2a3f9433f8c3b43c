//! `squelch config show`: the configuration as it is in effect, as TOML.

use super::checked::Config;
use super::key::Entry;
use std::fmt::Write;

/// Writes all keys, by table. What the file says stands plain, what is a default is marked. Secrets never appear.
pub(super) fn show(entries: &[Entry], config: &Config) -> String {
    let mut out = String::new();
    match &config.path {
        Some(path) => {
            let _ = writeln!(out, "# {}; what it does not say is marked `default`. Secrets are hidden.", path.display());
        }
        None => out.push_str("# No configuration file: all of this are defaults.\n"),
    }
    let mut sections: Vec<&str> = Vec::new();
    for entry in entries {
        if !sections.contains(&entry.section.as_str()) {
            sections.push(&entry.section);
        }
    }
    for section in sections {
        if !section.is_empty() {
            let _ = writeln!(out, "\n[{section}]");
        }
        for entry in entries.iter().filter(|entry| entry.section == section) {
            let mark = if entry.is_set || entry.key == "type" { "" } else { "  # default" };
            match &entry.value {
                Some(value) => {
                    let _ = writeln!(out, "{} = {value}{mark}", entry.key);
                }
                None => {
                    let _ = writeln!(out, "# {} is not set", entry.key);
                }
            }
        }
    }
    out
}

//! `type = "journald"`: the systemd journal.

use super::InputType;
use crate::config::checked::Input;
use crate::config::key::text_literal;
use crate::config::reader::{At, Section};
use crate::config::values::not_empty;
use crate::inputs::journald::Options;
use std::path::PathBuf;

pub(super) const TYPE: InputType = InputType { word: "journald", read };

fn read(section: &mut Section<'_>, name: &str) -> Option<Input> {
    let defaults = Options::default();
    let program = defaults.journalctl.to_string_lossy().into_owned();
    let options = Options {
        name: name.to_owned(),
        journalctl: section.text("journalctl", &program, "/usr/bin/journalctl", not_empty).map_or(defaults.journalctl, PathBuf::from),
        directory: section.optional_path("directory", "/host/var/log/journal"),
        units: units(section, "units"),
        exclude_units: units(section, "exclude_units"),
        from_boot: section.boolean("from_boot", defaults.from_boot),
    };
    for unit in options.exclude_units.iter().filter(|unit| options.units.contains(unit)) {
        section.mistake("exclude_units", format!("{} stands in `units`, too; delete one of them", text_literal(unit)));
    }
    Some(Input::Journal(options))
}

fn units(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    let check = |text: &str| match text {
        _ if text.is_empty() || text.contains(char::is_whitespace) || text.starts_with('-') => {
            Err(format!("{} is no name of a unit; write for example \"nginx.service\"", text_literal(text)))
        }
        _ if !text.contains('.') => Err(format!("{} has no type of unit; write {}", text_literal(text), text_literal(&format!("{text}.service")))),
        _ => Ok(()),
    };
    section.texts(key, &[], "nginx.service", check).into_iter().map(|At { value, .. }| value).collect()
}

//! `type = "file"`: files that are followed as they grow.

use super::InputType;
use crate::config::checked::Input;
use crate::config::engine::to_usize;
use crate::config::key::text_literal;
use crate::config::reader::{At, Section};
use crate::inputs::file::{Options, StartAt};
use globset::GlobBuilder;
use std::path::{Component, Path};
use std::time::Duration;

pub(super) const TYPE: InputType = InputType { word: "file", read };

fn read(section: &mut Section<'_>, name: &str) -> Option<Input> {
    let include = section.required_texts("include", "/var/log/app/*.log", check_glob);
    // Nothing was found wrong when it is not there: then this is a description.
    Some(Input::Files(read_common(section, Options { name: name.to_owned(), ..Options::default() }, &include)))
}

/// The keys that plain files and containers share.
pub(super) fn read_common(section: &mut Section<'_>, defaults: Options, include: &[At<String>]) -> Options {
    let seconds = Duration::from_secs;
    let exclude = section.texts("exclude", &defaults.exclude, "/var/log/app/debug-*.log", check_glob);
    for glob in &exclude {
        if include.iter().any(|included| included.value == glob.value) {
            section.mistake_at(&glob.span, "exclude", format!("{} stands in `include`, too; delete one of them", text_literal(&glob.value)));
        }
    }
    let options = Options {
        include: include.iter().map(|glob| glob.value.clone()).collect(),
        exclude: exclude.into_iter().map(|glob| glob.value).collect(),
        start_at: section.choice("start_at", &["beginning", "end"], &[StartAt::Beginning, StartAt::End], defaults.start_at),
        ignore_older: section.duration_or_off("ignore_older", defaults.ignore_older, seconds(60)..=seconds(10 * 365 * 86_400)),
        poll_min: section.duration("poll_min", defaults.poll_min, Duration::from_millis(10)..=seconds(10)),
        poll_max: section.duration("poll_max", defaults.poll_max, Duration::from_millis(50)..=seconds(60)),
        open_files_max: to_usize(section.count("open_files_max", defaults.open_files_max as u64, 8..=65_536)),
        files_max: to_usize(section.count("files_max", defaults.files_max as u64, 1..=1_000_000)),
        turn_bytes: to_usize(section.size("turn_bytes", defaults.turn_bytes as u64, 4 << 10..=16 << 20)),
        ..defaults
    };
    if options.poll_min > options.poll_max {
        let place = if section.has("poll_min") { "poll_min" } else { "poll_max" };
        section.mistake(place, "`poll_min` is longer than `poll_max`; a busy file would be looked at less often than a quiet one");
    }
    options
}

/// A glob of absolute paths.
pub(super) fn check_glob(text: &str) -> Result<(), String> {
    let shown = text_literal(text);
    if let Some(rest) = text.strip_prefix('~') {
        return Err(format!("{shown}: `~` is not replaced; write the whole path, like \"/home/NAME{rest}\""));
    }
    if !text.starts_with('/') {
        return Err(format!("{shown} must be an absolute path, beginning with `/`"));
    }
    if Path::new(text).components().any(|part| part == Component::ParentDir) {
        return Err(format!("{shown} holds `..`; write the path it leads to"));
    }
    if text.ends_with('/') {
        return Err(format!("{shown} is a directory; write {} for the files in it", text_literal(&format!("{text}*.log"))));
    }
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map(drop)
        .map_err(|error| format!("{shown} is no glob: {}; `*`, `**`, `?`, `[a-z]` and `{{a,b}}` are known, `\\` makes a sign ordinary", error.kind()))
}

//! `type = "exec"`: a command for each alert.

use super::OutputType;
use crate::config::reader::Section;
use crate::config::values::not_empty;
use crate::outputs::alerts::{AlertOptions, ExecOptions};
use crate::outputs::destination::Destination;
use std::time::Duration;

pub(super) const TYPE: OutputType = OutputType { word: "exec", read };

/// Enough to call somebody, not to wait for him.
const RUN_MAX: Duration = Duration::from_secs(30);

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let command = section.required_text("command", "/usr/local/bin/page", not_empty);
    let run_max = section.duration("run_max", RUN_MAX, Duration::from_secs(1)..=Duration::from_secs(600));
    Some(Destination::Alert(AlertOptions::Exec(ExecOptions { command: command?, run_max })))
}

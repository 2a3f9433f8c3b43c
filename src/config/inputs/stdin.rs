//! `type = "stdin"`: what is piped into the agent.

use super::InputType;
use crate::config::checked::Input;
use crate::config::reader::Section;

pub(super) const TYPE: InputType = InputType { word: "stdin", read };

fn read(_: &mut Section<'_>, _: &str) -> Option<Input> {
    Some(Input::Stdin)
}

//! `type = "stdout"`.

use super::OutputType;
use crate::config::reader::Section;
use crate::outputs::destination::Destination;

pub(super) const TYPE: OutputType = OutputType { word: "stdout", read };

fn read(_: &mut Section<'_>) -> Option<Destination> {
    Some(Destination::Stdout)
}

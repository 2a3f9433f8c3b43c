//! `type = "kubernetes"`: the containers of this node, read from the kubelet's files.

use super::InputType;
use super::file::{check_glob, read_common};
use crate::config::checked::Input;
use crate::config::reader::Section;
use crate::inputs::file::{Layout, Options};

pub(super) const TYPE: InputType = InputType { word: "kubernetes", read };

/// Where every kubelet keeps them.
const INCLUDE: &str = "/var/log/pods/*/*/*.log*";

fn read(section: &mut Section<'_>, name: &str) -> Option<Input> {
    let include = section.texts("include", &[INCLUDE.to_owned()], "/var/log/pods/shop_*/*/*.log", check_glob);
    let variable = |name| section.context.surroundings.variable(name);
    let own_pod = variable("POD_NAMESPACE").zip(variable("POD_NAME"));
    let defaults = Options { name: name.to_owned(), layout: Layout::Pods, own_pod, ..Options::default() };
    Some(Input::Files(read_common(section, defaults, &include)))
}

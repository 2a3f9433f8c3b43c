//! Where things are when nobody says: the configuration, the state, the rules, our name.

use super::surroundings::Surroundings;
use std::path::{Path, PathBuf};

/// The variable that names the configuration.
pub const CONFIG_VARIABLE: &str = "SQUELCH_CONFIG";
/// Where packages put the configuration.
const SYSTEM_FILE: &str = "/etc/squelch/squelch.toml";
/// Where packages and people put rules of their own.
const SYSTEM_RULES: &str = "/etc/squelch/rules.d";
/// Where an agent that runs as root keeps its state.
const SYSTEM_STATE: &str = "/var/lib/squelch";

/// The configuration to use: what was named, else the first that is there. What is named must be there.
pub(super) fn config_file(named: Option<&Path>, surroundings: &dyn Surroundings) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    if let Some(path) = surroundings.variable(CONFIG_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let users = user_folder(surroundings, "XDG_CONFIG_HOME", ".config").map(|folder| folder.join("squelch/squelch.toml"));
    [Some(PathBuf::from(SYSTEM_FILE)), users].into_iter().flatten().find(|path| surroundings.exists(path))
}

/// Where the state goes: what systemd made for us, else the system's folder, else the user's.
pub(super) fn state_dir(surroundings: &dyn Surroundings) -> PathBuf {
    let from_systemd = surroundings.variable("STATE_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
    if let Some(folder) = from_systemd.filter(|folder| folder.is_absolute()) {
        return folder;
    }
    if surroundings.is_root() {
        return SYSTEM_STATE.into();
    }
    user_folder(surroundings, "XDG_STATE_HOME", ".local/state").map_or_else(|| SYSTEM_STATE.into(), |folder| folder.join("squelch"))
}

/// A folder of the user's by the rules of XDG: relative ones are ignored.
fn user_folder(surroundings: &dyn Surroundings, variable: &str, in_home: &str) -> Option<PathBuf> {
    let given = surroundings.variable(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
    given.or_else(|| surroundings.variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute()).map(|home| home.join(in_home)))
}

/// Where rules are looked for.
pub(super) fn rules_dir(surroundings: &dyn Surroundings) -> Option<PathBuf> {
    let folder = PathBuf::from(SYSTEM_RULES);
    surroundings.exists(&folder).then_some(folder)
}

/// Our name: in Kubernetes the node's (from `spec.nodeName`), because a pod's host name is the pod's.
pub(super) fn node(surroundings: &dyn Surroundings) -> String {
    let named = surroundings.variable("NODE_NAME").filter(|name| !name.is_empty());
    named.or_else(|| surroundings.host_name()).unwrap_or_else(|| "localhost".into())
}

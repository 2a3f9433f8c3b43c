//! `squelch config print-default|schema|show`: the configuration as a file to begin with, as a schema, as it is in effect.

use super::check::tell_mistakes;
use super::error::{Exit, Failure};
use super::print;
use crate::config::{self, DEFAULT_FILE, json_schema};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Options of `squelch config`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArguments {
    /// What to do with the configuration.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a file with every key, explained, at its default
    PrintDefault,
    /// Print the JSON Schema of the file, for editors
    Schema,
    /// Print what is in effect, secrets hidden
    Show(ConfigFile),
}

/// Which configuration.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration
    ///
    /// Without it: $SQUELCH_CONFIG, else /etc/squelch/squelch.toml, else squelch/squelch.toml in $XDG_CONFIG_HOME (~/.config); when none of
    /// them is there, the defaults.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &ConfigArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        ConfigCommand::PrintDefault => print(DEFAULT_FILE.as_bytes())?,
        ConfigCommand::Schema => print(json_schema().as_bytes())?,
        ConfigCommand::Show(file) => match config::load(file.config.as_deref()) {
            Ok(loaded) => print(loaded.show().as_bytes())?,
            Err(mistakes) => return Ok(tell_mistakes(&mistakes)),
        },
    }
    Ok(Exit::Fine)
}

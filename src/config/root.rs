//! The whole document: its tables in order, and what must agree between them.

use super::checked::{Config, Input, RELOAD_EVERY, STOP_WITHIN, Telemetry};
use super::key::text_literal;
use super::reader::{Context, Found, Section};
use super::sources::first_eight;
use super::surroundings::Surroundings;
use super::values::absolute_path;
use super::{default_inputs, engine, inputs, outputs, places, store, telemetry};
use crate::inputs::syslog::Listen;
use crate::outputs::destination::{Destination, OutputOptions};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the defaults are called in messages.
const DEFAULTS: &str = "defaults";

/// A document that was read, with what was found; the configuration counts only when there are no mistakes.
pub(super) struct Reading {
    pub config: Option<Config>,
    pub found: Found,
}

/// Reads a document. `path` is for the configuration, `file` for messages.
pub(super) fn read(path: Option<&Path>, file: &str, text: &str, surroundings: &dyn Surroundings) -> Reading {
    let context = Context::new(file, text, surroundings);
    let Some(document) = context.parse() else {
        return Reading { config: None, found: context.found.into_inner() };
    };
    let mut top = Section::top(&context, Some(&document));
    let mut config = read_top(&mut top, path);
    let inputs = top.named("inputs", |name, section| inputs::read(name, section).map(|input| (input, section.span.clone(), section.path.clone())));
    let outputs =
        top.named("outputs", |name, section| outputs::read(name, section).map(|output| (output, section.span.clone(), section.path.clone())));
    read_telemetry(&mut top, &mut config.telemetry);
    let (has_inputs, has_outputs) = (top.has("inputs"), top.has("outputs"));
    top.finish();
    check_inputs(&context, &inputs);
    check_outputs(&context, &outputs);
    let is_fine = context.found.borrow().mistakes.is_empty();
    for (is_there, is_empty, key, instead) in [
        (has_inputs, inputs.is_empty(), "inputs", "read what this machine has"),
        (has_outputs, outputs.is_empty(), "outputs", "write to standard output"),
    ] {
        // One that could not be read is none, too, and was told of.
        if is_fine && is_there && is_empty {
            context.mistake(0..0, key, format!("is empty; write [{key}.NAME] with a type, or delete the table to {instead}"));
        }
    }
    config.inputs = inputs.into_iter().map(|(input, ..)| input).collect();
    config.outputs = outputs.into_iter().map(|(output, ..)| output).collect();
    let mut found = context.found.into_inner();
    if !has_inputs {
        add_defaults(&default_inputs::text(surroundings), &mut config, &mut found, surroundings);
    }
    if !has_outputs {
        add_defaults("[outputs.stdout]\ntype = \"stdout\"\n", &mut config, &mut found, surroundings);
    }
    connect(&mut config);
    Reading { config: Some(config), found }
}

/// Every key that can be asked for, without any document.
pub(super) fn describe(surroundings: &dyn Surroundings) -> Found {
    let context = Context::new(DEFAULTS, "", surroundings);
    let mut top = Section::top(&context, None);
    let mut config = read_top(&mut top, None);
    inputs::describe(&mut top);
    outputs::describe(&mut top);
    read_telemetry(&mut top, &mut config.telemetry);
    context.found.into_inner()
}

/// The keys and tables beside inputs and outputs.
fn read_top(top: &mut Section<'_>, path: Option<&Path>) -> Config {
    let surroundings = top.context.surroundings;
    let state_dir = places::state_dir(surroundings);
    let shown = state_dir.to_string_lossy().into_owned();
    let state_dir = top.text("state_dir", &shown, "/var/lib/squelch", absolute_path).unwrap_or(state_dir);
    let node = top.text("node", &places::node(surroundings), "node-17", check_node).unwrap_or_default();
    let stop_within = top.duration("stop_within", STOP_WITHIN, Duration::from_secs(1)..=Duration::from_secs(600));
    let reload_every = top.duration_or_off("reload_every", Some(RELOAD_EVERY), Duration::from_secs(1)..=Duration::from_secs(3600));
    let mut engine = top.table("engine", engine::read);
    engine.node = first_eight(&Sha256::digest(node.as_bytes()));
    let rules_dir = top.table("rules", read_rules);
    let (store, commit_every) = top.table("store", |section| store::read(section, state_dir));
    Config {
        path: path.map(Path::to_owned),
        node,
        engine,
        rules_dir,
        inputs: Vec::new(),
        outputs: Vec::new(),
        store,
        commit_every,
        stop_within,
        telemetry: Telemetry::default(),
        reload_every: reload_every.unwrap_or(Duration::ZERO),
    }
}

fn read_telemetry(top: &mut Section<'_>, into: &mut Telemetry) {
    *into = top.table("telemetry", telemetry::read);
    top.table("log", |section| telemetry::read_log(section, into));
}

fn read_rules(section: &mut Section<'_>) -> Option<PathBuf> {
    let surroundings = section.context.surroundings;
    let default = places::rules_dir(surroundings);
    let given = section.optional_path("dir", "/etc/squelch/rules.d");
    if let Some(folder) = given.as_deref().filter(|folder| !surroundings.exists(folder)) {
        section.mistake(
            "dir",
            format!("{} is not there; make the directory, or delete the key to use the rules that are compiled in", folder.display()),
        );
    }
    given.or(default)
}

fn check_node(text: &str) -> Result<String, String> {
    if (1..=253).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    Err(format!("{} cannot name a node; use 1 to 253 signs without blanks", text_literal(text)))
}

type Placed<T> = (T, std::ops::Range<usize>, String);

fn check_inputs(context: &Context<'_>, inputs: &[Placed<Input>]) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (input, span, path) in inputs {
        let mut claim = |what: String, problem: &dyn Fn(&str) -> String| {
            if let Some(first) = seen.get(&what) {
                context.mistake(span.clone(), path, problem(first));
            } else {
                seen.insert(what, path);
            }
        };
        match input {
            Input::Stdin => claim("stdin".into(), &|first| format!("reads standard input, and so does [{first}]; delete one of them")),
            Input::Journal(options) => {
                claim(format!("journal {:?} {:?}", options.directory, options.units), &|first| {
                    format!("reads the same journal as [{first}]; delete one of them")
                });
            }
            Input::Syslog(options) => {
                let place = match &options.listen {
                    Listen::Udp(address) => format!("udp://{address}"),
                    Listen::Tcp(address) => format!("tcp://{address}"),
                    Listen::Unix(path) => format!("unix://{}", path.display()),
                };
                claim(place.clone(), &|first| format!("listens on {place}, and so does [{first}]; give one of them another address"));
            }
            Input::Files(options) => {
                for glob in &options.include {
                    claim(format!("glob {glob}"), &|first| {
                        format!("includes {}, and so does [{first}]: each line would be read twice; delete it from one of them", text_literal(glob))
                    });
                }
            }
        }
    }
}

fn check_outputs(context: &Context<'_>, outputs: &[Placed<OutputOptions>]) {
    let mut seen: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (output, span, path) in outputs {
        let (place, what) = match &output.destination {
            Destination::Stdout => (PathBuf::from("-"), "standard output".to_owned()),
            Destination::File(file) => (file.path.clone(), file.path.display().to_string()),
            Destination::Http(_) | Destination::Log(_) | Destination::Syslog(_) | Destination::Nats(_) | Destination::Alert(_) => continue,
        };
        if let Some(first) = seen.insert(place, path) {
            context.mistake(span.clone(), path, format!("writes to {what}, and so does [{first}]; delete one of them, or give it another place"));
        }
    }
}

/// Reads inputs or outputs that nobody wrote.
fn add_defaults(text: &str, config: &mut Config, found: &mut Found, surroundings: &dyn Surroundings) {
    let context = Context::new(DEFAULTS, text, surroundings);
    if let Some(document) = context.parse() {
        let mut top = Section::top(&context, Some(&document));
        config.inputs.extend(top.named("inputs", inputs::read));
        config.outputs.extend(top.named("outputs", outputs::read));
    }
    let mut added = context.found.into_inner();
    for entry in &mut added.entries {
        entry.is_set = false;
    }
    found.mistakes.append(&mut added.mistakes);
    found.entries.append(&mut added.entries);
}

/// What one part must know of another: the length of lines, and what is our own and never read.
fn connect(config: &mut Config) {
    let mut own_paths = vec![config.store.directory.clone()];
    own_paths.extend(config.outputs.iter().filter_map(|output| match &output.destination {
        Destination::File(file) => Some(file.path.clone()),
        Destination::Stdout | Destination::Http(_) | Destination::Log(_) | Destination::Syslog(_) | Destination::Nats(_) | Destination::Alert(_) => {
            None
        }
    }));
    // Rotated files of an output are its name with an ending.
    let rotated: Vec<String> = own_paths[1..].iter().map(|path| globset::escape(&path.to_string_lossy()) + ".*").collect();
    for input in &mut config.inputs {
        match input {
            Input::Files(options) => {
                options.own_paths.clone_from(&own_paths);
                options.exclude.extend_from_slice(&rotated);
                options.line_bytes_max = config.engine.line_bytes_max;
            }
            Input::Syslog(options) => options.line_bytes_max = config.engine.line_bytes_max,
            Input::Journal(_) | Input::Stdin => {}
        }
    }
}

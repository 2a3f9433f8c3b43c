//! `squelch rules list|show|test`: what the rule packs hold, and whether their examples still hold.

use super::error::{Exit, Failure};
pub use crate::config::rule_files::{RuleFile, load, read};
use crate::record::Class;
use crate::rules::{Field, Origin, Rule, RuleError, RuleSet, examples};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `squelch rules`.
#[derive(Clone, Debug, Args)]
pub struct RulesArguments {
    /// What to do with the rules.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// What to do with the rules.
#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// List all rules: id, class, first literal
    List {
        /// Add the rule files of this directory; a rule there replaces ours of the same id
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// How to print
        #[arg(short, long, value_enum, default_value_t = RulesFormat::Text)]
        output: RulesFormat,
    },
    /// Show one rule: what it looks for, its advice, its examples
    Show {
        /// Id of the rule, as `squelch rules list` prints it
        id: String,
        /// Add the rule files of this directory; a rule there replaces ours of the same id
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
    },
    /// Run the examples of all rules, ours and those of FILE
    Test {
        /// Rule files (or directories of them) to test together with ours
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// How `squelch rules list` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    /// Aligned columns
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the command; `Ok(false)` means that it found something wrong and has said what.
///
/// # Errors
/// What could not be read or written.
pub fn run(arguments: &RulesArguments, out: &mut impl Write, err: &mut impl Write) -> io::Result<bool> {
    match &arguments.command {
        RulesCommand::List { rules, output } => match load(&read(rules.as_slice())?) {
            Ok(set) => list(&set, *output, out).map(|()| true),
            Err(errors) => tell(&errors, err).map(|()| false),
        },
        RulesCommand::Show { id, rules } => match load(&read(rules.as_slice())?) {
            Ok(set) => show(&set, id, out, err),
            Err(errors) => tell(&errors, err).map(|()| false),
        },
        RulesCommand::Test { files } => test(&read(files)?, out, err),
    }
}

/// The rules for a run: ours and those of `paths`, or `None` where only ours apply (the engine has them).
///
/// # Errors
/// Everything that is wrong in the user's files, with the exit code of a bad configuration.
pub fn for_run(paths: &[PathBuf]) -> Result<Option<Arc<RuleSet>>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let files = read(paths).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    load(&files).map(|set| Some(Arc::new(set))).map_err(|errors| {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Configuration, told.join("\nsquelch: error: ")).hint("`squelch rules test FILE` checks rules before they are used")
    })
}

/// Lists the rules by id.
///
/// # Errors
/// What `out` says.
pub fn list(set: &RuleSet, format: RulesFormat, out: &mut impl Write) -> io::Result<()> {
    let mut rules: Vec<_> = set.rules().iter().collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    if format == RulesFormat::Json {
        for rule in rules {
            serde_json::to_writer(&mut *out, &RuleRecord::new(rule))?;
            writeln!(out)?;
        }
        return Ok(());
    }
    let id_width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let class_width = rules.iter().map(|rule| rule.class.as_str().len()).max().unwrap_or(0);
    for rule in rules {
        let literal = rule.literals.iter().chain(&rule.any).next().map_or("", String::as_str);
        writeln!(out, "{:id_width$}  {:class_width$}  {literal}", rule.id, rule.class.as_str())?;
    }
    Ok(())
}

#[derive(Serialize)]
struct RuleRecord<'a> {
    id: &'a str,
    class: &'static str,
    technology: &'a str,
    literals: &'a [String],
    any: &'a [String],
    pattern: Option<&'a str>,
    advice: &'a str,
    file: &'a str,
    line: u32,
}

impl<'a> RuleRecord<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            class: rule.class.as_str(),
            technology: &rule.technology,
            literals: &rule.literals,
            any: &rule.any,
            pattern: rule.pattern.as_ref().map(crate::rules::Pattern::as_str),
            advice: &rule.advice,
            file: &rule.file,
            line: rule.line,
        }
    }
}

/// Shows one rule; `Ok(false)` when there is none of this id, with the nearest ids on `err`.
///
/// # Errors
/// What the writers say.
pub fn show(set: &RuleSet, id: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<bool> {
    let Some(rule) = set.get(id) else {
        writeln!(err, "squelch: there is no rule `{id}`")?;
        let last = id.rsplit('.').next().unwrap_or(id);
        let mut near: Vec<_> = set.rules().iter().map(|r| &r.id).filter(|r| r.contains(last) || r.starts_with(id)).collect();
        near.sort();
        if near.is_empty() {
            writeln!(err, "  `squelch rules list` prints them all")?;
        }
        for id in near.iter().take(5) {
            writeln!(err, "  do you mean {id}?")?;
        }
        return Ok(false);
    };
    writeln!(out, "{}  {}  ({}:{})", rule.id, rule.class, rule.file, rule.line)?;
    if !rule.advice.is_empty() {
        writeln!(out, "  advice    {}", rule.advice)?;
    }
    for literal in &rule.literals {
        writeln!(out, "  contains  {literal:?}")?;
    }
    for literal in &rule.any {
        writeln!(out, "  any of    {literal:?}")?;
    }
    for pattern in rule.pattern.iter() {
        writeln!(out, "  pattern   {}", pattern.as_str())?;
    }
    for pattern in &rule.captures {
        writeln!(out, "  captures  {}", pattern.as_str())?;
    }
    if let Some(unit) = rule.delay_unit {
        writeln!(out, "  delay in  {}", unit.as_str())?;
    }
    if rule.is_fallback {
        writeln!(out, "  fallback  tried after all other rules")?;
    }
    for example in &rule.matches {
        writeln!(out, "  match     {}", example.text.replace('\n', "\\n"))?;
        for (field, value) in &example.captures {
            writeln!(out, "              {} = {value:?}", Field::as_str(*field))?;
        }
    }
    for example in &rule.no_matches {
        writeln!(out, "  no match  {}", example.text.replace('\n', "\\n"))?;
    }
    Ok(true)
}

/// Runs all examples; `Ok(false)` when one fails or a file is broken.
///
/// # Errors
/// What the writers say.
pub fn test(files: &[RuleFile], out: &mut impl Write, err: &mut impl Write) -> io::Result<bool> {
    let set = match load(files) {
        Ok(set) => set,
        Err(errors) => return tell(&errors, err).map(|()| false),
    };
    let reports = examples::run(&set);
    for report in &reports {
        writeln!(out, "{report}")?;
    }
    let failures = reports.iter().filter(|report| report.is_failure()).count();
    let users = set.rules().iter().filter(|rule| rule.origin == Origin::User).count();
    let examples: usize = set.rules().iter().map(|rule| rule.matches.len() + rule.no_matches.len()).sum();
    let retry_like = set.rules().iter().filter(|rule| rule.class != Class::None).count();
    writeln!(
        out,
        "{} rules ({users} of yours, {retry_like} about retrying), {examples} examples: {}",
        set.rules().len(),
        if failures == 0 { "all hold".to_owned() } else { format!("{failures} failed") }
    )?;
    Ok(failures == 0)
}

/// Prints what is wrong in rule files, one a line.
fn tell(errors: &[RuleError], err: &mut impl Write) -> io::Result<()> {
    for error in errors {
        writeln!(err, "squelch: {error}")?;
    }
    Ok(())
}

//! `squelch store status|export|dead-letters|replay-dead-letters`: a look into the store, beside the agent or without one.

use super::check::tell_mistakes;
use super::config::ConfigFile;
use super::error::{Exit, Failure};
use crate::clock;
use crate::config;
use crate::outputs::stats::AccountingRecord;
use crate::outputs::timestamp::rfc3339;
use crate::store::{self, Cursor, Dropped, OutputStatus, Reader, RecordKind, Remedy, Status, StoreError};
use crate::time::UnixNanos;
use crate::units::{show_bytes, show_count, show_duration};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Options of `squelch store`.
#[derive(Clone, Debug, Args)]
pub struct StoreArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// Which store.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The configuration of the agent: its `state_dir` is where the store is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The state directory of the agent; without it, the one that the configuration names
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub directory: Option<PathBuf>,
}

impl Place {
    /// The state directory; an exit code when the configuration has mistakes, which were told.
    fn directory(&self) -> Result<PathBuf, Exit> {
        match &self.directory {
            Some(directory) => Ok(directory.clone()),
            None => {
                config::load(self.file.config.as_deref()).map(|loaded| loaded.config.store.directory).map_err(|mistakes| tell_mistakes(&mistakes))
            }
        }
    }
}

/// What to do with the store.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreCommand {
    /// Say what is in the store: size, queue, outputs, accounting
    Status {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// Text for people, or one JSON object for programs
        #[arg(short, long, value_name = "text|json", default_value = "text", hide_possible_values = true)]
        output: Format,
    },
    /// Write the records that wait in the store as NDJSON; nothing is removed
    Export {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// Read this file instead, for example a squelch.db.corrupt-*
        #[arg(long, value_name = "FILE", conflicts_with_all = ["directory", "config", "output"])]
        file: Option<PathBuf>,
        /// Only what this output has yet to take
        #[arg(long, value_name = "NAME")]
        output: Option<String>,
    },
    /// List the records that outputs gave up, with what the receiver said
    DeadLetters {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// Only those of this output
        #[arg(long, value_name = "NAME")]
        output: Option<String>,
        /// One JSON object a line, the record included
        #[arg(long)]
        json: bool,
    },
    /// Put the dead letters of an output back into its queue
    ///
    /// Works while the agent runs; a letter that is refused again becomes a dead letter again.
    ReplayDeadLetters {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// Which output
        #[arg(long, value_name = "NAME")]
        output: String,
    },
}

impl StoreCommand {
    const fn place(&self) -> &Place {
        let (Self::Status { place, .. } | Self::Export { place, .. } | Self::DeadLetters { place, .. } | Self::ReplayDeadLetters { place, .. }) =
            self;
        place
    }
}

/// Forms of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the command.
///
/// # Errors
/// The store or `out` cannot be used, in words for people.
pub fn run(arguments: &StoreArguments, out: &mut impl Write) -> Result<Exit, Failure> {
    if let StoreCommand::Export { file: Some(file), .. } = &arguments.command {
        return export(Reader::open_file(file).map_err(told)?, Cursor::default(), out);
    }
    let directory = match arguments.command.place().directory() {
        Ok(directory) => directory,
        Err(exit) => return Ok(exit),
    };
    match &arguments.command {
        StoreCommand::Status { output, .. } => {
            let status = Status::read(&directory).map_err(told)?;
            let text = if *output == Format::Json { status_json(&status) } else { status_text(&status, clock::now()) };
            written(out.write_all(text.as_bytes()))
        }
        StoreCommand::Export { output, .. } => {
            let reader = Reader::open(&directory).map_err(told)?;
            let Some(name) = output else { return export(reader, Cursor::default(), out) };
            let status = Status::read(&directory).map_err(told)?;
            let cursor = status.outputs.iter().find(|known| known.name == *name).and_then(|known| known.cursor);
            let known = || status.outputs.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
            let cursor = cursor.ok_or_else(|| told(StoreError::NoOutput { name: name.clone(), known: known() }))?;
            export(reader.for_output(name), cursor, out)
        }
        StoreCommand::DeadLetters { output, json, .. } => {
            let mut result = Ok(());
            store::dead_letters(&directory, output.as_deref(), |letter| {
                result = write_letter(&letter, *json, out);
                result.is_ok()
            })
            .map_err(told)?;
            written(result)
        }
        StoreCommand::ReplayDeadLetters { output, .. } => {
            let count = store::replay_dead_letters(&directory, output, clock::now()).map_err(told)?;
            written(writeln!(out, "{} put back into the queue of {output}", counted(count, "record", "records")))
        }
    }
}

/// Bytes of records that an export takes at a time.
const EXPORT_BYTES: usize = 1 << 20;

fn export(mut reader: Reader, mut after: Cursor, out: &mut impl Write) -> Result<Exit, Failure> {
    while let Some(batch) = reader.next(after, EXPORT_BYTES).map_err(told)? {
        after = batch.cursor_after(batch.records.len());
        if let Err(error) = out.write_all(&batch.records.ndjson) {
            return written(Err(error));
        }
    }
    written(out.flush())?;
    match reader.damaged() {
        0 => Ok(Exit::Fine),
        lost => Err(Failure::new(Exit::Failure, format!("{} could not be read: their batches are damaged", counted(lost, "record", "records")))),
    }
}

fn write_letter(letter: &store::KeptLetter, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        let record = LetterRecord {
            id: letter.id,
            output: &letter.output,
            kind: letter.kind.as_str(),
            at: rfc3339(letter.at),
            reason: &letter.reason,
            record: String::from_utf8_lossy(&letter.json).into_owned(),
        };
        serde_json::to_writer(&mut *out, &record)?;
        return writeln!(out);
    }
    let reason: String = letter.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(out, "{}  {}  {}  {}  {reason}", letter.id, rfc3339(letter.at), letter.output, letter.kind.as_str())
}

#[derive(Serialize)]
struct LetterRecord<'a> {
    id: i64,
    output: &'a str,
    kind: &'static str,
    at: String,
    reason: &'a str,
    record: String,
}

#[derive(Serialize)]
struct StatusRecord<'a> {
    path: String,
    held_by: Option<u32>,
    version: i64,
    store_id: String,
    generation: u64,
    file_bytes: u64,
    log_bytes: u64,
    used_bytes: u64,
    batches: u64,
    records: u64,
    record_bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
    outputs: Vec<OutputRecord<'a>>,
    positions: u64,
    windows: u64,
    window_lines: u64,
    held_lines: u64,
    accounting: AccountingRecord,
    dropped: DroppedRecord,
    dead_letters_forgotten: u64,
    set_aside: Vec<String>,
}

#[derive(Serialize)]
struct OutputRecord<'a> {
    name: &'a str,
    batch: Option<i64>,
    done: Option<u32>,
    delivered: u64,
    queued: u64,
    oldest: Option<String>,
    dead: u64,
    dead_letters: u64,
}

#[derive(Serialize)]
struct DroppedRecord {
    line: u64,
    summary: u64,
    burst: u64,
    storm: u64,
    absorbed: u64,
    samples: u64,
    lines_inside: u64,
}

impl DroppedRecord {
    const fn new(dropped: &Dropped) -> Self {
        let [line, summary, burst, storm, absorbed] = dropped.records;
        Self { line, summary, burst, storm, absorbed, samples: dropped.samples, lines_inside: dropped.lines }
    }
}

fn status_json(status: &Status) -> String {
    let record = StatusRecord {
        path: status.path.display().to_string(),
        held_by: status.held_by,
        version: status.version,
        store_id: format!("{:016x}", status.store_id),
        generation: status.generation,
        file_bytes: status.file_bytes,
        log_bytes: status.log_bytes,
        used_bytes: status.used_bytes,
        batches: status.batches,
        records: status.records,
        record_bytes: status.record_bytes,
        oldest: status.oldest.map(rfc3339),
        newest: status.newest.map(rfc3339),
        outputs: status.outputs.iter().map(output_record).collect(),
        positions: status.positions,
        windows: status.windows,
        window_lines: status.window_lines,
        held_lines: status.held_lines,
        accounting: AccountingRecord::new(&status.totals, status.totals.bytes_forwarded),
        dropped: DroppedRecord::new(&status.dropped),
        dead_letters_forgotten: status.letters_forgotten,
        set_aside: status.set_aside.iter().map(|file| file.display().to_string()).collect(),
    };
    let mut text = serde_json::to_string(&record).expect("numbers and words make valid JSON");
    text.push('\n');
    text
}

fn output_record(output: &OutputStatus) -> OutputRecord<'_> {
    OutputRecord {
        name: &output.name,
        batch: output.cursor.map(|cursor| cursor.batch.0),
        done: output.cursor.map(|cursor| cursor.done),
        delivered: output.delivered,
        queued: output.queued,
        oldest: output.oldest.map(rfc3339),
        dead: output.dead,
        dead_letters: output.letters,
    }
}

fn status_text(status: &Status, now: UnixNanos) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let holder = status.held_by.map_or_else(|| "no agent runs".to_owned(), |pid| format!("in use by process {pid}"));
    rows.push(("store", format!("{}, {holder}", status.path.display())));
    rows.push((
        "size",
        format!("{} in use of {}, log {}", show_bytes(status.used_bytes), show_bytes(status.file_bytes), show_bytes(status.log_bytes)),
    ));
    let age = |at: Option<UnixNanos>| at.map_or_else(String::new, |at| format!(", oldest {} ago", show_duration(now.since(at).max(0))));
    let (batches, records) = (counted(status.batches, "batch", "batches"), counted(status.records, "record", "records"));
    rows.push(("queue", format!("{batches}, {records} ({}){}", show_bytes(status.record_bytes), age(status.oldest))));
    for output in &status.outputs {
        let state = match output.cursor {
            None => "not configured any more".to_owned(),
            Some(_) if output.queued == 0 => format!("up to date, {} delivered", show_count(output.delivered)),
            Some(_) => {
                format!("{} behind{}, {} delivered", counted(output.queued, "record", "records"), age(output.oldest), show_count(output.delivered))
            }
        };
        let dead = if output.dead + output.letters == 0 {
            String::new()
        } else {
            format!(", {} dead ({} to replay)", show_count(output.dead), show_count(output.letters))
        };
        rows.push(("output", format!("{}: {state}{dead}", output.name)));
    }
    let totals = &status.totals;
    rows.push((
        "accounting",
        format!(
            "read {} = {} forwarded + {} summarised + {} dropped + {} open: {}",
            show_count(totals.read),
            show_count(totals.forwarded),
            show_count(totals.summarised),
            show_count(totals.dropped),
            show_count(totals.open),
            if totals.holds() { "holds" } else { "DOES NOT HOLD" }
        ),
    ));
    let windows = counted(status.windows, "window", "windows");
    rows.push((
        "open",
        format!(
            "{windows} with {}, {} held, {}",
            counted(status.window_lines, "line", "lines"),
            counted(status.held_lines, "line", "lines"),
            counted(status.positions, "input position", "input positions")
        ),
    ));
    if !status.dropped.is_empty() {
        let kinds = RecordKind::ALL.iter().zip(status.dropped.records).map(|(kind, count)| format!("{} {}", show_count(count), kind.as_str()));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        rows.push(("gave up", format!("{kinds} records for want of room ({} inside)", counted(status.dropped.lines, "line", "lines"))));
    }
    if status.letters_forgotten > 0 {
        rows.push(("gave up", format!("{} for want of room", counted(status.letters_forgotten, "dead letter", "dead letters"))));
    }
    for file in &status.set_aside {
        rows.push(("damaged", format!("{} (`squelch store export --file` may read some of it)", file.display())));
    }
    rows.push(("start", format!("{} of store {:016x}, version {}", show_count(status.generation), status.store_id, status.version)));
    rows.iter().map(|(name, text)| format!("{name:<12}{text}\n")).collect()
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", show_count(n), if n == 1 { one } else { many })
}

/// A closed pipe is no error.
fn written(result: io::Result<()>) -> Result<Exit, Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(&error)),
        _ => Ok(Exit::Fine),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last that is heard of the error")]
fn told(error: StoreError) -> Failure {
    let exit = match error {
        StoreError::Newer { .. } => Exit::Configuration,
        _ => Exit::Failure,
    };
    let failure = Failure::new(exit, error.to_string());
    match error {
        StoreError::Missing(_) => failure.hint("--config or --directory says where the agent keeps it; the agent makes the store when it starts"),
        StoreError::Corrupt(_) => failure.hint("the agent sets it aside and begins a new one when it starts"),
        _ if error.remedy() == Remedy::Retry => failure.hint("try again"),
        _ => failure,
    }
}

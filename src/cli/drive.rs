//! Drives the engine: bytes in, time passing, results out. One loop per kind of input (see [`inputs`](crate::inputs)).

use super::error::{Exit, Failure, tell};
use super::line_time::LineTime;
use super::options::{Cli, InputArguments};
use super::signals::Stop;
use crate::clock;
use crate::engine::{Engine, Sink};
use crate::inputs::merge::{Merge, Run};
use crate::inputs::open::{InputError, Probe, Source, is_stdin_terminal, open, probe};
use crate::inputs::reader::{Event, PIECE_BYTES, PIECES_QUEUED, Pool, spawn};
use crate::inputs::replay::Replay;
use crate::outputs::Output;
use crate::record::StreamId;
use crate::time::{MILLI, UnixNanos};
use clap::CommandFactory;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::Duration;

/// While input keeps coming, what is ready to go out waits no longer than this.
const FLUSH_NS: i64 = 5 * MILLI;

/// Why a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is read.
    Input,
    /// SIGINT or SIGTERM.
    Signal(i32),
    /// Nobody reads our output any more.
    OutputClosed,
}

/// What is to be read, looked at but not opened: opening a named pipe waits for its writer.
pub struct Plan {
    sources: Vec<(Source, Probe)>,
    replay: Option<Replay>,
    /// Whether something could not be read.
    pub has_failed: bool,
    /// Bytes taken from files so far.
    pub bytes_read: Arc<AtomicU64>,
}

impl Plan {
    /// Looks at everything the user named; what cannot be read is named on stderr.
    ///
    /// # Errors
    /// When a recording cannot be opened. `None` when there is nothing to read but a terminal.
    pub fn new(arguments: &InputArguments) -> Result<Option<Self>, Failure> {
        let mut plan = Self { sources: Vec::new(), replay: None, has_failed: false, bytes_read: Arc::default() };
        if let Some(path) = &arguments.replay {
            plan.replay = Some(plan.open_replay(path).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?);
            return Ok(Some(plan));
        }
        let mut sources: Vec<Source> = arguments.files.iter().map(|path| Source::new(path)).collect();
        if sources.is_empty() {
            if is_stdin_terminal() {
                return Ok(None);
            }
            sources.push(Source::Stdin);
        }
        for source in sources {
            match probe(&source) {
                Ok(found) => plan.sources.push((source, found)),
                Err(error) => {
                    plan.failed(&error);
                    if let Some(command) = mistyped_command(&source) {
                        tell(&format!("did you mean the command `{command}`? a command comes first: squelch {command} ..."));
                    }
                }
            }
        }
        Ok(Some(plan))
    }

    fn open_replay(&self, path: &Path) -> Result<Replay, InputError> {
        let source = Source::new(path);
        probe(&source)?;
        let reader = open(&source, &self.bytes_read)?;
        Replay::new(reader).map_err(|error| InputError::new(source.label(), error))
    }

    fn failed(&mut self, error: &InputError) {
        self.has_failed = true;
        tell(&error.to_string());
    }

    /// Bytes of all files as they lie on disk; 0 when something else than a file is read.
    #[must_use]
    pub fn length(&self) -> u64 {
        if self.is_all_files() { self.sources.iter().map(|(_, probe)| probe.length).sum() } else { 0 }
    }

    /// Dates stamps without a year: the beginning of a recording, the last change of the newest file, else now.
    #[must_use]
    pub fn reference(&self) -> UnixNanos {
        if let Some(replay) = &self.replay {
            return replay.ahead.first.unwrap_or_default();
        }
        let modified = || self.sources.iter().filter_map(|(_, probe)| probe.modified).max();
        if self.is_all_files() { modified().unwrap_or_else(clock::now) } else { clock::now() }
    }

    fn is_all_files(&self) -> bool {
        self.sources.iter().all(|(_, probe)| probe.is_regular)
    }

    /// Reads everything through `engine` into `output`, then drains. `events` is the channel of reader threads.
    pub fn drive(&mut self, engine: &mut Engine, output: &mut dyn Output, stop: &Stop, events: (SyncSender<Event>, &Receiver<Event>)) -> End {
        let mut drive = Drive { engine, output, stop, flushed_at: UnixNanos(0) };
        let (end, at) = match self.replay.take() {
            Some(replay) => drive.replay(replay, self),
            None if self.is_all_files() => (drive.files(self), clock::now()),
            None => (drive.pipes(self, events), clock::now()),
        };
        drive.output.set_now(at);
        let sink: &mut dyn Sink = drive.output;
        drive.engine.drain(at, sink);
        drive.output.idle();
        end
    }
}

/// The command that a file's name is, or nearly is: a typing mistake, or an option before the command.
fn mistyped_command(source: &Source) -> Option<String> {
    let Source::Path(path) = source else { return None };
    let word = path.to_str().filter(|word| word.is_ascii() && word.len() < 20)?;
    let command = Cli::command();
    let names = command.get_subcommands().map(|command| (edits(word, command.get_name()), command.get_name().to_owned()));
    names.min().filter(|(edits, name)| *edits <= 2 && name.len() > 3).map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to make `b` of `a` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

struct Drive<'a> {
    engine: &'a mut Engine,
    output: &'a mut dyn Output,
    stop: &'a Stop,
    flushed_at: UnixNanos,
}

impl Drive<'_> {
    fn open_stream(&mut self, label: &str, epoch: UnixNanos, is_backlog: bool, is_instance: bool) -> StreamId {
        let stream = self.engine.open_stream(label, is_backlog, is_instance);
        self.output.name_stream(stream, label, epoch, is_backlog);
        stream
    }

    fn feed(&mut self, stream: StreamId, at: UnixNanos, bytes: &[u8]) {
        self.output.set_now(at);
        self.engine.feed(stream, at, bytes, self.output);
    }

    fn end_stream(&mut self, stream: StreamId, at: UnixNanos) {
        self.output.set_now(at);
        self.engine.end_stream(stream, at, self.output);
    }

    /// Wakes the engine for everything that was due by `now`, each at its own time: so a replay does not depend on when its rows come.
    fn wake_until(&mut self, now: UnixNanos) {
        while let Some(due) = self.engine.next_wakeup().filter(|due| *due <= now) {
            self.output.set_now(due);
            self.engine.wake(due, self.output);
            if self.engine.next_wakeup() == Some(due) {
                break;
            }
        }
    }

    /// Wakes the engine if it asked for that, with the time of day.
    fn wake(&mut self, now: UnixNanos) {
        if self.engine.next_wakeup().is_some_and(|due| due <= now) {
            self.output.set_now(now);
            self.engine.wake(now, self.output);
        }
    }

    /// Something was read: lets it out in time although more input waits. Says why to stop, if there is a reason.
    fn after_bytes(&mut self, now: UnixNanos) -> Option<End> {
        let _ = self.output.show_activity(now, self.engine);
        if now.since(self.flushed_at).abs() >= FLUSH_NS {
            self.output.idle();
            self.flushed_at = now;
            if self.output.is_closed() {
                return Some(End::OutputClosed);
            }
        }
        self.stop.signal().map(End::Signal)
    }

    /// Regular files: read on this thread, merged in time order.
    fn files(&mut self, plan: &mut Plan) -> End {
        let mut readers = Vec::new();
        let mut streams = Vec::new();
        for (source, _) in std::mem::take(&mut plan.sources) {
            match open(&source, &plan.bytes_read) {
                Ok(reader) => {
                    readers.push((streams.len(), source.label(), reader));
                    streams.push(self.open_stream(&source.label(), UnixNanos(0), true, false));
                }
                Err(error) => plan.failed(&error),
            }
        }
        let mut merge = Merge::new(readers);
        let mut times = LineTime::new(self.engine.options().reference, self.engine.options().zone_offset_seconds);
        while let Some(run) = merge.next_run(&mut |line| times.of(line)) {
            let now = clock::now();
            self.wake(now);
            match run {
                Run::Bytes(input, bytes) => self.feed(streams[input], now, bytes),
                Run::End(input, error) => {
                    if let Some(error) = error {
                        plan.failed(&error);
                    }
                    self.end_stream(streams[input], now);
                }
            }
            if let Some(end) = self.after_bytes(now) {
                return end;
            }
        }
        End::Input
    }

    /// Pipes (and files beside them): a reader thread each, in the order of arrival.
    fn pipes(&mut self, plan: &mut Plan, (sender, events): (SyncSender<Event>, &Receiver<Event>)) -> End {
        let pool = Pool::default();
        let mut streams = Vec::new();
        let mut open = 0;
        for (source, probe) in std::mem::take(&mut plan.sources) {
            let label = source.label();
            let epoch = if probe.is_regular { UnixNanos(0) } else { clock::now() };
            match spawn(streams.len(), source, pool.clone(), sender.clone()) {
                Ok(()) => {
                    streams.push(self.open_stream(&label, epoch, probe.is_regular, false));
                    open += 1;
                }
                Err(error) => plan.failed(&InputError::new(label, error)),
            }
        }
        drop(sender);
        let mut stopped: Option<End> = None;
        // After a signal what the readers have handed over is processed; a busy producer must not keep us from ending.
        let mut events_left_after_stop = PIECES_QUEUED + streams.len();
        while open > 0 && events_left_after_stop > 0 {
            let Some(event) = (match events.try_recv() {
                Ok(event) => Some(event),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) if stopped.is_some() => break,
                Err(TryRecvError::Empty) => self.wait(events),
            }) else {
                continue;
            };
            let now = clock::now();
            match event {
                Event::Bytes { input, buffer, len } => {
                    self.wake(now);
                    self.feed(streams[input], now, &buffer[..len]);
                    pool.give(buffer);
                }
                Event::End { input, error } => {
                    open -= 1;
                    if let Some(error) = error {
                        plan.failed(&error);
                    }
                    self.end_stream(streams[input], now);
                }
                Event::Wake => {}
            }
            match self.after_bytes(now) {
                Some(End::OutputClosed) => return End::OutputClosed,
                Some(end) => {
                    stopped = Some(end);
                    events_left_after_stop -= 1;
                }
                None => {}
            }
        }
        stopped.unwrap_or(End::Input)
    }

    /// Nothing to read: everything goes out, time passes until something comes.
    fn wait(&mut self, events: &Receiver<Event>) -> Option<Event> {
        let now = clock::now();
        self.wake(now);
        let redraw = self.output.show_activity(now, self.engine);
        self.output.idle();
        self.flushed_at = now;
        if self.output.is_closed() || self.stop.signal().is_some() {
            return Some(Event::Wake);
        }
        let due = [self.engine.next_wakeup(), redraw].into_iter().flatten().min();
        let received = match due {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => events.recv_timeout(Duration::from_nanos(due.since(now).max(0).unsigned_abs())),
        };
        received.ok()
    }

    /// A recording: its rows are the clock.
    fn replay(&mut self, mut replay: Replay, plan: &mut Plan) -> (End, UnixNanos) {
        let is_instance = replay.ahead.has_streams;
        let mut streams: BTreeMap<Vec<u8>, StreamId> = BTreeMap::new();
        let mut now = replay.ahead.first.unwrap_or_default();
        let mut read_bytes = 0_usize;
        let end = loop {
            let row = match replay.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => break End::Input,
                Err(error) => {
                    plan.failed(&InputError::new("replay".into(), error));
                    break End::Input;
                }
            };
            // Recorded arrivals of several streams may step back a little; the clock does not.
            now = now.max(row.arrival);
            self.wake_until(now);
            let stream = match streams.get(row.stream) {
                Some(stream) => *stream,
                None => {
                    let label = String::from_utf8_lossy(row.stream);
                    let stream = self.open_stream(&label, now, false, is_instance);
                    streams.insert(row.stream.to_vec(), stream);
                    stream
                }
            };
            self.feed(stream, now, row.bytes);
            // Looking at flags and at the real clock for every row would cost more than the row.
            read_bytes += row.bytes.len();
            if read_bytes > PIECE_BYTES {
                read_bytes = 0;
                if let Some(end) = self.after_bytes(clock::now()) {
                    break end;
                }
            }
        };
        for stream in streams.into_values() {
            self.end_stream(stream, now);
        }
        let malformed = replay.malformed;
        if malformed.count > 0 {
            let rows = if malformed.count == 1 { "row is" } else { "rows are" };
            tell(&format!(
                "replay: {} {rows} not unix_ns<TAB>stream<TAB>line and not read; the first is row {}",
                malformed.count, malformed.first_row
            ));
        }
        (end, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_mistyped_command_is_recognised_and_a_file_is_not() {
        let meant = |path: &str| mistyped_command(&Source::Path(PathBuf::from(path)));
        assert_eq!(meant("reprot"), Some("report".into()));
        assert_eq!(meant("explian"), Some("explain".into()));
        assert_eq!(meant("report"), Some("report".into()));
        assert_eq!(meant("app.log"), None);
        assert_eq!(meant("logs/report"), None);
    }
}

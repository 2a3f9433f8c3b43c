//! The supervised child: started after the last cursor, restarted with full jitter, stopped with us.

use super::Options;
use super::entry::{self, Entry};
use crate::clock;
use crate::inputs::event::{Data, Event, Feeder, LostReason, Position, Stopped, StreamInfo, StreamNumber};
use crate::record::Place;
use crate::time::{SECOND, UnixNanos};
use rapidhash::v3::rapidhash_v3;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Units that are streams of their own; what further units say goes under `other`. A node has some hundred.
const UNITS_MAX: usize = 512;
/// The longest entry that is looked at: a journal entry may carry a core dump. Longer ones are counted as lost.
const ENTRY_BYTES_MAX: usize = 16 << 20;
/// A child that ended is started again after a random part of this, doubled each time ...
const RESTART_BASE: Duration = Duration::from_millis(500);
/// ... up to this.
const RESTART_CAP: Duration = Duration::from_secs(60);
/// An entry older than this belongs to a backlog.
const BACKLOG_AGE_NS: i64 = 5 * SECOND;

/// Why the journal is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The program is not there.
    #[error("cannot start `{}`: {source}; install systemd's journalctl, set `journalctl` to its path, or remove the journald input", program.display())]
    Missing {
        /// Which program.
        program: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Where the journal was left: the cursor, and the time of its entry for the case that the journal no longer knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    cursor: String,
    realtime_us: i64,
}

/// How a child ended.
enum Ended {
    /// We were told to stop, or nobody takes our events.
    Stopped,
    /// By itself. `entries`: how many it had told.
    ByItself { entries: u64, said: String },
}

/// Reads the journal until `stop` turns true.
///
/// # Errors
/// The program cannot be started at all. A child that ends later is started again.
pub async fn run(options: Options, positions: Vec<Position>, feeder: Feeder, mut stop: watch::Receiver<bool>) -> Result<(), JournalError> {
    let key = format!("{}/cursor", options.name);
    let left = positions.iter().find(|position| *position.key == *key).and_then(|position| serde_json::from_slice(&position.value).ok());
    let mut reader = Reader { key: key.into(), left, units: HashMap::new(), feeder, is_first: true, options };
    let (mut failures, mut is_cursor_known) = (0, true);
    while !*stop.borrow() {
        let ended = reader.follow(is_cursor_known, &mut stop).await?;
        let Ended::ByItself { entries, said } = ended else { break };
        if entries > 0 {
            (failures, is_cursor_known) = (0, true);
        } else if reader.left.is_some() && is_cursor_known && said.contains("cursor") {
            tracing::warn!("the journal no longer knows where it was left ({said}): it is read from that time on");
            is_cursor_known = false;
        }
        failures += 1;
        let wait = restart_delay(failures, rand::random());
        tracing::warn!("journalctl ended (attempt {failures}): {}, retrying in {wait:.1?}", if said.is_empty() { "no reason given" } else { &said });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = told_to_stop(&mut stop) => break,
        }
    }
    reader.close().await;
    Ok(())
}

/// Exponential, full jitter after the cap. `random` in 0..1.
fn restart_delay(failures: u32, random: f64) -> Duration {
    let ceiling = RESTART_BASE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RESTART_CAP);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

struct Reader {
    options: Options,
    key: Box<str>,
    left: Option<Left>,
    units: HashMap<String, StreamNumber>,
    feeder: Feeder,
    /// The next entry is the first of this child: only there a gap in the numbers says that entries are gone.
    is_first: bool,
}

impl Reader {
    fn command(&self, is_cursor_known: bool) -> Command {
        let mut command = Command::new(&self.options.journalctl);
        command.args(["--output=json", "--all", "--follow", "--no-pager", "--quiet"]);
        if let Some(directory) = &self.options.directory {
            command.arg("--directory").arg(directory);
        }
        command.args(self.options.units.iter().map(|unit| format!("--unit={unit}")));
        match &self.left {
            Some(left) if is_cursor_known => command.arg(format!("--after-cursor={}", left.cursor)),
            Some(left) => command.args(["--no-tail".into(), format!("--since=@{}", left.realtime_us / 1_000_000)]),
            None if self.options.from_boot => command.args(["--boot", "--no-tail"]),
            None => command.arg("--lines=0"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn follow(&mut self, is_cursor_known: bool, stop: &mut watch::Receiver<bool>) -> Result<Ended, JournalError> {
        let mut child =
            self.command(is_cursor_known).spawn().map_err(|source| JournalError::Missing { program: self.options.journalctl.clone(), source })?;
        self.is_first = true;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { unreachable!("both are pipes") };
        let said = tokio::spawn(last_line(stderr));
        let mut lines = BufReader::with_capacity(64 << 10, stdout);
        let mut line = Vec::new();
        let mut entries = 0;
        loop {
            line.clear();
            let read = tokio::select! {
                read = read_line(&mut lines, &mut line) => read,
                () = told_to_stop(stop) => return Ok(stopped(child).await),
            };
            match read {
                Ok(Line::Whole) => {
                    entries += 1;
                    if self.line(&mut line).await.is_err() {
                        return Ok(stopped(child).await);
                    }
                }
                Ok(Line::TooLong) => {
                    let lost = Event::Lost { reason: LostReason::Truncated, lines: 1, bytes: ENTRY_BYTES_MAX as u64 };
                    if self.feeder.send(lost).await.is_err() {
                        return Ok(stopped(child).await);
                    }
                }
                // What a child that was killed left half-written is read again after the cursor.
                Ok(Line::End) | Err(_) => break,
            }
        }
        let status = child.wait().await;
        let mut said = said.await.unwrap_or_default();
        if said.is_empty() {
            said = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        }
        Ok(Ended::ByItself { entries, said })
    }

    async fn line(&mut self, line: &mut Vec<u8>) -> Result<(), Stopped> {
        let arrival = clock::now();
        let Some(entry) = entry::read(line) else {
            tracing::debug!("journalctl wrote a line that is no entry: {}", String::from_utf8_lossy(&line[..line.len().min(200)]));
            return Ok(());
        };
        if self.left.as_ref().is_some_and(|left| left.cursor == entry.cursor) {
            return Ok(()); // read from a time on, the last entry comes once more
        }
        if std::mem::take(&mut self.is_first)
            && self.options.units.is_empty()
            && let Some(gap) = self.left.as_ref().and_then(|left| entries_between(&left.cursor, &entry.cursor))
            && gap > 0
        {
            self.feeder.send(Event::Lost { reason: LostReason::Vacuumed, lines: gap, bytes: 0 }).await?;
        }
        let left = Left { cursor: entry.cursor.clone(), realtime_us: entry.realtime.0 / 1000 };
        let value = serde_json::to_vec(&left).expect("plain data has a JSON form").into();
        let position = Some(Position { key: self.key.clone(), value });
        self.left = Some(left);
        if self.options.exclude_units.contains(&entry.unit) {
            return match position {
                Some(position) => self.feeder.send(Event::Moved(position)).await,
                None => Ok(()),
            };
        }
        let stream = self.stream(&entry, arrival).await?;
        // The same entry gets the same id whenever it is read.
        let place = Place { origin: rapidhash_v3(entry.cursor.as_bytes()), offset: entry.realtime.0.unsigned_abs() / 1000 };
        let bytes = std::mem::take(line);
        self.feeder.send(Event::Data(Data { stream, arrival, place, bytes, ends_line: false, position })).await
    }

    async fn stream(&mut self, entry: &Entry, arrival: UnixNanos) -> Result<StreamNumber, Stopped> {
        if let Some(stream) = self.units.get(&entry.unit) {
            return Ok(*stream);
        }
        let unit = if self.units.len() < UNITS_MAX { entry.unit.as_str() } else { "other" };
        if let Some(stream) = self.units.get(unit) {
            return Ok(*stream);
        }
        let stream = self.feeder.next_stream();
        let mut resource = vec![("systemd.unit".into(), unit.into())];
        resource.extend(entry.host.as_deref().map(|host| ("host.name".into(), host.into())));
        let info = StreamInfo { key: format!("journal:{unit}").into(), label: unit.into(), resource, ..StreamInfo::default() };
        let is_backlog = arrival.since(entry.realtime) > BACKLOG_AGE_NS;
        self.feeder.send(Event::Opened { stream, info: Arc::new(info), is_backlog }).await?;
        self.units.insert(unit.to_owned(), stream);
        Ok(stream)
    }

    async fn close(&mut self) {
        for (_, stream) in self.units.drain() {
            if self.feeder.send(Event::Closed(stream)).await.is_err() {
                return;
            }
        }
    }
}

/// How many entries of the same journal lie between two cursors (`s=ID;i=NUMBER;...`), if both are of the same.
fn entries_between(before: &str, after: &str) -> Option<u64> {
    let part = |cursor: &str, name: &str| cursor.split(';').find_map(|part| part.strip_prefix(name).map(str::to_owned));
    let number = |cursor: &str| u64::from_str_radix(&part(cursor, "i=")?, 16).ok();
    (part(before, "s=")? == part(after, "s=")?).then_some(())?;
    number(after)?.checked_sub(number(before)?)?.checked_sub(1)
}

/// What was read.
enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads up to a newline, at most [`ENTRY_BYTES_MAX`] bytes of it into `line`. Bytes without a newline at the end are not a line.
async fn read_line(input: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> io::Result<Line> {
    let mut is_too_long = false;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = memchr::memchr(b'\n', available);
        let take = end.map_or(available.len(), |at| at + 1);
        if line.len() + take > ENTRY_BYTES_MAX {
            is_too_long = true;
            line.clear();
        }
        if !is_too_long {
            line.extend_from_slice(&available[..take]);
        }
        input.consume(take);
        if end.is_some() {
            return Ok(if is_too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

/// The last line of what the child complains, at most 500 bytes.
async fn last_line(stderr: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            last = line.chars().take(500).collect();
        }
    }
    last
}

/// Returns when `stop` is true, or when nobody can set it any more.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // The value is looked at by its condition; a sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn stopped(mut child: Child) -> Ended {
    // It may have ended already.
    let _ = child.kill().await;
    Ended::Stopped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const HOUR_AGO: &str = "1790000000000000";

    fn entry(number: u32, unit: &str, message: &str) -> String {
        format!(r#"{{"__CURSOR":"s=1d56;i={number:x};b=1","__REALTIME_TIMESTAMP":"{HOUR_AGO}","_SYSTEMD_UNIT":"{unit}","MESSAGE":"{message}"}}"#)
    }

    /// A journalctl that notes its arguments and runs `script`; what the input tells until it was started `starts` times and has ended.
    async fn told(script: &str, positions: Vec<Position>, options: Options, events_max: usize) -> (Vec<String>, String) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("journalctl");
        let arguments = directory.path().join("arguments");
        fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", arguments.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let (feeder, mut events) = Feeder::new();
        let (stop, stopped) = watch::channel(false);
        let input = tokio::spawn(run(Options { journalctl: program, ..options }, positions, feeder, stopped));
        let mut told = Vec::new();
        while told.len() < events_max {
            let Some(event) = events.recv().await else { break };
            told.push(match event {
                Event::Opened { info, is_backlog, .. } => format!("opened {} backlog {is_backlog}", info.key),
                Event::Data(data) => format!("{} @{}", String::from_utf8_lossy(&data.bytes).trim_end(), data.place.offset),
                Event::Lost { reason, lines, .. } => format!("lost {lines} {}", reason.as_str()),
                Event::Moved(_) => "moved".into(),
                other => format!("{other:?}"),
            });
        }
        stop.send_replace(true);
        while events.recv().await.is_some() {}
        input.await.unwrap().unwrap();
        (told, fs::read_to_string(arguments).unwrap())
    }

    fn left(number: u32) -> Vec<Position> {
        let left = Left { cursor: format!("s=1d56;i={number:x};b=1"), realtime_us: 1_790_000_000_000_000 };
        vec![Position { key: "journal/cursor".into(), value: serde_json::to_vec(&left).unwrap().into() }]
    }

    #[tokio::test]
    async fn entries_go_to_the_stream_of_their_unit_as_they_are() {
        let (one, two) = (entry(1, "a.service", "x"), entry(2, "b.service", "y"));
        let (told, arguments) = told(&format!("echo '{one}'; echo '{two}'; exec sleep 60"), Vec::new(), Options::default(), 4).await;
        let at = "@1790000000000000";
        assert_eq!(
            told,
            ["opened journal:a.service backlog true", &format!("{one} {at}"), "opened journal:b.service backlog true", &format!("{two} {at}")]
        );
        assert!(arguments.contains("--lines=0") && arguments.contains("--all"), "{arguments}");
    }

    #[tokio::test]
    async fn it_goes_on_after_the_cursor_and_counts_what_was_vacuumed_meanwhile() {
        let script = format!("echo '{}'; exec sleep 60", entry(14, "a.service", "x"));
        let (told, arguments) = told(&script, left(10), Options::default(), 3).await;
        assert_eq!(told[0], "lost 3 vacuumed");
        assert!(arguments.contains("--after-cursor=s=1d56;i=a;b=1"), "{arguments}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_ends_half_way_is_started_again_after_the_last_whole_entry() {
        let script = format!(
            "case \"$*\" in *after-cursor*i=2*) echo '{}'; exec sleep 60;; esac; echo '{}'; printf '{{\"__CUR'; exit 1",
            entry(3, "a.service", "z"),
            entry(2, "a.service", "y")
        );
        let (told, arguments) = told(&script, left(1), Options::default(), 3).await;
        assert!(told[1].contains("\"y\"") && told[2].contains("\"z\""), "{told:?}");
        assert_eq!(arguments.lines().count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cursor_that_the_journal_no_longer_knows_is_replaced_by_its_time_and_doubles_nothing() {
        let script = format!(
            "case \"$*\" in *after-cursor*) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;; esac; echo '{}'; echo '{}'; exec sleep 60",
            entry(10, "a.service", "x"),
            entry(11, "a.service", "y")
        );
        let (told, arguments) = told(&script, left(10), Options::default(), 2).await;
        assert!(told[1].contains("\"y\""), "{told:?}");
        assert!(arguments.contains("--since=@1790000000"), "{arguments}");
    }

    #[tokio::test]
    async fn our_own_unit_is_not_read_but_its_place_is_kept() {
        let script = format!("echo '{}'; echo '{}'; exec sleep 60", entry(1, "squelch.service", "x"), entry(2, "a.service", "y"));
        let options = Options { exclude_units: vec!["squelch.service".into()], ..Options::default() };
        let (told, _) = told(&script, Vec::new(), options, 3).await;
        assert_eq!(told[0], "moved");
        assert!(told[2].contains("\"y\""));
    }

    #[tokio::test]
    async fn a_flood_of_units_shares_one_stream() {
        let script = r#"i=0; while [ $i -lt 600 ]; do printf '{"__CURSOR":"c%d","__REALTIME_TIMESTAMP":"1","_SYSTEMD_UNIT":"u%d"}\n' $i $i; i=$((i+1)); done; exec sleep 60"#;
        let (told, _) = told(script, Vec::new(), Options::default(), 600 + UNITS_MAX + 1).await;
        let opened: Vec<&String> = told.iter().filter(|told| told.starts_with("opened")).collect();
        assert_eq!(opened.len(), UNITS_MAX + 1);
        assert!(opened[UNITS_MAX].contains("journal:other"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error_that_says_what_to_do() {
        let (feeder, _events) = Feeder::new();
        let (_stop, stopped) = watch::channel(false);
        let options = Options { journalctl: "/nowhere/journalctl".into(), ..Options::default() };
        let error = run(options, Vec::new(), feeder, stopped).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot start `/nowhere/journalctl`") && error.contains("remove the journald input"), "{error}");
    }

    #[test]
    fn restarts_are_spread_up_to_the_cap() {
        assert_eq!(restart_delay(1, 1.0), Duration::from_millis(500));
        assert_eq!(restart_delay(3, 0.5), Duration::from_secs(1));
        assert_eq!(restart_delay(40, 1.0), RESTART_CAP);
        assert_eq!(restart_delay(40, 0.25), RESTART_CAP / 4);
    }
}

//! Stories of files, told to a tailer turn by turn, with literal times and without waiting; the names are the scenarios of the design.

use super::{Counters, Options, StartAt, Tailer};
use crate::inputs::event::{Event, Feeder, Position};
use crate::time::{SECOND, UnixNanos};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

const START: UnixNanos = UnixNanos(1_795_428_000 * SECOND);

/// A directory, a tailer on it, and what the store would hold.
struct Bench {
    directory: tempfile::TempDir,
    options: Options,
    tailer: Option<Tailer>,
    events: Receiver<Event>,
    now: UnixNanos,
    counters: Arc<Counters>,
    positions: BTreeMap<Box<str>, Position>,
    /// Bytes by the key of their stream.
    read: BTreeMap<String, String>,
    ids: Vec<(u64, u64)>,
    lost: u64,
    told: Vec<String>,
    numbers: BTreeMap<u64, String>,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options { include: vec![directory.path().join("*.log*").display().to_string()], ..Options::default() };
        change(&mut options);
        let (_, events) = Feeder::new();
        let mut bench = Self {
            directory,
            options,
            tailer: None,
            events,
            now: START,
            counters: Arc::default(),
            positions: BTreeMap::new(),
            read: BTreeMap::new(),
            ids: Vec::new(),
            lost: 0,
            told: Vec::new(),
            numbers: BTreeMap::new(),
        };
        bench.restart();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap().write_all(text.as_ref()).unwrap();
        self
    }

    fn rename(&self, from: &str, to: &str) -> &Self {
        fs::rename(self.path(from), self.path(to)).unwrap();
        self
    }

    /// A new process that knows what was committed.
    fn restart(&mut self) -> &mut Self {
        let (feeder, events) = Feeder::new();
        let positions: Vec<Position> = self.positions.values().cloned().collect();
        self.tailer = Some(Tailer::new(self.options.clone(), &positions, feeder, Arc::clone(&self.counters)).unwrap());
        self.events = events;
        self.numbers.clear();
        self
    }

    /// Turns until nothing is left to read, each a second after the other.
    fn turn(&mut self) -> &mut Self {
        loop {
            self.now = self.now.plus(SECOND);
            let activity = self.one_turn();
            if activity.wait > std::time::Duration::ZERO {
                return self;
            }
        }
    }

    fn one_turn(&mut self) -> super::Activity {
        let mut tailer = self.tailer.take().unwrap();
        let now = self.now;
        // The channel is bounded: who takes stands beside it.
        let (activity, tailer) = std::thread::scope(|scope| {
            let turning = scope.spawn(move || (tailer.turn(now).unwrap(), tailer));
            while !turning.is_finished() {
                while let Ok(event) = self.events.try_recv() {
                    self.take(event);
                }
                std::thread::yield_now();
            }
            turning.join().unwrap()
        });
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        self.tailer = Some(tailer);
        activity
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus(seconds * SECOND);
        self.turn()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Opened { stream, info, is_backlog } => {
                self.told.push(format!("opened {} backlog {is_backlog} restarts {:?}", info.label, info.restarts));
                self.numbers.insert(stream.0, info.key.to_string());
            }
            Event::Data(data) => {
                let stream = self.numbers[&data.stream.0].clone();
                let mut text = String::from_utf8_lossy(&data.bytes).into_owned();
                if data.ends_line {
                    text.push('$');
                }
                self.read.entry(stream).or_default().push_str(&text);
                self.ids.push((data.place.origin, data.place.offset));
                let position = data.position.unwrap();
                self.positions.insert(position.key.clone(), position);
            }
            Event::Moved(position) => {
                self.positions.insert(position.key.clone(), position);
            }
            Event::Forgotten(key) => {
                self.positions.remove(&key);
            }
            Event::Lost { bytes, .. } => self.lost += bytes,
            Event::Closed(stream) => self.told.push(format!("closed {}", self.numbers[&stream.0])),
            Event::CaughtUp(_) => self.told.push("caught up".into()),
            Event::FellBehind(_) => self.told.push("fell behind".into()),
            Event::Flush(_) => unreachable!("a tailer does not flush"),
        }
    }

    /// All that was read, stream after stream; ids must differ.
    fn all(&self) -> String {
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), self.ids.len(), "two records would have one id");
        self.read.values().cloned().collect()
    }

    fn check(&self, expected: &str) {
        assert_eq!(self.all(), expected);
    }
}

fn bench() -> Bench {
    Bench::new(|_| ())
}

// ---- what is read ----

#[test]
fn lines_are_read_as_they_come_and_a_file_that_appears_is_found() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn().append("a.log", "two\n").append("b.log", "three\n");
    bench.turn().check("one\ntwo\nthree\n");
}

#[test]
fn a_line_without_its_end_is_read_when_it_has_one() {
    let mut bench = bench();
    bench.append("a.log", "one\ntw");
    bench.turn().check("one\n");
    bench.append("a.log", "o\n");
    bench.turn().check("one\ntwo\n");
}

#[test]
fn a_line_that_is_completed_after_a_restart_is_read_once_and_whole() {
    let mut bench = bench();
    bench.append("a.log", "one\ntw");
    bench.turn().restart().append("a.log", "o\n");
    bench.turn().check("one\ntwo\n");
}

#[test]
fn a_line_that_is_never_completed_is_read_when_its_file_is_gone() {
    let mut bench = bench();
    bench.append("a.log", "one\ntw");
    bench.turn();
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.turn().check("one\n");
    bench.after(10).check("one\ntw$");
    assert_eq!(bench.told.last().unwrap(), &format!("closed file:{}", bench.path("a.log").display()));
}

#[test]
fn a_line_longer_than_the_limit_comes_in_pieces_and_needs_no_more_memory() {
    let mut bench = Bench::new(|options| options.line_bytes_max = 64 << 10);
    let long = "x".repeat(1 << 20);
    bench.append("a.log", format!("{long}\nshort\n"));
    bench.turn().check(&format!("{long}\nshort\n"));
}

#[test]
fn a_line_that_ends_exactly_at_a_chunk_is_whole() {
    let mut bench = bench();
    let line = format!("{}\n", "x".repeat((64 << 10) - 1));
    bench.append("a.log", format!("{line}{line}y\n"));
    bench.turn().check(&format!("{line}{line}y\n"));
}

#[test]
fn binary_junk_and_lines_without_text_are_bytes() {
    let mut bench = bench();
    bench.append("a.log", [0xff, 0xfe, b'\n', 0, b'a', b'\n', b'\r', b'\n', b'\n']);
    bench.turn().check("\u{fffd}\u{fffd}\n\0a\n\r\n\n");
}

// ---- rotation ----

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn().append("a.log", "two\n").rename("a.log", "a.log.1").append("a.log", "three\n");
    bench.turn().check("one\ntwo\nthree\n");
}

#[test]
fn a_writer_that_goes_on_in_the_renamed_file_is_heard() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    let mut writer = OpenOptions::new().append(true).open(bench.path("a.log")).unwrap();
    bench.turn().rename("a.log", "a.log.1").append("a.log", "new\n");
    bench.turn();
    writer.write_all(b"late\n").unwrap();
    bench.turn().check("one\nnew\nlate\n");
}

#[test]
fn a_file_that_is_renamed_out_of_the_globs_is_read_to_its_end() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn().append("a.log", "two\n").rename("a.log", "gone").append("a.log", "three\n");
    bench.turn().check("one\ntwo\nthree\n");
}

#[test]
fn several_rotations_between_two_looks_are_read_oldest_first() {
    let mut bench = bench();
    bench.append("a.log", "1\n");
    bench.turn();
    for n in 2..6 {
        for old in (1..n).rev() {
            if bench.path(&format!("a.log.{old}")).exists() {
                bench.rename(&format!("a.log.{old}"), &format!("a.log.{}", old + 1));
            }
        }
        bench.rename("a.log", "a.log.1").append("a.log", format!("{n}\n"));
    }
    bench.turn().check("1\n2\n3\n4\n5\n");
}

#[test]
fn rotations_while_it_was_stopped_are_read_in_order() {
    let mut bench = bench();
    bench.append("a.log", "1\n");
    bench.turn().append("a.log", "2\n");
    bench.rename("a.log", "a.log-20260101").append("a.log", "3\n");
    bench.rename("a.log", "a.log-20260102").append("a.log", "4\n");
    bench.restart().turn().check("1\n2\n3\n4\n");
}

#[test]
fn a_compressed_rotation_is_not_read_again() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn().append("a.log.1.gz", "not really gzip\n").append("a.log.2.zst", "nor this\n");
    bench.turn().check("one\n");
}

#[test]
fn a_truncated_file_is_read_from_its_beginning_and_what_was_lost_is_counted() {
    let mut bench = bench();
    bench.append("a.log", "one\ntwo\n");
    bench.turn();
    fs::write(bench.path("a.log"), "new\n").unwrap();
    bench.turn().check("one\ntwo\nnew\n");
    assert_eq!(bench.lost, 0, "all of it had been read");
}

#[test]
fn an_unread_end_that_a_truncation_destroyed_is_lost_at_source() {
    let mut bench = bench();
    bench.append("a.log", "one\nunfinished");
    bench.turn();
    fs::write(bench.path("a.log"), "x\n").unwrap();
    bench.turn().check("one\nx\n");
    assert_eq!(bench.lost, "unfinished".len() as u64);
}

#[test]
fn a_file_that_grew_before_it_was_truncated_probably_lost_as_much_again() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn();
    bench.append("a.log", "two\nthree\n");
    bench.turn();
    fs::write(bench.path("a.log"), "new\n").unwrap();
    bench.turn().check("one\ntwo\nthree\nnew\n");
    assert_eq!(bench.lost, "two\nthree\n".len() as u64);
}

#[test]
fn a_file_written_anew_beyond_the_old_offset_is_read_from_its_beginning() {
    let mut bench = bench();
    bench.append("a.log", "one\ntwo\n");
    bench.turn();
    fs::write(bench.path("a.log"), "completely\nother\nlines\n").unwrap();
    bench.turn().check("one\ntwo\ncompletely\nother\nlines\n");
}

#[test]
fn a_file_written_anew_to_the_same_length_is_read_from_its_beginning() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn();
    fs::write(bench.path("a.log"), "two\n").unwrap();
    // Its time of change is what tells, and the clock of a file system may be slow.
    let later = fs::FileTimes::new().set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(1));
    fs::OpenOptions::new().append(true).open(bench.path("a.log")).unwrap().set_times(later).unwrap();
    bench.turn().check("one\ntwo\n");
}

#[test]
fn a_file_written_anew_while_it_was_stopped_is_read_from_its_beginning() {
    let mut bench = bench();
    bench.append("a.log", "one\ntwo\n");
    bench.turn();
    fs::write(bench.path("a.log"), "completely\nother\nlines\n").unwrap();
    bench.restart().turn().check("one\ntwo\ncompletely\nother\nlines\n");
}

#[test]
fn a_hole_that_a_truncation_left_is_neither_memory_nor_a_line() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn();
    let file = OpenOptions::new().write(true).open(bench.path("a.log")).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(b"after the hole\n", 64 << 20).unwrap();
    bench.turn().check("one\nafter the hole\n");
}

#[test]
fn a_deleted_file_that_is_made_again_is_another_file() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn();
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.append("a.log", "two\n");
    bench.turn().check("one\ntwo\n");
}

#[test]
fn a_number_that_another_file_got_while_it_was_stopped_is_noticed() {
    let mut bench = bench();
    bench.append("a.log", "one\ntwo\nthree\n");
    bench.turn();
    // The same inode with other content, longer and shorter than the offset.
    for text in ["another file, longer than what was\n", "short\n"] {
        fs::write(bench.path("a.log"), text).unwrap();
        bench.restart().turn();
        assert!(bench.all().ends_with(text));
    }
}

#[test]
fn an_empty_file_that_becomes_that_of_another_log_lends_it_no_stream() {
    let mut bench = bench();
    // Never opened, since nothing is in it: nothing keeps its number. A rename stands for a number that is used again.
    bench.append("a.log", "").append("b.log", "b\n");
    bench.turn().rename("a.log", "c.log").append("c.log", "c\n");
    bench.turn().check("b\nc\n");
    let streams: Vec<&str> = bench.read.keys().filter_map(|key| key.rsplit('/').next()).collect();
    assert_eq!(streams, ["b.log", "c.log"]);
}

#[test]
fn a_file_that_leaves_the_globs_and_comes_back_is_not_read_twice() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn().rename("a.log", "away");
    bench.after(30).rename("away", "a.log").append("a.log", "two\n");
    bench.turn().check("one\ntwo\n");
}

#[test]
fn positions_of_files_that_are_gone_are_forgotten_after_an_hour() {
    let mut bench = bench();
    bench.append("a.log", "one\n");
    bench.turn();
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.restart().turn();
    assert_eq!(bench.positions.len(), 2, "the file's and that the input has begun");
    bench.after(3700);
    assert_eq!(bench.positions.keys().map(|key| &**key).collect::<Vec<_>>(), ["files/begun"]);
}

#[test]
fn a_file_that_is_replaced_as_a_whole_at_every_write_is_read_each_time() {
    let mut bench = bench();
    for n in 0..3 {
        bench.append("new", format!("version {n}\n")).rename("new", "a.log");
        bench.turn();
    }
    bench.check("version 0\nversion 1\nversion 2\n");
}

// ---- which files ----

#[test]
fn two_files_with_the_same_beginning_are_two_files() {
    let mut bench = bench();
    let same = "the same line\n".repeat(200);
    bench.append("a.log", &same).append("b.log", &same);
    bench.turn().restart().append("a.log", "a\n").append("b.log", "b\n");
    bench.turn().check(&format!("{same}a\n{same}b\n"));
}

#[test]
fn a_file_that_two_globs_or_two_names_lead_to_is_read_once() {
    let mut bench = Bench::new(|options| {
        let include = options.include[0].clone();
        options.include.push(include);
    });
    bench.append("a.log", "one\n");
    std::os::unix::fs::symlink(bench.path("a.log"), bench.path("link.log")).unwrap();
    fs::hard_link(bench.path("a.log"), bench.path("hard.log")).unwrap();
    bench.turn().check("one\n");
}

#[test]
fn a_link_that_is_switched_to_another_file_is_followed() {
    let mut bench = Bench::new(|options| options.include = vec![options.include[0].replace("*.log*", "current.log")]);
    bench.append("pod-1", "one\n").append("pod-2", "two\n");
    std::os::unix::fs::symlink(bench.path("pod-1"), bench.path("current.log")).unwrap();
    bench.turn();
    fs::remove_file(bench.path("current.log")).unwrap();
    std::os::unix::fs::symlink(bench.path("pod-2"), bench.path("current.log")).unwrap();
    bench.turn().check("one\ntwo\n");
}

#[test]
fn dangling_links_circles_and_directories_are_nothing_to_read() {
    let mut bench = Bench::new(|options| options.include.push(options.include[0].replace("*.log*", "**/*.log")));
    std::os::unix::fs::symlink(bench.path("nowhere"), bench.path("dangling.log")).unwrap();
    fs::create_dir(bench.path("directory.log")).unwrap();
    std::os::unix::fs::symlink(bench.directory.path(), bench.path("circle")).unwrap();
    std::os::unix::fs::symlink(bench.path("self.log"), bench.path("self.log")).unwrap();
    bench.append("directory.log/deep.log", "deep\n");
    bench.turn().check("deep\n");
}

#[test]
fn what_is_no_regular_file_is_refused_and_blocks_nothing() {
    let mut bench = bench();
    assert!(std::process::Command::new("mkfifo").arg(bench.path("pipe.log")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", bench.path("zero.log")).unwrap();
    std::os::unix::fs::symlink(bench.path("pipe.log"), bench.path("to-pipe.log")).unwrap();
    bench.append("a.log", "one\n");
    bench.turn().check("one\n");
    assert_eq!(bench.counters.refused.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[test]
fn excluded_files_and_our_own_are_not_read() {
    let mut bench = Bench::new(|options| {
        options.exclude = vec!["/**/noise*.log".into()];
        let own = options.include[0].replace("*.log*", "out.log");
        options.own_paths = vec![own.into()];
    });
    bench.append("noise-1.log", "x\n").append("out.log", "ours\n").append("out.log.1", "ours\n").append("a.log", "one\n");
    bench.turn().check("one\n");
}

#[test]
fn a_directory_that_appears_later_is_found() {
    let mut bench = Bench::new(|options| options.include = vec![options.include[0].replace("*.log*", "*/deep/*.log")]);
    bench.turn().append("later/deep/a.log", "one\n");
    bench.turn().check("one\n");
}

#[test]
fn with_start_at_end_only_what_is_written_from_now_on_is_read() {
    let mut bench = Bench::new(|options| options.start_at = StartAt::End);
    bench.append("a.log", "history\n");
    bench.turn().append("a.log", "one\n").append("b.log", "a new file is read from its beginning\n");
    bench.turn().check("one\na new file is read from its beginning\n");
    bench.append("c.log", "appeared while it was stopped\n").append("a.log", "two\n");
    bench.restart().turn();
    assert!(bench.all().contains("appeared while it was stopped\n") && bench.all().contains("one\ntwo\n"), "{}", bench.all());
}

#[test]
fn files_not_written_to_for_long_are_left_alone_until_they_are() {
    let mut bench = Bench::new(|options| options.ignore_older = Some(std::time::Duration::from_secs(3600)));
    bench.append("old.log", "old\n");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
    File::options().append(true).open(bench.path("old.log")).unwrap().set_modified(long_ago).unwrap();
    bench.turn().check("");
}

#[test]
fn files_beyond_the_bound_wait_and_are_counted() {
    let mut bench = Bench::new(|options| options.files_max = 2);
    for name in ["a.log", "b.log", "c.log"] {
        bench.append(name, "x\n");
    }
    bench.turn().check("x\nx\n");
    assert_eq!(bench.counters.files_waiting.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn few_descriptors_are_enough_for_many_files() {
    let mut bench = Bench::new(|options| options.open_files_max = 2);
    for n in 0..20 {
        bench.append(&format!("{n:02}.log"), format!("{n}\n"));
    }
    bench.turn();
    assert!(bench.counters.files_open.load(std::sync::atomic::Ordering::Relaxed) <= 2);
    for n in 0..20 {
        bench.append(&format!("{n:02}.log"), format!("{n} again\n"));
    }
    bench.turn();
    assert_eq!(bench.all().lines().count(), 40);
}

#[test]
fn a_file_renamed_before_it_could_be_opened_is_looked_for_at_once() {
    let mut bench = Bench::new(|options| options.open_files_max = 1);
    bench.append("a.log", "a\n").append("b.log", "b\n");
    bench.turn();
    bench.append("b.log", "more\n").rename("b.log", "b.log.1").append("b.log", "new\n");
    // No time passes: the first turn misses it, so the second one looks.
    bench.one_turn();
    bench.one_turn();
    assert!(bench.all().contains("b\nmore\nnew\n"), "{}", bench.all());
    assert_eq!(bench.lost, 0);
}

#[test]
fn one_storming_file_takes_turns_with_the_quiet_ones() {
    let mut bench = Bench::new(|options| options.turn_bytes = 64 << 10);
    bench.append("a-storm.log", "retrying in 0 ms\n".repeat(100_000)).append("quiet.log", "help\n");
    bench.now = bench.now.plus(SECOND);
    bench.one_turn();
    assert!(bench.all().contains("help\n"), "read in the first turn");
    bench.turn();
    assert_eq!(bench.all().len(), 17 * 100_000 + 5);
}

// ---- containers ----

fn pods() -> Bench {
    Bench::new(|options| {
        options.include = vec![options.include[0].replace("*.log*", "*/*/*.log*")];
        options.layout = super::Layout::Pods;
        options.own_pod = Some(("obs".into(), "squelch-x".into()));
    })
}

#[test]
fn files_of_a_container_are_one_stream_through_restarts_and_rotations() {
    let mut bench = pods();
    let pod = "shop_orders-7d9f4c6b8-gdlb7_uid/app";
    bench.append(&format!("{pod}/0.log"), "first\n").append(&format!("{pod}/1.log"), "second\n");
    bench.turn().rename(&format!("{pod}/1.log"), &format!("{pod}/1.log.20261123-100000")).append(&format!("{pod}/1.log"), "third\n");
    bench.turn().check("first\nsecond\nthird\n");
    assert_eq!(bench.read.keys().collect::<Vec<_>>(), ["pod:shop/orders-7d9f4c6b8-gdlb7/uid/app"]);
    let opened: Vec<&String> = bench.told.iter().filter(|told| told.starts_with("opened")).collect();
    assert_eq!(opened.len(), 2);
    assert!(opened[1].ends_with("restarts Some(1)"));
}

#[test]
fn a_container_that_lived_between_two_looks_is_read_from_its_beginning() {
    let mut bench = pods();
    bench.turn();
    for n in 0..3 {
        bench.append(&format!("shop_job-{n}_uid-{n}/app/0.log"), format!("job {n} died\n"));
    }
    bench.turn().check("job 0 died\njob 1 died\njob 2 died\n");
}

#[test]
fn our_own_pod_is_not_read() {
    let mut bench = pods();
    bench.append("obs_squelch-x_uid/squelch/0.log", "ours\n").append("obs_other_uid/app/0.log", "theirs\n");
    bench.turn().check("theirs\n");
}

// ---- a model of all of it ----

#[derive(Clone, Debug)]
enum Action {
    Line(u8),
    Partial(u8),
    Rotate,
    CopyTruncate,
    Recreate,
    Turn,
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0u8..40).prop_map(Action::Line),
        2 => (1u8..40).prop_map(Action::Partial),
        2 => Just(Action::Rotate),
        1 => Just(Action::CopyTruncate),
        1 => Just(Action::Recreate),
        4 => Just(Action::Turn),
        2 => Just(Action::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever is done to a log: each line that could be read is read once, in order; one that could not was destroyed before its turn.
    #[test]
    fn every_line_is_read_once_whatever_happens_to_its_file(actions in prop::collection::vec(action(), 1..60)) {
        let mut bench = bench();
        let (mut number, mut unread) = (0_u32, Vec::new());
        let (mut expected, mut destroyed) = (Vec::<String>::new(), Vec::<String>::new());
        let mut rotations = 0;
        for action in actions {
            match action {
                Action::Line(len) => {
                    number += 1;
                    let text = format!("{number} {}\n", "x".repeat(len.into()));
                    bench.append("a.log", &text);
                    unread.push(text);
                }
                // A beginning is written together with its end: what matters is where the turn falls.
                Action::Partial(len) => {
                    number += 1;
                    let text = format!("{number} {}\n", "y".repeat(len.into()));
                    let (beginning, end) = text.split_at(text.len() / 2);
                    bench.append("a.log", beginning);
                    bench.turn();
                    expected.append(&mut unread);
                    bench.append("a.log", end);
                    unread.push(text);
                }
                Action::Rotate if bench.path("a.log").exists() => {
                    rotations += 1;
                    bench.rename("a.log", &format!("a.log.{rotations}"));
                }
                Action::CopyTruncate if bench.path("a.log").exists() => {
                    // A copy is another file, which the globs do not match; what was not read is destroyed.
                    destroyed.append(&mut unread);
                    File::options().write(true).open(bench.path("a.log")).unwrap().set_len(0).unwrap();
                    bench.turn();
                }
                Action::Recreate if bench.path("a.log").exists() => {
                    bench.turn();
                    expected.append(&mut unread);
                    fs::remove_file(bench.path("a.log")).unwrap();
                    bench.turn();
                }
                Action::Turn => {
                    bench.turn();
                    expected.append(&mut unread);
                }
                Action::Restart => {
                    bench.restart();
                }
                Action::Rotate | Action::CopyTruncate | Action::Recreate => {}
            }
        }
        bench.turn();
        expected.append(&mut unread);
        let mut read: Vec<String> = bench.all().split_inclusive('\n').map(str::to_owned).collect();
        // Rotated before a truncation of its successor, a file is still there: some of what seemed destroyed is read after all.
        let mut all: Vec<String> = expected.clone();
        all.extend(destroyed.iter().filter(|line| read.contains(line)).cloned());
        read.sort();
        all.sort();
        prop_assert_eq!(read, all);
    }
}

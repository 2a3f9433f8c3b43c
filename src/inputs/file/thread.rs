//! The thread of a file input: turns, and waits between them. Changes in directories wake it; without `notify` it comes by itself.

use super::{Counters, Options, Tailer};
use crate::clock;
use crate::inputs::event::{Feeder, Position};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Directories that are watched; what changes in others is found by polling.
const WATCHES_MAX: usize = 1024;
/// A stop is noticed within this.
const STOP_WITHIN: Duration = Duration::from_millis(100);
/// However much changes, two turns are at least this far apart: 5 ms, so that a chatty directory does not cost a core.
const TURNS_APART: Duration = Duration::from_millis(5);

/// Tails files until `stop` is set or nobody takes what is read. Runs on the thread at hand.
pub fn run(options: Options, positions: Vec<Position>, feeder: Feeder, counters: Arc<Counters>, stop: Arc<AtomicBool>) {
    let name = options.name.clone();
    let mut tailer = match Tailer::new(options, &positions, feeder, counters) {
        Ok(tailer) => tailer,
        // The configuration has checked them.
        Err(error) => return tracing::error!("input {name}: {error}"),
    };
    let (ring, bell) = sync_channel(1);
    let mut watches = Watches::new(&name, ring);
    // The time of day at the start, moved on by a clock that nobody sets: a step of an hour must neither stop the looking nor end a file.
    let (start, since) = (clock::now(), clock::monotonic());
    while !stop.load(Ordering::Relaxed) {
        let elapsed = clock::monotonic().saturating_duration_since(since);
        let Ok(activity) = tailer.turn(start.plus(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))) else { return };
        watches.follow(tailer.directories());
        if !activity.wait.is_zero() {
            let has_rung = wait(&bell, activity.wait, &stop);
            if has_rung {
                tailer.look_soon();
                std::thread::sleep(TURNS_APART);
            }
        }
    }
}

/// Waits, unless the bell rings or we are to stop. Says whether it rang.
fn wait(bell: &Receiver<()>, wait: Duration, stop: &AtomicBool) -> bool {
    let until = clock::monotonic() + wait;
    loop {
        let left = until.saturating_duration_since(clock::monotonic());
        if left.is_zero() || stop.load(Ordering::Relaxed) {
            return false;
        }
        match bell.recv_timeout(left.min(STOP_WITHIN)) {
            Ok(()) => return true,
            Err(RecvTimeoutError::Timeout) => {}
            // Without a watcher nobody rings.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(left.min(STOP_WITHIN)),
        }
    }
}

/// Watches on directories: a help that may fail.
struct Watches {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Watches {
    fn new(input: &str, ring: SyncSender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // What is written is found by polling; names that come and go are worth a look at once. A bell that rings already is enough.
            if event.is_ok_and(|event| {
                event.kind.is_create()
                    || event.kind.is_remove()
                    || matches!(event.kind, notify::EventKind::Modify(notify::event::ModifyKind::Name(_)))
            }) {
                let _ = ring.try_send(());
            }
        });
        let watcher =
            watcher.inspect_err(|error| tracing::info!("input {input}: no watches on directories ({error}): files are found by polling")).ok();
        Self { watcher, watched: BTreeSet::new() }
    }

    fn follow(&mut self, directories: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        for directory in directories {
            if self.watched.len() < WATCHES_MAX && !self.watched.contains(directory) {
                // A directory that cannot be watched is polled like all.
                let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
                self.watched.insert(directory.clone());
            }
        }
        // Those that are gone have lost their watch with their inode.
        self.watched.retain(|watched| directories.contains(watched));
    }
}

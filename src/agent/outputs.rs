//! Starts the outputs of a life, and stops them.

use super::AgentError;
use crate::delivery::Counters;
use crate::delivery::task::{Ended, Stop};
use crate::outputs::destination::OutputOptions;
use crate::outputs::{self, Links};
use crate::store::{BatchNumber, Cursor, Progress, Reader};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Outputs that are asked to end at once get so long.
const END_WITHIN: Duration = Duration::from_secs(2);

/// The outputs that run.
pub(super) struct Outputs {
    stop: watch::Sender<Stop>,
    tasks: JoinSet<(String, Option<Ended>)>,
    /// Their figures, by name.
    pub counters: Vec<(String, Arc<Counters>)>,
}

impl Outputs {
    /// Starts all outputs at their cursors.
    pub(super) fn start(
        options: Vec<OutputOptions>,
        directory: &Path,
        cursors: &BTreeMap<Box<str>, Cursor>,
        news: &watch::Receiver<BatchNumber>,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Self, AgentError> {
        let (stop, stopped) = watch::channel(Stop::Run);
        let mut this = Self { stop, tasks: JoinSet::new(), counters: Vec::new() };
        for output in options {
            let name = output.name.clone();
            let counters = Arc::<Counters>::default();
            this.counters.push((name.clone(), Arc::clone(&counters)));
            let links = Links {
                batches: Box::new(Reader::open(directory)?.for_output(&name)),
                news: news.clone(),
                progress: progress.clone(),
                cursor: cursors.get(&*name).copied().unwrap_or_default(),
                stop: stopped.clone(),
                counters,
            };
            let task = outputs::start(output, links)?;
            this.tasks.spawn(async move { (name, task.await.ok()) });
        }
        Ok(this)
    }

    /// Waits until one ends by itself; for ever when none does.
    pub(super) async fn next_ended(&mut self) -> (String, Option<Ended>) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return ended,
                // The wrapper cannot panic; it is not what we wait for.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Whether none is left.
    pub(super) fn are_none(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Lets them deliver what is committed, as far as their receivers take it, at most for `within`; then they end.
    pub(super) async fn end(&mut self, within: Duration) {
        self.stop.send_replace(Stop::WhenDone);
        if tokio::time::timeout(within, self.all_ended()).await.is_err() {
            self.stop.send_replace(Stop::Now);
            if tokio::time::timeout(END_WITHIN, self.all_ended()).await.is_err() {
                tracing::warn!("an output does not end: what it has not told as delivered goes out again after the next start");
                self.tasks.abort_all();
            }
        }
    }

    async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

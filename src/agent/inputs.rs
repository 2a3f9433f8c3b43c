//! Starts the inputs of a life, and stops them.

use super::AgentError;
use crate::clock;
use crate::config::{Config, Input};
use crate::inputs::event::{Feeder, Position};
use crate::inputs::{file, journald, stdin, syslog};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The inputs that run.
pub(super) struct Inputs {
    stop_threads: Arc<AtomicBool>,
    stop_tasks: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Figures of the file inputs, with their names.
    pub files: Vec<(String, Arc<file::Counters>)>,
}

impl Inputs {
    /// Starts all inputs from where the store says they were left. Their channel closes when the last of them has ended.
    pub(super) async fn start(config: &Config, positions: &[Position], feeder: Feeder) -> Result<Self, AgentError> {
        let (stop_tasks, stopped) = watch::channel(false);
        let mut this = Self { stop_threads: Arc::default(), stop_tasks, tasks: JoinSet::new(), files: Vec::new() };
        // Everything that can be refused comes first.
        let mut bound = Vec::new();
        for input in &config.inputs {
            if let Input::Syslog(options) = input {
                bound.push(syslog::bind(options.clone()).await?);
            }
        }
        for listener in bound {
            this.tasks.spawn(listener.run(feeder.clone(), stopped.clone()));
        }
        for input in &config.inputs {
            match input {
                Input::Files(options) => this.start_files(options, positions, &feeder)?,
                Input::Journal(options) => {
                    let options = journald::Options { exclude_units: [&options.exclude_units[..], &own_unit()].concat(), ..options.clone() };
                    let (positions, feeder, stopped) = (of(positions, &options.name), feeder.clone(), stopped.clone());
                    this.tasks.spawn(async move {
                        if let Err(error) = journald::run(options, positions, feeder, stopped).await {
                            tracing::error!("{error}");
                        }
                    });
                }
                Input::Stdin => {
                    let feeder = feeder.clone();
                    let origin = clock::now().0.unsigned_abs();
                    // Not among the tasks: a read of standard input cannot be stopped.
                    tokio::task::spawn_blocking(move || match stdin::run(std::io::stdin().lock(), origin, &feeder) {
                        Ok(()) => tracing::info!("standard input has ended"),
                        Err(error) => tracing::error!("cannot read standard input: {error}"),
                    });
                }
                Input::Syslog(_) => {}
            }
        }
        Ok(this)
    }

    fn start_files(&mut self, options: &file::Options, positions: &[Position], feeder: &Feeder) -> Result<(), AgentError> {
        let options = options.clone();
        let counters = Arc::<file::Counters>::default();
        self.files.push((options.name.clone(), Arc::clone(&counters)));
        let (positions, feeder, stop) = (of(positions, &options.name), feeder.clone(), Arc::clone(&self.stop_threads));
        let (ended, has_ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(format!("input {}", options.name))
            .spawn(move || {
                file::run(options, positions, feeder, counters, stop);
                drop(ended);
            })
            .map_err(AgentError::Runtime)?;
        self.tasks.spawn(async move {
            // Dropped when the thread ends: that is what is waited for.
            let _ = has_ended.await;
        });
        Ok(())
    }

    /// Asks all to end; see [`Inputs::ended`].
    pub(super) fn stop(&self) {
        self.stop_threads.store(true, Ordering::Relaxed);
        self.stop_tasks.send_replace(true);
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The positions of one input.
fn of(positions: &[Position], input: &str) -> Vec<Position> {
    positions.iter().filter(|position| position.key.strip_prefix(input).is_some_and(|rest| rest.starts_with('/'))).cloned().collect()
}

/// The systemd unit we run in: what it says is never read.
fn own_unit() -> Vec<String> {
    // Without systemd there is no unit to leave out.
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    unit_of(&cgroup).into_iter().collect()
}

/// `0::/system.slice/squelch.service` is `squelch.service`.
fn unit_of(cgroup: &str) -> Option<String> {
    cgroup.lines().filter_map(|line| line.rsplit('/').find(|part| part.ends_with(".service"))).map(str::to_owned).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_unit_is_read_from_the_control_group() {
        assert_eq!(unit_of("0::/system.slice/squelch.service\n").as_deref(), Some("squelch.service"));
        assert_eq!(unit_of("1:name=systemd:/user.slice/user-0.slice/session-1.scope\n0::/\n"), None);
    }

    #[test]
    fn an_input_gets_its_own_positions_only() {
        let position = |key: &str| Position { key: key.into(), value: Box::default() };
        let all = [position("app/1"), position("app2/1"), position("app"), position("app/2")];
        let keys: Vec<Box<str>> = of(&all, "app").into_iter().map(|position| position.key).collect();
        assert_eq!(keys, ["app/1".into(), "app/2".into()]);
    }
}

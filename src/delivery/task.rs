//! The task of one output: reads committed batches, cuts requests, sends them as the [`policy`](super::policy) allows, and reports how far it
//! came. Each output has a task, a connection and a cursor of its own: one that is down keeps nobody waiting.
//!
//! - One request at a time, in order. An output whose receiver answers within 100 ms moves 10,000 records or 10 MiB a second, far above what is
//!   left after collapsing; over a long way larger requests (`batch_bytes_max`) do what several at once would. Several at once would hand a
//!   receiver that is ill a multiple of what it asked to be spared, records out of order, and a cursor with holes.
//! - At least once: the cursor moves after the answer. What was sent and not answered goes again, with the same ids.
//! - A fresh alert overtakes a backlog: while older batches wait, records of kind `Storm` are looked up ahead and go first; the lane that
//!   follows in order passes over them.

use super::batches::{Batch, Batches, ReadError};
use super::counters::Counters;
use super::outcome::Outcome;
use super::piece::{Load, Piece, passed};
use super::policy::{Circuit, Decision, Permit, Policy, Sent};
use super::request::{Encoder, Request, Sender, idempotency_key};
use super::talk::Talk;
use super::{Options, Unreachable};
use crate::clock;
use crate::store::{BatchNumber, Cursor, DeadLetter, Progress, Record, RecordKind};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Alerts that may be ahead of the cursor; when so many are, the next ones wait their turn.
const OVERTAKEN_MAX: usize = 10_000;

/// A record that fails each time while others are taken is given up on after so many rounds of that.
const PASSED_BY_MAX: u32 = 3;

/// Batches read at once: each may be nearly empty.
const BATCHES_MAX: usize = 1000;

/// Wait before the store is read again after a failure; a random part is added.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What is asked of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    #[default]
    Run,
    /// Deliver what is committed and end; end at the first failure, too: the rest waits in the store.
    WhenDone,
    /// End now; a request on its way is abandoned and goes again after the next start.
    Now,
}

/// Why an output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Nobody reads any more and nobody will: a closed pipe. What waits for it need not be kept.
    Gone,
}

/// Everything that a task needs.
pub struct Setup<E, S> {
    /// The output's name.
    pub name: Box<str>,
    /// How its receiver is treated.
    pub options: Options,
    /// Which records it takes.
    pub takes: Box<dyn Fn(&Record<'_>) -> bool + Send + Sync>,
    /// Records to bytes.
    pub encoder: E,
    /// Bytes to the receiver.
    pub sender: S,
    /// Where records come from.
    pub batches: Box<dyn Batches>,
    /// The newest committed batch.
    pub news: watch::Receiver<BatchNumber>,
    /// Where progress is told.
    pub progress: mpsc::Sender<Progress>,
    /// Everything before this is done.
    pub cursor: Cursor,
    /// What is asked of it.
    pub stop: watch::Receiver<Stop>,
    /// Its figures.
    pub counters: Arc<Counters>,
    /// Numbers in [0, 1).
    pub random: Box<dyn FnMut() -> f64 + Send>,
    /// Whether fresh alerts overtake older records.
    pub alerts_first: bool,
}

/// Runs an output until it is stopped.
pub async fn run<E: Encoder, S: Sender>(setup: Setup<E, S>) -> Ended {
    let mut task = Task::new(setup);
    loop {
        match task.step().await {
            Ok(()) => {}
            Err(ended) => return ended,
        }
    }
}

struct Task<E, S> {
    name: Box<str>,
    options: Options,
    takes: Box<dyn Fn(&Record<'_>) -> bool + Send + Sync>,
    encoder: E,
    sender: S,
    /// Away while a blocking thread reads.
    batches: Option<Box<dyn Batches>>,
    news: watch::Receiver<BatchNumber>,
    progress: mpsc::Sender<Progress>,
    stop: watch::Receiver<Stop>,
    counters: Arc<Counters>,
    random: Box<dyn FnMut() -> f64 + Send>,
    alerts_first: bool,

    policy: Policy,
    talk: Talk,
    started: Instant,
    /// Told to the engine.
    cursor: Cursor,
    /// Read from the store up to here.
    read_to: Cursor,
    /// In order.
    lane: VecDeque<Piece>,
    /// A single record that stands aside while the next ones try whether it is the reason.
    aside: Option<Piece>,
    /// The cursor of who is done with everything but the record that stood aside.
    cursor_but_one: Option<Cursor>,
    /// Alerts that overtake.
    express: VecDeque<Piece>,
    lane_from: Duration,
    express_from: Duration,
    express_read: BatchNumber,
    overtaken: HashSet<Box<str>>,
}

impl<E: Encoder, S: Sender> Task<E, S> {
    fn new(mut setup: Setup<E, S>) -> Self {
        let has_backlog = *setup.news.borrow() >= setup.cursor.batch && setup.news.borrow().0 > 0;
        let spread = if has_backlog { setup.options.start_spread } else { Duration::ZERO };
        let lane_from = spread.mul_f64((setup.random)());
        let express_from = (setup.options.start_spread / 10).mul_f64((setup.random)());
        Self {
            policy: Policy::new(setup.options.clone()),
            talk: Talk::new(&setup.name, setup.sender.target()),
            started: clock::monotonic_in_tokio(),
            cursor: setup.cursor,
            read_to: setup.cursor,
            lane: VecDeque::new(),
            aside: None,
            cursor_but_one: None,
            express: VecDeque::new(),
            lane_from,
            express_from,
            express_read: passed(setup.cursor),
            overtaken: HashSet::new(),
            name: setup.name,
            options: setup.options,
            takes: setup.takes,
            encoder: setup.encoder,
            sender: setup.sender,
            batches: Some(setup.batches),
            news: setup.news,
            progress: setup.progress,
            stop: setup.stop,
            counters: setup.counters,
            random: setup.random,
            alerts_first: setup.alerts_first,
        }
    }

    fn now(&self) -> Duration {
        clock::monotonic_in_tokio() - self.started
    }

    /// One turn: read what is missing, then send one request, or wait for a reason to do so.
    async fn step(&mut self) -> Result<(), Ended> {
        let asked = *self.stop.borrow_and_update();
        if asked == Stop::Now {
            return Err(Ended::Stopped);
        }
        // Seen before the store is read: what is committed meanwhile wakes us again.
        let newest = *self.news.borrow_and_update();
        let now = self.now();
        // Not while alerts are on their way: the lane passes over them, and its cursor must not pass what is not delivered.
        if self.lane.is_empty() && self.express.is_empty() && now >= self.lane_from {
            // Batches of which nothing is wanted are passed over.
            while self.lane.is_empty() && self.read_lane().await? {}
            if self.lane.is_empty() {
                self.step_back();
            }
        }
        let is_behind = !self.lane.is_empty() || now < self.lane_from;
        if self.alerts_first && is_behind && now >= self.express_from && self.overtaken.len() < OVERTAKEN_MAX {
            self.read_express(newest).await?;
        }
        let Some(queue) = [&mut self.express, &mut self.lane].into_iter().find(|queue| !queue.is_empty()) else {
            return self.wait_for_news(asked, now).await;
        };
        let front = queue.front_mut().expect("this queue was just found not to be empty");
        if front.attempts == 0 {
            let fitting = front.fitting(self.policy.bytes_limit(), self.options.batch_records_max.max(1));
            if fitting < front.len() {
                let rest = front.split_off(fitting);
                queue.insert(1, rest);
            }
        }
        match self.policy.may_send(now) {
            Permit::Go => self.send().await,
            Permit::WaitUntil(_) | Permit::AfterAnswer if asked == Stop::WhenDone && self.policy.failures() > 0 => Err(Ended::Stopped),
            Permit::WaitUntil(at) => self.wait_until(at).await,
            // Not with one request at a time.
            Permit::AfterAnswer => self.wait_until(now + Duration::from_secs(1)).await,
        }
    }

    async fn wait_for_news(&mut self, asked: Stop, now: Duration) -> Result<(), Ended> {
        if asked == Stop::WhenDone {
            return Err(Ended::Stopped);
        }
        let held_until = [self.lane_from, self.express_from].into_iter().filter(|&from| from > now).min();
        let hold = async {
            match held_until {
                Some(until) => tokio::time::sleep_until(self.started + until).await,
                None => std::future::pending().await,
            }
        };
        let reminder = self.sender.remind_at();
        let reminder_due = async {
            match reminder {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            news = self.news.changed() => if news.is_err() {
                // Nothing new will ever come.
                return Err(Ended::Stopped);
            },
            () = changed(&mut self.stop) => {}
            () = hold => {}
            () = reminder_due => tokio::select! {
                () = self.sender.remind() => {}
                () = asked_to_end_now(&mut self.stop) => return Err(Ended::Stopped),
            },
        }
        Ok(())
    }

    /// Waits for `at` or a stop. News need not end the wait: the receiver is left alone whatever they are, and the next turn looks for them.
    async fn wait_until(&mut self, at: Duration) -> Result<(), Ended> {
        tokio::select! {
            () = tokio::time::sleep_until(self.started + at) => {}
            () = changed(&mut self.stop) => {}
        }
        Ok(())
    }

    /// Reads the next batches in order, about one request's worth; false when there are none.
    async fn read_lane(&mut self) -> Result<bool, Ended> {
        let (from, bytes_max, records_max) = (self.read_to, self.options.batch_bytes_max, self.options.batch_records_max);
        let batches = self
            .read(move |store| {
                let (mut read, mut at, mut bytes, mut records) = (Vec::new(), from, 0, 0);
                while bytes < bytes_max && records < records_max && read.len() < BATCHES_MAX {
                    let Some(batch) = store.next(at)? else { break };
                    at = batch.after();
                    bytes += batch.records.ndjson.len();
                    records += batch.records.len();
                    read.push(batch);
                }
                Ok(read)
            })
            .await?;
        let Some(last) = batches.last() else { return Ok(false) };
        let after = last.after();
        let mut load = Load::default();
        for batch in &batches {
            let done = if batch.number == from.batch { from.done } else { 0 };
            let (takes, overtaken) = (&self.takes, &mut self.overtaken);
            let marks = self.encoder.marks(batch.number, &batch.records);
            load.add(batch, done, &marks, takes, |record, uid| record.kind == RecordKind::Storm && overtaken.remove(uid));
        }
        self.read_to = after;
        match load.into_piece(Some(after)) {
            Some(piece) => self.lane.push_back(piece),
            // Nothing is wanted of these.
            None if self.aside.is_some() => self.cursor_but_one = Some(after),
            None => self.report(after, 0, Vec::new()).await?,
        }
        Ok(true)
    }

    /// Looks for alerts in batches that the lane has not read yet.
    async fn read_express(&mut self, newest: BatchNumber) -> Result<(), Ended> {
        let from = self.express_read.max(passed(self.read_to));
        if newest <= from {
            return Ok(());
        }
        let (bytes_max, records_max) = (self.options.batch_bytes_max, self.options.batch_records_max);
        let batches = self
            .read(move |store| {
                let (mut read, mut at) = (Vec::<Batch>::new(), from);
                let (mut bytes, mut records) = (0, 0);
                while bytes < bytes_max && records < records_max && read.len() < BATCHES_MAX {
                    let Some(batch) = store.next_storms(at)? else { break };
                    at = batch.number;
                    bytes += batch.records.ndjson.len();
                    records += batch.records.len();
                    read.push(batch);
                }
                Ok(read)
            })
            .await?;
        self.express_read = batches.last().map_or(newest, |batch| batch.number);
        let mut load = Load::default();
        for batch in &batches {
            // The batch that the lane stands in: what is done of it is done.
            let done = if batch.number == self.read_to.batch { self.read_to.done } else { 0 };
            let marks = self.encoder.marks(batch.number, &batch.records);
            load.add(batch, done, &marks, |record| record.kind == RecordKind::Storm && (self.takes)(record), |_, _| false);
        }
        if let Some(piece) = load.into_piece(None) {
            self.overtaken.extend(piece.uids().map(Into::into));
            self.express.push_back(piece);
        }
        Ok(())
    }

    /// Reads the store on a thread that may block. A failure is no end: it is tried again.
    async fn read(&mut self, mut read: impl FnMut(&mut dyn Batches) -> Result<Vec<Batch>, ReadError> + Send + 'static) -> Result<Vec<Batch>, Ended> {
        loop {
            let mut batches = self.batches.take().expect("it is put back after each read");
            let (returned, result, again) = tokio::task::spawn_blocking(move || {
                let result = read(&mut *batches);
                (batches, result, read)
            })
            .await
            .expect("reading the store does not panic");
            self.batches = Some(returned);
            read = again;
            match result {
                Ok(found) => {
                    self.talk.store_answers();
                    return Ok(found);
                }
                Err(error) => self.talk.store_fails(&error),
            }
            let pause = READ_AGAIN_AFTER.mul_f64(1.0 + (self.random)());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = changed(&mut self.stop) => return Err(Ended::Stopped),
            }
        }
    }

    /// Sends the request at the front and does what its answer asks for.
    async fn send(&mut self) -> Result<(), Ended> {
        let is_express = !self.express.is_empty();
        let mut piece = if is_express { self.express.pop_front() } else { self.lane.pop_front() }.expect("a turn sends only what is there");
        let mut request = Request {
            body: Vec::new(),
            content_type: self.encoder.content_type(),
            idempotency_key: idempotency_key(piece.uids()),
            records: piece.len(),
        };
        self.encoder.encode_marked(&piece.records(), &piece.marks(), &mut request.body);
        let bytes = request.body.len();
        if piece.attempts > 0 {
            self.counters.retries.fetch_add(1, Relaxed);
        }
        piece.attempts += 1;
        let before = self.now();
        self.policy.sending(before, bytes);
        self.tell_state();
        let outcome = tokio::select! {
            outcome = self.sender.send(&request) => outcome,
            () = asked_to_end_now(&mut self.stop) => return Err(Ended::Stopped),
        };
        let now = self.now();
        let (was_open, failures) = (self.policy.circuit() != Circuit::Closed, self.policy.failures());
        let limit = self.policy.bytes_limit();
        let sent = Sent { records: piece.len(), bytes, attempts: piece.attempts };
        let mut decision = self.policy.answered(now, &outcome, sent, (self.random)());
        if let Decision::StepAside { at } = decision {
            decision = match piece.passed_by {
                _ if is_express => Decision::Retry { at },
                PASSED_BY_MAX.. => Decision::DeadLetter,
                _ => decision,
            };
        }
        self.counters.answered(outcome.code());
        self.tell_state();
        let opens = !was_open && self.policy.circuit() != Circuit::Closed;
        match decision {
            Decision::Done => {
                self.counters.set_error(None);
                self.talk.delivered(now, failures);
            }
            Decision::Halve { .. } if matches!(outcome, Outcome::TooLarge { .. } | Outcome::Rejected { .. }) => {}
            Decision::Retry { at } | Decision::RetryPart { at } | Decision::Halve { at } | Decision::StepAside { at } => {
                self.counters.set_error(Some(outcome.to_string()));
                self.talk.failed(now, &outcome, self.policy.failures(), at - now, opens);
            }
            Decision::DeadLetter | Decision::Stop => {}
        }
        if matches!(decision, Decision::Halve { .. }) {
            let learned = (self.policy.bytes_limit() < limit).then(|| self.policy.bytes_limit());
            self.talk.halves(&outcome, piece.len(), bytes, learned);
        }
        let queue = if is_express { &mut self.express } else { &mut self.lane };
        match decision {
            Decision::Retry { .. } => {
                queue.push_front(piece);
                // The others fail, too: it is no single record.
                self.step_back();
            }
            Decision::RetryPart { .. } => {
                if let Outcome::Partial { retry, dead, .. } = &outcome {
                    piece.keep(&self.name, retry, dead);
                }
                queue.push_front(piece);
                self.step_back();
            }
            Decision::StepAside { .. } => match self.aside {
                None => self.aside = Some(piece),
                Some(_) => {
                    queue.push_front(piece);
                    self.step_back();
                }
            },
            Decision::Halve { .. } => {
                let second = piece.split_off(piece.len() / 2);
                queue.push_front(second);
                queue.push_front(piece);
            }
            Decision::Done => {
                let dead = if let Outcome::Partial { dead, .. } = &outcome { dead.as_slice() } else { &[] };
                piece.keep(&self.name, &[], dead);
                self.counters.bytes.fetch_add(bytes as u64, Relaxed);
                self.finish(now, piece).await?;
            }
            Decision::DeadLetter => {
                let reason = match piece.passed_by {
                    0 => outcome.to_string(),
                    _ => format!("each time it was sent, while others were taken: {outcome}"),
                };
                piece.bury(&self.name, &reason);
                self.finish(now, piece).await?;
            }
            Decision::Stop => {
                self.talk.gone(&outcome);
                return Err(Ended::Gone);
            }
        }
        Ok(())
    }

    /// Nothing is left of a piece.
    async fn finish(&mut self, now: Duration, piece: Piece) -> Result<(), Ended> {
        if let Some(letter) = piece.dead.first() {
            self.talk.dead(now, piece.dead.len(), &letter.reason);
        }
        self.counters.delivered.fetch_add(piece.delivered, Relaxed);
        self.counters.dead.fetch_add(piece.dead.len() as u64, Relaxed);
        let mut cursor = self.cursor;
        if let Some(after) = piece.after {
            match &mut self.aside {
                Some(aside) => {
                    if piece.delivered > 0 {
                        aside.passed_by += 1;
                        // It must fail as often again: a receiver that fails half the time kills nobody (2^-20).
                        aside.attempts = 0;
                    }
                    self.cursor_but_one = Some(after);
                    self.step_back();
                }
                None => cursor = after.max(self.cursor_but_one.take().unwrap_or(after)),
            }
        }
        self.report(cursor, piece.delivered, piece.dead).await
    }

    /// The record that stood aside is the next again.
    fn step_back(&mut self) {
        if let Some(aside) = self.aside.take() {
            self.lane.push_front(aside);
        }
    }

    async fn report(&mut self, cursor: Cursor, records: u64, dead: Vec<DeadLetter>) -> Result<(), Ended> {
        self.cursor = cursor;
        self.counters.batch.store(u64::try_from(cursor.batch.0).unwrap_or(0), Relaxed);
        let progress = Progress::Delivered { output: self.name.clone(), cursor, records, dead };
        tokio::select! {
            sent = self.progress.send(progress) => sent.map_err(|_| Ended::Stopped),
            () = asked_to_end_now(&mut self.stop) => Err(Ended::Stopped),
        }
    }

    fn tell_state(&self) {
        self.counters.set_state(self.policy.circuit(), self.policy.failures());
    }
}

/// Something else is asked; never when nobody can ask any more.
async fn changed(stop: &mut watch::Receiver<Stop>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn asked_to_end_now(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|asked| *asked == Stop::Now).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Trouble on our side, as an outcome.
#[must_use]
pub fn local_trouble(words: impl std::fmt::Display) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Local, words: words.to_string() }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;

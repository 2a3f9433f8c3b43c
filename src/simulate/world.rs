//! The simulation: a heap of things to come, and what happens when they come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::policy::{Breaker, Budget, OnGiveUp, Permit};
use super::random::Random;
use super::scenario::{Day, Scenario, Story};
use super::server::{Answer, Server, Ticket};
use super::truth::Tally;
use super::wording::{self, Failure, LineKind, SimLine, Writer};
use crate::record::Severity;
use crate::time::{MILLI, SECOND};

/// Between the starts of two clients that come back after a restart.
const RESTART_STEP: i64 = SECOND / 2;
/// An instance says something that has nothing to do with the server about this often.
const EVERYDAY_EVERY: i64 = 4 * SECOND;

/// Traffic of a [`Day`] by hour, in percent of its busiest.
const LOAD_BY_HOUR: [i64; 24] = [22, 16, 12, 10, 10, 14, 25, 45, 65, 80, 90, 95, 100, 97, 92, 90, 88, 92, 98, 95, 80, 62, 45, 30];
/// Lines that a batch writes.
const BATCH_LINES: u64 = 400;
/// A call to some other service is repeated about this often, over all clients: the usual noise.
const SPORADIC_EVERY: i64 = 90 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ServerDies,
    ServerBack,
    HandshakeDone,
    Everyday { client: usize },
    Rolls { client: usize },
    Batch { line: u64 },
    Sporadic,
    ClientsStop,
    ClientStarts { client: usize },
    Notices { worker: usize, turn: u64 },
    Order { worker: usize, turn: u64 },
    Attempt { worker: usize, turn: u64 },
    Failed { worker: usize, turn: u64, full: bool },
    TimedOut { worker: usize, turn: u64 },
}

struct Client {
    up: bool,
    breaker: Option<Breaker>,
    budget: Option<Budget>,
}

/// Where a worker stands with its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No order in hand.
    Idle,
    /// An attempt is under way.
    Trying,
    /// It waits before the next attempt, or for the breaker.
    BackingOff,
}

struct Worker {
    client: usize,
    thread: String,
    /// Rises with everything that makes events under way pointless.
    turn: u64,
    attempt: u32,
    last_wait: i64,
    order: u64,
    order_at: i64,
    phase: Phase,
    /// It gave up on its last order; the next success is worth a line.
    gave_up: bool,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    sink: &'a mut dyn FnMut(&SimLine) -> ControlFlow<()>,
    tally: &'a mut Tally,
    random: Random,
    server: Server,
    clients: Vec<Client>,
    workers: Vec<Worker>,
    coming: BinaryHeap<Reverse<(i64, u64, Event)>>,
    inserted: u64,
    orders: u64,
    stopped: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, tally: &'a mut Tally, sink: &'a mut dyn FnMut(&SimLine) -> ControlFlow<()>) -> Self {
        let clients = (0..scenario.clients).map(|_| Client::new(scenario)).collect();
        let workers = (0..scenario.clients * scenario.workers).map(|w| Worker::new(w, scenario)).collect();
        Self {
            scenario,
            sink,
            tally,
            random: Random::new(scenario.seed),
            server: Server::new(scenario.capacity),
            clients,
            workers,
            coming: BinaryHeap::new(),
            inserted: 0,
            orders: 48_000,
            stopped: false,
        }
    }

    pub(super) fn run(mut self) {
        if let Some((from, to)) = self.scenario.outage {
            self.plan(from, Event::ServerDies);
            self.plan(to, Event::ServerBack);
        }
        if let Some((stop, start)) = self.scenario.restart {
            self.plan(stop, Event::ClientsStop);
            for client in 0..self.clients.len() {
                self.plan(start + client as i64 * RESTART_STEP, Event::ClientStarts { client });
            }
        }
        if let Some(day) = self.scenario.day {
            self.plan_day(day);
        }
        for client in 0..self.clients.len() {
            let first = self.random.below(EVERYDAY_EVERY as u64) as i64;
            self.plan(first, Event::Everyday { client });
        }
        for worker in 0..self.workers.len() {
            let (first, _) = self.beat(worker);
            self.plan(first, Event::Order { worker, turn: 0 });
        }
        while let Some(Reverse((now, _, event))) = self.coming.pop() {
            if now >= self.scenario.duration || self.stopped {
                break;
            }
            self.happen(now, event);
        }
    }

    fn plan_day(&mut self, day: Day) {
        let duration = self.scenario.duration;
        for _ in 0..day.blips {
            let from = self.random.below(duration as u64) as i64;
            let to = from + SECOND + self.random.below(7_000) as i64 * MILLI;
            self.plan(from, Event::ServerDies);
            self.plan(to, Event::ServerBack);
        }
        for _ in 0..day.deploys {
            let from = self.random.below(duration as u64) as i64;
            for client in 0..self.clients.len() {
                self.plan(from + client as i64 * 8 * SECOND, Event::Rolls { client });
            }
        }
        for batch in 0..i64::from(day.batches) {
            self.plan(duration * batch / i64::from(day.batches), Event::Batch { line: 1 });
        }
        self.plan(self.scenario.attempt_cost, Event::Sporadic);
    }

    /// `nanos` at the busiest hour, longer at the others; `nanos` itself without a [`Day`].
    fn by_load(&self, now: i64, nanos: i64) -> i64 {
        let hour = (self.scenario.start.0 + now).div_euclid(3_600 * SECOND).rem_euclid(24);
        if self.scenario.day.is_some() { nanos * 100 / LOAD_BY_HOUR[hour as usize] } else { nanos }
    }

    fn plan(&mut self, at: i64, event: Event) {
        self.inserted += 1;
        self.coming.push(Reverse((at, self.inserted, event)));
    }

    fn happen(&mut self, now: i64, event: Event) {
        match event {
            Event::ServerDies => self.server_dies(now),
            Event::ServerBack => {
                self.server.start();
                self.server_says(now, Severity::Info, LineKind::Ordinary, |story| match story {
                    Story::Broker => "Broker activemq-1 started, listening for connections at tcp://activemq-1:61616",
                    _ => "database system is ready to accept connections",
                });
            }
            Event::HandshakeDone => {
                let (done, next) = self.server.advance(now);
                if let Some(at) = next {
                    self.plan(at, Event::HandshakeDone);
                }
                if let Some(ticket) = done {
                    self.handshake_done(now, ticket);
                }
            }
            Event::Everyday { client } => {
                if self.clients[client].up {
                    let (logger, message) = wording::everyday(&mut self.random);
                    self.say(now, client, "scheduler-1", Severity::Info, logger, message, LineKind::Ordinary);
                }
                let every = self.by_load(now, EVERYDAY_EVERY);
                let next = now + self.random.around(every, 0.4);
                self.plan(next, Event::Everyday { client });
            }
            Event::Rolls { client } if self.clients[client].up => {
                self.say(
                    now,
                    client,
                    "main",
                    Severity::Info,
                    "com.example.orders.Application",
                    "Shutting down, signal 15".to_owned(),
                    LineKind::Ordinary,
                );
                self.clients[client].up = false;
                self.plan(now + 4 * SECOND, Event::ClientStarts { client });
            }
            Event::Batch { line } => {
                let message = format!("Imported {} of {} articles", line * 25, BATCH_LINES * 25);
                self.say(now, 0, "batch-1", Severity::Info, "com.example.orders.batch.ArticleImport", message, LineKind::Ordinary);
                if line < BATCH_LINES {
                    let next = now + self.random.around(12 * MILLI, 0.5);
                    self.plan(next, Event::Batch { line: line + 1 });
                }
            }
            Event::Sporadic => {
                let (client, wait) = (self.random.below(self.clients.len() as u64) as usize, self.random.below(900));
                let message = format!("POST https://mail.example.net/v1/messages failed with 503, retry 1 of 3 in {wait} ms");
                self.say(now, client, "mail-1", Severity::Warn, "com.example.orders.mail.MailGateway", message, LineKind::Ordinary);
                let next = now + self.random.around(SPORADIC_EVERY, 0.9);
                self.plan(next, Event::Sporadic);
            }
            Event::ClientsStop => self.clients_stop(now),
            Event::ClientStarts { client } => self.client_starts(now, client),
            Event::Notices { worker, turn } if self.is_current(worker, turn) => self.notices(now, worker),
            Event::Order { worker, turn } if self.is_current(worker, turn) => self.order(now, worker),
            Event::Attempt { worker, turn } if self.is_current(worker, turn) => self.attempt(now, worker),
            Event::Failed { worker, turn, full } if self.is_current(worker, turn) => {
                self.failed(now, worker, if full { Failure::Full } else { Failure::Down });
            }
            Event::TimedOut { worker, turn } if self.is_current(worker, turn) => self.failed(now, worker, Failure::TimedOut),
            Event::Rolls { .. }
            | Event::Notices { .. }
            | Event::Order { .. }
            | Event::Attempt { .. }
            | Event::Failed { .. }
            | Event::TimedOut { .. } => {}
        }
    }

    fn is_current(&self, worker: usize, turn: u64) -> bool {
        self.workers[worker].turn == turn && self.clients[self.workers[worker].client].up
    }

    fn next_turn(&mut self, worker: usize) -> u64 {
        self.workers[worker].turn += 1;
        self.workers[worker].turn
    }

    /// The broker goes; every idle worker loses its session and wants a new one at once.
    fn server_dies(&mut self, now: i64) {
        self.server.stop();
        self.server_says(now, Severity::Warn, LineKind::Trigger, |story| match story {
            Story::Broker => "Broker activemq-1 is shutting down: persistence adapter lost its lock",
            _ => "terminating any other active server processes because of crash of another server process",
        });
        for worker in 0..self.workers.len() {
            let up = self.clients[self.workers[worker].client].up;
            if up && self.workers[worker].phase != Phase::BackingOff {
                let noticed = now + if self.scenario.lock_step { 0 } else { self.random.below(150) as i64 * MILLI };
                let turn = self.next_turn(worker);
                self.plan(noticed, Event::Notices { worker, turn });
            }
        }
    }

    /// A worker sees that its session, or its attempt, is gone.
    fn notices(&mut self, now: i64, worker: usize) {
        if worker.is_multiple_of(self.scenario.workers) {
            let message = format!("Connection to {} lost: java.io.EOFException", wording::target(self.scenario.story));
            let client = self.workers[worker].client;
            self.say(now, client, "net-reader-1", Severity::Warn, wording::connector(self.scenario.story), message, LineKind::Trigger);
        }
        match self.workers[worker].phase {
            Phase::Trying => self.failed(now, worker, Failure::Down),
            Phase::Idle | Phase::BackingOff => self.order(now, worker),
        }
    }

    fn clients_stop(&mut self, now: i64) {
        for client in 0..self.clients.len() {
            self.say(
                now,
                client,
                "main",
                Severity::Info,
                "com.example.orders.Application",
                "Shutting down, signal 15".to_owned(),
                LineKind::Ordinary,
            );
            self.clients[client].up = false;
        }
    }

    fn client_starts(&mut self, now: i64, client: usize) {
        let is_stopped = self.scenario.restart.is_some_and(|(stop, start)| (stop..start).contains(&now));
        if self.clients[client].up || is_stopped {
            return; // a supervisor does not start what somebody stopped, nor what runs
        }
        self.clients[client] = Client::new(self.scenario);
        self.say(
            now,
            client,
            "main",
            Severity::Info,
            "com.example.orders.Application",
            "Started order-service in 2.8 s".to_owned(),
            LineKind::Ordinary,
        );
        for worker in client * self.scenario.workers..(client + 1) * self.scenario.workers {
            let turn = self.next_turn(worker);
            self.workers[worker].phase = Phase::Idle;
            let first = now + self.random.around(self.scenario.work_every / 2, 0.5);
            self.plan(first, Event::Order { worker, turn });
        }
    }

    fn order(&mut self, now: i64, worker: usize) {
        self.orders += 1;
        let at = &mut self.workers[worker];
        (at.attempt, at.last_wait, at.order, at.order_at) = (0, 0, self.orders, now);
        self.attempt(now, worker);
    }

    fn attempt(&mut self, now: i64, worker: usize) {
        let client = self.workers[worker].client;
        if let Some(breaker) = &mut self.clients[client].breaker
            && let Permit::NotBefore(at) = breaker.ask(now)
        {
            self.workers[worker].phase = Phase::BackingOff;
            let turn = self.next_turn(worker);
            let spread = if self.scenario.lock_step { 0 } else { self.random.below(200) as i64 * MILLI };
            self.plan(at + spread, Event::Attempt { worker, turn });
            return;
        }
        self.workers[worker].attempt += 1;
        self.workers[worker].phase = Phase::Trying;
        self.tally.attempt(now, client);
        let turn = self.next_turn(worker);
        let share = if self.scenario.lock_step { 0.01 } else { 0.2 };
        let cost = self.random.around(self.scenario.attempt_cost, share);
        match self.server.offer(now, Ticket { worker, attempt: turn }) {
            Answer::Down => self.plan(now + cost, Event::Failed { worker, turn, full: false }),
            Answer::Refused(at) => {
                if self.scenario.story == Story::Postgres {
                    self.server_says(now, Severity::Fatal, LineKind::Overload, |_| "sorry, too many clients already");
                }
                self.plan(at + cost, Event::Failed { worker, turn, full: true });
            }
            Answer::Accepted(look_at) => {
                if let Some(at) = look_at {
                    self.plan(at, Event::HandshakeDone);
                }
                self.plan(now + self.scenario.timeout, Event::TimedOut { worker, turn });
            }
        }
    }

    fn handshake_done(&mut self, now: i64, ticket: Ticket) {
        if !self.is_current(ticket.worker, ticket.attempt) {
            self.tally.wasted_handshakes += 1;
            return;
        }
        let worker = ticket.worker;
        let (client, attempts) = (self.workers[worker].client, self.workers[worker].attempt);
        let thread = self.workers[worker].thread.clone();
        let logger = wording::connector(self.scenario.story);
        if self.clients[client].breaker.as_mut().is_some_and(Breaker::succeeded) {
            let message = format!("Circuit breaker for {} closed", wording::target(self.scenario.story));
            self.say(now, client, &thread, Severity::Info, logger, message, LineKind::Recovery);
        }
        let gave_up = std::mem::take(&mut self.workers[worker].gave_up);
        if attempts > 1 || gave_up {
            let how = if attempts > 1 { format!("after {attempts} attempts") } else { "again".to_owned() };
            let message = format!("Connected to {} {how}", wording::target(self.scenario.story));
            self.say(now, client, &thread, Severity::Info, logger, message, LineKind::Recovery);
        }
        let millis = (now - self.workers[worker].order_at) / MILLI + self.random.below(12) as i64; // the order itself takes a moment, too
        let message = wording::order_done(self.scenario.story, self.workers[worker].order, millis);
        self.say(now, client, &thread, Severity::Info, "com.example.orders.OrderPublisher", message, LineKind::Ordinary);
        self.tally.success(now);
        self.rest(now, worker);
    }

    /// The worker waits for its next order, on its own beat.
    fn rest(&mut self, now: i64, worker: usize) {
        self.workers[worker].phase = Phase::Idle;
        let turn = self.next_turn(worker);
        let (beat, every) = self.beat(worker);
        let on_beat = (now - beat).div_euclid(every) * every + beat + every;
        let next = on_beat + self.by_load(now, every) - every + self.random.below(every as u64 / 20) as i64;
        self.plan(next, Event::Order { worker, turn });
    }

    /// When the first order of this worker comes, and after how long the next one. Evenly spread over the workers, so that a
    /// healthy day is one: the orders do not meet at the server.
    fn beat(&self, worker: usize) -> (i64, i64) {
        let every = self.scenario.work_every * self.scenario.workers as i64;
        let share = i128::from(every) * worker as i128 / self.workers.len() as i128; // a day times 256,000 workers is more than an i64
        (share as i64, every)
    }

    fn failed(&mut self, now: i64, worker: usize, failure: Failure) {
        let scenario = self.scenario;
        let policy = &scenario.policy;
        let (client, attempt) = (self.workers[worker].client, self.workers[worker].attempt);
        let thread = self.workers[worker].thread.clone();
        let logger = wording::connector(scenario.story);
        let target = wording::target(scenario.story);
        let opened = self.clients[client].breaker.as_mut().is_some_and(|breaker| breaker.failed(now));
        if policy.max_attempts.is_some_and(|most| attempt >= most) {
            let message = format!("Giving up on {target} after {attempt} attempts, order {} is lost", self.workers[worker].order);
            self.say(now, client, &thread, Severity::Error, logger, message, LineKind::Exhausted);
            return self.give_up(now, worker, policy.on_give_up);
        }
        if self.clients[client].budget.as_mut().is_some_and(|budget| !budget.spend(now)) {
            let message = format!("Retry budget for {target} is spent, order {} fails without a retry", self.workers[worker].order);
            self.say(now, client, &thread, Severity::Error, logger, message, LineKind::Exhausted);
            return self.give_up(now, worker, OnGiveUp::Drop);
        }
        let wait = policy.delay(attempt, self.workers[worker].last_wait, &mut self.random);
        self.workers[worker].last_wait = wait;
        self.workers[worker].phase = Phase::BackingOff;
        let (message, bare) = wording::retry(scenario, failure, attempt, wait);
        self.tally.waited(attempt, wait);
        self.emit(&SimLine {
            at: scenario.start.0 + now,
            instance: client,
            writer: Writer::Service,
            severity: Severity::Error,
            thread: thread.clone(),
            logger,
            message,
            bare: Some(bare),
            trace: wording::trace(scenario.story, scenario.trace_lines),
            kind: LineKind::Retry,
        });
        if opened {
            let message = format!("Circuit breaker for {target} opened");
            self.say(now, client, &thread, Severity::Warn, logger, message, LineKind::Ordinary);
        }
        let turn = self.next_turn(worker);
        self.plan(now + wait, Event::Attempt { worker, turn });
    }

    fn give_up(&mut self, now: i64, worker: usize, how: OnGiveUp) {
        self.workers[worker].gave_up = true;
        match how {
            OnGiveUp::Drop => self.rest(now, worker),
            OnGiveUp::StartAgain(pause) => {
                let turn = self.next_turn(worker);
                self.plan(now + pause, Event::Order { worker, turn });
            }
            OnGiveUp::Exit(pause) => {
                let client = self.workers[worker].client;
                self.say(
                    now,
                    client,
                    "main",
                    Severity::Error,
                    "com.example.orders.Application",
                    "Stopping, exit code 1".to_owned(),
                    LineKind::Ordinary,
                );
                self.clients[client].up = false;
                self.plan(now + pause, Event::ClientStarts { client });
            }
        }
    }

    fn server_says(&mut self, now: i64, severity: Severity, kind: LineKind, text: fn(Story) -> &'static str) {
        let writer = if self.scenario.story == Story::Postgres { Writer::Postgres } else { Writer::Broker };
        self.emit(&SimLine {
            at: self.scenario.start.0 + now,
            instance: self.scenario.clients,
            writer,
            severity,
            thread: "main".to_owned(),
            logger: "org.example.broker.BrokerService",
            message: text(self.scenario.story).to_owned(),
            bare: None,
            trace: Vec::new(),
            kind,
        });
    }

    #[allow(clippy::too_many_arguments)] // the parts of a log line, in the order in which loggers print them
    fn say(&mut self, now: i64, client: usize, thread: &str, severity: Severity, logger: &'static str, message: String, kind: LineKind) {
        self.emit(&SimLine {
            at: self.scenario.start.0 + now,
            instance: client,
            writer: Writer::Service,
            severity,
            thread: thread.to_owned(),
            logger,
            message,
            bare: None,
            trace: Vec::new(),
            kind,
        });
    }

    fn emit(&mut self, line: &SimLine) {
        if self.stopped {
            return;
        }
        self.stopped = !self.tally.line(self.scenario, line) || (self.sink)(line).is_break();
    }
}

impl Client {
    fn new(scenario: &Scenario) -> Self {
        Self { up: true, breaker: scenario.policy.breaker.map(Breaker::new), budget: scenario.policy.budget.map(Budget::new) }
    }
}

impl Worker {
    fn new(index: usize, scenario: &Scenario) -> Self {
        let thread = format!("publisher-{}", index % scenario.workers + 1);
        Self {
            client: index / scenario.workers,
            thread,
            turn: 0,
            attempt: 0,
            last_wait: 0,
            order: 0,
            order_at: 0,
            phase: Phase::Idle,
            gave_up: false,
        }
    }
}

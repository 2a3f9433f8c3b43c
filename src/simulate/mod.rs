//! A retry storm to try things on: clients, a policy, a server with limited capacity, an outage.
//!
//! A discrete-event simulation: nothing here reads a clock or waits, and the same scenario (its seed included) gives the same
//! lines on every machine. It shows what is hard to believe until seen: an outage of two seconds can start a load that keeps the
//! server down for good, and backoff with jitter, a circuit breaker or a retry budget let the same server recover.
//!
//! [`scenario`] says what is simulated, [`policy`] what clients do after a failure, [`server`] why the storm stays,
//! `world` lets it happen, [`wording`] and [`mod@format`] put it into words, [`damage`] makes the log as bad as logs are,
//! [`truth`] keeps the books. [`speed`] is a generator of its own, for benchmarks: many formats, no story.

mod crashloop;
pub mod damage;
pub mod format;
pub mod policy;
pub mod random;
pub mod scenario;
pub mod server;
pub mod speed;
#[cfg(test)]
mod tests;
pub mod truth;
pub mod wording;
mod world;

use std::ops::ControlFlow;

pub use scenario::{Scenario, Story};
pub use truth::Truth;
pub use wording::SimLine;

/// Names of the instances of `scenario`, by [`SimLine::instance`]: the clients, then the server or the kubelet.
#[must_use]
pub fn instances(scenario: &Scenario) -> Vec<String> {
    let mut names: Vec<String> = (0..scenario.clients).map(|client| wording::pod_name("order-service", client)).collect();
    names.push(match scenario.story {
        Story::Broker => "activemq-1".to_owned(),
        Story::Postgres => "orders-db-0".to_owned(),
        Story::CrashLoop => "node-3".to_owned(),
    });
    names
}

/// Runs `scenario` and hands each line to `sink` in the order of time, until the run or the sink ends.
///
/// # Errors
/// All that is wrong with the scenario's figures.
pub fn simulate(scenario: &Scenario, sink: &mut dyn FnMut(&SimLine) -> ControlFlow<()>) -> Result<Truth, Vec<String>> {
    let mistakes = scenario.mistakes();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let names = instances(scenario);
    let mut tally = truth::Tally::default();
    match scenario.story {
        Story::CrashLoop => crashloop::run(scenario, &names, &mut tally, sink),
        Story::Broker | Story::Postgres => world::World::new(scenario, &mut tally, sink).run(),
    }
    Ok(Truth::new(scenario, &names, tally))
}

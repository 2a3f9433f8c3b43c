//! Storms: which fingerprints spike with retries, since when, who, how fast, and what the diagnosis says.
//!
//! [`Storms`] is the facade. Per fingerprint a `Detector` watches the rate (`detector.rs`), a crash-loop view
//! counts restarts per program (`crash_loop.rs`), and incidents join fingerprints that belong to one outage (`incident.rs`, `lifecycle.rs`).
//! Pure: the time is the records' working time, moved on by [`Storms::advance`].

mod burst;
mod crash_loop;
mod detector;
mod incident;
mod lifecycle;
mod origins;
mod people;
mod reorder;
mod report;
mod slot;
mod state;
mod storms;
mod text;
mod usual;

pub use burst::Burst;
pub use detector::Rule;
pub use incident::Kind;
pub use origins::{ORIGIN_KEYS, ORIGINS_MAX, Origin, OriginState, OriginsState};
pub use report::{AlertLevel, Phase, StormEvent, StormId, StormReport, Timeline, Trigger};
pub use state::{CountState, FingerprintState, IncidentState, MemberState, PeopleState, ProgramState, StormsState, TriggerState};
pub use storms::{Diagnosed, StormOptions, StormView, Storms};
pub use text::{alert_text, alert_text_with};

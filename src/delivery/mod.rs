//! How batches reach a receiver without ever becoming a storm: what all outputs share.
//!
//! ```text
//! store -> batches -> piece (cut) -> request::Encoder (pure) -> request::Sender (tries once) -> outcome -> policy (pure) -> decision
//!                        ^                                                                                                    |
//!                        +------------------- again, in halves, a part of it, dead letter ------------------------------------+
//! ```
//!
//! The decisions are a pure function ([`policy`], tested with literal times); a task per output ([`task`]) waits and sends. A new kind of
//! output is an encoder and a sender; it decides nothing about retries.

mod batches;
pub mod budget;
mod counters;
mod options;
pub mod outcome;
mod piece;
pub mod policy;
mod request;
mod talk;
pub mod task;

pub use batches::{Batch, Batches, ReadError};
pub use counters::Counters;
pub use options::Options;
pub use outcome::{Outcome, Unreachable};
pub use policy::Policy;
pub use request::{Encoder, Ndjson, Request, Sender, idempotency_key, record_uid};
pub use task::{Ended, Setup, Stop};

//! How batches reach a receiver without ever becoming a storm: the policy that all outputs share. The decisions are a pure function
//! ([`policy`], tested with literal times), the waiting and sending is done by a task per output ([`task`]).

pub mod budget;
mod options;
pub mod outcome;
pub mod policy;

pub use options::Options;
pub use outcome::{Outcome, Unreachable};
pub use policy::Policy;

//! How batches reach a receiver without ever becoming a storm: the policy that all outputs share. The decisions are a pure function
//! ([`policy`], tested with literal times), the waiting and sending is done by a task per output.

mod options;

pub use options::Options;

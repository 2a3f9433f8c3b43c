//! The agent: inputs and outputs as tasks, the engine on a thread of its own, the store as its only commit point.
//!
//! ```text
//! inputs --events (bounded)--> engine thread --commit each second--> store --batches--> one task per output
//!                                   ^                                                        |
//!                                   +--------------------- progress -------------------------+
//! ```

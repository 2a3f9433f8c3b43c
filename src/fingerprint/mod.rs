//! From a message to a template and its public id.

mod codes;
pub mod group;
pub mod id;
mod masks;
mod names;
mod normalise;
pub mod template;
pub mod trace;

pub use id::{Fingerprint, MASK_VERSION};

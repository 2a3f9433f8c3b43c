//! From a message to a template and its public id.

pub mod id;
pub mod template;

pub use id::{Fingerprint, MASK_VERSION};

//! Syslog over UDP, TCP and a unix socket, RFC 5424 and 3164, octet counting and newline framing.
//!
//! This input frames and names streams; what stands in a message is peeled by the envelope, as in a file. Nothing here can be read again: a
//! line lives from its arrival to its commit in memory only, so a crash may lose the last second (TCP senders see the connection break).

mod datagrams;
mod framer;
mod listener;
mod options;

pub use framer::Framer;
pub use listener::{BindError, Bound, bind};
pub use options::{Listen, Options};

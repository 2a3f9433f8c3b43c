//! Outputs that tell people of storms: [`alertmanager`], [`webhook`] (with a [`template`]), [`slack`], [`pagerduty`], and a command
//! ([`exec`]). They take alerts and nothing else, whatever their route says of kinds, and a fresh alert overtakes a backlog.
//!
//! Each is an encoder (pure: a storm record to a body) and a sender; retries, pacing and dead letters are `delivery`'s.

pub mod alert;
pub mod alertmanager;
pub mod exec;
pub mod options;
pub mod pagerduty;
pub mod slack;
mod start;
pub mod template;
#[cfg(test)]
pub(super) mod testing;
pub mod webhook;

pub use options::{AlertOptions, AlertmanagerOptions, ClientOptions, ExecOptions, PagerdutyOptions, SlackOptions, WebhookOptions};
pub(super) use start::{only_storms, send_test, start};

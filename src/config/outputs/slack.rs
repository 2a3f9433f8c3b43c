//! `type = "slack"`: alerts to a chat room by a Slack-compatible incoming webhook.

use super::http::check_secret_url;
use super::{OutputType, tls};
use crate::config::reader::Section;
use crate::outputs::alerts::{AlertOptions, ClientOptions, SlackOptions};
use crate::outputs::destination::Destination;

pub(super) const TYPE: OutputType = OutputType { word: "slack", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let url = section.required_secret("url", check_secret_url);
    let client = ClientOptions { tls: section.table("tls", tls::read), ..ClientOptions::default() };
    Some(Destination::Alert(AlertOptions::Slack(SlackOptions { url: url?, client })))
}

//! `type = "pagerduty"`: an incident per storm.

use super::http::check_url;
use super::{OutputType, tls};
use crate::config::reader::Section;
use crate::outputs::alerts::{AlertOptions, ClientOptions, PagerdutyOptions};
use crate::outputs::destination::Destination;

pub(super) const TYPE: OutputType = OutputType { word: "pagerduty", read };

/// PagerDuty's own; its European service has another.
const URL: &str = "https://events.pagerduty.com/v2/enqueue";

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let routing_key = section.required_secret("routing_key", |_| Ok(()));
    let url = section.text("url", URL, "https://events.eu.pagerduty.com/v2/enqueue", check_url);
    let client = ClientOptions { tls: section.table("tls", tls::read), ..ClientOptions::default() };
    Some(Destination::Alert(AlertOptions::Pagerduty(PagerdutyOptions { url: url?, routing_key: routing_key?, client })))
}

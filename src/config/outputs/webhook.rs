//! `type = "webhook"`: each alert as JSON by POST.

use super::http::{check_header, check_secret_url};
use super::{OutputType, auth, tls};
use crate::config::reader::Section;
use crate::outputs::alerts::template::Template;
use crate::outputs::alerts::{AlertOptions, ClientOptions, WebhookOptions};
use crate::outputs::destination::{Auth, Destination};
use secrecy::SecretString;

pub(super) const TYPE: OutputType = OutputType { word: "webhook", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let url = section.required_secret("url", check_secret_url);
    let template = section.optional_text("template", "{ \\\"text\\\": \\\"{body}\\\" }", Template::parse);
    let client = read_client(section);
    Some(Destination::Alert(AlertOptions::Webhook(WebhookOptions { url: url?, template, client })))
}

/// `headers`, `[auth]` and `[tls]`.
pub(super) fn read_client(section: &mut Section<'_>) -> ClientOptions {
    let headers = section.map("headers", "X-Tenant = \"shop\"", true, check_header);
    let auth = section.table("auth", auth::read);
    let tls = section.table("tls", tls::read);
    if !matches!(auth, Auth::None) && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        section.mistake("headers", "holds Authorization, and there is [auth], too; delete one of them");
    }
    let headers = headers.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect();
    ClientOptions { headers, auth, tls }
}

//! `type = "nats"`: NATS JetStream.

use super::{OutputType, auth, tls};
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Auth, Destination, TlsOptions};
use crate::outputs::encode::nats::{SUBJECT_DEFAULT, Subject};
use crate::outputs::nats::{INBOX_PREFIX_DEFAULT, NatsAuth, NatsOptions, ServerUrl};

pub(super) const TYPE: OutputType = OutputType { word: "nats", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    let urls = section.required_texts("urls", "nats://nats.example.com:4222", |url| ServerUrl::parse(url).map(drop));
    let subject = section.text("subject", SUBJECT_DEFAULT, "squelch.{kind}", check_subject);
    let credentials = section.optional_path("credentials_file", "/etc/squelch/nats.creds");
    let inbox_prefix = section.text("inbox_prefix", INBOX_PREFIX_DEFAULT, "_INBOX_squelch", check_inbox);
    let tls_first = section.boolean("tls_first", false);
    let auth = section.table("auth", auth::read);
    let tls = section.table("tls", tls::read);
    if credentials.is_some() && !matches!(auth, Auth::None) {
        section.mistake("credentials_file", "stands beside [auth]; a server asks once who we are, delete one of them");
    }
    let auth = match (credentials, auth) {
        (Some(file), _) => NatsAuth::Credentials(file),
        (None, Auth::None) => NatsAuth::None,
        (None, Auth::Bearer(token)) => NatsAuth::Token(token),
        (None, Auth::BearerFile(path)) => NatsAuth::TokenFile(path),
        (None, Auth::Basic { user, password }) => NatsAuth::User { user, password },
    };
    let urls: Vec<ServerUrl> = urls.iter().filter_map(|url| ServerUrl::parse(&url.value).ok()).collect();
    let is_open = |url: &ServerUrl| !url.is_tls && !tls_first && !matches!(&*url.host, "127.0.0.1" | "localhost" | "::1");
    if urls.iter().any(is_open) {
        if matches!(auth, NatsAuth::Token(_) | NatsAuth::TokenFile(_) | NatsAuth::User { .. }) {
            section.warn("urls", "sends credentials without encryption unless the server asks for TLS; use tls://");
        }
        if tls != TlsOptions::default() {
            section.warn("tls", "has an effect only where the server asks for TLS; use tls:// in `urls`");
        }
    }
    let (subject, inbox_prefix) = (subject?, inbox_prefix?);
    (!urls.is_empty()).then_some(Destination::Nats(NatsOptions { urls, subject, auth, tls, tls_first, inbox_prefix }))
}

fn check_subject(text: &str) -> Result<Subject, String> {
    Subject::parse(text).map_err(|problem| format!("{} {problem}", text_literal(text)))
}

/// Stands before a dot and what is ours.
fn check_inbox(text: &str) -> Result<String, String> {
    let is_subject = text.len() <= 128
        && text.split('.').all(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b)));
    if is_subject {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is no beginning of a subject; write for example \"_INBOX_squelch\"", text_literal(text)))
    }
}

//! What can be set about outputs that take alerts and nothing else.

use crate::outputs::destination::{Auth, Compression, HttpOptions, TlsOptions};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Who is told of storms.
#[derive(Clone, Debug)]
pub enum AlertOptions {
    /// All members of an Alertmanager cluster.
    Alertmanager(AlertmanagerOptions),
    /// JSON by POST.
    Webhook(WebhookOptions),
    /// A chat room.
    Slack(SlackOptions),
    /// People on call.
    Pagerduty(PagerdutyOptions),
    /// A command of the user's.
    Exec(ExecOptions),
}

/// Settings of an Alertmanager output.
#[derive(Clone, Debug)]
pub struct AlertmanagerOptions {
    /// Each member of the cluster, with or without `/api/v2/alerts`.
    pub urls: Vec<String>,
    /// Labels that each alert gets.
    pub labels: Vec<(String, String)>,
    /// How they are spoken to.
    pub client: ClientOptions,
}

/// Settings of a webhook.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Where to; it may hold a key.
    pub url: SecretString,
    /// What is sent; the record itself when missing.
    pub template: Option<super::template::Template>,
    /// How it is spoken to.
    pub client: ClientOptions,
}

/// Settings of a chat room.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// Its incoming webhook: the path is a key.
    pub url: SecretString,
    /// How it is spoken to.
    pub client: ClientOptions,
}

/// Settings of a PagerDuty output.
#[derive(Clone, Debug)]
pub struct PagerdutyOptions {
    /// Where to.
    pub url: String,
    /// The integration key of the service.
    pub routing_key: SecretString,
    /// How it is spoken to.
    pub client: ClientOptions,
}

/// Settings of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOptions {
    /// Run by `sh -c`, with the record on standard input.
    pub command: String,
    /// It is ended when it runs longer.
    pub run_max: Duration,
}

/// What all that speak HTTP have beside a URL.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Additional headers; values may be secret.
    pub headers: Vec<(String, SecretString)>,
    /// Who we are.
    pub auth: Auth,
    /// TLS.
    pub tls: TlsOptions,
}

impl ClientOptions {
    /// The options for one URL. Bodies go as they are: they are small, and not all of these receivers inflate.
    #[must_use]
    pub fn http(&self, url: &str) -> HttpOptions {
        HttpOptions {
            url: url.to_owned(),
            headers: self.headers.clone(),
            auth: self.auth.clone(),
            tls: self.tls.clone(),
            compression: Compression::None,
        }
    }
    /// The same for a URL that may be a secret.
    #[must_use]
    pub fn http_secret(&self, url: &SecretString) -> HttpOptions {
        self.http(url.expose_secret())
    }
}

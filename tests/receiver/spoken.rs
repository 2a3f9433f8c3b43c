//! What is spoken over HTTP: the table of the outputs that tests go through.

use super::Receiver;
use super::output::{all_storms, all_uids, http_options, to};
use squelch::outputs::alerts::{AlertOptions, AlertmanagerOptions, ClientOptions, PagerdutyOptions, SlackOptions, WebhookOptions};
use squelch::outputs::destination::{Destination, LogOptions, OutputOptions, Protocol, TlsOptions};
use squelch::outputs::encode::loki;

/// A way to speak over HTTP.
pub struct Spoken {
    pub name: &'static str,
    /// What "yes" is.
    pub yes: (u16, &'static str),
    pub destination: fn(&str, TlsOptions) -> Destination,
    /// A 200 is only a yes with the right words in it.
    pub wants_words: bool,
    /// Whoever answers with a web page is somebody else.
    pub knows_pages: bool,
}

/// Every output that speaks HTTP.
pub const SPOKEN: &[Spoken] = &[
    Spoken {
        name: "http",
        yes: (200, ""),
        destination: |url, tls| Destination::Http(http_options(url.into(), tls)),
        wants_words: false,
        knows_pages: false,
    },
    log("loki", (204, ""), |url, tls| store(url, tls, Protocol::Loki(loki::Options::default()))),
    Spoken {
        wants_words: true,
        ..log("elasticsearch", (200, r#"{"errors":false,"items":[]}"#), |url, tls| {
            store(url, tls, Protocol::Elasticsearch { data_stream: "logs-squelch-default".into() })
        })
    },
    Spoken { wants_words: true, ..log("otlp", (200, ""), |url, tls| store(url, tls, Protocol::Otlp { log_dedup: false })) },
    log("victorialogs", (200, ""), |url, tls| store(url, tls, Protocol::VictoriaLogs { stream_fields: vec![] })),
    log("clickhouse", (200, ""), |url, tls| store(url, tls, Protocol::ClickHouse { database: "logs".into(), table: "squelch".into() })),
    log("datadog", (202, "{}"), |url, tls| store(url, tls, Protocol::Datadog { tags: vec![] })),
    log("splunk", (200, r#"{"text":"Success","code":0}"#), |url, tls| {
        store(url, tls, Protocol::Splunk { index: String::new(), sourcetype: "squelch".into(), acknowledge_within: None })
    }),
    Spoken {
        knows_pages: false,
        ..log("webhook", (200, ""), |url, tls| {
            Destination::Alert(AlertOptions::Webhook(WebhookOptions { url: url.to_owned().into(), template: None, client: client(tls) }))
        })
    },
    log("alertmanager", (200, ""), |url, tls| {
        Destination::Alert(AlertOptions::Alertmanager(AlertmanagerOptions { urls: vec![url.into()], labels: vec![], client: client(tls) }))
    }),
    log("slack", (200, "ok"), |url, tls| Destination::Alert(AlertOptions::Slack(SlackOptions { url: url.to_owned().into(), client: client(tls) }))),
    log("pagerduty", (202, "{}"), |url, tls| {
        let routing_key = "key".to_owned().into();
        Destination::Alert(AlertOptions::Pagerduty(PagerdutyOptions { url: url.into(), routing_key, client: client(tls) }))
    }),
];

const fn log(name: &'static str, yes: (u16, &'static str), destination: fn(&str, TlsOptions) -> Destination) -> Spoken {
    Spoken { name, yes, destination, wants_words: false, knows_pages: true }
}

fn store(url: &str, tls: TlsOptions, protocol: Protocol) -> Destination {
    Destination::Log(LogOptions { http: http_options(url.into(), tls), protocol })
}

fn client(tls: TlsOptions) -> ClientOptions {
    ClientOptions { tls, ..ClientOptions::default() }
}

impl Spoken {
    pub fn output(&self, url: &str) -> OutputOptions {
        to((self.destination)(url, TlsOptions::default()))
    }
    /// Whether a request holds one record.
    pub fn is_one_by_one(&self) -> bool {
        matches!(self.name, "webhook" | "slack" | "pagerduty")
    }
    pub fn takes_alerts(&self) -> bool {
        self.is_one_by_one() || self.name == "alertmanager"
    }
    /// What must stand somewhere in what the receiver took, for each record.
    pub fn ids(&self) -> Vec<String> {
        if self.takes_alerts() { all_storms() } else { all_uids() }
    }
    pub fn assert_all_taken(&self, receiver: &Receiver, what: &str) {
        let lost: Vec<String> = self.ids().into_iter().filter(|id| receiver.times_taken(id) == 0).collect();
        assert!(lost.is_empty(), "{} {what}: {lost:?} are lost", self.name);
    }
}

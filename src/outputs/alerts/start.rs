//! Which encoder and sender each kind of alert output has.

use super::alert::test_record;
use super::alertmanager::{AlertmanagerEncoder, AlertmanagerSender};
use super::exec::ExecSender;
use super::options::AlertOptions;
use super::pagerduty::PagerdutyEncoder;
use super::slack::{self, SlackEncoder};
use super::webhook::WebhookEncoder;
use crate::clock;
use crate::delivery::task::Ended;
use crate::delivery::{self, Encoder, Outcome, Request, Sender};
use crate::outputs::destination::Route;
use crate::outputs::http::{HttpError, HttpSender};
use crate::outputs::route::Router;
use crate::outputs::start::{Links, OutputError, spawn};
use crate::store::{Record, RecordKind};
use tokio::task::JoinHandle;

/// The same route for alerts alone.
pub fn only_storms(route: Route) -> Route {
    Route { kinds: vec![RecordKind::Storm], ..route }
}

/// Does something with the encoder and the sender of `options`; each pair is a type of its own.
macro_rules! with_parts {
    ($output:expr, $options:expr, $delivery:expr, |$encoder:ident, $sender:ident, $records_max:ident| $body:expr) => {{
        let wrong = |source: HttpError| OutputError::Http { output: $output.to_owned(), source: Box::new(source) };
        match $options {
            AlertOptions::Alertmanager(options) => {
                let $sender = AlertmanagerSender::new(&options, $delivery).map_err(wrong)?;
                let $encoder = AlertmanagerEncoder::new(options.labels, clock::now);
                let $records_max = $delivery.batch_records_max;
                $body
            }
            AlertOptions::Webhook(options) => {
                let $sender = HttpSender::with_secret_path(options.client.http_secret(&options.url), $delivery, None).map_err(wrong)?;
                let $encoder = WebhookEncoder::new(options.template);
                let $records_max = 1;
                $body
            }
            AlertOptions::Slack(options) => {
                let read = Some(slack::read_answer as crate::outputs::http::ReadAnswer);
                let $sender = HttpSender::with_secret_path(options.client.http_secret(&options.url), $delivery, read).map_err(wrong)?;
                let $encoder = SlackEncoder;
                let $records_max = 1;
                $body
            }
            AlertOptions::Pagerduty(options) => {
                let $sender = HttpSender::new(options.client.http(&options.url), $delivery, None).map_err(wrong)?.without_pages();
                let $encoder = PagerdutyEncoder::new(options.routing_key);
                let $records_max = 1;
                $body
            }
            AlertOptions::Exec(options) => {
                let $sender = ExecSender::new(options);
                let $encoder = delivery::Ndjson;
                let $records_max = 1;
                $body
            }
        }
    }};
}

/// Starts an output for alerts.
pub fn start(name: &str, options: AlertOptions, delivery: delivery::Options, router: Router, links: Links) -> Result<JoinHandle<Ended>, OutputError> {
    Ok(with_parts!(name, options, &delivery, |encoder, sender, records_max| {
        let delivery = delivery::Options { batch_records_max: records_max, ..delivery.clone() };
        spawn(name, delivery, router, encoder, sender, links, true)
    }))
}

/// Sends the harmless record once.
pub async fn send_test(output: String, options: AlertOptions, delivery: &delivery::Options) -> Result<(String, Outcome), OutputError> {
    Ok(with_parts!(output, options, delivery, |encoder, sender, _records_max| send_one(encoder, sender).await))
}

async fn send_one(mut encoder: impl Encoder, mut sender: impl Sender) -> (String, Outcome) {
    let json = test_record(clock::now());
    let idempotency_key = delivery::record_uid(&json).unwrap_or_default().into_owned();
    let mut request = Request { content_type: encoder.content_type(), idempotency_key, records: 1, body: Vec::new() };
    encoder.encode(&[Record { kind: RecordKind::Storm, json: &json }], &mut request.body);
    let outcome = sender.send(&request).await;
    (sender.target().to_owned(), outcome)
}

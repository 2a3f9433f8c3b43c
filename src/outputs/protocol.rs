//! The protocols that are spoken by HTTP POST: where each is spoken, how records are written and what its answers mean.

use super::destination::{LogOptions, Protocol};
use super::encode::clickhouse::{self, ClickHouse};
use super::encode::datadog::{self, Datadog};
use super::encode::elasticsearch::{self, Elasticsearch};
use super::encode::endpoint;
use super::encode::loki::Loki;
use super::encode::otlp::{self, Otlp};
use super::encode::splunk::{self, Splunk};
use super::encode::victorialogs::{self, VictoriaLogs};
use super::http::{HttpError, HttpSender, ReadAnswer};
use super::splunk::SplunkSender;
use crate::delivery::{self, Encoder, Outcome, Request, Sender};

/// The sender of a protocol.
pub enum LogSender {
    /// One question, one answer.
    Http(Box<HttpSender>),
    /// Splunk with acknowledgements.
    Splunk(Box<SplunkSender>),
}

impl Sender for LogSender {
    fn target(&self) -> &str {
        match self {
            Self::Http(sender) => sender.target(),
            Self::Splunk(sender) => sender.target(),
        }
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        match self {
            Self::Http(sender) => sender.send(request).await,
            Self::Splunk(sender) => sender.send(request).await,
        }
    }
}

/// The encoder and the sender of an output. Connects nowhere.
///
/// # Errors
/// When the options make no sender.
pub fn parts(options: LogOptions, delivery: &delivery::Options) -> Result<(Box<dyn Encoder>, LogSender), HttpError> {
    let LogOptions { mut http, protocol } = options;
    http.url = url(&protocol, &http.url);
    let read_answer: Option<ReadAnswer> = match protocol {
        Protocol::Elasticsearch { .. } => Some(elasticsearch::read_answer),
        Protocol::Otlp { .. } => Some(otlp::read_answer),
        Protocol::Splunk { .. } => Some(splunk::read_answer),
        Protocol::Loki(_) | Protocol::VictoriaLogs { .. } | Protocol::ClickHouse { .. } | Protocol::Datadog { .. } => None,
    };
    let http_sender = |http| Ok::<_, HttpError>(HttpSender::new(http, delivery, read_answer)?.without_pages());
    let sender = match protocol {
        Protocol::Splunk { acknowledge_within: Some(within), .. } => LogSender::Splunk(Box::new(SplunkSender::new(http, delivery, within)?)),
        Protocol::ClickHouse { .. } => LogSender::Http(Box::new(http_sender(http)?.with_key_parameter(clickhouse::KEY_PARAMETER))),
        _ => LogSender::Http(Box::new(http_sender(http)?)),
    };
    let encoder: Box<dyn Encoder> = match protocol {
        Protocol::Loki(options) => Box::new(Loki::new(options)),
        Protocol::Elasticsearch { data_stream } => Box::new(Elasticsearch { data_stream }),
        Protocol::Otlp { log_dedup } => Box::new(Otlp { log_dedup }),
        Protocol::VictoriaLogs { .. } => Box::new(VictoriaLogs),
        Protocol::ClickHouse { .. } => Box::new(ClickHouse),
        Protocol::Datadog { tags } => Box::new(Datadog { tags }),
        Protocol::Splunk { index, sourcetype, .. } => Box::new(Splunk { index, sourcetype }),
    };
    Ok((encoder, sender))
}

/// Most records of one request that the protocol allows.
#[must_use]
pub const fn records_max(protocol: &Protocol) -> usize {
    match protocol {
        Protocol::Datadog { .. } => datadog::RECORDS_MAX,
        _ => usize::MAX,
    }
}

fn url(protocol: &Protocol, base: &str) -> String {
    match protocol {
        Protocol::Loki(_) => endpoint(base, "/loki/api/v1/push", &[]),
        Protocol::Elasticsearch { .. } => endpoint(base, "/_bulk", &[elasticsearch::FILTER]),
        Protocol::Otlp { .. } => endpoint(base, "/v1/logs", &[]),
        Protocol::VictoriaLogs { stream_fields } => {
            let [text, time] = victorialogs::PARAMETERS;
            endpoint(base, "/insert/jsonline", &[text, time, ("_stream_fields", &stream_fields.join(","))])
        }
        Protocol::ClickHouse { database, table } => {
            let [times, unknown, deduplicate] = clickhouse::PARAMETERS;
            endpoint(base, "/", &[("query", &clickhouse::insert(database, table)), times, unknown, deduplicate])
        }
        Protocol::Datadog { .. } => endpoint(base, "/api/v2/logs", &[]),
        Protocol::Splunk { .. } => endpoint(base, "/services/collector/event", &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::encode::loki;

    fn check(protocol: &Protocol, base: &str, expected: &str) {
        assert_eq!(url(protocol, base), expected);
    }

    #[test]
    fn each_protocol_has_its_place_on_a_receiver() {
        check(&Protocol::Loki(loki::Options::default()), "https://loki:3100", "https://loki:3100/loki/api/v1/push");
        check(
            &Protocol::Elasticsearch { data_stream: "x".into() },
            "https://es/",
            "https://es/_bulk?filter_path=errors%2Citems.*.status%2Citems.*.error.type%2Citems.*.error.reason",
        );
        check(&Protocol::Otlp { log_dedup: false }, "http://otel:4318", "http://otel:4318/v1/logs");
        check(
            &Protocol::VictoriaLogs { stream_fields: vec!["a".into(), "b".into()] },
            "http://vl:9428",
            "http://vl:9428/insert/jsonline?_msg_field=_msg&_time_field=_time&_stream_fields=a%2Cb",
        );
        check(
            &Protocol::ClickHouse { database: "d".into(), table: "t".into() },
            "http://ch:8123",
            "http://ch:8123/?query=INSERT+INTO+%60d%60.%60t%60+FORMAT+JSONEachRow&date_time_input_format=best_effort&input_format_skip_unknown_fields=1&insert_deduplicate=1",
        );
        check(&Protocol::Datadog { tags: vec![] }, "https://http-intake.logs.datadoghq.eu", "https://http-intake.logs.datadoghq.eu/api/v2/logs");
        check(
            &Protocol::Splunk { index: String::new(), sourcetype: String::new(), acknowledge_within: None },
            "https://splunk:8088/services/collector/event",
            "https://splunk:8088/services/collector/event",
        );
    }
}

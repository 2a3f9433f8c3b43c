//! What can be set about outputs of the agent: where records go. (How they are delivered is `delivery`'s.)

use crate::store::RecordKind;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Where records go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// NDJSON to standard output.
    Stdout,
    /// NDJSON files.
    File(FileOptions),
    /// NDJSON by HTTP POST.
    Http(HttpOptions),
    /// A protocol of a log store, by HTTP POST.
    Log(LogOptions),
    /// Syslog over TCP or TLS.
    Syslog(SyslogOptions),
    /// NATS JetStream.
    Nats(super::nats::NatsOptions),
    /// Alerts, and nothing else.
    Alert(super::alerts::AlertOptions),
}

/// Which records an output takes. Empty lists mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Only these kinds. None named: all but [`RecordKind::Absorbed`].
    pub kinds: Vec<RecordKind>,
    /// Only these classes (`retry`, `failure` ...; `none` for records without one).
    pub classes: Vec<String>,
    /// Only from this severity on (OpenTelemetry's number); records that do not say pass.
    pub severity_min: u8,
    /// Only records whose `resource` has these values (globs).
    pub labels: Vec<(String, String)>,
}

/// One output.
#[derive(Clone, Debug)]
pub struct OutputOptions {
    /// Its name in the configuration, in metrics and in the store.
    pub name: String,
    /// Where to.
    pub destination: Destination,
    /// Which records.
    pub route: Route,
    /// How.
    pub delivery: crate::delivery::Options,
}

/// Settings of a file output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// The file.
    pub path: PathBuf,
    /// Rotated when it is larger.
    pub rotate_bytes: u64,
    /// Rotated files kept.
    pub keep: u32,
    /// Rotated files are compressed.
    pub zstd: bool,
}

impl FileOptions {
    /// The settings for a file where nothing else is said: at most some 384 MiB in all.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, rotate_bytes: 64 << 20, keep: 5, zstd: false }
    }
}

/// Settings of an output that speaks the protocol of a log store.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Where to and as whom; the URL without the path of the protocol.
    pub http: HttpOptions,
    /// Which protocol.
    pub protocol: Protocol,
}

/// The protocols of log stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Loki's push API.
    Loki(super::encode::loki::Options),
    /// Elasticsearch's and OpenSearch's bulk API.
    Elasticsearch {
        /// The data stream or index.
        data_stream: String,
    },
    /// OpenTelemetry.
    Otlp {
        /// Also the names that the Collector's log deduplication uses.
        log_dedup: bool,
    },
    /// VictoriaLogs' JSON lines.
    VictoriaLogs {
        /// The fields that make a stream.
        stream_fields: Vec<String>,
    },
    /// ClickHouse's HTTP interface.
    ClickHouse {
        /// Database.
        database: String,
        /// Table.
        table: String,
    },
    /// Datadog's log intake.
    Datadog {
        /// Tags of all records.
        tags: Vec<(String, String)>,
    },
    /// Splunk's HTTP event collector.
    Splunk {
        /// The index; empty for the one of the token.
        index: String,
        /// The source type.
        sourcetype: String,
        /// How long the indexer's acknowledgement is waited for; `None` to ask for none.
        acknowledge_within: Option<Duration>,
    },
}

/// Settings of a syslog output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogOptions {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS; `None` for plain TCP.
    pub tls: Option<TlsOptions>,
    /// 0..=23.
    pub facility: u8,
    /// Longer messages are cut.
    pub message_bytes_max: usize,
}

/// Settings of anything that speaks HTTP.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// `http://` or `https://`.
    pub url: String,
    /// Additional headers; values may be secret.
    pub headers: Vec<(String, SecretString)>,
    /// Who we are.
    pub auth: Auth,
    /// TLS.
    pub tls: TlsOptions,
    /// Bodies are compressed.
    pub compression: Compression,
}

/// Who we are.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Nobody.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: Basic`.
    Basic {
        /// Name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// A bearer token in a file that is read again when it changes (Kubernetes rotates them).
    BearerFile(PathBuf),
}

/// TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whom we trust where there is no `ca_file`.
    pub roots: Roots,
    /// Trust these certificates (PEM) instead of the usual roots.
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM).
    pub cert_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
    /// The name that the receiver's certificate must be for, where that is not the host that we connect to.
    pub server_name: Option<String>,
    /// Only TLS 1.3; else 1.2, too.
    pub only_1_3: bool,
    /// Trusts anybody. Said loudly.
    pub insecure_skip_verify: bool,
}

/// The usual authorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of the platform, or, where it has none (an image without any), those that are compiled in.
    #[default]
    Platform,
    /// Those that are compiled in: Mozilla's, as they were when squelch was built.
    Bundled,
}

/// How bodies are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not.
    None,
    /// gzip: everybody understands it.
    #[default]
    Gzip,
    /// zstd: smaller, not everybody.
    Zstd,
}

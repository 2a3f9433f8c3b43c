//! A storm of a whole fleet, which no node can see: real Prometheus with the rules as they are shipped, real Alertmanager, and a webhook that
//! is told once.
//!
//! ```text
//! agents, or what 1,000 would expose --/metrics--> Prometheus (packaging/prometheus) --alert--> Alertmanager --webhook--> us
//! ```
//! The rules wait for a minute; so does each of these tests, twice or so.

use crate::server::{Server, free_port, installed, quoted};
use axum::extract::{Path as InPath, State};
use axum::http::{HeaderMap, header};
use axum::routing::get;
use serde_json::Value;
use squelch::engine::Accounting;
use squelch::fingerprint::Fingerprint;
use squelch::record::{Class, ClassSource, Severity};
use squelch::telemetry::metrics::{Format, Scraper};
use squelch::telemetry::status::{self, Publisher, Readiness, Status};
use squelch::telemetry::{Retries, Tally};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Nobody is waited for longer: the rate is taken over a minute, and the alert waits for another.
const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks whether something has come true.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A place that is scraped.
struct Target {
    instance: String,
    address: String,
    path: String,
}

/// Prometheus, its Alertmanager, and those who are told.
struct Monitoring {
    prometheus: Server,
    alertmanager: Server,
    /// What the webhook was told, in this order.
    told: Arc<Mutex<Vec<Value>>>,
}

impl Monitoring {
    /// `None`, loudly, where the programs are not installed.
    fn start(targets: &[Target], scrape_interval: &str) -> Option<Self> {
        let (prometheus, alertmanager) = (installed("prometheus")?, installed("prometheus-alertmanager")?);
        let (webhook, told) = webhook();
        let alertmanager = Server::start(&alertmanager, |folder, port| {
            let config = format!(
                "route: {{ receiver: us, group_by: [alertname, fingerprint], group_wait: 1s, group_interval: 5s, repeat_interval: 4h }}\n\
                 receivers: [{{ name: us, webhook_configs: [{{ url: 'http://127.0.0.1:{webhook}/', send_resolved: true }}] }}]\n"
            );
            arguments(folder, port, "alertmanager.yml", &config, &["--cluster.listen-address=", "--storage.path=data"])
        });
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
        let prometheus = Server::start(&prometheus, |folder, port| {
            let mut config = format!(
                "global: {{ scrape_interval: {scrape_interval}, evaluation_interval: 5s }}\n\
                 rule_files: ['{rules}/recording.yml', '{rules}/alerts.yml']\n\
                 alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{}'] }}] }}] }}\n\
                 scrape_configs:\n- job_name: squelch\n  static_configs:\n",
                alertmanager.port,
                rules = rules.display(),
            );
            for Target { instance, address, path } in targets {
                let _ = writeln!(config, "  - {{ targets: ['{address}'], labels: {{ instance: '{instance}', __metrics_path__: '{path}' }} }}");
            }
            arguments(folder, port, "prometheus.yml", &config, &["--storage.tsdb.path=data"])
        });
        Some(Self { prometheus, alertmanager, told })
    }

    /// The samples of a query, by value.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let answer = self.prometheus.get(&format!("/api/v1/query?query={}", quoted(query)), &[]).unwrap_or_default();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        samples.into_iter().map(|sample| (sample["metric"].clone(), sample["value"][1].as_str().unwrap().parse().unwrap())).collect()
    }

    /// The only value of a query.
    fn value(&self, query: &str) -> f64 {
        let samples = self.query(query);
        assert!(samples.len() <= 1, "{query}: {samples:?}");
        samples.first().map_or(0.0, |(_, value)| *value)
    }

    /// What the webhook was told of the storm of the fleet: each of its alerts with its state.
    fn told(&self) -> Vec<(String, Value)> {
        let told = self.told.lock().unwrap();
        let alerts = told.iter().flat_map(|message| message["alerts"].as_array().unwrap());
        let of_fleet = alerts.filter(|alert| alert["labels"]["alertname"] == "SquelchFleetStorm");
        of_fleet.map(|alert| (alert["status"].as_str().unwrap().to_owned(), alert.clone())).collect()
    }

    /// Waits until the webhook was told so often.
    fn until_told(&self, times: usize) {
        let start = Instant::now();
        while self.told().len() < times {
            let rate = self.query("fingerprint:squelch_messages:rate1m");
            let nodes = self.query("fingerprint:squelch_nodes:count5m");
            assert!(start.elapsed() < PATIENCE, "told {:?}, the rate is {rate:?}, the nodes are {nodes:?}", self.told());
            sleep(LOOK_EVERY);
        }
    }

    /// One storm of the fleet is told, once; Prometheus and Alertmanager hold it; no node was ever near its own threshold.
    fn check_one_storm(&self, nodes: usize, rate: std::ops::Range<f64>) -> Value {
        let told = self.told();
        assert_eq!(told.iter().map(|(state, _)| state.as_str()).collect::<Vec<_>>(), ["firing"], "{told:?}");
        let alert = &told[0].1;
        let said = |annotation: &str| alert["annotations"][annotation].as_str().unwrap();
        assert!(said("description").starts_with(&format!("{nodes} nodes say this")), "{alert}");
        let told_rate: f64 = said("summary").split(' ').nth(3).unwrap().parse().unwrap();
        assert!(rate.contains(&told_rate), "{alert}");
        let prometheus: Value = serde_json::from_str(&self.prometheus.get("/api/v1/alerts", &[]).unwrap()).unwrap();
        let storms: Vec<&Value> = prometheus["data"]["alerts"].as_array().unwrap().iter().filter(is_of_storms).collect();
        assert_eq!(storms.len(), 1, "{storms:?}");
        assert_eq!((&storms[0]["labels"]["alertname"], &storms[0]["state"]), (&"SquelchFleetStorm".into(), &"firing".into()));
        let held: Vec<Value> = serde_json::from_str(&self.alertmanager.get("/api/v2/alerts", &[]).unwrap()).unwrap();
        let held: Vec<&Value> = held.iter().filter(is_of_storms).collect();
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0]["labels"], alert["labels"]);
        assert_eq!(self.query("max_over_time(ALERTS{alertname=\"SquelchNodeStorm\"}[10m])"), [], "the rule for one node was never even pending");
        let loudest = self.value("max(max_over_time(instance_fingerprint:squelch_messages:rate1m[10m]))");
        eprintln!("REAL | fleet | Prometheus, Alertmanager | told once: {}; loudest node {loudest:.2}/s", said("summary"));
        assert!(loudest < 5.0, "the loudest node says it {loudest} times a second");
        alert["labels"].clone()
    }
}

fn is_of_storms(alert: &&Value) -> bool {
    alert["labels"]["alertname"].as_str().is_some_and(|name| name.ends_with("Storm"))
}

fn arguments(folder: &Path, port: u16, name: &str, config: &str, more: &[&str]) -> Vec<String> {
    std::fs::write(folder.join(name), config).unwrap();
    let own = [format!("--config.file={name}"), format!("--web.listen-address=127.0.0.1:{port}")];
    own.into_iter().chain(more.iter().map(|argument| (*argument).to_owned())).collect()
}

/// Takes what Alertmanager sends; the port, and what was sent.
fn webhook() -> (u16, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::<Mutex<Vec<Value>>>::default();
    let kept = Arc::clone(&told);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut input = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                input.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            input.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, told)
}

/// Nodes whose metrics are made by what makes them in the agent, without the agent.
const NODES: usize = 1000;

/// Each says it three times in ten seconds: 18 times a minute, 300 times a second together.
const TIMES_IN_TEN_SECONDS: usize = 3;

/// What one agent would expose.
struct Node {
    name: String,
    publisher: Publisher,
    scraper: Scraper,
    told: Mutex<(Tally, Retries, u64)>,
}

impl Node {
    fn new(number: usize) -> Self {
        let (publisher, subscriber) = status::channel();
        let scraper = Scraper::new(subscriber, squelch::config::SCRAPE_INTERVAL);
        let node = Self { name: format!("node-{number}"), publisher, scraper, told: Mutex::default() };
        node.commit();
        node
    }

    /// One more line of the message that all of them say.
    fn say(&self, fingerprint: &Fingerprint) {
        let (tally, _, lines) = &mut *self.told.lock().unwrap();
        tally.settle(fingerprint.id(), fingerprint.class, &fingerprint.template, 1);
        *lines += 1;
    }

    fn commit(&self) {
        let now = self.publisher.uptime();
        let (tally, retries, lines) = &mut *self.told.lock().unwrap();
        tally.tell(retries, now);
        self.publisher.publish(Status {
            node: self.name.clone(),
            readiness: Readiness { store_is_open: true, inputs_are_open: true, is_stopping: false },
            totals: Accounting { read: *lines, forwarded: *lines, ..Accounting::default() },
            retries: retries.status(now),
            ..Status::default()
        });
        self.publisher.beat();
    }
}

async fn metrics(
    State(nodes): State<Arc<Vec<Node>>>,
    InPath(number): InPath<usize>,
    headers: HeaderMap,
) -> ([(header::HeaderName, &'static str); 1], String) {
    let format = Format::accepted_by(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default());
    ([(header::CONTENT_TYPE, format.content_type())], nodes[number].scraper.scrape(format))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_a_thousand_nodes_that_none_of_them_sees_is_told_once() {
    let nodes: Arc<Vec<Node>> = Arc::new((0..NODES).map(Node::new).collect());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = axum::Router::new().route("/{node}/metrics", get(metrics)).with_state(Arc::clone(&nodes));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let story = tokio::task::spawn_blocking(move || {
        let target = |number| Target { instance: format!("node-{number}"), address: address.clone(), path: format!("/{number}/metrics") };
        let Some(monitoring) = Monitoring::start(&(0..NODES).map(target).collect::<Vec<_>>(), "5s") else { return };
        let fingerprint = Fingerprint::new(Severity::Error, "connection to <host> refused, retrying in <dur>", Class::Retry, ClassSource::Guess);
        let storms = Arc::new(AtomicBool::new(true));
        let (of_thread, nodes) = (Arc::clone(&storms), Arc::clone(&nodes));
        let speaker = thread::spawn(move || {
            let start = Instant::now();
            for second in 0.. {
                if !of_thread.load(Ordering::Relaxed) {
                    break;
                }
                for (number, node) in nodes.iter().enumerate() {
                    if (number + second) % 10 < TIMES_IN_TEN_SECONDS {
                        node.say(&fingerprint);
                    }
                    node.commit();
                }
                sleep((start + Duration::from_secs(second as u64 + 1)).saturating_duration_since(Instant::now()));
            }
            // The agents go on; only the storm is over.
            loop {
                nodes.iter().for_each(Node::commit);
                sleep(Duration::from_secs(1));
            }
        });
        monitoring.until_told(1);
        let labels = monitoring.check_one_storm(NODES, 150.0..450.0);
        storms.store(false, Ordering::Relaxed);
        monitoring.until_told(2);
        let told = monitoring.told();
        assert_eq!(told.iter().map(|(state, _)| state.as_str()).collect::<Vec<_>>(), ["firing", "resolved"], "{told:?}");
        assert_eq!(told[1].1["labels"], labels);
        assert!(!speaker.is_finished());
    });
    story.await.unwrap();
}

/// Agents that run at once; some 15 MiB each.
const AGENTS: usize = 80;

/// Each is told one line in this time: 80 a second together, and a sixth of what would be a storm on one of them.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// `squelch run` with a file that is written by us.
struct Agent {
    child: Child,
    log: File,
}

impl Agent {
    fn start(folder: &Path, number: usize, port: u16) -> Self {
        let folder = folder.join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let config = folder.join("squelch.toml");
        let text = format!(
            "state_dir = \"{folder}/state\"\nnode = \"node-{number}\"\n\
             [inputs.logs]\ntype = \"file\"\ninclude = [\"{folder}/app.log\"]\n\
             [outputs.kept]\ntype = \"file\"\npath = \"{folder}/kept.ndjson\"\n\
             [telemetry]\nlisten = \"127.0.0.1:{port}\"\napi_listen = \"off\"\nscrape_interval = \"1s\"\n",
            folder = folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let said = File::create(folder.join("stderr")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_squelch"));
        command.args(["run", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Self { child: command.spawn().unwrap(), log: File::create(folder.join("app.log")).unwrap() }
    }

    /// Resident memory, KiB.
    fn weight(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_storm_of_eighty_agents_that_none_of_them_sees_is_told_once() {
    if installed("prometheus").is_none() || installed("prometheus-alertmanager").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..AGENTS).map(|_| free_port()).collect();
    let agents: Vec<Agent> = ports.iter().enumerate().map(|(number, port)| Agent::start(folder.path(), number, *port)).collect();
    let target =
        |(number, port): (usize, &u16)| Target { instance: format!("node-{number}"), address: format!("127.0.0.1:{port}"), path: "/metrics".into() };
    let Some(monitoring) = Monitoring::start(&ports.iter().enumerate().map(target).collect::<Vec<_>>(), "1s") else { return };
    let start = Instant::now();
    while monitoring.value("sum(squelch_ready)") < AGENTS as f64 {
        assert!(start.elapsed() < PATIENCE, "{} of {AGENTS} agents are ready", monitoring.value("sum(squelch_ready)"));
        sleep(LOOK_EVERY);
    }
    let (storms, lines) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            for turn in 0_u32.. {
                for (number, agent) in agents.iter().enumerate() {
                    // Not all at once: each has its own moment of the second.
                    let at = start + LINE_EVERY * turn + LINE_EVERY * number as u32 / AGENTS as u32;
                    sleep(at.saturating_duration_since(Instant::now()));
                    let now = jiff::Timestamp::now();
                    let line = format!("{now:.3} ERROR orders: connection to db-{turn}.internal:5432 refused, retrying in {}ms\n", 1000 + number);
                    (&agent.log).write_all(line.as_bytes()).unwrap();
                    lines.fetch_add(1, Ordering::Relaxed);
                }
                if !storms.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        monitoring.until_told(1);
        monitoring.check_one_storm(AGENTS, 50.0..120.0);
        storms.store(false, Ordering::Relaxed);
    });
    let weight: u64 = agents.iter().map(Agent::weight).sum();
    eprintln!("REAL | fleet | {AGENTS} agents have {} MiB, {} each", weight >> 10, (weight >> 10) / AGENTS as u64);
    let written = lines.load(Ordering::Relaxed) as f64;
    let counted = "sum(squelch_fingerprint_messages_total{fingerprint!=\"other\"})";
    let start = Instant::now();
    while monitoring.value(counted) < written {
        assert!(start.elapsed() < PATIENCE, "{} of {written} lines are counted", monitoring.value(counted));
        sleep(LOOK_EVERY);
    }
    assert_eq!(monitoring.value(counted), written);
    assert_eq!(monitoring.value("sum(squelch_lines_read_total)"), written);
    let own = "max_over_time(sum(squelch_storms_active{alert_level!=\"info\"})[10m:1s])";
    assert_eq!(monitoring.value(own), 0.0, "no agent told a storm of its own");
    assert_eq!(monitoring.told().len(), 1, "{:?}", monitoring.told());
}

//! Pods that die at start: the kubelet restarts them with a wait of 10 s that doubles up to 5 min, and says so every sync.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::random::Random;
use super::scenario::Scenario;
use super::truth::Tally;
use super::wording::{LineKind, SimLine, Writer};
use crate::record::Severity;
use crate::time::{MILLI, SECOND};

/// First wait of the kubelet (its default since the first release).
const BACK_OFF_FIRST: i64 = 10 * SECOND;
/// Longest wait of the kubelet.
const BACK_OFF_LAST: i64 = 300 * SECOND;
/// The kubelet looks at a waiting pod about this often, and says "back-off" each time.
const SYNC_EVERY: i64 = 12 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start { pod: usize },
    Dies { pod: usize },
    Sync { pod: usize, restarts: u32 },
}

struct Pod {
    name: String,
    uid: String,
    restarts: u32,
    wait: i64,
    due: i64,
}

/// Runs the story: instance `n` is pod `n`, the one after the last pod is the kubelet.
pub(super) fn run(scenario: &Scenario, instances: &[String], tally: &mut Tally, sink: &mut dyn FnMut(&SimLine) -> ControlFlow<()>) {
    let mut random = Random::new(scenario.seed);
    let mut pods: Vec<Pod> = instances[..scenario.clients].iter().map(|name| Pod::new(name, &mut random)).collect();
    let mut coming = BinaryHeap::new();
    let mut inserted = 0u64;
    let mut plan = |coming: &mut BinaryHeap<_>, at: i64, event: Event| {
        inserted += 1;
        coming.push(Reverse((at, inserted, event)));
    };
    for pod in 0..pods.len() {
        plan(&mut coming, random.below(4_000) as i64 * MILLI, Event::Start { pod });
    }
    let mut open = true;
    let mut emit = |line: SimLine, tally: &mut Tally| {
        open && {
            open = tally.line(scenario, &line) && sink(&line).is_continue();
            open
        }
    };
    while let Some(Reverse((now, _, event))) = coming.pop() {
        if now >= scenario.duration {
            break;
        }
        let at = scenario.start.0 + now;
        let go_on = match event {
            Event::Start { pod } => {
                tally.attempt(now, pod);
                plan(&mut coming, now + random.around(2_500 * MILLI, 0.3), Event::Dies { pod });
                emit(service(at, pod, Severity::Info, "Starting order-service 4.12.0"), tally)
                    && emit(service(at, pod, Severity::Info, "Reading the configuration from config-server:8888"), tally)
            }
            Event::Dies { pod } => {
                let this = &mut pods[pod];
                this.restarts += 1;
                this.wait = if this.restarts == 1 { BACK_OFF_FIRST } else { (this.wait * 2).min(BACK_OFF_LAST) };
                this.due = now + this.wait;
                plan(&mut coming, now + random.around(800 * MILLI, 0.4), Event::Sync { pod, restarts: this.restarts });
                plan(&mut coming, this.due + random.below(900) as i64 * MILLI, Event::Start { pod });
                emit(service(at, pod, Severity::Fatal, "Cannot start: missing key orders.broker.url in the configuration, exit code 1"), tally)
            }
            Event::Sync { pod, restarts } if pods[pod].restarts == restarts && now < pods[pod].due => {
                let next = now + random.around(SYNC_EVERY, 0.2);
                plan(&mut coming, next, Event::Sync { pod, restarts });
                let line = kubelet(at, scenario.clients, &pods[pod]);
                emit(line, tally)
            }
            Event::Sync { .. } => true,
        };
        if !go_on {
            break;
        }
    }
}

fn service(at: i64, pod: usize, severity: Severity, message: &str) -> SimLine {
    SimLine {
        at,
        instance: pod,
        writer: Writer::Service,
        severity,
        thread: "main".to_owned(),
        logger: "com.example.orders.Application",
        message: message.to_owned(),
        bare: None,
        trace: Vec::new(),
        kind: LineKind::Ordinary,
    }
}

fn kubelet(at: i64, instance: usize, pod: &Pod) -> SimLine {
    let wait = match pod.wait / SECOND {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format!("{}m{}s", seconds / 60, seconds % 60),
    };
    let (name, uid) = (&pod.name, &pod.uid);
    SimLine {
        at,
        instance,
        writer: Writer::Kubelet,
        severity: Severity::Error,
        thread: "1742".to_owned(),
        logger: "pod_workers.go:1324",
        message: format!(
            "\"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"order-service\\\" with CrashLoopBackOff: \
             \\\"back-off {wait} restarting failed container=order-service pod={name}_shop({uid})\\\"\" pod=\"shop/{name}\" podUID=\"{uid}\""
        ),
        bare: None,
        trace: Vec::new(),
        kind: LineKind::CrashLoop,
    }
}

impl Pod {
    fn new(name: &str, random: &mut Random) -> Self {
        let (a, b) = (random.next(), random.next());
        let uid = format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xfff, b >> 52, b & 0xffff_ffff_ffff);
        Self { name: name.to_owned(), uid, restarts: 0, wait: 0, due: 0 }
    }
}

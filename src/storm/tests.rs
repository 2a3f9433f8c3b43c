use super::super::text::alert_text;
use super::*;
use crate::record::{ClassSource, StreamId};

/// A little world to write storms in.
struct World {
    storms: Storms,
    fingerprints: Vec<Arc<Fingerprint>>,
    events: Vec<StormEvent>,
}

/// 2025-10-09T12:00:00Z.
const NOON: i64 = 1_760_011_200;

impl World {
    fn new(templates: &[(&str, Class)]) -> Self {
        let fingerprints =
            templates.iter().map(|(template, class)| Arc::new(Fingerprint::new(Severity::Warn, *template, *class, ClassSource::Guess))).collect();
        Self { storms: Storms::new(StormOptions::default()), fingerprints, events: Vec::new() }
    }

    /// One record `ms` after noon of an instance (0: none).
    fn record(&mut self, which: usize, ms: i64, instance: u64) {
        self.record_with(which, ms, instance, None);
    }

    fn record_with(&mut self, which: usize, ms: i64, instance: u64, target: Option<&[u8]>) {
        let name = format!("orders-7d9f4c-{instance}");
        let at = UnixNanos(NOON * SECOND + ms * 1_000_000);
        let events = &mut self.events;
        let seen = Occurrence {
            fingerprint: &self.fingerprints[which],
            index: FingerprintIndex(which as u32),
            stream: StreamId(instance as u32),
            place: Default::default(),
            arrival: at,
            working: at,
            event: None,
            feeds_rate: true,
            late: false,
            lines: 1,
            raw: b"Connection to broker failed\n",
            instance: (instance != 0).then_some(name.as_bytes()),
            instance_hash: if instance == 0 { 0 } else { crate::diagnosis::spread(instance) },
            worker_hash: if instance == 0 { 0 } else { crate::diagnosis::spread(instance) },
            target,
            attempt: None,
            max_attempts: None,
            delay: None,
        };
        if self.fingerprints[which].class == Class::None {
            self.storms.note_ordinary(&seen)
        } else {
            self.storms.observe(&seen, &mut |event| events.push(event))
        }
    }

    fn advance(&mut self, ms: i64) {
        let events = &mut self.events;
        self.storms.advance(UnixNanos(NOON * SECOND + ms * 1_000_000), &mut |event| events.push(event));
    }

    /// `Firing 12:00:05 critical` and so on.
    fn told(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|event| {
                let word = format!("{event:?}");
                let word = word.split('(').next().unwrap_or_default().to_owned();
                format!("{word} {}", event.report().alert_level)
            })
            .collect()
    }
}

/// Twelve instances, each once a second, from `from` to `to` seconds.
fn lockstep(world: &mut World, which: usize, from: i64, to: i64) {
    for second in from..to {
        for instance in 1..=12 {
            world.record(which, second * 1000 + instance as i64 * 3, instance);
        }
    }
}

#[test]
fn twelve_instances_in_lockstep_are_a_storm_with_a_diagnosis() {
    let mut world = World::new(&[("Connection to broker <*> failed, retrying", Class::Retry)]);
    lockstep(&mut world, 0, 0, 30);
    assert_eq!(world.told(), ["Firing critical"]);
    let events = &mut world.events;
    world.storms.drain(UnixNanos((NOON + 30) * SECOND), &mut |event| events.push(event));
    let report = world.events[1].report();
    assert_eq!((report.instances, report.records, report.peak_per_second), (Some(12), 360, 12));
    let verdict = report.diagnosis.as_ref().expect("a storm of 360 records is diagnosed");
    assert_eq!((verdict.policy, verdict.lockstep, verdict.instances), (crate::diagnosis::Policy::Fixed, crate::diagnosis::Tri::Yes, Some(12)));
}

#[test]
fn a_storm_ends_after_a_minute_of_silence_without_another_record() {
    let mut world = World::new(&[("Connection refused", Class::Failure)]);
    lockstep(&mut world, 0, 0, 30);
    world.advance(200_000);
    assert_eq!(world.told(), ["Firing critical", "Resolved critical"]);
    assert_eq!(world.events[1].report().records, 360);
    assert!(world.storms.next_wakeup().is_none());
}

#[test]
fn a_storm_that_comes_back_within_ten_minutes_keeps_its_id() {
    let mut world = World::new(&[("Connection refused", Class::Failure)]);
    lockstep(&mut world, 0, 0, 30);
    lockstep(&mut world, 0, 300, 330);
    assert_eq!(world.told(), ["Firing critical", "Resolved critical", "Resumed critical"]);
    assert_eq!(world.events[0].report().id, world.events[2].report().id);
    lockstep(&mut world, 0, 2000, 2030);
    let last = world.events.last().expect("events were told");
    assert_ne!(world.events[0].report().id, last.report().id);
}

#[test]
fn a_change_of_wording_half_way_is_the_same_incident() {
    let mut world = World::new(&[("connection refused", Class::Failure), ("topology is closed", Class::Failure)]);
    lockstep(&mut world, 0, 0, 10);
    for ms in 10_000..14_000 {
        world.record(1, ms, 1 + ms as u64 % 12);
    }
    let firing: Vec<_> = world.events.iter().filter(|event| matches!(event, StormEvent::Firing(_))).collect();
    assert_eq!(firing.len(), 1, "{:?}", world.told());
    let now = world.storms.current();
    assert_eq!((now.len(), now[0].fingerprints.len()), (1, 2));
}

#[test]
fn storms_of_other_instances_are_other_incidents() {
    let mut world = World::new(&[("connection refused", Class::Failure), ("too many clients", Class::Overload)]);
    for ms in (0..10_000).step_by(20) {
        world.record(0, ms, 1);
        world.record(1, ms + 1, 2);
    }
    assert_eq!(world.storms.current().len(), 2);
}

#[test]
fn the_trigger_is_the_last_trouble_before_the_onset() {
    let mut world = World::new(&[("refused, retrying", Class::Retry), ("broker connection lost", Class::None), ("disk is slow", Class::None)]);
    world.record(2, -60_000, 1);
    world.record(1, -100, 1);
    lockstep(&mut world, 0, 0, 10);
    let trigger = world.events[0].report().trigger.as_ref().expect("something preceded");
    assert_eq!(&*trigger.fingerprint.template, "broker connection lost");
}

#[test]
fn an_endless_slow_loop_is_an_info() {
    let mut world = World::new(&[("reconnecting in 5 s", Class::Retry)]);
    for n in 0..120 {
        world.record(0, n * 5000, 1);
    }
    assert_eq!(world.told(), ["Firing info"]);
    world.advance(120 * 5000 + 61_000);
    assert_eq!(world.told(), ["Firing info", "Resolved info"]);
}

#[test]
fn a_crash_loop_of_twelve_pods_is_one_warning() {
    let mut world = World::new(&[("Started container web", Class::CrashLoop)]);
    for n in 0..6 {
        for pod in 1..=12 {
            world.record(0, n * 30_000 + pod as i64 * 100, pod);
        }
    }
    assert_eq!(world.told(), ["Firing warning"]);
    assert_eq!(world.storms.current()[0].instances, Some(12));
    world.advance(1_000_000);
    assert_eq!(world.told(), ["Firing warning", "Resolved warning"]);
}

#[test]
fn a_healthy_blip_that_backs_off_is_silent() {
    let mut world = World::new(&[("retrying", Class::Retry)]);
    let mut times: Vec<(i64, u64)> = Vec::new();
    for client in 1..=40_u64 {
        let mut at = (client * 37 % 400) as i64;
        for wait in [200, 400, 800, 1600, 3200, 6400, 12_800] {
            times.push((at, client));
            at += wait + (client * 13 % 50) as i64;
        }
    }
    times.sort_unstable();
    for (at, client) in times {
        world.record(0, at, client);
    }
    world.advance(100_000);
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn a_forgotten_fingerprint_leaves_nothing_behind() {
    let mut world = World::new(&[("retrying", Class::Retry)]);
    lockstep(&mut world, 0, 0, 10);
    assert!(world.storms.is_firing(FingerprintIndex(0)));
    world.storms.forget(FingerprintIndex(0));
    assert!(!world.storms.is_firing(FingerprintIndex(0)));
    assert_eq!(world.storms.current()[0].records, 120);
    world.storms.forget(FingerprintIndex(0));
}

#[test]
fn tables_are_bounded() {
    let names: Vec<String> = (0..5000).map(|n| format!("shard {n} refused, retrying")).collect();
    let templates: Vec<(&str, Class)> = names.iter().map(|name| (name.as_str(), Class::Retry)).collect();
    let mut world = World::new(&templates);
    for round in 0..3_i64 {
        for which in 0..if round < 2 { 4000 } else { 5000 } {
            world.record(which, round * 60_000 + which as i64, 1);
        }
        if round == 1 {
            world.advance(119_000);
            assert_eq!(world.storms.diagnosed, 512);
        }
    }
    assert!(world.storms.slots.iter().flatten().count() <= 4096);
    let diagnosed = world.storms.slots.iter().flatten().filter(|slot| slot.diagnosis.is_some()).count();
    assert!(diagnosed == world.storms.diagnosed && diagnosed <= 512);
}

#[test]
fn a_batch_of_each_hour_is_usual_from_the_third_time_unless_it_outgrows_the_others() {
    let mut world = World::new(&[("job failed, retrying", Class::Retry)]);
    let mut batch = |hour: i64, seconds: i64| {
        for n in 0..seconds * 16 {
            world.record(0, hour * 3_600_000 + n * 1000 / 16, 1 + n as u64 % 8);
        }
        world.advance(hour * 3_600_000 + 300_000);
        let bursts: Vec<(u64, bool)> = world.storms.take_bursts().map(|burst| (burst.records, burst.is_usual)).collect();
        let told: Vec<String> = world.told().iter().filter(|told| told.starts_with("Firing")).cloned().collect();
        (told.len(), bursts)
    };
    assert_eq!(batch(1, 60), (1, vec![]));
    assert_eq!(batch(2, 60), (2, vec![]));
    assert_eq!(batch(3, 60), (2, vec![(960, true)]));
    assert_eq!(batch(4, 60), (2, vec![(960, true)]));
    // Longer than any before by half: a storm, from its true beginning on.
    assert_eq!(batch(5, 200), (3, vec![]));
}

#[test]
fn the_state_of_a_fingerprint_is_small() {
    let bytes_of = |instances: u64, backs_off: bool| {
        let mut world = World::new(&[("Connection to broker failed, retrying", Class::Retry)]);
        for instance in 1..=instances {
            let (mut ms, mut wait) = (instance as i64 * 37 % 1000, 100);
            for _ in 0..40 {
                world.record_with(0, ms, instance, Some(b"activemq-1.prod.svc:61616"));
                ms += wait + (ms * 7 + instance as i64 * 13) % 40;
                wait = if backs_off { (wait * 2).min(8000) } else { 1000 };
            }
        }
        let slot = world.storms.slots[0].as_ref().expect("it was seen");
        (slot.bytes(), slot.diagnosis.as_ref().map_or(0, |diagnosis| diagnosis.bytes()))
    };
    // A dozen instances, the usual case, and more than are kept.
    for (instances, limit) in [(12, 5 << 10), (200, 9 << 10)] {
        for backs_off in [false, true] {
            let (all, diagnosis) = bytes_of(instances, backs_off);
            assert!(all <= limit, "{instances} instances: {all} bytes, {diagnosis} of them the diagnosis");
        }
    }
    assert!(size_of::<Slot>() <= 800, "{}", size_of::<Slot>());
}

#[test]
fn records_that_step_back_by_a_second_change_no_verdict() {
    let verdicts: Vec<_> = [false, true]
        .into_iter()
        .map(|is_shuffled| {
            let mut world = World::new(&[("refused, retrying", Class::Retry)]);
            let mut times: Vec<(i64, u64)> =
                (0..40).flat_map(|second| (1..=6).map(move |instance| (second * 1000 + instance as i64 * 40, instance))).collect();
            if is_shuffled {
                // Instance 3 is read 0.7 s after the others.
                times.sort_by_key(|(ms, instance)| if *instance == 3 { ms + 700 } else { *ms });
            }
            for (ms, instance) in times {
                world.record(0, ms, instance);
            }
            let events = &mut world.events;
            world.storms.drain(UnixNanos((NOON + 40) * SECOND), &mut |event| events.push(event));
            world.storms.diagnoses().remove(0).verdict
        })
        .collect();
    assert_eq!(verdicts[0], verdicts[1]);
}

#[test]
fn the_same_input_gives_the_same_alerts() {
    let run = || {
        let mut world = World::new(&[("refused", Class::Failure), ("retrying", Class::Retry)]);
        for ms in 0..20_000 {
            world.record((ms % 2) as usize, ms, 1 + ms as u64 % 7);
        }
        world.advance(400_000);
        world.events.iter().map(|event| alert_text(event.report())).collect::<Vec<_>>()
    };
    let told = run();
    assert!(!told.is_empty());
    assert_eq!(told, run());
}

#[test]
fn a_loop_that_logs_every_hundredth_attempt_is_seen_by_its_numbers() {
    let mut world = World::new(&[("reconnect attempt <num> failed", Class::Retry)]);
    for n in 0..30 {
        let at = UnixNanos((NOON + n) * SECOND);
        let events = &mut world.events;
        let seen = Occurrence {
            fingerprint: &world.fingerprints[0],
            index: FingerprintIndex(0),
            stream: StreamId(1),
            place: Default::default(),
            arrival: at,
            working: at,
            event: None,
            feeds_rate: true,
            late: false,
            lines: 1,
            raw: b"reconnect attempt failed\n",
            instance: Some(b"orders-1"),
            instance_hash: 77,
            worker_hash: 77,
            target: None,
            attempt: Some(n * 100),
            max_attempts: None,
            delay: None,
        };
        world.storms.observe(&seen, &mut |event| events.push(event));
    }
    assert_eq!(world.told(), ["Firing warning", "LevelChanged critical"]);
    // The rate is that of the attempts.
    assert!(world.storms.current()[0].rate > 80.0);
}

#[test]
fn success_is_told_by_words_or_by_a_status_and_not_by_trouble() {
    for told in ["order processed id", "[redis] ready", "Received CONNACK on connection <*>", "GET <path> <num> OK"] {
        assert!(tells_success(told), "{told}");
    }
    for not in
        ["order received", "not ready", "waiting until ready", "Exiting, all sent", "processed with errors", "token accepted by nobody, closing"]
    {
        assert!(!tells_success(not), "{not}");
    }
    assert!(has_good_status(b"\"GET /orders HTTP/1.1\" 204 0"));
    assert!(!has_good_status(b"\"GET /orders HTTP/1.1\" 404 200"));
    assert!(!has_good_status(b"\"GET /orders HTTP/1.1\""));
}

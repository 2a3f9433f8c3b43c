//! Killed, stopped, started again.

use crate::agent::Place;
use crate::oracle::end;
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::thread::sleep;
use std::time::Duration;

/// Clients retry for a while; now and then a file is rotated.
fn write(writers: &mut [Writer], random: &mut Random, lines: u64) {
    for _ in 0..lines {
        let writer = &mut writers[random.below(3) as usize];
        writer.retry(random.below(4) as u32);
        if random.below(60) == 0 {
            writer.rotate(50);
        }
        sleep(Duration::from_micros(random.below(4000)));
    }
}

fn three_logs(place: &Place) -> Vec<Writer> {
    ["a.log", "b.log", "c.log"].iter().map(|name| Writer::new(&place.logs(), name)).collect()
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers = three_logs(&place);
    let mut random = Random(0x5eed);
    for _ in 0..12 {
        let agent = place.start();
        let lines = random.below(400);
        write(&mut writers, &mut random, lines);
        agent.kill();
    }
    end(place.start(), &place, &receiver, &mut writers);
}

#[test]
fn stopped_and_started_again_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers = three_logs(&place);
    let mut random = Random(0x7e44);
    for _ in 0..6 {
        let agent = place.start();
        write(&mut writers, &mut random, 150);
        assert_eq!(agent.stop(), Some(0), "{}", place.said());
    }
    end(place.start(), &place, &receiver, &mut writers);
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_every_durable_step_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = three_logs(&place);
    let mut random = Random(0xfa11);
    for step in ["before-begin", "after-records", "after-positions", "before-commit", "after-commit", "before-checkpoint"] {
        // The log of the store is long enough for a checkpoint once in many commits.
        for passage in 1..=if step == "before-checkpoint" { 1 } else { 4 } {
            let mut agent = place.start_with(&[("SQUELCH_FAILPOINT", &format!("{step}:{passage}"))]);
            let mut lines = 0;
            while !agent.has_ended() {
                write(&mut writers, &mut random, 20);
                lines += 20;
                assert!(lines < 20_000, "{step} is passed {passage} times");
            }
            assert_eq!(agent.ended(), None, "{step}: it aborts");
        }
    }
    end(place.start(), &place, &receiver, &mut writers);
}

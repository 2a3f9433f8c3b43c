//! Files that are rotated under it.

use crate::agent::{Place, metric, wait_until};
use crate::oracle::{end, lines_arrived};
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn rotated_by_rename_fifty_times_a_second_and_killed_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let mut random = Random(0x40fa);
    for _ in 0..4 {
        let agent = place.start();
        for _ in 0..50 {
            for _ in 0..5 {
                writers[0].retry(random.below(3) as u32);
            }
            sleep(Duration::from_millis(20));
            writers[0].rotate(300);
        }
        agent.kill();
    }
    end(place.start(), &place, &receiver, &mut writers);
}

#[test]
fn copied_and_truncated_when_it_was_read_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let mut random = Random(0xc0b1);
    for _ in 0..3 {
        let agent = place.start();
        for _ in 0..3 {
            for _ in 0..100 {
                writers[0].retry(random.below(3) as u32);
            }
            place.wait_until_read(writers[0].count());
            writers[0].truncate();
        }
        agent.kill();
    }
    end(place.start(), &place, &receiver, &mut writers);
}

#[test]
fn copied_and_truncated_fifty_times_a_second_it_counts_what_nobody_could_read() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let metrics = place.serve_metrics();
    let mut writer = Writer::new(&place.logs(), "a.log");
    let agent = place.start();
    writer.retry(0);
    place.wait_until_read(1);
    for round in 0..150_u32 {
        for _ in 0..4 {
            writer.retry(round % 3);
        }
        sleep(Duration::from_millis(20));
        writer.truncate();
    }
    // The first line of a client is forwarded at once: when the last line has arrived, all gaps are known.
    writer.retry(7);
    wait_until("the last line arrives", || {
        receiver.records().iter().any(|record| record["body"].as_str().is_some_and(|body| body.contains("theta")))
    });
    let lost = metric(metrics, "squelch_lines_lost_at_source_total").expect("metrics are served");
    assert_eq!(agent.stop(), Some(0), "{}", place.said());
    let read = place.lines_read();
    let agent = place.start();
    wait_until("what was read arrives", || lines_arrived(&receiver.records()) >= read);
    drop(agent);
    let missing = writer.count() - lines_arrived(&receiver.records());
    println!("truncated 150 times: {} lines written, {missing} could not be read, {lost} counted as lost", writer.count());
    assert!(missing > 0, "it cannot have seen all of them");
    // An estimate, by what the file grew by when it was seen.
    assert!(lost * 4.0 >= missing as f64, "{missing} of {} lines are missing, {lost} are counted as lost\n{}", writer.count(), place.said());
}

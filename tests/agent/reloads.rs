//! Told to read its configuration again.

use crate::agent::{Place, metric, wait_until};
use crate::oracle::end;
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn told_to_reload_ten_times_a_second_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log"), Writer::new(&place.logs(), "b.log")];
    let mut random = Random(0x4e10);
    let agent = place.start();
    writers[0].retry(0);
    place.wait_until_read(1);
    for _ in 0..30 {
        agent.signal("HUP");
        for _ in 0..10 {
            writers[random.below(2) as usize].retry(random.below(4) as u32);
            sleep(Duration::from_millis(10));
        }
    }
    end(agent, &place, &receiver, &mut writers);
    assert!(place.said().contains("going on with the new configuration"), "{}", place.said());
}

#[test]
fn a_broken_configuration_changes_nothing_and_says_so() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let metrics = place.serve_metrics();
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let agent = place.start();
    writers[0].retry(0);
    place.wait_until_read(1);
    let reloads_are_fine = || metric(metrics, "squelch_config_last_reload_successful");
    wait_until("metrics are served", || reloads_are_fine() == Some(1.0));

    place.set("commit_every", "comit_every");
    agent.signal("HUP");
    wait_until("it says so", || place.said().contains("the old one stays in force"));
    assert!(place.said().contains("comit_every"), "{}", place.said());
    wait_until("the metric says so", || reloads_are_fine() == Some(0.0));
    writers[0].retry(1);
    place.wait_until_read(2);

    place.set("comit_every", "commit_every");
    agent.signal("HUP");
    wait_until("the metric says that all is well again", || reloads_are_fine() == Some(1.0));
    end(agent, &place, &receiver, &mut writers);
}

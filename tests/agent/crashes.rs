//! Killed, stopped, started again.

use crate::agent::{Place, wait_until};
use crate::oracle::{differences, lines_arrived};
use crate::receiver::Receiver;
use crate::writer::{Writer, Written};

/// A generator of our own: the same story with the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn check(place: &Place, receiver: &Receiver, writers: &[Writer]) {
    let written: usize = writers.iter().map(Writer::count).sum();
    wait_until("every line arrives", || lines_arrived(&receiver.records()) >= written);
    let all: Written = writers.iter().flat_map(|writer| writer.written.clone()).collect();
    let wrong = differences(&all, &receiver.records());
    assert!(wrong.is_empty(), "{}\n--- the agent said:\n{}", wrong.join("\n"), place.said());
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers: Vec<Writer> = ["a.log", "b.log", "c.log"].iter().map(|name| Writer::new(&place.logs(), name)).collect();
    let mut random = Random(0x5eed);
    for _ in 0..12 {
        let agent = place.start();
        for _ in 0..random.below(400) {
            let writer = &mut writers[random.below(3) as usize];
            writer.retry(random.below(4) as u32);
            if random.below(60) == 0 {
                writer.rotate(50);
            }
            std::thread::sleep(std::time::Duration::from_micros(random.below(4000)));
        }
        agent.kill();
    }
    let agent = place.start();
    for writer in &mut writers {
        writer.retry(0);
    }
    // Open windows wait for the end of their cell; a stop closes them.
    place.wait_until_read(writers.iter().map(Writer::count).sum());
    assert_eq!(agent.stop(), Some(0));
    let agent = place.start();
    check(&place, &receiver, &writers);
    drop(agent);
}

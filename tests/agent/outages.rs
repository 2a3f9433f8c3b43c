//! The receiver, the disk and the store fail.

use crate::agent::{Place, wait_until};
use crate::oracle::{check, end};
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_receiver_that_is_down_and_back_gets_every_line_once() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log"), Writer::new(&place.logs(), "b.log")];
    let mut random = Random(0xd0d0);
    let agent = place.start();
    for round in 0..6 {
        receiver.be_down(round % 3 == 1);
        receiver.fail_half(round % 3 == 2);
        for _ in 0..100 {
            writers[random.below(2) as usize].retry(random.below(4) as u32);
            sleep(Duration::from_millis(5));
        }
    }
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_full_store_stops_reading_and_goes_on_by_itself() {
    let receiver = Receiver::start();
    // Nothing is collapsed and no line can be made smaller: that fills it soonest.
    let place = Place::new(&receiver, "bytes_max = \"16MiB\"\n[engine]\nmode = \"observe\"");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let mut random = Random(0xf011);
    receiver.be_down(true);
    let agent = place.start();
    for line in 0..30_000 {
        writers[0].bulky(line % 4, &mut random);
    }
    wait_until("it says that the store is full", || place.said().contains("cannot commit: the store is full"));
    assert!(place.lines_read() < writers[0].count(), "it has stopped reading");
    let said = place.said().lines().count();
    assert!(said < 60, "it does not flood its own log: {said} lines");
    end(agent, &place, &receiver, &mut writers);
}

/// A file system of 4 MiB; `None` where nobody lets us make one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).expect("it is new");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

#[test]
fn a_full_disk_stops_reading_and_loses_nothing_when_there_is_room_again() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let Some(disk) = SmallDisk::mount(&place.path("state")) else {
        println!("no file system can be mounted here: not tested");
        return;
    };
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let agent = place.start();
    writers[0].retry(0);
    place.wait_until_read(1);

    // Another program takes all there is.
    let mut hog = File::create(disk.0.join("hog")).expect("there is room");
    while hog.write_all(&[1; 4096]).is_ok() {}
    let mut random = Random(0xd15c);
    wait_until("it says that it cannot commit", || {
        for _ in 0..50 {
            writers[0].bulky(random.below(8) as u32, &mut random);
        }
        sleep(Duration::from_millis(50));
        place.said().contains("cannot commit")
    });
    let (said, read) = (place.said().lines().count(), place.lines_read());
    for _ in 0..100 {
        writers[0].retry(random.below(8) as u32);
        sleep(Duration::from_millis(10));
    }
    assert_eq!(place.lines_read(), read, "nothing is read while it cannot be kept");
    assert!(place.said().lines().count() <= said + 3, "it does not flood its own log:\n{}", place.said());

    drop(hog);
    fs::remove_file(disk.0.join("hog")).expect("it is there");
    wait_until("it goes on by itself", || place.said().contains("the store takes records again"));
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_store_deleted_while_it_runs_is_written_anew_and_nothing_is_lost() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let agent = place.start();
    for _ in 0..50 {
        writers[0].retry(0);
    }
    place.wait_until_read(50);

    // Once only its files, once all.
    for (round, what) in [place.state().join("squelch.db"), place.state()].into_iter().enumerate() {
        if what.is_dir() { fs::remove_dir_all(&what) } else { fs::remove_file(&what) }.expect("it is there");
        for _ in 0..50 {
            writers[0].retry(1);
        }
        wait_until("it says so", || place.said().matches("was deleted or replaced").count() > round);
        place.wait_until_read(writers[0].count());
    }
    assert!(place.said().contains("nothing is lost"), "{}", place.said());
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_second_agent_on_the_same_state_is_refused() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    let agent = place.start();
    writers[0].retry(0);
    place.wait_until_read(1);
    assert_eq!(place.start().ended(), Some(1));
    let expected = format!("is in use by process {}; stop it first", agent.id());
    assert!(place.said().contains(&expected), "{}", place.said());
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_store_of_garbage_is_set_aside_and_the_agent_starts() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    fs::create_dir(place.state()).expect("it is new");
    fs::write(place.state().join("squelch.db"), [0xa5; 10_000]).expect("a file in a new directory");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    writers[0].retry(0);
    let agent = place.start();
    wait_until("it says so", || place.said().contains("the store was damaged"));
    let mut names = fs::read_dir(place.state()).expect("it is there").flatten().map(|entry| entry.file_name());
    assert!(names.any(|name| name.to_string_lossy().contains(".corrupt-")), "what was there is kept");
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn killed_while_the_receiver_is_down_it_delivers_the_backlog_of_all_lives() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log")];
    receiver.be_down(true);
    for life in 0..4 {
        let agent = place.start();
        for _ in 0..50 {
            writers[0].retry(life);
        }
        place.wait_until_read(writers[0].count());
        agent.kill();
    }
    let agent = place.start();
    receiver.be_down(false);
    check(&place, &receiver, &writers);
    drop(agent);
}

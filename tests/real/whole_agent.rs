//! The whole agent: files that storm, `squelch run` as a process, VictoriaLogs; the agent and the receiver are stopped and killed in turn.

use crate::agent::Place;
use crate::installed::installed;
use crate::oracle::{differences, lines_arrived};
use crate::receiver::Receiver;
use crate::sending::records;
use crate::victorialogs::{rows, start};
use crate::writer::Writer;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often something ends.
const TURNS: usize = 12;

/// Until everything has arrived.
const PATIENCE: Duration = Duration::from_secs(120);

/// A record as the agent wrote it, from a row of VictoriaLogs, where everything is text and time and text have names of their own.
fn record(row: &Map<String, Value>) -> Value {
    let text = |name: &str| row.get(name).cloned().unwrap_or_default();
    let mut record = Map::new();
    record.insert("timestamp".into(), text("_time"));
    record.insert("body".into(), text("_msg"));
    for name in ["event_name", "squelch.stream", "squelch.template", "squelch.first_timestamp", "squelch.last_timestamp"] {
        record.extend(row.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    for name in ["squelch.count", "squelch.lines"] {
        let number = row.get(name).and_then(Value::as_str).and_then(|number| number.parse::<u64>().ok());
        record.extend(number.map(|number| (name.to_owned(), number.into())));
    }
    record.into()
}

#[test]
fn every_line_is_in_victorialogs_once_although_agent_and_receiver_were_killed_in_turn() {
    let Some(program) = installed("victoria-logs") else { return };
    let mut server = start(&program, &[]);
    let nobody = Receiver::start();
    let place = Place::new(&nobody, "");
    place.set("type = \"http\"", "type = \"victorialogs\"");
    place.set(&format!("http://{}/logs", nobody.address), &format!("http://127.0.0.1:{}", server.port));
    let mut writers = [Writer::new(&place.logs(), "storm.log"), Writer::new(&place.logs(), "quiet.log")];
    let started = Instant::now();
    let mut agent = place.start();
    let lines = records();
    for turn in 0..TURNS {
        for line in 0..lines / TURNS {
            // Two messages storm; another one is said now and then, in both files.
            let [storm, quiet] = &mut writers;
            storm.retry(u32::from(line % 3 == 0));
            if line % 50 == 0 {
                storm.retry(4);
                quiet.retry(5);
            }
        }
        match turn % 4 {
            0 => {
                agent.kill();
                agent = place.start();
            }
            1 => {
                server.terminate();
                std::thread::sleep(Duration::from_millis(300));
                server.start_again();
            }
            2 => {
                assert_eq!(agent.stop(), Some(0), "{}", place.said());
                agent = place.start();
            }
            _ => {
                // The receiver is away while the agent dies and comes back.
                server.terminate();
                agent.kill();
                agent = place.start();
                std::thread::sleep(Duration::from_millis(300));
                server.start_again();
            }
        }
    }
    let written: usize = writers.iter().map(Writer::count).sum();
    place.wait_until_read(written);
    // A stop closes windows; what is not delivered then is in the next life.
    assert_eq!(agent.stop(), Some(0), "{}", place.said());
    let agent = place.start();
    let arrived = loop {
        let all = rows(&server, "*");
        let ids = all.iter().map(|row| (row["log.record.uid"].as_str().unwrap().to_owned(), record(row)));
        let once: BTreeMap<String, Value> = ids.collect();
        let arrived: Vec<Value> = once.into_values().collect();
        if lines_arrived(&arrived) >= written || started.elapsed() > PATIENCE {
            eprintln!(
                "REAL | whole agent, victorialogs | VictoriaLogs | {written} lines, {} records | {TURNS} ends | {} doubled | {:.1} s",
                arrived.len(),
                all.len() - arrived.len(),
                started.elapsed().as_secs_f64()
            );
            break arrived;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    drop(agent);
    let written = writers.iter().flat_map(|writer| writer.written.clone()).collect();
    let wrong = differences(&written, &arrived);
    assert!(wrong.is_empty(), "{}\n--- the agent said:\n{}", wrong.join("\n"), place.said());
}

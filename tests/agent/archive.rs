//! What was collapsed is kept on the side: summaries and alerts go to the log store, the lines that they stand for into a compressed archive.

use crate::agent::Place;
use crate::oracle::end;
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every record of an archive, also of its compressed files.
fn archived(folder: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let bytes = fs::read(&path).expect("it can be read");
        let text = if path.extension().is_some_and(|ending| ending == "zst") { zstd::decode_all(&*bytes).expect("it is whole") } else { bytes };
        records.extend(
            text.split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice::<Value>(line).expect("a record a line")),
        );
    }
    records
}

#[test]
fn what_summaries_stand_for_is_in_the_archive_although_the_agent_was_killed() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let folder = place.path("archive");
    fs::create_dir(&folder).expect("it is new");
    let output = format!(
        "[outputs.archive]\ntype = \"file\"\npath = {:?}\nrotate_bytes = \"1MiB\"\nkeep = 100\nzstd = true\n\
         [outputs.archive.route]\nkinds = [\"absorbed\"]\n[telemetry]",
        folder.join("absorbed.ndjson")
    );
    place.set("[telemetry]", &output);
    let mut writers = vec![Writer::new(&place.logs(), "a.log"), Writer::new(&place.logs(), "b.log")];
    let mut random = Random(0xa5c4);
    for _ in 0..4 {
        let agent = place.start();
        for _ in 0..1000 {
            writers[random.below(2) as usize].retry(random.below(3) as u32);
        }
        std::thread::sleep(std::time::Duration::from_millis(100 + random.below(200)));
        agent.kill();
    }
    end(place.start(), &place, &receiver, &mut writers);

    let absorbed = archived(&folder);
    assert!(absorbed.iter().all(|record| record["squelch.was_absorbed"] == true && record["event_name"].is_null()));
    let text = |record: &Value, key: &str| record[key].as_str().expect("a text").to_owned();
    // Each line of a file has a time of its own, and says it.
    let line = |record: &Value| (text(record, "squelch.stream"), text(record, "body"));
    let lines: BTreeSet<_> = absorbed.iter().map(line).collect();
    let uids: BTreeSet<String> = absorbed.iter().map(|record| text(record, "log.record.uid")).collect();
    assert_eq!(lines.len(), uids.len(), "each line has an id of its own");
    let passed: BTreeSet<_> = receiver.records().iter().filter(|record| record["event_name"].is_null()).map(line).collect();
    assert!(receiver.records().iter().all(|record| record["squelch.was_absorbed"].is_null()), "nobody else gets them");
    let written: usize = writers.iter().map(Writer::count).sum();
    assert_eq!(lines.union(&passed).count(), written, "{} in the archive, {} passed", lines.len(), passed.len());
    assert!(passed.len() * 10 < written, "{} of {written} passed", passed.len());
}

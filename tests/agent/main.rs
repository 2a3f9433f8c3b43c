//! The agent as a process, with real faults: killed, stopped, its receiver failing, its files rotated under it. An oracle says after each
//! story that every line was forwarded exactly once or is inside exactly one summary.
//!
//! ```text
//! writer (knows every line) -> files -> squelch run -> HTTP -> receiver (keeps every record) -> oracle (writer's lines == records)
//! ```

#![allow(clippy::print_stdout, reason = "figures of a run, and what could not be tested here")]

mod agent;
mod oracle;
mod receiver;
mod writer;

mod archive;
mod crashes;
mod outages;
mod reloads;
mod rotations;
mod soak;
mod sources;

/// The names in `README.md` of this folder are those of tests.
#[test]
fn every_test_that_the_table_names_is_there() {
    let mut sources = String::new();
    let mut folders = vec![std::path::PathBuf::from("src"), "tests".into()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it is there").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).expect("it is text");
            }
        }
    }
    let names = include_str!("README.md").lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let missing: Vec<&str> = names.filter(|name| name.contains('_') && !name.contains('=') && !sources.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

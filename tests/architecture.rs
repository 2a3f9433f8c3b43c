//! Rules about the code, executed: who may import whom, and that the core cannot see the world.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of ours that it may use. The data flows from left to right; vocabulary is free for all.
const MAY_USE: &[(&str, &[&str])] = &[
    // Vocabulary: data only.
    ("time", &[]),
    ("units", &[]),
    ("record", &[]),
    ("secrets", &[]),
    ("occurrence", &["fingerprint", "record", "time"]),
    // The pure core.
    ("scan", &[]),
    ("envelope", &["record", "scan", "time"]),
    ("framing", &["envelope", "record", "scan"]),
    ("fingerprint", &["envelope", "framing", "record", "scan", "secrets"]),
    ("class", &["record", "scan"]),
    ("rules", &["class", "record", "units"]),
    ("working_time", &["time"]),
    ("collapse", &["fingerprint", "occurrence", "record", "time", "working_time"]),
    ("storm", &["diagnosis", "fingerprint", "occurrence", "record", "rules", "secrets", "time", "units"]),
    ("diagnosis", &["fingerprint", "occurrence", "record", "time", "units"]),
    ("simulate", &["record", "time", "units"]),
    (
        "engine",
        &[
            "class",
            "collapse",
            "diagnosis",
            "envelope",
            "fingerprint",
            "framing",
            "occurrence",
            "record",
            "rules",
            "scan",
            "secrets",
            "storm",
            "time",
            "working_time",
        ],
    ),
    // The shell: everything that waits, reads, writes.
    ("clock", &["time"]),
    ("inputs", &["clock", "envelope", "framing", "record", "scan", "time", "units"]),
    ("store", &["clock", "engine", "inputs", "record", "time", "units"]),
    ("delivery", &["clock", "record", "store", "time", "units"]),
    ("telemetry", &["clock", "collapse", "config", "delivery", "engine", "inputs", "outputs", "record", "store", "storm", "time", "units"]),
    ("config", &["delivery", "engine", "inputs", "outputs", "record", "rules", "secrets", "store", "time", "units"]),
    ("agent", &["*"]),
    ("outputs", &["delivery", "store", "clock", "collapse", "diagnosis", "engine", "fingerprint", "record", "secrets", "storm", "time", "units"]),
    ("cli", &["*"]),
];

/// Modules that know no clock, no file, no network, no environment, no randomness and no async.
const PURE: &[&str] = &[
    "time",
    "units",
    "record",
    "secrets",
    "occurrence",
    "scan",
    "envelope",
    "framing",
    "fingerprint",
    "class",
    "rules",
    "working_time",
    "collapse",
    "storm",
    "diagnosis",
    "simulate",
    "engine",
];

/// What would let a pure module see the world.
const WORLD: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "async fn",
    "rand::",
    "RandomState",
    "thread_rng",
    "tz::TimeZone::system",
    "Mutex",
    "RwLock",
    "println!",
    "eprintln!",
];

#[test]
fn modules_import_only_what_stands_to_their_left() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: module `{module}` is not in the table of {}", file.display(), file!()));
            continue;
        };
        for used in modules_used(&text) {
            if used != module && !allowed.contains(&"*") && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` may not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_cannot_see_the_world() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        if !PURE.contains(&module.as_str()) {
            continue;
        }
        for (number, line) in code(&text).lines().enumerate() {
            if let Some(word) = WORLD.iter().find(|word| line.contains(*word)) {
                wrong.push(format!("{}:{}: `{word}` in a pure module", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stands_in_the_scanner_only() {
    for (module, file, text) in sources() {
        assert!(module == "scan" || !code(&text).contains("unsafe "), "{}: unsafe code outside the scanner", file.display());
    }
}

#[test]
fn only_the_clock_reads_the_clock() {
    for (module, file, text) in sources() {
        let reads = ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"];
        assert!(module == "clock" || !reads.iter().any(|call| code(&text).contains(call)), "{}: reads the clock beside `clock`", file.display());
    }
}

/// Files that hold nothing but tests, which may use more than the code they test.
const TEST_FILES: &[&str] = &["tests.rs", "model.rs", "contract.rs"];

/// Every source file with the module it belongs to. `lib.rs` and `main.rs` only name modules.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    visit(&root, &mut found);
    found.sort();
    assert!(found.len() > 10, "the sources are not where this test looks");
    found
        .into_iter()
        .filter_map(|file| {
            let inside = file.strip_prefix(&root).expect("it was found there");
            let module = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
            let name = file.file_name()?.to_str()?;
            if TEST_FILES.contains(&name) || name.ends_with("_tests.rs") {
                return None;
            }
            let text = fs::read_to_string(&file).expect("a source file can be read");
            (module != "lib" && module != "main").then(|| (module, inside.to_owned(), text))
        })
        .collect()
}

fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder of the sources can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            visit(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The text without comments and without its tests, which may do more than the code they test.
fn code(text: &str) -> String {
    let until = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..until].lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Modules of ours that a file names: `crate::x`.
fn modules_used(text: &str) -> BTreeSet<String> {
    let text = code(text);
    let mut used = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let inside = group.split('}').next().unwrap_or_default();
            used.extend(inside.split(',').map(|name| name.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used.remove("");
    used
}

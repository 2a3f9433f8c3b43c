//! Writes log lines that name themselves: file, fingerprint and time, which is different for every line of a file and so its sequence number.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What clients cannot connect to.
pub const WORDS: [&str; 8] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

/// A generator of our own: the same story with the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }
}

/// A line as the oracle knows it: (file, fingerprint number) -> event times in ns.
pub type Written = BTreeMap<(String, u32), Vec<i64>>;

/// One log file and all that was ever written to it.
pub struct Writer {
    path: PathBuf,
    file: File,
    name: String,
    last_ns: i64,
    pub written: Written,
    generation: u32,
}

impl Writer {
    pub fn new(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        Self { file: append(&path), path, name: name.into(), last_ns: 0, written: Written::new(), generation: 0 }
    }

    /// A retry of client number `fingerprint`, with the time of now.
    pub fn retry(&mut self, fingerprint: u32) {
        let word = WORDS[fingerprint as usize % WORDS.len()];
        let (time, text) = self.next_time();
        self.line(fingerprint, time, &format!("{text} WARN  c.e.{word}.Client - Connection to {word} failed, retrying in 0 ms\n"));
    }

    /// A line that cannot be made smaller: some 2 KB of digits behind it.
    pub fn bulky(&mut self, fingerprint: u32, random: &mut Random) {
        let word = WORDS[fingerprint as usize % WORDS.len()];
        let (time, text) = self.next_time();
        let digits: String = (0..125).map(|_| format!("{:016x}", random.number())).collect();
        self.line(fingerprint, time, &format!("{text} WARN  c.e.{word}.Client - Connection to {word} failed, retrying in 0 ms: {digits}\n"));
    }

    /// One write each: a line is never torn by our own doing.
    fn line(&mut self, fingerprint: u32, time: i64, line: &str) {
        self.file.write_all(line.as_bytes()).expect("the log can be written");
        self.written.entry((self.name.clone(), fingerprint)).or_default().push(time);
    }

    /// Renames the file and begins a new one, keeping `keep` older ones.
    pub fn rotate(&mut self, keep: u32) {
        self.generation += 1;
        let at = |n: u32| self.path.with_file_name(format!("{}.{n}", self.name));
        fs::remove_file(at(keep)).ok(); // it is not there the first times
        for n in (1..keep).rev() {
            if at(n).exists() {
                fs::rename(at(n), at(n + 1)).expect("a log can be renamed");
            }
        }
        fs::rename(&self.path, at(1)).expect("a log can be renamed");
        self.file = append(&self.path);
    }

    /// Copies the file to where nobody reads and empties it, as logrotate's copytruncate does.
    pub fn truncate(&mut self) {
        fs::copy(&self.path, self.path.with_extension("copy")).expect("a log can be copied");
        self.file.set_len(0).expect("a log can be emptied");
    }

    /// Lines written so far.
    pub fn count(&self) -> usize {
        self.written.values().map(Vec::len).sum()
    }

    fn next_time(&mut self) -> (i64, String) {
        let now = jiff::Timestamp::now().as_nanosecond() as i64 / 1000 * 1000;
        self.last_ns = now.max(self.last_ns + 1000);
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(self.last_ns)).expect("a time of our days");
        (self.last_ns, format!("{stamp:.6}"))
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log can be opened")
}

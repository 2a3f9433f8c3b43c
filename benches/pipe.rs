//! How fast is the whole pipe? `cargo bench --bench pipe`
//!
//! For each kind of input, made here from a seed: `squelch < FILE > /dev/null` against the yardstick *lines + one rapidhash
//! of each line* over the same file, in turns, in CPU seconds (user + system) of child processes. Printed is the ratio, because
//! machines differ and are shared; the best of several turns, because noise only ever adds. Nothing fails on a slow machine.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use squelch::simulate::speed::{Kind, generate};

/// Size of each input: large enough that start-up does not count, small enough for the page cache of a small machine.
const BYTES: usize = 128 << 20;
/// Turns for each input.
const TURNS: usize = 5;
/// What `/proc` counts CPU time in, per second: USER_HZ, which Linux fixes for user space.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--yardstick") {
        return yardstick(Path::new(&arguments.next().expect("--yardstick is called with a file by this program")));
    }
    let folder = tempfile::tempdir()?;
    let squelch = env!("CARGO_BIN_EXE_squelch");
    let own = std::env::current_exe()?;
    println!(
        "{:<8} {:>12} {:>12} {:>7} {:>10}   (MB per CPU second, best of {TURNS}; share of the yardstick; peak memory)",
        "input", "yardstick", "squelch", "share", "peak"
    );
    for (name, kind) in [("storm", Kind::Storm), ("mixed", Kind::Mixed), ("json", Kind::Json), ("cri", Kind::Cri), ("unique", Kind::Unique)] {
        let file = folder.path().join(name);
        fs::write(&file, generate(kind, BYTES, 42))?;
        let megabytes = fs::metadata(&file)?.len() as f64 / 1e6;
        let (mut reference, mut ours, mut peak) = (f64::MAX, f64::MAX, 0);
        for _ in 0..TURNS {
            reference = reference.min(cpu_seconds(Command::new(&own).arg("--yardstick").arg(&file))?.0);
            let (seconds, memory) = cpu_seconds(Command::new(squelch).args(["--stats", "none"]).stdin(File::open(&file)?))?;
            (ours, peak) = (ours.min(seconds), peak.max(memory));
        }
        let (reference, ours) = (megabytes / reference, megabytes / ours);
        println!("{name:<8} {reference:>12.0} {ours:>12.0} {:>7.3} {:>6.1} MiB", ours / reference, peak as f64 / 1024.0);
        fs::remove_file(&file)?;
    }
    Ok(())
}

/// The reference: read, find line ends, hash each line once.
fn yardstick(file: &Path) -> io::Result<()> {
    const CHUNK: usize = 256 << 10;
    let (mut input, mut buffer, mut kept, mut sum) = (File::open(file)?, vec![0u8; 2 * CHUNK], 0, 0u64);
    loop {
        let read = input.read(&mut buffer[kept..kept + CHUNK])?;
        if read == 0 {
            break;
        }
        let (end, mut start) = (kept + read, 0);
        for newline in memchr::memchr_iter(b'\n', &buffer[kept..end]) {
            sum ^= rapidhash::v3::rapidhash_v3(&buffer[start..kept + newline]);
            start = kept + newline + 1;
        }
        buffer.copy_within(start..end, 0);
        kept = end - start;
    }
    std::hint::black_box(sum);
    Ok(())
}

/// Runs a command; its CPU seconds (user + system) and its peak memory in KiB, the latter as last seen while it ran.
fn cpu_seconds(command: &mut Command) -> io::Result<(f64, u64)> {
    let before = children_ticks()?;
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        // A child that has just ended has no memory left to tell of: the last figure stands.
        if let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(((children_ticks()? - before) as f64 / TICKS_PER_SECOND, peak))
}

/// CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat`.
fn children_ticks() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // The state is field 3, so that field 16 stands at index 13 behind the name.
    Ok(ticks(13) + ticks(14))
}

//! What the kernel says about this process. From `/proc/self`, which stays visible where a hardened unit hides everything else of `/proc`.

use super::metrics::{Samples, family};
use std::fs;

/// Clock ticks per second in `/proc`: the kernel's user-space interface has it fixed at 100 on every platform we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Figures of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// CPU time in user and kernel mode.
    pub cpu_seconds: f64,
    /// Bytes in RAM.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Descriptors.
    pub open_fds: u64,
    /// Descriptors it may have; `None` = without limit.
    pub max_fds: Option<u64>,
}

/// Reads them; `None` where there is no `/proc`.
#[must_use]
pub fn read() -> Option<Process> {
    let (stat, status) = (fs::read_to_string("/proc/self/stat").ok()?, fs::read_to_string("/proc/self/status").ok()?);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    // One of them is the descriptor with which the directory is read.
    let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count().saturating_sub(1) as u64);
    Some(Process { open_fds, ..parse(&stat, &status, &limits)? })
}

fn parse(stat: &str, status: &str, limits: &str) -> Option<Process> {
    // The name in parentheses may hold anything, also parentheses; utime and stime are the 14th and 15th field, 12 and 13 behind the name.
    let behind_name = stat.rsplit_once(')')?.1;
    let ticks: u64 = behind_name.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let kib = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(|line| line.split_ascii_whitespace().next());
    Some(Process {
        cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
        resident_bytes: kib("VmRSS:")? * 1024,
        virtual_bytes: kib("VmSize:")? * 1024,
        open_fds: 0,
        max_fds: max_fds.and_then(|max| max.parse().ok()),
    })
}

impl Process {
    /// As samples.
    pub fn add_to(&self, samples: &mut Samples) {
        samples.add(&family::PROCESS_CPU, &[], self.cpu_seconds);
        samples.add(&family::PROCESS_RSS, &[], self.resident_bytes);
        samples.add(&family::PROCESS_VIRTUAL, &[], self.virtual_bytes);
        samples.add(&family::PROCESS_FDS, &[], self.open_fds);
        if let Some(max) = self.max_fds {
            samples.add(&family::PROCESS_FDS_MAX, &[], max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_a_name_with_parentheses() {
        let stat = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1000 0 0 0 250 50 0 0 20 0 9 0 12345 300000 4000 18446744073709551615";
        let status = "Name:\ta\nVmSize:\t  300000 kB\nVmRSS:\t   16384 kB\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n";
        let expected = Process { cpu_seconds: 3.0, resident_bytes: 16 << 20, virtual_bytes: 300_000 << 10, open_fds: 0, max_fds: Some(1024) };
        assert_eq!(parse(stat, status, limits), Some(expected));
        assert_eq!(parse(stat, status, "Max open files            unlimited            unlimited            files\n").unwrap().max_fds, None);
        assert_eq!(parse("", status, limits), None);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let process = read().unwrap();
        assert!(process.resident_bytes > 0 && process.virtual_bytes >= process.resident_bytes && process.open_fds >= 3, "{process:?}");
    }
}

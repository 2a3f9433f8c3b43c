//! Every metric there is: name, kind, labels, meaning. `docs/METRICS.md` lists them from here, and no other can be exposed.

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Always 1: its labels are the message. Its samples end in `_info`.
    Info,
}

/// One metric.
#[derive(Debug)]
pub struct Family {
    /// Without the ending that its kind adds.
    pub name: &'static str,
    /// What kind.
    pub kind: Kind,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it means, for people.
    pub help: &'static str,
}

impl Family {
    /// The name of its samples as people query it (a histogram's have `_bucket`, `_sum` and `_count` behind it).
    #[must_use]
    pub fn sample_name(&self) -> String {
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{ending}", self.name)
    }
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: Family = Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+
        /// All of them, in the order of the documentation.
        pub const ALL: &[&Family] = &[$(&$constant),+];
    };
}

families! {
    BUILD = Info "squelch_build" ["version", "revision"] "The program that runs";

    LINES_READ = Counter "squelch_lines_read" [] "Lines read = forwarded + summarised + dropped + open, at every moment; goes on after a restart";
    LINES_FORWARDED = Counter "squelch_lines_forwarded" [] "Lines that passed";
    LINES_SUMMARISED = Counter "squelch_lines_summarised" [] "Lines inside summaries that were written";
    LINES_DROPPED = Counter "squelch_lines_dropped" ["rule"] "Lines dropped by a rule of the user's";
    LINES_OPEN = Gauge "squelch_lines_open" [] "Lines in windows and joins that are still open";
    LINES_OVERLONG = Counter "squelch_lines_overlong" [] "Lines longer than the limit, each cut piece counted";
    BYTES_READ = Counter "squelch_bytes_read" [] "Bytes of lines read";
    BYTES_FORWARDED = Counter "squelch_bytes_forwarded" [] "Bytes of lines that passed";
    RECORDS = Counter "squelch_records" [] "Records made of the lines";
    RECORDS_LATE = Counter "squelch_records_late" [] "Records more than 2 s behind the others of their stream";
    SUMMARIES = Counter "squelch_summaries_emitted" [] "Summaries written";
    LOST_AT_SOURCE = Counter "squelch_lines_lost_at_source" ["reason"] "Lines destroyed before they could be read, estimated; outside of the identity";

    INPUT_LINES = Counter "squelch_input_lines" ["input"] "Lines read from each input since the process started";
    INPUT_BYTES = Counter "squelch_input_bytes" ["input"] "Bytes read from each input since the process started";
    STREAMS_OPEN = Gauge "squelch_streams_open" [] "Streams (files, containers, units, connections) that are open";
    FILES_OPEN = Gauge "squelch_files_open" ["input"] "File descriptors a file input holds";
    FILES_KNOWN = Gauge "squelch_files_known" ["input"] "Files an input follows, open or not";
    FILES_WAITING = Gauge "squelch_files_waiting" ["input"] "Files that are not followed because too many are (`files_max`)";
    FILE_ERRORS = Counter "squelch_file_errors" ["input"] "Files and directories that could not be opened or read, each time";
    FILE_LAG = Gauge "squelch_file_lag_bytes" ["input"] "Bytes not read yet of the file that is furthest behind";
    ROTATIONS = Counter "squelch_rotations" ["input", "kind"] "Rotations of files that were noticed";

    WINDOWS_OPEN = Gauge "squelch_windows_open" [] "Windows that collapse repeats now";
    WINDOWS_EVICTED = Counter "squelch_windows_evicted" [] "Windows closed early, with their summary, because a table was full";
    FINGERPRINTS_ACTIVE = Gauge "squelch_fingerprints_active" [] "Fingerprints known";
    FINGERPRINTS_EVICTED = Counter "squelch_fingerprints_evicted" [] "Fingerprints forgotten because there were too many";

    RETRY_MESSAGES = Counter "squelch_retry_messages" ["class"] "Records about retrying, by what they say";
    FINGERPRINT_MESSAGES = Counter "squelch_fingerprint_messages" ["fingerprint", "class"] "Records of each fingerprint about retrying; `other` are those without a counter of their own";
    FINGERPRINT = Info "squelch_fingerprint" ["fingerprint", "template"] "What a fingerprint stands for, at most 120 bytes of it";
    RETRY_GAP = Histogram "squelch_retry_gap_seconds" ["class"] "Gaps between records of one worker, as summaries are written";
    STORMS_ACTIVE = Gauge "squelch_storms_active" ["alert_level"] "Storms that go on";
    STORMS = Counter "squelch_storms" ["diagnosis"] "Storms that fired, by the retry policy known at that moment";

    OUTPUT_DELIVERED = Counter "squelch_output_delivered" ["output"] "Records an output's receiver took";
    OUTPUT_QUEUED = Gauge "squelch_output_queued" ["output"] "Records that wait for an output";
    OUTPUT_OLDEST = Gauge "squelch_output_oldest_seconds" ["output"] "Age of the oldest record that waits for an output";
    OUTPUT_DEAD = Counter "squelch_output_dead" ["output"] "Records a receiver refused for good: they are in the dead-letter table";
    OUTPUT_BYTES = Counter "squelch_output_bytes" ["output"] "Bytes of bodies that were taken, before compression";
    OUTPUT_REQUESTS = Counter "squelch_output_requests" ["output", "code"] "Requests by the status they were answered with; a word without one";
    OUTPUT_RETRIES = Counter "squelch_output_retries" ["output"] "Requests that were tried again";
    OUTPUT_FAILURES = Gauge "squelch_output_failures" ["output"] "Requests that failed one after the other, until now";
    OUTPUT_CIRCUIT = Gauge "squelch_output_circuit_state" ["output"] "Circuit breaker: 0 closed, 1 half open, 2 open";

    QUEUE_BYTES = Gauge "squelch_queue_bytes" [] "Bytes the store takes on disk";
    QUEUE_BYTES_MAX = Gauge "squelch_queue_bytes_max" [] "Bytes it may take";
    QUEUE_FULL = Gauge "squelch_queue_full" [] "1 while nothing more fits into the store";
    QUEUE_DROPPED = Counter "squelch_queue_dropped" ["kind"] "Records given up because the store was full";
    COMMITS = Counter "squelch_commits" [] "Commits to the store";
    COMMITS_FAILED = Counter "squelch_commits_failed" [] "Commits that failed and were tried again";
    COMMIT_SECONDS = Gauge "squelch_commit_seconds" [] "How long the last commit took";
    COMMIT_LAG = Gauge "squelch_commit_lag_seconds" [] "Age of the oldest record that is not committed yet";
    STORES_REPLACED = Counter "squelch_stores_replaced" [] "Stores that could not be read, were put aside and begun anew";

    RELOAD_OK = Gauge "squelch_config_last_reload_successful" [] "Whether the configuration that was read last is in force";
    RELOAD_AT = Gauge "squelch_config_last_reload_success_timestamp_seconds" [] "When a configuration was last put in force";
    READY = Gauge "squelch_ready" [] "1 when the store and every input are open";
    BEAT_AGE = Gauge "squelch_engine_beat_age_seconds" [] "How long ago the engine loop turned";
    LOG_MESSAGES = Counter "squelch_log_messages" ["level"] "Messages of squelch's own log, those that were collapsed included";

    PROCESS_CPU = Counter "process_cpu_seconds" [] "CPU time of this process";
    PROCESS_RSS = Gauge "process_resident_memory_bytes" [] "Memory of this process that is in RAM";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Address space of this process";
    PROCESS_FDS = Gauge "process_open_fds" [] "File descriptors of this process";
    PROCESS_FDS_MAX = Gauge "process_max_fds" [] "File descriptors it may have";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When this process started";
}

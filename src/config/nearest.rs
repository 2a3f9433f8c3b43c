//! The word that somebody probably meant.

/// Words that other agents use for what we call otherwise.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sources", "inputs"),
    ("input", "inputs"),
    ("sinks", "outputs"),
    ("output", "outputs"),
    ("data_dir", "state_dir"),
    ("storage", "store"),
    ("buffer", "store"),
    ("logging", "log"),
    ("metrics", "telemetry"),
    ("level", "filter"),
    ("paths", "include"),
    ("path", "include"),
    ("files", "include"),
    ("glob", "include"),
    ("read_from", "start_at"),
    ("start_position", "start_at"),
    ("endpoint", "url"),
    ("uri", "url"),
    ("address", "listen"),
    ("bearer_token", "token"),
    ("bearer_token_file", "token_file"),
    ("username", "user"),
    ("tls_ca_file", "tls"),
    ("backoff_max", "backoff_cap"),
    ("max_size", "bytes_max"),
    ("ca_cert", "ca_file"),
    ("verify_certificate", "insecure_skip_verify"),
    ("kubernetes_logs", "kubernetes"),
    ("container", "kubernetes"),
    ("pods", "kubernetes"),
    ("journal", "journald"),
    ("systemd", "journald"),
    ("tail", "file"),
    ("filelog", "file"),
    ("console", "stdout"),
];

/// The nearest of `known`, if one is near enough that a slip of the finger explains it.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = word.to_ascii_lowercase().replace('-', "_");
    if let Some(same) = known.iter().find(|candidate| **candidate == lower) {
        return Some(same);
    }
    let elsewhere = ELSEWHERE.iter().filter(|(theirs, _)| *theirs == lower).find_map(|(_, ours)| known.iter().find(|word| *word == ours));
    if let Some(ours) = elsewhere {
        return Some(ours);
    }
    let (distance, candidate) = known.iter().map(|candidate| (distance(&lower, candidate), *candidate)).min()?;
    (distance <= (candidate.len().max(lower.len()) / 3).clamp(1, 3)).then_some(candidate)
}

/// Steps between two words: letters put in, taken out, changed, or two neighbours swapped (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    // Longer words than any key of ours are far away, and the table stays small.
    const WORD_CHARS_MAX: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(WORD_CHARS_MAX).collect(), b.chars().take(WORD_CHARS_MAX).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["window", "windows_max", "keep_first", "include", "url", "state_dir"];

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, &KEYS), expected, "{word}");
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        check("widnow", Some("window"));
        check("window_max", Some("windows_max"));
        check("keep-first", Some("keep_first"));
        check("State_Dir", Some("state_dir"));
    }

    #[test]
    fn words_of_other_agents_are_known() {
        check("endpoint", Some("url"));
        check("paths", Some("include"));
        check("data_dir", Some("state_dir"));
    }

    #[test]
    fn a_word_that_is_near_to_none_gets_none() {
        for word in ["banana", "", "x", "compression"] {
            check(word, None);
        }
    }
}

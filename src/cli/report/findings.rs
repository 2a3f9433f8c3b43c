//! What a report knows, and how it is told in words: facts and answers that text and Markdown share.

use crate::diagnosis::{Outcome, Policy, Source, Tri, Verdict};
use crate::engine::{Accounting, TemplateRow};
use crate::fingerprint::group::Groups;
use crate::outputs::stats::{percent, reduction};
use crate::outputs::storm_record::detected_by;
use crate::outputs::storm_text::short_policy;
use crate::outputs::timestamp::{date_and_time, time_of_day};
use crate::record::FingerprintId;
use crate::storm::{Burst, Diagnosed, StormId, StormReport};
use crate::time::{SECOND, UnixNanos};
use crate::units::{show_bytes, show_count, show_duration};
use std::collections::BTreeMap;

/// Widest sparkline.
const SPARKLINE_CHARS: usize = 60;
/// Instances and targets named.
const NAMES_SHOWN: usize = 3;

/// A storm as it was told last.
#[derive(Clone, Debug)]
pub struct StormFound {
    /// All about it.
    pub report: StormReport,
    /// Records of it that went into windows.
    pub absorbed: u64,
}

/// Everything a report is made of.
#[derive(Debug)]
pub struct Findings {
    pub accounting: Accounting,
    pub bytes_out: u64,
    /// Most lines first.
    pub templates: Vec<TemplateRow>,
    /// The fingerprint that names the group of a template, for those that are not alone in theirs.
    pub groups: BTreeMap<FingerprintId, FingerprintId>,
    /// In the order in which they fired.
    pub storms: Vec<StormFound>,
    /// Most lines first.
    pub diagnoses: Vec<Diagnosed>,
    /// For information, in the order in which they ended.
    pub bursts: Vec<Burst>,
}

/// A question an engineer should ask after a storm, and what the log answers.
#[derive(Debug)]
pub struct Answer {
    /// Its name in JSON.
    pub key: &'static str,
    pub question: &'static str,
    pub answer: String,
}

/// Remembers the latest report of a storm.
pub fn note(storms: &mut Vec<StormFound>, report: &StormReport, absorbed: u64) {
    let same = |found: &&mut StormFound| -> bool { found.report.id == StormId(report.id.0) };
    match storms.iter_mut().find(same) {
        Some(found) => *found = StormFound { report: report.clone(), absorbed: absorbed.max(found.absorbed) },
        None => storms.push(StormFound { report: report.clone(), absorbed }),
    }
}

/// Groups the templates in the order in which they appeared.
pub fn groups(rows: &[TemplateRow]) -> BTreeMap<FingerprintId, FingerprintId> {
    let mut by_time: Vec<&TemplateRow> = rows.iter().collect();
    by_time.sort_by_key(|row| (row.first, row.fingerprint.id()));
    let mut groups = Groups::new();
    let placed: Vec<_> = by_time.iter().map(|row| (row.fingerprint.id(), groups.place(&row.fingerprint.template).group)).collect();
    let mut members: BTreeMap<_, Vec<FingerprintId>> = BTreeMap::new();
    for (id, group) in placed {
        members.entry(groups.current(group)).or_default().push(id);
    }
    members.into_values().filter(|ids| ids.len() > 1).flat_map(|ids| ids.clone().into_iter().map(move |id| (id, ids[0]))).collect()
}

/// What is known of a storm, by name.
pub fn facts(found: &StormFound) -> Vec<(&'static str, String)> {
    let storm = &found.report;
    let lasted = storm.last.since(storm.onset).max(0);
    let end = if storm.resolved.is_some() { "" } else { ", not quiet for a minute when the input ended" };
    let onset = if storm.onset_is_unknown { " (it began before)" } else { "" };
    let mut facts = vec![
        (
            "when",
            format!(
                "{}{onset} to {} ({}{end}); noticed {} as `{}`",
                date_and_time(storm.onset),
                time_of_day(storm.last),
                show_duration(lasted),
                time_of_day(storm.fired),
                detected_by(storm)
            ),
        ),
        (
            "timeline",
            format!("{} ({} per bar)", storm.timeline.sparkline(SPARKLINE_CHARS), show_duration(seconds_per_bar(storm) * SECOND).replace(".0s", "s")),
        ),
        ("how much", how_much(storm)),
        ("who", who(storm)),
        ("to", named(&storm.targets, storm.targets.len() as u64, "not visible: these lines name no target")),
        ("before", before(storm)),
    ];
    if storm.resumed > 0 {
        facts.push(("came back", format!("{} x within 10 min", storm.resumed)));
    }
    if let Some(verdict) = &storm.diagnosis {
        facts.push(("policy", policy(verdict)));
        facts.extend(verdict.notes.iter().map(|note| ("evidence", note.clone())));
    } else {
        facts.push(("policy", "not visible: too few records".into()));
    }
    facts.push((
        "saved",
        format!(
            "{} of {} records went into summaries ({})",
            show_count(found.absorbed),
            show_count(storm.records),
            share(found.absorbed, storm.records)
        ),
    ));
    facts
}

fn seconds_per_bar(storm: &StormReport) -> i64 {
    storm.timeline.width * storm.timeline.cells.len().div_ceil(SPARKLINE_CHARS).max(1) as i64
}

fn how_much(storm: &StormReport) -> String {
    let usual = if storm.baseline < 0.05 { "none".into() } else { format!("{:.1}/s", storm.baseline) };
    let lasted = storm.duration_seconds();
    let mean = if lasted >= 1.0 { format!(", {}/s on average", rate(storm.records as f64 / lasted)) } else { String::new() };
    format!(
        "{} records ({}){mean}, peak {}/s; usually {usual}",
        show_count(storm.records),
        show_bytes(storm.bytes),
        show_count(storm.peak_per_second)
    )
}

fn rate(rate: f64) -> String {
    if rate >= 10.0 { show_count(rate.round() as u64) } else { format!("{rate:.1}") }
}

fn who(storm: &StormReport) -> String {
    let Some(instances) = storm.instances else { return "not visible: no instance id in these lines".into() };
    let about = if storm.instances_are_estimated { "about " } else { "" };
    format!("{about}{} instance{}: {}", show_count(instances), if instances == 1 { "" } else { "s" }, named(&storm.loudest, instances, "unnamed"))
}

fn named(names: &[(String, u64)], count: u64, nobody: &str) -> String {
    if names.is_empty() {
        return nobody.into();
    }
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|(name, records)| format!("{name} ({})", show_count(*records))).collect();
    let more = count.saturating_sub(shown.len() as u64);
    if more > 0 { format!("{} and {} more", shown.join(", "), show_count(more)) } else { shown.join(", ") }
}

fn before(storm: &StormReport) -> String {
    match &storm.trigger {
        Some(trigger) => format!(
            "{} earlier, {}: \"{}\" (time order, not cause)",
            show_duration(storm.onset.since(trigger.at).max(0)),
            time_of_day(trigger.at),
            trigger.fingerprint.template
        ),
        None => "not visible: no warning or error in the 10 s before".into(),
    }
}

/// The verdict in one line.
pub fn policy(verdict: &Verdict) -> String {
    if verdict.policy == Policy::Unknown && verdict.source == Source::None {
        return "not visible".into();
    }
    format!("{} (read from {}, confidence {:.2})", short_policy(verdict), source(verdict.source), verdict.confidence)
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Text => "the text",
        Source::Keys => "the intervals of each instance",
        Source::Attempts => "the attempt numbers",
        Source::Stream => "the intervals of a stream",
        Source::Volleys => "the volleys of all instances",
        Source::Lag => "a wait that comes back in the merged stream",
        Source::Trend => "the trend of the rate",
        Source::None => "nothing",
    }
}

fn share(part: u64, whole: u64) -> String {
    if part == whole && whole > 0 { "100 %".into() } else { percent(reduction(whole, whole.saturating_sub(part))) }
}

/// The five questions.
pub fn answers(found: &StormFound, findings: &Findings) -> [Answer; 5] {
    let storm = &found.report;
    [
        Answer { key: "all_instances", question: "Did it run on all instances at once?", answer: all_instances(storm) },
        Answer { key: "policy", question: "Constant or backing off, with jitter?", answer: backing_off(storm.diagnosis.as_ref()) },
        Answer { key: "limit", question: "Is there a limit on attempts?", answer: limit(storm.diagnosis.as_ref()) },
        Answer { key: "cost", question: "What did the retry logging cost?", answer: cost(found, &findings.accounting) },
        Answer { key: "circuit_breaker", question: "Is a circuit breaker visible?", answer: circuit_breaker(storm, &findings.templates) },
    ]
}

fn all_instances(storm: &StormReport) -> String {
    let Some(instances) = storm.instances else { return "Not visible: these lines name no instance.".into() };
    if instances == 1 {
        return "One instance only.".into();
    }
    let about = if storm.instances_are_estimated { "About " } else { "" };
    let loudest = storm.loudest.first().map_or(0.0, |(_, records)| *records as f64 / storm.records.max(1) as f64);
    let spread = if loudest * instances as f64 <= 2.0 { "evenly" } else { "unevenly" };
    let lockstep = match storm.diagnosis.as_ref().map_or(Tri::Unknown, |verdict| verdict.lockstep) {
        Tri::Yes => "they retried at the same moments (lock-step)",
        Tri::No => "not in lock-step",
        Tri::Unknown => "whether in lock-step is not visible",
    };
    format!("{about}{} instances took part, {spread} (loudest {:.0} %); {lockstep}.", show_count(instances), (loudest * 100.0).min(100.0))
}

fn backing_off(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else { return "Not visible: too few records.".into() };
    let jitter = match verdict.jitter {
        Tri::Yes => "jitter is visible",
        Tri::No => "no jitter is visible",
        Tri::Unknown => "jitter cannot be told",
    };
    let policy = match verdict.policy {
        policy if policy.is_growing() => format!("Backing off: {}", short_policy(verdict)),
        Policy::Immediate => format!("No effective backoff: {}", short_policy(verdict)),
        policy if policy.is_constant() => format!("Constant: {}", short_policy(verdict)),
        _ => "Not visible".into(),
    };
    format!("{policy}; {jitter}.")
}

fn limit(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else { return "Not visible: too few records.".into() };
    let seen =
        verdict.attempts_seen.filter(|seen| *seen > 0).map_or_else(String::new, |seen| format!(" in {} attempts", show_count(seen.unsigned_abs())));
    match (verdict.max_attempts, verdict.outcome) {
        (Some(limit), _) => format!("Yes: {} attempts.", show_count(limit.unsigned_abs())),
        (None, Outcome::GaveUp) => "No number is visible, but somebody gave up.".into(),
        (None, _) => format!("No give-up seen{seen}."),
    }
}

fn cost(found: &StormFound, accounting: &Accounting) -> String {
    let storm = &found.report;
    let per_day = storm.bytes as f64 / storm.duration_seconds().max(1.0) * 86_400.0;
    format!(
        "{} records, {}: {} of all bytes read; {} a day at this rate. squelch keeps {} of them whole.",
        show_count(storm.records),
        show_bytes(storm.bytes),
        share(storm.bytes, accounting.bytes_read.max(storm.bytes)),
        show_bytes(per_day as u64),
        show_count(storm.records.saturating_sub(found.absorbed)),
    )
}

fn circuit_breaker(storm: &StormReport, templates: &[TemplateRow]) -> String {
    let overlaps = |row: &&TemplateRow| row.first <= storm.last && row.last >= storm.onset;
    let names_one = |row: &&TemplateRow| {
        let template = row.fingerprint.template.to_ascii_lowercase();
        template.contains("circuit") || template.contains("breaker")
    };
    match templates.iter().filter(overlaps).find(names_one) {
        Some(row) => format!("Yes: \"{}\" ({} records).", row.fingerprint.template, show_count(row.count)),
        None => "None is visible: no line of that time speaks of one.".into(),
    }
}

/// From the first to the last time in the log.
pub fn span(templates: &[TemplateRow]) -> Option<(UnixNanos, UnixNanos)> {
    Some((templates.iter().map(|row| row.first).min()?, templates.iter().map(|row| row.last).max()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::outputs::storm_record::tests::storm;
    use crate::record::{Class, ClassSource, Severity};
    use std::sync::Arc;

    pub fn row(template: &str) -> TemplateRow {
        let fingerprint = Fingerprint::new(Severity::Error, template, Class::Retry, ClassSource::Guess);
        TemplateRow { fingerprint: Arc::new(fingerprint), count: 900, lines: 900, first: UnixNanos(0), last: UnixNanos(60_000_000_000), streams: 3 }
    }

    pub fn findings() -> Findings {
        let accounting = Accounting { read: 1000, forwarded: 100, summarised: 900, summaries: 6, bytes_read: 100_000, ..Accounting::default() };
        Findings {
            accounting,
            bytes_out: 11_000,
            templates: vec![row("Connection to <host> failed")],
            groups: BTreeMap::new(),
            storms: Vec::new(),
            diagnoses: Vec::new(),
            bursts: Vec::new(),
        }
    }

    #[test]
    fn the_five_questions_are_answered_from_the_storm() {
        let found = StormFound { report: storm(), absorbed: 238_870 };
        let answers = answers(&found, &findings());
        assert_eq!(
            answers.map(|answer| answer.answer),
            [
                "12 instances took part, evenly (loudest 9 %); whether in lock-step is not visible.",
                "No effective backoff: immediate every 80ms; no jitter is visible.",
                "No give-up seen in 2,400 attempts.",
                "239,200 records, 41.1 MiB: 100 % of all bytes read; 17.3 GiB a day at this rate. squelch keeps 330 of them whole.",
                "None is visible: no line of that time speaks of one.",
            ]
        );
    }

    #[test]
    fn a_breaker_counts_only_while_the_storm_lasts() {
        let mut breaker = row("CircuitBreaker 'orders' changed state from CLOSED to OPEN");
        assert!(circuit_breaker(&storm(), &[breaker.clone()]).starts_with("None"));
        breaker.last = storm().onset;
        assert_eq!(circuit_breaker(&storm(), &[breaker]), "Yes: \"CircuitBreaker 'orders' changed state from CLOSED to OPEN\" (900 records).");
    }

    #[test]
    fn unknown_things_are_said_to_be_unknown() {
        let nothing = StormReport { instances: None, targets: Vec::new(), trigger: None, diagnosis: None, ..storm() };
        let facts = facts(&StormFound { report: nothing, absorbed: 0 });
        for name in ["who", "to", "before", "policy"] {
            assert!(facts.iter().any(|(fact, text)| *fact == name && text.starts_with("not visible")), "{name}: {facts:?}");
        }
    }

    #[test]
    fn templates_that_differ_in_the_type_of_a_placeholder_are_a_group() {
        let rows = [row("took <num> ms"), row("took <hex> ms"), row("something else happened")];
        let groups = groups(&rows);
        let ids: Vec<FingerprintId> = rows.iter().map(|row| row.fingerprint.id()).collect();
        assert_eq!(groups.get(&ids[0]), groups.get(&ids[1]));
        assert!(groups.contains_key(&ids[0]) && !groups.contains_key(&ids[2]));
    }
}

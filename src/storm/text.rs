//! The alert as text: every line is there, unknown fields say so.

use super::report::{AlertLevel, StormReport};
use crate::diagnosis::{Policy, Tri, Verdict};
use crate::record::Class;
use std::fmt::Write as _;

/// The alert text of `detection.md` 7.
#[must_use]
pub fn alert_text(report: &StormReport) -> String {
    alert_text_with(report, None)
}

/// The same with the collapsed records, where the collapser knows them.
#[must_use]
pub fn alert_text_with(report: &StormReport, collapsed: Option<u64>) -> String {
    let mut text = String::new();
    let level = match report.alert_level {
        AlertLevel::Critical => "CRITICAL",
        AlertLevel::Warning => "WARNING",
        AlertLevel::Info => "INFO",
    };
    let name = if report.class == Class::CrashLoop {
        "Crash loop"
    } else if report.rule.is_none() {
        "Slow retry loop"
    } else {
        "Retry storm"
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "[{level}] {name}: \"{}\"", report.template());
    for more in report.fingerprints.iter().skip(1).take(4) {
        let _ = writeln!(text, "       with \"{}\"", more.template);
    }
    let _ = writeln!(text, "what   {}", what(report, collapsed));
    let _ = writeln!(text, "who    {}", who(report));
    if report.targets.is_empty() {
        text.push_str("to     not visible: these lines name no target\n");
    } else {
        let names: Vec<&str> = report.targets.iter().take(3).map(|target| target.0.as_str()).collect();
        let _ = writeln!(text, "to     {}{}", names.join(", "), if report.targets.len() > 3 { ", ..." } else { "" });
    }
    let _ = writeln!(text, "since  {}", since(report));
    let _ = writeln!(text, "policy {}", policy(report));
    let _ = writeln!(text, "trend  {}", trend(report));
    let mut steps = advise(report);
    steps.extend(report.advice.clone());
    for (at, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "{} {} {step}", if at == 0 { "do    " } else { "      " }, at + 1);
    }
    let per_day = shown_rate(report) * 86_400.0;
    let _ = write!(text, "cost   at this rate {} records/day", show_count(per_day));
    if report.bytes > 0 {
        let record = report.bytes as f64 / report.records.max(1) as f64;
        let _ = write!(text, ", {} a day", show_volume(per_day * record));
    }
    text.push('.');
    text
}

/// Records/s now; of a storm that is silent at this moment, and of loops whose rate nobody watches, the mean since the onset.
fn shown_rate(report: &StormReport) -> f64 {
    if report.rate > 0.0 { report.rate } else { report.records as f64 / report.duration_seconds().max(1.0) }
}

fn what(report: &StormReport, collapsed: Option<u64>) -> String {
    let mut text = if report.class == Class::CrashLoop {
        format!("{} restarts in {}", report.records, show_span(report.duration_seconds()))
    } else {
        let usual = if report.baseline < 0.05 { "none".to_owned() } else { format!("{:.1}/s", report.baseline) };
        let rate = shown_rate(report);
        let times = (rate / report.baseline.max(0.1)).round() as u64;
        format!(
            "{} records/s{} for {} (normally {usual}; x{}). {} records so far",
            show_rate(rate),
            if report.rate > 0.0 { "" } else { " in the mean" },
            show_span(report.duration_seconds()),
            thousands(times.max(1)),
            thousands(report.records)
        )
    };
    if let Some(collapsed) = collapsed {
        let _ = write!(text, ", {} collapsed", thousands(collapsed));
    }
    if report.resolved.is_some() {
        text.push_str(". Over");
    }
    if report.resumed > 0 {
        let _ = write!(text, ". Resumed {} x", report.resumed);
    }
    text.push('.');
    text
}

fn who(report: &StormReport) -> String {
    let Some(instances) = report.instances else {
        return "not visible: no instance id in these lines".to_owned();
    };
    let about = if report.instances_are_estimated { "about " } else { "" };
    let plural = if instances == 1 { "instance" } else { "instances" };
    let mut text = format!("{about}{instances} {plural}");
    if let Some((name, records)) = report.loudest.first() {
        let common = common_prefix(&report.loudest);
        if instances > 1 && common.len() >= 3 {
            let _ = write!(text, " ({common}*)");
        }
        if report.class != Class::CrashLoop {
            let _ = write!(text, ", ~{}/s each", show_rate(shown_rate(report) / instances.max(1) as f64));
        }
        let share = 100.0 * *records as f64 / report.records.max(1) as f64;
        let _ = write!(text, "; loudest: {name} ({:.0} %)", share.min(100.0));
    }
    text.push('.');
    text
}

fn since(report: &StormReport) -> String {
    if report.onset_is_unknown {
        return "already running when squelch started, onset unknown.".to_owned();
    }
    let onset = show_time(report.onset.0);
    match &report.trigger {
        Some(trigger) => format!(
            "{onset}, {:.1} s after \"{}\" (first seen {}; time order, not cause).",
            report.onset.since(trigger.at) as f64 / 1e9,
            trigger.fingerprint.template,
            show_time(trigger.at.0)
        ),
        None => format!("{onset}; what preceded it is not visible: no warning or error in the 10 s before."),
    }
}

fn policy(report: &StormReport) -> String {
    let Some(verdict) = &report.diagnosis else {
        return "not visible: too few records yet.".to_owned();
    };
    let interval = verdict.interval_ms.map_or_else(String::new, |ms| format!("~{} between tries, ", show_ms(ms)));
    let shown = match verdict.policy {
        Policy::Immediate => format!("no effective backoff: {interval}not growing"),
        Policy::Fixed => format!("fixed: {interval}not growing"),
        Policy::Constant => format!("not growing{}", verdict.interval_ms.map_or_else(String::new, |ms| format!(", ~{} between tries", show_ms(ms)))),
        Policy::Linear | Policy::Exponential | Policy::Growing => {
            let mut shown = format!("backs off ({})", verdict.policy);
            if let Some(base) = verdict.base_ms {
                let _ = write!(shown, ": from {}", show_ms(base));
            }
            if let Some(factor) = verdict.factor {
                let _ = write!(shown, " x{factor:.1}");
            }
            if let Some(cap) = verdict.cap_ms {
                let _ = write!(shown, " up to {}", show_ms(cap));
            }
            shown
        }
        Policy::Unknown => verdict.notes.first().cloned().unwrap_or_else(|| "not visible".to_owned()),
    };
    let source = if verdict.policy == Policy::Unknown {
        String::new()
    } else {
        format!(" (source: {}, confidence {:.2})", verdict.source, verdict.confidence)
    };
    let jitter = match verdict.jitter {
        Tri::Yes => "jitter visible",
        Tri::No => "no jitter visible",
        Tri::Unknown => "jitter not visible",
    };
    let is_hot = verdict.interval_ms.is_some_and(|ms| ms < 250.0);
    let lockstep = match verdict.lockstep {
        Tri::Yes => "all instances retry in lock-step",
        Tri::No => "no lock-step",
        Tri::Unknown if is_hot => "lock-step not applicable (hot loop)",
        Tri::Unknown => "lock-step not visible",
    };
    format!("{shown}{source}.\n       {jitter}; {lockstep}; {}.", give_up(verdict))
}

fn give_up(verdict: &Verdict) -> String {
    let seen = verdict
        .attempts_seen
        .filter(|attempts| *attempts > 0)
        .map_or_else(|| "so far".to_owned(), |attempts| format!("in {} attempts", thousands(attempts.unsigned_abs())));
    match verdict.max_attempts {
        Some(limit) => format!("gives up after {limit} attempts"),
        None => format!("no give-up seen {seen}"),
    }
}

fn trend(report: &StormReport) -> String {
    let shape = if report.resolved.is_some() {
        "over"
    } else if report.trend >= 1.25 {
        "rising"
    } else if report.trend >= 0.8 {
        "flat"
    } else if report.trend >= 0.5 {
        "falling slowly"
    } else {
        "falling"
    };
    let mut text = format!("{shape}. {}", report.timeline.sparkline(40));
    if report.is_not_falling && report.resolved.is_none() {
        text.push_str("\n       the rate did not fall below half its peak for 5 min; it may not end when the cause ends.");
    }
    text
}

/// Advice by verdict.
fn advise(report: &StormReport) -> Vec<String> {
    if report.class == Class::CrashLoop {
        return vec![
            "read the last lines before an exit of the program named above: the cause is there.".to_owned(),
            "stop the restarts (scale down, stop the unit) while you look; check what it needs at start.".to_owned(),
        ];
    }
    let Some(verdict) = &report.diagnosis else {
        return vec!["look at what these lines name as failing.".to_owned()];
    };
    if verdict.policy.is_growing() {
        let mut steps = vec!["the clients back off properly: look at the cause, not at them.".to_owned()];
        if verdict.max_attempts.is_none() {
            steps.push("no limit on attempts is visible: set one, or alert on age.".to_owned());
        }
        return steps;
    }
    let stop = "stop the loop: scale down or pause callers, or open the circuit; let back in few at a time.".to_owned();
    let fix = if verdict.policy == Policy::Fixed && verdict.lockstep == Tri::Yes {
        "then fix: add jitter, so that instances do not retry at the same moment; grow the wait (x2, cap 30 s)."
    } else if verdict.policy.is_constant() {
        "then fix: exponential backoff (e.g. 200 ms x2, cap 30 s) with full jitter, a limit on attempts, a retry budget\n         (<= 10-20 % of requests) or circuit breaker.   (examples; fit them to the client)"
    } else {
        "then look at the client's retry settings: the policy is not visible in these lines."
    };
    vec![stop, fix.to_owned()]
}

fn common_prefix(names: &[(String, u64)]) -> String {
    let Some((first, _)) = names.first() else { return String::new() };
    let length = names.iter().map(|(name, _)| first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count()).min().unwrap_or(0);
    first.chars().take(length).collect()
}

/// `1,196`.
fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn show_rate(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { thousands(rate.round() as u64) }
}

fn show_span(seconds: f64) -> String {
    let seconds = seconds.round().max(1.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn show_ms(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

fn show_count(value: f64) -> String {
    if value >= 1e9 {
        format!("{:.1} billion", value / 1e9)
    } else if value >= 1e6 {
        format!("{:.0} million", value / 1e6)
    } else {
        thousands(value.round() as u64)
    }
}

fn show_volume(bytes: f64) -> String {
    if bytes >= 1e9 {
        format!("{:.0} GB", bytes / 1e9)
    } else if bytes >= 1e6 {
        format!("{:.0} MB", bytes / 1e6)
    } else {
        format!("{:.0} kB", (bytes / 1e3).ceil())
    }
}

/// `12:01:00.02Z`: the time of day in UTC, to the hundredth of a second.
fn show_time(nanos: i64) -> String {
    let of_day = nanos.rem_euclid(86_400_000_000_000) / 10_000_000;
    let (seconds, hundredths) = (of_day / 100, of_day % 100);
    format!("{:02}:{:02}:{:02}.{hundredths:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;

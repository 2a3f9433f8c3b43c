//! `squelch explain`: how a line is read, layer by layer, as text or JSON.
//!
//! Calls the same stages as the engine, in the same order, and keeps what each of them found.

use super::error::{Exit, Failure};
use super::line_time::LineTime;
use super::options::{ExplainArguments, OutputFormat};
use super::pipe;
use crate::class::Guess;
use crate::clock;
use crate::engine::{Classified, Classifier, Options};
use crate::envelope::{self, Envelope, ExtraPart, Partial};
use crate::fingerprint::{self, Fingerprint};
use crate::framing::join;
use crate::inputs::open::is_stdin_terminal;
use crate::outputs::escape::push_visible;
use crate::outputs::style::{BOLD, DIM, OURS, Style};
use crate::outputs::timestamp::rfc3339;
use crate::record::{Class, ClassSource, Severity, Span};
use crate::scan;
use serde::Serialize;
use std::fmt::Write;
use std::io::{self, BufRead};

/// Explains the argument, or each line of stdin.
pub fn run(arguments: &ExplainArguments) -> Result<Exit, Failure> {
    let style = pipe::style(arguments.color, &io::stdout());
    let rules = super::rules::for_run(&arguments.rules)?;
    let classifier = Classifier::new(rules.as_ref());
    if let Some(line) = &arguments.line {
        super::print(&explained(line.as_bytes(), &classifier, arguments.output, style))?;
        return Ok(Exit::Fine);
    }
    if is_stdin_terminal() {
        return Err(
            Failure::new(Exit::Usage, "no line to explain").hint("give it as an argument in quotes, or on stdin: tail -1 app.log | squelch explain")
        );
    }
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line).map_err(|error| Failure::new(Exit::Failure, format!("cannot read stdin: {error}")))? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        super::print(&explained(text.strip_suffix(b"\r").unwrap_or(text), &classifier, arguments.output, style))?;
        line.clear();
    }
    Ok(Exit::Fine)
}

fn explained(line: &[u8], classifier: &Classifier, output: OutputFormat, style: Style) -> Vec<u8> {
    let explanation = explain(line, classifier);
    match output {
        OutputFormat::Json => {
            let mut text = serde_json::to_vec(&explanation).expect("an explanation has string keys");
            text.push(b'\n');
            text
        }
        OutputFormat::Text => show(&explanation, line, style).into_bytes(),
    }
}

/// Everything that is known about one line.
#[derive(Debug, Serialize)]
struct Explanation {
    line: String,
    /// Layers of the envelope, outermost first.
    layers: Vec<&'static str>,
    /// What the line states as its time, RFC 3339.
    time: Option<String>,
    severity: &'static str,
    /// What the envelope found.
    fields: Vec<Field>,
    /// How the line joins with the line before it.
    role: String,
    /// Cut by the container runtime.
    is_partial: bool,
    message: Field,
    /// The message after escapes were resolved, where that differs.
    decoded: Option<String>,
    /// What was masked.
    masks: Vec<MaskField>,
    template: String,
    fingerprint: String,
    class: &'static str,
    class_source: &'static str,
    rule: Option<String>,
    /// What the class words captured.
    captures: Vec<Field>,
    /// What would happen to the line.
    decision: String,
}

/// A part of the line: bytes `start..end`.
#[derive(Debug, Serialize)]
struct Field {
    name: &'static str,
    start: u32,
    end: u32,
    value: String,
}

#[derive(Debug, Serialize)]
struct MaskField {
    placeholder: &'static str,
    start: u32,
    end: u32,
    value: String,
}

fn explain(line: &[u8], classifier: &Classifier) -> Explanation {
    let mut words = Vec::new();
    scan::find_words(line, &mut words);
    let envelope = envelope::peel(line, &words);
    let template = fingerprint::template::build(line, &words, &envelope);
    let message = envelope.decoded.as_deref().unwrap_or_else(|| envelope.message.of(line));
    let texts = envelope.extras.iter().filter_map(|extra| if let ExtraPart::Text(span) = extra.part { Some(span.of(line)) } else { None });
    let Classified { guess, source, .. } = classifier.classify(envelope.severity, message, texts);
    let fingerprint = Fingerprint::new(envelope.severity, template.text.as_str(), guess.class, source);
    // Masks stand in the decoded text when there is one.
    let masked = envelope.decoded.as_deref().unwrap_or(line);
    let (source, rule) = match &fingerprint.source {
        ClassSource::Guess => ("guess", None),
        ClassSource::Rule(rule) => ("rule", Some(rule.to_string())),
    };
    Explanation {
        line: lossy(line),
        layers: envelope.layers.to_vec(),
        time: LineTime::new(clock::now(), 0).of(line).map(rfc3339),
        severity: envelope.severity.as_str(),
        fields: fields(&envelope, line),
        role: format!("{:?}", join::role(&envelope, line, &words)).to_lowercase(),
        is_partial: envelope.partial == Partial::More,
        message: field("message", envelope.message, line),
        decoded: envelope.decoded.as_deref().map(lossy),
        masks: template
            .masks
            .iter()
            .map(|mask| MaskField { placeholder: mask.placeholder, start: mask.span.start, end: mask.span.end, value: lossy(mask.span.of(masked)) })
            .collect(),
        template: template.text.clone(),
        fingerprint: fingerprint.id().to_string(),
        class: fingerprint.class.as_str(),
        class_source: source,
        rule,
        captures: captures(&guess, message),
        decision: decision(fingerprint.class, &fingerprint.source, &Options::default()),
    }
}

fn fields(envelope: &Envelope, line: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    if let Some(time) = envelope.time {
        fields.push(field("time", time.span, line));
    }
    let spans = [
        ("host.name", envelope.host),
        ("squelch.instance", envelope.instance),
        ("process.pid", envelope.pid),
        ("thread.name", envelope.thread),
        ("log.logger", envelope.logger),
    ];
    fields.extend(spans.into_iter().filter_map(|(name, span)| span.map(|span| field(name, span, line))));
    for extra in &envelope.extras {
        fields.push(match extra.part {
            ExtraPart::Text(span) => field("text field", span, line),
            ExtraPart::Code(span) => field("code field", span, line),
            ExtraPart::Key => field("key", extra.key, line),
        });
    }
    fields
}

fn captures(guess: &Guess, message: &[u8]) -> Vec<Field> {
    let spans = [("attempt", guess.attempt), ("max_attempts", guess.max_attempts), ("delay", guess.delay), ("target", guess.target)];
    spans.into_iter().filter_map(|(name, span)| span.map(|span| field(name, span, message))).collect()
}

fn field(name: &'static str, span: Span, text: &[u8]) -> Field {
    Field { name, start: span.start, end: span.end, value: lossy(span.of(text)) }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the default options do with a record of this class.
fn decision(class: Class, source: &ClassSource, options: &Options) -> String {
    let first = if options.keep_first == 1 { "record".to_owned() } else { format!("{} records", options.keep_first) };
    match class {
        Class::None => format!("passes; collapses only while its template floods ({} a second and more)", options.flood_per_second),
        Class::Recovery | Class::Exhausted => "the first of a cell passes and closes the window of its stream; repeats are absorbed".into(),
        _ if matches!(source, ClassSource::Rule(_)) => format!("the first {first} of an episode passes; repeats are absorbed (a rule knows it)"),
        _ => format!(
            "the first {first} of an episode passes; repeats are absorbed once there are {} in 10 s or {} in 10 min (a rule would absorb from the second)",
            options.guess_in_10s, options.guess_in_10min
        ),
    }
}

/// The picture: the line, what was found under it, then the facts.
fn show(explanation: &Explanation, line: &[u8], style: Style) -> String {
    let mut out = String::new();
    write_picture(&mut out, explanation, line, style).expect("writing to memory cannot fail");
    out
}

fn write_picture(out: &mut String, explanation: &Explanation, line: &[u8], style: Style) -> std::fmt::Result {
    let spans: Vec<(u32, u32, &str)> = explanation
        .fields
        .iter()
        .chain(std::iter::once(&explanation.message))
        .filter(|field| field.name != "key")
        .map(|field| (field.start, field.end, field.name))
        .collect();
    write_underlined(out, line, &spans, style)?;
    writeln!(out)?;
    let mut fact = |name: &str, value: &str| writeln!(out, "{}{name:<12}{} {value}", style.on(DIM), style.off());
    fact("envelope", &if explanation.layers.is_empty() { "none".to_owned() } else { explanation.layers.join(" > ") })?;
    fact("time", explanation.time.as_deref().unwrap_or("the line states none"))?;
    fact("severity", if explanation.severity == Severity::Unknown.as_str() { "the line states none" } else { explanation.severity })?;
    if explanation.is_partial {
        fact("partial", "the runtime cut the line; the next one goes on")?;
    }
    fact("joins as", &explanation.role)?;
    writeln!(out)?;
    let decoded = explanation.decoded.as_deref().map(str::as_bytes);
    let text = decoded.unwrap_or_else(|| line.get(explanation.message.start as usize..explanation.message.end as usize).unwrap_or_default());
    let shift = if decoded.is_some() { 0 } else { explanation.message.start };
    let inside = |mask: &&MaskField| mask.start >= shift && (mask.end - shift) as usize <= text.len();
    let masks: Vec<(u32, u32, &str)> =
        explanation.masks.iter().filter(inside).map(|mask| (mask.start - shift, mask.end - shift, mask.placeholder)).collect();
    write_underlined(out, text, &masks, style)?;
    writeln!(out)?;
    let mut fact = |name: &str, value: &str| writeln!(out, "{}{name:<12}{} {value}", style.on(DIM), style.off());
    fact("template", &style.paint(BOLD, &visible(explanation.template.as_bytes())))?;
    fact("fingerprint", &explanation.fingerprint)?;
    let source = explanation.rule.as_ref().map_or_else(|| "a guess by generic words".to_owned(), |rule| format!("rule {rule}"));
    fact("class", &if explanation.class == "none" { "none".to_owned() } else { format!("{}, {source}", explanation.class) })?;
    for capture in &explanation.captures {
        fact(capture.name, &visible(capture.value.as_bytes()))?;
    }
    fact("decision", &explanation.decision)
}

/// A text with its parts underlined and named, at most so many rows that no names overlap.
fn write_underlined(out: &mut String, text: &[u8], spans: &[(u32, u32, &str)], style: Style) -> std::fmt::Result {
    writeln!(out, "  {}", visible(text))?;
    let column = |at: u32| visible(text.get(..at as usize).unwrap_or(text)).chars().count();
    let mut spans: Vec<(usize, usize, &str)> =
        spans.iter().map(|&(start, end, name)| (column(start), column(end), name)).filter(|(start, end, _)| end > start).collect();
    spans.sort_unstable();
    let mut marks = String::new();
    for &(start, end, _) in &spans {
        let at = marks.chars().count();
        if start >= at {
            marks.extend(std::iter::repeat_n(' ', start - at));
            marks.extend(std::iter::repeat_n('^', end - start));
        }
    }
    if marks.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}", style.paint(OURS, &marks))?;
    // Names go into the first row where they do not touch another.
    let mut rows: Vec<String> = Vec::new();
    for &(start, _, name) in &spans {
        let free = |row: &String| row.chars().count() < start || row.is_empty();
        let at = rows.iter().position(free).unwrap_or_else(|| {
            rows.push(String::new());
            rows.len() - 1
        });
        let used = rows[at].chars().count();
        rows[at].extend(std::iter::repeat_n(' ', start - used));
        rows[at].push_str(name);
    }
    for row in rows {
        writeln!(out, "  {}", style.paint(DIM, &row))?;
    }
    Ok(())
}

fn visible(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_visible(&mut out, text, false);
    // A tab would put the marks under the wrong bytes.
    String::from_utf8_lossy(&out).replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_underlined_where_they_stand_and_names_do_not_overlap() {
        let mut out = String::new();
        write_underlined(&mut out, b"retry 12 of 13 in 5s", &[(6, 8, "<num>"), (12, 14, "<num>"), (18, 20, "<dur>")], Style::default()).unwrap();
        assert_eq!(out, "  retry 12 of 13 in 5s\n        ^^    ^^    ^^\n        <num> <num> <dur>\n");
        out.clear();
        write_underlined(&mut out, b"a 1 2", &[(2, 3, "<num>"), (4, 5, "<num>")], Style::default()).unwrap();
        assert_eq!(out, "  a 1 2\n    ^ ^\n    <num>\n      <num>\n");
    }

    #[test]
    fn control_characters_and_wide_text_do_not_shift_the_marks() {
        let mut out = String::new();
        write_underlined(&mut out, "ü\x1b 1".as_bytes(), &[(4, 5, "<num>")], Style::default()).unwrap();
        assert_eq!(out, "  ü\\e 1\n      ^\n      <num>\n");
    }

    #[test]
    fn an_empty_line_is_explained_too() {
        let explanation = explain(b"", &Classifier::new(None));
        assert_eq!(explanation.class, "none");
        assert!(show(&explanation, b"", Style::default()).contains("fingerprint"));
    }

    #[test]
    fn the_json_form_carries_positions() {
        let value: serde_json::Value =
            serde_json::from_slice(&explained(b"retrying in 5s", &Classifier::new(None), OutputFormat::Json, Style::default())).unwrap();
        assert_eq!(value["line"], "retrying in 5s");
        assert_eq!(value["message"]["end"], 14);
        assert_eq!(value["fingerprint"].as_str().unwrap().len(), 16);
    }
}

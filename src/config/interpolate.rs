//! `${env:NAME}` and `${file:PATH}` in texts, so that secrets need not stand in the file.

use super::surroundings::Surroundings;
use crate::inputs::open::plain;
use std::path::{Path, PathBuf};

/// The most bytes of a file that stands in a text: a token, not a document.
const FILE_BYTES_MAX: usize = 64 << 10;

/// A text after it was looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// What counts.
    pub text: String,
    /// Something was put in: the result is shown to nobody, what was written is.
    pub is_interpolated: bool,
    /// Files that were read.
    pub files: Vec<PathBuf>,
}

/// Replaces what stands in `${...}`. `$${` is a literal `${`; a `$` before anything else is a `$`.
///
/// # Errors
/// What is wrong and what to do.
pub(super) fn expand(written: &str, surroundings: &dyn Surroundings) -> Result<Expanded, String> {
    let mut out = Expanded { text: String::with_capacity(written.len()), is_interpolated: false, files: Vec::new() };
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.text.push_str(&rest[..at]);
            out.text.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.text.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = end_of(inside).ok_or("a `${` has no `}`; write ${env:NAME} or ${file:PATH}, or $${ for a literal ${")?;
        out.text.push_str(&value(&inside[..end], surroundings, &mut out.files)?);
        out.is_interpolated = true;
        rest = &inside[end + 1..];
    }
    out.text.push_str(rest);
    Ok(out)
}

/// Where the `}` stands that belongs to a `${` before `inside`.
fn end_of(inside: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn value(inside: &str, surroundings: &dyn Surroundings, files: &mut Vec<PathBuf>) -> Result<String, String> {
    match inside.split_once(':') {
        Some(("env", rest)) => {
            let (name, otherwise) = rest.split_once(":-").map_or((rest, None), |(name, otherwise)| (name, Some(otherwise)));
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                return Err(format!("`{name}` is no name of a variable; write for example ${{env:TOKEN}}"));
            }
            surroundings.variable(name).or_else(|| otherwise.map(str::to_owned)).ok_or_else(|| {
                format!(
                    "the variable {name} is not set; set it where squelch is started, or write ${{env:{name}:-text}} with a text to use without it"
                )
            })
        }
        Some(("file", path)) => {
            // `${file:${env:CREDENTIALS_DIRECTORY}/token}` is how systemd hands credentials over.
            let path = match path.strip_prefix("${").and_then(|inner| end_of(inner).map(|end| (&inner[..end], &inner[end + 1..]))) {
                Some((inner, tail)) if inner.starts_with("env:") => value(inner, surroundings, files)? + tail,
                _ => path.to_owned(),
            };
            let path = PathBuf::from(path);
            let text = read(&path, surroundings)?;
            files.push(path);
            Ok(text)
        }
        _ => Err(format!("`${{{inside}}}` is not known; write ${{env:NAME}} or ${{file:PATH}}, or $${{ for a literal ${{")),
    }
}

fn read(path: &Path, surroundings: &dyn Surroundings) -> Result<String, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("the path `{shown}` in ${{file:...}} must be absolute; write for example ${{file:/run/secrets/token}}"));
    }
    let bytes = surroundings.read(path).map_err(|error| format!("cannot read {shown}: {}", plain(&error)))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("{shown} has {} bytes; a file that stands in a text may have {FILE_BYTES_MAX}", bytes.len()));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8; it must hold one line of text"))?;
    // Editors and `echo` end files with a newline; no token does.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::FakeMachine;
    use super::*;

    fn check(written: &str, expected: Result<&str, &str>) {
        let machine = FakeMachine::default()
            .variable("TOKEN", "s3cret")
            .variable("EMPTY", "")
            .variable("CREDENTIALS_DIRECTORY", "/run/credentials/squelch.service")
            .file("/run/credentials/squelch.service/token", b"from systemd\n")
            .file("/run/secrets/two", b"a\nb\r\n")
            .file("/run/secrets/raw", b"\xff\xfe");
        match (expand(written, &machine), expected) {
            (Ok(found), Ok(text)) => assert_eq!(found.text, text, "{written}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{written}: {found}"),
            (found, _) => panic!("{written}: {found:?}"),
        }
    }

    #[test]
    fn variables_and_files_are_put_in() {
        check("Bearer ${env:TOKEN}!", Ok("Bearer s3cret!"));
        check("${env:EMPTY}", Ok(""));
        check("${env:NONE:-eu-1}/${env:TOKEN:-x}", Ok("eu-1/s3cret"));
        check("${file:/run/secrets/two}", Ok("a\nb"));
        check("${file:${env:CREDENTIALS_DIRECTORY}/token}", Ok("from systemd"));
    }

    #[test]
    fn a_dollar_alone_is_a_dollar() {
        check("^a$ {2} $x $", Ok("^a$ {2} $x $"));
        check("$${env:TOKEN}", Ok("${env:TOKEN}"));
    }

    #[test]
    fn what_is_missing_is_named() {
        check("${env:NONE}", Err("the variable NONE is not set"));
        check("${env:A-B}", Err("no name of a variable"));
        check("${file:/run/secrets/none}", Err("cannot read /run/secrets/none: no such file"));
        check("${file:token}", Err("must be absolute"));
        check("${file:/run/secrets/raw}", Err("not UTF-8"));
        check("${TOKEN}", Err("`${TOKEN}` is not known"));
        check("${env:TOKEN", Err("has no `}`"));
    }
}

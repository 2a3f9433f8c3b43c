//! The JSON Schema of `squelch.toml`, for editors: made from the same calls that read the file, so it knows the same keys. What a key is
//! for comes from the comments of `default.toml`.

use super::key::{Entry, Kind};
use super::{DEFAULT_FILE, Surroundings, keys};
use crate::units::write_duration;
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;

/// A machine that has nothing: what is generated must be the same everywhere.
pub(super) struct Nowhere;

impl Surroundings for Nowhere {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn exists(&self, _: &Path) -> bool {
        false
    }
    fn is_root(&self) -> bool {
        true
    }
    fn host_name(&self) -> Option<String> {
        None
    }
    fn is_world_readable(&self, _: &Path) -> bool {
        false
    }
}

/// The schema, indented, with a newline at its end.
#[must_use]
pub fn json_schema() -> String {
    let mut root = object("squelch.toml");
    for entry in keys(&Nowhere) {
        let mut parts: Vec<&str> = entry.section.split('.').filter(|part| !part.is_empty()).collect();
        let mut node = &mut root;
        if let Some(variant) = entry.variant {
            // [inputs.NAME]: one alternative for each `type`.
            let table = property(node, parts[0], || json!({ "type": "object", "additionalProperties": { "oneOf": [] } }));
            let alternatives = table["additionalProperties"]["oneOf"].as_array_mut().expect("it was made as an array in the line above");
            let at = alternatives.iter().position(|one| one["title"] == variant).unwrap_or_else(|| {
                let mut alternative = object(variant);
                alternative["properties"]["type"] = json!({ "const": variant });
                alternative["required"] = json!(["type"]);
                alternatives.push(alternative);
                alternatives.len() - 1
            });
            node = &mut alternatives[at];
            parts.drain(..2);
        }
        for part in parts {
            node = property(node, part, || object(part));
        }
        if entry.is_required && entry.key != "type" {
            node["required"].as_array_mut().expect("alternatives are made with a list of what they require").push(entry.key.into());
        }
        if entry.key != "type" {
            node["properties"][entry.key] = value(&entry);
        }
    }
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    serde_json::to_string_pretty(&root).expect("a JSON value can always be written") + "\n"
}

fn object(title: &str) -> Value {
    json!({ "title": title, "type": "object", "properties": {}, "additionalProperties": false })
}

fn property<'n>(node: &'n mut Value, name: &str, make: impl FnOnce() -> Value) -> &'n mut Value {
    let properties = node["properties"].as_object_mut().expect("every object is made with properties");
    properties.entry(name).or_insert_with(make)
}

fn value(entry: &Entry) -> Value {
    let mut schema = match entry.kind {
        Kind::Duration { .. } => json!({ "type": "string", "examples": ["10s", "500ms", "5m"] }),
        Kind::Durations(list) => json!({ "enum": list.iter().map(|d| write_duration(*d)).collect::<Vec<_>>() }),
        Kind::Size { least, most } => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": least, "maximum": most }], "examples": ["64KiB", "1MiB"] })
        }
        Kind::Count { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Ratio { least, most } => json!({ "type": "number", "minimum": least, "maximum": most }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Text(example) => json!({ "type": "string", "examples": [example] }),
        Kind::Secret => json!({ "type": "string", "examples": ["${env:NAME}", "${file:/run/secrets/name}"] }),
        Kind::Texts(example) => json!({ "type": "array", "items": { "type": "string" }, "examples": [[example]] }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Choices(words) => json!({ "type": "array", "items": { "enum": words } }),
        Kind::Map { .. } => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    };
    let fields = schema.as_object_mut().expect("each kind is an object");
    describe(entry, fields);
    schema
}

fn describe(entry: &Entry, fields: &mut Map<String, Value>) {
    fields.insert("description".into(), comment_of(entry).unwrap_or_default().into());
    if let Some(default) = entry.default.as_deref().and_then(|text| toml::from_str::<toml::Table>(&format!("x = {text}")).ok())
        && let Some(value) = default.get("x")
    {
        fields.insert("default".into(), serde_json::to_value(value).unwrap_or_default());
    }
}

/// What `default.toml` says above a key.
pub(super) fn comment_of(entry: &Entry) -> Option<String> {
    let keys = commented_keys();
    let own = keys.iter().find(|key| key.is(entry));
    let of_http = || keys.iter().find(|key| is_as_for_http(entry) && key.is(&Entry { variant: Some("http"), ..entry.clone() }));
    own.or_else(of_http).map(|key| key.comment.clone())
}

/// Some keys and tables are the same for each type of output: `default.toml` explains them once, for http.
pub(super) fn is_as_for_http(entry: &Entry) -> bool {
    entry.variant != Some("http")
        && match entry.section.as_str() {
            "outputs.NAME.delivery" | "outputs.NAME.route" | "outputs.NAME.auth" | "outputs.NAME.tls" => true,
            "outputs.NAME" => matches!(entry.key, "headers" | "compression"),
            _ => false,
        }
}

/// A key as it stands in `default.toml`.
#[derive(Clone, Debug)]
pub(super) struct CommentedKey {
    /// Its table, with the name of inputs and outputs as `NAME`.
    pub section: String,
    /// The `type` of that table.
    pub variant: Option<String>,
    pub key: String,
    /// What stands behind the `=`.
    #[cfg(test)]
    pub value: String,
    /// The prose above.
    pub comment: String,
}

impl CommentedKey {
    /// Whether it is this key.
    pub fn is(&self, entry: &Entry) -> bool {
        self.key == entry.key && self.section == entry.section && self.variant.as_deref() == entry.variant
    }
}

/// All keys of `default.toml`. Prose begins with `# `, a key or table that is commented out with `#`.
pub(super) fn commented_keys() -> Vec<CommentedKey> {
    let mut keys: Vec<CommentedKey> = Vec::new();
    let (mut section, mut variant, mut comment) = (String::new(), None, String::new());
    for line in DEFAULT_FILE.lines() {
        if let Some(prose) = line.strip_prefix("# ") {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(prose.trim());
            continue;
        }
        let code = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = code.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let mut parts: Vec<&str> = header.split('.').collect();
            if matches!(parts[0], "inputs" | "outputs") {
                if parts.len() == 2 {
                    variant = None;
                }
                parts[1] = "NAME";
            } else {
                variant = None;
            }
            section = parts.join(".");
        } else if let Some((key, value)) = code.split_once(" = ") {
            if key == "type" {
                variant = Some(value.trim_matches('"').to_owned());
            }
            keys.push(CommentedKey {
                section: section.clone(),
                variant: variant.clone(),
                key: key.into(),
                #[cfg(test)]
                value: value.into(),
                comment: comment.clone(),
            });
        }
        comment.clear();
    }
    keys
}

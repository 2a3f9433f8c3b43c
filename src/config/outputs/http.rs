//! `type = "http"`: batches of NDJSON by POST.

use super::{OutputType, auth, tls};
use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Auth, Compression, Destination, HttpOptions, TlsOptions};
use crate::secrets::is_secret_key;
use secrecy::SecretString;

pub(super) const TYPE: OutputType = OutputType { word: "http", read };

fn read(section: &mut Section<'_>) -> Option<Destination> {
    read_http(section, "https://logs.example.com/ingest").map(Destination::Http)
}

/// The keys of everything that speaks HTTP.
pub(super) fn read_http(section: &mut Section<'_>, example: &'static str) -> Option<HttpOptions> {
    let url = section.required_text("url", example, check_url);
    let headers = section.map("headers", "X-Tenant = \"shop\"", true, check_header);
    let compression =
        section.choice("compression", &["none", "gzip", "zstd"], &[Compression::None, Compression::Gzip, Compression::Zstd], Compression::default());
    let auth = section.table("auth", auth::read);
    let tls = section.table("tls", tls::read);
    if !matches!(auth, Auth::None) && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        section.mistake("headers", "holds Authorization, and there is [auth], too; delete one of them");
    }
    let url = url?;
    if url.starts_with("http://") {
        let is_near = ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| url["http://".len()..].starts_with(host));
        if !matches!(auth, Auth::None) && !is_near {
            section.warn("url", "sends credentials without encryption; use https://");
        }
        if tls != TlsOptions::default() {
            section.warn("tls", "has no effect: the url begins with http://");
        }
    }
    let headers = headers.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect();
    Some(HttpOptions { url, headers, auth, tls, compression })
}

/// A URL that squelch can send to, whatever else it holds.
pub(super) fn check_secret_url(text: &str) -> Result<(), String> {
    parse_url(text).map(drop)
}

fn parse_url(text: &str) -> Result<reqwest::Url, String> {
    // What is wrong is told without the text: it may hold a password.
    if !text.contains("://") {
        return Err("must begin with http:// or https://, like \"https://logs.example.com/ingest\"".into());
    }
    let url = reqwest::Url::parse(text).map_err(|error| format!("is no URL ({error}); write for example \"https://logs.example.com/ingest\""))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("must begin with http:// or https://, not {}:", url.scheme()));
    }
    if !url.has_host() {
        return Err("names no host; write for example \"https://logs.example.com/ingest\"".into());
    }
    Ok(url)
}

pub(super) fn check_url(text: &str) -> Result<String, String> {
    let url = parse_url(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or password; put them into the [auth] table of this output, where they are not shown".into());
    }
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| is_secret_key(key.as_bytes())) {
        return Err(format!("holds a secret (`{key}`), and URLs are shown; put it into `headers` or the [auth] table of this output"));
    }
    if url.fragment().is_some() {
        return Err("holds a `#` and what follows it, which is never sent; delete it".into());
    }
    Ok(text.to_owned())
}

/// Headers that squelch sets by itself, and where to say what they should be.
const OURS: [(&str, &str); 6] = [
    ("content-type", "squelch sets it"),
    ("content-encoding", "set `compression`"),
    ("content-length", "squelch sets it"),
    ("transfer-encoding", "squelch sets it"),
    ("host", "it comes from `url`"),
    ("idempotency-key", "squelch sets it"),
];

pub(super) fn check_header(name: &str, value: &str) -> Result<(), String> {
    let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_token {
        return Err(format!("{} is no name of a header; it has letters, digits and `-`", text_literal(name)));
    }
    if let Some((_, instead)) = OURS.iter().find(|(ours, _)| name.eq_ignore_ascii_case(ours)) {
        return Err(format!("cannot be set here: {instead}"));
    }
    if value.bytes().any(|byte| byte < b' ' || byte == 0x7f) || !value.is_ascii() {
        return Err("the value of a header is one line of ASCII".into());
    }
    Ok(())
}

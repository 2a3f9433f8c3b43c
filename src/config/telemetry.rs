//! `[telemetry]` and `[log]`: what squelch says about itself.

use super::checked::{FINGERPRINTS_LIMIT, Telemetry};
use super::key::text_literal;
use super::reader::Section;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Nobody scrapes more often, and a message that is looked at each five minutes tells of no storm.
const SCRAPE_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// The variable that sets the filter of our own log for one start, whatever the file says.
pub(super) const FILTER_VARIABLE: &str = "SQUELCH_LOG";

/// Reads `[telemetry]`.
pub(super) fn read(section: &mut Section<'_>) -> Telemetry {
    let defaults = Telemetry::default();
    let listen = address(section, "listen", defaults.listen);
    let api_listen = address(section, "api_listen", defaults.api_listen);
    let api_token = section.secret("api_token");
    if let (Some(listen), Some(api)) = (listen, api_listen)
        && listen.port() == api.port()
        && (listen.ip() == api.ip() || listen.ip().is_unspecified() || api.ip().is_unspecified())
        && api.port() != 0
    {
        let place = if section.has("api_listen") { "api_listen" } else { "listen" };
        section.mistake(place, format!("`listen` ({listen}) and `api_listen` ({api}) are the same place; give them two ports"));
    }
    if let Some(api) = api_listen
        && !api.ip().is_loopback()
        && api_token.is_none()
    {
        section.mistake(
            "api_listen",
            format!("{api} is reachable from other machines and the API shows what logs say; set `api_token`, or listen on 127.0.0.1:{}", api.port()),
        );
    }
    let host = |text: &str| match text.is_empty() || text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        true => Err(format!("{} is no name of a host; write it without scheme and port, like \"node-7.example.net\"", text_literal(text))),
        false => Ok(()),
    };
    let hosts = section.texts("hosts", &defaults.hosts, "node-7.example.net", host).into_iter().map(|host| host.value).collect();
    let scrape_interval = section.duration("scrape_interval", defaults.scrape_interval, SCRAPE_INTERVALS);
    let fingerprints_max = section.count("fingerprints_max", defaults.fingerprints_max as u64, 0..=FINGERPRINTS_LIMIT as u64) as usize;
    Telemetry { listen, api_listen, api_token, hosts, scrape_interval, fingerprints_max, ..defaults }
}

/// Reads `[log]`.
pub(super) fn read_log(section: &mut Section<'_>, telemetry: &mut Telemetry) {
    let check = |text: &str| match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("is empty; write a level, like \"info\"".to_owned()),
        Err(error) => {
            Err(format!("{} is no filter ({error}); write a level like \"info\", or parts like \"info,squelch::outputs=debug\"", text_literal(text)))
        }
    };
    let filter = section.text("filter", &telemetry.log_filter, "info,squelch::outputs=debug", check);
    telemetry.log_filter = filter.unwrap_or_else(|| telemetry.log_filter.clone());
    telemetry.log_json = section.choice("format", &["text", "json"], &[false, true], telemetry.log_json);
    if let Some(filter) = section.context.surroundings.variable(FILTER_VARIABLE).filter(|filter| check(filter).is_ok()) {
        section.overrule("filter", text_literal(&filter));
        telemetry.log_filter = filter;
    }
}

fn address(section: &mut Section<'_>, key: &'static str, default: Option<SocketAddr>) -> Option<SocketAddr> {
    let shown = default.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let check = |text: &str| match text {
        "off" => Ok(None),
        _ => socket_address(text).map(Some),
    };
    section.text(key, &shown, "127.0.0.1:9977", check).unwrap_or(default)
}

/// `HOST:PORT` with a number for the host.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let advice = match text.parse::<u16>() {
            Ok(port) => format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for all interfaces"),
            Err(_) => match text.strip_prefix(':').or_else(|| text.strip_prefix("localhost:")).or_else(|| text.strip_prefix("*:")) {
                Some(port) => format!("names are not looked up; write for example \"127.0.0.1:{port}\""),
                None => "write an IP address and a port, like \"127.0.0.1:9977\" or \"[::1]:9977\"".to_owned(),
            },
        };
        format!("{} is no address to listen on; {advice}", text_literal(text))
    })
}

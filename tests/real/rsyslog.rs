//! The syslog output against rsyslog, over TCP and over TLS.

use crate::comparing::{Comparison, FIELDS, Found, Rules, SYSLOG_DOUBLED_MAX};
use crate::installed::{installed, skipped};
use crate::record::Maker;
use crate::sending::{Running, records};
use crate::server::Server;
use serde_json::Value;
use squelch::outputs::destination::{Destination, SyslogOptions, TlsOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest message here, so that a megabyte comes through whole.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// What it writes, an object a line.
const FILE: &str = "messages.json";

/// Where distributions keep its modules, below a folder for the architecture.
const TLS_MODULE: &str = "rsyslog/lmnsd_gtls.so";

fn configuration(folder: &Path, port: u16, tls: Option<&Path>) -> Vec<String> {
    let (global, module, input) = match tls {
        None => (String::new(), "", ""),
        Some(folder) => (
            format!(
                r#"defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{0}/ca.pem" defaultNetstreamDriverCertFile="{0}/cert.pem" defaultNetstreamDriverKeyFile="{0}/key.pem""#,
                folder.display()
            ),
            r#"streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon""#,
            "",
        ),
    };
    let text = format!(
        r#"
global(workDirectory="{folder}" maxMessageSize="{MESSAGE_BYTES_MAX}" {global})
module(load="imtcp" maxFrameSize="{MESSAGE_BYTES_MAX}" {module})
input(type="imtcp" address="127.0.0.1" port="{port}" {input})
template(name="object" type="list") {{
    constant(value="{{")
    property(outname="text" name="msg" format="jsonf")
    constant(value=",")
    property(outname="data" name="structured-data" format="jsonf")
    constant(value=",")
    property(outname="id" name="msgid" format="jsonf")
    constant(value="}}\n")
}}
action(type="omfile" file="{folder}/{FILE}" template="object")
"#,
        folder = folder.display()
    );
    let path = folder.join("rsyslog.conf");
    std::fs::write(&path, text).unwrap();
    vec!["-n".into(), "-f".into(), path.display().to_string(), "-i".into(), folder.join("pid").display().to_string()]
}

/// ` name="value"` of one element of structured data.
fn parameters(data: &str) -> BTreeMap<String, String> {
    let mut rest = data.trim_start_matches('[').split_once(' ').map_or("", |(_, rest)| rest);
    let mut parameters = BTreeMap::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut signs = after.char_indices();
        rest = "";
        while let Some((at, sign)) = signs.next() {
            match sign {
                '"' => {
                    rest = after[at + 1..].trim_start();
                    break;
                }
                '\\' => value.extend(signs.next().map(|(_, sign)| sign)),
                sign => value.push(sign),
            }
        }
        parameters.insert(name.to_owned(), value);
    }
    parameters
}

/// Whole lines of it.
fn read(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
}

/// The id in a line, without reading all of it.
fn uid(line: &str) -> &str {
    line.split_once("log.record.uid=\\\"").and_then(|(_, rest)| rest.get(..32)).unwrap_or_default()
}

/// It writes control characters as `#` and three octal digits when nothing else is set.
fn escaped(body: &str) -> String {
    body.chars().map(|sign| if sign < ' ' { format!("#{:03o}", sign as u32) } else { sign.to_string() }).collect()
}

fn found(file: &Path) -> Vec<Found> {
    let text = read(file);
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let found = objects.map(|object| {
        let mut parameters = parameters(object["data"].as_str().unwrap());
        let id = object["id"].as_str().unwrap().to_owned();
        let short = |name: &'static str| name.strip_prefix("squelch.").unwrap_or(name);
        let fields =
            FIELDS.iter().filter_map(|name| Some((*name, if *name == "event_name" { id.clone() } else { parameters.get(short(name))?.clone() })));
        let fields = fields.collect();
        let time = parameters.remove("timestamp").unwrap_or_default();
        Found {
            uid: parameters.remove("log.record.uid").unwrap_or_default(),
            time: time.parse::<jiff::Timestamp>().map_or(0, |time| i64::try_from(time.as_nanosecond()).unwrap()),
            body: object["text"].as_str().map(ToOwned::to_owned),
            fields,
        }
    });
    found.collect()
}

async fn check(name: &str, program: &Path, tls: Option<&Path>) {
    let mut server = Server::start(program, |folder, port| configuration(folder, port, tls));
    let count = records();
    let maker = Maker::until_now(count);
    let options = SyslogOptions {
        host: "localhost".into(),
        port: server.port,
        tls: tls.map(|folder| TlsOptions { ca_file: Some(folder.join("ca.pem")), ..TlsOptions::default() }),
        facility: 16,
        message_bytes_max: MESSAGE_BYTES_MAX,
    };
    let mut output = Running::start(name, Destination::Syslog(options), count, Arc::new(move |number| maker.record(number)));
    output.through_restarts(count, &mut server, |server, _| server.terminate()).await;
    let file = server.folder().join(FILE);
    server.until("write everything", || read(&file).lines().map(uid).collect::<BTreeSet<_>>().len() == count);
    server.terminate();
    // The encoder cuts long parameters.
    let field = |_: &str, value: &str| (value.len() < 2048).then(|| value.to_owned());
    let rules = Rules { body: escaped, field, doubled_max: SYSLOG_DOUBLED_MAX, ..Rules::default() };
    Comparison::new(maker, count, found(&file), &rules).tell("rsyslog", &output, count, &rules);
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_has_every_message_over_tcp() {
    let Some(program) = installed("rsyslogd") else { return };
    check("syslog", &program, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_has_every_message_over_tls() {
    let Some(program) = installed("rsyslogd") else { return };
    let folders = ["/usr/lib", "/usr/lib64"].into_iter().flat_map(|folder| {
        let below = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        below.chain([PathBuf::from(folder)]).collect::<Vec<_>>()
    });
    if !folders.into_iter().any(|folder| folder.join(TLS_MODULE).is_file()) {
        return skipped("rsyslog's TLS is not installed, syslog over TLS was not tried; apt-get install --no-install-recommends rsyslog-gnutls");
    }
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, text) in
        [("ca.pem", certificate.cert.pem()), ("cert.pem", certificate.cert.pem()), ("key.pem", certificate.signing_key.serialize_pem())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    check("syslog (TLS)", &program, Some(folder.path())).await;
}

//! `[outputs.NAME.tls]`: whom we trust, and our own certificate.

use crate::config::key::text_literal;
use crate::config::reader::Section;
use crate::outputs::destination::{Roots, TlsOptions};
use rustls::pki_types::ServerName;

pub(super) fn read(section: &mut Section<'_>) -> TlsOptions {
    let options = TlsOptions {
        roots: section.choice("roots", &["platform", "bundled"], &[Roots::Platform, Roots::Bundled], Roots::default()),
        ca_file: section.optional_path("ca_file", "/etc/squelch/ca.pem"),
        cert_file: section.optional_path("cert_file", "/etc/squelch/client.pem"),
        key_file: section.optional_path("key_file", "/etc/squelch/client.key"),
        server_name: section.optional_text("server_name", "logs.example.com", check_name),
        only_1_3: section.choice("min_version", &["1.2", "1.3"], &[false, true], TlsOptions::default().only_1_3),
        insecure_skip_verify: section.boolean("insecure_skip_verify", TlsOptions::default().insecure_skip_verify),
    };
    if section.has("cert_file") != section.has("key_file") {
        let (there, missing) = if section.has("cert_file") { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
        section.mistake(there, format!("needs `{missing}`, too: a certificate and its key go together"));
    }
    if options.ca_file.is_some() && options.roots == Roots::Bundled {
        section.mistake("roots", "has no effect beside `ca_file`; delete one of them");
    }
    if options.insecure_skip_verify {
        if options.server_name.is_some() {
            section.mistake("insecure_skip_verify", "makes `server_name` useless; delete one of them");
        }
        if options.ca_file.is_some() {
            section.mistake("insecure_skip_verify", "makes `ca_file` useless; delete one of them");
        } else {
            section.warn("insecure_skip_verify", "trusts anybody who answers; give `ca_file` with the certificate of your own authority instead");
        }
    }
    options
}

fn check_name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{} is no host name and no address; write for example \"logs.example.com\"", text_literal(text))),
    }
}

//! `[outputs.NAME.tls]`: whom we trust, and our own certificate.

use crate::config::reader::Section;
use crate::outputs::destination::TlsOptions;

pub(super) fn read(section: &mut Section<'_>) -> TlsOptions {
    let options = TlsOptions {
        ca_file: section.optional_path("ca_file", "/etc/squelch/ca.pem"),
        cert_file: section.optional_path("cert_file", "/etc/squelch/client.pem"),
        key_file: section.optional_path("key_file", "/etc/squelch/client.key"),
        insecure_skip_verify: section.boolean("insecure_skip_verify", TlsOptions::default().insecure_skip_verify),
    };
    if section.has("cert_file") != section.has("key_file") {
        let (there, missing) = if section.has("cert_file") { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
        section.mistake(there, format!("needs `{missing}`, too: a certificate and its key go together"));
    }
    if options.insecure_skip_verify {
        if options.ca_file.is_some() {
            section.mistake("insecure_skip_verify", "makes `ca_file` useless; delete one of them");
        } else {
            section.warn("insecure_skip_verify", "trusts anybody who answers; give `ca_file` with the certificate of your own authority instead");
        }
    }
    options
}

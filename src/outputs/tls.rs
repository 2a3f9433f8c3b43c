//! TLS of outputs: rustls with ring. Trusted are the certificates of `ca_file`, else those of the platform, else (an image without any, or when it
//! is set so) those that are compiled in. TLS 1.2 and 1.3, or 1.3 alone.

use super::destination::{Roots, TlsOptions};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or keys.
    #[error("{what} {path}: {reason}")]
    File {
        /// `certificates`, `key` ...
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Only one of two.
    #[error("a client certificate needs both cert_file and key_file")]
    HalfOfPair,
    /// No name.
    #[error("server_name `{0}`: write a host name or an address")]
    Name(String),
    /// What rustls says.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
    /// What it says of roots.
    #[error("certificates cannot be checked: {0}")]
    Roots(#[from] rustls::client::VerifierBuilderError),
}

/// The client side for these options, speaking HTTP/2 and HTTP/1.1.
///
/// # Errors
/// When a file cannot be read or holds nothing of use.
pub fn client_config(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = if options.only_1_3 { &[&rustls::version::TLS13] } else { rustls::DEFAULT_VERSIONS };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = if options.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(options)?), provider).build()?;
        match &options.server_name {
            None => builder.with_webpki_verifier(verifier),
            Some(name) => {
                let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone()))?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(OtherName { verifier, name }))
            }
        }
    };
    let mut config = match (&options.cert_file, &options.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error("key", key, error))?;
            builder.with_client_auth_cert(chain, key)?
        }
        _ => return Err(TlsError::HalfOfPair),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_file {
        let (added, _) = roots.add_parsable_certificates(certificates(path)?);
        if added == 0 {
            return Err(file_error("certificates", path, "none of them can be used as a root"));
        }
        return Ok(roots);
    }
    if options.roots == Roots::Platform {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error("certificates", path, error))?;
    if found.is_empty() { Err(file_error("certificates", path, "holds no certificate in PEM form")) } else { Ok(found) }
}

fn file_error(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File { what, path: path.to_owned(), reason: reason.to_string() }
}

/// Wants a certificate for another name than that of the host: `server_name`.
#[derive(Debug)]
struct OtherName {
    verifier: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for OtherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Trusts anybody: `insecure_skip_verify`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no pem").unwrap();
        let missing = TlsOptions { ca_file: Some(folder.path().join("none.pem")), ..TlsOptions::default() };
        assert!(client_config(&missing).unwrap_err().to_string().contains("none.pem: "));
        let nothing = TlsOptions { ca_file: Some(empty.clone()), ..TlsOptions::default() };
        assert!(client_config(&nothing).unwrap_err().to_string().ends_with("empty.pem: holds no certificate in PEM form"));
        let half = TlsOptions { cert_file: Some(empty), ..TlsOptions::default() };
        assert_eq!(client_config(&half).unwrap_err().to_string(), "a client certificate needs both cert_file and key_file");
        let name = TlsOptions { server_name: Some("no name".into()), ..TlsOptions::default() };
        assert_eq!(client_config(&name).unwrap_err().to_string(), "server_name `no name`: write a host name or an address");
    }

    #[test]
    fn there_are_roots_where_nothing_is_said() {
        assert!(client_config(&TlsOptions::default()).is_ok(), "those of the platform, or those compiled in");
        let bundled = TlsOptions { roots: Roots::Bundled, ..TlsOptions::default() };
        assert_eq!(roots(&bundled).unwrap().len(), webpki_roots::TLS_SERVER_ROOTS.len());
    }
}

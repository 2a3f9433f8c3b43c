//! Certificates of a test, and servers that show them.

use rustls::{ConfigBuilder, ServerConfig};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Makes certificates.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }
    pub fn certify(&self, name: &str, until_year: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
    pub fn acceptor(&self, name: &str, until_year: i32) -> TlsAcceptor {
        self.serve(name, until_year, server(rustls::ALL_VERSIONS).with_no_client_auth(), &[])
    }
    /// One that speaks HTTP/2 if that is wished for.
    pub fn acceptor_h2(&self, name: &str) -> TlsAcceptor {
        self.serve(name, 2099, server(rustls::ALL_VERSIONS).with_no_client_auth(), &["h2", "http/1.1"])
    }
    /// One that is too old for some.
    pub fn acceptor_1_2(&self, name: &str) -> TlsAcceptor {
        self.serve(name, 2099, server(&[&rustls::version::TLS12]).with_no_client_auth(), &[])
    }
    /// Only for clients with a certificate of this authority.
    pub fn acceptor_for_clients(&self, name: &str) -> TlsAcceptor {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        self.serve(name, 2099, server(rustls::ALL_VERSIONS).with_client_cert_verifier(clients), &[])
    }
    fn serve(
        &self,
        name: &str,
        until_year: i32,
        config: ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
        protocols: &[&str],
    ) -> TlsAcceptor {
        let (certificate, key) = self.certify(name, until_year);
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn server(versions: &[&'static rustls::SupportedProtocolVersion]) -> ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap()
}

//! What can be set about NATS.

use crate::outputs::destination::TlsOptions;
use crate::outputs::encode::nats::Subject;
use secrecy::SecretString;
use std::fmt;
use std::path::PathBuf;

/// The port of a server when nothing else is said.
pub const PORT_DEFAULT: u16 = 4222;

/// Begins the subjects that acknowledgements come on.
pub const INBOX_PREFIX_DEFAULT: &str = "_INBOX";

/// Settings of a NATS output.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// Servers of one cluster. Each attempt tries each of them once, until one answers.
    pub urls: Vec<ServerUrl>,
    /// Where records are published.
    pub subject: Subject,
    /// Who we are.
    pub auth: NatsAuth,
    /// TLS, when a URL or the server asks for it.
    pub tls: TlsOptions,
    /// The handshake comes before anything is said (`handshake_first` of the server).
    pub tls_first: bool,
    /// Accounts with narrow permissions allow an inbox of their own.
    pub inbox_prefix: String,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Nothing is said without TLS.
    pub is_tls: bool,
}

impl ServerUrl {
    /// Reads `nats://HOST[:PORT]` or `tls://HOST[:PORT]`.
    ///
    /// # Errors
    /// When it is neither, in words that do not repeat it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (is_tls, rest) = match text.split_once("://") {
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            _ => return Err("must begin with nats:// or tls://, like \"nats://nats.example.com:4222\"".into()),
        };
        if rest.contains('@') {
            return Err("holds a user, password or token; put them into the [auth] table of this output, where they are not shown".into());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(PORT_DEFAULT), |port| port.parse().ok().filter(|port| *port > 0));
        match port {
            Some(port) if !host.is_empty() && !host.contains(['/', ' ', '?', '#', ',']) => Ok(Self { host: host.to_owned(), port, is_tls }),
            _ => Err("names no HOST:PORT; write for example \"nats://nats.example.com:4222\"".into()),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Who we are. A client certificate is TLS's business.
#[derive(Clone, Debug, Default)]
pub enum NatsAuth {
    /// Nobody.
    #[default]
    None,
    /// A token.
    Token(SecretString),
    /// A token in a file that is read for each connection.
    TokenFile(PathBuf),
    /// A user with a password.
    User {
        /// Name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// A key that signs, with or without a JWT: a file that is read for each connection.
    Credentials(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(ServerUrl::parse(text).map_or_else(|error| error, |url| url.to_string()), expected, "{text}");
    }

    #[test]
    fn servers_are_named_by_urls() {
        check("nats://n1", "nats://n1:4222");
        check("tls://n1.example.com:4443/", "tls://n1.example.com:4443");
        check("nats://[::1]:4223", "nats://[::1]:4223");
        check("nats://[::1]", "nats://[::1]:4222");
        check("n1:4222", "must begin with nats:// or tls://, like \"nats://nats.example.com:4222\"");
        check("ws://n1", "must begin with nats:// or tls://, like \"nats://nats.example.com:4222\"");
        check("nats://ada:pw@n1", "holds a user, password or token; put them into the [auth] table of this output, where they are not shown");
        for wrong in ["nats://", "nats://:4222", "nats://n1:0", "nats://n1:x", "nats://a,nats://b", "nats://n1/x"] {
            check(wrong, "names no HOST:PORT; write for example \"nats://nats.example.com:4222\"");
        }
    }
}

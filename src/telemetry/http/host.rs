//! The `Host` header, checked against DNS rebinding: a page in somebody's browser can make its own name point to 127.0.0.1 and then
//! read whatever is served there, because to the browser that is the page's own site. Such a request carries the page's name.

use std::net::IpAddr;

/// Whether a request that says it is for `host` is for us: a name of this machine's loopback, a name the user allows, or any address.
/// An address needs no check: it is no name that could point elsewhere. Prometheus and the kubelet come by the pod's.
pub fn is_ours(host: &str, allowed: &[String]) -> bool {
    let name = without_port(host.trim());
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((name, port)) if !port.contains(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_loopback_allowed_names_and_addresses_are_ours() {
        let allowed = ["node-7.example.net".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:9641",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:9641",
            "[::1]",
            "[::1]:9641",
            "10.1.2.3:9641",
            "node-7.Example.net:9641",
        ] {
            assert!(is_ours(host, &allowed), "{host}");
        }
    }

    #[test]
    fn any_other_name_is_not() {
        for host in ["", "evil.example", "evil.example:9641", "localhost.evil.example", "127.0.0.1.evil.example", "node-7", ":9641", "[::1", "a:b:c"]
        {
            assert!(!is_ours(host, &[]), "{host}");
        }
    }
}

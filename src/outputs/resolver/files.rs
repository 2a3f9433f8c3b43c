//! What stands in the hosts file and in `resolv.conf`. Pure.

use std::net::IpAddr;
use std::path::PathBuf;

/// Name servers that are asked, as in the C library.
const SERVERS_MAX: usize = 3;

/// Domains that are searched; Kubernetes allows 32.
const SEARCH_MAX: usize = 32;

/// Most dots that `ndots` may ask for, as in the C library.
const NDOTS_MAX: usize = 15;

/// Where it stands who has which address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `/etc/hosts`.
    pub hosts: PathBuf,
    /// `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// The port of name servers: 53.
    pub port: u16,
}

impl Default for Files {
    fn default() -> Self {
        Self { hosts: "/etc/hosts".into(), resolv_conf: "/etc/resolv.conf".into(), port: 53 }
    }
}

/// The addresses of a name (lower case, no dot at its end) in a hosts file, in the order of its lines.
pub(super) fn in_hosts(text: &[u8], name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next() else { continue };
        if words.any(|word| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(name))
            && let Ok(address) = address.parse()
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// What of `resolv.conf` is of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    /// In the order of the file.
    pub(super) servers: Vec<IpAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl Conf {
    /// Reads it as the C library does: of `search` and `domain` the last one counts; what is not understood is passed over.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut conf = Self { ndots: 1, ..Self::default() };
        for line in String::from_utf8_lossy(text).lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    if let Some(Ok(address)) = words.next().map(str::parse)
                        && conf.servers.len() < SERVERS_MAX
                    {
                        conf.servers.push(address);
                    }
                }
                Some(word @ ("search" | "domain")) => {
                    let most = if word == "domain" { 1 } else { SEARCH_MAX };
                    let domains = words.map(|domain| domain.trim_matches('.').to_ascii_lowercase()).filter(|domain| !domain.is_empty());
                    conf.search = domains.take(most).collect();
                }
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok()).next_back();
                    conf.ndots = ndots.map_or(conf.ndots, |ndots| ndots.min(NDOTS_MAX));
                }
                _ => {}
            }
        }
        conf
    }

    /// What to ask for, in order: whole names, with a dot at the end.
    pub(super) fn candidates(&self, name: &str, is_absolute: bool) -> Vec<String> {
        let as_it_is = format!("{name}.");
        if is_absolute {
            return vec![as_it_is];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}.")).collect();
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, as_it_is);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_hosts_file_has_the_addresses_of_all_its_lines() {
        let hosts = b"\xff broken\n127.0.0.1 localhost\n10.0.0.7\tlogs.example Logs # old: 10.0.0.8 logs\n#10.0.0.9 logs\nfd00::7 logs.\n10.0.0.7 logs\nno-address logs\n";
        let check = |name: &str, expected: &[&str]| {
            let found: Vec<String> = in_hosts(hosts, name).iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{name}");
        };
        check("logs", &["10.0.0.7", "fd00::7"]);
        check("logs.example", &["10.0.0.7"]);
        check("localhost", &["127.0.0.1"]);
        check("10.0.0.7", &[]);
        check("old", &[]);
    }

    #[test]
    fn resolv_conf_is_read_as_the_c_library_reads_it() {
        let conf = Conf::parse(
            b"; a comment\ndomain old.example\nsearch shop.svc.cluster.local. SVC.cluster.local\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\nnameserver fd00::53\nnameserver\noptions timeout:1 ndots:5 edns0\nwhat is this\n",
        );
        assert_eq!(conf.servers, ["10.96.0.10".parse::<IpAddr>().unwrap(), "fd00::53".parse().unwrap()]);
        assert_eq!(conf.search, ["shop.svc.cluster.local", "svc.cluster.local"]);
        assert_eq!(conf.ndots, 5);
        assert_eq!(Conf::parse(b"nameserver 1.1.1.1\n".repeat(9).as_slice()).servers.len(), 3);
        assert_eq!(Conf::parse(b"options ndots:99\n").ndots, 15);
    }

    #[test]
    fn a_name_of_few_dots_is_searched_first_and_one_of_many_last() {
        let check = |conf: &str, name: &str, is_absolute: bool, expected: &[&str]| {
            assert_eq!(Conf::parse(conf.as_bytes()).candidates(name, is_absolute), expected, "{conf} {name}");
        };
        let kubernetes = "search ns.svc.cluster.local svc.cluster.local\noptions ndots:5";
        check(
            kubernetes,
            "loki.monitoring",
            false,
            &["loki.monitoring.ns.svc.cluster.local.", "loki.monitoring.svc.cluster.local.", "loki.monitoring."],
        );
        check(kubernetes, "loki.monitoring", true, &["loki.monitoring."]);
        check("search corp.example", "logs", false, &["logs.corp.example.", "logs."]);
        check("search corp.example", "logs.example.com", false, &["logs.example.com.", "logs.example.com.corp.example."]);
        check("", "logs", false, &["logs."]);
    }
}

//! From a path to the stream it belongs to. Pure.

use super::Layout;
use crate::inputs::event::StreamInfo;
use std::path::Path;

/// Endings of compressed rotations.
const COMPRESSED: [&str; 6] = [".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip"];

/// Whether the file is a compressed one: what it holds was read when it was not.
pub(super) fn is_compressed(path: &str) -> bool {
    COMPRESSED.iter().any(|ending| path.ends_with(ending))
}

/// The path that a log is written to: without what rotation appends (`.1`, `-20260101`, `.2026-01-01-10`, `.old`, `.bak`).
pub(super) fn logical(path: &str) -> &str {
    let directory = path.rfind('/').map_or(0, |slash| slash + 1);
    let mut end = path.len();
    loop {
        let name = &path[directory..end];
        let Some(at) = name.rfind(['.', '-', '_']).filter(|at| *at > 0) else { break };
        if !is_rotation(&name[at + 1..]) {
            break;
        }
        end = directory + at;
    }
    // A name that is all rotation (`2026-01-01`, `1.2`) is a name.
    if path[directory..end].bytes().any(|byte| byte.is_ascii_alphabetic()) { &path[..end] } else { path }
}

/// `1`, `20260101`, `20260101T101500Z`, `old`, `bak`.
fn is_rotation(part: &str) -> bool {
    let is_stamp = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z' | b':')) && part.bytes().any(|byte| byte.is_ascii_digit())
    };
    matches!(part, "old" | "bak") || (!part.is_empty() && part.len() <= 16 && is_stamp(part))
}

/// Which container wrote a file of the kubelet's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub uid: &'a str,
    pub container: &'a str,
    /// How often the container was restarted before it wrote this file.
    pub restarts: u32,
}

/// Reads `.../NAMESPACE_POD_UID/CONTAINER/N.log` and its rotations (`N.log.20260101-101500`).
pub(super) fn pod(path: &str) -> Option<Pod<'_>> {
    let mut parts = path.rsplit('/');
    let (file, container, owner) = (parts.next()?, parts.next()?, parts.next()?);
    let mut owner = owner.splitn(3, '_');
    let (namespace, pod, uid) = (owner.next()?, owner.next()?, owner.next()?);
    let (number, _) = file.split_once(".log")?;
    let restarts = number.parse().ok()?;
    (!namespace.is_empty() && !pod.is_empty() && !uid.is_empty() && !container.is_empty()).then_some(Pod { namespace, pod, uid, container, restarts })
}

/// What probably made a pod: its name without the hash of a ReplicaSet and of the pod, or without its ordinal. A guess: no API is asked.
fn workload(pod: &str) -> &str {
    let hashed = |part: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&part.len()) && part.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
    };
    let Some((before, last)) = pod.rsplit_once('-') else { return pod };
    if hashed(last, 5..=5) {
        return match before.rsplit_once('-') {
            Some((name, hash)) if hashed(hash, 6..=10) => name,
            _ => before,
        };
    }
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) { before } else { pod }
}

/// The stream that a file belongs to.
pub(super) fn stream(path: &str, layout: Layout) -> StreamInfo {
    match (layout, pod(path)) {
        (Layout::Pods, Some(Pod { namespace, pod, uid, container, restarts })) => {
            let resource = [
                ("k8s.namespace.name", namespace),
                ("k8s.pod.name", pod),
                ("k8s.pod.uid", uid),
                ("k8s.container.name", container),
                ("squelch.workload", workload(pod)),
            ];
            StreamInfo {
                key: format!("pod:{namespace}/{pod}/{uid}/{container}").into(),
                label: format!("{namespace}/{pod}/{container}").into(),
                resource: resource.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
                is_instance: true,
                restarts: Some(restarts),
            }
        }
        _ => {
            let path = logical(path);
            let name = Path::new(path).file_name().map_or_else(Default::default, |name| name.to_string_lossy().into_owned());
            StreamInfo {
                key: format!("file:{path}").into(),
                label: path.into(),
                resource: vec![("log.file.path".into(), path.into()), ("log.file.name".into(), name.into())],
                ..StreamInfo::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_siblings_belong_to_the_log_they_were() {
        for (path, expected) in [
            ("/var/log/app.log", "/var/log/app.log"),
            ("/var/log/app.log.1", "/var/log/app.log"),
            ("/var/log/app.log.12", "/var/log/app.log"),
            ("/var/log/app.log-20260101", "/var/log/app.log"),
            ("/var/log/app.log.2026-01-01-10", "/var/log/app.log"),
            ("/var/log/app.log.20260101T101500Z", "/var/log/app.log"),
            ("/var/log/app.log.old", "/var/log/app.log"),
            ("/var/log/syslog.1", "/var/log/syslog"),
            ("/var/log/app-v2.log", "/var/log/app-v2.log"),
            ("/var/log/2026-01-01", "/var/log/2026-01-01"),
            ("/var/log/node-3.d/x.log", "/var/log/node-3.d/x.log"),
            ("relative", "relative"),
        ] {
            assert_eq!(logical(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_of_the_kubelet_names_the_container() {
        let path = "/var/log/pods/shop_orders-7d9f4c6b8-gdlb7_0a1b-2c/app/3.log";
        let expected = Pod { namespace: "shop", pod: "orders-7d9f4c6b8-gdlb7", uid: "0a1b-2c", container: "app", restarts: 3 };
        assert_eq!(pod(path), Some(expected.clone()));
        assert_eq!(pod(&format!("{path}.20260101-101500")), Some(expected));
        for path in ["/var/log/pods/shop_orders/app/3.log", "/var/log/pods/a_b_c/app/x.log", "3.log", ""] {
            assert_eq!(pod(path), None, "{path}");
        }
    }

    #[test]
    fn a_workload_is_guessed_from_the_name_of_its_pod() {
        for (pod, expected) in
            [("orders-7d9f4c6b8-gdlb7", "orders"), ("agent-gdlb7", "agent"), ("db-0", "db"), ("single", "single"), ("my-app", "my-app")]
        {
            assert_eq!(workload(pod), expected, "{pod}");
        }
    }
}

//! What systemd wants to hear (`sd_notify(3)`): ready, reloading, stopping, a line of status, and that the engine loop turns.
//!
//! Without `NOTIFY_SOCKET` everything here does nothing. A message that cannot be sent is dropped: the service manager decides by what it
//! hears, and a log line about it each second would help nobody.

use crate::clock;
use sd_notify::NotifyState;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// The work can begin. `status` says in a few words with what.
pub fn ready(status: &str) {
    Notifier::from_env().send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A line for `systemctl status`.
pub fn status(status: &str) {
    Notifier::from_env().send(&[NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] ends it.
pub fn reloading() {
    // systemd 253 and newer want to know since when.
    let now = NotifyState::monotonic_usec_now().ok();
    let states: Vec<_> = std::iter::once(NotifyState::Reloading).chain(now).collect();
    Notifier::from_env().send(&states);
}

/// A stop has begun.
pub fn stopping() {
    Notifier::from_env().send(&[NotifyState::Stopping]);
}

/// A stop takes this much longer than systemd expects.
pub fn extend_stop(by: Duration) {
    Notifier::from_env().send(&[NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))]);
}

/// The watchdog, if the unit has one.
#[must_use]
pub fn watchdog() -> Option<Watchdog> {
    let notifier = Notifier::from_env();
    notifier.0.as_ref()?;
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
    Some(Watchdog::new(notifier, limit, clock::monotonic()))
}

/// Tells systemd that we live. Fed by the engine loop and nothing else: a loop that is stuck while other threads are well is a process
/// that must be restarted.
#[derive(Debug)]
pub struct Watchdog {
    notifier: Notifier,
    every: Duration,
    fed_at: Instant,
}

impl Watchdog {
    fn new(notifier: Notifier, limit: Duration, now: Instant) -> Self {
        Self { notifier, every: limit / 2, fed_at: now }
    }

    /// The engine loop has turned. Tells systemd twice per limit.
    pub fn beat(&mut self, now: Instant) {
        if now.saturating_duration_since(self.fed_at) >= self.every {
            self.fed_at = now;
            self.notifier.send(&[NotifyState::Watchdog]);
        }
    }

    /// The loop must turn at least this often.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.every
    }
}

/// The socket on which systemd listens, if it does.
#[derive(Clone, Debug)]
struct Notifier(Option<OsString>);

impl Notifier {
    fn from_env() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()))
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.0 else { return };
        let mut message = String::new();
        for state in states {
            // A newline would begin another message.
            message.push_str(&state.to_string().replace('\n', " "));
            message.push('\n');
        }
        let _ = send_to(socket, message.as_bytes());
    }
}

fn send_to(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let bytes = socket.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let from = UnixDatagram::unbound()?;
    // systemd's queue may be full: the engine loop does not wait for it.
    from.set_nonblocking(true)?;
    from.send_to_addr(message, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn systemd() -> (UnixDatagram, Notifier, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, Notifier(Some(path.into())), folder)
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 256];
        socket.recv(&mut bytes).ok().map(|count| String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    #[test]
    fn systemd_hears_one_message_with_all_it_is_told() {
        let (socket, notifier, _folder) = systemd();
        notifier.send(&[NotifyState::Ready, NotifyState::Status("reading 3 inputs\nREADY=0")]);
        assert_eq!(heard(&socket).as_deref(), Some("READY=1\nSTATUS=reading 3 inputs READY=0\n"));
    }

    #[test]
    fn the_watchdog_is_fed_twice_per_limit_and_only_by_the_loop() {
        let (socket, notifier, _folder) = systemd();
        let start = clock::monotonic();
        let mut watchdog = Watchdog::new(notifier, Duration::from_secs(30), start);
        watchdog.beat(start + Duration::from_secs(14));
        assert_eq!(heard(&socket), None);
        watchdog.beat(start + Duration::from_secs(15));
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1\n"));
        watchdog.beat(start + Duration::from_secs(29));
        assert_eq!(heard(&socket), None);
        watchdog.beat(start + Duration::from_secs(30));
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1\n"));
    }

    #[test]
    fn a_name_that_is_no_path_is_an_abstract_socket() {
        let name = format!("squelch-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Notifier(Some(format!("@{name}").into())).send(&[NotifyState::Stopping]);
        assert_eq!(heard(&socket).as_deref(), Some("STOPPING=1\n"));
    }

    #[test]
    fn without_a_socket_or_with_a_dead_one_nothing_happens() {
        Notifier(None).send(&[NotifyState::Ready]);
        let (socket, notifier, _folder) = systemd();
        drop(socket);
        notifier.send(&[NotifyState::Ready]);
    }
}

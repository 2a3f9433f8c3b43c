//! Any text as a configuration: it is refused with mistakes that have a place in it, or it is one that can be shown and read again.

use bolero::check;
use squelch::config::{Surroundings, load_on};
use std::io;
use std::path::Path;

/// A machine with one file.
struct Machine<'a>(&'a [u8]);

impl Surroundings for Machine<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/ada".to_owned())
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("/squelch.toml") { Ok(self.0.to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn exists(&self, _: &Path) -> bool {
        false
    }
    fn is_root(&self) -> bool {
        false
    }
    fn host_name(&self) -> Option<String> {
        None
    }
    fn is_world_readable(&self, _: &Path) -> bool {
        true
    }
}

#[test]
fn any_text_is_a_configuration_or_told_what_is_wrong() {
    check!().for_each(|bytes: &[u8]| {
        let path = Some(Path::new("/squelch.toml"));
        match load_on(path, &Machine(bytes)) {
            Ok(loaded) => {
                let shown = loaded.show();
                assert!(load_on(path, &Machine(shown.as_bytes())).is_ok() || shown.contains("***"), "{shown}");
            }
            Err(mistakes) => {
                assert!(!mistakes.list.is_empty());
                let lines = bytes.split(|&b| b == b'\n').count() as u32;
                assert!(mistakes.list.iter().all(|mistake| mistake.place.is_none_or(|(line, _)| (1..=lines).contains(&line))), "{mistakes}");
            }
        }
    });
}

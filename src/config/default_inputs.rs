//! What is read when the configuration names no input: what this machine has, each line once.

use super::surroundings::Surroundings;
use std::fmt::Write;
use std::path::Path;

/// The kubelet's logs.
const PODS: &str = "/var/log/pods";
/// Where the journal is: kept, or in memory.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
/// What syslog daemons write from the journal (beside `syslog` and `messages`): read once, as the journal.
const COPIES_OF_THE_JOURNAL: [&str; 7] = ["auth.log", "kern.log", "daemon.log", "user.log", "cron.log", "mail.log", "boot.log"];

/// The inputs as somebody would write them.
pub(super) fn text(surroundings: &dyn Surroundings) -> String {
    let there = |path: &str| surroundings.exists(Path::new(path));
    let has_pods = there(PODS);
    let has_journal = JOURNALS.into_iter().any(there) && surroundings.program(Path::new("journalctl")).is_some();
    let mut text = String::new();
    if has_pods {
        text.push_str("[inputs.pods]\ntype = \"kubernetes\"\n");
    }
    if has_journal {
        text.push_str("[inputs.journal]\ntype = \"journald\"\n");
    }
    text.push_str("[inputs.files]\ntype = \"file\"\ninclude = [\"/var/log/*.log\", \"/var/log/*/*.log\"");
    if !has_journal {
        text.push_str(", \"/var/log/syslog\", \"/var/log/messages\"");
    }
    // The kubelet's symlinks to what is read as pods; the journal's own files; what squelch itself may write.
    text.push_str("]\nexclude = [\"/var/log/containers/**\", \"/var/log/pods/**\", \"/var/log/journal/**\", \"/var/log/squelch/**\"");
    if has_journal {
        for name in COPIES_OF_THE_JOURNAL {
            let _ = write!(text, ", \"/var/log/{name}\"");
        }
    }
    text.push_str("]\n");
    text
}

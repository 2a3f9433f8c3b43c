//! Python, for what has no server of its own here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Python that has a module.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let cache = [("XDG_CACHE_HOME", ""), ("HOME", ".cache")]
        .into_iter()
        .find_map(|(variable, below)| Some(Path::new(&std::env::var_os(variable)?).join(below)));
    // Where .ci/run puts it.
    let of_ci = cache.map(|cache| cache.join("squelch-ci").join(module).join("bin/python"));
    let candidates = [std::env::var_os("SQUELCH_REAL_PYTHON").map(PathBuf::from), of_ci, Some("python3".into())];
    candidates.into_iter().flatten().find(|python| {
        let tried = Command::new(python).args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    })
}

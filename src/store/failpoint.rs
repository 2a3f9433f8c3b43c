//! Places where the process can be made to die, for the fault harness: `SQUELCH_FAILPOINT=NAME[:COUNT]` aborts at the COUNT-th passage
//! (default: the first). Compiled in for tests and with the feature `failpoints` only.

/// What a test does when a place is passed.
#[cfg(test)]
type Hook = Box<dyn FnMut(&'static str)>;

#[cfg(test)]
thread_local! {
    /// For the places that this thread passes.
    pub(super) static HOOK: std::cell::RefCell<Option<Hook>> = const { std::cell::RefCell::new(None) };
}

/// `before-begin`, `after-records`, `after-positions`, `before-commit`, `after-commit`, `before-checkpoint`.
#[cfg(any(test, feature = "failpoints"))]
pub(super) fn pass(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    #[cfg(test)]
    HOOK.with_borrow_mut(|hook| {
        if let Some(hook) = hook {
            hook(name);
        }
    });
    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("SQUELCH_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().unwrap_or(1)))
    });
    if let Some((chosen, count)) = chosen
        && chosen == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 >= *count
    {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(any(test, feature = "failpoints")))]
pub(super) const fn pass(_: &'static str) {}

//! Lines to records: what a line is to the line before it. Pure decisions; the engine holds the bytes.
//!
//! A line's [`Role`] is decided once per line shape (and remembered with it); [`JoinState`] says which roles may follow.
//! Joining is timid: a line without header, indentation or any sign of its own begins a record, even behind a header, because
//! gluing two records into one hides a line, while a torn record only costs a second template.

pub use super::signs::role;

/// What a line looks like to the record before it. Depends on nothing but the line's literal bytes and its envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Begins a record, has a header (time, level, logger ...).
    #[default]
    Headed,
    /// A structured record (JSON): complete in itself, nothing may follow.
    Sealed,
    /// First line of a record of `java.util.logging`: time, class and method; the level and the text stand in the next line.
    HeadedSource,
    /// Starts with a level word and has no other header (`SEVERE: text`): second line of a [`Role::HeadedSource`], else a record.
    LevelLine,
    /// PostgreSQL's `DETAIL:`, `HINT:`, `STATEMENT:` ... and PHP's `PHP Stack trace:` lines, which have a header of their own.
    Detail,
    /// No header, no sign that it continues anything.
    Plain,
    /// No header; a dotted name, alone or before a colon (`socket.timeout: timed out`): what ends a Python traceback.
    Named,
    /// No header; ends with an opening bracket (`connect failed {`): an indented block may follow.
    BlockOpen,
    /// A closing bracket at the left edge: the end of an indented block.
    BlockClose,
    /// Nothing but white space.
    Blank,
    /// Starts with a space.
    Indented,
    /// Starts with a tab.
    Tabbed,
    /// An exception with a qualified name at the left edge (`java.net.ConnectException: refused`, `Errno::ECONNREFUSED: ...`).
    Exception,
    /// An exception with a bare name at the left edge (`Error: connect refused`, `KeyboardInterrupt`), or Ruby's `x.rb:1:in 'f': text`.
    Error,
    /// Says that an exception follows or was not caught (`Exception in thread "main" ...`, `Unhandled exception. ...`, `PHP Fatal error: ...`).
    Opening,
    /// `Traceback (most recent call last):`
    Traceback,
    /// Python's `  File "x.py", line 3, in f`.
    PythonFrame,
    /// A frame of any other language, which can be told from the line alone.
    Frame,
    /// `Caused by:`, `Suppressed:`, ` ---> inner exception`.
    Cause,
    /// `... 12 more`, `--- End of inner exception stack trace ---`, `[CIRCULAR REFERENCE: ...]`.
    Elision,
    /// `During handling of the above exception, another exception occurred:` and its sister.
    Chain,
    /// `panic: ...` or `fatal error: ...` of a Go program.
    GoPanic,
    /// `[signal SIGSEGV: ...]`
    GoSignal,
    /// `goroutine 1 [running]:`
    Goroutine,
    /// `main.f(0x1)`, `created by main.g`: a Go frame, whose place stands in the next line.
    GoCall,
    /// `exit status 2`
    GoExit,
    /// `thread 'main' panicked at src/x.rs:1:2:`, whose text stands in the next line.
    RustPanic,
    /// `note: run with ...`, `stack backtrace:`, `Stack trace:`: part of a trace whose frames may follow.
    Note,
}

/// What a joined line is to the template of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Name and text of an exception or panic.
    Exception,
    /// A stack frame.
    Frame,
    /// An exception behind the first one.
    Cause,
    /// Text that belongs to the message.
    Text,
    /// Says nothing of its own: source lines, elisions, brackets, blanks.
    Skip,
}

impl Role {
    /// Whether a line of this role can ever continue a record; `false` says at once that it begins one.
    #[must_use]
    pub const fn can_continue(self) -> bool {
        !matches!(self, Self::Headed | Self::Sealed | Self::HeadedSource | Self::Opening | Self::BlockOpen | Self::GoPanic | Self::RustPanic)
    }

    /// What the first line of a record is to its template.
    #[must_use]
    pub const fn leading_part(self) -> Part {
        match self {
            Self::Exception | Self::Error | Self::Opening | Self::GoPanic | Self::RustPanic => Part::Exception,
            Self::Frame | Self::PythonFrame | Self::GoCall => Part::Frame,
            Self::Cause => Part::Cause,
            _ => Part::Text,
        }
    }
}

/// What has been seen of the record so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// A header and perhaps indented text.
    Head,
    /// The first of the two lines of `java.util.logging`.
    HeadSource,
    /// A line without header.
    Plain,
    /// An indented block behind an opening bracket.
    Block,
    /// An exception or what announces one.
    Opening,
    /// Frames.
    Trace,
    /// A Python traceback, its last line not yet seen.
    Python,
    /// The last line of a Python traceback.
    PythonEnd,
    /// The line that ties two Python tracebacks together.
    PythonChain,
    /// A Go panic before its first goroutine.
    Go,
    /// Goroutines and their frames.
    GoTrace,
    /// A Rust panic whose text is still to come.
    Rust,
    /// Nothing can follow.
    Done,
}

/// How far the record at hand has come: what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinState {
    context: Context,
    /// The last line was blank: only what is sure to belong to the record may follow.
    after_blank: bool,
    /// Something indented was seen: a closing bracket may follow.
    has_block: bool,
}

impl JoinState {
    /// A record begins with a line of this role.
    #[must_use]
    #[inline]
    pub const fn begin(role: Role) -> Self {
        let context = match role {
            Role::Headed | Role::LevelLine | Role::Detail => Context::Head,
            Role::HeadedSource => Context::HeadSource,
            Role::Plain | Role::Named => Context::Plain,
            Role::BlockOpen => Context::Block,
            Role::Exception | Role::Error | Role::Opening => Context::Opening,
            Role::Frame | Role::Cause | Role::Elision | Role::Note => Context::Trace,
            Role::Traceback | Role::PythonFrame => Context::Python,
            Role::Chain => Context::PythonChain,
            Role::GoPanic => Context::Go,
            Role::Goroutine | Role::GoCall => Context::GoTrace,
            Role::RustPanic => Context::Rust,
            // Indented lines on their own are as often a program's way to print lists as the rest of something.
            Role::Sealed | Role::Blank | Role::Indented | Role::Tabbed | Role::BlockClose | Role::GoSignal | Role::GoExit => Context::Done,
        };
        Self { context, after_blank: false, has_block: matches!(role, Role::BlockOpen) }
    }

    /// The state after a line of `role` when that line belongs to the record, else `None`: it begins a record of its own.
    #[must_use]
    #[inline]
    pub fn accept(self, role: Role) -> Option<Self> {
        if !role.can_continue() || self.context == Context::Done {
            return None;
        }
        if role == Role::Blank {
            // A blank line says nothing: it goes with what came before, so that it is absorbed with it.
            return Some(Self { after_blank: true, ..self });
        }
        let context = if self.after_blank { self.over_a_gap(role) } else { self.directly(role) }?;
        let has_block = self.has_block || matches!(role, Role::Indented | Role::Tabbed | Role::Frame | Role::PythonFrame);
        Some(Self { context, after_blank: false, has_block })
    }

    /// Whether more may come: `false` for a record that nothing can continue, which need not be held.
    #[must_use]
    pub const fn wants_more(self) -> bool {
        !matches!(self.context, Context::Done)
    }

    /// What a line that this state accepts is to the template.
    #[must_use]
    pub const fn part(self, role: Role) -> Part {
        match (self.context, role) {
            (_, Role::Frame | Role::PythonFrame | Role::GoCall) => Part::Frame,
            (Context::GoTrace, Role::Named) => Part::Frame,
            (_, Role::Cause) => Part::Cause,
            (_, Role::Exception | Role::Error | Role::Named) => Part::Exception,
            (Context::Rust, Role::Plain) => Part::Exception,
            (_, Role::LevelLine | Role::Detail) => Part::Text,
            (Context::Head | Context::HeadSource | Context::Plain | Context::Opening, Role::Indented | Role::Tabbed) => Part::Text,
            _ => Part::Skip,
        }
    }

    fn directly(self, role: Role) -> Option<Context> {
        use Context::{Done, Go, GoTrace, Head, HeadSource, Opening, Plain, Python, PythonChain, PythonEnd, Rust, Trace};
        let now = self.context;
        let is_head = matches!(now, Head | HeadSource);
        Some(match role {
            Role::Detail if is_head => Head,
            Role::LevelLine if now == HeadSource => Head,
            Role::Indented | Role::Tabbed => match now {
                HeadSource => Head,
                Plain if role == Role::Indented => return None,
                PythonChain | Done => return None,
                other => other,
            },
            Role::BlockClose if self.has_block => now,
            Role::Exception if is_head => Opening,
            Role::Exception | Role::Error | Role::Named if now == Python => PythonEnd,
            Role::Exception | Role::Error | Role::Named | Role::Plain if now == Rust => Opening,
            Role::Traceback if is_head || matches!(now, Opening | PythonChain) => Python,
            Role::PythonFrame if is_head || matches!(now, Opening | Python | PythonEnd) => Python,
            Role::Frame => match now {
                Python | Go | GoTrace => now,
                PythonChain | Done => return None,
                _ => Trace,
            },
            Role::Cause if is_head || matches!(now, Plain | Opening | Trace) => Trace,
            Role::Elision if is_head || matches!(now, Opening | Trace) => Trace,
            Role::Chain if now == PythonEnd => PythonChain,
            Role::GoSignal if now == Go => Go,
            Role::Goroutine if is_head || matches!(now, Plain | Opening | Go | GoTrace) => GoTrace,
            Role::GoCall if is_head || matches!(now, Go | GoTrace) => GoTrace,
            // zap prints its frames without arguments.
            Role::Named if now == GoTrace => GoTrace,
            Role::GoExit if matches!(now, Go | GoTrace) => Done,
            Role::Note if is_head || matches!(now, Opening | Trace | Rust | PythonEnd) => {
                if now == PythonEnd {
                    now
                } else {
                    Trace
                }
            }
            _ => return None,
        })
    }

    fn over_a_gap(self, role: Role) -> Option<Context> {
        use Context::{Go, GoTrace, Head, Opening, Python, PythonChain, PythonEnd, Trace};
        let now = self.context;
        Some(match role {
            // Spring Boot and others set a trace off from its header by a blank line.
            Role::Exception if now == Head => Opening,
            Role::Traceback if matches!(now, Head | PythonChain) => Python,
            Role::Chain if now == PythonEnd => PythonChain,
            Role::Frame if matches!(now, Head | Opening) => Trace,
            Role::Frame | Role::PythonFrame if now == Python => Python,
            Role::Cause if matches!(now, Opening | Trace) => Trace,
            Role::GoSignal if now == Go => Go,
            Role::Goroutine if matches!(now, Go | GoTrace) => GoTrace,
            Role::GoExit if matches!(now, Go | GoTrace) => Context::Done,
            Role::Note if matches!(now, Opening | Trace) => Trace,
            // SQLAlchemy's link to its manual stands behind a blank line.
            Role::Note if now == PythonEnd => PythonEnd,
            _ => return None,
        })
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;

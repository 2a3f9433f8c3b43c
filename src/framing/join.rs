//! Lines to records: what a line is to the line before it. Pure decisions; the engine holds the bytes.
//!
//! A line's [`Role`] is decided once per line shape (and remembered with it); [`JoinState`] says which roles may follow.

use crate::envelope::Envelope;

/// What a line looks like to the record before it. Depends on nothing but the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Begins a record, has a header (time, level, logger ...).
    #[default]
    Headed,
    /// No header, no sign that it continues anything.
    Plain,
    /// Placeholder: the module adds the kinds of continuation lines.
    Indented,
}

/// The role of a line whose envelope is known.
#[must_use]
pub fn role(envelope: &Envelope, line: &[u8]) -> Role {
    // Placeholder body while the module is written.
    debug_assert!(envelope.message.end as usize <= line.len());
    Role::Headed
}

/// How far the record at hand has come: what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinState {
    last: Role,
}

impl JoinState {
    /// A record begins with a line of this role.
    #[must_use]
    pub const fn begin(role: Role) -> Self {
        Self { last: role }
    }
    /// The state after `role` when a line of that role belongs to the record, else `None`.
    #[must_use]
    pub fn accept(self, role: Role) -> Option<Self> {
        (role == Role::Indented && self.last != Role::Plain).then_some(Self { last: role })
    }
}

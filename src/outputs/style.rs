//! The few colours squelch uses, and when. Survivors are never repainted as a whole: their own words matter more than our colours.

use crate::record::Severity;

/// Paints words, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences are written.
    pub is_coloured: bool,
}

/// An SGR sequence that begins a colour.
pub type Colour = &'static str;

/// Ends every colour.
pub const RESET: Colour = "\x1b[0m";
/// Side remarks.
pub const DIM: Colour = "\x1b[2m";
/// What matters.
pub const BOLD: Colour = "\x1b[1m";
/// Our own name.
pub const OURS: Colour = "\x1b[36m";
/// Figures.
pub const FIGURE: Colour = "\x1b[1;36m";

impl Style {
    /// `colour` if colours are on, else nothing.
    #[must_use]
    pub const fn on(self, colour: Colour) -> &'static str {
        if self.is_coloured { colour } else { "" }
    }
    /// The end of a colour.
    #[must_use]
    pub const fn off(self) -> &'static str {
        if self.is_coloured { RESET } else { "" }
    }
    /// `text` in a colour.
    #[must_use]
    pub fn paint(self, colour: Colour, text: &str) -> String {
        format!("{}{text}{}", self.on(colour), self.off())
    }
}

/// The colour of a severity: warnings yellow, errors red, the quiet ones dim, the rest as they are.
#[must_use]
pub const fn of_severity(severity: Severity) -> Colour {
    match severity {
        Severity::Fatal => "\x1b[1;31m",
        Severity::Error => "\x1b[31m",
        Severity::Warn => "\x1b[33m",
        Severity::Debug | Severity::Trace => DIM,
        Severity::Info | Severity::Unknown => "",
    }
}

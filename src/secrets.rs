//! placeholder until the branch that writes it is merged
use std::borrow::Cow;
/// masks
#[must_use] pub fn mask(text: &[u8]) -> Cow<'_, [u8]> { Cow::Borrowed(text) }

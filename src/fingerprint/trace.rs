//! placeholder until the branch that writes it is merged
use crate::framing::join::Part;
/// composes
#[must_use] pub fn compose(header: &str, lines: &[(Part, &str)]) -> String { let mut s = header.to_owned(); for (_, l) in lines { s.push_str(" | "); s.push_str(l); } s }

//! Joins fingerprints that differ in one word: an extra beside the fingerprint, used where people read (`fingerprint`, `report`).
//!
//! Two steps, both timid. Templates that differ in nothing but the type of a placeholder (`<num>` and `<hex>` in one place), and
//! one template at two severities, share a group from the start. A word position at which several different words have been seen in otherwise equal templates is a variable:
//! those groups are joined, and what comes later joins at once. Never the first word, never a word that says how something
//! went (`started`, `failed`, `up`, `closed` ...).
//!
//! Groups depend on the order of the lines; fingerprints do not. Every table has a bound; when one is full nothing more is joined.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::BuildHasher;

/// Different words at one position that make it a variable.
const WORDS_PLAIN: usize = 5;

/// The same for words that look like names or ids (`_`, `.`, digits, capitals inside).
const WORDS_ID_LIKE: usize = 4;

/// Templates of more words take part as a whole only.
const TEMPLATE_WORDS_MAX: usize = 64;

/// Shapes known by their erased template.
const SHAPES_MAX: usize = 16_384;

/// Watched (template, position) pairs.
const POSITIONS_MAX: usize = 131_072;

/// A group, in the order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIndex(pub u32);

/// Where a template belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its group now.
    pub group: GroupIndex,
    /// The group is new: the template's own fingerprint names it.
    pub is_new: bool,
    /// Groups that have just been joined: (old, new), each once.
    pub joined: Vec<(GroupIndex, GroupIndex)>,
}

/// What has been seen at one position of otherwise equal templates.
#[derive(Debug)]
enum Position {
    /// Different words so far: hash of the word, its look, its group.
    Watched(Vec<(u64, Look, GroupIndex)>),
    /// A variable; all its groups are one.
    Variable(GroupIndex),
    /// A word there says how something went.
    Never,
}

/// The groups of one run.
#[derive(Debug, Default)]
pub struct Groups {
    shapes: HashMap<Box<str>, GroupIndex, FixedState>,
    positions: HashMap<u64, Position, FixedState>,
    /// Joined into; a group that stands for itself points to itself.
    parents: Vec<GroupIndex>,
}

impl Groups {
    /// No groups yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The group that `group` has become.
    #[must_use]
    pub fn current(&self, group: GroupIndex) -> GroupIndex {
        let mut at = group;
        while self.parents[at.0 as usize] != at {
            at = self.parents[at.0 as usize];
        }
        at
    }

    /// Finds the group of a fingerprint, or makes one; may join others. Call it once per new fingerprint.
    pub fn place(&mut self, template: &str) -> Placed {
        let mut shape = String::with_capacity(template.len() + 4);
        erase_types(template, &mut shape);
        if let Some(&group) = self.shapes.get(shape.as_str()) {
            return Placed { group: self.current(group), is_new: false, joined: Vec::new() };
        }
        let placed = self.place_shape(&shape);
        if self.shapes.len() < SHAPES_MAX {
            self.shapes.insert(shape.into_boxed_str(), placed.group);
        }
        placed
    }

    fn place_shape(&mut self, shape: &str) -> Placed {
        let words: Vec<&str> = shape.split(' ').collect();
        let hashes: Vec<u64> = words.iter().enumerate().map(|(i, word)| hash_at(i, word)).collect();
        let whole = hashes.iter().fold(words.len() as u64, |sum, hash| sum.wrapping_add(*hash));
        let without = |i: usize| whole.wrapping_sub(hashes[i]).wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let is_short = (3..=TEMPLATE_WORDS_MAX).contains(&words.len());
        let is_watched = |i: usize| i >= 1 && is_short && look_of(words[i]).is_some();
        let known = (0..words.len()).filter(|&i| is_watched(i)).find_map(|i| match self.positions.get(&without(i)) {
            Some(Position::Variable(group)) => Some(*group),
            _ => None,
        });
        let (mut group, is_new) = match known {
            Some(group) => (self.current(group), false),
            None => {
                let group = GroupIndex(self.parents.len() as u32);
                self.parents.push(group);
                (group, true)
            }
        };
        let mut joined = Vec::new();
        for i in (1..words.len()).filter(|_| is_short) {
            if self.positions.len() >= POSITIONS_MAX && !self.positions.contains_key(&without(i)) {
                continue;
            }
            let position = self.positions.entry(without(i)).or_insert_with(|| Position::Watched(Vec::new()));
            let Position::Watched(seen) = position else { continue };
            let Some(look) = look_of(words[i]) else {
                if says_how_it_went(words[i]) {
                    *position = Position::Never;
                }
                continue;
            };
            if seen.iter().any(|&(hash, ..)| hash == hashes[i]) {
                continue;
            }
            seen.push((hashes[i], look, group));
            if !is_variable(seen) {
                continue;
            }
            let members: Vec<GroupIndex> = seen.iter().map(|&(_, _, member)| member).collect();
            let oldest = members.iter().map(|&member| self.current(member)).min().unwrap_or(group);
            self.positions.insert(without(i), Position::Variable(oldest));
            for member in members {
                let current = self.current(member);
                if current != oldest {
                    self.parents[current.0 as usize] = oldest;
                    joined.push((current, oldest));
                }
            }
            group = self.current(group);
        }
        Placed { group, is_new, joined }
    }
}

/// The template with every placeholder written `<*>`, and `()` as `(<*>)`.
fn erase_types(template: &str, into: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['<', '(', '[', '"', '\'']) {
        into.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((_, len)) = super::normalise::spelled(rest.as_bytes()) {
            into.push_str("<*>");
            rest = &rest[len..];
        } else {
            let opening = &rest[..1];
            into.push_str(opening);
            rest = &rest[1..];
            let closing = match opening {
                "(" => ")",
                "[" => "]",
                "<" => "",
                quote => quote,
            };
            if !closing.is_empty() && rest.starts_with(closing) {
                into.push_str("<*>");
                into.push_str(closing);
                rest = &rest[1..];
            }
        }
    }
    into.push_str(rest);
    erase_answers(into);
}

/// A line of an access log is one story whatever the answer was, unless the server refused (429) or failed (5xx).
fn erase_answers(shape: &mut String) {
    let Some(at) = shape.find("HTTP/<*>\"") else { return };
    let tail = &shape[at..];
    let code = tail.match_indices(' ').map(|(i, _)| i + 1).find(|&i| {
        let word = &tail.as_bytes()[i..];
        word.len() >= 3
            && word[0] == b'4'
            && word[..3].iter().all(u8::is_ascii_digit)
            && &word[..3] != b"429"
            && matches!(word.get(3), None | Some(b' '))
    });
    if let Some(code) = code {
        shape.replace_range(at + code..at + code + 3, "<*>");
    }
}

fn hash_at(position: usize, word: &str) -> u64 {
    FixedState::with_seed(0x5153_454C_4348).hash_one((position as u64, word))
}

/// What a word looks like to somebody who wonders whether it is a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// A placeholder: variable already.
    Masked,
    /// A name with a digit (`eth0`): weak to the masks, strong beside a placeholder.
    Numbered,
    /// `_`, `.`, capitals inside.
    Named,
    /// Any other word.
    Plain,
}

/// `None` for what is never a name: punctuation, words of outcome, a placeholder with text round it.
fn look_of(word: &str) -> Option<Look> {
    let bare = word.trim_matches(|letter: char| letter.is_ascii_punctuation() && !matches!(letter, '<' | '>' | '*'));
    if bare == "<*>" {
        return Some(Look::Masked);
    }
    if word.len() < 2 || word.contains("<*>") || !word.bytes().any(|byte| byte.is_ascii_alphabetic() || byte >= 0x80) || says_how_it_went(word) {
        return None;
    }
    let inner = bare.as_bytes().get(1..).unwrap_or_default();
    Some(if bare.bytes().any(|byte| byte.is_ascii_digit()) {
        Look::Numbered
    } else if bare.contains(['_', '.', '@', '/', '$']) || (inner.iter().any(u8::is_ascii_uppercase) && inner.iter().any(u8::is_ascii_lowercase)) {
        Look::Named
    } else {
        Look::Plain
    })
}

/// Whether the words seen at a position are values of one variable.
fn is_variable(seen: &[(u64, Look, GroupIndex)]) -> bool {
    let count = |look| seen.iter().filter(|&&(_, one, _)| one == look).count();
    let (numbered, named) = (count(Look::Numbered), count(Look::Named));
    if count(Look::Masked) > 0 && numbered > 0 {
        return true;
    }
    seen.len() >= WORDS_PLAIN || (seen.len() >= WORDS_ID_LIKE && numbered + named == seen.len())
}

/// Words of outcome and state: two of them are two stories.
fn says_how_it_went(word: &str) -> bool {
    const WORDS: [&str; 84] = [
        "start",
        "started",
        "starting",
        "starts",
        "stop",
        "stopped",
        "stopping",
        "succeeded",
        "success",
        "successful",
        "successfully",
        "failed",
        "fails",
        "failure",
        "failing",
        "fail",
        "enabled",
        "disabled",
        "enable",
        "disable",
        "enabling",
        "disabling",
        "up",
        "down",
        "on",
        "off",
        "open",
        "opened",
        "opening",
        "close",
        "closed",
        "closing",
        "connected",
        "disconnected",
        "connect",
        "disconnect",
        "added",
        "removed",
        "adding",
        "removing",
        "created",
        "deleted",
        "creating",
        "deleting",
        "acquired",
        "released",
        "true",
        "false",
        "yes",
        "no",
        "not",
        "is",
        "was",
        "error",
        "warning",
        "ok",
        "accepted",
        "rejected",
        "allowed",
        "denied",
        "online",
        "offline",
        "healthy",
        "unhealthy",
        "active",
        "inactive",
        "running",
        "paused",
        "resumed",
        "suspended",
        "valid",
        "invalid",
        "available",
        "unavailable",
        "ready",
        "locked",
        "unlocked",
        "granted",
        "refused",
        "timeout",
        "lost",
        "gained",
        "before",
        "after",
    ];
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let value = bare.rsplit(['=', ':', '[']).next().unwrap_or(bare);
    WORDS.iter().any(|known| value.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many groups the templates end up in.
    fn check(templates: &[&str], expected: usize) {
        let mut groups = Groups::new();
        let placed: Vec<_> = templates.iter().map(|template| groups.place(template).group).collect();
        let mut ends: Vec<_> = placed.iter().map(|&group| groups.current(group)).collect();
        ends.sort();
        ends.dedup();
        assert_eq!(ends.len(), expected, "{templates:?}");
    }

    #[test]
    fn types_of_placeholders_do_not_separate_groups() {
        check(&["iar <hex> dear <num>", "iar <num> dear <hex>", "iar <*> dear <id>"], 1);
        check(&["sync (<num>) done", "sync () done"], 1);
    }

    #[test]
    fn five_words_or_four_names_at_one_place_are_a_variable() {
        check(&["lost queue red now", "lost queue blue now", "lost queue green now", "lost queue black now"], 4);
        check(&["lost queue red now", "lost queue blue now", "lost queue green now", "lost queue black now", "lost queue white now"], 1);
        check(&["lost queue a_red now", "lost queue b_blue now", "lost queue c_green now", "lost queue d_black now"], 1);
        check(&["mount of <id> failed", "mount of node46 failed"], 1);
    }

    #[test]
    fn first_words_and_opposites_never_join() {
        check(&["red is here now", "blue is here now", "green is here now", "black is here now", "white is here now", "grey is here now"], 6);
        check(
            &[
                "worker pool started ok",
                "worker pool stopped ok",
                "worker pool red ok",
                "worker pool blue ok",
                "worker pool green ok",
                "worker pool grey ok",
                "worker pool pink ok",
            ],
            7,
        );
    }

    #[test]
    fn an_access_log_is_one_story_until_the_server_refuses() {
        let line = |code: &str| format!("<ip> \"GET <path> HTTP/<num>\" {code} <num>");
        let (fine, missing, limited, broken) = (line("<num>"), line("404"), line("429"), line("503"));
        check(&[&fine, &missing], 1);
        check(&[&fine, &limited, &broken], 3);
    }
}

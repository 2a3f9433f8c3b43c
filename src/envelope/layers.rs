//! The names of the layers that were peeled off one line.

use std::ops::Deref;

/// Most layers that are kept: a runtime in a syslog line in a compose prefix has four, and each string in a string may have as many.
const MOST_KEPT: usize = 8;

/// Layer names, outermost first (`cri`, `json/zap`); reads as a slice. Kept in place, since nearly every line has one or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Empty beyond `count`.
    names: [&'static str; MOST_KEPT],
    count: u8,
}

impl Layers {
    /// Adds the next layer inwards. When too many were found the innermost stays and the one before it goes.
    pub fn push(&mut self, name: &'static str) {
        let index = usize::from(self.count).min(MOST_KEPT - 1);
        self.names[index] = name;
        self.count = index as u8 + 1;
    }
}

impl Deref for Layers {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        &self.names[..usize::from(self.count)]
    }
}

impl Extend<&'static str> for Layers {
    fn extend<I: IntoIterator<Item = &'static str>>(&mut self, names: I) {
        names.into_iter().for_each(|name| self.push(name));
    }
}

impl FromIterator<&'static str> for Layers {
    fn from_iter<I: IntoIterator<Item = &'static str>>(names: I) -> Self {
        let mut layers = Self::default();
        layers.extend(names);
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_layers_keep_the_outermost_and_the_innermost() {
        let layers: Layers = ["docker", "a", "b", "c", "d", "e", "f", "g", "h", "syslog"].into_iter().collect();
        assert_eq!((layers.len(), layers.first(), layers.last()), (MOST_KEPT, Some(&"docker"), Some(&"syslog")));
        assert!(Layers::default().is_empty());
    }
}

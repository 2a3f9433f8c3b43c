//! Where those who take part in a storm come from: namespace, workload, container, unit. Pods and hosts are instances, see `people.rs`.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What of a stream's resource tells whose it is, from the widest to the narrowest. OpenTelemetry's names but for `squelch.workload`.
pub const ORIGIN_KEYS: [&str; 5] = ["k8s.namespace.name", "squelch.workload", "k8s.container.name", "service.name", "systemd.unit"];

/// Origins kept of one storm; of the others is only known whether they agree.
pub const ORIGINS_MAX: usize = 16;

/// Longest value, bytes; what is longer is cut.
const VALUE_BYTES_MAX: usize = 256;

/// Origins of streams that are gone are dropped when there are so many of them.
const STALE_MAX: usize = 64;

/// Whose lines a stream has: a value for some of [`ORIGIN_KEYS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin([Option<Box<str>>; ORIGIN_KEYS.len()]);

impl Origin {
    /// What a resource says of it.
    #[must_use]
    pub fn of<K: AsRef<str>, V: AsRef<str>>(resource: &[(K, V)]) -> Self {
        Self(ORIGIN_KEYS.map(|key| {
            let (_, value) = resource.iter().find(|(name, value)| name.as_ref() == key && !value.as_ref().is_empty())?;
            let value = value.as_ref();
            let end = (0..=VALUE_BYTES_MAX.min(value.len())).rev().find(|end| value.is_char_boundary(*end))?;
            Some(value[..end].into())
        }))
    }

    /// Keys with their values, in the order of [`ORIGIN_KEYS`].
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        ORIGIN_KEYS.into_iter().zip(&self.0).filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Distinct origins of those who take part. Behind a pointer: each of thousands of fingerprints has two of these, most of them empty.
#[derive(Clone, Debug, Default)]
pub struct Origins(Option<Box<Noted>>);

#[derive(Clone, Debug, Default)]
struct Noted {
    /// In order of appearance.
    known: Vec<Arc<Origin>>,
    has_more: bool,
    /// For each key whether two had different values, or only one of them had any.
    differs: [bool; ORIGIN_KEYS.len()],
}

impl Origins {
    /// One more record.
    #[inline]
    pub fn note(&mut self, origin: &Arc<Origin>) {
        let noted = self.0.get_or_insert_default();
        if !noted.known.iter().any(|known| Arc::ptr_eq(known, origin)) {
            noted.add(origin);
        }
    }

    /// Adds those of another fingerprint, or of a bout that is over.
    pub fn join(&mut self, other: &Self) {
        let Some(other) = &other.0 else { return };
        other.known.iter().for_each(|origin| self.note(origin));
        let noted = self.0.get_or_insert_default();
        noted.has_more |= other.has_more;
        for (differs, other) in noted.differs.iter_mut().zip(other.differs) {
            *differs |= other;
        }
    }

    /// Forgets all; keeps the memory.
    pub fn clear(&mut self) {
        if let Some(noted) = &mut self.0 {
            noted.known.clear();
            (noted.has_more, noted.differs) = (false, Default::default());
        }
    }

    /// What all of them say.
    #[must_use]
    pub fn agreed(&self) -> Origin {
        let Some(noted) = &self.0 else { return Origin::default() };
        let mut agreed = noted.known.first().map(|first| Origin::clone(first)).unwrap_or_default();
        for (value, _) in agreed.0.iter_mut().zip(noted.differs).filter(|(_, differs)| *differs) {
            *value = None;
        }
        agreed
    }

    /// Those of which something is known, in order, and whether there are more.
    #[must_use]
    pub fn told(&self) -> (Vec<Origin>, bool) {
        let Some(noted) = &self.0 else { return (Vec::new(), false) };
        let mut told: Vec<Origin> = noted.known.iter().filter(|origin| !origin.is_empty()).map(|origin| Origin::clone(origin)).collect();
        told.sort();
        (told, noted.has_more)
    }

    /// Bytes on the heap; the origins are shared.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |noted| size_of::<Noted>() + noted.known.capacity() * size_of::<Arc<Origin>>())
    }

    /// For the store.
    #[must_use]
    pub fn state(&self) -> OriginsState {
        let Some(noted) = &self.0 else { return OriginsState::default() };
        let differs = ORIGIN_KEYS.into_iter().zip(noted.differs).filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
        OriginsState {
            known: noted.known.iter().map(|origin| OriginState::of(origin)).collect(),
            has_more: noted.has_more,
            differs: differs.collect(),
        }
    }

    /// From the store.
    #[must_use]
    pub fn of_state(state: &OriginsState) -> Self {
        if state.is_empty() {
            return Self::default();
        }
        let known = state.known.iter().take(ORIGINS_MAX).map(|origin| Arc::new(origin.to_origin())).collect();
        let differs = ORIGIN_KEYS.map(|key| state.differs.iter().any(|differs| differs == key));
        Self(Some(Box::new(Noted { known, has_more: state.has_more, differs })))
    }
}

impl Noted {
    #[cold]
    fn add(&mut self, origin: &Arc<Origin>) {
        if let Some(known) = self.known.iter_mut().find(|known| *known == origin) {
            // From before a restart: by the new address it is found at once.
            *known = Arc::clone(origin);
            return;
        }
        if let Some(first) = self.known.first() {
            for (differs, (one, other)) in self.differs.iter_mut().zip(first.0.iter().zip(&origin.0)) {
                *differs |= one != other;
            }
        }
        if self.known.len() < ORIGINS_MAX {
            self.known.push(Arc::clone(origin));
        } else {
            self.has_more = true;
        }
    }
}

/// An origin as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginState(BTreeMap<String, String>);

impl OriginState {
    /// For the store.
    #[must_use]
    pub fn of(origin: &Origin) -> Self {
        Self(origin.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// From the store. Keys that this version does not know are left out.
    #[must_use]
    pub fn to_origin(&self) -> Origin {
        Origin::of(&self.0.iter().collect::<Vec<_>>())
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Origins as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginsState {
    /// At most 16.
    pub known: Vec<OriginState>,
    /// Whether there were more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_more: bool,
    /// Keys in which they are not all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

impl OriginsState {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The origin of each stream. Streams of one origin share it, so that records are compared by its address.
#[derive(Debug, Default)]
pub struct StreamOrigins {
    by_stream: Vec<Option<Arc<Origin>>>,
    distinct: BTreeSet<Arc<Origin>>,
}

impl StreamOrigins {
    /// From here on records of the stream are of this origin.
    pub fn set(&mut self, stream: u32, origin: Option<Origin>) {
        let at = stream as usize;
        if at >= self.by_stream.len() {
            if origin.is_none() {
                return;
            }
            self.by_stream.resize(at + 1, None);
        }
        self.by_stream[at] = origin.map(|origin| {
            let origin = Arc::new(origin);
            let origin = self.distinct.get(&origin).cloned().unwrap_or(origin);
            self.distinct.insert(Arc::clone(&origin));
            origin
        });
        if self.distinct.len() > self.by_stream.len() + STALE_MAX {
            self.distinct.retain(|origin| Arc::strong_count(origin) > 1);
        }
    }

    /// Whose the stream is; `None` where nobody said anything.
    #[inline]
    pub fn of(&self, stream: u32) -> Option<&Arc<Origin>> {
        self.by_stream.get(stream as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(namespace: &str, workload: &str) -> Origin {
        Origin::of(&[("k8s.namespace.name", namespace), ("squelch.workload", workload), ("k8s.pod.name", "p-1")])
    }

    /// What those of these (namespace, workload) agree on.
    fn check(taking_part: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut origins = Origins::default();
        for (namespace, workload) in taking_part {
            origins.note(&Arc::new(origin(namespace, workload)));
        }
        let agreed = origins.agreed();
        assert_eq!(agreed.fields().collect::<Vec<_>>(), expected, "{taking_part:?}");
        let restored = Origins::of_state(&origins.state());
        assert_eq!((restored.agreed(), restored.told()), (agreed, origins.told()), "the same after a restart");
    }

    #[test]
    fn only_what_all_say_is_agreed() {
        check(&[], &[]);
        check(&[("shop", "orders")], &[("k8s.namespace.name", "shop"), ("squelch.workload", "orders")]);
        check(&[("shop", "orders"), ("shop", "orders"), ("shop", "cart")], &[("k8s.namespace.name", "shop")]);
        check(&[("shop", "orders"), ("pay", "orders")], &[("squelch.workload", "orders")]);
    }

    #[test]
    fn one_of_whom_nothing_is_known_disagrees() {
        check(&[("shop", "orders"), ("", "")], &[]);
        check(&[("", ""), ("shop", "orders")], &[]);
    }

    #[test]
    fn those_beyond_the_bound_still_disagree() {
        let mut origins = Origins::default();
        (0..ORIGINS_MAX).for_each(|number| origins.note(&Arc::new(origin("shop", &number.to_string()))));
        assert_eq!((origins.told().0.len(), origins.told().1), (ORIGINS_MAX, false));
        origins.note(&Arc::new(origin("shop", "one more")));
        assert_eq!((origins.told().0.len(), origins.told().1), (ORIGINS_MAX, true));
        assert_eq!(origins.agreed().fields().collect::<Vec<_>>(), [("k8s.namespace.name", "shop")]);
        origins.note(&Arc::new(origin("pay", "another")));
        assert!(origins.agreed().is_empty());
    }

    #[test]
    fn fingerprints_of_one_storm_disagree_as_their_records_do() {
        let of = |workload: &str| {
            let mut origins = Origins::default();
            origins.note(&Arc::new(origin("shop", workload)));
            origins
        };
        let mut both = of("orders");
        both.join(&of("cart"));
        both.join(&of("orders"));
        assert_eq!(both.agreed().fields().collect::<Vec<_>>(), [("k8s.namespace.name", "shop")]);
        assert_eq!(both.told().0.len(), 2);
    }

    #[test]
    fn streams_of_one_origin_share_it_and_what_is_gone_is_dropped() {
        let mut streams = StreamOrigins::default();
        streams.set(0, Some(origin("shop", "orders")));
        streams.set(3, Some(origin("shop", "orders")));
        assert!(Arc::ptr_eq(streams.of(0).unwrap(), streams.of(3).unwrap()));
        assert!(streams.of(1).is_none() && streams.of(9).is_none());
        for number in 0..1000 {
            streams.set(0, Some(origin("shop", &number.to_string())));
        }
        assert!(streams.distinct.len() <= 4 + STALE_MAX + 1, "{}", streams.distinct.len());
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = Origin::of(&[("service.name", "ä".repeat(1000))]);
        assert_eq!(long.fields().next().map(|(_, value)| value.len()), Some(256));
    }
}

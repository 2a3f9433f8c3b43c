//! Which engine stream belongs to which stream of an input.

use crate::engine::Engine;
use crate::inputs::event::{StreamInfo, StreamNumber};
use crate::record::StreamId;
use crate::storm::Origin;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A stream of the engine and who feeds it.
#[derive(Debug)]
pub(super) struct Stream {
    pub id: StreamId,
    pub info: Arc<StreamInfo>,
    /// Streams of inputs that feed it: two for a moment when a file is rotated, none when only held lines of the last run were fed.
    feeders: u32,
}

/// All streams that are open. Bounded by the engine's own bound: beyond it streams share one.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_number: HashMap<StreamNumber, Box<str>>,
    by_key: BTreeMap<Box<str>, Stream>,
}

impl Streams {
    /// A stream of an input: known by its key (from before a restart, or from another generation of a file), or new in the engine.
    /// Returns its id, and whether it is new there.
    pub(super) fn open(&mut self, engine: &mut Engine, number: Option<StreamNumber>, info: &Arc<StreamInfo>, is_backlog: bool) -> (StreamId, bool) {
        let is_attached = number.is_some_and(|number| self.by_number.insert(number, info.key.clone()).is_some());
        let mut is_new = false;
        let stream = self.by_key.entry(info.key.clone()).or_insert_with(|| {
            is_new = true;
            let id = engine.open_stream(&info.label, is_backlog, info.is_instance);
            Stream { id, info: Arc::clone(info), feeders: 0 }
        });
        if is_new || stream.info.resource != info.resource {
            engine.set_origin(stream.id, Origin::of(&info.resource));
        }
        stream.info = Arc::clone(info);
        stream.feeders += u32::from(number.is_some() && !is_attached);
        (stream.id, is_new)
    }

    pub(super) fn get(&mut self, number: StreamNumber) -> Option<&mut Stream> {
        self.by_key.get_mut(self.by_number.get(&number)?)
    }

    /// An input has done with a stream. Returns the engine's stream if nobody feeds it any more.
    pub(super) fn close(&mut self, number: StreamNumber) -> Option<StreamId> {
        let key = self.by_number.remove(&number)?;
        let stream = self.by_key.get_mut(&key)?;
        stream.feeders = stream.feeders.saturating_sub(1);
        (stream.feeders == 0).then(|| self.by_key.remove(&key).map(|stream| stream.id)).flatten()
    }

    /// The stream with this id.
    pub(super) fn by_id(&self, id: StreamId) -> Option<&Stream> {
        self.by_key.values().find(|stream| stream.id == id)
    }

    /// Takes out the streams that nobody feeds: those of held lines whose input did not come back.
    pub(super) fn take_orphans(&mut self) -> Vec<StreamId> {
        let orphans: Vec<Box<str>> = self.by_key.iter().filter(|(_, stream)| stream.feeders == 0).map(|(key, _)| key.clone()).collect();
        orphans.iter().filter_map(|key| self.by_key.remove(key)).map(|stream| stream.id).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

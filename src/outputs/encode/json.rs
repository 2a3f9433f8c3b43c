//! JSON written as it comes: no tree in between.

use serde::Serialize;

/// An object that is being written.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Object<'o> {
    /// Opens it.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_first: true }
    }
    /// A field.
    pub fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        push(self.name(name), value);
        self
    }
    /// A field, unless the text is empty.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.field(name, value);
        }
        self
    }
    /// A field that is an object of texts, unless there is none.
    pub fn texts(&mut self, name: &str, pairs: &super::view::Pairs<'_>) -> &mut Self {
        if !pairs.is_empty() {
            let mut object = Object::begin(self.name(name));
            for (name, value) in pairs {
                object.field(name, &**value);
            }
            object.end();
        }
        self
    }
    /// The name of a field; its value is the caller's.
    pub fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        push(self.out, name);
        self.out.push(b':');
        self.out
    }
    /// Closes it.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a value.
pub fn push(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("values have string keys and memory takes every write");
}

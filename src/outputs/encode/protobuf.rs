//! The little of Protocol Buffers that OTLP needs: varints, 64-bit numbers, texts, messages in messages. Written by hand: the generated types
//! bring thirty crates for six messages that have been stable since OTLP 1.0.

/// Appends fields to a message.
#[derive(Debug)]
pub struct Message<'o>(pub &'o mut Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

impl Message<'_> {
    /// `uint32`, `int64`, an enum: left out when 0, as proto3 does.
    pub fn varint(&mut self, field: u32, value: u64) -> &mut Self {
        if value != 0 {
            self.varint_even_if_0(field, value);
        }
        self
    }
    /// The same for members of a `oneof`, where 0 is not nothing.
    pub fn varint_even_if_0(&mut self, field: u32, value: u64) -> &mut Self {
        self.tag(field, VARINT);
        push_varint(self.0, value);
        self
    }
    /// `fixed64`, `double` by its bits.
    pub fn fixed64(&mut self, field: u32, value: u64) -> &mut Self {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    /// `string`, `bytes`.
    pub fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Self {
        self.tag(field, BYTES);
        push_varint(self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
    /// `string`, left out when empty.
    pub fn text(&mut self, field: u32, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
        self
    }
    /// A message in this one.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Message<'_>)) -> &mut Self {
        self.tag(field, BYTES);
        // Its length comes before it, and how long the length is, is known after it: most messages need one byte.
        let start = self.0.len();
        self.0.push(0);
        write(&mut Message(self.0));
        let mut length = (self.0.len() - start - 1) as u64;
        let (mut prefix, mut bytes) = ([0; 10], 0);
        while length >= 0x80 {
            prefix[bytes] = length as u8 | 0x80;
            length >>= 7;
            bytes += 1;
        }
        prefix[bytes] = length as u8;
        self.0[start] = prefix[0];
        if bytes > 0 {
            self.0.splice(start + 1..start + 1, prefix[1..=bytes].iter().copied());
        }
        self
    }
    fn tag(&mut self, field: u32, wire: u32) {
        push_varint(self.0, u64::from(field << 3 | wire));
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'m> {
    /// A number of any width.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'m [u8]),
}

/// The fields of a message, in order. `None` when it is no message.
#[must_use]
pub fn fields(mut message: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        let field = u32::try_from(tag >> 3).ok().filter(|field| *field > 0)?;
        let value = match (tag & 7) as u32 {
            VARINT => Value::Number(take_varint(&mut message)?),
            FIXED64 => Value::Number(u64::from_le_bytes(take(&mut message, 8)?.try_into().ok()?)),
            FIXED32 => Value::Number(u32::from_le_bytes(take(&mut message, 4)?.try_into().ok()?).into()),
            BYTES => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            _ => return None,
        };
        found.push((field, value));
    }
    Some(found)
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..10 {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification_are_met() {
        let mut out = Vec::new();
        Message(&mut out).varint(1, 150).text(2, "testing").message(3, |inner| {
            inner.varint(1, 150);
        });
        assert_eq!(out, b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01");
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&b"<html>"[..], b"\x0a\xff", b"\x08\x80", b"\x00", b"\x0b", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b""), Some(vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_was_written_is_read_at_any_length(number in any::<u64>(), field in 1..1000_u32, length in 0..70_000_usize) {
            let text = vec![b'x'; length];
            let mut out = Vec::new();
            Message(&mut out).message(field, |inner| {
                inner.varint_even_if_0(1, number).fixed64(2, number).bytes(3, &text);
            });
            let outer = fields(&out).unwrap();
            let [(found, Value::Bytes(inner))] = outer[..] else { panic!("{outer:?}") };
            prop_assert_eq!(found, field);
            prop_assert_eq!(fields(inner).unwrap(), vec![(1, Value::Number(number)), (2, Value::Number(number)), (3, Value::Bytes(&text))]);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&bytes);
        }
    }
}

//! Standard input as an input of the agent. It cannot be read again, so a line lives from its reading to its commit in memory only.

use super::event::{CHUNK_BYTES, Data, Event, Feeder, StreamInfo, StreamNumber};
use crate::clock;
use crate::record::Place;
use std::io::{self, Read};
use std::sync::Arc;

/// Reads to the end of `input` on the thread at hand. `origin` tells this run from others in record ids (its start in ns).
///
/// # Errors
/// What the operating system says when it cannot be read on; the stream is ended before.
pub fn run(mut input: impl Read, origin: u64, feeder: &Feeder) -> io::Result<()> {
    let stream = feeder.next_stream();
    let info = StreamInfo { key: "stdin".into(), label: "stdin".into(), ..StreamInfo::default() };
    let opened = Event::Opened { stream, info: Arc::new(info), is_backlog: false };
    if feeder.send_blocking(opened).is_err() {
        return Ok(());
    }
    let mut offset = 0;
    loop {
        let mut bytes = vec![0; CHUNK_BYTES];
        let result = match input.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result,
        };
        let len = *result.as_ref().unwrap_or(&0);
        bytes.truncate(len);
        let place = Place { origin, offset };
        offset += len as u64;
        let event = Event::Data(Data { stream, arrival: clock::now(), place, bytes, ends_line: len == 0, position: None });
        if feeder.send_blocking(event).is_err() || len == 0 {
            return end(stream, feeder).and(result.map(|_| ()));
        }
    }
}

fn end(stream: StreamNumber, feeder: &Feeder) -> io::Result<()> {
    // An engine that is gone needs no word of it.
    let _ = feeder.send_blocking(Event::Closed(stream));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events that come out of `input`, as text.
    fn told(input: impl Read) -> (io::Result<()>, Vec<String>) {
        let (feeder, mut events) = Feeder::new();
        let result = run(input, 7, &feeder);
        drop(feeder);
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            told.push(match event {
                Event::Opened { info, .. } => format!("opened {}", info.key),
                Event::Data(data) => {
                    format!("{}@{} {:?} {}", data.place.origin, data.place.offset, String::from_utf8_lossy(&data.bytes), data.ends_line)
                }
                Event::Closed(_) => "closed".into(),
                other => format!("{other:?}"),
            });
        }
        (result, told)
    }

    #[test]
    fn the_end_of_input_ends_the_last_line_and_the_stream() {
        let (result, told) = told(&b"one\ntwo"[..]);
        assert!(result.is_ok());
        assert_eq!(told, ["opened stdin", r#"7@0 "one\ntwo" false"#, r#"7@7 "" true"#, "closed"]);
    }

    #[test]
    fn an_empty_input_is_opened_and_closed() {
        assert_eq!(told(&b""[..]).1, ["opened stdin", r#"7@0 "" true"#, "closed"]);
    }

    #[test]
    fn an_input_that_breaks_is_ended_and_said() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let (result, told) = told(Broken);
        assert_eq!(result.unwrap_err().to_string(), "gone");
        assert_eq!(told.last().unwrap(), "closed");
    }
}

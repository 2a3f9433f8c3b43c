//! The output of the agent to standard output: NDJSON. When nobody reads any more it ends for good, the agent goes on.

use crate::delivery::task::local_trouble;
use crate::delivery::{Outcome, Request, Sender};
use std::io::{ErrorKind, Write};

/// Writes to anything that is a stream of bytes.
#[derive(Debug)]
pub struct StreamSender<W> {
    target: &'static str,
    /// Away while a blocking thread writes.
    to: Option<W>,
    /// The request that was written in part, and how much of it: a retry goes on from there.
    begun: Option<(String, usize)>,
}

impl<W: Write + Send + 'static> StreamSender<W> {
    /// A sender with a name for people.
    #[must_use]
    pub const fn new(target: &'static str, to: W) -> Self {
        Self { target, to: Some(to), begun: None }
    }
}

impl<W: Write + Send + 'static> Sender for StreamSender<W> {
    fn target(&self) -> &str {
        self.target
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let Some(mut to) = self.to.take() else { return Outcome::Gone { words: "a write was abandoned".into() } };
        let from = match self.begun.take() {
            Some((key, written)) if key == request.idempotency_key => written.min(request.body.len()),
            _ => 0,
        };
        let body = request.body[from..].to_vec();
        // A reader that takes its time is not an error: no timeout.
        let write = tokio::task::spawn_blocking(move || {
            let (written, result) = write_counted(&mut to, &body);
            (to, written, result)
        });
        let Ok((to, written, result)) = write.await else { return Outcome::Gone { words: "the writer is gone".into() } };
        self.to = Some(to);
        match result {
            Ok(()) => Outcome::Delivered { status: 0 },
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::WriteZero) => Outcome::Gone { words: "nobody reads it".into() },
            Err(error) => {
                self.begun = Some((request.idempotency_key.clone(), from + written));
                local_trouble(error)
            }
        }
    }
}

fn write_counted(to: &mut impl Write, body: &[u8]) -> (usize, std::io::Result<()>) {
    let mut written = 0;
    while written < body.len() {
        match to.write(&body[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, to.flush())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Takes three bytes at a time and fails once after six.
    #[derive(Clone, Default)]
    struct Moody(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut inside = self.0.lock().unwrap();
            if inside.0.len() >= 6 && !inside.1 {
                inside.1 = true;
                return Err(ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(3);
            inside.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn request() -> Request {
        Request { body: b"{\"a\":1}\n{}\n".to_vec(), idempotency_key: "k".into(), records: 2, ..Request::default() }
    }

    #[tokio::test]
    async fn a_write_that_failed_half_way_goes_on_where_it_stopped() {
        let moody = Moody::default();
        let mut sender = StreamSender::new("standard output", moody.clone());
        assert!(matches!(sender.send(&request()).await, Outcome::Unreachable { .. }));
        assert_eq!(sender.send(&request()).await, Outcome::Delivered { status: 0 });
        assert_eq!(moody.0.lock().unwrap().0, b"{\"a\":1}\n{}\n");
    }

    #[tokio::test]
    async fn a_closed_pipe_is_the_end() {
        assert!(matches!(StreamSender::new("standard output", Closed).send(&request()).await, Outcome::Gone { .. }));
    }
}

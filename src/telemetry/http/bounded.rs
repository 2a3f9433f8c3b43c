//! Connections that cannot hurt: few at a time, each for a bounded time and a bounded number of bytes, one request each.

use axum::serve::Listener;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at the same time: two scrapers, two probes, a few people. The next wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;

/// From accept to the last byte of the answer: Prometheus' default scrape timeout.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of a request: no GET of ours needs more than a few hundred.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// A listener whose connections are bounded.
pub struct Bounded {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl Bounded {
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Bounded {
    type Io = Limited<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("nobody closes the semaphore");
        let (stream, from) = Listener::accept(&mut self.listener).await;
        (Limited::new(stream, Some(permit)), from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A stream that ends with an error when its time or its bytes are used up.
pub struct Limited<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<S> Limited<S> {
    fn new(stream: S, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, deadline: Box::pin(sleep(CONNECTION_TIME_MAX)), bytes_left: REQUEST_BYTES_MAX, _permit: permit }
    }

    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        let room = buffer.remaining().min(self.bytes_left);
        if room == 0 && buffer.remaining() > 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too long")));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let count = part.filled().len();
        buffer.advance(count);
        self.bytes_left -= count;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_byte_after_byte_is_cut_off() {
        let (mut client, server) = duplex(64);
        let mut server = Limited::new(server, None);
        client.write_all(b"GET ").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(server.read(&mut bytes).await.unwrap(), 4);
        // Nothing else happens: the paused clock goes on to the deadline by itself.
        assert_eq!(server.read(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (_client, server) = duplex(8);
        let mut server = Limited::new(server, None);
        assert_eq!(server.write_all(&[b'x'; 100]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_endless_request_is_cut_off() {
        let (mut client, server) = duplex(REQUEST_BYTES_MAX * 2);
        client.write_all(&vec![b'x'; REQUEST_BYTES_MAX + 1]).await.unwrap();
        let mut server = Limited::new(server, None);
        let mut bytes = Vec::new();
        assert_eq!(server.read_to_end(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(bytes.len(), REQUEST_BYTES_MAX);
        assert!(bytes.iter().all(|byte| *byte == b'x'));
    }
}

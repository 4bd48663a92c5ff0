//! Byte streams under HTTP and WebSocket: plain or TLS, accepted or dialled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// One connection's bytes.
#[derive(Debug)]
pub enum Stream {
    /// Behind a tunnel or proxy, or on loopback.
    Plain(TcpStream),
    /// Encrypted, accepted by us.
    Accepted(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// Encrypted, dialled by us.
    Dialled(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// The control socket.
    Unix(UnixStream),
}

/// Runs `$act` on whichever stream it is, pinned.
macro_rules! on {
    ($self:expr, $stream:ident => $act:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $act,
            Stream::Accepted($stream) => $act,
            Stream::Dialled($stream) => $act,
            Stream::Unix($stream) => $act,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Accepted(stream) => stream.is_write_vectored(),
            Self::Dialled(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }
}

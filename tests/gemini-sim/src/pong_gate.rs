//! A transport that can withhold the pongs that the WebSocket library sends by itself.
//!
//! The library answers a ping with its next read or write and cannot be told to wait. The service takes up to 30 s, so
//! this drops the automatic pong on its way out; the session sends one of its own when it is time.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many of the next pongs to drop.
#[derive(Clone, Default)]
pub(crate) struct Withheld(Arc<AtomicU32>);

impl Withheld {
    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        let one_less = |count: u32| count.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}

/// The transport; what is written to it are the frames of a server, unmasked.
pub(crate) struct PongGate<S> {
    inner: S,
    withheld: Withheld,
    /// What is left of the frame that is being written, header included.
    frame_left: u64,
    /// The bytes of a header that was cut between two writes, or of a pong that is withheld.
    header: Vec<u8>,
    is_dropping: bool,
    /// Header bytes decided on and not yet written.
    owed: Vec<u8>,
}

const PONG: u8 = 0x0a;

impl<S> PongGate<S> {
    pub(crate) fn new(inner: S) -> (Self, Withheld) {
        let withheld = Withheld::default();
        let gate = Self {
            inner,
            withheld: withheld.clone(),
            frame_left: 0,
            header: Vec::new(),
            is_dropping: false,
            owed: Vec::new(),
        };
        (gate, withheld)
    }

    /// Looks at the first bytes of a frame: how many belong to its header, once it is complete.
    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            self.header.push(bytes[taken]);
            taken += 1;
            if let Some(payload) = payload_length(&self.header) {
                self.is_dropping = self.header[0] & 0x0f == PONG && self.withheld.take();
                if self.is_dropping {
                    self.header.clear();
                } else {
                    self.owed.append(&mut self.header);
                }
                self.frame_left = payload;
                break;
            }
        }
        taken
    }
}

/// Length of the payload, once the header is all there.
fn payload_length(header: &[u8]) -> Option<u64> {
    match header.get(1)? & 0x7f {
        126 => Some(u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?))),
        127 => Some(u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
        short => Some(u64::from(short)),
    }
}

impl<S: AsyncWrite + Unpin> PongGate<S> {
    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.owed.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.owed))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PongGate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        ready!(gate.poll_owed(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if gate.frame_left == 0 {
            return Poll::Ready(Ok(gate.take_header(bytes)));
        }
        let within = bytes.len().min(usize::try_from(gate.frame_left).unwrap_or(usize::MAX));
        let written =
            if gate.is_dropping { within } else { ready!(Pin::new(&mut gate.inner).poll_write(cx, &bytes[..within]))? };
        gate.frame_left -= written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.poll_owed(cx))?;
        Pin::new(&mut gate.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.poll_owed(cx))?;
        Pin::new(&mut gate.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PongGate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Writes `bytes` in pieces of `size`; what came out.
    async fn through(bytes: &[u8], size: usize, withhold: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut gate, withheld) = PongGate::new(&mut out);
        (0..withhold).for_each(|_| withheld.one_more());
        for piece in bytes.chunks(size) {
            gate.write_all(piece).await.unwrap();
        }
        gate.flush().await.unwrap();
        out
    }

    #[tokio::test]
    async fn only_as_many_pongs_as_asked_for_are_withheld() {
        let text = [0x81, 0x02, b'h', b'i'];
        let pong = [0x8a, 0x03, 1, 2, 3];
        let empty_pong = [0x8a, 0x00];
        let mut long = vec![0x82, 126, 0x01, 0x00];
        long.resize(4 + 256, 0x8a); // full of what looks like pongs
        let all = [&text[..], &pong, &long, &empty_pong, &text, &pong].concat();
        for size in [1, 2, 3, 7, 1_000] {
            assert_eq!(through(&all, size, 0).await, all, "{size}");
            let two_less = [&text[..], &long, &text, &pong].concat();
            assert_eq!(through(&all, size, 2).await, two_less, "{size}");
        }
    }
}

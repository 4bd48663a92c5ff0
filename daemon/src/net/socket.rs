//! A WebSocket as a task that owns it wants it: read what is there, write while it takes something, never wait.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::net::Stream;

/// What the peer still sends behind our close is thrown away in pieces of this size, that many at a time.
const DISCARD: (usize, usize) = (4 << 10, 32);

/// One WebSocket. Everything is non-blocking; the waker of the last call is told when more is possible.
#[expect(clippy::struct_excessive_bools, reason = "facts about two directions that hold independently of each other")]
pub struct Socket {
    ws: WebSocketStream<Stream>,
    /// A message that found the buffer full; it goes first when there is room.
    held: Option<Message>,
    blocked: bool,
    written: bool,
    closing: bool,
    /// Reading has failed: what comes now cannot be understood any more.
    failed: bool,
    shut: bool,
}

impl Socket {
    /// Takes a socket whose handshake is done.
    pub fn new(ws: WebSocketStream<Stream>) -> Self {
        Self { ws, held: None, blocked: false, written: false, closing: false, failed: false, shut: false }
    }

    /// The next message; `None` when the socket is closed. After an error there is none; if we have said that we
    /// close, the rest is read and thrown away until the peer ends it: a socket that is dropped with unread data
    /// resets the connection, and our close code would be lost with it.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WsError>>> {
        if self.failed && self.closing {
            return self.discard(cx).map(|()| None);
        }
        let polled = self.ws.poll_next_unpin(cx);
        self.failed |= matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }

    /// Whether a message can be sent now. A socket that is blocked says so until what it has is written.
    pub fn can_send(&self) -> bool {
        !self.blocked && !self.closing
    }

    /// Queues JSON text; [`flush`](Self::flush) sends it. One that finds the buffer full is kept and blocks the socket.
    pub fn send_text(&mut self, text: Bytes) -> Result<(), WsError> {
        let text = Utf8Bytes::try_from(text).map_err(|error| WsError::Utf8(error.to_string()))?;
        match self.send(Message::Text(text)) {
            Err(WsError::WriteBufferFull(message)) => {
                self.blocked = true;
                self.held = Some(*message);
                Ok(())
            }
            sent => sent,
        }
    }

    /// Queues a ping, unless the buffer is full.
    pub fn send_ping(&mut self) -> Result<(), WsError> {
        match self.send(Message::Ping(Bytes::new())) {
            Err(WsError::WriteBufferFull(_)) => Ok(()),
            sent => sent,
        }
    }

    /// Queues a close; the peer's answer ends [`poll_message`](Self::poll_message). Fails when there is no room even for
    /// that: such a peer is not told.
    pub fn close(&mut self, code: u16, reason: &'static str) -> Result<(), WsError> {
        if self.closing {
            return Ok(());
        }
        self.closing = true;
        self.held = None;
        self.send(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() })))
    }

    /// Whether we have said that we close.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Writes what was queued, as far as the peer takes it.
    pub fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), WsError> {
        if !self.written && !self.blocked {
            return Ok(());
        }
        loop {
            match self.ws.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(());
                }
            }
            let Some(held) = self.held.take() else { break };
            self.ws.start_send_unpin(held)?;
        }
        self.written = false;
        self.blocked = false;
        self.shut_down(cx);
        Ok(())
    }

    /// Drops the socket, with the answer to the peer's close, if that can be written at once.
    pub fn part(mut self, cx: &mut Context<'_>) {
        // The peer has closed: whether our answer reaches it changes nothing here.
        let _ = self.ws.poll_flush_unpin(cx);
        let _ = Pin::new(self.ws.get_mut()).poll_shutdown(cx);
    }

    /// Says nothing more behind a close whose answer could not be understood.
    fn shut_down(&mut self, cx: &mut Context<'_>) {
        if self.failed && self.closing && !self.shut {
            // A peer that is gone already needs no end.
            self.shut = Pin::new(self.ws.get_mut()).poll_shutdown(cx).is_ready();
        }
    }

    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; DISCARD.0];
        for _ in 0..DISCARD.1 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(self.ws.get_mut()).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn send(&mut self, message: Message) -> Result<(), WsError> {
        self.written = true;
        self.ws.start_send_unpin(message)
    }
}

/// The code with which a peer is told what it did wrong; `None` when the connection itself is gone.
pub fn close_code(error: &WsError) -> Option<u16> {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => Some(1009),
        WsError::Utf8(_) => Some(1007),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        WsError::Protocol(_) => Some(1002),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;

    const MOST: usize = 64 << 10;

    /// A socket of ours with a small buffer, and its far end.
    async fn pair() -> (Socket, WebSocketStream<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let config = WebSocketConfig::default().write_buffer_size(8 << 10).max_write_buffer_size(MOST);
        let near = WebSocketStream::from_raw_socket(Stream::Plain(near), Role::Server, Some(config)).await;
        (Socket::new(near), WebSocketStream::from_raw_socket(far, Role::Client, None).await)
    }

    /// Sends numbered texts of `length` bytes within one turn, without a flush, until the socket takes no more.
    fn fill(socket: &mut Socket, length: usize) -> usize {
        let mut sent = 0;
        while socket.can_send() {
            assert!(sent < 100_000, "nothing ever blocks");
            socket.send_text(Bytes::from(format!("{sent:0length$}"))).unwrap();
            sent += 1;
        }
        sent
    }

    #[tokio::test]
    async fn a_full_buffer_blocks_the_socket_and_loses_nothing() {
        let (mut socket, mut far) = pair().await;
        let sent = fill(&mut socket, 1_000);
        assert!(sent * 1_000 > MOST);
        for expected in 0..sent {
            let message = tokio::select! {
                biased;
                message = far.next() => message.unwrap().unwrap(),
                error = poll_fn(|cx| socket.flush(cx).map_or_else(Poll::Ready, |()| Poll::Pending)) => panic!("{error}"),
            };
            assert_eq!(message.to_text().unwrap(), format!("{expected:01000}"));
        }
        poll_fn(|cx| if socket.flush(cx).is_ok() && socket.can_send() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

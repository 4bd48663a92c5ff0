//! A WebSocket as a task that owns it wants it: read what is there, write while it takes something, never wait.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::net::Stream;

/// One WebSocket. Everything is non-blocking; the waker of the last call is told when more is possible.
pub struct Socket {
    ws: WebSocketStream<Stream>,
    blocked: bool,
    written: bool,
    closing: bool,
}

impl Socket {
    /// Takes a socket whose handshake is done.
    pub fn new(ws: WebSocketStream<Stream>) -> Self {
        Self { ws, blocked: false, written: false, closing: false }
    }

    /// The next message; `None` when the socket is closed.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, WsError>>> {
        self.ws.poll_next_unpin(cx)
    }

    /// Whether a message can be sent now. A socket that is blocked says so until what it has is written.
    pub fn can_send(&self) -> bool {
        !self.blocked && !self.closing
    }

    /// Queues JSON text; [`flush`](Self::flush) sends it.
    pub fn send_text(&mut self, text: Bytes) -> Result<(), WsError> {
        let text = Utf8Bytes::try_from(text).map_err(|error| WsError::Utf8(error.to_string()))?;
        self.send(Message::Text(text))
    }

    /// Queues a ping.
    pub fn send_ping(&mut self) -> Result<(), WsError> {
        self.send(Message::Ping(Bytes::new()))
    }

    /// Queues a close; the peer's answer ends [`poll_message`](Self::poll_message).
    pub fn close(&mut self, code: u16, reason: &'static str) -> Result<(), WsError> {
        if self.closing {
            return Ok(());
        }
        let sent = self.send(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() })));
        self.closing = true;
        sent
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
        match self.ws.poll_flush_unpin(cx) {
            Poll::Ready(Ok(())) => {
                self.written = false;
                self.blocked = false;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => {
                self.blocked = true;
                Ok(())
            }
        }
    }

    fn send(&mut self, message: Message) -> Result<(), WsError> {
        self.written = true;
        self.ws.start_send_unpin(message)
    }
}

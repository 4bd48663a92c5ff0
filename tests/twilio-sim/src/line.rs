//! The WebSocket with an outbox in front: sending never waits, so a server that does not read cannot stop our clock.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, error::ProtocolError};

use crate::stream::Socket;

/// Media frames that may wait for a slow server before further ones are dropped: half a second.
const MEDIA_WAITING: usize = 25;

/// What came from the server.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    /// The server broke the WebSocket protocol.
    Violation(String),
    /// The connection is gone without a close frame.
    Lost(String),
}

pub(crate) struct Line {
    socket: Socket,
    outbox: VecDeque<Message>,
    unflushed: bool,
    dropped: u64,
    resets: bool,
    broken: Option<String>,
}

impl Line {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, outbox: VecDeque::new(), unflushed: false, dropped: 0, resets: false, broken: None }
    }

    /// Sends now if the socket takes it, else as soon as it does.
    pub(crate) fn send(&mut self, message: Message) {
        self.outbox.push_back(message);
        // Nobody needs to be woken: whoever waits in `next` polls the rest of the outbox with its own waker.
        let _ = self.poll_outbox(&mut Context::from_waker(Waker::noop()));
    }

    /// As [`send`](Self::send), but dropped and counted while too much is waiting. Says whether it was taken.
    pub(crate) fn send_media(&mut self, message: Message) -> bool {
        if self.outbox.len() >= MEDIA_WAITING {
            self.dropped += 1;
            return false;
        }
        self.send(message);
        true
    }

    /// Media frames dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next message. With `deaf` nothing is read, only written.
    pub(crate) async fn next(&mut self, deaf: bool) -> Incoming {
        poll_fn(|cx| {
            let _ = self.poll_outbox(cx);
            if let Some(why) = &self.broken {
                return Poll::Ready(Incoming::Lost(why.clone()));
            }
            if deaf {
                return Poll::Pending;
            }
            Poll::Ready(match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(message)) => Incoming::Message(message),
                Some(Err(e)) => failure(&e),
                None => Incoming::Lost("the connection ended".into()),
            })
        })
        .await
    }

    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.try_outbox(cx) {
            Poll::Ready(Err(e)) => {
                self.broken.get_or_insert(e.to_string());
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    fn try_outbox(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        while !self.outbox.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if let Some(message) = self.outbox.pop_front() {
                self.socket.start_send_unpin(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until the close handshake is over or the connection gone.
    pub(crate) async fn drain(&mut self) {
        while matches!(self.next(false).await, Incoming::Message(_)) {}
    }

    /// Makes the coming drop a reset.
    pub(crate) fn reset_on_drop(&mut self) {
        self.resets = true;
        self.socket.get_ref().reset_on_drop();
    }

    pub(crate) fn resets(&self) -> bool {
        self.resets
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}

fn failure(error: &WsError) -> Incoming {
    match error {
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | WsError::Io(_)
        | WsError::ConnectionClosed
        | WsError::AlreadyClosed => Incoming::Lost(error.to_string()),
        other => Incoming::Violation(other.to_string()),
    }
}

//! A WebSocket whose writes never wait, so that reading goes on while the other side does not read.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{
    pong_gate::{PongGate, Withheld},
    wire::Refusal,
};

/// The largest message taken.
const LARGEST: usize = 8 << 20;
/// How long the other side has for its half of the close handshake.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// The same when the whole simulator stops.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_millis(250);

/// The socket, with writes that never wait: what does not fit is kept and flushed beside the reading.
pub(crate) struct Link<S> {
    socket: WebSocketStream<PongGate<S>>,
    withheld: Withheld,
    is_flushed: bool,
    text_frames: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Takes over a transport after its HTTP upgrade.
    pub(crate) async fn new(transport: S, text_frames: bool) -> Self {
        let (gate, withheld) = PongGate::new(transport);
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        let socket = WebSocketStream::from_raw_socket(gate, Role::Server, Some(config)).await;
        Self { socket, withheld, is_flushed: true, text_frames }
    }

    /// Leaves the next ping without the answer that the library would give at once.
    pub(crate) fn withhold_pong(&self) {
        self.withheld.one_more();
    }

    /// Queues a message; it leaves with the next [`next`](Self::next).
    pub(crate) fn send(&mut self, message: Message) -> Result<(), WsError> {
        self.is_flushed = false;
        // Without asking for room first: the library queues what the transport does not take.
        Pin::new(&mut self.socket).start_send(message)
    }

    pub(crate) fn send_json(&mut self, json: Bytes) -> Result<(), WsError> {
        match Utf8Bytes::try_from(json.clone()) {
            Ok(text) if self.text_frames => self.send(Message::Text(text)),
            _ => self.send(Message::Binary(json)),
        }
    }

    /// Writes what is queued, if it may, and waits for the next message, if it may.
    pub(crate) async fn next(&mut self, read: bool, write: bool) -> Option<Result<Message, WsError>> {
        poll_fn(|cx| {
            if write
                && !self.is_flushed
                && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx)
            {
                self.is_flushed = true;
                if let Err(error) = flushed {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if read { self.socket.poll_next_unpin(cx) } else { Poll::Pending }
        })
        .await
    }

    /// Says goodbye and waits a little for the answer.
    pub(crate) async fn close(&mut self, refusal: &Refusal, patience: Duration) {
        let frame = CloseFrame { code: refusal.code.into(), reason: refusal.cut_reason().into() };
        if self.send(Message::Close(Some(frame))).is_ok() {
            self.finish(patience).await;
        }
    }

    /// The rest of a close handshake; whatever else still comes is nobody's business any more.
    pub(crate) async fn finish(&mut self, patience: Duration) {
        let rest = async { while let Some(Ok(_)) = self.next(true, true).await {} };
        // Whether the other side plays along or not, the connection is over.
        let _ = timeout(patience, rest).await;
    }
}

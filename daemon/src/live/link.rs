//! The connection under one live session: dials, reads and writes as the session says, and never waits.
//!
//! What a close or a failure means is decided by [`LiveSession`](frontdesk_core::gemini::live::LiveSession); whoever
//! owns a link feeds it the [`LinkEvent`]s and carries its [`Action`]s here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frontdesk_core::gemini::close::{Close, ConnectFailure};
use frontdesk_core::gemini::live::Action;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::{Connector, LiveSocket};
use crate::net::socket::Socket;

/// What happened on the way to the model.
#[derive(Debug)]
pub enum LinkEvent {
    /// The socket is open, that long after it was dialled.
    Opened(Duration),
    /// It could not be opened.
    Refused(ConnectFailure),
    /// A message, text or binary.
    Message(Bytes),
    /// A ping or a pong.
    Alive,
    /// The connection has ended; the reason holds no key of ours.
    Closed(Close),
}

type Dialling = Pin<Box<dyn Future<Output = Result<LiveSocket, ConnectFailure>> + Send>>;

enum State {
    Idle,
    Dialling(Dialling, Instant),
    Open(Box<Socket>),
}

/// The connection under one live session, while there is one.
pub struct Link {
    connector: Arc<Connector>,
    state: State,
}

impl Link {
    /// Not connected.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, state: State::Idle }
    }

    /// The next thing that happened. An idle link is pending and wakes nobody.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        match &mut self.state {
            State::Idle => Poll::Pending,
            State::Dialling(dialling, since) => {
                let (outcome, since) = (ready!(dialling.as_mut().poll(cx)), *since);
                Poll::Ready(match outcome {
                    Ok(socket) => {
                        self.state = State::Open(Box::new(Socket::new(socket)));
                        LinkEvent::Opened(since.elapsed())
                    }
                    Err(failure) => {
                        self.state = State::Idle;
                        LinkEvent::Refused(failure)
                    }
                })
            }
            State::Open(socket) => {
                let message = ready!(socket.poll_message(cx));
                Poll::Ready(self.on_message(cx, message))
            }
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, message: Option<Result<Message, WsError>>) -> LinkEvent {
        match message {
            Some(Ok(Message::Text(text))) => LinkEvent::Message(text.into()),
            Some(Ok(Message::Binary(bytes))) => LinkEvent::Message(bytes),
            Some(Ok(Message::Close(frame))) => {
                let close = frame.map_or(Close { code: 1005, reason: String::new() }, |frame| Close {
                    code: frame.code.into(),
                    reason: self.connector.redact(frame.reason.as_str()),
                });
                if let State::Open(socket) = std::mem::replace(&mut self.state, State::Idle) {
                    socket.part(cx);
                }
                LinkEvent::Closed(close)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => LinkEvent::Alive,
            None => self.broken("the connection ended"),
            Some(Err(error)) => self.broken(error.to_string()),
        }
    }

    fn broken(&mut self, why: impl Into<String>) -> LinkEvent {
        self.state = State::Idle;
        LinkEvent::Closed(Close::broken(why))
    }

    /// What the service said of itself, fit for the record and the log; see [`Connector::redact`].
    pub fn redact(&self, text: &str) -> String {
        self.connector.redact(text)
    }

    /// Whether there is a socket that takes a message now.
    pub fn can_send(&self) -> bool {
        matches!(&self.state, State::Open(socket) if socket.can_send())
    }

    /// Whether there is a socket.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Does what the live session asks for; `path` is that of its setup. What is sent leaves with
    /// [`flush`](Self::flush). An error is the end of the connection, to be told like [`LinkEvent::Closed`].
    pub fn carry_out(&mut self, now: Instant, action: Action, path: impl FnOnce() -> String) -> Result<(), Close> {
        let outcome = match (action, &mut self.state) {
            (Action::Connect, state) => {
                let (connector, path) = (Arc::clone(&self.connector), path());
                *state = State::Dialling(Box::pin(async move { connector.connect(&path).await }), now);
                Ok(())
            }
            (Action::Send(text), State::Open(socket)) => socket.send_text(text),
            (Action::Ping, State::Open(socket)) => socket.send_ping(),
            (Action::Close, State::Open(socket)) => socket.close(1000, ""),
            (Action::Drop | Action::Close, state) => {
                *state = State::Idle;
                Ok(())
            }
            (Action::Send(_) | Action::Ping, _) => Ok(()),
        };
        self.or_broken(outcome)
    }

    /// Writes what was sent, as far as the service takes it. Errors as in [`carry_out`](Self::carry_out).
    pub fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let outcome = socket.flush(cx);
        self.or_broken(outcome)
    }

    fn or_broken(&mut self, outcome: Result<(), WsError>) -> Result<(), Close> {
        outcome.map_err(|error| {
            self.state = State::Idle;
            Close::broken(error.to_string())
        })
    }
}

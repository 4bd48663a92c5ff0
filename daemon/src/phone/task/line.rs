//! Twilio's end of a call: its media stream's socket, fed to the leg and closed with the right code.

use std::task::{Context, Poll};
use std::time::Instant;

use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::leg::{CallLeg, Expected, LegFault};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::{FAIR, Phase, Task};
use crate::net::bell::Bell;
use crate::net::socket::{self, Socket};

impl Task {
    pub(super) fn attach(&mut self, cx: &mut Context<'_>, now: Instant, mut socket: Socket, token: String) {
        if self.line.is_some() || matches!(self.phase, Phase::Leaving(_)) {
            self.journal.refused_stream();
            // A second stream of a call has no business here; a peer that does not even take a close is dropped.
            if socket.close(1008, "not expected").and_then(|()| socket.flush(cx)).is_ok() {
                socket.part(cx);
            }
            return;
        }
        if matches!(self.phase, Phase::HangingUp(..) | Phase::PuttingThrough(_)) {
            // It holds the caller's line until Twilio has hung up: without it the fallback would ring.
            self.line = Some(socket);
            self.bells.line.keep_ringing();
            return;
        }
        let expected =
            Expected { account_sid: self.account_sid.clone(), call_sid: self.sid.as_str().to_owned(), token };
        self.attached = true;
        self.line = Some(socket);
        self.bells.line.keep_ringing();
        self.driver.conversation.attach(CallLeg::new(now, expected, self.lead));
    }

    /// Reads what Twilio sent. Returns whether there may be more.
    pub(super) fn poll_line(&mut self, bell: &Bell) -> bool {
        if !bell.answer() {
            return false;
        }
        let cx = &mut bell.context();
        for _ in 0..FAIR {
            let Some(line) = &mut self.line else { return false };
            let Poll::Ready(message) = line.poll_message(cx) else { return false };
            let now = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => self.on_line_text(now, &text),
                Some(Ok(Message::Binary(bytes))) => {
                    self.on_line_fault(now, &LegFault::Binary(bytes.len()));
                }
                Some(Ok(Message::Close(_))) => self.on_line_closed(cx, now),
                None => self.on_line_gone(now),
                Some(Ok(_)) => {}
                Some(Err(error)) => self.on_line_error(now, &error),
            }
        }
        bell.keep_ringing();
        true
    }

    fn on_line_text(&mut self, now: Instant, text: &str) {
        let Some(leg) = self.driver.conversation.source_mut() else { return };
        match leg.handle(now, text) {
            Ok(()) => self.driver.conversation.source_fed(now),
            // Behind the end there is only `stop` to wait for.
            Err(_) if self.driver.conversation.is_over() => {}
            Err(fault) => self.on_line_fault(now, &fault),
        }
    }

    pub(super) fn on_line_fault(&mut self, now: Instant, fault: &LegFault) {
        self.journal.leg_fault(fault);
        self.close_line(fault.close_code(), "protocol");
        self.driver.conversation.stop(now, EndReason::Failed("the media stream broke its protocol"));
    }

    fn on_line_closed(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some(line) = self.line.take() {
            let ours = line.is_closing();
            line.part(cx);
            self.on_line_lost(now, ours);
        }
    }

    fn on_line_gone(&mut self, now: Instant) {
        let ours = self.line.take().is_some_and(|line| line.is_closing());
        self.on_line_lost(now, ours);
    }

    fn on_line_lost(&mut self, now: Instant, ours: bool) {
        if !ours && !self.driver.conversation.is_over() {
            self.driver.conversation.source_lost(now);
        }
    }

    fn on_line_error(&mut self, now: Instant, error: &WsError) {
        // After `stop` or our own close, Twilio may just drop the connection.
        let expected = self.driver.conversation.is_over() || self.line.as_ref().is_none_or(Socket::is_closing);
        let code = socket::close_code(error);
        if !expected {
            self.journal.line_error(code.unwrap_or(1006), error);
        }
        let Some(code) = code else { return self.on_line_gone(now) };
        self.close_line(code, "protocol");
        self.driver.conversation.stop(now, EndReason::Failed("the media stream broke its protocol"));
    }

    pub(super) fn close_line(&mut self, code: u16, reason: &'static str) {
        if let Some(line) = &mut self.line
            && line.close(code, reason).is_err()
        {
            self.line = None;
        }
    }

    /// Queues what the leg wants said, as far as the socket takes it.
    pub(super) fn send_line(&mut self) {
        let Some(line) = &mut self.line else { return };
        let Some(leg) = self.driver.conversation.source_mut() else { return };
        while line.can_send() {
            let Some(message) = leg.next_message() else { return };
            if line.send_text(message).is_err() {
                // The reader will say why.
                return;
            }
        }
    }

    /// Writes what is queued, as far as Twilio takes it.
    pub(super) fn flush_line(&mut self, bell: &Bell, now: Instant) {
        if let Some(line) = &mut self.line
            && let Err(error) = line.flush(&mut bell.context())
        {
            self.on_line_error(now, &error);
            self.fresh = true;
        }
    }
}

//! One call's task: owns the conversation and both its sockets, feeds it and performs what it asks for.
//!
//! There is no rule about calls in here. The task polls everything by hand in one place: a frame from one socket is
//! decided upon and written to the other in the same turn, without a channel, a lock or a second task in between.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use frontdesk_core::gemini::close::{Close, ConnectFailure};
use frontdesk_core::gemini::live::{Action, LiveSession};
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::session::conversation::{Conversation, Outward};
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::tools::decl;
use frontdesk_core::twilio::leg::{CallLeg, Expected, LegFault};
use frontdesk_core::twilio::sid::CallSid;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::bell::Bell;
use super::socket::{self, Socket};
use crate::live::{Connector, LiveSocket};
use crate::net::Stream;
use crate::phone::calls::View;
use crate::phone::journal::Journal;
use crate::phone::rest::{HangUp, Rest};

/// The stream must come that soon after the webhook: its token lives no longer.
pub const STREAM_WITHIN: Duration = Duration::from_secs(30);
/// The far ends' answers to our closes are waited for that long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// A line that cannot be hung up is left to the fallback after that.
const HANG_UP_WITHIN: Duration = Duration::from_mins(2);
/// How often a call's queues are looked at for the metrics.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages taken from one socket before the others get their turn.
const FAIR: usize = 32;

/// What others may ask of a call.
pub enum Command {
    /// Twilio has connected the media stream that belongs to `token`.
    Attach {
        /// The socket, its upgrade done and its signature checked.
        socket: Box<WebSocketStream<Stream>>,
        /// The token of its path, used up.
        token: String,
    },
    /// End it.
    Stop(EndReason),
}

/// What a call's task is made of.
pub struct Call {
    /// Twilio's name of it.
    pub sid: CallSid,
    /// Our account.
    pub account_sid: String,
    /// The conversation's other end, not connected yet.
    pub live: LiveSession,
    /// How patient it is.
    pub patience: Patience,
    /// Audio kept at Twilio.
    pub lead: Duration,
    /// Opens live connections.
    pub connector: Arc<Connector>,
    /// Hangs up.
    pub rest: Arc<Rest>,
    /// Keeps, counts and logs.
    pub journal: Journal,
    /// What others ask.
    pub commands: mpsc::Receiver<Command>,
    /// Where it shows how it is.
    pub view: Arc<View>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<LiveSocket, ConnectFailure>> + Send>>;

enum Link {
    None,
    Connecting(Connecting, Instant),
    Open(Box<Socket>),
}

enum Phase {
    /// The conversation runs.
    Talking,
    /// Twilio is asked to hang up; the stream stays until it has.
    HangingUp(Pin<Box<dyn Future<Output = HangUp> + Send>>, Instant),
    /// The sockets are being closed.
    Leaving(Instant),
}

/// Runs a call from its webhook to its end; when `stop` is cancelled, the caller is left to the fallback.
///
/// What it owns lies in one box from the start: futures around it would each keep a copy's worth of room.
pub fn run(call: Call, stop: CancellationToken) -> impl Future<Output = ()> + Send {
    let mut task = Box::new(Task::new(call, stop));
    async move {
        std::future::poll_fn(|cx| task.poll(cx)).await;
        task.journal.task_ended();
    }
}

/// What the task waits for beside its timer.
struct Bells {
    task: Waker,
    orders: Bell,
    line: Bell,
    link: Bell,
}

impl Bells {
    fn new(task: &Waker) -> Arc<Self> {
        let (orders, line, link) = (Bell::new(task), Bell::new(task), Bell::new(task));
        Arc::new(Self { task: task.clone(), orders, line, link })
    }
}

struct Task {
    sid: CallSid,
    account_sid: String,
    lead: Duration,
    conversation: Conversation<CallLeg>,
    connector: Arc<Connector>,
    rest: Arc<Rest>,
    journal: Journal,
    commands: mpsc::Receiver<Command>,
    view: Arc<View>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    line: Option<Socket>,
    link: Link,
    phase: Phase,
    began: Instant,
    attached: bool,
    /// Something was started that has not been polled yet.
    fresh: bool,
    /// What the model said at that moment made the far end clear; not written yet.
    cleared: Option<Instant>,
    /// When the queues were last looked at, and what had been lost of the caller by then.
    looked: Instant,
    lost: u64,
    bells: Arc<Bells>,
    timer: Pin<Box<Sleep>>,
    armed: Option<Instant>,
}

impl Task {
    fn new(call: Call, stop: CancellationToken) -> Self {
        let now = Instant::now();
        Self {
            sid: call.sid,
            account_sid: call.account_sid,
            lead: call.lead,
            conversation: Conversation::new(now, call.live, call.patience),
            connector: call.connector,
            rest: call.rest,
            journal: call.journal,
            commands: call.commands,
            view: call.view,
            stop: Some(Box::pin(stop.cancelled_owned())),
            line: None,
            link: Link::None,
            phase: Phase::Talking,
            began: now,
            attached: false,
            fresh: false,
            cleared: None,
            looked: now,
            lost: 0,
            bells: Bells::new(Waker::noop()),
            timer: Box::pin(tokio::time::sleep(STREAM_WITHIN)),
            armed: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.bells.task.will_wake(cx.waker()) {
            self.bells = Bells::new(cx.waker());
            self.armed = None;
        }
        let bells = Arc::clone(&self.bells);
        loop {
            let busy = self.poll_orders(&bells) | self.poll_line(&bells) | self.poll_link(&bells, cx);
            let now = Instant::now();
            self.on_time(now);
            self.perform(now);
            self.flush(&bells, now);
            self.view.show(self.conversation.turn(), self.conversation.live().connection());
            if self.poll_phase(cx, now) {
                return Poll::Ready(());
            }
            let again = busy | std::mem::take(&mut self.fresh) || self.arm(cx, now);
            if !again {
                return Poll::Pending;
            }
        }
    }

    /// Does what others ask. Returns whether there was something.
    fn poll_orders(&mut self, bells: &Bells) -> bool {
        if !bells.orders.answer() {
            return false;
        }
        let cx = &mut bells.orders.context();
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            self.stop = None;
            self.conversation.stop(Instant::now(), EndReason::Draining);
        }
        let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) else { return false };
        bells.orders.keep_ringing();
        let now = Instant::now();
        match command {
            Command::Attach { socket, token } => self.attach(cx, now, Socket::new(*socket), token),
            // Twilio says that the call is over: what we were asking for has come about.
            Command::Stop(EndReason::CallerLeft) if matches!(self.phase, Phase::HangingUp(..)) => self.leave(now),
            Command::Stop(reason) => self.conversation.stop(now, reason),
        }
        true
    }

    fn attach(&mut self, cx: &mut Context<'_>, now: Instant, mut socket: Socket, token: String) {
        if self.line.is_some() || matches!(self.phase, Phase::Leaving(_)) {
            self.journal.refused_stream();
            // A second stream of a call has no business here; a peer that does not even take a close is dropped.
            if socket.close(1008, "not expected").and_then(|()| socket.flush(cx)).is_ok() {
                socket.part(cx);
            }
            return;
        }
        if matches!(self.phase, Phase::HangingUp(..)) {
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
        self.conversation.attach(CallLeg::new(now, expected, self.lead));
    }

    /// Reads what Twilio sent. Returns whether there may be more.
    fn poll_line(&mut self, bells: &Bells) -> bool {
        if !bells.line.answer() {
            return false;
        }
        let cx = &mut bells.line.context();
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
        bells.line.keep_ringing();
        true
    }

    fn on_line_text(&mut self, now: Instant, text: &str) {
        let Some(leg) = self.conversation.source_mut() else { return };
        match leg.handle(now, text) {
            Ok(()) => self.conversation.source_fed(now),
            // Behind the end there is only `stop` to wait for.
            Err(_) if self.conversation.is_over() => {}
            Err(fault) => self.on_line_fault(now, &fault),
        }
    }

    fn on_line_fault(&mut self, now: Instant, fault: &LegFault) {
        self.journal.leg_fault(fault);
        self.close_line(fault.close_code(), "protocol");
        self.conversation.stop(now, EndReason::Failed("the media stream broke its protocol"));
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
        if !ours && !self.conversation.is_over() {
            self.conversation.source_lost(now);
        }
    }

    fn on_line_error(&mut self, now: Instant, error: &WsError) {
        // After `stop` or our own close, Twilio may just drop the connection.
        let expected = self.conversation.is_over() || self.line.as_ref().is_none_or(Socket::is_closing);
        let code = socket::close_code(error);
        if !expected {
            self.journal.line_error(code.unwrap_or(1006), error);
        }
        let Some(code) = code else { return self.on_line_gone(now) };
        self.close_line(code, "protocol");
        self.conversation.stop(now, EndReason::Failed("the media stream broke its protocol"));
    }

    fn close_line(&mut self, code: u16, reason: &'static str) {
        if let Some(line) = &mut self.line
            && line.close(code, reason).is_err()
        {
            self.line = None;
        }
    }

    /// Connects to Gemini, or reads what it sent. Returns whether there was something.
    fn poll_link(&mut self, bells: &Bells, cx: &mut Context<'_>) -> bool {
        match &mut self.link {
            Link::None => false,
            Link::Connecting(connecting, since) => {
                let Poll::Ready(outcome) = connecting.as_mut().poll(cx) else { return false };
                let (now, since) = (Instant::now(), *since);
                match outcome {
                    Ok(socket) => {
                        self.link = Link::Open(Box::new(Socket::new(socket)));
                        bells.link.keep_ringing();
                        self.journal.live_connected(now - since);
                        self.conversation.live_mut().opened(now);
                    }
                    Err(failure) => {
                        self.link = Link::None;
                        self.conversation.live_mut().refused(now, &failure);
                    }
                }
                self.conversation.live_fed(now);
                true
            }
            Link::Open(_) if !bells.link.answer() => false,
            Link::Open(_) => {
                let before = self.clears();
                let began = Instant::now();
                let more = self.read_link(bells);
                if self.clears() != before {
                    self.cleared = Some(began);
                }
                more
            }
        }
    }

    fn clears(&self) -> u32 {
        self.conversation.source().map_or(0, CallLeg::clears)
    }

    /// Reads what Gemini sent. Returns whether there may be more.
    fn read_link(&mut self, bells: &Bells) -> bool {
        let cx = &mut bells.link.context();
        for _ in 0..FAIR {
            let Link::Open(socket) = &mut self.link else { return true };
            let Poll::Ready(message) = socket.poll_message(cx) else { return false };
            let now = Instant::now();
            let over = self.conversation.is_over();
            let live = self.conversation.live_mut();
            match message {
                // Only its close is waited for.
                Some(Ok(Message::Text(_) | Message::Binary(_))) if over => {}
                Some(Ok(Message::Text(text))) => live.frame(now, text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => live.frame(now, &bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => live.alive(now),
                Some(Ok(Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    let close = frame.map_or(Close { code: 1005, reason: String::new() }, |frame| Close {
                        code: frame.code.into(),
                        reason: self.connector.redact(frame.reason.as_str()),
                    });
                    if let Link::Open(socket) = std::mem::replace(&mut self.link, Link::None) {
                        socket.part(cx);
                    }
                    live.closed(now, &close);
                }
                None => {
                    self.link = Link::None;
                    live.closed(now, &Close::broken("the connection ended"));
                }
                Some(Err(error)) => {
                    self.link = Link::None;
                    live.closed(now, &Close::broken(error.to_string()));
                }
            }
            self.conversation.live_fed(now);
            self.perform(now);
        }
        bells.link.keep_ringing();
        true
    }

    fn on_time(&mut self, now: Instant) {
        self.conversation.poll(now);
        if !self.attached && now >= self.began + STREAM_WITHIN {
            self.attached = true;
            self.conversation.stop(now, EndReason::LineLost);
        }
        if now >= self.looked + LOOK_EVERY {
            self.look(now);
        }
        if let Some(leg) = self.talking_leg()
            && let Err(fault) = leg.poll(now)
        {
            self.on_line_fault(now, &fault);
        }
    }

    /// Tells how full the queues are.
    fn look(&mut self, now: Instant) {
        self.looked = now;
        let (uplink, lost) = self.conversation.live().uplink_backlog();
        if let Some(leg) = self.conversation.source() {
            self.journal.queues(leg.waiting(), uplink, leg.playout().backlog(), lost - self.lost);
            self.lost = lost;
        }
    }

    /// The leg as long as there is something to say: behind the end of the conversation its deadlines mean nothing.
    fn talking_leg(&mut self) -> Option<&mut CallLeg> {
        if matches!(self.phase, Phase::Talking) { self.conversation.source_mut() } else { None }
    }

    /// Carries out what the conversation and the live session ask for.
    fn perform(&mut self, now: Instant) {
        while let Some(outward) = self.conversation.next_outward() {
            self.perform_one(now, outward);
        }
        self.perform_live(now);
        self.send_line();
    }

    fn perform_one(&mut self, now: Instant, outward: Outward) {
        match outward {
            // The one function there is belongs to the Bridge; whatever else the model invents is answered at once,
            // so that there is never one to cancel.
            Outward::RunTool(call) => {
                self.conversation.tool_done(now, call.key, decl::unknown(&call.name, &[decl::END_CALL]));
            }
            Outward::CancelTool(_) => {}
            Outward::LiveReady => self.journal.live_ready(),
            Outward::LiveLost(fault) => self.journal.live_lost(now, fault),
            Outward::Record(record) => self.journal.record(now, record),
            Outward::Measure(measure) => self.journal.measure(measure),
            Outward::HangUp(reason) => {
                self.journal.ended(now, &reason);
                let rest = Arc::clone(&self.rest);
                let sid = self.sid;
                self.phase = Phase::HangingUp(Box::pin(async move { rest.hang_up(sid).await }), now);
            }
            Outward::FallBack(reason) | Outward::Gone(reason) => {
                self.journal.ended(now, &reason);
                self.leave(now);
            }
        }
    }

    fn leave(&mut self, now: Instant) {
        self.close_line(1000, "");
        self.journal.leaving();
        self.phase = Phase::Leaving(now);
        // The close is still to be written.
        self.fresh = true;
    }

    fn perform_live(&mut self, now: Instant) {
        loop {
            let can_send = matches!(&self.link, Link::Open(socket) if socket.can_send());
            let Some(action) = self.conversation.live_mut().next_action(can_send) else { return };
            let outcome = match (action, &mut self.link) {
                (Action::Connect, link) => {
                    let (connector, path) = (Arc::clone(&self.connector), self.conversation.live().setup().path());
                    *link = Link::Connecting(Box::pin(async move { connector.connect(&path).await }), now);
                    self.fresh = true;
                    Ok(())
                }
                (Action::Send(text), Link::Open(socket)) => socket.send_text(text),
                (Action::Ping, Link::Open(socket)) => socket.send_ping(),
                (Action::Close, Link::Open(socket)) => socket.close(1000, ""),
                (Action::Drop | Action::Close, link) => {
                    *link = Link::None;
                    Ok(())
                }
                (Action::Send(_) | Action::Ping, _) => Ok(()),
            };
            if let Err(error) = outcome {
                self.on_link_broken(now, &error);
            }
        }
    }

    fn send_line(&mut self) {
        let Some(line) = &mut self.line else { return };
        let Some(leg) = self.conversation.source_mut() else { return };
        while line.can_send() {
            let Some(message) = leg.next_message() else { return };
            if line.send_text(message).is_err() {
                // The reader will say why.
                return;
            }
        }
    }

    fn flush(&mut self, bells: &Bells, now: Instant) {
        if let Some(line) = &mut self.line
            && let Err(error) = line.flush(&mut bells.line.context())
        {
            self.on_line_error(now, &error);
            self.fresh = true;
        }
        if let Some(began) = self.cleared.take() {
            self.journal.clear_written(began.elapsed());
        }
        if let Link::Open(socket) = &mut self.link
            && let Err(error) = socket.flush(&mut bells.link.context())
        {
            self.on_link_broken(now, &error);
        }
    }

    fn on_link_broken(&mut self, now: Instant, error: &WsError) {
        self.link = Link::None;
        self.conversation.live_mut().closed(now, &Close::broken(error.to_string()));
        self.conversation.live_fed(now);
        // What follows from it is still to be carried out.
        self.fresh = true;
    }

    /// Whether the task is done.
    fn poll_phase(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Talking => false,
            Phase::HangingUp(asking, since) => {
                let held = asking.as_mut().poll(cx).is_ready();
                let given_up = now >= *since + HANG_UP_WITHIN;
                // A stream that only breaks off says nothing about the call: Twilio would go on to the fallback.
                let stopped = self.conversation.source().is_some_and(CallLeg::is_over);
                if given_up && !held {
                    self.journal.hang_up_given_up(HANG_UP_WITHIN);
                }
                if held || stopped || given_up {
                    self.leave(now);
                    return self.poll_phase(cx, now);
                }
                false
            }
            Phase::Leaving(since) => {
                let closed = self.line.is_none() && !matches!(self.link, Link::Open(_));
                closed || now >= *since + CLOSE_WITHIN
            }
        }
    }

    /// Sets the timer to the next deadline. Returns whether it has passed already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let phase = match &self.phase {
            Phase::Talking => (!self.attached).then_some(self.began + STREAM_WITHIN),
            Phase::HangingUp(_, since) => Some(*since + HANG_UP_WITHIN),
            Phase::Leaving(since) => Some(*since + CLOSE_WITHIN),
        };
        let leg = self.talking_leg().and_then(|leg| leg.deadline(now));
        let Some(deadline) = [self.conversation.deadline(now), leg, phase].into_iter().flatten().min() else {
            return false;
        };
        // A timer that fires early costs a look; moving it at every frame would cost more, and so would asking it.
        if self.armed.is_some_and(|armed| now < armed && armed <= deadline) {
            return false;
        }
        self.timer.as_mut().reset(deadline.into());
        // Outside the runtime's budget: a timer that was put off by it has kept no waker, and is not asked again here.
        let fired = pin!(tokio::task::unconstrained(self.timer.as_mut())).poll(cx).is_ready();
        self.armed = (!fired).then_some(deadline);
        fired
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// What [`Task::arm`] relies on, in a task that has read so much that the runtime wants it to yield.
    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_asked_once_fires_even_when_the_budget_was_spent() {
        let mut timer = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
        let mut asked = false;
        let began = tokio::time::Instant::now();
        poll_fn(|cx| {
            if !asked {
                let spend = || pin!(tokio::task::coop::consume_budget()).poll(&mut Context::from_waker(Waker::noop()));
                while spend().is_ready() {}
                asked = true;
                assert!(pin!(tokio::task::unconstrained(timer.as_mut())).poll(cx).is_pending());
            }
            if began.elapsed() >= Duration::from_secs(1) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

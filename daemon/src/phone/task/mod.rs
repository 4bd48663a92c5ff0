//! One call's task: owns the conversation and both its sockets, feeds it and performs what it asks for.
//!
//! There is no rule about calls in here. The task polls everything by hand in one place: a frame from one socket is
//! decided upon and written to the other in the same turn, without a channel, a lock or a second task in between.

mod ending;
mod line;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::session::bridge::{Guard, Patience};
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::twilio::leg::CallLeg;
use frontdesk_core::twilio::sid::CallSid;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::calls::Command;
use super::journal::Journal;
use super::rest::{HangUp, Rest};
use crate::conversation::driver::Driver;
use crate::conversation::running::View;
use crate::conversation::tools::Tools;
use crate::live::Connector;
use crate::net::bell::Bell;
use crate::net::socket::Socket;

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
    /// What the model may call, and what listens for danger to life; nothing without the clinic's data.
    pub equipment: Option<(Tools, Guard)>,
    /// What others ask.
    pub commands: mpsc::Receiver<Command>,
    /// Where it shows how it is.
    pub view: Arc<View>,
    /// The document that puts the caller through to whoever is on call for danger to life now.
    pub on_call: OnCall,
}

/// Finds out who is on call, and how Twilio is told to ring them; nothing if nobody is.
pub type OnCall = Box<dyn Fn(Instant) -> Option<String> + Send>;

enum Phase {
    /// The conversation runs.
    Talking,
    /// Twilio is asked to hang up; the stream stays until it has.
    HangingUp(Pin<Box<dyn Future<Output = HangUp> + Send>>, Instant),
    /// Twilio is asked to ring whoever is on call; the stream stays until it does, or will not.
    PuttingThrough(Pin<Box<dyn Future<Output = Result<(), String>> + Send>>),
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
    driver: Driver<CallLeg>,
    rest: Arc<Rest>,
    journal: Journal,
    commands: mpsc::Receiver<Command>,
    view: Arc<View>,
    on_call: OnCall,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    line: Option<Socket>,
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
        let mut driver = Driver::new(now, call.live, call.patience, call.connector);
        if let Some((tools, guard)) = call.equipment {
            driver.equip(tools, guard);
        }
        Self {
            sid: call.sid,
            account_sid: call.account_sid,
            lead: call.lead,
            driver,
            rest: call.rest,
            journal: call.journal,
            commands: call.commands,
            view: call.view,
            on_call: call.on_call,
            stop: Some(Box::pin(stop.cancelled_owned())),
            line: None,
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
            let busy = self.poll_orders(&bells) | self.poll_line(&bells.line) | self.poll_link(&bells.link);
            let now = Instant::now();
            self.on_time(now);
            self.perform(now);
            self.flush(&bells, now);
            self.view.show(self.driver.conversation.turn(), self.driver.conversation.live().connection());
            if self.poll_phase(cx, now) {
                return Poll::Ready(());
            }
            if self.driver.take_fresh() {
                bells.link.keep_ringing();
                self.fresh = true;
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
            self.driver.conversation.stop(Instant::now(), EndReason::Draining);
        }
        let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) else { return false };
        bells.orders.keep_ringing();
        let now = Instant::now();
        match command {
            Command::Attach { socket, token } => self.attach(cx, now, Socket::new(*socket), token),
            // Twilio says that the call is over: what we were asking for has come about.
            Command::Stop(EndReason::CallerLeft)
                if matches!(self.phase, Phase::HangingUp(..) | Phase::PuttingThrough(_)) =>
            {
                self.leave(now);
            }
            Command::Stop(reason) => self.driver.conversation.stop(now, reason),
        }
        true
    }

    fn on_time(&mut self, now: Instant) {
        self.driver.conversation.poll(now);
        if !self.attached && now >= self.began + STREAM_WITHIN {
            self.attached = true;
            self.driver.conversation.stop(now, EndReason::LineLost);
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
        let (uplink, lost) = self.driver.conversation.live().uplink_backlog();
        if let Some(leg) = self.driver.conversation.source() {
            self.journal.queues(leg.waiting(), uplink, leg.playout().backlog(), lost - self.lost);
            self.lost = lost;
        }
    }

    /// The leg as long as there is something to say: behind the end of the conversation its deadlines mean nothing.
    fn talking_leg(&mut self) -> Option<&mut CallLeg> {
        if matches!(self.phase, Phase::Talking) { self.driver.conversation.source_mut() } else { None }
    }

    /// Carries out what the conversation and the live session ask for.
    fn perform(&mut self, now: Instant) {
        while let Some(parting) = self.driver.perform(now, &mut self.journal) {
            self.part(now, parting);
        }
        self.driver.perform_live(now, &mut self.journal);
        self.send_line();
    }

    fn flush(&mut self, bells: &Bells, now: Instant) {
        self.flush_line(&bells.line, now);
        if let Some(began) = self.cleared.take() {
            self.journal.clear_written(began.elapsed());
        }
        self.driver.flush_link(&mut bells.link.context(), now, &mut self.journal);
    }

    /// Takes what happened on the link. Returns whether there may be more.
    fn poll_link(&mut self, bell: &Bell) -> bool {
        if !bell.answer() {
            return false;
        }
        let (before, began) = (self.clears(), Instant::now());
        let more = self.read_link(bell);
        if self.clears() != before {
            self.cleared = Some(began);
        }
        more
    }

    fn clears(&self) -> u32 {
        self.driver.conversation.source().map_or(0, CallLeg::clears)
    }

    fn read_link(&mut self, bell: &Bell) -> bool {
        let cx = &mut bell.context();
        for _ in 0..FAIR {
            if self.driver.poll_link(cx, &mut self.journal).is_pending() {
                return false;
            }
            self.perform(Instant::now());
        }
        bell.keep_ringing();
        true
    }

    /// Sets the timer to the next deadline. Returns whether it has passed already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let phase = match &self.phase {
            Phase::Talking => (!self.attached).then_some(self.began + STREAM_WITHIN),
            Phase::HangingUp(_, since) => Some(*since + HANG_UP_WITHIN),
            // Its requests have ends of their own.
            Phase::PuttingThrough(_) => None,
            // Behind what is still being done the closes are looked at again.
            Phase::Leaving(since) => (!self.driver.is_working()).then_some(*since + CLOSE_WITHIN),
        };
        let leg = self.talking_leg().and_then(|leg| leg.deadline(now));
        let Some(deadline) = [self.driver.conversation.deadline(now), leg, phase].into_iter().flatten().min() else {
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

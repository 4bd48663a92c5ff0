//! The desk's task: feeds the reception and the conversation, and performs what they ask for.
//!
//! There is no rule about conversations in here. Like a call's task it polls everything in one place: a block from the
//! sound card is decided upon and written to the model's socket in the same turn.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use frontdesk_core::clerk;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::desk::leg::DeskLeg;
use frontdesk_core::desk::reception::{Act, Ear, Happening, Hook, Reception, Wake};
use frontdesk_core::gemini::live::LiveSession;
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::{ConversationId, DeskId};
use jiff::Timestamp;
use log::{Level, debug, info, warn};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::invite::{Invitation, InviteError};
use super::lines::Lines;
use super::port::{News, Port, Shown};
use super::selftest::{Asked, Course, TestError};
use super::state::{DeskState, DeviceState};
use super::talk::Talk;
use crate::clock::Clock;
use crate::conversation::driver::Driver;
use crate::conversation::journal::Journal;
use crate::conversation::running::{Busy, Conversations, Party, Running, View};
use crate::current::Current;
use crate::live::prompt::Place;
use crate::live::{Connector, prompt};
use crate::logging::Event;
use crate::metrics::Metrics;
use crate::net::bell::Bell;
use crate::phone::settings::Settings;
use crate::store::{self, Store};
use crate::supervise::Calls as CallTasks;

/// Who asks a conversation to end may be so many ahead of it.
const COMMANDS: usize = 4;
/// Blocks of sound taken before the rest gets its turn: more than a second, after a stall.
const FAIR: usize = 128;

/// What a conversation at the desk is made of.
pub struct Makings {
    /// By what it is made: taken once for each.
    pub settings: Current<Settings>,
    /// The running conversations, of the phone as well.
    pub conversations: Arc<Conversations>,
    /// Opens live connections.
    pub connector: Arc<Connector>,
    /// Keeps records.
    pub store: Store,
    /// Counts.
    pub metrics: Metrics,
    /// Civil time.
    pub clock: fn() -> Clock,
    /// Waits for conversations when the daemon stops.
    pub tasks: CallTasks,
}

/// Runs the desk until `stop`; a conversation that is left by then ends at once.
pub async fn run(
    port: Port,
    wake: Wake,
    makings: Makings,
    state: Arc<DeskState>,
    (tests, invitations): (mpsc::Receiver<Asked>, mpsc::Receiver<Invitation>),
    stop: CancellationToken,
) -> std::io::Result<()> {
    let sound = watched(port.bell.clone())?;
    let mut task = Task {
        port,
        reception: Reception::new(wake),
        makings,
        state,
        sound,
        stands: 0,
        talk: None,
        tests: Course::new(tests),
        invitations,
        asked: None,
        parting: Vec::new(),
        lines: Lines::new(),
        bells: Bells::new(Waker::noop()),
        timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    stop.run_until_cancelled(std::future::poll_fn(|cx| task.poll(cx))).await;
    task.close();
    Ok(())
}

/// The sound card's bell, as tokio wants to see it.
struct Rung(frontdesk_hw::bell::Bell);

impl AsRawFd for Rung {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The constructor that takes any type is deprecated because a type could name a descriptor that is not its own; the one
/// in its place is unsafe, which is not used outside the sound card's package. This type owns its descriptor and always
/// names the same.
#[expect(deprecated, reason = "sound for an owned, constant descriptor")]
fn watched(bell: frontdesk_hw::bell::Bell) -> std::io::Result<AsyncFd<Rung>> {
    AsyncFd::with_interest(Rung(bell), Interest::READABLE)
}

/// What the task waits for beside sound and timer: the link of the conversation, and that of one that is closing.
struct Bells {
    task: Waker,
    link: Bell,
    closing: Bell,
}

impl Bells {
    fn new(task: &Waker) -> Arc<Self> {
        Arc::new(Self { task: task.clone(), link: Bell::new(task), closing: Bell::new(task) })
    }
}

struct Task {
    port: Port,
    reception: Reception,
    makings: Makings,
    state: Arc<DeskState>,
    sound: AsyncFd<Rung>,
    /// Where the device's scale of speech stands: behind whatever was played or handed out. It never goes back, so that
    /// no report of what an earlier conversation said is taken for this one's.
    stands: u64,
    talk: Option<Box<Talk>>,
    tests: Course,
    invitations: mpsc::Receiver<Invitation>,
    /// Who is to speak in the conversation that is about to begin, if somebody has asked.
    asked: Option<PersonaId>,
    /// Conversations that are over and wait for the model's close.
    parting: Vec<Talk>,
    lines: Lines,
    bells: Arc<Bells>,
    timer: Pin<Box<Sleep>>,
}

impl Task {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.bells.task.will_wake(cx.waker()) {
            self.bells = Bells::new(cx.waker());
        }
        let bells = Arc::clone(&self.bells);
        loop {
            self.poll_bell(cx);
            let now = Instant::now();
            self.take_news(now);
            let mut busy = self.take_sound(now);
            self.reception.poll(now);
            self.receive(now);
            self.poll_invitations(cx, now);
            self.tests.poll(cx, now, &self.port, &self.state, self.reception.is_talking());
            busy |= self.poll_talk(cx, &bells, now);
            busy |= self.poll_parting(&bells, now);
            if !busy && !self.arm(cx, Instant::now()) {
                return Poll::Pending;
            }
        }
    }

    /// Clears the sound card's bell, and waits for its next ring.
    fn poll_bell(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Ok(mut ready)) = self.sound.poll_read_ready(cx) {
            // Rung or not: what it told of is looked at next.
            let _ =
                ready.try_io(|bell| if bell.get_ref().0.answer() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) });
        }
    }

    fn take_news(&mut self, now: Instant) {
        while let Some(news) = (self.port.news)(&mut self.port.ends) {
            match news {
                News::Attached(device) => {
                    let line = format!("the desk has a speakerphone: {}, {}", device.name, device.opened);
                    self.log(now, (Level::Info, Some(Event::SpeakerphoneFound)), &line);
                    for remark in &device.remarks {
                        let is_priority = device.opening.priority_refused.as_ref() == Some(remark);
                        let kind = (Level::Warn, is_priority.then_some(Event::RealtimeRefused));
                        self.log(now, kind, &format!("speakerphone {}: {remark}", device.name));
                    }
                    self.state.set_device(DeviceState::Ready(device));
                    self.reception.handle(now, Happening::Attached);
                }
                News::Detached { why } => {
                    self.log(
                        now,
                        (Level::Warn, Some(Event::SpeakerphoneLost)),
                        &format!("the desk's speakerphone is gone: {why}"),
                    );
                    self.tests.end(TestError::Gone(why.clone()));
                    self.state.set_device(DeviceState::Absent(why));
                    self.reception.handle(now, Happening::Detached);
                }
                News::Remark(remark) => {
                    self.log(now, (Level::Warn, None), &format!("the desk's speakerphone: {remark}"));
                    self.state.remark(remark);
                }
                News::NoButtons(why) => {
                    self.log(now, (Level::Warn, None), &format!("the desk's speakerphone: {why}"));
                    self.state.remark_early(why);
                }
                News::Buttons => {
                    info!("the desk's speakerphone has its buttons and lamps");
                    self.state.take_back_early();
                }
                News::Trouble(trouble) => {
                    let kind = (Level::Warn, Some(Event::SpeakerphoneTrouble));
                    self.log(now, kind, &format!("the desk's speakerphone: {trouble}"));
                    if !self.reception.is_attached() {
                        self.state.set_device(DeviceState::Absent(trouble));
                    }
                }
                News::Hook(hook) => self.reception.handle(now, Happening::Hook(hook)),
                // The loudspeaker's own, perhaps.
                News::Voice(_) if self.tests.is_heard(now) => {}
                News::Voice(voice) => self.reception.handle(now, Happening::Voice(voice)),
                News::Muted(muted) => {
                    info!("the microphone was switched {} at the desk", if muted { "off" } else { "on" });
                    self.reception.handle(now, Happening::Muted(muted));
                }
            }
            self.receive(now);
        }
    }

    /// Logs what a device that comes and goes all night would fill the log with.
    fn log(&mut self, now: Instant, (level, event): (Level, Option<Event>), line: &str) {
        let before = match self.lines.allow(now) {
            Some(0) => String::new(),
            Some(untold) => format!(" ({untold} lines about the speakerphone were left out before)"),
            None => return debug!("{line}"),
        };
        match event {
            Some(event) => log::log!(level, event:%; "{line}{before}"),
            None => log::log!(level, "{line}{before}"),
        }
    }

    /// Passes sound on to the conversation. Returns whether there may be more.
    fn take_sound(&mut self, now: Instant) -> bool {
        for _ in 0..FAIR {
            let Some(heard) = self.port.ends.heard.dequeue() else { return false };
            self.stands = self.stands.max(heard.played);
            if let Some(talk) = &mut self.talk {
                talk.hear(now, &heard);
            }
        }
        true
    }

    /// Does what the reception wants.
    fn receive(&mut self, now: Instant) {
        while let Some(act) = self.reception.next_act() {
            debug!("the desk: {act:?}");
            match act {
                Act::Ear(ear) => self.port.knobs.set_ear(ear),
                Act::OffHook(off_hook) => (self.port.show)(Shown { off_hook, ..Shown::default() }),
                Act::Unmute => (self.port.unmute)(),
                Act::Play(earcon) => self.port.knobs.play(earcon),
                Act::Begin(by) => self.begin(now, by),
                Act::Leave => {
                    if let Some(talk) = &mut self.talk {
                        talk.leave(now);
                    }
                }
                Act::Lost => {
                    self.silence();
                    if let Some(talk) = &mut self.talk {
                        talk.lose(now);
                    }
                }
                Act::Back => {
                    if let Some(talk) = &mut self.talk {
                        talk.resume(now, self.stands);
                    }
                }
            }
            self.state.set_talking(self.reception.is_talking());
        }
    }

    /// Begins conversations that others ask for.
    fn poll_invitations(&mut self, cx: &mut Context<'_>, now: Instant) {
        while let Poll::Ready(Some(Invitation { persona, answer })) = self.invitations.poll_recv(cx) {
            // Who has left needs no answer.
            let _ = answer.send(self.invite(now, persona));
        }
    }

    /// Begins a conversation as the button would.
    fn invite(&mut self, now: Instant, persona: Option<PersonaId>) -> Result<ConversationId, InviteError> {
        match self.state.device() {
            DeviceState::Ready(_) => {}
            DeviceState::Off => return Err(InviteError::Off),
            DeviceState::Absent(why) => return Err(InviteError::NoDevice(why)),
        }
        if self.reception.is_talking() {
            return Err(InviteError::Talking);
        }
        let personas = &self.makings.settings.take().clinic.personas;
        if persona.as_ref().is_some_and(|id| personas.persona(id).is_none()) {
            let known = personas.catalogue.iter().map(|known| known.id.to_string());
            return Err(InviteError::NoPersona(known.collect()));
        }
        info!("somebody asks for a conversation at the desk");
        self.asked = persona;
        self.reception.handle(now, Happening::Hook(Hook::Off));
        self.receive(now);
        self.asked = None;
        self.talk.as_ref().map(|talk| talk.id).ok_or(InviteError::NotNow)
    }

    fn begin(&mut self, now: Instant, by: Wake) {
        self.tests.end(TestError::Interrupted);
        match self.admit(now, by) {
            Ok(talk) => {
                self.makings.metrics.desk_started(word(by));
                self.talk = Some(Box::new(talk));
                // The connection it asks for has not been begun.
                self.bells.link.keep_ringing();
            }
            Err(busy) => {
                warn!("a conversation at the desk could not be had: {}", busy.as_str());
                self.makings.metrics.desk_refused(busy.as_str());
                self.reception.handle(now, Happening::Refused);
                if busy == Busy::Draining {
                    self.reception.handle(now, Happening::Closing);
                }
            }
        }
    }

    fn admit(&mut self, now: Instant, by: Wake) -> Result<Talk, Busy> {
        let makings = &self.makings;
        let seed = random();
        let id = ConversationId::from(DeskId::of(seed));
        let live_id = format!("L{:012x}", random() >> 80);
        let (sender, commands) = mpsc::channel(COMMANDS);
        let view = Arc::<View>::default();
        let running =
            Running { id, live_id: live_id.clone(), party: Party::Visitor, since: now, view: Arc::clone(&view) };
        let asked = sender.clone();
        let settings = makings.settings.take();
        if makings.conversations.active() >= settings.phone.max_calls && !makings.conversations.is_draining() {
            return Err(Busy::Full);
        }
        makings.conversations.admit(running, Arc::new(move |reason| asked.try_send(reason).is_ok()))?;
        info!(desk_id = id.as_str(), live_id = live_id.as_str(); "a conversation begins at the desk, by {}", word(by));
        let clock = (makings.clock)();
        makings.store.record(store::Record::DeskStarted { call: id, at: clock.civil(now) });
        let (store, metrics) = (makings.store.clone(), makings.metrics.clone());
        let journal = Journal::new(id, live_id, store, metrics, clock, Arc::clone(&makings.conversations));
        let setup =
            prompt::setup(&settings.gemini, &settings.clinic, Timestamp::now(), Place::Desk, self.asked.as_ref());
        let live = LiveSession::new(setup, settings.gemini.rotate_after, seed as u64);
        let mut driver = Driver::new(now, live, settings.desk, Arc::clone(&makings.connector));
        if let Some(office) = &settings.office {
            let place = clerk::Place::Desk;
            driver.equip(office.tools(id, place, None, clock), office.guard(place, clock.civil(now)));
        }
        driver.conversation.attach(DeskLeg::new(now, self.stands));
        driver.conversation.source_fed(now);
        let (handed, running) = (self.stands, watch(&makings.tasks, id, sender));
        // What an earlier conversation left in the rings is not for this one.
        self.silence();
        Ok(Talk { id, driver, journal, commands, view, handed, _running: running, ended: None })
    }

    /// Drops what was handed out and has not been heard, and lets the next voice come in at its full level.
    fn silence(&mut self) {
        self.stands = self.stands.max(self.talk.as_ref().map_or(0, |talk| talk.handed));
        self.port.knobs.begin_epoch();
        self.port.knobs.set_ducked(false);
    }

    /// The desk is being stopped.
    fn close(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.cut(Instant::now());
        }
        self.silence();
        self.port.knobs.set_ear(Ear::Closed);
        (self.port.show)(Shown::default());
    }

    /// Moves the conversation on. Returns whether there may be more to do.
    fn poll_talk(&mut self, cx: &mut Context<'_>, bells: &Bells, now: Instant) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        talk.poll_commands(cx, now);
        let mut busy = bells.link.answer() && talk.poll_link(&bells.link, &mut self.port);
        talk.driver.conversation.poll(Instant::now());
        let over = talk.perform(now, &mut self.port);
        talk.driver.flush_link(&mut bells.link.context(), now, &mut talk.journal);
        if talk.driver.take_fresh() {
            bells.link.keep_ringing();
            busy = true;
        }
        if let Some(reason) = over {
            self.part(now, &reason);
            return true;
        }
        busy
    }

    /// The conversation is over: the desk is free, its connection closes behind it.
    fn part(&mut self, now: Instant, reason: &EndReason) {
        self.silence();
        self.parting.extend(self.talk.take().map(|talk| *talk));
        // Its last connection is now watched by the other bell.
        self.bells.closing.keep_ringing();
        self.reception.handle(now, Happening::Over(reason));
        self.receive(now);
    }

    /// Lets the connections of conversations that are over close. Returns whether there may be more to do.
    fn poll_parting(&mut self, bells: &Bells, now: Instant) -> bool {
        if self.parting.is_empty() {
            return false;
        }
        // They share a bell: rung, it rings for each.
        let (rung, mut busy) = (bells.closing.answer(), false);
        for talk in &mut self.parting {
            busy |= rung && talk.poll_link(&bells.closing, &mut self.port);
            talk.perform(now, &mut self.port);
            talk.driver.flush_link(&mut bells.closing.context(), now, &mut talk.journal);
        }
        self.parting.retain(|talk| !talk.is_done(now));
        busy && !self.parting.is_empty()
    }

    /// Sets the timer to the next deadline. Returns whether it has passed already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let talks = self.talk.as_deref().into_iter().chain(&self.parting).filter_map(|talk| talk.deadline(now));
        let Some(deadline) = talks.chain(self.reception.deadline()).chain(self.tests.deadline()).min() else {
            return false;
        };
        self.timer.as_mut().reset(deadline.into());
        // Outside the runtime's budget: a timer that is put off by it keeps no waker.
        pin!(tokio::task::unconstrained(self.timer.as_mut())).poll(cx).is_ready()
    }
}

/// The word for logs and metrics.
fn word(by: Wake) -> &'static str {
    match by {
        Wake::Button => "button",
        Wake::Voice => "voice",
    }
}

fn random() -> u128 {
    let mut bits = [0; 16];
    // Without randomness two conversations are called the same and share a record; they still take place.
    let _ = SystemRandom::new().fill(&mut bits);
    u128::from_ne_bytes(bits)
}

/// Lets the stopping daemon wait for the conversation, and end it when the time is up: a task beside the desk's own,
/// which goes on. It ends when what is returned is dropped.
fn watch(tasks: &CallTasks, id: ConversationId, commands: mpsc::Sender<EndReason>) -> oneshot::Sender<()> {
    let (running, mut over) = oneshot::channel::<()>();
    tasks.spawn("desk", id, move |stop| async move {
        tokio::select! {
            _ = &mut over => return,
            () = stop.cancelled() => {}
        }
        // Full: somebody has asked for its end already.
        let _ = commands.try_send(EndReason::Draining);
        let _ = over.await;
    });
    running
}

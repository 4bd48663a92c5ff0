//! A front desk whose sound card is played by the test: it takes speech when it likes, and hears what it is told to.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::audio::vad::VoiceEvent;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::desk::reception::{Ear, Earcon, Hook, Wake};
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::units::SampleRate;
use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::{Heard, LISTENING, Nanos, Noticed, Speech};
use frontdesk_hw::dsp::Worker;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::{EchoMode, Knobs};
use frontdesk_hw::pcm::negotiate::{Format, Setting};
use frontdesk_hw::pcm::port::Direction;
use frontdesk_hw::rings::{self, DspEnds, RtEnds};
use frontdesk_hw::rt::ports::Ports;
use frontdeskd::conversation::running::Conversations;
use frontdeskd::current::Current;
use frontdeskd::desk::invite::{InviteError, Inviter};
use frontdeskd::desk::port::{Device, News, Opening, Port, Shown};
use frontdeskd::desk::selftest::Tester;
use frontdeskd::desk::state::{DeskState, DeviceState};
use frontdeskd::desk::task::{self, Makings};
use frontdeskd::phone::fallback::Fallbacks;
use frontdeskd::phone::settings::Settings;
use frontdeskd::store::{CallFilter, CallWithTurns};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::fakes::{LONG, Server};
use super::world::{World, patient, until};

/// Slots of the ring of speech that can be filled: one stays free.
pub(crate) const ROOM: usize = 15;

/// What the sound card tells, or that the task is to break.
enum Told {
    News(News),
    Break,
}

pub(crate) struct Desk {
    rt: RtEnds,
    /// The worker's ends of the rings.
    pub(crate) ends: DspEnds,
    pub(crate) knobs: &'static Knobs,
    /// Rung by the task when it puts speech behind silence.
    pub(crate) worker: Bell,
    pub(crate) state: Arc<DeskState>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinSet<std::io::Result<()>>,
    inviter: Inviter,
    conversations: Arc<Conversations>,
    bell: Bell,
    told: mpsc::Sender<Told>,
    shown: Arc<Mutex<Vec<Shown>>>,
    unmuted: Arc<AtomicU32>,
}

impl Desk {
    /// A desk of `world` whose device is still to come.
    pub(crate) fn start(world: &World, wake: Wake) -> Self {
        Self::start_with(world, wake, patient())
    }

    fn start_with(world: &World, wake: Wake, patience: Patience) -> Self {
        let (rt, ends, net) = rings::make();
        let (bell, worker) = (Bell::new().unwrap(), Bell::new().unwrap());
        let knobs: &'static Knobs = Box::leak(Box::new(Knobs::new()));
        let figures: &'static Figures = Box::leak(Box::new(Figures::new()));
        // Nobody tests this desk: the worker is the test itself.
        let prober = Worker::new(rings::make().1, knobs, figures, bell.clone()).prober();
        let (_tester, asked) = Tester::new();
        let (inviter, invitations) = Inviter::new();
        let (told, tells) = mpsc::channel();
        let (shown, unmuted) = (Arc::<Mutex<Vec<Shown>>>::default(), Arc::<AtomicU32>::default());
        let (lamps, key) = (Arc::clone(&shown), Arc::clone(&unmuted));
        let port = Port {
            ends: net,
            news: Box::new(move |ends| match tells.try_recv() {
                Ok(Told::News(news)) => Some(news),
                Ok(Told::Break) => panic!("the test breaks the desk's task"),
                Err(_) => ends.noticed.dequeue().map(|noticed| News::Voice(noticed.voice)),
            }),
            bell: bell.clone(),
            worker: worker.clone(),
            prober,
            knobs,
            figures,
            show: Box::new(move |show| lamps.lock().unwrap().push(show)),
            unmute: Box::new(move || {
                knobs.set_muted(false);
                key.fetch_add(1, Ordering::Relaxed);
            }),
        };
        let state = Arc::new(DeskState::new(DeviceState::Absent("it is being looked for".to_owned()), knobs));
        let (stop, conversations) = (CancellationToken::new(), Arc::clone(world.line.calls.conversations()));
        let mut task = JoinSet::new();
        task.spawn(task::run(
            port,
            wake,
            makings(world, patience),
            Arc::clone(&state),
            (asked, invitations),
            stop.clone(),
        ));
        Self { rt, ends, knobs, worker, state, stop, task, inviter, conversations, bell, told, shown, unmuted }
    }

    /// A desk of `world` with a speakerphone.
    pub(crate) async fn plugged_in(world: &World, wake: Wake) -> Self {
        let desk = Self::start(world, wake);
        desk.plug_in();
        until(|| desk.is_ready()).await;
        desk
    }

    /// A desk in conversation with the model, which has been asked for a greeting.
    pub(crate) async fn talking(world: &World) -> (Self, Server) {
        Self::talking_with(world, patient()).await
    }

    /// The same, with so much patience for a silent visitor.
    pub(crate) async fn talking_with(world: &World, patience: Patience) -> (Self, Server) {
        let desk = Self::start_with(world, Wake::Button, patience);
        desk.plug_in();
        until(|| desk.is_ready()).await;
        desk.press();
        let mut gemini = world.gemini.listen().await;
        assert_eq!(asked(&mut gemini).await, json!({ "clientContent": { "turnComplete": true } }));
        assert_eq!(desk.earcon().await, Earcon::Begin);
        (desk, gemini)
    }

    pub(crate) fn plug_in(&self) {
        let device = Device {
            name: "Jabra SPEAK 510".to_owned(),
            opened: "capture 16000 Hz; playout 48000 Hz".to_owned(),
            remarks: Vec::new(),
            opening: Opening { capture_hz: 16_000, playout_hz: 48_000, priority_refused: None, sysfs: None },
        };
        self.tell(News::Attached(device));
    }

    pub(crate) fn unplug(&self) {
        self.tell(News::Detached { why: "it was unplugged".to_owned() });
    }

    pub(crate) fn tell(&self, news: News) {
        self.told.send(Told::News(news)).unwrap();
        self.bell.ring();
    }

    /// The hook button is pressed; what that means is what its lamp shows.
    pub(crate) fn press(&self) {
        self.tell(News::Hook(if self.lamp() { Hook::On } else { Hook::Off }));
    }

    /// Staff ask for a conversation, in the voice of a persona if they name one.
    pub(crate) async fn invite(&self, persona: Option<&str>) -> Result<ConversationId, InviteError> {
        self.inviter.begin(persona.map(|id| PersonaId::parse(id).unwrap())).await
    }

    /// The mute key is pressed: the microphone is switched first, and told of then.
    pub(crate) fn mute(&self, muted: bool) {
        self.knobs.set_muted(muted);
        self.tell(News::Muted(muted));
    }

    /// The task panics.
    pub(crate) fn break_task(&self) {
        self.told.send(Told::Break).unwrap();
        self.bell.ring();
    }

    /// The worker notices a voice while the ear is watching.
    pub(crate) fn notice(&mut self, voice: VoiceEvent) {
        self.ends.noticed.enqueue(Noticed { at: Nanos(0), voice }).unwrap();
        self.bell.ring();
    }

    /// The worker passes one block on.
    pub(crate) fn hear(&mut self, pcm: &[i16; LISTENING], voice: Option<VoiceEvent>, played: u64) {
        self.ends.heard.enqueue(Heard { at: Nanos(0), voice, played, pcm: *pcm }).unwrap();
        self.bell.ring();
    }

    /// The worker takes the next block of speech, waiting for it, and reports it as played.
    pub(crate) async fn take(&mut self) -> Speech {
        until(|| self.ends.speech.ready()).await;
        let speech = self.ends.speech.dequeue().unwrap();
        self.hear(&[0; LISTENING], None, speech.end);
        speech
    }

    /// Takes speech to the end of a reply.
    pub(crate) async fn hear_out(&mut self) {
        while !self.take().await.last {}
    }

    /// The real worker and what the real-time thread does with a period, in place of what the test plays.
    pub(crate) fn sound(&mut self) -> Sound {
        let (rt, ends, _) = rings::make();
        let (rt, ends) = (std::mem::replace(&mut self.rt, rt), std::mem::replace(&mut self.ends, ends));
        let figures = Box::leak(Box::default());
        self.knobs.set_echo(EchoMode::Device);
        let worker = Worker::new(ends, self.knobs, figures, self.bell.clone());
        Sound { ports: Ports::new(rt, self.knobs, figures), worker, periods: 0 }
    }

    /// Waits until nothing more fits into the ring of speech.
    pub(crate) async fn full(&self) {
        until(|| self.ends.speech.len() == ROOM).await;
    }

    /// The next sound that is asked for.
    pub(crate) async fn earcon(&self) -> Earcon {
        let next = Cell::new(None);
        until(|| {
            next.set(self.knobs.take_earcon());
            next.get().is_some()
        })
        .await;
        next.get().unwrap()
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state.device(), DeviceState::Ready(_))
    }

    pub(crate) fn is_talking(&self) -> bool {
        self.state.is_talking()
    }

    /// Whether the off-hook lamp is lit.
    pub(crate) fn lamp(&self) -> bool {
        self.shown.lock().unwrap().last().is_some_and(|shown| shown.off_hook)
    }

    /// How often the microphone was switched on.
    pub(crate) fn unmuted(&self) -> u32 {
        self.unmuted.load(Ordering::Relaxed)
    }

    /// The conversation that runs.
    pub(crate) fn conversation(&self) -> ConversationId {
        self.conversations.running()[0].id
    }

    /// How the task ended.
    pub(crate) async fn ended(&mut self) -> Result<std::io::Result<()>, JoinError> {
        tokio::time::timeout(LONG, self.task.join_next()).await.expect("it goes on").unwrap()
    }

    /// Waits until the desk is free, and sees that it shows so.
    pub(crate) async fn free(&self) {
        until(|| !self.is_talking()).await;
        assert_eq!((self.knobs.ear(), self.lamp(), self.knobs.is_ducked()), (Ear::Closed, false, false));
    }
}

/// A loudspeaker and a microphone in the hands of the real audio code.
pub(crate) struct Sound {
    ports: Ports,
    worker: Worker,
    periods: u64,
}

impl Sound {
    /// The microphone has so many blocks of a loud sound; the loudspeaker's part of them is returned.
    pub(crate) fn hears(&mut self, blocks: usize) -> Vec<u8> {
        let [capture, playout] = [Direction::Capture, Direction::Playout].map(|direction| {
            let rate = SampleRate::LISTENING;
            Setting { direction, rate, format: Format::S16, channels: 1, period: LISTENING, buffer: 4 * LISTENING }
        });
        let mut played = vec![0; blocks * 2 * LISTENING];
        for period in played.chunks_mut(2 * LISTENING) {
            self.periods += 1;
            let at = Nanos(self.periods * 10_000_000);
            self.ports.playout(period, &playout, at);
            self.ports.captured(&[0x11; 2 * LISTENING], &capture, at);
            self.worker.turn();
        }
        played
    }
}

fn makings(world: &World, patience: Patience) -> Makings {
    let line = &world.line;
    let of = line.settings.take();
    let settings = Settings {
        phone: of.phone.clone(),
        gemini: of.gemini.clone(),
        clinic: of.clinic.clone(),
        desk: patience,
        office: None,
        fallback: Fallbacks::new(&of.phone, &of.clinic).unwrap(),
    };
    Makings {
        settings: Current::from(Arc::new(settings)),
        conversations: Arc::clone(line.calls.conversations()),
        connector: Arc::clone(&line.connector),
        store: line.store.clone(),
        metrics: line.metrics.clone(),
        clock: line.clock,
        tasks: line.tasks.clone(),
    }
}

/// The next message that the model gets.
pub(crate) async fn asked(gemini: &mut Server) -> Value {
    let next = async {
        loop {
            match gemini.next().await.expect("the connection goes on").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Binary(bytes) => return serde_json::from_slice(&bytes).unwrap(),
                _ => {}
            }
        }
    };
    tokio::time::timeout(LONG, next).await.expect("the message never came")
}

/// The audio in `message`, if it carries some.
pub(crate) fn audio(message: &Value) -> Vec<i16> {
    let data = message["realtimeInput"]["audio"]["data"].as_str().unwrap_or_default();
    STANDARD.decode(data).unwrap().as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// The model says `pcm`.
pub(crate) async fn say(gemini: &mut Server, pcm: &[i16]) {
    for part in pcm.chunks(2_400) {
        let bytes: Vec<u8> = part.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let data = json!({ "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes) });
        let parts = json!([{ "inlineData": data }]);
        content(gemini, json!({ "modelTurn": { "role": "model", "parts": parts } })).await;
    }
}

/// The model sends this `serverContent`.
pub(crate) async fn content(gemini: &mut Server, content: Value) {
    gemini.send(Message::text(json!({ "serverContent": content }).to_string())).await.unwrap();
}

/// `len` audible samples, no two neighbours alike, the first of them `first`.
pub(crate) fn ramp(first: usize, len: usize) -> Vec<i16> {
    (first..first + len).map(|n| (n % 20_000) as i16 + 5_000).collect()
}

/// What is on record of the only conversation there was.
pub(crate) async fn record(world: &World) -> CallWithTurns {
    let store = &world.line.store;
    store.flush().await.unwrap();
    let all = store.calls(CallFilter::default()).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    store.call(ConversationId::parse(&all[0].call_sid).unwrap()).await.unwrap().unwrap()
}

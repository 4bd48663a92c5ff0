//! The media path of a call, both ways, allocates nothing once it is warm: no frame waits for the heap.
//!
//! One test alone in this program, because the allocator counts for the whole of it.

#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one only counts and passes on")]
#![expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::audio::g711;
use frontdesk_core::gemini::live::{Action, LiveSession};
use frontdesk_core::gemini::setup::{Backend, Setup};
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::session::conversation::Conversation;
use frontdesk_core::session::turn::Turn;
use frontdesk_core::twilio::leg::{CallLeg, Expected};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged, which keeps the contract; counting touches no memory
// but an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for `dealloc`; the caller answers for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FRAME: usize = 160;
const FRAME_SPAN: Duration = Duration::from_millis(20);

struct Call {
    now: Instant,
    conversation: Conversation<CallLeg>,
    /// Bytes that left us, both ways.
    up: usize,
    down: usize,
}

impl Call {
    fn open() -> Self {
        let now = Instant::now();
        let setup = Setup {
            backend: Backend::Developer,
            api_version: "v1beta".into(),
            model: "gemini-3.8-live".into(),
            voice: "Sulafat".into(),
            language: "en-US".into(),
            instruction: "You answer the phone.".into(),
            tools: Vec::new(),
            silence_ms: 600,
        };
        let patience = Patience {
            no_input: Duration::from_hours(1),
            goodbye: Duration::from_hours(1),
            longest: Duration::from_hours(1),
        };
        let live = LiveSession::new(setup, Duration::from_mins(8), 1);
        let mut call = Self { now, conversation: Conversation::new(now, live, patience), up: 0, down: 0 };
        call.settle();
        call.conversation.live_mut().opened(now);
        call.settle();
        call.serve(br#"{"setupComplete":{}}"#);
        let expected = Expected { account_sid: "AC1".into(), call_sid: "CA1".into(), token: "t".into() };
        call.conversation.attach(CallLeg::new(now, expected, Duration::from_millis(200)));
        call.tell(
            r#"{"event":"start","streamSid":"MZ1","start":{"accountSid":"AC1","callSid":"CA1","mediaFormat":
            {"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"}}}"#,
        );
        call
    }

    fn tell(&mut self, text: &str) {
        let leg = self.conversation.source_mut().expect("the leg is attached");
        leg.handle(self.now, text).expect("of the protocol");
        self.conversation.source_fed(self.now);
        self.settle();
    }

    fn serve(&mut self, frame: &[u8]) {
        self.conversation.live_mut().frame(self.now, frame);
        self.conversation.live_fed(self.now);
        self.settle();
    }

    /// What the shell does after every event, with the bytes dropped as a socket would after writing them.
    fn settle(&mut self) {
        self.conversation.poll(self.now);
        if let Some(leg) = self.conversation.source_mut() {
            leg.poll(self.now).expect("the far end reads");
        }
        while let Some(action) = self.conversation.live_mut().next_action(true) {
            if let Action::Send(message) = action {
                self.up += message.len();
            }
        }
        while let Some(message) = self.conversation.source_mut().and_then(CallLeg::next_message) {
            self.down += message.len();
        }
        while self.conversation.next_outward().is_some() {}
    }

    /// One frame each way.
    fn frame(&mut self, caller: &str, agent: &str) {
        self.now += FRAME_SPAN;
        self.tell(caller);
        self.serve(agent.as_bytes());
    }
}

/// The caller's voice, again and again, at a level that makes every detector work but is no barge-in; and the agent's.
fn traffic() -> (Vec<String>, Vec<String>) {
    let voice = include_bytes!("data/voice/agent.ulaw");
    let quiet = |byte: &u8| g711::encode(g711::decode(*byte) / 30);
    let caller = voice.chunks_exact(FRAME).map(|frame| {
        let mulaw: Vec<u8> = frame.iter().map(quiet).collect();
        let payload = STANDARD.encode(mulaw);
        format!(
            r#"{{"event":"media","sequenceNumber":"7","streamSid":"MZ1","media":{{"track":"inbound","chunk":"6","timestamp":"140","payload":"{payload}"}}}}"#
        )
    });
    let agent = voice.chunks_exact(FRAME).map(|frame| {
        let samples = frame.iter().flat_map(|&byte| [g711::decode(byte); 3]);
        let data = STANDARD.encode(samples.flat_map(i16::to_le_bytes).collect::<Vec<u8>>());
        format!(
            r#"{{"serverContent": {{"modelTurn": {{"parts": [{{"inlineData": {{"mimeType": "audio/pcm;rate=24000", "data": "{data}"}}}}]}}}}}}"#
        )
    });
    (caller.collect(), agent.collect())
}

#[test]
fn ten_thousand_frames_both_ways_allocate_nothing() {
    let mut call = Call::open();
    let (caller, agent) = traffic();
    let mut frames = caller.iter().cycle().zip(agent.iter().cycle());
    // Two seconds of two-way talk, until every buffer has its size; the clip once through for the replay's.
    for (caller, agent) in frames.by_ref().take(250) {
        call.frame(caller, agent);
    }
    let (before, up, down) = (ALLOCATIONS.load(Ordering::Relaxed), call.up, call.down);
    for (caller, agent) in frames.take(10_000) {
        call.frame(caller, agent);
    }
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(matches!(call.conversation.turn(), Turn::Replying { .. }), "the agent was heard all the time");
    assert!(call.up - up > 10_000 * 850, "{} bytes went up", call.up - up);
    assert!(call.down - down > 10_000 * 215, "{} bytes went down", call.down - down);
    assert_eq!(made, 0, "allocations in 10,000 frames");
}

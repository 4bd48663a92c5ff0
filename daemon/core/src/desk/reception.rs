//! When a conversation begins at the desk, and what the desk shows: buttons, voices and the device in, acts out.
//!
//! ```text
//!          attached            hook, or a voice            over
//!  Away ────────────► Idle ─────────────────────► Talking ──────► Resting ──2 s──► Idle
//!    ▲                 │ detached                  │  ▲
//!    └─────────────────┘                  detached │  │ attached      (30 s if it was refused)
//!                                                  ▼  │
//!                                               Talking, unplugged
//! ```
//!
//! A conversation whose device is unplugged is told so and decides by itself how long it waits for another.

use crate::audio::vad::VoiceEvent;
use crate::session::effect::EndReason;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A conversation is not begun by a voice so soon after the last one: that is still the farewell.
const REST: Duration = Duration::from_secs(2);
/// Who cannot be helped is told so once, not at every word that is spoken near the desk; the button asks again at once.
const REST_OF_REFUSED: Duration = Duration::from_secs(30);
/// Who presses the button so soon after the end wanted to hang up, and was a moment too late for it.
const TOO_LATE: Duration = Duration::from_millis(700);
/// A voice as short as that begins nothing: a click, a cough.
const WORTH_WAKING: Duration = Duration::from_millis(150);

/// How a conversation is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// By the speakerphone's hook button.
    Button,
    /// By the button, or by speaking.
    Voice,
}

/// How far the desk listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ear {
    /// Nothing is passed on, nothing is judged.
    Closed = 0,
    /// Voices are told of; the sound itself stays in the worker, which keeps the newest of it for when the ear opens.
    Watching = 1,
    /// A conversation: the sound is passed on, what was kept first.
    Open = 2,
}

/// A short sound of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Earcon {
    /// A conversation begins: the desk listens.
    Begin = 1,
    /// It is over.
    End = 2,
    /// It cannot be had; somebody else must help.
    Sorry = 3,
    /// The microphone is off.
    Muted = 4,
    /// The microphone is on again.
    Unmuted = 5,
}

/// What a press of the hook button asks for, by what the lamps showed then; at a receiver, lifting it and putting it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// A conversation, or to take the call that rings.
    Off,
    /// The end of the conversation.
    On,
}

/// What happens at the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening<'a> {
    /// A device is there and runs.
    Attached,
    /// It has gone.
    Detached,
    /// The hook button was pressed. What it asks for may have come about since: a conversation that was just begun by a
    /// voice is not ended by it, and one that was just over is not begun again.
    Hook(Hook),
    /// The microphone was switched off, or on, at the device.
    Muted(bool),
    /// Somebody speaks, as the worker hears it while the ear is [watching](Ear::Watching).
    Voice(VoiceEvent),
    /// The conversation that was asked for cannot be had.
    Refused,
    /// The conversation is over.
    Over(&'a EndReason),
    /// No conversation begins any more.
    Closing,
}

/// What is to be done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Listen that far.
    Ear(Ear),
    /// Show that the microphone is live, or that it is not.
    OffHook(bool),
    /// Switch the microphone on: who presses the button wants to be heard, and who muted has left.
    Unmute,
    /// Play a sound.
    Play(Earcon),
    /// Begin a conversation; it is answered with [`Happening::Refused`] or, later, [`Happening::Over`].
    Begin(Wake),
    /// The person ends the conversation.
    Leave,
    /// The conversation has no device.
    Lost,
    /// It has one again.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Talking,
    Resting { until: Instant },
}

/// What begins and ends conversations at one desk.
///
/// After every [`handle`](Self::handle) and whenever [`deadline`](Self::deadline) passes ([`poll`](Self::poll)), take
/// [`next_act`](Self::next_act) until there is none.
#[derive(Debug)]
pub struct Reception {
    wake: Wake,
    attached: bool,
    closing: bool,
    /// The microphone was switched off in this conversation: not by the clinic, for good, but by whoever spoke.
    muted: bool,
    /// The button means the last conversation until then.
    ended: Option<Instant>,
    state: State,
    acts: VecDeque<Act>,
}

impl Reception {
    /// A desk whose device is still to come.
    pub fn new(wake: Wake) -> Self {
        Self {
            wake,
            attached: false,
            closing: false,
            muted: false,
            ended: None,
            state: State::Idle,
            acts: VecDeque::with_capacity(8),
        }
    }

    /// Takes what happened at `now`.
    pub fn handle(&mut self, now: Instant, happening: Happening<'_>) {
        self.poll(now);
        match (self.state, happening) {
            (_, Happening::Attached) => self.attach(),
            (_, Happening::Detached) => self.detach(),
            (_, Happening::Closing) => {
                self.closing = true;
                self.listen();
            }
            (State::Idle | State::Resting { .. }, Happening::Hook(Hook::Off)) => {
                if self.ended.is_none_or(|ended| now >= ended + TOO_LATE) {
                    self.begin(Wake::Button);
                }
            }
            (State::Talking, Happening::Muted(muted)) => self.muted = muted,
            (State::Idle, Happening::Voice(voice)) if self.wake == Wake::Voice && is_worth_waking(voice) => {
                self.begin(Wake::Voice);
            }
            (State::Talking, Happening::Hook(Hook::On)) => self.acts.push_back(Act::Leave),
            (State::Talking, Happening::Refused) => self.end(now + REST_OF_REFUSED, Earcon::Sorry),
            (State::Talking, Happening::Over(reason)) => {
                self.ended = Some(now);
                self.end(now + REST, sound_of(reason));
            }
            (
                State::Idle | State::Resting { .. },
                Happening::Hook(Hook::On) | Happening::Refused | Happening::Over(_) | Happening::Muted(_),
            )
            | (State::Talking, Happening::Hook(Hook::Off))
            | (_, Happening::Voice(_)) => {}
        }
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant) {
        if let State::Resting { until } = self.state
            && now >= until
        {
            self.state = State::Idle;
            self.listen();
        }
    }

    /// When [`poll`](Self::poll) must be called next, whatever happens until then.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Resting { until } => Some(until),
            State::Idle | State::Talking => None,
        }
    }

    /// The next thing to do.
    pub fn next_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// Whether a device is there.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// Whether a conversation runs, or is asked for.
    pub fn is_talking(&self) -> bool {
        self.state == State::Talking
    }

    fn attach(&mut self) {
        let again = std::mem::replace(&mut self.attached, true);
        if self.state == State::Talking {
            // A new device knows nothing of what the old one showed.
            self.acts.push_back(Act::OffHook(true));
            self.acts.push_back(Act::Ear(Ear::Open));
            if !again {
                self.acts.push_back(Act::Back);
            }
        } else {
            self.acts.push_back(Act::OffHook(false));
            self.listen();
        }
    }

    fn detach(&mut self) {
        if std::mem::replace(&mut self.attached, false) && self.state == State::Talking {
            self.acts.push_back(Act::Lost);
        }
    }

    fn begin(&mut self, by: Wake) {
        if !self.attached {
            return;
        }
        if self.closing {
            self.acts.push_back(Act::Play(Earcon::Sorry));
            return;
        }
        self.state = State::Talking;
        self.muted = false;
        if by == Wake::Button {
            self.acts.push_back(Act::Unmute);
            // Who speaks first would hear it over their own voice.
            self.acts.push_back(Act::Play(Earcon::Begin));
        }
        self.acts.extend([Act::OffHook(true), Act::Begin(by), Act::Ear(Ear::Open)]);
    }

    fn end(&mut self, until: Instant, sound: Earcon) {
        self.state = State::Resting { until };
        self.acts.extend([Act::Ear(Ear::Closed), Act::OffHook(false)]);
        if std::mem::take(&mut self.muted) {
            // The next visitor would speak to a deaf desk.
            self.acts.push_back(Act::Unmute);
        }
        // Kept for the next device, it would startle whoever plugs that in.
        if self.attached {
            self.acts.push_back(Act::Play(sound));
        }
    }

    /// Listens for a voice, if one may begin a conversation.
    fn listen(&mut self) {
        if self.state == State::Idle {
            let watching = self.attached && self.wake == Wake::Voice && !self.closing;
            self.acts.push_back(Act::Ear(if watching { Ear::Watching } else { Ear::Closed }));
        }
    }
}

fn is_worth_waking(voice: VoiceEvent) -> bool {
    match voice {
        VoiceEvent::Onset => false,
        VoiceEvent::Sustained => true,
        VoiceEvent::End { voiced } => voiced >= WORTH_WAKING,
    }
}

fn sound_of(reason: &EndReason) -> Earcon {
    match reason {
        EndReason::Failed(_) | EndReason::Draining => Earcon::Sorry,
        EndReason::CallerLeft
        | EndReason::LineLost
        | EndReason::AgentEnded
        | EndReason::NoInput
        | EndReason::TooLong
        | EndReason::Staff
        | EndReason::Transferred
        | EndReason::Emergency => Earcon::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    fn acts(desk: &mut Reception) -> Vec<Act> {
        std::iter::from_fn(|| desk.next_act()).collect()
    }

    fn ready(wake: Wake) -> (Reception, Instant) {
        let (mut desk, now) = (Reception::new(wake), start());
        desk.handle(now, Happening::Attached);
        acts(&mut desk);
        (desk, now)
    }

    const SUSTAINED: Happening<'_> = Happening::Voice(VoiceEvent::Sustained);
    const LIFT: Happening<'_> = Happening::Hook(Hook::Off);
    const PUT_DOWN: Happening<'_> = Happening::Hook(Hook::On);

    #[test]
    fn the_button_begins_a_conversation_and_ends_it() {
        let (mut desk, now) = ready(Wake::Button);
        desk.handle(now, SUSTAINED);
        assert_eq!(acts(&mut desk), [], "nobody listens");
        desk.handle(now, LIFT);
        let begun =
            [Act::Unmute, Act::Play(Earcon::Begin), Act::OffHook(true), Act::Begin(Wake::Button), Act::Ear(Ear::Open)];
        assert_eq!(acts(&mut desk), begun);
        desk.handle(now, PUT_DOWN);
        assert_eq!(acts(&mut desk), [Act::Leave]);
        desk.handle(now, Happening::Over(&EndReason::CallerLeft));
        assert_eq!(acts(&mut desk), [Act::Ear(Ear::Closed), Act::OffHook(false), Act::Play(Earcon::End)]);
        assert!(!desk.is_talking());
    }

    #[test]
    fn a_voice_begins_one_but_no_cough_and_not_the_farewell() {
        let (mut desk, now) = ready(Wake::Voice);
        desk.handle(now, Happening::Voice(VoiceEvent::Onset));
        desk.handle(now, Happening::Voice(VoiceEvent::End { voiced: Duration::from_millis(100) }));
        assert_eq!(acts(&mut desk), []);
        desk.handle(now, Happening::Voice(VoiceEvent::End { voiced: Duration::from_millis(250) }));
        assert_eq!(acts(&mut desk), [Act::OffHook(true), Act::Begin(Wake::Voice), Act::Ear(Ear::Open)]);
        desk.handle(now, Happening::Over(&EndReason::AgentEnded));
        acts(&mut desk);
        desk.handle(now + REST / 2, SUSTAINED);
        assert_eq!(acts(&mut desk), []);
        assert_eq!(desk.deadline(), Some(now + REST));
        desk.poll(now + REST);
        assert_eq!(acts(&mut desk), [Act::Ear(Ear::Watching)]);
        desk.handle(now + REST, SUSTAINED);
        assert!(desk.is_talking());
    }

    #[test]
    fn who_wanted_to_hang_up_a_moment_too_late_begins_nothing() {
        let (mut desk, now) = ready(Wake::Button);
        desk.handle(now, LIFT);
        desk.handle(now, Happening::Over(&EndReason::AgentEnded));
        acts(&mut desk);
        desk.handle(now + TOO_LATE / 2, LIFT);
        assert_eq!(acts(&mut desk), []);
        desk.handle(now + TOO_LATE, LIFT);
        assert!(desk.is_talking());
    }

    #[test]
    fn a_receiver_that_is_put_down_late_begins_nothing_and_one_that_is_lifted_late_ends_nothing() {
        let (mut desk, now) = ready(Wake::Voice);
        desk.handle(now, SUSTAINED);
        acts(&mut desk);
        desk.handle(now, LIFT);
        assert_eq!(acts(&mut desk), [], "a voice was first");
        desk.handle(now, Happening::Over(&EndReason::AgentEnded));
        acts(&mut desk);
        let late = now + TOO_LATE + REST;
        desk.handle(late, PUT_DOWN);
        assert_eq!(acts(&mut desk), [Act::Ear(Ear::Watching)], "no more than the rest that is over");
        desk.handle(late, LIFT);
        assert!(desk.is_talking());
    }

    #[test]
    fn a_mute_ends_with_the_conversation_that_it_was_pressed_in_and_one_of_the_clinics_stays() {
        let (mut desk, now) = ready(Wake::Voice);
        desk.handle(now, Happening::Muted(true));
        desk.handle(now, SUSTAINED);
        desk.handle(now, Happening::Over(&EndReason::NoInput));
        assert!(!acts(&mut desk).contains(&Act::Unmute), "that was before");
        let now = now + REST;
        desk.handle(now, SUSTAINED);
        desk.handle(now, Happening::Muted(true));
        desk.handle(now, Happening::Over(&EndReason::NoInput));
        assert!(acts(&mut desk).contains(&Act::Unmute));
    }

    #[test]
    fn who_cannot_be_helped_hears_so() {
        let (mut desk, now) = ready(Wake::Button);
        desk.handle(now, LIFT);
        acts(&mut desk);
        desk.handle(now, Happening::Refused);
        assert!(acts(&mut desk).contains(&Act::Play(Earcon::Sorry)));
        desk.handle(now, Happening::Closing);
        desk.handle(now + REST_OF_REFUSED, LIFT);
        assert_eq!(acts(&mut desk), [Act::Ear(Ear::Closed), Act::Play(Earcon::Sorry)]);
        assert!(!desk.is_talking());
    }

    #[test]
    fn an_unplugged_conversation_shows_itself_again_on_the_next_device() {
        let (mut desk, now) = ready(Wake::Voice);
        desk.handle(now, LIFT);
        acts(&mut desk);
        desk.handle(now, Happening::Detached);
        assert_eq!(acts(&mut desk), [Act::Lost]);
        desk.handle(now, Happening::Attached);
        assert_eq!(acts(&mut desk), [Act::OffHook(true), Act::Ear(Ear::Open), Act::Back]);
        desk.handle(now, Happening::Detached);
        desk.handle(now, Happening::Over(&EndReason::LineLost));
        assert_eq!(
            acts(&mut desk),
            [Act::Lost, Act::Ear(Ear::Closed), Act::OffHook(false)],
            "nobody would hear a sound"
        );
        desk.handle(now + REST, LIFT);
        assert_eq!(acts(&mut desk), [Act::Ear(Ear::Closed)], "without a device nothing begins");
        desk.handle(now + REST, Happening::Attached);
        assert_eq!(acts(&mut desk), [Act::OffHook(false), Act::Ear(Ear::Watching)]);
    }

    proptest! {
        /// Whatever happens: the ear is open only in a conversation, and the lamp says the same.
        #[test]
        fn the_microphone_is_live_only_in_a_conversation(steps in proptest::collection::vec(0u8..9, 0..60), voice: bool) {
            let (mut desk, mut now) = (Reception::new(if voice { Wake::Voice } else { Wake::Button }), start());
            let (mut ear, mut lamp, mut running) = (Ear::Closed, false, false);
            for step in steps {
                now += REST / 3;
                let happening = match step {
                    0 => Happening::Attached,
                    1 => Happening::Detached,
                    2 => LIFT,
                    7 => PUT_DOWN,
                    3 => SUSTAINED,
                    4 => Happening::Refused,
                    5 => Happening::Over(&EndReason::AgentEnded),
                    6 => Happening::Closing,
                    _ => { desk.poll(now); continue }
                };
                desk.handle(now, happening);
                for act in acts(&mut desk) {
                    match act {
                        Act::Ear(to) => ear = to,
                        Act::OffHook(to) => lamp = to,
                        Act::Begin(_) => { prop_assert!(!running); running = true }
                        _ => {}
                    }
                }
                if matches!(happening, Happening::Refused | Happening::Over(_)) {
                    running = false;
                }
                prop_assert_eq!(running, desk.is_talking());
                prop_assert_eq!(ear == Ear::Open, running);
                prop_assert_eq!(lamp, running);
                prop_assert!(ear != Ear::Watching || voice);
            }
        }
    }
}

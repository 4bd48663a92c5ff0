//! Who has the floor. Barge-in is decided here and only here.
//!
//! ```text
//!              onset                 end                 speech              played to its end
//!  Listening ────────► CallerSpeaking ───► AgentDue ─────────────► Replying ────────────────► Listening
//!                        ▲  ▲                 │   ▲                │  ▲  │
//!                        │  └──── sustained ──┘   │                │  │  │
//!                        │                        │          onset:│  │  │end: fade back in
//!                        │                        │            duck│  │  │(a false alarm)
//!                        │       interrupted, or  └────────────────┤  │  │
//!                        │       nothing of it is heard            │  │  │
//!                        └──── sustained, or interrupted: flush ───┘──┴──┘
//! ```

use crate::audio::vad::VoiceEvent;
use std::time::Duration;

/// Voice shorter than this asks for no answer: a click, a breath.
pub(super) const WORTH_AN_ANSWER: Duration = Duration::from_millis(150);

/// Who has the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Nobody speaks and nobody owes an answer.
    #[default]
    Listening,
    /// The caller speaks.
    CallerSpeaking,
    /// It is the agent's turn, and nothing of it is heard yet.
    AgentDue,
    /// The agent speaks.
    Replying {
        /// The caller has made a sound; the agent's voice is lowered until it is clear what that was.
        ducked: bool,
        /// Everything of this reply has arrived.
        complete: bool,
    },
}

/// What can move the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEvent {
    /// The caller's voice, as the local detector hears it.
    Voice(VoiceEvent),
    /// The model's speech arrives.
    Speech,
    /// The model has sent all of its reply.
    ReplyComplete,
    /// The reply has been played as far as it has arrived, and something of it could be heard.
    PlayedOut,
    /// The reply has been played as far as it has arrived, and it was nothing but silence.
    PlayedSilence,
    /// The model was interrupted.
    Interrupted,
    /// The model has ended its turn, or declared that it waits, without a word.
    NothingToSay,
    /// The model was asked to say something.
    Prompted,
    /// Nothing of the reply has been audible for too long.
    Inaudible,
}

/// What a move of the floor does to the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorEffect {
    /// Lower the agent's voice at once.
    Duck,
    /// Let it come back.
    Unduck,
    /// Silence the agent and drop what it had to say.
    Flush,
}

impl Turn {
    /// The floor after `event`, and what it does to the reply.
    #[must_use]
    pub fn on(self, event: TurnEvent) -> (Self, Option<FloorEffect>) {
        use FloorEffect::{Duck, Flush, Unduck};
        use TurnEvent::{
            Inaudible, Interrupted, NothingToSay, PlayedOut, PlayedSilence, Prompted, ReplyComplete, Speech, Voice,
        };
        use VoiceEvent::{End, Onset, Sustained};
        match (self, event) {
            (Self::Replying { ducked: false, complete }, Voice(Onset)) => {
                (Self::Replying { ducked: true, complete }, Some(Duck))
            }
            (Self::Replying { ducked: true, complete }, Voice(End { .. })) => {
                (Self::Replying { ducked: false, complete }, Some(Unduck))
            }
            // The caller means it; a model that has not yielded by now is not waited for.
            (Self::Replying { .. }, Voice(Sustained)) | (Self::Replying { ducked: true, .. }, Interrupted) => {
                (Self::CallerSpeaking, Some(Flush))
            }
            // The model heard what the local detector did not, or hears it later than the caller fell silent.
            (Self::Replying { ducked: false, .. }, Interrupted) | (Self::Replying { .. }, Inaudible) => {
                (Self::AgentDue, Some(Flush))
            }
            // The next reply follows while the last one is still being played: one say to the caller.
            (Self::Replying { ducked, .. }, Speech) => (Self::Replying { ducked, complete: false }, None),
            (Self::Replying { ducked, .. }, ReplyComplete) => (Self::Replying { ducked, complete: true }, None),
            // The caller began to speak in the reply's last moments and is still at it.
            (Self::Replying { complete: true, ducked: true }, PlayedOut) => (Self::CallerSpeaking, Some(Unduck)),
            (Self::Replying { complete: true, .. }, PlayedSilence) => (Self::AgentDue, Some(Unduck)),
            // Who waits for an answer and clears their throat still waits for it.
            (Self::Listening, Voice(Onset | Sustained)) | (Self::AgentDue, Voice(Sustained)) => {
                (Self::CallerSpeaking, None)
            }
            (Self::CallerSpeaking, Voice(End { voiced })) if voiced >= WORTH_AN_ANSWER => (Self::AgentDue, None),
            (Self::Listening | Self::AgentDue, Speech) => (Self::Replying { ducked: false, complete: false }, None),
            // The model took a pause for the end: it begins in a low voice, which rises when the caller falls silent. Cut
            // it here, and behind a noise that never ends nobody would ever hear an answer.
            (Self::CallerSpeaking, Speech) => (Self::Replying { ducked: true, complete: false }, Some(Duck)),
            (Self::Replying { complete: true, ducked: false }, PlayedOut)
            | (Self::CallerSpeaking, Voice(End { .. }))
            | (Self::AgentDue, NothingToSay) => (Self::Listening, None),
            (Self::Listening, Prompted) => (Self::AgentDue, None),
            // Everything else says nothing about the floor.
            (
                turn,
                Voice(_) | ReplyComplete | PlayedOut | PlayedSilence | Interrupted | NothingToSay | Prompted
                | Inaudible,
            ) => (turn, None),
        }
    }

    /// Whether the agent owes a sound, or is making one.
    pub fn is_agents(self) -> bool {
        matches!(self, Self::AgentDue | Self::Replying { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FloorEffect::{Duck, Flush, Unduck};
    use proptest::prelude::*;

    const ONSET: TurnEvent = TurnEvent::Voice(VoiceEvent::Onset);
    const SUSTAINED: TurnEvent = TurnEvent::Voice(VoiceEvent::Sustained);
    const END: TurnEvent = TurnEvent::Voice(VoiceEvent::End { voiced: Duration::from_millis(300) });

    fn play(events: &[TurnEvent]) -> (Turn, Vec<FloorEffect>) {
        let (mut turn, mut effects) = (Turn::Listening, Vec::new());
        for &event in events {
            let (next, effect) = turn.on(event);
            turn = next;
            effects.extend(effect);
        }
        (turn, effects)
    }

    #[test]
    fn a_question_and_its_answer() {
        let events = [ONSET, SUSTAINED, END, TurnEvent::Speech, TurnEvent::ReplyComplete, TurnEvent::PlayedOut];
        assert_eq!(play(&events), (Turn::Listening, vec![]));
        assert_eq!(play(&events[..3]).0, Turn::AgentDue);
    }

    #[test]
    fn a_cough_lowers_the_voice_and_lets_it_come_back() {
        let (turn, effects) = play(&[TurnEvent::Speech, ONSET, END]);
        assert_eq!(effects, [Duck, Unduck]);
        assert_eq!(turn, Turn::Replying { ducked: false, complete: false });
    }

    #[test]
    fn a_caller_who_goes_on_gets_the_floor_with_or_without_the_model() {
        assert_eq!(play(&[TurnEvent::Speech, ONSET, SUSTAINED]), (Turn::CallerSpeaking, vec![Duck, Flush]));
        let yielded = play(&[TurnEvent::Speech, ONSET, TurnEvent::Interrupted]);
        assert_eq!(yielded, (Turn::CallerSpeaking, vec![Duck, Flush]));
        let unheard = play(&[TurnEvent::Speech, TurnEvent::Interrupted]);
        assert_eq!(unheard, (Turn::AgentDue, vec![Flush]), "the model owes what it stopped for");
    }

    #[test]
    fn an_agent_that_speaks_into_the_callers_voice_does_so_quietly_until_the_caller_is_done() {
        let (turn, effects) = play(&[ONSET, SUSTAINED, TurnEvent::Speech]);
        assert_eq!((turn, effects.as_slice()), (Turn::Replying { ducked: true, complete: false }, &[Duck][..]));
        assert_eq!(play(&[ONSET, SUSTAINED, TurnEvent::Speech, END]).1, [Duck, Unduck]);
    }

    #[test]
    fn a_reply_of_silence_leaves_the_agent_owing_one() {
        let (turn, _) = play(&[TurnEvent::Speech, TurnEvent::ReplyComplete, TurnEvent::PlayedSilence]);
        assert_eq!(turn, Turn::AgentDue);
    }

    #[test]
    fn a_click_asks_for_nothing() {
        let click = TurnEvent::Voice(VoiceEvent::End { voiced: Duration::from_millis(64) });
        assert_eq!(play(&[ONSET, click]).0, Turn::Listening);
    }

    #[test]
    fn a_click_does_not_excuse_the_agent_from_an_answer() {
        let click = TurnEvent::Voice(VoiceEvent::End { voiced: Duration::from_millis(64) });
        assert_eq!(play(&[ONSET, END, ONSET, click]).0, Turn::AgentDue);
        assert_eq!(play(&[ONSET, END, ONSET, SUSTAINED]).0, Turn::CallerSpeaking, "the question goes on");
    }

    #[test]
    fn a_reply_that_nobody_hears_makes_way_for_another() {
        let (turn, effects) = play(&[TurnEvent::Speech, TurnEvent::ReplyComplete, TurnEvent::Inaudible]);
        assert_eq!((turn, effects), (Turn::AgentDue, vec![Flush]));
    }

    #[test]
    fn a_model_that_chooses_silence_owes_nothing() {
        assert_eq!(play(&[ONSET, END, TurnEvent::NothingToSay]).0, Turn::Listening);
    }

    proptest! {
        #[test]
        fn flush_and_unduck_only_ever_answer_a_reply(events in proptest::collection::vec(
            prop_oneof![
                Just(ONSET), Just(SUSTAINED), Just(END), Just(TurnEvent::Speech), Just(TurnEvent::ReplyComplete),
                Just(TurnEvent::PlayedOut), Just(TurnEvent::PlayedSilence), Just(TurnEvent::Interrupted),
                Just(TurnEvent::NothingToSay), Just(TurnEvent::Prompted), Just(TurnEvent::Inaudible),
            ], 0..60,
        )) {
            let mut turn = Turn::Listening;
            for event in events {
                let before = turn;
                let (next, effect) = turn.on(event);
                turn = next;
                if matches!(effect, Some(Flush | Unduck)) {
                    prop_assert!(matches!(before, Turn::Replying { .. }), "{before:?} gave {effect:?}");
                }
                let lowered = |turn| matches!(turn, Turn::Replying { ducked: true, .. });
                prop_assert_eq!(effect == Some(Duck), lowered(turn) && !lowered(before));
                prop_assert!(effect.is_some() || lowered(turn) == lowered(before), "a voice stays low for ever");
                let replying = matches!(turn, Turn::Replying { .. });
                prop_assert!(effect != Some(Flush) || !replying, "a flushed reply goes on");
            }
        }
    }
}

//! Whatever happens in a call, and in whatever order: no deadline stays due, and nobody is left in silence for ever.

use super::LONG;
use super::world::{Faults, Move, QUESTION, World, ms};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Something that may happen to a call.
#[derive(Debug, Clone)]
enum Act {
    Say(usize),
    Wait(u64),
    Script(Move),
    Faults(Faults),
    Drop,
    GoAway,
    Serve(Value),
    Digit,
    LineBreaks(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let fault = |faults| Just(Act::Faults(faults));
    let stray = |content: Value| Just(Act::Serve(json!({ "serverContent": content })));
    prop_oneof![
        (200usize..12_000).prop_map(Act::Say),
        (0u64..9_000).prop_map(Act::Wait),
        Just(Act::Script(Move::Say(LONG, ms(5_000)))),
        Just(Act::Script(Move::SayGoodbye("Goodbye.", ms(1_000)))),
        Just(Act::Script(Move::Call(&["a", "b"], "find_slot", "Found."))),
        Just(Act::Script(Move::Nothing)),
        fault(Faults::default()),
        fault(Faults { stalled: true, ..Default::default() }),
        fault(Faults { half_open: true, ..Default::default() }),
        fault(Faults { never_yields: true, ..Default::default() }),
        fault(Faults { amplitude: Some(0), ..Default::default() }),
        Just(Act::Drop),
        Just(Act::GoAway),
        stray(json!({ "interrupted": true })),
        stray(json!({ "turnComplete": true })),
        stray(json!({ "generationComplete": true })),
        stray(json!({ "waitingForInput": true })),
        Just(Act::Digit),
        (0u64..3_000).prop_map(Act::LineBreaks),
    ]
}

impl World {
    fn act(&mut self, act: Act) {
        match act {
            Act::Say(bytes) => self.say(&QUESTION[..bytes]),
            Act::Wait(span) => self.run(ms(span)),
            Act::Script(next) => self.service.script.push_back(next),
            Act::Faults(faults) => self.service.faults = faults,
            Act::Drop => self.drop_connection(),
            Act::GoAway => self.serve(&json!({ "goAway": { "timeLeft": "5s" } })),
            Act::Serve(message) => self.serve(&message),
            Act::Digit => self.tell(&json!({ "event": "dtmf", "streamSid": "MZ1", "dtmf": { "digit": "1" } })),
            Act::LineBreaks(span) => {
                self.break_line();
                self.run(ms(span));
                if !self.conversation.is_over() {
                    self.answer();
                }
            }
        }
        self.run(ms(100));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_a_call_never_spins_and_never_hangs(acts in proptest::collection::vec(act(), 0..14)) {
        let mut world = World::greeted();
        for act in acts {
            if world.conversation.is_over() {
                break;
            }
            world.act(act);
        }
        // The caller falls silent, and so does the service: somebody ends it.
        world.service.faults.stalled = true;
        world.run(ms(120_000));
        prop_assert!(world.conversation.is_over(), "{:?} after two silent minutes", world.conversation.turn());
        prop_assert!(world.end().is_some());
        prop_assert_eq!(world.service.overlaps, 0);
    }
}

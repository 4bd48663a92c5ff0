//! What the rehearsed caller says.

use std::time::Duration;

use frontdesk_tests::script::{booking, booking_line, line};
use frontdesk_tests::world::{caller_says, listen};
use frontdesk_twilio_sim::Step;

/// The caller's part.
pub(crate) struct Script {
    /// In order.
    pub(crate) steps: Vec<Step>,
    /// Which of the caller's lines interrupts the agent, counted from 0.
    pub(crate) interruption: usize,
}

/// Questions, one of them over the agent's answer to the one before, an appointment, and a goodbye.
pub(crate) fn script() -> anyhow::Result<Script> {
    let scenario = booking();
    let say = |n: usize| caller_says(&scenario, &scenario.exchanges[n].caller);
    let (after, timeout) = (Duration::from_secs(3), Duration::from_secs(20));
    let mut steps = vec![
        listen(),
        Step::Say(say(line::HOURS)?),
        listen(),
        Step::Say(say(line::DIRECTIONS)?),
        Step::Interrupt { after, timeout, say: say(line::PARKING)? },
        listen(),
    ];
    for turn in [booking_line::WISH, booking_line::CHOICE, booking_line::NAME, booking_line::YES, line::GOODBYE] {
        steps.extend([Step::Say(say(turn)?), listen()]);
    }
    // A model that does not end the call by itself is left there.
    steps.extend([Step::Pause(Duration::from_secs(20)), Step::HangUp]);
    Ok(Script { steps, interruption: 2 })
}

//! What the rehearsed caller says.

use std::time::Duration;

use frontdesk_gemini_sim::Scenario;
use frontdesk_tests::world::{caller_says, listen};
use frontdesk_twilio_sim::Step;

/// The caller's part.
pub(crate) struct Script {
    /// In order.
    pub(crate) steps: Vec<Step>,
    /// Which of the caller's lines interrupts the agent, counted from 0.
    pub(crate) interruption: usize,
}

/// Questions, one of them over the agent's answer to the one before, and a goodbye.
pub(crate) fn script() -> anyhow::Result<Script> {
    let scenario = Scenario::default();
    let (goodbyes, questions): (Vec<_>, Vec<_>) =
        scenario.exchanges.iter().partition(|exchange| exchange.calls().any(|call| call.name == "end_call"));
    let questions: Vec<_> = questions.into_iter().filter(|exchange| exchange.calls().next().is_none()).collect();
    let mut steps = vec![listen()];
    let interruption = 1;
    for (n, exchange) in questions.iter().take(3).enumerate() {
        let say = caller_says(&scenario, &exchange.caller)?;
        if n == interruption {
            // Instead of hearing the answer before to its end.
            steps.pop();
            let (after, timeout) = (Duration::from_millis(1_500), Duration::from_secs(20));
            steps.push(Step::Interrupt { after, timeout, say });
        } else {
            steps.push(Step::Say(say));
        }
        steps.push(listen());
    }
    if let Some(goodbye) = goodbyes.first() {
        steps.push(Step::Say(caller_says(&scenario, &goodbye.caller)?));
    }
    // A model that does not say goodbye by itself is left there.
    steps.push(listen());
    steps.push(Step::Pause(Duration::from_secs(20)));
    steps.push(Step::HangUp);
    Ok(Script { steps, interruption })
}

//! What is said in rehearsals and stories: a clinic's receptionist who answers questions and says goodbye.

use frontdesk_gemini_sim::{Exchange, Scenario, ScriptedCall};
use serde_json::json;

/// The caller's lines, by what they are for.
pub mod line {
    /// Index of the question about opening hours.
    pub const HOURS: usize = 0;
    /// Index of the question with the longest answer: the one to interrupt.
    pub const DIRECTIONS: usize = 1;
    /// Index of the question that follows an interruption well.
    pub const PARKING: usize = 2;
    /// Index of a further question.
    pub const PRESCRIPTION: usize = 3;
    /// Index of the goodbye, at which the agent ends the call.
    pub const GOODBYE: usize = 4;
}

/// The receptionist of the rehearsal world.
pub fn clinic() -> Scenario {
    let goodbye =
        ScriptedCall { when: frontdesk_gemini_sim::CallTime::After, ..ScriptedCall::new("end_call", json!({})) };
    Scenario {
        greeting: "Riverside Clinic, good morning. How can I help you?".into(),
        exchanges: vec![
            exchange(
                "What are your opening hours?",
                "We are open Monday to Friday, from eight in the morning until six in the evening.",
            ),
            exchange(
                "How do I get to your clinic?",
                "Take the number seven bus to Riverside Bridge, then walk along the river for about two hundred meters. \
                 The clinic is the white building on your left, right next to the pharmacy, and the entrance is on the \
                 far side, where the garden is.",
            ),
            exchange(
                "Excuse me, is there a car park as well?",
                "Yes, there is a car park behind the building, and it is free for patients.",
            ),
            exchange(
                "Can I renew my prescription by phone?",
                "Yes, you can. Please have your insurance card ready when you call.",
            ),
            Exchange {
                tool: Some(goodbye),
                ..exchange("No, that is all. Thank you, goodbye.", "Thank you for calling. Goodbye!")
            },
        ],
        ..Scenario::default()
    }
}

fn exchange(caller: &str, reply: &str) -> Exchange {
    Exchange { caller: caller.into(), reply: reply.into(), ..Exchange::default() }
}

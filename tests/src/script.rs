//! What is said in rehearsals and stories: a clinic's receptionist who answers questions and says goodbye.

use frontdesk_gemini_sim::{CallTime, Exchange, Scenario, ScriptedCall};
use serde_json::{Value, json};

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
    let goodbye = afterwards(ScriptedCall::new("end_call", json!({})));
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

/// The caller's lines of a [`booking`], behind those of [`clinic`].
pub mod booking_line {
    /// Index of the wish for an appointment: free times are looked up.
    pub const WISH: usize = 5;
    /// Index of the choice: the first of the offered times is held.
    pub const CHOICE: usize = 6;
    /// Index of who the patient is.
    pub const NAME: usize = 7;
    /// Index of the yes: the appointment is booked.
    pub const YES: usize = 8;
}

/// The same receptionist, who can also book a check-up for Anna Rossi: what she says of times, references and refusals
/// is what the daemon has answered.
pub fn booking() -> Scenario {
    let find =
        ScriptedCall::new("find_slots", json!({ "appointment_type": "check-up", "heard": "as soon as possible" }));
    let hold = ScriptedCall::new("hold_slot", json!({ "slot_id": "{find_slots.slots.0.slot_id}" }));
    let book = ScriptedCall::new(
        "book",
        json!({
            "hold_id": "{hold_slot.hold_id}",
            "patient_name": "Anna Rossi",
            "phone": "caller_id",
            "email": "anna.rossi@example.com",
            "email_consent": true,
            "new_patient": false,
            "date_of_birth": "1984-05-17",
            "caller_confirmed": true,
        }),
    );
    let mut scenario = clinic();
    scenario.exchanges.extend([
        calling(
            find,
            "I would like to book a check-up, as early as possible.",
            "{result.say} Which one would you like?",
        ),
        calling(hold, "The first of them, please.", "{result.say} What is your name, and when were you born?"),
        exchange(
            "Anna Rossi, the seventeenth of May, nineteen eighty four. And please send me a mail.",
            "Anna Rossi, {find_slots.slots.0.say}, with a mail to anna dot rossi at example dot com. Is that correct?",
        ),
        calling(book, "Yes, that is correct.", "{result.say} Is there anything else?"),
    ]);
    scenario
}

/// What the receptionist of a story does and says at a caller's line; a function's refusal is said as it is told.
pub fn turn(caller: &str, calls: impl IntoIterator<Item = ScriptedCall>, reply: &str) -> Exchange {
    let tools = calls.into_iter().collect();
    Exchange { tools, reply_on_error: Some("{result.say}".into()), ..exchange(caller, reply) }
}

/// The function is called once the answer is made: it can quote what those before it have answered.
pub fn afterwards(call: ScriptedCall) -> ScriptedCall {
    ScriptedCall { when: CallTime::After, ..call }
}

/// Free times for that type of appointment are looked up; `wish` says more about it.
pub fn find(kind: &str, wish: Value) -> ScriptedCall {
    call("find_slots", json!({ "appointment_type": kind }), wish)
}

/// The time of that number, from 0, among those that were found last is held.
pub fn hold(offer: usize) -> ScriptedCall {
    ScriptedCall::new("hold_slot", json!({ "slot_id": format!("{{find_slots.slots.{offer}.slot_id}}") }))
}

/// What was held last is booked for a patient, who is called at the number that the call comes from; `more` says what else
/// the caller has said.
pub fn book(patient: &str, more: Value) -> ScriptedCall {
    let usual = json!({
        "hold_id": "{hold_slot.hold_id}", "patient_name": patient, "phone": "caller_id", "caller_confirmed": true,
    });
    call("book", usual, more)
}

fn call(name: &str, usual: Value, more: Value) -> ScriptedCall {
    let merged = [usual, more].into_iter().filter_map(|args| args.as_object().cloned()).flatten();
    ScriptedCall::new(name, merged.collect())
}

/// A call of a function, and what is said of its answer, good or bad.
fn calling(tool: ScriptedCall, caller: &str, reply: &str) -> Exchange {
    Exchange { tool: Some(tool), reply_on_error: Some("{result.say}".into()), ..exchange(caller, reply) }
}

fn exchange(caller: &str, reply: &str) -> Exchange {
    Exchange { caller: caller.into(), reply: reply.into(), ..Exchange::default() }
}

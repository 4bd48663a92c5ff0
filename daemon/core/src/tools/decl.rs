//! Declarations of functions, in the wire's form.

use serde_json::{Value, json};

/// The function that ends a conversation. Built in: it is the Bridge that lets the farewell be heard.
pub const END_CALL: &str = "end_call";

/// The declaration of [`END_CALL`].
pub fn end_call() -> Value {
    json!({
        "name": END_CALL,
        "description": "Ends the conversation. Call it only after the caller has said that there is nothing else, or \
            has said goodbye. Say your farewell in the same turn, before or while calling it: the line stays open until \
            the caller has heard it.",
        "parameters": {
            "type": "OBJECT",
            "properties": {
                "reason": { "type": "STRING", "description": "Why the conversation is over, in a few words." }
            }
        }
    })
}

/// What a function that does not exist answers.
pub fn unknown(name: &str, known: &[&str]) -> Value {
    json!({ "error": format!("There is no function {name:?}. The functions are: {}.", known.join(", ")), "retry": false })
}

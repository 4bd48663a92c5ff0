//! The functions that the model has asked for: which are running, which were asked for twice, what was answered.
//!
//! A model repeats calls: after an interruption it forgets one and asks again under a new id some seconds later, or
//! asks twice at once. A function with a side effect must run once, so a call with the same name and arguments joins
//! the one that runs, or gets the answer again that was just given, unless that was a refusal.

use crate::tools::decl;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Within that time an identical call gets the same answer.
const SAME_WITHIN: Duration = Duration::from_secs(10);

/// Our number of a call, whatever the model calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// A function to run.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// To answer with.
    pub key: CallKey,
    /// What to run.
    pub name: String,
    /// With what; an object, or null.
    pub args: Value,
}

/// Under which id a connection asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The connection's number.
    pub connection: u32,
    /// The model's id, where it gave one.
    pub id: Option<String>,
}

struct Entry {
    key: CallKey,
    name: String,
    args: Value,
    asked: Vec<Asked>,
    answer: Option<(Instant, Value)>,
}

/// What to do about a call that came in.
#[derive(Debug, PartialEq)]
pub enum Arrival {
    /// Run it.
    Run(ToolCall),
    /// It runs already; the answer will serve both.
    Joined,
    /// It has just been answered: say so again.
    Again(Value),
}

/// All calls of a conversation that still matter.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    next: u64,
}

impl Ledger {
    /// A call came in on `connection`.
    pub fn arrive(&mut self, now: Instant, connection: u32, id: Option<&str>, name: &str, args: &Value) -> Arrival {
        // The end of a call may have been taken back since: asking for it again is never a mere repetition.
        // And what was refused may be possible now: the caller has said yes meanwhile.
        let stands = |entry: &Entry, at: Instant, answer: &Value| {
            now < at + SAME_WITHIN && entry.name != decl::END_CALL && answer.get("error").is_none()
        };
        self.entries.retain(|entry| entry.answer.as_ref().is_none_or(|(at, answer)| stands(entry, *at, answer)));
        let asked = Asked { connection, id: id.map(str::to_owned) };
        let same = |entry: &&mut Entry| {
            entry.asked.contains(&asked) && asked.id.is_some() || entry.name == name && entry.args == *args
        };
        if let Some(entry) = self.entries.iter_mut().find(same) {
            if !entry.asked.contains(&asked) {
                entry.asked.push(asked);
            }
            return entry.answer.as_ref().map_or(Arrival::Joined, |(_, answer)| Arrival::Again(answer.clone()));
        }
        let key = CallKey(self.next);
        self.next += 1;
        self.entries.push(Entry { key, name: name.to_owned(), args: args.clone(), asked: vec![asked], answer: None });
        Arrival::Run(ToolCall { key, name: name.to_owned(), args: args.clone() })
    }

    /// The model no longer wants `id`. Returns the call that nobody waits for any more.
    pub fn cancel(&mut self, connection: u32, id: &str) -> Option<CallKey> {
        let asked = Asked { connection, id: Some(id.to_owned()) };
        let at = self.entries.iter().position(|entry| entry.answer.is_none() && entry.asked.contains(&asked))?;
        let entry = &mut self.entries[at];
        entry.asked.retain(|one| *one != asked);
        if !entry.asked.is_empty() {
            return None;
        }
        Some(self.entries.remove(at).key)
    }

    /// The call has been carried out. Returns its name and who asked; `None` for a call that was cancelled.
    pub fn answer(&mut self, now: Instant, key: CallKey, answer: &Value) -> Option<(String, Vec<Asked>)> {
        let entry = self.entries.iter_mut().find(|entry| entry.key == key && entry.answer.is_none())?;
        entry.answer = Some((now, answer.clone()));
        Some((entry.name.clone(), entry.asked.clone()))
    }

    /// Calls that run.
    pub fn running(&self) -> usize {
        self.entries.iter().filter(|entry| entry.answer.is_none()).count()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(arrival: Arrival) -> CallKey {
        match arrival {
            Arrival::Run(call) => call.key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_call_runs_once_and_both_askers_are_answered() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let key = run(ledger.arrive(now, 1, Some("a"), "book", &json!({"slot": 1})));
        assert_eq!(ledger.arrive(now, 1, Some("b"), "book", &json!({"slot": 1})), Arrival::Joined);
        assert_eq!(ledger.running(), 1);
        let (name, asked) = ledger.answer(now, key, &json!({"ok": true})).unwrap();
        assert_eq!((name.as_str(), asked.len()), ("book", 2));
        assert_eq!(ledger.running(), 0);
        let later = now + Duration::from_secs(4);
        let again = ledger.arrive(later, 2, Some("c"), "book", &json!({"slot": 1}));
        assert_eq!(again, Arrival::Again(json!({"ok": true})));
    }

    #[test]
    fn other_arguments_and_later_times_are_new_calls() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let first = run(ledger.arrive(now, 1, None, "book", &json!({"slot": 1})));
        let second = run(ledger.arrive(now, 1, None, "book", &json!({"slot": 2})));
        assert_ne!(first, second);
        ledger.answer(now, first, &json!({})).unwrap();
        let third = run(ledger.arrive(now + SAME_WITHIN, 1, None, "book", &json!({"slot": 1})));
        assert_ne!(first, third);
    }

    #[test]
    fn what_was_refused_is_tried_again() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let first = run(ledger.arrive(now, 1, Some("a"), "book", &json!({"slot": 1})));
        ledger.answer(now, first, &json!({"error": {"code": "not_confirmed"}})).unwrap();
        let again = run(ledger.arrive(now + Duration::from_secs(3), 1, Some("b"), "book", &json!({"slot": 1})));
        assert_ne!(first, again);
    }

    #[test]
    fn a_cancelled_call_is_forgotten_unless_somebody_else_waits_for_it() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let key = run(ledger.arrive(now, 1, Some("a"), "book", &json!({})));
        ledger.arrive(now, 1, Some("b"), "book", &json!({}));
        assert_eq!(ledger.cancel(1, "a"), None);
        assert_eq!(ledger.cancel(1, "unknown"), None);
        assert_eq!(ledger.cancel(1, "b"), Some(key));
        assert_eq!(ledger.answer(now, key, &json!({})), None);
    }
}

//! What a function gives back: to the model, and for the conversation to do.
//!
//! Every answer says what came of it in one word, what to say, and what to do next; an error says whether the same call
//! may succeed a moment later. The sentences are ours: the model does not have to find words for what has happened.

use serde_json::{Value, json};

use crate::booking::refusal::{Choice, Refusal};
use crate::booking::spoken::Language;
use crate::clinic::Clinic;
use crate::tools::decl;
use crate::tools::request::{ArgumentError, ReadError};

/// What a function gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For the model: `{"output": {…}}` or `{"error": {…}}`.
    pub json: Value,
    /// What the conversation has to do, beside telling the model.
    pub deed: Option<Deed>,
}

/// What a conversation has to do that no transaction can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Leave the caller to a person once the sentence was heard.
    Transfer,
    /// A life may be in danger: the same, and nothing takes it back.
    Emergency,
}

impl Answer {
    /// It was done; `status` is a stable word.
    pub(super) fn done(status: &str, say: impl Into<String>, next_step: &str) -> Self {
        let say = say.into();
        Self { json: json!({ "output": { "status": status, "say": say, "next_step": next_step } }), deed: None }
    }

    /// It was not done; `code` is a stable word.
    pub(super) fn error(code: &str, say: impl Into<String>, next_step: &str) -> Self {
        let say = say.into();
        Self {
            json: json!({ "error": { "code": code, "say": say, "next_step": next_step, "retry": false } }),
            deed: None,
        }
    }

    /// It was not done, for one of the reasons that there are.
    pub(super) fn refused(refusal: &Refusal, clinic: &Clinic, language: Language) -> Self {
        let mut answer = Self::error(refusal.code(), refusal.say(clinic, language), refusal.next_step());
        answer.json["error"]["retry"] = json!(refusal.retry());
        if let Refusal::BadArgument { name, expected } = refusal {
            answer = answer.with("argument", json!(name)).with("expected", json!(expected));
        }
        answer.choices(&refusal.legal(clinic))
    }

    /// One more thing that the model is to know.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        let key = if self.json["error"].is_object() { "error" } else { "output" };
        self.json[key][name] = value;
        self
    }

    /// What would have done.
    pub(super) fn choices(self, choices: &[Choice]) -> Self {
        if choices.is_empty() {
            return self;
        }
        let choices: Vec<Value> = choices.iter().map(|one| json!({ "id": one.id, "say": one.say })).collect();
        self.with("choose_from", Value::from(choices))
    }

    /// What the conversation has to do.
    pub(super) fn and(mut self, deed: Deed) -> Self {
        self.deed = Some(deed);
        self
    }

    /// The answer to a call that cannot be read.
    pub fn unread(error: &ReadError, name: &str, clinic: &Clinic, language: Language) -> Self {
        match error {
            ReadError::UnknownFunction => Self { json: decl::unknown(name, &decl::ALL), deed: None },
            ReadError::Argument(error) => Self::argument(error, clinic, language),
        }
    }

    fn argument(error: &ArgumentError, clinic: &Clinic, language: Language) -> Self {
        let answer = Self::refused(&error.refusal(), clinic, language);
        let answer = answer.with("argument", json!(error.name)).with("found", json!(error.found.to_string()));
        answer.with("expected", json!(error.wanted.as_str()))
    }

    /// The answer when the appointment book cannot be used: nothing was changed.
    pub fn no_book(clinic: &Clinic, language: Language) -> Self {
        Self::refused(&Refusal::StoreUnavailable, clinic, language)
    }
}

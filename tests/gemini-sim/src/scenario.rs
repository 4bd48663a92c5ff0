//! What the scripted receptionist knows: a greeting, and what to answer to what.

use std::{fs, path::Path};

use frontdesk_voice::Voice;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::PlannedFault;

/// A conversation as a script. Read from TOML, or built from [`Scenario::default`], a small clinic's front desk.
///
/// A caller's line is recognised by its sound, so it has to be spoken by espeak-ng with the caller's voice
/// ([`Scenario::caller_voice`]). Lines may come in any order, and more than once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Said when the client makes the model speak first.
    pub greeting: String,
    /// What callers are known to say, and the answers.
    pub exchanges: Vec<Exchange>,
    /// Answer to speech that is none of the exchanges'.
    pub fallback: String,
    /// Answer to `realtimeInput.text` that is none of the exchanges'.
    pub on_text: String,
    /// Answer to `clientContent` that has turns and ends with `turnComplete`: a summary after a lost session.
    pub on_content: String,
    /// What goes wrong in each session, beside [`crate::Settings::faults`].
    pub faults: Vec<PlannedFault>,
    /// Who speaks as the receptionist.
    pub voice: VoiceChoice,
    /// Who speaks as the caller, for recognition.
    pub caller_voice: VoiceChoice,
}

/// One thing a caller says, and what happens then.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The caller's words, as espeak-ng is given them.
    pub caller: String,
    /// The answer; empty for silence. `{result.KEY}` quotes the first tool's response (`{result.slots.0}` goes deeper),
    /// `{TOOL_NAME.KEY}` the latest of a tool by its name, also one that an earlier exchange called. `KEY` is looked up in
    /// the response's `output`, else in its `error`, else in the response itself.
    #[serde(default)]
    pub reply: String,
    /// The answer when a tool's response has an `error`; without one, [`reply`](Self::reply) is said all the same.
    #[serde(default)]
    pub reply_on_error: Option<String>,
    /// Called together, before the answer unless they say otherwise. `[[exchanges.tools]]` in TOML.
    #[serde(default)]
    pub tools: Vec<ScriptedCall>,
    /// The same for a single one, for brevity.
    #[serde(default)]
    pub tool: Option<ScriptedCall>,
}

/// A tool call of the script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// The function's name. Called whether the client declared it or not; not having declared it is noted as a fault
    /// of the script in the log.
    pub name: String,
    /// Its arguments. Texts in them quote what tools answered before, as [`Exchange::reply`] does.
    #[serde(default = "no_arguments")]
    pub args: Value,
    /// Whether the model is silent and deaf until the response; by default what the declaration says, else what the
    /// model is known to do.
    #[serde(default)]
    pub blocking: Option<bool>,
    /// Said while waiting for the response of a non-blocking call.
    #[serde(default)]
    pub filler: Option<String>,
    /// When it is called.
    #[serde(default)]
    pub when: CallTime,
}

/// When a tool is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallTime {
    /// First, and the answer is said when its response is there.
    #[default]
    Before,
    /// Once the answer is generated, like a model that says goodbye and then ends the call.
    After,
}

/// An espeak-ng voice, in a scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VoiceChoice {
    /// As in [`Voice::name`].
    pub name: String,
    /// As in [`Voice::words_per_minute`].
    pub words_per_minute: u16,
    /// As in [`Voice::pitch`].
    pub pitch: u8,
}

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read scenario {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no scenario; the source says where.
    #[error("{path} is no scenario")]
    Parse {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Scenario {
    /// Reads a TOML file. What it leaves out is as in the default clinic, except the exchanges, if it has any.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| ScenarioError::Read { path: name.clone(), source })?;
        toml::from_str(&text).map_err(|source| ScenarioError::Parse { path: name, source: Box::new(source) })
    }

    /// The voice that the caller's lines have to be spoken with.
    pub fn caller_voice(&self) -> Voice {
        self.caller_voice.clone().into()
    }

    /// The voice of the receptionist.
    pub fn voice(&self) -> Voice {
        self.voice.clone().into()
    }

    /// Everything that the receptionist may say and that is known beforehand.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        let exchanges = self.exchanges.iter().flat_map(|exchange| {
            let fillers = exchange.calls().filter_map(|call| call.filler.as_deref());
            [Some(exchange.reply.as_str()), exchange.reply_on_error.as_deref()].into_iter().flatten().chain(fillers)
        });
        [&self.greeting, &self.fallback, &self.on_text, &self.on_content]
            .into_iter()
            .map(String::as_str)
            .chain(exchanges)
            .filter(|line| !line.is_empty() && !line.contains('{'))
    }

    /// The exchange whose caller says `text`, whatever the punctuation.
    pub(crate) fn exchange_for(&self, text: &str) -> Option<usize> {
        let plain = |text: &str| -> String {
            let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
        };
        let text = plain(text);
        self.exchanges.iter().position(|exchange| !text.is_empty() && plain(&exchange.caller) == text)
    }
}

impl Exchange {
    /// All its calls, however they were written.
    pub fn calls(&self) -> impl Iterator<Item = &ScriptedCall> {
        self.tool.iter().chain(&self.tools)
    }

    /// The answer, quoting the responses and, behind them, what was answered `before`, the latest last.
    pub(crate) fn answer(&self, responses: &[(String, Value)], before: &[(String, Value)]) -> String {
        let failed = responses.iter().any(|(_, response)| !response["error"].is_null());
        let known: Vec<_> = responses.iter().chain(before.iter().rev()).collect();
        match &self.reply_on_error {
            Some(reply) if failed => quote(reply, &known),
            _ => quote(&self.reply, &known),
        }
    }
}

impl ScriptedCall {
    /// The arguments, quoting what was answered `before`, the latest last.
    pub(crate) fn filled(&self, before: &[(String, Value)]) -> Value {
        let known: Vec<_> = before.iter().rev().collect();
        fill(&self.args, &known)
    }
}

fn fill(value: &Value, known: &[&(String, Value)]) -> Value {
    match value {
        Value::String(text) => Value::String(quote(text, known)),
        Value::Array(items) => items.iter().map(|item| fill(item, known)).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), fill(value, known))).collect(),
        other => other.clone(),
    }
}

/// Fills in `{result.KEY}` and `{TOOL_NAME.KEY}`. What is not there is said to be missing, aloud, so that a test hears it.
fn quote(template: &str, known: &[&(String, Value)]) -> String {
    let mut said = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        said.push_str(before);
        let Some((path, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        said.push_str(&look_up(path, known).unwrap_or_else(|| format!("missing {path}")));
        rest = after;
    }
    said.push_str(rest);
    said
}

fn look_up(path: &str, known: &[&(String, Value)]) -> Option<String> {
    let (tool, keys) = path.split_once('.').unwrap_or((path, ""));
    let (_, response) = known.iter().find(|(name, _)| tool == "result" || tool == name)?;
    let whole = response.get("output").or_else(|| response.get("error").filter(|error| error.is_object()));
    let whole = whole.unwrap_or(response);
    let found = keys.split('.').filter(|key| !key.is_empty()).try_fold(whole, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        Value::Object(object) => object.get(key),
        _ => None,
    })?;
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

fn no_arguments() -> Value {
    Value::Object(Map::new())
}

impl ScriptedCall {
    /// A call before the answer.
    pub fn new(name: &str, args: Value) -> Self {
        Self { name: name.to_owned(), args, blocking: None, filler: None, when: CallTime::Before }
    }
}

impl Default for VoiceChoice {
    fn default() -> Self {
        Voice::default().into()
    }
}

impl From<Voice> for VoiceChoice {
    fn from(Voice { name, words_per_minute, pitch }: Voice) -> Self {
        Self { name, words_per_minute, pitch }
    }
}

impl From<VoiceChoice> for Voice {
    fn from(VoiceChoice { name, words_per_minute, pitch }: VoiceChoice) -> Self {
        Self { name, words_per_minute, pitch }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        let exchange = |caller: &str, reply: &str| Exchange {
            caller: caller.to_owned(),
            reply: reply.to_owned(),
            ..Exchange::default()
        };
        let with = |call: ScriptedCall, exchange: Exchange| Exchange { tool: Some(call), ..exchange };
        let free_slots = json!({"day": "2026-11-24"});
        let booking = json!({"start": "2026-11-24T09:20", "name": "Anna Rossi", "phone": "+15550100111"});
        let message = json!({"name": "Anna Rossi", "text": "Please call back about an invoice."});
        Self {
            greeting: "Riverside Clinic, good morning. How can I help you?".to_owned(),
            exchanges: vec![
                exchange(
                    "What are your opening hours?",
                    "We are open Monday to Friday, from eight in the morning until six in the evening.",
                ),
                with(
                    ScriptedCall::new("find_free_slots", free_slots),
                    exchange(
                        "Hello, I would like to make an appointment, please.",
                        "Of course. On Tuesday we have a free slot at twenty past nine. Does that suit you?",
                    ),
                ),
                with(
                    ScriptedCall::new("book_appointment", booking),
                    Exchange {
                        reply_on_error: Some("I am sorry, that did not work. Shall I take a message?".to_owned()),
                        ..exchange(
                            "Yes, that suits me. My name is Anna Rossi.",
                            "You are booked for Tuesday at twenty past nine, Ms. Rossi. You will get an e-mail.",
                        )
                    },
                ),
                with(
                    ScriptedCall::new("take_message", message),
                    exchange(
                        "Please take a message about an invoice.",
                        "I have written it down, and somebody will call you back today.",
                    ),
                ),
                with(
                    ScriptedCall::new("transfer_to_human", json!({"reason": "The caller asks for a person."})),
                    exchange("Can I speak to somebody, please?", "One moment, I will put you through."),
                ),
                with(
                    ScriptedCall::new("end_call", json!({"reason": "The caller said goodbye."})),
                    exchange("No, that is all. Thank you, goodbye.", "Thank you for calling. Goodbye!"),
                ),
            ],
            fallback: "I am sorry, I did not catch that. Could you say it again?".to_owned(),
            on_text: "Are you still there? How can I help you?".to_owned(),
            on_content: "Where were we? Please go on.".to_owned(),
            faults: Vec::new(),
            voice: Voice { name: "en-us+f3".to_owned(), words_per_minute: 175, pitch: 60 }.into(),
            caller_voice: VoiceChoice::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_differs() {
        let scenario: Scenario = toml::from_str(
            r#"
            greeting = "Hello."
            faults = ["go-away:10s@30s", "no-reply/once"]
            voice = { name = "de", pitch = 40 }

            [[exchanges]]
            caller = "When is there a free slot?"
            reply = "At {result.slots.0}."
            tool = { name = "find_free_slots", args = { day = "2026-11-24" }, blocking = true }

            [[exchanges]]
            caller = "Goodbye."
            reply = "Goodbye."
            [[exchanges.tools]]
            name = "end_call"
            when = "after"
            "#,
        )
        .unwrap();
        assert_eq!(scenario.faults[0].after.as_secs(), 30);
        assert_eq!(scenario.voice().words_per_minute, 170);
        assert_eq!(scenario.exchanges[0].calls().next().unwrap().args, json!({"day": "2026-11-24"}));
        assert_eq!(scenario.exchanges[1].calls().next().unwrap().when, CallTime::After);
        assert_eq!(scenario.fallback, Scenario::default().fallback);
        assert!(!scenario.lines().any(|line| line.contains('{')));
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        let error = toml::from_str::<Scenario>("greetings = 'Hello'").unwrap_err();
        assert!(error.to_string().contains("greetings"), "{error}");
        let error = toml::from_str::<Scenario>("faults = ['explode']").unwrap_err();
        assert!(error.to_string().contains("no fault is called"), "{error}");
    }

    #[test]
    fn replies_quote_what_the_tools_answered() {
        let exchange = Exchange {
            reply: "At {result.slots.0} or {find.slots.1}, {book.id}, {nobody.x}.".to_owned(),
            reply_on_error: Some("No: {result.error}.".to_owned()),
            ..Exchange::default()
        };
        let find = ("find".to_owned(), json!({"output": {"slots": ["nine", 10]}}));
        let book = ("book".to_owned(), json!({"id": 7}));
        assert_eq!(exchange.answer(&[find, book], &[]), "At nine or 10, 7, missing nobody.x.");
        assert_eq!(exchange.answer(&[("find".to_owned(), json!({"error": "closed"}))], &[]), "No: closed.");
    }

    #[test]
    fn later_calls_and_replies_quote_what_was_answered_before() {
        let before = [
            ("find".to_owned(), json!({"output": {"slots": [{"id": "old"}]}})),
            ("find".to_owned(), json!({"output": {"slots": [{"id": "s1"}]}})),
        ];
        let call = ScriptedCall::new("hold", json!({"slot": "{find.slots.0.id}", "more": ["{find.slots.0.id}", 3]}));
        assert_eq!(call.filled(&before), json!({"slot": "s1", "more": ["s1", 3]}));
        let exchange = Exchange {
            reply: "Held {hold.say}, found {find.slots.0.id}.".to_owned(),
            reply_on_error: Some("{hold.say}".to_owned()),
            ..Exchange::default()
        };
        let held = |response: Value| [("hold".to_owned(), response)];
        let good = held(json!({"output": {"say": "nine"}}));
        assert_eq!(exchange.answer(&good, &before), "Held nine, found s1.");
        let taken = held(json!({"error": {"code": "slot_taken", "say": "It is gone."}}));
        assert_eq!(exchange.answer(&taken, &before), "It is gone.");
    }

    #[test]
    fn typed_words_find_their_exchange() {
        let scenario = Scenario::default();
        assert_eq!(scenario.exchange_for("what are your opening hours"), Some(0));
        assert_eq!(scenario.exchange_for(" "), None);
    }
}

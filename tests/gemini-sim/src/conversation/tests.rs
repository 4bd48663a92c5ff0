//! Conversations in virtual time: no socket, no espeak-ng, no waiting.

use serde_json::{Value, json};

use super::*;
use crate::{
    fault::Lasts,
    report::SessionReport,
    scenario::{CallTime, Exchange, ScriptedCall},
    wire::client::{FunctionResponse, Scheduling},
};
use frontdesk_voice::{Recognised, Voice};

const RATE: u32 = 16_000;
/// Every line of the test scenario takes two seconds to say.
const LINE: Duration = Duration::from_secs(2);

const HOURS: usize = 0;
const SLOTS: usize = 1;
const GOODBYE: usize = 2;

fn scenario() -> Scenario {
    let exchange = |caller: &str, reply: &str, tool| Exchange {
        caller: caller.to_owned(),
        reply: reply.to_owned(),
        tool,
        ..Exchange::default()
    };
    let end_call = ScriptedCall { when: CallTime::After, ..ScriptedCall::new("end_call", json!({})) };
    Scenario {
        greeting: "Hello.".to_owned(),
        exchanges: vec![
            exchange("What are your hours?", "From eight.", None),
            exchange("A slot, please.", "At nine.", Some(ScriptedCall::new("find", json!({"day": 1})))),
            exchange("Goodbye.", "Bye.", Some(end_call)),
        ],
        fallback: "Pardon?".to_owned(),
        on_text: "Yes?".to_owned(),
        on_content: "I see.".to_owned(),
        ..Scenario::default()
    }
}

/// A conversation, its clock, and what it sent.
struct Rig {
    conversation: Conversation,
    now: Instant,
    sent: Vec<(Duration, Value)>,
    other: Vec<Output>,
    began: Instant,
}

impl Rig {
    fn new(setup: Value) -> Self {
        Self::resumed(setup, None)
    }

    fn resumed(mut setup: Value, left: Option<(Memory, Switches)>) -> Self {
        setup["model"] = json!("models/gemini-3.8-live");
        let library = Library::new(Voice::default());
        let scenario = scenario();
        let pcm: Vec<i16> = (0..48_000).map(|n| if n % 50 < 25 { 5_000 } else { -5_000 }).collect();
        scenario.lines().for_each(|line| library.insert(line, pcm.clone()));
        let ledger = Ledger::default();
        let session = ledger.open();
        let world = World {
            scenario,
            library,
            ledger,
            timing: Timing::default(),
            speech_threshold_dbfs: -45.0,
            recognise: true,
            keep_audio: true,
            nonce: "test".to_owned(),
        };
        let setup = Setup::read(&setup, "v1beta", false).unwrap();
        let conversation = Conversation::new(Arc::new(world), session, setup, false);
        let (memory, switches) = left.unwrap_or_default();
        let now = Instant::now();
        Self {
            conversation: conversation.resuming(memory, switches),
            now,
            sent: Vec::new(),
            other: Vec::new(),
            began: now,
        }
    }

    /// With everything that clients usually ask for.
    fn usual() -> Self {
        Self::new(json!({"sessionResumption": {}, "inputAudioTranscription": {}, "outputAudioTranscription": {},
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 500}},
            "tools": [{"functionDeclarations": [{"name": "find"}, {"name": "end_call"}]}]}))
    }

    fn drain(&mut self) {
        while let Some(output) = self.conversation.poll(self.now) {
            match output {
                Output::Send(bytes) | Output::Speech { message: bytes, .. } => {
                    let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                    self.sent.push((self.now - self.began, value));
                }
                other => self.other.push(other),
            }
        }
    }

    /// Lets time pass without audio from the caller.
    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while let Some(at) = self.conversation.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.drain();
        }
        self.now = end;
        self.drain();
    }

    /// The caller's microphone in real time, 20 ms at a time.
    fn microphone(&mut self, level: i16, ms: u64) {
        let frame: Vec<i16> = (0..320).map(|n| if n % 40 < 20 { level } else { -level }).collect();
        for _ in 0..ms / 20 {
            self.run_for(Duration::from_millis(20)); // a frame is there once it has been spoken
            self.conversation.audio(self.now, RATE, &frame);
            self.drain();
        }
    }

    /// The caller says the line of `exchange`, or something else, and is silent until that is noticed.
    fn says(&mut self, exchange: Option<usize>) {
        self.microphone(4_000, 600);
        self.microphone(0, 520);
        self.understand(exchange);
    }

    fn understand(&mut self, exchange: Option<usize>) {
        let position = self.other.iter().position(|output| matches!(output, Output::Recognise { .. }));
        let Output::Recognise { utterance, pcm, rate_hz } = self.other.remove(position.expect("speech has ended"))
        else {
            unreachable!("it was looked for");
        };
        assert!(rate_hz == RATE && pcm.len() > 9_000);
        let heard = exchange.map(|index| Recognised {
            index,
            text: self.conversation.world.scenario.exchanges[index].caller.clone(),
            correlation: 0.9,
            at: 0,
        });
        self.conversation.recognised(utterance, heard);
        self.drain();
    }

    fn greet(&mut self) {
        self.content("", true);
        self.run_for(Duration::from_secs(4));
    }

    fn content(&mut self, text: &str, turn_complete: bool) {
        self.conversation.message(self.now, ClientMessage::Content { text: text.to_owned(), turn_complete });
        self.drain();
    }

    fn respond(&mut self, id: &str, name: &str, scheduling: Scheduling) {
        let response = FunctionResponse {
            id: id.to_owned(),
            name: name.to_owned(),
            response: json!({"output": "ok"}),
            scheduling,
            will_continue: false,
            is_scheduled: scheduling != Scheduling::WhenIdle,
        };
        self.conversation.message(self.now, ClientMessage::ToolResponse(vec![response]));
        self.drain();
    }

    fn report(&self) -> SessionReport {
        self.conversation.world.ledger.snapshot().remove(0)
    }

    /// The kinds of messages sent, audio only once in a row.
    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<&str> = self.sent.iter().map(|(_, message)| kind(message)).collect();
        kinds.dedup_by(|a, b| a == b && *a == "audio");
        kinds
    }

    fn forget(&mut self) {
        self.sent.clear();
    }

    fn time_of(&self, wanted: &str) -> Duration {
        self.sent.iter().find(|(_, message)| kind(message) == wanted).unwrap_or_else(|| panic!("no {wanted}")).0
    }

    fn calls(&self) -> Vec<String> {
        self.report().tool_calls.into_iter().map(|call| call.id).collect()
    }
}

fn kind(message: &Value) -> &'static str {
    let content = &message["serverContent"];
    let is = |key: &str| content[key] == true;
    match message {
        _ if is("interrupted") => "interrupted",
        _ if is("generationComplete") => "generated",
        _ if is("turnComplete") => "complete",
        _ if !content["modelTurn"].is_null() => "audio",
        _ if !content["inputTranscription"].is_null() => "heard",
        _ if message["sessionResumptionUpdate"]["resumable"] == true => "handle",
        _ if !message["sessionResumptionUpdate"].is_null() => "no handle",
        _ if !message["toolCall"].is_null() => "call",
        _ if !message["toolCallCancellation"].is_null() => "cancellation",
        _ if !message["goAway"].is_null() => "go away",
        _ => "other",
    }
}

fn seconds(number: f64) -> Duration {
    Duration::from_secs_f64(number)
}

#[test]
fn silent_until_asked_to_greet() {
    let mut rig = Rig::usual();
    rig.microphone(0, 3_000);
    assert!(rig.sent.is_empty());
    rig.greet();
    assert_eq!(rig.kinds(), ["audio", "generated", "complete", "handle"]);
    assert_eq!((rig.report().greeted, rig.report().replies[0].complete), (1, true));
}

#[test]
fn speech_is_sent_faster_than_it_is_heard_and_the_turn_ends_when_it_was_heard() {
    let mut rig = Rig::usual();
    rig.greet();
    let first = rig.time_of("audio");
    assert_eq!(first, Timing::default().reply_delay);
    let generated = rig.time_of("generated").saturating_sub(first);
    assert!((seconds(0.55)..seconds(0.62)).contains(&generated), "{generated:?}");
    assert_eq!(rig.time_of("complete").saturating_sub(first), LINE);
}

#[test]
fn what_the_caller_says_is_transcribed_and_answered() {
    let mut rig = Rig::usual();
    rig.says(Some(HOURS));
    rig.run_for(seconds(4.0));
    assert_eq!(rig.kinds(), ["heard", "heard", "audio", "generated", "complete", "handle"]);
    let said: String =
        rig.sent.iter().filter_map(|(_, m)| m["serverContent"]["outputTranscription"]["text"].as_str()).collect();
    assert_eq!(said, "From eight.");
    let utterance = &rig.report().utterances[0];
    assert_eq!((utterance.start_sample, utterance.end_sample), (0, 9_600));
    assert_eq!(utterance.recognised.as_deref(), Some("What are your hours?"));
}

#[test]
fn what_is_not_understood_gets_an_apology() {
    let mut rig = Rig::usual();
    rig.says(None);
    rig.run_for(seconds(4.0));
    assert_eq!(rig.sent[0].1["serverContent"]["inputTranscription"]["text"], "(unintelligible)");
    assert_eq!(rig.report().replies[0].text, "Pardon?");
}

#[test]
fn transcriptions_and_handles_come_only_when_asked_for() {
    let mut rig = Rig::new(json!({"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 500}}}));
    rig.says(Some(HOURS));
    rig.run_for(seconds(4.0));
    assert_eq!(rig.kinds(), ["audio", "generated", "complete"]);
    assert!(rig.sent.iter().all(|(_, message)| message["serverContent"]["outputTranscription"].is_null()));
}

#[test]
fn speech_over_a_reply_interrupts_it_after_the_latency() {
    let mut rig = Rig::usual();
    rig.content("", true);
    rig.run_for(seconds(0.4));
    let onset = rig.now - rig.began;
    rig.microphone(4_000, 600);
    assert_eq!(rig.kinds(), ["audio", "interrupted", "complete", "handle"]);
    let latency = rig.time_of("interrupted").saturating_sub(onset);
    assert!((seconds(0.39)..seconds(0.45)).contains(&latency), "{latency:?}");
    let reply = &rig.report().replies[0];
    assert!(reply.interrupted && !reply.complete && reply.sent_samples < reply.samples, "{reply:?}");
    rig.microphone(0, 520);
    rig.understand(Some(HOURS));
    rig.run_for(seconds(4.0));
    assert_eq!(rig.report().replies[1].text, "From eight.");
}

#[test]
fn speech_that_outlasts_a_reply_interrupts_nothing() {
    let mut rig = Rig::usual();
    rig.content("", true);
    rig.run_for(seconds(2.2));
    rig.microphone(4_000, 600);
    assert!(!rig.kinds().contains(&"interrupted"));
    assert!(rig.report().replies[0].complete);
}

#[test]
fn without_interruption_the_caller_waits_for_the_answer() {
    let mut rig = Rig::new(json!({"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION",
        "automaticActivityDetection": {"silenceDurationMs": 500}}}));
    rig.content("", true);
    rig.run_for(seconds(0.4));
    rig.says(Some(HOURS));
    rig.run_for(seconds(6.0));
    assert_eq!(rig.kinds(), ["audio", "generated", "complete", "audio", "generated", "complete"]);
}

#[test]
fn a_missed_barge_in_is_neither_noticed_nor_answered() {
    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::MissBargeIn.lasting(Lasts::Once));
    rig.content("", true);
    rig.run_for(seconds(0.4));
    rig.microphone(4_000, 600);
    rig.microphone(0, 520);
    rig.run_for(seconds(4.0));
    assert_eq!(rig.kinds(), ["audio", "generated", "complete", "handle"]);
    assert!(rig.report().utterances[0].missed && rig.other.is_empty());
}

#[test]
fn content_interrupts_and_is_answered() {
    let mut rig = Rig::usual();
    rig.content("", true);
    rig.run_for(seconds(0.6));
    rig.content("The caller is Ms. Rossi.", true);
    rig.run_for(seconds(4.0));
    assert_eq!(rig.kinds()[..4], ["audio", "interrupted", "complete", "handle"]);
    assert_eq!(rig.report().replies[1].text, "I see.");
    rig.content("By the way.", false);
    rig.forget();
    rig.run_for(seconds(4.0));
    assert!(rig.sent.is_empty(), "nothing was asked");
}

#[test]
fn seeded_history_is_absorbed_silently() {
    let mut rig = Rig::new(json!({"historyConfig": {"initialHistoryInClientContent": true}}));
    rig.content("Earlier she gave her name.", false);
    rig.content("That is all.", true);
    rig.run_for(seconds(4.0));
    assert!(rig.sent.is_empty());
    rig.conversation.message(rig.now, ClientMessage::Text(" ".to_owned()));
    rig.run_for(seconds(4.0));
    assert_eq!(rig.report().greeted, 1);
}

#[test]
fn typed_words_are_answered_like_spoken_ones() {
    let mut rig = Rig::usual();
    rig.greet();
    for (text, reply) in
        [("what are your hours", "From eight."), ("Please continue.", "Yes?"), ("Greet again", "Hello.")]
    {
        rig.conversation.message(rig.now, ClientMessage::Text(text.to_owned()));
        rig.run_for(seconds(4.0));
        assert_eq!(rig.report().replies.last().unwrap().text, reply);
    }
}

#[test]
fn the_answer_waits_for_the_tool() {
    let mut rig = Rig::usual();
    rig.says(Some(SLOTS));
    rig.run_for(seconds(5.0));
    assert_eq!(rig.kinds(), ["heard", "heard", "no handle", "call"]);
    let id = rig.calls().remove(0);
    rig.respond(&id, "find", Scheduling::WhenIdle);
    rig.run_for(seconds(4.0));
    assert_eq!(rig.kinds()[4..], ["audio", "generated", "complete", "handle"]);
    assert_eq!(rig.report().tool_calls[0].response, Some(json!({"output": "ok"})));
}

#[test]
fn a_silent_result_is_not_spoken_about_and_an_urgent_one_at_once() {
    let mut rig = Rig::usual();
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    let id = rig.calls().remove(0);
    rig.respond(&id, "find", Scheduling::Silent);
    rig.run_for(seconds(4.0));
    assert!(rig.report().replies.is_empty());

    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    rig.content("", true); // something to interrupt
    rig.run_for(seconds(0.6));
    let id = rig.calls().remove(1);
    rig.respond(&id, "find", Scheduling::Interrupt);
    rig.run_for(seconds(4.0));
    let replies = rig.report().replies;
    assert!(replies[0].interrupted && replies[1].text == "At nine.", "{replies:?}");
}

#[test]
fn a_call_that_is_spoken_over_comes_again_under_another_id() {
    let mut rig = Rig::usual();
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    rig.microphone(4_000, 400);
    rig.microphone(0, 520);
    rig.understand(None);
    rig.run_for(seconds(8.0));
    let calls = rig.report().tool_calls;
    assert!(calls.len() == 2 && calls[0].abandoned && !calls[1].abandoned && calls[0].id != calls[1].id, "{calls:?}");
    rig.respond(&calls[0].id, "find", Scheduling::WhenIdle);
    assert_eq!(rig.report().ignored_responses.len(), 1);
    rig.respond(&calls[1].id, "find", Scheduling::WhenIdle);
    rig.run_for(seconds(4.0));
    assert_eq!(rig.report().replies.last().unwrap().text, "At nine.");
}

#[test]
fn a_call_that_is_spoken_over_is_cancelled_on_demand() {
    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::CancelToolOnInterrupt.into());
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    rig.microphone(4_000, 400);
    rig.run_for(seconds(8.0));
    assert!(rig.kinds().contains(&"cancellation"));
    assert_eq!(rig.calls().len(), 1);
}

#[test]
fn a_blocking_call_leaves_the_caller_without_an_answer() {
    let mut rig = Rig::new(json!({"tools": [{"functionDeclarations": [{"name": "find", "behavior": "BLOCKING"}]}]}));
    rig.conversation.message(rig.now, ClientMessage::Text("A slot, please.".to_owned()));
    rig.conversation.memory.greeted = true;
    rig.run_for(seconds(1.0));
    // The first text greeted; ask again now that it did.
    rig.run_for(seconds(4.0));
    rig.conversation.message(rig.now, ClientMessage::Text("A slot, please.".to_owned()));
    rig.run_for(seconds(1.0));
    rig.forget();
    rig.conversation.message(rig.now, ClientMessage::Text("What are your hours?".to_owned()));
    rig.run_for(seconds(4.0));
    assert!(rig.sent.is_empty(), "{:?}", rig.sent);
    let id = rig.calls().remove(0);
    rig.respond(&id, "find", Scheduling::WhenIdle);
    rig.run_for(seconds(8.0));
    let said: Vec<String> = rig.report().replies.into_iter().map(|reply| reply.text).collect();
    assert_eq!(said[said.len() - 2..], ["At nine.", "From eight."]);
}

#[test]
fn a_goodbye_is_said_before_the_call_is_ended() {
    let mut rig = Rig::usual();
    rig.says(Some(GOODBYE));
    rig.run_for(seconds(1.5));
    assert_eq!(rig.kinds()[1..], ["audio", "generated", "no handle", "call"]);
    let id = rig.calls().remove(0);
    rig.respond(&id, "end_call", Scheduling::WhenIdle);
    rig.run_for(seconds(6.0));
    assert_eq!(rig.report().replies.len(), 1, "nothing is said about it");
}

#[test]
fn faults_of_speech() {
    let said = |fault: Fault| {
        let mut rig = Rig::usual();
        rig.conversation.inject(rig.now, fault.into());
        rig.greet();
        rig.says(Some(HOURS));
        rig.run_for(seconds(4.0));
        rig.report().replies.into_iter().map(|reply| reply.text).collect::<Vec<_>>()
    };
    assert!(said(Fault::NoReply).is_empty());
    assert_eq!(said(Fault::NoGreeting), ["From eight."]);
    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::SilentAudio.into());
    rig.greet();
    let data = rig.sent[0].1["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"].take();
    assert!(data.as_str().unwrap().trim_end_matches('=').bytes().all(|letter| letter == b'A'));
}

#[test]
fn faults_of_tools() {
    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::DuplicateToolCall.into());
    rig.conversation.inject(rig.now, Fault::SilentAfterTool.into());
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    let calls = rig.calls();
    assert_eq!((calls.len(), rig.kinds().iter().filter(|kind| **kind == "call").count()), (2, 2));
    rig.respond(&calls[1], "find", Scheduling::WhenIdle);
    rig.respond(&calls[0], "find", Scheduling::WhenIdle);
    rig.run_for(seconds(4.0));
    assert!(rig.report().replies.is_empty() && rig.report().ignored_responses.is_empty());

    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::DropAfterToolCall.into());
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0));
    assert!(matches!(rig.other.as_slice(), [Output::Drop]));
}

#[test]
fn faults_of_the_connection() {
    let mut rig = Rig::usual();
    let time_left = Some(seconds(1.5));
    rig.conversation.inject(rig.now, Fault::GoAway { time_left, then: Ending::Deadline }.into());
    rig.run_for(seconds(1.4));
    assert_eq!(rig.sent[0].1["goAway"]["timeLeft"], "1.5s");
    assert!(rig.other.is_empty());
    rig.run_for(seconds(0.2));
    assert!(matches!(rig.other.as_slice(), [Output::Close(Refusal { code: 1011, .. })]));

    let mut rig = Rig::usual();
    rig.conversation.plan(rig.now + seconds(3.0), Fault::Drop.into());
    rig.run_for(seconds(2.9));
    assert!(rig.other.is_empty());
    rig.run_for(seconds(0.2));
    assert!(matches!(rig.other.as_slice(), [Output::Drop]));

    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::Garbage.into());
    rig.conversation.inject(rig.now, Fault::Strays.into());
    rig.conversation.inject(rig.now, Fault::Stall(LINE).into());
    rig.drain();
    assert!(rig.sent.len() > 15 && rig.sent.iter().filter(|(_, value)| value.is_null()).count() >= 2);
    assert!(matches!(rig.other.as_slice(), [Output::Transport(Fault::Stall(_))]));
}

#[test]
fn no_handles_when_the_service_has_none() {
    let mut rig = Rig::usual();
    rig.conversation.inject(rig.now, Fault::NoHandles.into());
    rig.greet();
    assert!(!rig.kinds().contains(&"handle") && rig.report().handles.is_empty());
}

#[test]
fn a_resumed_session_remembers_and_a_nudge_makes_it_finish() {
    let mut rig = Rig::usual();
    rig.greet();
    rig.says(Some(SLOTS));
    rig.run_for(seconds(1.0)); // the tool call is out, and the connection ends
    let left = rig.conversation.leave();

    let mut rig = Rig::resumed(json!({}), Some(left));
    rig.run_for(seconds(5.0));
    assert!(rig.sent.is_empty(), "it waits");
    rig.conversation.message(rig.now, ClientMessage::Text("Please continue.".to_owned()));
    rig.run_for(seconds(1.0));
    assert_eq!(rig.kinds(), ["call"]);
    let id = rig.calls().remove(0);
    rig.respond(&id, "find", Scheduling::WhenIdle);
    rig.run_for(seconds(4.0));
    rig.content("", true);
    rig.run_for(seconds(4.0));
    let said: Vec<String> = rig.report().replies.into_iter().map(|reply| reply.text).collect();
    assert_eq!(said, ["At nine.", "Yes?"], "and does not greet twice");
}

#[test]
fn a_client_that_detects_speech_itself_is_believed() {
    let mut rig = Rig::new(json!({"realtimeInputConfig": {"automaticActivityDetection": {"disabled": true}}}));
    rig.microphone(4_000, 2_000);
    rig.conversation.message(rig.now, ClientMessage::ActivityStart);
    rig.microphone(4_000, 600);
    rig.conversation.message(rig.now, ClientMessage::ActivityEnd);
    rig.drain();
    rig.understand(Some(HOURS));
    rig.run_for(seconds(4.0));
    assert_eq!(rig.report().replies[0].text, "From eight.");
    assert_eq!(rig.report().utterances.len(), 1);
    rig.conversation.message(rig.now, ClientMessage::ActivityStart);
    rig.conversation.message(rig.now, ClientMessage::ActivityEnd);
    rig.drain();
    assert!(matches!(rig.other.as_slice(), [Output::Close(Refusal { code: 1007, .. })]), "an empty window");
}

#[test]
fn a_microphone_that_is_switched_off_ends_speech() {
    let mut rig = Rig::usual();
    rig.microphone(4_000, 600);
    rig.run_for(seconds(5.0));
    assert!(rig.other.is_empty(), "without samples no time passes");
    rig.conversation.message(rig.now, ClientMessage::AudioStreamEnd);
    rig.drain();
    rig.understand(Some(HOURS));
    rig.run_for(seconds(1.0));
    assert_eq!(rig.report().replies.len(), 1);
}

#[test]
fn what_a_careless_client_does_is_noted_or_refused() {
    let mut rig = Rig::usual();
    rig.conversation.audio(rig.now, 16_000, &[0; 320]);
    rig.conversation.audio(rig.now, 8_000, &[0; 160]);
    assert_eq!(rig.report().protocol_errors.len(), 1);
    for message in [ClientMessage::ActivityStart, ClientMessage::ActivityEnd, ClientMessage::Setup(json!({}))] {
        rig.other.clear();
        rig.conversation.message(rig.now, message);
        rig.drain();
        assert!(matches!(rig.other.as_slice(), [Output::Close(Refusal { code: 1007, .. })]));
    }
}

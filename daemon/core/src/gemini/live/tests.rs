#![expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use super::connection::{CLOSE_WITHIN, DEAF, GIVE_UP_FIRST, ROTATE_AT_LAST, SETUP_WITHIN};
use super::functions::SILENT_AFTER_TOOL;
use super::incoming::MOST_REPEATED;
use super::*;
use crate::gemini::close::{Close, ConnectFailure};
use crate::gemini::setup::tests::setup;
use crate::gemini::wire::Scheduling;
use serde_json::json;

const ROTATE: Duration = Duration::from_mins(8);

/// A session and a scripted service, in virtual time.
struct Pair {
    session: LiveSession,
    now: Instant,
    sent: Vec<Value>,
    events: Vec<LiveEvent>,
    connects: usize,
    closes: usize,
    drops: usize,
}

impl Pair {
    fn new() -> Self {
        Self::with(setup())
    }

    fn with(setup: Setup) -> Self {
        let session = LiveSession::new(setup, ROTATE, 1);
        let now = Instant::now();
        let mut pair = Self { session, now, sent: vec![], events: vec![], connects: 0, closes: 0, drops: 0 };
        pair.session.connect(now);
        pair.settle();
        pair
    }

    /// Open, greeted, and with a handle.
    fn talking() -> Self {
        let mut pair = Self::new();
        pair.open();
        pair.session.begin(&Opening::Greet);
        pair.say_reply("Good morning.");
        pair.hand("h1");
        pair.forget();
        pair
    }

    fn settle(&mut self) {
        while let Some(action) = self.session.next_action(true) {
            match action {
                Action::Connect => self.connects += 1,
                Action::Send(message) => self.sent.push(serde_json::from_slice(&message).unwrap()),
                Action::Ping => {}
                Action::Close => self.closes += 1,
                Action::Drop => self.drops += 1,
            }
        }
        self.events.extend(std::iter::from_fn(|| self.session.next_event()));
    }

    fn forget(&mut self) {
        self.settle();
        self.sent.clear();
        self.events.clear();
    }

    fn open(&mut self) {
        self.session.opened(self.now);
        self.settle();
        self.say(&json!({ "setupComplete": {} }));
    }

    fn say(&mut self, message: &Value) {
        self.session.frame(self.now, message.to_string().as_bytes());
        self.settle();
    }

    fn say_reply(&mut self, text: &str) {
        self.say(&speech(text));
        self.say(&json!({ "serverContent": { "generationComplete": true } }));
        self.wait(1_000);
        self.say(&json!({ "serverContent": { "turnComplete": true } }));
    }

    fn hand(&mut self, handle: &str) {
        self.say(&json!({ "sessionResumptionUpdate": { "newHandle": handle, "resumable": true } }));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.session.closed(self.now, &Close { code, reason: reason.into() });
        self.settle();
    }

    /// The caller speaks for `ms`, or is silent.
    fn caller(&mut self, ms: u64, level: i16) {
        for _ in 0..ms / 20 {
            self.session.send_audio(self.now, &[level; 320]);
            self.wait(20);
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.session.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.poll(self.now);
            self.settle();
        }
        self.now = until;
        self.session.poll(until);
        self.settle();
    }

    /// The connection shows life for `span`.
    fn live_for(&mut self, span: Duration) {
        for _ in 0..span.as_secs() / 10 {
            self.wait(10_000);
            self.session.alive(self.now);
        }
    }

    /// Milliseconds of speech (not silence) that were sent.
    fn speech_sent(&self) -> usize {
        let mut pcm = Vec::new();
        for message in &self.sent {
            if let Some(data) = message["realtimeInput"]["audio"]["data"].as_str() {
                wire::decode_pcm(data, &mut Vec::new(), &mut None, &mut pcm);
            }
        }
        pcm.iter().filter(|sample| sample.abs() > 500).count() / 16
    }

    fn last_setup(&self) -> &Value {
        &self.sent.iter().rfind(|message| message["setup"].is_object()).expect("a setup was sent")["setup"]
    }
}

fn speech(text: &str) -> Value {
    json!({ "serverContent": {
        "modelTurn": { "parts": [{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQABAAEA" } }] },
        "outputTranscription": { "text": text },
    } })
}

fn call(id: &str) -> Value {
    json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "find", "args": { "day": 1 } }] } })
}

#[test]
fn nothing_is_sent_before_the_setup_is_accepted_and_the_first_turn_is_the_models() {
    let mut pair = Pair::new();
    assert_eq!(pair.connects, 1);
    pair.caller(100, 3);
    assert!(pair.sent.is_empty());
    pair.open();
    assert_eq!(pair.sent.len(), 1);
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: false }]);
    pair.session.begin(&Opening::Greet);
    pair.settle();
    assert_eq!(pair.sent[1], json!({ "clientContent": { "turnComplete": true } }));
    pair.caller(20, 2_000);
    assert_eq!(pair.speech_sent(), 20);
}

#[test]
fn a_caller_who_spoke_first_is_answered_not_greeted() {
    let mut pair = Pair::new();
    pair.caller(600, 2_000);
    pair.open();
    pair.session.begin(&Opening::Answer);
    pair.settle();
    assert!(pair.sent.iter().all(|message| message["clientContent"].is_null()));
    assert_eq!(pair.speech_sent(), 600);
}

#[test]
fn speech_and_flags_come_out_in_order() {
    let mut pair = Pair::talking();
    pair.say(&json!({ "serverContent": {
        "inputTranscription": { "text": " Hello" },
        "modelTurn": { "parts": [{ "inlineData": { "data": "AQACAA==" } }] },
        "outputTranscription": { "text": "Hi<ctrl46>" },
        "generationComplete": true, "turnComplete": true,
    }, "usageMetadata": { "promptTokenCount": 5, "responseTokenCount": 6, "totalTokenCount": 11 } }));
    let LiveEvent::Speech(range) = &pair.events[2] else { panic!("{:?}", pair.events) };
    assert_eq!(pair.session.speech(range), [1, 2]);
    assert_eq!(pair.events[0], LiveEvent::CallerSaid(" Hello".into()));
    assert_eq!(pair.events[1], LiveEvent::AgentSaid("Hi".into()));
    assert_eq!(
        pair.events[3..],
        [
            LiveEvent::GenerationComplete,
            LiveEvent::TurnComplete { reason: None },
            LiveEvent::Usage(Usage { prompt: 5, response: 6, total: 11 }),
        ]
    );
}

#[test]
fn leftovers_of_an_interrupted_turn_are_not_spoken_but_the_next_turn_is() {
    let mut pair = Pair::talking();
    pair.say(&speech("A long"));
    pair.say(&json!({ "serverContent": { "interrupted": true } }));
    pair.forget();
    pair.say(&speech(" story"));
    assert_eq!(pair.events, [], "neither its sound nor its words");
    pair.say(&json!({ "serverContent": { "turnComplete": true } }));
    pair.say(&speech("Yes?"));
    assert!(pair.events.iter().any(|event| matches!(event, LiveEvent::Speech(_))));
}

#[test]
fn a_stray_interruption_costs_nothing_of_the_next_turn() {
    let mut pair = Pair::talking();
    pair.say(&json!({ "serverContent": { "interrupted": true } }));
    pair.say(&speech("Yes?"));
    assert!(pair.events.iter().any(|event| matches!(event, LiveEvent::Speech(_))));
}

#[test]
fn a_planned_rotation_waits_for_a_quiet_moment_and_closes_first() {
    let mut pair = Pair::talking();
    pair.live_for(ROTATE);
    assert_eq!(pair.closes, 0, "somebody speaks");
    pair.session.set_quiet(pair.now, true);
    pair.wait(400);
    assert_eq!((pair.closes, pair.connects), (1, 1), "the new socket waits for the old one");
    pair.caller(400, 2_000);
    pair.close(1000, "");
    assert_eq!(pair.connects, 2);
    pair.forget();
    pair.open();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({ "handle": "h1" }));
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: true }]);
    assert_eq!(pair.speech_sent(), 400, "what the caller said meanwhile");
    assert!(pair.sent.iter().all(|message| message["clientContent"].is_null()), "no second greeting");
}

#[test]
fn a_rotation_does_not_wait_for_ever_for_a_quiet_moment_or_an_answer_to_its_close() {
    let mut pair = Pair::talking();
    pair.live_for(ROTATE_AT_LAST);
    pair.wait(CLOSE_WITHIN.as_millis() as u64);
    assert_eq!((pair.closes, pair.drops, pair.connects), (1, 1, 2));
}

#[test]
fn go_away_is_obeyed_in_time_even_in_mid_sentence() {
    for (left, expected_ms) in [("50s", 45_000), ("10s", 5_000), ("1.5s", 1_500)] {
        let mut pair = Pair::talking();
        pair.say(&json!({ "goAway": { "timeLeft": left } }));
        pair.wait(expected_ms - 20);
        assert_eq!(pair.closes, 0, "{left}");
        pair.wait(40);
        assert_eq!(pair.closes, 1, "{left}");
    }
    let mut pair = Pair::talking();
    pair.session.set_quiet(pair.now, true);
    pair.say(&json!({ "goAway": { "timeLeft": "50s" } }));
    pair.wait(301);
    assert_eq!(pair.closes, 1, "at once in a quiet moment");
}

#[test]
fn a_drop_replays_what_was_said_just_before_it_and_not_what_was_answered() {
    let mut pair = Pair::talking();
    pair.caller(1_000, 2_000);
    pair.say(&json!({ "serverContent": { "inputTranscription": { "text": "old" } } }));
    pair.say_reply("An answer.");
    pair.hand("h2");
    pair.caller(800, 2_000);
    pair.close(1006, "reset");
    pair.caller(200, 2_000);
    pair.forget();
    pair.open();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({ "handle": "h2" }));
    assert_eq!(pair.speech_sent(), 1_000, "800 ms before the break and 200 after it");
}

#[test]
fn a_question_that_fell_into_a_stalled_connection_is_asked_again_however_long_ago() {
    let mut pair = Pair::talking();
    pair.caller(800, 2_000);
    pair.wait(12_000);
    pair.session.resume(pair.now, "the model is silent");
    pair.settle();
    pair.close(1000, "");
    pair.forget();
    pair.open();
    assert_eq!(pair.speech_sent(), 800);
}

#[test]
fn an_answer_that_was_cut_is_told_in_words_instead_of_asking_again() {
    let mut pair = Pair::talking();
    pair.caller(600, 2_000);
    pair.say(&json!({ "serverContent": { "inputTranscription": { "text": "When are you open?" } } }));
    pair.say(&speech("We are open from nine"));
    pair.close(1011, "Internal error encountered.");
    pair.forget();
    pair.open();
    assert_eq!(pair.speech_sent(), 0);
    let content = &pair.sent[1]["clientContent"];
    let text = content["turns"][0]["parts"][0]["text"].as_str().unwrap();
    assert!(text.contains("When are you open?") && text.contains("We are open from nine"), "{text}");
    assert_eq!(content["turnComplete"], true, "the rest of the answer is due");
}

#[test]
fn the_words_of_an_earlier_answer_are_not_those_of_the_present_one() {
    let mut pair = Pair::talking();
    pair.say_reply("An answer that no handle followed.");
    pair.caller(600, 2_000);
    pair.say(&json!({ "serverContent": { "modelTurn": { "parts": [{ "inlineData": { "data": "AQABAAEA" } }] } } }));
    pair.close(1006, "reset");
    pair.forget();
    pair.open();
    assert_eq!(pair.speech_sent(), 600, "the question is asked again: nothing tells its answer");
}

#[test]
fn a_dial_that_fails_takes_nothing_of_what_is_to_be_said_again() {
    let mut pair = Pair::talking();
    pair.caller(800, 2_000);
    pair.say(&json!({ "serverContent": { "inputTranscription": { "text": "When?" } } }));
    pair.wait(6_000);
    pair.session.resume(pair.now, "the model is silent");
    pair.settle();
    pair.close(1000, "");
    pair.session.refused(pair.now, &ConnectFailure::Network("refused".into()));
    pair.wait(2_000);
    pair.forget();
    pair.open();
    assert_eq!(pair.speech_sent(), 800);
}

#[test]
fn a_dead_handle_is_forgotten_and_the_conversation_starts_from_a_summary() {
    let mut pair = Pair::talking();
    pair.close(1006, "");
    pair.session.opened(pair.now);
    pair.close(1008, "BidiGenerateContent session not found");
    assert_eq!(pair.connects, 3);
    pair.forget();
    pair.open();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({}));
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: false }]);
    pair.session.begin(&Opening::Summary { text: "So far: …".into(), answer: false });
    pair.settle();
    assert_eq!(pair.sent[1]["clientContent"]["turnComplete"], false);
}

#[test]
fn two_quick_failures_with_the_same_handle_make_it_worthless() {
    let mut pair = Pair::talking();
    pair.close(1011, "Internal error encountered.");
    pair.session.opened(pair.now);
    pair.close(1011, "Internal error encountered.");
    pair.wait(1_300);
    pair.forget();
    pair.session.opened(pair.now);
    pair.settle();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({ "handle": "h1" }), "once is no proof");
    pair.close(1011, "Internal error encountered.");
    pair.forget();
    pair.open();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({}));
}

#[test]
fn a_network_that_is_down_for_a_while_does_not_cost_the_session() {
    let mut pair = Pair::talking();
    pair.close(1006, "reset");
    for _ in 0..4 {
        pair.session.refused(pair.now, &ConnectFailure::Network("refused".into()));
        pair.wait(4_800);
    }
    pair.forget();
    pair.open();
    assert_eq!(pair.last_setup()["sessionResumption"], json!({ "handle": "h1" }));
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: true }]);
}

#[test]
fn a_handle_that_came_before_the_first_word_resumes_a_conversation_that_is_still_to_begin() {
    let mut pair = Pair::new();
    pair.open();
    pair.hand("h1");
    pair.close(1006, "reset");
    pair.forget();
    pair.open();
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: false }]);
    pair.session.begin(&Opening::Greet);
    pair.settle();
    assert_eq!(pair.sent[1], json!({ "clientContent": { "turnComplete": true } }), "the caller is greeted");
}

#[test]
fn what_a_function_answered_meanwhile_is_told_to_a_fresh_session_too() {
    let mut pair = Pair::talking();
    pair.say(&call("a"));
    let LiveEvent::ToolCall(found) = pair.events[0].clone() else { panic!("{:?}", pair.events) };
    pair.close(1006, "reset");
    pair.session.answer_tool(pair.now, found.key, &json!({ "output": "tue-9" }), None);
    pair.session.opened(pair.now);
    pair.close(1008, "BidiGenerateContent session not found");
    pair.forget();
    pair.open();
    pair.session.begin(&Opening::Summary { text: "So far: …".into(), answer: false });
    pair.settle();
    let told = pair.sent.iter().filter(|message| message.to_string().contains("tue-9")).count();
    assert_eq!(told, 1);
    pair.close(1006, "reset");
    pair.forget();
    pair.open();
    assert!(!pair.sent.iter().any(|message| message.to_string().contains("tue-9")), "and not told again");
}

#[test]
fn a_wrong_key_is_final_and_named() {
    let mut pair = Pair::new();
    pair.session.opened(pair.now);
    pair.close(1007, "API key not valid. Please pass a valid API key.");
    let why = "close 1007: API key not valid. Please pass a valid API key.".to_owned();
    assert_eq!(pair.events, [LiveEvent::Lost { fault: Fault::Configuration, why }]);
    pair.wait(60_000);
    assert_eq!(pair.connects, 1);
}

#[test]
fn an_unreachable_service_is_given_up_in_time() {
    let mut pair = Pair::new();
    let began = pair.now;
    let mut tries = 0;
    while !pair.events.iter().any(|event| matches!(event, LiveEvent::Lost { .. })) {
        if pair.connects > tries {
            tries = pair.connects;
            pair.session.refused(pair.now, &ConnectFailure::Network("refused".into()));
            pair.settle();
        }
        pair.wait(10);
    }
    let took = pair.now - began;
    assert!(took.abs_diff(GIVE_UP_FIRST) <= Duration::from_millis(10), "{took:?}");
    assert!((4..=6).contains(&tries), "{tries} tries");
}

#[test]
fn a_service_that_takes_connections_and_says_nothing_is_given_up_in_time_too() {
    for opens in [false, true] {
        let mut pair = Pair::new();
        let began = pair.now;
        while !pair.events.iter().any(|event| matches!(event, LiveEvent::Lost { .. })) {
            if opens {
                pair.session.opened(pair.now);
                pair.settle();
            }
            pair.wait(10);
        }
        let took = pair.now - began;
        assert!(took.abs_diff(GIVE_UP_FIRST) <= Duration::from_millis(10), "{took:?}");
        assert_eq!((pair.session.deadline(), pair.drops), (None, 2), "each socket is dropped");
    }
}

#[test]
fn a_connection_that_is_replaced_soon_after_an_outage_gets_its_own_time() {
    let mut pair = Pair::talking();
    pair.close(1006, "reset");
    for _ in 0..6 {
        pair.session.refused(pair.now, &ConnectFailure::Network("refused".into()));
        pair.wait(4_800);
    }
    pair.open();
    pair.say(&json!({ "goAway": { "timeLeft": "1s" } }));
    pair.wait(2_000);
    pair.close(1000, "");
    pair.wait(3_000);
    assert!(!pair.events.iter().any(|event| matches!(event, LiveEvent::Lost { .. })), "{:?}", pair.events);
    pair.forget();
    pair.open();
    assert_eq!(pair.events, [LiveEvent::Ready { resumed: true }]);
}

#[test]
fn a_setup_that_is_never_answered_is_dropped_and_tried_again() {
    let mut pair = Pair::new();
    pair.session.opened(pair.now);
    pair.wait(SETUP_WITHIN.as_millis() as u64);
    assert_eq!((pair.drops, pair.connects), (1, 2));
}

#[test]
fn a_connection_that_has_gone_deaf_is_replaced() {
    let mut pair = Pair::talking();
    pair.wait(DEAF.as_millis() as u64 + 10);
    assert_eq!((pair.drops, pair.connects), (1, 2));
}

#[test]
fn tools_run_once_are_answered_and_the_model_is_reminded_to_go_on() {
    let mut pair = Pair::talking();
    pair.say(&call("a"));
    pair.say(&call("a"));
    pair.say(&call("b"));
    let calls: Vec<_> = pair.events.iter().filter(|event| matches!(event, LiveEvent::ToolCall(_))).cloned().collect();
    let [LiveEvent::ToolCall(found)] = &calls[..] else { panic!("{calls:?}") };
    pair.forget();
    pair.session.answer_tool(pair.now, found.key, &json!({ "output": 1 }), Some(Scheduling::WhenIdle));
    pair.settle();
    let answers = pair.sent[0]["toolResponse"]["functionResponses"].as_array().unwrap();
    assert_eq!(answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    pair.wait(SILENT_AFTER_TOOL.as_millis() as u64);
    assert_eq!(pair.events, [LiveEvent::NudgedAfterTool]);
    pair.forget();
    pair.say(&call("c"));
    assert_eq!(pair.sent[0]["toolResponse"]["functionResponses"][0]["id"], "c", "the same answer again");
}

#[test]
fn a_tool_that_ends_after_a_reconnect_is_told_in_words() {
    let mut pair = Pair::talking();
    pair.say(&call("a"));
    let Some(LiveEvent::ToolCall(found)) = pair.events.pop() else { panic!() };
    pair.close(1006, "");
    pair.session.answer_tool(pair.now, found.key, &json!({ "output": "09:20" }), None);
    pair.forget();
    pair.open();
    let text = pair.sent[1]["clientContent"]["turns"][0]["parts"][0]["text"].as_str().unwrap();
    assert!(text.contains("find") && text.contains("09:20"), "{text}");
}

#[test]
fn a_call_of_the_end_is_heard_again_although_it_was_just_answered() {
    let mut pair = Pair::talking();
    for id in ["a", "b"] {
        pair.forget();
        pair.say(&json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "end_call" }] } }));
        let Some(LiveEvent::ToolCall(found)) = pair.events.pop() else { panic!("{id}: {:?}", pair.events) };
        pair.session.answer_tool(pair.now, found.key, &json!({ "output": 1 }), None);
        pair.wait(3_000);
    }
}

#[test]
fn a_question_whose_answer_has_no_words_yet_is_asked_again() {
    let mut pair = Pair::talking();
    pair.caller(600, 2_000);
    pair.say(&json!({ "serverContent": { "modelTurn": { "parts": [{ "inlineData": { "data": "AQABAAEA" } }] } } }));
    pair.close(1006, "reset");
    pair.forget();
    pair.open();
    assert_eq!(pair.speech_sent(), 600);
}

#[test]
fn an_answer_that_the_caller_cut_is_not_finished_after_a_reconnect() {
    let mut pair = Pair::talking();
    pair.say(&speech("We are open from nine"));
    pair.say(&json!({ "serverContent": { "interrupted": true } }));
    pair.say(&json!({ "serverContent": { "turnComplete": true } }));
    pair.close(1006, "reset");
    pair.forget();
    pair.open();
    assert_eq!(pair.sent[1]["clientContent"]["turnComplete"], false);
}

#[test]
fn a_cancelled_tool_lets_the_caller_be_heard_again() {
    let mut pair = Pair::with(Setup { model: "gemini-2.5-flash-native-audio-preview".into(), ..setup() });
    pair.open();
    pair.session.begin(&Opening::Greet);
    pair.say(&call("a"));
    pair.caller(400, 2_000);
    assert_eq!(pair.speech_sent(), 0);
    pair.say(&json!({ "toolCallCancellation": { "ids": ["a"] } }));
    pair.caller(200, 2_000);
    assert_eq!(pair.speech_sent(), 600);
}

#[test]
fn a_cancelled_tool_is_not_answered() {
    let mut pair = Pair::talking();
    pair.say(&call("a"));
    let Some(LiveEvent::ToolCall(found)) = pair.events.pop() else { panic!() };
    pair.say(&json!({ "toolCallCancellation": { "ids": ["a"] } }));
    assert_eq!(pair.events, [LiveEvent::ToolCancelled(found.key)]);
    pair.forget();
    pair.session.answer_tool(pair.now, found.key, &json!({ "output": 1 }), None);
    pair.settle();
    assert!(pair.sent.is_empty());
}

#[test]
fn models_that_cannot_hear_during_a_tool_get_the_audio_afterwards() {
    let mut pair = Pair::with(Setup { model: "gemini-2.5-flash-native-audio-preview".into(), ..setup() });
    pair.open();
    pair.session.begin(&Opening::Greet);
    pair.caller(500, 2_000);
    pair.say(&call("a"));
    let Some(LiveEvent::ToolCall(found)) = pair.events.pop() else { panic!() };
    pair.forget();
    pair.caller(400, 2_000);
    assert_eq!(pair.speech_sent(), 0);
    pair.session.answer_tool(pair.now, found.key, &json!({ "output": 1 }), None);
    pair.settle();
    assert_eq!(pair.speech_sent(), 400, "what was said meanwhile, and nothing twice");
}

#[test]
fn extended_thinking_is_not_over_while_in_progress() {
    let mut pair = Pair::talking();
    pair.say(&json!({ "serverContent": { "turnComplete": true, "interactionStatus": "IN_PROGRESS" } }));
    assert!(pair.events.is_empty());
    pair.say(&json!({ "serverContent": { "turnComplete": true, "interactionStatus": "IDLE" } }));
    assert_eq!(pair.events, [LiveEvent::TurnComplete { reason: None }]);
}

#[test]
fn a_slow_uplink_gets_fewer_larger_messages_and_at_last_loses_the_oldest() {
    let mut pair = Pair::talking();
    for _ in 0..10 {
        pair.session.send_audio(pair.now, &[2_000; 320]);
    }
    pair.settle();
    assert_eq!((pair.sent.len(), pair.speech_sent()), (2, 200));
    for _ in 0..200 {
        pair.session.send_audio(pair.now, &[2_000; 320]);
    }
    assert_eq!(pair.session.uplink_backlog(), (48_000, 16_000));
}

#[test]
fn a_caller_who_speaks_up_behind_a_functions_answer_is_not_talked_over() {
    for news in [json!({ "interrupted": true }), json!({ "inputTranscription": { "text": " wait" } })] {
        let mut pair = Pair::talking();
        pair.say(&call("a"));
        let LiveEvent::ToolCall(found) = pair.events[0].clone() else { panic!("{:?}", pair.events) };
        pair.session.answer_tool(pair.now, found.key, &json!({ "output": 1 }), None);
        pair.wait(1_000);
        pair.say(&json!({ "serverContent": news }));
        pair.wait(2 * SILENT_AFTER_TOOL.as_millis() as u64);
        assert!(!pair.events.contains(&LiveEvent::NudgedAfterTool), "{news}");
    }
}

#[test]
fn garbage_is_told_and_survived() {
    let mut pair = Pair::talking();
    pair.session.frame(pair.now, b"\xff\xfe nonsense");
    pair.say(&json!({ "serverContent": { "modelTurn": { "parts": [{ "inlineData": { "data": "%%%" } }] } } }));
    pair.say(&json!({}));
    assert_eq!(pair.events, [LiveEvent::Garbage, LiveEvent::Garbage]);
    assert!(pair.session.is_open());
}

#[test]
fn an_ended_conversation_closes_and_stays_closed() {
    let mut pair = Pair::talking();
    pair.session.finish();
    pair.settle();
    assert_eq!(pair.closes, 1);
    pair.close(1000, "");
    pair.wait(600_000);
    assert_eq!((pair.connects, pair.session.deadline()), (1, None));
}

#[test]
fn a_call_that_is_over_does_not_dial_gemini_again_because_of_a_late_error() {
    let mut pair = Pair::talking();
    pair.session.finish();
    pair.forget();
    pair.say(&json!({ "error": { "code": 503, "message": "upstream" } }));
    pair.say(&json!({ "goAway": { "timeLeft": "1s" } }));
    pair.wait(30_000);
    assert_eq!((pair.connects, pair.closes, pair.session.deadline()), (1, 1, None));
    assert_eq!(pair.events, []);
}

#[test]
fn an_error_on_a_connection_that_is_being_replaced_counts_for_nothing() {
    let mut pair = Pair::talking();
    pair.session.resume(pair.now, "a test");
    pair.say(&json!({ "error": { "code": 503, "message": "upstream" } }));
    pair.close(1000, "");
    assert_eq!((pair.connects, pair.drops), (2, 0));
}

/// Connections within ten seconds to a service that does `wrong` as soon as it listens.
fn connections_in_ten_seconds(wrong: impl Fn(&mut Pair)) -> usize {
    let mut pair = Pair::new();
    for _ in 0..1_000 {
        if matches!(pair.session.state, State::Dialling { .. }) {
            pair.open();
            pair.session.begin(&Opening::Greet);
            wrong(&mut pair);
        }
        pair.wait(10);
        if matches!(pair.session.state, State::Closing { .. }) {
            pair.close(1000, "");
        }
    }
    pair.connects
}

#[test]
fn a_service_that_leaves_as_soon_as_it_listens_is_not_dialled_without_a_pause() {
    let connects = connections_in_ten_seconds(|pair| pair.say(&json!({ "goAway": { "timeLeft": "0s" } })));
    assert!((5..=11).contains(&connects), "{connects} connections");
}

#[test]
fn a_service_that_curses_every_handle_it_gives_is_not_dialled_without_a_pause() {
    let connects = connections_in_ten_seconds(|pair| {
        pair.hand("h1");
        pair.close(1007, "Invalid session handle");
    });
    assert!((3..=8).contains(&connects), "{connects} connections");
}

#[test]
fn what_a_service_says_of_its_failure_takes_one_short_line_of_the_log() {
    let mut pair = Pair::talking();
    let long = "ü".repeat(10_000);
    pair.say(&json!({ "serverContent": { "turnComplete": true, "turnCompleteReason": long } }));
    pair.say(&json!({ "error": { "code": 503, "message": long } }));
    let told: Vec<usize> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            LiveEvent::TurnComplete { reason } => reason.as_deref().map(str::len),
            LiveEvent::Reconnecting { why } => Some(why.len()),
            _ => None,
        })
        .collect();
    assert!(told.len() == 2 && told.iter().all(|&bytes| bytes <= 2 * MOST_REPEATED + 20), "{told:?}");
}

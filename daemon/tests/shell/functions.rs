//! Functions that the model calls in a call: answered, remembered across calls of them, and left behind in order.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::booking::appointment::Span;
use frontdesk_core::clinic::hours::{Hours, Minute, Week};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::clinic::{
    AppointmentType, BookingRules, Clinic, Emergency, EmergencyContact, Location, Practitioner,
};
use frontdesk_core::redflag::Phrases;
use frontdesk_core::twilio::number::PhoneNumber;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::fakes::{LONG, Reply, Server};
use super::twilio::{CALL, Stream, voice};
use super::world::{ACCOUNT, FALLBACK, World};

const SENTENCE: &str = "Please hang up and dial 1 1 2 now.";

/// Open day and night, so that the hour at which the test runs does not matter.
fn clinic() -> Clinic {
    let always = Hours::new(Minute::of(0).unwrap(), Minute::END_OF_DAY).unwrap();
    let mut week = Week::default();
    for day in Weekday::Monday.cycle_forward().take(7) {
        week.set(day, vec![always]).unwrap();
    }
    let osei = Practitioner {
        id: PractitionerId::parse("osei").unwrap(),
        name: "Dr. Amara Osei".to_owned(),
        say_as: "Doctor Osei".to_owned(),
        heard_as: Vec::new(),
        languages: Vec::new(),
        location: LocationId::parse("main").unwrap(),
        hours: week.clone(),
        exceptions: Vec::new(),
    };
    let check_up = AppointmentType {
        id: TypeId::parse("check-up").unwrap(),
        name: "Check-up".to_owned(),
        say_as: "a check-up".to_owned(),
        aliases: Vec::new(),
        length: Duration::from_mins(30),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::ZERO,
        step: Duration::from_mins(15),
        lead: Duration::ZERO,
        horizon_days: 30,
        most_per_day: None,
        practitioners: vec![osei.id.clone()],
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    };
    Clinic {
        name: "Riverside Clinic".to_owned(),
        zone: TimeZone::UTC,
        language: "en-US".to_owned(),
        languages: vec!["en-US".to_owned()],
        locations: vec![Location {
            id: LocationId::parse("main").unwrap(),
            name: "Riverside Clinic".to_owned(),
            address: "12 River Street".to_owned(),
            directions: String::new(),
        }],
        hours: week,
        exceptions: Vec::new(),
        practitioners: vec![osei],
        types: vec![check_up],
        rules: BookingRules {
            hold: Duration::from_mins(2),
            most_per_number: 2,
            change_notice: Duration::from_hours(24),
            adult_age: 18,
        },
        emergency: Emergency { number: "112".to_owned(), say: SENTENCE.to_owned(), ..Emergency::default() },
        contacts: Vec::new(),
    }
}

/// The model calls a function and gets its answer.
async fn call(gemini: &mut Server, id: &str, name: &str, args: Value) -> Value {
    let call = json!({ "toolCall": { "functionCalls": [{ "id": id, "name": name, "args": args }] } });
    gemini.send(Message::text(call.to_string())).await.unwrap();
    let answer = told(gemini, |message| message["toolResponse"].is_object()).await;
    let response = &answer["toolResponse"]["functionResponses"][0];
    assert_eq!((&response["id"], &response["name"]), (&json!(id), &json!(name)));
    response["response"].clone()
}

/// The service understands who speaks: `inputTranscription` is the caller, `outputTranscription` the model itself.
async fn understand(gemini: &mut Server, whose: &str, text: &str) {
    let said = json!({ "serverContent": { whose: { "text": text } } });
    gemini.send(Message::text(said.to_string())).await.unwrap();
}

/// The model is told to say the emergency sentence, and says it.
async fn warn(gemini: &mut Server) {
    let text = |message: &Value| message["realtimeInput"]["text"].as_str().is_some_and(|text| text.contains(SENTENCE));
    told(gemini, text).await;
    speak(gemini).await;
}

/// The next message to the model that is `wanted`.
async fn told(gemini: &mut Server, wanted: impl Fn(&Value) -> bool) -> Value {
    let next = async {
        loop {
            let message = gemini.next().await.expect("the connection goes on").unwrap();
            let Ok(message) = serde_json::from_slice::<Value>(&message.into_data()) else { continue };
            if wanted(&message) {
                return message;
            }
        }
    };
    tokio::time::timeout(LONG, next).await.expect("it was never told")
}

/// The model says something short: a tone of 200 ms.
async fn speak(gemini: &mut Server) {
    let sample = |n: u16| (f64::from(n) * 0.1).sin() * 9_000.0;
    let bytes: Vec<u8> = (0..4_800).flat_map(|n| (sample(n) as i16).to_le_bytes()).collect();
    let blob = json!({ "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes) });
    for content in [
        json!({ "modelTurn": { "parts": [{ "inlineData": blob }] } }),
        json!({ "generationComplete": true }),
        json!({ "turnComplete": true }),
    ] {
        gemini.send(Message::text(json!({ "serverContent": content }).to_string())).await.unwrap();
    }
}

async fn talking() -> (World, Stream, Server) {
    let world = World::of_clinic(clinic()).await;
    let (stream, gemini) = world.talking().await;
    (world, stream, gemini)
}

async fn held(world: &World) -> usize {
    let now = Timestamp::now();
    let span = Span { from: now, to: now + SignedDuration::from_hours(24 * 40) };
    world.line.store.appointments(span, now).await.unwrap().len()
}

#[tokio::test]
async fn what_a_caller_holds_is_free_again_when_the_call_is_over() {
    let (world, mut stream, mut gemini) = talking().await;
    let found = call(&mut gemini, "f1", "find_slots", json!({ "appointment_type": "check-up" })).await;
    let slot = &found["output"]["slots"][0]["slot_id"];
    assert!(slot.is_string(), "{found}");
    let hold = call(&mut gemini, "h1", "hold_slot", json!({ "slot_id": slot })).await;
    assert_eq!((&hold["output"]["status"], held(&world).await), (&json!("held"), 1), "{hold}");
    let booked = json!({
        "hold_id": "h1", "patient_name": "Ana Pérez", "phone": "caller_id", "email_consent": false, "caller_confirmed": true,
    });
    let refused = call(&mut gemini, "b1", "book", booked).await;
    assert_eq!(refused["error"]["code"], "not_confirmed", "nobody has said a word");
    stream.stop().await;
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
    world.line.store.flush().await.unwrap();
    assert_eq!(held(&world).await, 0);
}

#[tokio::test]
async fn what_a_caller_has_asked_for_is_done_though_they_hang_up() {
    let (world, mut stream, mut gemini) = talking().await;
    let message = json!({
        "caller_name": "Ana Pérez", "phone": "caller_id", "topic": "other", "message": "Please call me back.",
    });
    let calls = json!([
        { "id": "i1", "name": "clinic_info", "args": { "topic": "hours" } },
        { "id": "m1", "name": "take_message", "args": message },
    ]);
    gemini.send(Message::text(json!({ "toolCall": { "functionCalls": calls } }).to_string())).await.unwrap();
    told(&mut gemini, |message| message["toolResponse"]["functionResponses"][0]["id"] == "i1").await;
    stream.stop().await;
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
    let errands = world.line.store.errands(Timestamp::now()).await.unwrap();
    assert_eq!(errands.errands.len(), 1, "staff have the message");
}

#[tokio::test]
async fn a_function_that_does_not_exist_is_answered_with_those_that_do() {
    let (_world, _stream, mut gemini) = talking().await;
    let answer = call(&mut gemini, "x1", "list_patients", json!({ "all": true })).await;
    assert!(answer["error"].as_str().unwrap().contains("find_appointments"), "{answer}");
}

#[tokio::test]
async fn a_caller_in_danger_is_told_the_sentence_and_left_to_the_fallback_and_staff_are_told() {
    let (world, mut stream, mut gemini) = talking().await;
    understand(&mut gemini, "inputTranscription", "I have terrible chest pain").await;
    warn(&mut gemini).await;
    assert_eq!(stream.closed_with().await, 1000);
    assert!(world.twilio.requests().is_empty(), "the fallback stands behind the stream");
    world.idle().await;
    assert!(world.counted(r#"frontdesk_calls_ended_total{reason="emergency"} 1"#), "{}", world.line.metrics.encode());
    let errands = world.line.store.errands(Timestamp::now()).await.unwrap();
    assert_eq!(errands.errands.len(), 1, "staff are told");
}

const ON_CALL: &str = "+15550100911";

/// Whoever is on call may be called at any time.
fn with_somebody_on_call() -> Clinic {
    let mut clinic = clinic();
    clinic.emergency.contacts = vec![EmergencyContact { number: PhoneNumber::parse(ON_CALL).unwrap(), hours: None }];
    clinic
}

#[tokio::test]
async fn a_caller_in_danger_is_put_through_to_whoever_is_on_call() {
    let world = World::of_clinic_with(with_somebody_on_call(), vec![Reply::Say(200, "{}".to_owned())], None).await;
    let (mut stream, mut gemini) = world.talking().await;
    call(&mut gemini, "e1", "emergency", json!({})).await;
    speak(&mut gemini).await;
    let requests = world.twilio.wait_for(1).await;
    let (asked, document) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(asked.starts_with(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json ")), "{asked}");
    assert!(document.starts_with("Twiml=") && document.contains("%2B15550100911%3C"), "{document}");
    assert!(document.contains("%2Ftwilio%2Fafter%3Fof%3Don-call"), "behind them we are asked: {document}");
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
    assert!(world.counted(r#"frontdesk_calls_ended_total{reason="emergency"} 1"#), "{}", world.line.metrics.encode());
}

#[tokio::test]
async fn while_the_daemon_is_being_stopped_a_caller_in_danger_is_sent_nowhere_that_asks_it() {
    let granted = || vec![Reply::Say(200, "{}".to_owned())];
    let world = World::of_clinic_with(with_somebody_on_call(), granted(), None).await;
    let (mut stream, mut gemini) = world.talking().await;
    world.line.calls.conversations().drain();
    call(&mut gemini, "e1", "emergency", json!({})).await;
    speak(&mut gemini).await;
    let requests = world.twilio.wait_for(1).await;
    assert!(requests[0].contains("%2B15550100911%3C") && !requests[0].contains("action"), "{}", requests[0]);
    assert_eq!(stream.closed_with().await, 1000);

    let world = World::of_clinic_with(with_somebody_on_call(), granted(), Some(FALLBACK)).await;
    let (mut stream, mut gemini) = world.talking().await;
    world.line.calls.conversations().drain();
    call(&mut gemini, "e1", "emergency", json!({})).await;
    speak(&mut gemini).await;
    assert_eq!(stream.closed_with().await, 1000, "so Twilio goes on to the fallback number, and asks nobody");
    world.idle().await;
    assert!(world.twilio.requests().is_empty());
}

#[tokio::test]
async fn where_twilio_does_not_ring_whoever_is_on_call_the_fallback_behind_the_stream_is_reached() {
    let world = World::of_clinic_with(with_somebody_on_call(), vec![Reply::twilio(500, 20_500)], Some(FALLBACK)).await;
    let (mut stream, mut gemini) = world.talking().await;
    understand(&mut gemini, "inputTranscription", "I have terrible chest pain").await;
    warn(&mut gemini).await;
    assert_eq!(stream.closed_with().await, 1000, "so Twilio goes on to it");
    world.idle().await;
    assert_eq!(world.twilio.requests().len(), 2, "it was tried twice");
}

#[tokio::test]
async fn whoever_on_call_does_not_answer_the_fallback_number_is_rung_and_then_a_message_is_taken() {
    let world = World::of_clinic(with_somebody_on_call()).await;
    let mut dialled = voice(CALL);
    dialled.push(("DialCallStatus", "no-answer".to_owned()));
    let next = world.post("/twilio/after?of=on-call", &dialled).await.body;
    assert!(next.contains(FALLBACK) && next.contains(r#"action="https://desk.example.com/twilio/after""#), "{next}");
    let last = world.post("/twilio/after", &dialled).await.body;
    assert!(last.contains("<Record") && !last.contains(FALLBACK), "{last}");
}

#[tokio::test]
async fn where_there_is_nobody_to_be_called_the_line_stays_open_behind_the_sentence() {
    let world = World::of_clinic_with(clinic(), vec![Reply::Say(200, "{}".to_owned())], None).await;
    let (mut stream, mut gemini) = world.talking().await;
    understand(&mut gemini, "inputTranscription", "I have terrible chest pain").await;
    warn(&mut gemini).await;
    let answer = call(&mut gemini, "i1", "clinic_info", json!({ "topic": "location" })).await;
    assert_eq!(answer["output"]["status"], "known", "the conversation goes on");
    assert_eq!(world.line.calls.conversations().active(), 1);
    assert_eq!(world.line.store.errands(Timestamp::now()).await.unwrap().errands.len(), 1, "staff are told");
    assert!(world.twilio.requests().is_empty(), "nobody is hung up on");
    stream.stop().await;
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
    assert!(world.counted(r#"frontdesk_calls_ended_total{reason="caller-left"} 1"#), "{}", world.line.metrics.encode());
}

#[tokio::test]
async fn the_clinics_own_words_for_danger_count_when_the_caller_says_them_and_not_when_the_model_does() {
    let mut clinic = clinic();
    let mut phrases = Phrases::default();
    phrases.add_danger("tooth ... knocked out").unwrap();
    clinic.emergency.phrases = vec![("en".to_owned(), phrases)];
    let world = World::of_clinic(clinic).await;
    let (mut stream, mut gemini) = world.talking().await;
    understand(&mut gemini, "outputTranscription", "Has a tooth been knocked out?").await;
    understand(&mut gemini, "inputTranscription", "No tooth was knocked out.").await;
    let answer = call(&mut gemini, "i1", "clinic_info", json!({ "topic": "hours" })).await;
    assert_eq!(answer["output"]["status"], "known");
    assert_eq!(world.line.store.errands(Timestamp::now()).await.unwrap().errands.len(), 0, "nobody was alarmed");
    understand(&mut gemini, "inputTranscription", " But a tooth was knocked out!").await;
    warn(&mut gemini).await;
    assert_eq!(stream.closed_with().await, 1000);
}

#[tokio::test]
async fn a_caller_who_asks_for_a_person_is_left_to_one() {
    let (world, mut stream, mut gemini) = talking().await;
    let answer = call(&mut gemini, "t1", "transfer_to_human", json!({ "reason": "requested" })).await;
    assert_eq!(answer["output"]["status"], "connecting");
    speak(&mut gemini).await;
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
    assert!(world.twilio.requests().is_empty(), "nobody is hung up on");
}

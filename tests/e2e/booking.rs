//! Appointments by phone: what is said, and what is left when the call is over.

use std::time::Duration;

use frontdesk_gemini_sim::{Exchange, Scenario, ScriptedCall, Settings as GeminiSettings};
use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::script::{booking, booking_line, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::{CallReport, CallState, Step};
use serde_json::{Value, json};

const CALL: Duration = Duration::from_secs(150);
/// What follows from a booking is done within moments.
const FOLLOWS: Duration = Duration::from_secs(15);
/// The clinic's data as they are shipped.
const CLINIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/config/clinic.toml");

/// A clinic that can be booked, with that receptionist.
async fn clinic(scenario: Scenario) -> World {
    clinic_of(scenario, CLINIC).await
}

async fn clinic_of(scenario: Scenario, data: &str) -> World {
    World::make(Making {
        gemini: GeminiSettings { scenario, ..GeminiSettings::default() },
        lines: vec![("clinic", format!("file = '{data}'"))],
        ..Making::default()
    })
    .await
    .expect("a world")
}

/// A call in which these lines of the script are said, one after the other.
async fn call(world: &World, scenario: &Scenario, turns: &[usize]) -> CallReport {
    let mut steps = vec![listen()];
    for &turn in turns {
        steps.extend([Step::Say(caller_says(scenario, &scenario.exchanges[turn].caller).expect("a voice")), listen()]);
    }
    world.call(steps).wait_ended(CALL).await.expect("the call ends")
}

async fn appointments(world: &World) -> Vec<Value> {
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 90);
    let listed = world.daemon.json(&format!("/v1/appointments?to={until}")).await.expect("a listing");
    listed["appointments"].as_array().expect("a list").clone()
}

fn a_receptionist_who(tool: ScriptedCall, caller: &str, reply: &str) -> Scenario {
    let mut scenario = booking();
    scenario.exchanges = vec![Exchange {
        caller: caller.into(),
        reply: reply.into(),
        tool: Some(tool),
        reply_on_error: Some("{result.say}".into()),
        ..Exchange::default()
    }];
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appointment_is_booked_by_voice_and_a_letter_and_the_calendar_tell_of_it() {
    let scenario = booking();
    let world = clinic(booking()).await;
    let turns = [booking_line::WISH, booking_line::CHOICE, booking_line::NAME, booking_line::YES, line::GOODBYE];
    let report = call(&world, &scenario, &turns).await;
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert_eq!(report.state, CallState::Completed);

    let booked = appointments(&world).await;
    assert_eq!(booked.len(), 1, "{booked:?}");
    let appointment = &booked[0];
    assert_eq!((&appointment["state"], &appointment["kind"]), (&json!("booked"), &json!("check-up")));
    assert_eq!(appointment["patient"]["name"], "Anna Rossi");
    assert_eq!(appointment["patient"]["email"], "anna.rossi@example.com");
    let reference = appointment["reference"].as_str().unwrap();

    // She heard of it with the reference, and only after it stood.
    let path = format!("/v1/calls/{}", report.sid);
    let record = world.daemon.wait_for_json(&path, FOLLOWS, |call| call["ended_at"].is_string()).await.unwrap();
    let said: Vec<&str> =
        record["transcript"].as_array().unwrap().iter().filter_map(|turn| turn["text"].as_str()).collect();
    let spelt = reference.chars().filter(char::is_ascii_alphanumeric).map(String::from).collect::<Vec<_>>().join(" ");
    let told = said.iter().find(|text| text.contains("You are booked")).unwrap();
    assert!(told.replace(',', "").contains(&spelt), "{told:?} names {reference}");

    // What follows is done: only the reminder is left for the day before, if that is not over.
    let done = |outbox: &Value| outbox["errands"].as_array().unwrap().iter().all(|errand| errand["kind"] == "reminder");
    let outbox = world.daemon.wait_for_json("/v1/outbox", FOLLOWS, done).await.unwrap();
    assert_eq!(outbox["dead"], 0, "{outbox}");
    let letters: Vec<_> = std::fs::read_dir(world.plan.home.join("outbox/new")).unwrap().collect();
    assert_eq!(letters.len(), 1, "one letter");
    let letter = std::fs::read_to_string(letters[0].as_ref().unwrap().path()).unwrap();
    for part in ["anna.rossi@example.com", reference, "method=REQUEST"] {
        assert!(letter.contains(part), "{part} is not in the letter");
    }
    let feed = std::fs::read_to_string(world.plan.home.join("calendar.ics")).unwrap();
    assert!(feed.contains(reference) && !feed.contains("Rossi"), "the feed names nobody:\n{feed}");
    assert!(!world.daemon.log().iter().any(|line| line.contains("Rossi")), "no name in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_before_the_yes_has_booked_nothing_and_keeps_nothing() {
    let scenario = booking();
    let world = clinic(booking()).await;
    let mut steps = vec![listen()];
    for turn in [booking_line::WISH, booking_line::CHOICE] {
        steps.extend([Step::Say(caller_says(&scenario, &scenario.exchanges[turn].caller).unwrap()), listen()]);
    }
    steps.push(Step::HangUp);
    let call = world.call(steps);
    let report = call.wait_ended(CALL).await.unwrap();
    let path = format!("/v1/calls/{}", report.sid);
    world.daemon.wait_for_json(&path, FOLLOWS, |call| call["ended_at"].is_string()).await.unwrap();
    let left =
        world.daemon.wait_for_json("/v1/outbox", FOLLOWS, |outbox| outbox["errands"] == json!([])).await.unwrap();
    assert_eq!(left["dead"], 0);
    assert_eq!(appointments(&world).await, [json!(null); 0], "neither booked nor held");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_person_is_put_through() {
    let tool = ScriptedCall::new("transfer_to_human", json!({ "reason": "requested" }));
    let scenario = a_receptionist_who(tool, "I want to speak with a person, please.", "{result.say}");
    // Somebody is there at any hour at which this runs: without contacts there are no hours of theirs.
    let shipped = std::fs::read_to_string(CLINIC).unwrap();
    let (before, contacts) = shipped.split_once("\n[[contacts]]\n").unwrap();
    let behind = contacts.find("\n[[personas]]\n").unwrap();
    let data = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(data.path(), format!("{before}{}", &contacts[behind..])).unwrap();
    let world = clinic_of(scenario.clone(), data.path().to_str().unwrap()).await;
    let report = call(&world, &scenario, &[0]).await;
    assert_eq!(report.dialled[0].targets, [FALLBACK], "{:?}", report.events);
    let path = format!("/v1/calls/{}", report.sid);
    let record = world.daemon.wait_for_json(&path, FOLLOWS, |call| call["ended_at"].is_string()).await.unwrap();
    assert_eq!(record["end_reason"], "transferred");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_in_danger_is_put_through_although_the_model_goes_on_as_if_nothing_were() {
    let find = ScriptedCall::new("find_slots", json!({ "appointment_type": "check-up", "heard": "tomorrow" }));
    let words = "I have a terrible pain in my chest and I cannot breathe.";
    let scenario = a_receptionist_who(find, words, "{result.say}");
    let world = clinic(scenario.clone()).await;
    let report = call(&world, &scenario, &[0]).await;
    assert_eq!(report.dialled[0].targets, [FALLBACK], "{:?}", report.events);
    let path = format!("/v1/calls/{}", report.sid);
    let record = world.daemon.wait_for_json(&path, FOLLOWS, |call| call["ended_at"].is_string()).await.unwrap();
    assert_eq!(record["end_reason"], "emergency");
    let messages = world.daemon.json("/v1/messages").await.unwrap();
    assert_eq!(messages["messages"][0]["topic"], "emergency", "staff find a message");
}

//! Calls that meet trouble: the caller always reaches somebody.

use std::time::Duration;

use frontdesk_gemini_sim::{Fault, SessionReport, Settings as GeminiSettings, Target};
use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::{CallState, Step};

const CALL: Duration = Duration::from_secs(90);

/// Power fails in mid-call: Twilio takes the caller to a human without us, and the next start closes the record.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_mid_call_takes_the_caller_to_the_fallback_and_the_next_start_closes_the_record() {
    let mut world = World::start().await.unwrap();
    let call = world.call([listen()]);
    call.wait_for(|report| report.stream().is_some_and(|stream| stream.bytes_received > 16_000), CALL).await.unwrap();
    world.daemon.kill().unwrap();
    let report = call.wait_ended(CALL).await.unwrap();
    assert_eq!(report.dialled.len(), 1, "{:?}", report.events);
    assert_eq!(report.dialled[0].targets, [FALLBACK]);
    assert!(report.dialled[0].bridged);

    world.restart().await.unwrap();
    let record = world.daemon.json(&format!("/v1/calls/{}", report.sid)).await.unwrap();
    assert_eq!(record["end_reason"], "power-loss");
    assert!(record["ended_at"].is_string());
}

/// Gemini refuses the key: the caller reaches the fallback at once, and so does the next one without a try.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_sends_callers_to_the_fallback() {
    let gemini = GeminiSettings { api_key: Some("another key".into()), ..GeminiSettings::default() };
    let world = World::make(Making { gemini, ..Making::default() }).await.unwrap();
    let first = world.call([]).wait_ended(CALL).await.unwrap();
    assert_eq!(first.dialled[0].targets, [FALLBACK]);
    world.daemon.wait_for_log("the model refuses us", Duration::from_secs(1)).await.unwrap();
    let second = world.call([]).wait_ended(CALL).await.unwrap();
    assert!(second.streams.is_empty(), "known to be down: no stream is tried");
    assert_eq!(second.dialled[0].targets, [FALLBACK]);
    assert_eq!(world.gemini.refusals().len(), 1);
}

/// The connection to the model drops between two turns: no second greeting, nothing forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_resumed_without_a_second_greeting() {
    let scenario = clinic();
    let world = World::start().await.unwrap();
    let asked = &scenario.exchanges[line::HOURS].caller;
    let call = world.call([listen()]);
    // What a connection that breaks has still to deliver is lost: half a second of audio later the handle was read.
    let mut by_then = None;
    let handle_was_read = |sessions: &[SessionReport]| {
        sessions.iter().find(|session| !session.handles.is_empty()).is_some_and(|session| {
            let heard = session.samples_received;
            heard >= *by_then.get_or_insert(heard + u64::from(session.input_rate_hz) / 2)
        })
    };
    world.gemini.wait_for(handle_was_read, CALL).await.unwrap();
    call.wait_for(|report| report.stream().is_some_and(|stream| !stream.marks.is_empty()), CALL).await.unwrap();
    assert_eq!(world.gemini.inject(Target::Newest, Fault::Drop), 1);
    call.perform([Step::Say(caller_says(&scenario, asked).unwrap()), listen(), Step::HangUp]).await;
    let report = call.wait_ended(CALL).await.unwrap();
    assert_eq!(report.state, CallState::Completed);
    let sessions = world.gemini.sessions();
    assert_eq!(sessions.len(), 1, "one session over two connections");
    assert_eq!((sessions[0].connections, sessions[0].greeted), (2, 1));
    let understood: Vec<_> = sessions[0].utterances.iter().filter_map(|heard| heard.recognised.as_deref()).collect();
    assert_eq!(understood, [asked]);
    assert_eq!(sessions[0].protocol_errors, [""; 0]);
}

/// SIGTERM: new calls reach the fallback, running ones have their time, then the fallback too.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_daemon_lets_calls_end_and_leaves_the_rest_to_the_fallback() {
    let mut world =
        World::make(Making { lines: vec![("phone", "drain_seconds = 3".into())], ..Making::default() }).await.unwrap();
    let running = world.call([listen()]);
    running.wait_for(|report| report.stream().is_some_and(|stream| stream.bytes_received > 8_000), CALL).await.unwrap();
    world.daemon.signal("TERM").unwrap();
    world.daemon.wait_for_log("no new calls are taken", Duration::from_secs(5)).await.unwrap();
    let late = world.call([]).wait_ended(CALL).await.unwrap();
    assert!(late.streams.is_empty());
    assert_eq!(late.dialled[0].targets, [FALLBACK]);
    let report = running.wait_ended(CALL).await.unwrap();
    assert_eq!(report.dialled[0].targets, [FALLBACK]);
    assert!(world.daemon.wait(Duration::from_secs(15)).await.unwrap().success());
}

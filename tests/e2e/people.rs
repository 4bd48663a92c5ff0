//! What staff and technicians see and do while calls run.

use std::time::Duration;

use frontdesk_gemini_sim::Settings as GeminiSettings;
use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::{CallPlan, CallState, DialOutcome, RestFault, Step};

const CALL: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_a_running_call_and_end_it_even_when_twilio_stumbles() {
    let world = World::start().await.unwrap();
    let call = world.call([]);
    call.wait_for(|report| report.stream().is_some_and(|stream| stream.bytes_received > 8_000), CALL).await.unwrap();
    let running = world.daemon.json("/v1/calls?active=true").await.unwrap();
    let live = &running["calls"][0]["live"];
    assert_eq!(live["call_sid"], call.sid());
    assert_eq!(live["connection"], 1);
    assert!(!live["caller"].as_str().unwrap().contains("0100200"), "masked: {}", live["caller"]);

    world.twilio.fail_rest(RestFault::TooManyRequests { times: 1, retry_after: Some(1) });
    world.twilio.fail_rest(RestFault::ServerError { times: 1 });
    world.twilio.fail_rest(RestFault::Down { times: 1 });
    assert_eq!(world.daemon.delete(&format!("/v1/calls/{}", call.sid())).await.unwrap(), 202);
    let report = call.wait_ended(CALL).await.unwrap();
    assert_eq!(report.state, CallState::Completed);
    assert!(report.dialled.is_empty(), "hung up, not handed over: {:?}", report.events);
    let path = format!("/v1/calls/{}", report.sid);
    let record =
        world.daemon.wait_for_json(&path, Duration::from_secs(5), |call| call["ended_at"].is_string()).await.unwrap();
    assert_eq!(record["end_reason"], "ended-by-staff");
    assert_eq!(world.daemon.delete(&path).await.unwrap(), 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_lines_are_busy_the_next_caller_reaches_the_fallback_at_once() {
    let world =
        World::make(Making { lines: vec![("phone", "max_calls = 2".into())], ..Making::default() }).await.unwrap();
    let calls = [world.call([]), world.call([])];
    for call in &calls {
        call.wait_for(|report| report.stream().is_some(), CALL).await.unwrap();
    }
    let third = world.call([]).wait_ended(CALL).await.unwrap();
    assert!(third.streams.is_empty());
    assert_eq!(third.dialled[0].targets, [FALLBACK]);
    for call in &calls {
        call.hang_up();
        call.wait_ended(CALL).await.unwrap();
    }
    let fourth = world.call([listen(), Step::HangUp]).wait_ended(CALL).await.unwrap();
    assert!(fourth.dialled.is_empty(), "a line is free again: {:?}", fourth.events);
}

fn a_gemini_that_refuses_us() -> GeminiSettings {
    GeminiSettings { api_key: Some("another".into()), ..GeminiSettings::default() }
}

fn has_message(call: &serde_json::Value) -> bool {
    let events = call["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().any(|event| event["kind"] == "voicemail" && event["detail"]["status"] == "completed")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fallback_number_the_caller_leaves_a_message() {
    let gemini = a_gemini_that_refuses_us();
    let lines = vec![("phone", "fallback_number =".into())];
    let world = World::make(Making { gemini, lines, ..Making::default() }).await.unwrap();
    let message = frontdesk_voice::speak("Please call me back.", &frontdesk_voice::Voice::default(), 8_000).unwrap();
    let plan = CallPlan { voicemail: Some(message), ..world.plan_call([]) };
    let report = world.twilio.call(plan).wait_ended(CALL).await.unwrap();
    assert_eq!(report.recordings.len(), 1, "{:?}", report.events);
    let path = format!("/v1/calls/{}", report.sid);
    world.daemon.wait_for_json(&path, Duration::from_secs(5), has_message).await.unwrap();
}

/// The front desk is busy as well: the caller is not dropped, and the message is found in the record.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_reaches_nobody_at_the_fallback_number_leaves_a_message() {
    let world = World::make(Making { gemini: a_gemini_that_refuses_us(), ..Making::default() }).await.unwrap();
    // The first caller finds out; the others are told at once.
    world.call([]).wait_ended(CALL).await.unwrap();
    for outcome in [DialOutcome::Busy, DialOutcome::NoAnswer] {
        let plan = CallPlan {
            voicemail: Some(
                frontdesk_voice::speak("Please call me back.", &frontdesk_voice::Voice::default(), 8_000).unwrap(),
            ),
            dial_outcomes: vec![outcome],
            ..world.plan_call([])
        };
        let report = world.twilio.call(plan).wait_ended(CALL).await.unwrap();
        assert!(report.streams.is_empty(), "{:?}", report.events);
        assert_eq!(report.dialled[0].targets, [FALLBACK]);
        assert_eq!(report.recordings.len(), 1, "{:?}", report.events);
        assert!(report.problems().is_empty(), "{:?}", report.problems());
        let path = format!("/v1/calls/{}", report.sid);
        let record = world.daemon.wait_for_json(&path, Duration::from_secs(5), has_message).await.unwrap();
        assert_eq!(record["events"][0]["kind"], "fallback-dial");
    }
    // Whoever was reached is not asked for a message as well.
    let plan = CallPlan { voicemail: Some(vec![1_000; 8_000]), ..world.plan_call([]) };
    let report = world.twilio.call(plan).wait_ended(CALL).await.unwrap();
    assert!(report.dialled[0].bridged && report.recordings.is_empty(), "{:?}", report.events);
    assert_eq!(report.state, CallState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_how_calls_went_and_the_log_tells_no_secrets() {
    let scenario = clinic();
    let world = World::start().await.unwrap();
    let over = &scenario.exchanges[line::HOURS].caller;
    let steps = [
        Step::Interrupt {
            after: Duration::from_millis(1_200),
            timeout: Duration::from_secs(10),
            say: caller_says(&scenario, over).unwrap(),
        },
        listen(),
        Step::Say(caller_says(&scenario, &scenario.exchanges[line::GOODBYE].caller).unwrap()),
    ];
    let report = world.call(steps).wait_ended(CALL).await.unwrap();
    let (_, metrics) = world.daemon.get("/metrics").await.unwrap();
    let value = |name: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in:\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((value("frontdesk_calls_started_total") - 1.0).abs() < 0.1);
    assert!(value("frontdesk_calls_active").abs() < 0.1);
    assert!(value("frontdesk_turn_gap_seconds_count") >= 2.0);
    assert!(value("frontdesk_barge_in_seconds_count") >= 1.0);
    assert!(value("frontdesk_barge_in_seconds_sum") < 1.0);

    let log = world.daemon.log().join("\n");
    assert!(log.contains(&report.sid), "lines carry the call's name");
    let words =
        [scenario.greeting.as_str(), over, "opening hours", "5550100200", "a-key-for-rehearsals", "0123456789abcdef"];
    for word in words {
        assert!(!log.contains(word), "the log says {word:?}:\n{log}");
    }
}

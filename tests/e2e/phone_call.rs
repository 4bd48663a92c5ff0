//! A call as it should go.

use std::time::Duration;

use frontdesk_gemini_sim::Settings as GeminiSettings;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, agent_recogniser, caller_says, listen};
use frontdesk_twilio_sim::{CallState, Step};

const CALL: Duration = Duration::from_secs(90);

/// Four turns, the last of them a goodbye: each side hears the other, and nothing is lost on the way.
#[tokio::test(flavor = "multi_thread")]
async fn four_turns_are_heard_by_both_sides_and_the_line_is_hung_up_behind_the_farewell() {
    let scenario = clinic();
    let turns = [line::HOURS, line::PARKING, line::PRESCRIPTION, line::GOODBYE];
    let world = World::make(Making {
        gemini: GeminiSettings { keep_audio: true, scenario: clinic(), ..GeminiSettings::default() },
        ..Making::default()
    })
    .await
    .unwrap();
    let mut steps = vec![listen()];
    for &turn in &turns {
        steps.push(Step::Say(caller_says(&scenario, &scenario.exchanges[turn].caller).unwrap()));
        steps.push(listen());
    }
    let call = world.call(steps);
    let report = call.wait_ended(CALL).await.unwrap();

    // Twilio's end: nothing to complain about, and it was we who ended the call, by REST.
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert!(report.gave_up.is_empty(), "{:?}", report.gave_up);
    assert_eq!(report.state, CallState::Completed);
    assert!(report.dialled.is_empty(), "a call that ends well reaches nobody else: {:?}", report.dialled);
    let hang_ups = world.twilio.rest_requests().len();
    assert!((1..=2).contains(&hang_ups), "{hang_ups} requests");

    // The model's end: it understood every line.
    let sessions = world.gemini.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].protocol_errors, [""; 0]);
    assert_eq!(sessions[0].greeted, 1);
    let understood: Vec<_> = sessions[0].utterances.iter().filter_map(|heard| heard.recognised.as_deref()).collect();
    let said: Vec<_> = turns.iter().map(|&turn| scenario.exchanges[turn].caller.as_str()).collect();
    assert_eq!(understood, said);

    // The caller's ear: the greeting and every answer, whole.
    let stream = report.stream().unwrap();
    let heard = stream.heard();
    // A shared machine may stall for longer than the lead once; a reply full of holes is ours. (None at all is the
    // bench's goal.)
    let holes = heard.underruns(Duration::from_millis(150));
    assert!(holes.len() <= 2, "{holes:?}");
    assert_eq!(stream.unplayed, 0, "the farewell was cut");
    let lines: Vec<&str> = std::iter::once(scenario.greeting.as_str())
        .chain(turns.iter().map(|&turn| scenario.exchanges[turn].reply.as_str()))
        .collect();
    let recogniser = agent_recogniser(&scenario, &lines).unwrap();
    for (n, line) in lines.iter().enumerate() {
        let words = recogniser.words_heard(n, &heard.pcm);
        assert!(words.fraction > 0.95, "of {line:?} the caller heard {:.0} %", words.fraction * 100.0);
    }

    // The record: what was heard, in order, and the call closed.
    let path = format!("/v1/calls/{}", report.sid);
    let record = world
        .daemon
        .wait_for_json(&path, Duration::from_secs(5), |call| call["twilio_status"] == "completed")
        .await
        .unwrap();
    assert_eq!(record["end_reason"], "agent-ended");
    let transcript: Vec<(String, String)> = record["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| (turn["who"].as_str().unwrap().to_owned(), turn["text"].as_str().unwrap().to_owned()))
        .collect();
    let mut expected = vec![("agent".to_owned(), scenario.greeting.clone())];
    for &turn in &turns {
        expected.push(("caller".to_owned(), scenario.exchanges[turn].caller.clone()));
        expected.push(("agent".to_owned(), scenario.exchanges[turn].reply.clone()));
    }
    assert_eq!(transcript, expected);
}

/// The caller speaks over the greeting: silence within a frame of the decision, and a transcript that ends there.
#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_silences_the_agent_and_the_transcript_ends_where_the_ear_did() {
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
        Step::HangUp,
    ];
    let report = world.call(steps).wait_ended(CALL).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    let stream = report.stream().unwrap();
    let heard = stream.heard();

    // Taken back once the caller was heard, and gone for good at the last clear of the barge-in. (How soon is measured
    // in virtual time, and by the bench.)
    assert!(stream.barge_in_delays()[0].is_some(), "the agent was cleared");
    let onset = stream.utterances[0].span.start;
    let barge: Vec<usize> = (0..heard.clears.len()).filter(|&n| heard.clears[n].at < onset + 8 * 1_500).collect();
    let last = *barge.last().unwrap();
    let tail = heard.audible_after_clear(last, Duration::from_millis(300)).unwrap();
    assert!(tail <= Duration::from_millis(20), "{tail:?} of the reply was heard behind the decision");

    // The answer to what was said over it was heard whole.
    let recogniser =
        agent_recogniser(&scenario, &[&scenario.greeting, &scenario.exchanges[line::HOURS].reply]).unwrap();
    assert!(recogniser.words_heard(1, &heard.pcm).fraction > 0.95);

    // The transcript holds of the greeting what was heard, not what was sent.
    let path = format!("/v1/calls/{}", report.sid);
    let record =
        world.daemon.wait_for_json(&path, Duration::from_secs(5), |call| call["ended_at"].is_string()).await.unwrap();
    let first = &record["transcript"][0];
    assert_eq!((first["who"].as_str(), first["interrupted"].as_bool()), (Some("agent"), Some(true)));
    let text = first["text"].as_str().unwrap();
    assert!(scenario.greeting.starts_with(text) && text.len() < scenario.greeting.len(), "{text:?}");
    let words = recogniser.words_heard(0, &heard.pcm[..onset as usize + 8 * 1_000]);
    let written = text.split_whitespace().count() as f32 / scenario.greeting.split_whitespace().count() as f32;
    assert!((written - words.fraction).abs() < 0.35, "written {written:.2}, heard {:.2}", words.fraction);
}

//! The caller is never left in silence.

use std::time::Duration;

use frontdesk_gemini_sim::{Fault, Lasts, Target, TextSource};
use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, agent_recogniser, caller_says, listen};
use frontdesk_twilio_sim::Step;

const CALL: Duration = Duration::from_mins(2);

/// Every reply is digital silence, well formed and on time: bytes are no sound. The ladder is climbed to a human.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_sends_silence_is_nudged_resumed_replaced_and_at_last_relieved_by_a_human() {
    for fault in [Fault::SilentAudio, Fault::NearZeroAudio] {
        let world = World::start().await.unwrap();
        world.gemini.inject(Target::Future, fault.lasting(Lasts::Session));
        let report = world.call([]).wait_ended(CALL).await.unwrap();
        assert_eq!(report.dialled.len(), 1, "{:?}", report.events);
        assert_eq!(report.dialled[0].targets, [FALLBACK]);
        let sessions = world.gemini.sessions();
        assert_eq!(sessions.len(), 2, "the second session is the fresh one");
        assert_eq!(sessions[0].connections, 2, "nudge, then resume");
        let nudges = sessions[0].texts.iter().filter(|text| text.source == TextSource::Realtime).count();
        assert!(nudges >= 1);
        let record = world.daemon.json(&format!("/v1/calls/{}", report.sid)).await.unwrap();
        assert_eq!(record["end_reason"], "failed: the model never spoke");
        let health = world.daemon.json("/health").await.unwrap();
        assert_eq!(health["gemini"]["state"], "down", "the next caller is spared that: {health}");
        let steps: Vec<_> = record["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["kind"] == "watchdog")
            .map(|event| event["detail"]["detail"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(steps, ["nudge", "resume", "afresh", "fall-back"]);
    }
}

/// The connection to the model dies without a word while the caller asks something: the question is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_into_a_dead_connection_is_answered_all_the_same() {
    let scenario = clinic();
    let world = World::start().await.unwrap();
    let asked = &scenario.exchanges[line::HOURS];
    let call = world.call([listen()]);
    world.gemini.wait_for(|sessions| sessions.iter().any(|session| !session.handles.is_empty()), CALL).await.unwrap();
    call.wait_for(|report| report.stream().is_some_and(|stream| stream.marks.len() > 3), CALL).await.unwrap();
    assert_eq!(world.gemini.inject(Target::Newest, Fault::HalfOpen), 1);
    let wait = Step::WaitForSilence { quiet: Duration::from_millis(900), timeout: Duration::from_secs(45) };
    call.perform([Step::Say(caller_says(&scenario, &asked.caller).unwrap()), wait, Step::HangUp]).await;
    let report = call.wait_ended(CALL).await.unwrap();
    assert!(report.gave_up.is_empty(), "{:?}", report.gave_up);
    let sessions = world.gemini.sessions();
    assert_eq!(sessions.iter().map(|session| session.greeted).sum::<u32>(), 1);
    let heard = report.stream().unwrap().heard();
    let recogniser = agent_recogniser(&scenario, &[&asked.reply]).unwrap();
    let words = recogniser.words_heard(0, &heard.pcm);
    assert!(words.fraction > 0.95, "of the answer the caller heard {:.0} %", words.fraction * 100.0);
}

/// Nobody answers the greeting: asked once, then a polite end.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_caller_is_asked_and_then_let_go() {
    let lines = vec![("phone", "no_input_seconds = 5".into()), ("phone", "goodbye_seconds = 10".into())];
    let world = World::make(Making { lines, ..Making::default() }).await.unwrap();
    let report = world.call([]).wait_ended(CALL).await.unwrap();
    assert!(report.dialled.is_empty());
    let record = world.daemon.json(&format!("/v1/calls/{}", report.sid)).await.unwrap();
    assert_eq!(record["end_reason"], "no-input");
    let texts = world.gemini.sessions()[0].texts.iter().filter(|text| text.source == TextSource::Realtime).count();
    assert_eq!(texts, 2, "still there?, and goodbye");
}

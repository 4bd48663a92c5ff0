//! Stories of manners: who is hung up on, who is talked over, who is greeted twice.

use super::*;

/// A second of the agent's speech, all at once, at the level that the scripted service speaks with.
fn speech(words: Option<&str>) -> Value {
    let step = 2.0 * std::f64::consts::PI * 400.0 / 24_000.0;
    let bytes: Vec<u8> =
        (0..24_000).flat_map(|n| (((step * f64::from(n)).sin() * 9_000.0) as i16).to_le_bytes()).collect();
    let blob = json!({ "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes) });
    let mut content = json!({ "modelTurn": { "parts": [{ "inlineData": blob }] } });
    if let Some(words) = words {
        content["outputTranscription"] = json!({ "text": words });
    }
    json!({ "serverContent": content })
}

fn caller_said(words: &str) -> Value {
    json!({ "serverContent": { "inputTranscription": { "text": words } } })
}

fn end_call() -> Value {
    json!({ "toolCall": { "functionCalls": [{ "id": "end-1", "name": "end_call", "args": {} }] } })
}

#[test]
fn a_hang_up_that_comes_while_the_caller_speaks_is_refused() {
    let mut world = World::greeted();
    world.say(CALLER);
    // Long behind the moment at which a voice withdraws a planned farewell.
    assert!(world.run_until(ms(4_000), |world| world.conversation.turn() == Turn::CallerSpeaking));
    world.run(ms(800));
    assert_eq!(world.conversation.turn(), Turn::CallerSpeaking);
    world.serve(&end_call());
    let status = &world.service.answers[0]["response"]["output"]["status"];
    assert_eq!(status, "not ended");
    world.run(ms(12_000));
    assert_eq!(world.end(), None);
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "I see.", "what the caller went on to ask is answered");
}

#[test]
fn whoever_answers_the_goodbye_to_nobody_keeps_the_line_however_short_the_word() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Say("Are you still there?", ms(1_000)));
    world.service.script.push_back(Move::Say("Ah, there you are. How can I help?", ms(2_000)));
    assert!(world.run_until(ms(60_000), |world| world.service.texts.len() == 2), "the goodbye is asked for");
    world.serve(&caller_said(" Yes!"));
    world.run(ms(12_000));
    assert_eq!(world.end(), None);
    assert_eq!(world.noted("farewell-withdrawn"), 1);
}

#[test]
fn a_blank_transcription_is_nobody() {
    let mut world = World::greeted();
    assert!(world.run_until(ms(60_000), |world| world.service.texts.len() == 2), "the goodbye is asked for");
    world.serve(&caller_said(" "));
    world.run(ms(12_000));
    world.ended_as(&hang_up(EndReason::NoInput));
}

#[test]
fn an_agent_that_takes_a_pause_for_the_end_speaks_quietly_until_the_caller_is_done() {
    let mut world = World::greeted();
    world.say(CALLER);
    assert!(world.run_until(ms(4_000), |world| world.conversation.turn() == Turn::CallerSpeaking));
    world.run(ms(600));
    let began = world.now;
    for _ in 0..8 {
        world.serve(&speech(Some("We are open. ")));
    }
    let speaking = |world: &World| matches!(world.conversation.turn(), Turn::Replying { ducked: true, .. });
    assert!(speaking(&world), "{:?}", world.conversation.turn());
    assert!(world.run_until(ms(6_000), |world| !speaking(world)));
    let done = world.now;
    assert!(
        matches!(world.conversation.turn(), Turn::Replying { ducked: false, .. }),
        "{:?}",
        world.conversation.turn()
    );
    world.run(ms(900));
    let low = world.levels(began + ms(60), done);
    let full = world.levels(done + ms(500), world.now);
    assert!(low.len() > 10 && !full.is_empty());
    let loudest = low.iter().copied().fold(f32::MIN, f32::max);
    assert!(full.iter().all(|level| *level > loudest + 12.0), "{low:?}, then {full:?}");
}

#[test]
fn words_left_over_from_an_interrupted_reply_are_in_no_record() {
    let mut world = talking();
    world.serve(&json!({ "serverContent": { "interrupted": true } }));
    world.serve(&json!({ "serverContent": { "outputTranscription": { "text": " and never heard" } } }));
    world.serve(&json!({ "serverContent": { "turnComplete": true } }));
    world.say(STOP);
    world.run(ms(6_000));
    let all = world.said_by(Who::Agent).join(" ");
    assert!(!all.contains("never heard"), "{all}");
}

#[test]
fn a_model_that_only_calls_functions_does_not_keep_the_caller_in_silence() {
    let mut world = World::greeted();
    world.service.script.extend(std::iter::repeat_n(Move::Nothing, 20));
    world.tools = |_| Some(json!({ "error": "no" }));
    world.say(STOP);
    world.run(ms(2_500));
    for day in 0..8 {
        let call = json!({ "id": format!("c{day}"), "name": "find_slot", "args": { "day": day } });
        world.serve(&json!({ "toolCall": { "functionCalls": [call] } }));
        world.run(ms(4_000));
    }
    assert!(!world.steps().is_empty(), "the watchdog acts although functions are being answered");
}

#[test]
fn a_question_that_nobody_heard_is_said_again_even_to_the_session_after_the_next() {
    let mut world = World::greeted();
    world.service.faults.stalled = true;
    world.say(&tone_word(1_000, ms(600)));
    world.say(STOP);
    let fresh = |world: &World| world.steps().iter().any(|(_, step)| *step == WatchdogStep::Afresh);
    assert!(world.run_until(ms(40_000), fresh));
    assert_eq!(world.service.heard_tone(1_000), Duration::ZERO);
    world.service.faults.stalled = false;
    world.run(ms(8_000));
    let heard = world.service.heard_tone(1_000);
    assert!((ms(500)..ms(700)).contains(&heard), "{heard:?} of 600 ms");
    assert_eq!(world.service.greetings, 1);
}

#[test]
fn a_greeting_that_was_heard_before_its_words_came_is_not_given_twice() {
    let mut world = World::new();
    world.service.script.push_back(Move::Nothing);
    world.run(ms(300));
    world.answer();
    world.run(ms(300));
    world.serve(&speech(None));
    world.run(ms(500));
    world.drop_connection();
    world.run(ms(3_000));
    assert_eq!(world.service.connections, 2);
    assert_eq!(world.service.greetings, 1);
    assert!(world.service.texts.iter().any(|text| text.contains("You have greeted the caller")));
}

#[test]
fn a_service_that_listens_and_never_speaks_is_told_to_other_calls() {
    let lost = |world: &World| {
        let lost = |(_, outward): &&(Duration, Outward)| *outward == Outward::LiveLost(Fault::Unreachable);
        world.outward.iter().filter(lost).count()
    };
    let mut world = World::new();
    world.run(ms(300));
    world.service.faults.stalled = true;
    world.answer();
    world.run(ms(60_000));
    assert!(matches!(world.end(), Some((_, Outward::FallBack(EndReason::Failed(_))))), "{:?}", world.end());
    assert_eq!(lost(&world), 1);
    let (world, _) = ladder(world::Faults { stalled: true, ..Default::default() });
    assert_eq!(lost(&world), 0, "one that has spoken may have lost its way in this call alone");
}

#[test]
fn nonsense_at_the_rate_of_frames_is_one_line_of_the_record() {
    let mut world = World::greeted();
    for _ in 0..50 {
        world.conversation.live_mut().frame(world.now, b"nonsense");
        world.conversation.live_fed(world.now);
    }
    world.run(ms(100));
    assert_eq!(world.noted("live-garbage"), 1);
}

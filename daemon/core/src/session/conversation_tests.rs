//! Stories of whole calls, in virtual time: what the caller hears and when, what the service is told, what is recorded.

#[path = "conversation_emergency_tests.rs"]
mod emergency;
#[path = "conversation_manners_tests.rs"]
mod manners;
#[path = "conversation_property.rs"]
mod property;
#[path = "conversation_world.rs"]
mod world;

use super::*;
use crate::audio::level;
use crate::gemini::live::Opening;
use crate::session::effect::WatchdogStep;
use crate::session::transcript::Who;
use crate::tools::decl;
use crate::units::SampleRate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::time::Duration;
use world::{CALLER, Move, QUESTION, STOP, World, hang_up, ms, tone_word};

const LONG: &str = "We are open from nine to five on every weekday and on Saturdays we are open from ten to one but only \
    for emergencies and you can also reach us";

/// A call in which the agent is in the middle of eight seconds of speech.
fn talking() -> World {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Say(LONG, ms(8_000)));
    world.say(QUESTION);
    assert!(world.run_until(ms(6_000), |world| matches!(world.conversation.turn(), Turn::Replying { .. })));
    world.run(ms(1_500));
    world
}

/// Where the caller's voice becomes loud in a clip.
fn loud_after(clip: &[u8]) -> Duration {
    let pcm: Vec<i16> = clip.iter().map(|&byte| crate::audio::g711::decode(byte)).collect();
    let at = pcm.windows(40).position(|piece| level::dbfs(piece).0 >= -30.0).unwrap();
    SampleRate::TELEPHONY.duration_of(at)
}

fn is_audible(level: f32) -> bool {
    level > -50.0
}

#[test]
fn the_agent_speaks_first_and_the_greeting_is_recorded_as_heard() {
    let world = World::greeted();
    assert_eq!(world.said_by(Who::Agent), ["Good morning, this is the clinic."]);
    assert_eq!(world.far.spoken, 16_000, "two seconds, to the last sample");
    assert_eq!(world.conversation.turn(), Turn::Listening);
    let first = world.levels(world.far_began(), world.now).iter().position(|&level| is_audible(level)).unwrap();
    assert!(first * 20 <= 300, "the greeting began {} ms after the answer", first * 20);
}

#[test]
fn a_caller_who_speaks_before_the_model_listens_is_answered() {
    let mut world = World::new();
    world.service.script.push_back(Move::Say("Yes, hello?", ms(1_000)));
    world.service.faults.half_open = true;
    world.answer();
    world.say(QUESTION);
    // The connection takes all this time.
    world.run(ms(1_500));
    world.conversation.live_mut().opened(world.now);
    world.run(ms(1));
    world.service.faults.half_open = false;
    world.serve(&json!({ "setupComplete": {} }));
    world.run(ms(6_000));
    assert_eq!(world.service.greetings, 0);
    assert_eq!(world.said_by(Who::Agent), ["Yes, hello?"]);
}

#[test]
fn four_turns_are_heard_on_both_sides_and_written_down() {
    let mut world = World::greeted();
    let answers = ["On Tuesday at nine.", "Yes, that is possible.", "Your name, please?", "Thank you, goodbye."];
    world.service.script.extend(answers.map(|text| Move::Say(text, ms(1_800))));
    for clip in [QUESTION, STOP, QUESTION, CALLER] {
        let heard = world.service.heard.len();
        let spoken = world.far.spoken;
        world.say(clip);
        world.run(SampleRate::TELEPHONY.duration_of(clip.len()) + ms(3_600));
        let received = &world.service.heard[heard..];
        let energy = |pcm: &[i16]| pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
        let sent: Vec<i16> = clip.iter().map(|&byte| crate::audio::g711::decode(byte)).collect();
        let ratio = energy(received) / (2.0 * energy(&sent));
        assert!((0.95..1.05).contains(&ratio), "the service received {ratio} of the caller's energy");
        assert_eq!(world.far.spoken - spoken, 14_400, "the caller heard the whole answer");
    }
    assert_eq!(world.said_by(Who::Agent)[1..], answers);
    assert_eq!(world.said_by(Who::Caller).len(), 4);
    let said = world.said();
    assert!(said.windows(2).all(|pair| pair[0].started <= pair[1].started), "in order");
    assert!(said.iter().all(|said| !said.interrupted));
    let gaps = world.measures().into_iter().filter(|measure| matches!(measure, Measure::TurnGap(_))).count();
    assert_eq!(gaps, 4);
    assert_eq!(world.steps(), []);
}

#[test]
fn a_barge_in_ducks_within_60_ms_and_silences_within_a_frame() {
    let mut world = talking();
    let before = world.levels(world.now.checked_sub(ms(200)).unwrap(), world.now);
    world.say(QUESTION);
    let loud = world.now + loud_after(QUESTION);
    let interrupted = world.service.interruptions.len();
    assert!(world.run_until(ms(3_000), |world| world.service.interruptions.len() > interrupted));
    let decided = *world.service.interruptions.last().unwrap();
    world.run(ms(300));
    let ducked = *world.far.clears.iter().find(|at| **at >= loud).unwrap();
    assert!(ducked <= loud + ms(60), "ducked {:?} after the first loud sample", ducked - loud);
    // 20 ms of fade, then 15 dB down as heard at the far end.
    let lower = world.levels(ducked + ms(40), decided);
    assert!(!lower.is_empty() && lower.iter().all(|level| *level < before[0] - 12.0), "{lower:?} after {before:?}");
    let after = world.levels(decided + ms(20), world.now);
    assert!(after.iter().all(|level| !is_audible(*level)), "{after:?}");
    let said = world.said().into_iter().rfind(|said| said.who == Who::Agent).unwrap();
    assert!(said.interrupted);
    let heard = world.far.spoken - 16_000;
    let words = LONG.split(' ').count();
    let whole = heard * words / 64_000;
    let written = said.text.split(' ').count();
    assert!(written <= whole + 1 && written + 3 >= whole, "{written} words written, {whole} heard: {}", said.text);
    assert!(LONG.starts_with(&said.text));
    assert!(world.measures().iter().any(|measure| matches!(measure, Measure::BargeIn(took) if *took < ms(1_000))));
}

#[test]
fn a_model_that_never_yields_is_silenced_by_us_and_its_next_turn_is_played() {
    let mut world = talking();
    world.service.faults.never_yields = true;
    let began = world.now;
    world.say(QUESTION);
    assert!(world.run_until(ms(2_000), |world| world.conversation.turn() == Turn::CallerSpeaking));
    let took = world.now - began;
    assert!((ms(400)..ms(700)).contains(&took), "silenced after {took:?}");
    let silenced = world.now;
    world.service.faults.never_yields = false;
    world.service.script.push_back(Move::Say("Tuesday, then.", ms(1_000)));
    world.run(ms(1_500));
    let rest = world.levels(silenced + ms(20), world.now);
    assert!(rest.iter().all(|level| !is_audible(*level)), "the rest of the turn is not played: {rest:?}");
    world.run(ms(4_000));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "Tuesday, then.");
}

#[test]
fn a_false_alarm_fades_back_in_and_loses_nothing() {
    let mut world = talking();
    // A cough: 160 ms out of a word.
    world.say(&QUESTION[..1_280]);
    world.run(ms(120));
    assert!(
        matches!(world.conversation.turn(), Turn::Replying { ducked: true, .. }),
        "{:?}",
        world.conversation.turn()
    );
    world.run(ms(10_000));
    assert!(world.measures().contains(&Measure::FalseAlarm));
    assert_eq!(world.service.interruptions, []);
    let total = 16_000 + 64_000;
    assert!(world.far.spoken.abs_diff(total) <= 480, "{} samples of {total}", world.far.spoken);
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), LONG);
    assert_eq!(world.conversation.turn(), Turn::Listening);
}

#[test]
fn a_farewell_is_heard_whole_before_the_line_is_hung_up() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::SayGoodbye("Thank you for calling. Goodbye.", ms(3_000)));
    world.say(STOP);
    world.run(ms(10_000));
    let at = world.ended_as(&hang_up(EndReason::AgentEnded));
    assert_eq!(world.far.spoken, 16_000 + 24_000, "to the last sample");
    let last = world.said_by(Who::Agent).last().copied();
    assert_eq!(last, Some("Thank you for calling. Goodbye."));
    // Greeting and settling 2.9 s, the clip, 0.8 s of silence and thought, the farewell.
    let spoken = ms(2_900) + SampleRate::TELEPHONY.duration_of(STOP.len()) + ms(800 + 3_000);
    assert!(at <= spoken + ms(500), "{at:?}, the farewell ended before {spoken:?}");
    assert_eq!(world.service.closes, 1);
}

#[test]
fn a_caller_who_speaks_over_the_farewell_keeps_the_line() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::SayGoodbye("Thank you for calling. Goodbye.", ms(3_000)));
    world.say(STOP);
    assert!(world.run_until(ms(6_000), |world| matches!(world.conversation.turn(), Turn::Replying { .. })));
    world.run(ms(1_200));
    world.service.script.push_back(Move::Say("Of course.", ms(1_000)));
    world.say(QUESTION);
    world.run(ms(8_000));
    assert_eq!(world.noted("farewell-withdrawn"), 1);
    assert_eq!(world.end(), None);
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "Of course.");
    // The second farewell counts, although the model calls the same function again.
    world.service.script.push_back(Move::SayGoodbye("Goodbye, then.", ms(1_000)));
    world.say(STOP);
    world.run(ms(8_000));
    world.ended_as(&hang_up(EndReason::AgentEnded));
}

#[test]
fn a_silent_caller_is_asked_and_then_the_call_ends_politely() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Say("Are you still there?", ms(1_000)));
    world.service.script.push_back(Move::Say("I will end the call now. Goodbye.", ms(2_000)));
    let quiet = world.elapsed();
    world.run(ms(14_000));
    assert_eq!(world.service.texts, [] as [&str; 0]);
    world.run(ms(3_000));
    assert_eq!(world.service.texts.len(), 1, "asked after 15 s");
    world.run(ms(28_000));
    assert_eq!(world.service.texts.len(), 1);
    world.run(ms(8_000));
    let at = world.ended_as(&hang_up(EndReason::NoInput)).saturating_sub(quiet);
    assert!((ms(45_000)..ms(51_000)).contains(&at), "{at:?}");
    assert_eq!(world.said_by(Who::Agent).len(), 3, "and the goodbye was heard");
    assert_eq!(world.far.spoken, 16_000 + 8_000 + 16_000);
}

#[test]
fn a_caller_who_answers_the_question_is_not_hung_up_on() {
    let mut world = World::greeted();
    world.run(ms(17_000));
    world.say(QUESTION);
    world.run(ms(25_000));
    assert_eq!(world.end(), None);
    assert_eq!(world.service.texts.iter().filter(|text| text.contains("still there")).count(), 2, "asked anew");
}

#[test]
fn the_longest_call_is_brought_to_an_end() {
    let patience = Patience { no_input: ms(15_000), goodbye: ms(30_000), longest: Duration::from_mins(3) };
    let mut world = World::with(World::new().now, patience);
    world.run(ms(300));
    world.answer();
    for _ in 0..24 {
        world.say(QUESTION);
        world.run(ms(8_000));
    }
    let at = world.ended_as(&hang_up(EndReason::TooLong));
    assert!((ms(180_000)..ms(190_000)).contains(&at), "{at:?}");
    let told = |part: &str| world.service.texts.iter().filter(|text| text.contains(part)).count();
    assert_eq!((told("Bring it to an end"), told("must end now")), (1, 1));
}

/// The ladder's steps when a service does that from the middle of a call on.
fn ladder(faults: world::Faults) -> (World, Vec<(Duration, WatchdogStep)>) {
    let mut world = World::greeted();
    world.service.faults = faults;
    world.service.script.extend(std::iter::repeat_n(Move::Say(LONG, ms(4_000)), 12));
    world.say(STOP);
    let asked = world.elapsed() + SampleRate::TELEPHONY.duration_of(STOP.len());
    world.run(ms(60_000));
    let steps = world.steps().into_iter().map(|(at, step)| (at.saturating_sub(asked), step)).collect();
    (world, steps)
}

#[test]
fn every_silence_is_broken_step_by_step_until_a_human_takes_over() {
    use WatchdogStep::{Afresh, FallBack, Nudge, Resume};
    let cases = [
        ("stalled", world::Faults { stalled: true, ..Default::default() }),
        ("half-open", world::Faults { half_open: true, ..Default::default() }),
        ("silent audio", world::Faults { amplitude: Some(0), ..Default::default() }),
        ("near-zero audio", world::Faults { amplitude: Some(3), ..Default::default() }),
    ];
    for (name, faults) in cases {
        let (world, steps) = ladder(faults);
        let kinds: Vec<WatchdogStep> = steps.iter().map(|(_, step)| *step).collect();
        assert_eq!(kinds, [Nudge, Resume, Afresh, FallBack], "{name}");
        let (nudged, fell) = (steps[0].0, steps[3].0);
        assert!((ms(5_500)..ms(8_000)).contains(&nudged), "{name}: nudged after {nudged:?}");
        assert!((ms(27_000)..ms(42_000)).contains(&fell), "{name}: fell back after {fell:?}");
        assert!(matches!(world.end(), Some((_, Outward::FallBack(EndReason::Failed(_))))), "{name}: {:?}", world.end());
        assert_eq!(world.service.overlaps, 0, "{name}");
    }
}

#[test]
fn a_service_that_recovers_after_a_step_goes_on() {
    for after in [ms(8_000), ms(14_000), ms(19_000)] {
        let mut world = World::greeted();
        world.service.faults.stalled = true;
        world.say(STOP);
        world.run(after);
        world.service.faults.stalled = false;
        world.run(ms(25_000));
        assert_eq!(world.end(), None, "recovered after {after:?}");
        assert_eq!(world.service.greetings, 1, "no second greeting");
        assert!(world.said_by(Who::Agent).len() >= 2, "the agent spoke again after {after:?}");
    }
}

#[test]
fn a_session_started_afresh_is_told_what_happened() {
    let (world, _) = ladder(world::Faults { amplitude: Some(0), ..Default::default() });
    let summary = world.service.texts.iter().find(|text| text.contains("Do not greet again")).expect("a summary");
    assert!(summary.contains("You: Good morning, this is the clinic.") && summary.contains("Caller: caller turn"));
    assert!(world.service.setups.last().unwrap()["sessionResumption"]["handle"].is_null());
}

#[test]
fn a_function_runs_once_and_its_result_is_spoken_of() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Call(&["a", "b"], "find_slot", "Tuesday at nine is free."));
    world.tools = |_| None;
    world.say(STOP);
    world.run(ms(5_000));
    let calls: Vec<ToolCall> = world.calls();
    assert_eq!(calls.len(), 1, "asked twice, run once");
    assert_eq!(calls[0].args, json!({ "day": 1 }));
    world.conversation.tool_done(world.now, calls[0].key, json!({ "output": "tue-9" }));
    world.run(ms(4_000));
    let ids: Vec<_> = world.service.answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b"], "both askers are answered");
    assert!(world.service.answers.iter().all(|answer| answer["response"]["output"] == "tue-9"));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "Tuesday at nine is free.");
    assert_eq!(world.steps(), []);
}

#[test]
fn a_function_that_takes_too_long_is_answered_for_and_cancelled() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Call(&["a"], "find_slot", "That takes too long just now."));
    world.tools = |_| None;
    world.say(STOP);
    world.run(ms(2_500));
    let key = world.calls()[0].key;
    world.run(ms(20_000));
    assert_eq!(world.noted("tool-timeout"), 1);
    assert!(world.outward.iter().any(|(_, outward)| *outward == Outward::CancelTool(key)));
    assert_eq!(world.service.answers.len(), 1);
    assert!(world.service.answers[0]["response"]["error"].is_string());
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "That takes too long just now.");
    // The late answer changes nothing.
    world.conversation.tool_done(world.now, key, json!({ "output": "late" }));
    world.run(ms(1_000));
    assert_eq!(world.service.answers.len(), 1);
    assert_eq!(world.steps(), [], "while a function runs, its own deadline counts");
}

#[test]
fn a_function_that_does_not_exist_is_answered_with_those_that_do() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Call(&["a"], "fly", "I cannot do that."));
    world.tools = |name| Some(decl::unknown(name, &["find_slot", decl::END_CALL]));
    world.say(STOP);
    world.run(ms(7_000));
    let error = world.service.answers[0]["response"]["error"].as_str().unwrap();
    assert!(error.contains("\"fly\"") && error.contains("find_slot, end_call"), "{error}");
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "I cannot do that.");
}

#[test]
fn what_the_caller_says_while_a_function_runs_costs_nothing_of_the_answer() {
    let mut world = World::greeted();
    world.service.script.push_back(Move::Call(&["a"], "find_slot", "Tuesday at nine is free."));
    world.tools = |_| None;
    world.say(STOP);
    world.run(ms(4_000));
    let key = world.calls()[0].key;
    world.service.script.push_back(Move::Nothing);
    world.say(STOP);
    world.run(ms(3_500));
    world.conversation.tool_done(world.now, key, json!({ "output": "tue-9" }));
    world.run(ms(4_000));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "Tuesday at nine is free.");
}

#[test]
fn a_caller_who_leaves_ends_everything() {
    let mut world = talking();
    world.tell(&json!({ "event": "stop", "streamSid": "MZ1" }));
    world.ended_as(&Outward::Gone(EndReason::CallerLeft));
    let said = world.said().into_iter().rfind(|said| said.who == Who::Agent).unwrap();
    assert!(said.interrupted && LONG.starts_with(&said.text) && said.text.len() < LONG.len() / 2, "{}", said.text);
    assert_eq!(world.service.closes, 1);
    world.run(ms(10_000));
    assert_eq!(world.conversation.deadline(world.now), None);
}

#[test]
fn a_line_that_comes_back_within_two_seconds_goes_on() {
    let mut world = talking();
    world.break_line();
    world.run(ms(1_500));
    assert_eq!(world.end(), None);
    world.answer();
    world.run(ms(4_000));
    assert!(world.service.texts.iter().any(|text| text.contains("line was interrupted")));
    assert_eq!(world.service.greetings, 1);
    assert!(world.levels(world.far_began(), world.now).iter().any(|level| is_audible(*level)));
}

#[test]
fn a_line_that_does_not_come_back_is_given_up_after_two_seconds() {
    let mut world = talking();
    let lost = world.elapsed();
    world.break_line();
    world.run(ms(5_000));
    let at = world.ended_as(&Outward::Gone(EndReason::LineLost)).saturating_sub(lost);
    assert_eq!(at, ms(2_000));
    assert_eq!(world.service.closes, 1);
}

#[test]
fn staff_hang_up_and_draining_leaves_the_call_to_a_human() {
    for (reason, end) in [
        (EndReason::Staff, Outward::HangUp(EndReason::Staff)),
        (EndReason::Draining, Outward::FallBack(EndReason::Draining)),
    ] {
        let mut world = talking();
        world.conversation.stop(world.now, reason);
        world.run(ms(100));
        world.ended_as(&end);
        assert!(world.conversation.is_over());
    }
}

#[test]
fn a_session_that_starts_afresh_in_the_greeting_does_not_greet_twice() {
    let mut world = World::new();
    world.service.script.push_back(Move::Say("Good morning, this is the clinic.", ms(2_000)));
    world.run(ms(300));
    world.answer();
    world.run(ms(900));
    world.drop_connection();
    world.run(ms(5_000));
    assert_eq!(world.service.greetings, 1);
    assert!(world.service.texts.iter().any(|text| text.contains("Do not greet again")));
}

/// What breaks the connection.
#[derive(Debug, Clone, Copy)]
enum Break {
    GoAway,
    Drop,
    Stall,
}

impl World {
    fn calls(&self) -> Vec<ToolCall> {
        let call = |(_, outward): &(Duration, Outward)| {
            if let Outward::RunTool(call) = outward { Some(call.clone()) } else { None }
        };
        self.outward.iter().filter_map(call).collect()
    }

    fn far_began(&self) -> Instant {
        let ago = SampleRate::TELEPHONY.duration_of(self.far.heard.len());
        self.now.checked_sub(ago).unwrap()
    }

    /// An exchange every eight seconds until `until`.
    fn chat_until(&mut self, until: Duration) {
        while self.elapsed() + ms(8_000) < until {
            self.say(STOP);
            self.run(ms(8_000));
        }
        self.run(until.saturating_sub(self.elapsed()));
    }

    /// The caller says a word right before or right behind a break.
    fn word_at(&mut self, hz: u32, way: Break, before: bool) {
        if before {
            self.say(&tone_word(hz, ms(400)));
            self.run(ms(500));
        }
        match way {
            Break::GoAway => self.serve(&json!({ "goAway": { "timeLeft": "10s" } })),
            Break::Drop => self.drop_connection(),
            Break::Stall => self.service.faults.stalled = true,
        }
        if !before {
            self.run(ms(100));
            self.say(&tone_word(hz, ms(400)));
        }
        if self.service.faults.stalled {
            // Only the watchdog notices: it nudges in vain and then replaces the connection.
            let closes = self.service.closes;
            assert!(self.run_until(ms(20_000), |world| world.service.closes > closes));
            self.service.faults.stalled = false;
        }
        self.run(ms(10_000));
    }
}

#[test]
fn a_25_minute_call_survives_every_kind_of_break_without_a_second_greeting_or_a_lost_word() {
    let mut world = World::greeted();
    // A planned rotation comes in the first quiet moment after eight minutes.
    world.chat_until(Duration::from_secs(8 * 60 + 30));
    assert_eq!(world.service.connections, 2, "one planned rotation");
    world.word_at(700, Break::Drop, true);
    world.chat_until(Duration::from_mins(11));
    world.word_at(900, Break::Drop, false);
    world.chat_until(Duration::from_mins(14));
    world.word_at(1_100, Break::GoAway, true);
    world.chat_until(Duration::from_mins(17));
    world.word_at(1_300, Break::GoAway, false);
    world.chat_until(Duration::from_mins(20));
    world.word_at(1_500, Break::Stall, true);
    world.chat_until(Duration::from_mins(22));
    world.word_at(1_700, Break::Stall, false);
    world.chat_until(Duration::from_mins(25));
    assert_eq!(world.end(), None);
    assert_eq!(world.service.greetings, 1);
    assert_eq!(world.service.overlaps, 0, "the old connection is closed first");
    assert!(world.service.connections >= 8, "{}", world.service.connections);
    assert!(world.service.setups[1..].iter().all(|setup| setup["sessionResumption"]["handle"].is_string()));
    for hz in [700, 900, 1_100, 1_300, 1_500, 1_700] {
        let heard = world.service.heard_tone(hz);
        assert!((ms(340)..ms(900)).contains(&heard), "{hz} Hz was heard for {heard:?} of 400 ms");
    }
    let steps: Vec<WatchdogStep> = world.steps().into_iter().map(|(_, step)| step).collect();
    assert_eq!(steps, [WatchdogStep::Nudge, WatchdogStep::Resume].repeat(2), "for the stalls alone");
}

#[test]
fn a_word_in_a_planned_rotation_is_heard() {
    let mut world = World::greeted();
    world.chat_until(Duration::from_secs(7 * 60 + 50));
    // Quiet from here on, but for one word the moment the connection is being replaced.
    assert!(world.run_until(ms(40_000), |world| world.service.closes == 1));
    world.say(&tone_word(1_000, ms(400)));
    world.run(ms(6_000));
    assert_eq!(world.service.connections, 2);
    let heard = world.service.heard_tone(1_000);
    assert!((ms(340)..ms(460)).contains(&heard), "{heard:?} of 400 ms");
}

#[test]
fn an_opening_is_given_once() {
    let mut world = World::greeted();
    world.conversation.live_mut().begin(&Opening::Greet);
    world.run(ms(1_000));
    assert_eq!(world.service.greetings, 1);
}

//! Stories of danger: what is said, and who takes over, whatever the model does.

use super::*;
use crate::redflag::{Watch, lists};
use crate::session::bridge::Guard;

const SENTENCE: &str = "This sounds like an emergency. Please hang up and dial 1 1 2 now.";

fn caller_said(words: &str) -> Value {
    json!({ "serverContent": { "inputTranscription": { "text": words } } })
}

fn guarded(hand_over: bool) -> World {
    let mut world = World::greeted();
    let watch = Watch::new(lists(&["en-US".to_owned()]).into());
    world.conversation.guard(Guard { watch, say: SENTENCE.to_owned(), hand_over });
    world.run(ms(500));
    world
}

fn told(world: &World) -> usize {
    world.service.texts.iter().filter(|text| text.contains(SENTENCE)).count()
}

fn emergency() -> Outward {
    Outward::FallBack(EndReason::Emergency)
}

#[test]
fn a_caller_who_speaks_of_chest_pain_hears_the_sentence_and_is_left_to_a_person() {
    let mut world = guarded(true);
    world.service.script.push_back(Move::Say(SENTENCE, ms(3_000)));
    let spoke = world.elapsed();
    world.serve(&caller_said(" I have terrible"));
    world.serve(&caller_said(" chest pain"));
    assert_eq!(told(&world), 1);
    world.run(ms(20_000));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), SENTENCE, "heard to its end");
    let ended = world.ended_as(&emergency());
    assert!(ended < spoke + ms(6_000), "{ended:?}, asked at {spoke:?}");
}

#[test]
fn what_the_agent_was_saying_is_cut_for_it() {
    let mut world = talking();
    let watch = Watch::new(lists(&[]).into());
    world.conversation.guard(Guard { watch, say: SENTENCE.to_owned(), hand_over: true });
    assert!(matches!(world.conversation.turn(), Turn::Replying { .. }));
    world.service.script.clear();
    world.service.script.push_back(Move::Say(SENTENCE, ms(3_000)));
    let clears = world.far.clears.len();
    // The model stops of itself for what it is told.
    world.service.due.clear();
    world.serve(&caller_said("He can't breathe!"));
    assert_eq!(world.far.clears.len(), clears + 1, "the line is cleared at once");
    world.serve(&json!({ "serverContent": { "interrupted": true } }));
    world.serve(&json!({ "serverContent": { "turnComplete": true } }));
    world.run(ms(20_000));
    world.ended_as(&emergency());
    assert!(world.said_by(Who::Agent).contains(&SENTENCE), "{:?}", world.said_by(Who::Agent));
}

#[test]
fn a_model_that_says_nothing_does_not_keep_the_caller_from_a_person() {
    let mut world = guarded(true);
    world.service.faults.stalled = true;
    let spoke = world.elapsed();
    world.serve(&caller_said("I think it's a heart attack"));
    world.run(ms(20_000));
    let ended = world.ended_as(&emergency());
    assert!(ended < spoke + ms(10_000), "{ended:?}, asked at {spoke:?}");
}

#[test]
fn neither_the_callers_voice_nor_a_goodbye_takes_it_back() {
    let mut world = guarded(true);
    world.service.script.push_back(Move::SayGoodbye("Goodbye.", ms(1_500)));
    world.serve(&caller_said("She passed out."));
    world.say(STOP);
    world.run(ms(20_000));
    world.ended_as(&emergency());
}

#[test]
fn at_the_desk_the_sentence_is_said_and_the_conversation_goes_on() {
    let mut world = guarded(false);
    world.service.script.push_back(Move::Say(SENTENCE, ms(3_000)));
    world.serve(&caller_said("I have chest pain."));
    world.run(ms(6_000));
    assert_eq!((told(&world), world.end()), (1, None));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), SENTENCE);
    world.serve(&caller_said("Chest pain!"));
    assert_eq!(told(&world), 1, "it is told once");
}

#[test]
fn denied_danger_is_none() {
    let mut world = guarded(true);
    world.serve(&caller_said("No chest pain, no fever."));
    world.run(ms(2_000));
    assert_eq!((told(&world), world.end(), world.noted("emergency")), (0, None, 0));
}

#[test]
fn the_model_may_call_for_help_itself() {
    let mut world = guarded(true);
    world.service.script.push_back(Move::Call(&["e1"], "emergency", SENTENCE));
    world.tools = |name| (name == "emergency").then(|| json!({ "output": { "say": SENTENCE } }));
    world.say(STOP);
    assert!(world.run_until(ms(6_000), |world| !world.service.answers.is_empty()));
    world.conversation.emergency(world.now);
    world.run(ms(20_000));
    world.ended_as(&emergency());
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), SENTENCE);
    assert_eq!(told(&world), 0, "it knows what to say");
}

#[test]
fn whoever_is_handed_over_hears_that_first() {
    let mut world = guarded(true);
    world.service.script.push_back(Move::Call(&["t1"], "transfer_to_human", "One moment, I will connect you."));
    world.say(STOP);
    assert!(world.run_until(ms(6_000), |world| !world.service.answers.is_empty()));
    world.conversation.transfer(world.now);
    world.run(ms(20_000));
    world.ended_as(&Outward::FallBack(EndReason::Transferred));
    assert_eq!(*world.said_by(Who::Agent).last().unwrap(), "One moment, I will connect you.");
}

#[test]
fn a_yes_is_noticed() {
    let mut world = World::greeted();
    let before = world.conversation.caller_spoke();
    world.run(ms(3_000));
    assert_eq!(world.conversation.caller_spoke(), before, "silence is no yes");
    world.serve(&caller_said(" "));
    assert_eq!(world.conversation.caller_spoke(), before);
    let asked = world.now;
    world.say(STOP);
    world.run(ms(2_500));
    assert!(world.conversation.caller_spoke().unwrap() > asked);
}

#[test]
fn words_that_are_written_down_late_are_no_yes_to_what_was_asked_meanwhile() {
    let mut world = World::greeted();
    world.say(STOP);
    world.run(ms(2_500));
    let asked = world.now;
    world.serve(&caller_said(" on Tuesday, please"));
    assert!(world.conversation.caller_spoke().unwrap() < asked);
    world.run(ms(4_500));
    let asked = world.now;
    world.serve(&caller_said(" yes"));
    assert_eq!(world.conversation.caller_spoke(), Some(asked), "too quiet to be heard as a voice here");
}

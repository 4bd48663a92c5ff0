//! Conversations at the desk in which nobody is heard: the microphone is off, or nobody is there any more.

use std::cell::RefCell;
use std::time::Duration;

use frontdesk_core::desk::reception::Earcon;
use frontdesk_core::session::bridge::Patience;
use frontdesk_hw::block::LISTENING;
use serde_json::json;

use super::desk_world::{Desk, asked, audio, content, ramp, record, say};
use super::fakes::Server;
use super::world::{World, until};

/// The model's next so many blocks of what the microphone had.
async fn blocks(gemini: &mut Server, count: usize) -> Vec<i16> {
    let mut heard = Vec::new();
    while heard.len() < count * LISTENING {
        heard.extend(audio(&asked(gemini).await));
    }
    assert_eq!(heard.len(), count * LISTENING);
    heard
}

#[tokio::test]
async fn a_muted_desk_sends_nothing_but_silence_while_the_conversation_goes_on() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    let mut sound = desk.sound();
    sound.hears(60);
    assert!(blocks(&mut gemini, 60).await.iter().all(|&sample| sample == 0x1111));

    desk.mute(true);
    sound.hears(200);
    let silence = blocks(&mut gemini, 200).await;
    assert_eq!(silence.iter().position(|&sample| sample != 0), None, "what is said to others reached the model");
    assert!(desk.is_talking() && desk.state.is_muted());

    desk.mute(false);
    sound.hears(20);
    assert!(blocks(&mut gemini, 20).await.iter().all(|&sample| sample == 0x1111));

    // Who is muted hears the agent all the same.
    desk.mute(true);
    say(&mut gemini, &ramp(0, 24_000)).await;
    let sound = RefCell::new(sound);
    until(|| sound.borrow_mut().hears(1).iter().any(|&byte| byte != 0)).await;
}

/// Says it, and the desk hears it to its end.
async fn reply(desk: &mut Desk, gemini: &mut Server) {
    say(gemini, &ramp(0, 480)).await;
    content(gemini, json!({ "generationComplete": true })).await;
    content(gemini, json!({ "turnComplete": true })).await;
    desk.hear_out().await;
}

/// The model is told something with these words in it.
async fn told(gemini: &mut Server, words: &str) {
    while !asked(gemini).await.to_string().contains(words) {}
}

#[tokio::test]
async fn a_visitor_who_has_walked_away_is_asked_and_then_taken_leave_of() {
    let world = World::start().await;
    let soon = Duration::from_millis(200);
    let patience = Patience { no_input: soon, goodbye: soon, longest: Duration::from_mins(10) };
    let (mut desk, mut gemini) = Desk::talking_with(&world, patience).await;
    reply(&mut desk, &mut gemini).await;
    told(&mut gemini, "Ask in one short sentence whether they are still there").await;
    reply(&mut desk, &mut gemini).await;
    told(&mut gemini, "you will end the call now, and goodbye").await;
    assert!(desk.is_talking(), "not before the goodbye is heard");
    reply(&mut desk, &mut gemini).await;
    assert_eq!(desk.earcon().await, Earcon::End);
    desk.free().await;
    world.idle().await;
    assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("no-input"));
}

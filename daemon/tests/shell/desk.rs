//! Conversations at the desk, between a sound card that a test plays and a model that does as it says.

use frontdesk_core::audio::g711;
use frontdesk_core::audio::vad::VoiceEvent;
use frontdesk_core::desk::reception::{Ear, Earcon, Wake};
use frontdesk_core::gemini::live::Fault;
use frontdesk_hw::block::LISTENING;
use frontdeskd::desk::invite::{InviteError, Inviter};
use frontdeskd::desk::port::News;
use frontdeskd::desk::selftest::Tester;
use frontdeskd::desk::state::DeviceState;
use frontdeskd::http::admin::CallControl as _;
use serde_json::json;
use std::time::Duration;

use super::desk_world::{Desk, ROOM, asked, audio, content, ramp, record, say};
use super::world::{World, stranger, until};

const SILENCE: [i16; LISTENING] = [0; LISTENING];

#[tokio::test]
async fn the_hook_begins_a_conversation_and_ends_it() {
    let world = World::start().await;
    let desk = Desk::plugged_in(&world, Wake::Button).await;
    assert_eq!((desk.knobs.ear(), desk.lamp(), desk.knobs.take_earcon()), (Ear::Closed, false, None));
    desk.press();
    assert_eq!(desk.earcon().await, Earcon::Begin);
    assert_eq!((desk.knobs.ear(), desk.lamp(), desk.unmuted(), desk.is_talking()), (Ear::Open, true, 1, true));
    let mut gemini = world.gemini.listen().await;
    assert_eq!(asked(&mut gemini).await, json!({ "clientContent": { "turnComplete": true } }), "a greeting");
    assert!(world.counted(r#"frontdesk_desk_conversations_started_total{by="button"} 1"#));

    desk.press();
    assert_eq!(desk.earcon().await, Earcon::End);
    desk.free().await;
    world.idle().await;
    let record = record(&world).await.call;
    assert_eq!((record.direction.as_str(), record.end_reason.as_deref()), ("desk", Some("caller-left")));
    assert!(record.answered_at.is_some() && record.caller.is_none() && record.call_sid.starts_with("DK"));
    assert!(world.counted(r#"frontdesk_desk_conversations_ended_total{reason="caller-left"} 1"#));
}

#[tokio::test]
async fn staff_begin_a_conversation_in_the_voice_of_the_persona_that_they_name() {
    let world = World::start().await;
    let desk = Desk::start(&world, Wake::Button);
    let early = desk.invite(None).await.unwrap_err();
    assert_eq!(early, InviteError::NoDevice("it is being looked for".to_owned()));
    desk.plug_in();
    until(|| desk.is_ready()).await;
    let nobody = desk.invite(Some("nobody")).await.unwrap_err();
    assert_eq!(nobody.to_string(), "clinic.toml has no persona of that id; choose one of guide, night");
    assert!(!desk.is_talking());

    let begun = desk.invite(Some("night")).await.unwrap();
    assert_eq!((desk.earcon().await, desk.knobs.ear(), desk.conversation()), (Earcon::Begin, Ear::Open, begun));
    let (mut gemini, ..) = world.gemini.accept().await;
    let setup = asked(&mut gemini).await;
    assert!(setup.to_string().contains("\"voiceName\":\"Vindemiatrix\""), "{setup}");
    assert!(setup.to_string().contains("Your name is Nora."), "{setup}");
    assert_eq!(desk.invite(Some("guide")).await, Err(InviteError::Talking));

    desk.press();
    assert_eq!(desk.earcon().await, Earcon::End);
    desk.free().await;
    assert_eq!(desk.invite(None).await, Err(InviteError::NotNow), "who pressed the button has just left");
}

#[tokio::test]
async fn a_persona_that_was_asked_for_once_is_not_that_of_the_next_visitor() {
    let world = World::start().await;
    world.line.calls.conversations().health().down(std::time::Instant::now(), Fault::Quota);
    let desk = Desk::plugged_in(&world, Wake::Button).await;
    assert_eq!(desk.invite(Some("night")).await, Err(InviteError::NotNow), "the model is down");
    assert_eq!(desk.earcon().await, Earcon::Sorry);
    world.line.calls.conversations().health().up(std::time::Instant::now());
    desk.press();
    let (mut gemini, ..) = world.gemini.accept().await;
    let setup = asked(&mut gemini).await;
    assert!(setup.to_string().contains("\"voiceName\":\"Sulafat\""), "{setup}");
}

#[tokio::test]
async fn a_voice_begins_one_where_it_may_and_what_it_said_reaches_the_model_first() {
    let world = World::start().await;
    let mut desk = Desk::plugged_in(&world, Wake::Voice).await;
    until(|| desk.knobs.ear() == Ear::Watching).await;
    desk.notice(VoiceEvent::Onset);
    desk.notice(VoiceEvent::Sustained);
    until(|| desk.knobs.ear() == Ear::Open).await;
    assert_eq!((desk.lamp(), desk.knobs.take_earcon(), desk.unmuted()), (true, None, 0), "nobody is spoken over");
    // What the worker kept comes as fast as the ring takes it, while the model is still being dialled.
    let said = ramp(0, 60 * LISTENING);
    for (n, block) in said.as_chunks().0.iter().enumerate() {
        let voice = [(3, VoiceEvent::Onset), (40, VoiceEvent::Sustained)].into_iter().find(|(at, _)| *at == n);
        desk.hear(block, voice.map(|(_, voice)| voice), 0);
    }
    let mut gemini = world.gemini.listen().await;
    let mut heard = Vec::new();
    while heard.len() < said.len() {
        let message = asked(&mut gemini).await;
        assert!(message["clientContent"].is_null(), "who speaks first is not greeted: {message}");
        heard.extend(audio(&message));
    }
    // What waits for a connection is kept as mu-law.
    let kept = |sample: i16| g711::decode(g711::encode(sample));
    let strayed = heard.iter().zip(&said).position(|(heard, said)| heard != said && *heard != kept(*said));
    assert_eq!((strayed, heard.len()), (None, said.len()), "whole and in order");
    assert!(world.counted(r#"frontdesk_desk_conversations_started_total{by="voice"} 1"#));
}

#[tokio::test]
async fn a_voice_begins_nothing_where_only_the_button_may() {
    let world = World::start().await;
    let mut desk = Desk::plugged_in(&world, Wake::Button).await;
    desk.notice(VoiceEvent::Sustained);
    until(|| desk.ends.noticed.is_empty()).await;
    // Looked at one after the other: the remark is told of behind the voice.
    desk.tell(News::Remark("its clock is slow".to_owned()));
    until(|| matches!(desk.state.device(), DeviceState::Ready(device) if !device.remarks.is_empty())).await;
    assert_eq!((desk.knobs.ear(), desk.is_talking()), (Ear::Closed, false));
    assert_eq!(world.line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn a_reply_reaches_the_ring_whole_however_slowly_it_is_taken() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    let reply = ramp(7, 24_100);
    say(&mut gemini, &reply).await;
    content(&mut gemini, json!({ "generationComplete": true })).await;
    desk.full().await;
    assert!(desk.worker.answer(), "silence before it: the worker need not wait for the device's period");
    let (epoch, mut spoken, mut end) = (desk.knobs.epoch(), Vec::new(), 0);
    loop {
        let block = desk.take().await;
        let pcm = &block.pcm[..usize::from(block.len)];
        end += pcm.len() as u64;
        assert_eq!((block.end, block.epoch), (end, epoch));
        spoken.extend_from_slice(pcm);
        if block.last {
            break;
        }
        assert_eq!(pcm.len(), 240, "only the last may be shorter");
    }
    assert!(spoken == reply, "{} samples of {}", spoken.len(), reply.len());
    assert!(!desk.ends.speech.ready(), "nothing follows the last");
}

#[tokio::test]
async fn an_interruption_silences_at_once_and_what_comes_next_is_of_a_new_epoch() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    say(&mut gemini, &ramp(0, 48_000)).await;
    desk.full().await;
    let before = desk.take().await.epoch;
    desk.full().await;
    // Nobody takes anything from the ring meanwhile.
    content(&mut gemini, json!({ "interrupted": true })).await;
    until(|| desk.knobs.epoch() != before).await;
    let after = desk.knobs.epoch();
    let mut handed = 0;
    for _ in 0..ROOM {
        let stale = desk.ends.speech.dequeue().unwrap();
        assert_eq!(stale.epoch, before);
        handed = stale.end;
    }
    content(&mut gemini, json!({ "turnComplete": true })).await;
    let answer = ramp(9_000, 480);
    say(&mut gemini, &answer).await;
    let next = [desk.take().await, desk.take().await];
    for (block, said) in next.iter().zip(answer.chunks(240)) {
        assert_eq!((block.epoch, &block.pcm[..]), (after, said), "the rest of the old reply is not heard");
    }
    assert_eq!(next[0].end, handed + 240, "the scale never goes back");
}

#[tokio::test]
async fn a_voice_over_the_agents_lowers_it_and_silence_lets_it_come_back() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    say(&mut gemini, &ramp(0, 24_000)).await;
    desk.full().await;
    let block = desk.take().await;
    desk.hear(&SILENCE, Some(VoiceEvent::Onset), block.end);
    until(|| desk.knobs.is_ducked()).await;
    desk.hear(&SILENCE, Some(VoiceEvent::End { voiced: Duration::from_millis(60) }), block.end);
    until(|| !desk.knobs.is_ducked()).await;
    assert_eq!(desk.knobs.epoch(), block.epoch, "nothing was dropped");
}

#[tokio::test]
async fn a_second_conversation_begins_where_the_first_one_stopped() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    say(&mut gemini, &ramp(0, 9_600)).await;
    desk.full().await;
    desk.take().await;
    desk.full().await;
    desk.press();
    desk.free().await;
    let of_the_first = std::iter::from_fn(|| desk.ends.speech.dequeue()).last().unwrap();
    world.idle().await;

    desk.press();
    let mut gemini = world.gemini.listen().await;
    say(&mut gemini, &ramp(100, 240)).await;
    let first = desk.take().await;
    assert_ne!(first.epoch, of_the_first.epoch, "what was left in the ring is not heard");
    assert_eq!(first.end, of_the_first.end + 240, "no two blocks stand at the same place");
}

#[tokio::test]
async fn the_desk_is_listed_among_the_calls() {
    use frontdeskd::clock::Clock;
    use frontdeskd::status::{self, Status};
    use std::sync::Arc;

    let world = World::start().await;
    let (desk, _gemini) = Desk::talking(&world).await;
    let shown = status::Desk {
        spec: frontdesk_hw::device::DeviceSpec::Auto,
        state: Arc::clone(&desk.state),
        figures: Box::leak(Box::default()),
        tester: Tester::off(),
        inviter: Inviter::off(),
    };
    let conversations = Arc::clone(world.line.calls.conversations());
    let status = Status::new(conversations, shown, stranger(), world.line.store.clone(), Clock::read);
    let listed = status.active();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].caller.as_str(), listed[0].turn.as_str()), ("at the desk", "agent-due"));
    assert_eq!((listed[0].call_sid, listed[0].connection), (desk.conversation(), 1));
    assert!(status.line().starts_with("no calls · desk: Jabra SPEAK 510, 16/48 kHz, in conversation · Gemini ok"));
    assert!(matches!(desk.state.device(), DeviceState::Ready(_)));
    assert!(status.end(&desk.conversation()), "and can be ended like them");
    desk.free().await;
    assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("ended-by-staff"));
}

/// A box that answers the phone alone is well without a speakerphone; one on whose counter there should be one is not.
#[tokio::test]
async fn only_a_speakerphone_that_is_named_is_missed() {
    use frontdesk_hw::device::DeviceSpec;
    use frontdeskd::clock::Clock;
    use frontdeskd::desk::state::DeskState;
    use frontdeskd::http::admin::HealthSource as _;
    use frontdeskd::http::reply::{DeskWord, HealthStatus};
    use frontdeskd::status::{self, Status};
    use std::sync::Arc;

    let world = World::start().await;
    let health = |spec: DeviceSpec, device: DeviceState| {
        let (state, figures) = (Arc::new(DeskState::new(device, Box::leak(Box::default()))), Box::leak(Box::default()));
        let shown = status::Desk { spec, state, figures, tester: Tester::off(), inviter: Inviter::off() };
        let conversations = Arc::clone(world.line.calls.conversations());
        Status::new(conversations, shown, stranger(), world.line.store.clone(), Clock::read).health()
    };
    let absent = || DeviceState::Absent("it was unplugged".to_owned());
    let named = [
        DeviceSpec::Usb { vid: 0x0b0e, pid: 0x0422, serial: None },
        DeviceSpec::Path("1-1.2".to_owned()),
        DeviceSpec::Alsa { capture: "hw:1".to_owned(), playout: "hw:1".to_owned() },
    ];
    for spec in named {
        let missed = health(spec.clone(), absent());
        assert_eq!((missed.status, missed.desk.state), (HealthStatus::Degraded, DeskWord::Absent), "{spec:?}");
        assert_eq!(missed.desk.why.as_deref(), Some("it was unplugged"));
        let desk = Desk::plugged_in(&world, Wake::Button).await;
        let well = health(spec, desk.state.device());
        assert_eq!((well.status, well.desk.state), (HealthStatus::Ok, DeskWord::Ready));
        assert_eq!((well.desk.device.as_deref(), well.desk.why), (Some("Jabra SPEAK 510"), None));
    }
    assert_eq!(health(DeviceSpec::Auto, absent()).status, HealthStatus::Ok);
    let off = health(DeviceSpec::None, DeviceState::Off);
    assert_eq!((off.status, off.desk.state), (HealthStatus::Ok, DeskWord::Off));
}

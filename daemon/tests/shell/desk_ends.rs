//! Conversations at the desk that cannot be had, that are cut, and devices that come and go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::audio::vad::VoiceEvent;
use frontdesk_core::desk::reception::{Ear, Earcon, Wake};
use frontdesk_core::gemini::live::Fault;
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::DeskId;
use frontdesk_hw::block::LISTENING;
use frontdeskd::conversation::running::{Party, Running};
use frontdeskd::desk::port::News;
use frontdeskd::desk::state::DeviceState;
use frontdeskd::store::CallFilter;
use frontdeskd::supervise::Grace;
use futures_util::FutureExt as _;

use super::desk_world::{Desk, asked, ramp, record, say};
use super::world::{World, until};

/// Asked for a conversation, the desk says that it is sorry, and nothing else happens.
async fn assert_refused(world: &World, why: &str) {
    let desk = Desk::plugged_in(world, Wake::Button).await;
    let running = world.line.calls.conversations().active();
    desk.press();
    assert_eq!(desk.earcon().await, Earcon::Sorry);
    desk.free().await;
    assert!(world.counted(&format!("frontdesk_desk_conversations_refused_total{{why=\"{why}\"}} 1")), "{why}");
    assert_eq!(world.line.calls.conversations().active(), running);
    world.line.store.flush().await.unwrap();
    assert_eq!(world.line.store.calls(CallFilter::default()).await.unwrap(), [], "no record");
    assert!(world.gemini.listener.accept().now_or_never().is_none(), "the model is not dialled");
}

#[tokio::test]
async fn none_begins_while_as_many_run_as_may() {
    let world = World::start().await;
    let other = Running {
        id: DeskId::of(1).into(),
        live_id: "L1".into(),
        party: Party::Visitor,
        since: Instant::now(),
        view: Arc::default(),
    };
    world.line.calls.conversations().admit(other, Arc::new(|_| true)).unwrap();
    assert_refused(&world, "full").await;
}

#[tokio::test]
async fn none_begins_while_the_daemon_is_being_stopped() {
    let world = World::start().await;
    world.line.calls.conversations().drain();
    assert_refused(&world, "draining").await;
}

#[tokio::test]
async fn none_begins_while_the_model_is_known_to_be_down() {
    let world = World::start().await;
    world.line.calls.conversations().health().down(Instant::now(), Fault::Quota);
    assert_refused(&world, "model-down").await;
}

#[tokio::test]
async fn a_plug_that_is_put_back_at_once_interrupts_and_does_not_end() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    say(&mut gemini, &ramp(0, 24_000)).await;
    desk.full().await;
    let before = desk.take().await;
    // Somebody is speaking over the agent just then.
    desk.hear(&[0; LISTENING], Some(VoiceEvent::Onset), before.end);
    until(|| desk.knobs.is_ducked()).await;
    desk.unplug();
    until(|| !desk.is_ready()).await;
    assert!(desk.is_talking());
    assert!(!desk.knobs.is_ducked(), "the voice that lowered it has gone with the device");
    assert_ne!(desk.knobs.epoch(), before.epoch, "the next device does not play what was cut off");
    let handed = std::iter::from_fn(|| desk.ends.speech.dequeue()).last().unwrap().end;
    desk.plug_in();
    until(|| desk.is_ready()).await;
    assert_eq!((desk.knobs.ear(), desk.lamp(), desk.is_talking()), (Ear::Open, true, true));
    // The model is told, and its answer is heard on the new device.
    while !asked(&mut gemini).await.to_string().contains("The line was interrupted") {}
    say(&mut gemini, &ramp(3_000, 240)).await;
    let block = desk.take().await;
    assert_eq!((block.end, block.epoch), (handed + 240, desk.knobs.epoch()));
    desk.press();
    desk.free().await;
    let record = record(&world).await;
    let kinds: Vec<&str> = record.events.iter().map(|event| &*event.kind).collect();
    let lost = kinds.iter().position(|kind| *kind == "line-lost").unwrap();
    assert!(kinds[lost..].contains(&"line-back"), "{kinds:?}");
    assert_eq!(record.call.end_reason.as_deref(), Some("caller-left"));
}

#[tokio::test]
async fn a_plug_that_stays_out_ends_the_conversation_in_two_seconds() {
    let world = World::start().await;
    let (desk, _gemini) = Desk::talking(&world).await;
    let pulled = Instant::now();
    desk.unplug();
    desk.free().await;
    assert!(pulled.elapsed() >= Duration::from_secs(2));
    world.idle().await;
    assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("line-lost"));
    // Whoever plugs one in an hour later hears nothing of it.
    desk.plug_in();
    until(|| desk.is_ready()).await;
    assert_eq!((desk.knobs.take_earcon(), desk.knobs.ear(), desk.lamp()), (None, Ear::Closed, false));
}

#[tokio::test]
async fn staff_can_end_one() {
    let world = World::start().await;
    let (desk, _gemini) = Desk::talking(&world).await;
    assert!(world.line.calls.conversations().stop(&desk.conversation(), EndReason::Staff));
    assert_eq!(desk.earcon().await, Earcon::End);
    desk.free().await;
    world.idle().await;
    assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("ended-by-staff"));
}

#[tokio::test]
async fn a_daemon_that_stops_ends_it_when_the_time_is_up() {
    let world = World::start().await;
    let (desk, _gemini) = Desk::talking(&world).await;
    let World { supervisor, line, .. } = world;
    let grace = Grace { calls: Duration::ZERO, farewell: Duration::from_secs(20), tasks: Duration::ZERO };
    assert_eq!(supervisor.wind_down(grace).await.calls_cut, 1);
    assert_eq!(desk.earcon().await, Earcon::Sorry);
    desk.free().await;
    line.store.flush().await.unwrap();
    let calls = line.store.calls(CallFilter::default()).await.unwrap();
    assert_eq!(calls[0].end_reason.as_deref(), Some("draining"));
    assert_eq!(line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn a_desk_that_is_stopped_closes_its_record_and_its_ear() {
    let world = World::start().await;
    let (mut desk, mut gemini) = Desk::talking(&world).await;
    let epoch = desk.knobs.epoch();
    say(&mut gemini, &ramp(0, 24_000)).await;
    desk.full().await;
    desk.stop.cancel();
    desk.ended().await.unwrap().unwrap();
    assert_eq!((desk.knobs.ear(), desk.lamp()), (Ear::Closed, false));
    assert_ne!(desk.knobs.epoch(), epoch, "nothing of it is played on");
    world.idle().await;
    assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("draining"));
}

#[tokio::test]
async fn a_task_that_breaks_leaves_a_closed_record_and_its_place() {
    for panics in [false, true] {
        let world = World::start().await;
        let (mut desk, _gemini) = Desk::talking(&world).await;
        if panics {
            desk.break_task();
        } else {
            desk.task.abort_all();
        }
        assert_eq!(desk.ended().await.unwrap_err().is_panic(), panics);
        assert_eq!(world.line.calls.conversations().active(), 0);
        assert_eq!(record(&world).await.call.end_reason.as_deref(), Some("failed: its task broke"));
    }
}

fn remarks(desk: &Desk) -> Vec<String> {
    let DeviceState::Ready(device) = desk.state.device() else { panic!("it runs") };
    device.remarks
}

#[tokio::test]
async fn what_is_told_of_the_device_is_shown() {
    let world = World::start().await;
    let desk = Desk::start(&world, Wake::Button);
    desk.tell(News::Trouble("it is in use; stop the other program".to_owned()));
    let wanted = DeviceState::Absent("it is in use; stop the other program".to_owned());
    until(|| desk.state.device() == wanted).await;
    assert_eq!(desk.state.words().as_deref(), Some("desk: no speakerphone"));

    // Told by another thread than the device itself, and first.
    desk.tell(News::NoButtons("buttons and lamps are not used".to_owned()));
    desk.plug_in();
    for _ in 0..2 {
        desk.tell(News::Remark("its buttons are gone".to_owned()));
    }
    until(|| desk.is_ready()).await;
    until(|| remarks(&desk) == ["buttons and lamps are not used", "its buttons are gone"]).await;
    for told in [News::Buttons, News::NoButtons("not any more".to_owned())] {
        desk.tell(told);
    }
    // Once is enough for each.
    until(|| remarks(&desk) == ["its buttons are gone", "not any more"]).await;
    desk.tell(News::Buttons);
    until(|| remarks(&desk) == ["its buttons are gone"]).await;
    desk.mute(true);
    assert_eq!(desk.state.words().as_deref(), Some("desk: Jabra SPEAK 510, 16/48 kHz, muted"));
    desk.press();
    until(|| desk.is_talking()).await;
    assert_eq!((desk.unmuted(), desk.state.is_muted()), (1, false), "who presses it wants to be heard");
    desk.unplug();
    until(|| !desk.is_ready()).await;
    assert_eq!(desk.state.device(), DeviceState::Absent("it was unplugged".to_owned()));
    desk.plug_in();
    until(|| desk.is_ready()).await;
    assert!(matches!(desk.state.device(), DeviceState::Ready(device) if device.remarks.is_empty()), "of another");
}

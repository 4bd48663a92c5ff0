//! Faults of the line, as the server meets them.

use std::{sync::Arc, time::Duration};

use frontdesk_twilio_sim::{Caller, Fault, Step, StreamEnd};
use tokio::sync::{Notify, mpsc};

use crate::common::{Bridge, LONG, STREAM, quick_sim};

fn stream_only(got: &crate::common::Got) -> String {
    if got.path == "/voice" { STREAM } else { "" }.to_owned()
}

/// A bridge that tells every chunk number and, in the end, how long the longest text was.
async fn counting_bridge() -> (Bridge, mpsc::UnboundedReceiver<u64>) {
    let (tell, told) = mpsc::unbounded_channel();
    let bridge = Bridge::start(stream_only, move |mut peer| {
        let tell = tell.clone();
        async move {
            while let Some(message) = peer.until("media").await {
                let chunk = message["media"]["chunk"].as_str().unwrap();
                tell.send(chunk.parse().unwrap()).unwrap();
            }
        }
    })
    .await;
    (bridge, told)
}

#[tokio::test]
async fn frames_held_back_arrive_complete_and_in_order() {
    let (bridge, mut told) = counting_bridge().await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.caller = Caller::new([
        Step::Pause(Duration::from_millis(100)),
        Step::Fault(Fault::Burst(10)),
        Step::Pause(Duration::from_millis(400)),
        Step::HangUp,
    ]);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    drop(bridge);
    let mut chunks = Vec::new();
    while let Ok(chunk) = told.try_recv() {
        chunks.push(chunk);
    }
    let sent = report.stream().unwrap().frames_sent;
    assert!(sent >= 25, "{sent}");
    assert_eq!(chunks, (1..=sent).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_frozen_caller_is_silent_while_marks_still_come_back() {
    let (frozen, thaw) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (server_frozen, server_thaw) = (frozen.clone(), thaw.clone());
    let bridge = Bridge::start(stream_only, move |mut peer| {
        let (frozen, thaw) = (server_frozen.clone(), server_thaw.clone());
        async move {
            peer.until("start").await;
            frozen.notified().await;
            peer.mark("still there").await;
            peer.until("mark").await.unwrap();
            thaw.notify_one();
            peer.until("stop").await;
        }
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    call.wait_for(|report| !report.streams.is_empty(), LONG).await.unwrap();
    call.inject(Fault::Freeze(LONG));
    frozen.notify_one();
    thaw.notified().await;
    let sent = call.read(|report| report.stream().unwrap().frames_sent);
    call.wait_for(|report| report.stream().unwrap().played >= 3_200, LONG).await.unwrap();
    let later = call.read(|report| report.stream().unwrap().frames_sent);
    assert_eq!(sent, later);
    call.hang_up();
    call.wait_ended(LONG).await.unwrap();
}

#[tokio::test]
async fn a_half_open_socket_tells_the_server_nothing() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let bridge = Bridge::start(stream_only, move |mut peer| {
        let tell = tell.clone();
        async move {
            while peer.next().await.is_some() {}
            tell.send(()).unwrap();
        }
    })
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.caller = Caller::new([Step::Pause(Duration::from_millis(100)), Step::Fault(Fault::HalfOpen)]);
    plan.time_limit = Duration::from_millis(400);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::CallerHungUp));
    assert!(told.try_recv().is_err(), "the server must not notice");
    drop(sim);
    told.recv().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_read_costs_frames_but_not_the_clock() {
    let bridge = Bridge::start(stream_only, |mut peer| async move {
        // Reads the start and then nothing: what follows fills the buffers of both sides.
        peer.until("start").await;
        std::future::pending::<()>().await;
    })
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.caller = Caller::new([Step::Fault(Fault::HugeText(10_000_000))]);
    let call = sim.call(plan);
    call.wait_for(|report| report.alerts.iter().any(|alert| alert.code == 31_930), LONG).await.unwrap();
    let (sent, dropped, played) = call.read(|report| {
        let stream = report.stream().unwrap();
        (stream.frames_sent, stream.frames_dropped, stream.played)
    });
    assert!(dropped > 0);
    assert!(played / 160 >= sent, "the clock went on");
    call.hang_up();
    call.wait_ended(LONG).await.unwrap();
}

#[tokio::test]
async fn the_time_limit_makes_the_caller_hang_up() {
    let (bridge, _told) = counting_bridge().await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.time_limit = Duration::from_millis(300);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::CallerHungUp));
}

//! The daemon without a conversation: what it costs in both modes, and how soon it is there for who presses the button.

use std::time::{Duration, Instant};

use anyhow::ensure;
use frontdesk_room::{RATE, Room};
use frontdesk_tests::daemon::Daemon;
use serde_json::Value;
use tokio::task::block_in_place;

use super::model::Model;
use super::room::Pace;
use super::threads::Threads;
use super::{ATTEMPTS, Effort, Found, SOON, start};

/// The thread of ALSA's `pulse` plugin: a virtual device's, no real one has it.
const DEVICE_THREAD: &str = "threaded-ml";

/// Streams run on for ten seconds behind the last need; a busy machine takes its time.
const RESTS_WITHIN: Duration = Duration::from_secs(30);
/// A room is learnt in that time.
const LEARNS: Duration = Duration::from_secs(5);

/// What was spent while nobody did anything.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Idle {
    /// Per cent of a core, and wake-ups a second, without the virtual device's own thread.
    pub(super) share: f64,
    pub(super) wakeups: f64,
    /// The same of that thread.
    pub(super) device_share: f64,
    pub(super) device_wakeups: f64,
}

/// The daemon without a conversation in both modes, presses of the button, and a self-test behind it.
pub(super) async fn measure(room: &Room, pace: &Pace, effort: Effort, found: &mut Found) -> anyhow::Result<()> {
    let Effort { idle: span, presses, .. } = effort;
    let model = Model::start()?;
    {
        let (daemon, _home) = start(room, &model, "voice").await?;
        tokio::time::sleep(LEARNS).await;
        found.watching = Some(idle(&daemon, span, "while a voice is waited for", &mut found.remarks).await?);
    }
    let (daemon, _home) = start(room, &model, "button").await?;
    stands_by(&daemon).await?;
    found.idle = Some(idle(&daemon, span, "when idle", &mut found.remarks).await?);
    for _ in 0..presses {
        press(room, pace, &daemon, found).await?;
    }
    let metrics = daemon.get("/metrics").await?.1;
    let figure = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let (sum, count) = (figure("frontdesk_desk_rousing_seconds_sum"), figure("frontdesk_desk_rousing_seconds_count"));
    found.rousing = sum.zip(count).filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count * 1_000.0);
    let tested = self_test(&daemon, &mut found.remarks).await?;
    found.tested = tested["echo_reduction"].as_f64();
    found.remarks.push(format!(
        "self-test: loop delay {} ms, microphone {} dBFS, residual {} dBFS, noise {} dBFS",
        tested["loop_delay_ms"], tested["microphone"], tested["residual"], tested["noise"]
    ));
    Ok(())
}

/// What a daemon spends in `span`.
async fn idle(daemon: &Daemon, span: Duration, when: &str, remarks: &mut Vec<String>) -> anyhow::Result<Idle> {
    let (began, before) = (Instant::now(), Threads::of(daemon.pid())?);
    tokio::time::sleep(span).await;
    let (seconds, after) = (began.elapsed().as_secs_f64(), Threads::of(daemon.pid())?);
    remarks.push(format!("per cent of a core {when}: {}", after.shares(&before, seconds)));
    let (all, device) = (after.all_since(&before), after.since(&before, DEVICE_THREAD).unwrap_or_default());
    let share = |nanos: u64| nanos as f64 / seconds / 1e7;
    let often = |sleeps: u64| sleeps as f64 / seconds;
    Ok(Idle {
        share: share(all.nanos.saturating_sub(device.nanos)),
        wakeups: often(all.sleeps.saturating_sub(device.sleeps)),
        device_share: share(device.nanos),
        device_wakeups: often(device.sleeps),
    })
}

async fn stands_by(daemon: &Daemon) -> anyhow::Result<()> {
    daemon.wait_for_json("/v1/desk", RESTS_WITHIN, |desk| desk["standing_by"] == true).await.map(drop)
}

/// A press of the button as the network side sees it, until its first note is heard; and the end of the conversation.
async fn press(room: &Room, pace: &Pace, daemon: &Daemon, found: &mut Found) -> anyhow::Result<()> {
    stands_by(daemon).await?;
    let (from, pressed) = (room.air().now(), super::model::now());
    let (status, begun) = daemon.post("/v1/desk/talk").await?;
    ensure!(status == 201, "no conversation began: {begun}");
    block_in_place(|| room.air().wait_until(from + u64::from(RATE), SOON))?;
    found.pressed.extend(block_in_place(|| super::room::downward(pace, room.air(), from, &[pressed]))?);
    let id = begun["call_sid"].as_str().unwrap_or_default();
    ensure!(daemon.delete(&format!("/v1/calls/{id}")).await? == 202, "the conversation does not end");
    daemon.wait_for_json("/v1/desk", SOON, |desk| desk["talking"] == false).await.map(drop)
}

/// Again after a stall.
async fn self_test(daemon: &Daemon, remarks: &mut Vec<String>) -> anyhow::Result<Value> {
    let mut attempts = 1;
    loop {
        let (status, tested) = daemon.post("/v1/desk/test").await?;
        if status == 200 && tested["echo_reduction"].is_number() {
            return Ok(tested);
        }
        ensure!(attempts < ATTEMPTS, "the self-test answered {status}: {tested}");
        remarks.push(format!("tried again: the self-test answered {status}: {tested}"));
        attempts += 1;
        daemon.wait_for_json("/v1/desk", SOON, |desk| desk["state"] == "ready").await?;
    }
}

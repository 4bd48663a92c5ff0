//! The daemon without a conversation.

use std::time::{Duration, Instant};

use anyhow::ensure;
use frontdesk_room::Room;
use frontdesk_tests::daemon::Daemon;
use serde_json::Value;

use super::model::Model;
use super::threads::Threads;
use super::{ATTEMPTS, Found, SOON, start};

/// The thread of ALSA's `pulse` plugin: a virtual device's, no real one has it.
const DEVICE_THREAD: &str = "threaded-ml";

/// The daemon without a conversation, and a self-test behind it.
pub(super) async fn measure(room: &Room, span: Duration, found: &mut Found) -> anyhow::Result<()> {
    let model = Model::start()?;
    let (daemon, _home) = start(room, &model, "button").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (began, before) = (Instant::now(), Threads::of(daemon.pid())?);
    tokio::time::sleep(span).await;
    let (seconds, after) = (began.elapsed().as_secs_f64(), Threads::of(daemon.pid())?);
    let (all, device) = (after.all_since(&before), after.since(&before, DEVICE_THREAD).unwrap_or_default());
    let share = |nanos: u64| Some(nanos as f64 / seconds / 1e7);
    let often = |sleeps: u64| Some(sleeps as f64 / seconds);
    found.idle = share(all.nanos.saturating_sub(device.nanos));
    found.wakeups = often(all.sleeps.saturating_sub(device.sleeps));
    (found.device_idle, found.device_wakeups) = (share(device.nanos), often(device.sleeps));
    found.remarks.push(format!("per cent of a core when idle: {}", after.shares(&before, seconds)));
    let tested = self_test(&daemon, &mut found.remarks).await?;
    found.tested = tested["echo_reduction"].as_f64();
    found.remarks.push(format!(
        "self-test: loop delay {} ms, microphone {} dBFS, residual {} dBFS, noise {} dBFS",
        tested["loop_delay_ms"], tested["microphone"], tested["residual"], tested["noise"]
    ));
    Ok(())
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

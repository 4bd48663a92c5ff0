//! The daemon is killed, hangs, is stopped.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::world::listen;

use super::Scene;
use crate::guest::{attempt, clock, run, write};
use crate::unit;

const SOON: Duration = Duration::from_mins(1);
/// Twilio's alerts for a webhook that could not be delivered: nobody listens; who listened has just gone.
const NOBODY_THERE: [u32; 3] = [11_202, 11_205, 11_206];
/// The shipped watchdog is patient with slow disks; nobody waits that long here.
const WATCHDOG: &str = "[Service]\nWatchdogSec=6s\n";
const DROP_IN: &str = "/run/systemd/system/frontdeskd.service.d/box-watchdog.conf";

/// It dies at once; systemd starts it again, and the desk is back.
pub(super) async fn killed(scene: &mut Scene) -> anyhow::Result<String> {
    let (old, restarts, began) = (unit::pid()?, unit::restarts()?, clock());
    run(&["kill", "-KILL", &old.to_string()])?;
    let now = unit::replaced(old).await?;
    let took = clock().saturating_sub(began);
    ensure!(unit::restarts()? == restarts + 1, "restarted {} times", unit::restarts()? - restarts);
    scene.desk_is_free().await?;
    Ok(format!("process {old} to {now}, ready again after {:.1} s", took.as_secs_f64()))
}

/// It stands still: nobody but the watchdog notices.
pub(super) async fn hung(scene: &mut Scene) -> anyhow::Result<String> {
    let shipped = unit::show("WatchdogUSec")?;
    ensure!(shipped != "0" && shipped != "infinity", "the unit has no watchdog");
    write(Path::new(DROP_IN), WATCHDOG, 0o644)?;
    run(&["systemctl", "daemon-reload"])?;
    unit::restart()?;
    let (old, cursor, began) = (unit::pid()?, unit::cursor()?, clock());
    run(&["kill", "-STOP", &old.to_string()])?;
    let replaced = unit::replaced(old).await;
    let took = clock().saturating_sub(began);
    let words = unit::journal_since(&cursor)?;
    run(&["rm", DROP_IN])?;
    run(&["systemctl", "daemon-reload"])?;
    replaced?;
    ensure!(words.to_lowercase().contains("watchdog"), "the journal does not speak of the watchdog:\n{words}");
    unit::restart()?;
    scene.desk_is_free().await?;
    Ok(format!("replaced after {:.1} s with a watchdog of 6 s (shipped: {shipped})", took.as_secs_f64()))
}

/// A caller is in conversation when the technician stops it: they are told, and it ends within its time.
pub(super) async fn drained(scene: &mut Scene) -> anyhow::Result<String> {
    let call = scene.clinic.call([listen()]);
    scene
        .api
        .wait_for("/v1/calls?active=true", SOON, |calls| calls["calls"].as_array().is_some_and(|all| all.len() == 1))
        .await?;
    // In conversation: the model greets.
    let greeted = |sessions: &[frontdesk_gemini_sim::SessionReport]| {
        sessions.last().is_some_and(|session| session.open && session.greeted > 0)
    };
    scene.clinic.gemini.wait_for(greeted, SOON).await?;
    let began = clock();
    tokio::task::spawn_blocking(unit::stop).await??;
    let took = clock().saturating_sub(began);
    let report = call.wait_ended(SOON).await?;
    let result = unit::show("Result")?;
    let status = unit::show("ExecMainStatus")?;
    ensure!(result == "success" && status == "0", "it ended with {result}, status {status}");
    // What Twilio reports after the end finds nobody; TwiML that it holds already is what the call goes on with.
    let problems: Vec<_> = report.problems().into_iter().filter(|alert| !NOBODY_THERE.contains(&alert.code)).collect();
    ensure!(problems.is_empty(), "Twilio complains: {problems:?}");
    let handed_over = report.dialled.iter().any(|dial| dial.targets == [FALLBACK]);
    ensure!(handed_over, "the caller did not reach the fallback number: {:?}", report.events);
    let (gone, _) = attempt(&["pidof", "frontdeskd"])?;
    ensure!(!gone, "a process is left");
    unit::start()?;
    scene.desk_is_free().await?;
    Ok(format!("{:.1} s, exit status 0, the caller went on to the fallback number", took.as_secs_f64()))
}

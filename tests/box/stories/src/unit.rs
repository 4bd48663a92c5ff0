//! The daemon as systemd sees it.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::guest::{attempt, run, until};

/// The unit.
pub(crate) const UNIT: &str = "frontdeskd.service";
/// A start, a stop, a restart are over within that; systemd's own limits are shorter.
const PATIENCE: Duration = Duration::from_mins(2);

/// A property, as `systemctl show` prints it.
pub(crate) fn show(property: &str) -> anyhow::Result<String> {
    run(&["systemctl", "show", "--value", "--property", property, UNIT])
}

/// The main process.
pub(crate) fn pid() -> anyhow::Result<u32> {
    let pid: u32 = show("MainPID")?.parse()?;
    ensure!(pid != 0, "the daemon does not run");
    Ok(pid)
}

/// How often systemd has restarted it by itself.
pub(crate) fn restarts() -> anyhow::Result<u32> {
    Ok(show("NRestarts")?.parse()?)
}

/// From exec to READY of the running process.
pub(crate) fn ready_after() -> anyhow::Result<Duration> {
    let at = |property: &str| -> anyhow::Result<u64> { Ok(show(property)?.parse()?) };
    let (exec, ready) = (at("ExecMainStartTimestampMonotonic")?, at("ActiveEnterTimestampMonotonic")?);
    ready.checked_sub(exec).map(Duration::from_micros).context("it became active before it was started")
}

/// Starts it and returns once it is ready; complains with what the journal says if it is not.
pub(crate) fn start() -> anyhow::Result<()> {
    let (good, text) = attempt(&["systemctl", "start", UNIT])?;
    ensure!(good, "it did not start: {text}\n{}", last_words()?);
    Ok(())
}

/// Stops it; returns once it has ended.
pub(crate) fn stop() -> anyhow::Result<()> {
    run(&["systemctl", "stop", UNIT]).map(drop)
}

/// Stops it if it runs, and starts it anew.
pub(crate) fn restart() -> anyhow::Result<()> {
    let _ = attempt(&["systemctl", "reset-failed", UNIT]);
    stop()?;
    start()
}

/// The last lines of its journal.
pub(crate) fn last_words() -> anyhow::Result<String> {
    run(&["journalctl", "--unit", UNIT, "--no-pager", "--output", "cat", "--lines", "12"])
}

/// A place in the journal.
pub(crate) fn cursor() -> anyhow::Result<String> {
    run(&["journalctl", "--sync"])?;
    let text = run(&["journalctl", "--lines", "0", "--show-cursor", "--no-pager"])?;
    let line = text.lines().find_map(|line| line.strip_prefix("-- cursor: ")).context("the journal has no cursor")?;
    Ok(line.to_owned())
}

/// What the unit has written since then.
pub(crate) fn journal_since(cursor: &str) -> anyhow::Result<String> {
    run(&["journalctl", "--sync"])?;
    run(&["journalctl", "--unit", UNIT, "--after-cursor", cursor, "--no-pager", "--output", "cat"])
}

/// Waits for a process other than `old` that is ready.
pub(crate) async fn replaced(old: u32) -> anyhow::Result<u32> {
    until("another process that is ready", PATIENCE, async || {
        let (state, now) = (show("ActiveState")?, show("MainPID")?.parse::<u32>()?);
        Ok((state == "active" && now != 0 && now != old).then_some(now))
    })
    .await
}

/// Waits until it is in this state: `active`, `inactive`, `failed`, `activating`.
pub(crate) async fn becomes(state: &str) -> anyhow::Result<()> {
    until(state, PATIENCE, async || Ok((show("ActiveState")? == state).then_some(()))).await
}

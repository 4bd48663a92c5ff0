//! The package comes, is renewed, and goes.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use super::Scene;
use crate::guest::{attempt, run};
use crate::{clinic, unit};

fn version() -> anyhow::Result<String> {
    run(&["dpkg-query", "--show", "--showformat", "${Version}", "frontdesk"])
}

/// What dpkg says is not as it was shipped; of conffiles nothing was changed by anybody either.
fn altered() -> anyhow::Result<String> {
    attempt(&["dpkg", "--verify", "frontdesk"]).map(|(_, text)| text)
}

/// A technician installs the package, and then gives it its secrets.
pub(super) async fn install(scene: &mut Scene) -> anyhow::Result<String> {
    let package = scene.share.join("debs/now.deb");
    let printed = run(&["dpkg", "--install", &package.display().to_string()])?;
    ensure!(!printed.contains("warning"), "dpkg warns: {printed}");
    ensure!(altered()?.is_empty(), "not as shipped: {}", altered()?);
    let enabled = run(&["systemctl", "is-enabled", unit::UNIT])?;
    let group = run(&["getent", "group", "frontdesk"])?;
    ensure!(!group.is_empty(), "no group frontdesk");
    run(&["getent", "passwd", "frontdesk"])?;

    // As it was installed nobody has told it anything: it stays down, and says what it needs.
    let _ = attempt(&["systemctl", "start", unit::UNIT])?;
    unit::becomes("failed").await?;
    let status = unit::show("ExecMainStatus")?;
    ensure!(status == "78", "exit status {status} instead of 78:\n{}", unit::last_words()?);
    let words = unit::last_words()?;
    ensure!(words.contains("gemini-api-key"), "it does not say which secret is missing:\n{words}");

    scene.clinic.provision()?;
    let _ = attempt(&["systemctl", "reset-failed", unit::UNIT]);
    unit::start()?;
    Ok(format!("{}, {enabled}; unprovisioned it stays down with status 78 and names what is missing", version()?))
}

/// The next version arrives while the daemon runs.
pub(super) async fn upgrade(scene: &mut Scene) -> anyhow::Result<String> {
    unit::start()?;
    let (before, old) = (version()?, unit::pid()?);
    let configured = std::fs::read_to_string(clinic::DROP_IN)?;
    let package = scene.share.join("debs/next.deb");
    run(&["dpkg", "--install", &package.display().to_string()])?;
    let now = unit::replaced(old).await?;
    ensure!(version()? != before, "still {before}");
    ensure!(std::fs::read_to_string(clinic::DROP_IN)? == configured, "the configuration was touched");
    scene.api.wait_for("/health", Duration::from_secs(30), |health| health["status"].is_string()).await?;
    Ok(format!("{before} to {}, process {old} to {now}, configuration kept", version()?))
}

/// Somebody has no use for it any more.
pub(super) async fn purge(_scene: &mut Scene) -> anyhow::Result<String> {
    let printed = run(&["dpkg", "--purge", "frontdesk"])?;
    let state = unit::show("ActiveState")?;
    ensure!(state == "inactive", "it is {state}");
    let (running, _) = attempt(&["pidof", "frontdeskd"])?;
    ensure!(!running, "a process is left");
    let left = [
        "/usr/bin/frontdeskd",
        "/usr/bin/frontdeskctl",
        "/run/frontdesk",
        "/etc/frontdesk",
        "/var/lib/frontdesk",
        "/etc/credstore/gemini-api-key",
    ];
    for path in left {
        ensure!(!Path::new(path).exists(), "{path} is left\n{printed}");
    }
    let (known, text) = attempt(&["dpkg-query", "--status", "frontdesk"])?;
    ensure!(!known, "dpkg still knows it: {text}");
    Ok("no process, no program, no configuration, no records, no secrets".to_owned())
}

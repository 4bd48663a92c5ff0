//! The service as systemd and the technician see it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Scene;
use crate::clinic::{DROP_IN, GEMINI_KEY};
use crate::guest::{attempt, run, until, write};
use crate::unit;

/// From exec to READY, in the machine's own time.
const READY_WITHIN: Duration = Duration::from_millis(1_500);
/// The user nobody, and its group.
const NOBODY: &str = "65534";
/// What `systemd-analyze security` may say.
const EXPOSURE: f64 = 1.5;

/// It starts, quickly, and says how it is: nobody needs a speakerphone for that.
pub(super) async fn ready(_scene: &mut Scene) -> anyhow::Result<String> {
    unit::restart()?;
    let took = unit::ready_after()?;
    ensure!(took <= READY_WITHIN, "READY after {} ms; the goal is {} ms", took.as_millis(), READY_WITHIN.as_millis());
    ensure!(unit::show("Type")?.starts_with("notify"), "systemd is told nothing");
    let status = unit::show("StatusText")?;
    ensure!(status.contains("no calls"), "the status is {status:?}");
    Ok(format!("READY {} ms after exec (goal {} ms), {status:?}", took.as_millis(), READY_WITHIN.as_millis()))
}

/// How exposed the unit is.
pub(super) async fn exposure(_scene: &mut Scene) -> anyhow::Result<String> {
    let (_, text) = attempt(&["systemd-analyze", "security", "--no-pager", unit::UNIT])?;
    let line = text.lines().find(|line| line.contains("Overall exposure level")).context("no score")?;
    let words = line.split(": ").nth(1).context("no score")?;
    let score: f64 = words.split(' ').next().unwrap_or_default().parse()?;
    ensure!(score <= EXPOSURE, "{score}; the goal is {EXPOSURE}");
    Ok(format!("{score} (goal {EXPOSURE})"))
}

/// The secrets are with the service alone: files, memory of others, journal.
pub(super) async fn credentials(_scene: &mut Scene) -> anyhow::Result<String> {
    let pid = unit::pid()?;
    let folder = format!("/run/credentials/{}", unit::UNIT);
    let file = format!("{folder}/gemini-api-key");
    let as_user =
        |user: &str, path: &str| attempt(&["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "cat", path]);
    let (others, text) = as_user(NOBODY, &file)?;
    ensure!(!others, "anybody can read {file}: {} bytes", text.len());
    let (others, _) = as_user(NOBODY, "/etc/credstore/gemini-api-key")?;
    ensure!(!others, "anybody can read the secret's file");
    let (service, text) = as_user("frontdesk", &file)?;
    ensure!(service && text == GEMINI_KEY, "the service cannot read its own");
    let (stored, _) = as_user("frontdesk", "/etc/credstore/gemini-api-key")?;
    ensure!(!stored, "the service can read the stored secret, not only what systemd hands it");
    let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    for (what, bytes) in [("environment", environment), ("arguments", arguments)] {
        ensure!(!String::from_utf8_lossy(&bytes).contains(GEMINI_KEY), "the key is in the process's {what}");
    }
    let journal = run(&["journalctl", "--boot", "--no-pager", "--output", "verbose"])?;
    ensure!(!journal.contains(GEMINI_KEY), "the key is in the journal");
    Ok("read by frontdesk, refused to nobody; in no environment, argument or journal".to_owned())
}

/// A speakerphone is plugged in for the first time: what udev and the unit give to the service, and what it says.
pub(super) async fn devices(scene: &mut Scene) -> anyhow::Result<String> {
    scene.phone.order("plug")?;
    scene.desk_is_free().await?;
    let status = until("a status that names the speakerphone", Duration::from_mins(1), async || {
        let status = unit::show("StatusText")?;
        Ok(status.contains("Box Speakerphone").then_some(status))
    })
    .await?;
    let cards = std::fs::read_to_string("/proc/asound/cards")?;
    ensure!(cards.contains("USB-Audio"), "no card of snd-usb-audio: {cards}");
    let node = run(&["sh", "-c", "ls /dev/hidraw* | head -1"])?;
    let owner = run(&["stat", "--format", "%G %a", &node])?;
    ensure!(owner == "frontdesk 660", "{node} is {owner}");
    let pid = unit::pid()?;
    let open = run(&["ls", "-l", &format!("/proc/{pid}/fd")])?;
    ensure!(open.contains("/dev/hidraw"), "the daemon does not have the buttons open");
    Ok(format!("{node} is {owner}, and open; {status:?}"))
}

/// `systemctl reload`: what is good is taken, what is bad is refused with a reason, and the old goes on.
pub(super) async fn reload(scene: &mut Scene) -> anyhow::Result<String> {
    let pid = unit::pid()?;
    let good = std::fs::read_to_string(DROP_IN)?;
    let cursor = unit::cursor()?;
    scene.clinic.configure("\n[log]\nlevel = \"debug\"\n")?;
    run(&["systemctl", "reload", unit::UNIT])?;
    ensure!(unit::pid()? == pid, "a reload is no restart");
    let words = unit::journal_since(&cursor)?;
    ensure!(words.contains("[log] level"), "it does not say that another log level is in force:\n{words}");

    let cursor = unit::cursor()?;
    scene.clinic.configure("volume_percents = 90\n")?;
    let (taken, _) = attempt(&["systemctl", "reload", unit::UNIT])?;
    ensure!(!taken, "a misspelt key was taken");
    ensure!(unit::pid()? == pid && unit::show("ActiveState")? == "active", "a bad file ended the daemon");
    let words = unit::journal_since(&cursor)?;
    ensure!(words.contains("volume_percents"), "the journal does not name the mistake:\n{words}");
    let status = unit::show("StatusText")?;
    write(Path::new(DROP_IN), &good, 0o644)?;
    run(&["systemctl", "reload", unit::UNIT])?;
    Ok(format!("same process {pid}; refused: {status:?}"))
}

//! The machine: its clock, its programs, and waiting for something.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::time::{ClockId, clock_gettime};

/// How often something is looked at that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(50);

/// Time since the guest's start, as systemd counts it too.
pub(crate) fn clock() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Runs a program to its end: whether it succeeded, and what it printed on both outputs.
pub(crate) fn attempt(words: &[&str]) -> anyhow::Result<(bool, String)> {
    let (program, arguments) = words.split_first().context("no program")?;
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text.trim_end().to_owned()))
}

/// The same, and it must succeed.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<String> {
    match attempt(words)? {
        (true, text) => Ok(text),
        (false, text) => bail!("`{}` failed: {text}", words.join(" ")),
    }
}

/// Looks until `probe` has something, `what` says what for; the limit is in the guest's time.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = clock() + limit;
    loop {
        let seen = probe().await;
        match seen {
            Ok(Some(found)) => return Ok(found),
            Ok(None) if clock() >= deadline => bail!("{what}: not within {limit:?}"),
            Err(error) if clock() >= deadline => return Err(error.context(format!("{what}: not within {limit:?}"))),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Writes a file that only its owner may read, or everybody.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

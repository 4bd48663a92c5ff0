//! What a call has left behind: the appointment, its letter and its entry in the calendar.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use frontdesk_tests::daemon::Daemon;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::table::row;

/// Letter and calendar follow the booking within moments.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);

/// Prints what the call left behind. Returns whether everything is there that a booking leaves.
pub(crate) async fn print(daemon: &Daemon, home: &Path) -> anyhow::Result<bool> {
    println!("\nWhat the call has left behind:\n");
    // Over the holidays the next free time may be weeks away.
    let until = Timestamp::now() + SignedDuration::from_hours(24 * 90);
    let listed = daemon.json(&format!("/v1/appointments?to={until}")).await?;
    let Some(appointment) = listed["appointments"].get(0) else {
        row("appointment", "none was booked");
        return Ok(false);
    };
    let text = |key: &str| appointment[key].as_str().unwrap_or("?").to_owned();
    let reference = text("reference");
    row("appointment", &format!("{reference}, {}", text("state")));
    row("  what, with whom", &format!("{}, {}", text("kind"), text("practitioner")));
    row("  when", &text("from"));
    // Only reminders are left when letter and calendar are done, or have been given up.
    let settled = |outbox: &Value| {
        let mut errands = outbox["errands"].as_array().into_iter().flatten();
        errands.all(|errand| errand["kind"] == "reminder" || errand["state"] == "dead")
    };
    daemon.wait_for_json("/v1/outbox", FOLLOWS_WITHIN, settled).await?;
    let letter = find(&home.join("outbox/new"), "eml", &reference)?;
    let entry = find(home, "ics", &reference)?;
    show("letter", letter.as_ref(), home, &["Subject:", "To:", "Content-Type: text/calendar"]);
    show("calendar", entry.as_ref(), home, &["UID:", "DTSTART", "SUMMARY:"]);
    Ok(letter.is_some() && entry.is_some())
}

/// The first file of that kind in a folder that names the booking.
fn find(folder: &Path, kind: &str, reference: &str) -> anyhow::Result<Option<(PathBuf, String)>> {
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(None) };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == kind) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if text.contains(reference) {
                return Ok(Some((path, text)));
            }
        }
    }
    Ok(None)
}

fn show(what: &str, found: Option<&(PathBuf, String)>, home: &Path, lines: &[&str]) {
    let Some((path, text)) = found else { return row(what, "there is none") };
    row(what, &path.strip_prefix(home).unwrap_or(path).display().to_string());
    for line in text.lines().filter(|line| lines.iter().any(|wanted| line.starts_with(wanted))) {
        println!("      {}", line.trim_end());
    }
}

/// Removes what an earlier rehearsal has left: it would be taken for this one's.
pub(crate) fn clear(home: &Path) -> anyhow::Result<()> {
    let letters = home.join("outbox");
    if letters.exists() {
        std::fs::remove_dir_all(&letters).with_context(|| format!("cannot remove {}", letters.display()))?;
    }
    let feed = home.join("calendar.ics");
    if feed.exists() {
        std::fs::remove_file(&feed).with_context(|| format!("cannot remove {}", feed.display()))?;
    }
    Ok(())
}

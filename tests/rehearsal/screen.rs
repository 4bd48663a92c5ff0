//! The transcript, as it happens.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontdesk_tests::daemon::Daemon;
use frontdesk_twilio_sim::CallHandle;
use serde_json::Value;

/// How often the daemon is asked for news.
const EVERY: Duration = Duration::from_millis(200);

static PRINTED: AtomicUsize = AtomicUsize::new(0);

/// Makes what was printed visible.
pub(crate) fn flush() {
    // A terminal that cannot be written to is no reason to stop.
    let _ = std::io::stdout().flush();
}

/// Prints the turns of a running call as the daemon records them.
pub(crate) async fn follow(daemon: &Daemon, call: &CallHandle) -> anyhow::Result<()> {
    let path = format!("/v1/calls/{}", call.sid());
    let mut ticks = tokio::time::interval(EVERY);
    while !call.read(|report| report.ended) {
        ticks.tick().await;
        let (status, text) = daemon.get(&path).await?;
        if status == 200 {
            print(&serde_json::from_str(&text)?);
        }
    }
    Ok(())
}

/// Prints what was recorded at the very end.
pub(crate) async fn rest(daemon: &Daemon, call: &CallHandle) -> anyhow::Result<()> {
    let path = format!("/v1/calls/{}", call.sid());
    let record = daemon.wait_for_json(&path, Duration::from_secs(5), |call| call["ended_at"].is_string()).await?;
    print(&record);
    Ok(())
}

fn print(record: &Value) {
    let turns = record["transcript"].as_array().map(Vec::as_slice).unwrap_or_default();
    for turn in turns.iter().skip(PRINTED.load(Ordering::Relaxed)) {
        let who = if turn["who"] == "caller" { "Caller" } else { "Agent " };
        let cut = if turn["interrupted"] == true { " -- (interrupted)" } else { "" };
        println!("  {:>5}  {who}  {}{cut}", since(record, turn), turn["text"].as_str().unwrap_or_default());
        flush();
    }
    PRINTED.store(turns.len(), Ordering::Relaxed);
}

/// Minutes and seconds between the call's answer and the turn's first sound.
fn since(record: &Value, turn: &Value) -> String {
    let seconds = |value: &Value| {
        let clock = value.as_str()?.split('T').nth(1)?.trim_end_matches('Z').to_owned();
        let mut parts = clock.split(':').map(|part| part.parse::<f64>().ok());
        Some(parts.next()?? * 3_600.0 + parts.next()?? * 60.0 + parts.next()??)
    };
    let (Some(from), Some(to)) = (seconds(&record["answered_at"]), seconds(&turn["started_at"])) else {
        return String::new();
    };
    let apart = (to - from).rem_euclid(86_400.0) as u64;
    format!("{}:{:02}", apart / 60, apart % 60)
}

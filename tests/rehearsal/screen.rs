//! The transcript, as it happens.

use std::io::Write as _;
use std::time::Duration;

use frontdesk_tests::daemon::Daemon;
use serde_json::Value;
use tokio::time::Instant;

/// How often the daemon is asked for news.
const EVERY: Duration = Duration::from_millis(200);

/// Makes what was printed visible.
pub(crate) fn flush() {
    // A terminal that cannot be written to is no reason to stop.
    let _ = std::io::stdout().flush();
}

/// Prints the turns of a conversation as the daemon records them, until its record is closed.
pub(crate) async fn follow(daemon: &Daemon, id: &str, limit: Duration) -> anyhow::Result<()> {
    let path = format!("/v1/calls/{id}");
    let deadline = Instant::now() + limit;
    let mut ticks = tokio::time::interval(EVERY);
    let mut printed = 0;
    loop {
        ticks.tick().await;
        let (status, text) = daemon.get(&path).await?;
        if status == 200 {
            let record = serde_json::from_str(&text)?;
            printed = print(&record, printed);
            if record["ended_at"].is_string() {
                return Ok(());
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "the conversation {id} did not end within {limit:?}");
    }
}

/// Prints what is new behind the turns that were printed; returns how many there are.
fn print(record: &Value, printed: usize) -> usize {
    let turns = record["transcript"].as_array().map(Vec::as_slice).unwrap_or_default();
    for turn in turns.iter().skip(printed) {
        let who = if turn["who"] == "caller" { "Caller" } else { "Agent " };
        let cut = if turn["interrupted"] == true { " -- (interrupted)" } else { "" };
        println!("  {:>5}  {who}  {}{cut}", since(record, turn), turn["text"].as_str().unwrap_or_default());
        flush();
    }
    turns.len()
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
    // Past midnight it goes on; and whoever begins a conversation by speaking did so before it was begun.
    let apart = if to < from && from - to < 43_200.0 { 0 } else { (to - from).rem_euclid(86_400.0) as u64 };
    format!("{}:{:02}", apart / 60, apart % 60)
}

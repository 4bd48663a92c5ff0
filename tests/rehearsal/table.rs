//! What the call was like, measured at the caller's ear.

use std::time::Duration;

use frontdesk_tests::daemon::Daemon;
use frontdesk_twilio_sim::{CallReport, StreamReport, span};

use crate::script::Script;

/// A hole in a reply up to that long is a fault; a longer one is a pause between replies.
const HOLE: Duration = Duration::from_millis(150);
/// Sound counts from this level on.
const AUDIBLE: f32 = -45.0;

/// Prints the closing table. Returns whether the call was good.
pub(crate) async fn print(daemon: &Daemon, report: &CallReport, script: &Script) -> anyhow::Result<bool> {
    let record = daemon.json(&format!("/v1/calls/{}", report.sid)).await?;
    println!("\nWhat the caller's ear says:\n");
    let Some(stream) = report.stream() else {
        println!("  The call had no media stream. What Twilio's debugger would show:");
        for alert in &report.alerts {
            println!("    {alert}");
        }
        return Ok(false);
    };
    let heard = stream.heard();
    row("first sound after the call was answered", &milliseconds(stream.first_audio));
    let gaps = turn_gaps(stream);
    row("turn gaps, caller's last sound to agent's first", &list(&gaps));
    let stop = stream.utterances.get(script.interruption).and_then(|said| stop_after(stream, said.span.start));
    row("barge-in, caller's first sound to agent's silence", &milliseconds(stop));
    row("audio lost on the way to the model", &format!("{} frames of {}", stream.frames_dropped, stream.frames_sent));
    row("holes in the agent's speech", &heard.underruns(HOLE).len().to_string());
    row("speech cut at the end", &format!("{} ms", span(stream.unplayed as u64).as_millis()));
    row("ended", record["end_reason"].as_str().unwrap_or("not yet"));
    for problem in report.problems() {
        row("Twilio would complain", &problem.to_string());
    }
    for wait in &report.gave_up {
        row("the caller waited in vain", wait);
    }
    let good = report.problems().is_empty() && stream.frames_dropped == 0 && !gaps.is_empty();
    Ok(good && record["end_reason"] == "agent-ended")
}

pub(crate) fn row(what: &str, value: &str) {
    println!("  {what:<50}  {value}");
}

pub(crate) fn milliseconds(span: Option<Duration>) -> String {
    span.map_or_else(|| "none".to_owned(), |span| format!("{} ms", span.as_millis()))
}

pub(crate) fn list(spans: &[Duration]) -> String {
    let texts: Vec<String> = spans.iter().map(|span| span.as_millis().to_string()).collect();
    if texts.is_empty() { "none".to_owned() } else { format!("{} ms", texts.join(", ")) }
}

/// From the end of each of the caller's lines to the next audible sound of the agent's.
fn turn_gaps(stream: &StreamReport) -> Vec<Duration> {
    let heard = stream.heard().pcm;
    let onset = |from: usize| {
        let frames = heard.get(from..)?.chunks(80);
        frames.map(frontdesk_voice::measure::rms_dbfs).position(|level| level > AUDIBLE).map(|at| from + at * 80)
    };
    let lines = stream.utterances.iter().filter(|said| said.finished);
    let ends = lines.map(|said| said.span.end as usize);
    ends.filter_map(|end| onset(end).map(|at| span((at - end) as u64))).collect()
}

/// How long after `onset` the agent was silent, for half a second at least.
fn stop_after(stream: &StreamReport, onset: u64) -> Option<Duration> {
    let heard = stream.heard().pcm;
    let frames: Vec<bool> =
        heard.get(onset as usize..)?.chunks(80).map(|pcm| frontdesk_voice::measure::rms_dbfs(pcm) > AUDIBLE).collect();
    let silence = frames.windows(50).position(|window| window.iter().all(|&audible| !audible))?;
    Some(span(silence as u64 * 80))
}

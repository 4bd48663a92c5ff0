//! One call, told line by line.

use std::{path::Path, time::Duration};

use anyhow::Context;
use frontdesk_twilio_sim::{CallHandle, CallReport, CallState, StreamReport, TwilioSim, span};
use frontdesk_voice::{measure::rms_dbfs, wav};

use crate::{args::Args, say};

/// Holes longer than this are pauses between turns.
const LONGEST_UNDERRUN: Duration = Duration::from_millis(400);

pub(crate) async fn run(args: &Args) -> anyhow::Result<bool> {
    let sim = TwilioSim::start(args.settings()).await?;
    say(&format!("rest      {}", sim.api_base()));
    let report = call(&sim, args).await?;
    Ok(summary(&report))
}

/// As [`run`], then keeps the REST interface open until interrupted, so that a client can look at the ended call.
pub(crate) async fn serve(args: &Args) -> anyhow::Result<bool> {
    let sim = TwilioSim::start(args.settings()).await?;
    say(&format!("rest      {}", sim.api_base()));
    let until_interrupted = async {
        summary(&call(&sim, args).await?);
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        failed = until_interrupted => failed?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(true)
}

async fn call(sim: &TwilioSim, args: &Args) -> anyhow::Result<CallReport> {
    let handle = sim.call(args.plan()?);
    say(&format!("call      {}", handle.sid()));
    let limit = Duration::from_secs(args.time_limit + 60);
    let mut told = 0;
    loop {
        let news = |report: &CallReport| report.ended || report.events.len() > told;
        handle.wait_for(news, limit).await?;
        told = tell(&handle, told);
        if handle.read(|report| report.ended) {
            break;
        }
    }
    let report = handle.report();
    if let Some(file) = &args.record {
        let stream = report.stream().context("there was no stream to record")?;
        record(file, stream)?;
    }
    Ok(report)
}

/// Prints what happened since event number `from`; returns the number of events told.
fn tell(handle: &CallHandle, from: usize) -> usize {
    let events = handle.read(|report| report.events[from..].to_vec());
    for event in &events {
        say(&format!("{:8.3}  {}", event.at.as_secs_f64(), event.what));
    }
    from + events.len()
}

fn record(file: &Path, stream: &StreamReport) -> anyhow::Result<()> {
    wav::write_stereo(file, &stream.spoken(), &stream.heard().pcm, 8_000)
        .with_context(|| format!("cannot write {}", file.display()))?;
    say(&format!("recorded  {}", file.display()));
    Ok(())
}

/// Prints the figures; whether the call was good.
fn summary(report: &CallReport) -> bool {
    say("");
    say(&format!("state           {}", report.state));
    for stream in &report.streams {
        stream_summary(stream);
    }
    for dialled in &report.dialled {
        say(&format!("dialled         {} ({})", dialled.targets.join(", "), dialled.status));
    }
    let faults = faults(report);
    for fault in &faults {
        say(&format!("FAULT           {fault}"));
    }
    say(if faults.is_empty() { "good" } else { "bad" });
    faults.is_empty()
}

fn stream_summary(stream: &StreamReport) {
    let heard = stream.heard();
    let ms = |d: Duration| format!("{:.0} ms", d.as_secs_f64() * 1_000.0);
    say(&format!("stream          {}", stream.sid));
    let first = stream.first_audio.map_or_else(|| "never".to_owned(), ms);
    say(&format!("  first audio   {first} after the handshake"));
    let audible: u64 = stream.runs.iter().map(|run| run.to - run.from).sum();
    let level = rms_dbfs(&heard.pcm);
    say(&format!("  played        {} at {level:.0} dBFS overall", ms(span(audible))));
    let holes = heard.underruns(LONGEST_UNDERRUN);
    let longest = holes.iter().map(|hole| hole.end - hole.start).max().unwrap_or(0);
    say(&format!("  underruns     {} (longest {})", holes.len(), ms(span(longest))));
    say(&format!("  largest lead  {}", ms(span(stream.largest_lead as u64))));
    for (n, delay) in stream.barge_in_delays().into_iter().enumerate() {
        let shown = delay.map_or_else(|| "no clear".to_owned(), ms);
        say(&format!("  barge-in {n}    {shown} from onset to clear"));
    }
}

fn faults(report: &CallReport) -> Vec<String> {
    let mut faults: Vec<String> = report.problems().iter().map(ToString::to_string).collect();
    faults.extend(report.gave_up.iter().map(|what| format!("the caller waited in vain for {what}")));
    if report.state != CallState::Completed {
        faults.push(format!("the call ended as {}", report.state));
    }
    if report.streams.iter().any(|stream| stream.bytes_received == 0) {
        faults.push("a stream stayed silent".into());
    }
    faults
}

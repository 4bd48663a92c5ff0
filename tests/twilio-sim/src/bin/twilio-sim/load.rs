//! Many calls at once, one line of figures each second.

use std::time::Duration;

use frontdesk_twilio_sim::{CallHandle, CallReport, CallState, TwilioSim};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{args::Args, say};

pub(crate) async fn run(args: &Args) -> anyhow::Result<bool> {
    let sim = TwilioSim::start(args.settings()).await?;
    say(&format!("rest      {}", sim.api_base()));
    let mut plan = args.plan()?;
    plan.record_audio = false;
    let mut begin = interval(Duration::from_secs(1) / args.calls_per_second.max(1));
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut calls: Vec<CallHandle> = Vec::with_capacity(args.calls);
    let began = Instant::now();
    while calls.len() < args.calls || calls.iter().any(|call| !call.read(|r| r.ended)) {
        tokio::select! {
            _ = begin.tick(), if calls.len() < args.calls => calls.push(sim.call(plan.clone())),
            _ = second.tick() => say(&Figures::of(&calls).line(began.elapsed())),
        }
    }
    let figures = Figures::of(&calls);
    say(&figures.line(began.elapsed()));
    Ok(figures.failed == 0 && figures.silent == 0)
}

/// Sums over all calls.
#[derive(Debug, Default)]
struct Figures {
    running: usize,
    ended: usize,
    failed: usize,
    silent: usize,
    sent: u64,
    dropped: u64,
    received: u64,
    alerts: usize,
}

impl Figures {
    fn of(calls: &[CallHandle]) -> Self {
        let mut sum = Self::default();
        for call in calls {
            call.read(|report| sum.add(report));
        }
        sum
    }

    fn add(&mut self, report: &CallReport) {
        if report.ended {
            self.ended += 1;
            self.failed += usize::from(report.state != CallState::Completed);
            self.silent += usize::from(report.streams.iter().all(|s| s.bytes_received == 0));
        } else {
            self.running += 1;
        }
        self.alerts += report.problems().len();
        for stream in &report.streams {
            self.sent += stream.frames_sent;
            self.dropped += stream.frames_dropped;
            self.received += stream.media_received;
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        format!(
            "{:6.1} s  {} running, {} ended ({} failed, {} silent); frames: {} sent, {} dropped, {} received; {} alerts",
            elapsed.as_secs_f64(),
            self.running,
            self.ended,
            self.failed,
            self.silent,
            self.sent,
            self.dropped,
            self.received,
            self.alerts
        )
    }
}

//! Every figure of the design's "Cost" beside its goal and beside a bridge without duties, measured in the same run.
//!
//! ```text
//!  bench ──starts──► load (caller and model simulators) ──calls──► frontdeskd or trivial-bridge ──wss──► load
//! ```
//!
//! Both bridges take turns under the same load, several rounds, and medians count: the machine is shared. CPU is that of
//! the bridge's process alone. What resampling and coding cost per frame is told by `media_cost` of frontdesk-core.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod bridge;
mod desk;
mod machine;
mod memory;
mod protocol;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::ensure;
use clap::Parser;
use frontdesk_core::audio::resample::Resampler;
use frontdesk_core::units::SampleRate;

use bridge::{Bridge, Load, Which};
use protocol::{Order, Outcome, Quantiles};
use table::Row;

/// At this many calls delays, webhooks and interruptions have their goals.
const TYPICAL: usize = 100;
/// At this many calls the last goals hold.
const FULL: usize = 500;

/// Measures the daemon beside a bridge without duties. Build with --release.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Arguments {
    /// Simultaneous calls, one run each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 50, 100, 250, 500])]
    calls: Vec<usize>,
    /// Length of each measurement, once all calls talk.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A short run of few calls that asserts that the bench works and nothing is lost, without goals.
    #[arg(long)]
    quick: bool,
    /// Only the desk's figures.
    #[arg(long, conflicts_with = "no_desk")]
    desk: bool,
    /// Without the desk's figures: they need pulseaudio and espeak-ng.
    #[arg(long)]
    no_desk: bool,
    /// How long the desk's sound is watched while all cores are loaded.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// One bridge's runs with so many calls.
#[derive(Default)]
struct Runs {
    outcomes: Vec<Outcome>,
    ready_ms: Vec<f64>,
    idle_kib: Vec<f64>,
    /// From an interruption read to its `clear` written, as the bridge itself counts it: a bound of the 99th percentile.
    cleared_ms: Vec<f64>,
}

type Side = BTreeMap<usize, Runs>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        (arguments.calls, arguments.seconds, arguments.rounds) = (vec![1, 8], 18.0, 1);
        arguments.minutes = 0.0;
    }
    if arguments.desk {
        arguments.calls.clear();
    }
    let (mut ours, mut trivial) = (Side::new(), Side::new());
    for round in 0..arguments.rounds {
        for &calls in &arguments.calls {
            // Whoever is second meets a warmer machine: they take turns.
            let order = if round % 2 == 0 { [Which::Trivial, Which::Ours] } else { [Which::Ours, Which::Trivial] };
            for which in order {
                let side = if which == Which::Ours { &mut ours } else { &mut trivial };
                measure(&arguments, which, calls, side.entry(calls).or_default()).await?;
            }
        }
    }
    let mut rows = if arguments.desk { Vec::new() } else { rows(&arguments.calls, &ours, &trivial) };
    let mut remarks = remarks(&ours, &trivial);
    let mut failed = Vec::new();
    if !arguments.no_desk {
        let desk = desk::measure(effort(&arguments)).await;
        failed = desk.failed;
        if arguments.quick {
            let missing = desk.rows.iter().filter(|row| row.ours().is_none());
            failed.extend(missing.map(|row| format!("{row:?}")));
        }
        rows.extend(desk.rows);
        remarks.extend(desk.remarks);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{}\n{}", machine(), table::text(&rows));
        println!("{}", remarks.join("\n"));
    }
    ensure!(failed.is_empty(), "not measured:\n{}", failed.join("\n"));
    if arguments.quick { check(&ours) } else { Ok(()) }
}

async fn measure(arguments: &Arguments, which: Which, calls: usize, runs: &mut Runs) -> anyhow::Result<()> {
    let mut load = Load::start(calls)?;
    let bridge = Bridge::start(which, &load.offer, calls).await?;
    let typical = calls == TYPICAL || arguments.quick;
    let order = Order {
        bridge: bridge.address,
        pid: bridge.pid(),
        calls,
        seconds: arguments.seconds,
        webhooks: if typical { 2 * calls } else { 0 },
        interrupt_seconds: if typical { arguments.seconds } else { 0.0 },
    };
    let outcome = load.run(&order)?;
    progress(which, &outcome);
    runs.outcomes.push(outcome);
    runs.cleared_ms.extend(bridge.cleared_ms().await?);
    runs.ready_ms.push(bridge.ready.as_secs_f64() * 1e3);
    runs.idle_kib.push(bridge.idle_kib as f64);
    Ok(())
}

/// One line per run on standard error: a whole bench takes a while.
fn progress(which: Which, outcome: &Outcome) {
    let p99 = |spread: Option<Quantiles>| spread.map_or(f64::NAN, |spread| spread.p99 / 1e3);
    let line = format!(
        "{which:?} {} calls: {:.2} ms per call-second, p99 up {:.2} ms, down {:.2} ms, machine {:.0} % busy, {} faults",
        outcome.calls,
        cpu(outcome),
        p99(outcome.up),
        p99(outcome.down),
        outcome.busy * 100.0,
        outcome.faults.len(),
    );
    // Whoever reads only the table has closed it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Milliseconds of CPU per call-second.
fn cpu(outcome: &Outcome) -> f64 {
    outcome.bridge_cpu / outcome.seconds / outcome.calls as f64 * 1e3
}

/// What these runs cost beside those of the other bridge. Each run has its pair right before or behind it, so that a
/// machine that is slower for a minute is so for both.
fn beside(runs: &Runs, others: &Runs) -> Option<f64> {
    let pairs = runs.outcomes.iter().zip(&others.outcomes);
    median(pairs.map(|(one, other)| cpu(one) / cpu(other)).collect())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

impl Runs {
    fn median(&self, figure: impl Fn(&Outcome) -> Option<f64>) -> Option<f64> {
        median(self.outcomes.iter().filter_map(figure).collect())
    }

    fn most(&self, figure: impl Fn(&Outcome) -> f64) -> Option<f64> {
        self.outcomes.iter().map(figure).max_by(f64::total_cmp)
    }
}

fn rows(calls: &[usize], ours: &Side, trivial: &Side) -> Vec<Row> {
    let mut rows = Vec::new();
    for calls in calls {
        let (Some(ours), Some(trivial)) = (ours.get(calls), trivial.get(calls)) else { continue };
        let mut add = |name: &str, unit, goal, figure: &dyn Fn(&Runs) -> Option<f64>| {
            rows.push(Row::new(format!("{calls} calls: {name}"), unit, goal, figure(ours), figure(trivial)));
        };
        add("CPU per call-second", "ms", None, &|runs| runs.median(|outcome| Some(cpu(outcome))));
        add("CPU beside trivial, pair by pair", "", Some(1.3), &|runs| beside(runs, trivial));
        add("caller's samples lost", "share", Some(0.0), &|runs| runs.most(|outcome| outcome.lost));
        add("utterances and replies not whole", "", Some(0.0), &|runs| runs.most(|outcome| outcome.incomplete as f64));
        add("underruns", "", Some(0.0), &|runs| runs.most(|outcome| outcome.underruns as f64));
        let goals = match *calls {
            TYPICAL => [Some(0.2), None, Some(2.0)],
            FULL => [None, Some(15.0), None],
            _ => [None; 3],
        };
        delays(&mut add, "caller to model", goals, |outcome| outcome.up);
        delays(&mut add, "model to caller", goals, |outcome| outcome.down);
        if ours.outcomes.iter().any(|outcome| outcome.webhook_again.is_some()) {
            let goals = [None, Some(5.0), None];
            delays(&mut add, "voice webhook, new call", goals, |outcome| outcome.webhook);
            delays(&mut add, "voice webhook, repeated", goals, |outcome| outcome.webhook_again);
            delays(&mut add, "interrupted to clear, from outside", [None; 3], |outcome| outcome.clear);
            add("interrupted read to clear written, p99 up to", "ms", Some(1.0), &|runs| {
                median(runs.cleared_ms.clone())
            });
        }
        let goal = if *calls >= TYPICAL { Some(150.0) } else { None };
        add("resident per call", "KiB", goal, &|runs| {
            let idle = median(runs.idle_kib.clone())?;
            runs.median(|outcome| Some((outcome.rss_kib as f64 - idle) / outcome.calls as f64))
        });
    }
    let all = |side: &Side, values: fn(&Runs) -> &Vec<f64>| median(side.values().flat_map(values).copied().collect());
    let idle = |side: &Side| all(side, |runs| &runs.idle_kib).map(|kib| kib / 1024.0);
    rows.push(Row::new("resident, idle", "MiB", Some(16.0), idle(ours), idle(trivial)));
    let ready = |side: &Side| all(side, |runs| &runs.ready_ms);
    rows.push(Row::new("ready after", "ms", Some(150.0), ready(ours), ready(trivial)));
    let held = |side: &Side| {
        median(side.values().flat_map(|runs| &runs.outcomes).filter_map(|outcome| outcome.up_filter_ms).collect())
    };
    rows.push(Row::new("resampler holds, 8 to 16 kHz (seen)", "ms", Some(3.0), held(ours), held(trivial)));
    let down = Resampler::new(SampleRate::SPEAKING, SampleRate::TELEPHONY).delay().as_secs_f64() * 1e3;
    rows.push(Row::new("resampler holds, 24 to 8 kHz (told)", "ms", Some(3.0), Some(down), None));
    rows
}

type Add<'a> = dyn FnMut(&str, &'static str, Option<f64>, &dyn Fn(&Runs) -> Option<f64>) + 'a;

/// The quantiles of a delay that somebody may want to know.
fn delays(add: &mut Add<'_>, what: &str, goals: [Option<f64>; 3], spread: fn(&Outcome) -> Option<Quantiles>) {
    type Quantile = fn(Quantiles) -> f64;
    let quantiles: [(&str, Quantile); 3] =
        [("p50", |spread| spread.p50), ("p95", |spread| spread.p95), ("p99", |spread| spread.p99)];
    for ((name, quantile), goal) in quantiles.into_iter().zip(goals) {
        add(&format!("{what}, {name}"), "ms", goal, &|runs| {
            runs.median(|outcome| spread(outcome).map(|spread| quantile(spread) / 1e3))
        });
    }
}

/// What was measured on.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{cores} x {}, Linux {}, load {}",
        model.map_or(std::env::consts::ARCH, |(_, name)| name),
        kernel.trim(),
        load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    )
}

/// What the table does not say: how busy everybody else was, and what went wrong.
fn remarks(ours: &Side, trivial: &Side) -> Vec<String> {
    let mut remarks = Vec::new();
    for (name, side) in [("ours", ours), ("trivial", trivial)] {
        for (calls, runs) in side {
            let share = |figure: fn(&Outcome) -> f64| runs.median(|outcome| Some(figure(outcome))).unwrap_or(0.0);
            let busy = share(|outcome| outcome.busy) * 100.0;
            let load = share(|outcome| outcome.load_cpu / outcome.seconds);
            let bridge = share(|outcome| outcome.bridge_cpu / outcome.seconds);
            let talk = [share(|outcome| outcome.talk[0]), share(|outcome| outcome.talk[1])].map(|talk| talk * 100.0);
            let full = if busy > 90.0 { "; the machine was full: delays are its own" } else { "" };
            remarks.push(format!(
                "{name}, {calls} calls: bridge {bridge:.2} cores, simulators {load:.2}, machine {busy:.0} % busy; callers \
                 spoke {:.0} %, agents {:.0} %{full}",
                talk[0], talk[1]
            ));
            let faults: Vec<&String> = runs.outcomes.iter().flat_map(|outcome| &outcome.faults).collect();
            remarks.extend(faults.iter().take(5).map(|fault| format!("  {fault}")));
            if faults.len() > 5 {
                remarks.push(format!("  and {} more", faults.len() - 5));
            }
        }
    }
    remarks
}

fn effort(arguments: &Arguments) -> desk::Effort {
    let seconds = std::time::Duration::from_secs;
    if arguments.quick {
        return desk::Effort { turns: 1, loaded: std::time::Duration::from_millis(1), idle: seconds(2), presses: 1 };
    }
    let loaded = std::time::Duration::from_secs_f64(arguments.minutes * 60.0);
    desk::Effort { turns: 8, loaded, idle: seconds(20), presses: 3 }
}

/// Whether a short run found everything in order.
fn check(ours: &Side) -> anyhow::Result<()> {
    for outcome in ours.values().flat_map(|runs| &runs.outcomes) {
        ensure!(outcome.faults.is_empty(), "{} calls: {:?}", outcome.calls, outcome.faults);
        ensure!(outcome.lost == 0.0 && outcome.incomplete == 0 && outcome.underruns == 0, "{outcome:?}");
        ensure!(outcome.utterances > 0 && outcome.replies > 0 && outcome.bridge_cpu > 0.0, "{outcome:?}");
        ensure!(outcome.up.is_some() && outcome.down.is_some() && outcome.clear.is_some(), "{outcome:?}");
    }
    Ok(())
}

//! The desk's sound, as its audio threads count it: read from their atomics when somebody asks, so that a scrape costs
//! them nothing.
//!
//! | `frontdesk_desk_…` | what |
//! |---|---|
//! | `device_present` | 1 while a speakerphone runs |
//! | `standing_by`, `standbys_total` | 1 while nobody needs its sound and its streams stand still; times that this began |
//! | `rousing_seconds` | from the need for such streams to the first sound heard |
//! | `device_opened_total` | times one was opened: more than once is a cable, a hub, or a device that fails |
//! | `xruns_total{direction}` | `capture`: overruns, `playout`: underruns |
//! | `gaps_total` | stretches of captured sound that never arrived; USB loses them without an xrun |
//! | `stalls_total` | endpoints that stood still without an error |
//! | `starved_blocks_total` | blocks of silence played because the signal processing had nothing ready |
//! | `capture_dropped_blocks_total`, `heard_dropped_blocks_total` | sound dropped before the signal processing, behind it |
//! | `rt_lateness_seconds`, `rt_work_seconds` | the real-time thread: how late it woke, how long one turn took |
//! | `playout_fill_seconds` | what was still to be played when it woke |
//! | `dsp_work_seconds` | the signal processing of one block of 10 ms |
//! | `echo_reduction_decibels` | how much of the echo the canceller takes away |
//! | `taking_turns`, `turns_taken_total` | 1 while the canceller fails and the microphone closes under the agent; changes of it |
//! | `rate_hertz{direction}` | the device's clock, measured by ours |

use std::sync::Arc;

use frontdesk_hw::figures::{Figures, Spread};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::process::{counter, gauge};

/// The sound of a desk that is configured.
pub struct Sound {
    /// What its audio threads count.
    pub figures: &'static Figures,
    /// Whether a device runs.
    pub present: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sound").field("figures", self.figures).finish_non_exhaustive()
    }
}

impl Collector for Sound {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (figures, to) = (self.figures, &mut encoder);
        let present = (self.present)();
        gauge(to, "desk_device_present", "1 while a speakerphone runs", None, u64::from(present))?;
        let xruns = [("capture", figures.overruns.read()), ("playout", figures.underruns.read())];
        by_direction(to, "desk_xruns", "Sound lost because a buffer ran over or dry, by direction", xruns)?;
        for (name, help, count) in [
            ("desk_device_opened", "Times a speakerphone was opened", &figures.opened),
            ("desk_standbys", "Times the device's streams began to stand by", &figures.standbys),
            ("desk_turns_taken", "Changes between talking over each other and taking turns", &figures.turns_taken),
            ("desk_gaps", "Stretches of captured sound that never arrived", &figures.gaps),
            ("desk_stalls", "Endpoints that stood still without an error", &figures.stalls),
            ("desk_starved_blocks", "Blocks of silence played because nothing was ready", &figures.starved),
            (
                "desk_capture_dropped_blocks",
                "Captured blocks that the signal processing did not take in time",
                &figures.capture_dropped,
            ),
            (
                "desk_heard_dropped_blocks",
                "Heard blocks that the conversation did not take in time",
                &figures.heard_dropped,
            ),
        ] {
            counter(to, name, help, count.read())?;
        }
        for (name, help, spread) in [
            ("desk_rt_lateness", "From a complete period to the real-time thread's waking", &figures.rt_lateness),
            ("desk_rt_work", "One turn of the real-time thread", &figures.rt_work),
            ("desk_playout_fill", "What was still to be played when it woke", &figures.playout_fill),
            ("desk_rousing", "From the need for streams that stood by to the first sound heard", &figures.rousing),
            ("desk_dsp_work", "Signal processing of one block of 10 ms", &figures.dsp_work),
        ] {
            histogram(to, name, help, spread)?;
        }
        let standing_by = u64::from(present && figures.standing_by.is_set());
        gauge(to, "desk_standing_by", "1 while nobody needs the speakerphone's sound", None, standing_by)?;
        // Without a device the gauges show what the last one told.
        if present { measured(to, figures) } else { Ok(()) }
    }
}

/// What is measured at a device that runs; rates only when they are known.
fn measured(to: &mut DescriptorEncoder<'_>, figures: &Figures) -> std::fmt::Result {
    let reduction = ConstGauge::new(f64::from(figures.erle.read()));
    let (help, unit) = ("How much of the echo the canceller takes away", Unit::Other("decibels".to_owned()));
    reduction.encode(to.encode_descriptor("desk_echo_reduction", help, Some(&unit), reduction.metric_type())?)?;
    let turns = u64::from(figures.taking_turns.read() > 0.5);
    gauge(
        to,
        "desk_taking_turns",
        "1 while the echo canceller fails and people take turns with the agent",
        None,
        turns,
    )?;
    let rates = [("capture", &figures.capture_rate), ("playout", &figures.playout_rate)];
    let known: Vec<_> = rates.into_iter().filter(|(_, rate)| rate.read() > 0.0).collect();
    if known.is_empty() {
        return Ok(());
    }
    let (help, unit) = ("The device's clock, measured by ours", Unit::Other("hertz".to_owned()));
    let mut family = to.encode_descriptor("desk_rate", help, Some(&unit), MetricType::Gauge)?;
    for (direction, rate) in known {
        let rate = ConstGauge::new(f64::from(rate.read()));
        rate.encode(family.encode_family(&[("direction", direction)])?)?;
    }
    Ok(())
}

fn by_direction(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: [(&'static str, u64); 2],
) -> std::fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (direction, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[("direction", direction)])?)?;
    }
    Ok(())
}

/// One bucket an octave, from 2 µs on, of the two that are counted.
fn histogram(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, spread: &Spread) -> std::fmt::Result {
    let counted: Vec<_> = spread.read().collect();
    let octaves = counted.chunks(2).filter_map(|halves| {
        let (bound, _) = halves.last()?;
        Some((bound.as_secs_f64(), halves.iter().map(|(_, count)| count).sum()))
    });
    let mut buckets: Vec<(f64, u64)> = octaves.collect();
    // The last one holds whatever took longer as well.
    if let Some((bound, _)) = buckets.last_mut() {
        *bound = f64::INFINITY;
    }
    // Added up from what was just read: what is counted meanwhile must not make the total disagree.
    let total = buckets.iter().map(|(_, count)| count).sum();
    let mut encoder = to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    encoder.encode_histogram::<NoLabelSet>(spread.sum().as_secs_f64(), total, &buckets, None)
}

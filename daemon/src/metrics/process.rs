//! What is read only when somebody asks: the process's own size, and what the store had to drop.

use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::clock::Clock;
use crate::store::{Keeping, Store};

/// Start, memory and open files of this process. What the system does not tell is left out.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) started: Instant,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        // By the clock of now: at the start it may not have been set yet.
        let started = ConstGauge::new(Clock::read().civil(self.started).as_duration().as_secs_f64());
        let help = "When the daemon started, since 1970";
        let seconds = encoder.encode_descriptor("start_time", help, Some(&Unit::Seconds), started.metric_type())?;
        started.encode(seconds)?;
        if let Some(bytes) = resident_bytes() {
            gauge(
                &mut encoder,
                "resident_memory",
                "Memory in use, as the system counts it",
                Some(&Unit::Bytes),
                bytes,
            )?;
        }
        if let Some(files) = open_files() {
            gauge(&mut encoder, "open_files", "Files and sockets that are open", None, files)?;
        }
        Ok(())
    }
}

/// Records that are not in the store though they should be.
#[derive(Debug)]
pub(super) struct Records(pub(super) Store);

impl Collector for Records {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Self(store) = self;
        let in_memory = "1 while calls are kept in memory only, because the store's file cannot be used";
        gauge(&mut encoder, "store_in_memory", in_memory, None, u64::from(store.keeping() == Keeping::Memory))?;
        let waiting = "Records that are not on the disk yet";
        gauge(&mut encoder, "store_records_waiting", waiting, None, store.waiting_records() as u64)?;
        let dropped = "Records dropped because the disk did not keep up";
        counter(&mut encoder, "store_records_dropped", dropped, store.dropped_records())?;
        counter(&mut encoder, "store_records_failed", "Records that could not be written", store.failed_records())
    }
}

/// Errands that should be done and are not.
#[derive(Debug)]
pub(super) struct Outbox(pub(super) Store);

impl Collector for Outbox {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Self(store) = self;
        gauge(&mut encoder, "outbox_waiting", "Errands that should be done by now", None, store.errands_waiting())?;
        gauge(&mut encoder, "outbox_dead", "Errands that were given up: staff must look", None, store.errands_dead())?;
        let now = Clock::read();
        let age = store.oldest_errand_age(now.civil(now.instant()));
        let help = "For how long the oldest errand has been wanted that is not done";
        gauge(&mut encoder, "outbox_oldest_age", help, Some(&Unit::Seconds), age)
    }
}

pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> std::fmt::Result {
    let gauge = ConstGauge::new(value as i64);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

pub(super) fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> std::fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

/// `VmRSS` of proc(5), which unlike `statm` does not depend on the size of a page.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Without the one that is opened to count them.
fn open_files() -> Option<u64> {
    let listed = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(listed.saturating_sub(1))
}

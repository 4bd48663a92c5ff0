//! What the last of something was: of reloads, and of connections to Gemini.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::{Counters, Registering};

#[derive(Debug)]
pub(super) struct Recent {
    reloads: Counters,
    reload_refused: Gauge,
    /// The last connection to Gemini became ready in so many microseconds; 0 before the first.
    connect: AtomicU64,
}

impl Recent {
    pub(super) fn register(to: &mut Registering) -> Self {
        let reloads = "Times the configuration was read again, by what came of it";
        let refused = "1 if the configuration was refused when it was last read again";
        Self {
            reloads: to.add("reloads", reloads, Counters::default()),
            reload_refused: to.add("reload_refused", refused, Gauge::default()),
            connect: AtomicU64::new(0),
        }
    }

    pub(super) fn reloaded(&self, taken: bool) {
        let outcome = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&[("outcome", outcome)]).inc();
        self.reload_refused.set(i64::from(!taken));
    }

    pub(super) fn connected(&self, took: Duration) {
        self.connect.store(took.as_micros().max(1) as u64, Ordering::Relaxed);
    }

    pub(super) fn connect(&self) -> Option<Duration> {
        let micros = self.connect.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }
}

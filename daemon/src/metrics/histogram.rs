//! A histogram that the media path may use: recording is two relaxed additions, without a lock or an allocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Counts values by bucket. Clones count into the same buckets.
#[derive(Debug, Clone)]
pub(super) struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// Upper bounds, inclusive and rising, in the smallest unit that is kept.
    bounds: &'static [u64],
    /// That unit's fraction of the one that is shown.
    per_shown: f64,
    /// One per bound, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Counts durations; `bounds` are microseconds, what is shown are seconds.
    pub(super) fn of_durations(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1_000_000.0)
    }

    /// Counts whole numbers.
    pub(super) fn of_counts(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1.0)
    }

    fn new(bounds: &'static [u64], per_shown: f64) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, per_shown, counts, sum: AtomicU64::new(0) }))
    }

    /// Records a duration.
    pub(super) fn observe(&self, took: Duration) {
        self.count(took.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// Records a number, or microseconds.
    pub(super) fn count(&self, value: u64) {
        let Buckets { bounds, counts, sum, .. } = &*self.0;
        counts[bounds.partition_point(|bound| *bound < value)].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(value, Ordering::Relaxed);
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let Buckets { bounds, per_shown, counts, sum } = &*self.0;
        let bounds = bounds.iter().map(|bound| *bound as f64 / per_shown).chain([f64::INFINITY]);
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Added up from what was just read: a value recorded meanwhile must not make the total disagree.
        let total = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 / per_shown;
        encoder.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(histogram: &Histogram) -> Vec<u64> {
        histogram.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let histogram = Histogram::of_durations(&[1_000, 2_000]);
        for micros in [0, 1_000, 1_001, 2_000, 2_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(counts(&histogram), [2, 2, 1]);
        assert_eq!(histogram.0.sum.load(Ordering::Relaxed), 6_002);
    }

    #[test]
    fn clones_count_together() {
        let histogram = Histogram::of_counts(&[0, 10]);
        histogram.clone().count(0);
        histogram.count(u64::from(u32::MAX));
        assert_eq!(counts(&histogram), [1, 0, 1]);
    }
}

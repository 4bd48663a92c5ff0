//! Arithmetic on the monotonic clock that cannot overflow, and so cannot panic.

use crate::block::Nanos;
use std::time::Duration;

pub(super) fn since(from: Nanos, to: Nanos) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}

pub(super) fn minus(at: Nanos, span: Duration) -> Nanos {
    Nanos(at.0.saturating_sub(span.as_nanos() as u64))
}

pub(super) fn plus(at: Nanos, span: Duration) -> Nanos {
    Nanos(at.0.saturating_add(span.as_nanos() as u64))
}

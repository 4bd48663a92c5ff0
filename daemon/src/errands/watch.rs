//! The task that notices what staff do in the outside calendar.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Entries, EntryError};
use crate::calendar::trouble::Troubles;
use crate::logging::chain;
use crate::metrics::Metrics;

/// How often each calendar is looked at.
const EVERY: Duration = Duration::from_mins(1);
/// Callers seldom ask for a later day.
const ASKED_FOR: SignedDuration = SignedDuration::from_hours(24 * 60);

/// Has the appointments entered that are in no calendar yet, then looks at the calendar of each practitioner once a minute
/// until `stop`, one after the other: what has changed, and whether it
/// says when they are busy. A calendar that cannot be
/// read is noted in `troubles`, which logs it once, and looked at again the next minute.
pub async fn run(entries: Arc<Entries>, troubles: Arc<Troubles>, metrics: Metrics, stop: CancellationToken) {
    if let Err(error) = entries.want_missing().await {
        log::error!("appointments of before the calendar was configured are not entered in it: {}", chain(&error));
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // What is cut off is read again after the next start.
        stop.run_until_cancelled(look(&entries, &troubles, &metrics)).await;
    }
}

async fn look(entries: &Entries, troubles: &Troubles, metrics: &Metrics) {
    for practitioner in &entries.clinic().practitioners {
        let looked = entries.look(&practitioner.id).await;
        metrics.calendar_asked("changes", looked.is_ok());
        // An entry that cannot be read, or a further calendar that is not shared, keeps callers from being answered only.
        let asked = entries.can_answer(&practitioner.id, ASKED_FOR).await;
        metrics.calendar_asked("busy", asked.is_ok());
        match looked.and(asked.map_err(EntryError::from)) {
            Ok(()) => troubles.over(&practitioner.id),
            Err(error) => troubles.note(&practitioner.id, &chain(&error).to_string()),
        };
    }
}

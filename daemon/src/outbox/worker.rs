//! The task that has errands carried out: woken by a commit that added some, and otherwise when the next is due.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::book::ErrandKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::carrier::{Carrier, Outcome};
use super::plan;
use crate::logging::{Event, chain};
use crate::metrics::Metrics;
use crate::store::{Claimed, Due, Settlement, Store, StoreError};
use crate::supervise::Supervisor;

/// An attempt takes no longer.
const CARRIED_WITHIN: Duration = Duration::from_mins(1);
/// The clock may be set, so no wait for a time is longer.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// When a disk that takes nothing is tried again.
const DISK_AGAIN: Duration = Duration::from_secs(2);

/// Starts the task. It stops begun attempts only when the supervisor's patience ends; what is cut off then is carried out
/// again after the next start.
pub fn start(store: Store, carrier: Arc<dyn Carrier>, supervisor: &mut Supervisor, metrics: Metrics) {
    supervisor.start("outbox", move |stop| run(store, carrier, metrics, Timestamp::now, stop));
}

/// What is being carried out, and what is not settled yet.
struct Worker<N> {
    store: Store,
    carrier: Arc<dyn Carrier>,
    metrics: Metrics,
    now: N,
    /// Begun and not ended.
    carried: Vec<(i64, ErrandKind)>,
    attempts: FuturesUnordered<BoxFuture<'static, (Due, Outcome)>>,
    /// Ended, and not on the disk: they are not begun again as long as this lives.
    ended: Vec<(i64, Settlement)>,
    next: Option<Timestamp>,
    /// The disk took nothing; said once.
    stuck: bool,
}

/// Carries out errands of `store` until `stop`; `now` is the civil time.
pub async fn run(
    store: Store,
    carrier: Arc<dyn Carrier>,
    metrics: Metrics,
    now: impl Fn() -> Timestamp,
    stop: CancellationToken,
) {
    let mut worker = Worker::new(store, carrier, metrics, now);
    while !stop.is_cancelled() {
        let all_well = worker.settle().await && worker.claim().await;
        worker.wait(all_well, &stop).await;
    }
    worker.finish().await;
}

impl<N: Fn() -> Timestamp> Worker<N> {
    fn new(store: Store, carrier: Arc<dyn Carrier>, metrics: Metrics, now: N) -> Self {
        let attempts = FuturesUnordered::new();
        let (carried, ended) = (Vec::new(), Vec::new());
        Self { store, carrier, metrics, now, carried, attempts, ended, next: None, stuck: false }
    }

    /// Begins what is due. `false` if the disk takes nothing.
    async fn claim(&mut self) -> bool {
        let kinds: Vec<ErrandKind> = self.carried.iter().map(|(_, kind)| *kind).collect();
        let claimed = self.store.claim_errands((self.now)(), plan::room(&kinds)).await;
        let Some(Claimed { due, next }) = self.unless_stuck(claimed) else { return false };
        self.next = next;
        for due in due {
            self.carried.push((due.id, due.errand.kind()));
            self.attempts.push(attempt(Arc::clone(&self.carrier), due).boxed());
        }
        true
    }

    /// Keeps what has ended. `false` if the disk takes nothing: then it is kept later, and nothing is begun before.
    async fn settle(&mut self) -> bool {
        while let Some((id, settlement)) = self.ended.first().cloned() {
            let settled = self.store.settle_errand(id, settlement, (self.now)()).await;
            if self.unless_stuck(settled).is_none() {
                return false;
            }
            self.ended.remove(0);
            self.carried.retain(|(carried, _)| *carried != id);
        }
        true
    }

    fn unless_stuck<T>(&mut self, answer: Result<T, StoreError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.stuck = false;
                Some(answer)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.stuck, true) {
                    log::error!("errands wait until the store can be used again: {}", chain(&error));
                }
                None
            }
        }
    }

    /// Waits for an attempt's end, for new errands, or for the time of the next.
    async fn wait(&mut self, all_well: bool, stop: &CancellationToken) {
        // What has fallen due since it was looked for is due at once.
        let until = |next: Timestamp| Duration::try_from(next.duration_since((self.now)())).unwrap_or(Duration::ZERO);
        let until_next = self.next.map_or(LOOK_EVERY, until);
        let longest = if all_well { until_next.min(LOOK_EVERY) } else { DISK_AGAIN };
        tokio::select! {
            () = stop.cancelled() => {}
            Some((due, outcome)) = self.attempts.next() => self.end(&due, outcome),
            () = self.store.errands_added(), if all_well => {}
            () = tokio::time::sleep(longest) => {}
        }
    }

    /// Notes what came of an attempt; what is kept of it names nobody.
    fn end(&mut self, due: &Due, outcome: Outcome) {
        let kind = due.errand.kind().as_str();
        let (id, attempt) = (due.id, due.attempt);
        let settlement = plan::settlement(due, outcome, (self.now)());
        let word = match &settlement {
            Settlement::Done(note) => {
                log::info!(errand = id, kind; "done at attempt {attempt}: {note}");
                "done"
            }
            Settlement::Again { at, why, .. } => {
                log::warn!(errand = id, kind; "attempt {attempt} failed, the next is at {at}: {why}");
                "retry"
            }
            Settlement::Dead(why) => {
                log::error!(event:% = Event::ErrandGivenUp, errand = id, kind; "given up (frontdeskctl outbox retry {id}): {why}");
                "dead"
            }
        };
        self.metrics.errand_attempt(kind, word);
        self.ended.push((id, settlement));
    }

    /// Waits for what was begun, and keeps it.
    async fn finish(mut self) {
        while let Some((due, outcome)) = self.attempts.next().await {
            self.end(&due, outcome);
        }
        self.settle().await;
    }
}

/// One attempt; a carrier that hangs or panics has not carried it out, as far as anybody knows.
async fn attempt(carrier: Arc<dyn Carrier>, due: Due) -> (Due, Outcome) {
    let unsure = |why: &str| Outcome::Unsure { why: why.to_owned(), after: None };
    let carried = tokio::time::timeout(CARRIED_WITHIN, AssertUnwindSafe(carrier.carry(&due)).catch_unwind()).await;
    let outcome = match carried {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => unsure("a defect of this program; its log has the place"),
        Err(_) => unsure("it was not done within a minute"),
    };
    (due, outcome)
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;

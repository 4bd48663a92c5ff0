//! Errands of the calendar: the clinic's feed and the outside calendar follow the book.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::Span;
use frontdesk_core::booking::book::Errand;
use frontdesk_core::clinic::Clinic;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::Entries;
use crate::calendar::feed::Feed;
use crate::current::Current;
use crate::logging::chain;
use crate::outbox::{Carrier, Outcome};
use crate::store::{Due, Store};

/// How far ahead the feed looks: as far as anything can be booked.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);
/// More appointments than a year of twenty practitioners has are not listed.
const MOST: usize = 100_000;
/// From the beginning of one rewriting to that of the next, at least: the whole feed is written for each, and a card wears
/// out by it.
const EVERY: Duration = Duration::from_secs(2);

/// Keeps the feed, and has the entries kept.
pub struct Diary {
    store: Store,
    entries: Arc<Entries>,
    clinic: Current<Clinic>,
    feed: Arc<Feed>,
    now: fn() -> Timestamp,
    /// One rewriting at a time, each of what the book holds then: the last one written is the newest.
    turn: Arc<Mutex<Turn>>,
}

/// The last rewriting.
#[derive(Default)]
struct Turn {
    began: Option<Instant>,
    /// How often the book had been changed when the last began that succeeded.
    covers: Option<u64>,
}

impl Diary {
    /// A feed of what `store` holds; `now` is the civil time.
    pub fn new(
        store: Store,
        entries: Arc<Entries>,
        clinic: impl Into<Current<Clinic>>,
        feed: Feed,
        now: fn() -> Timestamp,
    ) -> Self {
        Self { store, entries, clinic: clinic.into(), feed: Arc::new(feed), now, turn: Arc::default() }
    }

    /// Writes what is booked from now on in place of what the feed held, unless it is there already, and returns once it is;
    /// the error says what would help. What changes while one rewriting is under way is in the next, which begins no sooner
    /// than two seconds after that one did.
    pub async fn rewrite(&self) -> Result<(), String> {
        let wanted = self.store.changes();
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if turn.covers >= Some(wanted) {
            return Ok(());
        }
        if let Some(began) = turn.began {
            tokio::time::sleep_until(began + EVERY).await;
        }
        self.rewrite_now(turn).await
    }

    async fn rewrite_now(&self, mut turn: OwnedMutexGuard<Turn>) -> Result<(), String> {
        // Before the book is read: what changes after this may be in what is read, and may not.
        let covers = self.store.changes();
        turn.began = Some(Instant::now());
        let now = (self.now)();
        let span = Span { from: now, to: now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) };
        let appointments = self
            .store
            .appointments_within(span, now, MOST)
            .await
            .map_err(|error| format!("the store cannot be read: {}", chain(&error)))?;
        let (feed, clinic) = (Arc::clone(&self.feed), self.clinic.take());
        // The turn goes with it: whoever stops waiting lets no second one in beside it.
        let writing = tokio::task::spawn_blocking(move || {
            feed.rewrite(&appointments, &clinic, now).map_err(|error| chain(&error).to_string())?;
            turn.covers = Some(covers);
            Ok(())
        });
        writing.await.unwrap_or_else(|_| Err("writing the feed broke off".to_owned()))
    }
}

impl Carrier for Diary {
    fn carry<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Errand::Calendar(id) = due.errand else {
                return Outcome::Dead { why: "this errand is none of a calendar's".to_owned() };
            };
            // At once: neither waits for the other.
            match tokio::join!(self.entries.keep(id, due.attempt > 1), self.rewrite()) {
                (Ok(done), Ok(())) => Outcome::Done { note: done.to_owned() },
                (Ok(_), Err(why)) => Outcome::Retry { why, after: None },
                (Err(error), _) => error.into(),
            }
        })
    }
}

//! Errands of the calendar: the clinic's feed and the outside calendar follow the book.

use std::sync::Arc;

use frontdesk_core::booking::appointment::Span;
use frontdesk_core::booking::book::Errand;
use frontdesk_core::clinic::Clinic;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Entries;
use crate::calendar::feed::Feed;
use crate::logging::chain;
use crate::outbox::{Carrier, Outcome};
use crate::store::{Due, Store};

/// How far ahead the feed looks: as far as anything can be booked.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);
/// More appointments than a year of twenty practitioners has are not listed.
const MOST: usize = 100_000;

/// Keeps the feed, and has the entries kept.
pub struct Diary {
    store: Store,
    entries: Arc<Entries>,
    clinic: Arc<Clinic>,
    feed: Arc<Feed>,
    now: fn() -> Timestamp,
    /// One rewriting at a time, each of what the book holds then: the last one written is the newest.
    turn: Mutex<()>,
}

impl Diary {
    /// A feed of what `store` holds; `now` is the civil time.
    pub fn new(store: Store, entries: Arc<Entries>, clinic: Arc<Clinic>, feed: Feed, now: fn() -> Timestamp) -> Self {
        Self { store, entries, clinic, feed: Arc::new(feed), now, turn: Mutex::default() }
    }

    /// Writes what is booked from now on in place of what the feed held; the error says what would help.
    pub async fn rewrite(&self) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let now = (self.now)();
        let span = Span { from: now, to: now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) };
        let appointments = self
            .store
            .appointments_within(span, now, MOST)
            .await
            .map_err(|error| format!("the store cannot be read: {}", chain(&error)))?;
        let (feed, clinic) = (Arc::clone(&self.feed), Arc::clone(&self.clinic));
        let written = tokio::task::spawn_blocking(move || feed.rewrite(&appointments, &clinic, now)).await;
        match written {
            Ok(written) => written.map_err(|error| chain(&error).to_string()),
            Err(_) => Err("writing the feed broke off".to_owned()),
        }
    }
}

impl Carrier for Diary {
    fn carry<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Errand::Calendar(id) = due.errand else {
                return Outcome::Dead { why: "this errand is none of a calendar's".to_owned() };
            };
            // The feed first: it waits for no server.
            let fed = self.rewrite().await;
            match (self.entries.keep(id, due.attempt > 1).await, fed) {
                (Ok(done), Ok(())) => Outcome::Done { note: done.to_owned() },
                (Ok(_), Err(why)) => Outcome::Retry { why, after: None },
                (Err(error), _) => error.into(),
            }
        })
    }
}

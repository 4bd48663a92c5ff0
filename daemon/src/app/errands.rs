//! The parts that carry out what follows from bookings.

use std::sync::Arc;

use frontdesk_core::clinic::Clinic;
use jiff::Timestamp;
use log::warn;

use super::prepared::Correspondence;
use crate::calendar::Backend;
use crate::calendar::feed::Feed;
use crate::calendar::trouble::Troubles;
use crate::clock::Clock;
use crate::config::{Config, MailBackend};
use crate::current::Next;
use crate::errands::{Diary, Entries, Letters, carriers, watch};
use crate::gate::Gate;
use crate::mail::retention::{self, Retention};
use crate::metrics::Metrics;
use crate::outbox::worker;
use crate::phone::rest::Rest;
use crate::phone::sms::Texter;
use crate::store::Store;
use crate::supervise::Supervisor;

/// What they have in common with the rest of the daemon.
pub(super) struct Office<'a> {
    pub(super) config: &'a Config,
    pub(super) calendar: Arc<Backend>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) rest: Arc<Rest>,
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    /// Nothing is done outside before the time is right: no certificate would hold.
    pub(super) gate: Gate,
}

/// Starts what carries out the book's errands, what notices changes in the outside calendar and what erases old letters,
/// and writes the feed as the book has it now. Returns what replaces the clinic that all of them work for.
pub(super) async fn start(office: Office<'_>, letters: Correspondence, supervisor: &mut Supervisor) -> Next<Clinic> {
    let Office { config, calendar, troubles, rest, store, metrics, gate } = office;
    let Correspondence { clinic, mailer, next } = letters;
    let texter = Texter::new(rest, config.phone.number.clone(), clinic.clone());
    let letters = Letters::new(store.clone(), mailer, texter, Timestamp::now);
    let feed = Feed::new(config.calendar.feed.clone(), config.calendar.names);
    let entries = Arc::new(Entries::new(store.clone(), clinic.clone(), calendar, Timestamp::now));
    let diary = Diary::new(store.clone(), Arc::clone(&entries), clinic, feed, Timestamp::now);
    // Whoever subscribes to it finds it from the first day, and in step with what happened while nobody wrote it.
    if let Err(why) = diary.rewrite().await {
        warn!("the calendar's feed is out of date: {why}");
    }
    let (opened, counts) = (gate.clone(), metrics.clone());
    let carrier = Arc::new(carriers(letters, diary));
    supervisor
        .start("outbox", |stop| opened.then(stop.clone(), worker::run(store, carrier, counts, Timestamp::now, stop)));
    if let MailBackend::Folder { path, keep_days } = &config.mail.backend
        && let Some(retention) = Retention::of(path, *keep_days, Clock::read())
    {
        supervisor.start("letters", |stop| retention::run(retention, stop));
    }
    if entries.are_outside() {
        supervisor.start("calendar", |stop| gate.then(stop.clone(), watch::run(entries, troubles, metrics, stop)));
    }
    next
}

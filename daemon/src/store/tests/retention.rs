//! How long calls are kept, and that no clock shortens it.

use std::time::Instant;

use jiff::SignedDuration;

use super::super::retention::Retention;
use super::*;
use crate::clock::Clock;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A store, and a machine whose clock is set by a test. Calls are kept for 30 days.
struct Machine {
    _fixture: Fixture,
    store: Store,
    retention: Retention,
    now: Clock,
}

impl Machine {
    /// Its civil clock shows [`NOON`], whatever the time is.
    fn started() -> Self {
        let fixture = Fixture::new();
        let (store, now) = (fixture.open(), Clock::at(Instant::now(), at(0)));
        Self { _fixture: fixture, store, retention: Retention::new(30, Keeping::File, now), now }
    }

    /// Both clocks run.
    fn run(&mut self, span: Duration) {
        let instant = self.now.instant() + span;
        self.now = Clock::at(instant, self.now.civil(instant));
    }

    /// Somebody sets the civil one.
    fn set(&mut self, by: SignedDuration) {
        self.now = Clock::at(self.now.instant(), self.civil() + by);
    }

    fn civil(&self) -> Timestamp {
        self.now.civil(self.now.instant())
    }

    /// A call begins and ends.
    fn takes_a_call(&self, n: u32) {
        let ended = Record::CallEnded { call: sid(n), at: self.civil(), reason: "goodbye".into() };
        record_all(&self.store, [started(n, self.civil()), said(n, 0, "word"), ended]);
    }

    /// Looks for what is too old, an hour after the last thing that happened. Returns how many calls were erased.
    async fn look(&mut self) -> usize {
        self.run(HOUR);
        let (mut retention, now) = (self.retention, self.now);
        let looking = self.store.ask("looking", move |db| Ok((retention.look(db, now)?, retention)));
        let (erased, retention) = looking.await.unwrap();
        self.retention = retention;
        erased
    }
}

#[tokio::test]
async fn finished_calls_are_erased_with_everything_of_theirs_when_their_days_are_over() {
    let mut machine = Machine::started();
    for n in 1..=450 {
        machine.takes_a_call(n);
    }
    record_all(&machine.store, [started(451, at(0))]);
    assert_eq!(machine.look().await, 0);
    machine.run(29 * DAY);
    machine.takes_a_call(452);
    assert_eq!(machine.look().await, 0);
    machine.run(DAY);
    assert_eq!(machine.look().await, 450);
    let kept = machine.store.calls(CallFilter::default()).await.unwrap();
    assert_eq!(kept.iter().map(|call| (call.id, call.turns)).collect::<Vec<_>>(), [(452, 1), (451, 0)]);
    let left: i64 =
        machine.store.ask("counting", |db| db.query_row("SELECT COUNT(*) FROM turns", [], |r| r.get(0))).await.unwrap();
    assert_eq!(left, 1);
    machine.store.close().await;
}

/// A box without a battery for its clock, switched on after a year in a drawer.
#[tokio::test]
async fn a_call_that_was_taken_before_the_clock_was_set_right_is_kept_as_long_as_any() {
    let mut machine = Machine::started();
    machine.takes_a_call(1);
    machine.set(SignedDuration::from_hours(24 * 400));
    machine.takes_a_call(2);
    assert_eq!(machine.look().await, 0, "the clock was set");
    assert_eq!(machine.look().await, 0, "it runs evenly: the days of both begin");
    machine.run(29 * DAY);
    assert_eq!(machine.look().await, 0);
    machine.run(DAY);
    assert_eq!(machine.look().await, 2);
    machine.store.close().await;
}

#[tokio::test]
async fn a_clock_that_was_wrong_for_a_moment_erases_nothing_and_keeps_nothing_for_ever() {
    let mut machine = Machine::started();
    machine.takes_a_call(1);
    assert_eq!(machine.look().await, 0);
    let years = SignedDuration::from_hours(24 * 365 * 10);
    machine.set(years);
    assert_eq!(machine.look().await, 0, "it was set");
    machine.set(-years);
    assert_eq!(machine.look().await, 0, "and set back");

    // For so long that it was believed.
    machine.set(SignedDuration::from_hours(24 * 20));
    assert_eq!(machine.look().await, 0);
    machine.takes_a_call(2);
    assert_eq!(machine.look().await, 0);
    machine.set(SignedDuration::from_hours(-24 * 20));
    assert_eq!((machine.look().await, machine.look().await), (0, 0));
    machine.run(30 * DAY);
    assert_eq!(machine.look().await, 2);
    machine.store.close().await;
}

/// A box without a battery for its clock that comes up long before it is told the time.
#[tokio::test]
async fn a_start_in_the_past_costs_no_call_of_before_a_day() {
    let mut machine = Machine::started();
    machine.takes_a_call(1);
    assert_eq!(machine.look().await, 0);
    let years = SignedDuration::from_hours(24 * 400);
    machine.set(-years);
    machine.retention = Retention::new(30, Keeping::File, machine.now);
    machine.takes_a_call(2);
    assert_eq!((machine.look().await, machine.look().await), (0, 0), "it is believed");
    machine.set(years);
    assert_eq!((machine.look().await, machine.look().await), (0, 0));
    machine.run(29 * DAY);
    assert_eq!(machine.look().await, 0);
    machine.run(DAY);
    assert_eq!(machine.look().await, 2);
    machine.store.close().await;
}

#[tokio::test]
async fn in_memory_only_the_newest_calls_are_kept() {
    let mut machine = Machine::started();
    machine.retention = Retention::new(30, Keeping::Memory, machine.now);
    for n in 1..=1_005 {
        machine.takes_a_call(n);
    }
    machine.look().await;
    let count =
        |db: &Connection| db.query_row("SELECT COUNT(*), MIN(id) FROM calls", [], |r| Ok((r.get(0)?, r.get(1)?)));
    assert_eq!(machine.store.ask("counting", count).await.unwrap(), (1_000_i64, 6_i64));
    machine.store.close().await;
}

/// Rows of a table that fulfil a condition.
async fn count(store: &Store, what: &'static str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {what}");
    store.ask("counting", move |db| db.query_row(&sql, [], |row| row.get(0))).await.unwrap()
}

#[tokio::test]
async fn of_the_book_each_thing_is_kept_for_its_own_time() {
    use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};

    let mut machine = Machine::started();
    let store = machine.store.clone();
    let work = |book: &mut OpenBook<'_>| -> Result<_, BookError> {
        let held = book.hold(&book::slot("osei", 60, 30), &sid(1), "en", at(0), at(120))?;
        book.book(held.id, &sid(1), &book::patient("Ana"), at(1))?;
        let given_up = book.hold(&book::slot("osei", 120, 30), &sid(1), "en", at(0), at(120))?;
        book.release(&sid(1))?;
        book.send(&Errand::Calendar(held.id), "c", at(1))?;
        book.send(&Errand::Mail(held.id), "m", at(1))?;
        let (name, text) = ("Ana".to_owned(), "call me".to_owned());
        let message = Message { name, phone: None, topic: "billing".to_owned(), text, today: false };
        Ok((held.id, given_up.id, book.take_message(&message, &sid(1), at(1))?))
    };
    let (id, given_up, message) = store.transact(work).await.unwrap();
    store.message_read(message, at(2)).await.unwrap();
    let due = store.claim_errands(at(2), [1; 5]).await.unwrap().due;
    store.settle_errand(due[0].id, Settlement::Done(String::new()), at(3)).await.unwrap();
    store.settle_errand(due[1].id, Settlement::Dead("550".to_owned()), at(3)).await.unwrap();
    let hold_is_known = async || {
        let late = store.transact(move |book| book.book(given_up, &sid(1), &book::patient("Ana"), at(3))).await;
        matches!(late, Err(BookError::Expired))
    };

    machine.run(2 * HOUR);
    machine.look().await;
    assert!(hold_is_known().await);
    // A clock that is set ahead by years, and runs there for a while.
    machine.set(SignedDuration::from_hours(24 * 3_650));
    machine.look().await;
    machine.look().await;
    assert!(hold_is_known().await);
    machine.run(DAY);
    machine.look().await;
    assert!(!hold_is_known().await);
    assert_eq!(count(&store, "outbox WHERE state = 'done'").await, 1);
    machine.run(30 * DAY);
    machine.look().await;
    assert_eq!(
        (count(&store, "outbox").await, count(&store, "messages").await),
        (1, 1),
        "what is dead waits for staff"
    );
    machine.run(60 * DAY);
    machine.look().await;
    assert_eq!(count(&store, "messages").await, 0);
    machine.run(600 * DAY);
    machine.look().await;
    assert!(store.appointment(id).await.unwrap().unwrap().patient.is_some());
    machine.run(60 * DAY);
    machine.look().await;
    let anonymous = store.appointment(id).await.unwrap().unwrap();
    assert_eq!((anonymous.patient, anonymous.slot), (None, book::slot("osei", 60, 30)));
    let traces = "appointments WHERE name_key IS NOT NULL OR phone IS NOT NULL OR email IS NOT NULL OR note <> ''";
    assert_eq!(count(&store, traces).await, 0);
    machine.store.close().await;
}

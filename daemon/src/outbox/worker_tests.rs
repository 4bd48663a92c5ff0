//! Errands as the outside sees them: in virtual time, from a real store.

use std::sync::Mutex;

use frontdesk_core::booking::appointment::{AppointmentId, Patient, Slot, Span};
use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::session::id::{ConversationId, DeskId};
use jiff::SignedDuration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::config::StoreConfig;
use crate::outbox::Carriers;
use crate::store::Staff;

/// Plays its part by a script: what is not on it is done. Keeps what it was given, and when.
#[derive(Default)]
struct Actor {
    script: Mutex<Vec<Outcome>>,
    seen: Mutex<Vec<(Due, Duration)>>,
    count: tokio::sync::watch::Sender<usize>,
    began: Mutex<Option<Instant>>,
    /// Carries nothing out until told.
    gate: Option<tokio::sync::Semaphore>,
}

impl Actor {
    fn playing(script: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        let mut script: Vec<_> = script.into_iter().collect();
        script.reverse();
        Arc::new(Self { script: Mutex::new(script), ..Self::default() })
    }

    fn keys(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(due, _)| due.key.clone()).collect()
    }

    /// Waits until it was given so many. Not by the clock: while the store writes, virtual time would run away.
    async fn given(&self, many: usize) {
        self.count.subscribe().wait_for(|given| *given >= many).await.unwrap();
    }
}

impl Carrier for Actor {
    fn carry<'a>(&'a self, errand: &'a Due) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let since = self.began.lock().unwrap().get_or_insert_with(Instant::now).elapsed();
            self.seen.lock().unwrap().push((errand.clone(), since));
            self.count.send_modify(|given| *given += 1);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let next = self.script.lock().unwrap().pop();
            match next {
                Some(Outcome::Dead { why }) if why == "panic" => panic!("a defect of a carrier"),
                Some(Outcome::Dead { why }) if why == "hang" => std::future::pending().await,
                Some(outcome) => outcome,
                None => Outcome::Done { note: "id 7".to_owned() },
            }
        })
    }
}

fn retry(why: &str) -> Outcome {
    Outcome::Retry { why: why.to_owned(), after: None }
}

fn dead(why: &str) -> Outcome {
    Outcome::Dead { why: why.to_owned() }
}

/// 2026-10-02 14:03:05 UTC.
fn noon() -> Timestamp {
    Timestamp::from_second(1_790_949_785).unwrap()
}

fn by() -> ConversationId {
    DeskId::of(1).into()
}

struct World {
    _directory: tempfile::TempDir,
    store: Store,
    metrics: Metrics,
    began: Instant,
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig { path: directory.path().join("frontdesk.db"), keep_days: 36_500 };
        let store = Store::open(&config).unwrap();
        let (began, stop) = (Instant::now(), CancellationToken::new());
        let metrics = Metrics::with_store(store.clone());
        Self { _directory: directory, store, metrics, began, stop, running: Vec::new() }
    }

    fn now(&self) -> Timestamp {
        noon() + self.began.elapsed()
    }

    fn start(&mut self, carrier: Arc<dyn Carrier>) {
        let began = self.began;
        let now = move || noon() + began.elapsed();
        let run = run(self.store.clone(), carrier, self.metrics.clone(), now, self.stop.clone());
        self.running.push(tokio::spawn(run));
    }

    /// Books an appointment of that minute and leaves these errands.
    async fn book(&self, minute: i64, errands: impl Fn(AppointmentId) -> Vec<(Errand, String)> + Send + 'static) {
        let (now, from) = (self.now(), noon() + SignedDuration::from_hours(48) + SignedDuration::from_mins(minute));
        let span = Span { from, to: from + Duration::from_secs(30) };
        let slot = Slot {
            kind: TypeId::parse("checkup").unwrap(),
            practitioner: PractitionerId::parse("osei").unwrap(),
            location: LocationId::parse("main").unwrap(),
            time: span,
            busy: span,
        };
        let patient = Patient {
            name: "Ana".to_owned(),
            phone: None,
            email: None,
            sms: false,
            born: None,
            booked_by: None,
            note: String::new(),
        };
        let work = move |book: &mut crate::store::OpenBook<'_>| -> Result<(), BookError> {
            let held = book.hold(&slot, &by(), "en", now, now + Duration::from_mins(2))?;
            book.book(held.id, &by(), &patient, now)?;
            errands(held.id).into_iter().try_for_each(|(errand, key)| book.send(&errand, &key, now))
        };
        self.store.transact(work).await.unwrap();
    }

    async fn mail(&self, minute: i64, key: &str) {
        let key = key.to_owned();
        self.book(minute, move |id| vec![(Errand::Mail(id), key.clone())]).await;
    }

    /// Ends the worker in order.
    async fn end(self) -> Store {
        self.stop.cancel();
        for running in self.running {
            running.await.unwrap();
        }
        self.store
    }
}

#[tokio::test(start_paused = true)]
async fn errands_are_carried_out_in_order_once_they_are_committed() {
    let mut world = World::new();
    let actor = Actor::playing([]);
    world.mail(0, "before").await;
    world.start(Arc::clone(&actor) as _);
    actor.given(1).await;
    for n in 1..=3 {
        world.mail(n, &format!("mail {n}")).await;
    }
    actor.given(4).await;
    let metrics = world.metrics.clone();
    let store = world.end().await;
    assert_eq!(actor.keys(), ["before", "mail 1", "mail 2", "mail 3"]);
    assert!(actor.seen.lock().unwrap().iter().all(|(due, _)| (due.attempt, due.unsure) == (1, false)));
    assert_eq!(store.errands(noon()).await.unwrap().errands, []);
    let shown = metrics.encode();
    for line in
        ["attempts_total{kind=\"mail\",outcome=\"done\"} 4\n", "waiting 0\n", "dead 0\n", "oldest_age_seconds 0\n"]
    {
        assert!(shown.contains(&format!("frontdesk_outbox_{line}")), "{line} in {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_later_and_later_and_at_last_given_up() {
    let mut world = World::new();
    let actor = Actor::playing([retry("away"), retry("away"), dead("no such address")]);
    world.start(Arc::clone(&actor) as _);
    world.mail(0, "mail").await;
    actor.given(3).await;
    world.stop.cancel();
    let now = world.now();
    let metrics = world.metrics.clone();
    let store = world.end().await;
    let waits: Vec<_> = actor.seen.lock().unwrap().iter().map(|(_, at)| at.as_secs_f64()).collect();
    assert!((24.0..=37.0).contains(&waits[1]) && (48.0..=73.0).contains(&(waits[2] - waits[1])), "{waits:?}");
    let left = store.errands(now).await.unwrap();
    assert_eq!((left.waiting, left.dead, left.errands[0].note.as_deref()), (0, 1, Some("no such address")));
    assert!(metrics.encode().contains("frontdesk_outbox_dead 1\n"));
    let (retried, changed) = store.errand_by_staff(left.errands[0].id, Staff::Retry, now).await.unwrap().unwrap();
    assert_eq!((retried.state.as_str(), retried.attempts, changed), ("waiting", 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_hangs_or_breaks_is_tried_again_and_told_that_it_may_have_succeeded() {
    let mut world = World::new();
    let actor = Actor::playing([dead("panic"), dead("hang")]);
    world.start(Arc::clone(&actor) as _);
    world.mail(0, "mail").await;
    actor.given(3).await;
    let unsure: Vec<_> = actor.seen.lock().unwrap().iter().map(|(due, _)| (due.attempt, due.unsure)).collect();
    assert_eq!(unsure, [(1, false), (2, true), (3, true)]);
    let store = world.end().await;
    assert_eq!(store.errands(noon()).await.unwrap().errands, []);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_stays_so_when_the_next_attempt_finds_nobody_there() {
    let mut world = World::new();
    let actor = Actor::playing([dead("panic"), retry("away")]);
    world.start(Arc::clone(&actor) as _);
    world.mail(0, "mail").await;
    actor.given(3).await;
    let unsure: Vec<_> = actor.seen.lock().unwrap().iter().map(|(due, _)| due.unsure).collect();
    assert_eq!(unsure, [false, true, true]);
    world.end().await;
}

/// In real time: virtual time would run past what an attempt may take, while the store writes.
#[tokio::test]
async fn a_slow_mail_server_holds_up_no_calendar() {
    let mut world = World::new();
    let slow = Arc::new(Actor { gate: Some(tokio::sync::Semaphore::new(0)), ..Actor::default() });
    let quick = Actor::playing([]);
    let carriers = Carriers::new()
        .with(ErrandKind::Mail, Arc::clone(&slow) as _)
        .with(ErrandKind::Calendar, Arc::clone(&quick) as _);
    world.start(Arc::new(carriers));
    for n in 0..5 {
        let both = move |id| vec![(Errand::Mail(id), format!("m{n}")), (Errand::Calendar(id), format!("c{n}"))];
        world.book(n, both).await;
    }
    quick.given(5).await;
    assert_eq!(slow.keys(), ["m0", "m1"], "no more than two at once");
    slow.gate.as_ref().unwrap().add_permits(5);
    slow.given(5).await;
    world.end().await;
    assert_eq!(slow.keys(), ["m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_carries_is_given_up_with_what_would_help() {
    let mut world = World::new();
    world.start(Arc::new(Carriers::new()));
    let message =
        Message { name: "Ana".to_owned(), phone: None, topic: "x".to_owned(), text: "y".to_owned(), today: false };
    let now = world.now();
    let take = move |book: &mut crate::store::OpenBook<'_>| -> Result<(), BookError> {
        let id = book.take_message(&message, &by(), now)?;
        book.send(&Errand::Message(id), "m", now)
    };
    world.store.transact(take).await.unwrap();
    while world.store.errands_dead() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = world.end().await.errands(noon()).await.unwrap();
    assert_eq!(left.errands[0].note.as_deref(), Some("no message is configured: configure it, then retry this"));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_waits_for_its_time_and_is_overtaken_by_a_later_one() {
    let mut world = World::new();
    let actor = Actor::playing([]);
    world.start(Arc::clone(&actor) as _);
    let hours = |hours| noon() + SignedDuration::from_hours(hours);
    let reminders = move |id| {
        vec![
            (Errand::Reminder(id, hours(5)), "first".to_owned()),
            (Errand::Reminder(id, hours(7)), "second".to_owned()),
        ]
    };
    world.book(0, reminders).await;
    assert_eq!(world.store.errands(world.now()).await.unwrap().waiting, 0, "nothing is late");
    actor.given(1).await;
    assert_eq!(actor.keys(), ["second"]);
    let at = world.now().duration_since(noon()).as_secs_f64() / 3_600.0;
    assert!((7.0..7.1).contains(&at), "{at} h");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_puts_nothing_off_for_long() {
    let mut world = World::new();
    let actor = Actor::playing([]);
    let future = noon() + SignedDuration::from_hours(24 * 365);
    world.book(0, |_| Vec::new()).await;
    let late = world.store.transact(move |book| -> Result<(), BookError> {
        let id = book.by_name("Ana", Span { from: noon(), to: future })?[0].id;
        book.send(&Errand::Mail(id), "of next year", future)
    });
    late.await.unwrap();
    world.start(Arc::clone(&actor) as _);
    actor.given(1).await;
    assert!(world.began.elapsed() < Duration::from_mins(2));
    world.end().await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_delays_what_came_of_it_and_repeats_nothing() {
    let world = World::new();
    let actor = Actor::playing([]);
    let (store, metrics, stop) = (world.store.clone(), world.metrics.clone(), world.stop.clone());
    let mut worker = Worker::new(store, Arc::clone(&actor) as _, metrics, noon);
    world.mail(0, "mail").await;
    assert!(worker.settle().await && worker.claim().await);
    while worker.ended.is_empty() {
        worker.wait(true, &stop).await;
    }
    world.store.refuse_writes(true).await;
    assert!(!worker.settle().await, "it is not known on the disk");
    assert!(worker.stuck && !worker.settle().await);
    world.store.refuse_writes(false).await;
    assert!(worker.settle().await && worker.claim().await && !worker.stuck);
    assert_eq!(world.store.errands(noon()).await.unwrap().errands, []);
    assert_eq!(actor.keys(), ["mail"], "carried out once");
}

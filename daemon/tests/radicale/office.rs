//! A clinic whose calendar is on the server: callers' functions, the book, and the worker that carries its errands out.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Span};
use frontdesk_core::booking::book::{BookError, ErrandKind};
use frontdesk_core::clerk::Place;
use frontdesk_core::clinic::hours::{Hours, Minute, Week};
use frontdesk_core::clinic::ids::TypeId;
use frontdesk_core::clinic::{AppointmentType, Clinic, Practitioner};
use frontdesk_core::gemini::calls::{CallKey, ToolCall};
use frontdesk_core::letter::ics::Names;
use frontdesk_core::session::id::DeskId;
use frontdesk_core::twilio::number::PhoneNumber;
use frontdeskd::calendar::asking::ask;
use frontdeskd::calendar::feed::Feed;
use frontdeskd::calendar::{Backend, CalDav};
use frontdeskd::clock::Clock;
use frontdeskd::config::StoreConfig;
use frontdeskd::conversation::tools::{Office, Tools};
use frontdeskd::errands::{Diary, Entries};
use frontdeskd::metrics::Metrics;
use frontdeskd::outbox::{Carrier, Carriers, Outcome, worker};
use frontdeskd::store::{Due, Staff as ByStaff, Store};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Weekday;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::clinic::{clinic, osei};

/// Whatever is waited for comes within that time, or never.
const LONG: Duration = Duration::from_secs(30);

/// Friday, ten in the morning in Berlin.
pub(crate) fn now() -> Timestamp {
    "2026-11-27T09:00:00Z".parse().unwrap()
}

/// When errands are carried out: an hour after callers called.
fn later() -> Timestamp {
    "2026-11-27T10:00:00Z".parse().unwrap()
}

/// A store, and what is told of it outside.
pub(crate) struct Book {
    pub(crate) store: Store,
    clinic: Arc<Clinic>,
    folder: TempDir,
}

impl Book {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig { path: folder.path().join("book.db"), keep_days: 30 }).unwrap();
        Self { store, clinic: Arc::new(open_on_tuesdays()), folder }
    }

    /// With a calendar.
    pub(crate) fn at(&self, calendar: CalDav) -> Outside {
        self.with(Backend::CalDav(Box::new(calendar)))
    }

    pub(crate) fn with(&self, backend: Backend) -> Outside {
        let backend = Arc::new(backend);
        let office = Office::open(
            Arc::clone(&self.clinic),
            self.store.clone(),
            ask(Arc::clone(&backend), self.store.clone(), Metrics::new(), now),
            None,
        );
        let entries = Arc::new(Entries::new(self.store.clone(), Arc::clone(&self.clinic), backend, now));
        let feed = Feed::new(self.folder.path().join("calendar.ics"), Names::Hidden);
        let diary = Diary::new(self.store.clone(), Arc::clone(&entries), Arc::clone(&self.clinic), feed, now);
        let (said, outcomes) = mpsc::unbounded_channel();
        let carriers = Carriers::new().with(ErrandKind::Calendar, Arc::new(Heard { diary, said }));
        Outside {
            store: self.store.clone(),
            office: office.unwrap(),
            entries,
            carriers,
            outcomes: Mutex::new(outcomes),
        }
    }

    pub(crate) async fn appointment(&self, id: AppointmentId) -> Appointment {
        self.store.appointment(id).await.unwrap().unwrap()
    }

    /// The only appointment.
    pub(crate) async fn only(&self) -> Appointment {
        let [only] = self.all().await.try_into().unwrap();
        only
    }

    pub(crate) async fn all(&self) -> Vec<Appointment> {
        let span = Span { from: now(), to: "2027-02-01T00:00:00Z".parse().unwrap() };
        self.store.appointments_within(span, now(), 9).await.unwrap()
    }

    /// What staff are told.
    pub(crate) async fn messages(&self) -> Vec<String> {
        let messages = self.store.messages(9, None, true).await.unwrap();
        messages.into_iter().map(|message| message.text).collect()
    }

    /// The kinds of errands that wait.
    pub(crate) async fn waiting(&self) -> Vec<ErrandKind> {
        let errands = self.store.errands(now()).await.unwrap().errands;
        errands.iter().filter(|errand| errand.state == "waiting").map(|errand| errand.kind).collect()
    }

    /// Staff have what waits for the calendar tried again.
    pub(crate) async fn retry(&self) {
        let errands = self.store.errands(now()).await.unwrap().errands;
        for errand in errands.iter().filter(|errand| errand.kind == ErrandKind::Calendar) {
            let (_, changed) = self.store.errand_by_staff(errand.id, ByStaff::Retry, now()).await.unwrap().unwrap();
            assert!(changed, "{errand:?}");
        }
    }

    /// The patient's own change: an hour later.
    pub(crate) async fn move_by_an_hour(&self, appointment: &Appointment) {
        let later = super::clinic::moved(appointment);
        let moved = self.store.transact(move |book| -> Result<_, BookError> {
            let (moved, _) = book.follow(later.id, later.slot.time, later.slot.busy)?;
            frontdesk_core::clerk::tell_outside(&moved, now(), book)
        });
        moved.await.unwrap();
    }
}

/// The clinic with its calendar.
pub(crate) struct Outside {
    store: Store,
    office: Arc<Office>,
    pub(crate) entries: Arc<Entries>,
    carriers: Carriers,
    outcomes: Mutex<mpsc::UnboundedReceiver<Outcome>>,
}

impl Outside {
    /// Has errands carried out until that many of the calendar's were.
    pub(crate) async fn deliver(&self, count: usize) -> Vec<Outcome> {
        let stop = CancellationToken::new();
        let carriers = Arc::new(self.carriers.clone());
        let worker = worker::run(self.store.clone(), carriers, Metrics::new(), later, stop.clone());
        let heard = async {
            let mut outcomes = self.outcomes.lock().await;
            let mut heard = Vec::new();
            while heard.len() < count {
                heard.push(outcomes.recv().await.unwrap());
            }
            stop.cancel();
            heard
        };
        let both = async { tokio::join!(worker, heard).1 };
        tokio::time::timeout(LONG, both).await.expect("no errand was carried out")
    }

    /// A caller, whose model calls functions.
    pub(crate) fn caller(&self, number: u128) -> Caller {
        let phone = PhoneNumber::parse("+15550100200").ok();
        let clock = Clock::at(Instant::now(), now());
        Caller {
            tools: self.office.tools(DeskId::of(number).into(), Place::Phone { dials: true }, phone, clock),
            calls: 0,
        }
    }
}

/// What was done about one calendar errand.
pub(crate) fn done(note: &str) -> Vec<Outcome> {
    vec![Outcome::Done { note: note.to_owned() }]
}

/// The carrier, overheard.
struct Heard {
    diary: Diary,
    said: mpsc::UnboundedSender<Outcome>,
}

impl Carrier for Heard {
    fn carry<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let outcome = self.diary.carry(due).await;
            self.said.send(outcome.clone()).unwrap();
            outcome
        })
    }
}

/// Somebody who wants an appointment.
pub(crate) struct Caller {
    tools: Tools,
    calls: u64,
}

impl Caller {
    pub(crate) async fn call(&mut self, name: &str, args: Value) -> Value {
        self.calls += 1;
        self.tools.start(ToolCall { key: CallKey(self.calls), name: name.to_owned(), args });
        let spoke = Some(Instant::now());
        poll_fn(|cx| self.tools.poll(cx, spoke)).await.response
    }

    /// The first time of Tuesday that is offered.
    pub(crate) async fn find(&mut self) -> Value {
        let wish = json!({ "appointment_type": "check-up", "date_from": "2026-12-01" });
        self.call("find_slots", wish).await["output"]["slots"][0]["slot_id"].clone()
    }

    pub(crate) async fn hold(&mut self, slot: Value) -> Value {
        self.call("hold_slot", json!({ "slot_id": slot })).await
    }

    pub(crate) async fn book(&mut self) -> Value {
        let args = json!({
            "hold_id": "h1", "patient_name": "Ana Pérez", "phone": "caller_id", "email": "ana@example.com",
            "email_consent": true, "caller_confirmed": true,
        });
        let booked = self.call("book", args).await;
        assert_eq!(booked["output"]["status"], "booked", "{booked}");
        booked
    }

    /// From the wish to the row.
    pub(crate) async fn arrange(&mut self) {
        let slot = self.find().await;
        let held = self.hold(slot).await;
        assert_eq!((&held["output"]["status"], &held["output"]["calendar"]), (&json!("held"), &Value::Null), "{held}");
        self.book().await;
    }
}

fn open_on_tuesdays() -> Clinic {
    let mut clinic = clinic();
    let mut week = Week::default();
    let hours = Hours::new(Minute::parse("08:00").unwrap(), Minute::parse("18:00").unwrap()).unwrap();
    week.set(Weekday::Tuesday, vec![hours]).unwrap();
    clinic.practitioners[0].hours = week.clone();
    // Who does no check-ups, and may have no calendar.
    clinic.practitioners.push(Practitioner { id: super::kim(), ..clinic.practitioners[0].clone() });
    clinic.hours = week;
    clinic.types = vec![AppointmentType {
        id: TypeId::parse("check-up").unwrap(),
        name: "Check-up".to_owned(),
        say_as: "a check-up".to_owned(),
        aliases: Vec::new(),
        length: Duration::from_mins(30),
        buffer_before: Duration::ZERO,
        buffer_after: Duration::ZERO,
        step: Duration::from_mins(15),
        lead: Duration::from_hours(1),
        horizon_days: 30,
        most_per_day: None,
        practitioners: vec![osei()],
        ages: None,
        needs_referral: false,
        for_new_patients: true,
        needs_human: false,
        price: String::new(),
        preparation: String::new(),
    }];
    clinic
}

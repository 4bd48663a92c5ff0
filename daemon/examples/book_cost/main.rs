//! What the appointment book costs a caller on this disk, through the real store, beside the goals.
//!
//! - A booking's commit: 20 ms for 99 of 100, measured from the question to the answer, in a book of 10,000 appointments and
//!   with records of calls being written in between.
//! - Looking for free times, `find_slots` as the model calls it, among 20 practitioners, 90 days and 10,000 appointments:
//!   2 ms for 99 of 100, of processor time of the store's thread, as others may share the machine; the time that
//!   passes is beside it. Scattered appointments, and a book that is full until the 84th day.
//!
//! `cargo run --release -p frontdeskd --example book_cost [DIRECTORY]`; the directory is where the disk is, the current one
//! unless told otherwise. Exit status 1 if a goal is missed.

#![allow(clippy::print_stdout, reason = "it is a program for a person")]

mod clinic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::booking::appointment::{Patient, Span};
use frontdesk_core::booking::book::{Book as _, BookError, Errand};
use frontdesk_core::booking::offer::Offers;
use frontdesk_core::clerk::{Clerk, Outside, Place};
use frontdesk_core::clinic::Clinic;
use frontdesk_core::session::id::{ConversationId, DeskId};
use frontdesk_core::tools::request::Request;
use frontdeskd::config::StoreConfig;
use frontdeskd::store::{OpenBook, Record, Store, Turn, Who};
use jiff::{Timestamp, ToSpan};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use clinic::{A_DAY, DAYS, PRACTITIONERS, clinic, practitioner, slot};

/// Appointments of a full book.
const MOST: u32 = PRACTITIONERS * A_DAY * 84;
/// Those that are there before bookings are measured.
const FILLED: u32 = MOST - BOOKINGS;
const BOOKINGS: u32 = 500;
const LOOKS: usize = 200;
const GOAL_OF_BOOKING: Duration = Duration::from_millis(20);
const GOAL_OF_LOOKING: Duration = Duration::from_millis(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let beside = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let clinic = Arc::new(clinic()?);
    // The morning, so that no run is dearer than another.
    let now = Timestamp::now().to_zoned(clinic.zone.clone()).date().at(7, 0, 0, 0).to_zoned(clinic.zone.clone())?;
    let now = now.timestamp();
    let folder = Folder::new(&beside)?;
    let store = folder.open("scattered")?;
    fill(&store, &clinic, 0..FILLED, now, 25).await?;
    let (holds, books) = book(&store, &clinic, now).await?;
    show("hold", holds);
    let booking = show("book, with three errands", books);
    let scattered = look(&store, &clinic, now, "scattered").await?;
    store.close().await;
    let store = folder.open("full")?;
    fill(&store, &clinic, 0..MOST, now, 100).await?;
    let full = look(&store, &clinic, now, "full").await?;
    store.close().await;
    let booking = verdict("bookings", booking, GOAL_OF_BOOKING);
    let looking = verdict("looks, of processor time,", scattered.max(full), GOAL_OF_LOOKING);
    Ok(if booking && looking { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the stores are; it goes with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(beside: &Path) -> anyhow::Result<Self> {
        let path = beside.join(format!("book-cost-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn open(&self, name: &str) -> anyhow::Result<Store> {
        Ok(Store::open(&StoreConfig { path: self.0.join(format!("{name}.db")), keep_days: 90 })?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn fill(
    store: &Store,
    clinic: &Arc<Clinic>,
    which: std::ops::Range<u32>,
    now: Timestamp,
    minutes: i64,
) -> anyhow::Result<()> {
    let clinic = Arc::clone(clinic);
    let fill = move |book: &mut OpenBook<'_>, n: u32| -> Result<(), BookError> {
        let by = ConversationId::from(DeskId::of(n.into()));
        let wanted = slot(&clinic, n, now, minutes).map_err(|error| BookError::Failed(error.into()))?;
        let held = book.hold(&wanted, &by, "en", now, now + Duration::from_mins(2))?;
        book.book(held.id, &by, &patient(n), now).map(drop)
    };
    Ok(store.transact(move |book| which.into_iter().try_for_each(|n| fill(book, n))).await?)
}

/// Books, one after the other, while calls are recorded; how long each hold and each booking took.
async fn book(store: &Store, clinic: &Clinic, now: Timestamp) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut holds, mut books) = (Vec::new(), Vec::new());
    for n in FILLED..MOST {
        let by = ConversationId::from(DeskId::of(n.into()));
        speak(store, by, now);
        // Callers do not book back to back.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let wanted = slot(clinic, n, now, 25)?;
        let began = Instant::now();
        let held = store.transact(move |book| book.hold(&wanted, &by, "en", now, now + Duration::from_mins(2))).await?;
        holds.push(began.elapsed());
        speak(store, by, now);
        let commit = move |book: &mut OpenBook<'_>| -> Result<(), BookError> {
            book.book(held.id, &by, &patient(n), now)?;
            book.send(&Errand::Calendar(held.id), &format!("calendar:{}:0", held.id), now)?;
            book.send(&Errand::Mail(held.id), &format!("mail:{}:0", held.id), now)?;
            let reminded = held.slot.time.from - Duration::from_hours(24);
            book.send(&Errand::Reminder(held.id, reminded), &format!("reminder:{}:0", held.id), now)
        };
        let began = Instant::now();
        store.transact(commit).await?;
        books.push(began.elapsed());
    }
    Ok((holds, books))
}

/// Many looks of one kind.
struct Looks {
    what: &'static str,
    /// From the question to the answer.
    passed: Vec<Duration>,
    /// Of the store's thread.
    used: Vec<Duration>,
}

impl Looks {
    /// Returns the processor time of 99 of 100.
    fn show(self, book: &str) -> Duration {
        show(&format!("{}, {book}, time passed", self.what), self.passed);
        show(&format!("{}, {book}, processor", self.what), self.used)
    }
}

/// The wishes that callers have, and what keeps everybody for all that time, which is a part of each. Returns the processor
/// time of 99 of 100 of the dearest.
async fn look(store: &Store, clinic: &Arc<Clinic>, now: Timestamp, book: &str) -> anyhow::Result<Duration> {
    let day = |days: i64| (now.to_zoned(clinic.zone.clone()).date() + days.days()).to_string();
    let last = day(i64::from(DAYS));
    let wishes = [
        ("soon", json!({ "appointment_type": "checkup" })),
        (
            "of one, a week",
            json!({ "appointment_type": "checkup", "practitioner": "practitioner-7", "date_from": day(30), "date_to": day(37) }),
        ),
        (
            "evenings, 90 days",
            json!({ "appointment_type": "checkup", "date_from": day(0), "date_to": last, "earliest_time": "18:30" }),
        ),
    ];
    let mut dearest = busy(store, now).await?.show(book);
    for (what, args) in wishes {
        dearest = dearest.max(find(store, clinic, what, &args, now).await?.show(book));
    }
    Ok(dearest)
}

async fn busy(store: &Store, now: Timestamp) -> anyhow::Result<Looks> {
    let everybody: Vec<_> = (0..PRACTITIONERS).map(practitioner).collect::<Result<_, _>>()?;
    let span = Span { from: now, to: now + Duration::from_hours(24 * 365) };
    let mut looks = Looks { what: "all that is busy", passed: Vec::new(), used: Vec::new() };
    for _ in 0..LOOKS {
        let of = everybody.clone();
        let began = Instant::now();
        let work = move |book: &mut OpenBook<'_>| -> Result<_, BookError> {
            let began = used();
            let busy = book.busy(&of, span, now, None)?.len();
            Ok((busy, used().saturating_sub(began)))
        };
        let (found, used) = store.transact(work).await?;
        looks.passed.push(began.elapsed());
        looks.used.push(used);
        anyhow::ensure!(found as u32 == MOST, "{found} are busy");
    }
    Ok(looks)
}

async fn find(
    store: &Store,
    clinic: &Arc<Clinic>,
    what: &'static str,
    args: &Value,
    now: Timestamp,
) -> anyhow::Result<Looks> {
    let offers = Arc::new(Offers::new([7; 32]));
    let mut looks = Looks { what, passed: Vec::new(), used: Vec::new() };
    for n in 0..LOOKS {
        let (clinic, offers, by) = (Arc::clone(clinic), Arc::clone(&offers), DeskId::of(n as u128).into());
        let mut clerk = Clerk::new(clinic, offers, by, Place::Desk, None, "en");
        let request = Request::read("find_slots", args)?;
        let began = Instant::now();
        let work = move |book: &mut OpenBook<'_>| -> Result<_, BookError> {
            let began = used();
            let answer = clerk.serve(request, now, &Outside::NotUsed, book)?;
            Ok((answer, used().saturating_sub(began)))
        };
        let (answer, used) = store.transact(work).await?;
        looks.passed.push(began.elapsed());
        looks.used.push(used);
        let told = answer.json.to_string();
        anyhow::ensure!(told.contains("slot_id"), "nothing was found: {told}");
    }
    Ok(looks)
}

/// The processor time that this thread has used.
fn used() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// What a call writes besides.
fn speak(store: &Store, call: ConversationId, at: Timestamp) {
    store.record(Record::DeskStarted { call, at });
    let text = "I would like to come on Tuesday.".to_owned();
    let turn = Turn { seq: 0, who: Who::Caller, text, started_at: at, ended_at: at, interrupted: false };
    store.record(Record::Turn { call, turn });
}

fn patient(n: u32) -> Patient {
    Patient {
        name: format!("Patient Number {n}"),
        phone: None,
        email: Some(format!("patient-{n}@example.com")),
        sms: false,
        born: None,
        booked_by: None,
        note: String::new(),
    }
}

fn show(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let of = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
    let [p50, p99, most] = [of(50), of(99), of(100)].map(millis);
    println!("{what:42} p50 {p50:7.3} ms   p99 {p99:7.3} ms   most {most:7.3} ms");
    of(99)
}

fn verdict(of: &str, p99: Duration, goal: Duration) -> bool {
    let met = p99 <= goal;
    println!("goal: {goal:?} for 99 of 100 {of} {}", if met { "met" } else { "MISSED" });
    met
}

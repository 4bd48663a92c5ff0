//! How long a caller waits for a booking's commit on this disk, beside the goal: 20 ms for 99 of 100, measured from the
//! question to the answer, in a book of 10,000 appointments and with records of calls being written in between; and how long for
//! what keeps 20 practitioners busy for all that time, which is a part of looking for free times.
//!
//! `cargo run --release -p frontdeskd --example book_cost [DIRECTORY]`; the directory is where the disk is, the current one
//! unless told otherwise. Exit status 1 if the goal is missed.

#![allow(clippy::print_stdout, reason = "it is a program for a person")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use frontdesk_core::booking::appointment::{Patient, Slot, Span};
use frontdesk_core::booking::book::{Book as _, BookError, Errand};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::session::id::{ConversationId, DeskId};
use frontdeskd::config::StoreConfig;
use frontdeskd::store::{OpenBook, Record, Store, Turn, Who};
use jiff::Timestamp;

/// Appointments that are there before.
const FILLED: u32 = 8_000;
const BOOKINGS: u32 = 2_000;
const GOAL: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let beside = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let path = beside.join(format!("book-cost-{}.db", std::process::id()));
    let store = Store::open(&StoreConfig { path: path.clone(), keep_days: 90 })?;
    let now = Timestamp::now();
    store.transact(move |book| (0..FILLED).try_for_each(|n| fill(book, n, now))).await?;
    let (mut holds, mut books) = (Vec::new(), Vec::new());
    for n in FILLED..FILLED + BOOKINGS {
        let by = ConversationId::from(DeskId::of(n.into()));
        speak(&store, by, now);
        // Callers do not book back to back.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let wanted = slot(n, now)?;
        let began = Instant::now();
        let held = store.transact(move |book| book.hold(&wanted, &by, "en", now, now + Duration::from_mins(2))).await?;
        holds.push(began.elapsed());
        speak(&store, by, now);
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
    let mut looks = Vec::new();
    for _ in 0..200 {
        let everybody: Vec<_> = (0..20).filter_map(|n| practitioner(n).ok()).collect();
        let always = Span { from: now, to: now + Duration::from_hours(24 * 365) };
        let began = Instant::now();
        let busy = store.transact(move |book| book.busy(&everybody, always, now, None)).await?;
        looks.push(began.elapsed());
        anyhow::ensure!(busy.len() as u32 == FILLED + BOOKINGS, "{} are busy", busy.len());
    }
    store.close().await;
    for ending in ["", ".lock"] {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        // What stays behind is in nobody's way.
        let _ = std::fs::remove_file(name);
    }
    show("what keeps all busy", looks);
    show("hold", holds);
    let p99 = show("book, with three errands", books);
    let met = p99 <= GOAL;
    println!("goal: {GOAL:?} for 99 of 100 bookings: {}", if met { "met" } else { "MISSED" });
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn fill(book: &mut OpenBook<'_>, n: u32, now: Timestamp) -> Result<(), BookError> {
    let by = ConversationId::from(DeskId::of(n.into()));
    let wanted = slot(n, now).map_err(|error| BookError::Failed(error.into()))?;
    let held = book.hold(&wanted, &by, "en", now, now + Duration::from_mins(2))?;
    book.book(held.id, &by, &patient(n), now).map(drop)
}

fn practitioner(n: u32) -> anyhow::Result<PractitionerId> {
    Ok(PractitionerId::parse(&format!("practitioner-{}", n % 20))?)
}

/// What a call writes besides.
fn speak(store: &Store, call: ConversationId, at: Timestamp) {
    store.record(Record::DeskStarted { call, at });
    let text = "I would like to come on Tuesday.".to_owned();
    let turn = Turn { seq: 0, who: Who::Caller, text, started_at: at, ended_at: at, interrupted: false };
    store.record(Record::Turn { call, turn });
}

fn slot(n: u32, now: Timestamp) -> anyhow::Result<Slot> {
    let from = now + Duration::from_hours(48) + Duration::from_mins(30) * (n / 20);
    let time = Span { from, to: from + Duration::from_mins(30) };
    Ok(Slot {
        kind: TypeId::parse("checkup")?,
        practitioner: practitioner(n)?,
        location: LocationId::parse("main")?,
        time,
        busy: time,
    })
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
    println!("{what:26} p50 {p50:6.2} ms   p99 {p99:6.2} ms   most {most:6.2} ms");
    of(99)
}

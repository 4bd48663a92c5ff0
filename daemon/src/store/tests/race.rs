//! Callers who want the same time: whatever they do, and however many at once, it is promised to one.

use std::collections::BTreeMap;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Slot, Span, State};
use frontdesk_core::booking::book::{Book as _, BookError};

use super::book::{booked, hold, patient, slot};
use super::*;

/// Eight callers want the same time at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_eight_callers_one_gets_the_time() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for round in 0..20 {
        let barrier = Arc::new(tokio::sync::Barrier::new(8));
        let mut callers = tokio::task::JoinSet::new();
        for n in 1..=8 {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            callers.spawn(async move {
                barrier.wait().await;
                let held = hold(&store, n, slot("osei", 60 * round + i64::from(n), 30), at(0)).await?;
                booked(&store, n, held.id, at(1)).await
            });
        }
        let ended = callers.join_all().await;
        let won = ended.iter().filter(|ended| ended.is_ok()).count();
        let lost = ended.iter().filter(|ended| matches!(ended, Err(BookError::Taken))).count();
        assert_eq!((won, lost), (1, 7), "round {round}");
    }
    store.close().await;
}

/// The same without our code: the constraint is the database's own.
#[tokio::test]
async fn of_eight_programs_that_write_the_file_one_gets_the_time() {
    let fixture = Fixture::new();
    fixture.open().close().await;
    let write = |n: i64| {
        let db = fixture.connection();
        db.busy_timeout(Duration::from_secs(30)).unwrap();
        move || {
            let sql = "INSERT INTO appointments (id, reference, state, kind, practitioner, location, starts, ends, busy_from,
                                                 busy_to, language, held_by, hold_ends)
                       VALUES (?1, ?1, 'booked', 'checkup', 'osei', 'main', ?2, ?2 + 1000, ?2, ?2 + 1000, 'en', 'x', 0)";
            db.execute(sql, rusqlite::params![format!("{n}"), 100 * n])
        }
    };
    let writers: Vec<_> = (1..=8).map(write).collect();
    let ended: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = writers.into_iter().map(|write| scope.spawn(write)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    for error in ended.into_iter().filter_map(Result::err) {
        assert_eq!(error.to_string(), "slot_taken");
    }
    let moved = "UPDATE appointments SET busy_to = busy_to + 5, state = 'booked'";
    assert_eq!(fixture.connection().execute(moved, []).unwrap(), 1, "it is not in its own way");
}

/// What may be wanted of the book, by one of four conversations.
#[derive(Debug, Clone)]
enum Wish {
    Hold(u32, u8, bool),
    Book(u32, usize),
    Reschedule(u32, usize, usize),
    Cancel(u32, usize),
    Follow(usize, u8),
    Release(u32),
    Wait(u8),
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let (who, which) = (1..=4_u32, 0..12_usize);
    prop_oneof![
        4 => (who.clone(), 0..30_u8, any::<bool>()).prop_map(|(by, when, instead)| Wish::Hold(by, when, instead)),
        4 => (who.clone(), which.clone()).prop_map(|(by, id)| Wish::Book(by, id)),
        3 => (who.clone(), which.clone(), which.clone()).prop_map(|(by, id, hold)| Wish::Reschedule(by, id, hold)),
        1 => (who.clone(), which.clone()).prop_map(|(by, id)| Wish::Cancel(by, id)),
        1 => (which, 0..30_u8).prop_map(|(id, when)| Wish::Follow(id, when)),
        1 => who.prop_map(Wish::Release),
        2 => (0..200_u8).prop_map(Wish::Wait),
    ]
}

/// No two that are promised overlap; nor does a hold with anything but the appointment that it would move.
fn assert_nothing_overlaps(found: &[Appointment], instead: &BTreeMap<AppointmentId, AppointmentId>) {
    let live: Vec<_> = found.iter().filter(|one| one.state != State::Cancelled).collect();
    for (n, one) in live.iter().enumerate() {
        for other in &live[n + 1..] {
            let moves = |hold: &Appointment, moved: &Appointment| {
                hold.state == State::Held && instead.get(&hold.id) == Some(&moved.id)
            };
            let apart = !one.slot.busy.overlaps(&other.slot.busy) || moves(one, other) || moves(other, one);
            assert!(apart, "{one:?} and {other:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_callers_do_nobody_is_promised_what_another_has(wishes in prop::collection::vec(any_wish(), 1..60)) {
        let mut db = open::open_memory(open::STEPS).unwrap().db;
        let (mut now, mut ids, mut instead) = (at(0), Vec::new(), BTreeMap::new());
        let id = |ids: &[AppointmentId], n: usize| ids.get(n % ids.len().max(1)).copied().unwrap_or(AppointmentId(1));
        for wish in wishes {
            let mut book = OpenBook::open(&mut db, now).unwrap();
            let ends = now + Duration::from_mins(2);
            let refused = match wish {
                Wish::Hold(by, when, moves) => {
                    let wanted = slot("osei", i64::from(when) * 10, 25);
                    let of = id(&ids, usize::from(when));
                    let held = if moves {
                        book.hold_instead(of, &wanted, &sid(by), "en", now, ends)
                    } else {
                        book.hold(&wanted, &sid(by), "en", now, ends)
                    };
                    held.map(|held| {
                        ids.push(held.id);
                        instead.remove(&held.id);
                        if moves { instead.insert(held.id, of); }
                    }).err()
                }
                Wish::Book(by, n) => book.book(id(&ids, n), &sid(by), &patient("Ana"), now).err(),
                Wish::Reschedule(by, n, hold) => book.reschedule(id(&ids, n), id(&ids, hold), &sid(by), now).err(),
                Wish::Cancel(by, n) => book.cancel(id(&ids, n), "patient", &sid(by), now).err(),
                Wish::Follow(n, when) => {
                    let Slot { time, busy, .. } = slot("osei", i64::from(when) * 10, 25);
                    book.follow(id(&ids, n), time, busy).err()
                }
                Wish::Release(by) => book.release(&sid(by)).err(),
                Wish::Wait(seconds) => { now += Duration::from_secs(seconds.into()); None }
            };
            prop_assert!(!matches!(refused, Some(BookError::Failed(_))), "{:?}", refused);
            book.close().unwrap();
            let everything = Span { from: at(-86_400), to: at(86_400) };
            // Holds that have run out too, as the constraint sees them until somebody holds something.
            assert_nothing_overlaps(&super::super::book::within(&db, everything, Timestamp::MIN, 500).unwrap(), &instead);
        }
    }
}

//! The appointment book: what is promised to one caller is promised to nobody else, and is on the disk.

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Patient, Slot, Span, State};
use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};

use super::*;

pub(super) fn slot(practitioner: &str, from_minute: i64, minutes: i64) -> Slot {
    let minute = |n: i64| at(60 * n);
    let time = Span { from: minute(from_minute), to: minute(from_minute + minutes) };
    Slot {
        kind: TypeId::parse("checkup").unwrap(),
        practitioner: PractitionerId::parse(practitioner).unwrap(),
        location: LocationId::parse("main").unwrap(),
        time,
        busy: Span { from: time.from, to: minute(from_minute + minutes + 5) },
    }
}

pub(super) fn patient(name: &str) -> Patient {
    Patient {
        name: name.to_owned(),
        phone: Some(PhoneNumber::parse("+15550100200").unwrap()),
        email: Some("ana@example.com".to_owned()),
        sms: true,
        born: Some(jiff::civil::date(1980, 2, 29)),
        booked_by: None,
        note: "step-free access".to_owned(),
    }
}

fn message(text: &str) -> Message {
    let name = "Ana".to_owned();
    Message { name, phone: None, topic: "billing".to_owned(), text: text.to_owned(), today: false }
}

pub(super) async fn hold(store: &Store, by: u32, slot: Slot, now: Timestamp) -> Result<Appointment, BookError> {
    store.transact(move |book| book.hold(&slot, &sid(by), "en-GB", now, now + Duration::from_mins(2))).await
}

pub(super) async fn booked(
    store: &Store,
    by: u32,
    id: AppointmentId,
    now: Timestamp,
) -> Result<(Appointment, bool), BookError> {
    store.transact(move |book| book.book(id, &sid(by), &patient("Ana García"), now)).await
}

/// Holds and books.
async fn appointment(store: &Store, by: u32, slot: Slot) -> Appointment {
    let held = hold(store, by, slot, at(0)).await.unwrap();
    booked(store, by, held.id, at(1)).await.unwrap().0
}

#[tokio::test]
async fn an_appointment_is_read_back_as_it_was_promised() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let held = hold(&store, 1, slot("osei", 60, 30), at(0)).await.unwrap();
    assert_eq!((held.state, held.patient.clone(), held.revision), (State::Held, None, 0));
    let (kept, new) = booked(&store, 1, held.id, at(9)).await.unwrap();
    let expected = Appointment { patient: Some(patient("Ana García")), state: State::Booked, ..held.clone() };
    assert_eq!((&kept, new), (&expected, true));
    assert_eq!(booked(&store, 1, held.id, at(10)).await.unwrap(), (kept.clone(), false), "said again");
    store.close().await;

    let store = fixture.open();
    assert_eq!(store.appointment(held.id).await.unwrap(), Some(kept.clone()));
    let found = store.transact(move |book| -> Result<_, BookError> {
        let span = Span { from: at(0), to: at(86_400) };
        Ok((
            book.by_reference(kept.reference, at(0))?,
            book.by_reference(kept.reference, kept.slot.time.to)?,
            book.by_phone(&PhoneNumber::parse("+15550100200").unwrap(), at(0))?.len(),
            book.by_name("ana GARCÍA ", span)?.len(),
            book.by_name("Ana", span)?.len(),
        ))
    });
    let (by_reference, over, phone, name, part) = found.await.unwrap();
    assert_eq!((by_reference.map(|found| found.id), over, phone, name, part), (Some(held.id), None, 1, 1, 0));
    assert!(!format!("{expected:?}").contains("Ana"), "nobody is named in a log");
    store.close().await;
}

#[tokio::test]
async fn a_hold_keeps_the_time_until_it_ends_and_no_longer() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let first = hold(&store, 1, slot("osei", 60, 30), at(0)).await.unwrap();
    let other = hold(&store, 2, slot("osei", 75, 30), at(119)).await;
    assert!(matches!(other, Err(BookError::Taken)), "{other:?}");
    let other = hold(&store, 2, slot("osei", 90, 30), at(119)).await;
    assert!(matches!(other, Err(BookError::Taken)), "the buffer is the practitioner's time too: {other:?}");
    hold(&store, 2, slot("osei", 95, 30), at(119)).await.expect("they touch, and do not overlap");

    let again = hold(&store, 1, slot("osei", 60, 30), at(100)).await.unwrap();
    assert_eq!(again.id, first.id, "the same hold, renewed");
    assert!(matches!(hold(&store, 3, slot("osei", 60, 30), at(219)).await, Err(BookError::Taken)));
    let late = booked(&store, 1, first.id, at(220)).await;
    assert!(matches!(late, Err(BookError::Expired)), "{late:?}");
    hold(&store, 3, slot("osei", 60, 30), at(220)).await.expect("its time is over");
    let late = booked(&store, 1, first.id, at(221)).await;
    assert!(matches!(late, Err(BookError::Expired)), "{late:?}");
    let foreign = booked(&store, 2, again.id, at(100)).await;
    assert!(matches!(foreign, Err(BookError::Unknown)), "{foreign:?}");
    store.close().await;
}

#[tokio::test]
async fn a_conversation_holds_one_time_and_keeps_it_if_another_is_taken() {
    let fixture = Fixture::new();
    let store = fixture.open();
    appointment(&store, 9, slot("osei", 300, 30)).await;
    let kept = hold(&store, 1, slot("osei", 60, 30), at(0)).await.unwrap();
    // Refused, and the transaction goes on.
    let refused = store.transact(move |book| -> Result<_, BookError> {
        let taken = book.hold(&slot("osei", 310, 30), &sid(1), "en", at(1), at(121));
        Ok(matches!(taken, Err(BookError::Taken)))
    });
    assert!(refused.await.unwrap());
    assert_eq!(store.appointment(kept.id).await.unwrap().map(|held| held.state), Some(State::Held));
    let next = hold(&store, 1, slot("osei", 120, 30), at(2)).await.unwrap();
    assert_eq!(store.appointment(kept.id).await.unwrap(), None, "given up for the other");
    store.transact(|book| book.release(&sid(1))).await.unwrap();
    assert_eq!(store.appointment(next.id).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn a_hold_ends_with_its_conversation_and_with_the_daemon() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0)), started(2, at(0))]);
    let first = hold(&store, 1, slot("osei", 60, 30), at(0)).await.unwrap();
    let second = hold(&store, 2, slot("lind", 60, 30), at(0)).await.unwrap();
    record_all(&store, [ended(1, 5)]);
    assert!(store.appointment(first.id).await.unwrap().is_some(), "it may still be booked, as was asked for");
    record_all(&store, [Record::CallLeft { call: sid(1) }]);
    assert_eq!(store.appointment(first.id).await.unwrap(), None);
    assert!(store.appointment(second.id).await.unwrap().is_some());
    store.close().await;
    let store = fixture.open();
    assert_eq!(store.appointment(second.id).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn an_appointment_is_moved_once_and_its_old_time_is_free() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let before = appointment(&store, 1, slot("osei", 60, 30)).await;
    // A quarter of an hour later: over its own time, which nobody else could hold.
    let later = slot("osei", 75, 30);
    assert!(matches!(hold(&store, 2, later.clone(), at(2)).await, Err(BookError::Taken)));
    let (id, wanted) = (before.id, later.clone());
    let hold = store.transact(move |book| book.hold_instead(id, &wanted, &sid(2), "en", at(2), at(122))).await.unwrap();
    let other = booked(&store, 2, hold.id, at(3)).await;
    assert!(matches!(other, Err(BookError::Taken)), "it is for moving only: {other:?}");

    let reschedule = || store.transact(move |book| book.reschedule(id, hold.id, &sid(2), at(4)));
    let (moved, changed) = reschedule().await.unwrap();
    assert_eq!((moved.slot.clone(), moved.revision, changed), (later, 1, true));
    assert_eq!((moved.id, moved.reference, moved.patient.clone()), (before.id, before.reference, before.patient));
    assert_eq!(reschedule().await.unwrap(), (moved.clone(), false), "said again");
    self::hold(&store, 3, slot("osei", 45, 25), at(5)).await.expect("where it was before");

    let cancel = || store.transact(move |book| book.cancel(id, "patient", &sid(2), at(6)));
    let (cancelled, changed) = cancel().await.unwrap();
    assert_eq!((cancelled.state, cancelled.revision, changed), (State::Cancelled, 2, true));
    assert_eq!(cancel().await.unwrap(), (cancelled, false));
    assert!(matches!(reschedule().await, Err(BookError::Unknown)));
    store.close().await;
}

#[tokio::test]
async fn what_changes_outside_is_followed_unless_somebody_is_in_the_way() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let ours = appointment(&store, 1, slot("osei", 60, 30)).await;
    appointment(&store, 2, slot("osei", 120, 30)).await;
    let follow = async |minute| {
        let Slot { time, busy, .. } = slot("osei", minute, 30);
        store.transact(move |book| book.follow(ours.id, time, busy)).await
    };
    assert!(matches!(follow(100).await, Err(BookError::Taken)));
    let (moved, changed) = follow(200).await.unwrap();
    assert_eq!((moved.slot.time.from, moved.revision, changed), (at(200 * 60), 1, true));
    assert!(!follow(200).await.unwrap().1);
    let (gone, _) = store.transact(move |book| book.withdraw(ours.id, "calendar", at(9))).await.unwrap();
    assert_eq!(gone.state, State::Cancelled);
    assert!(matches!(follow(300).await, Err(BookError::Unknown)));
    store.close().await;
}

#[tokio::test]
async fn only_what_keeps_somebody_busy_is_busy() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let kept = appointment(&store, 1, slot("osei", 60, 30)).await;
    hold(&store, 2, slot("osei", 120, 30), at(0)).await.unwrap();
    let gone = appointment(&store, 3, slot("osei", 180, 30)).await;
    appointment(&store, 4, slot("lind", 60, 30)).await;
    store.transact(move |book| book.cancel(gone.id, "patient", &sid(3), at(2))).await.unwrap();
    let busy = async |from: i64, to: i64, now, except| {
        let of = [PractitionerId::parse("osei").unwrap()];
        let span = Span { from: at(60 * from), to: at(60 * to) };
        let busy = store.transact(move |book| book.busy(&of, span, now, except)).await.unwrap();
        busy.into_iter().map(|busy| busy.span.from.duration_since(at(0)).as_mins()).collect::<Vec<_>>()
    };
    assert_eq!(busy(0, 600, at(3), None).await, [60, 120]);
    assert_eq!(busy(0, 600, at(120), None).await, [60], "the hold is over");
    assert_eq!(busy(0, 600, at(3), Some(kept.id)).await, [120]);
    assert_eq!(busy(94, 120, at(3), None).await, [60], "the buffer's last minute");
    assert_eq!(busy(95, 120, at(3), None).await, [0_i64; 0]);
    store.close().await;
}

#[tokio::test]
async fn a_message_and_an_errand_are_kept_once() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let (first, again, other) = store
        .transact(|book| -> Result<_, BookError> {
            let first = book.take_message(&message("call me"), &sid(1), at(0))?;
            let again = book.take_message(&message("call me"), &sid(1), at(5))?;
            book.send(&Errand::Message(first), "message:1", at(0))?;
            book.send(&Errand::Message(first), "message:1", at(5))?;
            Ok((first, again, book.take_message(&message("call me"), &sid(2), at(5))?))
        })
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(store.errands(at(10)).await.unwrap().errands.len(), 1);
    assert_eq!(store.message(first).await.unwrap().unwrap().message(), message("call me"));
    assert_eq!(store.messages(10, None, true).await.unwrap().len(), 2);
    store.message_read(first, at(20)).await.unwrap().unwrap();
    assert_eq!(store.message_read(first, at(30)).await.unwrap().unwrap().read_at, Some(at(20)));
    assert_eq!(store.messages(10, None, true).await.unwrap().iter().map(|left| left.id).collect::<Vec<_>>(), [other]);
    assert_eq!(store.message_read(99, at(30)).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn what_fails_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let kept = appointment(&store, 1, slot("osei", 60, 30)).await;
    let undone: Result<(), BookError> = store
        .transact(move |book| {
            book.cancel(kept.id, "patient", &sid(1), at(5))?;
            book.send(&Errand::Calendar(kept.id), "c", at(5))?;
            Err(BookError::Unknown)
        })
        .await;
    assert!(matches!(undone, Err(BookError::Unknown)));
    // An error of the database that is passed over fails the whole all the same.
    let passed_over: Result<(), BookError> = store
        .transact(move |book| {
            book.cancel(kept.id, "patient", &sid(1), at(5))?;
            let _ = book.send(&Errand::Calendar(AppointmentId(7)), "nobody's", at(5));
            assert!(book.appointment(kept.id).is_err());
            Ok(())
        })
        .await;
    assert!(matches!(passed_over, Err(BookError::Failed(_))));
    let broken: Result<(), BookError> = store
        .transact(move |book| {
            book.cancel(kept.id, "patient", &sid(1), at(5))?;
            panic!("a defect of the rules");
        })
        .await;
    assert!(matches!(broken, Err(BookError::Failed(_))));
    assert_eq!(store.appointment(kept.id).await.unwrap(), Some(kept));
    assert_eq!(store.errands(at(9)).await.unwrap().errands, []);
    store.close().await;
}

#[tokio::test]
async fn the_audit_names_who_and_what_but_no_values_and_shows_what_was_done_to_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let kept = appointment(&store, 1, slot("osei", 60, 30)).await;
    let id = kept.id;
    store.transact(move |book| book.set_email(id, "new@example.com", &sid(2))).await.unwrap();
    let nobody: Result<_, BookError> = store.transact(|book| book.set_email(AppointmentId(9), "x", &sid(2))).await;
    assert!(matches!(nobody, Err(BookError::Unknown)));
    store.transact(move |book| book.withdraw(id, "calendar", at(9))).await.unwrap();
    store.appointments(Span { from: at(0), to: at(60) }, at(0)).await.unwrap();
    let entries = store.audit(0, 10).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.action.as_str(), entry.fields.as_str())).collect();
    assert_eq!(told, [("create", "appointment"), ("change", "email"), ("cancel", "state"), ("view", "")]);
    assert_eq!(entries[0].actor, format!("call:{}", sid(1)));
    assert_eq!((entries[2].actor.as_str(), entries[3].actor.as_str()), ("system", "staff"));
    assert!(!format!("{entries:?}").contains("Ana") && !format!("{entries:?}").contains('@'));
    assert_eq!(store.audit_broken_at().await.unwrap(), None);
    store.close().await;

    let db = fixture.connection();
    for forbidden in ["DELETE FROM audit WHERE id = 2", "UPDATE audit SET actor = 'staff' WHERE id = 2"] {
        assert!(db.execute(forbidden, []).is_err(), "{forbidden}");
    }
    db.execute_batch("DROP TRIGGER audit_stays").unwrap();
    db.execute("UPDATE audit SET actor = 'staff' WHERE id = 2", []).unwrap();
    drop(db);
    let store = fixture.open();
    assert_eq!(store.audit_broken_at().await.unwrap(), Some(2));
    store.close().await;
}

#[tokio::test]
async fn what_is_not_on_the_disk_is_not_promised() {
    let mut fixture = Fixture::new();
    fixture.name = "no-such-directory/frontdesk.db";
    let store = fixture.open();
    let held = hold(&store, 1, slot("osei", 60, 30), at(0)).await;
    assert!(matches!(held, Err(BookError::Failed(_))), "memory is no promise: {held:?}");
    store.close().await;

    fixture.name = "frontdesk.db";
    let store = fixture.open();
    let held = hold(&store, 1, slot("osei", 60, 30), at(0)).await.unwrap();
    let id = held.id;
    let fill = move |book: &mut OpenBook<'_>| -> Result<(), BookError> {
        book.book(id, &sid(1), &patient("Ana"), at(1))?;
        let text = "x".repeat(200_000);
        book.take_message(&message(&text), &sid(1), at(1)).map(drop)
    };
    store.ask("limiting", |db| db.query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))).await.unwrap();
    let full = store.transact(fill).await;
    assert!(matches!(full, Err(BookError::Failed(_))), "{full:?}");
    store.ask("room", |db| db.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))).await.unwrap();
    assert_eq!(store.appointment(id).await.unwrap(), Some(held.clone()), "still only held");

    store.refuse_writes(true).await;
    let read_only = booked(&store, 1, id, at(1)).await;
    assert!(matches!(read_only, Err(BookError::Failed(_))), "{read_only:?}");
    store.refuse_writes(false).await;

    let other = fixture.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = booked(&store, 1, id, at(1)).await;
    assert!(matches!(locked, Err(BookError::Failed(_))), "{locked:?}");
    other.execute_batch("COMMIT").unwrap();
    assert!(booked(&store, 1, id, at(1)).await.unwrap().1);
    store.close().await;
    let closed = booked(&store, 1, id, at(1)).await;
    assert!(matches!(closed, Err(BookError::Failed(_))), "{closed:?}");
}

#[tokio::test]
async fn a_calendars_links_and_progress_are_kept() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let kept = appointment(&store, 1, slot("osei", 60, 30)).await;
    let link = |etag: &str| CalendarLink {
        appointment: kept.id,
        calendar: "caldav /osei/".to_owned(),
        external_id: "a.ics".to_owned(),
        etag: Some(etag.to_owned()),
        revision: 0,
    };
    store.set_calendar_link(link("1")).await.unwrap();
    store.set_calendar_link(link("2")).await.unwrap();
    assert_eq!(store.calendar_link(kept.id, "caldav /osei/").await.unwrap(), Some(link("2")));
    assert_eq!(store.linked_as("caldav /osei/", "a.ics").await.unwrap(), Some(link("2")));
    store.remove_calendar_link(kept.id, "caldav /osei/").await.unwrap();
    assert_eq!(store.calendar_link(kept.id, "caldav /osei/").await.unwrap(), None);
    assert_eq!(store.calendar_sync("g").await.unwrap(), None);
    store.set_calendar_sync("g", Some("t1".to_owned())).await.unwrap();
    assert_eq!(store.calendar_sync("g").await.unwrap().as_deref(), Some("t1"));
    store.set_calendar_sync("g", None).await.unwrap();
    assert_eq!(store.calendar_sync("g").await.unwrap(), None);
    store.close().await;
}

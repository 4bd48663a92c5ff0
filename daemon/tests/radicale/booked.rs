//! What callers book, and what staff make of it in their calendar.

use std::net::TcpListener;

use frontdesk_core::booking::appointment::{Appointment, State};
use frontdesk_core::booking::book::ErrandKind;
use frontdeskd::calendar::{Backend, Calendar as _};
use frontdeskd::errands::EntryError;
use frontdeskd::outbox::Outcome;
use reqwest::StatusCode;
use serde_json::json;

use super::clinic::{clinic, moved, osei};
use super::office::{Book, done, now};
use super::*;

impl Staff {
    async fn has(&self, id: AppointmentId) -> bool {
        self.send("GET", &file(id), "").await.0 == StatusCode::OK
    }

    /// Moves an appointment by an hour.
    async fn move_by_an_hour(&self, appointment: &Appointment) -> Span {
        let time = moved(appointment).slot.time;
        self.move_to(appointment, time).await;
        time
    }

    async fn move_to(&self, appointment: &Appointment, time: Span) {
        let mut elsewhere = moved(appointment);
        elsewhere.slot.time = time;
        let theirs = ics::entry(&elsewhere, &clinic(), Names::Hidden, "2026-11-27T09:30:00Z".parse().unwrap());
        let (_, before) = self.send("GET", &file(appointment.id), "").await;
        self.write(&file(appointment.id), &theirs.replace(noted(&theirs), noted(&before))).await;
    }
}

#[tokio::test]
async fn what_a_caller_books_staff_see_until_it_is_cancelled() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let outside = book.at(staff.client());
    let mut caller = outside.caller(1);
    caller.arrange().await;
    let booked = book.only().await;
    assert!(!staff.has(booked.id).await);
    assert_eq!(outside.deliver(1).await, done("entered"));
    let taken = staff.client().busy(&osei(), december()).await.unwrap();
    assert_eq!((taken.len(), taken[0].span, taken[0].ours), (1, booked.slot.time, Some(booked.id)));

    let cancelled =
        caller.call("cancel", json!({ "appointment_id": "a1", "reason": "conflict", "caller_confirmed": true })).await;
    assert_eq!(cancelled["output"]["status"], "cancelled", "{cancelled}");
    assert_eq!(outside.deliver(1).await, done("taken out"));
    assert!(!staff.has(booked.id).await);
    // The same time again: our own entry is in nobody's way, nor is what is left of it.
    let mut next = outside.caller(2);
    next.arrange().await;
}

#[tokio::test]
async fn a_time_that_staff_take_at_the_last_moment_is_not_promised() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let outside = book.at(staff.client());
    let mut caller = outside.caller(1);
    let slot = caller.find().await;
    staff.enter("meeting", "DTSTART:20261201T070000Z\nDURATION:PT30M").await;
    let refused = caller.hold(slot).await;
    assert_eq!(refused["error"]["code"], "slot_taken", "{refused}");
    // What is offered then can be held, until somebody takes that too.
    let slot = caller.find().await;
    let held = caller.hold(slot).await;
    assert_eq!(held["output"]["status"], "held", "{held}");
    staff.enter("rounds", "DTSTART:20261201T070000Z\nDURATION:PT9H").await;
    let args = json!({
        "hold_id": "h1", "patient_name": "Ana", "phone": "caller_id", "email_consent": false, "caller_confirmed": true,
    });
    let refused = caller.call("book", args).await;
    assert_eq!(refused["error"]["code"], "slot_taken", "{refused}");
}

#[tokio::test]
async fn without_the_calendar_it_is_booked_with_a_warning_and_entered_later() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = book.at(client_at(&format!("http://{nobody}"), &staff.name, PASSWORD));
    let mut caller = away.caller(1);
    let slot = caller.find().await;
    let held = caller.hold(slot).await;
    assert_eq!((&held["output"]["status"], &held["output"]["calendar"]), (&json!("held"), &json!("unreachable")));
    assert_eq!(caller.book().await["output"]["calendar"], "unreachable");
    let failed = away.deliver(1).await;
    assert!(matches!(&failed[..], [Outcome::Retry { .. }]), "{failed:?}");

    // Somebody else was there first: staff are asked to call, as was promised.
    let booked = book.only().await;
    staff.enter("meeting", "DTSTART:20261201T070000Z\nDURATION:PT30M").await;
    book.retry().await;
    assert_eq!(book.at(staff.client()).deliver(1).await, done("entered"));
    assert!(staff.has(booked.id).await);
    let told = book.messages().await;
    let begins = format!("Appointment {} overlaps with another entry", booked.reference);
    assert!(told.len() == 1 && told[0].starts_with(&begins), "{told:?}");
}

#[tokio::test]
async fn what_staff_move_and_delete_is_moved_and_cancelled_and_the_patient_is_told() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let outside = book.at(staff.client());
    outside.caller(1).arrange().await;
    outside.deliver(1).await;
    let booked = book.only().await;
    outside.entries.look(&osei()).await.unwrap();
    assert_eq!(book.appointment(booked.id).await, booked, "what we wrote ourselves is no news");

    let time = staff.move_by_an_hour(&booked).await;
    outside.entries.look(&osei()).await.unwrap();
    let followed = book.appointment(booked.id).await;
    assert_eq!((followed.slot.time, followed.revision), (time, 1));
    assert!(book.waiting().await.contains(&ErrandKind::Mail));
    assert_eq!(outside.deliver(1).await, done("it is entered already"));

    assert!(staff.send("DELETE", &file(booked.id), "").await.0.is_success());
    outside.entries.look(&osei()).await.unwrap();
    let gone = book.appointment(booked.id).await;
    assert_eq!((gone.state, gone.revision), (State::Cancelled, 2));
    assert!(book.waiting().await.contains(&ErrandKind::Mail));
    assert_eq!(outside.deliver(1).await, done("it is not in the calendar"));
    outside.entries.look(&osei()).await.unwrap();
    assert_eq!(book.appointment(booked.id).await, gone);
}

#[tokio::test]
async fn a_change_that_meets_one_of_staffs_gives_way() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let outside = book.at(staff.client());
    outside.caller(1).arrange().await;
    outside.deliver(1).await;
    let booked = book.only().await;
    // Staff move it by two hours, the patient by one; the box has not looked in between.
    let time = staff.move_by_an_hour(&moved(&booked)).await;
    book.move_by_an_hour(&booked).await;
    assert_eq!(outside.deliver(1).await, done("moved, as somebody has done in the calendar"));
    assert_eq!(book.appointment(booked.id).await.slot.time, time);
    assert_eq!(outside.deliver(1).await, done("it is entered already"));

    assert!(staff.send("DELETE", &file(booked.id), "").await.0.is_success());
    book.move_by_an_hour(&book.appointment(booked.id).await).await;
    assert_eq!(outside.deliver(1).await, done("cancelled, as somebody has done in the calendar"));
    assert_eq!(book.appointment(booked.id).await.state, State::Cancelled);
}

#[tokio::test]
async fn where_an_appointment_cannot_follow_staff_are_asked_to_decide() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let colleague = staff.colleague().await;
    let outside = book.at(staff.client());
    let mut caller = outside.caller(1);
    caller.arrange().await;
    outside.caller(2).arrange().await;
    outside.deliver(2).await;
    let before = book.all().await;
    let [first, second] = &before[..] else { panic!("{before:?}") };

    // Onto another one's time.
    staff.move_to(second, first.slot.time).await;
    outside.entries.look(&osei()).await.unwrap();
    // Into another one's calendar.
    let (_, entry) = staff.send("GET", &file(first.id), "").await;
    colleague.write(&file(first.id), &entry).await;
    assert!(staff.send("DELETE", &file(first.id), "").await.0.is_success());
    for of in [osei(), kim(), osei(), kim()] {
        outside.entries.look(&of).await.unwrap();
    }
    assert_eq!(book.all().await, before);
    let told = book.messages().await;
    assert_eq!(told.len(), 2, "once for each: {told:?}");
    for (text, appointment) in told.iter().rev().zip([second, first]) {
        assert!(text.starts_with(&format!("Appointment {} was moved", appointment.reference)), "{text}");
    }

    // Cancelled, it is taken out of where it is.
    let cancel = json!({ "appointment_id": "a1", "reason": "conflict", "caller_confirmed": true });
    caller.call("cancel", cancel).await;
    assert_eq!(outside.deliver(1).await, done("taken out"));
    assert!(!colleague.has(first.id).await);
}

#[tokio::test]
async fn an_emptied_calendar_cancels_nothing() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let outside = book.at(staff.client());
    for number in 1..=3 {
        outside.caller(number).arrange().await;
    }
    outside.deliver(3).await;
    outside.entries.look(&osei()).await.unwrap();
    let before = book.all().await;
    assert!(staff.send("DELETE", "", "").await.0.is_success());
    let away = outside.entries.look(&osei()).await.unwrap_err();
    assert!(matches!(away, EntryError::Calendar(CalError::Config(_))), "{away}");
    let anew = Staff::with(staff.name.clone()).await;
    let emptied = outside.entries.look(&osei()).await.unwrap_err();
    assert!(matches!(emptied, EntryError::Emptied { missing: 3, known: 3 }), "{emptied}");
    assert_eq!(book.all().await, before);
    // Restored, all is as before.
    for appointment in &before {
        anew.write(&file(appointment.id), &ics::entry(appointment, &clinic(), Names::Hidden, now())).await;
    }
    outside.entries.look(&osei()).await.unwrap();
    assert_eq!(book.all().await, before);
}

#[tokio::test]
async fn what_was_booked_before_there_was_a_calendar_is_entered_once() {
    let (staff, book) = (Staff::with_a_calendar().await, Book::open());
    let before = book.with(Backend::Local);
    before.caller(1).arrange().await;
    assert_eq!(before.deliver(1).await, done(""));
    let outside = book.at(staff.client());
    for _ in 0..2 {
        outside.entries.want_missing().await.unwrap();
        let wanted = book.waiting().await.iter().filter(|kind| **kind == ErrandKind::Calendar).count();
        assert_eq!(wanted, 1);
    }
    assert_eq!(outside.deliver(1).await, done("entered"));
    assert!(staff.has(book.only().await.id).await);
    outside.entries.want_missing().await.unwrap();
    assert!(!book.waiting().await.contains(&ErrandKind::Calendar));
}

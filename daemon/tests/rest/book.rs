//! Appointments, messages and the outbox, as staff and technicians meet them.

use frontdesk_core::booking::appointment::{AppointmentId, Patient, Slot, Span};
use frontdesk_core::booking::book::{Book as _, BookError, Errand, ErrandKind, Message};
use frontdesk_core::clinic::ids::{LocationId, PractitionerId, TypeId};
use frontdesk_core::twilio::number::PhoneNumber;
use frontdeskd::http::reply::{AppointmentList, HealthStatus, MessageList};
use frontdeskd::store::{Errands, Settlement, Store};
use jiff::Timestamp;
use std::time::Duration;

use crate::ctl::by_socket;
use crate::world::{OVER, World, sid};

const TOKEN: &str = "Authorization: Bearer s3cret-token";

/// 2030-12-02 09:00 UTC.
fn nine() -> Timestamp {
    "2030-12-02T09:00:00Z".parse().unwrap()
}

fn message() -> Message {
    Message {
        name: "Ana\u{1b}[2J".to_owned(),
        phone: Some(PhoneNumber::parse("+15550100200").unwrap()),
        topic: "billing".to_owned(),
        text: "Please call me back.".to_owned(),
        today: true,
    }
}

/// An appointment with two errands, and a message with one.
pub(crate) async fn arrange(store: &Store) -> AppointmentId {
    arrange_at(store, Timestamp::now()).await
}

/// Everything is wanted at `now`.
pub(crate) async fn arrange_at(store: &Store, now: Timestamp) -> AppointmentId {
    let time = Span { from: nine(), to: nine() + Duration::from_mins(30) };
    let slot = Slot {
        kind: TypeId::parse("checkup").unwrap(),
        practitioner: PractitionerId::parse("osei").unwrap(),
        location: LocationId::parse("main").unwrap(),
        time,
        busy: time,
    };
    let patient = Patient {
        name: "Ana García".to_owned(),
        phone: Some(PhoneNumber::parse("+15550100200").unwrap()),
        email: Some("ana@example.com".to_owned()),
        sms: false,
        born: None,
        booked_by: None,
        note: String::new(),
    };
    let by = sid(OVER);
    let work = move |book: &mut frontdeskd::store::OpenBook<'_>| -> Result<_, BookError> {
        let held = book.hold(&slot, &by, "en", now, now + Duration::from_mins(2))?;
        book.book(held.id, &by, &patient, now)?;
        book.send(&Errand::Mail(held.id), "mail", now)?;
        book.send(&Errand::Calendar(held.id), "calendar", now)?;
        let message = book.take_message(&message(), &by, now)?;
        book.send(&Errand::Message(message), "message", now)?;
        Ok(held.id)
    };
    store.transact(work).await.unwrap()
}

#[tokio::test]
async fn staff_see_appointments_of_a_span_with_whom_they_are_for() {
    let mut world = World::new(HealthStatus::Ok);
    let id = arrange(&world.state.store).await;
    let admin = world.admin(Some("s3cret-token")).await;
    assert_eq!(admin.ask("GET /v1/appointments", &[]).await.failure(), (401, "no_token".to_owned()));
    let span = "GET /v1/appointments?from=2030-12-02T09:15:00Z&to=2030-12-03T00:00:00Z";
    let answer = admin.ask(span, &[TOKEN]).await;
    let list: AppointmentList = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((list.appointments.len(), list.more), (1, false));
    let json = &answer.json()["appointments"][0];
    assert_eq!((json["id"].as_str(), json["state"].as_str()), (Some(id.to_string().as_str()), Some("booked")));
    assert_eq!((&json["patient"]["name"], &json["patient"]["phone"]), (&"Ana García".into(), &"+15550100200".into()));
    assert_eq!((&json["from"], &json["practitioner"]), (&"2030-12-02T09:00:00Z".into(), &"osei".into()));
    let none: AppointmentList = serde_json::from_str(&admin.ask("GET /v1/appointments", &[TOKEN]).await.body).unwrap();
    assert_eq!(none.appointments, [], "not in the next seven days");
    for wrong in
        ["from=tomorrow", "day=1", "from=2030-12-02T09:00:00Z&to=2030-12-02T09:00:00Z", "to=9999-01-01T00:00:00Z"]
    {
        let answer = admin.ask(&format!("GET /v1/appointments?{wrong}"), &[TOKEN]).await;
        assert_eq!(answer.failure(), (400, "bad_query".to_owned()), "{wrong}");
    }
    let looked = world.state.store.audit(0, 100).await.unwrap();
    assert_eq!(
        looked.iter().filter(|entry| (entry.actor.as_str(), entry.action.as_str()) == ("staff", "view")).count(),
        2
    );
}

#[tokio::test]
async fn messages_are_read_and_dealt_with() {
    let mut world = World::new(HealthStatus::Ok);
    arrange(&world.state.store).await;
    let admin = world.admin(None).await;
    let unread = async || -> MessageList {
        serde_json::from_str(&admin.ask("GET /v1/messages?unread=true", &[]).await.body).unwrap()
    };
    let list = unread().await;
    assert_eq!((list.messages[0].message(), list.next), (message(), None));
    let id = list.messages[0].id;
    assert_eq!(admin.ask(&format!("POST /v1/messages/{id}/read"), &[]).await.status, 200);
    assert_eq!(unread().await.messages, []);
    for unknown in ["99", "x", "-1"] {
        let answer = admin.ask(&format!("POST /v1/messages/{unknown}/read"), &[]).await;
        assert_eq!(answer.failure(), (404, "no_such_message".to_owned()));
    }
    assert_eq!(admin.ask("GET /v1/messages?limit=501", &[]).await.failure(), (400, "bad_query".to_owned()));
}

#[tokio::test]
async fn an_errand_is_tried_again_or_dropped_unless_it_runs_or_is_settled() {
    let mut world = World::new(HealthStatus::Ok);
    let store = world.state.store.clone();
    arrange(&store).await;
    let admin = world.admin(None).await;
    let now = Timestamp::now();
    let begun = store.claim_errands(now, [1, 1, 0, 0, 0]).await.unwrap().due;
    assert_eq!(begun.iter().map(|due| due.errand.kind()).collect::<Vec<_>>(), [ErrandKind::Mail, ErrandKind::Calendar]);
    store.settle_errand(begun[0].id, Settlement::Dead("mail server: 550".to_owned()), now).await.unwrap();
    let (mail, calendar) = (begun[0].id, begun[1].id);
    let answer = admin.ask("GET /v1/outbox", &[]).await;
    assert!(!answer.body.contains("Ana") && !answer.body.contains('@'), "nobody is named: {}", answer.body);
    let left: Errands = serde_json::from_str(&answer.body).unwrap();
    let states: Vec<_> = left.errands.iter().map(|errand| (errand.kind, errand.state.as_str())).collect();
    let (m, c, s) = (ErrandKind::Mail, ErrandKind::Calendar, ErrandKind::Message);
    assert_eq!((left.waiting, left.dead, states), (2, 1, vec![(m, "dead"), (c, "begun"), (s, "waiting")]));

    let retry = async |id: &str| admin.ask(&format!("POST /v1/outbox/{id}/retry"), &[]).await;
    assert_eq!(retry(&calendar.to_string()).await.failure(), (409, "not_waiting".to_owned()));
    let retried = retry(&mail.to_string()).await;
    assert_eq!((retried.status, &retried.json()["state"]), (202, &"waiting".into()));
    let dropped = admin.ask(&format!("DELETE /v1/outbox/{mail}"), &[]).await;
    assert_eq!((dropped.status, &dropped.json()["state"]), (200, &"dropped".into()));
    assert_eq!(admin.ask(&format!("DELETE /v1/outbox/{mail}"), &[]).await.failure(), (409, "not_waiting".to_owned()));
    for unknown in ["99", "x"] {
        assert_eq!(retry(unknown).await.failure(), (404, "no_such_errand".to_owned()));
    }
    assert_eq!(admin.ask("GET /v1/outbox/1/retry", &[]).await.failure(), (405, "wrong_method".to_owned()));
    store.settle_errand(calendar, Settlement::Done("event 7".to_owned()), now).await.unwrap();
    assert!(world.state.metrics.encode().contains("\nfrontdesk_outbox_waiting 1\n"));
}

#[tokio::test]
async fn the_technicians_tool_shows_them_all() {
    let mut world = World::new(HealthStatus::Ok);
    let store = world.state.store.clone();
    arrange(&store).await;
    let socket = world.control();
    let (code, out, err) = by_socket(&socket, "appointments --from 2030-12-02 --days 1").await;
    assert_eq!((code, err.as_str()), (0, ""));
    let row = out.lines().nth(1).unwrap();
    assert!(
        row.starts_with("2030-12-02 09:00  osei  checkup  ") && row.ends_with("booked  Ana García  +1555•••0200"),
        "{out}"
    );
    assert_eq!(by_socket(&socket, "appointments --from 2030-12-03").await.1, "no appointments\n");

    let (_, out, _) = by_socket(&socket, "messages").await;
    assert!(out.contains("  billing, for today\n   Ana [2J, +1555•••0200\n   Please call me back.\n"), "{out}");
    let (_, out, _) = by_socket(&socket, "messages --json").await;
    assert!(out.contains("+15550100200"), "{out}");
    assert_eq!(by_socket(&socket, "messages read 1").await.1, "the message 1 is dealt with\n");
    assert_eq!(by_socket(&socket, "messages").await.1, "no messages\n");
    assert!(by_socket(&socket, "messages --all").await.1.contains("dealt with"));

    let (code, out, _) = by_socket(&socket, "outbox").await;
    assert!(
        code == 0 && out.starts_with("3 waiting, the oldest for 0:0") && out.contains("; 0 given up\n\nNUMBER"),
        "{out}"
    );
    assert!(!out.contains("Ana"), "{out}");
    let due = store.claim_errands(Timestamp::now(), [0, 1, 0, 0, 0]).await.unwrap().due;
    store.settle_errand(due[0].id, Settlement::Dead("550\u{1b}c".to_owned()), Timestamp::now()).await.unwrap();
    let (code, out, _) = by_socket(&socket, "outbox list").await;
    assert!(code == 1 && out.contains("mail") && out.contains("dead") && out.contains("550 c"), "{out}");
    let (code, out, _) = by_socket(&socket, "outbox list --dead").await;
    assert!(code == 1 && out.starts_with("2 waiting, "), "{out}");
    let rows: Vec<_> = out.lines().skip_while(|line| !line.starts_with("NUMBER")).skip(1).collect();
    assert!(matches!(rows[..], [row] if row.starts_with("1 ") && row.contains("dead")), "{out}");
    assert_eq!(by_socket(&socket, "outbox retry 1").await.1, "the errand 1 (mail) is tried again\n");
    let due = store.claim_errands(Timestamp::now(), [0, 1, 0, 0, 0]).await.unwrap().due;
    store.settle_errand(due[0].id, Settlement::Dead("550".to_owned()), Timestamp::now()).await.unwrap();
    let said = by_socket(&socket, "outbox retry --dead").await;
    assert_eq!((said.0, said.1.as_str()), (0, "1 errand that had been given up is tried again\n"));
    assert_eq!(by_socket(&socket, "outbox retry --dead --json").await.1, "{\"retried\":0}\n", "nothing is left");
    assert_eq!(store.errands_dead(), 0);
    assert_ne!(by_socket(&socket, "outbox retry").await.0, 0, "which?");
    assert_ne!(by_socket(&socket, "outbox retry 1 --dead").await.0, 0, "one, or all?");
    let (code, out, _) = by_socket(&socket, "outbox drop 1").await;
    assert_eq!((code, out.as_str()), (0, "the errand 1 (mail) will not be done\n"));
    let (code, _, err) = by_socket(&socket, "outbox drop 1").await;
    assert_eq!((code, err.as_str()), (1, "frontdeskctl: the errand 1 is settled (dropped)\n"));
    let (_, out, _) = by_socket(&socket, "outbox --json").await;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["waiting"], &json["dead"]), (&2.into(), &0.into()));

    let (code, out, _) = by_socket(&socket, "audit --limit 1").await;
    assert!(code == 0 && out.contains(&format!("call:{OVER}  create  appointment:")), "{out}");
    assert!(out.ends_with("\nlater rows: --after 1\n"), "{out}");
    let (_, out, _) = by_socket(&socket, "audit").await;
    assert!(out.contains("  staff ") && !out.contains("Ana"), "{out}");
    assert_eq!(
        by_socket(&socket, "audit check").await,
        (0, "the audit is as it was written\n".to_owned(), String::new())
    );
}

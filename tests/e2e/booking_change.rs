//! Appointments that are moved, taken back, or asked for twice.

use frontdesk_gemini_sim::{Exchange, ScriptedCall};
use frontdesk_tests::clinic_data::{check_up, open_daily, osei};
use frontdesk_tests::practice::{Opening, Practice};
use frontdesk_tests::script::{afterwards, book, find, hold, turn};
use serde_json::{Value, json};

const WISH: &str = "I need a check-up, please.";
const YES: &str = "Yes, that is right.";
const MAIL: &str = "anna.rossi@example.com";

fn data() -> [String; 3] {
    [open_daily(), osei(), check_up(&["osei"], "")]
}

/// Anna Rossi wants a check-up, the first that is free, and a mail about it.
fn anna_books() -> [Exchange; 2] {
    let anna = json!({ "date_of_birth": "1984-05-17", "email": MAIL, "email_consent": true });
    [
        turn(WISH, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(YES, [book("Anna Rossi", anna)], "Done."),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_appointments_is_moved_and_the_other_stays() {
    let (who, second, moves) = ("I must move an appointment.", "The second of them.", "Yes, move it there.");
    let identity = json!({ "patient_name": "Anna Rossi", "date_of_birth": "1984-05-17" });
    let the_second = json!("{find_appointments.appointments.1.appointment_id}");
    let there = json!({ "slot_id": "{find_slots.slots.2.slot_id}", "appointment_id": the_second });
    let moved = json!({ "appointment_id": the_second, "hold_id": "{hold_slot.hold_id}", "caller_confirmed": true });
    let mut exchanges = Vec::from(anna_books());
    exchanges.extend([
        turn(who, [ScriptedCall::new("find_appointments", identity)], "{result.say}"),
        turn(
            second,
            [
                find("check-up", json!({ "appointment_id": the_second })),
                afterwards(ScriptedCall::new("hold_slot", there)),
            ],
            "{find_slots.slots.2.say}?",
        ),
        turn(moves, [ScriptedCall::new("reschedule", moved)], "{result.say}"),
    ]);
    let practice = Practice::of(&data(), exchanges).await.unwrap();
    practice.hears(&[WISH, YES, WISH, YES]).await.unwrap();
    let before = practice.appointments().await.unwrap();
    let told = practice.hears(&[who, second, moves]).await.unwrap();

    let outcomes = ["find_appointments: found", "find_slots: found", "hold_slot: held", "reschedule: rescheduled"];
    assert_eq!(told.outcomes(), outcomes);
    assert!(told.was_told("Your appointment is moved to"), "{:?}", told.heard());
    let after = practice.appointments().await.unwrap();
    assert_eq!((before.len(), after.len()), (2, 2), "{after:?}");
    assert_eq!(before[0], after[0], "the first stays as it was");
    assert_eq!((&after[1]["id"], &after[1]["revision"]), (&before[1]["id"], &json!(1)));
    assert!(after[1]["from"].as_str() > before[1]["from"].as_str(), "{after:?}");

    assert_eq!(practice.reminders_left().await.unwrap(), 2, "one for each, that of the old time is gone");
    let letters = practice.letters().unwrap();
    assert_eq!(letters.len(), 3, "two confirmations and the change");
    let changes: Vec<_> = letters.iter().filter(|letter| letter.says("SEQUENCE:1")).collect();
    assert_eq!(changes.len(), 1);
    let uid = format!("UID:{}", text(&after[1]["id"]));
    for line in [uid, "METHOD:REQUEST".to_owned(), begins(&after[1])] {
        assert!(changes[0].says(&line), "{line} is not in\n{}", changes[0].calendar);
    }
    assert!(changes[0].text.contains(MAIL));
    let feed = practice.feed().unwrap();
    for (row, is_there) in [(&after[0], true), (&after[1], true), (&before[1], false)] {
        assert_eq!(feed.contains(&begins(row)), is_there, "{row}\n{feed}");
    }
    assert_eq!(practice.log_with(&["Rossi", MAIL]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_appointment_is_taken_out_of_the_calendar_and_a_letter_says_so() {
    let (who, takes_back, insists) = ("Please cancel my appointment.", "Yes, cancel it.", "It is off, I said.");
    // From another telephone, so that the number of the booking is to be told.
    let identity = json!({ "patient_name": "Anna Rossi", "date_of_birth": "1984-05-17", "phone": "+15550100200" });
    let cancel = |reason: &str| {
        let first = "{find_appointments.appointments.0.appointment_id}";
        ScriptedCall::new("cancel", json!({ "appointment_id": first, "reason": reason, "caller_confirmed": true }))
    };
    let mut exchanges = Vec::from(anna_books());
    exchanges.extend([
        turn(who, [ScriptedCall::new("find_appointments", identity)], "{result.say}"),
        turn(takes_back, [cancel("not_said")], "{result.say}"),
        turn(insists, [cancel("recovered")], "{result.say}"),
    ]);
    let practice = Practice::of(&data(), exchanges).await.unwrap();
    practice.hears(&[WISH, YES]).await.unwrap();
    assert_eq!(practice.reminders_left().await.unwrap(), 1);
    let booked = practice.appointments().await.unwrap();
    assert!(practice.feed().unwrap().contains(text(&booked[0]["reference"])));

    let talk = practice.ring_from("+15550100300").await.unwrap();
    // Asked for twice, it is done once.
    talk.says_all(&[who, takes_back, insists]).await.unwrap();
    let told = talk.hangs_up().await.unwrap();
    assert_eq!(told.outcomes(), ["find_appointments: found", "cancel: cancelled", "cancel: cancelled"]);
    assert!(told.was_told("is cancelled."), "{:?}", told.heard());

    let rows = practice.rows().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["id"], &rows[0]["state"]), (&booked[0]["id"], &json!("cancelled")));
    assert_eq!(practice.reminders_left().await.unwrap(), 0, "nobody is reminded of it");
    let letters = practice.letters().unwrap();
    let cancelled: Vec<_> = letters.iter().filter(|letter| letter.says("METHOD:CANCEL")).collect();
    assert_eq!((letters.len(), cancelled.len()), (2, 1));
    let uid = format!("UID:{}", text(&rows[0]["id"]));
    for line in [uid.as_str(), "STATUS:CANCELLED", "SEQUENCE:1"] {
        assert!(cancelled[0].says(line), "{line} is not in\n{}", cancelled[0].calendar);
    }
    assert!(!practice.feed().unwrap().contains("BEGIN:VEVENT"), "the feed is empty");
    assert_eq!(practice.log_with(&["Rossi", MAIL, "0100200"]), [""; 0]);
}

/// The model sends every call twice, under ids of their own; the caller says the same again, and then in other words.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_again_and_again_is_booked_once_and_told_in_one_letter() {
    let insists = "Book it, I said.";
    let anna = json!({ "date_of_birth": "1984-05-17", "email": MAIL, "email_consent": true, "note": "In a hurry." });
    let mut exchanges = Vec::from(anna_books());
    exchanges.push(turn(insists, [book("Anna Rossi", anna)], "{result.say}"));
    let opening = Opening {
        data: data().concat(),
        exchanges,
        faults: vec!["duplicate-tool-call".parse().unwrap()],
        ..Opening::default()
    };
    let practice = Practice::open(opening).await.unwrap();
    let told = practice.hears(&[WISH, YES, YES, insists]).await.unwrap();

    let rows = practice.rows().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((&row["state"], &row["revision"], &row["patient"]["note"]), (&json!("booked"), &json!(0), &json!("")));
    // Every one of the calls was answered, and as if it were the first.
    let session = &practice.world.gemini.sessions()[0];
    let called = |name: &str| session.tool_calls.iter().filter(|call| call.name == name).collect::<Vec<_>>();
    assert_eq!(["find_slots", "hold_slot", "book"].map(|name| called(name).len()), [2, 2, 6]);
    for call in called("book") {
        assert_eq!(call.response.as_ref().unwrap()["output"]["reference"], row["reference"], "{call:?}");
    }
    // A mere repetition need not reach the book; what is asked for in other words does.
    let booked = told.outcomes().iter().filter(|outcome| **outcome == "book: booked").count();
    assert!(booked >= 2, "{:?}", told.outcomes());
    assert_eq!(practice.reminders_left().await.unwrap(), 1);
    assert_eq!(practice.letters().unwrap().len(), 1);
    assert_eq!(practice.feed().unwrap().matches("BEGIN:VEVENT").count(), 1);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The line that says in a calendar file when an appointment begins.
fn begins(row: &Value) -> String {
    let from: jiff::Timestamp = text(&row["from"]).parse().expect("a time");
    from.strftime("DTSTART:%Y%m%dT%H%M%SZ").to_string()
}

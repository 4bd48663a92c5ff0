//! Conversations at the level of functions: what the model calls, what it is told, and what is in the store then.

#[path = "tools_texts_tests.rs"]
mod texts;
#[path = "tools_voice_tests.rs"]
mod voice;
#[path = "tools_world.rs"]
mod world;

use frontdesk_core::booking::appointment::{Busy, State};
use serde_json::json;

use super::*;
use world::{CALLER, Party, World, booking, code, minutes, output, status};

const TUESDAY: &str = "2026-12-01";

#[tokio::test]
async fn a_booking_from_the_wish_to_the_row() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    assert!(output(&held)["say"].as_str().unwrap().contains("not booked yet"), "{held}");
    let booked = caller.yes_book(&held, json!({})).await;
    assert_eq!(status(&booked), "booked");
    let say = output(&booked)["say"].as_str().unwrap();
    assert!(
        say.starts_with("You are booked for Tuesday the 1st of December at eight in the morning with Doctor Osei.")
    );
    assert_eq!(output(&booked)["confirmation"], "email_queued");
    assert_eq!(output(&booked)["preparation"], "Bring your insurance card.");
    let rows = world.rows().await;
    let patient = rows[0].patient.as_ref().unwrap();
    assert_eq!((rows.len(), rows[0].state, patient.name.as_str()), (1, State::Booked, "Ana Pérez"));
    assert_eq!(patient.phone.as_ref().unwrap().as_e164(), CALLER);
    assert_eq!(world.errands().await, ["calendar", "mail", "reminder"]);
}

#[tokio::test]
async fn the_same_booking_under_a_new_id_is_the_same_booking() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    let first = caller.yes_book(&held, json!({})).await;
    let again = caller.yes_book(&held, json!({})).await;
    assert_eq!(output(&first)["reference"], output(&again)["reference"]);
    assert_eq!((world.rows().await.len(), world.errands().await.len()), (1, 3));
}

#[tokio::test]
async fn nothing_is_booked_without_a_yes_that_was_heard_behind_the_read_back() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    caller.speaks();
    let held = caller.hold(TUESDAY).await;
    let hasty = caller.book(&held, json!({})).await;
    assert_eq!(code(&hasty), "not_confirmed", "what was said before the hold is no yes to it");
    caller.speaks();
    let unsure = caller.book(&held, json!({ "caller_confirmed": false })).await;
    assert_eq!(code(&unsure), "not_confirmed");
    assert_eq!(world.rows().await[0].state, State::Held);
    assert_eq!(status(&caller.book(&held, json!({})).await), "booked");
}

#[tokio::test]
async fn a_doctor_whose_name_was_heard_nearly_right_is_found_and_of_two_one_is_asked_for() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let found = caller.find(json!({ "date_from": TUESDAY, "practitioner_heard": "Doctor Ossay" })).await;
    assert_eq!(output(&found)["slots"][0]["practitioner"], "osei");
    let two = caller.find(json!({ "date_from": TUESDAY, "practitioner_heard": "Doctor Mayr" })).await;
    assert_eq!(code(&two), "ambiguous_practitioner");
    assert_eq!(two["error"]["say"], "Do you mean Doctor Anna Meyer or Doctor Otto Maier?");
    let nobody = caller.find(json!({ "date_from": TUESDAY, "practitioner": "dr-who" })).await;
    assert_eq!(code(&nobody), "unknown_practitioner");
    assert_eq!(nobody["error"]["choose_from"].as_array().unwrap().len(), 3, "{nobody}");
}

#[tokio::test]
async fn a_doctor_on_leave_is_said_to_be_away_and_the_next_free_time_is_told() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let away = caller.find(json!({ "date_from": "2026-12-08", "practitioner": "osei" })).await;
    assert_eq!((code(&away), &away["error"]["because"]), ("no_slots", &json!("practitioner_away")));
    let next = away["error"]["next_free"].clone();
    assert_eq!(next["date"], "2026-12-14");
    let say = away["error"]["say"].as_str().unwrap();
    assert!(say.starts_with("Doctor Osei does not see patients then: a conference. The next"), "{say}");
    let held = caller.call("hold_slot", json!({ "slot_id": next["slot_id"] })).await;
    assert_eq!(status(&held), "held");
}

#[tokio::test]
async fn a_date_on_the_wrong_weekday_is_asked_about() {
    let mut caller = World::open().caller(1, CALLER);
    let wrong = caller.find(json!({ "date_from": TUESDAY, "weekday_from": "wednesday" })).await;
    assert_eq!(code(&wrong), "weekday_mismatch");
    let past = caller.find(json!({ "date_from": "2026-11-26" })).await;
    assert_eq!(code(&past), "date_in_past");
    let never = caller.find(json!({ "date_from": "2026-11-31" })).await;
    assert_eq!((code(&never), &never["error"]["argument"]), ("bad_date", &json!("date_from")));
}

#[tokio::test]
async fn of_two_callers_who_want_one_time_the_second_is_told_that_it_is_taken() {
    let world = World::open();
    let (mut first, mut second) = (world.caller(1, CALLER), world.caller(2, "+15550100300"));
    let offer = first.find(json!({ "date_from": TUESDAY, "practitioner": "osei" })).await;
    let same = second.find(json!({ "date_from": TUESDAY, "practitioner": "osei" })).await;
    let slot = |found: &Value| json!({ "slot_id": output(found)["slots"][0]["slot_id"] });
    assert_eq!(status(&first.call("hold_slot", slot(&offer)).await), "held");
    let late = second.call("hold_slot", slot(&same)).await;
    assert_eq!((code(&late), &late["error"]["retry"]), ("slot_taken", &json!(false)));
    let stolen = second.call("hold_slot", slot(&offer)).await;
    assert_eq!(code(&stolen), "unknown_slot", "an offer is worth nothing in another conversation");
}

#[tokio::test]
async fn invented_ids_are_answered_with_those_that_are_known() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let offers = caller.find(json!({ "date_from": TUESDAY })).await;
    let slot = caller.call("hold_slot", json!({ "slot_id": "slot-1" })).await;
    let known = slot["error"]["choose_from"].as_array().unwrap();
    assert_eq!((code(&slot), known.len()), ("unknown_slot", output(&offers)["slots"].as_array().unwrap().len()));
    let kind = caller.call("find_slots", json!({ "appointment_type": "surgery" })).await;
    assert_eq!((code(&kind), kind["error"]["choose_from"].as_array().unwrap().len()), ("unknown_type", 3));
    let hold = caller.book(&json!({ "output": { "hold_id": "h7" } }), json!({})).await;
    assert_eq!(code(&hold), "unknown_hold");
    let cancel = json!({ "appointment_id": "a1", "caller_confirmed": true });
    assert_eq!(code(&caller.call("cancel", cancel).await), "unknown_appointment");
    let invented = caller.call("list_patients", json!({})).await;
    assert!(invented["error"].as_str().unwrap().contains("find_slots"), "{invented}");
}

#[tokio::test]
async fn arguments_of_the_wrong_kind_change_nothing_and_are_explained() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.speaks();
    for (argument, value, expected) in [
        ("email", json!("ana@example.com\r\nBcc: eve@example.com"), "bad_email"),
        ("email", json!(["ana@example.com"]), "bad_argument"),
        ("patient_name", json!("x".repeat(10_240)), "bad_name"),
        ("phone", json!("0555 12"), "bad_phone"),
        ("caller_confirmed", json!("perhaps"), "bad_argument"),
        ("email", json!("ana@gmial.com"), "check_email"),
    ] {
        let answer = caller.book(&held, json!({ argument: value })).await;
        assert_eq!(code(&answer), expected, "{argument}: {answer}");
    }
    assert_eq!(world.rows().await[0].state, State::Held);
    let insisted =
        caller.book(&held, json!({ "email": "ana@gmial.com", "patient_name": "Ana\nPérez \u{202E}🦷" })).await;
    assert_eq!(status(&insisted), "booked");
    assert_eq!(world.rows().await[0].patient.as_ref().unwrap().name, "Ana Pérez");
}

#[tokio::test]
async fn children_are_booked_by_somebody_else_and_ages_and_referrals_count() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold_kind("child-vaccination", TUESDAY).await;
    assert!(output(&held)["ask_for"].as_array().unwrap().contains(&json!("date_of_birth")));
    caller.speaks();
    assert_eq!(code(&caller.book(&held, json!({})).await), "bad_argument", "the day of birth is needed");
    assert_eq!(code(&caller.book(&held, json!({ "date_of_birth": "1990-05-05" })).await), "age");
    let child = json!({ "date_of_birth": "2020-05-05" });
    assert_eq!(code(&caller.book(&held, child).await), "guardian_needed");
    let parent = json!({ "date_of_birth": "2020-05-05", "booked_by": "Ana Pérez", "patient_name": "Leo Pérez" });
    assert_eq!(status(&caller.book(&held, parent).await), "booked");
    let held = caller.hold_kind("specialist", TUESDAY).await;
    caller.speaks();
    assert_eq!(code(&caller.book(&held, json!({ "new_patient": false })).await), "referral_needed");
    let new = json!({ "has_referral": true, "new_patient": true });
    assert_eq!(code(&caller.book(&held, new).await), "not_for_new_patients");
}

#[tokio::test]
async fn a_number_has_only_so_many_appointments() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    for day in [TUESDAY, "2026-12-02"] {
        let held = caller.hold(day).await;
        assert_eq!(status(&caller.yes_book(&held, json!({})).await), "booked");
    }
    let held = caller.hold("2026-12-03").await;
    assert_eq!(code(&caller.yes_book(&held, json!({})).await), "limit_reached");
    let another = json!({ "phone": "+15550109999" });
    assert_eq!(code(&caller.yes_book(&held, another).await), "limit_reached", "another number is no way around it");
}

#[tokio::test]
async fn numbers_that_are_made_up_are_no_way_to_fill_the_book_from_the_desk() {
    let world = World::open();
    let mut visitor = world.visitor();
    for (day, phone) in [(TUESDAY, "+15550100301"), ("2026-12-02", "none")] {
        let held = visitor.hold(day).await;
        assert_eq!(status(&visitor.yes_book(&held, json!({ "phone": phone })).await), "booked");
    }
    let held = visitor.hold("2026-12-03").await;
    let refused = visitor.yes_book(&held, json!({ "phone": "+15550100303" })).await;
    assert_eq!(code(&refused), "limit_reached");
    let say = refused["error"]["say"].as_str().unwrap();
    assert!(say.contains("in this call"), "nothing is said of whose number has what: {say}");
}

#[tokio::test]
async fn what_a_caller_has_just_booked_counts_among_the_most_of_a_day() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let wish = json!({ "appointment_type": "specialist", "date_from": TUESDAY, "practitioner": "osei" });
    let found = caller.call("find_slots", wish).await;
    let slot = |at: usize| json!({ "slot_id": output(&found)["slots"][at]["slot_id"] });
    assert_eq!(status(&caller.call("hold_slot", slot(1)).await), "held");
    let held = caller.call("hold_slot", slot(0)).await;
    assert_eq!(status(&held), "held", "a hold that is given up does not count");
    let booked = caller.yes_book(&held, json!({ "has_referral": true, "new_patient": false })).await;
    assert_eq!(status(&booked), "booked");
    assert_eq!(code(&caller.call("hold_slot", slot(1)).await), "slot_taken");
}

#[tokio::test]
async fn a_hold_that_has_run_out_is_no_booking() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.pass(minutes(3));
    assert_eq!(code(&caller.yes_book(&held, json!({})).await), "hold_expired");
    assert!(world.errands().await.is_empty());
}

/// Books for a caller who then hangs up.
async fn booked(world: &World, number: u128, date: &str) -> String {
    let mut caller = world.caller(number, CALLER);
    let held = caller.hold(date).await;
    let booked = caller.yes_book(&held, json!({})).await;
    output(&booked)["reference"].as_str().unwrap_or_else(|| panic!("{booked}")).to_owned()
}

#[tokio::test]
async fn one_of_two_appointments_is_moved_and_the_other_cancelled() {
    let world = World::open();
    booked(&world, 1, TUESDAY).await;
    booked(&world, 2, "2026-12-02").await;
    let mut caller = world.caller(3, CALLER);
    let mine = json!({ "patient_name": "Ana Perez", "date": TUESDAY });
    let found = caller.call("find_appointments", mine).await;
    let theirs = output(&found)["appointments"].as_array().unwrap().clone();
    assert_eq!((theirs.len(), &theirs[0]["date"]), (1, &json!(TUESDAY)), "only what was named: {found}");
    let both = caller.call("find_appointments", json!({ "patient_name": "Ana Pérez", "date": "2026-12-02" })).await;
    assert_eq!(output(&both)["appointments"][0]["appointment_id"], "a2");
    let moving =
        json!({ "date_from": TUESDAY, "practitioner": "osei", "earliest_time": "08:15", "appointment_id": "a1" });
    let offers = caller.find(moving).await;
    let slot = output(&offers)["slots"][0].clone();
    assert_eq!(slot["time"], "08:15", "its own time does not stand in the way: {offers}");
    let hold = json!({ "slot_id": slot["slot_id"], "appointment_id": "a1" });
    let held = caller.call("hold_slot", hold).await;
    let move_it = json!({ "appointment_id": "a1", "hold_id": output(&held)["hold_id"], "caller_confirmed": true });
    assert_eq!(code(&caller.call("reschedule", move_it.clone()).await), "not_confirmed");
    caller.speaks();
    let moved = caller.call("reschedule", move_it.clone()).await;
    assert_eq!(status(&moved), "rescheduled", "{moved}");
    assert_eq!(status(&caller.call("reschedule", move_it).await), "rescheduled", "asked for twice");
    let cancel = json!({ "appointment_id": "a2", "reason": "conflict", "caller_confirmed": true });
    assert_eq!(status(&caller.call("cancel", cancel.clone()).await), "cancelled");
    assert_eq!(status(&caller.call("cancel", cancel).await), "cancelled", "asked for twice");
    let rows = world.rows().await;
    let booked: Vec<_> = rows.iter().filter(|row| row.state == State::Booked).collect();
    assert_eq!((booked.len(), booked[0].revision, booked[0].from.to_string().as_str()), (1, 1, "2026-12-01T07:15:00Z"));
}

#[tokio::test]
async fn an_appointment_is_not_moved_to_another_type_whose_rules_nobody_asked_about() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.yes_book(&held, json!({})).await;
    let specialist = caller.hold_kind("specialist", "2026-12-02").await;
    caller.speaks();
    let hold = output(&specialist)["hold_id"].clone();
    let move_it = json!({ "appointment_id": "a1", "hold_id": hold, "caller_confirmed": true });
    assert_eq!(code(&caller.call("reschedule", move_it).await), "other_type");
    let booked = world.rows().await.into_iter().find(|row| row.state == State::Booked).unwrap();
    assert_eq!(booked.from.to_string(), "2026-12-01T07:00:00Z");
}

#[tokio::test]
async fn a_late_change_is_made_and_staff_are_told() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold("2026-11-27").await;
    let booked = caller.yes_book(&held, json!({})).await;
    caller.speaks();
    let cancel = json!({ "appointment_id": output(&booked)["appointment_id"], "caller_confirmed": true });
    let cancelled = caller.call("cancel", cancel).await;
    assert_eq!((status(&cancelled), &output(&cancelled)["late"]), ("cancelled", &json!(true)));
    assert!(world.errands().await.contains(&"message".to_owned()));
}

#[tokio::test]
async fn whoever_cannot_be_told_apart_from_a_stranger_hears_nothing() {
    let world = World::open();
    let reference = booked(&world, 1, TUESDAY).await;
    let mut stranger = world.caller(2, "+15550100300");
    for guess in [
        json!({ "reference": reference }),
        json!({ "patient_name": "Ana Pérez", "date": TUESDAY }),
        json!({ "reference": reference, "patient_name": "Ana Pérez" }),
    ] {
        let answer = stranger.call("find_appointments", guess).await;
        assert_eq!(code(&answer), "not_identified");
        assert!(!answer.to_string().contains("Osei"), "{answer}");
    }
    let right = json!({ "reference": reference, "patient_name": "Ana Pérez", "date": TUESDAY });
    assert_eq!(code(&stranger.call("find_appointments", right.clone()).await), "not_identified", "guessing has an end");
    let mut friend = world.caller(3, "+15550100300");
    assert_eq!(status(&friend.call("find_appointments", right).await), "found", "two facts");
    let mut own = world.caller(4, CALLER);
    assert_eq!(code(&own.call("find_appointments", json!({})).await), "not_identified", "a number alone is forged");
    assert_eq!(status(&own.call("find_appointments", json!({ "reference": reference })).await), "found");
}

#[tokio::test]
async fn without_the_outside_calendar_the_booking_stands_and_that_is_said() {
    let world = World::with(Some(Outside::Unreachable(Vec::new())));
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    assert!(output(&held)["say"].as_str().unwrap().contains("cannot reach our calendar"), "{held}");
    let booked = caller.yes_book(&held, json!({})).await;
    assert_eq!((status(&booked), &output(&booked)["calendar"]), ("booked", &json!("unreachable")));
    assert!(output(&booked)["say"].as_str().unwrap().contains("our staff will call you"), "{booked}");
    assert!(world.errands().await.contains(&"calendar".to_owned()), "it is told later");
}

#[tokio::test]
async fn what_the_outside_calendar_has_is_not_offered_and_not_booked() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    let row = world.rows().await[0].clone();
    let span = frontdesk_core::booking::appointment::Span { from: row.from, to: row.to };
    let taken = Outside::Busy(vec![Busy { practitioner: row.practitioner, span, kind: None }]);
    caller.outside(taken.clone());
    assert_eq!(code(&caller.yes_book(&held, json!({})).await), "slot_taken");
    assert!(world.rows().await.iter().all(|row| row.state != State::Booked));
    let mut next = world.caller(2, "+15550100300");
    next.outside(taken);
    let found = next.find(json!({ "date_from": TUESDAY, "practitioner": "osei" })).await;
    assert_eq!(output(&found)["slots"][0]["time"], "08:30");
}

#[tokio::test]
async fn what_is_known_of_a_calendar_that_does_not_answer_in_full_is_not_booked_over() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    let row = world.rows().await[0].clone();
    let span = frontdesk_core::booking::appointment::Span { from: row.from, to: row.to };
    let taken = Outside::Unreachable(vec![Busy { practitioner: row.practitioner, span, kind: None }]);
    caller.outside(taken.clone());
    assert_eq!(code(&caller.yes_book(&held, json!({})).await), "slot_taken");
    let mut next = world.caller(2, "+15550100300");
    next.outside(taken);
    let found = next.find(json!({ "date_from": TUESDAY, "practitioner": "osei" })).await;
    assert_eq!(
        (&output(&found)["slots"][0]["time"], &output(&found)["calendar"]),
        (&json!("08:30"), &json!("unreachable"))
    );
}

#[tokio::test]
async fn a_confirmation_is_sent_again_to_a_corrected_address() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.yes_book(&held, json!({ "email": null, "email_consent": false })).await;
    let again = json!({ "appointment_id": "a1", "channel": "email" });
    assert_eq!(code(&caller.call("send_confirmation", again).await), "no_contact");
    let right = json!({ "appointment_id": "a1", "channel": "email", "email": "ana@example.com" });
    for _ in 0..2 {
        assert_eq!(status(&caller.call("send_confirmation", right.clone()).await), "queued");
    }
    assert_eq!(world.errands().await, ["calendar", "mail"], "twice asked for is once sent");
}

#[tokio::test]
async fn a_text_message_that_is_asked_for_is_one_that_may_be_sent() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.yes_book(&held, json!({ "email": null, "email_consent": false })).await;
    let text = json!({ "appointment_id": "a1", "channel": "sms" });
    assert_eq!(status(&caller.call("send_confirmation", text.clone()).await), "queued");
    assert!(world.rows().await[0].patient.as_ref().unwrap().sms, "without that the text message is not sent");
    assert_eq!(world.errands().await, ["calendar", "sms"]);
    caller.pass(minutes(5 * 24 * 60));
    let late = caller.call("send_confirmation", text).await;
    assert_eq!(code(&late), "too_late", "it is over");
}

#[tokio::test]
async fn messages_reach_staff_and_people_are_called_where_there_are_any() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let message = json!({
        "caller_name": "Ana", "phone": "caller_id", "topic": "prescription", "message": "Please renew it.", "urgency": "today",
    });
    assert_eq!(status(&caller.call("take_message", message).await), "taken");
    assert_eq!(world.errands().await, ["message"]);
    let (answer, deed) = caller.deed("transfer_to_human", json!({ "reason": "requested" })).await;
    assert_eq!((status(&answer), deed), ("connecting", Some(Deed::Transfer)));
    caller.pass(minutes(12 * 60));
    let (answer, deed) = caller.deed("transfer_to_human", json!({ "reason": "requested" })).await;
    assert_eq!((status(&answer), deed), ("nobody_available", None), "at ten in the evening");
    let (answer, deed) = caller.deed("emergency", json!({})).await;
    assert_eq!((&output(&answer)["say"], deed), (&json!("Please hang up and dial 1 1 2 now."), Some(Deed::Emergency)));
    let mut visitor = world.visitor();
    let (answer, deed) = visitor.deed("transfer_to_human", json!({ "reason": "requested" })).await;
    assert_eq!((status(&answer), deed), ("not_possible_here", None));
}

#[tokio::test]
async fn danger_to_life_is_told_to_staff() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    caller.tools().alert_staff();
    assert_eq!(status(&caller.call("clinic_info", json!({ "topic": "hours" })).await), "known", "and calls go on");
    assert_eq!(world.errands().await, ["message"]);
}

#[tokio::test]
async fn what_is_asked_of_the_clinic_is_answered_from_what_it_has_written_down() {
    let mut caller = World::open().caller(1, CALLER);
    let mut facts = async |args: Value| {
        let answer = caller.call("clinic_info", args).await;
        output(&answer)["facts"].to_string()
    };
    assert!(facts(json!({ "topic": "hours", "date": "2026-12-25" })).await.contains("closed (Christmas)"));
    assert!(facts(json!({ "topic": "prices", "about": "check-up" })).await.contains("forty euros"));
    assert!(facts(json!({ "topic": "location" })).await.contains("12 River Street"));
    let osei = facts(json!({ "topic": "practitioners", "about": "Doctor Osei" })).await;
    assert!(
        osei.contains("Away 2026-12-07 to 2026-12-11 (a conference)."),
        "as whoever asks for a time is told: {osei}"
    );
    assert_eq!(facts(json!({ "topic": "other", "question": "Do you validate parking?" })).await, "null");
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_said_and_nothing_is_remembered_of_it() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    world.close().await;
    let failed = caller.yes_book(&held, json!({})).await;
    assert_eq!((code(&failed), &failed["error"]["retry"]), ("store_unavailable", &json!(true)));
}

#[tokio::test]
async fn a_person_and_an_emergency_are_reached_with_a_store_that_cannot_be_used() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    world.close().await;
    let (answer, deed) = caller.deed("emergency", json!({})).await;
    assert_eq!((status(&answer), deed), ("emergency", Some(Deed::Emergency)));
    let (answer, deed) = caller.deed("transfer_to_human", json!({ "reason": "requested" })).await;
    assert_eq!((status(&answer), deed), ("connecting", Some(Deed::Transfer)));
    assert_eq!(status(&caller.call("clinic_info", json!({ "topic": "hours" })).await), "known");
}

#[tokio::test]
async fn an_emergency_and_the_word_to_staff_wait_for_no_calendar() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    caller.outside_is_silent();
    caller.start(7, "find_slots", json!({ "appointment_type": "check-up", "date_from": TUESDAY }));
    assert!(caller.go_on().await.is_none());
    caller.start(8, "emergency", json!({}));
    let done = caller.next().await;
    assert_eq!((done.key, done.deed), (CallKey(8), Some(Deed::Emergency)));
    caller.tools().alert_staff();
    while world.errands().await.is_empty() {
        assert!(caller.go_on().await.is_none(), "the look-up is still under way");
    }
    assert_eq!(world.errands().await, ["message"]);
}

/// Answered while a clone of the clerk looks something up, whose memory then replaces the clerk's.
#[tokio::test]
async fn what_is_answered_beside_a_look_up_is_remembered_behind_it() {
    let world = World::open();
    let look_up = json!({ "appointment_type": "check-up", "date_from": TUESDAY });
    let unknown = json!({ "topic": "other", "question": "Do you sell bananas?" });
    let english = world.caller(1, CALLER).call("clinic_info", unknown.clone()).await;

    let mut caller = world.caller(2, CALLER);
    let calendar = caller.outside_waits();
    caller.start(1, "find_slots", look_up);
    assert!(caller.go_on().await.is_none(), "it is under way");
    let in_german = json!({ "reason": "requested", "language": "de-DE" });
    for key in 2..=39 {
        caller.start(key, "transfer_to_human", in_german.clone());
        assert_eq!(caller.next().await.key, CallKey(key));
    }
    calendar.notify_one();
    assert_eq!(caller.next().await.key, CallKey(1));
    let told = caller.call("clinic_info", unknown.clone()).await;
    assert_eq!(status(&told), "not_known", "it is the fortieth call");
    assert_ne!(output(&told)["say"], output(&english)["say"], "the language that was told is still spoken");
    assert_eq!(code(&caller.call("clinic_info", unknown).await), "too_many_calls", "and all of them count");
}

#[tokio::test]
async fn what_was_asked_for_before_the_caller_hung_up_is_still_done() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.speaks();
    caller.start(7, "find_slots", json!({ "appointment_type": "check-up", "date_from": TUESDAY }));
    caller.start(8, "book", booking(&held, &json!({})));
    caller.start(9, "hold_slot", json!({ "slot_id": "slot-1" }));
    for key in [7, 8, 9] {
        caller.tools().leave(CallKey(key));
    }
    let done = caller.next().await;
    assert_eq!((done.key, done.told.as_str()), (CallKey(8), "book: booked"));
    assert!(!caller.tools().is_working());
    assert_eq!(world.rows().await[0].state, State::Booked);
}

#[tokio::test]
async fn what_the_caller_has_talked_over_before_it_began_is_not_done() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    caller.speaks();
    caller.start(8, "book", booking(&held, &json!({})));
    assert!(caller.tools().is_working());
    caller.tools().cancel(CallKey(8));
    assert!(!caller.tools().is_working());
    assert_eq!(world.rows().await[0].state, State::Held);
}

#[tokio::test]
async fn a_look_up_that_nobody_waits_for_is_dropped_and_what_waits_behind_it_is_done() {
    let world = World::open();
    let mut caller: Party = world.caller(1, CALLER);
    caller.start(7, "find_slots", json!({ "appointment_type": "check-up", "date_from": TUESDAY }));
    caller.start(8, "clinic_info", json!({ "topic": "hours" }));
    caller.tools().cancel(CallKey(7));
    let done = caller.next().await;
    assert_eq!((done.key, done.told.as_str()), (CallKey(8), "clinic_info: known"));
}

#[tokio::test]
async fn a_model_that_never_stops_calling_is_stopped() {
    let mut caller = World::open().caller(1, CALLER);
    for _ in 0..40 {
        caller.call("clinic_info", json!({ "topic": "hours" })).await;
    }
    assert_eq!(code(&caller.call("clinic_info", json!({ "topic": "hours" })).await), "too_many_calls");
    let (_, deed) = caller.deed("emergency", json!({})).await;
    assert_eq!(deed, Some(Deed::Emergency), "but never in danger");
}

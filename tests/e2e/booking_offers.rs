//! Callers whose wish cannot be met as they say it: what they are offered instead, and what is booked in the end.

use frontdesk_gemini_sim::ScriptedCall;
use frontdesk_tests::clinic_data::{check_up, in_days, open_daily, osei, practitioner, weekday};
use frontdesk_tests::practice::{Opening, Practice};
use frontdesk_tests::script::{afterwards, book, find, hold, turn};
use serde_json::json;

const WISH: &str = "I need a check-up, please.";
const FIRST: &str = "The first one, please.";
const YES: &str = "Yes, that is right.";
/// Another caller's number.
const ELSEWHERE: &str = "+15550100300";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_doctors_nearly_have_is_asked_about_and_the_right_one_is_booked() {
    let (wish, meant, yes) = ("Einen Termin bei Doktor Hoffmann, bitte.", "Bei Clara Hofmann.", "Ja, das stimmt.");
    let heard = |who: &str| find("check-up", json!({ "practitioner_heard": who }));
    let exchanges = vec![
        turn(wish, [heard("Doktor Hoffmann")], "{result.say}"),
        turn(meant, [heard("Doktor Clara Hofmann"), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(yes, [book("Jonas Weber", json!({}))], "{result.say}"),
    ];
    let doctors = [
        practitioner("hoffman", "Dr. Paul Hoffman", "Doktor Paul Hoffman", ""),
        practitioner("hofmann", "Dr. Clara Hofmann", "Doktor Clara Hofmann", ""),
    ];
    let data = [open_daily(), doctors.concat(), check_up(&["hoffman", "hofmann"], "")].concat();
    let lines = vec![("clinic", "language = 'de-DE'".to_owned())];
    let practice = Practice::open(Opening { data, exchanges, lines, voice: "de", ..Opening::default() }).await.unwrap();
    let told = practice.hears(&[wish, meant, yes]).await.unwrap();

    let outcomes = ["find_slots: ambiguous_practitioner", "find_slots: found", "hold_slot: held", "book: booked"];
    assert_eq!(told.outcomes(), outcomes);
    let asked = "Meinen Sie Doktor Paul Hoffman oder Doktor Clara Hofmann?";
    assert!(told.was_told(asked) && told.was_told("bei Doktor Clara Hofmann"), "{:?}", told.heard());
    let booked = practice.appointments().await.unwrap();
    assert_eq!(booked.len(), 1, "{booked:?}");
    assert_eq!((&booked[0]["practitioner"], &booked[0]["language"]), (&json!("hofmann"), &json!("de-DE")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_a_doctor_on_leave_hears_when_they_are_back_and_may_see_another_before() {
    let (wish, another) = ("I want to see Doctor Lindqvist.", "Then with somebody else.");
    let day = in_days(4);
    let on_that_day = json!({ "date_from": day, "weekday_from": weekday(day) });
    let with = json!({ "date_from": day, "weekday_from": weekday(day), "practitioner_heard": "Doctor Lindqvist" });
    let exchanges = vec![
        turn(wish, [find("check-up", with)], "{result.say}"),
        turn(another, [find("check-up", on_that_day), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(YES, [book("Anna Rossi", json!({}))], "{result.say}"),
    ];
    let leave =
        format!("[[practitioners.leave]]\nfrom = \"{}\"\nto = \"{}\"\nname = \"on holiday\"", in_days(0), in_days(9));
    let lindqvist = practitioner("lindqvist", "Dr. Jonas Lindqvist", "Doctor Lindqvist", &leave);
    let data = [open_daily(), osei(), lindqvist, check_up(&["lindqvist", "osei"], "")];
    let practice = Practice::of(&data, exchanges).await.unwrap();
    let told = practice.hears(&[wish, another, YES]).await.unwrap();

    assert_eq!(told.outcomes(), ["find_slots: no_slots", "find_slots: found", "hold_slot: held", "book: booked"]);
    let back = format!("The next free time is {}", said(in_days(10)));
    assert!(
        told.was_told("Doctor Lindqvist does not see patients then: on holiday.") && told.was_told(&back),
        "{:?}",
        told.heard()
    );
    let booked = practice.appointments().await.unwrap();
    assert_eq!(booked.len(), 1, "{booked:?}");
    assert_eq!(booked[0]["practitioner"], "osei");
    assert!(booked[0]["from"].as_str().unwrap().starts_with(&day.to_string()), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_another_caller_takes_is_refused_and_both_are_booked_apart() {
    let at_once = "The earliest check-up that you have.";
    let exchanges = vec![
        turn(WISH, [find("check-up", json!({}))], "There is {find_slots.slots.0.say}."),
        turn(FIRST, [hold(0)], "{result.say}"),
        turn(YES, [book("Anna Rossi", json!({}))], "{result.say}"),
        turn(at_once, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
    ];
    let practice = Practice::of(&[open_daily(), osei(), check_up(&["osei"], "")], exchanges).await.unwrap();
    let (slow, quick) = tokio::join!(practice.ring(), practice.ring_from(ELSEWHERE));
    let (slow, quick) = (slow.unwrap(), quick.unwrap());
    slow.says(WISH).await.unwrap();
    quick.says(at_once).await.unwrap();
    let (refused, booked) = tokio::join!(slow.says(FIRST), quick.says(YES));
    refused.and(booked).unwrap();
    slow.says_all(&[WISH, FIRST, YES]).await.unwrap();
    let (slow, quick) = (slow.hangs_up().await.unwrap(), quick.hangs_up().await.unwrap());

    assert_eq!(quick.outcomes(), ["find_slots: found", "hold_slot: held", "book: booked"]);
    let outcomes =
        ["find_slots: found", "hold_slot: slot_taken", "find_slots: found", "hold_slot: held", "book: booked"];
    assert_eq!(slow.outcomes(), outcomes);
    assert!(slow.was_told("I am sorry, that time has just been taken."), "{:?}", slow.heard());
    let rows = practice.appointments().await.unwrap();
    let phones: Vec<_> = rows.iter().map(|row| (&row["state"], &row["patient"]["phone"])).collect();
    let booked = json!("booked");
    assert_eq!(phones, [(&booked, &json!(ELSEWHERE)), (&booked, &json!("+15550100200"))]);
    assert!(rows[0]["to"].as_str() <= rows[1]["from"].as_str(), "they do not overlap: {rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everything_is_taken_the_caller_hears_so_and_leaves_word() {
    let (first, call_me) = ("The earliest check-up that you have.", "Then please call me back.");
    let message = json!({
        "caller_name": "Maria Santos", "phone": "caller_id", "topic": "appointment",
        "message": "Would like the next check-up that becomes free.",
    });
    let exchanges = vec![
        turn(first, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(YES, [book("Anna Rossi", json!({}))], "Done."),
        turn(WISH, [find("check-up", json!({}))], "{result.say}"),
        turn(call_me, [ScriptedCall::new("take_message", message)], "{result.say}"),
    ];
    // One time in the seven days that can be booked.
    let hours = format!("[practitioners.hours]\n{} = [\"10:00-10:30\"]", weekday(in_days(3)));
    let alone = practitioner("osei", "Dr. Amara Osei", "Doctor Osei", &hours);
    let data = [open_daily(), alone, check_up(&["osei"], "lead_hours = 0\nhorizon_days = 6")].concat();
    let lines = ["from = 'desk@clinic.example'", "staff = 'office@clinic.example'"];
    let lines = lines.map(|line| ("mail", line.to_owned())).into();
    let practice = Practice::open(Opening { data, exchanges, lines, ..Opening::default() }).await.unwrap();
    practice.hears(&[first, YES]).await.unwrap();
    let second = practice.ring_from(ELSEWHERE).await.unwrap();
    second.says_all(&[WISH, call_me]).await.unwrap();
    let told = second.hangs_up().await.unwrap();

    assert_eq!(told.outcomes(), ["find_slots: no_slots", "take_message: taken"]);
    let sorry = "everything then is taken. I find no free time in the days that I can book.";
    assert!(told.was_told(sorry), "{:?}", told.heard());
    assert_eq!(practice.appointments().await.unwrap().len(), 1, "nothing was booked beside the first");
    let messages = practice.messages().await.unwrap();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((&messages[0]["name"], &messages[0]["phone"]), (&json!("Maria Santos"), &json!(ELSEWHERE)));
    practice.reminders_left().await.unwrap();
    let letters = practice.letters().unwrap();
    assert_eq!(letters.len(), 1, "staff are written to, and nobody else");
    assert!(letters[0].text.contains("To: office@clinic.example"), "{}", letters[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holiday_is_named_and_the_next_open_day_is_booked() {
    let wish = "I would like to come on that day.";
    let day = in_days(4);
    let next = ScriptedCall::new("hold_slot", json!({ "slot_id": "{find_slots.next_free.slot_id}" }));
    let on_that_day = json!({ "date_from": day, "weekday_from": weekday(day) });
    let exchanges = vec![
        turn(wish, [find("check-up", on_that_day), afterwards(next)], "{result.say}"),
        turn(YES, [book("Anna Rossi", json!({}))], "{result.say}"),
    ];
    let holiday = format!("[[closures]]\ndate = \"{day}\"\nname = \"Founders' Day\"\n");
    let data = [open_daily(), holiday, osei(), check_up(&["osei"], "")];
    let practice = Practice::of(&data, exchanges).await.unwrap();
    let told = practice.hears(&[wish, YES]).await.unwrap();

    assert_eq!(told.outcomes(), ["find_slots: no_slots", "hold_slot: held", "book: booked"]);
    let offer = format!("We are closed then: Founders' Day. The next free time is {}", said(in_days(5)));
    assert!(told.was_told(&offer), "{:?}", told.heard());
    let booked = practice.appointments().await.unwrap();
    assert_eq!(booked.len(), 1, "{booked:?}");
    assert!(booked[0]["from"].as_str().unwrap().starts_with(&in_days(5).to_string()), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_their_mind_before_the_yes_has_the_other_time_and_only_that() {
    let other = "No, the second one after all.";
    let exchanges = vec![
        turn(WISH, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(other, [hold(1)], "{result.say}"),
        turn(YES, [book("Anna Rossi", json!({}))], "{result.say}"),
    ];
    let practice = Practice::of(&[open_daily(), osei(), check_up(&["osei"], "")], exchanges).await.unwrap();
    let talk = practice.ring().await.unwrap();
    talk.says(WISH).await.unwrap();
    let first = practice.appointments().await.unwrap();
    talk.says(other).await.unwrap();
    let second = practice.appointments().await.unwrap();
    talk.says(YES).await.unwrap();
    let told = talk.hangs_up().await.unwrap();

    assert_eq!(told.outcomes(), ["find_slots: found", "hold_slot: held", "hold_slot: held", "book: booked"]);
    let booked = practice.rows().await.unwrap();
    for rows in [&first, &second, &booked] {
        assert_eq!(rows.len(), 1, "one time at any moment: {rows:?}");
    }
    assert_ne!(first[0]["from"], second[0]["from"]);
    assert_eq!((&booked[0]["from"], &booked[0]["state"]), (&second[0]["from"], &json!("booked")));
}

/// A day as it is said: `Tuesday the 1st of December`, its number without the ending.
fn said(day: jiff::civil::Date) -> String {
    day.strftime("%A the %-d").to_string()
}

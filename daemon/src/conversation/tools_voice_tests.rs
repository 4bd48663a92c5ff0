//! The caller's language, the night in which the date changes, and danger to life, at the level of functions.

use frontdesk_core::clinic::EmergencyContact;
use frontdesk_core::clinic::hours::{Hours, Minute, Week};
use frontdesk_core::letter::facts::Facts;
use frontdesk_core::letter::{Notice, sms};
use jiff::civil::Weekday;
use serde_json::json;

use super::world::{CALLER, World, code, minutes, output, status};
use super::*;

const TUESDAY: &str = "2026-12-01";
/// Friday, ten in the morning in Berlin.
const NOW: &str = "2026-11-27T09:00:00Z";
const PHONE: Place = Place::Phone { dials: false };

fn said(answer: &Value) -> &str {
    ["/output/say", "/error/say"]
        .iter()
        .find_map(|at| answer.pointer(at)?.as_str())
        .unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_german_caller_of_an_english_clinic_is_answered_and_written_to_in_german() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let wish = json!({ "date_from": TUESDAY, "practitioner": "osei", "heard": "am Dienstag", "language": "de-DE" });
    let found = caller.find(wish).await;
    assert!(said(&found).starts_with("Frei ist Dienstag, der erste Dezember um acht Uhr bei Doctor Osei"), "{found}");
    let slot = output(&found)["slots"][0]["slot_id"].clone();
    let held = caller.call("hold_slot", json!({ "slot_id": slot })).await;
    assert!(said(&held).starts_with("Ich halte Dienstag"), "told once, it is remembered: {held}");
    let hasty = caller.book(&held, json!({})).await;
    assert_eq!(code(&hasty), "not_confirmed");
    let english = World::open().caller(1, CALLER).call("book", json!({ "hold_id": "h1" })).await;
    assert_ne!(said(&hasty), said(&english), "refusals too");
    let booked = caller.yes_book(&held, json!({ "sms_consent": true })).await;
    assert!(said(&booked).starts_with("Ihr Termin ist gebucht: Dienstag, der erste Dezember um acht Uhr"), "{booked}");

    let appointment = world.booked().await;
    assert_eq!(appointment.language, "de-DE", "in which letters are written");
    let language = sms::language(&appointment.language, &world.clinic().language);
    let facts = Facts::of(&appointment, world.clinic(), language).unwrap();
    assert_eq!(facts.when, "Dienstag, 1. Dezember 2026, 08:00 Uhr");
    let text = sms::text(Notice::Confirmation, &facts, language);
    assert!(text.starts_with("Riverside Clinic: Ihr Termin ist am Di., 1.12., 08:00 Uhr."), "{text}");
}

#[tokio::test]
async fn a_caller_who_goes_on_in_another_language_is_written_to_in_that_one() {
    let world = World::open();
    let mut caller = world.caller(1, CALLER);
    let held = caller.hold(TUESDAY).await;
    assert!(said(&held).starts_with("I am keeping"), "as they were greeted: {held}");
    let booked = caller.yes_book(&held, json!({ "language": "de" })).await;
    assert!(said(&booked).starts_with("Ihr Termin ist gebucht"), "{booked}");
    assert_eq!(world.booked().await.language, "de-DE", "the clinic's own tag for it");
    caller.speaks();
    let again = json!({ "appointment_id": "a1", "channel": "email", "language": "en-US" });
    assert_eq!(said(&caller.call("send_confirmation", again).await), "The confirmation is on its way.");
    assert_eq!(world.booked().await.language, "en-US");
}

#[tokio::test]
async fn whoever_calls_about_an_appointment_and_tells_no_language_leaves_its_letters_as_they_are() {
    let world = World::open();
    let mut german = world.caller(1, CALLER);
    let held = german.hold(TUESDAY).await;
    german.yes_book(&held, json!({ "language": "de-DE" })).await;
    let mut caller = world.caller(2, CALLER);
    let mine = json!({ "patient_name": "Ana Pérez", "date": TUESDAY });
    assert_eq!(status(&caller.call("find_appointments", mine).await), "found");
    let again = json!({ "appointment_id": "a1", "channel": "sms" });
    assert_eq!(status(&caller.call("send_confirmation", again).await), "queued");
    assert_eq!(world.booked().await.language, "de-DE");
}

#[tokio::test]
async fn a_language_that_we_have_no_sentences_in_is_said_in_the_clinics_and_kept_for_letters() {
    let world = World::where_the_clinic(|clinic| clinic.language = "de-DE".to_owned());
    let mut caller = world.caller(1, CALLER);
    let found = caller.find(json!({ "date_from": TUESDAY, "language": "es" })).await;
    assert!(said(&found).starts_with("Frei ist Dienstag"), "for the model to translate: {found}");
    let held = caller.hold(TUESDAY).await;
    caller.yes_book(&held, json!({})).await;
    let appointment = world.booked().await;
    assert_eq!(appointment.language, "es");
    assert_eq!(sms::language(&appointment.language, &world.clinic().language), "de-DE");
}

#[tokio::test]
async fn a_language_that_is_made_up_or_not_spoken_here_changes_nothing() {
    let mut caller = World::open().caller(1, CALLER);
    for language in [json!("fr-FR"), json!("klingon"), json!(7), json!(["de-DE"]), json!(""), json!("d".repeat(10_000))]
    {
        let found = caller.find(json!({ "date_from": TUESDAY, "language": language })).await;
        assert!(said(&found).starts_with("I have Tuesday"), "{language}: {found}");
    }
}

/// The table of days in the model's instructions is of the day on which the conversation began.
#[tokio::test]
async fn past_midnight_in_a_call_dates_are_those_of_the_new_day() {
    let mut caller = World::open().caller(1, CALLER);
    // From Friday at ten to Monday at one minute to midnight.
    caller.pass(minutes(3 * 24 * 60 + 13 * 60 + 59));
    let today = |answer: &Value| {
        let at = if answer["error"].is_object() { "error" } else { "output" };
        (answer[at]["today"].clone(), answer[at]["weekday_today"].clone())
    };
    let (monday, tuesday) = ((json!("2026-11-30"), json!("Monday")), (json!(TUESDAY), json!("Tuesday")));
    let before = caller.find(json!({ "heard": "tomorrow" })).await;
    assert_eq!((today(&before), &output(&before)["slots"][0]["date"]), (monday, &json!(TUESDAY)));
    caller.pass(minutes(2));
    let behind = caller.find(json!({ "heard": "tomorrow" })).await;
    assert_eq!((today(&behind), &output(&behind)["slots"][0]["date"]), (tuesday.clone(), &json!("2026-12-02")));
    let stale = caller.find(json!({ "date_from": "2026-11-30", "weekday_from": "monday" })).await;
    assert_eq!((code(&stale), today(&stale)), ("date_in_past", tuesday.clone()), "what was today is over");
    let unsure = caller.find(json!({ "heard": "tomorrow", "date_from": TUESDAY })).await;
    assert_eq!((code(&unsure), today(&unsure)), ("ambiguous_date", tuesday.clone()), "what was tomorrow is today");
    let full = caller.find(json!({ "date_from": "2026-12-05" })).await;
    assert_eq!((code(&full), today(&full)), ("no_slots", tuesday), "also where nothing is free");
    let hours = caller.call("clinic_info", json!({ "topic": "hours", "date": TUESDAY })).await;
    assert!(output(&hours)["facts"].to_string().contains("open 08:00"), "{hours}");
}

/// On Fridays from nine to five.
fn on_fridays(number: &str) -> EmergencyContact {
    let [from, to] = ["09:00", "17:00"].map(|time| Minute::parse(time).unwrap());
    let mut week = Week::default();
    week.set(Weekday::Friday, vec![Hours::new(from, to).unwrap()]).unwrap();
    EmergencyContact { number: PhoneNumber::parse(number).unwrap(), hours: Some(week) }
}

#[tokio::test]
async fn a_caller_in_danger_is_handed_over_where_there_is_somebody_and_stays_where_there_is_nobody() {
    let nobody = World::open();
    let fallback = Place::Phone { dials: true };
    assert!(nobody.guard(fallback, NOW).hand_over && !nobody.guard(PHONE, NOW).hand_over);
    assert!(!nobody.guard(Place::Desk, NOW).hand_over);
    let on_call = World::where_the_clinic(|clinic| clinic.emergency.contacts = vec![on_fridays("+15550100911")]);
    assert!(on_call.guard(PHONE, NOW).hand_over);
    assert!(!on_call.guard(PHONE, "2026-11-27T16:00:00Z").hand_over, "at five they have gone");
    assert!(on_call.guard(fallback, "2026-11-27T16:00:00Z").hand_over, "then the fallback number is rung");
    assert!(!on_call.guard(Place::Desk, NOW).hand_over, "nobody is called to a desk");
}

/// Who is rung is asked at the end of a call, and whether it is handed over at its beginning.
#[tokio::test]
async fn whoever_was_on_call_when_the_call_began_is_rung_where_nobody_else_would_be() {
    let world = World::where_the_clinic(|clinic| {
        clinic.emergency.contacts = vec![on_fridays("+15550100911"), on_fridays("+15550100912")];
    });
    let rung = |dials, at| world.rung(dials, at).map(|number| number.as_e164().to_owned());
    let at_five = "2026-11-27T16:00:00Z";
    assert_eq!(rung(false, NOW).as_deref(), Some("+15550100911"));
    assert_eq!(
        rung(false, at_five).as_deref(),
        Some("+15550100911"),
        "at five they have gone, and else there is a tape"
    );
    assert_eq!(rung(true, at_five), None, "then the fallback number is rung");
    assert!(World::open().rung(false, NOW).is_none());
}

#[tokio::test]
async fn the_clinics_own_words_for_danger_are_listened_for() {
    let world = World::where_the_clinic(|clinic| {
        let mut phrases = Phrases::default();
        phrases.add_danger("tooth ... knocked out").unwrap();
        clinic.emergency.phrases = vec![("en".to_owned(), phrases)];
    });
    let hears = |said: &[&str]| {
        let mut watch = world.guard(PHONE, NOW).watch;
        said.iter().any(|piece| {
            let heard = watch.hear(piece);
            watch.pause();
            heard
        })
    };
    assert!(hears(&["My tooth was knocked out"]) && hears(&["I have chest pain"]));
    assert!(!hears(&["No tooth was knocked out"]), "what denies ours denies theirs");
    assert!(!hears(&["Is it about a tooth", "that was knocked out"]), "what two people say makes no phrase");
}

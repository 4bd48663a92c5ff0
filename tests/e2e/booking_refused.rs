//! What is refused, and what becomes of the caller: a patient who is too young, a clinic with nobody in it.

use frontdesk_gemini_sim::ScriptedCall;
use frontdesk_tests::clinic_data::{check_up, in_days, open_daily, open_on, osei, weekday};
use frontdesk_tests::practice::{Opening, Practice};
use frontdesk_tests::script::{afterwards, book, find, hold, turn};
use jiff::ToSpan as _;
use serde_json::{Value, json};

const WISH: &str = "I need a check-up, please.";
const YES: &str = "Yes, that is right.";

/// A mother books for her son: not what is for adults, and not as if he called himself.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_booked_by_a_parent_for_what_is_for_children() {
    let (born, for_children, mother) =
        ("Luca, he is six.", "The one for children, then.", "I am his mother, Maria Rossi.");
    let luca = |more: Value| {
        let born = in_days(0).saturating_sub(6.years());
        let mut said = json!({
            "date_of_birth": born, "email": "maria.rossi@example.com", "email_consent": true,
        });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        book("Luca Rossi", said)
    };
    let exchanges = vec![
        turn(WISH, [find("check-up", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(born, [luca(json!({}))], "{result.say}"),
        turn(for_children, [find("child-check", json!({})), afterwards(hold(0))], "{find_slots.slots.0.say}?"),
        turn(YES, [luca(json!({}))], "{result.say}"),
        turn(mother, [luca(json!({ "booked_by": "Maria Rossi" }))], "{result.say}"),
    ];
    let child_check = "[[appointment_types]]\nid = \"child-check\"\nname = \"Check-up for children\"\n\
                       say_as = \"a check-up for a child\"\nminutes = 30\nmax_age = 17\n\
                       practitioners = [\"osei\"]\n";
    let data = [open_daily(), osei(), check_up(&["osei"], "min_age = 18"), child_check.to_owned()];
    let practice = Practice::of(&data, exchanges).await.unwrap();
    let told = practice.hears(&[WISH, born, for_children, YES, mother]).await.unwrap();

    let answers: Vec<_> = told.outcomes().into_iter().filter(|outcome| outcome.starts_with("book")).collect();
    assert_eq!(answers, ["book: age", "book: guardian_needed", "book: booked"]);
    for sentence in [
        "I cannot book a check-up for that age.",
        "For somebody under 18, a parent or guardian has to make the appointment.",
        "You are booked for",
    ] {
        assert!(told.was_told(sentence), "{sentence:?} is not in {:?}", told.heard());
    }
    let rows = practice.appointments().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let patient = &rows[0]["patient"];
    assert_eq!((&rows[0]["kind"], &patient["name"]), (&json!("child-check"), &json!("Luca Rossi")));
    assert_eq!(patient["booked_by"], "Maria Rossi");
    practice.reminders_left().await.unwrap();
    let letters = practice.letters().unwrap();
    assert_eq!(letters.len(), 1);
    for part in ["maria.rossi@example.com", "Hello Maria Rossi,", "that you made for Luca Rossi"] {
        assert!(letters[0].text.contains(part), "{part:?} is not in\n{}", letters[0].text);
    }
    assert_eq!(practice.log_with(&["Rossi", "Luca"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_calls_a_closed_clinic_is_told_so_and_leaves_a_message_for_staff() {
    let (wants, leaves) = ("I must speak with somebody.", "Then tell them to call me.");
    let message = json!({
        "caller_name": "Anna Rossi", "phone": "caller_id", "topic": "prescription",
        "message": "Needs a new prescription.", "urgency": "today",
    });
    let person = ScriptedCall::new("transfer_to_human", json!({ "reason": "requested" }));
    let exchanges = vec![
        turn(wants, [person], "{result.say}"),
        turn(leaves, [ScriptedCall::new("take_message", message)], "{result.say}"),
    ];
    // Open on one day of the week, and that is not today.
    let open = in_days(3);
    let persona = |id: &str, name: &str| {
        format!("[[personas]]\nid = \"{id}\"\nname = \"{name}\"\nvoice = \"Sulafat\"\ntone = \"You are calm.\"\n")
    };
    let data = [
        open_on(open),
        osei(),
        check_up(&["osei"], ""),
        format!("[[contacts]]\nname = \"the front office\"\nhours = {{ {} = [\"08:00-18:00\"] }}\n", weekday(open)),
        persona("day", "Clara"),
        persona("night", "Nora"),
        "[answering]\npersona = \"day\"\n[[answering.rules]]\nwhen = \"closed\"\npersona = \"night\"\n".to_owned(),
    ];
    let lines = ["from = 'desk@clinic.example'", "staff = 'office@clinic.example'"];
    let lines = lines.map(|line| ("mail", line.to_owned())).into();
    let opening = Opening { data: data.concat(), exchanges, lines, ..Opening::default() };
    let practice = Practice::open(opening).await.unwrap();
    let told = practice.hears(&[wants, leaves]).await.unwrap();

    let instructions = practice.world.gemini.sessions()[0].setups[0]["systemInstruction"].to_string();
    assert!(instructions.contains("Nora") && !instructions.contains("Clara"), "{instructions}");
    assert_eq!(told.outcomes(), ["transfer_to_human: nobody_available", "take_message: taken"]);
    assert!(told.report.dialled.is_empty(), "no telephone rings in an empty office");
    for sentence in ["Nobody can take your call at the moment.", "I have passed your message on to our staff."] {
        assert!(told.was_told(sentence), "{sentence:?} is not in {:?}", told.heard());
    }
    let messages = practice.messages().await.unwrap();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let kept = ["name", "phone", "topic", "text", "today"].map(|key| messages[0][key].clone());
    let said = [
        json!("Anna Rossi"),
        json!("+15550100200"),
        json!("prescription"),
        json!("Needs a new prescription."),
        json!(true),
    ];
    assert_eq!(kept, said);
    practice.reminders_left().await.unwrap();
    let letters = practice.letters().unwrap();
    assert_eq!(letters.len(), 1);
    for part in ["To: office@clinic.example", "(today)", "+15550100200", "Needs a new prescription."] {
        assert!(letters[0].text.contains(part), "{part:?} is not in\n{}", letters[0].text);
    }
    assert_eq!(practice.log_with(&["Rossi", "prescription.", "0100200"]), [""; 0]);
}

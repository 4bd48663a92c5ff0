use super::*;
use crate::booking::slots::slot_at;
use crate::booking::world::{clinic, date, kind, who};

fn slot(clinic: &Clinic) -> Slot {
    let (kind, who) = (clinic.appointment_type(&kind("checkup")), clinic.practitioner(&who("osei")));
    slot_at(kind.unwrap(), who.unwrap(), "2026-12-01T14:00Z".parse().unwrap())
}

/// One of each.
fn all(clinic: &Clinic) -> Vec<Refusal> {
    let (day, kind) = (date("2026-12-25"), kind("checkup"));
    let becauses = [
        Because::Closed(Closure::Holiday(String::new())),
        Because::PractitionerAway(String::new()),
        Because::PractitionerAway("on holiday".into()),
        Because::NotDone,
        Because::OutsideHours,
        Because::FullyBooked,
        Because::Past,
        Because::TooSoon(Duration::from_hours(24)),
        Because::TooFar(day),
    ];
    let dates = [
        DateRefusal::Malformed,
        DateRefusal::NoSuchDay,
        DateRefusal::UnknownWeekday,
        DateRefusal::WeekdayMismatch {
            date: day,
            named: Weekday::Monday,
            dates: [date("2026-12-21"), date("2026-12-28")],
        },
        DateRefusal::InPast { date: day, today: day },
        DateRefusal::Reversed,
        DateRefusal::Ambiguous { candidates: vec![day, date("2026-12-28")] },
    ];
    let mut all = vec![
        Refusal::UnknownType,
        Refusal::UnknownPractitioner { kind: None },
        Refusal::UnknownSlot,
        Refusal::UnknownHold,
        Refusal::UnknownAppointment,
        Refusal::HoldExpired,
        Refusal::OtherType,
        Refusal::SlotTaken,
        Refusal::NotConfirmed,
        Refusal::BadArgument { name: "slot_id", expected: "a text" },
        Refusal::BadPhone,
        Refusal::BadEmail,
        Refusal::BadName,
        Refusal::NotIdentified,
        Refusal::TooLate,
        Refusal::LimitReached { most: 2 },
        Refusal::Age { kind: kind.clone() },
        Refusal::GuardianNeeded { adult_age: 18 },
        Refusal::ReferralNeeded { kind: kind.clone() },
        Refusal::NotForNewPatients { kind: kind.clone() },
        Refusal::NeedsHuman,
        Refusal::NoContact,
        Refusal::ClockBad,
        Refusal::StoreUnavailable,
        Refusal::TooManyCalls,
    ];
    all.extend(dates.map(Refusal::from));
    for because in becauses {
        for next_free in [None, Some(slot(clinic))] {
            let none =
                NoSlots { kind: kind.clone(), practitioner: Some(who("lind")), because: because.clone(), next_free };
            all.push(none.clone().into());
            all.push(NoSlots { practitioner: None, ..none }.into());
        }
    }
    all
}

#[test]
fn every_refusal_has_a_code_a_sentence_in_each_language_and_a_way_on() {
    let clinic = clinic("Europe/London");
    for refusal in all(&clinic) {
        let code = refusal.code();
        assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        assert_eq!(refusal.to_string(), code);
        assert!(refusal.next_step().ends_with('.'), "{code}");
        let [english, german] = [Language::English, Language::German].map(|language| refusal.say(&clinic, language));
        assert_ne!(english, german, "{code}");
        for said in [english, german] {
            assert!(
                said.ends_with(['.', '?']) && !said.contains("  ") && !said.contains(['_', '{', '(']),
                "{code}: {said}"
            );
        }
    }
}

#[test]
fn a_closure_is_said_with_its_name() {
    let clinic = clinic("Europe/London");
    let because = Because::Closed(Closure::Holiday("Christmas Day".into()));
    let closed: Refusal =
        NoSlots { kind: kind("checkup"), practitioner: None, because, next_free: Some(slot(&clinic)) }.into();
    assert!(
        closed.say(&clinic, Language::English).starts_with("We are closed then: Christmas Day. The next free time is ")
    );
    assert!(
        closed.say(&clinic, Language::German).starts_with("Dann ist geschlossen: Christmas Day. Der nächste freie ")
    );
}

#[test]
fn an_absence_is_said_with_the_clinics_words_for_it_to_whoever_asks_for_them() {
    let clinic = clinic("Europe/London");
    let said = |practitioner, words: &str| {
        let because = Because::PractitionerAway(words.to_owned());
        let none: Refusal = NoSlots { kind: kind("checkup"), practitioner, because, next_free: None }.into();
        [Language::English, Language::German].map(|language| {
            let said = none.say(&clinic, language);
            said[..=said.find('.').unwrap()].to_owned()
        })
    };
    let osei = || Some(who("osei"));
    assert_eq!(
        said(osei(), "on holiday"),
        ["Doctor Osei does not see patients then: on holiday.", "Doctor Osei hat dann keine Sprechstunde: on holiday."]
    );
    assert_eq!(
        said(osei(), ""),
        ["Doctor Osei does not see patients then.", "Doctor Osei hat dann keine Sprechstunde."]
    );
    assert_eq!(
        said(None, "on holiday"),
        ["Nobody who does that sees patients then.", "Dann hat niemand Sprechstunde, der das macht."]
    );
}

#[test]
fn a_wrong_weekday_is_answered_with_the_right_ones() {
    let clinic = clinic("Europe/London");
    let dates = [date("2026-12-02"), date("2026-12-09")];
    let wrong: Refusal =
        DateRefusal::WeekdayMismatch { date: date("2026-12-03"), named: Weekday::Wednesday, dates }.into();
    assert_eq!(
        wrong.say(&clinic, Language::English),
        "That date is Thursday the 3rd of December. Do you mean that day, Wednesday the 2nd of December, or Wednesday the \
         9th of December?"
    );
}

#[test]
fn nobody_hears_that_there_is_nothing_when_it_is_only_too_far() {
    let clinic = clinic("Europe/London");
    let because = Because::TooFar(date("2027-02-25"));
    let none: Refusal = NoSlots { kind: kind("checkup"), practitioner: None, because, next_free: None }.into();
    assert_eq!(none.say(&clinic, Language::English), "I can only book a checkup up to Thursday the 25th of February.");
}

#[test]
fn unknown_ids_are_answered_with_what_there_is() {
    let clinic = clinic("Europe/London");
    let refusal = Refusal::UnknownPractitioner { kind: Some(kind("scan")) };
    assert_eq!(refusal.legal(&clinic), [Choice { id: "osei".into(), say: "Doctor Osei".into() }]);
    assert_eq!(
        Refusal::UnknownType.say(&clinic, Language::English),
        "I am not sure what the appointment is for. It could be a checkup or a scan."
    );
    let mut large = clinic.clone();
    large.practitioners = vec![clinic.practitioners[0].clone(); 5];
    assert_eq!(
        Refusal::UnknownPractitioner { kind: None }.say(&large, Language::English),
        "I am not sure whom you would like to see. Could you say it again?",
        "nobody listens to twenty names"
    );
    let unknown = Refusal::UnknownPractitioner { kind: Some(kind("surgery")) };
    assert_eq!(unknown.legal(&clinic).len(), 2, "never an empty list");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let clinic = clinic("Europe/London");
    let again: Vec<_> = all(&clinic).iter().filter(|refusal| refusal.retry()).map(Refusal::code).collect();
    assert_eq!(again, ["store_unavailable"]);
}

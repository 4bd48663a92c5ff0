//! The sentences of refusals. They are said by a voice: whole, short, without symbols, and never more than is true.

use std::time::Duration;

use jiff::civil::Date;

use super::{Because, Choice, Closure, DateRefusal, NoSlots, Refusal};
use crate::booking::spoken::{Language, say_date, say_slot, say_weekday};
use crate::clinic::Clinic;
use crate::clinic::ids::TypeId;

/// Names in one sentence.
const MOST_LISTED: usize = 4;

pub(super) fn english(refusal: &Refusal, clinic: &Clinic) -> String {
    let text = match refusal {
        Refusal::Date(date) => return english_date(date),
        Refusal::NoSlots(none) => return english_no_slots(none, clinic),
        Refusal::UnknownType => {
            return ask("I am not sure what the appointment is for.", Language::English, refusal, clinic);
        }
        Refusal::UnknownPractitioner { .. } => {
            return ask("I am not sure whom you would like to see.", Language::English, refusal, clinic);
        }
        Refusal::Age { kind } => return format!("I cannot book {} for that age.", named(kind, clinic)),
        Refusal::GuardianNeeded { adult_age } => {
            return format!("For somebody under {adult_age}, a parent or guardian has to make the appointment.");
        }
        Refusal::ReferralNeeded { kind } => return format!("For {} we need a referral.", named(kind, clinic)),
        Refusal::NotForNewPatients { kind } => {
            return format!("I can only book {} for patients who have been here before.", named(kind, clinic));
        }
        Refusal::UnknownSlot => "Let me look up the free times again.",
        Refusal::UnknownHold => "I am not keeping a time for you yet. Let me look up the free times.",
        Refusal::UnknownAppointment => "I need to look up that appointment first.",
        Refusal::HoldExpired => {
            "I am sorry, I could not keep that time any longer. Let me look whether it is still free."
        }
        Refusal::OtherType => "I can move an appointment only to a time for the same kind of visit.",
        Refusal::SlotTaken => "I am sorry, that time has just been taken.",
        Refusal::NotConfirmed => "Let me read that back to you first.",
        Refusal::BadArgument { .. } => "One moment, please.",
        Refusal::BadPhone => "I did not get the phone number. Could you say it again, digit by digit?",
        Refusal::BadEmail => "I did not get the mail address. Could you spell it for me?",
        Refusal::BadName => "I did not get the name. Could you say it again?",
        Refusal::NotIdentified => "With that I cannot find an appointment that I may speak about.",
        Refusal::TooLate => "The time of that appointment has already come, so only our staff can help you with it.",
        Refusal::LimitReached { .. } => "I cannot make any more appointments in this call. Our staff can help you.",
        Refusal::NeedsHuman => "That is something only our staff can arrange.",
        Refusal::NoContact => "I have no address to send that to.",
        Refusal::ClockBad => "I am sorry, I cannot make appointments at the moment.",
        Refusal::StoreUnavailable => {
            "I am sorry, I cannot use our appointment book at the moment. Nothing was changed."
        }
        Refusal::TooManyCalls => "I am sorry, I cannot do any more in this call. Our staff can help you.",
    };
    text.to_owned()
}

pub(super) fn german(refusal: &Refusal, clinic: &Clinic) -> String {
    let text = match refusal {
        Refusal::Date(date) => return german_date(date),
        Refusal::NoSlots(none) => return german_no_slots(none, clinic),
        Refusal::UnknownType => {
            return ask("Ich bin nicht sicher, worum es geht.", Language::German, refusal, clinic);
        }
        Refusal::UnknownPractitioner { .. } => {
            return ask("Ich bin nicht sicher, zu wem Sie möchten.", Language::German, refusal, clinic);
        }
        Refusal::Age { kind } => {
            return format!("Für dieses Alter kann ich das nicht buchen: {}.", named(kind, clinic));
        }
        Refusal::GuardianNeeded { adult_age } => {
            return format!(
                "Für Patienten unter {adult_age} Jahren muss ein Elternteil oder Vormund den Termin machen."
            );
        }
        Refusal::ReferralNeeded { kind } => {
            return format!("Dafür brauchen wir eine Überweisung: {}.", named(kind, clinic));
        }
        Refusal::NotForNewPatients { kind } => {
            return format!("Das kann ich nur für Patienten buchen, die schon hier waren: {}.", named(kind, clinic));
        }
        Refusal::UnknownSlot => "Ich sehe noch einmal nach den freien Zeiten.",
        Refusal::UnknownHold => "Ich halte noch keine Zeit für Sie frei. Ich sehe nach den freien Zeiten.",
        Refusal::UnknownAppointment => "Diesen Termin muss ich erst heraussuchen.",
        Refusal::HoldExpired => {
            "Diese Zeit konnte ich leider nicht länger freihalten. Ich sehe nach, ob sie noch frei ist."
        }
        Refusal::OtherType => "Verlegen kann ich einen Termin nur auf eine Zeit für die gleiche Art von Besuch.",
        Refusal::SlotTaken => "Diese Zeit ist leider gerade vergeben worden.",
        Refusal::NotConfirmed => "Ich lese Ihnen das zuerst noch einmal vor.",
        Refusal::BadArgument { .. } => "Einen Moment bitte.",
        Refusal::BadPhone => {
            "Die Telefonnummer habe ich nicht verstanden. Sagen Sie sie bitte noch einmal, Ziffer für Ziffer?"
        }
        Refusal::BadEmail => "Die Mailadresse habe ich nicht verstanden. Können Sie sie bitte buchstabieren?",
        Refusal::BadName => "Den Namen habe ich nicht verstanden. Sagen Sie ihn bitte noch einmal?",
        Refusal::NotIdentified => "Damit finde ich keinen Termin, über den ich sprechen darf.",
        Refusal::TooLate => "Die Zeit dieses Termins ist schon gekommen. Damit hilft Ihnen nur noch unser Team.",
        Refusal::LimitReached { .. } => {
            "In diesem Gespräch kann ich keine weiteren Termine machen. Unser Team hilft Ihnen gern."
        }
        Refusal::NeedsHuman => "Das kann nur unser Team vereinbaren.",
        Refusal::NoContact => "Ich habe keine Adresse, an die ich das schicken könnte.",
        Refusal::ClockBad => "Im Moment kann ich leider keine Termine machen.",
        Refusal::StoreUnavailable => {
            "Unser Terminbuch kann ich im Moment leider nicht benutzen. Es wurde nichts geändert."
        }
        Refusal::TooManyCalls => "In diesem Gespräch kann ich leider nichts mehr tun. Unser Team hilft Ihnen gern.",
    };
    text.to_owned()
}

fn english_date(refusal: &DateRefusal) -> String {
    let say = |date: Date| say_date(date, Language::English);
    match refusal {
        DateRefusal::Malformed | DateRefusal::UnknownWeekday | DateRefusal::Reversed => {
            "Which day do you mean?".to_owned()
        }
        DateRefusal::NoSuchDay => "That day is not in the calendar. Which day do you mean?".to_owned(),
        DateRefusal::WeekdayMismatch { date, dates, .. } => {
            format!("That date is {}. Do you mean that day, {}, or {}?", say(*date), say(dates[0]), say(dates[1]))
        }
        DateRefusal::InPast { .. } => "That day is already over. Which day would you like?".to_owned(),
        DateRefusal::Ambiguous { candidates } => {
            let days: Vec<String> = candidates.iter().map(|date| say(*date)).collect();
            format!("Do you mean {}?", list(&days, "or"))
        }
    }
}

fn german_date(refusal: &DateRefusal) -> String {
    let say = |date: Date| say_date(date, Language::German);
    match refusal {
        DateRefusal::Malformed | DateRefusal::UnknownWeekday | DateRefusal::Reversed => {
            "Welchen Tag meinen Sie?".to_owned()
        }
        DateRefusal::NoSuchDay => "Diesen Tag gibt es nicht. Welchen Tag meinen Sie?".to_owned(),
        DateRefusal::WeekdayMismatch { date, dates, .. } => {
            let (first, second) = (say(dates[0]), say(dates[1]));
            format!("Dieses Datum ist {}. Welcher Tag ist gemeint: dieser, {first} oder {second}?", say(*date))
        }
        DateRefusal::InPast { .. } => "Dieser Tag ist schon vorbei. Welchen Tag möchten Sie?".to_owned(),
        DateRefusal::Ambiguous { candidates } => {
            let days: Vec<String> = candidates.iter().map(|date| say(*date)).collect();
            format!("Welcher Tag ist gemeint: {}?", list(&days, "oder"))
        }
    }
}

fn english_no_slots(none: &NoSlots, clinic: &Clinic) -> String {
    let who = whom(none, clinic);
    let kind = named(&none.kind, clinic);
    let why = match &none.because {
        Because::Closed(why) => english_closure(why),
        Because::PractitionerAway(why) => match who {
            Some(who) => format!("{who} does not see patients then{}.", behind(why)),
            None => "Nobody who does that sees patients then.".to_owned(),
        },
        Because::NotDone => format!("{} does not do that.", who.unwrap_or("Nobody here")),
        Because::OutsideHours => "We see no patients at that time of day.".to_owned(),
        Because::FullyBooked => "I am sorry, everything then is taken.".to_owned(),
        Because::Past => "That time is already over.".to_owned(),
        Because::TooSoon(lead) => {
            format!("That is too soon: {kind} has to be booked {} ahead.", duration(*lead, Language::English))
        }
        Because::TooFar(last) => {
            format!("I can only book {kind} up to {}.", say_date(*last, Language::English))
        }
    };
    let next = match &none.next_free {
        Some(slot) => format!("The next free time is {}.", say_slot(slot, clinic, Language::English)),
        None if matches!(none.because, Because::TooFar(_)) => return why,
        None => "I find no free time in the days that I can book.".to_owned(),
    };
    format!("{why} {next}")
}

/// The clinic's own words behind a sentence of ours.
fn behind(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn german_no_slots(none: &NoSlots, clinic: &Clinic) -> String {
    let who = whom(none, clinic);
    let why = match &none.because {
        Because::Closed(why) => german_closure(why),
        Because::PractitionerAway(why) => match who {
            Some(who) => format!("{who} hat dann keine Sprechstunde{}.", behind(why)),
            None => "Dann hat niemand Sprechstunde, der das macht.".to_owned(),
        },
        Because::NotDone => format!("{} macht das nicht.", who.unwrap_or("Hier")),
        Because::OutsideHours => "Zu dieser Tageszeit haben wir keine Sprechstunde.".to_owned(),
        Because::FullyBooked => "Dann ist leider alles vergeben.".to_owned(),
        Because::Past => "Diese Zeit ist schon vorbei.".to_owned(),
        Because::TooSoon(lead) => {
            format!("Das ist zu kurzfristig, der Vorlauf ist {}.", duration(*lead, Language::German))
        }
        Because::TooFar(last) => {
            format!("So weit im Voraus geht es nicht. Der letzte Tag ist {}.", say_date(*last, Language::German))
        }
    };
    let next = match &none.next_free {
        Some(slot) => format!("Der nächste freie Termin: {}.", say_slot(slot, clinic, Language::German)),
        None if matches!(none.because, Because::TooFar(_)) => return why,
        None => "In der Zeit, für die ich buchen kann, finde ich nichts Freies.".to_owned(),
    };
    format!("{why} {next}")
}

fn english_closure(why: &Closure) -> String {
    match why {
        Closure::Holiday(name) if name.is_empty() => "We are closed then.".to_owned(),
        Closure::Holiday(name) => format!("We are closed then: {name}."),
        Closure::Weekday(day) => format!("We are closed on {}s.", say_weekday(*day, Language::English)),
    }
}

fn german_closure(why: &Closure) -> String {
    match why {
        Closure::Holiday(name) if name.is_empty() => "Dann ist geschlossen.".to_owned(),
        Closure::Holiday(name) => format!("Dann ist geschlossen: {name}."),
        Closure::Weekday(day) => format!("Am {} ist geschlossen.", say_weekday(*day, Language::German)),
    }
}

fn whom<'a>(none: &NoSlots, clinic: &'a Clinic) -> Option<&'a str> {
    none.practitioner.as_ref().and_then(|id| clinic.practitioner(id)).map(|known| known.say_as.as_str())
}

/// As the clinic says it; the id if there is no such type.
fn named<'a>(kind: &'a TypeId, clinic: &'a Clinic) -> &'a str {
    clinic.appointment_type(kind).map_or(kind.as_str(), |known| &known.say_as)
}

/// `lead`, and what can be chosen: as many as a listener can keep in mind, else a question.
fn ask(lead: &str, language: Language, refusal: &Refusal, clinic: &Clinic) -> String {
    let names: Vec<String> = refusal.legal(clinic).into_iter().map(|Choice { say, .. }| say).collect();
    match (language, names.len()) {
        (Language::English, 1..=MOST_LISTED) => format!("{lead} It could be {}.", list(&names, "or")),
        (Language::English, _) => format!("{lead} Could you say it again?"),
        (Language::German, 1..=MOST_LISTED) => format!("{lead} Möglich ist {}.", list(&names, "oder")),
        (Language::German, _) => format!("{lead} Sagen Sie es bitte noch einmal?"),
    }
}

/// `a, b or c`.
fn list(items: &[String], or: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {or} {last}", first.join(", ")),
    }
}

/// `2 days`, `90 minutes`; rounded up to what is said.
fn duration(time: Duration, language: Language) -> String {
    const HOUR: u64 = 60;
    const DAY: u64 = 24 * HOUR;
    let minutes = time.as_secs().div_ceil(60);
    let (count, one, many, ein, viele) = if minutes >= DAY && minutes.is_multiple_of(DAY) {
        (minutes / DAY, "a day", "days", "ein Tag", "Tage")
    } else if minutes >= HOUR && minutes.is_multiple_of(HOUR) {
        (minutes / HOUR, "an hour", "hours", "eine Stunde", "Stunden")
    } else {
        (minutes, "a minute", "minutes", "eine Minute", "Minuten")
    };
    match (language, count) {
        (Language::English, 1) => one.to_owned(),
        (Language::English, _) => format!("{count} {many}"),
        (Language::German, 1) => ein.to_owned(),
        (Language::German, _) => format!("{count} {viele}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Weekday;

    #[test]
    fn a_notice_is_said_in_its_largest_whole_unit() {
        let say = |minutes: u64, language| duration(Duration::from_mins(minutes), language);
        assert_eq!(say(2880, Language::English), "2 days");
        assert_eq!(say(60, Language::English), "an hour");
        assert_eq!(say(90, Language::German), "90 Minuten");
        assert_eq!(say(1440, Language::German), "ein Tag");
    }

    #[test]
    fn a_weekday_closes_every_week() {
        assert_eq!(english_closure(&Closure::Weekday(Weekday::Sunday)), "We are closed on Sundays.");
        assert_eq!(german_closure(&Closure::Weekday(Weekday::Sunday)), "Am Sonntag ist geschlossen.");
    }
}

//! Sentences of the clerk in the caller's language. They are said by a voice, and are true whatever comes later.

use crate::booking::appointment::Appointment;
use crate::booking::spoken::{Language, say_reference, say_slot};
use crate::clinic::Clinic;

/// What is free, in one sentence.
pub(super) fn offers(slots: &[String], language: Language) -> String {
    let all = list(slots.iter().map(String::as_str), if language == Language::English { "or" } else { "oder" });
    match language {
        Language::English => format!("I have {all}."),
        Language::German => format!("Frei ist {all}."),
    }
}

/// A time is kept.
pub(super) fn held(slot: &str, calendar_unknown: bool, language: Language) -> String {
    match (language, calendar_unknown) {
        (Language::English, false) => format!("I am keeping {slot} for you. It is not booked yet."),
        (Language::English, true) => format!(
            "I am keeping {slot} for you in our own book. It is not booked yet, and I cannot reach our calendar at the \
             moment, so our staff will check it."
        ),
        (Language::German, false) => format!("Ich halte {slot} für Sie frei. Gebucht ist der Termin noch nicht."),
        (Language::German, true) => format!(
            "Ich halte {slot} in unserem Buch für Sie frei. Gebucht ist der Termin noch nicht, und unseren Kalender \
             erreiche ich gerade nicht; unser Team prüft das."
        ),
    }
}

/// An appointment stands.
pub(super) fn booked(appointment: &Appointment, calendar_unknown: bool, clinic: &Clinic, language: Language) -> String {
    let (slot, reference) = (say_slot(&appointment.slot, clinic, language), say_reference(appointment.reference));
    let booked = match language {
        Language::English => format!("You are booked for {slot}. Your reference is {reference}."),
        Language::German => format!("Ihr Termin ist gebucht: {slot}. Ihre Nummer ist {reference}."),
    };
    booked + unchecked(calendar_unknown, language)
}

/// An appointment has another time.
pub(super) fn moved(appointment: &Appointment, calendar_unknown: bool, clinic: &Clinic, language: Language) -> String {
    let slot = say_slot(&appointment.slot, clinic, language);
    let moved = match language {
        Language::English => format!("Your appointment is moved to {slot}."),
        Language::German => format!("Ihr Termin ist verlegt auf {slot}."),
    };
    moved + unchecked(calendar_unknown, language)
}

fn unchecked(calendar_unknown: bool, language: Language) -> &'static str {
    match (calendar_unknown, language) {
        (false, _) => "",
        (true, Language::English) => {
            " I cannot reach our calendar at the moment. Should the time turn out to be taken, our staff will call you."
        }
        (true, Language::German) => {
            " Unseren Kalender erreiche ich gerade nicht. Sollte die Zeit schon vergeben sein, ruft unser Team Sie an."
        }
    }
}

/// An appointment is taken back.
pub(super) fn cancelled(slot: &str, language: Language) -> String {
    match language {
        Language::English => format!("Your appointment on {slot} is cancelled."),
        Language::German => format!("Ihr Termin am {slot} ist abgesagt."),
    }
}

/// Appointments that were found.
pub(super) fn found(slots: &[String], language: Language) -> String {
    let all = list(slots.iter().map(String::as_str), if language == Language::English { "and" } else { "und" });
    match language {
        Language::English => format!("I have found {all}."),
        Language::German => format!("Ich habe gefunden: {all}."),
    }
}

/// A choice between people.
pub(super) fn which_of(names: &[&str], language: Language) -> String {
    match language {
        Language::English => format!("Do you mean {}?", list(names.iter().copied(), "or")),
        Language::German => format!("Meinen Sie {}?", list(names.iter().copied(), "oder")),
    }
}

/// A domain that was probably misheard.
pub(super) fn did_you_mean(domain: &str, language: Language) -> String {
    match language {
        Language::English => format!("Is the part behind the at sign {domain}?"),
        Language::German => format!("Heißt es hinter dem At-Zeichen {domain}?"),
    }
}

/// What has one wording in each language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying {
    Sent,
    MessageTaken,
    NoMoreMessages,
    Connecting,
    NobodyThere,
    NoTransferHere,
    NotKnown,
    StillKept,
}

pub(super) fn say(saying: Saying, language: Language) -> &'static str {
    match (saying, language) {
        (Saying::Sent, Language::English) => "The confirmation is on its way.",
        (Saying::Sent, Language::German) => "Die Bestätigung ist unterwegs.",
        (Saying::MessageTaken, Language::English) => "I have passed your message on to our staff.",
        (Saying::MessageTaken, Language::German) => "Ich habe Ihre Nachricht an unser Team weitergegeben.",
        (Saying::NoMoreMessages, Language::English) => "I have already passed on several messages from this call.",
        (Saying::NoMoreMessages, Language::German) => {
            "Ich habe schon mehrere Nachrichten aus diesem Gespräch weitergegeben."
        }
        (Saying::Connecting, Language::English) => "One moment, I will connect you.",
        (Saying::Connecting, Language::German) => "Einen Moment, ich verbinde Sie.",
        (Saying::NobodyThere, Language::English) => "Nobody can take your call at the moment. May I take a message?",
        (Saying::NobodyThere, Language::German) => {
            "Im Moment kann niemand Ihren Anruf annehmen. Darf ich eine Nachricht aufnehmen?"
        }
        (Saying::NoTransferHere, Language::English) => {
            "I cannot call anybody to the desk from here. May I take a message for our staff?"
        }
        (Saying::NoTransferHere, Language::German) => {
            "Von hier aus kann ich niemanden rufen. Darf ich eine Nachricht für unser Team aufnehmen?"
        }
        (Saying::NotKnown, Language::English) => "I do not know that. I can take a message for our staff.",
        (Saying::NotKnown, Language::German) => {
            "Das weiß ich nicht. Ich kann unserem Team eine Nachricht hinterlassen."
        }
        (Saying::StillKept, Language::English) => "Your appointment stays as it is.",
        (Saying::StillKept, Language::German) => "Ihr Termin bleibt, wie er ist.",
    }
}

/// `one, two or three`.
fn list<'a>(items: impl Iterator<Item = &'a str>, last: &str) -> String {
    let items: Vec<&str> = items.collect();
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((end, others)) => format!("{} {last} {end}", others.join(", ")),
    }
}

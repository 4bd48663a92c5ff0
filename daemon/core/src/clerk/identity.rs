//! Whose appointments a caller may hear of.
//!
//! Two of three facts have to match before a word is said: the reference, the phone number, the full name with the day of
//! the visit or of birth. The number that the call comes from counts as the phone number and as no more, for it is easily
//! forged. What does not match is never told apart from what does not exist.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Clerk, MOST_FAILED, Trouble, words};
use crate::booking::appointment::{Appointment, Reference};
use crate::booking::book::Book;
use crate::booking::refusal::Refusal;
use crate::booking::spoken::say_slot;
use crate::clinic::Clinic;
use crate::tools::request::Identity;
use crate::tools::{near, text};
use crate::twilio::number::PhoneNumber;

/// Facts that have to match.
const NEEDED: usize = 2;

impl Clerk {
    pub(super) fn find_appointments(
        &mut self,
        identity: &Identity,
        now: Timestamp,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        if self.memory.failed >= MOST_FAILED {
            let next = "Do not ask again. Take a message for staff, or hand over to a person.";
            let say = Refusal::NotIdentified.say(&self.clinic, self.language);
            return Ok(Answer::error(Refusal::NotIdentified.code(), say, next));
        }
        let reference = identity.reference.as_deref().and_then(Reference::parse);
        let numbers: Vec<PhoneNumber> = self.caller.iter().chain(&identity.phone).cloned().collect();
        let mut candidates: Vec<Appointment> = Vec::new();
        if let Some(reference) = reference {
            candidates.extend(book.by_reference(reference, now)?);
        }
        for number in &numbers {
            candidates.extend(book.by_phone(number, now)?);
        }
        let facts = Facts { reference, numbers: &numbers, identity, clinic: &self.clinic };
        let mut theirs: Vec<Appointment> = Vec::new();
        for candidate in candidates {
            let known = theirs.iter().any(|known| known.id == candidate.id);
            if !known && facts.matching(&candidate) >= NEEDED {
                theirs.push(candidate);
            }
        }
        if theirs.is_empty() {
            self.memory.failed += 1;
            return Err(Refusal::NotIdentified.into());
        }
        theirs.sort_by_key(|appointment| appointment.slot.time.from);
        Ok(self.found(&theirs, now))
    }

    fn found(&mut self, theirs: &[Appointment], now: Timestamp) -> Answer {
        let mut says = Vec::new();
        let mut found = Vec::new();
        for appointment in theirs {
            let handle = self.may_hear_of(appointment, now);
            let say = say_slot(&appointment.slot, &self.clinic, self.language);
            let local = appointment.slot.time.from.to_zoned(self.clinic.zone.clone());
            found.push(json!({
                "appointment_id": handle,
                "say": say,
                "appointment_type": appointment.slot.kind.as_str(),
                "date": local.date().to_string(),
                "time": local.strftime("%H:%M").to_string(),
                "practitioner": appointment.slot.practitioner.as_str(),
            }));
            says.push(say);
        }
        let next = "Say which was found; if there are several, ask which one is meant. Then do what the caller wants with it. \
                    Speak of no other appointment.";
        let answer = Answer::done("found", words::found(&says, self.language), next);
        answer.with("appointments", Value::from(found))
    }
}

struct Facts<'a> {
    reference: Option<Reference>,
    /// That of the call, and the one that was given.
    numbers: &'a [PhoneNumber],
    identity: &'a Identity,
    clinic: &'a Clinic,
}

impl Facts<'_> {
    fn matching(&self, appointment: &Appointment) -> usize {
        let Some(patient) = &appointment.patient else { return 0 };
        let reference = self.reference == Some(appointment.reference);
        let phone = patient.phone.as_ref().is_some_and(|phone| self.numbers.contains(phone));
        let name = self.identity.name.as_deref().is_some_and(|name| is_same_person(&patient.name, name));
        let day = appointment.slot.time.from.to_zoned(self.clinic.zone.clone()).date();
        let born = self.identity.born.is_some() && self.identity.born == patient.born;
        let person = name && (born || self.identity.date == Some(day));
        usize::from(reference) + usize::from(phone) + usize::from(person)
    }
}

/// Whether a name that was heard is the one that was kept: the same, or the same by its sound, word for word.
fn is_same_person(kept: &str, heard: &str) -> bool {
    let (kept, heard): (Vec<_>, Vec<_>) = (text::words(kept).collect(), text::words(heard).collect());
    // A single word is no full name.
    let full = heard.len() > 1 || kept.len() == 1;
    let alike = |one: &String, other: &String| {
        one == other || near::sound(one) == near::sound(other) && near::distance(one, other) <= 2
    };
    full && kept.len() == heard.len() && kept.iter().zip(&heard).all(|(one, other)| alike(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_heard_nearly_right_is_the_same_and_half_of_one_is_not() {
        for (heard, same) in [
            ("Ana Pérez", true),
            ("ana perez", true),
            ("Anna Peres", true),
            ("Ana", false),
            ("Pérez", false),
            ("Ana Lopez", false),
            ("", false),
        ] {
            assert_eq!(is_same_person("Ana Pérez", heard), same, "{heard:?}");
        }
    }
}

//! Holding a time and booking it: who may book what, and what is written with it.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::{Answer, Clerk, Hold, Outside, Trouble, remind, tell_outside, words};
use crate::booking::appointment::{Appointment, Busy, Patient, Slot, Span, State};
use crate::booking::book::{Book, BookError};
use crate::booking::opening::Day;
use crate::booking::refusal::Refusal;
use crate::booking::slots;
use crate::booking::spoken::{say_reference, say_slot};
use crate::clinic::AppointmentType;
use crate::tools::address;
use crate::tools::request::{Booking, Phone};
use crate::twilio::number::PhoneNumber;

impl Clerk {
    pub(super) fn hold_slot(
        &mut self,
        id: &str,
        instead_of: Option<&str>,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let slot = self.offer(id, now)?;
        let moved = instead_of.map(|handle| self.known(handle).map(|known| known.id)).transpose()?;
        let old = moved.map(|id| book.appointment(id)).transpose()?.flatten();
        // The whole day: of some types a practitioner sees only so many.
        let day = Day::new(slot.time.from.to_zoned(self.clinic.zone.clone()).date(), &self.clinic.zone);
        let whole = day.whole().unwrap_or(slot.busy);
        let span = Span { from: whole.from.min(slot.busy.from), to: whole.to.max(slot.busy.to) };
        let busy = book.busy(std::slice::from_ref(&slot.practitioner), span, now, moved)?;
        // What this conversation holds already is given up for the new hold, or is the same.
        // What it has booked meanwhile counts like anybody else's.
        let ours = match self.memory.holds.last() {
            Some(hold) => book.appointment(hold.id)?.filter(|kept| kept.state == State::Held),
            None => None,
        };
        let ours = ours.map(|hold| (hold.slot.practitioner, hold.slot.busy));
        let is_ours =
            |busy: &Busy| ours.as_ref().is_some_and(|(who, span)| busy.practitioner == *who && busy.span == *span);
        let others: Vec<_> = busy.into_iter().filter(|busy| !is_ours(busy)).collect();
        slots::still_free(&self.clinic, &slot, &others, now)?;
        is_free_outside(&slot, outside, old.as_ref())?;
        let ends = now.saturating_add(self.clinic.rules.hold).unwrap_or(now);
        let (by, tag) = (self.conversation, self.tag.clone());
        let held = match moved {
            Some(appointment) => book.hold_instead(appointment, &slot, &by, &tag, now, ends)?,
            None => book.hold(&slot, &by, &tag, now, ends)?,
        };
        let at = self.memory.holds.iter().position(|hold| hold.id == held.id).unwrap_or_else(|| {
            self.memory.holds.push(Hold { id: held.id, slot: held.slot.clone(), made: now });
            self.memory.holds.len() - 1
        });
        let unknown = outside.is_unknown();
        let say = words::held(&say_slot(&held.slot, &self.clinic, self.language), unknown, self.language);
        let next = if moved.is_some() {
            "Read the new day and time back and wait for a clear yes; then call reschedule with this hold_id."
        } else {
            "Collect what book needs, one thing at a time, read everything back, wait for a clear yes; then call book."
        };
        let kind = self.clinic.appointment_type(&held.slot.kind);
        let answer = Answer::done("held", say, next).with("hold_id", json!(format!("h{}", at + 1)));
        let answer = answer.with("held_for_seconds", json!(self.clinic.rules.hold.as_secs()));
        let answer = if unknown { answer.with("calendar", json!("unreachable")) } else { answer };
        Ok(kind.map_or(answer.clone(), |kind| answer.with("ask_for", json!(asked_for(kind)))))
    }

    pub(super) fn book(
        &mut self,
        booking: &Booking,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let hold = self.hold(&booking.hold)?.clone();
        let unknown = outside.is_unknown();
        if let Some(done) = book.appointment(hold.id)?.filter(|done| done.state == State::Booked) {
            return Ok(self.is_booked(&done, unknown, now));
        }
        self.is_confirmed(booking.confirmed, hold.made)?;
        let kind = self.clinic.appointment_type(&hold.slot.kind).ok_or(Refusal::UnknownType)?;
        let today = now.to_zoned(self.clinic.zone.clone()).date();
        self.may_book(kind, booking, today, hold.slot.time.from)?;
        let patient = self.patient(booking)?;
        self.has_room(patient.phone.as_ref(), now, book)?;
        if let Err(taken) = is_free_outside(&hold.slot, outside, None) {
            book.release(&self.conversation)?;
            return Err(taken.into());
        }
        let booked = match book.book(hold.id, &self.conversation, &patient, now) {
            Ok((booked, is_new)) => {
                self.memory.booked += u16::from(is_new);
                booked
            }
            Err(BookError::Unknown) => return Err(Refusal::HoldExpired.into()),
            Err(error) => return Err(error.into()),
        };
        let booked = self.written_to(booked, book)?;
        tell_outside(&booked, now, book)?;
        remind(&booked, now, book)?;
        Ok(self.is_booked(&booked, unknown, now))
    }

    fn is_booked(&mut self, booked: &Appointment, unknown: bool, now: Timestamp) -> Answer {
        let handle = self.may_hear_of(booked, now);
        let say = words::booked(booked, unknown, &self.clinic, self.language);
        let next = "Say it, the reference twice; say what to bring if anything is listed; then ask whether there is \
                    anything else.";
        let patient = booked.patient.as_ref();
        let mail = patient.is_some_and(|patient| patient.email.is_some());
        let sms = patient.is_some_and(|patient| patient.sms && patient.phone.is_some());
        let confirmation = match (mail, sms) {
            (true, true) => "email_and_sms_queued",
            (true, false) => "email_queued",
            (false, true) => "sms_queued",
            (false, false) => "none",
        };
        let answer = Answer::done("booked", say, next).with("appointment_id", json!(handle));
        let answer = answer.with("reference", json!(booked.reference.to_string()));
        let answer = answer.with("say_reference", json!(say_reference(booked.reference)));
        let answer = answer.with("confirmation", json!(confirmation));
        let answer = if unknown { answer.with("calendar", json!("unreachable")) } else { answer };
        let kind = self.clinic.appointment_type(&booked.slot.kind);
        match kind.filter(|kind| !kind.preparation.is_empty()) {
            Some(kind) => answer.with("preparation", json!(kind.preparation)),
            None => answer,
        }
    }

    /// Whether the patient may have that appointment.
    fn may_book(
        &self,
        kind: &AppointmentType,
        booking: &Booking,
        today: Date,
        begins: Timestamp,
    ) -> Result<(), Refusal> {
        if kind.needs_human {
            return Err(Refusal::NeedsHuman);
        }
        if kind.needs_referral && booking.referred != Some(true) {
            return Err(Refusal::ReferralNeeded { kind: kind.id.clone() });
        }
        if !kind.for_new_patients {
            match booking.new_patient {
                Some(false) => {}
                Some(true) => return Err(Refusal::NotForNewPatients { kind: kind.id.clone() }),
                None => return Err(missing("new_patient", "whether the patient was never here before: true or false")),
            }
        }
        let day = begins.to_zoned(self.clinic.zone.clone()).date();
        let ages = booking.born.map(|born| age(born, today).and_then(|now| Ok((now, age(born, day)?)))).transpose()?;
        match (&kind.ages, ages) {
            (Some(_), None) => return Err(missing("date_of_birth", "the patient's day of birth, YYYY-MM-DD")),
            (Some(of), Some((_, then))) if !of.contains(&then) => return Err(Refusal::Age { kind: kind.id.clone() }),
            _ => {}
        }
        let adult_age = self.clinic.rules.adult_age;
        let is_minor = ages.is_some_and(|(now, _)| now < adult_age);
        if is_minor && booking.booked_by.is_none() { Err(Refusal::GuardianNeeded { adult_age }) } else { Ok(()) }
    }

    fn patient(&mut self, booking: &Booking) -> Result<Patient, Trouble> {
        let phone = match &booking.phone {
            Phone::Number(number) => Some(number.clone()),
            // A withheld number cannot be meant; nothing was given for it either.
            Phone::CallerId if self.caller.is_none() => return Err(Refusal::BadPhone.into()),
            Phone::CallerId | Phone::None => self.caller.clone(),
        };
        let email = booking.email.clone().filter(|_| booking.mail);
        if booking.mail && email.is_none() {
            return Err(Refusal::BadEmail.into());
        }
        self.is_meant(email.as_deref())?;
        Ok(Patient {
            name: booking.name.clone(),
            sms: booking.sms && phone.is_some(),
            phone,
            email,
            born: booking.born,
            booked_by: booking.booked_by.clone(),
            note: booking.note.clone(),
        })
    }

    /// Asks once about an address that looks like a slip of the ear; said again, it is taken.
    pub(super) fn is_meant(&mut self, email: Option<&str>) -> Result<(), Trouble> {
        let Some(email) = email else { return Ok(()) };
        let Some(domain) = address::probably_meant(email) else { return Ok(()) };
        if self.memory.doubted.as_deref() == Some(email) {
            return Ok(());
        }
        self.memory.doubted = Some(email.to_owned());
        let next = "Ask the caller. If it is, call this again with the corrected address, else with the same.";
        Err(Answer::error("check_email", words::did_you_mean(domain, self.language), next).into())
    }

    fn has_room(&self, phone: Option<&PhoneNumber>, now: Timestamp, book: &mut dyn Book) -> Result<(), Trouble> {
        let most = self.clinic.rules.most_per_number;
        // A withheld number, a desk and numbers that were made up: what was made in this conversation counts as well.
        if self.memory.booked >= most {
            return Err(Refusal::LimitReached { most }.into());
        }
        // Both count: giving another number each time would get around it.
        let mut numbers: Vec<&PhoneNumber> = phone.into_iter().chain(&self.caller).collect();
        numbers.dedup();
        for number in numbers {
            if book.by_phone(number, now)?.len() >= usize::from(most) {
                return Err(Refusal::LimitReached { most }.into());
            }
        }
        Ok(())
    }
}

/// What a booking of that type needs beyond name and number.
fn asked_for(kind: &AppointmentType) -> Vec<&'static str> {
    let mut asked = vec!["patient_name", "phone", "email_consent"];
    asked.extend(kind.ages.is_some().then_some("date_of_birth"));
    asked.extend(kind.needs_referral.then_some("has_referral"));
    asked.extend((!kind.for_new_patients).then_some("new_patient"));
    asked
}

/// Whether what is known of the outside calendar leaves the practitioner free then; the time of the appointment that is to
/// be moved does not count. One that does not answer keeps nobody: the caller is told, and staff find an overlap later.
pub(super) fn is_free_outside(slot: &Slot, outside: &Outside, moved: Option<&Appointment>) -> Result<(), Refusal> {
    let own = |span: &Span| {
        let old = moved.map(|old| old.slot.busy);
        old.is_some_and(|old| old.from <= span.from && span.to <= old.to)
    };
    let taken = outside
        .busy()
        .iter()
        .any(|busy| busy.practitioner == slot.practitioner && busy.span.overlaps(&slot.busy) && !own(&busy.span));
    if taken { Err(Refusal::SlotTaken) } else { Ok(()) }
}

/// Whole years of age on a day. Nobody is born later than that, or 130 years before.
fn age(born: Date, on: Date) -> Result<u8, Refusal> {
    let wrong = || missing("date_of_birth", "a day of birth that is not in the future and no more than 130 years ago");
    if born > on || born < on.saturating_sub(130.years()) {
        return Err(wrong());
    }
    let before_birthday = (on.month(), on.day()) < (born.month(), born.day());
    u8::try_from(on.year() - born.year() - i16::from(before_birthday)).map_err(|_| wrong())
}

fn missing(name: &'static str, expected: &'static str) -> Refusal {
    Refusal::BadArgument { name, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_birthday_counts_from_its_day() {
        assert_eq!(age(date(2008, 12, 1), date(2026, 11, 30)), Ok(17));
        assert_eq!(age(date(2008, 12, 1), date(2026, 12, 1)), Ok(18));
        assert_eq!(age(date(2008, 2, 29), date(2026, 2, 28)), Ok(17));
        assert_eq!(age(date(2026, 11, 27), date(2026, 11, 27)), Ok(0));
        for wrong in [date(2026, 11, 28), date(1890, 1, 1)] {
            assert!(age(wrong, date(2026, 11, 27)).is_err(), "{wrong}");
        }
    }
}

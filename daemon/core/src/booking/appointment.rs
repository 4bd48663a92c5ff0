//! An appointment, from the moment at which somebody wants a time to its end.
//!
//! ```text
//! held ──yes──► booked ──moved──► booked (revision + 1) ──► cancelled
//!   └──given up, or its time ran out──► gone
//! ```

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clinic::ids::{LocationId, PractitionerId, TypeId};
use crate::twilio::number::PhoneNumber;

/// An interval of time, half open; `from` is before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Span {
    /// Whether the two share an instant.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// An appointment's name in the database and in outside calendars: a UUID version 7, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppointmentId(pub u128);

impl fmt::Display for AppointmentId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// An appointment's name among people: six letters and digits that do not sound alike, said and written `K7Q-4MR`.
///
/// It tells appointments apart; it does not show that somebody may know of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference([u8; 6]);

/// The symbols of a [`Reference`]: none that looks or sounds like another (0/O, 1/I/L, 5/S, 8/B, and the letters that
/// all end in "ee" on a phone line).
const SYMBOLS: &[u8; 17] = b"2346789FHJKMQRWXY";

impl Reference {
    /// One of 24 million, chosen by `random`; evenly, but for one in a million.
    pub fn of(mut random: u64) -> Self {
        Self(std::array::from_fn(|_| {
            let symbol = SYMBOLS[(random % SYMBOLS.len() as u64) as usize];
            random /= SYMBOLS.len() as u64;
            symbol
        }))
    }

    /// Reads what a person said or wrote: case, spaces and dashes do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let mut symbols = text.bytes().filter(|b| !b" -".contains(b)).map(|b| b.to_ascii_uppercase());
        let mut read = [0; 6];
        for place in &mut read {
            *place = symbols.next().filter(|symbol| SYMBOLS.contains(symbol))?;
        }
        symbols.next().is_none().then_some(Self(read))
    }
}

impl fmt::Display for Reference {
    /// `K7Q-4MR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, symbol) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at == 3 { "-" } else { "" }, char::from(*symbol))?;
        }
        Ok(())
    }
}

/// For whom an appointment is, and how they are reached. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// As it was confirmed: one line without control characters, 1 to 120 characters.
    pub name: String,
    /// Where they are called; absent when they gave no number and withheld their own.
    pub phone: Option<PhoneNumber>,
    /// Checked for its form; present only if they want mail.
    pub email: Option<String>,
    /// They want text messages.
    pub sms: bool,
    /// Day of birth, where it was asked for.
    pub born: Option<jiff::civil::Date>,
    /// Who booked, if it was somebody else: a parent, a carer.
    pub booked_by: Option<String>,
    /// Needs of access or language; never a complaint.
    pub note: String,
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(…)")
    }
}

/// By what two names are the same: neither case nor spacing matters, for they are told by voice.
pub fn name_key(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Where an appointment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Kept for a caller who has not said yes, until `hold_ends`.
    Held,
    /// Promised.
    Booked,
    /// Taken back, by the patient or because the time turned out to be taken.
    Cancelled,
}

/// What is free: an offer that can be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What would be done.
    pub kind: TypeId,
    /// By whom.
    pub practitioner: PractitionerId,
    /// Where.
    pub location: LocationId,
    /// The patient's time.
    pub time: Span,
    /// The practitioner's time: the patient's with the buffers.
    pub busy: Span,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Its name, for good.
    pub id: AppointmentId,
    /// Its name among people.
    pub reference: Reference,
    /// What, with whom, where and when.
    pub slot: Slot,
    /// For whom; absent while it is only held.
    pub patient: Option<Patient>,
    /// BCP-47 tag of the language in which the patient is written to.
    pub language: String,
    /// Where it stands.
    pub state: State,
    /// 0, and one more for each change; the `SEQUENCE` of its calendar entry.
    pub revision: u32,
}

/// Time that is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Whose.
    pub practitioner: PractitionerId,
    /// When, buffers included.
    pub span: Span,
    /// What it is, if it is in this clinic's own book: some types are counted per day. Nothing for time that an outside
    /// calendar names.
    pub kind: Option<TypeId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reference_is_read_back_however_it_is_written(random: u64) {
            let reference = Reference::of(random);
            let spoken = reference.to_string().to_lowercase().replace('-', " ");
            prop_assert_eq!(Reference::parse(&spoken), Some(reference));
        }
    }

    #[test]
    fn a_name_is_the_same_however_it_is_written() {
        assert_eq!(name_key(" Mary Ann  O'NEIL"), name_key("MaryAnn o'neil"));
        assert_ne!(name_key("Mary Anne"), name_key("Mary Ann"));
    }

    #[test]
    fn what_is_no_reference_is_not_taken_for_one() {
        for wrong in ["", "K7Q", "K7Q-4MRX", "K7Q-4M0", "K7Q–4MR"] {
            assert_eq!(Reference::parse(wrong), None, "{wrong:?}");
        }
    }
}

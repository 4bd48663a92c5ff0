//! In which language a caller is spoken and written to: as they were greeted, until the model tells of another.

use super::Clerk;
use crate::booking::appointment::Appointment;
use crate::booking::book::{Book, BookError};
use crate::booking::spoken::Language;
use crate::letter::words::base;

impl Clerk {
    /// The caller speaks the language of that tag, as the model tells: from now on they are spoken and written to in it,
    /// if it is one of the clinic's. What we have no sentences in is said in the clinic's own language, for the model to
    /// translate. Anything else changes nothing.
    pub fn speaks(&mut self, tag: &str) {
        let known = &self.clinic.languages;
        let same = known.iter().find(|known| known.eq_ignore_ascii_case(tag));
        let alike = || known.iter().find(|known| base(known) == base(tag));
        let Some(spoken) = same.or_else(alike) else { return };
        self.tag.clone_from(spoken);
        self.told_language = true;
        self.language = Language::known(spoken).unwrap_or_else(|| Language::of(&self.clinic.language));
    }

    /// A booked appointment whose patient is written to in the language that is spoken now: they have just heard it all in
    /// that one.
    pub(super) fn written_to(&self, booked: Appointment, book: &mut dyn Book) -> Result<Appointment, BookError> {
        // Nobody has told in which: it stays in that of whoever arranged it.
        if !self.told_language || booked.language == self.tag {
            return Ok(booked);
        }
        book.set_language(booked.id, &self.tag, &self.conversation)?;
        Ok(Appointment { language: self.tag.clone(), ..booked })
    }
}

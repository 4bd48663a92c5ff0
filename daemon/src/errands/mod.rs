//! What becomes of the book's errands in this clinic: which part carries out which.
//!
//! ```text
//!               ┌─ mail, message ──► Letters ──► Mailer: folder or mail server
//!  Carriers ────┼─ sms ────────────► Letters ──► Texter: Twilio
//!  (outbox)     ├─ reminder ───────► Letters: by mail if the patient wants it, else by text message
//!               └─ calendar ───────► Diary ─┬─► the feed
//!                                        └─► Entries: the outside calendar ◄── watch, once a minute
//! ```
//!
//! A carrier reads the appointment as it is when the errand's turn comes and does what that asks for.

mod diary;
mod entries;
mod letters;
pub mod watch;

use std::sync::Arc;

use frontdesk_core::booking::book::ErrandKind;

pub use diary::Diary;
pub use entries::{Entries, EntryError};
pub use letters::Letters;

use crate::outbox::Carriers;

/// The carriers of a clinic.
pub fn carriers(letters: Letters, diary: Diary) -> Carriers {
    let letters = Arc::new(letters);
    let by_letter = [ErrandKind::Mail, ErrandKind::Sms, ErrandKind::Reminder, ErrandKind::Message];
    let carriers = Carriers::new().with(ErrandKind::Calendar, Arc::new(diary));
    by_letter.into_iter().fold(carriers, |carriers, kind| carriers.with(kind, Arc::clone(&letters) as _))
}

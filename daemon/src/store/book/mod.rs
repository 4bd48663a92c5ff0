//! The appointment book, kept in the store: [`OpenBook`] is one transaction of it, [`Store::transact`] opens one.
//!
//! - `change`: holds, bookings, moves and cancellations; `rows`: finding and reading them.
//! - `errands`: the outbox; `messages`: what callers leave for staff; `links`: where an appointment is outside.
//! - `listing`: what staff and tools ask for; `audit`: who changed what.
//! - `retention`: what is erased when; `salvage`: what was carried over from a damaged file.

mod audit;
mod change;
mod errands;
mod links;
mod listing;
mod messages;
pub(super) mod retention;
mod rows;
pub(super) mod salvage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Busy, Patient, Reference, Slot, Span};
use frontdesk_core::booking::book::{Book, BookError, Errand, Message};
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::session::id::ConversationId;
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::damage::Damage;
use super::error::StoreError;
use super::open::Keeping;
use super::worker::Command;
use super::{Store, refused};

pub(super) use self::change::release;
pub use audit::AuditEntry;
pub use errands::{Claimed, Due, Errands, ListedErrand, Room, Settlement, Staff};
pub(super) use errands::{Figures, recover};
pub use links::CalendarLink;
pub use listing::{ListedAppointment, ListedMessage, ListedPatient, MAX_SPAN};
#[cfg(test)]
pub(in crate::store) use rows::within;

/// A hold's end is known by the database only through this word of its triggers.
const TAKEN: &str = "slot_taken";

/// The appointment book within one transaction: see [`Book`], which it implements.
///
/// Each function takes effect whole or not at all, so a refused one leaves what was done before it. Once one has failed
/// with [`BookError::Failed`], so do all later ones, and the transaction is rolled back.
pub struct OpenBook<'a> {
    db: Transaction<'a>,
    /// The box's own clock, for the audit.
    at: Timestamp,
    /// Why it cannot be committed any more.
    broken: bool,
    /// Errands were added.
    errands: bool,
    /// What SQLite has found, if anything failed, is looked at.
    damage: Option<Arc<Damage>>,
}

/// It failed before, and nothing more is done in this transaction.
#[derive(Debug, thiserror::Error)]
#[error("the appointment book has failed in this transaction, which is rolled back")]
struct Broken;

/// A defect of ours in what was done with the book.
#[derive(Debug, thiserror::Error)]
#[error("what was to be done with the appointment book panicked; the log has the place")]
struct Panicked;

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BookError {
    BookError::Failed(error.into())
}

/// The guard's answer is told apart from a database that fails.
fn sort(error: rusqlite::Error) -> BookError {
    match &error {
        rusqlite::Error::SqliteFailure(_, Some(word)) if word == TAKEN => BookError::Taken,
        _ => failed(error),
    }
}

impl<'a> OpenBook<'a> {
    /// Opens the book of a database. `at` is the box's own clock.
    pub(super) fn open(db: &'a mut Connection, at: Timestamp) -> Result<Self, BookError> {
        // A transaction that begins by reading cannot wait for a lock: SQLite refuses its first write at once.
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        Ok(Self { db, at, broken: false, errands: false, damage: None })
    }

    /// Commits, unless something has failed. Returns whether errands were added.
    pub(super) fn close(self) -> Result<bool, BookError> {
        if self.broken || self.db.is_autocommit() {
            return Err(failed(Broken));
        }
        self.db.commit().map_err(failed)?;
        Ok(self.errands)
    }

    /// Does something whole or not at all.
    fn whole<T>(&mut self, work: impl FnOnce(&Connection, Timestamp) -> Result<T, BookError>) -> Result<T, BookError> {
        // In autocommit again: SQLite has rolled everything back, and what follows would be written at once.
        if self.broken || self.db.is_autocommit() {
            self.broken = true;
            return Err(failed(Broken));
        }
        let at = self.at;
        let attempt = || {
            let step = self.db.savepoint().map_err(failed)?;
            let done = work(&step, at)?;
            step.commit().map_err(failed)?;
            Ok(done)
        };
        let done = attempt();
        if let Err(BookError::Failed(why)) = &done {
            self.broken = true;
            if let (Some(damage), Some(error)) = (&self.damage, why.downcast_ref()) {
                damage.look(error);
            }
        }
        done
    }

    /// Takes an appointment back for somebody else than a caller: staff, or an outside calendar where it is gone or
    /// somebody else was first. Cancelled already: the same again, and `false`.
    pub fn withdraw(
        &mut self,
        id: AppointmentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError> {
        self.whole(|db, at| change::cancel(db, at, id, reason, None, now))
    }

    /// Follows an appointment that was moved in an outside calendar, which wins. [`BookError::Taken`] if another
    /// appointment is in the way here: then a person must decide. At that time already: the same, and `false`.
    pub fn follow(&mut self, id: AppointmentId, time: Span, busy: Span) -> Result<(Appointment, bool), BookError> {
        self.whole(|db, at| change::follow(db, at, id, time, busy))
    }

    /// The conversation in which an appointment was booked or moved last; `None` if there is no such appointment, or it was
    /// never booked.
    pub fn arranged_in(&mut self, id: AppointmentId) -> Result<Option<ConversationId>, BookError> {
        self.whole(|db, _| {
            let known = rows::find(db, id).map_err(failed)?;
            let name = known.and_then(|known| known.moved_by.or(known.booked_by));
            name.map(|name| ConversationId::parse(&name).map_err(failed)).transpose()
        })
    }
}

impl Book for OpenBook<'_> {
    fn busy(
        &mut self,
        of: &[PractitionerId],
        span: Span,
        now: Timestamp,
        except: Option<AppointmentId>,
    ) -> Result<Vec<Busy>, BookError> {
        self.whole(|db, _| rows::busy(db, of, span, now, except).map_err(failed))
    }

    fn hold(
        &mut self,
        slot: &Slot,
        by: &ConversationId,
        language: &str,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<Appointment, BookError> {
        let wish = change::Wish { slot, instead_of: None, by, language, ends };
        self.whole(|db, _| change::hold(db, &wish, now))
    }

    fn hold_instead(
        &mut self,
        instead_of: AppointmentId,
        slot: &Slot,
        by: &ConversationId,
        language: &str,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<Appointment, BookError> {
        let wish = change::Wish { slot, instead_of: Some(instead_of), by, language, ends };
        self.whole(|db, _| change::hold(db, &wish, now))
    }

    fn release(&mut self, by: &ConversationId) -> Result<(), BookError> {
        self.whole(|db, _| release(db, by).map_err(failed))
    }

    fn book(
        &mut self,
        id: AppointmentId,
        by: &ConversationId,
        patient: &Patient,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError> {
        self.whole(|db, at| change::book(db, at, id, by, patient, now))
    }

    fn reschedule(
        &mut self,
        id: AppointmentId,
        hold: AppointmentId,
        by: &ConversationId,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError> {
        self.whole(|db, at| change::reschedule(db, at, id, hold, by, now))
    }

    fn cancel(
        &mut self,
        id: AppointmentId,
        reason: &str,
        by: &ConversationId,
        now: Timestamp,
    ) -> Result<(Appointment, bool), BookError> {
        self.whole(|db, at| change::cancel(db, at, id, reason, Some(by), now))
    }

    fn appointment(&mut self, id: AppointmentId) -> Result<Option<Appointment>, BookError> {
        self.whole(|db, _| rows::appointment(db, id).map_err(failed))
    }

    fn by_reference(&mut self, reference: Reference, now: Timestamp) -> Result<Option<Appointment>, BookError> {
        self.whole(|db, _| rows::by_reference(db, reference, now).map_err(failed))
    }

    fn by_phone(&mut self, phone: &PhoneNumber, now: Timestamp) -> Result<Vec<Appointment>, BookError> {
        self.whole(|db, _| rows::by_phone(db, phone, now).map_err(failed))
    }

    fn by_name(&mut self, name: &str, span: Span) -> Result<Vec<Appointment>, BookError> {
        self.whole(|db, _| rows::by_name(db, name, span).map_err(failed))
    }

    fn set_email(&mut self, id: AppointmentId, email: &str, by: &ConversationId) -> Result<(), BookError> {
        self.whole(|db, at| change::set_email(db, at, id, email, by))
    }

    fn allow_sms(&mut self, id: AppointmentId, by: &ConversationId) -> Result<(), BookError> {
        self.whole(|db, at| change::allow_sms(db, at, id, by))
    }

    fn set_language(&mut self, id: AppointmentId, language: &str, by: &ConversationId) -> Result<(), BookError> {
        self.whole(|db, at| change::set_language(db, at, id, language, by))
    }

    fn take_message(&mut self, message: &Message, by: &ConversationId, now: Timestamp) -> Result<i64, BookError> {
        self.whole(|db, at| messages::take(db, at, message, by, now).map_err(failed))
    }

    fn send(&mut self, errand: &Errand, key: &str, now: Timestamp) -> Result<(), BookError> {
        let added = self.whole(|db, _| errands::add(db, errand, key, now).map_err(failed))?;
        self.errands |= added;
        Ok(())
    }
}

/// Does `work` with the book in one transaction. The second answer says whether errands were added.
fn transact<T, E: From<BookError>>(
    db: &mut Connection,
    damage: Arc<Damage>,
    work: impl FnOnce(&mut OpenBook<'_>) -> Result<T, E>,
) -> (Result<T, E>, bool) {
    let attempt = || {
        let mut book = OpenBook { damage: Some(damage), ..OpenBook::open(db, Timestamp::now())? };
        // A defect in the rules must not end the thread on which everything else is kept.
        let worked = catch_unwind(AssertUnwindSafe(|| work(&mut book))).map_err(|_| failed(Panicked))?;
        let value = worked?;
        Ok((value, book.close()?))
    };
    match attempt() {
        Ok((value, errands)) => (Ok(value), errands),
        Err(error) => (Err(error), false),
    }
}

impl Store {
    /// Does `work` with the appointment book in one transaction, on the store's thread: what it reads is changed by nobody
    /// in between, and what it writes is on the disk when this returns. If it returns an error, or anything in it
    /// failed, nothing is written. `work` must not wait for anything.
    ///
    /// [`BookError::Failed`] if the disk takes nothing, if there is no file but memory only, or if the store is closed: what
    /// is not on the disk is not promised to anybody. Dropped while it waits, it may or may not take place.
    pub async fn transact<T, E>(
        &self,
        work: impl FnOnce(&mut OpenBook<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<BookError> + Send + 'static,
    {
        if self.keeping() == Keeping::Memory {
            return Err(failed(StoreError::InMemory).into());
        }
        let (answer, answered) = oneshot::channel();
        let (errands, figures) = (self.shared.errands.clone(), self.shared.outbox.clone());
        let (changes, damage) = (Arc::clone(&self.shared.changes), Arc::clone(&self.shared.damage));
        let change = Command::Change(Box::new(move |db| {
            let (result, added) = transact(db, damage, work);
            changes.fetch_add(u64::from(added), Ordering::Release);
            // Who asked may have gone away meanwhile.
            drop(answer.send(result));
            if added {
                figures.read(db);
                errands.notify_one();
            }
        }));
        self.shared.queue.try_send(change).map_err(|error| failed(refused(&error)))?;
        answered.await.map_err(|_| failed(StoreError::Closed))?
    }

    /// Writes in one transaction what belongs to the book, without its rules.
    async fn change<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let (figures, damage) = (self.shared.outbox.clone(), Arc::clone(&self.shared.damage));
        let change = Command::Change(Box::new(move |db| {
            let attempt = |db: &mut Connection| {
                let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let value = work(&transaction)?;
                transaction.commit().map(|()| value)
            };
            let result = attempt(db);
            if let Err(error) = &result {
                damage.look(error);
            }
            figures.read(db);
            drop(answer.send(result));
        }));
        self.shared.queue.try_send(change).map_err(|error| refused(&error))?;
        answered.await.map_err(|_| StoreError::Closed)?.map_err(|source| StoreError::Sqlite { doing, source })
    }

    /// How often the book was changed, since the start, in a way of which anybody outside must hear: each is counted
    /// before its errands can be begun.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Acquire)
    }

    /// Waits until errands were added since the last wait ended. One task may wait.
    pub async fn errands_added(&self) {
        self.shared.errands.notified().await;
    }

    /// One appointment as it is now; `None` if there is none, or a hold that is over.
    pub async fn appointment(&self, id: AppointmentId) -> Result<Option<Appointment>, StoreError> {
        self.ask("reading an appointment", move |db| rows::appointment(db, id)).await
    }
}

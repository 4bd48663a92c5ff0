//! Appointments and their entries in the outside calendar, kept in step in both directions.
//!
//! ```text
//!  outbox ──► keep ───► put, update, remove ──► calendar ──► link in the store
//!               │ refused: somebody has changed the entry
//!               ▼
//!  watch ───► theirs ─► follow, withdraw ─────► store ─────► errands: patient, feed
//! ```
//!
//! An entry that somebody has changed holds: the appointment follows it. Where it cannot, staff are told by a message.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Slot, Span, State as Stands};
use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};
use frontdesk_core::clerk::{remind, tell_outside};
use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::ids::PractitionerId;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::RwLock;

use crate::calendar::asking::{MOST, times};
use crate::calendar::{Backend, CalError, Calendar as _, Cursor, Entry, Link, Retry, State, strangers};
use crate::current::Current;
use crate::logging::chain;
use crate::outbox::Outcome;
use crate::store::{CalendarLink, Store, StoreError};

/// As far ahead as anything can be booked.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Nobody treats a patient for longer: an entry that was made that long is a person's to look at.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// So few missing entries may have been deleted one by one.
const FEW: usize = 2;

/// Why an appointment and its entry are not in step. The texts name nobody.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The store was not read or written.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The appointment book was not changed.
    #[error("the appointment book cannot be changed")]
    Book(#[from] BookError),
    /// The calendar.
    #[error(transparent)]
    Calendar(#[from] CalError),
    /// The patient and staff have changed it at the same time.
    #[error(
        "the appointment is cancelled, and somebody has moved its entry in the calendar meanwhile: delete the entry there"
    )]
    Crossed,
    /// Too much is gone at once.
    #[error(
        "{missing} of {known} appointments are missing from the calendar at once, which is taken for an accident: restore \
         the calendar, or cancel them one by one"
    )]
    Emptied {
        /// Entries that are not there.
        missing: usize,
        /// Entries that should be there.
        known: usize,
    },
}

/// What an attempt that failed means for its errand.
impl From<EntryError> for Outcome {
    fn from(error: EntryError) -> Self {
        let why = chain(&error).to_string();
        let retry = match &error {
            EntryError::Calendar(error) => error.retry(),
            EntryError::Store(_) | EntryError::Book(_) | EntryError::Emptied { .. } => Retry::Later,
            EntryError::Crossed => Retry::Never,
        };
        match retry {
            Retry::After(after) => Self::Retry { why, after: Some(after) },
            Retry::Later => Self::Retry { why, after: None },
            Retry::Never => Self::Dead { why },
        }
    }
}

/// The entries of a clinic's appointments.
pub struct Entries {
    store: Store,
    clinic: Current<Clinic>,
    backend: Arc<Backend>,
    server: String,
    now: fn() -> Timestamp,
    /// Held for reading from before an entry is written until its link is kept, and for writing while the change of
    /// somebody else is looked at: so that what was just written is not taken for theirs.
    turn: RwLock<()>,
}

impl Entries {
    /// Entries of what `store` holds; `now` is the civil time.
    pub fn new(
        store: Store,
        clinic: impl Into<Current<Clinic>>,
        backend: Arc<Backend>,
        now: fn() -> Timestamp,
    ) -> Self {
        let server = backend.server();
        Self { store, clinic: clinic.into(), backend, server, now, turn: RwLock::default() }
    }

    /// The clinic whose appointments they are, as it is now.
    pub fn clinic(&self) -> Arc<Clinic> {
        self.clinic.take()
    }

    /// Whether there is a calendar outside.
    pub fn are_outside(&self) -> bool {
        self.backend.is_outside()
    }

    /// Has every appointment entered that is booked, not over and in no calendar of this server: it was booked before there
    /// was one, or with another one. Wanted once for each; how it goes on is the outbox's.
    pub async fn want_missing(&self) -> Result<(), EntryError> {
        let now = (self.now)();
        let span = Span { from: now, to: now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) };
        let links = self.store.calendar_links(&self.server, now).await?;
        let entered: HashSet<AppointmentId> = links.into_iter().map(|link| link.appointment).collect();
        let mut wanted = self.store.appointments_within(span, now, MOST).await?;
        wanted.retain(|appointment| appointment.state == Stands::Booked && !entered.contains(&appointment.id));
        let server = self.server.clone();
        let want = self.store.transact(move |book| -> Result<_, BookError> {
            wanted.iter().try_for_each(|Appointment { id, revision, .. }| {
                book.send(&Errand::Calendar(*id), &format!("calendar:{id}:{revision}:{server}"), now)
            })
        });
        Ok(want.await?)
    }

    /// Does with an appointment's entry what its state asks for; returns what was done, in words. `again`: an earlier
    /// attempt may have ended half way. May be dropped at any await, and repeated.
    pub async fn keep(&self, id: AppointmentId, again: bool) -> Result<&'static str, EntryError> {
        if !self.are_outside() {
            return Ok("");
        }
        let _turn = self.turn.read().await;
        let Some(appointment) = self.store.appointment(id).await? else { return Ok("nothing is left to enter") };
        let link = self.store.calendar_link(id, &self.server).await?;
        match appointment.state {
            Stands::Held => Ok("it is not booked yet"),
            Stands::Booked => self.enter(&appointment, link, again).await,
            Stands::Cancelled => self.take_out(&appointment, link).await,
        }
    }

    async fn enter(
        &self,
        appointment: &Appointment,
        link: Option<CalendarLink>,
        again: bool,
    ) -> Result<&'static str, EntryError> {
        let is_there = link.as_ref().is_some_and(|link| link.revision == appointment.revision);
        if !is_there {
            let clinic = self.clinic.take();
            let entry = Entry { appointment, clinic: &clinic, stamp: (self.now)() };
            let written = match link.map(to_link) {
                None => self.backend.put(entry).await,
                Some(link) => self.backend.update(&link, entry).await,
            };
            match written {
                Ok(link) => self.keep_link(appointment, link).await?,
                Err(refused @ (CalError::Conflict | CalError::NotFound)) => {
                    return self.theirs(appointment, refused == CalError::NotFound).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !is_there || again {
            self.tell_of_overlap(appointment).await?;
        }
        Ok(if is_there { "it is entered already" } else { "entered" })
    }

    /// Looks at an entry that somebody has changed or, it seems, deleted, and takes that over.
    async fn theirs(&self, appointment: &Appointment, is_gone: bool) -> Result<&'static str, EntryError> {
        match self.backend.state(&appointment.slot.practitioner, appointment.id).await? {
            State::Gone if !is_gone => {
                let found = "somebody is at work on the appointment's entry".to_owned();
                Err(CalError::Retry { found, after: None }.into())
            }
            state => self.take_over(appointment, state).await,
        }
    }

    async fn take_over(&self, appointment: &Appointment, state: State) -> Result<&'static str, EntryError> {
        match state {
            State::There(link, own) if !own.is_cancelled => self.follow(appointment, link, own.time).await,
            State::There(..) => self.withdraw(appointment.id).await,
            State::Gone => match self.elsewhere(appointment).await? {
                Some(link) => self.stays(appointment, link).await,
                None => self.withdraw(appointment.id).await,
            },
        }
    }

    /// An appointment's entry in the calendar of somebody with whom it is not.
    async fn elsewhere(&self, appointment: &Appointment) -> Result<Option<Link>, EntryError> {
        let clinic = self.clinic.take();
        let others = clinic.practitioners.iter().map(|practitioner| &practitioner.id);
        for of in others.filter(|of| **of != appointment.slot.practitioner) {
            match self.backend.state(of, appointment.id).await {
                Ok(State::There(link, own)) if !own.is_cancelled => return Ok(Some(link)),
                // Who has no calendar has no entry in it either.
                Ok(State::There(..) | State::Gone) | Err(CalError::Config(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn withdraw(&self, id: AppointmentId) -> Result<&'static str, EntryError> {
        let now = (self.now)();
        let withdraw = self.store.transact(move |book| -> Result<_, BookError> {
            let (cancelled, is_new) = book.withdraw(id, "clinic", now)?;
            if is_new { tell_outside(&cancelled, now, book) } else { Ok(()) }
        });
        withdraw.await?;
        self.store.remove_calendar_link(id, &self.server).await?;
        Ok("cancelled, as somebody has done in the calendar")
    }

    async fn follow(&self, appointment: &Appointment, link: Link, time: Span) -> Result<&'static str, EntryError> {
        if time.to.duration_since(time.from) > LONGEST {
            return self.stays(appointment, link).await;
        }
        let (id, busy, now) = (appointment.id, around(&appointment.slot, time), (self.now)());
        let follow = self.store.transact(move |book| -> Result<_, BookError> {
            let (moved, is_new) = book.follow(id, time, busy)?;
            if is_new {
                tell_outside(&moved, now, book)?;
                remind(&moved, now, book)?;
            }
            Ok((moved, is_new))
        });
        match follow.await {
            Ok((moved, is_new)) => {
                self.keep_link(&moved, link).await?;
                Ok(if is_new { "moved, as somebody has done in the calendar" } else { "it is entered already" })
            }
            Err(BookError::Taken) => self.stays(appointment, link).await,
            Err(error) => Err(error.into()),
        }
    }

    /// A person must decide: the appointment keeps its time here, the entry keeps its own there.
    async fn stays(&self, appointment: &Appointment, link: Link) -> Result<&'static str, EntryError> {
        let text = format!(
            "Appointment {} was moved in the calendar to where it cannot be: another appointment is in the way, it is too \
             long, or the calendar is somebody else's. In the appointment book it still stands as before, and the patient has \
             not been told. Please move the entry back, or agree on something new with the patient.",
            appointment.reference
        );
        self.tell_staff(appointment, text).await?;
        self.keep_link(appointment, link).await?;
        Ok("staff were asked to decide: it cannot be where it was moved in the calendar")
    }

    async fn take_out(
        &self,
        appointment: &Appointment,
        link: Option<CalendarLink>,
    ) -> Result<&'static str, EntryError> {
        let (id, of) = (appointment.id, &appointment.slot.practitioner);
        let link = match link {
            Some(link) => to_link(link),
            // The answer to the entry may have been lost.
            None => match self.backend.state(of, id).await? {
                State::There(link, own) if !own.is_cancelled => link,
                State::There(..) | State::Gone => return Ok("it is not in the calendar"),
            },
        };
        match self.backend.remove(of, &link).await {
            Err(CalError::Conflict) => match self.backend.state(of, id).await? {
                State::Gone => {}
                State::There(_, own) if own.is_cancelled => {}
                State::There(link, own) if own.time == appointment.slot.time => self.backend.remove(of, &link).await?,
                State::There(..) => return Err(EntryError::Crossed),
            },
            removed => removed?,
        }
        self.store.remove_calendar_link(id, &self.server).await?;
        Ok("taken out")
    }

    /// What the calendar did not say before it was booked, it says now: callers are promised a call then.
    async fn tell_of_overlap(&self, appointment: &Appointment) -> Result<(), EntryError> {
        let slot = &appointment.slot;
        let taken = self.backend.busy(&slot.practitioner, slot.busy).await?;
        let times = times(&self.store, slot.busy, (self.now)()).await?;
        if strangers(&taken, |id| times.get(&id).copied()).is_empty() {
            return Ok(());
        }
        let text = format!(
            "Appointment {} overlaps with another entry in the calendar. Please look at the two, and call the patient if the \
             appointment cannot be kept.",
            appointment.reference
        );
        self.tell_staff(appointment, text).await
    }

    async fn tell_staff(&self, appointment: &Appointment, text: String) -> Result<(), EntryError> {
        let (id, now, patient) = (appointment.id, (self.now)(), appointment.patient.as_ref());
        let message = Message {
            name: patient.map(|patient| patient.name.clone()).unwrap_or_default(),
            phone: patient.and_then(|patient| patient.phone.clone()),
            topic: "appointment".to_owned(),
            text,
            today: true,
        };
        let tell = self.store.transact(move |book| -> Result<_, BookError> {
            let Some(conversation) = book.arranged_in(id)? else { return Ok(()) };
            let number = book.take_message(&message, &conversation, now)?;
            book.send(&Errand::Message(number), &format!("message:{number}"), now)
        });
        Ok(tell.await?)
    }

    async fn keep_link(&self, appointment: &Appointment, link: Link) -> Result<(), StoreError> {
        let (calendar, revision) = (self.server.clone(), appointment.revision);
        let Link { address: external_id, etag } = link;
        let link = CalendarLink { appointment: appointment.id, calendar, external_id, etag, revision };
        self.store.set_calendar_link(link).await
    }

    /// Reads what has changed in a practitioner's calendar since the last time, and takes over what somebody else has done
    /// with appointments that are not over. After an error the same is read again the next time.
    pub async fn look(&self, of: &PractitionerId) -> Result<(), EntryError> {
        let place = self.backend.place(of).await?;
        let progress = format!("{} {place}", self.server);
        let since = self.store.calendar_sync(&progress).await?.map(Cursor);
        let links = self.store.calendar_links(&self.server, (self.now)()).await?;
        let here = links.into_iter().filter(|link| link.external_id.starts_with(&place));
        let known: HashMap<AppointmentId, CalendarLink> = here.map(|link| (link.appointment, link)).collect();
        let is_news =
            |id: AppointmentId, etag: Option<&str>| known.get(&id).is_some_and(|link| link.etag.as_deref() != etag);
        let changes = self.backend.changes(of, since.as_ref(), &is_news).await?;
        let mut changed: Vec<AppointmentId> = changes.ours.iter().map(|(id, _)| *id).collect();
        if let Some(present) = &changes.present {
            changed.extend(missing(known.keys().copied(), |id| present.contains(&id))?);
        }
        let mut looked = Ok(());
        for id in changed.into_iter().filter(|id| known.contains_key(id)) {
            // One that cannot be read does not keep the others waiting.
            looked = looked.and(self.look_at(id).await);
        }
        looked?;
        Ok(self.store.set_calendar_sync(&progress, Some(changes.cursor.0)).await?)
    }

    /// Whether a caller could be told when that practitioner is free within that time: asks when they are busy.
    pub async fn can_answer(&self, of: &PractitionerId, ahead: SignedDuration) -> Result<(), CalError> {
        let from = (self.now)();
        self.backend.busy(of, Span { from, to: from.saturating_add(ahead).unwrap_or(from) }).await.map(drop)
    }

    async fn look_at(&self, id: AppointmentId) -> Result<(), EntryError> {
        let _turn = self.turn.write().await;
        let link = self.store.calendar_link(id, &self.server).await?;
        let Some((appointment, link)) = self.store.appointment(id).await?.zip(link) else { return Ok(()) };
        // A change of ours is on its way: it meets theirs itself.
        if appointment.state != Stands::Booked || link.revision != appointment.revision {
            return Ok(());
        }
        // Asked anew: it may have been written by us since the changes were read.
        let state = self.backend.state(&appointment.slot.practitioner, id).await?;
        if matches!(&state, State::There(now, _) if now.etag.is_some() && now.etag == link.etag) {
            return Ok(());
        }
        let what = self.take_over(&appointment, state).await?;
        log::info!(appointment = id.to_string().as_str(); "looked at in the calendar: {what}");
        Ok(())
    }
}

fn to_link(link: CalendarLink) -> Link {
    Link { address: link.external_id, etag: link.etag }
}

/// The practitioner's time when the patient's is `time`: with the same buffers as before.
fn around(slot: &Slot, time: Span) -> Span {
    let (before, after) = (slot.time.from.duration_since(slot.busy.from), slot.busy.to.duration_since(slot.time.to));
    let from = time.from.saturating_sub(before).unwrap_or(time.from);
    Span { from, to: time.to.saturating_add(after).unwrap_or(time.to) }
}

/// Which entries are not there where everything was looked at; an error if that cannot be meant.
fn missing(
    known: impl ExactSizeIterator<Item = AppointmentId>,
    is_there: impl Fn(AppointmentId) -> bool,
) -> Result<Vec<AppointmentId>, EntryError> {
    let all = known.len();
    let missing: Vec<_> = known.filter(|id| !is_there(*id)).collect();
    if missing.len() > FEW && missing.len() * 2 > all {
        return Err(EntryError::Emptied { missing: missing.len(), known: all });
    }
    Ok(missing)
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;

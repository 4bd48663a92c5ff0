//! Calendars outside the box, which staff look into and write into themselves. The record is the store: what is written
//! outside follows from it, and what staff change there is noticed and wins.
//!
//! ```text
//!  hold, commit ──► busy ────────────┐
//!  outbox ──► put, update, remove ───┼──► Backend ─┬─ Local   (the store alone)
//!  every minute ──► changes ─────────┘             ├─ CalDav  (Nextcloud, Radicale, Fastmail …)
//!                                                  └─ Google  (Google Calendar)
//!  after each change ──► feed: calendar.ics, whatever the backend
//! ```
//!
//! Here is how a calendar is spoken with. What is written when, and what becomes of staff's changes, is a matter of the
//! daemon's errands.
//!
//! - [`asking`]: for a conversation, while the caller waits. [`trouble`]: what is logged, once.
//! - [`caldav`]: servers. [`google`]: Google's. [`feed`]: the file.
//!
//! No calendar keeps two entries from overlapping: the store does, and `busy` is asked before a time is held and again
//! before it is promised.

pub mod asking;
pub mod caldav;
mod error;
mod exchange;
pub mod feed;
pub mod google;
pub mod trouble;

use std::collections::BTreeSet;
use std::future::Future;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Span};
pub use frontdesk_core::caldav::object::{OwnEntry, Taken};
use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::ids::PractitionerId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

pub use caldav::CalDav;
pub use error::{CalError, Retry};
pub use google::GoogleCalendar;

use crate::config::{CalendarBackend, CalendarConfig};
use crate::google::Access;

/// Where an appointment's entry is, and in which version it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The entry's name in its calendar: for CalDAV the path of its file.
    pub address: String,
    /// Its version; `None` if the server did not say.
    pub etag: Option<String>,
}

/// How far a calendar's changes have been read. To be kept as it is; only its backend knows what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// What an appointment's entry is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is there, perhaps at another time, perhaps marked as cancelled.
    There(Link, OwnEntry),
    /// Somebody has deleted it.
    Gone,
}

/// What has happened in a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Appointments' entries that changed.
    pub ours: Vec<(AppointmentId, State)>,
    /// If everything that is in the calendar was looked at: the appointments that are there. Any other is gone, without
    /// a word in `ours`.
    pub present: Option<BTreeSet<AppointmentId>>,
    /// Where to go on.
    pub cursor: Cursor,
}

/// An appointment as it is to be written outside.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The appointment; booked.
    pub appointment: &'a Appointment,
    /// Whose.
    pub clinic: &'a Clinic,
    /// Now.
    pub stamp: Timestamp,
}

/// Whether an entry of that appointment in that version is news: not what we wrote or saw ourselves. Asked for every entry
/// that may have changed, so that nothing is fetched that is known.
pub type IsNews<'a> = &'a (dyn Fn(AppointmentId, Option<&str>) -> bool + Sync);

/// A calendar per practitioner, outside.
///
/// Every function asks a server and takes seconds when it is slow, but no more than [`CalError::Retry`] allows; each may be
/// repeated after any error without harm. To be called on the network's runtime.
pub trait Calendar {
    /// What takes a practitioner's time within `within`, entries of appointments of ours included (see [`strangers`]).
    /// What is not known is an error, never free; [`CalError::Partly`] if something is known all the same.
    fn busy(&self, of: &PractitionerId, within: Span) -> impl Future<Output = Result<Vec<Taken>, CalError>> + Send;

    /// Writes an appointment for the first time. Written already, with this time: its link again. An older revision is
    /// replaced; [`CalError::Conflict`] if somebody has changed it.
    fn put(&self, entry: Entry<'_>) -> impl Future<Output = Result<Link, CalError>> + Send;

    /// Brings an entry up to date. [`CalError::Conflict`] if somebody has changed it since `link`, [`CalError::NotFound`] if
    /// somebody has deleted it: in both cases theirs holds, and nothing was written.
    fn update(&self, link: &Link, entry: Entry<'_>) -> impl Future<Output = Result<Link, CalError>> + Send;

    /// Takes an entry out; gone already is as good. [`CalError::Conflict`] if somebody has changed it since `link`.
    fn remove(&self, of: &PractitionerId, link: &Link) -> impl Future<Output = Result<(), CalError>> + Send;

    /// What an appointment's entry is now, in the calendar of `of`. [`CalError::Conflict`] if its name is used for something
    /// else.
    fn state(&self, of: &PractitionerId, id: AppointmentId) -> impl Future<Output = Result<State, CalError>> + Send;

    /// What the address of every entry in that calendar begins with.
    fn place(&self, of: &PractitionerId) -> impl Future<Output = Result<String, CalError>> + Send;

    /// What has changed since `since`; everything that is there at first, or if the server no longer knows since when.
    fn changes(
        &self,
        of: &PractitionerId,
        since: Option<&Cursor>,
        is_news: IsNews<'_>,
    ) -> impl Future<Output = Result<Changes, CalError>> + Send;
}

/// The calendars that a clinic has outside.
#[derive(Debug)]
pub enum Backend {
    /// None: the store is the only calendar.
    Local,
    /// A CalDAV server's.
    CalDav(Box<CalDav>),
    /// Google's.
    Google(Box<GoogleCalendar>),
}

impl Backend {
    /// The configured one; asks nothing yet. `http` is as [`CalDav::new`] wants it, `google` who we are at Google and where
    /// that is, `clinic` the clinic's zone.
    pub fn new(config: &CalendarConfig, http: reqwest::Client, google: (Access, Url), clinic: TimeZone) -> Self {
        match &config.backend {
            CalendarBackend::Local => Self::Local,
            CalendarBackend::CalDav(caldav) => Self::CalDav(Box::new(CalDav::new(http, caldav, config.names, clinic))),
            CalendarBackend::Google(calendars) => {
                Self::Google(Box::new(GoogleCalendar::new(http, google, calendars, config.names, clinic)))
            }
        }
    }

    /// Where links lead to: the backend and its address, as the store keeps it. Another server is another calendar.
    pub fn server(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::CalDav(caldav) => format!("caldav {}", caldav.address()),
            Self::Google(google) => format!("google {}", google.address()),
        }
    }

    /// Whether somebody else can change anything, so that it must be asked.
    pub fn is_outside(&self) -> bool {
        !matches!(self, Self::Local)
    }
}

impl Calendar for Backend {
    async fn busy(&self, of: &PractitionerId, within: Span) -> Result<Vec<Taken>, CalError> {
        match self {
            // Not "unknown": what takes time is in the store, and nowhere else.
            Self::Local => Ok(Vec::new()),
            Self::CalDav(caldav) => caldav.busy(of, within).await,
            Self::Google(google) => google.busy(of, within).await,
        }
    }

    async fn put(&self, entry: Entry<'_>) -> Result<Link, CalError> {
        match self {
            Self::Local => Ok(local_link(entry)),
            Self::CalDav(caldav) => caldav.put(entry).await,
            Self::Google(google) => google.put(entry).await,
        }
    }

    async fn update(&self, link: &Link, entry: Entry<'_>) -> Result<Link, CalError> {
        match self {
            Self::Local => Ok(local_link(entry)),
            Self::CalDav(caldav) => caldav.update(link, entry).await,
            Self::Google(google) => google.update(link, entry).await,
        }
    }

    async fn remove(&self, of: &PractitionerId, link: &Link) -> Result<(), CalError> {
        match self {
            Self::Local => Ok(()),
            Self::CalDav(caldav) => caldav.remove(of, link).await,
            Self::Google(google) => google.remove(of, link).await,
        }
    }

    async fn state(&self, of: &PractitionerId, id: AppointmentId) -> Result<State, CalError> {
        match self {
            Self::Local => Err(none_outside()),
            Self::CalDav(caldav) => caldav.state(of, id).await,
            Self::Google(google) => google.state(of, id).await,
        }
    }

    async fn place(&self, of: &PractitionerId) -> Result<String, CalError> {
        match self {
            Self::Local => Err(none_outside()),
            Self::CalDav(caldav) => caldav.place(of).await,
            Self::Google(google) => google.place(of).await,
        }
    }

    async fn changes(
        &self,
        of: &PractitionerId,
        since: Option<&Cursor>,
        is_news: IsNews<'_>,
    ) -> Result<Changes, CalError> {
        match self {
            Self::Local => Ok(Changes { ours: Vec::new(), present: None, cursor: Cursor(String::new()) }),
            Self::CalDav(caldav) => caldav.changes(of, since, is_news).await,
            Self::Google(google) => google.changes(of, since, is_news).await,
        }
    }
}

fn none_outside() -> CalError {
    CalError::Config("there is none outside of this box".to_owned())
}

fn local_link(entry: Entry<'_>) -> Link {
    Link { address: entry.appointment.id.to_string(), etag: None }
}

/// Whether an entry says what is to be said.
fn is_as(own: &OwnEntry, wanted: &Appointment) -> bool {
    own.time == wanted.slot.time && !own.is_cancelled
}

/// Whether an entry is ours of before that change of ours, and nobody has moved it: what else they have done to it does not
/// undo the change.
fn may_replace(own: &OwnEntry, wanted: &Appointment) -> bool {
    own.is_as_written && own.revision < wanted.revision && !own.is_cancelled
}

/// It changes between our looking at it and our writing.
fn at_work() -> CalError {
    CalError::Retry { found: "somebody is at work on the appointment's entry".to_owned(), after: None }
}

/// What is taken by anything but the clinic's own appointments. `known` tells the time at which the store has an
/// appointment; an entry of ours that stands elsewhere was moved by somebody and takes the time where it stands now.
pub fn strangers(taken: &[Taken], known: impl Fn(AppointmentId) -> Option<Span>) -> Vec<Span> {
    let is_known = |taken: &&Taken| taken.ours.and_then(&known).is_some_and(|time| time == taken.span);
    taken.iter().filter(|taken| !is_known(taken)).map(|taken| taken.span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        Span { from: Timestamp::from_second(from).unwrap(), to: Timestamp::from_second(to).unwrap() }
    }

    #[test]
    fn our_own_entry_is_in_nobodys_way_unless_somebody_has_moved_it() {
        let (known, moved, foreign) = (AppointmentId(1), AppointmentId(2), AppointmentId(3));
        let taken = [
            Taken { span: span(0, 10), ours: Some(known) },
            Taken { span: span(20, 30), ours: Some(moved) },
            Taken { span: span(40, 50), ours: Some(foreign) },
            Taken { span: span(60, 70), ours: None },
        ];
        let store = |id| match id {
            id if id == known => Some(span(0, 10)),
            id if id == moved => Some(span(10, 20)),
            _ => None,
        };
        assert_eq!(strangers(&taken, store), [span(20, 30), span(40, 50), span(60, 70)]);
    }
}

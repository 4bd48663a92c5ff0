//! Calendars at Google, one per practitioner.
//!
//! An entry has the appointment's id, so it exists once however often it is written; a change names the version that it
//! changes, so nobody's is overwritten. What is asked and what the answers mean is decided in [`frontdesk_core::google`].
//!
//! ```text
//!  busy ─┬─► events.list   the practitioner's calendar: ours are told from others
//!        └─► freeBusy      further calendars of theirs, which say no more than when
//! ```
//!
//! A deleted entry is still there, marked as cancelled, and its id is never free again: an appointment that comes back to a
//! calendar that it had left is undeleted there.

mod api;
mod sync;

use frontdesk_core::booking::appointment::{Appointment, AppointmentId, Span};
use frontdesk_core::caldav::zone::Zones;
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::google::event::{Event, appointment, event_id};
use frontdesk_core::google::{entry as json, free_busy, query};
use frontdesk_core::letter::ics::Names;
use futures_util::future::join;
use jiff::tz::TimeZone;
use reqwest::{Method, StatusCode};
use url::Url;

use super::{CalError, Calendar, Changes, Cursor, Entry, IsNews, Link, OwnEntry, State, Taken};
use super::{at_work, is_as, may_replace};
use crate::config::GoogleCalendarConfig;
use crate::google::Access;
use api::{Api, Ask, Waiting, granted, parts, refused};

const FREE_BUSY: &str = "calendar/v3/freeBusy";

/// A clinic's calendars at Google.
#[derive(Debug)]
pub struct GoogleCalendar {
    api: Api,
    names: Names,
    config: GoogleCalendarConfig,
    zones: Zones,
}

/// What is at the address of an appointment's entry.
enum Found {
    /// Its entry.
    There(Link, OwnEntry),
    /// Its entry, deleted when the appointment was at that revision, or at none that is known.
    Deleted { etag: Option<String>, revision: u32 },
}

impl GoogleCalendar {
    /// A client of Google Calendar below `root`; asks nothing yet. `http` must not follow redirects by itself. `clinic` is
    /// the zone in which whole days are meant where a calendar does not name one.
    pub fn new(
        http: reqwest::Client,
        (access, root): (Access, Url),
        config: &GoogleCalendarConfig,
        names: Names,
        clinic: TimeZone,
    ) -> Self {
        let zones = Zones::new(jiff::tz::db().clone(), clinic);
        Self { api: Api::new(http, access, root), names, config: config.clone(), zones }
    }

    /// Where Google is.
    pub fn address(&self) -> &Url {
        self.api.root()
    }

    /// What the addresses of a practitioner's entries begin with.
    fn place_of(&self, of: &PractitionerId) -> Result<String, CalError> {
        let calendar = self.config.calendars.get(of);
        let calendar = calendar.ok_or_else(|| {
            CalError::Config(format!("[calendar] calendars names none for {}: write it there", of.as_str()))
        })?;
        Ok(query::events(calendar))
    }

    /// What takes time in the calendar that is written to.
    async fn entries(&self, place: &str, within: Span) -> Result<Vec<Taken>, CalError> {
        let listed = self.api.pages(Waiting::Caller, place, |page| query::busy(within, page)).await?;
        let (pages, _) = listed.map_err(|answer| refused(&answer))?;
        let mut taken = Vec::new();
        for page in pages {
            taken.extend(page.taken(&self.zones, within)?);
        }
        Ok(taken)
    }

    /// When the practitioner is busy in further calendars of theirs.
    async fn elsewhere(&self, of: &PractitionerId, within: Span) -> Result<Vec<Taken>, CalError> {
        let calendars = self.config.also_busy.get(of).map_or(&[][..], Vec::as_slice);
        let mut taken = Vec::new();
        for question in free_busy::questions(calendars, within) {
            let ask = Ask { method: Method::POST, body: question.body(), ..Ask::get(FREE_BUSY, Vec::new()) };
            let answer = granted(self.api.ask_for(Waiting::Caller, &ask).await?)?;
            taken.extend(question.answer(&answer)?.into_iter().map(|span| Taken { span, ours: None }));
        }
        Ok(taken)
    }

    /// An appointment's entry as it is there now.
    async fn look(&self, address: &str, id: AppointmentId) -> Result<Option<Found>, CalError> {
        let found = self.glance(address, id).await?;
        if found.is_none() {
            self.check_presence(address).await?;
        }
        Ok(found)
    }

    /// The same, but nothing may also mean that the calendar is out of our sight.
    async fn glance(&self, address: &str, id: AppointmentId) -> Result<Option<Found>, CalError> {
        let answer = self.api.ask(&Ask::get(address, vec![query::entry_fields()])).await?;
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(None);
        }
        let event = Event::read(&granted(answer)?)?;
        if event.is_cancelled && appointment(&event.id) == Some(id) {
            return Ok(Some(Found::Deleted { revision: event.revision(), etag: event.etag }));
        }
        // Under our name, about something else: not ours to touch.
        let own = event.own(id, &self.zones)?.ok_or(CalError::Conflict)?;
        Ok(Some(Found::There(Link { address: address.to_owned(), etag: event.etag }, own)))
    }

    /// Where a calendar is gone or not shared with us any more, "not there" says nothing of an entry: else everybody's
    /// appointment would count as cancelled.
    async fn check_presence(&self, address: &str) -> Result<(), CalError> {
        let (calendar, _) = parts(address).ok_or_else(|| CalError::Bug("an entry's address is none".to_owned()))?;
        granted(self.api.ask(&Ask::get(calendar, query::presence())).await?).map(drop)
    }

    async fn insert(&self, address: &str, entry: Entry<'_>) -> Result<Link, CalError> {
        let (place, _) = parts(address).ok_or_else(|| CalError::Bug("an entry's address is none".to_owned()))?;
        let body = json::insert(entry.appointment, entry.clinic, self.names);
        let ask = Ask { method: Method::POST, body, ..Ask::get(place, written()) };
        let answer = self.api.ask(&ask).await?;
        if answer.status != StatusCode::CONFLICT {
            return link(address, &granted(answer)?);
        }
        match self.look(address, entry.appointment.id).await? {
            Some(found) => self.put_over(address, found, entry).await,
            None => Err(CalError::Unknown(
                "the name of the appointment's entry was used up long ago: enter it by hand".to_owned(),
            )),
        }
    }

    /// Something of the appointment's name is there already.
    async fn put_over(&self, address: &str, found: Found, entry: Entry<'_>) -> Result<Link, CalError> {
        let wanted = entry.appointment;
        match found {
            Found::There(link, own) if is_as(&own, wanted) => Ok(link),
            Found::There(Link { etag: Some(etag), .. }, own) if may_replace(&own, wanted) => {
                self.replace(address, &etag, entry).await
            }
            Found::There(..) => Err(CalError::Conflict),
            // Left for another calendar, or taken out by somebody whom the patient has asked for another time since.
            Found::Deleted { etag: Some(etag), revision } if revision < wanted.revision => {
                self.replace(address, &etag, entry).await
            }
            Found::Deleted { .. } => Err(CalError::NotFound),
        }
    }

    /// Brings an entry of that version up to date, also one that was deleted.
    async fn replace(&self, address: &str, etag: &str, entry: Entry<'_>) -> Result<Link, CalError> {
        if let Some(link) = self.patch(address, etag, entry).await? {
            return Ok(link);
        }
        let wanted = entry.appointment;
        match self.look(address, wanted.id).await? {
            // The answer to an earlier attempt was lost.
            Some(Found::There(link, own)) if is_as(&own, wanted) => Ok(link),
            // Somebody has added a note to it: that stays, and the patient's new time holds.
            Some(Found::There(Link { etag: Some(etag), .. }, own)) if may_replace(&own, wanted) => {
                self.patch(address, &etag, entry).await?.ok_or_else(at_work)
            }
            Some(Found::There(..)) => Err(CalError::Conflict),
            Some(Found::Deleted { .. }) | None => Err(CalError::NotFound),
        }
    }

    /// Writes over the entry of that version; `None` if there is none of it any more.
    async fn patch(&self, address: &str, etag: &str, entry: Entry<'_>) -> Result<Option<Link>, CalError> {
        let body = json::patch(entry.appointment, entry.clinic, self.names);
        let ask = Ask { method: Method::PATCH, only_if: Some(etag), body, ..Ask::get(address, written()) };
        let answer = self.api.ask(&ask).await?;
        match answer.status {
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => link(address, &granted(answer)?).map(Some),
        }
    }

    /// The appointment is with somebody else now: written there before it is taken out here, so that it is never nowhere.
    async fn relocate(&self, from: &Link, entry: Entry<'_>) -> Result<Link, CalError> {
        let there = self.put(entry).await?;
        match self.delete(from).await {
            // What somebody has made of it in the old calendar stays, for them to look at.
            Ok(()) | Err(CalError::Conflict) => Ok(there),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, link: &Link) -> Result<(), CalError> {
        let ask = Ask { method: Method::DELETE, only_if: link.etag.as_deref(), ..Ask::get(&link.address, quietly()) };
        let answer = self.api.ask(&ask).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::GONE => Ok(()),
            StatusCode::NOT_FOUND => self.check_presence(&link.address).await,
            StatusCode::PRECONDITION_FAILED => self.check_deleted(&link.address).await,
            _ => Err(refused(&answer)),
        }
    }

    /// It is not of the version that was to be deleted: somebody has changed it, or deleted it.
    async fn check_deleted(&self, address: &str) -> Result<(), CalError> {
        let id = parts(address).and_then(|(_, id)| appointment(id)).ok_or(CalError::Conflict)?;
        match self.look(address, id).await? {
            Some(Found::There(..)) => Err(CalError::Conflict),
            Some(Found::Deleted { .. }) | None => Ok(()),
        }
    }

    fn address_of(&self, appointment: &Appointment) -> Result<String, CalError> {
        Ok(format!("{}{}", self.place_of(&appointment.slot.practitioner)?, event_id(appointment.id)))
    }
}

/// The link to what was just written.
fn link(address: &str, answer: &str) -> Result<Link, CalError> {
    Ok(Link { address: address.to_owned(), etag: Event::read(answer)?.etag })
}

/// What goes with a write.
fn written() -> query::Parameters {
    let mut parameters = quietly();
    parameters.push(query::entry_fields());
    parameters
}

/// Staff may have added guests: who tells them what is theirs to decide.
fn quietly() -> query::Parameters {
    vec![("sendUpdates", "none".to_owned())]
}

impl Calendar for GoogleCalendar {
    async fn busy(&self, of: &PractitionerId, within: Span) -> Result<Vec<Taken>, CalError> {
        let place = self.place_of(of)?;
        match join(self.entries(&place, within), self.elsewhere(of, within)).await {
            (Ok(taken), Ok(elsewhere)) => Ok([taken, elsewhere].concat()),
            (Ok(known), Err(why)) | (Err(why), Ok(known)) if !known.is_empty() => {
                Err(CalError::Partly { known, why: Box::new(why) })
            }
            (Err(why), _) | (_, Err(why)) => Err(why),
        }
    }

    async fn put(&self, entry: Entry<'_>) -> Result<Link, CalError> {
        // Asked first: Google does not promise to notice an id that it has just been given (an answer that was lost).
        let address = self.address_of(entry.appointment)?;
        match self.glance(&address, entry.appointment.id).await? {
            Some(found) => self.put_over(&address, found, entry).await,
            None => self.insert(&address, entry).await,
        }
    }

    async fn update(&self, link: &Link, entry: Entry<'_>) -> Result<Link, CalError> {
        let address = self.address_of(entry.appointment)?;
        if link.address != address {
            return self.relocate(link, entry).await;
        }
        if let Some(etag) = &link.etag {
            return self.replace(&address, etag, entry).await;
        }
        // Which version was written is not known: the entry tells whether anybody has moved it.
        match self.look(&address, entry.appointment.id).await? {
            Some(found @ Found::There(..)) => self.put_over(&address, found, entry).await,
            Some(Found::Deleted { .. }) | None => Err(CalError::NotFound),
        }
    }

    async fn remove(&self, _of: &PractitionerId, link: &Link) -> Result<(), CalError> {
        self.delete(link).await
    }

    async fn state(&self, of: &PractitionerId, id: AppointmentId) -> Result<State, CalError> {
        let address = format!("{}{}", self.place_of(of)?, event_id(id));
        Ok(match self.look(&address, id).await? {
            Some(Found::There(link, own)) => State::There(link, own),
            Some(Found::Deleted { .. }) | None => State::Gone,
        })
    }

    async fn place(&self, of: &PractitionerId) -> Result<String, CalError> {
        self.place_of(of)
    }

    async fn changes(
        &self,
        of: &PractitionerId,
        since: Option<&Cursor>,
        is_news: IsNews<'_>,
    ) -> Result<Changes, CalError> {
        sync::changes(self, &self.place_of(of)?, since, is_news).await
    }
}

//! Calendars on a CalDAV server: Nextcloud, Radicale, Fastmail and their like.
//!
//! An entry is a file by the appointment's name, so it exists once however often it is written; a change names the version
//! that it changes, so nobody's is overwritten. What the answers mean is decided in
//! [`frontdesk_core::caldav`].

mod discover;
mod http;
mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_core::booking::appointment::{AppointmentId, Span};
use frontdesk_core::caldav::address::{as_collection, file, resolve, same};
use frontdesk_core::caldav::multistatus::names_condition;
use frontdesk_core::caldav::object::{Object, OwnEntry, Taken};
use frontdesk_core::caldav::request;
use frontdesk_core::caldav::zone::Zones;
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::letter::ics::{self, Names};
use jiff::tz::TimeZone;
use reqwest::StatusCode;
use tokio::sync::Mutex;
use url::Url;

use super::{CalError, Calendar, Changes, Cursor, Entry, IsNews, Link, State, at_work, is_as, may_replace};
use crate::config::CalDavConfig;
use discover::Collection;
use http::{Answer, Ask, IF_MATCH, IF_NONE_MATCH, Server, query};

/// A clinic's calendars on a CalDAV server.
#[derive(Debug)]
pub struct CalDav {
    server: Server,
    base: Url,
    names: Names,
    /// Practitioners whose calendar is not called by their id.
    called: BTreeMap<PractitionerId, String>,
    zones: Zones,
    /// The calendars that were found; forgotten when one of them turns out to be gone. Whoever asks meanwhile waits for
    /// the search instead of starting another.
    found: Mutex<Option<Arc<Vec<Collection>>>>,
}

impl CalDav {
    /// A client of the configured server; asks nothing yet. `http` must not follow redirects by itself, and must trust the
    /// configured `ca_file`. `clinic` is the zone in which whole days are meant.
    pub fn new(http: reqwest::Client, config: &CalDavConfig, names: Names, clinic: TimeZone) -> Self {
        Self {
            server: Server::new(http, config.user.clone(), config.password.clone()),
            base: config.url.clone(),
            names,
            called: config.calendars.clone(),
            zones: Zones::new(jiff::tz::db().clone(), clinic),
            found: Mutex::new(None),
        }
    }

    /// The names of all calendars that the user can see, for a technician.
    pub async fn calendars(&self) -> Result<Vec<String>, CalError> {
        *self.found.lock().await = None;
        let found = self.collections().await?;
        let name =
            |calendar: &Collection| calendar.display_name.clone().unwrap_or_else(|| calendar.address.path().to_owned());
        Ok(found.iter().map(name).collect())
    }

    /// Where the server is looked for, as configured.
    pub fn address(&self) -> &Url {
        &self.base
    }

    fn zones(&self) -> &Zones {
        &self.zones
    }

    async fn collections(&self) -> Result<Arc<Vec<Collection>>, CalError> {
        let mut found = self.found.lock().await;
        if let Some(known) = found.as_ref() {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(discover::calendars(&self.server, &self.base).await?);
        *found = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The address of a practitioner's calendar.
    async fn calendar(&self, of: &PractitionerId) -> Result<Url, CalError> {
        let name = self.called.get(of).map_or(of.as_str(), String::as_str);
        let collections = self.collections().await?;
        let found = discover::called(&collections, name).map(|calendar| calendar.address.clone());
        if found.is_err() {
            // It may be made or renamed at any moment.
            *self.found.lock().await = None;
        }
        found
    }

    /// Asks about a calendar or a file in it. If the calendar seems to have gone, it is looked for anew next time.
    async fn ask(&self, address: &Url, ask: Ask<'_>) -> Result<Answer, CalError> {
        let answer = self.server.ask(address, ask).await?;
        if matches!(answer.status.as_u16(), 300..=399 | 403..=405 | 409 | 410) {
            *self.found.lock().await = None;
        }
        Ok(answer)
    }

    /// What takes time in `calendar`; worked out away from the network's threads, for a year of entries takes a while.
    async fn taken(&self, answer: Answer, within: Span) -> Result<Vec<Taken>, CalError> {
        let zones = self.zones.clone();
        let work = move || -> Result<Vec<Taken>, CalError> {
            let mut taken = Vec::new();
            for file in answer.multistatus()?.files()? {
                taken.extend(Object::read(&file.text, &zones)?.taken(within)?);
            }
            Ok(taken)
        };
        let worked = tokio::task::spawn_blocking(work).await;
        worked.unwrap_or_else(|_| Err(CalError::Bug("reading the entries has failed".to_owned())))
    }

    /// An appointment's entry as it is there now.
    async fn look(&self, address: &Url, id: AppointmentId) -> Result<Option<(Link, OwnEntry)>, CalError> {
        let get = Ask { method: "GET", depth: None, only_if: None, content_type: Ask::CALENDAR, body: "" };
        let answer = self.server.ask(address, get).await?;
        match answer.status {
            StatusCode::OK => {
                // Under our name, about something else: not ours to touch.
                let own = Object::read(&answer.body, &self.zones)?.own(id)?.ok_or(CalError::Conflict)?;
                Ok(Some((Link { address: address.path().to_owned(), etag: answer.etag() }, own)))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(answer.refusal()),
        }
    }

    /// Writes the file, if `only_if` holds.
    async fn write(&self, address: &Url, entry: Entry<'_>, only_if: (&'static str, &str)) -> Result<Answer, CalError> {
        let body = ics::entry(entry.appointment, entry.clinic, self.names, entry.stamp);
        let put = Ask { method: "PUT", depth: None, only_if: Some(only_if), content_type: Ask::CALENDAR, body: &body };
        self.ask(address, put).await
    }

    /// The link to what was just written. A server that rewrites what it is given names no version.
    async fn written(&self, address: &Url, answer: &Answer) -> Result<Link, CalError> {
        let mut etag = answer.etag();
        if etag.is_none() {
            let asked = self.ask(address, query("PROPFIND", "0", request::TAGS)).await?.multistatus()?;
            let named = asked.responses.into_iter().find_map(|response| response.properties.etag);
            etag = named.map(|etag| http::strong(&etag).to_owned());
        }
        Ok(Link { address: address.path().to_owned(), etag })
    }

    /// The first write was refused: something of that name is there.
    async fn put_over(&self, address: &Url, entry: Entry<'_>) -> Result<Link, CalError> {
        let wanted = entry.appointment;
        let Some((link, own)) = self.look(address, wanted.id).await? else {
            // The same UID in another file, or gone this instant: somebody is at work there.
            return Err(CalError::Conflict);
        };
        match &link.etag {
            _ if is_as(&own, wanted) => Ok(link),
            Some(etag) if may_replace(&own, wanted) => self.replace(address, etag, entry).await,
            _ => Err(CalError::Conflict),
        }
    }

    /// The appointment is with somebody else now: written there before it is taken out here, so that it is never nowhere.
    async fn relocate(&self, from: &Url, link: &Link, entry: Entry<'_>) -> Result<Link, CalError> {
        let there = self.put(entry).await?;
        match self.delete(from, link.etag.as_deref()).await {
            // What somebody has made of it in the old calendar stays, for them to look at.
            Ok(()) | Err(CalError::Conflict) => Ok(there),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, address: &Url, etag: Option<&str>) -> Result<(), CalError> {
        let only_if = etag.map(|etag| (IF_MATCH, etag));
        let delete = Ask { method: "DELETE", depth: None, only_if, content_type: Ask::XML, body: "" };
        let answer = self.ask(address, delete).await?;
        match answer.status {
            // Of the file, or of what could not be deleted.
            StatusCode::MULTI_STATUS => answer.multistatus()?.changes().map(drop).map_err(CalError::from),
            StatusCode::PRECONDITION_FAILED if self.is_there(address).await? => Err(CalError::Conflict),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::PRECONDITION_FAILED => Ok(()),
            status if !status.is_success() => Err(answer.refusal()),
            _ => Ok(()),
        }
    }

    async fn is_there(&self, address: &Url) -> Result<bool, CalError> {
        let head = Ask { method: "HEAD", depth: None, only_if: None, content_type: Ask::XML, body: "" };
        let answer = self.server.ask(address, head).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(answer.refusal()),
        }
    }

    async fn replace(&self, address: &Url, etag: &str, entry: Entry<'_>) -> Result<Link, CalError> {
        if let Some(link) = self.overwrite(address, etag, entry).await? {
            return Ok(link);
        }
        let wanted = entry.appointment;
        match self.look(address, wanted.id).await? {
            None => Err(CalError::NotFound),
            // The answer to an earlier attempt was lost.
            Some((link, own)) if is_as(&own, wanted) => Ok(link),
            // Somebody has changed something else: the patient's new time holds. A file is written as a whole, so what
            // they have added is lost.
            Some((Link { etag: Some(etag), .. }, own)) if may_replace(&own, wanted) => {
                self.overwrite(address, &etag, entry).await?.ok_or_else(at_work)
            }
            Some(_) => Err(CalError::Conflict),
        }
    }

    /// Writes over the file of that version; `None` if there is none of it any more.
    async fn overwrite(&self, address: &Url, etag: &str, entry: Entry<'_>) -> Result<Option<Link>, CalError> {
        let answer = self.write(address, entry, (IF_MATCH, etag)).await?;
        match answer.status {
            status if status.is_success() => self.written(address, &answer).await.map(Some),
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(answer.refusal()),
        }
    }
}

impl Calendar for CalDav {
    async fn busy(&self, of: &PractitionerId, within: Span) -> Result<Vec<Taken>, CalError> {
        let calendar = self.calendar(of).await?;
        let answer = self.ask(&calendar, query("REPORT", "1", &request::calendar_query(within))).await?;
        self.taken(answer, within).await
    }

    async fn put(&self, entry: Entry<'_>) -> Result<Link, CalError> {
        let slot = &entry.appointment.slot;
        let address = file(&self.calendar(&slot.practitioner).await?, entry.appointment.id);
        let answer = self.write(&address, entry, (IF_NONE_MATCH, "*")).await?;
        match answer.status {
            status if status.is_success() => self.written(&address, &answer).await,
            StatusCode::PRECONDITION_FAILED => self.put_over(&address, entry).await,
            StatusCode::CONFLICT if names_condition(&answer.body, "no-uid-conflict") => {
                self.put_over(&address, entry).await
            }
            _ => Err(answer.refusal()),
        }
    }

    async fn update(&self, link: &Link, entry: Entry<'_>) -> Result<Link, CalError> {
        let calendar = self.calendar(&entry.appointment.slot.practitioner).await?;
        let address = resolve(&calendar, &link.address)?;
        if !same(&address, &file(&calendar, entry.appointment.id)) {
            return self.relocate(&address, link, entry).await;
        }
        if let Some(etag) = &link.etag {
            return self.replace(&address, etag, entry).await;
        }
        // Which version was written is not known: the entry tells whether anybody has moved it.
        match self.look(&address, entry.appointment.id).await? {
            None => Err(CalError::NotFound),
            Some((now, own)) if is_as(&own, entry.appointment) => Ok(now),
            Some((Link { etag: Some(etag), .. }, own)) if may_replace(&own, entry.appointment) => {
                self.replace(&address, &etag, entry).await
            }
            Some(_) => Err(CalError::Conflict),
        }
    }

    async fn remove(&self, of: &PractitionerId, link: &Link) -> Result<(), CalError> {
        // Found first: where the calendar itself is gone, "not there" is no success.
        let calendar = self.calendar(of).await?;
        self.delete(&resolve(&calendar, &link.address)?, link.etag.as_deref()).await
    }

    async fn state(&self, of: &PractitionerId, id: AppointmentId) -> Result<State, CalError> {
        let address = file(&self.calendar(of).await?, id);
        Ok(self.look(&address, id).await?.map_or(State::Gone, |(link, own)| State::There(link, own)))
    }

    async fn place(&self, of: &PractitionerId) -> Result<String, CalError> {
        Ok(as_collection(self.calendar(of).await?).path().to_owned())
    }

    async fn changes(
        &self,
        of: &PractitionerId,
        since: Option<&Cursor>,
        is_news: IsNews<'_>,
    ) -> Result<Changes, CalError> {
        let calendar = self.calendar(of).await?;
        sync::changes(self, &calendar, since, is_news).await
    }
}

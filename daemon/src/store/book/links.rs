//! Where appointments are in outside calendars, and how far those calendars' changes are known.

use frontdesk_core::booking::appointment::AppointmentId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::rows;
use crate::store::{Store, StoreError};

/// An appointment's entry in an outside calendar, as it was last seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarLink {
    /// The appointment.
    pub appointment: AppointmentId,
    /// Which calendar: the backend and the calendar's address there, as the backend writes it.
    pub calendar: String,
    /// Its name there: Google's event id, `CalDAV`'s href.
    pub external_id: String,
    /// The version that was written or read last.
    pub etag: Option<String>,
    /// The appointment's revision that is there.
    pub revision: u32,
}

const COLUMNS: &str = "appointment, calendar, external_id, etag, revision";

fn link(row: &Row<'_>) -> rusqlite::Result<CalendarLink> {
    let name = row.get_ref(0)?.as_str()?;
    let appointment = rows::id(name).ok_or_else(|| rusqlite::Error::InvalidColumnName("appointment".to_owned()))?;
    Ok(CalendarLink {
        appointment,
        calendar: row.get(1)?,
        external_id: row.get(2)?,
        etag: row.get(3)?,
        revision: row.get(4)?,
    })
}

impl Store {
    /// Where an appointment is in `calendar`; `None` if it was never put there, or was taken out.
    pub async fn calendar_link(
        &self,
        appointment: AppointmentId,
        calendar: &str,
    ) -> Result<Option<CalendarLink>, StoreError> {
        let calendar = calendar.to_owned();
        let read = move |db: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM calendar_links WHERE appointment = ?1 AND calendar = ?2");
            db.prepare_cached(&sql)?.query_row(params![appointment.to_string(), calendar], link).optional()
        };
        self.ask("reading a calendar's link", read).await
    }

    /// Where the appointments are in `calendar` that are not over at `now`.
    pub async fn calendar_links(&self, calendar: &str, now: Timestamp) -> Result<Vec<CalendarLink>, StoreError> {
        let calendar = calendar.to_owned();
        let read = move |db: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM calendar_links
                 WHERE calendar = ?1 AND appointment IN (SELECT id FROM appointments WHERE starts > ?2 - ?3 AND ends > ?2)"
            );
            let with = params![calendar, now.as_millisecond(), rows::LONGEST];
            db.prepare_cached(&sql)?.query_map(with, link)?.collect()
        };
        self.ask("listing a calendar's links", read).await
    }

    /// Whose entry in `calendar` has the name `external_id`: for changes that were made there.
    pub async fn linked_as(&self, calendar: &str, external_id: &str) -> Result<Option<CalendarLink>, StoreError> {
        let (calendar, external_id) = (calendar.to_owned(), external_id.to_owned());
        let read = move |db: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM calendar_links WHERE calendar = ?1 AND external_id = ?2");
            db.prepare_cached(&sql)?.query_row([calendar, external_id], link).optional()
        };
        self.ask("looking for a calendar's link", read).await
    }

    /// Keeps where an appointment is, in place of what was known before. It is on the disk when this returns.
    pub async fn set_calendar_link(&self, link: CalendarLink) -> Result<(), StoreError> {
        let write = move |db: &Connection| {
            let CalendarLink { appointment, calendar, external_id, etag, revision } = link;
            db.prepare_cached("INSERT OR REPLACE INTO calendar_links VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![appointment.to_string(), calendar, external_id, etag, revision])
                .map(drop)
        };
        self.change("keeping a calendar's link", write).await
    }

    /// Forgets where an appointment was: it is not in `calendar` any more.
    pub async fn remove_calendar_link(&self, appointment: AppointmentId, calendar: &str) -> Result<(), StoreError> {
        let calendar = calendar.to_owned();
        let write = move |db: &Connection| {
            let sql = "DELETE FROM calendar_links WHERE appointment = ?1 AND calendar = ?2";
            db.prepare_cached(sql)?.execute([appointment.to_string(), calendar]).map(drop)
        };
        self.change("forgetting a calendar's link", write).await
    }

    /// Where to go on with the changes of `calendar`; `None` to begin with all of it.
    pub async fn calendar_sync(&self, calendar: &str) -> Result<Option<String>, StoreError> {
        let calendar = calendar.to_owned();
        let sql = "SELECT token FROM calendar_syncs WHERE calendar = ?1";
        let read = move |db: &Connection| db.prepare_cached(sql)?.query_row([calendar], |row| row.get(0)).optional();
        self.ask("reading a calendar's progress", read).await
    }

    /// Keeps where to go on; `None` begins with all of it again.
    pub async fn set_calendar_sync(&self, calendar: &str, token: Option<String>) -> Result<(), StoreError> {
        let calendar = calendar.to_owned();
        let write = move |db: &Connection| match token {
            Some(token) => {
                let sql = "INSERT OR REPLACE INTO calendar_syncs VALUES (?1, ?2)";
                db.prepare_cached(sql)?.execute([calendar, token]).map(drop)
            }
            None => db.prepare_cached("DELETE FROM calendar_syncs WHERE calendar = ?1")?.execute([calendar]).map(drop),
        };
        self.change("keeping a calendar's progress", write).await
    }
}

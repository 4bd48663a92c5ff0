//! Entries of a calendar as far as they bear on time: what is taken, and what has become of ours.
//!
//! Cancelled, transparent and declined entries take no time, nor do those that only say where somebody works or whose
//! birthday it is; everything else does, also what this version has no name for. Whole days go from midnight to midnight in
//! the calendar's own zone. Series are worked out by Google (`singleEvents`).

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

use super::{ReadError, document, shown};
use crate::booking::appointment::{AppointmentId, Span};
use crate::caldav::object::{OwnEntry, Taken};
use crate::caldav::zone::Zones;

/// What the id of an entry of ours begins with. An id is 5 to 1024 of the digits of base32hex (`0` to `9`, `a` to `v`), and
/// is never free again, also when its entry is deleted: it is the appointment's for good.
const PREFIX: &str = "fd";
const OUT_OF_RANGE: ReadError = ReadError::Event("a time is beyond the calendar's end");

/// The id of an appointment's entry, in whatever calendar.
pub fn event_id(id: AppointmentId) -> String {
    format!("{PREFIX}{id}")
}

/// The appointment whose entry has that id; `None` for an entry of somebody else's.
pub fn appointment(event_id: &str) -> Option<AppointmentId> {
    let digits = event_id.strip_prefix(PREFIX)?;
    let plain = digits.len() == 32 && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(AppointmentId)
}

/// A time as we note it in an entry, to see later whether somebody has moved it.
pub(super) fn note(time: Span) -> String {
    format!("{}/{}", time.from, time.to)
}

/// An entry of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name in its calendar.
    pub id: String,
    /// Its version, quotes included, as `If-Match` takes it.
    pub etag: Option<String>,
    /// Deleted, or called off.
    pub is_cancelled: bool,
    takes_time: bool,
    /// The series that it is an occurrence of.
    series: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    marks: Marks,
}

/// What only programs of ours read and write (`extendedProperties.private`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Marks {
    /// The appointment's id.
    #[serde(rename = "fd_booking")]
    appointment: Option<String>,
    /// Its revision when the entry was written.
    #[serde(rename = "fd_rev")]
    revision: Option<String>,
    /// Its time then.
    #[serde(rename = "fd_time")]
    time: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Moment {
    date: Option<String>,
    date_time: Option<String>,
    time_zone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawEvent {
    kind: Option<String>,
    id: Option<String>,
    etag: Option<String>,
    status: Option<String>,
    transparency: Option<String>,
    event_type: Option<String>,
    recurring_event_id: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    attendees: Option<Vec<Attendee>>,
    extended_properties: Option<Extended>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Attendee {
    #[serde(rename = "self")]
    is_self: Option<bool>,
    response_status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Extended {
    private: Option<Marks>,
}

impl TryFrom<RawEvent> for Event {
    type Error = ReadError;

    fn try_from(raw: RawEvent) -> Result<Self, ReadError> {
        let is = |field: &Option<String>, word: &str| field.as_deref() == Some(word);
        let declines = |one: &Attendee| one.is_self == Some(true) && is(&one.response_status, "declined");
        let is_declined = raw.attendees.iter().flatten().any(declines);
        let is_remark = is(&raw.event_type, "workingLocation") || is(&raw.event_type, "birthday");
        Ok(Self {
            takes_time: !is(&raw.transparency, "transparent") && !is_remark && !is_declined,
            is_cancelled: is(&raw.status, "cancelled"),
            id: raw.id.ok_or(ReadError::Shape("an entry has no id"))?,
            etag: raw.etag,
            series: raw.recurring_event_id,
            start: raw.start,
            end: raw.end,
            marks: raw.extended_properties.and_then(|extended| extended.private).unwrap_or_default(),
        })
    }
}

impl Event {
    /// Reads the answer to a request that is about one entry.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let raw: RawEvent = document(text)?;
        if raw.kind.as_deref() != Some("calendar#event") {
            return Err(ReadError::Shape("it is no entry of a calendar"));
        }
        raw.try_into()
    }

    /// The time that it takes within `within`. `days` is the zone in which its calendar means whole days.
    pub(super) fn taken(&self, zones: &Zones, days: &Days<'_>, within: Span) -> Result<Option<Taken>, ReadError> {
        if self.is_cancelled || !self.takes_time {
            return Ok(None);
        }
        let span = self.span(zones, days)?;
        // What takes no time (a reminder) is in nobody's way.
        let is_in_the_way = span.from < span.to && span.overlaps(&within);
        let ours = appointment(self.series.as_deref().unwrap_or(&self.id));
        Ok(is_in_the_way.then_some(Taken { span, ours }))
    }

    /// What it says of an appointment of ours; `None` if it is about something else. Not for one that
    /// [`is_cancelled`](Self::is_cancelled): of those no more than the id is certain.
    pub fn own(&self, id: AppointmentId, zones: &Zones) -> Result<Option<OwnEntry>, ReadError> {
        if !self.is_of(id) {
            return Ok(None);
        }
        let time = self.span(zones, &Days::Clinic)?;
        let is_as_written = self.marks.time.as_deref() == Some(&note(time));
        Ok(Some(OwnEntry { time, revision: self.revision(), is_as_written, is_cancelled: self.is_cancelled }))
    }

    /// Whether it is an appointment's entry: by its id, and by what we have noted in it, if that is still there.
    pub fn is_of(&self, id: AppointmentId) -> bool {
        let noted = self.marks.appointment.as_deref();
        appointment(&self.id) == Some(id) && noted.is_none_or(|noted| noted == id.to_string())
    }

    /// The appointment's revision when we wrote it; 0 if that is not known any more.
    pub fn revision(&self) -> u32 {
        self.marks.revision.as_deref().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    fn span(&self, zones: &Zones, days: &Days<'_>) -> Result<Span, ReadError> {
        let (Some(start), Some(end)) = (&self.start, &self.end) else {
            return Err(ReadError::Event("it has no beginning or no end"));
        };
        let from = start.instant(zones, days)?;
        let mut to = end.instant(zones, days)?;
        if start.date.is_some() && start.date == end.date {
            // Some programs write the last day where the one after it belongs.
            to = end.day_after(zones, days)?;
        }
        if to < from {
            return Err(ReadError::Event("it ends before it begins"));
        }
        Ok(Span { from, to })
    }
}

/// The zone in which whole days are meant.
pub(super) enum Days<'a> {
    /// The calendar's, by its name.
    Of(&'a str),
    /// The clinic's: the calendar did not say.
    Clinic,
}

impl Days<'_> {
    fn zone(&self, zones: &Zones) -> Result<TimeZone, ReadError> {
        match self {
            Self::Of(name) => named(zones, name),
            Self::Clinic => Ok(zones.clinic().clone()),
        }
    }
}

fn named(zones: &Zones, name: &str) -> Result<TimeZone, ReadError> {
    zones.known(name).ok_or_else(|| ReadError::Zone(shown(name)))
}

impl Moment {
    fn instant(&self, zones: &Zones, days: &Days<'_>) -> Result<Timestamp, ReadError> {
        if let Some(day) = self.day()? {
            return midnight(day, &days.zone(zones)?);
        }
        let text = self.date_time.as_deref().ok_or(ReadError::Event("it has no date and no time"))?;
        // Google answers with the offset; without one the zone beside it is meant.
        if let Ok(instant) = text.parse() {
            return Ok(instant);
        }
        let wall: DateTime = text.parse().map_err(|_| ReadError::Event("a time is none"))?;
        let zone = self.time_zone.as_deref().ok_or(ReadError::Event("a time has neither offset nor zone"))?;
        instant(wall, &named(zones, zone)?)
    }

    fn day(&self) -> Result<Option<Date>, ReadError> {
        let Some(text) = &self.date else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ReadError::Event("a date is none"))
    }

    fn day_after(&self, zones: &Zones, days: &Days<'_>) -> Result<Timestamp, ReadError> {
        let day = self.day()?.ok_or(ReadError::Event("a date is none"))?;
        midnight(day.checked_add(1.day()).map_err(|_| OUT_OF_RANGE)?, &days.zone(zones)?)
    }
}

fn midnight(day: Date, zone: &TimeZone) -> Result<Timestamp, ReadError> {
    instant(day.into(), zone)
}

/// In a gap of the clocks the time after it, when they are set back the first of the two.
fn instant(wall: DateTime, zone: &TimeZone) -> Result<Timestamp, ReadError> {
    zone.to_ambiguous_timestamp(wall).compatible().map_err(|_| OUT_OF_RANGE)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

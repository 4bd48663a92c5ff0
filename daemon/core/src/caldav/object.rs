//! Entries of a calendar (`VEVENT`, RFC 5545) as far as they bear on time: what is taken, and what has become of ours.
//!
//! Cancelled and transparent entries take no time, tentative ones do. Whole days go from midnight to midnight in the
//! clinic's zone. Single occurrences replace those of their series, whether a server has worked it out or not.

use std::collections::HashSet;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::ReadError;
use super::address::appointment_of_uid;
use super::line::{Component, Line};
use super::recur::{Rule, date, date_time};
use super::zone::Zones;
use crate::booking::appointment::{AppointmentId, Span};
use crate::letter::ics::{WRITTEN, note};

const OUT_OF_RANGE: ReadError = ReadError::Calendar("a time is beyond the calendar's end");

/// Time that an entry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub span: Span,
    /// The appointment of ours that it is for, by its UID.
    pub ours: Option<AppointmentId>,
}

/// An appointment's entry as it stands in the calendar now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnEntry {
    /// When; it may have been moved there.
    pub time: Span,
    /// The appointment's revision when we wrote it; 0 if that is not known any more.
    pub revision: u32,
    /// Nobody has moved it since we wrote it, whatever else they have changed.
    pub is_as_written: bool,
    /// Somebody has marked it as cancelled.
    pub is_cancelled: bool,
}

/// One file of a calendar: an entry with its exceptions.
#[derive(Debug, Clone)]
pub struct Object {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    uid: String,
    /// What we have noted in it: of which revision it was, and when.
    written: Option<(u32, String)>,
    begin: Moment,
    length: Length,
    is_cancelled: bool,
    is_transparent: bool,
    rules: Vec<String>,
    more: Vec<(Moment, Option<Length>)>,
    except: Vec<Moment>,
    /// The occurrence of a series that it stands for.
    replaces: Option<Moment>,
    replaces_all_after: bool,
}

/// A time as it is written.
#[derive(Debug, Clone)]
struct Moment {
    wall: DateTime,
    zone: TimeZone,
    is_day: bool,
}

/// Days by the calendar, then hours by the clock: a day of the end of summer time has 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    days: i64,
    exact: SignedDuration,
}

impl Object {
    /// Reads a file's text.
    pub fn read(text: &str, zones: &Zones) -> Result<Self, ReadError> {
        let calendar = Component::read(text)?;
        if calendar.name != "VCALENDAR" {
            return Err(ReadError::Calendar("it is no VCALENDAR"));
        }
        let events = calendar.parts.iter().filter(|part| part.name == "VEVENT");
        let entries =
            events.map(|event| Reader { calendar: &calendar, zones }.entry(event)).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The time that it takes within `within`, in no order.
    pub fn taken(&self, within: Span) -> Result<Vec<Taken>, ReadError> {
        let mut replaced = HashSet::new();
        for entry in &self.entries {
            if entry.replaces_all_after {
                return Err(entry.unclear("an exception changes everything after it"));
            }
            if let Some(moment) = &entry.replaces {
                replaced.insert((entry.uid.as_str(), moment.instant()?));
            }
        }
        let mut taken = Vec::new();
        for entry in self.entries.iter().filter(|entry| !entry.is_cancelled && !entry.is_transparent) {
            let excepted = entry.except.iter().map(Moment::instant).collect::<Result<HashSet<_>, _>>()?;
            let ours = appointment_of_uid(&entry.uid);
            for (begin, length) in entry.beginnings(within)? {
                let from = begin.instant()?;
                let is_series = entry.replaces.is_none();
                if is_series && (excepted.contains(&from) || replaced.contains(&(entry.uid.as_str(), from))) {
                    continue;
                }
                let span = Span { from, to: length.after(&begin)? };
                // What takes no time (a reminder) is in nobody's way.
                if span.from < span.to && span.overlaps(&within) {
                    taken.push(Taken { span, ours });
                }
            }
        }
        Ok(taken)
    }

    /// What it says of an appointment of ours; `None` if it is about something else.
    pub fn own(&self, id: AppointmentId) -> Result<Option<OwnEntry>, ReadError> {
        let is_it = |entry: &&Entry| entry.replaces.is_none() && appointment_of_uid(&entry.uid) == Some(id);
        let Some(entry) = self.entries.iter().find(is_it) else { return Ok(None) };
        let time = Span { from: entry.begin.instant()?, to: entry.length.after(&entry.begin)? };
        let (revision, noted) = entry.written.as_ref().map_or((0, ""), |(revision, time)| (*revision, time));
        let is_as_written = noted == note(time);
        Ok(Some(OwnEntry { time, revision, is_as_written, is_cancelled: entry.is_cancelled }))
    }
}

impl Entry {
    /// Every beginning whose occurrence may touch `within`; exceptions are still among them.
    fn beginnings(&self, within: Span) -> Result<Vec<(Moment, Length)>, ReadError> {
        let mut all = vec![(self.begin.clone(), self.length)];
        if self.replaces.is_some() {
            return Ok(all);
        }
        for (moment, length) in &self.more {
            all.push((moment.clone(), length.unwrap_or(self.length)));
        }
        // Wall times are up to 26 hours from UTC's, and a day may have 25 hours.
        let margin = SignedDuration::from_hours(50);
        let longest = SignedDuration::from_hours(25 * self.length.days.min(100_000)).saturating_add(self.length.exact);
        let wall = |at: Timestamp| self.begin.zone.to_datetime(at);
        let from = wall(within.from.checked_sub(longest.saturating_add(margin)).unwrap_or(Timestamp::MIN));
        let to = wall(within.to.checked_add(margin).unwrap_or(Timestamp::MAX));
        for rule in &self.rules {
            let begun = Rule::read(rule)
                .and_then(|rule| rule.between(self.begin.wall, &self.begin.zone, from, to))
                .map_err(|what| self.unclear(what))?;
            // The first is there already, whether the rule has it or not.
            let others = begun.into_iter().filter(|wall| *wall != self.begin.wall);
            all.extend(others.map(|wall| (Moment { wall, ..self.begin.clone() }, self.length)));
        }
        Ok(all)
    }

    fn unclear(&self, what: &'static str) -> ReadError {
        ReadError::Recurrence { what, on: self.begin.wall.date() }
    }
}

impl Moment {
    /// In a gap of the clocks the time after it, when they are set back the first of the two.
    fn instant(&self) -> Result<Timestamp, ReadError> {
        self.zone.to_ambiguous_timestamp(self.wall).compatible().map_err(|_| OUT_OF_RANGE)
    }
}

impl Length {
    const NONE: Self = Self { days: 0, exact: SignedDuration::ZERO };
    const DAY: Self = Self { days: 1, exact: SignedDuration::ZERO };

    fn between(begin: &Moment, end: &Moment) -> Result<Self, ReadError> {
        let length = if begin.is_day && end.is_day {
            let days = begin.wall.date().until(end.wall.date()).map_err(|_| OUT_OF_RANGE)?.get_days();
            // Some programs write the last day where the one after it belongs.
            Self { days: if days == 0 { 1 } else { days.into() }, exact: SignedDuration::ZERO }
        } else {
            Self { days: 0, exact: end.instant()?.duration_since(begin.instant()?) }
        };
        length.forwards()
    }

    fn forwards(self) -> Result<Self, ReadError> {
        if self.days < 0 || self.exact.is_negative() {
            return Err(ReadError::Calendar("it ends before it begins"));
        }
        Ok(self)
    }

    /// `P2W`, `P1DT2H30M`
    fn read(text: &str) -> Result<Self, ReadError> {
        let bad = ReadError::Calendar("a duration is none");
        let text = text.trim();
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let mut rest = text.strip_prefix(['P', 'p']).filter(|rest| !rest.is_empty()).ok_or_else(|| bad.clone())?;
        let mut length = Self::NONE;
        let mut is_time = false;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(['T', 't']) {
                (is_time, rest) = (true, after);
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| bad.clone())?;
            // Nobody's appointment takes a hundred thousand of anything.
            let number = rest[..end].parse::<i64>().ok().filter(|n| *n < 10_000_000).ok_or_else(|| bad.clone())?;
            let (unit, after) = rest[end..].split_at_checked(1).ok_or_else(|| bad.clone())?;
            match (is_time, unit.to_ascii_uppercase().as_str()) {
                (false, "W") => length.days += 7 * number,
                (false, "D") => length.days += number,
                (true, "H") => length.exact += SignedDuration::from_hours(number),
                (true, "M") => length.exact += SignedDuration::from_mins(number),
                (true, "S") => length.exact += SignedDuration::from_secs(number),
                _ => return Err(bad),
            }
            rest = after;
        }
        if is_negative && length != Self::NONE {
            return Err(ReadError::Calendar("it ends before it begins"));
        }
        Ok(length)
    }

    fn after(self, begin: &Moment) -> Result<Timestamp, ReadError> {
        if self.days == 0 {
            return begin.instant()?.checked_add(self.exact).map_err(|_| OUT_OF_RANGE);
        }
        let span = 1.day().checked_mul(self.days).map_err(|_| OUT_OF_RANGE)?;
        let wall = begin.wall.checked_add(span).map_err(|_| OUT_OF_RANGE)?;
        Moment { wall, ..begin.clone() }.instant()?.checked_add(self.exact).map_err(|_| OUT_OF_RANGE)
    }
}

struct Reader<'a> {
    calendar: &'a Component,
    zones: &'a Zones,
}

impl Reader<'_> {
    fn entry(&self, event: &Component) -> Result<Entry, ReadError> {
        let value = |name: &str| event.line(name).map(|line| line.value.trim());
        let is = |name: &str, word: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let begin = event.line("DTSTART").ok_or(ReadError::Calendar("an entry has no beginning"))?;
        let begin = self.moment(begin, begin.value.trim())?;
        let length = match (event.line("DTEND"), value("DURATION")) {
            (Some(end), _) => Length::between(&begin, &self.moment(end, end.value.trim())?)?,
            (None, Some(duration)) => Length::read(duration)?,
            (None, None) if begin.is_day => Length::DAY,
            (None, None) => Length::NONE,
        };
        let mut more = Vec::new();
        for line in event.all("RDATE") {
            for value in line.value.split(',') {
                more.push(self.additional(line, value.trim())?);
            }
        }
        let mut except = Vec::new();
        for line in event.all("EXDATE") {
            for value in line.value.split(',') {
                except.push(self.moment(line, value.trim())?);
            }
        }
        let recurrence = event.line("RECURRENCE-ID");
        Ok(Entry {
            uid: value("UID").unwrap_or_default().to_owned(),
            written: value(WRITTEN).and_then(|written| {
                let (revision, time) = written.split_once('/')?;
                Some((revision.parse().ok()?, time.to_owned()))
            }),
            begin,
            length,
            is_cancelled: is("STATUS", "CANCELLED"),
            is_transparent: is("TRANSP", "TRANSPARENT"),
            rules: event.all("RRULE").map(|line| line.value.clone()).collect(),
            more,
            except,
            replaces: recurrence.map(|line| self.moment(line, line.value.trim())).transpose()?,
            replaces_all_after: recurrence.is_some_and(|line| line.param("RANGE").is_some()),
        })
    }

    /// A date or a time of that line.
    fn moment(&self, line: &Line, value: &str) -> Result<Moment, ReadError> {
        let bad = ReadError::Calendar("a date or time is none");
        if let Some(day) = date(value) {
            return Ok(Moment { wall: day.into(), zone: self.zones.clinic().clone(), is_day: true });
        }
        let (wall, is_utc) = match value.strip_suffix(['Z', 'z']) {
            Some(utc) => (date_time(utc), true),
            None => (date_time(value), false),
        };
        let wall = wall.ok_or(bad)?;
        let zone = if is_utc { TimeZone::UTC } else { self.zone(line, wall.date())? };
        Ok(Moment { wall, zone, is_day: false })
    }

    fn zone(&self, line: &Line, on: Date) -> Result<TimeZone, ReadError> {
        match line.param("TZID") {
            Some(id) => self.zones.named(id, self.calendar, on),
            None => Ok(self.zones.clinic().clone()),
        }
    }

    /// One of an `RDATE`: a beginning, or a whole period.
    fn additional(&self, line: &Line, value: &str) -> Result<(Moment, Option<Length>), ReadError> {
        let Some((from, to)) = value.split_once('/') else { return Ok((self.moment(line, value)?, None)) };
        let begin = self.moment(line, from)?;
        let length = match self.moment(line, to) {
            Ok(end) => Length::between(&begin, &end)?,
            Err(_) => Length::read(to)?,
        };
        Ok((begin, Some(length)))
    }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;

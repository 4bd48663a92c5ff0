//! When patients are seen: the clinic's hours and a practitioner's, with their exceptions, on a local day; and wall time as
//! instants where clocks change.
//!
//! An exception replaces the week's hours of its days; where several hold, one that closes wins, else the last.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use smallvec::SmallVec;

use super::appointment::Span;
use super::refusal::Closure;
use crate::clinic::hours::{DayException, Hours, Minute, Week};
use crate::clinic::{Clinic, Practitioner};

/// How far ahead [`next_open`] looks.
const LOOK_AHEAD_DAYS: usize = 400;

/// The hours of one day; rarely more than two.
pub type DayHours = SmallVec<[Hours; 4]>;

/// The clinic's hours on a day; empty when it is closed.
pub fn clinic_hours(clinic: &Clinic, date: Date) -> &[Hours] {
    of_day(&clinic.hours, &clinic.exceptions, date)
}

/// When a practitioner sees patients on a day: their hours, within the clinic's. Hours that touch are one.
pub fn practitioner_hours(clinic: &Clinic, practitioner: &Practitioner, date: Date) -> DayHours {
    within(clinic_hours(clinic, date), practitioner, date)
}

/// The same, where the clinic's hours of that day are known already.
pub(super) fn within(clinic: &[Hours], practitioner: &Practitioner, date: Date) -> DayHours {
    if clinic.is_empty() {
        return DayHours::new();
    }
    intersection(clinic, of_day(&practitioner.hours, &practitioner.exceptions, date))
}

/// Why the clinic is closed on a day; `None` when it is open.
pub fn why_closed(clinic: &Clinic, date: Date) -> Option<Closure> {
    if !clinic_hours(clinic, date).is_empty() {
        return None;
    }
    let closes = |exception: &&DayException| exception.holds_on(date) && exception.hours.is_empty();
    let holiday = clinic.exceptions.iter().find(closes);
    Some(holiday.map_or(Closure::Weekday(date.weekday()), |day| Closure::Holiday(day.name.clone())))
}

/// What may be said of a practitioner who is away on a day; `None` if they are not, empty if nothing may.
pub fn absence(practitioner: &Practitioner, date: Date) -> Option<&str> {
    let away = |exception: &&DayException| exception.holds_on(date) && exception.hours.is_empty();
    practitioner.exceptions.iter().find(away).map(|exception| exception.name.as_str())
}

/// The first day after `date` on which the clinic is open; `None` if there is none within about a year.
pub fn next_open(clinic: &Clinic, date: Date) -> Option<Date> {
    let days = date.series(1.day()).skip(1).take(LOOK_AHEAD_DAYS);
    days.into_iter().find(|day| !clinic_hours(clinic, *day).is_empty())
}

fn of_day<'a>(week: &'a Week, exceptions: &'a [DayException], date: Date) -> &'a [Hours] {
    let mut hours = week.on(date.weekday());
    for exception in exceptions.iter().filter(|exception| exception.holds_on(date)) {
        if exception.hours.is_empty() {
            return &[];
        }
        hours = &exception.hours;
    }
    hours
}

fn intersection(clinic: &[Hours], practitioner: &[Hours]) -> DayHours {
    let mut both = DayHours::new();
    for open in clinic {
        for works in practitioner {
            let Some(part) = Hours::new(open.from.max(works.from), open.to.min(works.to)) else { continue };
            match both.last_mut().filter(|last| last.to == part.from) {
                Some(last) => last.to = part.to,
                None => both.push(part),
            }
        }
    }
    both
}

/// A day of a zone, ready to turn its wall time into instants.
///
/// On a day without a change of the clock, which is nearly every one, a time is midnight and so many minutes.
pub struct Day<'a> {
    date: Date,
    zone: &'a TimeZone,
    /// Midnight in seconds since 1970, if every minute of the day has the same distance to it as on the wall.
    even: Option<i64>,
}

impl<'a> Day<'a> {
    /// That day of that zone.
    pub fn new(date: Date, zone: &'a TimeZone) -> Self {
        let end =
            date.tomorrow().ok().map(|next| zone.to_ambiguous_timestamp(next.to_datetime(Time::midnight())).offset());
        let begin = zone.to_ambiguous_timestamp(date.to_datetime(Time::midnight()));
        let even = match (begin.offset(), end) {
            // Nowhere does a clock change twice within a day and end as it began.
            (AmbiguousOffset::Unambiguous { offset: first }, Some(AmbiguousOffset::Unambiguous { offset: last }))
                if first == last =>
            {
                begin.unambiguous().ok().map(Timestamp::as_second)
            }
            _ => None,
        };
        Self { date, zone, even }
    }

    /// The day of the calendar.
    pub fn date(&self) -> Date {
        self.date
    }

    /// All of it: 23, 24 or 25 hours. `None` if the zone left the day out, or at the end of time.
    pub fn whole(&self) -> Option<Span> {
        self.span(Hours::new(Minute::of(0)?, Minute::END_OF_DAY)?)
    }

    /// These hours as instants. What begins or ends in a gap does so at the gap's end; what begins at a time that comes
    /// twice begins at the first, and what ends at one ends at the second. `None` if nothing is left.
    pub fn span(&self, hours: Hours) -> Option<Span> {
        let (from, to) = self.seconds(hours)?;
        Some(Span { from: Timestamp::from_second(from).ok()?, to: Timestamp::from_second(to).ok()? })
    }

    /// The same in seconds since 1970.
    pub(super) fn seconds(&self, hours: Hours) -> Option<(i64, i64)> {
        let (from, to) = (self.edge(hours.from, Edge::Start)?, self.edge(hours.to, Edge::End)?);
        (from < to).then_some((from, to))
    }

    /// The instant at which the wall clock shows that minute: the first if it comes twice, none if it is skipped.
    pub fn beginning(&self, minute: Minute) -> Option<Timestamp> {
        Timestamp::from_second(self.second(minute)?).ok()
    }

    /// The same in seconds since 1970.
    pub(super) fn second(&self, minute: Minute) -> Option<i64> {
        if let Some(midnight) = self.even {
            return Some(after(midnight, minute));
        }
        let ambiguous = self.zone.to_ambiguous_timestamp(self.wall(minute)?);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => None,
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok().map(Timestamp::as_second)
            }
        }
    }

    /// The first minute of the day that does not begin before an instant; `None` if the clock changes on it.
    pub(super) fn minute_from(&self, second: i64) -> Option<u16> {
        let minutes = (second - self.even?).max(0).saturating_add(59) / 60;
        Some(u16::try_from(minutes).unwrap_or(u16::MAX))
    }

    /// Whether the clock changes on this day.
    pub fn changes(&self) -> bool {
        self.even.is_none()
    }

    fn edge(&self, minute: Minute, edge: Edge) -> Option<i64> {
        if let Some(midnight) = self.even {
            return Some(after(midnight, minute));
        }
        let ambiguous = self.zone.to_ambiguous_timestamp(self.wall(minute)?);
        let instant = match (ambiguous.offset(), edge) {
            (AmbiguousOffset::Gap { .. }, _) => {
                // Read with the offset of after the change, the time lies before it.
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|change| change.timestamp())
            }
            (_, Edge::Start) => ambiguous.earlier().ok(),
            (_, Edge::End) => ambiguous.later().ok(),
        };
        instant.map(Timestamp::as_second)
    }

    fn wall(&self, minute: Minute) -> Option<DateTime> {
        if minute == Minute::END_OF_DAY {
            return self.date.tomorrow().ok().map(|next| next.to_datetime(Time::midnight()));
        }
        let minute = i8::try_from(minute.get() / 60).ok().zip(i8::try_from(minute.get() % 60).ok());
        minute.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok()).map(|time| self.date.to_datetime(time))
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

fn after(midnight: i64, minute: Minute) -> i64 {
    midnight + 60 * i64::from(minute.get())
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;

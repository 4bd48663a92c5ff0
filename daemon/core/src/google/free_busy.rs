//! When calendars are busy, where that is all that they tell (`freeBusy.query`).
//!
//! It cannot tell our own entries from others, so the calendars into which we write are read with [`page`](super::page).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{ReadError, document, shown};
use crate::booking::appointment::Span;

/// Calendars that Google answers for at a time (its reference, November 2026).
const MOST_CALENDARS: usize = 50;
/// Longer times are refused somewhere beyond two months (`timeRangeTooLong`; reports of live use).
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 31);

/// One question: which calendars, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// Their ids.
    pub calendars: &'a [String],
    /// Within which time.
    pub within: Span,
}

/// The questions that together tell of `calendars` within `within`.
pub fn questions(calendars: &[String], within: Span) -> impl Iterator<Item = Question<'_>> {
    let times = std::iter::successors(Some(first(within)), move |before| {
        (before.to < within.to).then(|| first(Span { from: before.to, to: within.to }))
    });
    times.flat_map(move |within| calendars.chunks(MOST_CALENDARS).map(move |calendars| Question { calendars, within }))
}

/// As much of a time as may be asked for at once.
fn first(within: Span) -> Span {
    let longest = within.from.checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    Span { from: within.from, to: within.to.min(longest) }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    kind: Option<String>,
    calendars: Option<BTreeMap<String, RawCalendar>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawCalendar {
    errors: Option<Vec<RawError>>,
    busy: Option<Vec<RawPeriod>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawError {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct RawPeriod {
    start: String,
    end: String,
}

impl Question<'_> {
    /// The body of the request.
    pub fn body(&self) -> String {
        let items: Vec<_> = self.calendars.iter().map(|id| json!({ "id": id })).collect();
        // Offsets are required, whatever the zone.
        let (from, to) = (self.within.from.to_string(), self.within.to.to_string());
        json!({ "timeMin": from, "timeMax": to, "timeZone": "UTC", "items": items }).to_string()
    }

    /// When one of the calendars is busy. A calendar of which nothing is said, and one that has failed while the whole
    /// succeeded, are not free.
    pub fn answer(&self, text: &str) -> Result<Vec<Span>, ReadError> {
        let raw: Raw = document(text)?;
        if raw.kind.as_deref() != Some("calendar#freeBusy") {
            return Err(ReadError::Shape("it does not say who is busy"));
        }
        let told = raw.calendars.unwrap_or_default();
        let mut all = Vec::new();
        for id in self.calendars {
            let calendar = told.iter().find(|(name, _)| name.eq_ignore_ascii_case(id)).map(|(_, calendar)| calendar);
            let calendar = calendar.ok_or(ReadError::Shape("it leaves out a calendar that was asked for"))?;
            if let Some(error) = calendar.errors.as_ref().and_then(|errors| errors.first()) {
                return Err(ReadError::Silent(shown(error.reason.as_deref().unwrap_or("nothing"))));
            }
            let busy = calendar.busy.as_ref().ok_or(ReadError::Shape("it does not say when a calendar is busy"))?;
            for period in busy {
                let span = period.read()?;
                all.extend(span.overlaps(&self.within).then_some(span));
            }
        }
        Ok(all)
    }
}

impl RawPeriod {
    fn read(&self) -> Result<Span, ReadError> {
        let instant = |text: &str| text.parse().map_err(|_| ReadError::Event("a time is none"));
        let span = Span { from: instant(&self.start)?, to: instant(&self.end)? };
        if span.to < span.from { Err(ReadError::Event("it ends before it begins")) } else { Ok(span) }
    }
}

#[cfg(test)]
#[path = "free_busy_tests.rs"]
mod tests;

//! The times of an event: instants, days, and how they are written.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime},
    fmt::temporal::DateTimeParser,
    tz::TimeZone,
};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// From when to when something is, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

/// One end of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    Day(Date),
    /// An instant, and the zone by whose clock it recurs.
    At(Timestamp, Option<TimeZone>),
}

impl Moment {
    /// Reads `start`, `end` or `originalStartTime`.
    pub(crate) fn read(name: &str, value: &Value) -> Result<Self, ApiError> {
        let bad = |why: &str| ApiError::invalid(format!("Invalid {name} time: {why}."));
        let zone = match value["timeZone"].as_str() {
            Some(name) => Some(zone(name).ok_or_else(|| bad(&format!("there is no time zone {name:?}")))?),
            None => None,
        };
        match (value["date"].as_str(), value["dateTime"].as_str()) {
            (Some(_), Some(_)) => Err(bad("either date or dateTime, not both")),
            (None, None) => Err(ApiError::required(name)),
            (Some(day), None) => {
                // Only the short form: 2026-12-01.
                let day = day.parse().ok().filter(|_| day.len() == 10);
                day.map(Self::Day).ok_or_else(|| bad("date is no date"))
            }
            (None, Some(text)) => match (instant(text), zone) {
                (Some(at), zone) => Ok(Self::At(at, zone)),
                (None, Some(zone)) => {
                    let local: DateTime = local(text).ok_or_else(|| bad("dateTime is no time"))?;
                    let at = zone.to_timestamp(local).map_err(|_| bad("dateTime is out of range"))?;
                    Ok(Self::At(at, Some(zone)))
                }
                (None, None) if local(text).is_some() => {
                    Err(ApiError::new(400, "required", format!("Missing time zone definition for {name} time.")))
                }
                (None, None) => Err(bad("dateTime is no time")),
            },
        }
    }

    pub(crate) fn is_day(&self) -> bool {
        matches!(self, Self::Day(_))
    }

    /// The instant; of a day, its midnight in the calendar's zone.
    pub(crate) fn instant(&self, calendar: &TimeZone) -> Timestamp {
        match self {
            Self::At(at, _) => *at,
            Self::Day(day) => {
                calendar.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// The same moment so much later by its own clock: a day by the calendar, an instant by its zone.
    pub(crate) fn later(&self, days: i64, calendar: &TimeZone) -> Option<Self> {
        match self {
            Self::Day(day) => day.checked_add(days.days()).ok().map(Self::Day),
            Self::At(at, zone) => {
                let zone = zone.clone().unwrap_or_else(|| calendar.clone());
                let later = at.to_zoned(zone.clone()).checked_add(days.days()).ok()?;
                Some(Self::At(later.timestamp(), Some(zone)))
            }
        }
    }

    /// As an answer has it, in the zone `shown`.
    pub(crate) fn write(&self, shown: &TimeZone, calendar: &TimeZone) -> Value {
        match self {
            Self::Day(day) => json!({ "date": day.to_string() }),
            Self::At(at, zone) => {
                let named = zone.as_ref().unwrap_or(calendar).iana_name().unwrap_or("UTC");
                json!({ "dateTime": in_zone(*at, shown), "timeZone": named })
            }
        }
    }
}

/// A zone by its IANA name.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok()?;
    // Not a fixed offset, and not the machine's own.
    zone.iana_name().is_some().then_some(zone)
}

/// An RFC 3339 time with its offset.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    // Longer forms (a zone in brackets) are jiff's alone.
    if text.contains('[') || text.len() < "2026-12-01T09:00:00Z".len() {
        return None;
    }
    text.parse().ok()
}

/// A time without offset.
fn local(text: &str) -> Option<DateTime> {
    let whole = text.len() >= "2026-12-01T09:00:00".len() && !text.contains(['[', 'Z', 'z']);
    // An offset would be overlooked.
    let offset = text.get(10..).is_none_or(|time| time.contains(['+', '-']));
    (whole && !offset).then(|| DateTimeParser::new().parse_datetime(text).ok()).flatten()
}

/// RFC 3339 with the zone's offset, `Z` for none, as Google writes it.
pub(crate) fn in_zone(at: Timestamp, zone: &TimeZone) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let offset = zone.to_offset(whole);
    if offset.seconds() == 0 { whole.to_string() } else { whole.display_with_offset(offset).to_string() }
}

/// With milliseconds, as `created`, `updated` and the borders of a freeBusy answer are written.
pub(crate) fn with_millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A parameter that must be a time with an offset.
pub(crate) fn parameter(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let bad = || ApiError::new(400, "badRequest", "Bad Request").parameter(name);
    instant(text).map(Some).ok_or_else(bad)
}

/// Both ends of an event as its resource has them.
pub(crate) fn ends(event: &Map<String, Value>) -> Result<(Moment, Moment), ApiError> {
    let read = |name: &str| match event.get(name) {
        Some(Value::Object(_)) => Moment::read(name, &event[name]),
        _ => Err(ApiError::required(name)),
    };
    let (start, end) = (read("start")?, read("end")?);
    if start.is_day() != end.is_day() {
        return Err(ApiError::invalid("Start and end times must either both be date or both be dateTime."));
    }
    let empty = match (&start, &end) {
        (Moment::Day(start), Moment::Day(end)) => start >= end,
        (start, end) => start.instant(&TimeZone::UTC) > end.instant(&TimeZone::UTC),
    };
    if empty {
        return Err(ApiError::new(400, "timeRangeEmpty", "The specified time range is empty.").parameter("endTime"));
    }
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &Value) -> Result<Moment, u16> {
        Moment::read("start", value).map_err(|error| error.answer().status)
    }

    #[test]
    fn a_time_needs_an_offset_or_a_zone() {
        let nine: Timestamp = "2026-07-01T08:00:00Z".parse().unwrap();
        let at = |value| match read(&value) {
            Ok(Moment::At(at, _)) => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(json!({ "dateTime": "2026-07-01T09:00:00+01:00" })), nine);
        assert_eq!(at(json!({ "dateTime": "2026-07-01T09:00:00", "timeZone": "Europe/London" })), nine);
        assert_eq!(at(json!({ "dateTime": "2026-07-01T08:00:00.000Z", "timeZone": "Europe/London" })), nine);
        assert_eq!(read(&json!({ "dateTime": "2026-07-01T09:00:00" })), Err(400));
        assert_eq!(read(&json!({ "dateTime": "2026-07-01T09:00:00", "timeZone": "London" })), Err(400));
        assert_eq!(read(&json!({ "dateTime": "tomorrow", "timeZone": "Europe/London" })), Err(400));
        assert_eq!(read(&json!({ "date": "2026-07-01", "dateTime": "2026-07-01T09:00:00Z" })), Err(400));
        assert_eq!(read(&json!({ "date": "2026-07-01" })), Ok(Moment::Day("2026-07-01".parse().unwrap())));
        assert_eq!(read(&json!({})), Err(400));
    }

    #[test]
    fn answers_carry_the_zones_offset() {
        let zone = zone("Europe/London").unwrap();
        assert_eq!(in_zone("2026-07-01T08:00:00Z".parse().unwrap(), &zone), "2026-07-01T09:00:00+01:00");
        assert_eq!(in_zone("2026-12-01T08:00:00Z".parse().unwrap(), &zone), "2026-12-01T08:00:00Z");
        assert_eq!(with_millis("2026-12-01T08:00:00Z".parse().unwrap()), "2026-12-01T08:00:00.000Z");
    }

    #[test]
    fn a_day_later_is_the_same_time_by_the_clock() {
        let london = zone("Europe/London").unwrap();
        let saturday = Moment::At("2026-10-24T08:00:00Z".parse().unwrap(), Some(london.clone()));
        let sunday = saturday.later(1, &london).unwrap();
        assert_eq!(
            sunday.instant(&london),
            "2026-10-25T09:00:00Z".parse::<Timestamp>().unwrap(),
            "summer time has ended"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(date in ".{0,40}", time in ".{0,40}", zone in ".{0,20}") {
            let _ = Moment::read("start", &json!({ "dateTime": time, "timeZone": zone }));
            let _ = Moment::read("start", &json!({ "dateTime": time }));
            let _ = Moment::read("start", &json!({ "date": date }));
            let _ = parameter("timeMin", Some(&time));
        }
    }
}

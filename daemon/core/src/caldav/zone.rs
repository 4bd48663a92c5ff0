//! Which time zone a name in a calendar means.
//!
//! A name of the IANA database is taken at its word and the rules beside it (`VTIMEZONE`) are passed over: a server was
//! seen to keep wrong ones (Radicale 3.9, the end of summer time in London). Only for a name that nobody knows are they
//! read.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::ReadError;
use super::line::Component;
use super::recur::{date_time, weekday};
use super::windows;

/// Characters of an unknown name that an error repeats.
const SHOWN: usize = 40;

/// The zones in which the times of entries are meant.
#[derive(Debug, Clone)]
pub struct Zones {
    database: TimeZoneDatabase,
    /// The clinic's: for whole days and for times without a zone.
    clinic: TimeZone,
}

impl Zones {
    /// With the names that `database` knows.
    pub fn new(database: TimeZoneDatabase, clinic: TimeZone) -> Self {
        Self { database, clinic }
    }

    /// The clinic's zone.
    pub fn clinic(&self) -> &TimeZone {
        &self.clinic
    }

    /// The zone of a `TZID`, with the calendar that it stands in; `on` is the day for which it is asked.
    pub(super) fn named(&self, id: &str, calendar: &Component, on: Date) -> Result<TimeZone, ReadError> {
        let id = id.trim();
        if let Some(known) = self.known(id) {
            return Ok(known);
        }
        let is_it = |part: &&Component| {
            part.name == "VTIMEZONE" && part.line("TZID").is_some_and(|line| line.value.trim() == id)
        };
        let definition = calendar.parts.iter().find(is_it);
        let located = definition.and_then(|zone| zone.line("X-LIC-LOCATION"));
        located
            .and_then(|line| self.known(line.value.trim()))
            .or_else(|| definition.and_then(defined))
            .ok_or_else(|| ReadError::Zone { name: shown(id), on })
    }

    /// The zone of that name in the IANA database or among Microsoft's.
    pub(crate) fn known(&self, id: &str) -> Option<TimeZone> {
        let find = |name: &str| self.database.get(name).ok();
        // `/freeassociation.sourceforge.net/Europe/Berlin`: the database's name stands at the end.
        let parts: Vec<&str> = id.split('/').collect();
        let tail = |n: usize| parts.len().checked_sub(n).filter(|at| *at > 0).map(|at| parts[at..].join("/"));
        find(id).or_else(|| find(windows::iana(id)?)).or_else(|| find(&tail(3)?)).or_else(|| find(&tail(2)?))
    }
}

fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// One half of a zone's year.
struct Observance {
    since: DateTime,
    offset: Offset,
    /// Month, week (5 is the last), weekday, of a change every year.
    yearly: Option<(i8, i8, Weekday)>,
}

/// The zone that a `VTIMEZONE` describes, if it is of the common kind: one offset, or two that change by a rule. Only what
/// holds now is taken from it: appointments are made for the future.
fn defined(zone: &Component) -> Option<TimeZone> {
    let latest = |name: &str| {
        let parts = zone.parts.iter().filter(|part| part.name == name);
        let known = parts.map(observance).collect::<Option<Vec<_>>>()?;
        Some(known.into_iter().max_by_key(|observance| observance.since))
    };
    match (latest("STANDARD")?, latest("DAYLIGHT")?) {
        (Some(Observance { yearly: Some(back), offset: standard, since: at_back }), Some(summer)) => {
            // One of the two without a rule is over: then there would be none.
            let forth = summer.yearly?;
            let rule = |(month, week, day): (i8, i8, Weekday), at: DateTime| {
                format!("M{month}.{week}.{}/{}:{:02}", day.to_sunday_zero_offset(), at.hour(), at.minute())
            };
            let posix = format!(
                "<STD>{}<DST>{},{},{}",
                posix_offset(standard),
                posix_offset(summer.offset),
                rule(forth, summer.since),
                rule(back, at_back),
            );
            TimeZone::posix(&posix).ok()
        }
        (Some(standard), None) if standard.yearly.is_none() => Some(standard.offset.to_time_zone()),
        _ => None,
    }
}

/// POSIX counts westwards.
fn posix_offset(offset: Offset) -> String {
    let seconds = -offset.seconds();
    let sign = if seconds < 0 { "-" } else { "" };
    let minutes = seconds.abs() / 60;
    format!("{sign}{}:{:02}", minutes / 60, minutes % 60)
}

fn observance(part: &Component) -> Option<Observance> {
    let value = |name: &str| part.line(name).map(|line| line.value.trim());
    let since = date_time(value("DTSTART")?)?;
    let offset = offset(value("TZOFFSETTO")?)?;
    let yearly = match value("RRULE") {
        None => None,
        Some(rule) => Some(yearly(rule)?),
    };
    Some(Observance { since, offset, yearly })
}

/// `+0100`, `-0330`
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let plain = matches!(digits.len(), 4 | 6) && digits.bytes().all(|c| c.is_ascii_digit());
    let number = |at: usize| digits.get(at..at + 2)?.parse::<i32>().ok();
    plain.then(|| Offset::from_seconds(sign * (number(0)? * 3_600 + number(2)? * 60)).ok()).flatten()
}

/// `FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU`
fn yearly(rule: &str) -> Option<(i8, i8, Weekday)> {
    let part = |name: &str| {
        let mut parts = rule.split(';').filter_map(|part| part.split_once('='));
        parts.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let others = ["UNTIL", "COUNT", "BYMONTHDAY", "BYSETPOS"];
    if !part("FREQ")?.eq_ignore_ascii_case("YEARLY") || others.iter().any(|name| part(name).is_some()) {
        return None;
    }
    let month: i8 = part("BYMONTH")?.parse().ok().filter(|month| (1..=12).contains(month))?;
    let (week, day) = part("BYDAY")?.split_at_checked(part("BYDAY")?.len().checked_sub(2)?)?;
    let week = match week.trim_start_matches('+').parse::<i8>().ok()? {
        -1 | 5 => 5,
        week @ 1..=4 => week,
        _ => return None,
    };
    Some((month, week, weekday(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let database = TimeZoneDatabase::bundled();
        let clinic = database.get("Europe/London").unwrap();
        Zones::new(database, clinic)
    }

    const ON: Date = jiff::civil::date(2026, 12, 1);

    /// As Outlook writes it, under a name of its own.
    const CUSTOM: &str = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Practice time\n\
        BEGIN:STANDARD\nDTSTART:16011028T030000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nTZOFFSETFROM:+0200\n\
        TZOFFSETTO:+0100\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010325T020000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\n\
        TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR";

    #[test]
    fn names_of_the_database_of_windows_and_with_a_prefix_are_known() {
        let nothing = Component::default();
        for (id, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
            ("/citadel.org/20261101_1/America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ] {
            assert_eq!(zones().named(id, &nothing, ON).unwrap().iana_name(), Some(name), "{id}");
        }
    }

    #[test]
    fn a_name_of_somebodys_own_is_read_from_its_rules() {
        let calendar = Component::read(CUSTOM).unwrap();
        let zone = zones().named("Practice time", &calendar, ON).unwrap();
        let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        for month in 1..=12 {
            for (day, hour) in [(1, 0), (24, 12), (25, 1), (28, 2), (28, 3), (28, 23)] {
                let wall = jiff::civil::date(2027, month, day).at(hour, 30, 0, 0);
                assert_eq!(zone.to_timestamp(wall).unwrap(), berlin.to_timestamp(wall).unwrap(), "{wall}");
            }
        }
        let fixed = CUSTOM.replace("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\n", "");
        let fixed = format!("{}END:VTIMEZONE\nEND:VCALENDAR", fixed.split("BEGIN:DAYLIGHT").next().unwrap());
        let zone = zones().named("Practice time", &Component::read(&fixed).unwrap(), ON).unwrap();
        assert_eq!(zone.to_offset(jiff::Timestamp::UNIX_EPOCH), Offset::constant(1));
    }

    #[test]
    fn a_zone_that_nobody_knows_is_an_error() {
        let unknown = |text: &str| {
            let calendar = Component::read(text).unwrap();
            zones().named("Practice time", &calendar, ON).unwrap_err()
        };
        let expected = ReadError::Zone { name: "Practice time".into(), on: ON };
        for (what, by) in [
            ("TZID:Practice time", "TZID:Another"),
            ("BYDAY=-1SU;BYMONTH=3", "BYMONTHDAY=25;BYMONTH=3"),
            ("BYDAY=-1SU;BYMONTH=3", "BYDAY=-1SU;BYMONTH=3;UNTIL=20200101T000000Z"),
            ("TZOFFSETTO:+0200", "TZOFFSETTO:two"),
        ] {
            assert_eq!(unknown(&CUSTOM.replace(what, by)), expected, "{by}");
        }
    }
}

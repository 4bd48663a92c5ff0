//! Recurring events: `RRULE` with `DAILY` or `WEEKLY`, and `EXDATE`. Everything else is refused, not guessed.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use serde_json::Value;

use super::time::{Moment, Span};
use crate::error::ApiError;

/// How far a rule without an end is followed: Google follows it for some years, nobody books further ahead.
const HORIZON_DAYS: i64 = 800;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    weekly: bool,
    interval: i64,
    days: Vec<Weekday>,
    count: Option<usize>,
    until: Option<Until>,
    /// Occurrences that are left out, by their instant.
    except: Vec<Until>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Until {
    Day(jiff::civil::Date),
    At(Timestamp),
}

impl Rule {
    /// Reads the field `recurrence`; none: the event happens once.
    pub(crate) fn read(recurrence: &Value) -> Result<Option<Self>, ApiError> {
        let mut rule = None;
        let mut except = Vec::new();
        for line in recurrence.as_array().into_iter().flatten().filter_map(Value::as_str) {
            match line.split_once(':') {
                Some(("RRULE", text)) if rule.is_none() => rule = Some(Self::parse(text)?),
                Some(("RRULE", _)) => return Err(ApiError::not_simulated("a second RRULE")),
                Some((name, text)) if name == "EXDATE" || name.starts_with("EXDATE;") => {
                    for date in text.split(',') {
                        except.push(until(date, name)?);
                    }
                }
                Some((name, _)) if name.starts_with("RDATE") || name == "EXRULE" => {
                    return Err(ApiError::not_simulated(name.split(';').next().unwrap_or(name)));
                }
                _ => return Err(invalid(line)),
            }
        }
        match rule {
            Some(rule) => Ok(Some(Self { except, ..rule })),
            None if except.is_empty() => Ok(None),
            None => Err(invalid("EXDATE without RRULE")),
        }
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let mut rule =
            Self { weekly: false, interval: 1, days: Vec::new(), count: None, until: None, except: Vec::new() };
        let mut frequency = None;
        for part in text.split(';') {
            let (name, value) = part.split_once('=').ok_or_else(|| invalid(text))?;
            match name {
                "FREQ" => frequency = Some(value),
                "INTERVAL" => rule.interval = positive(value, 1_000).ok_or_else(|| invalid(text))? as i64,
                "COUNT" => rule.count = Some(positive(value, 10_000).ok_or_else(|| invalid(text))?),
                "UNTIL" => rule.until = Some(until(value, "UNTIL")?),
                "BYDAY" => rule.days = value.split(',').map(weekday).collect::<Result<_, _>>()?,
                "WKST" if value == "MO" => {}
                "WKST" | "BYMONTH" | "BYMONTHDAY" | "BYSETPOS" | "BYHOUR" | "BYMINUTE" | "BYSECOND" | "BYYEARDAY"
                | "BYWEEKNO" => return Err(ApiError::not_simulated(&format!("RRULE with {name}={value}"))),
                _ => return Err(invalid(text)),
            }
        }
        if rule.count.is_some() && rule.until.is_some() {
            return Err(invalid(text));
        }
        rule.weekly = match frequency {
            Some("DAILY") if rule.days.is_empty() => false,
            Some("WEEKLY") => true,
            Some("DAILY") => return Err(ApiError::not_simulated("RRULE with FREQ=DAILY and BYDAY")),
            Some(other @ ("MONTHLY" | "YEARLY" | "HOURLY" | "MINUTELY" | "SECONDLY")) => {
                return Err(ApiError::not_simulated(&format!("RRULE with FREQ={other}")));
            }
            _ => return Err(invalid(text)),
        };
        Ok(rule)
    }

    /// The occurrences from the first on, in order, those alone that end after `from` and start before `to`.
    pub(crate) fn occurrences(
        &self,
        start: &Moment,
        length: jiff::SignedDuration,
        calendar: &TimeZone,
        window: Span,
    ) -> Vec<(Moment, Span)> {
        let mut found = Vec::new();
        for (seen, days) in self.steps(start, calendar).into_iter().enumerate() {
            let Some(moment) = start.later(days, calendar) else { break };
            let at = moment.instant(calendar);
            if self.count.is_some_and(|count| seen >= count) || self.is_over(&moment, at) || at >= window.end {
                break;
            }
            let span = Span { start: at, end: at.checked_add(length).unwrap_or(Timestamp::MAX) };
            if span.end > window.start && !self.is_excepted(&moment, at) {
                found.push((moment, span));
            }
        }
        found
    }

    fn is_over(&self, moment: &Moment, at: Timestamp) -> bool {
        match (&self.until, moment) {
            (None, _) => false,
            (Some(Until::Day(last)), Moment::Day(day)) => day > last,
            (Some(Until::At(last)), _) => at > *last,
            (Some(Until::Day(last)), Moment::At(at, zone)) => {
                at.to_zoned(zone.clone().unwrap_or(TimeZone::UTC)).date() > *last
            }
        }
    }

    fn is_excepted(&self, moment: &Moment, at: Timestamp) -> bool {
        self.except.iter().any(|except| match (except, moment) {
            (Until::Day(left_out), Moment::Day(day)) => left_out == day,
            (Until::At(left_out), _) => *left_out == at,
            (Until::Day(_), Moment::At(..)) => false,
        })
    }

    /// Days from the first occurrence to each further one.
    fn steps(&self, start: &Moment, calendar: &TimeZone) -> Vec<i64> {
        if !self.weekly {
            return (0..=HORIZON_DAYS).step_by(self.interval as usize).collect();
        }
        let first = match start {
            Moment::Day(day) => day.weekday(),
            Moment::At(at, zone) => at.to_zoned(zone.clone().unwrap_or_else(|| calendar.clone())).date().weekday(),
        };
        let first = i64::from(first.to_monday_zero_offset());
        let mut days: Vec<i64> = self.days.iter().map(|day| i64::from(day.to_monday_zero_offset())).collect();
        if days.is_empty() {
            days.push(first);
        }
        days.sort_unstable();
        days.dedup();
        let weeks = (0..=HORIZON_DAYS / 7).step_by(self.interval as usize);
        let all = weeks.flat_map(|week| days.iter().map(move |day| week * 7 + day - first));
        let mut steps: Vec<i64> = all.filter(|step| *step >= 0).collect();
        // The first occurrence counts even if the rule does not name its day (RFC 5545, 3.8.5.3).
        if steps.first() != Some(&0) {
            steps.insert(0, 0);
        }
        steps
    }
}

fn invalid(text: &str) -> ApiError {
    ApiError::invalid(format!("Invalid recurrence rule: {text:?}."))
}

fn positive(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=most).contains(number))
}

fn weekday(text: &str) -> Result<Weekday, ApiError> {
    Ok(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return Err(invalid(text)),
    })
}

/// A date or time as iCalendar writes it, in UTC, or for `EXDATE;TZID=…` in that zone.
fn until(text: &str, name: &str) -> Result<Until, ApiError> {
    if let Ok(day) = jiff::civil::Date::strptime("%Y%m%d", text) {
        return Ok(Until::Day(day));
    }
    if let Some(utc) = text.strip_suffix('Z') {
        let local = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", utc).map_err(|_| invalid(text))?;
        return TimeZone::UTC.to_timestamp(local).map(Until::At).map_err(|_| invalid(text));
    }
    let zone = name.split_once("TZID=").and_then(|(_, zone)| super::time::zone(zone)).ok_or_else(|| invalid(text))?;
    let local = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", text).map_err(|_| invalid(text))?;
    zone.to_timestamp(local).map(Until::At).map_err(|_| invalid(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn starts(rule: &[&str], from: &str, to: &str) -> Vec<String> {
        let london = super::super::time::zone("Europe/London").unwrap();
        let rule = Rule::read(&json!(rule)).unwrap().unwrap();
        // Thursday, 22 October 2026, 09:00 in London; summer time ends on the 25th.
        let start = Moment::At("2026-10-22T08:00:00Z".parse().unwrap(), Some(london.clone()));
        let window = Span { start: from.parse().unwrap(), end: to.parse().unwrap() };
        let half_an_hour = jiff::SignedDuration::from_mins(30);
        rule.occurrences(&start, half_an_hour, &london, window).iter().map(|(_, span)| span.start.to_string()).collect()
    }

    const ALWAYS: (&str, &str) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");

    #[test]
    fn a_weekly_event_keeps_its_time_by_the_clock() {
        let expected = ["2026-10-22T08:00:00Z", "2026-10-29T09:00:00Z", "2026-11-05T09:00:00Z"];
        assert_eq!(starts(&["RRULE:FREQ=WEEKLY;COUNT=3"], ALWAYS.0, ALWAYS.1), expected);
        assert_eq!(starts(&["RRULE:FREQ=WEEKLY;UNTIL=20261105"], ALWAYS.0, ALWAYS.1), expected);
        assert_eq!(starts(&["RRULE:FREQ=WEEKLY;UNTIL=20261105T085959Z"], ALWAYS.0, ALWAYS.1), expected[..2]);
    }

    #[test]
    fn days_intervals_and_exceptions() {
        let rule = "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,FR;COUNT=4";
        let expected = ["2026-10-22T08:00:00Z", "2026-10-23T08:00:00Z", "2026-11-05T09:00:00Z", "2026-11-06T09:00:00Z"];
        assert_eq!(starts(&[rule], ALWAYS.0, ALWAYS.1), expected);
        let without = ["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/London:20261023T090000"];
        assert_eq!(starts(&without, ALWAYS.0, ALWAYS.1), ["2026-10-22T08:00:00Z", "2026-10-24T08:00:00Z"]);
    }

    #[test]
    fn a_window_shows_what_touches_it() {
        let window = ("2026-10-29T09:29:59Z", "2026-11-05T09:00:00Z");
        assert_eq!(starts(&["RRULE:FREQ=WEEKLY"], window.0, window.1), ["2026-10-29T09:00:00Z"]);
        assert!(
            starts(&["RRULE:FREQ=WEEKLY"], ALWAYS.0, ALWAYS.1).len() == 11,
            "a rule without an end ends with the window"
        );
    }

    #[test]
    fn what_is_not_simulated_is_refused() {
        for (rule, status) in [
            ("RRULE:FREQ=MONTHLY", 501),
            ("RRULE:FREQ=WEEKLY;BYMONTH=1", 501),
            ("RDATE:20261023T090000Z", 501),
            ("RRULE:FREQ=OFTEN", 400),
            ("RRULE:FREQ=WEEKLY;COUNT=0", 400),
            ("RRULE:FREQ=WEEKLY;BYDAY=1MO", 400),
            ("EXDATE:20261023T090000Z", 400),
            ("nonsense", 400),
        ] {
            assert_eq!(Rule::read(&json!([rule])).unwrap_err().answer().status, status, "{rule}");
        }
        assert_eq!(Rule::read(&Value::Null).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_rule_makes_the_reader_panic(line in "(RRULE:|EXDATE[;:]|)(FREQ=WEEKLY;)?.{0,60}") {
            let _ = Rule::read(&json!([line]));
        }
    }
}

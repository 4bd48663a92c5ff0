//! Recurrence rules (RFC 5545, 3.3.10), worked out in wall time; which instant a wall time is, the zone says afterwards.
//!
//! Servers can be asked to do this themselves, but not all can, and one does it wrongly (see
//! [`calendar_query`](super::request::calendar_query)). What is not understood is an error. Where the standard leaves a
//! choice, more time is busy rather than less. Checked against python-dateutil 2.9 (`tests/data/caldav/recurrences.txt`).

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

/// Days that are looked at, and beginnings that are made, before a rule is given up: a daily entry since 1601, where some
/// programs begin to count, is still worked out, a rule for every second of every year is not.
const BUDGET: u32 = 400_000;
/// Beginnings within one window.
const MOST: usize = 20_000;
/// Beginnings within one day.
const MOST_TIMES: usize = 1_440;

/// Why a rule cannot be worked out, in words that follow "because".
pub type Unclear = &'static str;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// The last beginning, included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Any time of that day.
    Day(Date),
    /// In the wall time of the entry.
    Wall(DateTime),
    Utc(DateTime),
}

/// A rule by which an entry recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    frequency: Frequency,
    interval: u16,
    count: Option<u32>,
    until: Option<Until>,
    week_start: Weekday,
    months: Vec<i16>,
    weeks: Vec<i16>,
    year_days: Vec<i16>,
    month_days: Vec<i16>,
    /// With which of them in a month or year; 0 is all.
    days: Vec<(i16, Weekday)>,
    hours: Vec<i16>,
    minutes: Vec<i16>,
    seconds: Vec<i16>,
    positions: Vec<i16>,
}

impl Rule {
    /// Reads the value of an `RRULE`.
    pub fn read(text: &str) -> Result<Self, Unclear> {
        let mut frequency = None;
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Monday,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            days: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            positions: Vec::new(),
        };
        for part in text.trim().split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or("its rule has a part without a value")?;
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => frequency = Some(self::frequency(value)?),
                "INTERVAL" => {
                    rule.interval = value.parse().ok().filter(|&n| n > 0).ok_or("its INTERVAL is no number")?;
                }
                "COUNT" => rule.count = Some(value.parse().map_err(|_| "its COUNT is no number")?),
                "UNTIL" => rule.until = Some(until(value)?),
                "WKST" => rule.week_start = weekday(value)?,
                "BYMONTH" => rule.months = numbers(value, 1, 12, false)?,
                "BYWEEKNO" => rule.weeks = numbers(value, 1, 53, true)?,
                "BYYEARDAY" => rule.year_days = numbers(value, 1, 366, true)?,
                "BYMONTHDAY" => rule.month_days = numbers(value, 1, 31, true)?,
                "BYDAY" => rule.days = value.split(',').map(numbered_day).collect::<Result<_, _>>()?,
                "BYHOUR" => rule.hours = numbers(value, 0, 23, false)?,
                "BYMINUTE" => rule.minutes = numbers(value, 0, 59, false)?,
                "BYSECOND" => rule.seconds = numbers(value, 0, 60, false)?,
                "BYSETPOS" => rule.positions = numbers(value, 1, 366, true)?,
                _ => return Err("its rule has a part that is not known here"),
            }
        }
        rule.frequency = frequency.ok_or("its rule says not how often")?;
        let numbered = rule.days.iter().any(|(n, _)| *n != 0);
        if numbered && matches!(rule.frequency, Frequency::Daily | Frequency::Weekly) {
            return Err("its rule numbers the days of a week");
        }
        if rule.times(Time::midnight()).len() > MOST_TIMES {
            return Err("it recurs too often in a day");
        }
        Ok(rule)
    }

    /// The beginnings from `from` to `to`, both included, in order, of an entry that first begins at `start` in `zone`.
    pub fn between(
        &self,
        start: DateTime,
        zone: &TimeZone,
        from: DateTime,
        to: DateTime,
    ) -> Result<Vec<DateTime>, Unclear> {
        let rule = self.anchored(start.date());
        let times = rule.times(start.time());
        let until = self.until.map(|until| until.wall(zone));
        let mut left = self.count.unwrap_or(u32::MAX);
        let mut budget = BUDGET;
        let mut found = Vec::new();
        // Without a count nothing depends on what lies before the window.
        let first = if self.count.is_some() { 0 } else { rule.periods_before(start.date(), from.date()) };
        for period in first.. {
            let Some((first, last)) = rule.period(start.date(), period) else { break };
            if first > to.date() || until.is_some_and(|until| first > until.date()) {
                break;
            }
            let set = rule.set(first, last, &times, &mut budget)?;
            for at in rule.positioned(&set).into_iter().filter(|at| *at >= start) {
                if left == 0 || until.is_some_and(|until| at > until) {
                    return Ok(found);
                }
                left -= 1;
                if from <= at && at <= to {
                    found.push(at);
                }
            }
            if found.len() > MOST {
                return Err("it recurs too often");
            }
        }
        Ok(found)
    }

    /// The rule with what it leaves to the first beginning.
    fn anchored(&self, start: Date) -> Self {
        let mut rule = self.clone();
        let says_days = [&rule.weeks, &rule.year_days, &rule.month_days].iter().any(|list| !list.is_empty());
        if says_days || !rule.days.is_empty() {
            return rule;
        }
        match rule.frequency {
            Frequency::Daily => {}
            Frequency::Weekly => rule.days = vec![(0, start.weekday())],
            Frequency::Monthly => rule.month_days = vec![start.day().into()],
            Frequency::Yearly => {
                if rule.months.is_empty() {
                    rule.months = vec![start.month().into()];
                }
                rule.month_days = vec![start.day().into()];
            }
        }
        rule
    }

    /// The times of a day, in order.
    fn times(&self, start: Time) -> Vec<Time> {
        let or = |list: &Vec<i16>, own: i8| if list.is_empty() { vec![own.into()] } else { list.clone() };
        let (hours, minutes) = (or(&self.hours, start.hour()), or(&self.minutes, start.minute()));
        let seconds = or(&self.seconds, start.second());
        if hours.len() * minutes.len() * seconds.len() > MOST_TIMES {
            return vec![start; MOST_TIMES + 1];
        }
        let mut times = Vec::new();
        for &hour in &hours {
            for &minute in &minutes {
                // A leap second is no time of a clock.
                times.extend(
                    seconds.iter().filter_map(|&s| Time::new(hour as i8, minute as i8, s.min(59) as i8, 0).ok()),
                );
            }
        }
        times.sort_unstable();
        times.dedup();
        times
    }

    /// How many periods from the first may be passed over without missing anything from `from` on.
    fn periods_before(&self, start: Date, from: Date) -> u32 {
        let days = (i64::from(from.year()) - i64::from(start.year())) * 365 - 366;
        let length = match self.frequency {
            Frequency::Daily => 1,
            Frequency::Weekly => 7,
            Frequency::Monthly => 31,
            Frequency::Yearly => 366,
        };
        (days / (length * i64::from(self.interval)) - 1).max(0) as u32
    }

    /// The first and last day of a period; `None` beyond the calendar's end.
    fn period(&self, start: Date, period: u32) -> Option<(Date, Date)> {
        let step = i64::from(period) * i64::from(self.interval);
        let later = |date: Date, span: fn() -> Span, step: i64| {
            // jiff takes no span that is longer than its calendar.
            span().checked_mul(step).ok().and_then(|span| date.checked_add(span).ok())
        };
        match self.frequency {
            Frequency::Daily => later(start, || 1.day(), step).map(|day| (day, day)),
            Frequency::Weekly => {
                let back = start.weekday().since(self.week_start);
                let first = later(start.checked_sub(i64::from(back).days()).ok()?, || 1.week(), step)?;
                Some((first, first.checked_add(6.days()).ok()?))
            }
            Frequency::Monthly => {
                later(start.first_of_month(), || 1.month(), step).map(|first| (first, first.last_of_month()))
            }
            Frequency::Yearly => {
                later(start.first_of_year(), || 1.year(), step).map(|first| (first, first.last_of_year()))
            }
        }
    }

    /// Every beginning of a period, in order.
    fn set(&self, first: Date, last: Date, times: &[Time], budget: &mut u32) -> Result<Vec<DateTime>, Unclear> {
        let mut set = Vec::new();
        let mut day = Some(first);
        while let Some(date) = day.filter(|day| *day <= last) {
            let made = if self.holds_on(date) { times.len() } else { 0 };
            *budget = budget.checked_sub(1 + made as u32).ok_or("its rule takes too long to work out")?;
            if made > 0 {
                set.extend(times.iter().map(|time| date.to_datetime(*time)));
            }
            day = date.tomorrow().ok();
        }
        Ok(set)
    }

    fn positioned(&self, set: &[DateTime]) -> Vec<DateTime> {
        if self.positions.is_empty() {
            return set.to_vec();
        }
        let at = |position: i16| {
            let index = i64::from(position) + if position < 0 { set.len() as i64 } else { -1 };
            usize::try_from(index).ok().and_then(|index| set.get(index).copied())
        };
        let mut chosen: Vec<DateTime> = self.positions.iter().filter_map(|position| at(*position)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn holds_on(&self, date: Date) -> bool {
        let year_length = date.days_in_year();
        (self.months.is_empty() || self.months.contains(&date.month().into()))
            && counted(&self.weeks, self.week_of(date), self.weeks_of_year(date))
            && counted(&self.year_days, date.day_of_year(), year_length)
            && counted(&self.month_days, date.day().into(), date.days_in_month().into())
            && (self.days.is_empty() || self.days.iter().any(|&(n, day)| self.is_day(date, n, day)))
    }

    fn is_day(&self, date: Date, n: i16, weekday: Weekday) -> bool {
        if date.weekday() != weekday {
            return false;
        }
        // Of the month, unless a year is counted through.
        let (day, length) = if self.frequency == Frequency::Yearly && self.months.is_empty() {
            (date.day_of_year(), date.days_in_year())
        } else {
            (date.day().into(), date.days_in_month().into())
        };
        match n {
            0 => true,
            1.. => (day - 1) / 7 + 1 == n,
            _ => (length - day) / 7 + 1 == -n,
        }
    }

    /// The fourth day of the week that `date` is in: a week belongs to the year that has most of it.
    fn middle_of_week(&self, date: Date) -> Option<Date> {
        let back = i64::from(date.weekday().since(self.week_start));
        date.checked_add((3 - back).days()).ok()
    }

    fn week_of(&self, date: Date) -> i16 {
        self.middle_of_week(date).map_or(1, |middle| (middle.day_of_year() - 1) / 7 + 1)
    }

    /// How many weeks the year has that this day's week belongs to: 28 December is always in its last.
    fn weeks_of_year(&self, date: Date) -> i16 {
        let year = self.middle_of_week(date).map_or(date.year(), Date::year);
        Date::new(year, 12, 28).map_or(52, |last| self.week_of(last))
    }
}

impl Until {
    fn wall(self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Day(date) => date.at(23, 59, 59, 0),
            Self::Wall(wall) => wall,
            Self::Utc(utc) => TimeZone::UTC.to_timestamp(utc).map_or(utc, |at| zone.to_datetime(at)),
        }
    }
}

/// Whether a list is empty or holds this number, counted from the front or, negative, from behind.
fn counted(list: &[i16], number: i16, length: i16) -> bool {
    list.is_empty() || list.contains(&number) || list.contains(&(number - length - 1))
}

fn frequency(text: &str) -> Result<Frequency, Unclear> {
    match text.trim().to_ascii_uppercase().as_str() {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "HOURLY" | "MINUTELY" | "SECONDLY" => Err("it recurs within a day"),
        _ => Err("its rule says not how often"),
    }
}

fn until(text: &str) -> Result<Until, Unclear> {
    let bad = "its UNTIL is no date or time";
    if let Some(date) = date(text) {
        return Ok(Until::Day(date));
    }
    match text.strip_suffix(['Z', 'z']) {
        Some(utc) => date_time(utc).map(Until::Utc).ok_or(bad),
        None => date_time(text).map(Until::Wall).ok_or(bad),
    }
}

/// `20261201`
pub(super) fn date(text: &str) -> Option<Date> {
    let plain = text.len() == 8 && text.bytes().all(|c| c.is_ascii_digit());
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    plain.then(|| Date::new(number(0..4)?, number(4..6)? as i8, number(6..8)? as i8).ok()).flatten()
}

/// `20261201T140000`; a leap second is the second before it.
pub(super) fn date_time(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(['T', 't'])?;
    let plain = time.len() == 6 && time.bytes().all(|c| c.is_ascii_digit());
    let number = |range: std::ops::Range<usize>| time.get(range)?.parse::<i8>().ok();
    let time = plain.then(|| Time::new(number(0..2)?, number(2..4)?, number(4..6)?.min(59), 0).ok()).flatten()?;
    Some(date(day)?.to_datetime(time))
}

fn numbers(text: &str, least: i16, most: i16, from_behind: bool) -> Result<Vec<i16>, Unclear> {
    let bad = "its rule holds a number that is none or out of range";
    text.split(',')
        .map(|number| {
            let number: i16 = number.trim().parse().map_err(|_| bad)?;
            let fits = (least..=most).contains(&number) || (from_behind && (least..=most).contains(&-number));
            if fits { Ok(number) } else { Err(bad) }
        })
        .collect()
}

/// `MO`, `-1FR`
fn numbered_day(text: &str) -> Result<(i16, Weekday), Unclear> {
    let text = text.trim();
    let split = text.len().checked_sub(2).filter(|at| text.is_char_boundary(*at)).ok_or("its rule names no weekday")?;
    let (number, day) = text.split_at(split);
    let number = if number.is_empty() { 0 } else { numbers(number, 1, 53, true)?[0] };
    Ok((number, weekday(day)?))
}

pub(super) fn weekday(text: &str) -> Result<Weekday, Unclear> {
    match text.trim().to_ascii_uppercase().as_str() {
        "MO" => Ok(Weekday::Monday),
        "TU" => Ok(Weekday::Tuesday),
        "WE" => Ok(Weekday::Wednesday),
        "TH" => Ok(Weekday::Thursday),
        "FR" => Ok(Weekday::Friday),
        "SA" => Ok(Weekday::Saturday),
        "SU" => Ok(Weekday::Sunday),
        _ => Err("its rule names no weekday"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rule, first beginning, window; then the beginnings, as python-dateutil works them out.
    const RECURRENCES: &str = include_str!("../../tests/data/caldav/recurrences.txt");

    fn wall(text: &str) -> DateTime {
        date_time(text).unwrap_or_else(|| panic!("{text:?}"))
    }

    #[test]
    fn rules_are_worked_out_as_another_library_does() {
        let mut seen = 0;
        for line in RECURRENCES.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let [rule, start, from, to, expected] = fields[..] else { panic!("{line}") };
            let found = Rule::read(rule)
                .and_then(|known| known.between(wall(start), &TimeZone::UTC, wall(from), wall(to)))
                .unwrap_or_else(|why| panic!("{rule}: {why}"));
            let expected: Vec<DateTime> = expected.split(',').filter(|text| *text != "-").map(wall).collect();
            assert_eq!(found, expected, "{line}");
            seen += 1;
        }
        assert!(seen > 300, "{seen}");
    }

    #[test]
    fn an_end_in_utc_is_the_end_in_the_entrys_zone() {
        let berlin = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let rule = Rule::read("FREQ=DAILY;UNTIL=20261202T080000Z").unwrap();
        let found = rule.between(wall("20261201T090000"), &berlin, wall("20261101T000000"), wall("20270101T000000"));
        assert_eq!(found.unwrap(), [wall("20261201T090000"), wall("20261202T090000")]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "",
            "COUNT=3",
            "FREQ=HOURLY",
            "FREQ=FORTNIGHTLY",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=-1",
            "FREQ=DAILY;BYDAY=XX",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=MONTHLY;BYDAY=0MO",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=YEARLY;BYEASTER=0",
            "RSCALE=HEBREW;FREQ=YEARLY",
            "FREQ=DAILY;UNTIL=soon",
            "FREQ=DAILY;COUNT=many",
            "FREQ",
            "FREQ=MONTHLY;BYDAY=é",
            "FREQ=MONTHLY;BYSETPOS=0",
        ] {
            assert!(Rule::read(wrong).is_err(), "{wrong:?}");
        }
        let every = |most: i16| (0..most).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let busy = format!("FREQ=DAILY;BYHOUR={};BYMINUTE={};BYSECOND=1,2", every(24), every(60));
        assert_eq!(Rule::read(&busy), Err("it recurs too often in a day"));
    }

    #[test]
    fn a_rule_without_end_is_not_worked_out_without_end() {
        let every = |most: i16| (0..most).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let minutes = Rule::read(&format!("FREQ=DAILY;BYHOUR={};BYMINUTE={};COUNT=4000000000", every(24), every(60)));
        let (from, to) = (wall("20261201T000000"), wall("20261202T000000"));
        let found = minutes.unwrap().between(wall("00010101T000000"), &TimeZone::UTC, from, to);
        assert_eq!(found, Err("its rule takes too long to work out"));
        let never = Rule::read("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").unwrap();
        assert_eq!(never.between(wall("20200101T000000"), &TimeZone::UTC, from, to), Ok(vec![]));
        let ancient = Rule::read("FREQ=DAILY;COUNT=4000000000").unwrap();
        assert_eq!(ancient.between(wall("16010101T100000"), &TimeZone::UTC, from, to).unwrap().len(), 1);
        let far = Rule::read("FREQ=YEARLY;INTERVAL=60000").unwrap();
        assert_eq!(far.between(wall("20200101T000000"), &TimeZone::UTC, from, to), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_rule_panics(text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY);)?((BYDAY|BYMONTHDAY|BYSETPOS|COUNT|INTERVAL|BYWEEKNO|UNTIL)=[-0-9A-Z,]{0,6};){0,3}.{0,5}") {
            if let Ok(rule) = Rule::read(&text) {
                let found = rule.between(wall("20200229T093000"), &TimeZone::UTC, wall("20261201T000000"), wall("20270101T000000"));
                if let Ok(found) = found {
                    prop_assert!(found.is_sorted(), "{text}: {found:?}");
                }
            }
        }
    }
}

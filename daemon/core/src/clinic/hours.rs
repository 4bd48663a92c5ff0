//! Wall time: spans of a day, the week, and days that are different.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};

/// Minutes of a day, 0 to 1440; 1440 is the midnight that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u16);

impl Minute {
    /// The midnight that ends a day.
    pub const END_OF_DAY: Self = Self(24 * 60);

    /// That minute of a day; `None` beyond 1440.
    pub const fn of(minute: u16) -> Option<Self> {
        if minute <= Self::END_OF_DAY.0 { Some(Self(minute)) } else { None }
    }

    /// Reads `08:30`; `24:00` is the end of the day. Exactly two digits on each side.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| {
            let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<u8>().ok()).flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (minutes < 60).then(|| Self::of(u16::from(hours) * 60 + u16::from(minutes))).flatten()
    }

    /// The minute in which a wall time lies.
    pub fn of_time(time: Time) -> Self {
        Self(time.hour() as u16 * 60 + time.minute() as u16)
    }

    /// Minutes since the beginning of the day.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A span of a day, half open: what ends at 10:00 does not touch what begins then. `from` is before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    /// First minute.
    pub from: Minute,
    /// First minute after it.
    pub to: Minute,
}

impl Hours {
    /// From one minute to a later one; `None` if it is not later.
    pub fn new(from: Minute, to: Minute) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// The same spans in order; `Err` names two that overlap.
    pub fn in_order(mut hours: Vec<Self>) -> Result<Vec<Self>, (Self, Self)> {
        hours.sort_unstable();
        match hours.windows(2).find(|pair| pair[1].from < pair[0].to) {
            Some(pair) => Err((pair[0], pair[1])),
            None => Ok(hours),
        }
    }

    /// How many minutes it has.
    pub fn minutes(&self) -> u16 {
        self.to.get() - self.from.get()
    }

    /// Whether that minute lies within.
    pub fn contain(&self, minute: Minute) -> bool {
        self.from <= minute && minute < self.to
    }

    /// The common part of two spans, if they share a minute.
    pub fn common(&self, other: &Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }
}

impl fmt::Display for Hours {
    /// `08:00-12:30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// The hours of each day of a week, in order and without overlaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Week([Vec<Hours>; 7]);

impl Week {
    /// The hours of one day, replacing what was there. They are sorted; `Err` names two that overlap.
    pub fn set(&mut self, day: Weekday, hours: Vec<Hours>) -> Result<(), (Hours, Hours)> {
        self.0[index(day)] = Hours::in_order(hours)?;
        Ok(())
    }

    /// The hours of a day; empty when there are none.
    pub fn on(&self, day: Weekday) -> &[Hours] {
        &self.0[index(day)]
    }

    /// Whether no day has any.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }
}

fn index(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

/// Days that are not like the others of their weekday. What is written here replaces the week's hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayException {
    /// First day.
    pub from: Date,
    /// Last day, included; not before `from`.
    pub to: Date,
    /// Why, as it may be said to callers: `Christmas Day`; empty if nothing is said of it.
    pub name: String,
    /// The hours of these days, in order; none when closed.
    pub hours: Vec<Hours>,
}

impl DayException {
    /// Whether it holds on that day.
    pub fn holds_on(&self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str) -> Hours {
        Hours::new(Minute::parse(from).unwrap(), Minute::parse(to).unwrap()).unwrap()
    }

    #[test]
    fn a_time_of_day_is_read_strictly() {
        for good in ["00:00", "08:30", "23:59", "24:00"] {
            assert_eq!(Minute::parse(good).unwrap().to_string(), good);
        }
        for wrong in ["", "8:30", "08:60", "24:01", "25:00", "08.30", "+8:30", "08:3x", "0830"] {
            assert_eq!(Minute::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn hours_of_a_day_touch_and_do_not_overlap() {
        let mut week = Week::default();
        week.set(Weekday::Monday, vec![hours("13:00", "17:00"), hours("08:00", "13:00")]).unwrap();
        assert_eq!(week.on(Weekday::Monday)[0], hours("08:00", "13:00"), "in order");
        assert!(week.on(Weekday::Sunday).is_empty());
        assert!(week.set(Weekday::Friday, vec![hours("08:00", "13:00"), hours("12:59", "17:00")]).is_err());
    }
}

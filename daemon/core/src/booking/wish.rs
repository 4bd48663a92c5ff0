//! What a caller would like: what, with whom, on which days, at which time of day.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clinic::hours::{Hours, Minute};
use crate::clinic::ids::{PractitionerId, TypeId};

/// A part of the day, by when an appointment begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DayPart {
    /// Whenever.
    #[default]
    Any,
    /// Before noon.
    Morning,
    /// From noon to five.
    Afternoon,
    /// From five on.
    Evening,
}

/// Noon.
pub(super) const NOON: u16 = 12 * 60;
/// When the evening begins.
pub(super) const EVENING: u16 = 17 * 60;

impl DayPart {
    /// Reads `any`, `morning`, `afternoon` or `evening`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "morning" => Some(Self::Morning),
            "afternoon" => Some(Self::Afternoon),
            "evening" => Some(Self::Evening),
            _ => None,
        }
    }

    /// Its first minute and the first after it.
    fn minutes(self) -> (u16, u16) {
        match self {
            Self::Any => (0, Minute::END_OF_DAY.get()),
            Self::Morning => (0, NOON),
            Self::Afternoon => (NOON, EVENING),
            Self::Evening => (EVENING, Minute::END_OF_DAY.get()),
        }
    }
}

/// What a caller would like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What is to be done.
    pub kind: TypeId,
    /// By whom, if it matters to them.
    pub practitioner: Option<PractitionerId>,
    /// First day.
    pub from: Date,
    /// Last day, included; not before `from`.
    pub to: Date,
    /// Part of the day.
    pub day_part: DayPart,
    /// It begins then or later.
    pub earliest: Option<Minute>,
    /// It begins then or earlier.
    pub latest: Option<Minute>,
}

impl Wish {
    /// Any time on these days, with anybody.
    pub fn on(kind: TypeId, from: Date, to: Date) -> Self {
        Self { kind, practitioner: None, from, to, day_part: DayPart::Any, earliest: None, latest: None }
    }

    /// The minutes of a day at which it may begin. Where part of the day and time contradict each other ("in the morning,
    /// after three"), the time counts.
    pub(super) fn beginnings(&self) -> Beginnings {
        let (from, to) = self.day_part.minutes();
        let earliest = self.earliest.map_or(0, Minute::get);
        let latest = self.latest.map_or(Minute::END_OF_DAY.get(), |latest| latest.get() + 1);
        let both = Beginnings { from: from.max(earliest), to: to.min(latest) };
        if both.from < both.to { both } else { Beginnings { from: earliest, to: latest } }
    }
}

/// Minutes of a day at which an appointment may begin, half open; empty if `to` is not after `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginnings {
    pub(super) from: u16,
    pub(super) to: u16,
}

impl Beginnings {
    pub(super) const ANY: Self = Self { from: 0, to: Minute::END_OF_DAY.get() };

    /// Whether something may begin within these hours.
    pub(super) fn touch(self, hours: Hours) -> bool {
        self.from < hours.to.get() && hours.from.get() < self.to
    }

    /// How many minutes a beginning lies outside.
    pub(super) fn distance(self, minute: u16) -> u16 {
        let late = (minute + 1).saturating_sub(self.to);
        self.from.saturating_sub(minute).max(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::world::{date, kind, minute};

    #[test]
    fn a_time_narrows_the_part_of_the_day() {
        let mut wish = Wish::on(kind("checkup"), date("2026-12-01"), date("2026-12-01"));
        assert_eq!(wish.beginnings(), Beginnings::ANY);
        wish.day_part = DayPart::Afternoon;
        wish.earliest = Some(minute("15:00"));
        assert_eq!(wish.beginnings(), Beginnings { from: 900, to: 1020 });
        wish.latest = Some(minute("15:00"));
        assert_eq!(wish.beginnings(), Beginnings { from: 900, to: 901 }, "at three sharp");
        wish.day_part = DayPart::Morning;
        assert_eq!(wish.beginnings(), Beginnings { from: 900, to: 901 }, "the time counts");
    }

    #[test]
    fn the_distance_to_what_was_wished() {
        let wished = Beginnings { from: 600, to: 661 };
        assert_eq!([590, 600, 660, 661, 700].map(|minute| wished.distance(minute)), [10, 0, 0, 1, 40]);
    }
}

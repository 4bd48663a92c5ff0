//! The search itself: beginnings on the grid, what is taken, and which of the free ones are offered.
//! Instants are seconds since 1970 here: thousands of them are compared for one answer.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use smallvec::SmallVec;

use super::{Bookable, MOST_OFFERED, at, ceil, seconds, slot_at};
use crate::booking::appointment::{Busy, Slot};
use crate::booking::opening::{Day, absence, clinic_hours, why_closed, within};
use crate::booking::refusal::Because;
use crate::booking::wish::{Beginnings, Wish};
use crate::clinic::hours::{Hours, Minute};
use crate::clinic::ids::PractitionerId;
use crate::clinic::{AppointmentType, Clinic, Practitioner};

/// Times of the same day are offered that many seconds apart, if there are such.
const APART: u64 = 3600;
/// A day: a longer step leaves the first beginning of each span all the same.
const LONGEST_STEP: u16 = 24 * 60;

/// A beginning that is free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Seconds since 1970.
    start: i64,
    date: Date,
    /// Minute of the day on the wall.
    minute: u16,
    /// Index into the search's practitioners.
    who: usize,
    /// How many pieces of free time it would leave on its two sides: none is best.
    fragments: u8,
}

/// Times that practitioners have, as seconds since 1970.
#[derive(Default, Clone)]
struct Taken {
    /// Busy, in order and without overlaps.
    busy: Vec<(i64, i64)>,
    /// Beginnings of appointments of the type that is counted, in order.
    of_kind: Vec<i64>,
}

pub(super) struct Search<'a> {
    clinic: &'a Clinic,
    kind: &'a AppointmentType,
    who: SmallVec<[&'a Practitioner; 8]>,
    /// One for each of `who`.
    taken: Vec<Taken>,
    /// First second at which it may begin.
    not_before: i64,
    now: i64,
    before: i64,
    /// From the beginning to the end of the practitioner's time.
    after: i64,
    /// Minutes.
    step: u16,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        clinic: &'a Clinic,
        kind: &'a AppointmentType,
        wanted: Option<&PractitionerId>,
        busy: &[Busy],
        now: Timestamp,
    ) -> Self {
        let does_it = |known: &&Practitioner| kind.practitioners.contains(&known.id);
        let is_wanted = |known: &&Practitioner| wanted.is_none_or(|id| known.id == *id);
        let who: SmallVec<_> = clinic.practitioners.iter().filter(does_it).filter(is_wanted).collect();
        let now = ceil(now);
        Self {
            taken: taken(kind, &who, busy),
            clinic,
            kind,
            who,
            not_before: now.saturating_add(seconds(kind.lead)),
            now,
            before: seconds(kind.buffer_before),
            after: seconds(kind.length).saturating_add(seconds(kind.buffer_after)),
            step: u16::try_from(kind.step.as_secs() / 60).unwrap_or(LONGEST_STEP).clamp(1, LONGEST_STEP),
        }
    }

    /// The free beginnings of the first days that have some: as many days as are needed to choose from.
    pub(super) fn candidates(&self, days: Bookable, limits: Beginnings) -> Vec<Candidate> {
        let mut all = Vec::new();
        let mut days_with_some = 0;
        for date in days.dates() {
            let before = all.len();
            self.on(date, limits, &mut all);
            days_with_some += usize::from(all.len() > before);
            if days_with_some >= MOST_OFFERED && all.len() > MOST_OFFERED {
                break;
            }
        }
        all
    }

    fn on(&self, date: Date, limits: Beginnings, all: &mut Vec<Candidate>) {
        let open = clinic_hours(self.clinic, date);
        if !open.iter().any(|hours| limits.touch(*hours)) {
            return;
        }
        let day = Day::new(date, &self.clinic.zone);
        for (who, practitioner) in self.who.iter().enumerate() {
            if self.is_full(who, &day) {
                continue;
            }
            for hours in within(open, practitioner, date).into_iter().filter(|hours| limits.touch(*hours)) {
                self.within(hours, who, &day, limits, all);
            }
        }
    }

    /// Whether that practitioner has the most of it for that day.
    fn is_full(&self, who: usize, day: &Day<'_>) -> bool {
        let (Some(most), Some(whole)) = (self.kind.most_per_day, day.whole()) else { return false };
        let starts = &self.taken[who].of_kind;
        let until = |instant: Timestamp| starts.partition_point(|start| *start < instant.as_second());
        until(whole.to) - until(whole.from) >= usize::from(most)
    }

    /// The free beginnings within one span of opening hours.
    fn within(&self, hours: Hours, who: usize, day: &Day<'_>, limits: Beginnings, all: &mut Vec<Candidate>) {
        let Some((open_from, open_to)) = day.seconds(hours) else { return };
        let busy = &self.taken[who].busy;
        let mut next = busy.partition_point(|(_, to)| *to <= open_from);
        let mut minute = self.on_grid(hours, limits.from);
        while minute < hours.to.get().min(limits.to) {
            let this = minute;
            minute += self.step;
            let start = Minute::of(this).and_then(|minute| day.second(minute));
            let Some(start) = start.filter(|start| *start >= self.not_before) else { continue };
            let (from, to) = (start - self.before, start.saturating_add(self.after));
            if to > open_to {
                break;
            }
            while busy.get(next).is_some_and(|(_, end)| *end <= from) {
                next += 1;
            }
            let right = busy.get(next).map_or(open_to, |(begin, _)| (*begin).min(open_to));
            let left = next.checked_sub(1).map_or(open_from, |last| busy[last].1.max(open_from));
            if from >= left && to <= right {
                let fragments = u8::from(from > left) + u8::from(to < right);
                all.push(Candidate { start, date: day.date(), minute: this, who, fragments });
            } else if let Some((_, end)) = busy.get(next).filter(|_| from >= left) {
                // Nothing begins before what is in the way has ended.
                let resume = day.minute_from(*end + self.before).map(|minute| self.on_grid(hours, minute));
                minute = minute.max(resume.unwrap_or(0));
            }
        }
    }

    /// The first minute of the grid that is not before `minute`.
    fn on_grid(&self, hours: Hours, minute: u16) -> u16 {
        let steps = minute.saturating_sub(hours.from.get()).div_ceil(self.step);
        hours.from.get().saturating_add(steps.saturating_mul(self.step))
    }

    pub(super) fn slot(&self, candidate: Candidate) -> Slot {
        let practitioner = self.who[candidate.who];
        slot_at(self.kind, practitioner, at(candidate.start))
    }

    /// The next free time for a wish that could not be met.
    pub(super) fn next_free(&self, wish: &Wish, bookable: Bookable) -> Option<Slot> {
        let days = Bookable { from: bookable.from.max(wish.from), to: bookable.to };
        let mut all = Vec::new();
        let date = days.dates().find(|date| {
            self.on(*date, Beginnings::ANY, &mut all);
            !all.is_empty()
        })?;
        let limits = if date <= wish.to { wish.beginnings() } else { Beginnings::ANY };
        let nearest =
            all.into_iter().min_by_key(|one| (limits.distance(one.minute), one.start, one.fragments, one.who));
        nearest.map(|candidate| self.slot(candidate))
    }

    /// Why there was nothing: one rule after the other is left out until something would have been there.
    pub(super) fn why_none(&self, days: Bookable, wish: &Wish) -> Because {
        let would_be = |not_before: i64, limits: Beginnings| {
            let empty = self.without_appointments(not_before);
            let mut all = Vec::new();
            days.dates().any(|date| {
                empty.on(date, limits, &mut all);
                !all.is_empty()
            })
        };
        let limits = wish.beginnings();
        if would_be(self.not_before, limits) {
            return Because::FullyBooked;
        }
        if would_be(self.now, limits) {
            return Because::TooSoon(self.kind.lead);
        }
        if would_be(i64::MIN, limits) {
            return Because::Past;
        }
        if would_be(i64::MIN, Beginnings::ANY) {
            return Because::OutsideHours;
        }
        let closed: Option<Vec<_>> = days.dates().map(|date| why_closed(self.clinic, date)).collect();
        let first = closed.and_then(|all| all.into_iter().next());
        first.map_or_else(|| Because::PractitionerAway(self.absence(days)), Because::Closed)
    }

    /// What may be said of the absence of the only one who was asked for; of several it would be said of the wrong one.
    fn absence(&self, days: Bookable) -> String {
        let [one] = self.who[..] else { return String::new() };
        let names = days.dates().find_map(|date| absence(one, date));
        names.unwrap_or_default().to_owned()
    }

    fn without_appointments(&self, not_before: i64) -> Self {
        let taken = vec![Taken::default(); self.who.len()];
        Self { who: self.who.clone(), taken, not_before, ..*self }
    }
}

/// What keeps each of `who`, merged and in order.
fn taken(kind: &AppointmentType, who: &[&Practitioner], busy: &[Busy]) -> Vec<Taken> {
    let index: HashMap<&PractitionerId, usize> = who.iter().enumerate().map(|(at, known)| (&known.id, at)).collect();
    let share = busy.len() / who.len().max(1);
    let empty = |_: &&Practitioner| Taken { busy: Vec::with_capacity(share), of_kind: Vec::new() };
    let mut all: Vec<Taken> = who.iter().map(empty).collect();
    // The book tells of one after the other: most are the same one's as the one before.
    let mut last: Option<(&PractitionerId, Option<usize>)> = None;
    for one in busy {
        let at = match last {
            Some((id, at)) if *id == one.practitioner => at,
            _ => index.get(&one.practitioner).copied(),
        };
        last = Some((&one.practitioner, at));
        let Some(taken) = at.map(|at| &mut all[at]) else { continue };
        taken.busy.push((one.span.from.as_second(), ceil(one.span.to)));
        if kind.most_per_day.is_some() && one.kind.as_ref() == Some(&kind.id) {
            taken.of_kind.push(patient_from(kind, one));
        }
    }
    for taken in &mut all {
        taken.busy.sort_unstable();
        taken.busy.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        taken.of_kind.sort_unstable();
    }
    all
}

/// When the patient of an appointment of that type comes, in seconds since 1970.
pub(super) fn patient_from(kind: &AppointmentType, busy: &Busy) -> i64 {
    busy.span.from.as_second().saturating_add(seconds(kind.buffer_before))
}

/// At most three: the earliest of all; then the earliest of days that are not offered yet; then the earliest that are an
/// hour or more from those chosen; then whatever else begins at another time. Of several at the same time comes first who
/// was offered least, then what leaves the fewest fragments, then whoever the clinic names first.
pub(super) fn choose(all: &[Candidate]) -> Vec<Candidate> {
    const RULES: [fn(&Candidate, &Candidate) -> bool; 3] = [
        |one, other| one.date != other.date,
        |one, other| one.start.abs_diff(other.start) >= APART,
        |one, other| one.start != other.start,
    ];
    let mut chosen: Vec<Candidate> = Vec::with_capacity(MOST_OFFERED);
    for rule in RULES {
        while chosen.len() < MOST_OFFERED {
            let fits = |one: &&Candidate| chosen.iter().all(|other| rule(one, other));
            let offered = |who: usize| chosen.iter().filter(|other| other.who == who).count();
            let best = all.iter().filter(fits).min_by_key(|one| (one.start, offered(one.who), one.fragments, one.who));
            let Some(best) = best.copied() else { break };
            chosen.push(best);
        }
    }
    chosen.sort_unstable_by_key(|one| one.start);
    chosen
}

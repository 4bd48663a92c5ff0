//! Which times are free for a wish, and why there are none.
//!
//! A time is free when it begins on the grid of a span of opening hours, the practitioner's time for it (with the buffers)
//! lies within that span and overlaps with nothing, it is neither too soon nor too far, and the practitioner has not had
//! the most of it for that day. Nothing runs past midnight.
//!
//! What is offered is explained in [`choose`].

mod search;

use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::{Span as Period, Timestamp, ToSpan};

use super::appointment::{Busy, Slot, Span};
use super::opening::{Day, practitioner_hours};
use super::refusal::{Because, DateRefusal, NoSlots, Refusal};
use super::wish::Wish;
use crate::clinic::{AppointmentType, Clinic, Practitioner};
use search::{Search, choose, patient_from};

/// How many times are offered at once: more than a listener can keep in mind.
pub const MOST_OFFERED: usize = 3;

/// Days that are looked at first.
const NEAR: i64 = 14;

/// Free times for a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// One to three, in the order of their beginnings; the first is the earliest that there is.
    pub slots: Vec<Slot>,
    /// Whether there are others.
    pub more: bool,
}

impl Found {
    /// Whether the days behind those that were looked at would change nothing: the offers are on different days already, and
    /// there are others.
    pub fn is_enough(&self, clinic: &Clinic) -> bool {
        let date = |slot: &Slot| slot.time.from.to_zoned(clinic.zone.clone()).date();
        let mut dates: Vec<Date> = self.slots.iter().map(date).collect();
        dates.dedup();
        self.more && dates.len() == MOST_OFFERED
    }
}

/// The free times for a wish. `busy` must cover [`window`]; its order does not matter.
///
/// Fails with [`Refusal::UnknownType`], [`Refusal::NeedsHuman`] for what only a person books,
/// [`Refusal::UnknownPractitioner`], [`DateRefusal::Reversed`], or [`Refusal::NoSlots`] with the reason and the next free
/// time.
pub fn free(clinic: &Clinic, wish: &Wish, busy: &[Busy], now: Timestamp) -> Result<Found, Refusal> {
    let kind = clinic.appointment_type(&wish.kind).ok_or(Refusal::UnknownType)?;
    if kind.needs_human {
        return Err(Refusal::NeedsHuman);
    }
    if wish.to < wish.from {
        return Err(DateRefusal::Reversed.into());
    }
    let wanted = wish.practitioner.as_ref();
    if wanted.is_some_and(|id| clinic.practitioner(id).is_none()) {
        return Err(Refusal::UnknownPractitioner { kind: Some(kind.id.clone()) });
    }
    let bookable = Bookable::of(clinic, kind, now);
    if wanted.is_some_and(|id| !kind.practitioners.contains(id)) {
        let anybody = Search::new(clinic, kind, None, busy, now);
        let next_free = anybody.next_free(wish, bookable);
        return Err(none(wish, Because::NotDone, next_free).into());
    }
    let search = Search::new(clinic, kind, wanted, busy, now);
    let Some(days) = bookable.within(wish) else {
        let because = if wish.to < bookable.from { Because::Past } else { Because::TooFar(bookable.to) };
        return Err(none(wish, because, search.next_free(wish, bookable)).into());
    };
    let all = search.candidates(days, wish.beginnings());
    if all.is_empty() {
        return Err(none(wish, search.why_none(days, wish), search.next_free(wish, bookable)).into());
    }
    let chosen = choose(&all);
    let more = all.len() > chosen.len();
    Ok(Found { slots: chosen.into_iter().map(|candidate| search.slot(candidate)).collect(), more })
}

/// The time of which everything busy must be known to answer a wish: from the first day that counts to the last that can
/// be booked, since a wish that cannot be met is answered with the next free time. Whole days: some types are counted per
/// day.
pub fn window(clinic: &Clinic, wish: &Wish, now: Timestamp) -> Span {
    let bookable = match clinic.appointment_type(&wish.kind) {
        Some(kind) => Bookable::of(clinic, kind, now),
        None => Bookable::days(clinic, 0, now),
    };
    let from = wish.from.clamp(bookable.from, bookable.to);
    Span {
        from: midnight(clinic, from),
        to: bookable.to.tomorrow().map_or(Timestamp::MAX, |date| midnight(clinic, date)),
    }
}

/// The first two weeks of a wish, and the time of which everything busy must be known for them; nothing for a wish that is no
/// longer. What [`free`] finds in them is the answer to the wish if it [is enough](Found::is_enough). Most books have
/// free times soon, and what is behind them need not be read for everybody.
pub fn near(clinic: &Clinic, wish: &Wish, now: Timestamp) -> Option<(Wish, Span)> {
    let kind = clinic.appointment_type(&wish.kind)?;
    let days = Bookable::of(clinic, kind, now).within(wish)?;
    let end = days.from.checked_add(NEAR.days()).ok().filter(|end| *end <= days.to)?;
    let span = Span { from: midnight(clinic, days.from), to: midnight(clinic, end) };
    Some((Wish { to: end.yesterday().ok()?, ..wish.clone() }, span))
}

/// When a date begins, which is not at midnight everywhere.
fn midnight(clinic: &Clinic, date: Date) -> Timestamp {
    let midnight = clinic.zone.to_ambiguous_timestamp(date.to_datetime(Time::midnight()));
    midnight.compatible().unwrap_or(Timestamp::MAX)
}

/// Whether a time that was offered can still be had: asked again when it is held and when it is booked. `busy` must cover
/// the local day on which it begins, without the hold or the appointment that it is for.
///
/// How long ahead it must be booked is not asked again: that was kept when it was offered. [`Refusal::UnknownSlot`] when
/// its time has come or the clinic does not have it any more, [`Refusal::SlotTaken`] when somebody else has it or the
/// hours have changed.
pub fn still_free(clinic: &Clinic, slot: &Slot, busy: &[Busy], now: Timestamp) -> Result<(), Refusal> {
    let kind = clinic.appointment_type(&slot.kind).ok_or(Refusal::UnknownSlot)?;
    let practitioner = clinic.practitioner(&slot.practitioner).ok_or(Refusal::UnknownSlot)?;
    if !kind.practitioners.contains(&slot.practitioner) || slot.time.from < now {
        return Err(Refusal::UnknownSlot);
    }
    let day = Day::new(slot.time.from.to_zoned(clinic.zone.clone()).date(), &clinic.zone);
    let open = practitioner_hours(clinic, practitioner, day.date());
    let mut spans = open.iter().filter_map(|hours| day.span(*hours));
    let within = spans.any(|open| open.from <= slot.busy.from && slot.busy.to <= open.to);
    let taken = theirs(busy, slot).any(|other| other.span.overlaps(&slot.busy));
    let full = kind.most_per_day.is_some_and(|most| of_that_day(kind, slot, busy, &day) >= usize::from(most));
    if within && !taken && !full { Ok(()) } else { Err(Refusal::SlotTaken) }
}

/// What keeps the practitioner of `slot`.
fn theirs<'a>(busy: &'a [Busy], slot: &Slot) -> impl Iterator<Item = &'a Busy> {
    busy.iter().filter(|other| other.practitioner == slot.practitioner)
}

/// How many of its type the practitioner of `slot` has on that day.
fn of_that_day(kind: &AppointmentType, slot: &Slot, busy: &[Busy], day: &Day<'_>) -> usize {
    let Some(whole) = day.whole() else { return 0 };
    let seconds = whole.from.as_second()..whole.to.as_second();
    let of_kind = theirs(busy, slot).filter(|other| other.kind.as_ref() == Some(&slot.kind));
    of_kind.filter(|other| seconds.contains(&patient_from(kind, other))).count()
}

fn none(wish: &Wish, because: Because, next_free: Option<Slot>) -> NoSlots {
    NoSlots { kind: wish.kind.clone(), practitioner: wish.practitioner.clone(), because, next_free }
}

/// Days, both included.
#[derive(Clone, Copy)]
struct Bookable {
    from: Date,
    to: Date,
}

impl Bookable {
    /// Today and the days for which this may be booked.
    fn of(clinic: &Clinic, kind: &AppointmentType, now: Timestamp) -> Self {
        Self::days(clinic, kind.horizon_days, now)
    }

    fn days(clinic: &Clinic, ahead: u16, now: Timestamp) -> Self {
        let today = now.to_zoned(clinic.zone.clone()).date();
        Self { from: today, to: today.saturating_add(Period::new().days(i64::from(ahead))) }
    }

    /// Those that are wished.
    fn within(self, wish: &Wish) -> Option<Self> {
        let (from, to) = (self.from.max(wish.from), self.to.min(wish.to));
        (from <= to).then_some(Self { from, to })
    }

    fn dates(self) -> impl Iterator<Item = Date> {
        self.from.series(1.day()).take_while(move |date| *date <= self.to)
    }
}

/// The offer of a type with a practitioner from that instant.
pub(super) fn slot_at(kind: &AppointmentType, practitioner: &Practitioner, from: Timestamp) -> Slot {
    let second = from.as_second();
    let end = second.saturating_add(seconds(kind.length));
    Slot {
        kind: kind.id.clone(),
        practitioner: practitioner.id.clone(),
        location: practitioner.location.clone(),
        time: Span { from, to: at(end) },
        busy: Span {
            from: at(second.saturating_sub(seconds(kind.buffer_before))),
            to: at(end.saturating_add(seconds(kind.buffer_after))),
        },
    }
}

fn at(second: i64) -> Timestamp {
    let in_time = second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(in_time).unwrap_or(Timestamp::MAX)
}

fn ceil(instant: Timestamp) -> i64 {
    instant.as_second() + i64::from(instant.subsec_nanosecond() > 0)
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;

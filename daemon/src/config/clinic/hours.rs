//! Weeks and the days that are different, as they are written.

use frontdesk_core::clinic::hours::{DayException, Hours, Week};
use jiff::civil::{Date, Weekday};

use super::super::complaint::Place;
use super::super::section::Section;
use super::super::value;
use super::MAX_NAME_CHARS;

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
/// A day that is further away was probably meant to be another.
const PLAUSIBLE_YEARS: i16 = 5;

/// `monday = ["08:00-12:30", "13:30-18:00"]` and so on; a day that is not written has no hours.
pub(super) fn week(mut section: Section<'_>) -> Week {
    let mut week = Week::default();
    for (key, day) in DAYS {
        // They do not overlap, so the week takes them.
        let _ = week.set(day, spans(&mut section, key));
    }
    section.finish();
    week
}

/// The `hours` of somebody who answers, if they are written; without them they answer at any time.
pub(super) fn of_somebody(item: &mut Section<'_>) -> Option<Week> {
    let place = item.place("hours");
    let before = item.out.errors.len();
    let hours = item.nested("hours").map(week);
    if hours.as_ref().is_some_and(Week::is_empty) && item.out.errors.len() == before {
        let key = item.name("hours");
        item.out.error(place, key, "has no day", "write one, or leave hours out: then they answer at any time");
    }
    hours
}

/// The spans that `key` lists, in order; none where they overlap, which is complained about.
pub(super) fn spans(section: &mut Section<'_>, key: &'static str) -> Vec<Hours> {
    let (place, name) = (section.place(key), section.name(key));
    let spans = section.list(key, value::hours).into_iter().map(|(_, span)| span).collect();
    Hours::in_order(spans).unwrap_or_else(|(first, second)| {
        let found = format!("has {first} and {second}, which overlap");
        section.out.error(place, name, found, "make one of them, or let the second begin where the first ends");
        Vec::new()
    })
}

/// `[[closures]]` or `[[practitioners.leave]]`, in order.
pub(super) fn exceptions(section: &mut Section<'_>, key: &'static str, today: Date) -> Vec<DayException> {
    let mut all: Vec<(Place, String, DayException)> = Vec::new();
    for item in section.items(key) {
        let place = item.place.clone();
        if let Some(mut item) = section.item(key, item) {
            let name = item.name("");
            if let Some(exception) = exception(&mut item, today) {
                all.push((place, name.trim_end().to_owned(), exception));
            }
            item.finish();
        }
    }
    all.sort_by_key(|(_, _, exception)| exception.from);
    let mut longest: Option<&(Place, String, DayException)> = None;
    for this in &all {
        let (place, name, exception) = this;
        if let Some((other, _, earlier)) = longest
            && exception.from <= earlier.to
        {
            let found =
                format!("holds on {} as the one in line {} does", exception.from, other.line.unwrap_or_default());
            section.out.error(Some(place.clone()), name, found, "let every day be in one of them only");
        }
        if longest.is_none_or(|(_, _, earlier)| earlier.to < exception.to) {
            longest = Some(this);
        }
    }
    all.into_iter().map(|(_, _, exception)| exception).collect()
}

fn exception(item: &mut Section<'_>, today: Date) -> Option<DayException> {
    let (on, until) = (item.place("date"), item.place("to"));
    let (is_from, to_name) = (item.place("from").is_some(), item.name("to"));
    match (&on, is_from || until.is_some()) {
        (None, false) => {
            let remedy = "write the day: date = \"2026-12-25\"; or the first and the last: from = …, to = …";
            item.require("date", remedy);
        }
        (Some(place), true) => {
            let name = item.name("date");
            item.out.error(Some(place.clone()), name, "stands beside from or to", "write date, or from and to");
        }
        (None, true) => {
            item.require("from", "write the first day too");
            item.require("to", "write the last day too");
        }
        (Some(_), false) => {}
    }
    let date = item.date("date", value::date);
    let (from, to) = (item.date("from", value::date), item.date("to", value::date));
    let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
    let hours = spans(item, "hours");
    let (from, to) = (date.or(from)?, date.or(to)?);
    if to < from {
        item.out.error(until, to_name, format!("= \"{to}\" comes before from = \"{from}\""), "exchange them");
        return None;
    }
    let whole = item.name("");
    let here = item.here();
    if to < today {
        item.out.advise(Some(here), whole.trim_end(), format!("ended on {to}"), "remove it, or write the next one");
    } else if from.year() > today.year() + PLAUSIBLE_YEARS {
        item.out.advise(Some(here), whole.trim_end(), format!("begins on {from}"), "see whether that year is meant");
    }
    Some(DayException { from, to, name, hours })
}

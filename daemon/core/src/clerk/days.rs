//! Which days a caller means, from what the model has worked out and from the caller's own words. Neither is believed
//! alone: a date must lie on its weekday, and where the words say something else than the date, somebody has to ask.

use jiff::civil::{Date, Weekday};
use jiff::{Span, Zoned};

use crate::booking::refusal::DateRefusal;
use crate::booking::spoken::Language;
use crate::booking::when::{self, Resolved};
use crate::booking::wish::DayPart;
use crate::clinic::hours::Minute;
use crate::tools::request::Wish;

/// Days looked at when the caller named none.
const ANY_DAY: i64 = 90;

/// When a caller would like to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) part: DayPart,
    pub(super) earliest: Option<Minute>,
    pub(super) latest: Option<Minute>,
}

/// What is meant, at that moment in the clinic's zone. `settled` if these very words were asked about already: then the
/// model's date is the answer to that.
pub(super) fn meant(asked: &Wish, language: Language, now: &Zoned, settled: bool) -> Result<Meant, DateRefusal> {
    let today = now.date();
    let dated = asked.from.map(|from| dated(from, asked, today)).transpose()?;
    let words = asked.heard.as_deref().map(|heard| when::resolve(heard, language, now));
    let words = match (words, dated) {
        // A date that the model is sure of outweighs words that speak of the past as well.
        (Some(Err(_)) | None, Some(_)) | (None, None) => Resolved::default(),
        (Some(Err(refusal)), None) => return Err(refusal),
        (Some(Ok(words)), _) => words,
    };
    let (from, to) = match (dated, words.days.first(), words.days.last()) {
        (Some((from, to)), ..) if settled || words.agrees_with(from, to) => (from, to),
        (Some((from, _)), ..) => {
            let mut candidates: Vec<Date> = words.days.iter().map(|days| days.from).chain([from]).collect();
            candidates.sort_unstable();
            return Err(DateRefusal::Ambiguous { candidates });
        }
        (None, Some(first), Some(last)) => match words.question() {
            Some(question) => return Err(question),
            None => (first.from, last.to),
        },
        (None, ..) => (today, today.saturating_add(Span::new().days(ANY_DAY))),
    };
    Ok(Meant {
        from,
        to,
        part: if asked.part == DayPart::Any { words.day_part } else { asked.part },
        earliest: asked.earliest.or(words.earliest),
        latest: asked.latest.or(words.latest),
    })
}

/// The days that the model has named, from today on.
fn dated(from: Date, asked: &Wish, today: Date) -> Result<(Date, Date), DateRefusal> {
    let to = asked.to.unwrap_or(from);
    if let Some(weekday) = asked.weekday.filter(|named| *named != from.weekday()) {
        let checked = when::check(&from.to_string(), english(weekday), today);
        return checked.map(|date| (date, to));
    }
    if to < from {
        return Err(DateRefusal::Reversed);
    }
    if to < today {
        return Err(DateRefusal::InPast { date: to, today });
    }
    Ok((from.max(today), to))
}

fn english(day: Weekday) -> &'static str {
    crate::booking::spoken::say_weekday(day, Language::English)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn wish(from: Option<Date>, weekday: Option<Weekday>, heard: &str) -> Wish {
        Wish {
            kind: "check-up".into(),
            practitioner: None,
            practitioner_heard: None,
            from,
            weekday,
            to: None,
            part: DayPart::Any,
            earliest: None,
            latest: None,
            heard: (!heard.is_empty()).then(|| heard.to_owned()),
            instead_of: None,
        }
    }

    /// Friday, ten in the morning.
    fn meant(wish: &Wish, settled: bool) -> Result<Meant, DateRefusal> {
        let now = date(2026, 11, 27).at(10, 0, 0, 0).in_tz("Europe/Berlin").unwrap();
        super::meant(wish, Language::English, &now, settled)
    }

    const TUESDAY: Date = date(2026, 12, 1);

    #[test]
    fn a_date_on_another_weekday_is_asked_about() {
        assert!(meant(&wish(Some(TUESDAY), Some(Weekday::Tuesday), ""), false).is_ok());
        let wrong = meant(&wish(Some(TUESDAY), Some(Weekday::Monday), ""), false);
        assert_eq!(wrong.unwrap_err().code(), "weekday_mismatch");
    }

    #[test]
    fn what_is_past_or_turned_around_is_refused_and_what_began_goes_on_from_today() {
        let yesterday = date(2026, 11, 26);
        assert_eq!(meant(&wish(Some(yesterday), None, ""), false).unwrap_err().code(), "date_in_past");
        let to = |to| Wish { to: Some(to), ..wish(Some(yesterday), None, "") };
        assert_eq!(meant(&to(date(2026, 11, 25)), false).unwrap_err(), DateRefusal::Reversed);
        let meant = meant(&to(TUESDAY), false).unwrap();
        assert_eq!((meant.from, meant.to), (date(2026, 11, 27), TUESDAY));
    }

    #[test]
    fn the_callers_words_are_read_where_the_model_has_no_date() {
        let tomorrow = meant(&wish(None, None, "tomorrow afternoon please"), false).unwrap();
        assert_eq!((tomorrow.from, tomorrow.to), (date(2026, 11, 28), date(2026, 11, 28)));
        assert_eq!(tomorrow.part, DayPart::Afternoon);
        let whenever = meant(&wish(None, None, "as soon as you can"), false).unwrap();
        assert_eq!((whenever.from, whenever.to), (date(2026, 11, 27), date(2027, 2, 25)));
    }

    #[test]
    fn where_words_and_date_disagree_somebody_asks_once() {
        let other = wish(Some(date(2026, 12, 10)), None, "tomorrow");
        let DateRefusal::Ambiguous { candidates } = meant(&other, false).unwrap_err() else { panic!("they disagree") };
        assert_eq!(candidates, [date(2026, 11, 28), date(2026, 12, 10)]);
        assert_eq!(meant(&other, true).unwrap().from, date(2026, 12, 10), "the model has asked");
    }
}

//! Days by their number: "the 3rd", "3 December", "3/12", and months.

use jiff::civil::Date;

use super::{Found, Kind, Mention, Reader};
use crate::booking::refusal::DateRefusal;
use crate::booking::spoken::Language;
use crate::booking::when::Days;
use crate::booking::when::lex::Token;
use crate::booking::when::words;

impl Reader<'_> {
    /// A day of the calendar, or a month.
    pub(super) fn calendar(&self, at: usize) -> Found {
        let Some(token) = self.tokens.get(at) else { return Ok(None) };
        let calendar =
            |end: usize, readings: Vec<Days>| Ok(Some(Mention { readings, start: at, end, kind: Kind::Calendar }));
        match token {
            Token::Date { year, month, day } => calendar(at + 1, vec![Days::one(self.dated(*day, *month, *year)?)]),
            Token::Slash { first, second, year } => calendar(at + 1, self.slashed(*first, *second, *year)?),
            Token::Number { value, ordinal, digits } => {
                let Ok(day) = i8::try_from(*value) else { return Ok(None) };
                if let Some((month, end)) = self.month_after(at + 1, *ordinal) {
                    let (year, end) = self.year_at(end);
                    return calendar(end, vec![Days::one(self.dated(day, month, year)?)]);
                }
                if *ordinal && (1..=31).contains(&day) && self.stands_alone(at, *digits) {
                    return calendar(at + 1, self.day_of_month(day).map(Days::one).into_iter().collect());
                }
                Ok(None)
            }
            Token::Word(word) => match words::month(word, self.language) {
                Some(month) => self.after_month(at, month),
                None => Ok(None),
            },
            Token::Clock(..) | Token::Stop => Ok(None),
        }
    }

    /// The month after the number of a day: "3rd of December", "dritter Dezember", "dritten zwölften".
    fn month_after(&self, at: usize, ordinal: bool) -> Option<(i8, usize)> {
        let at = at + usize::from(self.word(at) == "of") + usize::from(self.word(at) == "day");
        if let Some(month) = words::month(self.word(at), self.language) {
            return Some((month, at + 1));
        }
        let (number, is_ordinal) = self.number(at)?;
        let spoken = self.language == Language::German && ordinal && is_ordinal && (1..=12).contains(&number);
        spoken.then_some((number as i8, at + 1))
    }

    /// "December 3rd", "in December".
    fn after_month(&self, at: usize, month: i8) -> Found {
        let day_at = at + 1 + usize::from(self.word(at + 1) == "the");
        let is_clock = matches!(self.word(day_at + 1), "o'clock" | "am" | "pm" | "uhr");
        if let Some((day @ 1..=31, _)) = self.number(day_at).filter(|_| !is_clock) {
            let (year, end) = self.year_at(day_at + 1);
            let date = self.dated(day as i8, month, year)?;
            return Ok(Some(Mention { readings: vec![Days::one(date)], start: at, end, kind: Kind::Calendar }));
        }
        // "may" and "march" are verbs too.
        let before = at.checked_sub(1).map_or("", |before| self.word(before));
        let named = matches!(
            before,
            "in" | "im" | "of" | "early" | "mid" | "late" | "anfang" | "mitte" | "ende" | "next" | "this"
        );
        if !named && matches!(self.word(at), "may" | "march") {
            return Ok(None);
        }
        let (year, end) = self.year_at(at + 1);
        let days_of =
            |year| Date::new(year, month, 1).ok().map(|first| Days { from: first, to: first.last_of_month() });
        let this_year = self.today.year();
        let next = days_of(year.unwrap_or(this_year)).filter(|days| year.is_some() || days.to >= self.today);
        let readings = next.or_else(|| days_of(this_year + 1)).into_iter().collect();
        Ok(Some(self.found(at, end - at, readings)))
    }

    fn year_at(&self, at: usize) -> (Option<i16>, usize) {
        let year = self.number(at).filter(|(number, _)| (1900..3000).contains(number));
        year.map_or((None, at), |(year, _)| (Some(year as i16), at + 1))
    }

    /// Whether an ordinal is a day and not the first of something else: "the first appointment", "a second".
    fn stands_alone(&self, at: usize, digits: bool) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.word(before));
        let led = matches!(before, "the" | "am" | "den" | "dem" | "der" | "zum" | "vom" | "bis" | "on")
            || at.checked_sub(1).is_some_and(|before| self.weekday_at(before).is_some());
        let ends = match self.tokens.get(at + 1) {
            None | Some(Token::Stop | Token::Clock(..)) => true,
            Some(Token::Word(word)) => {
                words::relation(word, self.language).is_some()
                    || self.weekday_at(at + 1).is_some()
                    || matches!(
                        word.as_str(),
                        "or" | "if" | "please" | "in" | "would" | "is" | "works" | "oder" | "bitte" | "wäre"
                    )
            }
            Some(_) => false,
        };
        (digits && self.language == Language::English) || (led && ends)
    }

    fn dated(&self, day: i8, month: i8, year: Option<i16>) -> Result<Date, DateRefusal> {
        let today = self.today;
        if let Some(year) = year {
            let date = Date::new(year, month, day).map_err(|_| DateRefusal::NoSuchDay)?;
            return if date < today { Err(DateRefusal::InPast { date, today }) } else { Ok(date) };
        }
        // The 29th of February may be eight years away.
        let mut years = (0..=8).filter_map(|ahead| Date::new(today.year().checked_add(ahead)?, month, day).ok());
        years.find(|date| *date >= today).ok_or(DateRefusal::NoSuchDay)
    }

    fn slashed(&self, first: i8, second: i8, year: Option<i16>) -> Result<Vec<Days>, DateRefusal> {
        let day_first = self.dated(first, second, year);
        let month_first = self.dated(second, first, year);
        let both = if self.language == Language::German { vec![day_first] } else { vec![month_first, day_first] };
        let refusal = both.iter().find_map(|date| date.as_ref().err().cloned());
        let mut dates: Vec<_> = both.into_iter().filter_map(Result::ok).map(Days::one).collect();
        dates.dedup();
        match refusal {
            Some(refusal) if dates.is_empty() => Err(refusal),
            _ => Ok(dates),
        }
    }

    /// The next day of that number, in this month or the first after it that has one.
    fn day_of_month(&self, day: i8) -> Option<Date> {
        let months = (0..3).map(|ahead| self.month(ahead).from);
        let mut days = months.filter_map(|first| Date::new(first.year(), first.month(), day).ok());
        days.find(|date| *date >= self.today)
    }
}

//! Days and times, resolved by code: the date that the model passes is checked, and the caller's own words are read, so
//! that neither a slip of the model nor an unclear word books the wrong day.
//!
//! The words are read without understanding them whole: whatever names a day, a time or a part of the day counts, the
//! rest is passed over. Words with two meanings keep both.
//!
//! ```text
//! text ──lex──► tokens ──days──► mentions of days ──┐
//!                  └────clock──► times, parts ──────┴──► Resolved
//! ```

mod clock;
mod days;
mod lex;
mod words;

use jiff::civil::{Date, Weekday};
use jiff::{ToSpan, Zoned};

use super::refusal::DateRefusal;
use super::spoken::Language;
use super::wish::DayPart;
use crate::clinic::hours::Minute;

/// Longest text that is read, in characters; what comes after is not.
const LONGEST: usize = 1_000;

/// Days, both included; `from` is not after `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

impl Days {
    fn one(date: Date) -> Self {
        Self { from: date, to: date }
    }
}

/// What a caller's words say about when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The days that they name, in order, none of them past; empty if they name none. Any of them will do, unless the
    /// words are ambiguous.
    pub days: Vec<Days>,
    /// The same words may mean one of `days` or another: "next Tuesday". It must be asked, or said with the full date.
    pub ambiguous: bool,
    /// The part of the day.
    pub day_part: DayPart,
    /// It should begin then or later.
    pub earliest: Option<Minute>,
    /// It should begin then or earlier.
    pub latest: Option<Minute>,
}

impl Resolved {
    /// Whether days that the model passes can be those that the caller means: always, if the caller named none.
    pub fn agrees_with(&self, from: Date, to: Date) -> bool {
        self.days.is_empty() || self.days.iter().any(|days| days.from <= to && from <= days.to)
    }

    /// The question to ask when the days are ambiguous.
    pub fn question(&self) -> Option<DateRefusal> {
        let candidates = || self.days.iter().map(|days| days.from).collect();
        self.ambiguous.then(|| DateRefusal::Ambiguous { candidates: candidates() })
    }
}

/// Reads a caller's words about when, at that moment in the clinic's zone. They are read in `language`, unless more of
/// them are words of another: not every caller speaks as they were greeted.
///
/// Total: any text has an answer, of however many words, and words that say nothing about when resolve to nothing. Times
/// without a part of the day are those of a clinic: one to six in the afternoon, seven to eleven in the morning. Fails
/// where the words name a day that is over ([`DateRefusal::InPast`]), that does not exist ([`DateRefusal::NoSuchDay`]) or
/// that is not on the weekday which they name with it ([`DateRefusal::WeekdayMismatch`]).
pub fn resolve(text: &str, language: Language, now: &Zoned) -> Result<Resolved, DateRefusal> {
    let text: String = text.chars().take(LONGEST).collect();
    let language = words::spoken(&text, language);
    let tokens = lex::tokens(&text, language);
    let (days, ambiguous) = days::read(&tokens, language, now.date())?;
    let mut resolved = Resolved { days, ambiguous, ..Resolved::default() };
    clock::read(&tokens, language, &mut resolved);
    Ok(resolved)
}

/// Checks a date that the model passes, with the weekday that it believes it to be: `2026-12-01`, `tuesday`.
pub fn check(date: &str, weekday: &str, today: Date) -> Result<Date, DateRefusal> {
    let named = words::weekday(&weekday.trim().to_lowercase(), Language::English).ok_or(DateRefusal::UnknownWeekday)?;
    let date = parse(date.trim())?;
    if date < today {
        return Err(DateRefusal::InPast { date, today });
    }
    on_weekday(date, named, today)
}

/// The date, if it is on that weekday.
fn on_weekday(date: Date, named: Weekday, today: Date) -> Result<Date, DateRefusal> {
    if date.weekday() == named {
        return Ok(date);
    }
    let before = date.saturating_sub(i64::from(date.weekday().since(named)).days());
    let first = if before < today { before.saturating_add(7.days()) } else { before };
    Err(DateRefusal::WeekdayMismatch { date, named, dates: [first, first.saturating_add(7.days())] })
}

/// Reads `2026-12-01`, and nothing else.
pub fn parse(text: &str) -> Result<Date, DateRefusal> {
    let shape = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return Err(DateRefusal::Malformed);
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap_or(0);
    let (month, day) = (number(5..7) as i8, number(8..10) as i8);
    Date::new(number(0..4), month, day).map_err(|_| DateRefusal::NoSuchDay)
}

#[cfg(test)]
#[path = "when_tests.rs"]
mod tests;

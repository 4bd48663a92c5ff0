//! The days that words name. Each run of words that names some is a [`Mention`]; [`spans`] joins them.

mod calendar;
mod spans;

use jiff::civil::{Date, Weekday};
use jiff::{Span as Period, ToSpan};

use super::Days;
use super::lex::Token;
use super::words::{self, Modifier, Unit};
use crate::booking::refusal::DateRefusal;
use crate::booking::spoken::Language;

/// How many days "from Tuesday on" reaches.
const OPEN_END: i32 = 13;

/// Days that some of the words name.
struct Mention {
    /// What they may mean; the words are ambiguous if there is more than one.
    readings: Vec<Days>,
    /// The tokens that they are.
    start: usize,
    end: usize,
    /// A weekday and nothing else, or a day of the calendar.
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Weekday(Weekday),
    Calendar,
    Other,
}

type Found = Result<Option<Mention>, DateRefusal>;

/// The days that the words name, none of them past, and whether the words are ambiguous.
pub(super) fn read(tokens: &[Token], language: Language, today: Date) -> Result<(Vec<Days>, bool), DateRefusal> {
    let reader = Reader { tokens, language, today };
    let mut mentions = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match reader.mention(at) {
            Ok(Some(mention)) => {
                at = mention.end;
                if !reader.is_negated(&mention) {
                    mentions.push(mention);
                }
            }
            Ok(None) => at += 1,
            Err(_) if reader.is_negated_at(at) => at += 1,
            Err(refusal) => return Err(refusal),
        }
    }
    let mentions = reader.joined(reader.dated_weekdays(mentions)?);
    let ambiguous = mentions.iter().any(|mention| mention.readings.len() > 1);
    let mut days: Vec<Days> = mentions.iter().flat_map(|mention| mention.readings.iter().copied()).collect();
    let (named, earliest) = (!days.is_empty(), days.iter().map(|days| days.to).min());
    days.retain(|days| days.to >= today);
    for days in &mut days {
        days.from = days.from.max(today);
    }
    if let (true, true, Some(date)) = (named, days.is_empty(), earliest) {
        return Err(DateRefusal::InPast { date, today });
    }
    days.sort_unstable_by_key(|days| (days.from, days.to));
    days.dedup();
    let ambiguous = ambiguous && days.len() > 1;
    Ok((days, ambiguous))
}

struct Reader<'a> {
    tokens: &'a [Token],
    language: Language,
    today: Date,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", Token::word)
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.word(at + offset) == *word)
    }

    fn number(&self, at: usize) -> Option<(u16, bool)> {
        match self.tokens.get(at)? {
            Token::Number { value, ordinal, .. } => Some((*value, *ordinal)),
            _ => None,
        }
    }

    fn weekday_at(&self, at: usize) -> Option<Weekday> {
        words::weekday(self.word(at), self.language)
    }

    fn unit_at(&self, at: usize) -> Option<Unit> {
        words::unit(self.word(at), self.language)
    }

    fn modifier_at(&self, at: usize) -> Option<Modifier> {
        words::modifier(self.word(at), self.language)
    }

    fn in_days(&self, days: i32) -> Date {
        self.today.saturating_add(days.days())
    }

    /// The first such weekday, today or later.
    fn upcoming(&self, day: Weekday) -> Date {
        self.in_days(i32::from(self.today.weekday().until(day)))
    }

    /// The first such weekday after today.
    fn after_today(&self, day: Weekday) -> Date {
        let date = self.upcoming(day);
        if date == self.today { self.in_days(7) } else { date }
    }

    /// Monday to Sunday of this week or a later one.
    fn week(&self, ahead: i32) -> Days {
        let monday = self.in_days(7 * ahead - i32::from(self.today.weekday().to_monday_zero_offset()));
        Days { from: monday, to: monday.saturating_add(6.days()) }
    }

    /// On a Sunday English speakers do not agree on which week it is.
    fn weeks(&self, ahead: i32) -> Vec<Days> {
        let split = self.language == Language::English && self.today.weekday() == Weekday::Sunday;
        let later = split.then(|| self.week(ahead + 1));
        std::iter::once(self.week(ahead)).chain(later).collect()
    }

    fn month(&self, ahead: i32) -> Days {
        let first = self.today.first_of_month().saturating_add(Period::new().months(ahead));
        Days { from: first, to: first.last_of_month() }
    }

    fn weekend(&self, ahead: i32) -> Days {
        let week = self.week(ahead);
        Days { from: week.from.saturating_add(5.days()), to: week.to }
    }

    fn past(&self, days: i32) -> DateRefusal {
        DateRefusal::InPast { date: self.in_days(-days), today: self.today }
    }

    /// The mention that begins at a token.
    fn mention(&self, at: usize) -> Found {
        if let Some((days, length)) = self.relative(at)? {
            return Ok(Some(self.found(at, length, vec![Days::one(self.in_days(days))])));
        }
        if let Some(found) = self.modified(at)? {
            return Ok(Some(found));
        }
        if let Some((date, end)) = self.period(at) {
            return Ok(Some(self.found(at, end - at, date.into_iter().map(Days::one).collect())));
        }
        if let Some(day) = self.weekday_at(at) {
            return self.weekday(at, day).map(Some);
        }
        self.calendar(at)
    }

    fn found(&self, start: usize, length: usize, readings: Vec<Days>) -> Mention {
        let end = start + length;
        Mention {
            readings: readings.into_iter().map(|days| self.narrowed(start, days)).collect(),
            start,
            end,
            kind: Kind::Other,
        }
    }

    /// Today, tomorrow and the like: days from today, and how many tokens say so.
    fn relative(&self, at: usize) -> Result<Option<(i32, usize)>, DateRefusal> {
        let part = |at| matches!(self.word(at), "morning" | "afternoon" | "evening" | "lunchtime");
        Ok(match (self.language, self.word(at)) {
            (Language::English, "today" | "tonight") | (Language::German, "heute") => {
                // "heute in acht Tagen", "heute morgen"
                if self.period(at + 1).is_some() {
                    None
                } else {
                    Some((0, 1 + usize::from(self.word(at + 1) == "morgen")))
                }
            }
            (Language::English, "this") if part(at + 1) => Some((0, 1)),
            (Language::English, "day") if self.is(at, &["day", "after", "tomorrow"]) => Some((2, 3)),
            (Language::English, "day") if self.is(at, &["day", "before", "yesterday"]) => return Err(self.past(2)),
            (Language::English, "tomorrow") => Some((1, 1)),
            (Language::English, "yesterday") | (Language::German, "gestern") => return Err(self.past(1)),
            (Language::German, "vorgestern") => return Err(self.past(2)),
            (Language::German, "übermorgen" | "uebermorgen") => Some((2, 1)),
            (Language::German, "morgen") if self.is_tomorrow(at) => Some((1, 1)),
            _ => None,
        })
    }

    /// Whether a German "morgen" is the day and not the part of one: "am Morgen", "Dienstag Morgen", "guten Morgen".
    fn is_tomorrow(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        let part_of_day = matches!(self.word(before), "am" | "jeden" | "guten" | "früh" | "frühen" | "den");
        !part_of_day && self.weekday_at(before).is_none()
    }

    /// "next Tuesday", "this week", "the week after next", "at the weekend".
    fn modified(&self, at: usize) -> Found {
        if self.language == Language::English && self.is(at, &["week", "after", "next"]) {
            return Ok(Some(self.found(at, 3, self.weeks(2))));
        }
        if self.unit_at(at) == Some(Unit::Weekend) {
            return Ok(Some(self.found(at, 1, vec![self.weekend(0)])));
        }
        let Some(modifier) = self.modifier_at(at) else { return Ok(None) };
        if let Some(day) = self.weekday_at(at + 1) {
            if modifier == Modifier::Last {
                return Err(self.past((7 - i32::from(self.today.weekday().until(day))).max(1)));
            }
            let (next, later) =
                (self.after_today(day), |weeks: i32| self.after_today(day).saturating_add((7 * weeks).days()));
            let dates = match modifier {
                Modifier::This => vec![self.upcoming(day)],
                Modifier::Next => vec![next, later(1)],
                Modifier::AfterNext => vec![later(1), later(2)],
                Modifier::Coming | Modifier::Last => vec![next],
            };
            return Ok(Some(self.found(at, 2, dates.into_iter().map(Days::one).collect())));
        }
        let Some(unit) = self.unit_at(at + 1) else { return Ok(None) };
        let ahead = match modifier {
            Modifier::This => 0,
            Modifier::Next | Modifier::Coming => 1,
            Modifier::AfterNext => 2,
            Modifier::Last => -1,
        };
        let readings = match unit {
            Unit::Day | Unit::Fortnight => return Ok(None),
            // "in the last week of December" says nothing of this one.
            Unit::Week | Unit::Weekend | Unit::Month if ahead < 0 => return Ok(None),
            Unit::Week => return Ok(Some(self.week_and_day(at, ahead))),
            Unit::Weekend if modifier == Modifier::Next => vec![self.weekend(0), self.weekend(1)],
            Unit::Weekend => vec![self.weekend((ahead - 1).max(0))],
            Unit::Month => vec![self.month(ahead)],
        };
        Ok(Some(self.found(at, 2, readings)))
    }

    /// "next week", and the Tuesday that may follow it.
    fn week_and_day(&self, at: usize, ahead: i32) -> Mention {
        let on = at + 2 + usize::from(words::is_filler(self.word(at + 2)));
        let Some(day) = self.weekday_at(on) else { return self.found(at, 2, self.weeks(ahead)) };
        let readings = self.weeks(ahead).into_iter().map(|week| of_week(week, day)).collect();
        self.found(at, on + 1 - at, readings)
    }

    /// "in two weeks", "three days from now", "a week on Tuesday": what may be meant, and the token after it.
    fn period(&self, at: usize) -> Option<(Vec<Date>, usize)> {
        let begins = self.word(at) == "in";
        let count_at = at + usize::from(begins);
        let count = match self.number(count_at) {
            Some((count, false)) => i32::from(count),
            None if words::is_one(self.word(count_at)) => 1,
            _ => return None,
        };
        let unit = self.unit_at(count_at + 1)?;
        let end = count_at + 2;
        let (base, end) = if begins { (self.today, end) } else { (self.base(end)?, end + 2) };
        let days = |days: i32| base.saturating_add(days.days());
        let dates = match unit {
            // A German week has eight days when it is counted from today.
            Unit::Day if self.language == Language::German && count == 8 => vec![days(7), days(8)],
            Unit::Day => vec![days(count)],
            Unit::Week => vec![days(7 * count)],
            Unit::Fortnight => vec![days(14 * count)],
            Unit::Month => vec![base.saturating_add(Period::new().months(count))],
            Unit::Weekend => return None,
        };
        Some((dates, end))
    }

    /// The day from which a period counts: "from now", "on Tuesday".
    fn base(&self, at: usize) -> Option<Date> {
        match (self.word(at), self.word(at + 1)) {
            ("from", "now" | "today") => Some(self.today),
            ("from", "tomorrow") => Some(self.in_days(1)),
            ("from" | "on", _) => self.weekday_at(at + 1).map(|day| self.upcoming(day)),
            _ => None,
        }
    }

    /// A weekday and what follows it: "Tuesday week", "Tuesday of next week", "Dienstag in einer Woche".
    fn weekday(&self, at: usize, day: Weekday) -> Result<Mention, DateRefusal> {
        if self.language == Language::English && self.word(at + 1) == "week" {
            return Ok(self.found(at, 2, vec![Days::one(self.upcoming(day).saturating_add(7.days()))]));
        }
        if self.language == Language::English && self.is(at + 1, &["after", "next"]) {
            let later = |weeks: i32| Days::one(self.after_today(day).saturating_add((7 * weeks).days()));
            return Ok(self.found(at, 3, vec![later(1), later(2)]));
        }
        let of = at + 1 + usize::from(words::is_filler(self.word(at + 1)) && self.word(at + 1) != "in");
        if let (Some(modifier), Some(Unit::Week)) = (self.modifier_at(of), self.unit_at(of + 1)) {
            let ahead = match modifier {
                Modifier::This => 0,
                Modifier::Next | Modifier::Coming => 1,
                Modifier::AfterNext => 2,
                Modifier::Last => return Err(self.past(7)),
            };
            let readings = self.weeks(ahead).into_iter().map(|week| of_week(week, day)).collect();
            return Ok(self.found(at, of + 2 - at, readings));
        }
        if let Some((dates, end)) = self.period(at + 1) {
            let ahead = |date: Date| date.since(self.today).map_or(0, |span| span.get_days() / 7 * 7);
            let readings =
                dates.into_iter().map(|date| Days::one(self.upcoming(day).saturating_add(ahead(date).days())));
            let mut readings: Vec<_> = readings.collect();
            readings.dedup();
            return Ok(self.found(at, end - at, readings));
        }
        let upcoming = self.upcoming(day);
        let today = (upcoming == self.today).then(|| self.in_days(7));
        let readings = std::iter::once(upcoming).chain(today).map(Days::one).collect();
        Ok(Mention { readings, start: at, end: at + 1, kind: Kind::Weekday(day) })
    }

    /// "early next week", "Ende Dezember": part of a longer span of days.
    fn narrowed(&self, start: usize, days: Days) -> Days {
        let length = days.from.until(days.to).map_or(0, |span| span.get_days());
        if length < 6 {
            return days;
        }
        let before = (1..=3).filter_map(|back| start.checked_sub(back)).map(|at| self.word(at));
        for word in before {
            let (first, last) = match word {
                "early" | "beginning" | "start" | "anfang" => (0, length / 3),
                "mid" | "middle" | "mitte" => (length / 4, length * 2 / 3),
                "late" | "end" | "ende" => (length / 2, length),
                "of" | "the" | "der" | "des" | "in" => continue,
                _ => break,
            };
            let at = |offset: i32| days.from.saturating_add(offset.days());
            return Days { from: at(first), to: at(last) };
        }
        days
    }
}

fn of_week(week: Days, day: Weekday) -> Days {
    Days::one(week.from.saturating_add(i32::from(day.to_monday_zero_offset()).days()))
}

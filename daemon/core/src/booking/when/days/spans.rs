//! What the words around days make of them: which belong together, which are the ends of a span, and which are not wanted.

use jiff::ToSpan;
use jiff::civil::Weekday;

use super::{Kind, Mention, OPEN_END, Reader};
use crate::booking::refusal::DateRefusal;
use crate::booking::when::lex::Token;
use crate::booking::when::words::{self, Relation};
use crate::booking::when::{Days, on_weekday};

impl Reader<'_> {
    /// "not on Tuesday"; "not before Tuesday" does name days.
    pub(super) fn is_negated(&self, mention: &Mention) -> bool {
        self.is_negated_at(mention.start) && self.relation_before(mention.start) != Some(Relation::Before)
    }

    pub(super) fn is_negated_at(&self, at: usize) -> bool {
        let before = (1..=3).filter_map(|back| at.checked_sub(back));
        let mut words = before.map(|at| self.word(at)).take_while(|word| !word.is_empty());
        words.any(|word| words::negates(word, self.language))
    }

    /// "Tuesday the 1st" is one day, and must be one.
    pub(super) fn dated_weekdays(&self, mentions: Vec<Mention>) -> Result<Vec<Mention>, DateRefusal> {
        let mut kept: Vec<Mention> = Vec::with_capacity(mentions.len());
        for mut mention in mentions {
            let last = kept.last().map(|last| (last.kind, last.end, last.start));
            match (last, mention.kind) {
                (Some((Kind::Weekday(day), end, start)), Kind::Calendar) if self.only_fillers(end, mention.start) => {
                    mention.readings = self.on(day, &mention.readings)?;
                    mention.start = start;
                    kept.pop();
                }
                (Some((Kind::Calendar, end, _)), Kind::Weekday(day)) if self.only_fillers(end, mention.start) => {
                    let date = kept.pop().map(|date| date.readings).unwrap_or_default();
                    mention.readings = self.on(day, &date)?;
                    mention.kind = Kind::Calendar;
                }
                _ => {}
            }
            kept.push(mention);
        }
        Ok(kept)
    }

    /// Those of the days that are on that weekday.
    fn on(&self, day: Weekday, days: &[Days]) -> Result<Vec<Days>, DateRefusal> {
        let right: Vec<Days> = days.iter().copied().filter(|days| days.from.weekday() == day).collect();
        match days.first() {
            Some(first) if right.is_empty() => {
                on_weekday(first.from, day, self.today).map(|date| vec![Days::one(date)])
            }
            _ => Ok(right),
        }
    }

    fn only_fillers(&self, from: usize, to: usize) -> bool {
        let between = self.tokens.get(from..to).unwrap_or_default();
        between.iter().all(|token| *token == Token::Stop || words::is_filler(token.word()))
    }

    /// Applies what stands before and between mentions: "after Monday", "from Monday to Thursday".
    pub(super) fn joined(&self, mentions: Vec<Mention>) -> Vec<Mention> {
        let mut joined: Vec<Mention> = Vec::with_capacity(mentions.len());
        for mut mention in mentions {
            let relation = self.relation_to(mention.start);
            let first = joined.pop_if(|last| self.spans(last, &mention, relation));
            if let Some(first) = first {
                mention.readings = first.readings.iter().map(|first| up_to(*first, &mention.readings)).collect();
                mention.start = first.start;
            } else {
                for days in &mut mention.readings {
                    *days = self.related(*days, relation);
                }
            }
            joined.push(mention);
        }
        self.without_open_ends(joined)
    }

    /// "from Monday": a span of its own only if no other day ends it.
    fn without_open_ends(&self, mut mentions: Vec<Mention>) -> Vec<Mention> {
        for mention in &mut mentions {
            let open = self.relation_to(mention.start) == Some(Relation::From);
            for days in mention.readings.iter_mut().filter(|days| open && days.from == days.to) {
                days.to = days.from.saturating_add(OPEN_END.days());
            }
        }
        mentions
    }

    /// Whether two mentions are the ends of one span.
    fn spans(&self, first: &Mention, second: &Mention, relation: Option<Relation>) -> bool {
        let adjacent = (first.end..second.start).all(|at| {
            let word = self.word(at);
            words::is_filler(word) || words::relation(word, self.language).is_some()
        });
        let between = self.relation_before(first.start) == Some(Relation::Between);
        adjacent && (relation == Some(Relation::Until) || (between && relation == Some(Relation::And)))
    }

    fn related(&self, days: Days, relation: Option<Relation>) -> Days {
        let (day_before, day_after) = (days.from.saturating_sub(1.day()), days.to.saturating_add(1.day()));
        match relation {
            Some(Relation::After) => Days { from: day_after, to: day_after.saturating_add(OPEN_END.days()) },
            Some(Relation::Before) if day_before >= self.today => Days { from: self.today, to: day_before },
            Some(Relation::Until) => Days { from: self.today.min(days.to), to: days.to },
            _ => days,
        }
    }

    /// What is said of the days that begin at a token. What is not before a day is from then on.
    fn relation_to(&self, start: usize) -> Option<Relation> {
        match self.relation_before(start) {
            Some(Relation::Before) if self.is_negated_at(start) => Some(Relation::From),
            relation => relation,
        }
    }

    fn relation_before(&self, start: usize) -> Option<Relation> {
        let before = (1..=2).filter_map(|back| start.checked_sub(back)).map(|at| self.word(at));
        let mut words = before.skip_while(|word| words::is_filler(word));
        words::relation(words.next()?, self.language)
    }
}

/// From the first day to the first of `ends` that is not before it, or a week after one that is.
fn up_to(first: Days, ends: &[Days]) -> Days {
    let fits = ends.iter().map(|end| end.to).find(|end| *end >= first.from);
    let week_later = || ends.iter().map(|end| end.to.saturating_add(7.days())).find(|end| *end >= first.from);
    Days { from: first.from, to: fits.or_else(week_later).unwrap_or(first.to) }
}

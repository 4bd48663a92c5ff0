//! The times of day that words name, and the parts of the day.

use super::Resolved;
use super::lex::Token;
use super::words::{self, Relation};
use crate::booking::spoken::Language;
use crate::booking::wish::{DayPart, EVENING, NOON};
use crate::clinic::hours::Minute;

/// "Around four" is so many minutes before or after.
const AROUND: u16 = 30;

/// A time on the face of a clock.
#[derive(Debug, Clone, Copy)]
struct Face {
    hour: u16,
    minute: u16,
    /// After noon, before it, or left to the words around.
    half: Option<Half>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
    /// The hour is one of 24.
    Whole,
}

/// Reads times and parts of the day into `resolved`.
pub(super) fn read(tokens: &[Token], language: Language, resolved: &mut Resolved) {
    let reader = Reader { tokens, language };
    resolved.day_part = reader.day_part();
    let mut bounds = Bounds::default();
    let (mut at, mut between) = (0, false);
    while at < tokens.len() {
        let relation = words::relation(reader.word(at), language);
        let from = at + usize::from(relation.is_some());
        let Some((face, end)) = reader.face(from, relation) else {
            at += 1;
            continue;
        };
        let minute = minute(face, resolved.day_part);
        let relation =
            if relation == Some(Relation::Before) && reader.is_negated(at) { Some(Relation::From) } else { relation };
        let ends_span = matches!(relation, Some(Relation::And)) && between;
        bounds.take(if ends_span { Some(Relation::Until) } else { relation }, minute);
        between = relation == Some(Relation::Between);
        at = end;
    }
    if bounds.is_empty() {
        bounds = reader.edge(resolved);
    }
    (resolved.earliest, resolved.latest) = bounds.closed();
}

/// Minutes of a day between which an appointment should begin.
#[derive(Debug, Default, Clone, Copy)]
struct Bounds {
    after: Option<u16>,
    before: Option<u16>,
    /// The span of the times that were named as such.
    named: Option<(u16, u16)>,
}

impl Bounds {
    fn is_empty(&self) -> bool {
        self.after.is_none() && self.before.is_none() && self.named.is_none()
    }

    fn take(&mut self, relation: Option<Relation>, minute: u16) {
        match relation {
            Some(Relation::From | Relation::After | Relation::Between) => self.after = Some(minute),
            Some(Relation::Before) => self.before = minute.checked_sub(1),
            Some(Relation::Until) => self.before = Some(minute),
            Some(Relation::Around) => self.name(minute.saturating_sub(AROUND), minute + AROUND),
            Some(Relation::At | Relation::And) | None => self.name(minute, minute),
        }
    }

    fn name(&mut self, from: u16, to: u16) {
        let (first, last) = self.named.unwrap_or((from, to));
        self.named = Some((first.min(from), last.max(to)));
    }

    /// Earliest and latest; neither if they contradict each other.
    fn closed(self) -> (Option<Minute>, Option<Minute>) {
        let (from, to) = self.named.unzip();
        let earliest = self.after.max(from);
        let latest = match (self.before, to) {
            (Some(before), Some(to)) => Some(before.min(to)),
            (before, to) => before.or(to),
        };
        if earliest.zip(latest).is_some_and(|(earliest, latest)| earliest > latest) {
            return (None, None);
        }
        let minute = |minute: u16| Minute::of(minute.min(Minute::END_OF_DAY.get() - 1));
        (earliest.and_then(minute), latest.and_then(minute))
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    language: Language,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", Token::word)
    }

    fn previous(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |before| self.word(before))
    }

    fn hour(&self, at: usize) -> Option<u16> {
        match self.tokens.get(at)? {
            Token::Number { value: value @ 0..=24, ordinal: false, .. } => Some(*value),
            // "um 4." ends a sentence
            Token::Number { value: value @ 0..=24, digits: true, .. } if self.language == Language::German => {
                Some(*value)
            }
            _ => None,
        }
    }

    fn minutes(&self, at: usize) -> Option<u16> {
        match self.tokens.get(at)? {
            Token::Number { value: value @ 1..60, ordinal: false, .. } => Some(*value),
            _ => None,
        }
    }

    fn is_negated(&self, at: usize) -> bool {
        (1..=3).filter_map(|back| at.checked_sub(back)).any(|at| words::negates(self.word(at), self.language))
    }

    /// The time that begins at a token, and the token after it.
    fn face(&self, at: usize, relation: Option<Relation>) -> Option<(Face, usize)> {
        let whole = |hour, minute| Face { hour, minute, half: Some(Half::Whole) };
        match (self.tokens.get(at)?, self.word(at)) {
            (Token::Clock(hour, minute), _) => {
                let (half, end) = self.half(at + 1);
                Some((Face { hour: *hour, minute: *minute, half }, end))
            }
            (_, "noon" | "midday" | "mittag") if self.previous(at) != "am" => Some((whole(12, 0), at + 1)),
            (_, "midnight" | "mitternacht") => Some((whole(24, 0), at + 1)),
            (_, "half" | "quarter" | "halb" | "viertel" | "dreiviertel") => self.fraction(at),
            _ => self.past_or_to(at).or_else(|| self.hour_and_minutes(at, relation)),
        }
    }

    /// "half past four", British "half four", "quarter to four"; "halb vier", "Viertel vor vier", "viertel vier".
    fn fraction(&self, at: usize) -> Option<(Face, usize)> {
        let word = self.word(at);
        let (offset, hour_at) = match (word, self.word(at + 1)) {
            ("half", "past") => (30, at + 2),
            ("half", _) => (30, at + 1),
            ("quarter", "past" | "after") | ("viertel", "nach") => (15, at + 2),
            ("quarter", "to" | "before" | "of") | ("viertel", "vor") => (-15, at + 2),
            ("halb", _) => (-30, at + 1),
            ("viertel", _) => (-45, at + 1),
            ("dreiviertel", _) => (-15, at + 1),
            _ => return None,
        };
        let hour = self.hour(hour_at).filter(|hour| *hour > 0)?;
        let (half, end) = self.half(hour_at + 1);
        Some((Self::shifted(hour, offset, half), end))
    }

    /// "ten past four", "fünf vor halb vier".
    fn past_or_to(&self, at: usize) -> Option<(Face, usize)> {
        let minutes = self.minutes(at).filter(|minutes| *minutes < 30)? as i16;
        let after = at + 1 + usize::from(matches!(self.word(at + 1), "minutes" | "minuten"));
        let sign = match self.word(after) {
            "past" | "nach" => 1,
            "to" | "vor" => -1,
            _ => return None,
        };
        // "from three to five" is no time, and "nach vier" is after four.
        if self.word(after) == "to" && !minutes.unsigned_abs().is_multiple_of(5) {
            return None;
        }
        if self.word(after) == "to" && matches!(self.previous(at), "from" | "between") {
            return None;
        }
        let is_half = self.word(after + 1) == "halb";
        let hour_at = after + 1 + usize::from(is_half);
        let hour = self.hour(hour_at).filter(|hour| *hour > 0)?;
        let (half, end) = self.half(hour_at + 1);
        Some((Self::shifted(hour, sign * minutes - if is_half { 30 } else { 0 }, half), end))
    }

    fn shifted(hour: u16, offset: i16, half: Option<Half>) -> Face {
        let minute = (hour as i16 * 60 + offset).rem_euclid(24 * 60) as u16;
        // "halb eins" is half past twelve.
        let hour = if minute < 60 { 12 + minute / 60 } else { minute / 60 };
        Face { hour, minute: minute % 60, half }
    }

    /// "four o'clock", "4 pm", "vier Uhr dreißig", and "at four", "four thirty" after a word of time.
    fn hour_and_minutes(&self, at: usize, relation: Option<Relation>) -> Option<(Face, usize)> {
        if self.word(at) == "ein" && self.word(at + 1) == "uhr" {
            return Some(self.with_minutes(1, at + 2));
        }
        let hour = self.hour(at)?;
        if matches!(self.word(at + 1), "uhr" | "h") {
            return Some(self.with_minutes(hour, at + 2));
        }
        if matches!(self.word(at + 1), "o'clock" | "oclock" | "am" | "pm") {
            let (half, end) = self.half(at + 1);
            return Some((Face { hour, minute: 0, half }, end));
        }
        let minutes = self.minutes(at + 1).filter(|minutes| *minutes >= 10 && hour > 0);
        if let Some(minute) = minutes {
            let (half, end) = self.half(at + 2);
            let told = relation.is_some_and(|relation| relation != Relation::And) || half.is_some();
            return told.then_some((Face { hour, minute, half }, end));
        }
        let told = matches!(relation, Some(relation) if relation != Relation::And || self.ends_span(at));
        (told && self.is_alone(at)).then_some((Face { hour, minute: 0, half: None }, at + 1))
    }

    /// "between nine *and eleven*".
    fn ends_span(&self, at: usize) -> bool {
        let before = (2..=5).filter_map(|back| at.checked_sub(back));
        before
            .map(|at| words::relation(self.word(at), self.language))
            .any(|relation| relation == Some(Relation::Between))
    }

    /// Whether a number that follows a word of time is one: not "in the next two weeks", "from one of you", "by 3 December".
    fn is_alone(&self, at: usize) -> bool {
        let next = self.word(at + 1);
        let names_other = words::unit(next, self.language).is_some()
            || words::month(next, self.language).is_some()
            || matches!(
                next,
                "of" | "year"
                    | "years"
                    | "jahr"
                    | "jahre"
                    | "jahren"
                    | "minutes"
                    | "minuten"
                    | "hours"
                    | "stunden"
                    | "people"
            );
        !names_other && !matches!(self.tokens.get(at + 1), Some(Token::Number { .. }))
    }

    fn with_minutes(&self, hour: u16, at: usize) -> (Face, usize) {
        let minutes = self.minutes(at).filter(|_| words::month(self.word(at + 1), self.language).is_none());
        let (minute, end) = minutes.map_or((0, at), |minutes| (minutes, at + 1));
        let (half, end) = self.half(end);
        (Face { hour, minute, half }, end)
    }

    /// "am", "pm", "o'clock", "in the afternoon" after a time.
    fn half(&self, at: usize) -> (Option<Half>, usize) {
        match self.word(at) {
            "o'clock" | "oclock" | "uhr" => {
                let (half, end) = self.half_of_day(at + 1);
                (half, end)
            }
            _ => self.half_of_day(at),
        }
    }

    fn half_of_day(&self, at: usize) -> (Option<Half>, usize) {
        // A German "am" begins "am Dienstag".
        let english = self.language == Language::English;
        match self.word(at) {
            "am" if english => (Some(Half::Am), at + 1),
            "morgens" | "früh" | "vormittags" => (Some(Half::Am), at + 1),
            "pm" | "nachmittags" | "abends" => (Some(Half::Pm), at + 1),
            _ => (None, at),
        }
    }

    /// The part of the day; any if the words name several.
    fn day_part(&self) -> DayPart {
        let parts = (0..self.tokens.len()).filter(|at| !self.is_negated(*at)).filter_map(|at| self.part_at(at));
        let mut part = DayPart::Any;
        for named in parts {
            if part != DayPart::Any && part != named {
                return DayPart::Any;
            }
            part = named;
        }
        part
    }

    fn part_at(&self, at: usize) -> Option<DayPart> {
        let (word, before) = (self.word(at), self.previous(at));
        match self.language {
            Language::English => match word {
                "morning" | "afternoon" | "evening" if before == "good" => None,
                "morning" | "mornings" => Some(DayPart::Morning),
                "afternoon" | "afternoons" => Some(DayPart::Afternoon),
                "evening" | "evenings" | "tonight" => Some(DayPart::Evening),
                _ => None,
            },
            Language::German => {
                if before.starts_with("gut") {
                    return None;
                }
                let word = word.strip_suffix('s').unwrap_or(word);
                let weekday_before = words::weekday(before, self.language).is_some();
                match word {
                    "morgen" if weekday_before || matches!(before, "am" | "jeden" | "frühen" | "heute") => {
                        Some(DayPart::Morning)
                    }
                    "morgen" if self.word(at) == "morgens" => Some(DayPart::Morning),
                    "vormittag" | "früh" => Some(DayPart::Morning),
                    "nachmittag" => Some(DayPart::Afternoon),
                    "abend" => Some(DayPart::Evening),
                    _ => words::weekday(word, self.language).and_then(|_| part_of_compound(word)),
                }
            }
        }
    }

    /// "early", "late", "over lunch": a third of the part of the day.
    fn edge(&self, resolved: &Resolved) -> Bounds {
        let days_are_meant =
            resolved.days.iter().any(|days| days.from.saturating_add(jiff::Span::new().days(2)) <= days.to);
        let word = (0..self.tokens.len()).map(|at| self.word(at)).find_map(|word| match word {
            "lunchtime" | "lunch" | "mittags" | "mittag" => Some(Edge::Noon),
            "early" | "früh" | "zeitig" if !days_are_meant => Some(Edge::Early),
            "late" | "spät" if !days_are_meant => Some(Edge::Late),
            _ => None,
        });
        // The hours that are meant by each part where nothing else is said.
        let (from, to) = match resolved.day_part {
            DayPart::Any => (8 * 60, EVENING),
            DayPart::Morning => (8 * 60, NOON),
            DayPart::Afternoon => (NOON, EVENING),
            DayPart::Evening => (EVENING, 21 * 60),
        };
        let third = (to - from) / 3;
        match word {
            Some(Edge::Early) => Bounds { before: Some(from + third), ..Bounds::default() },
            Some(Edge::Late) => Bounds { after: Some(to - third), ..Bounds::default() },
            Some(Edge::Noon) => Bounds { named: Some((NOON - AROUND, NOON + 3 * AROUND)), ..Bounds::default() },
            None => Bounds::default(),
        }
    }
}

enum Edge {
    Early,
    Late,
    Noon,
}

fn part_of_compound(word: &str) -> Option<DayPart> {
    let ends = |parts: &[&str]| parts.iter().any(|part| word.ends_with(part));
    if ends(&["nachmittag"]) {
        Some(DayPart::Afternoon)
    } else if ends(&["morgen", "vormittag", "früh"]) {
        Some(DayPart::Morning)
    } else if ends(&["abend"]) && word != "sonnabend" {
        Some(DayPart::Evening)
    } else {
        None
    }
}

/// The minute of the day that is meant: by am and pm, else by the part of the day, else as a clinic's hours suggest.
fn minute(face: Face, part: DayPart) -> u16 {
    let Face { hour, minute, half } = face;
    let afternoon = match (half, part) {
        _ if hour > 12 || hour == 0 => false,
        (Some(Half::Am), _) => return hour % 12 * 60 + minute,
        (Some(Half::Pm), _) | (None, DayPart::Afternoon | DayPart::Evening) => hour < 12,
        (Some(Half::Whole), _) | (None, DayPart::Morning) => false,
        (None, DayPart::Any) => hour < 7,
    };
    (hour + if afternoon { 12 } else { 0 }) * 60 + minute
}

//! A caller's words as tokens: words in lower case, numbers however they are said, and written dates and times.

use super::words;
use crate::booking::spoken::Language;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Number {
        value: u16,
        /// `3rd`, `third`, `3.`, `dritten`.
        ordinal: bool,
        /// It was written in digits.
        digits: bool,
    },
    /// `14:30`.
    Clock(u16, u16),
    /// `3.12.`, `2026-12-03`.
    Date {
        year: Option<i16>,
        month: i8,
        day: i8,
    },
    /// `3/12`: whichever of the two is the day.
    Slash {
        first: i8,
        second: i8,
        year: Option<i16>,
    },
    /// The end of a phrase.
    Stop,
}

impl Token {
    pub(super) fn word(&self) -> &str {
        if let Self::Word(word) = self { word } else { "" }
    }
}

pub(super) fn tokens(text: &str, language: Language) -> Vec<Token> {
    let text = text.to_lowercase().replace(['’', '‘'], "'").replace("a.m.", " am ").replace("p.m.", " pm ");
    let mut tokens = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let (piece, kind) = piece(rest, first);
        match kind {
            Kind::Digits => digits(piece, language, &mut tokens),
            Kind::Word => word(piece, language, &mut tokens),
            Kind::Stop => tokens.push(Token::Stop),
            Kind::Other => {}
        }
        rest = &rest[piece.len()..];
    }
    tokens
}

enum Kind {
    Digits,
    Word,
    Stop,
    Other,
}

/// The longest beginning of one kind.
fn piece(rest: &str, first: char) -> (&str, Kind) {
    let until = |part: fn(char) -> bool| rest.find(|c| !part(c)).unwrap_or(rest.len());
    if first.is_ascii_digit() {
        return (&rest[..until(|c| c.is_ascii_digit() || ".:/-–".contains(c))], Kind::Digits);
    }
    if first.is_alphabetic() {
        return (&rest[..until(|c| c.is_alphabetic() || c == '\'')], Kind::Word);
    }
    let kind = if ",;.!?".contains(first) { Kind::Stop } else { Kind::Other };
    (&rest[..first.len_utf8()], kind)
}

fn word(word: &str, language: Language, tokens: &mut Vec<Token>) {
    // What sticks to digits: 3rd, 2pm, 14h.
    if let (Some(Token::Number { ordinal, digits: true, .. }), "st" | "nd" | "rd" | "th") = (tokens.last_mut(), word) {
        *ordinal = true;
        return;
    }
    let Some((value, ordinal)) = words::number(word, language) else {
        tokens.push(Token::Word(word.to_owned()));
        return;
    };
    // English tens and ones are two words: twenty-third.
    if let (Some(Token::Number { value: tens, ordinal: last, digits: false }), 1..10, Language::English) =
        (tokens.last_mut(), value, language)
        && !*last
        && (20..60).contains(tens)
        && tens.is_multiple_of(10)
    {
        *tens += value;
        *last = ordinal;
        return;
    }
    tokens.push(Token::Number { value, ordinal, digits: false });
}

fn digits(piece: &str, language: Language, tokens: &mut Vec<Token>) {
    let plain = piece.trim_end_matches(['.', ':', '/', '-', '–']);
    let dotted = &piece[plain.len()..] == "." && language == Language::German;
    let numbers = |separator: char| -> Option<Vec<u16>> {
        plain.split(separator).map(|part| if part.len() <= 4 { part.parse().ok() } else { None }).collect()
    };
    let year = |year: u16| if year < 100 { 2000 + year as i16 } else { year as i16 };
    let small = |number: u16| i8::try_from(number).unwrap_or(i8::MAX);
    let token =
        match (numbers('-').as_deref(), numbers(':').as_deref(), numbers('/').as_deref(), numbers('.').as_deref()) {
            (Some([one]), ..) => Some(Token::Number { value: *one, ordinal: dotted, digits: true }),
            (Some([y, month, day]), ..) if *y > 999 => {
                Some(Token::Date { year: Some(*y as i16), month: small(*month), day: small(*day) })
            }
            (_, Some([hour @ 0..=24, minute @ 0..60]), ..) => Some(Token::Clock(*hour, *minute)),
            (_, _, Some([first, second]), _) => {
                Some(Token::Slash { first: small(*first), second: small(*second), year: None })
            }
            (_, _, Some([first, second, y]), _) => {
                Some(Token::Slash { first: small(*first), second: small(*second), year: Some(year(*y)) })
            }
            (.., Some([day, month, y])) => {
                Some(Token::Date { year: Some(year(*y)), month: small(*month), day: small(*day) })
            }
            (.., Some([first, second])) => Some(with_a_dot(*first, *second, dotted, language, tokens)),
            _ => None,
        };
    match token {
        Some(token) => tokens.push(token),
        None => ranges(plain, language, tokens),
    }
}

/// `3.12.` is a day, `14.30` a time, `3.12` a day in German unless "um" stands before it.
fn with_a_dot(first: u16, second: u16, dotted: bool, language: Language, tokens: &[Token]) -> Token {
    let is_day = (1..=31).contains(&first) && (1..=12).contains(&second);
    let at = tokens.last().is_some_and(|last| matches!(last.word(), "um" | "gegen" | "ab" | "bis" | "nach" | "vor"));
    if dotted || (language == Language::German && is_day && !at) {
        let small = |number: u16| i8::try_from(number).unwrap_or(i8::MAX);
        return Token::Date { year: None, month: small(second), day: small(first) };
    }
    if first <= 24 && second < 60 { Token::Clock(first, second) } else { Token::Stop }
}

/// `9-11`, `9:00-11:30`; whatever else digits and marks make up is passed over.
fn ranges(plain: &str, language: Language, tokens: &mut Vec<Token>) {
    let side = |text: &str| match text.split_once(':') {
        Some((hour, minute)) => {
            hour.parse().ok().zip(minute.parse().ok()).filter(|(hour, minute)| *hour <= 24 && *minute < 60)
        }
        None => text.parse().ok().filter(|hour| *hour <= 24).map(|hour: u16| (hour, 0)),
    };
    let sides = plain.split_once(['-', '–']).and_then(|(from, to)| side(from).zip(side(to)));
    let Some((from, to)) = sides else { return };
    let (between, and) = if language == Language::German { ("zwischen", "und") } else { ("between", "and") };
    tokens.push(Token::Word(between.to_owned()));
    tokens.push(Token::Clock(from.0, from.1));
    tokens.push(Token::Word(and.to_owned()));
    tokens.push(Token::Clock(to.0, to.1));
}

//! The arguments of a call: a model may send the wrong type, nothing, or a book. Each is looked at before it is used.

use std::fmt;

use jiff::civil::Date;
use serde_json::Value;

use super::request::Phone;
use super::{address, text};
use crate::booking::refusal::{DateRefusal, Refusal};
use crate::clinic::hours::Minute;

/// An argument cannot be used. What was found is told by its kind alone: it may be somebody's name or number, and this
/// text reaches logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the argument {name} is {found}; it must be {wanted}")]
pub struct ArgumentError {
    /// Which.
    pub name: &'static str,
    /// What there was instead.
    pub found: Found,
    /// What would do.
    pub wanted: Wanted,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A day of the calendar.
    Date,
    /// A person's name.
    Name,
    /// A phone number, or a word that stands for one.
    Phone,
    /// An e-mail address.
    Email,
    /// Something else, in a few words for the model.
    Other(&'static str),
}

impl Wanted {
    /// In a few words for the model.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Date => "a date that exists, written YYYY-MM-DD",
            Self::Name => "a person's name of 1 to 120 characters",
            Self::Phone => {
                "a phone number with its country code (+49 30 1234567), caller_id for the number of this call, or none"
            }
            Self::Email => "one e-mail address, like ana@example.com",
            Self::Other(wanted) => wanted,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ArgumentError {
    /// As it is told to the model and, where it is something that the caller said, to the caller.
    pub fn refusal(&self) -> Refusal {
        match (self.wanted, self.found) {
            (Wanted::Date, Found::Impossible) => DateRefusal::NoSuchDay.into(),
            (Wanted::Date, Found::Malformed | Found::Long(_)) => DateRefusal::Malformed.into(),
            (Wanted::Name, Found::Nothing | Found::Malformed | Found::Long(_)) => Refusal::BadName,
            (Wanted::Phone, Found::Malformed | Found::Long(_)) => Refusal::BadPhone,
            (Wanted::Email, Found::Malformed | Found::Long(_)) => Refusal::BadEmail,
            (wanted, _) => Refusal::BadArgument { name: self.name, expected: wanted.as_str() },
        }
    }
}

/// What stood in an argument's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing, null or an empty text.
    Nothing,
    /// A value of another type.
    Kind(&'static str),
    /// A text of that many characters.
    Long(usize),
    /// A text that is not of the form that is wanted.
    Malformed,
    /// A text of the right form that means nothing: a date that no calendar has.
    Impossible,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("missing"),
            Self::Kind(kind) => f.write_str(kind),
            Self::Long(characters) => write!(f, "{characters} characters long"),
            Self::Malformed => f.write_str("of another form"),
            Self::Impossible => f.write_str("something that does not exist"),
        }
    }
}

/// Longest id, reference or short phrase.
pub(super) const SHORT: usize = 80;
/// Longest text in the caller's own words.
pub(super) const WORDS: usize = 300;

const FLAG: Wanted = Wanted::Other("true or false");

/// The arguments of one call.
pub(super) struct Args<'a>(&'a Value);

impl<'a> Args<'a> {
    /// The arguments, if they are an object; a call without any has none.
    pub(super) fn of(args: &'a Value) -> Result<Self, ArgumentError> {
        match args {
            Value::Object(_) | Value::Null => Ok(Self(args)),
            other => Err(wrong("args", Found::Kind(kind(other)), Wanted::Other("an object"))),
        }
    }

    /// A text in one line, of `most` characters at most; `None` when it is absent, null or blank.
    pub(super) fn line(&self, name: &'static str, most: usize) -> Result<Option<String>, ArgumentError> {
        let wanted = if most <= SHORT { "a short text" } else { "a text of one or two sentences" };
        self.text(name, most, Wanted::Other(wanted))
    }

    fn text(&self, name: &'static str, most: usize, wanted: Wanted) -> Result<Option<String>, ArgumentError> {
        let text = match &self.0[name] {
            Value::Null => return Ok(None),
            Value::String(text) => text,
            other => return Err(wrong(name, Found::Kind(kind(other)), wanted)),
        };
        // Counted before it is copied: it may be a book.
        let characters = text.chars().take(4 * most + 1).count();
        if characters > 4 * most {
            return Err(wrong(name, Found::Long(text.chars().count()), wanted));
        }
        let line = text::line(text);
        match line.chars().count() {
            0 => Ok(None),
            long if long > most => Err(wrong(name, Found::Long(long), wanted)),
            _ => Ok(Some(line)),
        }
    }

    /// The same, and it must be there.
    pub(super) fn needed(
        &self,
        name: &'static str,
        most: usize,
        wanted: &'static str,
    ) -> Result<String, ArgumentError> {
        let wanted = Wanted::Other(wanted);
        self.text(name, most, wanted)?.ok_or(wrong(name, Found::Nothing, wanted))
    }

    /// A person's name.
    pub(super) fn name(&self, name: &'static str) -> Result<Option<String>, ArgumentError> {
        let Some(line) = self.text(name, text::LONGEST_NAME, Wanted::Name)? else { return Ok(None) };
        text::name(&line).map(Some).ok_or(wrong(name, Found::Malformed, Wanted::Name))
    }

    /// A phone number with its country code, or one of the words that stand for one.
    pub(super) fn phone(&self, name: &'static str) -> Result<Option<Phone>, ArgumentError> {
        let Some(line) = self.text(name, SHORT, Wanted::Phone)? else { return Ok(None) };
        match line.to_ascii_lowercase().as_str() {
            "caller_id" => Ok(Some(Phone::CallerId)),
            "none" => Ok(Some(Phone::None)),
            text => {
                let number = address::phone(text).map(Phone::Number);
                number.map(Some).ok_or(wrong(name, Found::Malformed, Wanted::Phone))
            }
        }
    }

    /// An e-mail address, in lower case.
    pub(super) fn email(&self, name: &'static str) -> Result<Option<String>, ArgumentError> {
        // An address has 254 characters at most; spelled out it has more.
        let Some(line) = self.text(name, 2 * WORDS, Wanted::Email)? else { return Ok(None) };
        address::email(&line).map(Some).ok_or(wrong(name, Found::Malformed, Wanted::Email))
    }

    /// Yes or no; absent is no. Models send the words too.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ArgumentError> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Value::String(_) => Err(wrong(name, Found::Malformed, FLAG)),
            other => Err(wrong(name, Found::Kind(kind(other)), FLAG)),
        }
    }

    /// A day of the calendar.
    pub(super) fn date(&self, name: &'static str) -> Result<Option<Date>, ArgumentError> {
        let wanted = Wanted::Date;
        let Some(text) = self.text(name, SHORT, wanted)? else { return Ok(None) };
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<i16>().ok())
        };
        let dashes = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
        let (Some(year), Some(month), Some(day), true) = (number(0..4), number(5..7), number(8..10), dashes) else {
            return Err(wrong(name, Found::Malformed, wanted));
        };
        Date::new(year, month as i8, day as i8).map(Some).map_err(|_| wrong(name, Found::Impossible, wanted))
    }

    /// A time of day.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Minute>, ArgumentError> {
        let wanted = Wanted::Other("a time of day, written HH:MM");
        let Some(text) = self.text(name, SHORT, wanted)? else { return Ok(None) };
        Minute::parse(&text).map(Some).ok_or(wrong(name, Found::Malformed, wanted))
    }

    /// One of a list of words.
    pub(super) fn one_of<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&'static str, T)],
        wanted: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        let wanted = Wanted::Other(wanted);
        let Some(text) = self.text(name, SHORT, wanted)? else { return Ok(None) };
        let chosen = choices.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        chosen.map(|(_, choice)| Some(*choice)).ok_or(wrong(name, Found::Malformed, wanted))
    }
}

pub(super) fn wrong(name: &'static str, found: Found, wanted: Wanted) -> ArgumentError {
    ArgumentError { name, found, wanted }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

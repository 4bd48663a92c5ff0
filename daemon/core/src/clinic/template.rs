//! Texts with places to be filled in: `{clinic}`. A place that nobody can fill is found when the text is read, not in
//! a conversation.
//!
//! `{{` and `}}` stand for the braces themselves. What is filled in is never read as a template.

use std::borrow::Cow;

/// A text, read and checked. `P` says what its places are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<P>(Vec<Piece<P>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<P> {
    Text(String),
    Place(P),
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The line, counted from 1.
    pub line: usize,
    /// The name in braces that is not known, as it is written; `None` when a brace is not closed in its line.
    pub unknown: Option<String>,
}

impl<P: Copy + PartialEq> Template<P> {
    /// Reads a text whose places are among `known`; the error holds everything that is wrong, in order.
    pub fn parse(text: &str, known: &[(&str, P)]) -> Result<Self, Vec<TemplateError>> {
        let (mut pieces, mut plain, mut errors) = (Vec::new(), String::new(), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            let line = 1 + text[..text.len() - brace.len()].matches('\n').count();
            rest = if let Some(doubled) = brace.strip_prefix("{{") {
                plain.push('{');
                doubled
            } else if let Some(single) = brace.strip_prefix('}') {
                plain.push('}');
                single.strip_prefix('}').unwrap_or(single)
            } else if let Some((name, after)) = closed(&brace[1..]) {
                match known.iter().find(|(known, _)| *known == name) {
                    Some(&(_, place)) => {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        pieces.push(Piece::Place(place));
                    }
                    None => errors.push(TemplateError { line, unknown: Some(name.to_owned()) }),
                }
                after
            } else {
                errors.push(TemplateError { line, unknown: None });
                &brace[1..]
            };
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        if errors.is_empty() { Ok(Self(pieces)) } else { Err(errors) }
    }

    /// Whether the text has such a place.
    pub fn has(&self, place: P) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// The text with every place filled.
    pub fn fill<'a>(&self, mut with: impl FnMut(P) -> Cow<'a, str>) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(place) => filled.push_str(&with(*place)),
            }
        }
        filled
    }
}

/// What stands before the closing brace of the same line, and what comes after it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.split_once('}')?;
    (!name.contains(['\n', '{'])).then_some((name, after))
}

/// Something that is known when a conversation begins, in words for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The clinic's name.
    Clinic,
    /// Whether this is the phone or the desk.
    Place,
    /// Weekday, date, time and zone.
    Now,
    /// `2026-11-27`.
    Date,
    /// `Friday`.
    Weekday,
    /// `14:05`, the clinic's own time.
    Time,
    /// The tag of the language in which callers are greeted.
    Language,
    /// The tags of all languages that are spoken.
    Languages,
    /// The name under which the agent introduces itself; empty without a persona.
    Persona,
    /// Name and manner of speaking; empty without a persona.
    Tone,
    /// How the conversation is opened.
    Greeting,
    /// Today and the next 14 days, closed days marked.
    Days,
    /// Opening hours, and the days that are different.
    Hours,
    /// Where the clinic is.
    Addresses,
    /// Who sees patients.
    Practitioners,
    /// What can be booked.
    Services,
    /// To whom a conversation can be handed.
    Contacts,
    /// The sentence that is said when a life may be in danger.
    EmergencySentence,
    /// The number that is dialled then.
    EmergencyNumber,
}

impl Fact {
    /// Every fact under the name that it has in a text.
    pub const NAMED: [(&'static str, Self); 19] = [
        ("clinic", Self::Clinic),
        ("place", Self::Place),
        ("now", Self::Now),
        ("date", Self::Date),
        ("weekday", Self::Weekday),
        ("time", Self::Time),
        ("language", Self::Language),
        ("languages", Self::Languages),
        ("persona", Self::Persona),
        ("tone", Self::Tone),
        ("greeting", Self::Greeting),
        ("days", Self::Days),
        ("hours", Self::Hours),
        ("addresses", Self::Addresses),
        ("practitioners", Self::Practitioners),
        ("services", Self::Services),
        ("contacts", Self::Contacts),
        ("emergency_sentence", Self::EmergencySentence),
        ("emergency_number", Self::EmergencyNumber),
    ];
    /// What an opening sentence may name: what is known before anything is said.
    pub const IN_GREETING: [(&'static str, Self); 3] =
        [("clinic", Self::Clinic), ("persona", Self::Persona), ("weekday", Self::Weekday)];
}

/// A place in a system instruction: a fact, or a block of rules, which is a text with facts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// One fact.
    Fact(Fact),
    /// How appointments are arranged; empty without clinic data.
    Booking,
    /// What is done when a life may be in danger; empty without clinic data.
    Emergency,
}

impl Blank {
    /// Every place under the name that it has in a text.
    pub fn named() -> Vec<(&'static str, Self)> {
        let facts = Fact::NAMED.map(|(name, fact)| (name, Self::Fact(fact)));
        facts.into_iter().chain([("booking", Self::Booking), ("emergency", Self::Emergency)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: [(&str, u8); 2] = [("a", 1), ("b", 2)];

    fn filled(text: &str) -> Result<String, Vec<TemplateError>> {
        Template::parse(text, &KNOWN).map(|template| template.fill(|place| format!("<{place}{{a}}>").into()))
    }

    #[test]
    fn places_are_filled_once_and_braces_can_be_written() {
        assert_eq!(filled("x {a}{b} y").unwrap(), "x <1{a}><2{a}> y");
        assert_eq!(filled("{{a}} } {{").unwrap(), "{a} } {");
        assert_eq!(filled("").unwrap(), "");
        assert!(Template::parse("{b}", &KNOWN).unwrap().has(2));
        assert!(!Template::parse("{{b}}", &KNOWN).unwrap().has(2));
    }

    #[test]
    fn every_place_that_nobody_fills_is_found_with_its_line() {
        let errors = filled("{a}\n{c} {\n{a b}").unwrap_err();
        let unknown = |line, name: &str| TemplateError { line, unknown: Some(name.to_owned()) };
        assert_eq!(errors, [unknown(2, "c"), TemplateError { line: 2, unknown: None }, unknown(3, "a b")]);
    }

    proptest! {
        #[test]
        fn a_text_without_braces_is_itself(text in "[^{}]{0,60}") {
            prop_assert_eq!(filled(&text).unwrap(), text);
        }

        #[test]
        fn a_text_with_its_braces_doubled_is_itself(text in "[{}a\n]{0,20}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(filled(&doubled).unwrap(), text);
        }
    }
}

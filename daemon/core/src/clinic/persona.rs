//! Personas: manners of speaking, and which of them a conversation gets.
//!
//! ```text
//! asked for ─────────────────────────► that persona, if there is one
//! where (phone and number, desk) ─┐
//! local time ─────────────────────┼─ else the first rule that fits, else the usual one
//! open or closed ─────────────────┘
//! ```

use jiff::civil::Time;

use super::hours::{Hours, Minute};
use super::ids::PersonaId;
use super::template::{Blank, Fact, Template};
use crate::twilio::number::PhoneNumber;

/// A manner of speaking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// Its id.
    pub id: PersonaId,
    /// The name under which it introduces itself.
    pub name: String,
    /// One of the prebuilt voices, in Gemini's spelling.
    pub voice: String,
    /// How it speaks, in words for the model.
    pub tone: String,
    /// The sentence that it opens with; without one it finds its own.
    pub greeting: Option<Template<Fact>>,
    /// The system instruction, if it has one of its own.
    pub prompt: Option<Template<Blank>>,
}

/// Where a conversation takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// On the phone; with the number that was called, where it is known.
    Phone(Option<&'a PhoneNumber>),
    /// At the front desk.
    Desk,
}

/// What a conversation's beginning looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning<'a> {
    /// Where.
    pub place: Place<'a>,
    /// The clinic's own time of day.
    pub time: Time,
    /// Whether the clinic is open then.
    pub open: bool,
    /// Who was asked for, by whoever arranged the conversation: the address of a phone number's webhook, staff at the
    /// desk. A persona that does not exist is not asked for.
    pub asked: Option<&'a PersonaId>,
}

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// On the phone, whatever number was called.
    Phone,
    /// At the front desk.
    Desk,
}

/// Who speaks when. Every condition that is written must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonaRule {
    /// Who speaks then.
    pub persona: PersonaId,
    /// Where.
    pub at: Option<At>,
    /// The number that was called.
    pub number: Option<PhoneNumber>,
    /// Whether the clinic is open (`true`) or closed.
    pub open: Option<bool>,
    /// Times of day; at any, if there are none.
    pub hours: Vec<Hours>,
}

impl PersonaRule {
    fn fits(&self, beginning: &Beginning<'_>) -> bool {
        let (at, called) = match beginning.place {
            Place::Phone(called) => (At::Phone, called),
            Place::Desk => (At::Desk, None),
        };
        let minute = Minute::of_time(beginning.time);
        self.at.is_none_or(|wanted| wanted == at)
            && self.number.as_ref().is_none_or(|wanted| Some(wanted) == called)
            && self.open.is_none_or(|wanted| wanted == beginning.open)
            && (self.hours.is_empty() || self.hours.iter().any(|hours| hours.contain(minute)))
    }
}

/// The catalogue and who speaks when. Every id that a rule or `usual` names is in the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Personas {
    /// All of them; empty when the clinic has none.
    pub catalogue: Vec<Persona>,
    /// Who speaks when no rule fits.
    pub usual: Option<PersonaId>,
    /// Tried in order.
    pub rules: Vec<PersonaRule>,
}

impl Personas {
    /// Who speaks in a conversation that begins like this; `None` when the clinic has no personas.
    pub fn choose(&self, beginning: &Beginning<'_>) -> Option<&Persona> {
        if let Some(asked) = beginning.asked.and_then(|id| self.persona(id)) {
            return Some(asked);
        }
        let rule = self.rules.iter().find(|rule| rule.fits(beginning));
        self.persona(rule.map(|rule| &rule.persona).or(self.usual.as_ref())?)
    }

    /// The persona of that id.
    pub fn persona(&self, id: &PersonaId) -> Option<&Persona> {
        self.catalogue.iter().find(|known| known.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> PersonaId {
        PersonaId::parse(text).unwrap()
    }

    fn number(last: u8) -> PhoneNumber {
        PhoneNumber::parse(&format!("+155501001{last:02}")).unwrap()
    }

    fn personas() -> Personas {
        let persona = |name: &str| Persona {
            id: id(name),
            name: name.to_owned(),
            voice: "Kore".to_owned(),
            tone: String::new(),
            greeting: None,
            prompt: None,
        };
        let rule = |name| PersonaRule { persona: id(name), at: None, number: None, open: None, hours: Vec::new() };
        let evening = Hours::new(Minute::parse("18:00").unwrap(), Minute::END_OF_DAY).unwrap();
        Personas {
            catalogue: ["calm", "kids", "night", "desk", "late"].map(persona).to_vec(),
            usual: Some(id("calm")),
            rules: vec![
                PersonaRule { number: Some(number(7)), ..rule("kids") },
                PersonaRule { at: Some(At::Desk), hours: vec![evening], ..rule("late") },
                PersonaRule { at: Some(At::Desk), ..rule("desk") },
                PersonaRule { open: Some(false), ..rule("night") },
            ],
        }
    }

    #[test]
    fn the_first_rule_that_fits_chooses_the_persona() {
        let (main, kids) = (number(0), number(7));
        let personas = personas();
        for (place, time, open, chosen) in [
            (Place::Phone(Some(&main)), "10:00", true, "calm"),
            (Place::Phone(None), "10:00", true, "calm"),
            (Place::Phone(Some(&main)), "20:00", false, "night"),
            (Place::Phone(Some(&kids)), "20:00", false, "kids"),
            (Place::Desk, "17:59", true, "desk"),
            (Place::Desk, "18:00", true, "late"),
            (Place::Desk, "03:00", false, "desk"),
        ] {
            let time = format!("{time}:00").parse().unwrap();
            let beginning = Beginning { place, time, open, asked: None };
            assert_eq!(personas.choose(&beginning).unwrap().name, chosen, "{beginning:?}");
        }
        assert_eq!(Personas::default().choose(&noon(None)), None, "a clinic without personas");
    }

    fn noon(asked: Option<&PersonaId>) -> Beginning<'_> {
        Beginning { place: Place::Desk, time: "12:00:00".parse().unwrap(), open: true, asked }
    }

    #[test]
    fn who_is_asked_for_speaks_and_who_does_not_exist_is_not_waited_for() {
        let personas = personas();
        for (asked, chosen) in [("night", "night"), ("nobody", "desk")] {
            assert_eq!(personas.choose(&noon(Some(&id(asked)))).unwrap().name, chosen);
        }
    }
}

//! What the model is told before a conversation.
//!
//! ```text
//! receptionist.md ◄── a prompt of the clinic's own, or of the persona's, may replace it
//!   {booking} ◄── booking.md, {emergency} ◄── emergency.md: rules that only a clinic with data has
//!   {days}, {services}, … ◄── facts, in words: frontdesk_core::clinic::brief
//! ```

use std::borrow::Cow;
use std::sync::LazyLock;

use frontdesk_core::clinic::brief;
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::clinic::persona::{Beginning, Persona};
use frontdesk_core::clinic::template::{Blank, Fact, Template};
use frontdesk_core::gemini::setup::Setup;
use frontdesk_core::tools::decl;
use jiff::{Timestamp, Zoned};

pub use frontdesk_core::clinic::persona::Place;

use super::Connector;
use crate::config::{ClinicConfig, GeminiConfig};

/// The instruction that comes with Frontdesk.
static RECEPTIONIST: LazyLock<Template<Blank>> =
    LazyLock::new(|| shipped(include_str!("../../../images/prompts/receptionist.md"), &Blank::named()));
/// How appointments are arranged.
static BOOKING: LazyLock<Template<Fact>> =
    LazyLock::new(|| shipped(include_str!("../../../images/prompts/booking.md"), &Fact::NAMED));
/// The same where there is nothing to arrange.
static NO_BOOKING: LazyLock<Template<Fact>> =
    LazyLock::new(|| shipped(include_str!("../../../images/prompts/no-booking.md"), &Fact::NAMED));
/// What is done when a life may be in danger.
static EMERGENCY: LazyLock<Template<Fact>> =
    LazyLock::new(|| shipped(include_str!("../../../images/prompts/emergency.md"), &Fact::NAMED));
/// Silence that ends a caller's turn; 500 to 800 ms works well (gemini-3.8-live, field reports of 2026).
const SILENCE_MS: u32 = 600;

fn shipped<P: Copy + PartialEq>(text: &str, known: &[(&str, P)]) -> Template<P> {
    Template::parse(text.trim_end(), known)
        .expect("the shipped prompts use known placeholders only: the tests read them")
}

fn situation(place: Place<'_>) -> &'static str {
    match place {
        Place::Phone(_) => "You are on the phone with a caller.",
        Place::Desk => {
            "You stand in for the person at the front desk: a visitor is in front of you and speaks with you through \
             a speakerphone. Where these rules speak of a caller they mean that visitor; ending the call means \
             ending the conversation."
        }
    }
}

/// The setup of a conversation that begins at `now`: what the model is told, and in whose voice it speaks; in that of the
/// persona that was `asked` for, if there is one.
pub fn setup(
    gemini: &GeminiConfig,
    clinic: &ClinicConfig,
    now: Timestamp,
    place: Place<'_>,
    asked: Option<&PersonaId>,
) -> Setup {
    let local = now.to_zoned(clinic.time_zone.clone());
    // A clinic that does not say when it is open is never closed.
    let open = clinic.data.as_ref().is_none_or(|data| data.is_open(local.datetime()));
    let persona = clinic.personas.choose(&Beginning { place, time: local.time(), open, asked });
    Setup {
        backend: Connector::backend(gemini),
        api_version: gemini.api_version.clone(),
        model: gemini.model.clone(),
        voice: persona.map_or_else(|| gemini.voice.clone(), |persona| persona.voice.clone()),
        language: clinic.language.clone(),
        instruction: Briefing { gemini, clinic, persona, place, local }.instruction(),
        tools: clinic.data.as_ref().map_or_else(|| vec![decl::end_call()], |data| decl::all(data)),
        silence_ms: SILENCE_MS,
    }
}

/// Everything that an instruction is made of.
struct Briefing<'a> {
    gemini: &'a GeminiConfig,
    clinic: &'a ClinicConfig,
    persona: Option<&'a Persona>,
    place: Place<'a>,
    local: Zoned,
}

impl<'a> Briefing<'a> {
    fn instruction(&self) -> String {
        let own = self.persona.and_then(|persona| persona.prompt.as_ref()).or(self.gemini.instruction.as_ref());
        let template = own.unwrap_or(&RECEPTIONIST);
        let written = without_gaps(&template.fill(|blank| self.blank(blank)));
        // A prompt of the clinic's own may have been written for the phone alone.
        if self.place == Place::Desk && !template.has(Blank::Fact(Fact::Place)) {
            return format!("{written}\n\n{}", situation(self.place));
        }
        written
    }

    fn blank(&self, blank: Blank) -> Cow<'a, str> {
        let block = match (blank, &self.clinic.data) {
            (Blank::Fact(fact), _) => return self.fact(fact),
            (Blank::Booking | Blank::Emergency, None) => return "".into(),
            (Blank::Booking, Some(data)) if data.types.is_empty() => &NO_BOOKING,
            (Blank::Booking, Some(_)) => &BOOKING,
            (Blank::Emergency, Some(_)) => &EMERGENCY,
        };
        block.fill(|fact| self.fact(fact)).into()
    }

    fn fact(&self, fact: Fact) -> Cow<'a, str> {
        let (clinic, today) = (self.clinic, self.local.date());
        let data = clinic.data.as_deref();
        match fact {
            Fact::Clinic => clinic.name.as_str().into(),
            Fact::Place => situation(self.place).into(),
            Fact::Now => self.local.strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string().into(),
            Fact::Date => today.to_string().into(),
            Fact::Weekday => brief::weekday(today.weekday()).into(),
            Fact::Time => self.local.strftime("%H:%M").to_string().into(),
            Fact::Language => clinic.language.as_str().into(),
            Fact::Languages => data
                .map_or_else(|| clinic.language.as_str().into(), |data| brief::listed(&data.languages, "and").into()),
            Fact::Persona => self.persona.map_or("", |persona| &persona.name).into(),
            Fact::Tone => self.persona.map_or_else(Cow::default, tone),
            Fact::Greeting => self.greeting().into(),
            Fact::Days => brief::days(data, today).into(),
            Fact::Hours => data.map_or_else(Cow::default, |data| brief::hours(data, today).into()),
            Fact::Addresses => data.map_or_else(Cow::default, |data| brief::addresses(data).into()),
            Fact::Practitioners => data.map_or_else(Cow::default, |data| brief::practitioners(data, today).into()),
            Fact::Services => data.map_or_else(Cow::default, |data| brief::services(data).into()),
            Fact::Contacts => data.map_or_else(Cow::default, |data| brief::contacts(data).into()),
            Fact::EmergencySentence => data.map_or("", |data| &data.emergency.say).into(),
            Fact::EmergencyNumber => data.map_or("", |data| &data.emergency.number).into(),
        }
    }

    fn greeting(&self) -> String {
        let of_persona = self.persona.and_then(|persona| persona.greeting.as_ref());
        let exactly =
            of_persona.map(|greeting| greeting.fill(|fact| self.fact(fact))).or_else(|| self.gemini.greeting.clone());
        exactly.map_or_else(
            || {
                let name = &self.clinic.name;
                format!(
                    "Greet the caller in one short sentence that names {name}, say that you are its automated \
                     receptionist, and ask how you can help."
                )
            },
            |sentence| format!("Greet the caller with exactly this: \"{sentence}\""),
        )
    }
}

fn tone(persona: &Persona) -> Cow<'_, str> {
    format!("Your name is {}. {}", persona.name, persona.tone).into()
}

/// The text without the gaps that empty places leave: at most one empty line in a row, none at either end.
fn without_gaps(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut gap = false;
    for line in text.trim().lines() {
        let line = line.trim_end();
        if line.is_empty() {
            gap = true;
            continue;
        }
        if !kept.is_empty() {
            kept.push_str(if gap { "\n\n" } else { "\n" });
        }
        kept.push_str(line);
        gap = false;
    }
    kept
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;

//! In which manner the agent speaks, and when.

use std::collections::BTreeMap;

use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::clinic::persona::{At, Persona, PersonaRule, Personas};
use frontdesk_core::clinic::template::Fact;
use frontdesk_core::letter::words::base;
use frontdesk_core::twilio::number::PhoneNumber;

use super::super::section::Section;
use super::super::{prompt, value};
use super::{MAX_NAME_CHARS, MAX_SAID_CHARS, hours, id, known};

/// A manner of speaking takes a paragraph.
const MAX_TONE_CHARS: usize = 1000;

/// What the greetings of the shipped example have in common.
const SHIPPED_GREETING: &str = "the automated receptionist";

/// `[[personas]]` and `[answering]`, which says who speaks when. Without the latter it is always the first one. Callers are
/// greeted in `language`.
pub(super) fn read(file: &mut Section<'_>, language: &str) -> Personas {
    let catalogue = catalogue(file, language);
    let ids: Vec<String> = catalogue.iter().map(|persona| persona.id.to_string()).collect();
    let mut usual = catalogue.first().map(|persona| persona.id.clone());
    let mut rules = Vec::new();
    if let Some(mut section) = file.nested("answering") {
        if let Some(named) = section.optional("persona", |text| persona_id(text, &ids)) {
            usual = Some(named);
        }
        for item in section.items("rules") {
            if let Some(item) = section.item("rules", item) {
                rules.extend(rule(item, &ids));
            }
        }
        section.finish();
    }
    Personas { catalogue, usual, rules }
}

fn catalogue(file: &mut Section<'_>, language: &str) -> Vec<Persona> {
    let (mut all, mut taken) = (Vec::new(), BTreeMap::new());
    for item in file.items("personas") {
        let Some(mut item) = file.item("personas", item) else { continue };
        item.require("name", "write the name under which it introduces itself");
        item.require("voice", "write one of Gemini's voices, for example \"Sulafat\"");
        item.require("tone", "write in a few sentences how it speaks");
        let id = id(&mut item, PersonaId::parse, &mut taken);
        let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
        let voice = item.text("voice", String::new(), value::voice);
        let tone = item.text("tone", String::new(), |text| value::sentence(text, MAX_TONE_CHARS));
        let place = item.place("greeting");
        let mut is_shipped = false;
        let greeting = item.optional("greeting", |text| {
            is_shipped = text.contains(SHIPPED_GREETING);
            prompt::sentence(&value::line(text, MAX_SAID_CHARS)?, &Fact::IN_GREETING)
        });
        if is_shipped && base(language) != "en" {
            let (name, found) = (item.name("greeting"), format!("is English, and callers are greeted in {language}"));
            item.out.advise(place, &name, found, "write it in that language; it is said word for word");
        }
        let (place, key) = (item.place("prompt_file"), item.name("prompt_file"));
        let prompt = prompt::file(&mut item, "prompt_file");
        if let Some(prompt) = &prompt {
            prompt::advise(prompt, place, &key, item.out);
        }
        item.finish();
        all.extend(id.map(|id| Persona { id, name, voice, tone, greeting, prompt }));
    }
    all
}

fn rule(mut item: Section<'_>, ids: &[String]) -> Option<PersonaRule> {
    const CONDITIONS: [&str; 4] = ["at", "when", "number", "hours"];
    if CONDITIONS.iter().all(|key| item.place(key).is_none()) {
        let (here, title) = (item.here(), item.name(""));
        let remedy = "write at, when, number or hours; who speaks otherwise is [answering] persona";
        item.out.error(Some(here), title.trim_end(), "has no condition", remedy);
    }
    item.require("persona", "write the id of one of [[personas]]");
    let (number_place, number_name) = (item.place("number"), item.name("number"));
    let persona = item.optional("persona", |text| persona_id(text, ids));
    let at = item.optional("at", |text| match text {
        "phone" => Ok(At::Phone),
        "desk" => Ok(At::Desk),
        _ => Err("choose \"phone\" or \"desk\""),
    });
    let open = item.optional("when", |text| match text {
        "open" => Ok(true),
        "closed" => Ok(false),
        _ => Err("choose \"open\" or \"closed\""),
    });
    let number = item.private("number", PhoneNumber::parse);
    if at == Some(At::Desk) && number.is_some() {
        item.out.error(number_place, number_name, "stands beside at = \"desk\"", "nobody phones the desk: remove one");
    }
    let hours = hours::spans(&mut item, "hours");
    item.finish();
    Some(PersonaRule { persona: persona?, at, number, open, hours })
}

fn persona_id(text: &str, ids: &[String]) -> Result<PersonaId, String> {
    PersonaId::parse(&known(text, ids, "personas")?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, read_in};

    #[test]
    fn the_shipped_greeting_is_advised_of_where_callers_are_greeted_in_another_language() {
        let say = "number = \"112\"\nsay = \"Bitte legen Sie auf und rufen Sie 112 an.\"";
        let persona = "[[personas]]\nid = \"calm\"\nname = \"Clara\"\nvoice = \"Kore\"\ntone = \"Ruhig.\"\ngreeting = ";
        let advice = |language: &str, greeting: &str| {
            let text = SMALL.replace("number = \"112\"", say) + persona + greeting;
            let (read, out) = read_in(language, &text);
            assert!(read.is_some(), "{:#?}", out.errors);
            out.advice.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let shipped = "\"{clinic}. This is {persona}, the automated receptionist.\"";
        let told = advice("de-DE", shipped);
        assert_eq!(told.len(), 1, "{told:?}");
        let start =
            "clinic.toml:23: [[personas]] (calm) greeting is English, and callers are greeted in de-DE: write it";
        assert!(told[0].starts_with(start), "{told:?}");
        assert_eq!(advice("en-GB", shipped), [""; 0]);
        assert_eq!(advice("de-DE", "\"{clinic}, hier ist {persona}, die automatische Rezeption.\""), [""; 0]);
    }
}

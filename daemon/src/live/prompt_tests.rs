//! What the model is told, as a whole.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::persona::{At, PersonaRule, Personas};
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::tz::TimeZone;

use super::*;
use crate::config::{GeminiAccess, Secret, shipped_clinic};

const PHONE: Place<'static> = Place::Phone(None);

fn gemini() -> GeminiConfig {
    GeminiConfig {
        endpoint: "wss://example.com".into(),
        api_version: "v1beta".into(),
        model: "gemini-3.8-live".into(),
        voice: "Sulafat".into(),
        access: GeminiAccess::ApiKey(Secret::new("k")),
        ca_file: None,
        instruction: None,
        greeting: Some("Hello, this is Riverside.".into()),
        rotate_after: Duration::from_mins(8),
    }
}

fn clinic(data: Option<Clinic>, personas: Personas) -> ClinicConfig {
    ClinicConfig {
        name: "Riverside Clinic".into(),
        time_zone: TimeZone::get("Europe/Berlin").unwrap(),
        language: "de-DE".into(),
        data: data.map(Arc::new),
        knowledge: None,
        personas,
    }
}

fn told(gemini: &GeminiConfig, clinic: &ClinicConfig, now: &str, place: Place<'_>) -> String {
    setup(gemini, clinic, now.parse().unwrap(), place, None).instruction
}

#[test]
fn the_instruction_names_the_clinic_and_its_local_time() {
    let clinic = clinic(None, Personas::default());
    let now = "2026-11-21T08:30:00Z";
    let on_phone = told(&gemini(), &clinic, now, PHONE);
    for part in [
        "Riverside Clinic",
        "Saturday, 21 November 2026, 09:30",
        "2026-11-22 Sunday (tomorrow)",
        "\"Hello, this is Riverside.\"",
        "de-DE",
        "on the phone",
    ] {
        assert!(on_phone.contains(part), "{part} is not in:\n{on_phone}");
    }
    assert!(!on_phone.contains(['{', '}']), "every placeholder is filled:\n{on_phone}");
    assert!(!on_phone.contains("find_slots"), "without data there is nothing to book:\n{on_phone}");
    assert!(!on_phone.contains("\n\n\n"), "{on_phone}");
    let at_desk = told(&gemini(), &clinic, now, Place::Desk);
    assert!(at_desk.contains("front desk") && !at_desk.contains("on the phone"), "{at_desk}");
}

#[test]
fn a_prompt_of_the_clinics_own_replaces_ours_and_is_told_of_the_desk() {
    let clinic = clinic(None, Personas::default());
    let own = |text: &str| {
        let template = Template::parse(text, &Blank::named()).unwrap();
        GeminiConfig { instruction: Some(template), ..gemini() }
    };
    let now = "2026-11-21T23:30:00Z";
    assert_eq!(told(&own("Be brief."), &clinic, now, PHONE), "Be brief.");
    assert!(told(&own("Be brief."), &clinic, now, Place::Desk).contains("front desk"));
    let filled = told(&own("{clinic}, {weekday} {date} {time} {{x}}\n\n{booking}{services}\n"), &clinic, now, PHONE);
    assert_eq!(filled, "Riverside Clinic, Sunday 2026-11-22 00:30 {x}", "midnight is the clinic's own");
}

#[test]
fn a_clinic_with_data_is_told_whole() {
    let (data, personas) = shipped_clinic();
    let no_types = Clinic { types: Vec::new(), ..data.clone() };
    let told_of = |data: Clinic| {
        let clinic = clinic(Some(data), personas.clone());
        told(&gemini(), &clinic, "2026-12-18T09:00:00Z", PHONE)
    };
    let sentence = data.emergency.say.clone();
    let instruction = told_of(data);
    for part in [
        "2026-12-25 Friday (in 7 days): closed, Christmas Day",
        "Opening hours: Monday",
        "\n- osei: Dr. Amara Osei, say \"Doctor Osei\"",
        "\n- check-up: ",
        "find_slots",
        "take_message",
        sentence.as_str(),
    ] {
        assert!(instruction.contains(part), "{part} is not in:\n{instruction}");
    }
    assert!(!instruction.contains(['{', '}']) && !instruction.contains("\n\n\n"), "{instruction}");
    assert!(!instruction.contains("+1555"), "numbers are dialled by code:\n{instruction}");
    let nothing = told_of(no_types);
    assert!(!nothing.contains("find_slots") && nothing.contains("take_message"), "{nothing}");
}

/// Who answers where and when, by the shipped data: phone in hours, desk, phone after hours.
#[test]
fn the_persona_follows_the_place_and_the_hour() {
    let (data, personas) = shipped_clinic();
    let clinic = clinic(Some(data), personas);
    let asked = |now: &str, place, asked: Option<&str>| {
        let asked = asked.map(|id| PersonaId::parse(id).unwrap());
        let setup = setup(&gemini(), &clinic, now.parse().unwrap(), place, asked.as_ref());
        let named = ["Clara", "Felix", "Nora"]
            .into_iter()
            .find(|name| setup.instruction.contains(&format!("Your name is {name}.")));
        (named.unwrap(), setup.voice)
    };
    let speaks = |now: &str, place| asked(now, place, None);
    assert_eq!(speaks("2026-12-01T09:00:00Z", PHONE), ("Clara", "Sulafat".to_owned()));
    assert_eq!(speaks("2026-12-01T09:00:00Z", Place::Desk), ("Felix", "Achird".to_owned()));
    assert_eq!(speaks("2026-12-01T21:00:00Z", PHONE), ("Nora", "Vindemiatrix".to_owned()));
    assert_eq!(speaks("2026-12-25T09:00:00Z", PHONE).0, "Nora", "on Christmas Day nobody is there");
    let on_request = asked("2026-12-25T09:00:00Z", PHONE, Some("guide"));
    assert_eq!(on_request, ("Felix", "Achird".to_owned()), "whatever the rules say");
    assert_eq!(asked("2026-12-25T09:00:00Z", PHONE, Some("nobody")).0, "Nora", "as usual");
}

#[test]
fn a_persona_may_bring_its_own_words() {
    let (data, mut personas) = shipped_clinic();
    let guide = PersonaId::parse("guide").unwrap();
    let persona = personas.catalogue.iter_mut().find(|persona| persona.id == guide).unwrap();
    persona.prompt = Some(Template::parse("{tone} {greeting}", &Blank::named()).unwrap());
    persona.greeting = Some(Template::parse("{clinic}, {persona} here.", &Fact::IN_GREETING).unwrap());
    let number = PhoneNumber::parse("+15550100107").unwrap();
    let rule =
        PersonaRule { persona: guide, at: Some(At::Phone), number: Some(number.clone()), open: None, hours: vec![] };
    personas.rules.insert(0, rule);
    let clinic = clinic(Some(data), personas);
    let called = told(&gemini(), &clinic, "2026-12-01T09:00:00Z", Place::Phone(Some(&number)));
    assert!(called.starts_with("Your name is Felix. "), "{called}");
    assert!(called.ends_with("\"Riverside Clinic, Felix here.\""), "{called}");
}

//! What the model is told before a call.

use frontdesk_core::gemini::setup::Setup;
use frontdesk_core::tools::decl;
use jiff::Timestamp;

use super::Connector;
use crate::config::{ClinicConfig, GeminiConfig};

/// The instruction that comes with Frontdesk; `{…}` are filled in.
const RECEPTIONIST: &str = include_str!("../../../images/prompts/receptionist.md");
/// Silence that ends a caller's turn; 500 to 800 ms works well (gemini-3.8-live, field reports of 2026).
const SILENCE_MS: u32 = 600;

/// Where the model is: what it is told of its situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the phone.
    Phone,
    /// At the front desk.
    Desk,
}

impl Place {
    fn sentence(self) -> &'static str {
        match self {
            Self::Phone => "You are on the phone with a caller.",
            Self::Desk => {
                "You stand in for the person at the front desk: a visitor is in front of you and speaks with you through \
                 a speakerphone. Where these rules speak of a caller they mean that visitor; ending the call means \
                 ending the conversation."
            }
        }
    }
}

/// The setup of a conversation that begins at `now`.
pub fn setup(gemini: &GeminiConfig, clinic: &ClinicConfig, now: Timestamp, place: Place) -> Setup {
    Setup {
        backend: Connector::backend(gemini),
        api_version: gemini.api_version.clone(),
        model: gemini.model.clone(),
        voice: gemini.voice.clone(),
        language: clinic.language.clone(),
        instruction: instruction(gemini, clinic, now, place),
        tools: vec![decl::end_call()],
        silence_ms: SILENCE_MS,
    }
}

fn instruction(gemini: &GeminiConfig, clinic: &ClinicConfig, now: Timestamp, place: Place) -> String {
    let local = now.to_zoned(clinic.time_zone.clone());
    let greeting = gemini.greeting.as_ref().map_or_else(
        || format!("Greet the caller in one short sentence that names {}, and ask how you can help.", clinic.name),
        |sentence| format!("Greet the caller with exactly this: \"{sentence}\""),
    );
    let template = gemini.instruction.as_deref().unwrap_or(RECEPTIONIST);
    let written = template
        .replace("{clinic}", &clinic.name)
        .replace("{language}", &clinic.language)
        .replace("{now}", &local.strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string())
        .replace("{place}", place.sentence())
        .replace("{greeting}", &greeting);
    // A prompt of the clinic's own may have been written for the phone alone.
    if place == Place::Desk && !template.contains("{place}") {
        return format!("{written}\n\n{}", place.sentence());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{GeminiAccess, Secret};
    use jiff::tz::TimeZone;
    use std::time::Duration;

    #[test]
    fn the_instruction_names_the_clinic_and_its_local_time() {
        let clinic = ClinicConfig {
            name: "Riverside Clinic".into(),
            time_zone: TimeZone::get("Europe/Berlin").unwrap(),
            language: "de-DE".into(),
        };
        let gemini = GeminiConfig {
            endpoint: "wss://example.com".into(),
            api_version: "v1beta".into(),
            model: "gemini-3.8-live".into(),
            voice: "Sulafat".into(),
            access: GeminiAccess::ApiKey(Secret::new("k")),
            ca_file: None,
            instruction: None,
            greeting: Some("Hello, this is Riverside.".into()),
            rotate_after: Duration::from_mins(8),
        };
        let now = "2026-11-21T08:30:00Z".parse().unwrap();
        let setup = setup(&gemini, &clinic, now, Place::Phone);
        for part in ["Riverside Clinic", "Saturday, 21 November 2026, 09:30", "\"Hello, this is Riverside.\"", "de-DE"]
        {
            assert!(setup.instruction.contains(part), "{part} is not in:\n{}", setup.instruction);
        }
        assert!(!setup.instruction.contains('{'), "every placeholder is filled:\n{}", setup.instruction);
        assert!(setup.instruction.contains("on the phone"));
        let at_desk = instruction(&gemini, &clinic, now, Place::Desk);
        assert!(at_desk.contains("front desk") && !at_desk.contains("on the phone"), "{at_desk}");
        let own = GeminiConfig { instruction: Some("Be brief.".into()), ..gemini };
        assert_eq!(instruction(&own, &clinic, now, Place::Phone), "Be brief.");
        assert!(instruction(&own, &clinic, now, Place::Desk).contains("front desk"));
    }
}

//! What a conversation that begins now is made by.

use std::sync::Arc;

use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::letter::clean;
use frontdesk_core::session::bridge::Patience;
use frontdesk_core::twilio::sid::CallSid;
use frontdesk_core::twilio::webhook::{Form, VoiceRequest};
use jiff::Timestamp;
use log::warn;

use crate::config::{ClinicConfig, Config, DeskConfig, GeminiConfig, PhoneConfig};
use crate::conversation::tools::Office;
use crate::phone::fallback::Fallbacks;

/// Characters of what a webhook's address asks for that a log shows.
const LONGEST_SHOWN: usize = 40;

/// One configuration's worth of what conversations are made by; never changed, only replaced.
pub struct Settings {
    /// The phone's.
    pub phone: PhoneConfig,
    /// The model's.
    pub gemini: GeminiConfig,
    /// Whom the agent speaks for.
    pub clinic: ClinicConfig,
    /// How patient a conversation at the desk is.
    pub desk: Patience,
    /// What the model may call; nothing without the clinic's data.
    pub office: Option<Arc<Office>>,
    /// What Twilio does with a caller when we do not.
    pub fallback: Fallbacks,
}

impl Settings {
    /// Those of `config`, with the `fallback` and the `office` that were made of it.
    pub fn of(config: &Config, fallback: Fallbacks, office: Option<Arc<Office>>) -> Self {
        Self {
            phone: config.phone.clone(),
            gemini: config.gemini.clone(),
            clinic: config.clinic.clone(),
            desk: patience(&config.desk),
            office,
            fallback,
        }
    }

    /// Whether the fallback number sent this caller to us. It is not rung for them: the call would only come back.
    pub fn was_forwarded(&self, voice: &VoiceRequest) -> bool {
        self.phone.fallback_number.as_ref().is_some_and(|number| voice.comes_from(number))
    }

    /// The persona that the query of a webhook's address asks for: `persona=guide`. One that does not exist is told in the
    /// log and not asked for.
    pub fn asked_persona(&self, call: &CallSid, query: Option<&str>) -> Option<PersonaId> {
        let form = Form::parse(query?.as_bytes()).ok()?;
        let written = form.get("persona")?;
        let id = PersonaId::parse(written).ok();
        let known = id.filter(|id| self.clinic.personas.persona(id).is_some());
        if known.is_none() {
            let all = self.clinic.personas.catalogue.iter().map(|persona| persona.id.as_str());
            let (all, written) = (all.collect::<Vec<_>>().join(", "), clean::line(written, LONGEST_SHOWN));
            warn!(call_sid = call.as_str(); "the number's webhook at Twilio asks for the persona {written:?}, which clinic.toml does not have (it has: {all}): the usual one speaks");
        }
        known
    }

    /// The document for a caller whose life is in danger; nothing if the one behind their stream, which `dials` or not, is
    /// to be used. While the daemon is being stopped, and so not `staying`, nobody will be there to be asked what comes
    /// next: the fallback number is rung, or whoever is on call without a word to us.
    pub fn on_call(&self, dials: bool, staying: bool, now: Timestamp) -> Option<&str> {
        if dials && !staying {
            return None;
        }
        self.fallback.on_call(self.office.as_ref()?.rung(dials, now)?, staying)
    }
}

fn patience(desk: &DeskConfig) -> Patience {
    Patience { no_input: desk.no_input, goodbye: desk.goodbye, longest: desk.longest }
}

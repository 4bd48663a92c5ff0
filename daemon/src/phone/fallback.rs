//! What Twilio does with a caller when we do not: documents, made when the daemon starts.
//!
//! ```text
//! behind a stream   dial, static      holds without us; when the person does not answer, the call ends
//! at once           dial, then ask    we live: if nobody has answered, the caller may leave a message
//! danger to life    dial, then ask    whoever is on call; if they have not answered, as `at once`. While the daemon is being
//!                                     stopped: what is behind the stream, or if that is voicemail, dial, static
//! nobody answered   voicemail
//! ```
//!
//! Without a fallback number, what would dial it is voicemail.

use std::time::Duration;

use frontdesk_core::twilio::number::PhoneNumber;
use frontdesk_core::twilio::twiml::{self, Fallback, TwimlError};

use super::paths;
use crate::config::{ClinicConfig, PhoneConfig};

/// Longest message on voicemail.
const LONGEST_MESSAGE: Duration = Duration::from_mins(2);

/// The ways out for a caller whom the agent does not take.
#[derive(Debug)]
pub struct Fallbacks {
    behind_stream: Fallback,
    message: Fallback,
    without_us: String,
    asking_us: String,
    voicemail: String,
    on_call: Vec<OnCall>,
}

/// The documents that dial a number in danger to life.
#[derive(Debug)]
struct OnCall {
    number: PhoneNumber,
    without_us: String,
    asking_us: String,
}

impl Fallbacks {
    /// Makes the documents of the configuration, so that no call is the first to meet a sentence that is too long.
    pub fn new(phone: &PhoneConfig, clinic: &ClinicConfig) -> Result<Self, TwimlError> {
        let voicemail = voicemail(phone, clinic);
        let fallback = |after: Option<&str>| {
            let number = phone.fallback_number.as_ref();
            number.map_or_else(|| voicemail.clone(), |number| dial(phone, clinic, number, after))
        };
        let behind_stream = fallback(None);
        let asking_us = fallback(Some(paths::AFTER));
        let contacts = clinic.data.iter().flat_map(|data| &data.emergency.contacts);
        let on_call = contacts.map(|contact| {
            let dial = |after| twiml::fallback_only(&dial(phone, clinic, &contact.number, after));
            let (without_us, asking_us) = (dial(None)?, dial(Some(paths::AFTER_ON_CALL))?);
            Ok(OnCall { number: contact.number.clone(), without_us, asking_us })
        });
        Ok(Self {
            on_call: on_call.collect::<Result<_, TwimlError>>()?,
            without_us: twiml::fallback_only(&behind_stream)?,
            asking_us: twiml::fallback_only(&asking_us)?,
            voicemail: twiml::fallback_only(&voicemail)?,
            behind_stream,
            message: voicemail,
        })
    }

    /// What stands behind every stream. It never asks us anything: it is there for the case that we are gone. Whoever was
    /// `forwarded` by the fallback number is asked for a message: that line would only forward them again.
    pub fn behind_stream(&self, forwarded: bool) -> &Fallback {
        if forwarded { &self.message } else { &self.behind_stream }
    }

    /// Whether somebody is dialled behind the stream of such a caller.
    pub fn dials(&self, forwarded: bool) -> bool {
        matches!(self.behind_stream(forwarded), Fallback::Dial { .. })
    }

    /// The document in place of a stream. Whoever is `staying` will be asked what comes next when the person called has
    /// not answered; a Twilio that does not reach us then goes to the number's own fallback URL, and without one the
    /// caller hears of an application error. So a daemon that is being stopped does not promise to be there.
    pub fn at_once(&self, staying: bool) -> &str {
        if staying { &self.asking_us } else { &self.without_us }
    }

    /// The document for a caller whose life may be in danger, while that number is on call; nothing if it never is. As
    /// with [`at_once`](Self::at_once), we are asked what comes next only if we are `staying`.
    pub fn on_call(&self, number: &PhoneNumber, staying: bool) -> Option<&str> {
        let known = self.on_call.iter().find(|known| known.number == *number)?;
        Some(if staying { &known.asking_us } else { &known.without_us })
    }

    /// The document for a caller whom nobody answered.
    pub fn voicemail(&self) -> &str {
        &self.voicemail
    }
}

/// `after` is the path that is asked what comes next.
fn dial(phone: &PhoneConfig, clinic: &ClinicConfig, number: &PhoneNumber, after: Option<&str>) -> Fallback {
    Fallback::Dial {
        say: phone.fallback_say.clone(),
        language: clinic.language.clone(),
        number: number.clone(),
        caller_id: phone.number.clone(),
        action_url: after.map(|path| format!("{}{path}", phone.public_url)),
    }
}

fn voicemail(phone: &PhoneConfig, clinic: &ClinicConfig) -> Fallback {
    let told = format!("{}{}", phone.public_url, paths::VOICEMAIL);
    Fallback::Voicemail {
        say: phone.voicemail_say.clone(),
        language: clinic.language.clone(),
        action_url: told.clone(),
        recording_status_url: told,
        max_length: LONGEST_MESSAGE,
        goodbye: phone.voicemail_goodbye.clone(),
    }
}

//! What Twilio does with a caller when we do not: three documents, made when the daemon starts.
//!
//! ```text
//! behind a stream   dial, static      holds without us; when the person does not answer, the call ends
//! at once           dial, then ask    we live: if nobody has answered, the caller may leave a message
//! nobody answered   voicemail
//! ```
//!
//! Without a fallback number all three are voicemail.

use std::time::Duration;

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
}

impl Fallbacks {
    /// Makes the documents of the configuration, so that no call is the first to meet a sentence that is too long.
    pub fn new(phone: &PhoneConfig, clinic: &ClinicConfig) -> Result<Self, TwimlError> {
        let voicemail = voicemail(phone, clinic);
        let behind_stream = dial(phone, clinic, None).unwrap_or_else(|| voicemail.clone());
        let after = format!("{}{}", phone.public_url, paths::AFTER);
        let asking_us = dial(phone, clinic, Some(after)).unwrap_or_else(|| voicemail.clone());
        Ok(Self {
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

    /// The document for a caller whom nobody answered.
    pub fn voicemail(&self) -> &str {
        &self.voicemail
    }
}

fn dial(phone: &PhoneConfig, clinic: &ClinicConfig, action_url: Option<String>) -> Option<Fallback> {
    let number = phone.fallback_number.clone()?;
    Some(Fallback::Dial {
        say: phone.fallback_say.clone(),
        language: clinic.language.clone(),
        number,
        caller_id: phone.number.clone(),
        action_url,
    })
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

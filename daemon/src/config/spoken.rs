//! The sentences that Twilio reads to callers whom the agent does not take, and the language that it reads them in.

use frontdesk_core::letter::words::base;

use super::complaint::Complaints;
use super::parts::{ClinicConfig, PhoneConfig};

/// Before somebody is rung.
pub(super) const FALLBACK_SAY: &str = "One moment please, I am connecting you.";
/// Before a message is taken.
pub(super) const VOICEMAIL_SAY: &str = "Nobody can take your call right now. Please leave a message after the tone.";
/// When none was left.
pub(super) const VOICEMAIL_GOODBYE: &str = "I did not hear a message. Goodbye.";

/// Advises of sentences that are read in a language in which they are not written.
pub(super) fn advise(clinic: &ClinicConfig, phone: &PhoneConfig, out: &mut Complaints) {
    if base(&clinic.language) == "en" {
        return;
    }
    for (key, said, shipped) in [
        ("fallback_say", &phone.fallback_say, FALLBACK_SAY),
        ("voicemail_say", &phone.voicemail_say, VOICEMAIL_SAY),
        ("voicemail_goodbye", &phone.voicemail_goodbye, VOICEMAIL_GOODBYE),
    ] {
        if said == shipped {
            let found = format!("is English, and is read to callers who are greeted in {}", clinic.language);
            out.advise(None, &format!("[phone] {key}"), found, "write it in that language");
        }
    }
}

//! Text messages: what they say, and what Twilio's answers mean.

use std::time::Duration;

use super::clean::line;
use super::facts::Facts;
use super::words::base;
use super::{Notice, Sent};

/// A segment of the GSM alphabet has 160 characters: a clinic's name is what can be cut.
const LONGEST_NAME: usize = 40;

/// Of two BCP-47 tags, the patient's and the clinic's, the first for which there is a wording; that of the patient if there
/// is for none: then it is English.
pub fn language<'a>(patient: &'a str, clinic: &'a str) -> &'a str {
    [patient, clinic].into_iter().find(|tag| ["de", "en"].contains(&base(tag).as_str())).unwrap_or(patient)
}

/// The message, in German or else in English. It asks to call back: it comes from the number that the agent answers.
pub fn text(notice: Notice, facts: &Facts, language: &str) -> String {
    let (clinic, when, reference) = (line(&facts.clinic, LONGEST_NAME), &facts.when_short, &facts.reference);
    if base(language) == "de" {
        return match notice {
            Notice::Confirmation => {
                format!(
                    "{clinic}: Ihr Termin ist am {when}. Kennung {reference}. Für Änderungen rufen Sie uns bitte an."
                )
            }
            Notice::Rescheduled => {
                format!(
                    "{clinic}: Ihr Termin ist jetzt am {when}. Kennung {reference}. Bei Fragen rufen Sie uns bitte an."
                )
            }
            Notice::Cancellation => format!("{clinic}: Ihr Termin am {when} ist abgesagt. Kennung {reference}."),
            Notice::Reminder => {
                format!("{clinic}: Erinnerung an Ihren Termin am {when}. Kennung {reference}. STOP beendet diese SMS.")
            }
        };
    }
    match notice {
        Notice::Confirmation => {
            format!("{clinic}: your appointment is on {when}. Reference {reference}. Call us to change it.")
        }
        Notice::Rescheduled => {
            format!("{clinic}: your appointment is now on {when}. Reference {reference}. Call us to change it.")
        }
        Notice::Cancellation => format!("{clinic}: your appointment on {when} is cancelled. Reference {reference}."),
        Notice::Reminder => {
            format!("{clinic}: reminder of your appointment on {when}. Reference {reference}. STOP ends these texts.")
        }
    }
}

/// What it means that Twilio did not take a message: the HTTP status and Twilio's own code, 0 if it named none.
///
/// Twilio has no key that makes a repeated request harmless, so whatever is not clearly a refusal may have been sent.
pub fn refused(status: u16, code: u32, after: Option<Duration>) -> Sent {
    let said = format!("Twilio answered HTTP {status} code {code}");
    let because = |why: &str| format!("{said}: {why}");
    match (status, code) {
        (_, 21_211 | 21_614) => Sent::Rejected(because("the number takes no text messages")),
        (_, 21_610) => Sent::Rejected(because("the recipient has answered STOP")),
        (_, 21_612) => Sent::Rejected(because("the number cannot be reached from the clinic's")),
        (_, 21_408) => Sent::Misconfigured(because("allow the recipient's country in Twilio's messaging permissions")),
        (_, 21_212 | 21_606 | 21_659 | 21_660) => {
            Sent::Misconfigured(because("the clinic's number sends no text messages: use one that has SMS"))
        }
        (401 | 403, _) => Sent::Misconfigured(because("check twilio-account-sid and twilio-auth-token")),
        // Whatever answers there, it is not the API: nothing was sent.
        (404 | 300..=399, _) => Sent::Misconfigured(because("that is not Twilio's: check [phone] twilio_api")),
        (429, _) | (_, 21_611) => Sent::Retry { why: because("too many at a time"), after },
        (503, _) => Sent::Retry { why: said, after },
        (400..=499, _) => Sent::Rejected(said),
        _ => Sent::Unknown(said),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::{appointment, clinic};
    use super::*;

    fn facts(language: &str) -> Facts {
        let mut clinic = clinic();
        clinic.name = "Gemeinschaftspraxis am Fluss für die ganze Familie".to_owned();
        Facts::of(&appointment(), &clinic, language).unwrap()
    }

    /// GSM 03.38's letters, as far as our own sentences use them.
    fn is_gsm(c: char) -> bool {
        c.is_ascii_alphanumeric() || " .,:-äöüÄÖÜß".contains(c)
    }

    #[test]
    fn a_text_message_is_one_segment_and_says_no_more_than_it_must() {
        for language in ["en-US", "en-GB", "de", "fr"] {
            for notice in Notice::ALL {
                let text = text(notice, &facts(language), language);
                assert!(text.chars().count() <= 160 && text.chars().all(is_gsm), "{} {text}", text.len());
                assert!(text.contains("K7Q-4MR") && text.contains("14:00") | text.contains("2:00 PM"), "{text}");
                assert!(!text.contains("Ana") && !text.contains("Osei") && !text.contains("olonoscopy"), "{text}");
            }
        }
        let german = text(Notice::Confirmation, &facts("de-AT"), "de-AT");
        assert_eq!(
            german,
            "Gemeinschaftspraxis am Fluss für die gan: Ihr Termin ist am Di., 1.12., 14:00 Uhr. Kennung K7Q-4MR. Für \
             Änderungen rufen Sie uns bitte an."
        );
    }

    #[test]
    fn a_language_without_a_wording_gives_way_to_the_clinics() {
        for (patient, clinic, written) in
            [("de-AT", "en-US", "de-AT"), ("es", "de-DE", "de-DE"), ("en", "de", "en"), ("es", "fr", "es")]
        {
            assert_eq!(language(patient, clinic), written, "{patient} {clinic}");
        }
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is_and_whether_to_try_again() {
        let is = |sent: &Sent| match sent {
            Sent::Rejected(_) => "rejected",
            Sent::Misconfigured(_) => "misconfigured",
            Sent::Retry { .. } => "retry",
            Sent::Unknown(_) | Sent::Open { .. } => "unknown",
            Sent::Done { .. } | Sent::Moot(_) => "fine",
        };
        for (status, code, class) in [
            (400, 21_211, "rejected"),
            (400, 21_610, "rejected"),
            (400, 21_617, "rejected"),
            (400, 21_606, "misconfigured"),
            (403, 21_408, "misconfigured"),
            (401, 20_003, "misconfigured"),
            (404, 0, "misconfigured"),
            (302, 0, "misconfigured"),
            (429, 20_429, "retry"),
            (503, 20_503, "retry"),
            (500, 20_500, "unknown"),
            (502, 0, "unknown"),
        ] {
            assert_eq!(is(&refused(status, code, None)), class, "{status} {code}");
        }
        let wait = Some(Duration::from_secs(9));
        assert!(matches!(refused(429, 20_429, wait), Sent::Retry { after, .. } if after == wait));
    }
}

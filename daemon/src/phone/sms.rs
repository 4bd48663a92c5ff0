//! Text messages to patients, through Twilio, from the clinic's own number.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::{Appointment, Patient};
use frontdesk_core::clinic::Clinic;
use frontdesk_core::letter::facts::Facts;
use frontdesk_core::letter::{Moot, Notice, Sent, clean, sms};
use frontdesk_core::twilio::number::PhoneNumber;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use reqwest::Response;
use serde::Deserialize;

use super::rest::{Problem, Rest};
use crate::current::Current;
use crate::logging::chain;

/// Longest receipt that is kept: a SID has 34 characters.
const LONGEST_RECEIPT: usize = 40;

/// Writes text messages and hands them to Twilio.
pub struct Texter {
    rest: Arc<Rest>,
    from: PhoneNumber,
    clinic: Current<Clinic>,
}

#[derive(Deserialize)]
struct Accepted {
    sid: String,
}

impl Texter {
    /// A texter that sends from `from`, the clinic's number at Twilio.
    pub fn new(rest: Arc<Rest>, from: PhoneNumber, clinic: impl Into<Current<Clinic>>) -> Self {
        Self { rest, from, clinic: clinic.into() }
    }

    /// Tells the patient what has become of their appointment, as it stands now. At most two requests of 5 s each;
    /// cancelled, the message may or may not have been sent. Twilio has no key that makes a repeated request harmless.
    pub async fn notify(&self, appointment: &Appointment, now: Timestamp) -> Sent {
        self.write(Notice::about(appointment, now), appointment).await
    }

    /// Reminds the patient, unless the appointment was cancelled or moved to a later day meanwhile. Otherwise like
    /// [`notify`](Self::notify).
    pub async fn remind(&self, appointment: &Appointment, now: Timestamp) -> Sent {
        self.write(Notice::reminder(appointment, now), appointment).await
    }

    async fn write(&self, notice: Result<Notice, Moot>, appointment: &Appointment) -> Sent {
        let clinic = self.clinic.take();
        let text = notice.and_then(|notice| {
            let language = sms::language(&appointment.language, &clinic.language);
            let facts = Facts::of(appointment, &clinic, language)?;
            let to = recipient(appointment.patient.as_ref())?;
            Ok((to, sms::text(notice, &facts, language)))
        });
        match text {
            Ok((to, text)) => self.send(to, &text).await,
            Err(moot) => Sent::Moot(moot),
        }
    }

    async fn send(&self, to: &PhoneNumber, text: &str) -> Sent {
        // Letters that would halve what fits into a segment are replaced by their likes.
        let form = [("To", to.as_e164()), ("From", self.from.as_e164()), ("Body", text), ("SmartEncoded", "true")];
        match self.rest.post("Messages.json", &form).await {
            Ok(answer) if answer.status().is_success() => accepted(answer).await,
            Ok(answer) => refused(answer).await,
            Err(error) if error.is_connect() => {
                Sent::Retry { why: format!("Twilio cannot be reached: {}", chain(&error)), after: None }
            }
            Err(error) => Sent::Unknown(format!("Twilio's answer was lost: {}", chain(&error))),
        }
    }
}

fn recipient(patient: Option<&Patient>) -> Result<&PhoneNumber, Moot> {
    patient.filter(|patient| patient.sms).and_then(|patient| patient.phone.as_ref()).ok_or(Moot::NoSms)
}

async fn accepted(answer: Response) -> Sent {
    match answer.json::<Accepted>().await {
        Ok(Accepted { sid }) => Sent::Done { receipt: clean::line(&sid, LONGEST_RECEIPT) },
        Err(error) if error.is_decode() => {
            Sent::Misconfigured("what answered is not Twilio's: check [phone] twilio_api".to_owned())
        }
        Err(error) => Sent::Unknown(format!("Twilio's answer was lost: {}", chain(&error.without_url()))),
    }
}

async fn refused(answer: Response) -> Sent {
    let status = answer.status().as_u16();
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let Problem { code } = answer.json().await.unwrap_or_default();
    sms::refused(status, code, seconds.map(Duration::from_secs))
}

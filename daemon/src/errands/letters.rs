//! Errands that end in a letter or a text message.

use frontdesk_core::booking::appointment::AppointmentId;
use frontdesk_core::booking::book::Errand;
use frontdesk_core::letter::Sent;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::mail::{Attempt, Mailer};
use crate::outbox::{Carrier, Outcome};
use crate::phone::sms::Texter;
use crate::store::{Due, Store, StoreError};

/// Writes to patients and staff.
pub struct Letters {
    store: Store,
    mailer: Mailer,
    texter: Texter,
    now: fn() -> Timestamp,
}

/// How a patient is written to.
#[derive(Clone, Copy)]
enum By {
    Mail,
    Sms,
}

impl Letters {
    /// Letters about what `store` holds; `now` is the civil time.
    pub fn new(store: Store, mailer: Mailer, texter: Texter, now: fn() -> Timestamp) -> Self {
        Self { store, mailer, texter, now }
    }

    async fn write(&self, due: &Due) -> Result<Sent, StoreError> {
        match &due.errand {
            Errand::Mail(id) => self.notify(*id, By::Mail, attempt(due)).await,
            Errand::Sms(id) => self.notify(*id, By::Sms, attempt(due)).await,
            Errand::Reminder(id, _) => self.remind(*id, attempt(due)).await,
            Errand::Message(number) => self.tell_staff(*number, attempt(due)).await,
            Errand::Calendar(_) => Ok(Sent::Rejected("a calendar's errand is none of a letter's".to_owned())),
        }
    }

    async fn notify(&self, id: AppointmentId, by: By, attempt: Attempt<'_>) -> Result<Sent, StoreError> {
        let Some(appointment) = self.store.appointment(id).await? else { return Ok(gone()) };
        let now = (self.now)();
        Ok(match by {
            By::Mail => self.mailer.notify(&appointment, attempt, now).await,
            By::Sms => self.texter.notify(&appointment, now).await,
        })
    }

    async fn remind(&self, id: AppointmentId, attempt: Attempt<'_>) -> Result<Sent, StoreError> {
        let Some(appointment) = self.store.appointment(id).await? else { return Ok(gone()) };
        let now = (self.now)();
        // One reminder is enough, and mail says more.
        let by_mail = appointment.patient.as_ref().is_some_and(|patient| patient.email.is_some());
        Ok(if by_mail {
            self.mailer.remind(&appointment, attempt, now).await
        } else {
            self.texter.remind(&appointment, now).await
        })
    }

    async fn tell_staff(&self, number: i64, attempt: Attempt<'_>) -> Result<Sent, StoreError> {
        let Some(listed) = self.store.message(number).await? else { return Ok(gone()) };
        Ok(self.mailer.tell_staff(number, &listed.message(), listed.taken_at, attempt, (self.now)()).await)
    }
}

fn attempt(due: &Due) -> Attempt<'_> {
    Attempt { key: &due.key, unsure: due.unsure }
}

/// It was erased meanwhile, with the patient's data: nobody is left to write to.
fn gone() -> Sent {
    Sent::Done { receipt: "nothing is left to tell of".to_owned() }
}

impl Carrier for Letters {
    fn carry<'a>(&'a self, errand: &'a Due) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            match self.write(errand).await {
                Ok(sent) => outcome(sent, errand.unsure),
                Err(error) => Outcome::Retry { why: format!("the store cannot be read: {error}"), after: None },
            }
        })
    }
}

/// What an attempt means for the errand; `unsure`: an earlier attempt may have been the letter already.
fn outcome(sent: Sent, unsure: bool) -> Outcome {
    match sent {
        Sent::Done { receipt } => Outcome::Done { note: receipt },
        Sent::Moot(why) => Outcome::Done { note: why.to_string() },
        Sent::Retry { why, after } => Outcome::Retry { why, after },
        // Somebody may mend it within the hours for which it is tried.
        Sent::Misconfigured(why) => Outcome::Retry { why, after: None },
        Sent::Rejected(why) => Outcome::Dead { why },
        // Twice is better than never, three times is not.
        Sent::Unknown(why) if unsure => Outcome::Dead { why: format!("it may have been sent twice already: {why}") },
        Sent::Unknown(why) => Outcome::Unsure { why, after: None },
        Sent::Open { why, after } => Outcome::Unsure { why, after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_whose_answer_was_lost_is_sent_once_more_and_no_third_time() {
        let lost = || Sent::Unknown("the server said nothing".to_owned());
        assert!(matches!(outcome(lost(), false), Outcome::Unsure { .. }));
        assert!(matches!(outcome(lost(), true), Outcome::Dead { .. }));
    }

    #[test]
    fn a_letter_that_is_looked_for_first_is_tried_as_long_as_any_other() {
        let wanted = Some(std::time::Duration::from_mins(2));
        let open = Sent::Open { why: "Gmail answered HTTP 503".to_owned(), after: wanted };
        assert!(matches!(outcome(open, true), Outcome::Unsure { after, .. } if after == wanted));
    }

    #[test]
    fn what_somebody_can_mend_is_tried_again_and_what_is_refused_is_not() {
        assert!(matches!(outcome(Sent::Misconfigured("password".into()), false), Outcome::Retry { .. }));
        assert!(matches!(outcome(Sent::Rejected("no such mailbox".into()), false), Outcome::Dead { .. }));
    }
}

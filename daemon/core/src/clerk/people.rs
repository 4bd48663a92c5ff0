//! What needs a person: a message, a hand-over, an emergency.

use jiff::Timestamp;
use jiff::civil::Time;
use serde_json::json;

use super::words::{self, Saying};
use super::{Answer, Clerk, Deed, Place, Trouble};
use crate::booking::book::{Book, Errand, Message};
use crate::booking::refusal::Refusal;
use crate::clinic::Contact;
use crate::tools::request::{MessageForStaff, Phone, TransferReason};

/// Messages of one conversation.
const MOST_MESSAGES: u32 = 5;

impl Clerk {
    pub(super) fn take_message(
        &mut self,
        message: MessageForStaff,
        now: Timestamp,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let phone = match message.phone {
            Phone::Number(number) => Some(number),
            Phone::CallerId if self.caller.is_none() => return Err(Refusal::BadPhone.into()),
            Phone::CallerId => self.caller.clone(),
            Phone::None => None,
        };
        if self.memory.messages >= MOST_MESSAGES {
            let next = "Say it. Offer to hand over to a person if it is urgent.";
            return Ok(Answer::error("limit_reached", words::say(Saying::NoMoreMessages, self.language), next));
        }
        let kept = Message {
            name: message.name,
            phone,
            topic: message.topic.to_owned(),
            text: message.text,
            today: message.today,
        };
        let number = book.take_message(&kept, &self.conversation, now)?;
        book.send(&Errand::Message(number), &format!("message:{number}"), now)?;
        self.memory.messages += 1;
        let next = "Say it, then ask whether there is anything else. Do not promise when somebody will call.";
        Ok(Answer::done("taken", words::say(Saying::MessageTaken, self.language), next))
    }

    pub(super) fn transfer(&self, reason: TransferReason, now: Timestamp) -> Answer {
        if reason == TransferReason::Emergency {
            return self.emergency();
        }
        let take_message = "Say it; if the caller wants that, take the message with urgency as they say.";
        match self.place {
            Place::Desk => {
                let say = words::say(Saying::NoTransferHere, self.language);
                Answer::done("not_possible_here", say, take_message)
            }
            Place::Phone { dials } if !dials || !self.somebody_is_there(now) => {
                let say = words::say(Saying::NobodyThere, self.language);
                Answer::done("nobody_available", say, take_message)
            }
            Place::Phone { .. } => {
                let next = "Say exactly this sentence and nothing else; the call is then handed over.";
                Answer::done("connecting", words::say(Saying::Connecting, self.language), next).and(Deed::Transfer)
            }
        }
    }

    pub(super) fn emergency(&self) -> Answer {
        let next = "Say exactly this sentence, now and before anything else. Ask nothing about symptoms and offer no \
                    appointment.";
        let emergency = &self.clinic.emergency;
        let answer = Answer::done("emergency", emergency.say.as_str(), next).with("number", json!(emergency.number));
        answer.and(Deed::Emergency)
    }

    /// Whether the number that is dialled is answered now. A clinic that names nobody is taken to answer it at any time.
    fn somebody_is_there(&self, now: Timestamp) -> bool {
        let contacts = &self.clinic.contacts;
        let local = now.to_zoned(self.clinic.zone.clone());
        contacts.is_empty() || contacts.iter().any(|contact| may_be_called(contact, local.weekday(), local.time()))
    }
}

fn may_be_called(contact: &Contact, day: jiff::civil::Weekday, time: Time) -> bool {
    let minute = time.hour() as u16 * 60 + time.minute() as u16;
    let open = |hours: &crate::clinic::hours::Hours| (hours.from.get()..hours.to.get()).contains(&minute);
    contact.hours.as_ref().is_none_or(|week| week.on(day).iter().any(open))
}

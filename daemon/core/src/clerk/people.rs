//! What needs a person: a message, a hand-over, an emergency.

use jiff::Timestamp;
use serde_json::json;

use super::words::{self, Saying};
use super::{Answer, Clerk, Deed, Place, Trouble};
use crate::booking::book::{Book, Errand, Message};
use crate::booking::refusal::Refusal;
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
            Place::Phone { dials } if !dials || !self.clinic.somebody_answers(self.local(now).datetime()) => {
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
}

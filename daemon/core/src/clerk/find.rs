//! Free times: what the caller wishes, what the book and the outside calendar say, and what is offered.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Clerk, Outside, Trouble, days, words};
use crate::booking::appointment::{AppointmentId, Busy, Slot, Span};
use crate::booking::book::{Book, BookError};
use crate::booking::refusal::{Because, Choice, DateRefusal, NoSlots, Refusal};
use crate::booking::slots;
use crate::booking::spoken::{Language, say_slot, say_weekday};
use crate::booking::wish::Wish;
use crate::tools::request;

/// An offer can be taken that long; whether it is still free is looked at then.
const OFFERED_FOR: SignedDuration = SignedDuration::from_mins(20);

impl Clerk {
    pub(super) fn find_slots(
        &mut self,
        wish: &request::Wish,
        now: Timestamp,
        outside: &Outside,
        book: &mut dyn Book,
    ) -> Result<Answer, Trouble> {
        let heard = wish.heard.clone();
        let (wish, except) = self.wish(wish, now).inspect_err(|trouble| {
            if matches!(trouble, Trouble::Refused(Refusal::Date(DateRefusal::Ambiguous { .. }))) {
                self.memory.asked_about = heard;
            }
        })?;
        let kind = self.clinic.appointment_type(&wish.kind).ok_or(Refusal::UnknownType)?;
        // Who does not do it is answered with the next free time of anybody who does.
        let asked = wish.practitioner.as_ref().filter(|asked| kind.practitioners.contains(asked));
        let of = asked.map_or(kind.practitioners.as_slice(), std::slice::from_ref);
        let mut busy = |span: Span| -> Result<Vec<Busy>, BookError> {
            let mut busy = book.busy(of, span, now, except)?;
            busy.extend(outside.busy().iter().cloned());
            Ok(busy)
        };
        if let Some((first, span)) = slots::near(&self.clinic, &wish, now)
            && let Ok(found) = slots::free(&self.clinic, &first, &busy(span)?, now)
            && found.is_enough(&self.clinic)
        {
            let answer = self.offer_slots(&found.slots, found.more, now, outside);
            return Ok(self.dated(answer, now));
        }
        let all = busy(slots::window(&self.clinic, &wish, now))?;
        let answer = match slots::free(&self.clinic, &wish, &all, now) {
            Ok(found) => self.offer_slots(&found.slots, found.more, now, outside),
            Err(Refusal::NoSlots(none)) => self.no_slots(&none, now),
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(self.dated(answer, now))
    }

    /// With today's date, for a model whose table of days is of the day on which the conversation began.
    pub(super) fn dated(&self, answer: Answer, now: Timestamp) -> Answer {
        let today = self.local(now).date();
        let weekday = say_weekday(today.weekday(), Language::English);
        answer.with("today", json!(today.to_string())).with("weekday_today", json!(weekday))
    }

    /// The wish in terms of the clinic, and the appointment that is to be moved.
    pub(super) fn wish(&self, asked: &request::Wish, now: Timestamp) -> Result<(Wish, Option<AppointmentId>), Trouble> {
        let kind = self.kind(&asked.kind)?;
        let named = asked.practitioner_heard.as_deref().or(asked.practitioner.as_deref());
        let practitioner = named.map(|said| self.practitioner(said, kind)).transpose()?;
        let local = self.local(now);
        let settled = asked.heard.is_some() && self.memory.asked_about == asked.heard;
        let meant = days::meant(asked, self.language, &local, settled).map_err(Refusal::from)?;
        let except = asked.instead_of.as_deref().map(|handle| self.known(handle).map(|known| known.id)).transpose()?;
        let wish = Wish {
            kind: kind.id.clone(),
            practitioner,
            from: meant.from,
            to: meant.to,
            day_part: meant.part,
            earliest: meant.earliest,
            latest: meant.latest,
        };
        Ok((wish, except))
    }

    fn offer_slots(&mut self, found: &[Slot], more: bool, now: Timestamp, outside: &Outside) -> Answer {
        let offers: Vec<(Value, Choice)> = found.iter().map(|slot| self.offered(slot, now)).collect();
        self.memory.offered = offers.iter().map(|(_, choice)| choice.clone()).collect();
        let says: Vec<String> = self.memory.offered.iter().map(|choice| choice.say.clone()).collect();
        let next =
            "Offer these in your own words, no others; when the caller wants one, call hold_slot with its slot_id.";
        let answer = Answer::done("found", words::offers(&says, self.language), next);
        let slots = offers.into_iter().map(|(json, _)| json).collect::<Vec<_>>();
        let answer = answer.with("slots", Value::from(slots)).with("more_available", json!(more));
        if outside.is_unknown() { answer.with("calendar", json!("unreachable")) } else { answer }
    }

    /// A slot as it is told to the model, and as a choice.
    fn offered(&self, slot: &Slot, now: Timestamp) -> (Value, Choice) {
        let id = self.offers.seal(slot, &self.conversation, now.saturating_add(OFFERED_FOR).unwrap_or(now));
        let say = say_slot(slot, &self.clinic, self.language);
        let local = slot.time.from.to_zoned(self.clinic.zone.clone());
        let json = json!({
            "slot_id": id,
            "say": say,
            "date": local.date().to_string(),
            "weekday": say_weekday(local.weekday(), Language::English),
            "time": local.strftime("%H:%M").to_string(),
            "practitioner": slot.practitioner.as_str(),
        });
        (json, Choice { id, say })
    }

    /// Nothing is free: why, and what is free next.
    fn no_slots(&mut self, none: &NoSlots, now: Timestamp) -> Answer {
        let refusal = Refusal::NoSlots(Box::new(none.clone()));
        let answer = self.refused(&refusal);
        let because = match none.because {
            Because::Closed(_) => "closed",
            Because::PractitionerAway(_) => "practitioner_away",
            Because::NotDone => "not_done_by_practitioner",
            Because::OutsideHours => "outside_hours",
            Because::FullyBooked => "fully_booked",
            Because::Past => "past",
            Because::TooSoon(_) => "too_soon",
            Because::TooFar(_) => "too_far",
        };
        let answer = answer.with("because", json!(because));
        let Some(next) = &none.next_free else { return answer };
        let (json, choice) = self.offered(next, now);
        self.memory.offered = vec![choice];
        answer.with("next_free", json)
    }
}

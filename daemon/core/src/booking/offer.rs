//! What the model gets in place of a time: an opaque id that only this box can have made, for this conversation, for a
//! while. A time that the model makes up, keeps from another conversation, or keeps too long is refused.
//!
//! ```text
//! type 2 │ practitioner 2 │ beginning 5 │ end of the offer 5 │ tag 16     bytes; 40 characters of URL-safe base64
//! ```
//! Type and practitioner are in it as two bytes of a digest, enough to find the few that may be meant; the tag covers
//! their whole ids, so that it settles which.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::{digest, hmac};

use super::appointment::Slot;
use super::refusal::Refusal;
use super::slots::slot_at;
use crate::clinic::ids::{PractitionerId, TypeId};
use crate::clinic::{AppointmentType, Clinic, Practitioner};
use crate::session::id::ConversationId;

const TAG: usize = 16;
const BODY: usize = 14;
/// Keeps these tags apart from any other that the same key may be used for.
const PURPOSE: &[u8] = b"frontdesk offer 1";

/// Why an id is not an offer. None of them repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefusal {
    /// It has not the form of one.
    #[error("not the id of an offer")]
    Malformed,
    /// It was not made here, not for this conversation, or for something that the clinic does not have any more.
    #[error("not an offer of this conversation")]
    NotOurs,
    /// It was one.
    #[error("the offer has run out")]
    Expired,
}

impl From<OfferRefusal> for Refusal {
    fn from(_: OfferRefusal) -> Self {
        Self::UnknownSlot
    }
}

/// Makes and reads the ids of offers. It holds a key and shows it to nobody.
pub struct Offers(hmac::Key);

impl Offers {
    /// With a random key. An id is worth nothing under another key: a new one at each start of the box is fine.
    pub fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The id of an offer that may be taken until `expires`, cut down to whole seconds, in one conversation.
    pub fn seal(&self, slot: &Slot, conversation: &ConversationId, expires: Timestamp) -> String {
        let mut bytes = [0; BODY + TAG];
        bytes[..2].copy_from_slice(&short(slot.kind.as_str()));
        bytes[2..4].copy_from_slice(&short(slot.practitioner.as_str()));
        bytes[4..9].copy_from_slice(&five_bytes(slot.time.from));
        bytes[9..BODY].copy_from_slice(&five_bytes(expires));
        let tag = self.tag(&bytes[..BODY], &slot.kind, &slot.practitioner, conversation);
        bytes[BODY..].copy_from_slice(&tag.as_ref()[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The offer of an id, with the lengths and the place that the clinic has for it now. Whether it is still free is for
    /// [`still_free`](super::slots::still_free) to say.
    pub fn open(
        &self,
        id: &str,
        conversation: &ConversationId,
        now: Timestamp,
        clinic: &Clinic,
    ) -> Result<Slot, OfferRefusal> {
        let mut bytes = [0; BODY + TAG];
        // A longer text does not fit the array: the decoder refuses it without reading on.
        match URL_SAFE_NO_PAD.decode_slice(id, &mut bytes) {
            Ok(length) if length == BODY + TAG => {}
            _ => return Err(OfferRefusal::Malformed),
        }
        let (body, tag) = bytes.split_at(BODY);
        let sealed = |(kind, practitioner): &(&AppointmentType, &Practitioner)| {
            self.is_equal(self.tag(body, &kind.id, &practitioner.id, conversation).as_ref(), tag)
        };
        let mut meant = candidates(clinic, body);
        let (kind, practitioner) = meant.find(sealed).ok_or(OfferRefusal::NotOurs)?;
        let (from, expires) = (instant(&body[4..9]), instant(&body[9..]));
        let (Some(from), Some(expires)) = (from, expires) else { return Err(OfferRefusal::Malformed) };
        if expires <= now { Err(OfferRefusal::Expired) } else { Ok(slot_at(kind, practitioner, from)) }
    }

    fn tag(&self, body: &[u8], kind: &TypeId, who: &PractitionerId, conversation: &ConversationId) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        // Ids hold no zero byte, and the body is of a fixed length: no two offers are written alike.
        for part in [PURPOSE, conversation.as_str().as_bytes(), kind.as_str().as_bytes(), who.as_str().as_bytes()] {
            context.update(part);
            context.update(&[0]);
        }
        context.update(body);
        context.sign()
    }

    /// Whether the first bytes of the right tag are those of the one that was given. How long it takes tells nothing: what
    /// is compared are the tags of the two.
    fn is_equal(&self, right: &[u8], given: &[u8]) -> bool {
        hmac::verify(&self.0, &right[..TAG], hmac::sign(&self.0, given).as_ref()).is_ok()
    }
}

/// What may be meant by the digests in an offer.
fn candidates<'a>(clinic: &'a Clinic, body: &'a [u8]) -> impl Iterator<Item = (&'a AppointmentType, &'a Practitioner)> {
    let kinds = clinic.types.iter().filter(|known| short(known.id.as_str()) == body[..2]);
    kinds.flat_map(|kind| {
        let practitioners = clinic.practitioners.iter().filter(|known| short(known.id.as_str()) == body[2..4]);
        practitioners.map(move |practitioner| (kind, practitioner))
    })
}

fn short(id: &str) -> [u8; 2] {
    let digest = digest::digest(&digest::SHA256, id.as_bytes());
    [digest.as_ref()[0], digest.as_ref()[1]]
}

/// Seconds since 1970 in 40 bits, which all instants fit.
fn five_bytes(instant: Timestamp) -> [u8; 5] {
    let [_, _, _, low @ ..] = instant.as_second().to_be_bytes();
    low
}

fn instant(bytes: &[u8]) -> Option<Timestamp> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { -1i64 };
    let second = bytes.iter().fold(sign, |second, byte| (second << 8) | i64::from(*byte));
    Timestamp::from_second(second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::world::{clinic, kind, who};
    use crate::session::id::DeskId;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn slot(clinic: &Clinic) -> Slot {
        slot_at(
            clinic.appointment_type(&kind("checkup")).unwrap(),
            clinic.practitioner(&who("osei")).unwrap(),
            at("2026-12-01T14:00Z"),
        )
    }

    fn conversation(bits: u128) -> ConversationId {
        DeskId::of(bits).into()
    }

    #[test]
    fn an_offer_is_read_back_in_its_conversation_until_it_runs_out() {
        let (clinic, offers) = (clinic("Europe/London"), Offers::new(KEY));
        let id = offers.seal(&slot(&clinic), &conversation(1), at("2026-11-27T10:10Z"));
        assert_eq!(id.len(), 40);
        let open = |now, conversation| offers.open(&id, &conversation, at(now), &clinic);
        assert_eq!(open("2026-11-27T10:09:59Z", conversation(1)), Ok(slot(&clinic)));
        assert_eq!(open("2026-11-27T10:10Z", conversation(1)), Err(OfferRefusal::Expired));
        assert_eq!(open("2026-11-27T10:00Z", conversation(2)), Err(OfferRefusal::NotOurs));
        let other = Offers::new([8; 32]).open(&id, &conversation(1), at("2026-11-27T10:00Z"), &clinic);
        assert_eq!(other, Err(OfferRefusal::NotOurs), "another key");
    }

    #[test]
    fn what_the_clinic_has_no_more_cannot_be_taken() {
        let (mut clinic, offers) = (clinic("Europe/London"), Offers::new(KEY));
        let id = offers.seal(&slot(&clinic), &conversation(1), at("2026-11-27T10:10Z"));
        clinic.practitioners.remove(0);
        let opened = offers.open(&id, &conversation(1), at("2026-11-27T10:00Z"), &clinic);
        assert_eq!(opened, Err(OfferRefusal::NotOurs));
    }

    proptest! {
        #[test]
        fn no_text_is_an_offer(text in "\\PC{0,100}") {
            let opened = Offers::new(KEY).open(&text, &conversation(1), Timestamp::UNIX_EPOCH, &clinic("UTC"));
            prop_assert!(opened.is_err());
        }

        #[test]
        fn an_offer_that_was_altered_is_refused(at_byte in 0usize..BODY + TAG, flip in 1u8..) {
            let (clinic, offers) = (clinic("UTC"), Offers::new(KEY));
            let id = offers.seal(&slot(&clinic), &conversation(1), Timestamp::MAX);
            let mut bytes = URL_SAFE_NO_PAD.decode(id).unwrap();
            bytes[at_byte] ^= flip;
            let forged = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(offers.open(&forged, &conversation(1), Timestamp::UNIX_EPOCH, &clinic).is_err());
        }

        #[test]
        fn an_offer_is_worth_nothing_in_another_conversation(mine: u128, theirs: u128, ahead in 0i64..1_000_000_000) {
            prop_assume!(mine != theirs);
            let (clinic, offers) = (clinic("UTC"), Offers::new(KEY));
            let mut wanted = slot(&clinic);
            wanted.time.from += SignedDuration::from_secs(ahead);
            let id = offers.seal(&wanted, &conversation(mine), Timestamp::MAX);
            let open = |bits| offers.open(&id, &conversation(bits), Timestamp::UNIX_EPOCH, &clinic);
            prop_assert_eq!(open(mine).map(|slot| slot.time.from), Ok(wanted.time.from));
            prop_assert_eq!(open(theirs), Err(OfferRefusal::NotOurs));
        }
    }
}

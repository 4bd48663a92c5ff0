//! What a clerk decides without a book. Everything else is tried out against the real one, in the daemon's tests.

use super::*;
use crate::booking::wish::DayPart;
use crate::clinic::sample;
use crate::session::id::DeskId;
use crate::tools::request::{TransferReason, Wish};

const PHONE: Place = Place::Phone { dials: true };
/// Friday, ten in the morning in Berlin.
const NOW: &str = "2026-11-27T09:00:00Z";

fn clerk(place: Place) -> Clerk {
    let offers = Arc::new(Offers::new([7; 32]));
    Clerk::new(Arc::new(sample::clinic()), offers, DeskId::of(1).into(), place, None, "en-US")
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn wish(kind: &str) -> Wish {
    Wish {
        kind: kind.to_owned(),
        practitioner: None,
        practitioner_heard: None,
        from: Some(jiff::civil::date(2026, 12, 1)),
        weekday: None,
        to: None,
        part: DayPart::Any,
        earliest: None,
        latest: None,
        heard: None,
        instead_of: None,
    }
}

#[test]
fn a_type_is_known_by_its_other_words_too() {
    let clerk = clerk(PHONE);
    for said in ["vaccination", "a vaccination", "A shot", "shot"] {
        assert_eq!(clerk.kind(said).map(|kind| kind.id.as_str()), Ok("vaccination"), "{said}");
    }
    assert_eq!(clerk.kind("surgery").err(), Some(Refusal::UnknownType));
}

#[test]
fn the_outside_calendar_is_asked_about_those_who_would_do_it() {
    let clerk = clerk(PHONE);
    let asked = |wish: Wish| {
        let question = clerk.question(&Request::FindSlots(wish), now()).unwrap();
        question.practitioners.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(asked(wish("vaccination")), ["osei", "park"]);
    assert_eq!(asked(Wish { practitioner: Some("park".to_owned()), ..wish("vaccination") }), ["park"]);
    assert_eq!(clerk.question(&Request::FindSlots(wish("surgery")), now()), None, "there is nothing to ask");
    assert_eq!(clerk.question(&Request::Emergency, now()), None);
}

#[test]
fn a_caller_is_handed_over_while_somebody_may_be_called() {
    let clerk = clerk(PHONE);
    let deed = |clerk: &Clerk, reason, at: &str| clerk.transfer(reason, at.parse().unwrap()).deed;
    assert_eq!(deed(&clerk, TransferReason::Requested, NOW), Some(Deed::Transfer));
    assert_eq!(deed(&clerk, TransferReason::Requested, "2026-11-28T09:00:00Z"), None, "on a Saturday");
    assert_eq!(deed(&clerk, TransferReason::Emergency, "2026-11-28T09:00:00Z"), Some(Deed::Emergency));
    assert_eq!(deed(&self::clerk(Place::Desk), TransferReason::Requested, NOW), None);
}

#[test]
fn nobody_is_promised_where_nobody_is_dialled() {
    let clerk = clerk(Place::Phone { dials: false });
    let answer = clerk.transfer(TransferReason::Requested, now());
    assert_eq!((answer.json["output"]["status"].as_str(), answer.deed), (Some("nobody_available"), None));
    assert_eq!(clerk.transfer(TransferReason::Emergency, now()).deed, Some(Deed::Emergency));
}

#[test]
fn handles_are_read_strictly() {
    assert_eq!([number("h1", 'h'), number(" H12 ", 'h'), number("h999", 'h')], [Some(0), Some(11), Some(998)]);
    for wrong in ["", "h", "h0", "a1", "h-1", "h+1", "h1000", "1"] {
        assert_eq!(number(wrong, 'h'), None, "{wrong:?}");
    }
}

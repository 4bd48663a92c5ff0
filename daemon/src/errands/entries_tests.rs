//! What an error means for an errand, and what is taken for an accident.

use std::time::Duration;

use frontdesk_core::clinic::ids::{LocationId, TypeId};

use super::*;

fn span(from: i64, to: i64) -> Span {
    let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
    Span { from: at(from), to: at(to) }
}

#[test]
fn a_calendar_that_is_away_is_tried_again_and_what_a_person_must_decide_is_not() {
    let away = |after| CalError::Retry { found: "no route".to_owned(), after };
    let later = [
        away(None),
        CalError::Unknown("x".to_owned()),
        CalError::NeedsConsent("x".to_owned()),
        CalError::Config("x".to_owned()),
    ];
    for error in later {
        assert!(matches!(EntryError::from(error).into(), Outcome::Retry { after: None, .. }));
    }
    let asked = Some(Duration::from_mins(2));
    let Outcome::Retry { why, after } = EntryError::from(away(asked)).into() else { panic!("given up") };
    assert_eq!((after, why.contains("no route")), (asked, true));
    for error in [CalError::Conflict, CalError::NotFound, CalError::Bug("x".to_owned())] {
        assert!(matches!(EntryError::from(error).into(), Outcome::Dead { .. }));
    }
    assert!(matches!(EntryError::Crossed.into(), Outcome::Dead { .. }));
    assert!(matches!(EntryError::from(StoreError::Closed).into(), Outcome::Retry { .. }));
}

#[test]
fn buffers_move_with_the_appointment() {
    let slot = Slot {
        kind: TypeId::parse("check-up").unwrap(),
        practitioner: PractitionerId::parse("osei").unwrap(),
        location: LocationId::parse("main").unwrap(),
        time: span(60, 90),
        busy: span(55, 100),
    };
    assert_eq!(around(&slot, span(120, 180)), span(115, 190));
}

#[test]
fn a_calendar_that_is_all_but_empty_is_an_accident_and_no_cancellation() {
    let known = |n: u128| (1..=n).map(AppointmentId).collect::<Vec<_>>().into_iter();
    let but = |gone: u128| move |id: AppointmentId| id.0 > gone;
    assert_eq!(missing(known(2), but(2)).unwrap().len(), 2, "deleted one by one");
    assert_eq!(missing(known(6), but(3)).unwrap().len(), 3);
    assert!(matches!(missing(known(6), but(4)), Err(EntryError::Emptied { missing: 4, known: 6 })));
    assert!(missing(known(0), but(0)).unwrap().is_empty());
}

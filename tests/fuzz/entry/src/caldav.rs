//! What comes from calendars: the answers of servers, and the entries of anybody who may invite the clinic.

use crate::is_short;
use frontdesk_core::booking::appointment::Span;
use frontdesk_core::caldav::address::{appointment, last_segment, redirected, resolve, same};
use frontdesk_core::caldav::multistatus::{FileChange, Multistatus, names_condition};
use frontdesk_core::caldav::object::Object;
use frontdesk_core::caldav::request::{multiget, sync_collection};
use frontdesk_core::caldav::zone::Zones;

const BASE: &str = "https://cal.example.com/dav/";

/// The body of an answer, in every meaning that it may have.
pub fn calendar_answer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for condition in ["valid-sync-token", "no-uid-conflict"] {
        let _ = names_condition(text, condition);
    }
    let answer = match Multistatus::read(text) {
        Ok(answer) => answer,
        Err(error) => return is_short(&error),
    };
    if let Some(token) = &answer.sync_token {
        assert!(roxmltree::Document::parse(&sync_collection(token)).is_ok(), "a token breaks our request: {token:?}");
    }
    let said = answer.responses.len();
    match answer.clone().files() {
        Ok(files) => assert!(files.len() <= said),
        Err(error) => is_short(&error),
    }
    match answer.changes() {
        Ok((changes, _)) => changes.iter().for_each(href_stays_at_its_host),
        Err(error) => is_short(&error),
    }
}

fn href_stays_at_its_host(change: &FileChange) {
    let (FileChange::There { href, .. } | FileChange::Gone { href }) = change;
    let base = BASE.parse().expect("it is an address");
    if let Err(error) = redirected(&base, href) {
        is_short(&error);
    }
    let address = match resolve(&base, href) {
        Ok(address) => address,
        Err(error) => return is_short(&error),
    };
    assert_eq!(address.origin(), base.origin(), "the password would go elsewhere: {href:?}");
    assert!(same(&address, &address));
    assert_eq!(
        appointment(&address).is_some(),
        last_segment(&address).is_some_and(|name| name.len() == 36 && {
            let (id, suffix) = name.split_at_checked(32).unwrap_or_default();
            suffix == ".ics" && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        })
    );
    assert!(roxmltree::Document::parse(&multiget([address.path()])).is_ok(), "an href breaks our request: {href:?}");
}

/// One entry's text: which time it takes.
pub fn calendar_object(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let database = jiff::tz::TimeZoneDatabase::bundled();
    let clinic = database.get("Europe/Berlin").expect("it is built in");
    let object = match Object::read(text, &Zones::new(database, clinic)) {
        Ok(object) => object,
        Err(error) => return is_short(&error),
    };
    for (from, to) in [("2026-12-01T00:00Z", "2027-01-01T00:00Z"), ("2026-12-01T09:00Z", "2026-12-01T09:01Z")] {
        let within = Span { from: from.parse().expect("a time"), to: to.parse().expect("a time") };
        match object.taken(within) {
            Ok(taken) => {
                for taken in taken {
                    assert!(taken.span.from < taken.span.to && taken.span.overlaps(&within), "{taken:?}");
                }
            }
            Err(error) => is_short(&error),
        }
    }
}

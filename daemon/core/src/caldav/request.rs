//! Bodies of requests, as calendar servers are known to understand them: times in basic UTC, everything escaped.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::booking::appointment::Span;

/// `PROPFIND`, depth 0: who the user is, and where their calendars are if the server says so at once.
pub const PRINCIPAL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><d:current-user-principal/><c:calendar-home-set/></d:prop></d:propfind>"#;

/// `PROPFIND`, depth 1, at a home: its calendars.
pub const CALENDARS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><d:resourcetype/><d:displayname/><c:supported-calendar-component-set/></d:prop></d:propfind>"#;

/// `PROPFIND`, depth 0, at a calendar: a tag that changes with anything in it.
pub const COLLECTION_TAG: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:s="http://calendarserver.org/ns/"><d:prop><s:getctag/></d:prop></d:propfind>"#;

/// `PROPFIND`, depth 1 at a calendar or 0 at a file: what is there, in which version.
pub const TAGS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:"><d:prop><d:getetag/><d:resourcetype/></d:prop></d:propfind>"#;

/// Times without a zone, and whole days, are compared by servers in UTC or in the calendar's zone, and one is known to keep
/// wrong rules of a zone. Between any two zones lie 26 hours: that much more is asked for, and what is not meant is left
/// out afterwards.
const ZONES_APART: SignedDuration = SignedDuration::from_hours(26);

/// `REPORT`, depth 1: entries that may touch `span`, recurring ones whole.
///
/// Servers could be asked to work recurrences out (`expand`), and are not: Radicale 3.9 moves a series by an hour when
/// summer time begins or ends within it, and forgets its exceptions.
pub fn calendar_query(span: Span) -> String {
    let earliest = span.from.checked_sub(ZONES_APART).unwrap_or(Timestamp::MIN);
    let latest = span.to.checked_add(ZONES_APART).unwrap_or(Timestamp::MAX);
    let range = format!(r#"start="{}" end="{}""#, basic(earliest), basic(latest));
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<c:calendar-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><d:getetag/><c:calendar-data/></d:prop><c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range {range}/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"#
    )
}

/// `REPORT`, depth 1: the entries with these hrefs.
pub fn multiget<'a>(hrefs: impl IntoIterator<Item = &'a str>) -> String {
    let mut body = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?>
<c:calendar-multiget xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><d:getetag/><c:calendar-data/></d:prop>"#,
    );
    for href in hrefs {
        let _ = write!(body, "<d:href>{}</d:href>", escaped(href));
    }
    body + "</c:calendar-multiget>"
}

/// `REPORT`: what has changed since `token`; everything that is there if it is empty.
pub fn sync_collection(token: &str) -> String {
    let token = escaped(token);
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<d:sync-collection xmlns:d="DAV:"><d:sync-token>{token}</d:sync-token><d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>"#
    )
}

/// `20261201T140000Z`; years that have other than four digits become the nearest that has.
fn basic(at: Timestamp) -> String {
    let wall = TimeZone::UTC.to_datetime(at);
    let year = wall.year().clamp(1, 9999);
    format!("{year:04}{:02}{:02}T{:02}{:02}{:02}Z", wall.month(), wall.day(), wall.hour(), wall.minute(), wall.second())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAV: &str = "DAV:";

    #[test]
    fn every_body_is_xml() {
        let span = Span { from: "2026-12-01T00:00Z".parse().unwrap(), to: "2026-12-02T00:00Z".parse().unwrap() };
        let query = calendar_query(span);
        assert!(query.contains(r#"<c:time-range start="20261129T220000Z" end="20261203T020000Z"/>"#), "{query}");
        for body in [PRINCIPAL, CALENDARS, COLLECTION_TAG, TAGS, &query] {
            roxmltree::Document::parse(body).unwrap();
        }
    }

    #[test]
    fn no_span_is_too_wide_to_ask_for() {
        let query = calendar_query(Span { from: Timestamp::MIN, to: Timestamp::MAX });
        assert!(query.contains(r#"start="00010102T"#) && query.contains(r#"end="99991230T"#), "{query}");
    }

    proptest! {
        #[test]
        fn tokens_and_hrefs_arrive_as_they_were_sent(text in "[ -~é\u{1F600}]{0,30}") {
            let body = sync_collection(&text);
            let document = roxmltree::Document::parse(&body).unwrap();
            let token = document.descendants().find(|node| node.has_tag_name((DAV, "sync-token"))).unwrap();
            prop_assert_eq!(token.text().unwrap_or_default(), &text);
            let body = multiget([text.as_str(), "/b"]);
            let document = roxmltree::Document::parse(&body).unwrap();
            let href = document.descendants().find(|node| node.has_tag_name((DAV, "href"))).unwrap();
            prop_assert_eq!(href.text().unwrap_or_default(), &text);
        }
    }
}

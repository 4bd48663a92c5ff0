//! What a list of entries is asked for (`events.list`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::booking::appointment::Span;

/// Parameters of an address.
pub type Parameters = Vec<(&'static str, String)>;

/// Entries on a page; Google gives no more (November 2026).
const PAGE: &str = "2500";
/// Nothing that a person wrote crosses the network: neither titles nor guests.
const EVENT: &str = "id,etag,status,transparency,eventType,recurringEventId,start,end,attendees(self,responseStatus),\
                     extendedProperties/private";
/// What stays as it is in a path: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a calendar's entries, below the API's root, a slash at its end.
pub fn events(calendar: &str) -> String {
    format!("calendar/v3/calendars/{}/events/", utf8_percent_encode(calendar, SEGMENT))
}

/// The fields of one entry that are read.
pub fn entry_fields() -> (&'static str, String) {
    ("fields", format!("kind,{EVENT}"))
}

/// What takes time within `within`, series as single entries. `page` is what the page before named.
pub fn busy(within: Span, page: Option<&str>) -> Parameters {
    let mut parameters = list(page);
    parameters.push(("timeMin", within.from.to_string()));
    parameters.push(("timeMax", within.to.to_string()));
    parameters.push(("singleEvents", "true".to_owned()));
    parameters
}

/// Everything that is there, or, with the token `since` of such a list, what has changed since. Every parameter of the two
/// must be the same, and those of time are forbidden.
pub fn changes(since: Option<&str>, page: Option<&str>) -> Parameters {
    let mut parameters = list(page);
    parameters.extend(since.map(|token| ("syncToken", token.to_owned())));
    parameters
}

/// As little as shows that the calendar is there and open to us.
pub fn presence() -> Parameters {
    vec![("maxResults", "1".to_owned()), ("fields", "kind".to_owned())]
}

fn list(page: Option<&str>) -> Parameters {
    let fields = format!("kind,timeZone,nextPageToken,nextSyncToken,items({EVENT})");
    let mut parameters = vec![("maxResults", PAGE.to_owned()), ("fields", fields)];
    parameters.extend(page.map(|token| ("pageToken", token.to_owned())));
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendars_id_is_one_segment_of_the_path() {
        assert_eq!(
            events("dr osei/1#holiday@group.calendar.google.com"),
            "calendar/v3/calendars/dr%20osei%2F1%23holiday%40group.calendar.google.com/events/"
        );
        assert_eq!(events("../x?y"), "calendar/v3/calendars/..%2Fx%3Fy/events/");
    }

    /// Google refuses a token beside any of them.
    #[test]
    fn changes_are_asked_for_without_what_a_token_forbids() {
        let forbidden = ["iCalUID", "orderBy", "privateExtendedProperty", "q", "timeMin", "timeMax", "updatedMin"];
        let asked = changes(Some("CPDAlv="), Some("page2"));
        assert!(asked.iter().all(|(name, _)| !forbidden.contains(name)), "{asked:?}");
        let first = changes(None, None);
        assert!(first.iter().all(|parameter| asked.contains(parameter)), "the others stay the same");
        let added: Vec<_> = asked.iter().filter(|parameter| !first.contains(parameter)).collect();
        assert_eq!(added, [&("pageToken", "page2".to_owned()), &("syncToken", "CPDAlv=".to_owned())]);
    }

    #[test]
    fn a_window_is_asked_for_with_its_offset() {
        let within = Span { from: "2026-12-01T00:00Z".parse().unwrap(), to: "2026-12-02T00:00Z".parse().unwrap() };
        let asked = busy(within, None);
        for expected in [("timeMin", "2026-12-01T00:00:00Z"), ("timeMax", "2026-12-02T00:00:00Z")] {
            assert!(asked.contains(&(expected.0, expected.1.to_owned())), "{asked:?}");
        }
    }
}

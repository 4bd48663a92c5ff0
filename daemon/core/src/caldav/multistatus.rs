//! The XML that WebDAV servers answer with: which address has which properties.
//!
//! Elements are known by their namespace, never by a prefix; what is not asked for is passed over.

use roxmltree::{Document, Node, ParsingOptions};

use super::ReadError;

const DAV: &str = "DAV:";
const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
const CALENDAR_SERVER: &str = "http://calendarserver.org/ns/";
/// Elements, texts and all: as many as answers of the largest size that is read can hold in good faith.
const MOST_NODES: u32 = 1_000_000;
const OK: u16 = 200;
const NOT_FOUND: u16 = 404;
/// More is to come: within an answer to `sync-collection`, about the collection itself (RFC 6578, 3.6).
const INSUFFICIENT_STORAGE: u16 = 507;

/// An answer with status 207.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multistatus {
    /// One per address.
    pub responses: Vec<Response>,
    /// Where to go on from, in an answer to `sync-collection`.
    pub sync_token: Option<String>,
}

/// What is said of one address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// As it is written; see [`resolve`](super::address::resolve).
    pub href: String,
    /// What is said of the whole address, in place of properties.
    pub status: Option<u16>,
    /// The properties that it has.
    pub properties: Properties,
}

/// Properties, as far as anybody here asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// The version of a file.
    pub etag: Option<String>,
    /// A file's iCalendar text.
    pub calendar_data: Option<String>,
    /// As people see it.
    pub display_name: Option<String>,
    /// It holds files.
    pub is_collection: bool,
    /// It is a calendar.
    pub is_calendar: bool,
    /// The components that a calendar takes, in capitals; empty when nothing is said of it.
    pub components: Vec<String>,
    /// The user's own address.
    pub principal: Option<String>,
    /// Where the user's calendars are.
    pub home: Option<String>,
    /// Changes with anything in a calendar.
    pub collection_tag: Option<String>,
}

/// One file of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As it is written in the answer.
    pub href: String,
    /// Its version; servers that rewrite files may leave it out.
    pub etag: Option<String>,
    /// Its iCalendar text.
    pub text: String,
}

/// What `sync-collection` says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// It is there, in this version if the server says which.
    There {
        /// As it is written in the answer.
        href: String,
        /// Its version.
        etag: Option<String>,
    },
    /// It is gone.
    Gone {
        /// As it is written in the answer.
        href: String,
    },
}

impl Multistatus {
    /// Reads the body of an answer.
    pub fn read(body: &str) -> Result<Self, ReadError> {
        let document = parse(body)?;
        let root = document.root_element();
        if !root.has_tag_name((DAV, "multistatus")) {
            return Err(ReadError::Shape("it is no multistatus of WebDAV"));
        }
        let responses = children(root, DAV, "response").map(response).collect::<Result<_, _>>()?;
        Ok(Self { responses, sync_token: text_of(root, DAV, "sync-token") })
    }

    /// The files of an answer to a query for calendar data. A file that has vanished meanwhile is left out; any other gap
    /// is an error, for what stands in it is not known.
    pub fn files(self) -> Result<Vec<File>, ReadError> {
        let mut files = Vec::new();
        for Response { href, status, properties } in self.responses {
            match (status.unwrap_or(OK), properties.calendar_data) {
                (NOT_FOUND, _) => {}
                (OK, Some(text)) => files.push(File { href, etag: properties.etag, text }),
                (OK, None) => return Err(ReadError::Shape("an entry comes without its iCalendar text")),
                (status, _) => return Err(ReadError::Part(status)),
            }
        }
        Ok(files)
    }

    /// The changes of an answer to `sync-collection`, and whether there are more to ask for.
    pub fn changes(self) -> Result<(Vec<FileChange>, bool), ReadError> {
        let mut changes = Vec::new();
        let mut more = false;
        for Response { href, status, properties } in self.responses {
            match status {
                None | Some(OK) if properties.is_collection => {}
                None | Some(OK) => changes.push(FileChange::There { href, etag: properties.etag }),
                Some(NOT_FOUND) => changes.push(FileChange::Gone { href }),
                Some(INSUFFICIENT_STORAGE) => more = true,
                Some(status) => return Err(ReadError::Part(status)),
            }
        }
        Ok((changes, more))
    }
}

/// Whether the body of a refusal names this condition of WebDAV's or CalDAV's: `valid-sync-token`, `no-uid-conflict`.
pub fn names_condition(body: &str, condition: &str) -> bool {
    let named = |node: Node<'_, '_>| {
        node.has_tag_name((DAV, "error"))
            && node.children().any(|child| child.is_element() && child.tag_name().name() == condition)
    };
    parse(body).is_ok_and(|document| named(document.root_element()))
}

fn parse(body: &str) -> Result<Document<'_>, ReadError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(body.trim_start_matches('\u{feff}').trim_start(), options).map_err(|error| {
        let at = error.pos();
        ReadError::Xml { line: at.row, column: at.col }
    })
}

fn response(node: Node<'_, '_>) -> Result<Response, ReadError> {
    let href = text_of(node, DAV, "href").ok_or(ReadError::Shape("a response has no href"))?;
    let status = text_of(node, DAV, "status").map(|text| status(&text)).transpose()?;
    let mut found = Properties::default();
    for group in children(node, DAV, "propstat") {
        // Properties that an address lacks come in a group of their own, with 404.
        let of_group = text_of(group, DAV, "status").map_or(Ok(OK), |text| self::status(&text))?;
        match of_group {
            200..=299 => children(group, DAV, "prop").for_each(|prop| properties(prop, &mut found)),
            // Not "there is no such thing" but "not now": what is missing may be there.
            500.. => return Err(ReadError::Part(of_group)),
            _ => {}
        }
    }
    Ok(Response { href, status, properties: found })
}

fn properties(prop: Node<'_, '_>, found: &mut Properties) {
    for node in prop.children().filter(Node::is_element) {
        let tag = node.tag_name();
        match (tag.namespace().unwrap_or_default(), tag.name()) {
            (DAV, "getetag") => found.etag = text(node),
            (DAV, "displayname") => found.display_name = text(node),
            (DAV, "resourcetype") => {
                found.is_collection = children(node, DAV, "collection").next().is_some();
                found.is_calendar = children(node, CALDAV, "calendar").next().is_some();
            }
            (DAV, "current-user-principal") => found.principal = text_of(node, DAV, "href"),
            (CALDAV, "calendar-home-set") => found.home = text_of(node, DAV, "href"),
            (CALDAV, "calendar-data") => found.calendar_data = text(node),
            (CALDAV, "supported-calendar-component-set") => {
                let named = children(node, CALDAV, "comp").filter_map(|comp| comp.attribute("name"));
                found.components = named.map(str::to_ascii_uppercase).collect();
            }
            (CALENDAR_SERVER, "getctag") => found.collection_tag = text(node),
            _ => {}
        }
    }
}

/// `HTTP/1.1 404 Not Found`
fn status(text: &str) -> Result<u16, ReadError> {
    let number = text.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok());
    number.filter(|number| (100..600).contains(number)).ok_or(ReadError::Shape("a status is none of HTTP's"))
}

fn children<'a, 'i>(node: Node<'a, 'i>, namespace: &'a str, name: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((namespace, name)))
}

fn text_of(node: Node<'_, '_>, namespace: &str, name: &str) -> Option<String> {
    children(node, namespace, name).next().and_then(text)
}

/// The text of an element, in however many pieces it comes; `None` if there is none.
fn text(node: Node<'_, '_>) -> Option<String> {
    let text: String = node.children().filter_map(|child| child.is_text().then(|| child.text()).flatten()).collect();
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Radicale writes it: prefixes of its own, the entry's text escaped.
    const QUERY: &str = r#"<?xml version='1.0' encoding='utf-8'?>
<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><response><href>/frontdesk/dr-osei/a.ics</href><propstat><prop><getetag>"40ee"</getetag><C:calendar-data>BEGIN:VCALENDAR&#13;
SUMMARY:a &amp; b&#13;
END:VCALENDAR&#13;
</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"#;

    #[test]
    fn files_come_with_their_version_and_text() {
        let files = Multistatus::read(QUERY).unwrap().files().unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].href.as_str(), files[0].etag.as_deref()), ("/frontdesk/dr-osei/a.ics", Some("\"40ee\"")));
        assert_eq!(files[0].text, "BEGIN:VCALENDAR\r\nSUMMARY:a & b\r\nEND:VCALENDAR");
    }

    #[test]
    fn prefixes_sections_and_split_texts_do_not_matter() {
        let other = r#"<x:multistatus xmlns:x="DAV:"><x:response><x:href>/a</x:href><x:propstat><x:prop>
            <calendar-data xmlns="urn:ietf:params:xml:ns:caldav">BEGIN:<!-- -->VC<![CDATA[ALENDAR
            END:VCALENDAR]]></calendar-data></x:prop><x:status>HTTP/1.1 200 OK</x:status></x:propstat>
            <x:propstat><x:prop><x:getetag>"no"</x:getetag></x:prop><x:status>HTTP/1.1 404 Not Found</x:status></x:propstat>
            </x:response></x:multistatus>"#;
        let files = Multistatus::read(other).unwrap().files().unwrap();
        assert!(files[0].text.starts_with("BEGIN:VCALENDAR\n"), "{files:?}");
        assert_eq!(files[0].etag, None, "a property that is not there");
    }

    #[test]
    fn discovery_tells_principal_home_and_calendars() {
        let answer = r#"<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
            <response><href>/u/</href><propstat><prop><current-user-principal><href>/u/</href></current-user-principal>
              <C:calendar-home-set><href>/u/cal/</href></C:calendar-home-set>
              <resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response>
            <response><href>/u/cal/a/</href><propstat><prop><resourcetype><collection/><C:calendar/></resourcetype>
              <displayname>Dr Osei</displayname><C:supported-calendar-component-set><C:comp name="VEVENT"/><C:comp name="vtodo"/>
              </C:supported-calendar-component-set></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"#;
        let found = Multistatus::read(answer).unwrap().responses;
        assert_eq!(found[0].properties.principal.as_deref(), Some("/u/"));
        assert_eq!(found[0].properties.home.as_deref(), Some("/u/cal/"));
        assert!(found[0].properties.is_collection && !found[0].properties.is_calendar);
        assert!(found[1].properties.is_calendar);
        assert_eq!(found[1].properties.display_name.as_deref(), Some("Dr Osei"));
        assert_eq!(found[1].properties.components, ["VEVENT", "VTODO"]);
    }

    #[test]
    fn changes_tell_what_is_there_what_is_gone_and_whether_more_follows() {
        let answer = r#"<multistatus xmlns="DAV:"><sync-token>http://radicale.org/ns/sync/1</sync-token>
            <response><href>/c/a.ics</href><propstat><prop><getetag>"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
            <response><href>/c/b.ics</href><status>HTTP/1.1 404 Not Found</status></response>
            <response><href>/c/</href><status>HTTP/1.1 507 Insufficient Storage</status></response></multistatus>"#;
        let answer = Multistatus::read(answer).unwrap();
        assert_eq!(answer.sync_token.as_deref(), Some("http://radicale.org/ns/sync/1"));
        let (changes, more) = answer.changes().unwrap();
        let there = FileChange::There { href: "/c/a.ics".into(), etag: Some("\"1\"".into()) };
        assert_eq!(changes, [there, FileChange::Gone { href: "/c/b.ics".into() }]);
        assert!(more);
    }

    /// Whoever reads these as "no entries" books over somebody.
    #[test]
    fn an_answer_with_a_gap_is_an_error() {
        let response = |inner: &str| format!(r#"<multistatus xmlns="DAV:"><response>{inner}</response></multistatus>"#);
        for (body, error) in [
            ("<html><body>Welcome</body></html>".to_owned(), ReadError::Shape("it is no multistatus of WebDAV")),
            (response(""), ReadError::Shape("a response has no href")),
            (response("<href>/a</href>"), ReadError::Shape("an entry comes without its iCalendar text")),
            (response("<href>/a</href><status>HTTP/1.1 503 Busy</status>"), ReadError::Part(503)),
            (response("<href>/a</href><status>well</status>"), ReadError::Shape("a status is none of HTTP's")),
            (
                response("<href>/a</href><propstat><prop/><status>HTTP/1.1 500 No</status></propstat>"),
                ReadError::Part(500),
            ),
        ] {
            assert_eq!(Multistatus::read(&body).and_then(Multistatus::files).unwrap_err(), error, "{body}");
        }
        let gone = response("<href>/a</href><status>HTTP/1.1 404 Not Found</status>");
        assert_eq!(Multistatus::read(&gone).unwrap().files(), Ok(vec![]), "deleted meanwhile");
        for end in 0..QUERY.len() - 1 {
            assert!(Multistatus::read(&QUERY[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        let bomb =
            r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><multistatus xmlns="DAV:">&b;</multistatus>"#;
        assert!(matches!(Multistatus::read(bomb), Err(ReadError::Xml { .. })));
        let deep = "<a>".repeat(100_000);
        assert!(Multistatus::read(&deep).is_err());
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert!(Multistatus::read(&deep).is_err());
    }

    #[test]
    fn a_refusal_names_its_condition() {
        let body = r#"<?xml version="1.0"?><D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>"#;
        assert!(names_condition(body, "valid-sync-token"));
        assert!(!names_condition(body, "no-uid-conflict"));
        assert!(!names_condition("<html/>", "valid-sync-token"));
        assert!(!names_condition("", "valid-sync-token"));
    }

    proptest! {
        #[test]
        fn no_body_panics(text in "(?s)(<multistatus xmlns=\"DAV:\">|<response>|</response>|<href>/a</href>|</multistatus>|.){0,30}") {
            if let Ok(found) = Multistatus::read(&text) {
                let _ = found.clone().files();
                let _ = found.changes();
            }
            let _ = names_condition(&text, "valid-sync-token");
        }
    }
}

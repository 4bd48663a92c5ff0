//! Addresses on a calendar server: hrefs may be paths or whole URLs, and are percent-encoded as each server likes.

use percent_encoding::percent_decode_str;
use url::Url;

use super::ReadError;
use crate::booking::appointment::AppointmentId;

/// What files of ours end in.
const SUFFIX: &str = ".ics";

/// What an `href` means in an answer to a request at `base`.
///
/// Only its path is taken: behind a proxy servers write `http` and ports of their own, and the password goes to no other
/// host than the configured one.
pub fn resolve(base: &Url, href: &str) -> Result<Url, ReadError> {
    let found = base.join(href.trim()).map_err(|_| ReadError::Elsewhere { host: None })?;
    if found.host() != base.host() {
        return Err(elsewhere(&found));
    }
    let mut address = base.clone();
    address.set_path(found.path());
    address.set_query(found.query());
    address.set_fragment(None);
    Ok(address)
}

/// Where a redirect of a request at `from` leads, if the password may be sent there: to the same host, and not from TLS to
/// none.
pub fn redirected(from: &Url, location: &str) -> Result<Url, ReadError> {
    let mut to = from.join(location.trim()).map_err(|_| ReadError::Elsewhere { host: None })?;
    let safe = to.scheme() == from.scheme() || to.scheme() == "https";
    if to.host() != from.host() || !safe {
        return Err(elsewhere(&to));
    }
    to.set_fragment(None);
    Ok(to)
}

fn elsewhere(found: &Url) -> ReadError {
    ReadError::Elsewhere { host: found.host_str().map(|host| host.chars().take(100).collect()) }
}

/// The last segment of a path, decoded, a slash at the end apart: a calendar's or a file's name. `None` at the root, and if
/// it is not UTF-8.
pub fn last_segment(address: &Url) -> Option<String> {
    let segment = address.path().trim_end_matches('/').rsplit('/').next().filter(|segment| !segment.is_empty())?;
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Whether two addresses mean the same thing, however they are encoded, and with or without a slash at the end.
pub fn same(one: &Url, other: &Url) -> bool {
    let path = |address: &Url| percent_decode_str(address.path().trim_end_matches('/')).collect::<Vec<u8>>();
    one.host() == other.host() && path(one) == path(other)
}

/// `collection` with the slash at its end without which [`file()`] would replace its last segment.
pub fn as_collection(mut collection: Url) -> Url {
    if !collection.path().ends_with('/') {
        collection.set_path(&format!("{}/", collection.path()));
    }
    collection
}

/// Where an appointment's entry is in a calendar: a file by the appointment's name, so that it exists once.
pub fn file(calendar: &Url, id: AppointmentId) -> Url {
    let mut address = as_collection(calendar.clone());
    address.set_path(&format!("{}{id}{SUFFIX}", address.path()));
    address
}

/// The appointment whose entry is in that file; `None` for a file of somebody else's.
pub fn appointment(address: &Url) -> Option<AppointmentId> {
    read_id(last_segment(address)?.strip_suffix(SUFFIX)?)
}

/// The appointment that an entry's UID names: its id, alone or before an `@`.
pub fn appointment_of_uid(uid: &str) -> Option<AppointmentId> {
    read_id(uid.split_once('@').map_or(uid, |(id, _)| id))
}

fn read_id(text: &str) -> Option<AppointmentId> {
    let plain = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(AppointmentId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn an_href_is_a_path_or_a_whole_url_on_the_same_host() {
        let base = url("https://cal.example.com:8443/dav/");
        for (href, path) in [
            ("/dav/dr%20osei/", "/dav/dr%20osei/"),
            ("dr-osei/", "/dav/dr-osei/"),
            ("https://cal.example.com/dav/x/", "/dav/x/"),
            ("http://CAL.example.com/dav/x/", "/dav/x/"),
            (" /dav/a\n", "/dav/a"),
        ] {
            assert_eq!(
                resolve(&base, href).unwrap().as_str(),
                format!("https://cal.example.com:8443{path}"),
                "{href:?}"
            );
        }
        for href in ["https://evil.example/dav/", "//evil.example/dav/", "mailto:a@b", "https://[/"] {
            assert!(matches!(resolve(&base, href), Err(ReadError::Elsewhere { .. })), "{href:?}");
        }
    }

    #[test]
    fn a_redirect_keeps_host_and_tls() {
        let from = url("http://cal.example.com/.well-known/caldav");
        for good in ["/remote.php/dav/", "https://cal.example.com/dav", "http://cal.example.com/dav"] {
            assert!(redirected(&from, good).is_ok(), "{good}");
        }
        assert!(redirected(&from, "https://other.example.com/").is_err());
        assert!(redirected(&url("https://cal.example.com/"), "http://cal.example.com/dav").is_err());
    }

    #[test]
    fn calendars_are_the_same_however_they_are_written() {
        let one = url("https://cal.example.com/u/dr%20osei/");
        assert!(same(&one, &url("https://cal.example.com/u/dr%20osei")));
        assert!(same(&url("https://cal.example.com/%75/a"), &url("https://cal.example.com/u/a/")));
        assert!(!same(&one, &url("https://cal.example.com/u/dr")));
        assert_eq!(last_segment(&one).as_deref(), Some("dr osei"));
        assert_eq!(last_segment(&url("https://cal.example.com/")), None);
    }

    proptest! {
        #[test]
        fn a_file_tells_its_appointment(id: u128) {
            let id = AppointmentId(id);
            let file = file(&url("https://cal.example.com/u/dr-osei"), id);
            prop_assert_eq!(appointment(&file), Some(id));
            prop_assert_eq!(appointment_of_uid(&format!("{id}@clinic.example")), Some(id));
            prop_assert_eq!(appointment_of_uid(&format!("{id}0@clinic.example")), None);
        }

        #[test]
        fn no_href_panics(href in ".{0,40}") {
            let base = url("https://cal.example.com/dav/");
            if let Ok(found) = resolve(&base, &href) {
                prop_assert_eq!(found.host_str(), Some("cal.example.com"));
            }
            let _ = redirected(&base, &href);
        }
    }
}

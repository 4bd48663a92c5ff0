//! `[calendar]`: where appointments are seen outside of the box.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::letter::ics::Names;
use url::{Host, Url};

use super::check::needed;
use super::complaint::{Complaints, Place};
use super::secrets::{Secret, SecretName, Secrets};
use super::section::{Section, suggestion};
use super::value::{self, BaseUrl};

/// A user's or a calendar's name.
const MAX_NAME_CHARS: usize = 200;

/// Where appointments are seen outside of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarConfig {
    /// Where they are written to, and what else takes time.
    pub backend: CalendarBackend,
    /// The file to subscribe to.
    pub feed: PathBuf,
    /// Whether patients' names are told.
    pub names: Names,
}

/// Where appointments are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalendarBackend {
    /// Nowhere but the store.
    Local,
    /// Calendars on a server.
    CalDav(CalDavConfig),
}

/// A CalDAV server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalDavConfig {
    /// Where to begin looking.
    pub url: Url,
    /// Whose calendars they are.
    pub user: String,
    /// What the user shows.
    pub password: Secret,
    /// The calendars that are not called by their practitioner's id: name, or last part of the address. If the clinic's data
    /// are known, it has these practitioners.
    pub calendars: BTreeMap<PractitionerId, String>,
    /// PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Checks `[calendar]`; `state` is the directory in which the daemon keeps what it knows.
pub(super) fn calendar(mut section: Section<'_>, state: &Path, secrets: Secrets<'_>) -> Option<CalendarConfig> {
    let is_caldav = section.text("backend", false, |text| match text {
        "local" => Ok(false),
        "caldav" => Ok(true),
        _ => Err("choose \"local\" or \"caldav\""),
    });
    let feed = section.text("feed", state.join("calendar.ics"), value::absolute_path);
    let names = section.text("names", Names::Hidden, |text| match text {
        "hidden" => Ok(Names::Hidden),
        "shown" => Ok(Names::Shown),
        _ => Err("choose \"hidden\" or \"shown\""),
    });
    if is_caldav {
        section.require(
            "url",
            "write the CalDAV server's address, for example \"https://cloud.example.com/remote.php/dav\"",
        );
        section.require("user", "write the user whose calendars they are");
    }
    let url = url(&mut section);
    let user = section.optional("user", user);
    let calendars = section.nested("calendars").map(calendars).unwrap_or_default();
    let ca_file = section.readable_file("ca_file");
    if !is_caldav {
        section.finish();
        return Some(CalendarConfig { backend: CalendarBackend::Local, feed, names });
    }
    let password = needed(&mut section, secrets.password(SecretName::CALDAV_PASSWORD));
    section.finish();
    let caldav = CalDavConfig { url: url?, user: user?, password: password?, calendars, ca_file };
    Some(CalendarConfig { backend: CalendarBackend::CalDav(caldav), feed, names })
}

/// Names and passwords go there: readable on their way only within a house.
fn url(section: &mut Section<'_>) -> Option<Url> {
    let place = section.place("url");
    let url = section.optional("url", |text| {
        let BaseUrl { text, secure, loopback, .. } = value::base_url(text.trim_end_matches('/'), &["https", "http"])?;
        let url: Url = text.parse().map_err(|_| "write an address such as https://cloud.example.com/dav".to_owned())?;
        if secure || loopback || is_private(&url) {
            return Ok((url, secure || loopback));
        }
        Err("begin it with https://: names and the password would cross the network readable by anybody".to_owned())
    });
    let (url, is_safe) = url?;
    if !is_safe {
        let remedy = "use https: names and the password cross the clinic's network readable by anybody in it";
        section.out.advise(place, "[calendar] url", "is not encrypted", remedy);
    }
    Some(url)
}

fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        _ => false,
    }
}

fn user(text: &str) -> Result<String, String> {
    let user = value::sentence(text, MAX_NAME_CHARS)?;
    // HTTP's Basic scheme ends the name there.
    if user.contains(':') || user.chars().any(char::is_control) {
        return Err("write it without a colon: some servers have a second, shorter name for the user".to_owned());
    }
    Ok(user)
}

fn calendars(mut section: Section<'_>) -> BTreeMap<PractitionerId, String> {
    let pairs = section.pairs(PractitionerId::parse, |text| value::sentence(text, MAX_NAME_CHARS));
    section.finish();
    pairs.into_iter().collect()
}

/// Checks that the clinic has those whose calendars are named; `place` is where they are.
pub(super) fn has_practitioners(config: &CalendarConfig, clinic: &Clinic, place: Option<&Place>, out: &mut Complaints) {
    let CalendarBackend::CalDav(caldav) = &config.backend else { return };
    let ids: Vec<&str> = clinic.practitioners.iter().map(|practitioner| practitioner.id.as_str()).collect();
    for wrong in caldav.calendars.keys().filter(|id| !ids.contains(&id.as_str())) {
        let key = format!("[calendar.calendars] {}", wrong.as_str());
        let remedy = format!("{}the clinic's practitioners are {}", suggestion(wrong.as_str(), &ids), ids.join(", "));
        out.error(place.cloned(), key, "is none of the clinic's practitioners", remedy);
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;

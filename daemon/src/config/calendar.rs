//! `[calendar]`: where appointments are seen outside of the box.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::ids::PractitionerId;
use frontdesk_core::letter::ics::Names;
use url::{Host, Url};

use super::check::needed;
use super::complaint::{Complaints, Place};
use super::google::GoogleConfig;
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
    /// Calendars at Google.
    Google(GoogleCalendarConfig),
}

/// Which calendars at Google are whose, by the ids that Google gives them. Who we are there is `[google]`'s matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoogleCalendarConfig {
    /// Where a practitioner's appointments are written. If the clinic's data are known, each of its practitioners has one.
    pub calendars: BTreeMap<PractitionerId, String>,
    /// Further calendars of theirs that say no more than when they are busy.
    pub also_busy: BTreeMap<PractitionerId, Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    CalDav,
    Google,
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
    let kind = section.text("backend", Kind::Local, |text| match text {
        "local" => Ok(Kind::Local),
        "caldav" => Ok(Kind::CalDav),
        "google" => Ok(Kind::Google),
        _ => Err("choose \"local\", \"caldav\" or \"google\""),
    });
    let feed = section.text("feed", state.join("calendar.ics"), value::absolute_path);
    let names = section.text("names", Names::Hidden, |text| match text {
        "hidden" => Ok(Names::Hidden),
        "shown" => Ok(Names::Shown),
        _ => Err("choose \"hidden\" or \"shown\""),
    });
    if kind == Kind::CalDav {
        section.require(
            "url",
            "write the CalDAV server's address, for example \"https://cloud.example.com/remote.php/dav\"",
        );
        section.require("user", "write the user whose calendars they are");
    }
    let url = url(&mut section);
    let user = section.optional("user", user);
    let read = if kind == Kind::Google { google_id } else { name };
    let calendars = section.nested("calendars").map(|section| by_practitioner(section, read)).unwrap_or_default();
    let also_at = section.place("also_busy");
    let also_busy = section.nested("also_busy").map(|section| by_practitioner(section, google_ids)).unwrap_or_default();
    if kind != Kind::Google && also_at.is_some() {
        let remedy = "only Google is asked when calendars are busy: leave it out, or set backend = \"google\"";
        section.out.advise(also_at.clone(), "[calendar] also_busy", "is of no use here", remedy);
    }
    let ca_file = section.readable_file("ca_file");
    let backend = match kind {
        Kind::Local => Some(CalendarBackend::Local),
        Kind::CalDav => {
            let password = needed(&mut section, secrets.password(SecretName::CALDAV_PASSWORD));
            let caldav = || Some(CalDavConfig { url: url?, user: user?, password: password?, calendars, ca_file });
            caldav().map(CalendarBackend::CalDav)
        }
        Kind::Google => {
            let google = GoogleCalendarConfig { calendars, also_busy };
            asks_others(&google, also_at.as_ref(), section.out);
            Some(CalendarBackend::Google(google))
        }
    };
    section.finish();
    Some(CalendarConfig { backend: backend?, feed, names })
}

/// Where the box writes itself it would take its own appointments for somebody else's.
fn asks_others(config: &GoogleCalendarConfig, place: Option<&Place>, out: &mut Complaints) {
    for (id, also) in &config.also_busy {
        let written = config.calendars.values().find(|calendar| also.contains(calendar));
        if let Some(written) = written {
            let key = format!("[calendar.also_busy] {}", id.as_str());
            let found = format!("names {written:?}, into which appointments are written");
            out.error(place.cloned(), key, found, "leave it out there: what it holds is looked at anyway");
        }
    }
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

fn by_practitioner<T>(
    mut section: Section<'_>,
    read: impl Fn(&str) -> Result<T, String>,
) -> BTreeMap<PractitionerId, T> {
    let pairs = section.pairs(PractitionerId::parse, read);
    section.finish();
    pairs.into_iter().collect()
}

fn name(text: &str) -> Result<String, String> {
    value::sentence(text, MAX_NAME_CHARS)
}

/// Every calendar at Google has an address for a name.
fn google_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    if id == "primary" {
        return Err("it would be the account's own, which nobody looks at: write the calendar's id".to_owned());
    }
    let is_address = id.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if is_address && id.chars().count() <= MAX_NAME_CHARS && !id.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(id.to_owned());
    }
    Err("write the id that Google shows under \"Integrate calendar\": an address, such as \
         c_1a2b3c@group.calendar.google.com"
        .to_owned())
}

fn google_ids(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(google_id).collect()
}

/// Checks that the clinic has those whose calendars are named, and at Google that nobody is left without; `place` is where
/// they are.
pub(super) fn has_practitioners(config: &CalendarConfig, clinic: &Clinic, place: Option<&Place>, out: &mut Complaints) {
    let ids: Vec<&str> = clinic.practitioners.iter().map(|practitioner| practitioner.id.as_str()).collect();
    let mut known = |key: &str, named: Vec<&PractitionerId>| {
        for wrong in named.into_iter().filter(|id| !ids.contains(&id.as_str())) {
            let remedy =
                format!("{}the clinic's practitioners are {}", suggestion(wrong.as_str(), &ids), ids.join(", "));
            let key = format!("[calendar.{key}] {}", wrong.as_str());
            out.error(place.cloned(), key, "is none of the clinic's practitioners", remedy);
        }
    };
    match &config.backend {
        CalendarBackend::Local => {}
        CalendarBackend::CalDav(caldav) => known("calendars", caldav.calendars.keys().collect()),
        CalendarBackend::Google(google) => {
            known("calendars", google.calendars.keys().collect());
            known("also_busy", google.also_busy.keys().collect());
            has_calendars(google, &ids, place, out);
        }
    }
}

/// Checks that we are somebody at Google where calendars are there; `place` is where they are said to be.
pub(super) fn has_account(config: &CalendarConfig, google: &GoogleConfig, place: Option<Place>, out: &mut Complaints) {
    if matches!(config.backend, CalendarBackend::Google(_)) && google.login.is_none() {
        let remedy = "say in [google] login who the box is there: \"service-account\" or \"user\"";
        out.error(place, "[calendar] backend", "= \"google\" needs an account", remedy);
    }
}

/// Names tell nothing at Google, so there is no calendar to fall back on.
fn has_calendars(config: &GoogleCalendarConfig, ids: &[&str], place: Option<&Place>, out: &mut Complaints) {
    let mut of = BTreeMap::<&str, Vec<&str>>::new();
    for id in ids {
        let found = config.calendars.iter().find(|(known, _)| known.as_str() == *id);
        if let Some((_, calendar)) = found {
            of.entry(calendar).or_default().push(id);
        } else {
            let remedy = "make a calendar for each practitioner at Google, share it, and write its id there";
            out.error(place.cloned(), format!("[calendar.calendars] {id}"), "is missing", remedy);
        }
    }
    for shared in of.into_values().filter(|ids| ids.len() > 1) {
        let remedy = "give each a calendar: what staff enter in a common one takes everybody's time";
        out.advise(
            place.cloned(),
            "[calendar] calendars",
            format!("has one calendar for {}", shared.join(" and ")),
            remedy,
        );
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;

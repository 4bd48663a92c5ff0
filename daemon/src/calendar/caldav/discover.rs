//! From the address that a technician knows to the calendars of the practitioners (RFC 6764, RFC 4791).
//!
//! ```text
//! [calendar] url ──► principal ──► home ──► calendars ──by name──► a practitioner's
//!       └─ not there: /.well-known/caldav ─┘
//! ```

use frontdesk_core::caldav::address::{as_collection, last_segment, resolve};
use frontdesk_core::caldav::multistatus::{Multistatus, Properties};
use frontdesk_core::caldav::request;
use url::Url;

use super::super::error::CalError;
use super::http::{Server, query};

const WELL_KNOWN: &str = "/.well-known/caldav";

/// A calendar at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collection {
    /// With a slash at its end.
    pub(super) address: Url,
    /// As people see it, if it has a name.
    pub(super) display_name: Option<String>,
}

impl Collection {
    /// Whether it goes by that name, among people or in its address.
    fn is_called(&self, name: &str) -> bool {
        self.display_name.as_deref() == Some(name) || last_segment(&self.address).as_deref() == Some(name)
    }
}

/// All calendars of the user that take events.
pub(super) async fn calendars(server: &Server, base: &Url) -> Result<Vec<Collection>, CalError> {
    let home = home(server, base).await?;
    let (address, answer) = server.ask_along(&home, query("PROPFIND", "1", request::CALENDARS)).await?;
    let mut found = Vec::new();
    for response in answer.multistatus()?.responses {
        let Properties { is_calendar, components, display_name, .. } = response.properties;
        // One that says nothing of its components takes all of them.
        if is_calendar && (components.is_empty() || components.iter().any(|name| name == "VEVENT")) {
            let address = as_collection(resolve(&address, &response.href)?);
            found.push(Collection { address, display_name });
        }
    }
    Ok(found)
}

/// The one calendar of that name.
pub(super) fn called<'a>(calendars: &'a [Collection], name: &str) -> Result<&'a Collection, CalError> {
    let mut fitting = calendars.iter().filter(|calendar| calendar.is_called(name));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CalError::Config(format!(
            "several calendars are called {name:?}: write the last part of the right one's address into [calendar] calendars"
        ))),
        (None, _) => Err(CalError::Config(format!(
            "no calendar is called {name:?} among the {} of [calendar] user: make it at the server, share it with the user, \
             or name another in [calendar] calendars",
            calendars.len()
        ))),
    }
}

/// Where the user's calendars are.
async fn home(server: &Server, base: &Url) -> Result<Url, CalError> {
    let (from, first) = first_answer(server, base).await?;
    if let Some(home) = property(&first, |properties| properties.home.as_deref()) {
        return Ok(as_collection(resolve(&from, home)?));
    }
    let Some(principal) = property(&first, |properties| properties.principal.as_deref()) else {
        return Err(CalError::Config(
            "the server does not say who [calendar] user is: [calendar] url must name a CalDAV server".to_owned(),
        ));
    };
    let principal = resolve(&from, principal)?;
    let (from, answer) = server.ask_along(&principal, query("PROPFIND", "0", request::PRINCIPAL)).await?;
    let answer = answer.multistatus()?;
    let home = property(&answer, |properties| properties.home.as_deref()).ok_or_else(|| {
        CalError::Config("[calendar] user has no calendars at this server: check [calendar] url and user".to_owned())
    })?;
    Ok(as_collection(resolve(&from, home)?))
}

/// What the configured address says, or where the server keeps calendars by agreement.
async fn first_answer(server: &Server, base: &Url) -> Result<(Url, Multistatus), CalError> {
    let ask = query("PROPFIND", "0", request::PRINCIPAL);
    let (from, answer) = server.ask_along(base, ask).await?;
    let is_elsewhere = matches!(answer.status.as_u16(), 404 | 405 | 410 | 501);
    if !is_elsewhere {
        let found = answer.multistatus()?;
        let tells = |properties: &Properties| properties.home.is_some() || properties.principal.is_some();
        if found.responses.iter().any(|response| tells(&response.properties)) {
            return Ok((from, found));
        }
    }
    let mut agreed = base.clone();
    agreed.set_path(WELL_KNOWN);
    let (from, second) = server.ask_along(&agreed, ask).await?;
    // The refusal of the address that somebody wrote down says more than that of one that nobody did.
    let refused = matches!(second.status.as_u16(), 404 | 405 | 410 | 501) && is_elsewhere;
    Ok((from, if refused { answer.multistatus()? } else { second.multistatus()? }))
}

fn property<'a>(found: &'a Multistatus, of: impl Fn(&'a Properties) -> Option<&'a str>) -> Option<&'a str> {
    found.responses.iter().find_map(|response| of(&response.properties))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection(address: &str, name: Option<&str>) -> Collection {
        Collection { address: address.parse().unwrap(), display_name: name.map(str::to_owned) }
    }

    #[test]
    fn a_calendar_is_known_by_its_name_or_by_its_address() {
        let calendars = [
            collection("https://cal.example.com/u/dr%20osei/", Some("Dr Osei")),
            collection("https://cal.example.com/u/b/", Some("Private")),
            collection("https://cal.example.com/u/c/", Some("Private")),
        ];
        assert_eq!(called(&calendars, "Dr Osei"), Ok(&calendars[0]));
        assert_eq!(called(&calendars, "dr osei"), Ok(&calendars[0]));
        assert_eq!(called(&calendars, "b"), Ok(&calendars[1]));
        assert!(called(&calendars, "Private").unwrap_err().to_string().contains("several calendars"));
        assert!(called(&calendars, "Dr Who").unwrap_err().to_string().contains("among the 3 of"));
    }
}

//! Lists of entries: what takes time, what has changed, and where to go on.

use serde::Deserialize;

use super::event::{Days, Event, RawEvent};
use super::{ReadError, document};
use crate::booking::appointment::Span;
use crate::caldav::object::Taken;
use crate::caldav::zone::Zones;

/// One page of a list. It may be short or empty while others follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its entries.
    pub events: Vec<Event>,
    /// Where to go on.
    pub next: Next,
    /// The calendar's zone, by its name.
    zone: Option<String>,
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another page, by this token.
    Page(String),
    /// Nothing; changes from now on are asked for with this token, if the list is one that has them.
    Changes(Option<String>),
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawPage {
    kind: Option<String>,
    time_zone: Option<String>,
    next_page_token: Option<String>,
    next_sync_token: Option<String>,
    items: Option<Vec<RawEvent>>,
}

impl Page {
    /// Reads an answer to `events.list`.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let raw: RawPage = document(text)?;
        if raw.kind.as_deref() != Some("calendar#events") {
            return Err(ReadError::Shape("it is no list of a calendar's entries"));
        }
        let events = raw.items.unwrap_or_default().into_iter().map(Event::try_from).collect::<Result<_, _>>()?;
        let next = match raw.next_page_token.filter(|token| !token.is_empty()) {
            Some(token) => Next::Page(token),
            None => Next::Changes(raw.next_sync_token.filter(|token| !token.is_empty())),
        };
        Ok(Self { events, next, zone: raw.time_zone })
    }

    /// The time that its entries take within `within`, in no order.
    pub fn taken(&self, zones: &Zones, within: Span) -> Result<Vec<Taken>, ReadError> {
        let days = self.zone.as_deref().map_or(Days::Clinic, Days::Of);
        self.events.iter().filter_map(|event| event.taken(zones, &days, within).transpose()).collect()
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;

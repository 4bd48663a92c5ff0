//! Calendars and the events in them. Whoever may write is decided before; here it is written.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    event,
    recurrence::Rule,
    time::{self, Moment, Span},
};
use crate::{
    error::ApiError,
    oauth::Person,
    settings::{CalendarSetup, Role},
};

/// Fields of a resource.
pub(crate) type Fields = Map<String, Value>;

/// All calendars.
#[derive(Debug)]
pub(crate) struct Calendars {
    pub(crate) all: Vec<Calendar>,
    /// Calendars that a service account has put into its list; shared ones do not come there by themselves.
    pub(crate) listed: Vec<(String, String)>,
}

/// One calendar.
#[derive(Debug)]
pub(crate) struct Calendar {
    pub(crate) id: String,
    pub(crate) summary: String,
    pub(crate) zone: TimeZone,
    roles: BTreeMap<String, Role>,
    pub(crate) events: BTreeMap<String, Event>,
    /// Counts writes; an event's etag and its place in a sync come from it.
    pub(crate) changes: u64,
    /// Sync tokens from before this write are dead.
    pub(crate) sync_from: u64,
    /// What freeBusy says instead of answering for it.
    pub(crate) busy_error: Option<String>,
}

/// One event, deleted ones included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) fields: Fields,
    /// The write that made it what it is.
    pub(crate) change: u64,
    pub(crate) updated: Timestamp,
}

impl Calendars {
    /// The calendars of the settings: the user's own, and open to the service account for writing.
    pub(crate) fn new(setups: &[CalendarSetup], user: &str, robot: &str) -> Result<Self, String> {
        let roles = BTreeMap::from([(user.to_owned(), Role::Owner), (robot.to_owned(), Role::Writer)]);
        let mut all = Vec::new();
        for setup in setups {
            let zone =
                time::zone(&setup.time_zone).ok_or_else(|| format!("there is no time zone {:?}", setup.time_zone))?;
            all.push(Calendar::new(&setup.id, &setup.summary, zone, roles.clone()));
        }
        // Its own and hidden, as every account has one.
        let own = BTreeMap::from([(robot.to_owned(), Role::Owner)]);
        all.push(Calendar::new(robot, robot, TimeZone::UTC, own));
        Ok(Self { all, listed: vec![(robot.to_owned(), robot.to_owned())] })
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Calendar> {
        self.all.iter().find(|calendar| calendar.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Calendar> {
        self.all.iter_mut().find(|calendar| calendar.id == id)
    }
}

impl Calendar {
    fn new(id: &str, summary: &str, zone: TimeZone, roles: BTreeMap<String, Role>) -> Self {
        Self {
            id: id.to_owned(),
            summary: summary.to_owned(),
            zone,
            roles,
            events: BTreeMap::new(),
            changes: 0,
            sync_from: 0,
            busy_error: None,
        }
    }

    pub(crate) fn role(&self, email: &str) -> Role {
        self.roles.get(email).copied().unwrap_or(Role::None)
    }

    pub(crate) fn share(&mut self, email: &str, role: Role) {
        self.roles.insert(email.to_owned(), role);
    }

    pub(crate) fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// A new event from a request's fields. Errors: the id was ever used, or the fields contradict each other.
    pub(crate) fn insert(&mut self, asked: Fields, who: &Person, now: Timestamp) -> Result<String, ApiError> {
        let fields = event::created(asked, self, who, now)?;
        let id = fields["id"].as_str().unwrap_or_default().to_owned();
        // Deleted ones keep their ids.
        if self.events.contains_key(&id) {
            return Err(ApiError::new(409, "duplicate", "The requested identifier already exists."));
        }
        self.store(&id, fields, now);
        Ok(id)
    }

    /// Changes an event as a PATCH does.
    pub(crate) fn patch(&mut self, id: &str, asked: Fields, who: &Person, now: Timestamp) -> Result<(), ApiError> {
        let old = self.find(id).ok_or_else(ApiError::not_found)?;
        let fields = event::patched(&old, asked, who)?;
        self.store(id, fields, now);
        Ok(())
    }

    pub(crate) fn shown_to_owner(&self, event: &Event, owner: &str) -> Value {
        event::shown(event, self, &self.zone, event::Sight::Whole, owner)
    }

    pub(crate) fn store(&mut self, id: &str, fields: Fields, now: Timestamp) {
        self.changes += 1;
        self.events.insert(id.to_owned(), Event { fields, change: self.changes, updated: now });
    }

    /// Marks an event as deleted, a series with all that was changed in it.
    pub(crate) fn cancel(&mut self, id: &str, now: Timestamp) -> Result<(), ApiError> {
        let event = self.find(id).ok_or_else(ApiError::not_found)?;
        if event.is_cancelled() {
            return Err(ApiError::new(410, "deleted", "Resource has been deleted"));
        }
        let of_series =
            |(_, other): &(&String, &Event)| other.fields.get("recurringEventId").is_some_and(|of| of == id);
        let changed: Vec<String> = self.events.iter().filter(of_series).map(|(id, _)| id.clone()).collect();
        for id in changed.iter().map(String::as_str).chain([id]) {
            if let Some(mut event) = self.find(id) {
                event.fields.insert("status".into(), json!("cancelled"));
                self.store(id, event.fields, now);
            }
        }
        Ok(())
    }

    /// The event of this id, or the occurrence of a series.
    pub(crate) fn find(&self, id: &str) -> Option<Event> {
        if let Some(event) = self.events.get(id) {
            return Some(event.clone());
        }
        let (series, _) = id.rsplit_once('_')?;
        let series = self.events.get(series).filter(|series| series.is_series())?;
        self.occurrences(series, ALWAYS).into_iter().find(|event| event.id() == id)
    }

    pub(crate) fn span(&self, event: &Event) -> Option<Span> {
        let (start, end) = time::ends(&event.fields).ok()?;
        Some(Span { start: start.instant(&self.zone), end: end.instant(&self.zone) })
    }

    /// Single events, and of every series the occurrences that touch the window, deleted ones included.
    pub(crate) fn expanded(&self, window: Span) -> Vec<Event> {
        let mut found = Vec::new();
        for event in self.events.values() {
            if event.is_series() {
                let untouched = self.occurrences(event, window).into_iter();
                found.extend(untouched.filter(|occurrence| !self.events.contains_key(occurrence.id())));
            } else if self.span(event).is_some_and(|span| touches(span, window)) {
                found.push(event.clone());
            }
        }
        found
    }

    /// Whether an event, or any occurrence of a series, touches the window.
    pub(crate) fn is_in(&self, event: &Event, window: Span) -> bool {
        if event.is_series() {
            return !self.occurrences(event, window).is_empty();
        }
        self.span(event).is_some_and(|span| touches(span, window))
    }

    fn occurrences(&self, series: &Event, window: Span) -> Vec<Event> {
        let rule = Rule::read(&series.fields["recurrence"]);
        let (Ok(Some(rule)), Ok((start, end))) = (rule, time::ends(&series.fields)) else {
            return Vec::new();
        };
        let length = start.instant(&self.zone).duration_until(end.instant(&self.zone));
        let days = match (&start, &end) {
            (Moment::Day(start), Moment::Day(end)) => {
                Some(start.until(*end).map_or(1, |span| i64::from(span.get_days())))
            }
            _ => None,
        };
        let found = rule.occurrences(&start, length, &self.zone, window);
        found.into_iter().filter_map(|(moment, span)| self.occurrence(series, &moment, days, span)).collect()
    }

    fn occurrence(&self, series: &Event, moment: &Moment, days: Option<i64>, span: Span) -> Option<Event> {
        let mut fields = series.fields.clone();
        fields.remove("recurrence");
        let end = match (moment, days) {
            (Moment::Day(_), Some(days)) => moment.later(days, &self.zone)?,
            (Moment::At(_, zone), _) => Moment::At(span.end, zone.clone()),
            (Moment::Day(_), None) => return None,
        };
        let stamp = match moment {
            Moment::Day(day) => day.strftime("%Y%m%d").to_string(),
            Moment::At(at, _) => at.strftime("%Y%m%dT%H%M%SZ").to_string(),
        };
        let start = moment.write(&self.zone, &self.zone);
        fields.insert("id".into(), json!(format!("{}_{stamp}", series.id())));
        fields.insert("recurringEventId".into(), json!(series.id()));
        fields.insert("originalStartTime".into(), start.clone());
        fields.insert("start".into(), start);
        fields.insert("end".into(), end.write(&self.zone, &self.zone));
        Some(Event { fields, ..series.clone() })
    }
}

/// Every time there is.
pub(crate) const ALWAYS: Span = Span { start: Timestamp::MIN, end: Timestamp::MAX };

fn touches(span: Span, window: Span) -> bool {
    span.end > window.start && span.start < window.end
}

impl Event {
    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.text("status") == "cancelled"
    }

    pub(crate) fn is_series(&self) -> bool {
        self.fields.contains_key("recurrence")
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", 3_590_467_628_000_000 + self.change * 2)
    }
}

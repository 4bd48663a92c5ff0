//! Google Calendar v3.

mod event;
mod free_busy;
mod list;
mod recurrence;
mod store;
mod time;

use event::Sight;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
pub(crate) use store::{Calendar, Calendars, Event, Fields};
pub(crate) use time::with_millis;

use crate::{
    discovery::Call,
    error::ApiError,
    exchange::Request,
    fault::precondition,
    oauth::Token,
    settings::Role,
    sim::{Reply, Sim, State},
};

/// One call by one person.
struct Visit<'a> {
    sim: &'a Sim,
    call: &'a Call<'a>,
    request: &'a Request,
    token: &'a Token,
    /// Those of the token's scopes that open the method, without their common beginning.
    scopes: Vec<&'a str>,
}

/// Answers a method of the interface.
pub(crate) fn handle(
    sim: &Sim,
    state: &mut State,
    call: &Call<'_>,
    request: &Request,
    token: &Token,
    body: Value,
) -> Result<Reply, ApiError> {
    let opens = |scope: &&str| token.scopes.contains(*scope);
    let scopes: Vec<&str> =
        call.scopes().into_iter().filter(opens).filter_map(|scope| scope.rsplit('/').next()).collect();
    let visit = Visit { sim, call, request, token, scopes };
    let body = match body {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    };
    let calendars = &mut state.calendars;
    match call.id() {
        "calendar.calendars.get" => visit.calendar(calendars),
        "calendar.calendarList.list" => list::calendars(&visit, calendars),
        "calendar.calendarList.insert" => list::add_calendar(&visit, calendars, &body),
        "calendar.freebusy.query" => free_busy::query(&visit, calendars, &Value::Object(body)),
        "calendar.events.list" => list::events(&visit, calendars),
        "calendar.events.get" => visit.get(calendars),
        "calendar.events.insert" => visit.insert(calendars, body),
        "calendar.events.patch" => visit.change(calendars, body, false),
        "calendar.events.update" => visit.change(calendars, body, true),
        "calendar.events.delete" => visit.delete(calendars),
        other => Err(ApiError::not_simulated(other)),
    }
}

impl Visit<'_> {
    /// The calendar of the path, if the person may see it, and what of it.
    fn open<'a>(&self, calendars: &'a mut Calendars) -> Result<(&'a mut Calendar, Sight), ApiError> {
        let named = self.call.in_path("calendarId");
        let id = if named == "primary" { &self.token.person.email } else { named };
        let calendar = calendars.get_mut(id).ok_or_else(ApiError::not_found)?;
        let role = calendar.role(&self.token.person.email);
        if role == Role::None {
            return Err(ApiError::not_found());
        }
        let sight = self.sight(role)?;
        Ok((calendar, sight))
    }

    /// The narrow scopes open less than the role would.
    fn sight(&self, role: Role) -> Result<Sight, ApiError> {
        let wide = |scope: &&str| {
            !scope.contains(".owned") && !matches!(*scope, "calendar.events.public.readonly" | "calendar.app.created")
        };
        let usable: Vec<&str> = self
            .scopes
            .iter()
            .copied()
            .filter(|scope| wide(scope) || (scope.contains(".owned") && role == Role::Owner))
            .collect();
        if usable.is_empty() {
            // No calendar here is public or made by an application.
            return Err(ApiError::not_found());
        }
        let busy = role == Role::FreeBusyReader || usable == ["calendar.events.freebusy"];
        Ok(if busy { Sight::Busy } else { Sight::Whole })
    }

    /// The same for somebody who wants to write.
    fn open_to_write<'a>(&self, calendars: &'a mut Calendars) -> Result<&'a mut Calendar, ApiError> {
        let (calendar, _) = self.open(calendars)?;
        if calendar.role(&self.token.person.email) < Role::Writer {
            let text = "You need to have writer access to this calendar.";
            return Err(ApiError::new(403, "requiredAccessLevel", text));
        }
        Ok(calendar)
    }

    /// The zone in which the answer shows times.
    fn zone(&self, calendar: &Calendar) -> Result<TimeZone, ApiError> {
        match self.request.query("timeZone") {
            None => Ok(calendar.zone.clone()),
            Some(name) => time::zone(name).ok_or_else(|| ApiError::invalid("Invalid time zone.").parameter("timeZone")),
        }
    }

    fn calendar(&self, calendars: &mut Calendars) -> Result<Reply, ApiError> {
        let (calendar, _) = self.open(calendars)?;
        Ok(Reply::body(json!({
            "kind": "calendar#calendar",
            "etag": format!("\"{}\"", calendar.id.len()),
            "id": calendar.id,
            "summary": calendar.summary,
            "timeZone": calendar.zone_name(),
        })))
    }

    fn get(&self, calendars: &mut Calendars) -> Result<Reply, ApiError> {
        let (calendar, sight) = self.open(calendars)?;
        let event = calendar.find(self.call.in_path("eventId")).ok_or_else(ApiError::not_found)?;
        if self.request.header("if-none-match").is_some_and(|known| known == event.etag()) {
            return Ok(Reply::NotModified);
        }
        let zone = self.zone(calendar)?;
        Ok(self.show(calendar, &event, &zone, sight))
    }

    fn show(&self, calendar: &Calendar, event: &Event, zone: &TimeZone, sight: Sight) -> Reply {
        Reply::body(event::shown(event, calendar, zone, sight, &self.token.person.email))
    }

    fn insert(&self, calendars: &mut Calendars, body: Fields) -> Result<Reply, ApiError> {
        let now = self.sim.clock.now();
        let calendar = self.open_to_write(calendars)?;
        let id = calendar.insert(body, &self.token.person, now)?;
        self.stored(calendar, &id)
    }

    fn stored(&self, calendar: &Calendar, id: &str) -> Result<Reply, ApiError> {
        let event = calendar.find(id).ok_or_else(ApiError::not_found)?;
        Ok(self.show(calendar, &event, &calendar.zone, Sight::Whole))
    }

    fn change(&self, calendars: &mut Calendars, body: Fields, whole: bool) -> Result<Reply, ApiError> {
        let now = self.sim.clock.now();
        let id = self.call.in_path("eventId");
        let calendar = self.open_to_write(calendars)?;
        let old = calendar.find(id).ok_or_else(ApiError::not_found)?;
        self.check_version(&old)?;
        let who = &self.token.person;
        if whole {
            let fields = event::replaced(&old, body, who)?;
            calendar.store(id, fields, now);
        } else {
            calendar.patch(id, body, who, now)?;
        }
        self.stored(calendar, id)
    }

    fn delete(&self, calendars: &mut Calendars) -> Result<Reply, ApiError> {
        let now = self.sim.clock.now();
        let id = self.call.in_path("eventId");
        let calendar = self.open_to_write(calendars)?;
        let old = calendar.find(id).ok_or_else(ApiError::not_found)?;
        // What is gone has no version to be wrong about.
        if !old.is_cancelled() {
            self.check_version(&old)?;
        }
        calendar.cancel(id, now)?;
        Ok(Reply::Empty)
    }

    fn check_version(&self, event: &Event) -> Result<(), ApiError> {
        match self.request.header("if-match") {
            Some(known) if known != "*" && known != event.etag() => Err(precondition()),
            _ => Ok(()),
        }
    }
}

//! When calendars are busy.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    Visit,
    store::{Calendar, Calendars},
    time::{self, Span, in_zone, with_millis},
};
use crate::{error::ApiError, settings::Role, sim::Reply};

/// Calendars per request, by the discovery document.
const MOST_CALENDARS: i64 = 50;
/// Days of the longest range; Google does not say, reports of November 2026 say about three months.
const LONGEST_DAYS: i32 = 92;

/// `POST freeBusy`. What cannot be answered for is an error beside the calendar, in an answer of 200.
pub(super) fn query(visit: &Visit<'_>, calendars: &Calendars, body: &Value) -> Result<Reply, ApiError> {
    let window = window(body)?;
    let zone = match body["timeZone"].as_str() {
        None => TimeZone::UTC,
        Some(name) => time::zone(name).ok_or_else(|| ApiError::invalid("Invalid time zone."))?,
    };
    let most = body["calendarExpansionMax"].as_i64().unwrap_or(MOST_CALENDARS);
    if !(1..=MOST_CALENDARS).contains(&most) {
        return Err(ApiError::invalid("calendarExpansionMax is 1 to 50.").parameter("calendarExpansionMax"));
    }
    let mut answers = Map::new();
    for item in body["items"].as_array().into_iter().flatten() {
        let id = item["id"].as_str().ok_or_else(|| ApiError::required("id"))?;
        let full = answers.len() as i64 >= most;
        let answer =
            if full { failed("tooManyCalendarsRequested") } else { of_one(visit, calendars, id, window, &zone) };
        answers.insert(id.to_owned(), answer);
    }
    Ok(Reply::body(json!({
        "kind": "calendar#freeBusy",
        "timeMin": with_millis(window.start),
        "timeMax": with_millis(window.end),
        "calendars": answers,
    })))
}

fn window(body: &Value) -> Result<Span, ApiError> {
    let wanted = |name: &str| {
        let found = time::parameter(name, body[name].as_str())?;
        found.ok_or_else(|| ApiError::required(name))
    };
    let window = Span { start: wanted("timeMin")?, end: wanted("timeMax")? };
    if window.start >= window.end {
        let text = "The specified time range is empty.";
        return Err(ApiError::new(400, "timeRangeEmpty", text).parameter("timeMax"));
    }
    let longest = window.start.to_zoned(TimeZone::UTC).checked_add(LONGEST_DAYS.days());
    if longest.is_ok_and(|longest| window.end > longest.timestamp()) {
        let text = "The requested time range is too long.";
        return Err(ApiError::new(400, "timeRangeTooLong", text).parameter("timeMax"));
    }
    Ok(window)
}

fn failed(reason: &str) -> Value {
    json!({ "errors": [{ "domain": "global", "reason": reason }], "busy": [] })
}

fn of_one(visit: &Visit<'_>, calendars: &Calendars, id: &str, window: Span, zone: &TimeZone) -> Value {
    let email = &visit.token.person.email;
    let id = if id == "primary" { email } else { id };
    let Some(calendar) = calendars.get(id).filter(|calendar| calendar.role(email) >= Role::FreeBusyReader) else {
        return failed("notFound");
    };
    if let Some(reason) = &calendar.busy_error {
        return failed(reason);
    }
    let period = |span: &Span| json!({ "start": in_zone(span.start, zone), "end": in_zone(span.end, zone) });
    let busy: Vec<Value> = periods(calendar, window).iter().map(period).collect();
    json!({ "busy": busy })
}

/// What takes up time, in order; what touches or overlaps is one period.
fn periods(calendar: &Calendar, window: Span) -> Vec<Span> {
    let takes_time = |event: &super::Event| {
        let aside = ["workingLocation", "birthday"].contains(&event.text("eventType"));
        !event.is_cancelled() && event.text("transparency") != "transparent" && !aside
    };
    let events = calendar.expanded(window).into_iter().filter(takes_time);
    let mut spans: Vec<Span> =
        events.filter_map(|event| calendar.span(&event)).filter(|span| span.start < span.end).collect();
    spans.sort_by_key(|span| span.start);
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged.into_iter().map(|span| clip(span, window)).collect()
}

/// Nothing is said of times that were not asked for.
fn clip(span: Span, window: Span) -> Span {
    let (start, end): (Timestamp, Timestamp) = (span.start.max(window.start), span.end.min(window.end));
    Span { start, end }
}

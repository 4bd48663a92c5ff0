//! An event's fields: what may be written, what becomes of it, and what is shown of it.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    recurrence::Rule,
    store::{Calendar, Event, Fields},
    time::{self, Moment, with_millis},
};
use crate::{
    error::ApiError,
    oauth::{Person, random_id},
};

/// Fields that are Google's to say.
const READ_ONLY: [&str; 11] = [
    "kind",
    "etag",
    "htmlLink",
    "created",
    "updated",
    "creator",
    "organizer",
    "hangoutLink",
    "locked",
    "recurringEventId",
    "originalStartTime",
];
/// Fields that stay through an update of the whole resource.
const KEPT: [&str; 9] = [
    "id",
    "iCalUID",
    "created",
    "creator",
    "organizer",
    "sequence",
    "eventType",
    "recurringEventId",
    "originalStartTime",
];
/// Limits of extended properties, in characters: longer names are dropped, longer values cut, without a word
/// (Google's guide to extended properties, November 2026).
const LONGEST_NAME: usize = 44;
const LONGEST_VALUE: usize = 1_024;

/// The fields of a new event.
pub(super) fn created(
    mut asked: Fields,
    calendar: &Calendar,
    who: &Person,
    now: Timestamp,
) -> Result<Fields, ApiError> {
    asked.retain(|name, value| !value.is_null() && !READ_ONLY.contains(&name.as_str()));
    if asked.contains_key("id") && asked.contains_key("iCalUID") {
        return Err(ApiError::invalid("Give either id or iCalUID, not both."));
    }
    let id = match asked.get("id").and_then(Value::as_str) {
        Some(id) if is_legal_id(id) => id.to_owned(),
        Some(_) => return Err(ApiError::invalid("Invalid resource id value.").parameter("resource.id")),
        None => random_id(),
    };
    let mut fields = asked;
    fields.insert("id".into(), json!(id));
    fields.insert("created".into(), json!(with_millis(now)));
    fields.insert("creator".into(), json!({ "email": who.email }));
    fields.insert("organizer".into(), json!({ "email": calendar.id, "displayName": calendar.summary, "self": true }));
    fields.entry("iCalUID").or_insert_with(|| json!(format!("{id}@google.com")));
    fields.entry("sequence").or_insert(json!(0));
    finish(&mut fields, who)?;
    Ok(fields)
}

/// The fields of an event after a PATCH: objects are merged, lists replaced, `null` removes.
pub(super) fn patched(old: &Event, asked: Fields, who: &Person) -> Result<Fields, ApiError> {
    let mut fields = old.fields.clone();
    merge(&mut fields, writable(asked));
    changed(old, fields, who)
}

/// The fields of an event after a PUT.
pub(super) fn replaced(old: &Event, asked: Fields, who: &Person) -> Result<Fields, ApiError> {
    let mut fields = writable(asked);
    fields.retain(|_, value| !value.is_null());
    for name in KEPT {
        if let Some(value) = old.fields.get(name) {
            fields.entry(name).or_insert_with(|| value.clone());
        }
    }
    changed(old, fields, who)
}

fn writable(mut asked: Fields) -> Fields {
    asked.retain(|name, _| !READ_ONLY.contains(&name.as_str()) && !matches!(name.as_str(), "id" | "iCalUID"));
    asked
}

fn merge(into: &mut Fields, from: Fields) {
    for (name, value) in from {
        match value {
            Value::Null => {
                into.remove(&name);
            }
            Value::Object(inner) => {
                let place = into.entry(name).or_insert_with(|| json!({}));
                if let Some(place) = place.as_object_mut() {
                    merge(place, inner);
                } else {
                    *place = Value::Object(inner);
                }
            }
            other => {
                into.insert(name, other);
            }
        }
    }
}

fn changed(old: &Event, mut fields: Fields, who: &Person) -> Result<Fields, ApiError> {
    let sequence = |fields: &Fields| fields.get("sequence").and_then(Value::as_i64).unwrap_or(0);
    let (before, after) = (sequence(&old.fields), sequence(&fields));
    if after < before {
        let text = "Invalid sequence value. The specified sequence number is below the current sequence number of the \
                    resource. Re-fetch the resource and use its sequence number on the following request.";
        return Err(ApiError::invalid(text));
    }
    if fields.get("eventType").is_some_and(|kind| old.fields.get("eventType").is_some_and(|old| old != kind)) {
        return Err(ApiError::new(400, "eventTypeRestriction", "The event type cannot be changed."));
    }
    finish(&mut fields, who)?;
    let moved = ["start", "end", "recurrence"].iter().any(|name| old.fields.get(*name) != fields.get(*name));
    if moved && after == before {
        fields.insert("sequence".into(), json!(before + 1));
    }
    Ok(fields)
}

/// Defaults, and the checks that every written event has to pass.
fn finish(fields: &mut Fields, who: &Person) -> Result<(), ApiError> {
    fields.entry("status").or_insert(json!("confirmed"));
    fields.entry("eventType").or_insert(json!("default"));
    fields.entry("reminders").or_insert(json!({ "useDefault": true }));
    // Version 0 of conference data, the only one here, overlooks it.
    fields.remove("conferenceData");
    if fields.get("attachments").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::not_simulated("attachments"));
    }
    one_of(fields, "status", &["confirmed", "tentative", "cancelled"])?;
    one_of(fields, "transparency", &["opaque", "transparent"])?;
    one_of(fields, "visibility", &["default", "public", "private", "confidential"])?;
    one_of(fields, "eventType", &["default", "outOfOffice", "focusTime", "workingLocation", "birthday"])?;
    let (start, _) = time::ends(fields)?;
    check_recurrence(fields, &start)?;
    check_reminders(&fields["reminders"])?;
    check_guests(fields, who)?;
    limit_properties(fields);
    Ok(())
}

fn one_of(fields: &Fields, name: &str, known: &[&str]) -> Result<(), ApiError> {
    match fields.get(name).and_then(Value::as_str) {
        Some(value) if !known.contains(&value) => {
            Err(ApiError::invalid(format!("Invalid value for {name}: {value:?}")).parameter(name))
        }
        _ => Ok(()),
    }
}

fn check_recurrence(fields: &mut Fields, start: &Moment) -> Result<(), ApiError> {
    let rule = Rule::read(fields.get("recurrence").unwrap_or(&Value::Null))?;
    if rule.is_none() {
        // An empty list makes a series a single event again.
        fields.remove("recurrence");
        return Ok(());
    }
    match start {
        Moment::At(_, None) => Err(ApiError::new(400, "required", "Missing time zone definition for start time.")),
        _ => Ok(()),
    }
}

fn check_reminders(reminders: &Value) -> Result<(), ApiError> {
    let overrides = reminders["overrides"].as_array().map(Vec::as_slice).unwrap_or_default();
    if reminders["useDefault"] == true && !overrides.is_empty() {
        let text = "Cannot specify both default reminders and overrides at the same time.";
        return Err(ApiError::new(400, "cannotUseDefaultRemindersAndSpecifyOverride", text));
    }
    let good = |reminder: &Value| {
        matches!(reminder["method"].as_str(), Some("email" | "popup"))
            && reminder["minutes"].as_i64().is_some_and(|minutes| (0..=40_320).contains(&minutes))
    };
    if overrides.len() > 5 || !overrides.iter().all(good) {
        return Err(ApiError::invalid("Invalid reminder: at most five, by email or popup, 0 to 40320 minutes before."));
    }
    Ok(())
}

fn check_guests(fields: &mut Fields, who: &Person) -> Result<(), ApiError> {
    let Some(guests) = fields.get_mut("attendees").and_then(Value::as_array_mut).filter(|guests| !guests.is_empty())
    else {
        return Ok(());
    };
    if who.robot {
        let text = "Service accounts cannot invite attendees without Domain-Wide Delegation of Authority.";
        return Err(ApiError::new(403, "forbiddenForServiceAccounts", text).at("other", "calendar"));
    }
    for guest in guests {
        if !guest["email"].as_str().is_some_and(|email| email.contains('@')) {
            return Err(ApiError::invalid("Invalid attendee email."));
        }
        if let Some(guest) = guest.as_object_mut() {
            guest.entry("responseStatus").or_insert(json!("needsAction"));
        }
    }
    Ok(())
}

fn limit_properties(fields: &mut Fields) {
    for kind in ["private", "shared"] {
        let properties = fields.get_mut("extendedProperties").and_then(|both| both.get_mut(kind));
        let Some(properties) = properties.and_then(Value::as_object_mut) else { continue };
        properties.retain(|name, _| name.chars().count() <= LONGEST_NAME);
        for value in properties.values_mut() {
            if let Some(long) = value.as_str().filter(|text| text.chars().count() > LONGEST_VALUE) {
                *value = json!(long.chars().take(LONGEST_VALUE).collect::<String>());
            }
        }
    }
}

/// Characters of base32hex in lower case, 5 to 1024.
fn is_legal_id(id: &str) -> bool {
    (5..=1_024).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
}

/// How much of an event is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    Whole,
    /// Whoever may only know when it is busy.
    Busy,
}

/// An event as it is answered, its times in the zone `shown`, to the person of that address.
pub(super) fn shown(event: &Event, calendar: &Calendar, zone: &TimeZone, sight: Sight, viewer: &str) -> Value {
    let mut fields: Map<String, Value> = match sight {
        Sight::Whole => event.fields.clone(),
        Sight::Busy => {
            let kept =
                ["id", "status", "start", "end", "transparency", "iCalUID", "recurringEventId", "originalStartTime"];
            event
                .fields
                .iter()
                .filter(|(name, _)| kept.contains(&name.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        }
    };
    if sight == Sight::Busy {
        fields.insert("visibility".into(), json!("private"));
    }
    fields.insert("kind".into(), json!("calendar#event"));
    fields.insert("etag".into(), json!(event.etag()));
    fields.insert("updated".into(), json!(with_millis(event.updated)));
    if sight == Sight::Whole {
        fields.insert("htmlLink".into(), json!(format!("https://www.google.com/calendar/event?eid={}", event.id())));
    }
    if fields.get("creator").is_some_and(|creator| creator["email"] == viewer) {
        fields["creator"]["self"] = json!(true);
    }
    for name in ["start", "end", "originalStartTime"] {
        if let Some(value) = fields.get_mut(name)
            && let Ok(moment) = Moment::read(name, value)
        {
            *value = moment.write(zone, &calendar.zone);
        }
    }
    Value::Object(fields)
}

/// All that a list says of a deleted event.
pub(super) fn shown_deleted(event: &Event) -> Value {
    let mut fields = json!({ "kind": "calendar#event", "etag": event.etag(), "id": event.id(), "status": "cancelled" });
    for name in ["recurringEventId", "originalStartTime"] {
        if let Some(value) = event.fields.get(name) {
            fields[name] = value.clone();
        }
    }
    fields
}

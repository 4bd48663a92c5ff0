//! The entry that we write for an appointment.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::event::{event_id, note};
use crate::booking::appointment::Appointment;
use crate::clinic::Clinic;
use crate::letter::clean::line;
use crate::letter::ics::{Names, summary};

/// Longest name of a place, in characters.
const LONGEST_NAME: usize = 120;

/// A new entry, by the appointment's own id.
pub fn insert(appointment: &Appointment, clinic: &Clinic, names: Names) -> String {
    let mut entry = entry(appointment, clinic, names);
    entry["id"] = event_id(appointment.id).into();
    entry.to_string()
}

/// What makes an older entry say the same, also one that was deleted (`status`). What staff have added stays: fields that
/// are not sent are kept.
pub fn patch(appointment: &Appointment, clinic: &Clinic, names: Names) -> String {
    entry(appointment, clinic, names).to_string()
}

/// What a feed says of it, and never what for. Nobody is invited: patients would be written to by Google, and a service
/// account without delegation may not.
fn entry(appointment: &Appointment, clinic: &Clinic, names: Names) -> Value {
    let slot = &appointment.slot;
    let mut entry = json!({
        "status": "confirmed",
        "summary": summary(appointment, clinic, names),
        "start": moment(slot.time.from, &clinic.zone),
        "end": moment(slot.time.to, &clinic.zone),
        "transparency": "opaque",
        "visibility": "private",
        // They would ring for whoever is logged in, never for the patient.
        "reminders": { "useDefault": false, "overrides": [] },
        "extendedProperties": { "private": {
            "fd_booking": appointment.id.to_string(),
            "fd_rev": appointment.revision.to_string(),
            "fd_time": note(slot.time),
        }},
    });
    if let Some(location) = clinic.location(&slot.location) {
        entry["location"] = line(&location.name, LONGEST_NAME).into();
    }
    entry
}

/// With the offset and, where it has a name, the zone.
fn moment(at: Timestamp, zone: &TimeZone) -> Value {
    let (zone, name) = zone.iana_name().map_or((TimeZone::UTC, "UTC"), |name| (zone.clone(), name));
    let shown = at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    json!({ "dateTime": shown, "timeZone": name })
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;

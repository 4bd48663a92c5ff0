//! The clinic's own file, `clinic.toml`: read, checked, and made into a [`Clinic`] that can be relied on.
//!
//! ```text
//! hours ──────────┐
//! places ─► people ┼─► services ─► across: what only shows when all of it is known
//! personas ───────┘
//! ```
//!
//! Each part complains of everything that is wrong with it and goes on, so that one run finds everything; what a wrong
//! part would make look wrong elsewhere is not complained of a second time.

mod across;
mod emergency;
mod hours;
mod people;
mod personas;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use frontdesk_core::clinic::Clinic;
use frontdesk_core::clinic::hours::{DayException, Week};
use frontdesk_core::clinic::persona::Personas;
use frontdesk_core::twilio::number::PhoneNumber;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::complaint::{Complaints, Place};
use super::file::{self, Table};
use super::parts::ClinicConfig;
use super::section::{Section, suggestion};
use super::value;

/// A name, as it is said or written.
const MAX_NAME_CHARS: usize = 120;
/// A sentence or two that are said.
const MAX_SAID_CHARS: usize = 500;

/// What the configuration says of the clinic already.
#[derive(Debug, Clone, Copy)]
struct Basics<'a> {
    /// As the agent says it.
    name: &'a str,
    /// In which all times of the file are meant.
    zone: &'a TimeZone,
    /// In which callers are greeted.
    language: &'a str,
    /// The clinic's own date, which tells what is over.
    today: Date,
}

/// Adds what the clinic's own file says to what the configuration says of the clinic. The file is also checked when the
/// clinic has no name yet, so that one run finds everything.
pub(super) fn add(
    clinic: Option<ClinicConfig>,
    file: Option<&Path>,
    now: Timestamp,
    out: &mut Complaints,
) -> Option<ClinicConfig> {
    let Some(file) = file else { return clinic };
    let stand_in = || ClinicConfig {
        name: String::new(),
        time_zone: TimeZone::UTC,
        language: "en-US".to_owned(),
        data: None,
        knowledge: None,
        personas: Personas::default(),
    };
    let named = clinic.is_some();
    let clinic = clinic.unwrap_or_else(stand_in);
    let basics = Basics {
        name: &clinic.name,
        zone: &clinic.time_zone,
        language: &clinic.language,
        today: now.to_zoned(clinic.time_zone.clone()).date(),
    };
    let (data, personas) = load(file, &basics, out)?;
    named.then_some(ClinicConfig { data: Some(Arc::new(data)), personas, ..clinic })
}

/// Complains of what the file says and another part of the configuration makes wrong: the clinic's own `number`.
pub(super) fn against(clinic: &ClinicConfig, number: &PhoneNumber, out: &mut Complaints) {
    if let Some(data) = &clinic.data {
        emergency::calls_others(data, number, out);
    }
}

/// Reads the file at `path`; `None` if any of it will not do, with the reasons in `out`.
fn load(path: &Path, basics: &Basics<'_>, out: &mut Complaints) -> Option<(Clinic, Personas)> {
    let table = file::read_alone(path, out)?;
    out.files.push(path.to_owned());
    check(table, path, basics, out)
}

/// Checks what the file says.
fn check(table: Table, path: &Path, basics: &Basics<'_>, out: &mut Complaints) -> Option<(Clinic, Personas)> {
    let before = out.errors.len();
    let mut file = Section::file(table, path, out);
    let languages = languages(&mut file, basics.language);
    let (week, exceptions) = opening(&mut file, basics.today);
    let locations = people::locations(&mut file);
    let places = locations.iter().map(|location| location.id.to_string()).collect();
    let around = people::Surroundings { basics, week: &week, places };
    let (practitioners, names) = people::practitioners(&mut file, &around);
    let hours_are_sound = file.out.errors.len() == before;
    let (rules, usual) = services::rules(&mut file);
    let types = services::types(&mut file, usual, &names);
    let emergency = emergency::read(&mut file, &languages);
    let contacts = people::contacts(&mut file);
    let personas = personas::read(&mut file, basics.language);
    file.finish();
    across::words(&practitioners, &types, out);
    if hours_are_sound {
        across::hours(&week, &practitioners, &types, out);
    }
    if out.errors.len() > before {
        // From top to bottom, as the file is mended.
        out.errors[before..].sort_by_key(|error| error.place.as_ref().map(|place| (place.file.clone(), place.line)));
        return None;
    }
    let clinic = Clinic {
        name: basics.name.to_owned(),
        zone: basics.zone.clone(),
        language: basics.language.to_owned(),
        languages,
        locations,
        hours: week,
        exceptions,
        practitioners: practitioners.into_iter().map(|one| one.value).collect(),
        types: types.into_iter().map(|one| one.value).collect(),
        rules,
        emergency: emergency?,
        contacts,
    };
    Some((clinic, personas))
}

/// Something and where its parts are written, for what is found out later.
struct Placed<T> {
    value: T,
    /// Of the item itself.
    place: Place,
    /// Of its keys that are written.
    keys: BTreeMap<&'static str, Place>,
}

impl<T> Placed<T> {
    /// Where `key` is written, else the item.
    fn at(&self, key: &str) -> Place {
        self.keys.get(key).unwrap_or(&self.place).clone()
    }
}

/// The places of those keys of a section that are written. Ask before they are taken.
fn places(section: &Section<'_>, keys: &[&'static str]) -> BTreeMap<&'static str, Place> {
    keys.iter().filter_map(|&key| Some((key, section.place(key)?))).collect()
}

fn languages(file: &mut Section<'_>, first: &str) -> Vec<String> {
    let mut all = vec![first.to_owned()];
    if let Some(mut section) = file.nested("languages") {
        all.extend(section.list("also", value::language).into_iter().map(|(_, tag)| tag));
        section.finish();
    }
    // Written twice, it is spoken once.
    let mut seen = BTreeSet::new();
    all.retain(|tag| seen.insert(tag.clone()));
    all
}

fn opening(file: &mut Section<'_>, today: Date) -> (Week, Vec<DayException>) {
    file.require("hours", "write when the clinic is open: a section [hours] with monday = [\"08:00-12:00\"] and so on");
    let place = file.place("hours");
    let before = file.out.errors.len();
    let week = file.nested("hours").map(hours::week);
    if let Some(week) = &week
        && week.is_empty()
        && file.out.errors.len() == before
    {
        file.out.error(
            place,
            "[hours]",
            "has no day on which the clinic is open",
            "write one: monday = [\"08:00-12:00\"]",
        );
    }
    (week.unwrap_or_default(), hours::exceptions(file, "closures", today))
}

/// The `id` of an item, and a complaint if it is missing or taken.
fn id<T, E: std::fmt::Display>(
    section: &mut Section<'_>,
    read: impl FnOnce(&str) -> Result<T, E>,
    taken: &mut BTreeMap<String, Place>,
) -> Option<T> {
    section.require("id", "write a short name for it: lower-case letters, digits, - and _");
    let place = section.place("id").unwrap_or_else(|| section.here());
    let name = section.name("id");
    let (text, id) = section.optional("id", |text| read(text).map(|id| (text.to_owned(), id)))?;
    if let Some(first) = taken.get(&text) {
        let line = first.line.unwrap_or_default();
        section.out.error(Some(place), name, format!("= {text:?} is the id in line {line} already"), "choose another");
        return None;
    }
    taken.insert(text, place);
    Some(id)
}

/// Looks an id up that something refers to.
fn known(text: &str, ids: &[String], what: &str) -> Result<String, String> {
    if ids.iter().any(|id| id == text) {
        return Ok(text.to_owned());
    }
    if ids.is_empty() {
        return Err(format!("there are no {what}: write them first"));
    }
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    Err(format!("{}{what} are {}", suggestion(text, &names), names.join(", ")))
}

#[cfg(test)]
pub(super) mod tests;

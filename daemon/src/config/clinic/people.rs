//! Where patients are seen, by whom, and who else can be reached.

use std::collections::BTreeMap;

use frontdesk_core::clinic::hours::Week;
use frontdesk_core::clinic::ids::{LocationId, PractitionerId};
use frontdesk_core::clinic::{Contact, Location, Practitioner};

use super::super::complaint::Place;
use super::super::section::Section;
use super::super::value;
use super::{Basics, MAX_NAME_CHARS, MAX_SAID_CHARS, Placed, hours, id, known, places};

/// `[[locations]]`; at least one.
pub(super) fn locations(file: &mut Section<'_>) -> Vec<Location> {
    let (mut all, mut taken) = (Vec::new(), BTreeMap::new());
    let before = file.out.errors.len();
    let items = file.items("locations");
    if items.is_empty() && file.out.errors.len() == before {
        let here = file.here();
        let remedy = "write where patients are seen: a section [[locations]] for each place";
        file.out.error(Some(here), "[[locations]]", "is missing", remedy);
    }
    for item in items {
        let Some(mut item) = file.item("locations", item) else { continue };
        item.require("name", "write the place's name as it is said");
        item.require("address", "write the address as it stands in a confirmation");
        let id = id(&mut item, LocationId::parse, &mut taken);
        let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
        let address = item.text("address", String::new(), |text| value::line(text, MAX_SAID_CHARS));
        let directions = item.text("directions", String::new(), |text| value::line(text, MAX_SAID_CHARS));
        item.finish();
        all.extend(id.map(|id| Location { id, name, address, directions }));
    }
    all
}

/// What a practitioner's entry is read against.
pub(super) struct Surroundings<'a> {
    pub(super) basics: &'a Basics<'a>,
    /// The clinic's hours, for who writes none.
    pub(super) week: &'a Week,
    /// Ids of the locations.
    pub(super) places: Vec<String>,
}

/// `[[practitioners]]`, and the ids of all that are written: also of those about whom something else is wrong, so that
/// whoever refers to them is not wrong too.
pub(super) fn practitioners(
    file: &mut Section<'_>,
    around: &Surroundings<'_>,
) -> (Vec<Placed<Practitioner>>, Vec<String>) {
    let (mut all, mut taken) = (Vec::new(), BTreeMap::new());
    for item in file.items("practitioners") {
        if let Some(item) = file.item("practitioners", item) {
            all.extend(practitioner(item, around, &mut taken));
        }
    }
    (all, taken.into_keys().collect())
}

fn practitioner(
    mut item: Section<'_>,
    around: &Surroundings<'_>,
    taken: &mut BTreeMap<String, Place>,
) -> Option<Placed<Practitioner>> {
    let (place, keys) = (item.here(), places(&item, &["name", "say_as", "heard_as", "hours"]));
    item.require("name", "write the name as it is written: \"Dr. Amara Osei\"");
    let id = id(&mut item, PractitionerId::parse, taken);
    let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
    let say_as = item.text("say_as", name.clone(), |text| value::line(text, MAX_NAME_CHARS));
    let heard_as = item.list("heard_as", |text| value::line(text, MAX_NAME_CHARS));
    let mut languages: Vec<_> = item.list("languages", value::language).into_iter().map(|(_, tag)| tag).collect();
    if languages.is_empty() {
        languages.push(around.basics.language.to_owned());
    }
    let location = location(&mut item, &around.places);
    let hours = item.nested("hours").map_or_else(|| around.week.clone(), hours::week);
    let exceptions = hours::exceptions(&mut item, "leave", around.basics.today);
    item.finish();
    let heard_as = heard_as.into_iter().map(|(_, word)| word).collect();
    let value = Practitioner { id: id?, name, say_as, heard_as, languages, location: location?, hours, exceptions };
    Some(Placed { value, place, keys })
}

/// With one location, that is where.
fn location(item: &mut Section<'_>, places: &[String]) -> Option<LocationId> {
    if places.len() != 1 {
        item.require("location", &format!("write one of {}", places.join(", ")));
    }
    let is_written = item.place("location").is_some();
    let named = item.optional("location", |text| known(text, places, "locations"));
    let chosen = if is_written { named } else { places.first().cloned() };
    chosen.and_then(|id| LocationId::parse(&id).ok())
}

/// `[[contacts]]`.
pub(super) fn contacts(file: &mut Section<'_>) -> Vec<Contact> {
    let mut all = Vec::new();
    for item in file.items("contacts") {
        all.extend(file.item("contacts", item).map(contact));
    }
    all
}

fn contact(mut item: Section<'_>) -> Contact {
    item.require("name", "write who answers, as it is said: \"the front office\"");
    let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
    let (is_written, hours_place) = (item.place("hours").is_some(), item.place("hours"));
    let before = item.out.errors.len();
    let hours = item.nested("hours").map(hours::week);
    if is_written && hours.as_ref().is_some_and(Week::is_empty) && item.out.errors.len() == before {
        let key = item.name("hours");
        item.out.error(hours_place, key, "has no day", "write one, or leave hours out: then they answer at any time");
    }
    item.finish();
    Contact { name, hours }
}

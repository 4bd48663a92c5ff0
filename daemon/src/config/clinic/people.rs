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

/// With one location, that is where. Without any that could be read, what is wrong is complained of there.
fn location(item: &mut Section<'_>, places: &[String]) -> Option<LocationId> {
    if places.len() > 1 {
        item.require("location", &format!("write one of {}", places.join(", ")));
    }
    let is_written = item.place("location").is_some();
    let named = item.optional("location", |text| match text.split_once(',') {
        _ if places.is_empty() => Ok(String::new()),
        Some(_) => Err(format!(
            "name one place: who works at two gets an entry for each, with names that tell them apart; locations are {}",
            places.join(", ")
        )),
        None => known(text, places, "locations"),
    });
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
    let hours = hours::of_somebody(&mut item);
    item.finish();
    Contact { name, hours }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, complaints, said};

    #[test]
    fn somebody_at_two_places_is_told_what_would_do_and_nobody_of_a_place_that_is_complained_of_already() {
        let hill = "[[locations]]\nid = \"hill\"\nname = \"Hill\"\naddress = \"2 Hill Road\"\n";
        let both = SMALL.replace("[[practitioners]]", &format!("{hill}[[practitioners]]\nlocation = \"main, hill\""));
        said(
            &complaints(&both),
            "clinic.toml:14: [[practitioners]] (osei) location = \"main, hill\": name one place: who works at two gets",
            "locations are main, hill",
        );
        let misspelt = SMALL
            .replace("\"main\"", "\"Main\"")
            .replace("name = \"Dr. Osei\"", "name = \"Dr. Osei\"\nlocation = \"Main\"");
        let found = complaints(&misspelt);
        assert_eq!(found.len(), 1, "{found:#?}");
        said(&found, "clinic.toml:4: [[locations]] (Main) id = \"Main\": an id has 1 to 40", "");
    }
}

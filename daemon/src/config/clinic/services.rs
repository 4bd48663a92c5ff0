//! What can be booked, and the rules of booking.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use frontdesk_core::clinic::ids::{PractitionerId, TypeId};
use frontdesk_core::clinic::{AppointmentType, BookingRules};

use super::super::section::Section;
use super::super::value;
use super::{MAX_NAME_CHARS, MAX_SAID_CHARS, Placed, id, known, places};

/// Longest time before or after an appointment.
const MAX_BUFFER: u32 = 240;
/// Older than anybody.
const MAX_AGE: u32 = 130;

/// What holds for every type that says nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    step: u32,
    lead: u32,
    horizon: u32,
}

/// `[booking]`.
pub(super) fn rules(file: &mut Section<'_>) -> (BookingRules, Usual) {
    // What a section that is not written says.
    let mut rules = BookingRules {
        hold: Duration::from_mins(2),
        most_per_number: 2,
        change_notice: Duration::from_hours(24),
        adult_age: 18,
    };
    let mut usual = Usual { step: 15, lead: 2, horizon: 60 };
    if let Some(mut section) = file.nested("booking") {
        rules = BookingRules {
            // Long enough to spell a name, short enough for the next caller.
            hold: Duration::from_mins(section.integer("hold_minutes", 2, 1..=30).into()),
            most_per_number: section.integer("most_per_number", 2, 1..=20) as u16,
            change_notice: Duration::from_hours(section.integer("change_notice_hours", 24, 0..=336).into()),
            adult_age: section.integer("adult_age", 18, 12..=25) as u8,
        };
        usual = timing(&mut section, usual);
        section.finish();
    }
    (rules, usual)
}

fn timing(section: &mut Section<'_>, usual: Usual) -> Usual {
    Usual {
        step: section.integer("step_minutes", usual.step, 5..=240),
        lead: section.integer("lead_hours", usual.lead, 0..=720),
        horizon: section.integer("horizon_days", usual.horizon, 1..=730),
    }
}

/// `[[appointment_types]]`; `practitioners` are the ids of those who are known.
pub(super) fn types(file: &mut Section<'_>, usual: Usual, practitioners: &[String]) -> Vec<Placed<AppointmentType>> {
    let (mut all, mut taken) = (Vec::new(), BTreeMap::new());
    for item in file.items("appointment_types") {
        let Some(mut item) = file.item("appointment_types", item) else { continue };
        let (place, keys) = (item.here(), places(&item, &["minutes", "aliases", "name", "say_as"]));
        let id = id(&mut item, TypeId::parse, &mut taken);
        let value = appointment_type(&mut item, id, usual, practitioners);
        item.finish();
        all.extend(value.map(|value| Placed { value, place, keys }));
    }
    all
}

fn appointment_type(
    item: &mut Section<'_>,
    id: Option<TypeId>,
    usual: Usual,
    known_practitioners: &[String],
) -> Option<AppointmentType> {
    item.require("name", "write the name as it is written: \"Check-up\"");
    item.require("minutes", "write how long the patient is there");
    let name = item.text("name", String::new(), |text| value::line(text, MAX_NAME_CHARS));
    let say_as = item.text("say_as", name.clone(), |text| value::line(text, MAX_NAME_CHARS));
    let aliases =
        item.list("aliases", |text| value::line(text, MAX_NAME_CHARS)).into_iter().map(|(_, word)| word).collect();
    let minutes = item.whole_number("minutes", 5..=480);
    let buffer = |number: u32| Duration::from_mins(number.into());
    let buffer_before = buffer(item.integer("buffer_before_minutes", 0, 0..=MAX_BUFFER));
    let buffer_after = buffer(item.integer("buffer_after_minutes", 0, 0..=MAX_BUFFER));
    let (lead_place, lead_name) = (item.place("lead_hours").or_else(|| Some(item.here())), item.name("lead_hours"));
    let Usual { step, lead, horizon } = timing(item, usual);
    // The last day counts as a whole.
    if lead >= (horizon + 1) * 24 {
        let found = format!("= {lead} is more than horizon_days = {horizon} allows");
        item.out.error(
            lead_place,
            lead_name,
            found,
            "nothing could ever be booked: shorten the one or lengthen the other",
        );
    }
    let most_per_day = item.whole_number("most_per_day", 1..=200).map(|most| most as u16);
    let practitioners = who(item, known_practitioners);
    let ages = ages(item);
    let needs_referral = item.truth("needs_referral", false);
    let for_new_patients = item.truth("for_new_patients", true);
    let needs_human = item.truth("needs_human", false);
    let price = item.text("price", String::new(), |text| value::line(text, MAX_SAID_CHARS));
    let preparation = item.text("preparation", String::new(), |text| value::line(text, MAX_SAID_CHARS));
    Some(AppointmentType {
        id: id?,
        name,
        say_as,
        aliases,
        // The complaint about a missing length is made already.
        length: Duration::from_mins(minutes?.into()),
        buffer_before,
        buffer_after,
        step: buffer(step),
        lead: Duration::from_hours(lead.into()),
        horizon_days: horizon as u16,
        most_per_day,
        practitioners,
        ages,
        needs_referral,
        for_new_patients,
        needs_human,
        price,
        preparation,
    })
}

fn who(item: &mut Section<'_>, practitioners: &[String]) -> Vec<PractitionerId> {
    item.require("practitioners", "write who does it: a list of ids of practitioners");
    let (place, name) = (item.place("practitioners"), item.name("practitioners"));
    let before = item.out.errors.len();
    let named = item.list("practitioners", |text| known(text, practitioners, "practitioners"));
    if place.is_some() && named.is_empty() && item.out.errors.len() == before {
        item.out.error(place, name.clone(), "is empty: nobody does it", "write the id of at least one practitioner");
    }
    let mut ids: Vec<PractitionerId> = Vec::new();
    for (place, id) in named {
        match PractitionerId::parse(&id) {
            Ok(id) if ids.contains(&id) => {
                item.out.error(Some(place), name.clone(), format!("names {id} twice"), "leave one out");
            }
            Ok(id) => ids.push(id),
            // What is known has the form of an id.
            Err(_) => {}
        }
    }
    ids
}

fn ages(item: &mut Section<'_>) -> Option<RangeInclusive<u8>> {
    let (place, name) = (item.place("min_age"), item.name("min_age"));
    let least = item.whole_number("min_age", 0..=MAX_AGE).map(|age| age as u8);
    let most = item.whole_number("max_age", 0..=MAX_AGE).map(|age| age as u8);
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        item.out.error(place, name, format!("= {least} is above max_age = {most}"), "exchange them");
        return None;
    }
    (least.is_some() || most.is_some()).then(|| least.unwrap_or(0)..=most.unwrap_or(u8::MAX))
}

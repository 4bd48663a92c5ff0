//! What only shows when the whole file is known.

use std::collections::BTreeMap;

use frontdesk_core::clinic::brief::{listed, weekday};
use frontdesk_core::clinic::hours::{Hours, Week};
use frontdesk_core::clinic::{AppointmentType, Practitioner};
use jiff::civil::Weekday;

use super::super::complaint::Complaints;
use super::Placed;

/// Words by which callers could mean two things at once.
pub(super) fn words(practitioners: &[Placed<Practitioner>], types: &[Placed<AppointmentType>], out: &mut Complaints) {
    let mut heard: BTreeMap<String, &str> = BTreeMap::new();
    // Names first: it is the other spelling that has to give way.
    for one in practitioners {
        for (key, word) in names(&one.value) {
            known_by(&mut heard, one, key, word, "write what tells them apart, a first name perhaps", out);
        }
    }
    for one in practitioners {
        for word in &one.value.heard_as {
            known_by(&mut heard, one, "heard_as", word, "leave it out, so that the agent asks who is meant", out);
        }
    }
    let mut called: BTreeMap<String, &str> = BTreeMap::new();
    for one in types {
        let (kind, id) = (&one.value, one.value.id.as_str());
        let aliases = kind.aliases.iter().map(|word| ("aliases", word));
        for (key, word) in [("name", &kind.name), ("say_as", &kind.say_as)].into_iter().chain(aliases) {
            if let Some(other) = taken(&mut called, word, id) {
                let name = format!("[[appointment_types]] ({id}) {key}");
                let found = format!("= {word:?} is also {other}");
                out.advise(Some(one.at(key)), &name, found, "the agent will have to ask which is meant");
            }
        }
    }
}

fn known_by<'a>(
    heard: &mut BTreeMap<String, &'a str>,
    one: &'a Placed<Practitioner>,
    key: &str,
    word: &str,
    remedy: &str,
    out: &mut Complaints,
) {
    let id = one.value.id.as_str();
    if let Some(other) = taken(heard, word, id) {
        let name = format!("[[practitioners]] ({id}) {key}");
        out.error(Some(one.at(key)), name, format!("= {word:?} is also {other}"), remedy);
    }
}

/// What is written of somebody and what is said, once if the two are the same.
fn names(one: &Practitioner) -> impl Iterator<Item = (&'static str, &String)> {
    let said = (one.say_as != one.name).then_some(("say_as", &one.say_as));
    std::iter::once(("name", &one.name)).chain(said)
}

/// Notes that a word means `id`; returns what else it means.
fn taken<'a>(words: &mut BTreeMap<String, &'a str>, word: &str, id: &'a str) -> Option<&'a str> {
    // Speech has no capitals, dots or dashes.
    let sound: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    // A word that is only marks was complained of, or sounds like nothing.
    if sound.is_empty() {
        return None;
    }
    let first = *words.entry(sound).or_insert(id);
    (first != id).then_some(first)
}

/// Hours that do not go together: of practitioners outside the clinic's, of types longer than anybody is there.
pub(super) fn hours(
    week: &Week,
    practitioners: &[Placed<Practitioner>],
    types: &[Placed<AppointmentType>],
    out: &mut Complaints,
) {
    for one in practitioners {
        let id = &one.value.id;
        let outside: Vec<String> = outside(week, &one.value.hours);
        if !outside.is_empty() {
            let found = format!("reach outside the clinic's hours on {}", listed(&outside, "and"));
            let key = format!("[[practitioners]] ({id}) hours");
            out.advise(Some(one.at("hours")), &key, found, "patients are seen within both only");
        }
        if !types.iter().any(|kind| kind.value.practitioners.contains(id)) {
            let key = format!("[[practitioners]] ({id})");
            let remedy = "write the id into the practitioners of an appointment type, if that is not meant";
            out.advise(Some(one.place.clone()), &key, "does nothing that can be booked", remedy);
        }
    }
    for kind in types {
        length(week, practitioners, kind, out);
    }
}

fn outside(week: &Week, own: &Week) -> Vec<String> {
    let mut found = Vec::new();
    for day in Weekday::Monday.cycle_forward().take(7) {
        for span in own.on(day) {
            if !week.on(day).iter().any(|open| open.common(span) == Some(*span)) {
                found.push(format!("{} {span}", weekday(day)));
            }
        }
    }
    found
}

fn length(week: &Week, practitioners: &[Placed<Practitioner>], kind: &Placed<AppointmentType>, out: &mut Complaints) {
    let id = &kind.value.id;
    let needed = (kind.value.buffer_before + kind.value.length + kind.value.buffer_after).as_secs() / 60;
    let does = practitioners.iter().map(|one| &one.value).filter(|one| kind.value.practitioners.contains(&one.id));
    let spans: Vec<_> = does.map(|one| (one, longest(week, &one.hours))).collect();
    let Some(most) = spans.iter().map(|(_, minutes)| *minutes).max() else { return };
    let key = format!("[[appointment_types]] ({id}) minutes");
    let takes = format!("= {} takes {needed} minutes with its buffers", kind.value.length.as_secs() / 60);
    if needed > u64::from(most) {
        let found = format!("{takes}, and nobody who does it is there longer than {most} in one go");
        out.error(Some(kind.at("minutes")), key, found, "shorten it, or lengthen somebody's hours");
        return;
    }
    for (one, minutes) in spans.iter().filter(|(_, minutes)| needed > u64::from(*minutes)) {
        let found = format!("{takes}, and {} is never there longer than {minutes} in one go", one.id);
        out.advise(Some(kind.at("minutes")), &key, found, "it can be booked with others only");
    }
}

/// Minutes of the longest time in one go within both weeks.
fn longest(week: &Week, own: &Week) -> u16 {
    let days = Weekday::Monday.cycle_forward().take(7);
    let common = days.flat_map(|day| {
        week.on(day).iter().flat_map(move |open| own.on(day).iter().filter_map(move |span| open.common(span)))
    });
    common.map(|span: Hours| span.minutes()).max().unwrap_or(0)
}

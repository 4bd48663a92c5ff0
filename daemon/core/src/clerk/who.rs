//! Which practitioner, and which type of appointment, a caller means: by id, by name, or by something that sounds like it.

use super::{Answer, Clerk, Trouble, words};
use crate::booking::refusal::{Choice, Refusal};
use crate::clinic::ids::{PractitionerId, TypeId};
use crate::clinic::{AppointmentType, Practitioner};
use crate::tools::{near, text};

/// Words in front of a name that tell nobody apart.
const TITLES: [&str; 16] = [
    "doctor",
    "dr",
    "doktor",
    "doc",
    "prof",
    "professor",
    "mister",
    "mr",
    "missus",
    "mrs",
    "miss",
    "ms",
    "herr",
    "frau",
    "nurse",
    "med",
];

/// How well a name fits: less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    SoundsAlike,
    Slip,
}

impl Clerk {
    /// The practitioner whom the caller means. Two that fit alike are asked about; none is answered with those who do
    /// it.
    pub(super) fn practitioner(&self, said: &str, kind: &AppointmentType) -> Result<PractitionerId, Trouble> {
        let known = &self.clinic.practitioners;
        if let Some(exact) = known.iter().find(|known| known.id.as_str() == said.trim().to_lowercase()) {
            return Ok(exact.id.clone());
        }
        let fits = known.iter().filter_map(|known| Some((fit_of(known, said)?, known)));
        let mut fits: Vec<_> = fits.collect();
        let best = fits.iter().map(|(fit, _)| *fit).min();
        // What is exact needs no question; of what is only near, everybody is asked about.
        fits.retain(|(fit, _)| best == Some(Fit::Exact) && *fit == Fit::Exact || best != Some(Fit::Exact));
        match fits.as_slice() {
            [] => Err(Refusal::UnknownPractitioner { kind: Some(kind.id.clone()) }.into()),
            [(_, one)] => Ok(one.id.clone()),
            several => {
                let choices: Vec<Choice> = several.iter().map(|(_, one)| choice(one)).collect();
                let names: Vec<&str> = several.iter().map(|(_, one)| one.say_as.as_str()).collect();
                let say = words::which_of(&names, self.language);
                let next = "Ask which of them the caller means, then call find_slots with that practitioner's id.";
                Err(Answer::error("ambiguous_practitioner", say, next).choices(&choices).into())
            }
        }
    }

    /// The type of appointment that is meant.
    pub(super) fn kind(&self, said: &str) -> Result<&AppointmentType, Refusal> {
        let id = TypeId::parse(&said.trim().to_lowercase()).ok();
        if let Some(known) = id.and_then(|id| self.clinic.appointment_type(&id)) {
            return Ok(known);
        }
        let names = |known: &AppointmentType| {
            let names = [&known.name, &known.say_as].into_iter().chain(&known.aliases);
            names.filter(|name| same_thing(name, said)).count() > 0
        };
        let mut fits = self.clinic.types.iter().filter(|known| names(known));
        fits.next().filter(|_| fits.next().is_none()).ok_or(Refusal::UnknownType)
    }
}

/// Whether a practitioner is named in a text.
pub(super) fn is_named(practitioner: &Practitioner, text: &str) -> bool {
    let said: Vec<String> = bare(text);
    let id = practitioner.id.as_str() == text.trim().to_lowercase();
    id || fit_of(practitioner, text).is_some() || {
        let family = bare(&practitioner.say_as);
        family.last().is_some_and(|family| said.contains(family))
    }
}

fn choice(practitioner: &Practitioner) -> Choice {
    Choice { id: practitioner.id.to_string(), say: practitioner.say_as.clone() }
}

/// Whether two names of a thing are the same, an article apart.
fn same_thing(one: &str, other: &str) -> bool {
    let plain = |name: &str| {
        let articles = ["a", "an", "the", "ein", "eine", "einen"];
        text::words(name).filter(|word| !articles.contains(&word.as_str())).collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

fn fit_of(practitioner: &Practitioner, said: &str) -> Option<Fit> {
    let names = [&practitioner.name, &practitioner.say_as].into_iter().chain(&practitioner.heard_as);
    names.filter_map(|name| fit(name, said)).min()
}

/// How well what was said fits a name: all of it, or the family name alone.
fn fit(name: &str, said: &str) -> Option<Fit> {
    let (name, said) = (bare(name), bare(said));
    let family = name.last()?;
    if said.is_empty() {
        return None;
    }
    let (whole, heard) = (name.concat(), said.concat());
    if whole == heard || *family == heard {
        return Some(Fit::Exact);
    }
    if said.len() > 1 && said.last() == Some(family) && near(&whole, &heard, 2) {
        return Some(Fit::Exact);
    }
    let alike = |one: &str| near::sound(one) == near::sound(&heard) && near(one, &heard, 3);
    if alike(&whole) || alike(family) {
        return Some(Fit::SoundsAlike);
    }
    let slip = |one: &str| near(one, &heard, if one.chars().count() >= 7 { 2 } else { 1 });
    (slip(&whole) || slip(family)).then_some(Fit::Slip)
}

fn near(one: &str, other: &str, slips: usize) -> bool {
    near::distance(one, other) <= slips
}

fn bare(name: &str) -> Vec<String> {
    text::words(name).filter(|word| !TITLES.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_as_it_is_written_said_and_nearly_said() {
        for (said, fits) in [
            ("Dr. Amara Osei", Some(Fit::Exact)),
            ("doctor osei", Some(Fit::Exact)),
            ("OSEI", Some(Fit::Exact)),
            ("Dr Ossay", Some(Fit::SoundsAlike)),
            ("osi", Some(Fit::SoundsAlike)),
            ("doctor oseh", Some(Fit::SoundsAlike)),
            ("doctor", None),
            ("Lindqvist", None),
            ("", None),
        ] {
            assert_eq!(fit("Dr. Amara Osei", said), fits, "{said:?}");
        }
    }

    #[test]
    fn another_of_the_same_family_name_is_not_exact() {
        assert_eq!(fit("Dr. Anna Meyer", "Doctor Maier"), Some(Fit::SoundsAlike));
        assert_eq!(fit("Dr. Anna Meyer", "Otto Meyer"), None);
        assert!(same_thing("a check-up", "Check up"));
    }
}

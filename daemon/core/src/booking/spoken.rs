//! Dates, times and offers as they are said, in the caller's language: words and ordinals that a voice cannot misread,
//! the weekday with each date, the part of the day with each English time.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::appointment::{Reference, Slot};
use crate::clinic::Clinic;

/// A language that sentences are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// `en`, and whatever is not known here.
    #[default]
    English,
    /// `de`.
    German,
}

impl Language {
    /// The language of a BCP-47 tag: `de-AT` is German, whatever is not known is English.
    pub fn of(tag: &str) -> Self {
        Self::known(tag).unwrap_or_default()
    }

    /// The language of a BCP-47 tag, if there are sentences in it.
    pub fn known(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            _ => None,
        }
    }
}

const ENGLISH: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 6] = ["", "", "twenty", "thirty", "forty", "fifty"];
const GERMAN: [&str; 20] = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 6] = ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig"];
const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN_MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// A number of 0 to 59 in words.
fn english(number: u8) -> String {
    match (usize::from(number / 10), usize::from(number % 10)) {
        (0 | 1, _) => ENGLISH[usize::from(number)].to_owned(),
        (tens, 0) => ENGLISH_TENS[tens].to_owned(),
        (tens, ones) => format!("{}-{}", ENGLISH_TENS[tens], ENGLISH[ones]),
    }
}

/// A number of 0 to 59 in words.
fn german(number: u8) -> String {
    match (usize::from(number / 10), usize::from(number % 10)) {
        (0 | 1, _) => GERMAN[usize::from(number)].to_owned(),
        (tens, 0) => GERMAN_TENS[tens].to_owned(),
        (tens, 1) => format!("einund{}", GERMAN_TENS[tens]),
        (tens, ones) => format!("{}und{}", GERMAN[ones], GERMAN_TENS[tens]),
    }
}

/// `Tuesday`, `Dienstag`.
pub fn say_weekday(day: Weekday, language: Language) -> &'static str {
    let names = match language {
        Language::English => ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        Language::German => ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    };
    names[day.to_monday_zero_offset() as usize]
}

/// `December`, `Dezember`; `month` is 1 to 12.
pub fn say_month(month: i8, language: Language) -> &'static str {
    let names = match language {
        Language::English => ENGLISH_MONTHS,
        Language::German => GERMAN_MONTHS,
    };
    names[usize::try_from(month - 1).unwrap_or_default().min(11)]
}

/// `Tuesday the 1st of December`, `Dienstag, der erste Dezember`. The year is not said: nothing is booked that far ahead.
pub fn say_date(date: Date, language: Language) -> String {
    let (weekday, day) = (say_weekday(date.weekday(), language), date.day());
    let month = say_month(date.month(), language);
    match language {
        Language::English => format!("{weekday} the {day}{} of {month}", english_suffix(day)),
        Language::German => format!("{weekday}, der {} {month}", german_ordinal(day)),
    }
}

fn english_suffix(day: i8) -> &'static str {
    match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    }
}

fn german_ordinal(day: i8) -> String {
    match day {
        1 => "erste".to_owned(),
        3 => "dritte".to_owned(),
        7 => "siebte".to_owned(),
        8 => "achte".to_owned(),
        2..=19 => format!("{}te", german(day as u8)),
        _ => format!("{}ste", german(day as u8)),
    }
}

/// `two in the afternoon`, `vierzehn Uhr`. Seconds are left out.
pub fn say_time(time: Time, language: Language) -> String {
    let (hour, minute) = (time.hour() as u8, time.minute() as u8);
    match language {
        Language::English => english_time(hour, minute),
        Language::German => german_time(hour, minute),
    }
}

fn english_time(hour: u8, minute: u8) -> String {
    if minute == 0 && hour.is_multiple_of(12) {
        return if hour == 0 { "midnight".to_owned() } else { "twelve noon".to_owned() };
    }
    let part = match hour {
        5..=11 => "in the morning",
        12..=16 => "in the afternoon",
        17..=20 => "in the evening",
        _ => "at night",
    };
    let clock = english(if hour.is_multiple_of(12) { 12 } else { hour % 12 });
    match minute {
        0 => format!("{clock} {part}"),
        1..=9 => format!("{clock} oh {} {part}", english(minute)),
        _ => format!("{clock} {} {part}", english(minute)),
    }
}

fn german_time(hour: u8, minute: u8) -> String {
    let clock = if hour == 1 { "ein".to_owned() } else { german(hour) };
    if minute == 0 { format!("{clock} Uhr") } else { format!("{clock} Uhr {}", german(minute)) }
}

/// The date and the time of an instant in a zone: `Tuesday the 1st of December at two in the afternoon`. Where the clock
/// shows that time twice, it says which of the two is meant.
pub fn say_instant(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = at.to_zoned(zone.clone());
    let (date, time) = (say_date(local.date(), language), say_time(local.time(), language));
    let which = which_of_two(&local, language);
    match language {
        Language::English => format!("{date} at {time}{which}"),
        Language::German => format!("{date} um {time}{which}"),
    }
}

/// Nothing, unless the clock shows this time twice.
fn which_of_two(local: &Zoned, language: Language) -> &'static str {
    let both = local.time_zone().to_ambiguous_zoned(local.datetime());
    if !both.is_ambiguous() {
        return "";
    }
    let first = both.earlier().is_ok_and(|earlier| earlier.timestamp() == local.timestamp());
    match (language, first) {
        (Language::English, true) => ", before the clocks go back",
        (Language::English, false) => ", after the clocks have gone back",
        (Language::German, true) => ", vor der Zeitumstellung",
        (Language::German, false) => ", nach der Zeitumstellung",
    }
}

/// `Tuesday the 1st of December at two in the afternoon with Doctor Osei`; the place too if the clinic has several.
pub fn say_slot(slot: &Slot, clinic: &Clinic, language: Language) -> String {
    let when = say_instant(slot.time.from, &clinic.zone, language);
    let who = clinic.practitioner(&slot.practitioner).map_or(slot.practitioner.as_str(), |known| &known.say_as);
    let place = clinic.location(&slot.location).filter(|_| clinic.locations.len() > 1);
    match (language, place) {
        (Language::English, None) => format!("{when} with {who}"),
        (Language::English, Some(place)) => format!("{when} with {who} at {}", place.name),
        (Language::German, None) => format!("{when} bei {who}"),
        (Language::German, Some(place)) => format!("{when} bei {who}, Standort {}", place.name),
    }
}

/// `K 7 Q, 4 M R`: letter by letter, with a pause between the halves. The same in every language.
pub fn say_reference(reference: Reference) -> String {
    let mut said = String::with_capacity(16);
    for symbol in reference.to_string().chars() {
        if symbol == '-' {
            said.push(',');
        } else {
            if !said.is_empty() {
                said.push(' ');
            }
            said.push(symbol);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::slots::slot_at;
    use crate::booking::world::{clinic, date, kind, who};
    use crate::clinic::ids::LocationId;

    fn slot(clinic: &Clinic) -> Slot {
        let (kind, who) = (clinic.appointment_type(&kind("checkup")), clinic.practitioner(&who("osei")));
        slot_at(kind.unwrap(), who.unwrap(), "2026-12-01T14:00Z".parse().unwrap())
    }

    #[test]
    fn an_offer_is_said_with_weekday_date_time_and_name() {
        let clinic = clinic("Europe/London");
        let say = |tag| say_slot(&slot(&clinic), &clinic, Language::of(tag));
        assert_eq!(say("en-GB"), "Tuesday the 1st of December at two in the afternoon with Doctor Osei");
        assert_eq!(say("de-AT"), "Dienstag, der erste Dezember um vierzehn Uhr bei Doctor Osei");
        assert_eq!(say("DE"), say("de_CH"));
        assert_eq!(say("fr"), say("en"), "what is not known is English");
    }

    #[test]
    fn where_there_are_several_places_the_place_is_said() {
        let mut clinic = clinic("Europe/London");
        let mut other = clinic.locations[0].clone();
        other.id = LocationId::parse("hill").unwrap();
        clinic.locations.push(other);
        assert!(say_slot(&slot(&clinic), &clinic, Language::English).ends_with("with Doctor Osei at Riverside"));
        assert!(say_slot(&slot(&clinic), &clinic, Language::German).ends_with("bei Doctor Osei, Standort Riverside"));
    }

    #[test]
    fn times_are_words_with_the_part_of_the_day() {
        let say = |hour, minute, language| say_time(Time::new(hour, minute, 0, 0).unwrap(), language);
        let cases = [
            (0, 0, "midnight", "null Uhr"),
            (0, 30, "twelve thirty at night", "null Uhr dreißig"),
            (1, 0, "one at night", "ein Uhr"),
            (9, 5, "nine oh five in the morning", "neun Uhr fünf"),
            (12, 0, "twelve noon", "zwölf Uhr"),
            (12, 45, "twelve forty-five in the afternoon", "zwölf Uhr fünfundvierzig"),
            (17, 20, "five twenty in the evening", "siebzehn Uhr zwanzig"),
            (21, 21, "nine twenty-one at night", "einundzwanzig Uhr einundzwanzig"),
        ];
        for (hour, minute, english, german) in cases {
            assert_eq!(say(hour, minute, Language::English), english);
            assert_eq!(say(hour, minute, Language::German), german);
        }
    }

    #[test]
    fn ordinals_are_those_of_the_language() {
        let english = |text| say_date(date(text), Language::English);
        assert_eq!(english("2026-12-02"), "Wednesday the 2nd of December");
        assert_eq!(english("2026-12-11"), "Friday the 11th of December");
        assert_eq!(english("2026-12-23"), "Wednesday the 23rd of December");
        assert_eq!(english("2026-12-31"), "Thursday the 31st of December");
        let german = |text| say_date(date(text), Language::German);
        assert_eq!(german("2027-03-03"), "Mittwoch, der dritte März");
        assert_eq!(german("2027-03-07"), "Sonntag, der siebte März");
        assert_eq!(german("2027-03-08"), "Montag, der achte März");
        assert_eq!(german("2027-03-17"), "Mittwoch, der siebzehnte März");
        assert_eq!(german("2027-03-20"), "Samstag, der zwanzigste März");
        assert_eq!(german("2027-03-31"), "Mittwoch, der einunddreißigste März");
    }

    #[test]
    fn of_a_time_that_comes_twice_it_is_said_which() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let say = |at: &str, language| say_instant(at.parse().unwrap(), &zone, language);
        let time = "Sunday the 25th of October at one thirty at night";
        assert_eq!(say("2026-10-25T00:30Z", Language::English), format!("{time}, before the clocks go back"));
        assert_eq!(say("2026-10-25T01:30Z", Language::English), format!("{time}, after the clocks have gone back"));
        assert!(say("2026-10-25T01:30Z", Language::German).ends_with("ein Uhr dreißig, nach der Zeitumstellung"));
        assert!(say("2026-10-25T02:30Z", Language::English).ends_with("at two thirty at night"));
    }

    #[test]
    fn a_reference_is_spelled_in_two_halves() {
        assert_eq!(say_reference(Reference::parse("k7q4mr").unwrap()), "K 7 Q, 4 M R");
    }
}

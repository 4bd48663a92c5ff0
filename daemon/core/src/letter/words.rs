//! Days and times as they are written to patients. English and German are written out; every other language gets the form
//! that all can read, `2026-12-01 14:00`.

use jiff::Zoned;

use crate::booking::spoken::{Language, say_month, say_weekday};

/// A point in time, written for one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// With weekday and year: `Tuesday, December 1, 2026, 2:00 PM`.
    pub full: String,
    /// For a subject or a text message: `Tue, Dec 1, 2:00 PM`.
    pub short: String,
}

impl When {
    /// `time`, in its own zone, for a BCP-47 tag.
    pub fn written(time: &Zoned, language: &str) -> Self {
        let (day, year) = (time.day(), time.year());
        let weekday = |language| say_weekday(time.weekday(), language);
        let month = |language| say_month(time.month(), language);
        match base(language).as_str() {
            "en" if is_american(language) => {
                let (clock, weekday, month) = (american(time), weekday(Language::English), month(Language::English));
                Self {
                    full: format!("{weekday}, {month} {day}, {year}, {clock}"),
                    short: format!("{}, {} {day}, {clock}", &weekday[..3], &month[..3]),
                }
            }
            "en" => {
                let (clock, weekday, month) = (clock(time), weekday(Language::English), month(Language::English));
                Self {
                    full: format!("{weekday} {day} {month} {year}, {clock}"),
                    short: format!("{} {day} {}, {clock}", &weekday[..3], &month[..3]),
                }
            }
            "de" => {
                let (weekday, name) = (weekday(Language::German), month(Language::German));
                let (clock, number) = (clock(time), time.month());
                Self {
                    full: format!("{weekday}, {day}. {name} {year}, {clock} Uhr"),
                    short: format!("{}., {day}.{number}., {clock} Uhr", &weekday[..2]),
                }
            }
            _ => {
                let text = format!("{} {}", time.date(), clock(time));
                Self { full: text.clone(), short: text }
            }
        }
    }
}

/// `14:00`.
pub fn clock(time: &Zoned) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// The language of a BCP-47 tag, without script and region, in lower case.
pub fn base(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// English without a region is taken for American, as the configuration's default is.
fn is_american(language: &str) -> bool {
    !language.contains('-') || language.to_ascii_lowercase().split('-').any(|part| part == "us")
}

fn american(time: &Zoned) -> String {
    let half = if time.hour() < 12 { "AM" } else { "PM" };
    format!("{}:{:02} {half}", (time.hour() + 11) % 12 + 1, time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: &str, language: &str) -> (String, String) {
        let When { full, short } = When::written(&time.parse().unwrap(), language);
        (full, short)
    }

    #[test]
    fn a_day_is_written_as_its_language_writes_it() {
        let time = "2026-12-01T14:05[Europe/Berlin]";
        for (language, full, short) in [
            ("en-US", "Tuesday, December 1, 2026, 2:05 PM", "Tue, Dec 1, 2:05 PM"),
            ("en", "Tuesday, December 1, 2026, 2:05 PM", "Tue, Dec 1, 2:05 PM"),
            ("en-GB", "Tuesday 1 December 2026, 14:05", "Tue 1 Dec, 14:05"),
            ("de-AT", "Dienstag, 1. Dezember 2026, 14:05 Uhr", "Di., 1.12., 14:05 Uhr"),
            ("fr", "2026-12-01 14:05", "2026-12-01 14:05"),
        ] {
            assert_eq!(written(time, language), (full.to_owned(), short.to_owned()), "{language}");
        }
    }

    #[test]
    fn noon_and_midnight_are_twelve() {
        for (time, clock) in
            [("00:00", "12:00 AM"), ("11:59", "11:59 AM"), ("12:00", "12:00 PM"), ("23:30", "11:30 PM")]
        {
            let (full, _) = written(&format!("2026-03-04T{time}[America/New_York]"), "en-US");
            assert_eq!(full, format!("Wednesday, March 4, 2026, {clock}"));
        }
    }
}

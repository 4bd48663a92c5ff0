//! The shapes of single values: durations, addresses, languages, names. Each says what would do.

use std::time::Duration;

use frontdesk_core::clinic::hours::{Hours, Minute};
use http::Uri;
use jiff::civil::Date;

use super::section::suggestion;

/// Gemini's prebuilt voices, the same for every model with native audio (seen autumn 2026).
pub(super) const VOICES: [&str; 30] = [
    "Achernar",
    "Achird",
    "Algenib",
    "Algieba",
    "Alnilam",
    "Aoede",
    "Autonoe",
    "Callirrhoe",
    "Charon",
    "Despina",
    "Enceladus",
    "Erinome",
    "Fenrir",
    "Gacrux",
    "Iapetus",
    "Kore",
    "Laomedeia",
    "Leda",
    "Orus",
    "Puck",
    "Pulcherrima",
    "Rasalgethi",
    "Sadachbia",
    "Sadaltager",
    "Schedar",
    "Sulafat",
    "Umbriel",
    "Vindemiatrix",
    "Zephyr",
    "Zubenelgenubi",
];

/// A voice in any case, in Gemini's spelling.
pub(super) fn voice(text: &str) -> Result<String, String> {
    let known = VOICES.iter().find(|name| name.eq_ignore_ascii_case(text));
    known
        .map(|&name| name.to_owned())
        .ok_or_else(|| format!("{}voices are {}", suggestion(text, &VOICES), VOICES.join(", ")))
}

/// A length of time: whole numbers, each with its unit (`ms`, `s`, `m`, `h`), from the largest unit to the smallest.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a length of time such as \"15s\", \"8m\" or \"1m30s\"".to_owned())
}

fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        // Searching on from the last unit refuses "30s1m" and "1m1m".
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

/// A duration within bounds.
pub(super) fn duration_within(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let found = duration(text)?;
    if (least..=most).contains(&found) {
        return Ok(found);
    }
    Err(format!("choose a length of time from {}s to {}s", least.as_secs(), most.as_secs()))
}

/// An address that requests are made to or received at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseUrl {
    /// The address as it is written.
    pub(super) text: String,
    /// What it says goes over TLS.
    pub(super) secure: bool,
    /// It means this machine.
    pub(super) loopback: bool,
    /// The port that it names.
    pub(super) port: Option<u16>,
}

/// An absolute URL with one of `schemes`, to which paths can be appended: no query, no trailing slash, nothing that
/// two programs would spell differently.
pub(super) fn base_url(text: &str, schemes: &[&str]) -> Result<BaseUrl, String> {
    let uri: Uri = text.parse().map_err(|_| format!("write an address such as {}://host", schemes[0]))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("begin it with {}", schemes.join(":// or ") + "://"));
    };
    if !schemes.contains(&scheme) {
        return Err(format!("begin it with {}", schemes.join(":// or ") + "://"));
    }
    if authority.as_str().contains('@') {
        return Err("leave user name and password out".to_owned());
    }
    let host = authority.host();
    if host.is_empty() {
        return Err("name a host".to_owned());
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("write the host in lower case".to_owned());
    }
    if uri.query().is_some() || text.contains(['?', '#']) {
        return Err("leave out what follows ? or #".to_owned());
    }
    if text.ends_with('/') {
        return Err("leave out the slash at its end".to_owned());
    }
    let port = authority.port_u16();
    if port.is_none() && authority.as_str().len() > host.len() {
        return Err("the port must be a number up to 65535".to_owned());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    Ok(BaseUrl { text: text.to_owned(), secure: matches!(scheme, "https" | "wss"), loopback, port })
}

/// The shape of a BCP-47 tag: a language, then script, region and variants; whether the model speaks it is not known
/// here.
pub(super) fn language(text: &str) -> Result<String, String> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let fits = (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if fits && text.len() <= 35 {
        Ok(text.to_owned())
    } else {
        Err("write a language tag such as en-US or de".to_owned())
    }
}

/// A time zone of the IANA database.
pub(super) fn time_zone(text: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(text).map_err(|_| {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{}write a name of the IANA time zone database such as Europe/Berlin", suggestion(text, &names))
    })
}

/// A text of at least one visible character and at most `most`.
pub(super) fn sentence(text: &str, most: usize) -> Result<String, String> {
    let text = text.trim();
    let chars = text.chars().count();
    if (1..=most).contains(&chars) {
        return Ok(text.to_owned());
    }
    Err(format!("write 1 to {most} characters, not {chars}"))
}

/// A text that is one line: what goes into mail, calendars and the model's instruction must not open another.
pub(super) fn line(text: &str, most: usize) -> Result<String, String> {
    let text = sentence(text, most)?;
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err("write it in one line".to_owned());
    }
    Ok(text)
}

/// A day, `2026-12-25`.
pub(super) fn date(text: &str) -> Result<Date, String> {
    let mut parts = text.splitn(3, '-');
    let mut number = |digits: usize| -> Option<i16> {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else {
        return Err("write year, month and day: \"2026-12-25\"".to_owned());
    };
    Date::new(year, month as i8, day as i8).map_err(|_| "there is no such day in the calendar".to_owned())
}

/// A span of a day, `08:00-12:30`. Spaces around the dash do no harm.
pub(super) fn hours(text: &str) -> Result<Hours, String> {
    let shape = || "write from when to when: \"08:00-12:30\"".to_owned();
    let (from, to) = text.split_once(['-', '–']).ok_or_else(shape)?;
    let (from, to) = (Minute::parse(from.trim()).ok_or_else(shape)?, Minute::parse(to.trim()).ok_or_else(shape)?);
    Hours::new(from, to).ok_or_else(|| {
        "the end must come after the beginning; what goes past midnight is two: \"22:00-24:00\", \"00:00-06:00\""
            .to_owned()
    })
}

/// A name that becomes part of a URL's path.
pub(super) fn path_segment(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits { Ok(text.to_owned()) } else { Err("use letters, digits, dashes, dots and underscores".to_owned()) }
}

/// A Gemini API version.
pub(super) fn api_version(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('v').unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = text.len() > 1 && text.as_bytes()[1].is_ascii_digit() && text.starts_with('v');
    let stage = digits.trim_end_matches(|c: char| c.is_ascii_digit());
    if numbered && ["", "alpha", "beta"].contains(&stage) {
        return Ok(text.to_owned());
    }
    Err("write a version such as v1beta".to_owned())
}

/// An absolute path.
pub(super) fn absolute_path(text: &str) -> Result<std::path::PathBuf, String> {
    let path = std::path::PathBuf::from(text);
    if path.is_absolute() && path.file_name().is_some() {
        Ok(path)
    } else {
        Err("write an absolute path to a file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_from_the_largest_unit_to_the_smallest() {
        for (text, millis) in [("15s", 15_000), ("8m", 480_000), ("1h", 3_600_000), ("250ms", 250), ("1m30s", 90_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "8", "m", "8 m", "8min", "-8m", "1.5m", "30s1m", "1m1m", "99999999999999999999h", "٣m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_url_can_have_paths_appended() {
        let url = base_url("https://desk.example.com/clinic", &["https"]).unwrap();
        assert!(url.secure && !url.loopback && url.port.is_none());
        let local = base_url("ws://[::1]:9000", &["ws"]).unwrap();
        assert!(!local.secure && local.loopback && local.port == Some(9000));
        assert!(base_url("http://localhost:8091", &["http"]).unwrap().loopback);
        for (text, remedy) in [
            ("", "write an address such as https://host"),
            ("desk.example.com", "begin it with https://"),
            ("http://desk.example.com", "begin it with https://"),
            ("https://desk.example.com/", "leave out the slash at its end"),
            ("https://desk.example.com?x", "leave out what follows ? or #"),
            ("https://desk.example.com/#ct=1", "leave out what follows ? or #"),
            ("https://Desk.example.com", "write the host in lower case"),
            ("https://me:pw@desk.example.com", "leave user name and password out"),
            ("https://desk.example.com:99999", "the port must be a number up to 65535"),
        ] {
            assert_eq!(base_url(text, &["https"]), Err(remedy.to_owned()), "{text}");
        }
    }

    #[test]
    fn voices_are_found_in_any_case_and_suggested() {
        assert_eq!(voice("sulafat"), Ok("Sulafat".to_owned()));
        assert!(voice("Sulafta").unwrap_err().starts_with("did you mean Sulafat? voices are Achernar, "));
    }

    #[test]
    fn names_have_their_shape() {
        for text in ["en", "en-US", "zh-Hant-TW", "de-1996", "es-419"] {
            assert!(language(text).is_ok(), "{text}");
        }
        for text in ["", "e", "english", "en_US", "en-", "en-U", "12"] {
            assert!(language(text).is_err(), "{text}");
        }
        for text in ["v1", "v1beta", "v1beta1", "v1alpha"] {
            assert!(api_version(text).is_ok(), "{text}");
        }
        for text in ["", "v", "vbeta", "1", "v1gamma", "v1/..", "v1beta/x"] {
            assert!(api_version(text).is_err(), "{text}");
        }
        assert!(path_segment("gemini-3.8-live").is_ok());
        assert!(path_segment("models/gemini").is_err());
    }

    #[test]
    fn a_time_zone_is_looked_up_and_suggested() {
        assert_eq!(time_zone("Europe/Berlin").unwrap().iana_name(), Some("Europe/Berlin"));
        assert!(time_zone("Europe/Berlim").unwrap_err().starts_with("did you mean Europe/Berlin? "));
    }

    #[test]
    fn days_and_hours_are_read_as_people_write_them() {
        assert_eq!(date("2026-12-25"), Ok(Date::constant(2026, 12, 25)));
        assert_eq!(date("2028-02-29"), Ok(Date::constant(2028, 2, 29)));
        for text in ["", "25.12.2026", "2026-1-2", "2026-12-25T10:00", "12-25", "+026-12-25"] {
            assert!(date(text).unwrap_err().starts_with("write year"), "{text}");
        }
        for text in ["2026-11-31", "2026-02-29", "2026-13-01", "2026-00-10"] {
            assert!(date(text).unwrap_err().starts_with("there is no such day"), "{text}");
        }
        for text in ["08:00-12:30", "08:00 - 12:30", "08:00–12:30"] {
            assert_eq!(hours(text).unwrap().to_string(), "08:00-12:30", "{text}");
        }
        for text in ["", "08:00", "8-12", "08:00-12:60", "08:00-12:00-13:00"] {
            assert!(hours(text).unwrap_err().starts_with("write from when"), "{text}");
        }
        assert!(hours("22:00-06:00").unwrap_err().contains("past midnight"));
        assert!(line("a\nb", 10).is_err() && line(" a ", 10) == Ok("a".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (duration(&text), base_url(&text, &["https"]), language(&text), voice(&text));
            let _ = (api_version(&text), path_segment(&text), absolute_path(&text), sentence(&text, 10));
            let _ = (date(&text), hours(&text), line(&text, 10));
        }
    }
}

//! What the model is told of the clinic: plain English, one line per thing, ids in front where functions want them.
//!
//! The words are for the model, which speaks the caller's language; nothing here is read out as it stands. Dates are
//! civil dates of the clinic's zone, so that neither midnight elsewhere nor a change of the clocks moves a line.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::{Date, Weekday};

use super::hours::{DayException, Hours, Week};
use super::{AppointmentType, Clinic, Contact, Practitioner};

/// Days after today that the table of days shows.
const DAYS_SHOWN: i32 = 14;
/// Days ahead within which closed days and leave are told: as far as most appointments are booked.
const DAYS_TOLD: i32 = 90;

/// Today and the next 14 days: `2026-12-01 Tuesday (in 4 days)`. With a clinic, closed days and days with other hours
/// say so.
pub fn days(clinic: Option<&Clinic>, today: Date) -> String {
    let lines = (0..=DAYS_SHOWN).map_while(|ahead| {
        let date = after(today, ahead)?;
        let when = match ahead {
            0 => "today".to_owned(),
            1 => "tomorrow".to_owned(),
            _ => format!("in {ahead} days"),
        };
        Some(format!(
            "{date} {} ({when}){}",
            weekday(date.weekday()),
            clinic.map_or_else(String::new, |c| mark(c, date))
        ))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn mark(clinic: &Clinic, date: Date) -> String {
    match clinic.exception_on(date) {
        Some(exception) => format!(": {}", instead(exception)),
        None if clinic.hours_on(date).is_empty() => ": closed".to_owned(),
        None => String::new(),
    }
}

/// `closed, Christmas Day`; `open only 08:00 to 12:00, Christmas Eve`.
fn instead(exception: &DayException) -> String {
    let because = if exception.name.is_empty() { String::new() } else { format!(", {}", exception.name) };
    if exception.hours.is_empty() {
        return format!("closed{because}");
    }
    format!("open only {}{because}", spans(&exception.hours))
}

/// The hours of a week, days that are alike together: `Monday to Thursday 08:00 to 12:30 and 13:30 to 18:00; Friday 08:00
/// to 14:00`. Days without hours are left out.
pub fn week(week: &Week) -> String {
    let mut runs: Vec<(Vec<Weekday>, &[Hours])> = Vec::new();
    for day in days_of_week() {
        let hours = week.on(day);
        match runs.last_mut() {
            Some((days, same)) if *same == hours => days.push(day),
            _ => runs.push((vec![day], hours)),
        }
    }
    let open = runs.iter().filter(|(_, hours)| !hours.is_empty());
    let parts: Vec<_> = open.map(|(days, hours)| format!("{} {}", run(days), spans(hours))).collect();
    if parts.is_empty() { "never".to_owned() } else { parts.join("; ") }
}

fn days_of_week() -> impl Iterator<Item = Weekday> {
    Weekday::Monday.cycle_forward().take(7)
}

/// Consecutive days: `Monday`, `Saturday and Sunday`, `Monday to Thursday`.
fn run(days: &[Weekday]) -> String {
    match days {
        [] => String::new(),
        [day] => weekday(*day).to_owned(),
        [first, second] => format!("{} and {}", weekday(*first), weekday(*second)),
        [first, .., last] => format!("{} to {}", weekday(*first), weekday(*last)),
    }
}

fn spans(hours: &[Hours]) -> String {
    let spans: Vec<_> = hours.iter().map(|span| format!("{} to {}", span.from, span.to)).collect();
    listed(&spans, "and")
}

/// Opening hours, and what is different within the next three months.
pub fn hours(clinic: &Clinic, today: Date) -> String {
    let mut text = format!("Opening hours: {}", week(&clinic.hours));
    let closed: Vec<_> = days_of_week().filter(|day| clinic.hours.on(*day).is_empty()).map(weekday).collect();
    if !closed.is_empty() {
        let _ = write!(text, "; closed on {}", listed(&closed, "and"));
    }
    text.push('.');
    for exception in told(&clinic.exceptions, today) {
        let _ = write!(text, "\n- {}: {}", dates(exception), instead(exception));
    }
    text
}

/// Those that are not over and begin within the next three months, in order.
fn told(exceptions: &[DayException], today: Date) -> Vec<&DayException> {
    let last = after(today, DAYS_TOLD).unwrap_or(Date::MAX);
    let mut told: Vec<_> =
        exceptions.iter().filter(|exception| exception.to >= today && exception.from <= last).collect();
    told.sort_by_key(|exception| exception.from);
    told
}

/// `2026-12-24 Thursday`, or two of them with `to` between.
fn dates(exception: &DayException) -> String {
    let day = |date: Date| format!("{date} {}", weekday(date.weekday()));
    if exception.from == exception.to {
        day(exception.from)
    } else {
        format!("{} to {}", day(exception.from), day(exception.to))
    }
}

/// Where patients are seen.
pub fn addresses(clinic: &Clinic) -> String {
    let mut text = String::from("Where patients are seen:");
    for location in &clinic.locations {
        let _ = write!(text, "\n- {}: {}, {}.", location.id, location.name, location.address);
        if !location.directions.is_empty() {
            let _ = write!(text, " How to get there: {}", location.directions);
        }
    }
    text
}

/// Who sees patients, by id.
pub fn practitioners(clinic: &Clinic, today: Date) -> String {
    if clinic.practitioners.is_empty() {
        return String::new();
    }
    let lines = clinic.practitioners.iter().map(|one| practitioner(clinic, one, today));
    format!("Who sees patients, by id:{}", lines.collect::<String>())
}

fn practitioner(clinic: &Clinic, one: &Practitioner, today: Date) -> String {
    let mut line = format!("\n- {}: {}, say \"{}\"", one.id, one.name, one.say_as);
    if !one.heard_as.is_empty() {
        let _ = write!(line, ", may sound like {}", quoted(&one.heard_as));
    }
    let _ = write!(line, "; speaks {}", listed(&one.languages, "and"));
    // With one location there is nothing to tell apart.
    if clinic.locations.len() > 1 {
        let _ = write!(line, "; at {}", one.location);
    }
    let _ = write!(line, "; there {}", week(&one.hours));
    for exception in told(&one.exceptions, today) {
        let what =
            if exception.hours.is_empty() { "away".to_owned() } else { format!("only {}", spans(&exception.hours)) };
        let _ = write!(line, "; {what} on {}", dates(exception));
        if !exception.name.is_empty() {
            let _ = write!(line, " ({})", exception.name);
        }
    }
    line
}

/// What can be booked, by id.
pub fn services(clinic: &Clinic) -> String {
    if clinic.types.is_empty() {
        return String::new();
    }
    let lines = clinic.types.iter().map(service);
    format!("What can be booked, by id:{}", lines.collect::<String>())
}

fn service(kind: &AppointmentType) -> String {
    let mut line = format!("\n- {}: {}", kind.id, kind.say_as);
    if !kind.aliases.is_empty() {
        let _ = write!(line, ", also called {}", quoted(&kind.aliases));
    }
    let _ = write!(line, "; {}", length(kind.length));
    let with: Vec<_> = kind.practitioners.iter().map(ToString::to_string).collect();
    let _ = write!(line, "; with {}", listed(&with, "or"));
    if let Some(ages) = &kind.ages {
        let _ = write!(line, "; {}", years(*ages.start(), *ages.end()));
    }
    if kind.needs_referral {
        line.push_str("; only with a referral");
    }
    if !kind.for_new_patients {
        line.push_str("; only for patients who have been here before");
    }
    if kind.needs_human {
        line.push_str("; only staff can book it");
    }
    if !kind.price.is_empty() {
        let _ = write!(line, "; price: \"{}\"", kind.price);
    }
    if !kind.preparation.is_empty() {
        let _ = write!(line, "; to prepare: \"{}\"", kind.preparation);
    }
    line
}

/// `30 minutes`, `1 hour 30 minutes`.
fn length(length: Duration) -> String {
    let (hours, minutes) = (length.as_secs() / 3600, length.as_secs() / 60 % 60);
    let count = |number: u64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match (hours, minutes) {
        (0, minutes) => count(minutes, "minute"),
        (hours, 0) => count(hours, "hour"),
        (hours, minutes) => format!("{} {}", count(hours, "hour"), count(minutes, "minute")),
    }
}

/// Nobody is older than the type can say: such an end is none.
fn years(least: u8, most: u8) -> String {
    match (least, most) {
        (least, u8::MAX) => format!("for people aged {least} and over"),
        (0, most) => format!("for people aged {most} and under"),
        (least, most) => format!("for people aged {least} to {most}"),
    }
}

/// To whom a conversation can be handed, and when.
pub fn contacts(clinic: &Clinic) -> String {
    if clinic.contacts.is_empty() {
        return String::new();
    }
    let lines = clinic.contacts.iter().map(|Contact { name, hours }| {
        let when = hours.as_ref().map_or_else(|| "at any time".to_owned(), week);
        format!("\n- {name}: {when}")
    });
    format!("To whom you can hand over:{}", lines.collect::<String>())
}

/// `"a"`, `"b"`.
fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// `a, b and c`.
pub fn listed(words: &[impl AsRef<str>], last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [head @ .., tail] => {
            let head = head.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
            format!("{head} {last} {}", tail.as_ref())
        }
    }
}

/// The English name of a day.
pub fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn after(date: Date, days: i32) -> Option<Date> {
    date.checked_add(jiff::Span::new().days(days)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::sample;
    use jiff::Timestamp;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_days_are_named_counted_and_marked() {
        let table = days(Some(&sample::clinic()), day("2026-12-12"));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 15);
        assert_eq!(lines[0], "2026-12-12 Saturday (today): closed");
        assert_eq!(lines[1], "2026-12-13 Sunday (tomorrow): closed");
        assert_eq!(lines[2], "2026-12-14 Monday (in 2 days)");
        assert_eq!(lines[12], "2026-12-24 Thursday (in 12 days): open only 08:00 to 12:00, Christmas Eve");
        assert_eq!(lines[13], "2026-12-25 Friday (in 13 days): closed, Christmas");
        assert_eq!(days(None, day("2026-12-25")).lines().next(), Some("2026-12-25 Friday (today)"));
    }

    #[test]
    fn the_table_begins_with_the_clinics_own_day_whatever_the_clocks_do() {
        for (now, zone, first) in [
            // Before and after local midnight, which is not that of UTC.
            ("2026-11-27T22:59:59Z", "Europe/Berlin", "2026-11-27 Friday (today)"),
            ("2026-11-27T23:00:00Z", "Europe/Berlin", "2026-11-28 Saturday (today)"),
            ("2026-11-28T04:30:00Z", "America/New_York", "2026-11-27 Friday (today)"),
            // The hour that comes twice, and the one that is left out.
            ("2026-10-25T00:30:00Z", "Europe/Berlin", "2026-10-25 Sunday (today)"),
            ("2026-10-25T01:30:00Z", "Europe/Berlin", "2026-10-25 Sunday (today)"),
            ("2027-03-28T01:00:00Z", "Europe/Berlin", "2027-03-28 Sunday (today)"),
        ] {
            let local = now.parse::<Timestamp>().unwrap().in_tz(zone).unwrap();
            let table = days(None, local.date());
            assert_eq!(table.lines().next(), Some(first), "{now} in {zone}");
            assert_eq!(table.lines().count(), 15);
        }
        // 25 and 23 hours long, they are days like others.
        assert_eq!(days(None, day("2026-10-24")).lines().nth(2), Some("2026-10-26 Monday (in 2 days)"));
        assert_eq!(days(None, day("2027-03-27")).lines().nth(2), Some("2027-03-29 Monday (in 2 days)"));
        assert_eq!(days(None, Date::MAX).lines().count(), 1, "time ends there");
    }

    #[test]
    fn hours_are_told_by_runs_of_days() {
        let said = "Monday to Thursday 08:00 to 12:30 and 13:30 to 18:00; Friday 08:00 to 14:00";
        assert_eq!(week(&sample::week()), said);
        let first = hours(&sample::clinic(), day("2027-02-01"));
        assert_eq!(first, format!("Opening hours: {said}; closed on Saturday and Sunday."));
        assert_eq!(week(&Week::default()), "never");
        let mut round = Week::default();
        for day in days_of_week() {
            round.set(day, vec![sample::hours("00:00-24:00")]).unwrap();
        }
        assert_eq!(week(&round), "Monday to Sunday 00:00 to 24:00");
        round.set(Weekday::Wednesday, Vec::new()).unwrap();
        assert_eq!(week(&round), "Monday and Tuesday 00:00 to 24:00; Thursday to Sunday 00:00 to 24:00");
    }

    #[test]
    fn what_is_different_is_told_in_order_and_not_when_it_is_over() {
        let clinic = sample::clinic();
        let told = hours(&clinic, day("2026-12-01"));
        let lines: Vec<_> = told.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "- 2026-12-24 Thursday: open only 08:00 to 12:00, Christmas Eve",
                "- 2026-12-25 Friday to 2026-12-26 Saturday: closed, Christmas",
            ]
        );
        assert_eq!(hours(&clinic, day("2026-12-27")).lines().count(), 1);
        assert_eq!(hours(&clinic, day("2026-01-01")).lines().count(), 1, "too far away to matter");
    }

    #[test]
    fn people_and_services_carry_their_ids() {
        let clinic = sample::clinic();
        let people = practitioners(&clinic, day("2026-12-01"));
        assert!(
            people.contains("\n- osei: Dr. Amara Osei, say \"Doctor Osei\", may sound like \"oh say\", \"ossay\";")
        );
        assert!(people.contains("; away on 2026-12-07 Monday to 2026-12-11 Friday (a conference)"), "{people}");
        let services = services(&clinic);
        assert!(services.contains("\n- check-up: a check-up; 30 minutes; with osei"), "{services}");
        let said = "\n- vaccination: a vaccination, also called \"a shot\"; 10 minutes; with osei or park; for people aged \
                    18 and over; price: \"It costs nothing.\"; to prepare: \"Bring the vaccination record.\"";
        assert!(services.contains(said), "{services}");
        assert!(contacts(&clinic).contains("the front office: Monday to Thursday"));
        assert!(addresses(&clinic).contains("12 River Street, Springfield. How to get there: Next to the pharmacy."));
        assert_eq!(length(Duration::from_mins(90)), "1 hour 30 minutes");
        assert_eq!(
            (years(0, 17), years(6, 11)),
            ("for people aged 17 and under".into(), "for people aged 6 to 11".into())
        );
    }
}

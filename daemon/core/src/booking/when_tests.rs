use super::*;
use crate::booking::world::date;
use proptest::prelude::*;

/// Friday, in London.
const NOW: &str = "2026-11-27T10:00[Europe/London]";

fn on(now: &str, text: &str, language: Language) -> Result<Resolved, DateRefusal> {
    resolve(text, language, &now.parse().unwrap())
}

/// `2026-12-01`, `2026-11-30..2026-12-06`; a `?` between what may be meant, a comma between what will do.
fn days(resolved: &Resolved) -> String {
    let say =
        |days: &Days| if days.from == days.to { days.from.to_string() } else { format!("{}..{}", days.from, days.to) };
    let all: Vec<_> = resolved.days.iter().map(say).collect();
    all.join(if resolved.ambiguous { " ? " } else { ", " })
}

fn times(resolved: &Resolved) -> String {
    let say = |minute: Option<Minute>| minute.map_or("-".to_owned(), |minute| minute.to_string());
    let part = format!("{:?}", resolved.day_part).to_lowercase();
    format!("{part} {} {}", say(resolved.earliest), say(resolved.latest))
}

fn each(language: Language, cases: &[(&str, &str)], say: fn(&Resolved) -> String) {
    for (text, expected) in cases {
        let resolved = on(NOW, text, language);
        assert_eq!(resolved.as_ref().map(say).as_deref(), Ok(*expected), "{text:?}");
    }
}

#[test]
fn words_of_another_language_than_the_expected_are_read_in_their_own() {
    let afternoon = on(NOW, "um 4 am Nachmittag", Language::English).unwrap();
    assert_eq!(afternoon, on(NOW, "um 4 am Nachmittag", Language::German).unwrap());
    assert_eq!(afternoon.earliest.or(afternoon.latest).map(|minute| minute.to_string()).as_deref(), Some("16:00"));
    let tuesday = on(NOW, "nächsten Dienstag um halb zehn", Language::English);
    assert_eq!(tuesday, on(NOW, "nächsten Dienstag um halb zehn", Language::German));
    assert_eq!(days(&on(NOW, "tomorrow at ten", Language::German).unwrap()), "2026-11-28");
    let polite = on(NOW, "Guten Morgen, tomorrow at ten please", Language::English);
    assert_eq!(days(&polite.unwrap()), "2026-11-28", "one foreign word is none");
    assert_eq!(
        times(&on(NOW, "um, at 4 am", Language::English).unwrap()),
        times(&on(NOW, "at 4 am", Language::English).unwrap())
    );
}

#[test]
fn english_days() {
    each(
        Language::English,
        &[
            ("today please", "2026-11-27"),
            ("Could I come tomorrow?", "2026-11-28"),
            ("the day after tomorrow", "2026-11-29"),
            ("on Tuesday", "2026-12-01"),
            ("any Tuesdays?", "2026-12-01"),
            ("this Tuesday", "2026-12-01"),
            ("next Tuesday", "2026-12-01 ? 2026-12-08"),
            ("the coming Tuesday", "2026-12-01"),
            ("Tuesday week", "2026-12-08"),
            ("a week on Tuesday", "2026-12-08"),
            ("a week from tomorrow", "2026-12-05"),
            ("Tuesday next week", "2026-12-01"),
            ("next week, Tuesday", "2026-11-30..2026-12-06, 2026-12-01"),
            ("next week on Tuesday", "2026-12-01"),
            ("Friday", "2026-11-27 ? 2026-12-04"),
            ("this week", "2026-11-27..2026-11-29"),
            ("next week", "2026-11-30..2026-12-06"),
            ("early next week", "2026-11-30..2026-12-02"),
            ("at the end of next week", "2026-12-03..2026-12-06"),
            ("the week after next", "2026-12-07..2026-12-13"),
            ("this weekend", "2026-11-28..2026-11-29"),
            ("next month", "2026-12-01..2026-12-31"),
            ("in two weeks", "2026-12-11"),
            ("in a fortnight", "2026-12-11"),
            ("three days from now", "2026-11-30"),
            ("the 3rd", "2026-12-03"),
            ("the third, please", "2026-12-03"),
            ("the twenty-third", "2026-12-23"),
            ("the 31st", "2026-12-31"),
            ("3 December", "2026-12-03"),
            ("December 3rd", "2026-12-03"),
            ("December the third at four", "2026-12-03"),
            ("the 3rd of January", "2027-01-03"),
            ("Tuesday the 1st of December", "2026-12-01"),
            ("Tuesday, December 1st", "2026-12-01"),
            ("2026-12-03", "2026-12-03"),
            ("12/25", "2026-12-25"),
            ("3/12", "2026-12-03 ? 2027-03-12"),
            ("in December", "2026-12-01..2026-12-31"),
            ("early in December", "2026-12-01..2026-12-11"),
            ("Monday or Tuesday", "2026-11-30, 2026-12-01"),
            ("Monday to Thursday", "2026-11-30..2026-12-03"),
            ("between Thursday and Tuesday", "2026-12-03..2026-12-08"),
            ("from Tuesday on", "2026-12-01..2026-12-14"),
            ("after Monday", "2026-12-01..2026-12-14"),
            ("not before Tuesday", "2026-12-01..2026-12-14"),
            ("by Wednesday", "2026-11-27..2026-12-02"),
            ("before Wednesday", "2026-11-27..2026-12-01"),
            ("not on Tuesday, Wednesday", "2026-12-02"),
            ("I can't do Monday but Wednesday works", "2026-12-02"),
            ("may I have the first appointment, just a second", ""),
            ("as soon as possible", ""),
            ("my number is 555 01 00 200", ""),
        ],
        days,
    );
}

#[test]
fn german_days() {
    each(
        Language::German,
        &[
            ("heute noch", "2026-11-27"),
            ("geht morgen?", "2026-11-28"),
            ("übermorgen", "2026-11-29"),
            ("am Dienstag", "2026-12-01"),
            ("Dienstagnachmittag", "2026-12-01"),
            ("diesen Dienstag", "2026-12-01"),
            ("nächsten Dienstag", "2026-12-01 ? 2026-12-08"),
            ("kommenden Dienstag", "2026-12-01"),
            ("Dienstag in einer Woche", "2026-12-08"),
            ("Dienstag nächster Woche", "2026-12-01"),
            ("nächste Woche Dienstag", "2026-12-01"),
            ("Dienstag Morgen", "2026-12-01"),
            ("morgen früh", "2026-11-28"),
            ("guten Morgen, am Montag bitte", "2026-11-30"),
            ("diese Woche", "2026-11-27..2026-11-29"),
            ("nächste Woche", "2026-11-30..2026-12-06"),
            ("Anfang nächster Woche", "2026-11-30..2026-12-02"),
            ("übernächste Woche", "2026-12-07..2026-12-13"),
            ("in zwei Wochen", "2026-12-11"),
            ("in vierzehn Tagen", "2026-12-11"),
            ("heute in acht Tagen", "2026-12-04 ? 2026-12-05"),
            ("am dritten", "2026-12-03"),
            ("am 3.", "2026-12-03"),
            ("am 3.12.", "2026-12-03"),
            ("am 3.12", "2026-12-03"),
            ("am 3.12.2026 um 14.30 Uhr", "2026-12-03"),
            ("3. Dezember", "2026-12-03"),
            ("am dritten zwölften", "2026-12-03"),
            ("am einundzwanzigsten Dezember", "2026-12-21"),
            ("Dienstag, der erste Dezember", "2026-12-01"),
            ("im Dezember", "2026-12-01..2026-12-31"),
            ("Ende Dezember", "2026-12-16..2026-12-31"),
            ("am Wochenende", "2026-11-28..2026-11-29"),
            ("von Montag bis Donnerstag", "2026-11-30..2026-12-03"),
            ("ab Dienstag", "2026-12-01..2026-12-14"),
            ("bis Mittwoch", "2026-11-27..2026-12-02"),
            ("nicht am Dienstag, lieber Mittwoch", "2026-12-02"),
            ("einen Termin, so bald wie möglich", ""),
            ("den ersten Termin, den Sie haben", ""),
        ],
        days,
    );
}

#[test]
fn english_times() {
    each(
        Language::English,
        &[
            ("Tuesday morning", "morning - -"),
            ("good morning, Tuesday afternoon please", "afternoon - -"),
            ("tonight", "evening - -"),
            ("at four", "any 16:00 16:00"),
            ("at nine", "any 09:00 09:00"),
            ("at eight in the evening", "evening 20:00 20:00"),
            ("4 pm", "any 16:00 16:00"),
            ("at 4:30", "any 16:30 16:30"),
            ("10:15am", "any 10:15 10:15"),
            ("half four", "any 16:30 16:30"),
            ("half past nine", "any 09:30 09:30"),
            ("quarter to four", "any 15:45 15:45"),
            ("ten past four", "any 16:10 16:10"),
            ("at four thirty", "any 16:30 16:30"),
            ("after four", "any 16:00 -"),
            ("not before ten", "any 10:00 -"),
            ("before noon", "any - 11:59"),
            ("by eleven o'clock", "any - 11:00"),
            ("around ten", "any 09:30 10:30"),
            ("between nine and eleven", "any 09:00 11:00"),
            ("from two to five", "any 14:00 17:00"),
            ("9-11", "any 09:00 11:00"),
            ("early in the morning", "morning - 09:20"),
            ("late afternoon", "afternoon 15:20 -"),
            ("early on Tuesday", "any - 11:00"),
            ("early next week", "any - -"),
            ("at four or at five", "any 16:00 17:00"),
            ("morning or afternoon", "any - -"),
            ("not in the morning", "any - -"),
            ("in two weeks, by 3 December", "any - -"),
            ("at lunchtime", "any 11:30 13:30"),
        ],
        times,
    );
}

#[test]
fn german_times() {
    each(
        Language::German,
        &[
            ("am Vormittag", "morning - -"),
            ("Dienstagnachmittag", "afternoon - -"),
            ("guten Abend, morgen früh bitte", "morning - 09:20"),
            ("halb vier", "any 15:30 15:30"),
            ("um halb zehn", "any 09:30 09:30"),
            ("halb eins", "any 12:30 12:30"),
            ("viertel vier", "any 15:15 15:15"),
            ("dreiviertel vier", "any 15:45 15:45"),
            ("Viertel vor vier", "any 15:45 15:45"),
            ("zehn nach vier", "any 16:10 16:10"),
            ("fünf vor halb vier", "any 15:25 15:25"),
            ("um vierzehn Uhr dreißig", "any 14:30 14:30"),
            ("um 14.30", "any 14:30 14:30"),
            ("um 4.", "any 16:00 16:00"),
            ("um acht Uhr abends", "evening 20:00 20:00"),
            ("um ein Uhr", "any 13:00 13:00"),
            ("nach vier", "any 16:00 -"),
            ("vor zwölf", "any - 11:59"),
            ("zwischen neun und elf", "any 09:00 11:00"),
            ("von neun bis elf", "any 09:00 11:00"),
            ("gegen zehn", "any 09:30 10:30"),
            ("nach einem Termin", "any - -"),
            ("mittags", "any 11:30 13:30"),
        ],
        times,
    );
}

#[test]
fn what_is_over_or_does_not_exist_is_refused() {
    let refused = |text, language| on(NOW, text, language).unwrap_err().code();
    assert_eq!(refused("yesterday", Language::English), "date_in_past");
    assert_eq!(refused("letzten Dienstag", Language::German), "date_in_past");
    assert_eq!(refused("3 December 2025", Language::English), "date_in_past");
    assert_eq!(refused("Monday this week", Language::English), "date_in_past");
    assert_eq!(on(NOW, "31 November", Language::English), Err(DateRefusal::NoSuchDay));
    assert_eq!(on(NOW, "am 31.11.", Language::German), Err(DateRefusal::NoSuchDay));
    let mismatch = on(NOW, "Tuesday the 3rd of December", Language::English).unwrap_err();
    let dates = [date("2026-12-01"), date("2026-12-08")];
    assert_eq!(mismatch, DateRefusal::WeekdayMismatch { date: date("2026-12-03"), named: Weekday::Tuesday, dates });
}

#[test]
fn the_29th_of_february_waits_for_its_year() {
    let resolved = on(NOW, "29 February", Language::English).unwrap();
    assert_eq!(days(&resolved), "2028-02-29");
}

#[test]
fn the_day_is_the_clinics_even_at_midnight() {
    let tomorrow = |now| days(&on(now, "tomorrow", Language::English).unwrap());
    assert_eq!(tomorrow("2026-11-27T23:59:59[Australia/Sydney]"), "2026-11-28");
    assert_eq!(tomorrow("2026-11-28T00:00[Australia/Sydney]"), "2026-11-29");
    assert_eq!(tomorrow("2026-10-24T23:30[Europe/London]"), "2026-10-25", "the day of 25 hours");
    assert_eq!(tomorrow("2026-10-25T01:30+00:00[Europe/London]"), "2026-10-26");
}

#[test]
fn on_a_sunday_next_week_is_asked() {
    let sunday = "2026-11-29T10:00[Europe/London]";
    let resolved = on(sunday, "next week", Language::English).unwrap();
    assert_eq!(days(&resolved), "2026-11-30..2026-12-06 ? 2026-12-07..2026-12-13");
    assert_eq!(days(&on(sunday, "nächste Woche", Language::German).unwrap()), "2026-11-30..2026-12-06");
}

#[test]
fn what_the_model_passes_is_held_against_the_words() {
    let next = on(NOW, "next Tuesday afternoon", Language::English).unwrap();
    let (first, second) = (date("2026-12-01"), date("2026-12-08"));
    assert!(next.agrees_with(first, first) && next.agrees_with(second, second));
    assert!(!next.agrees_with(date("2026-12-02"), date("2026-12-02")));
    assert_eq!(next.question(), Some(DateRefusal::Ambiguous { candidates: vec![first, second] }));
    let nothing = on(NOW, "whenever you like", Language::English).unwrap();
    assert!(nothing.agrees_with(first, first));
    assert_eq!(nothing.question(), None);
}

#[test]
fn a_date_and_its_weekday_must_belong_together() {
    let today = date("2026-11-27");
    assert_eq!(check("2026-12-01", "Tuesday", today), Ok(date("2026-12-01")));
    assert_eq!(check("2026-11-27", "friday", today), Ok(today));
    let dates = [date("2026-12-02"), date("2026-12-09")];
    let wrong = DateRefusal::WeekdayMismatch { date: date("2026-12-03"), named: Weekday::Wednesday, dates };
    assert_eq!(check("2026-12-03", "wednesday", today), Err(wrong));
    let dates = [date("2026-12-03"), date("2026-12-10")];
    let soon = DateRefusal::WeekdayMismatch { date: date("2026-11-28"), named: Weekday::Thursday, dates };
    assert_eq!(check("2026-11-28", "thursday", today), Err(soon), "no date that is over");
    assert_eq!(check("2026-11-26", "thursday", today), Err(DateRefusal::InPast { date: date("2026-11-26"), today }));
    assert_eq!(check("2026-11-31", "tuesday", today), Err(DateRefusal::NoSuchDay));
    assert_eq!(check("2026-12-01", "tues", today), Err(DateRefusal::UnknownWeekday));
    for wrong in ["", "2026-12-1", "1.12.2026", "tomorrow", "2026-12-01T10:00", "+026-12-01", "２０２６-12-01"] {
        assert_eq!(check(wrong, "tuesday", today), Err(DateRefusal::Malformed), "{wrong:?}");
    }
}

/// Words that mean something here, in any order.
fn babble() -> impl Strategy<Value = String> {
    let words = "today tomorrow next this last tuesday sunday week weekend month in on the a of to from until after before \
         between and not half quarter past four 3rd 31 . , 3.12. 14:30 2026 december may early late day days o'clock am pm \
         noon morning heute morgen übermorgen nächsten dienstag dienstagabend woche in einer acht tagen am dritten zwölften um \
         halb viertel vor nach bis uhr früh 9-11 31/11 9999-12-31 65535 february 29 fortnight months";
    let words: Vec<&'static str> = words.split_whitespace().collect();
    prop::collection::vec(prop::sample::select(words), 0..12).prop_map(|words| words.join(" "))
}

fn holds(text: &str, now: &Zoned) -> Result<(), TestCaseError> {
    for language in [Language::English, Language::German] {
        let Ok(resolved) = resolve(text, language, now) else { continue };
        for days in &resolved.days {
            prop_assert!(now.date() <= days.from && days.from <= days.to, "{text:?}: {days:?}");
        }
        prop_assert!(!resolved.ambiguous || resolved.days.len() > 1, "{text:?}");
        if let (Some(earliest), Some(latest)) = (resolved.earliest, resolved.latest) {
            prop_assert!(earliest <= latest, "{text:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_resolves_to_days_to_come(text in "\\PC{0,80}", ahead in 0i64..40_000_000) {
        let now: Zoned = NOW.parse().unwrap();
        holds(&text, &now.saturating_add(jiff::SignedDuration::from_secs(ahead)))?;
    }

    #[test]
    fn words_of_time_in_any_order_resolve_to_days_to_come(text in babble(), ahead in 0i64..40_000_000) {
        let now: Zoned = NOW.parse().unwrap();
        holds(&text, &now.saturating_add(jiff::SignedDuration::from_secs(ahead)))?;
    }

    #[test]
    fn at_the_end_of_time_too(text in babble()) {
        holds(&text, &"9999-12-30T10:00[UTC]".parse().unwrap())?;
    }

    #[test]
    fn a_date_that_is_checked_is_not_past_and_on_its_weekday(date in "\\PC{0,12}|20[0-9]{2}-[01][0-9]-[0-3][0-9]", at in 0usize..7) {
        let today = "2026-11-27".parse().unwrap();
        let name = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][at];
        if let Ok(checked) = check(&date, name, today) {
            prop_assert!(checked >= today && checked.weekday().to_monday_zero_offset() as usize == at);
        }
    }
}

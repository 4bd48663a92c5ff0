//! The configuration together with the clinic's data and prompts.

use super::*;

#[test]
fn the_clinics_data_are_looked_for_beside_the_configuration() {
    let desk = minimal_with("");
    assert_eq!(desk.load().unwrap().config.clinic.data, None, "a receptionist without bookings");
    desk.write("clinic.toml", SHIPPED_CLINIC);
    let loaded = desk.load().unwrap();
    let data = loaded.config.clinic.data.unwrap();
    assert_eq!((data.name.as_str(), data.language.as_str()), ("Riverside Clinic", "en-US"));
    assert_eq!(data.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(loaded.config.clinic.personas.catalogue.len(), 3);
    assert_eq!(loaded.files.last(), Some(&desk.directory.path().join("clinic.toml")));

    let elsewhere = Desk::with(&MINIMAL.replace("[phone]", "file = \"data/our.toml\"\n[phone]"));
    elsewhere.write("data/our.toml", SHIPPED_CLINIC);
    elsewhere.write("clinic.toml", "not read");
    assert!(elsewhere.load().unwrap().config.clinic.data.is_some());
    std::fs::remove_file(elsewhere.directory.path().join("data/our.toml")).unwrap();
    let complaints = elsewhere.complaints();
    assert!(complaints[0].starts_with("config.toml:4: [clinic] file = \"data/our.toml\": "), "{complaints:#?}");
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
}

#[test]
fn the_mistakes_of_both_files_are_told_in_one_run() {
    let desk =
        Desk::with(&MINIMAL.replace("name = \"Riverside Clinic\"\n", "").replace("number", "max_calls = 0\nnumber"));
    desk.write("clinic.toml", SHIPPED_CLINIC.replace("name = \"the front office\"", "nam = \"the front office\""));
    let complaints = desk.complaints();
    assert_eq!(complaints.len(), 4, "{complaints:#?}");
    assert!(complaints[0].starts_with("config.toml: [clinic] name is missing: "), "{complaints:#?}");
    assert!(complaints[1].starts_with("config.toml:5: [phone] max_calls = 0: "), "{complaints:#?}");
    let said = "[[contacts]] nam is not a known key: did you mean name?";
    assert!(complaints.iter().any(|one| one.starts_with("clinic.toml:") && one.ends_with(said)), "{complaints:#?}");

    desk.write("clinic.toml", "[hours]\nmonday = [\"08:00\n");
    assert!(desk.complaints()[2].starts_with("clinic.toml:2: is not TOML here: "), "{:#?}", desk.complaints());
}

#[test]
fn a_prompt_asks_only_for_what_can_be_filled_in() {
    let desk = minimal_with("[gemini]\nprompt_file = \"prompt.md\"\n");
    desk.write("prompt.md", "\nYou speak for {clinc}.\nSay {{this}} and {\n{language}.\n");
    let complaints = desk.complaints();
    let said = "prompt.md:2: {clinc} is no placeholder: did you mean clinic? placeholders are {clinic}, {place}, ";
    assert!(complaints[0].starts_with(said), "{complaints:#?}");
    assert_eq!(complaints[1], "prompt.md:3: has a { that nothing closes: close it, or write {{ for the brace itself");
    assert_eq!(complaints.len(), 2, "{complaints:#?}");

    desk.write("prompt.md", "You speak for {clinic}. {booking} {emergency}");
    assert_eq!(desk.load().unwrap().advice, [], "without data nothing can be booked");
    desk.write("clinic.toml", SHIPPED_CLINIC);
    let advice = desk.load().unwrap().advice;
    let said = "[gemini] prompt_file does not use {days}, {practitioners}, {services}: put them into the prompt: ";
    assert!(advice.iter().any(|advice| advice.to_string().starts_with(said)), "{advice:#?}");
}

const GUIDE: &str = include_str!("../../../../docs/clinic.md");

#[test]
fn the_guide_shows_what_the_check_says() {
    let desk = minimal_with("");
    let shown = |complaints: &[Complaint]| -> Vec<String> {
        let directory = desk.directory.path().display().to_string();
        complaints.iter().map(|complaint| complaint.to_string().replace(&directory, "/etc/frontdesk")).collect()
    };
    let edited = |edits: &[(&str, &str)]| {
        let mut text = SHIPPED_CLINIC.to_owned();
        for (old, new) in edits {
            assert!(text.contains(old), "{old}");
            text = text.replacen(old, new, 1);
        }
        desk.write("clinic.toml", text);
    };
    edited(&[
        ("wednesday = [\"08:00-12:30\"]", "wednesday = [\"08:00-12:30\", \"12:00-16:00\"]"),
        ("date = \"2026-12-25\"", "date = \"2026-12-35\""),
        ("\"bark\"]", "\"ossay\"]"),
        ("most_per_day", "most_per_dey"),
        ("practitioners = [\"park\"]", "practitioners = [\"parc\"]"),
    ]);
    let errors = shown(&desk.load().unwrap_err().0);
    assert_eq!(errors.len(), 5, "{errors:#?}");
    edited(&[
        ("date = \"2026-12-24\"", "date = \"2025-12-24\""),
        ("friday = [\"08:00-14:00\"]\n\n[[practitioners]]", "friday = [\"08:00-15:00\"]\n\n[[practitioners]]"),
    ]);
    // Later on, the example's other holidays are over too.
    let advice = shown(&desk.load().unwrap().advice);
    let advice = advice
        .iter()
        .filter(|one| one.contains("2025-12-24") || one.contains("outside"))
        .map(|one| format!("advice: {one}"));
    let all: Vec<_> = errors.into_iter().chain(advice).collect();
    assert_eq!(all.len(), 7, "{all:#?}");
    for complaint in all {
        assert!(GUIDE.contains(&format!("\n{complaint}\n")), "not in docs/clinic.md:\n{complaint}");
    }
}

#[test]
fn the_guide_lists_every_placeholder() {
    for (name, _) in frontdesk_core::clinic::template::Blank::named() {
        assert!(GUIDE.contains(&format!("`{{{name}}}`")), "{{{name}}}");
    }
}

#[test]
fn a_calendar_of_nobody_in_the_clinic_is_a_slip_of_the_pen() {
    let caldav = "[calendar]\nbackend = \"caldav\"\nurl = \"https://cloud.example.com\"\nuser = \"frontdesk\"\n";
    let with = |calendars: &str| {
        let mut desk = minimal_with(&format!("{caldav}calendars = {calendars}\n"));
        desk.environment.insert("CALDAV_PASSWORD".to_owned(), "made-up".to_owned());
        desk
    };
    let wrong = with("{ osie = \"Dr Osei\", park = \"kim\" }");
    assert!(wrong.load().is_ok(), "nobody is known to work there");
    wrong.write("clinic.toml", SHIPPED_CLINIC);
    let complaints = wrong.complaints();
    let expected = "config.toml:11: [calendar.calendars] osie is none of the clinic's practitioners: did you mean osei? the \
                    clinic's practitioners are osei, lindqvist, park";
    assert_eq!(complaints, [expected]);
    let right = with("{ osei = \"Dr Osei\", park = \"kim\" }");
    right.write("clinic.toml", SHIPPED_CLINIC);
    assert!(right.load().is_ok());
}

#[test]
fn sentences_that_would_be_read_in_another_language_than_they_are_written_in_are_advised_of() {
    let german = MINIMAL.replace("[phone]", "language = \"de-DE\"\n[phone]");
    let told = |more: &str| -> Vec<String> {
        let loaded = Desk::with(&format!("{german}{more}")).load().unwrap();
        loaded.advice.iter().map(ToString::to_string).collect()
    };
    let all = told("");
    assert_eq!(all.len(), 3, "{all:#?}");
    let said =
        "[phone] fallback_say is English, and is read to callers who are greeted in de-DE: write it in that language";
    assert_eq!(all[0], said);
    assert_eq!(told("fallback_say = \"Einen Moment bitte.\"\n"), all[1..]);
}

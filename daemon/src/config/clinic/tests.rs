//! Whole files, as a clinic's administrator writes them and gets them wrong.

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!("../../../../images/config/clinic.toml");

/// The least that a clinic says of itself.
pub(super) const SMALL: &str = r#"[hours]
monday = ["08:00-12:00"]
[[locations]]
id = "main"
name = "Riverside Clinic"
address = "12 River Street"
[emergency]
number = "112"
[[practitioners]]
id = "osei"
name = "Dr. Osei"
[[appointment_types]]
id = "check-up"
name = "Check-up"
minutes = 30
practitioners = ["osei"]
"#;

fn basics<'a>(zone: &'a TimeZone, language: &'a str) -> Basics<'a> {
    let today = jiff::civil::date(2026, 11, 27);
    Basics { name: "Riverside Clinic", zone, language, today }
}

pub(super) fn read_in(language: &str, text: &str) -> (Option<(Clinic, Personas)>, Complaints) {
    let mut out = Complaints::default();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let path = Path::new("clinic.toml");
    let table = file::parse(path, text, &mut out);
    let read = check(table, path, &basics(&zone, language), &mut out);
    (read, out)
}

pub(super) fn read(text: &str) -> (Option<(Clinic, Personas)>, Complaints) {
    read_in("en-US", text)
}

/// The shipped example, as it was when it was written: its holidays are not over.
pub(crate) fn shipped() -> (Clinic, Personas) {
    let (read, out) = read(SHIPPED);
    read.unwrap_or_else(|| panic!("{:#?}", out.errors))
}

/// The complaints about a file, which must have some.
pub(super) fn complaints(text: &str) -> Vec<String> {
    let (read, out) = read(text);
    assert!(read.is_none(), "accepted:\n{text}");
    out.errors.iter().map(ToString::to_string).collect()
}

pub(super) fn advice(text: &str) -> Vec<String> {
    let (read, out) = read(text);
    assert!(read.is_some(), "{:#?}", out.errors);
    out.advice.iter().map(ToString::to_string).collect()
}

/// One of `complaints` begins and ends like this.
pub(super) fn said(complaints: &[String], start: &str, end: &str) {
    let found = complaints.iter().any(|complaint| complaint.starts_with(start) && complaint.ends_with(end));
    assert!(found, "{start} … {end}\nis not in {complaints:#?}");
}

#[test]
fn the_shipped_example_is_accepted_without_a_remark() {
    let (read, out) = read(SHIPPED);
    assert_eq!((&out.errors, &out.advice), (&vec![], &vec![]));
    let (clinic, personas) = read.unwrap();
    assert_eq!((clinic.practitioners.len(), clinic.types.len(), clinic.contacts.len()), (3, 6, 2));
    assert_eq!(clinic.languages, ["en-US", "de-DE", "es"]);
    assert_eq!(personas.catalogue.len(), 3);
    assert_eq!(clinic.practitioners[2].hours, clinic.hours, "who writes no hours is there whenever the clinic is open");
    assert!(clinic.types[3].lead > clinic.types[0].lead, "a type's own time beats that of [booking]");
}

#[test]
fn the_shipped_example_shows_every_key() {
    let (_, out) = read(SHIPPED);
    assert!(out.known.len() > 60, "{:?}", out.known);
    for (title, key) in out.known.iter().filter(|(title, _)| !title.is_empty()) {
        let written = SHIPPED.lines().any(|line| {
            let line = line.trim_start_matches('#');
            line.starts_with(&format!("{key} = "))
                || line.ends_with(&format!(".{key}]"))
                || line.ends_with(&format!(".{key}]]"))
        });
        assert!(written, "{title} {key}");
    }
}

#[test]
fn the_defaults_are_those_that_the_shipped_example_shows() {
    let (read, _) = read(SMALL);
    let (small, personas) = read.unwrap();
    let (shipped, _) = shipped();
    assert_eq!(small.rules, shipped.rules);
    assert_eq!(small.emergency, shipped.emergency);
    let (own, example) = (&small.types[0], &shipped.types[0]);
    assert_eq!((own.step, own.lead, own.horizon_days), (example.step, example.lead, example.horizon_days));
    assert_eq!(small.practitioners[0].say_as, "Dr. Osei");
    assert_eq!(personas, Personas::default(), "a clinic may have no personas");
}

#[test]
fn ids_that_nobody_has_are_answered_with_those_that_somebody_has() {
    let text = SMALL.replace("[\"osei\"]", "[\n  \"osie\",\n  \"li\", \"park\"]")
        + "[[practitioners]]\nid = \"park\"\nname = \"Park\"\nlocation = \"man\"\n";
    let found = complaints(&text);
    said(
        &found,
        "clinic.toml:17: [[appointment_types]] (check-up) practitioners = \"osie\": did you mean osei? practitioners are osei, park",
        "",
    );
    said(
        &found,
        "clinic.toml:18: [[appointment_types]] (check-up) practitioners = \"li\": practitioners are osei, park",
        "",
    );
    said(
        &found,
        "clinic.toml:22: [[practitioners]] (park) location = \"man\": did you mean main? locations are main",
        "",
    );
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn an_id_is_given_once() {
    let text = SMALL.to_owned()
        + "[[practitioners]]\nid = \"osei\"\nname = \"Other\"\n[[locations]]\nid = \"Main\"\nname = \"x\"\naddress = \"y\"\n";
    let found = complaints(&text);
    said(
        &found,
        "clinic.toml:18: [[practitioners]] (osei) id = \"osei\" is the id in line 10 already: choose another",
        "",
    );
    said(&found, "clinic.toml:21: [[locations]] (Main) id = \"Main\": an id has 1 to 40 lower-case letters", "");
}

#[test]
fn hours_and_days_are_explained() {
    let text = SMALL.replace("monday = [\"08:00-12:00\"]", "mondy = [\"08:00-12:00\"]\ntuesday = [\"08:00-12:00\", \"11:00-13:00\"]\nfriday = \"08:00-12:00\"\nsunday = [\"8-12\", \"22:00-02:00\"]")
        + "[[closures]]\ndate = \"2026-11-31\"\n[[closures]]\nfrom = \"2026-12-31\"\nto = \"2026-12-24\"\n[[closures]]\nfrom = 2026-12-01\n\
           [[closures]]\nname = \"x\"\n[[closures]]\ndate = \"2027-01-01\"\nto = \"2027-01-02\"\n[[closures]]\ndate = \"1 May\"\n";
    let found = complaints(&text);
    for (start, end) in [
        ("clinic.toml:2: [hours] mondy is not a known key", "did you mean monday?"),
        (
            "clinic.toml:3: [hours] tuesday has 08:00-12:00 and 11:00-13:00, which overlap: ",
            "begin where the first ends",
        ),
        ("clinic.toml:4: [hours] friday = \"08:00-12:00\": expected a list of texts in square brackets", ""),
        ("clinic.toml:5: [hours] sunday = \"8-12\": write from when to when", ""),
        ("clinic.toml:5: [hours] sunday = \"22:00-02:00\": the end must come after the beginning", "\"00:00-06:00\""),
        ("clinic.toml:21: [[closures]] date = \"2026-11-31\"", "there is no such day in the calendar"),
        ("clinic.toml:24: [[closures]] to = \"2026-12-24\" comes before from = \"2026-12-31\"", "exchange them"),
        ("clinic.toml:25: [[closures]] to is missing", "write the last day too"),
        ("clinic.toml:27: [[closures]] date is missing", ""),
        ("clinic.toml:30: [[closures]] date stands beside from or to", "write date, or from and to"),
        ("clinic.toml:33: [[closures]] date = \"1 May\"", "write year, month and day: \"2026-12-25\""),
    ] {
        said(&found, start, end);
    }
    assert_eq!(found.len(), 11, "{found:#?}");
}

#[test]
fn a_day_is_different_in_one_way_only() {
    let text = SMALL.to_owned()
        + "[[closures]]\nfrom = \"2026-12-24\"\nto = \"2027-01-01\"\n[[closures]]\ndate = \"2026-12-25\"\n[[closures]]\ndate = \"2026-12-31\"\n";
    let found = complaints(&text);
    said(&found, "clinic.toml:20: [[closures]] holds on 2026-12-25 as the one in line 17 does", "one of them only");
    said(&found, "clinic.toml:22: [[closures]] holds on 2026-12-31 as the one in line 17 does", "one of them only");
}

#[test]
fn what_is_over_or_far_away_is_pointed_out() {
    let text = SMALL.to_owned()
        + "[[closures]]\ndate = 2026-11-26\n[[closures]]\ndate = 2062-12-25\n[[closures]]\ndate = 2026-11-27\n";
    let found = advice(&text);
    said(&found, "clinic.toml:17: [[closures]] ended on 2026-11-26: remove it", "");
    said(&found, "clinic.toml:19: [[closures]] begins on 2062-12-25: see whether that year is meant", "");
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn numbers_have_their_ranges_and_nothing_is_impossible_to_book() {
    let text = SMALL.replace(
        "minutes = 30",
        "minutes = 3\nmin_age = 20\nmax_age = 18\nlead_hours = 96\nhorizon_days = 3\nneeds_human = \"yes\"",
    ) + "[booking]\nhold_minutes = 0\nlead_hours = 1000\n";
    let found = complaints(&text);
    for start in [
        "clinic.toml:15: [[appointment_types]] (check-up) minutes = 3: choose a whole number from 5 to 480",
        "clinic.toml:16: [[appointment_types]] (check-up) min_age = 20 is above max_age = 18: exchange them",
        "clinic.toml:18: [[appointment_types]] (check-up) lead_hours = 96 is more than horizon_days = 3 allows",
        "clinic.toml:20: [[appointment_types]] (check-up) needs_human = \"yes\": choose true or false, without quotes",
        "clinic.toml:23: [booking] hold_minutes = 0: choose a whole number from 1 to 30",
        "clinic.toml:24: [booking] lead_hours = 1000: choose a whole number from 0 to 720",
    ] {
        said(&found, start, "");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn a_type_that_nobody_has_the_time_for_is_refused() {
    let long = SMALL.replace("minutes = 30", "minutes = 230\nbuffer_after_minutes = 15");
    let found = complaints(&long);
    let start = "clinic.toml:15: [[appointment_types]] (check-up) minutes = 230 takes 245 minutes with its buffers, and nobody \
                 who does it is there longer than 240 in one go: ";
    said(&found, start, "lengthen somebody's hours");
    let nobody = complaints(&SMALL.replace("[\"osei\"]", "[]"));
    said(&nobody, "clinic.toml:16: [[appointment_types]] (check-up) practitioners is empty: nobody does it", "");

    let some = SMALL.replace("[\"osei\"]", "[\"osei\", \"park\"]")
        + "[[practitioners]]\nid = \"park\"\nname = \"Park\"\nhours = { monday = [\"11:45-13:00\"], sunday = [\"08:00-09:00\"] }\n";
    let found = advice(&some);
    said(
        &found,
        "clinic.toml:20: [[practitioners]] (park) hours reach outside the clinic's hours on Monday 11:45-13:00 and Sunday 08:00-09:00: ",
        "",
    );
    said(
        &found,
        "clinic.toml:15: [[appointment_types]] (check-up) minutes = 30 takes 30 minutes with its buffers, and park is never there longer than 15",
        "",
    );
}

#[test]
fn what_callers_say_means_one_person() {
    let more = "[[practitioners]]\nid = \"shea\"\nname = \"Dr. Shea\"\nheard_as = [\"Ossay\"]\n[[practitioners]]\nid = \"osei2\"\n\
                name = \"dr osei\"\n";
    let text = SMALL
        .replace("name = \"Dr. Osei\"\n", "name = \"Dr. Osei\"\nheard_as = [\"oh say\", \"ossay\", \"Dr. Shea\"]\n")
        + more;
    let found = complaints(&text);
    said(&found, "clinic.toml:21: [[practitioners]] (shea) heard_as = \"Ossay\" is also osei: ", "asks who is meant");
    said(
        &found,
        "clinic.toml:12: [[practitioners]] (osei) heard_as = \"Dr. Shea\" is also shea: ",
        "asks who is meant",
    );
    said(&found, "clinic.toml:24: [[practitioners]] (osei2) name = \"dr osei\" is also osei: ", "a first name perhaps");
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn contacts_have_a_name_and_hours_and_no_number_that_would_not_be_dialled() {
    let text =
        SMALL.to_owned() + "[[contacts]]\nname = \"desk\"\nnumber = \"+15550100900\"\n[[contacts]]\nhours = {}\n";
    let found = complaints(&text);
    said(&found, "clinic.toml:19: [[contacts]] number is not a known key", "");
    said(&found, "clinic.toml:20: [[contacts]] name is missing: write who answers", "");
    said(&found, "clinic.toml:21: [[contacts]] hours has no day: ", "");
    assert!(found.iter().all(|complaint| !complaint.contains("5550100900")));
}

#[test]
fn personas_have_known_voices_and_rules_have_conditions() {
    let text = SMALL.to_owned()
        + "[[personas]]\nid = \"calm\"\nname = \"Clara\"\nvoice = \"Sulafta\"\ntone = \"Calm.\"\ngreeting = \"{clnic}, {time}\"\n\
           [answering]\npersona = \"clam\"\n[[answering.rules]]\npersona = \"calm\"\n[[answering.rules]]\nat = \"door\"\n\
           number = \"12\"\nwhen = \"never\"\nhours = [\"x\"]\n";
    let found = complaints(&text);
    for start in [
        "clinic.toml:20: [[personas]] (calm) voice = \"Sulafta\": did you mean Sulafat? voices are ",
        "clinic.toml:22: [[personas]] (calm) greeting = \"{clnic}, {time}\": {clnic} is no placeholder: did you mean clinic? \
         placeholders are {clinic}, {persona}, {weekday}; {time} is no placeholder",
        "clinic.toml:24: [answering] persona = \"clam\": did you mean calm? personas are calm",
        "clinic.toml:25: [[answering.rules]] has no condition: write at, when, number or hours",
        "clinic.toml:27: [[answering.rules]] persona is missing",
        "clinic.toml:28: [[answering.rules]] at = \"door\": choose \"phone\" or \"desk\"",
        "clinic.toml:29: [[answering.rules]] number has a value that will not do",
        "clinic.toml:30: [[answering.rules]] when = \"never\": choose \"open\" or \"closed\"",
        "clinic.toml:31: [[answering.rules]] hours = \"x\": write from when to when",
    ] {
        said(&found, start, "");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn what_is_missing_is_asked_for() {
    let found = complaints("");
    for key in ["[hours]", "[[locations]]", "[emergency]"] {
        said(&found, &format!("clinic.toml: {key} is missing: write "), "");
    }
    assert_eq!(found.len(), 3, "{found:#?}");
    let found = complaints(
        "[hours]\n[[locations]]\n[emergency]\n[[practitioners]]\n[[appointment_types]]\n[[contacts]]\n[[personas]]\n",
    );
    said(&found, "clinic.toml:1: [hours] has no day on which the clinic is open: ", "");
    said(&found, "clinic.toml:2: [[locations]] address is missing: ", "");
    said(&found, "clinic.toml:4: [[practitioners]] id is missing: ", "");
    said(&found, "clinic.toml:5: [[appointment_types]] minutes is missing: ", "");
    said(&found, "clinic.toml:7: [[personas]] tone is missing: ", "");
    let other = SMALL.replace("number = \"112\"", "number = \"911\"\nsay = \"Please dial 1 1 2 now.\"");
    said(&advice(&other), "clinic.toml:9: [emergency] say does not name 911: ", "");
    let spelt = other.replace("\"911\"", "\"112\"");
    assert_eq!(advice(&spelt), [""; 0]);
    let (_, out) = read_in("de-DE", SMALL);
    assert!(out.errors[0].to_string().contains("[emergency] say is missing: "), "English is not for everybody");
}

#[test]
fn sections_have_their_brackets_and_their_names() {
    let text = SMALL.replace("[[practitioners]]", "[practitioners]").replace("[emergency]", "[[emergency]]")
        + "[[practitoner]]\nid = \"x\"\n[clinic]\nname = \"x\"\n";
    let found = complaints(&text);
    said(
        &found,
        "clinic.toml:9: [[practitioners]] is a section: write [[practitioners]] in double brackets, once for each",
        "",
    );
    said(&found, "clinic.toml:7: [emergency] is a list: write a section [emergency] with keys in it, once", "");
    said(
        &found,
        "clinic.toml:17: [practitoner] is not a known section: did you mean [[practitioners]]? sections are ",
        "[answering]",
    );
    said(
        &found,
        "clinic.toml:19: [clinic] is not a known section: sections are [languages], [hours], [[closures]]",
        "",
    );
    let stray = complaints(&format!(
        "langauge = \"de\"\nlocations = [\"main\"]\n{}",
        SMALL.replace("[[locations]]", "[ignored]")
    ));
    said(&stray, "clinic.toml:2: [[locations]] = \"main\": write [[locations]] with keys below it", "");
}

#[test]
fn a_language_is_a_tag_and_texts_stay_in_their_line() {
    let text = SMALL.replace("address = \"12 River Street\"", "address = \"12 River\\nStreet\"")
        + "[languages]\nalso = [\"german\", 3, \"de\", \"en-US\"]\n";
    let found = complaints(&text);
    said(&found, "clinic.toml:18: [languages] also = \"german\": write a language tag", "");
    said(&found, "clinic.toml:18: [languages] also = 3: expected a text in quotes", "");
    said(&found, "clinic.toml:6: [[locations]] (main) address = ", "write it in one line");
}

/// Documents of the right shape with anything in them.
fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("\"osei\"".to_owned()),
        Just("\"main\"".to_owned()),
        Just("true".to_owned()),
        Just("2026-12-25".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[ -~]{0,12}".prop_map(|text| format!("'{}'", text.replace('\'', ""))),
        (0..25_u8, 0..61_u8, 0..25_u8, 0..61_u8).prop_map(|(a, b, c, d)| format!("\"{a:02}:{b:02}-{c:02}:{d:02}\"")),
        (2020..2080_u16, 0..14_u8, 0..33_u8).prop_map(|(year, month, day)| format!("\"{year}-{month:02}-{day:02}\"")),
    ];
    let list = prop::collection::vec(scalar.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
    let value = prop_oneof![3 => scalar, 2 => list, 1 => Just("{ monday = [\"08:00-12:00\"], x = 1 }".to_owned())];
    let (titles, keys): (Vec<String>, Vec<&'static str>) = {
        let (_, out) = read(SHIPPED);
        let titles = out.known.iter().map(|(title, _)| title.clone()).filter(|title| !title.is_empty());
        (titles.collect(), out.known.iter().map(|(_, key)| *key).collect())
    };
    let line = prop_oneof![
        1 => prop::sample::select(titles),
        4 => (prop::sample::select(keys), value).prop_map(|(key, value)| format!("{key} = {value}")),
    ];
    prop::collection::vec(line, 0..40).prop_map(|mut lines| {
        // Of two keys of one name in a section, or two sections of one name, only the first is TOML.
        let mut seen = BTreeSet::new();
        let mut title = String::new();
        lines.retain(|line| {
            if line.starts_with("[[") {
                title.clone_from(line);
                seen.retain(|known: &String| !known.starts_with(&title));
                return true;
            }
            if line.starts_with('[') {
                title.clone_from(line);
                return seen.insert(line.clone());
            }
            seen.insert(format!("{title}{}", line.split(' ').next().unwrap_or_default()))
        });
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_document_is_read_or_explained(text in document(), small: bool) {
        let text = if small { format!("{SMALL}{text}\n") } else { text };
        let (read, out) = read(&text);
        prop_assert_eq!(read.is_some(), out.errors.is_empty(), "{:#?}", out.errors);
        let lines = text.lines().count().max(1);
        for complaint in out.errors.iter().chain(&out.advice) {
            prop_assert!(!complaint.remedy.is_empty() && !complaint.found.is_empty(), "{complaint}");
            let line = complaint.place.as_ref().and_then(|place| place.line);
            prop_assert!(line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{complaint}");
        }
        if let Some((clinic, personas)) = read {
            let ids = |id: &frontdesk_core::clinic::ids::PractitionerId| clinic.practitioner(id).is_some();
            prop_assert!(clinic.types.iter().all(|kind| !kind.practitioners.is_empty() && kind.practitioners.iter().all(ids)));
            prop_assert!(clinic.practitioners.iter().all(|one| clinic.location(&one.location).is_some()));
            prop_assert!(personas.rules.iter().all(|rule| personas.persona(&rule.persona).is_some()));
        }
    }

    #[test]
    fn a_line_that_is_lost_is_never_a_panic(line in any::<prop::sample::Index>()) {
        let mut lines: Vec<_> = SHIPPED.lines().collect();
        lines.remove(line.index(lines.len()));
        let (read, out) = read(&lines.join("\n"));
        prop_assert_eq!(read.is_some(), out.errors.is_empty());
    }
}

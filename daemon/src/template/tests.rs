//! Letters as they are read, and templates as they are got wrong.

use super::*;

fn built_in() -> Templates {
    Templates::load(None).unwrap()
}

/// A folder of a clinic's own templates.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn complaints(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let errors = Templates::load(Some(folder.path())).unwrap_err();
    let prefix = format!("{}/", folder.path().display());
    errors.iter().map(|error| error.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_confirmation_says_when_where_and_with_whom() {
    let letter = built_in().notice(Notice::Confirmation, "en", &Facts { for_other: false, ..samples::full() }).unwrap();
    assert_eq!(letter.subject, "Appointment K7Q-4MR confirmed: Tue, Dec 1, 2:00 PM");
    let expected = "Hello Luis Pérez,

Your appointment is confirmed:

    Tuesday, December 1, 2026, 2:00 PM (Europe/Berlin)
    Dr. Amara Osei
    Main house
    Uferstraße 12, 10115 Berlin
    Reference: K7Q-4MR

Please bring your insurance card.

To change or cancel it, please call us and have the reference at hand.

Riverside Clinic
";
    assert_eq!(letter.text, expected.replace('\n', "\r\n"));
}

#[test]
fn a_message_for_staff_says_who_left_it_and_how_urgent_it_is() {
    let letter = built_in().message("en", &samples::message()).unwrap();
    assert_eq!(letter.subject, "Message 12 for Riverside Clinic (today)");
    let expected = "This cannot wait for tomorrow.

From:  Ana Pérez
Phone: +15550100200
About: prescription

Please call me back.
";
    assert_eq!(letter.text, expected.replace('\n', "\r\n"));
    let letter = built_in().message("de", &samples::bare_message()).unwrap();
    assert_eq!(letter.subject, "Nachricht 12 für Riverside Clinic");
    assert!(letter.text.starts_with("Von:     Ana Pérez\r\nTelefon: keine Nummer hinterlassen\r\n"), "{}", letter.text);
}

#[test]
fn a_subject_is_neutral_and_every_letter_names_the_reference_in_both_forms() {
    let templates = built_in();
    for language in files::LANGUAGES {
        for notice in Notice::ALL {
            let Letter { subject, text, html } = templates.notice(notice, language, &samples::full()).unwrap();
            assert!(subject.contains("K7Q-4MR") && subject.contains("Tue, Dec 1, 2:00 PM"), "{subject}");
            for private in ["Ana", "Luis", "Osei", "Clinic"] {
                assert!(!subject.contains(private), "{subject}");
            }
            let html = html.unwrap();
            for fact in ["K7Q-4MR", "Ana Pérez", "Luis Pérez", "Dr. Amara Osei", "Uferstraße 12", "Riverside Clinic"]
            {
                assert!(text.contains(fact) && html.contains(fact), "{language} {notice:?} {fact}");
            }
            assert!(
                html.starts_with("<!DOCTYPE html>") && html.contains(&format!("<html lang=\"{language}\">")),
                "{html}"
            );
        }
    }
}

#[test]
fn a_name_cannot_write_into_the_page() {
    let name = "<img src=x onerror=\"alert(1)\"> & 'Ana'".to_owned();
    let facts = Facts { patient: name.clone(), name: name.clone(), practitioner: name, ..samples::full() };
    let html = built_in().notice(Notice::Confirmation, "de", &facts).unwrap().html.unwrap();
    assert!(!html.contains("<img") && html.contains("&lt;img") && html.contains("&amp;"), "{html}");
}

#[test]
fn a_patients_language_is_found_or_replaced_by_the_clinics() {
    let folder = folder(&[]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    for (wanted, clinic, found) in
        [("de-AT", "en-US", "de"), ("en-GB", "de", "en"), ("fr-CA", "de-CH", "de"), ("fr", "it", "en")]
    {
        assert_eq!(templates.language(wanted, clinic), found, "{wanted} {clinic}");
    }
}

#[test]
fn a_clinics_own_template_stands_in_for_the_built_in_one() {
    let own = "\u{feff}Subject: {{ reference }}\r\n\r\nBis bald, {{ name }}!\r\n";
    let folder = folder(&[("de/confirmation.txt", own), ("README.md", "{{ nonsense"), (".backup/x.txt", "")]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    let letter = templates.notice(Notice::Confirmation, "de", &samples::full()).unwrap();
    assert_eq!((&*letter.subject, &*letter.text), ("K7Q-4MR", "Bis bald, Luis Pérez!\r\n"));
    let letter = templates.notice(Notice::Reminder, "de", &samples::full()).unwrap();
    assert!(letter.subject.starts_with("Erinnerung"), "the others are as they were: {}", letter.subject);
}

#[test]
fn a_language_of_the_clinics_own_is_complete_or_named() {
    let said = complaints(&[("fr/confirmation.txt", "Subject: Bonjour\n\n{{ name }}"), ("fr/confirmation.html", "x")]);
    assert!(said[0].starts_with("fr/rescheduled.txt: is missing"), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("fr/message.txt: is missing")), "{said:#?}");
    let said = complaints(&[("français/confirmation.txt", "")]);
    assert_eq!(said, ["français: is not named after a language: name the folder en, de or pt-br"]);
}

#[test]
fn a_mistake_is_named_with_its_file_its_line_and_what_would_do() {
    let said = complaints(&[("en/reminder.txt", "Subject: Hi\n\nDear {{ pateint }}")]);
    assert!(said[0].starts_with("en/reminder.txt:3: uses a placeholder that there is not"), "{said:#?}");
    assert!(said[0].contains("placeholders are ") && said[0].contains("patient, "), "{said:#?}");
    let said = complaints(&[("en/reminder.html", "<p>\n{% if practitioner %}{{ pateint }}{% endif %}")]);
    assert!(said[0].starts_with("en/reminder.html:2: uses a placeholder"), "{said:#?}");
    let said = complaints(&[("en/message.txt", "Subject: x\n\n{{ patient }}")]);
    assert!(said[0].contains("topic") && !said[0].contains("practitioner"), "{said:#?}");
    let said = complaints(&[("de/reminder.txt", "Subject: x\n{% if name %}\nx")]);
    assert!(said[0].starts_with("de/reminder.txt:3: is no template here (unexpected end of input"), "{said:#?}");
    let said = complaints(&[("en/reminder.txt", "Hello\n")]);
    assert_eq!(said, ["en/reminder.txt:1: has no subject: begin the file with a line \"Subject: …\""]);
    let said = complaints(&[(
        "en/reminder.txt",
        "Subject: x\n{% for a in range(9999) %}{% for b in range(99) %}.{% endfor %}{% endfor %}",
    )]);
    assert!(said[0].contains("does not end"), "{said:#?}");
    let missing = Templates::load(Some(Path::new("/nowhere/templates"))).unwrap_err();
    assert!(missing[0].to_string().starts_with("/nowhere/templates: cannot be read"), "{missing:?}");
}

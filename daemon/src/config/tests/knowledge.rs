//! The folder of the clinic's own texts: where it is looked for, and what a check says of it.

use super::*;
use crate::config::complaint::Complaints;
use crate::knowledge::Folder;

/// A clinic with a configuration that names no folder, or that one.
fn clinic(folder: Option<&str>) -> Desk {
    let line = folder.map_or_else(String::new, |folder| format!("knowledge = \"{folder}\"\n"));
    let desk = Desk::with(&MINIMAL.replace("[phone]", &format!("{line}[phone]")));
    desk.write("clinic.toml", SHIPPED_CLINIC);
    desk
}

/// What a check reads and advises, without the directory; for no user in particular.
fn check(desk: &Desk) -> (Vec<String>, Vec<String>) {
    let config = desk.load().unwrap().config;
    let mut out = Complaints::default();
    crate::config::knowledge::inspect(&config.clinic, &[], &mut out);
    let short = |text: String| text.replace(&format!("{}/", desk.directory.path().display()), "");
    let files = out.files.iter().map(|file| short(file.display().to_string())).collect();
    (files, out.advice.iter().map(|advice| short(advice.to_string())).collect())
}

#[test]
fn the_texts_are_looked_for_beside_the_configuration_where_they_may_be_put_later() {
    let desk = clinic(None);
    let beside = Folder { path: desk.directory.path().join("knowledge"), is_named: false };
    assert_eq!(desk.load().unwrap().config.clinic.knowledge, Some(beside));
    let nothing: (Vec<String>, Vec<String>) = Default::default();
    assert_eq!(check(&desk), nothing, "a clinic may have no texts");
    desk.write("knowledge/parking.md", "Behind the house.");
    let (files, advice) = check(&desk);
    assert_eq!(files, ["knowledge/parking.md"]);
    assert_eq!(advice, [""; 0]);

    let elsewhere = clinic(Some("our/texts"));
    elsewhere.write("our/texts/pets.md", "Pets stay outside.");
    let named = Folder { path: elsewhere.directory.path().join("our/texts"), is_named: true };
    assert_eq!(elsewhere.load().unwrap().config.clinic.knowledge, Some(named));
}

#[test]
fn a_folder_that_is_named_must_be_one() {
    let desk = clinic(Some("texts"));
    let missing = desk.complaints();
    assert!(missing[0].starts_with("config.toml:4: [clinic] knowledge = \"texts\": "), "{missing:#?}");
    assert!(missing[0].ends_with("(No such file or directory (os error 2)): name a folder with texts"), "{missing:#?}");
    desk.write("texts", "a file");
    let file = desk.complaints();
    assert!(file[0].ends_with("texts is a file: name the folder that it is in"), "{file:#?}");
    assert_eq!((missing.len(), file.len()), (1, 1));
}

#[test]
fn texts_that_nobody_will_be_told_are_advice_and_keep_no_daemon_from_starting() {
    let desk = clinic(None);
    desk.write("knowledge/notes.txt", "Not Markdown.");
    assert_eq!(
        check(&desk).1,
        ["knowledge: [clinic] knowledge has no texts: write some: files in Markdown whose names end in .md"]
    );
    desk.write("knowledge/fees.md", b"# Geb\xFChren\n");
    desk.write("knowledge/later.md", "---\ntitle: Later\n---\n");
    desk.write("knowledge/parking.md", "Behind the house.");
    let (files, advice) = check(&desk);
    assert_eq!(
        advice,
        [
            "knowledge/fees.md: is not UTF-8 in line 1: save the file as UTF-8",
            "knowledge/later.md: has nothing that could be told: write sentences under its headings, or remove it",
        ]
    );
    assert_eq!(files, ["knowledge/parking.md"]);
    assert!(desk.load().is_ok());
}

#[test]
fn texts_without_a_clinic_are_said_to_be_of_no_use() {
    let desk = minimal_with("");
    desk.write("knowledge/parking.md", "Behind the house.");
    assert_eq!(
        check(&desk).1,
        ["knowledge: [clinic] knowledge is not used: write a clinic.toml: without it nothing is looked up"]
    );
}

//! Folders of texts as clinics have them, and what callers find in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/knowledge");

/// A folder that somebody has named.
fn open(path: &Path) -> (Knowledge, Keeper) {
    super::open(Folder { path: path.to_owned(), is_named: true })
}

fn folder(texts: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Where the passages stand that answer a question, the best first.
fn sources(index: &Index, question: &str) -> Vec<String> {
    let Some(question) = Question::of([question]) else { return Vec::new() };
    index.find(&question).unwrap().iter().map(Passage::source).collect()
}

fn index_of(folder: &Path) -> Index {
    Index::build(read(folder).unwrap().passages).unwrap()
}

async fn ask(knowledge: &Knowledge, question: &str) -> Vec<String> {
    knowledge.find(Question::of([question]).unwrap()).await.iter().map(Passage::source).collect()
}

#[test]
fn callers_find_what_the_shipped_texts_say() {
    let index = index_of(Path::new(SHIPPED));
    for (question, best) in [
        ("Where can I park?", "parking.md, Parking and getting here, Parking"),
        ("Can I charge my electric car there?", "parking.md, Parking and getting here, Electric cars"),
        ("Which insurances do you accept?", "insurance.md, Insurance and paying, Insurance"),
        ("Can I pay by card?", "insurance.md, Insurance and paying, Ways to pay"),
        ("What do I need to bring along?", "first-visit.md, Your first visit, What to bring"),
        ("My mother uses a wheelchair.", "accessibility.md, Access, Wheelchairs and prams"),
        ("May I bring my dog?", "house.md, In the house, Pets"),
        ("I need a sick note.", "prescriptions.md, Prescriptions, results and records, Sick notes"),
        ("Do you have wifi, wireless internet?", "house.md, In the house, Wireless internet"),
        ("Is there somewhere to change a baby?", "children.md, Children, Waiting with children"),
    ] {
        assert_eq!(sources(&index, question).first().map(String::as_str), Some(best), "{question}");
    }
    assert_eq!(sources(&index, "Do you sell bananas?"), [""; 0]);
}

#[test]
fn german_callers_find_words_within_words() {
    let folder = folder(&[
        (
            "anfahrt.md",
            "# Anfahrt\n## Parkplätze\nHinter dem Haus, Zufahrt über die Mühlgasse.\n## Straßenbahn\nLinie 4 bis Brücke.",
        ),
        ("aufnahme.md", "# Aufnahme\n## Mitbringen\nBringen Sie bitte Ihre Versichertenkarte und den Impfpass mit."),
        (
            "haus.md",
            "# Haus\n## Tiere\nHunde warten draußen, außer Blindenführhunde.\n## Aufzug\nDer Fahrstuhl ist links.",
        ),
    ]);
    let index = index_of(folder.path());
    for (question, best) in [
        ("Wo kann ich parken?", "anfahrt.md, Anfahrt, Parkplätze"),
        ("Gibt es einen Parkplatz für mein Auto?", "anfahrt.md, Anfahrt, Parkplätze"),
        ("Fährt eine Strassenbahn zu Ihnen?", "anfahrt.md, Anfahrt, Straßenbahn"),
        ("Brauche ich meine Karte?", "aufnahme.md, Aufnahme, Mitbringen"),
        ("Soll ich die Krankenversichertenkarte mitbringen?", "aufnahme.md, Aufnahme, Mitbringen"),
        ("Darf mein Blindenhund mit hinein?", "haus.md, Haus, Tiere"),
    ] {
        assert_eq!(sources(&index, question).first().map(String::as_str), Some(best), "{question}");
    }
}

#[test]
fn what_cannot_be_used_is_left_out_and_said_with_its_remedy() {
    let folder = folder(&[
        ("parking.md", "Behind the house."),
        ("deeper/Pets.MARKDOWN", "Pets stay outside."),
        ("empty.md", "# Later\n"),
        ("notes.txt", "Not for callers."),
        (".draft.md", "Not yet."),
        (".git/x.md", "Not this."),
        ("1/2/3/4/5/far.md", "Too deep."),
    ]);
    fs::write(folder.path().join("latin1.md"), b"Parkpl\xE4tze\n").unwrap();
    fs::write(folder.path().join("huge.md"), "a".repeat(1024 * 1024 + 1)).unwrap();
    symlink("nowhere.md", folder.path().join("gone.md")).unwrap();
    symlink("..", folder.path().join("deeper/loop")).unwrap();
    fs::create_dir(folder.path().join("folder.md")).unwrap();
    let read = read(folder.path()).unwrap();
    let told: Vec<&str> = read.passages.iter().map(|passage| passage.document.as_str()).collect();
    assert_eq!(told, ["deeper/Pets.MARKDOWN", "parking.md"]);
    assert_eq!(read.files.len(), 2);
    let here = format!("{}/", folder.path().display());
    let said: Vec<String> = read.left_out.iter().map(|left| left.to_string().replace(&here, "")).collect();
    assert_eq!(
        said,
        [
            "empty.md has nothing that could be told: write sentences under its headings, or remove it",
            "gone.md cannot be read (No such file or directory (os error 2)): let the user that the daemon runs as read it, \
             or remove it",
            "huge.md has more than 1 MiB: make several texts of it, or remove it",
            "latin1.md is not UTF-8 in line 1: save the file as UTF-8",
        ]
    );
}

#[test]
fn there_is_an_end_to_how_much_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..6 {
        fs::write(folder.path().join(format!("{n}.md")), "word ".repeat(200_000)).unwrap();
    }
    let read = read(folder.path()).unwrap();
    assert_eq!((read.files.len(), read.left_out.len()), (4, 2));
    assert!(read.left_out[0].found.contains("more than 4 MiB"), "{}", read.left_out[0]);
}

#[tokio::test]
async fn a_text_that_has_changed_is_told_as_it_is_now() {
    let folder = folder(&[("parking.md", "# Parking\nBehind the house."), ("pets.md", "# Pets\nPets stay outside.")]);
    let (knowledge, mut keeper) = open(folder.path());
    keeper.look();
    assert_eq!(ask(&knowledge, "parking").await, ["parking.md, Parking"]);
    assert_eq!(ask(&knowledge, "bicycle").await, [""; 0]);

    // As long as before, and with its time put back: a change all the same.
    let path = folder.path().join("parking.md");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "# Bicycle\nBehind the house.").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    fs::write(folder.path().join("new.md"), "# Café\nAcross the street.").unwrap();
    fs::remove_file(folder.path().join("pets.md")).unwrap();
    assert_eq!(ask(&knowledge, "bicycle").await, [""; 0], "nobody has looked yet");
    keeper.look();
    assert_eq!(ask(&knowledge, "bicycle").await, ["parking.md, Bicycle"]);
    assert_eq!(ask(&knowledge, "cafe").await, ["new.md, Café"]);
    for gone in ["parking lot", "pets"] {
        let found = ask(&knowledge, gone).await;
        assert!(!found.iter().any(|source| source.contains("Pets") || source.contains("Parking")), "{found:?}");
    }
}

#[tokio::test]
async fn what_was_read_stays_while_the_folder_cannot_be_read() {
    let folder = folder(&[("texts/parking.md", "# Parking\nBehind the house.")]);
    let (texts, aside) = (folder.path().join("texts"), folder.path().join("aside"));
    let (knowledge, mut keeper) = open(&texts);
    keeper.look();
    fs::rename(&texts, &aside).unwrap();
    keeper.look();
    assert_eq!(ask(&knowledge, "parking").await, ["parking.md, Parking"]);
    fs::rename(&aside, &texts).unwrap();
    fs::write(texts.join("parking.md"), "# Tram\nLine 4.").unwrap();
    keeper.look();
    assert_eq!(ask(&knowledge, "tram").await, ["parking.md, Tram"]);
}

#[tokio::test]
async fn a_folder_that_nobody_named_is_found_when_it_is_made_and_until_then_nothing_is_wrong() {
    let folder = folder(&[]);
    let path = folder.path().join("knowledge");
    let (knowledge, mut keeper) = super::open(Folder { path: path.clone(), is_named: false });
    keeper.look();
    assert_eq!(ask(&knowledge, "parking").await, [""; 0], "nobody waits for it");
    assert_eq!(keeper.told, None);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("parking.md"), "# Parking\nBehind the house.").unwrap();
    keeper.look();
    assert_eq!(ask(&knowledge, "parking").await, ["parking.md, Parking"]);
    fs::remove_dir_all(&path).unwrap();
    keeper.look();
    assert!(keeper.told.is_some(), "what callers were told of is gone");
    let (_, mut named) = open(&path);
    named.look();
    assert!(named.told.is_some(), "somebody has said that it is there");
}

#[tokio::test]
async fn an_unchanged_folder_makes_no_new_index() {
    let folder = folder(&[("parking.md", "Behind the house.")]);
    let (knowledge, mut keeper) = open(folder.path());
    keeper.look();
    let mut index = knowledge.index.clone();
    index.mark_unchanged();
    keeper.look();
    assert!(!index.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_folder_is_looked_at_every_minute_until_the_end() {
    let folder = folder(&[]);
    let (knowledge, keeper) = open(folder.path());
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(keeper.run(stop.clone()));
    assert_eq!(ask(&knowledge, "parking").await, [""; 0], "there is nothing yet, and nobody waits for it");
    fs::write(folder.path().join("parking.md"), "# Parking\nBehind the house.").unwrap();
    let mut index = knowledge.index.clone();
    index.mark_unchanged();
    index.changed().await.unwrap();
    assert_eq!(ask(&knowledge, "parking").await, ["parking.md, Parking"]);
    stop.cancel();
    keeping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_texts_that_are_never_read() {
    let folder = folder(&[("parking.md", "Behind the house.")]);
    let (knowledge, keeper) = open(folder.path());
    assert_eq!(ask(&knowledge, "parking").await, [""; 0]);
    drop(keeper);
    assert_eq!(ask(&knowledge, "parking").await, [""; 0]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_tells_nothing() {
    let (knowledge, mut keeper) = open(Path::new("/nowhere/at/all"));
    keeper.look();
    assert_eq!(ask(&knowledge, "parking").await, [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_question_breaks_the_query(
        question in prop_oneof![any::<String>(), "[a-zäß\"'*^:()+{}\\-. ]{0,200}", "(AND|OR|NOT|NEAR|park|\"|\\(|\\)|\\*| ){0,60}"],
        text in prop_oneof![any::<String>(), "[a-zäöüß0-9 .#|*-]{0,300}"],
    ) {
        let texts = [text.as_str(), question.as_str(), "# Parking\nBehind the house."];
        let all = texts.iter().flat_map(|text| frontdesk_core::knowledge::passages("a.md", text)).collect();
        let index = Index::build(all).unwrap();
        if let Some(question) = Question::of([question.as_str()]) {
            let found = index.find(&question);
            prop_assert!(found.is_ok(), "{:?}", found.err());
        }
    }
}

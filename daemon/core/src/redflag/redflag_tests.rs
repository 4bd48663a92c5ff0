use super::*;
use proptest::prelude::*;

fn watch() -> Watch {
    Watch::new(lists(&["en-US".to_owned(), "de-DE".to_owned()]).into())
}

fn alarms(said: &str) -> bool {
    watch().hear(said)
}

const DANGER: [&str; 40] = [
    "I have chest pain.",
    "There's this terrible pain in my chest and down my arm",
    "my chest feels really tight",
    "I think my husband is having a heart attack!",
    "She can't breathe",
    "I can\u{2019}t really breathe properly",
    "He isn't breathing",
    "I can barely breathe",
    "She's hardly breathing",
    "My father can hardly get a breath",
    "I'm not able to breathe properly",
    "no I have chest pain",
    "No, my chest hurts.",
    "I don't know what to do, my chest hurts",
    "I think she's having a stroke",
    "his face is drooping on one side",
    "it's bleeding and it won't stop",
    "He's unconscious",
    "she passed out",
    "my son took too many of my pills",
    "my tongue is swelling up",
    "I want to kill myself",
    "I don't want to live any more",
    "I'm pregnant and I'm bleeding",
    "I need an appointment, well, I've got chest pains actually",
    "Ich habe Brustschmerzen.",
    "ich hab so ein Stechen in der Brust",
    "Ich bekomme keine Luft",
    "Er atmet nicht mehr",
    "Meine Frau ist bewusstlos",
    "Ich kann nicht mehr richtig atmen",
    "Mein Vater hat einen Schlaganfall, glaube ich",
    "Der Mundwinkel hängt",
    "Es blutet sehr stark",
    "Sie hat zu viele Tabletten genommen",
    "Ich will nicht mehr leben",
    "Ich bringe, ich will mich umbringen",
    "Ich habe kein Fieber, aber starke Schmerzen in der Brust",
    "Rufen Sie einen Krankenwagen",
    "Mein Kind hat eine Knopfzelle verschluckt",
];

const NO_DANGER: [&str; 24] = [
    "",
    "I'd like an appointment for a check-up.",
    "No chest pain.",
    "no fever or chest pain",
    "I don't have any chest pain.",
    "I do not have pain in my chest",
    "It's not a heart attack",
    "he never passed out",
    "I've lost my blood test results",
    "I got a flu shot here",
    "Can you fit me in, she has to be at work at nine",
    "My back hurts",
    "is there a blood test on Tuesday",
    "I'd like to ask about stroke prevention",
    "The chest. Pain is another matter",
    "Ich hätte gern einen Termin.",
    "Ich habe keine Brustschmerzen.",
    "Nein, keine Schmerzen in der Brust",
    "Brustschmerzen habe ich keine",
    "Sie ist nicht bewusstlos",
    "kein Fieber und keine Atemnot",
    "Ich brauche eine Blutabnahme",
    "Meine Tabletten sind alle, ich brauche ein Rezept",
    "Ich habe Kopfschmerzen",
];

#[test]
fn danger_is_heard() {
    for said in DANGER {
        assert!(alarms(said), "{said:?}");
    }
}

#[test]
fn what_is_denied_or_harmless_is_let_pass() {
    for said in NO_DANGER {
        assert!(!alarms(said), "{said:?}");
    }
}

#[test]
fn it_makes_no_difference_in_which_pieces_the_words_arrive() {
    for (said, danger) in DANGER.map(|said| (said, true)).into_iter().chain(NO_DANGER.map(|said| (said, false))) {
        // What denies from behind comes too late for words that have been heard: a false alarm.
        if said.starts_with("Brustschmerzen habe ich keine") {
            continue;
        }
        let mut watch = watch();
        let alarms = said.chars().filter(|c| watch.hear(&c.to_string())).count();
        assert_eq!(alarms, usize::from(danger), "{said:?}");
        let mut watch = self::watch();
        let alarms = said.split_inclusive(' ').filter(|word| watch.hear(word)).count();
        assert_eq!(alarms, usize::from(danger), "{said:?}");
    }
}

#[test]
fn it_tells_once() {
    let mut watch = watch();
    assert!(watch.hear("I have chest pain."));
    assert!(!watch.hear(" I have chest pain."));
    assert!(!watch.hear(" And I can't breathe."));
}

#[test]
fn two_turns_do_not_make_one_phrase() {
    let mut watch = watch();
    assert!(!watch.hear(" The chest"));
    watch.pause();
    assert!(!watch.hear(" pain clinic, please"));
}

#[test]
fn a_denial_long_ago_does_not_reach_a_complaint() {
    let mut watch = watch();
    assert!(!watch.hear("No chest pain, no fever."));
    for _ in 0..100 {
        assert!(!watch.hear(" So I was thinking about next week or the week after."));
    }
    assert!(watch.hear(" And chest pain."));
}

#[test]
fn a_list_that_cannot_be_read_is_told_by_its_line() {
    for (list, line) in [
        ("chest pain", 1),
        ("[phrases]\n\n(chest pain", 3),
        ("[phrases]\n... pain", 2),
        ("[phrases]\nchest ...", 2),
        ("[phrases]\nchest ... ... pain", 2),
        ("[phrases]\n(chest|) pain", 2),
        ("[phrases]\nche* pain", 2),
        ("[phrases]\n!!", 2),
        ("[breaks]\ntwo words", 2),
    ] {
        assert_eq!(Phrases::parse(list).map_err(|error| error.line), Err(line), "{list:?}");
    }
    assert!(Phrases::parse("# nothing\n\n") == Ok(Phrases::default()));
    assert_eq!(lists(&["fr-FR".to_owned()]).len(), 1, "English is always listened for");
}

/// A dentist's, in a clinic that greets in German.
fn of_a_dentist() -> Watch {
    let own = |tag: &str, lines: &[&str]| {
        let mut phrases = Phrases::default();
        for line in lines {
            phrases.add_danger(line).unwrap();
        }
        (tag.to_owned(), phrases)
    };
    let own = [
        own("en", &["tooth ... (knocked out|fell out)"]),
        own("de-AT", &["zahn ... (ausgeschlagen|rausgefallen)", "kiefer gebrochen"]),
        own("tr", &["dişim kırıldı"]),
    ];
    Watch::new(lists_with(&["de-DE".to_owned()], &own).into())
}

#[test]
fn the_clinics_own_words_are_heard_beside_ours() {
    for said in [
        "My son has a tooth that was knocked out",
        "Mir wurde ein Zahn ausgeschlagen!",
        "Ich glaube, der Kiefer gebrochen",
        "Dişim kırıldı, ne yapayım?",
        "Ich bekomme keine Luft",
        "I have chest pain",
    ] {
        assert!(of_a_dentist().hear(said), "{said:?}");
    }
}

#[test]
fn what_denies_ours_denies_the_clinics_own_too() {
    for said in [
        "No, no tooth was knocked out",
        "Ich habe keinen Zahn ausgeschlagen",
        "Nein, nicht den Kiefer gebrochen",
        "A tooth filling, please. It fell out of the calendar",
    ] {
        assert!(!of_a_dentist().hear(said), "{said:?}");
    }
    assert!(of_a_dentist().hear("Kein Fieber, aber ein Zahn ist ausgeschlagen"), "what denies ends with its clause");
    let mut watch = of_a_dentist();
    assert!(!watch.hear("Der Zahn ist"));
    watch.pause();
    assert!(!watch.hear(" ausgeschlagen"), "what two people say makes no phrase");
}

#[test]
fn a_phrase_of_the_clinics_own_that_cannot_be_read_is_refused() {
    for wrong in ["", "  ", "...", "(tooth", "(tooth|) out", "to*", "!!"] {
        assert!(Phrases::default().add_danger(wrong).is_err(), "{wrong:?}");
    }
    assert!(Phrases::default().is_empty() && !Phrases::built_in("de").unwrap().is_empty());
}

proptest! {
    #[test]
    fn no_words_and_no_list_panic(pieces in proptest::collection::vec(".{0,60}", 0..8), list in ".{0,80}") {
        let mut watch = watch();
        for piece in &pieces {
            watch.hear(piece);
            watch.pause();
        }
        let _ = Phrases::parse(&format!("[phrases]\n{list}"));
        let mut own = Phrases::default();
        if own.add_danger(&list).is_ok() {
            let watch = || Watch::new(lists_with(&[], &[("de".to_owned(), own.clone())]).into());
            prop_assert!(!watch().hear(""), "silence is no danger");
        }
    }
}

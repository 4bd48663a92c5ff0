//! Texts as clinics write them, and what would be read aloud.

use super::*;
use proptest::prelude::*;

/// Headings and text of each passage.
fn read(text: &str) -> Vec<(String, String)> {
    passages("a.md", text).into_iter().map(|passage| (passage.headings.join(" > "), passage.text)).collect()
}

fn only(text: &str) -> String {
    let passages = read(text);
    assert_eq!(passages.len(), 1, "{passages:?}");
    passages.into_iter().next().unwrap().1
}

#[test]
fn what_is_under_a_heading_is_one_passage_and_knows_the_headings_above_it() {
    let text = "Welcome.\n# Parking\nBehind the house.\n\nIt is *free*.\n## By bicycle\nStands at the door.\n### At night\n## By tram\nLine 4.\n# Pets\nNo.";
    assert_eq!(
        read(text),
        [
            ("", "Welcome."),
            ("Parking", "Behind the house. It is free."),
            ("Parking > By bicycle", "Stands at the door."),
            ("Parking > By tram", "Line 4."),
            ("Pets", "No."),
        ]
        .map(|(headings, text)| (headings.to_owned(), text.to_owned()))
    );
}

#[test]
fn lists_and_tables_are_read_as_sentences() {
    let list =
        "Please bring:\n\n- your **card**\n- a list of\n  your medicines\n    - with doses\n- [x] glasses!\n1. first\n";
    assert_eq!(only(list), "Please bring: your card. a list of your medicines. with doses. glasses! first.");
    let table =
        "| Insurer | Accepted: | |\n|---|:-:|---|\n| Riverside Mutual | yes | since 2020 |\n| Others | ask us | |\n";
    assert_eq!(only(table), "Insurer: Riverside Mutual; Accepted: yes; since 2020. Insurer: Others; Accepted: ask us.");
    assert_eq!(only("Deposit\n: Twenty euros\n: In cash"), "Deposit. Twenty euros. In cash.");
}

#[test]
fn what_nobody_would_say_is_left_out() {
    let text = "---\ntitle: Internal\nauthor: Ana\n---\n# Fees <!-- check -->\n\
                See [our list](https://example.com/fees?id=7)[^1], ~~20~~ 25 euros.\n\n<div>draft</div>\n\n<!-- not yet -->\n\n\
                ![the entrance](door.png)\n\n***\n\n[^1]: From January.\n";
    assert_eq!(read(text)[0].0, "Fees");
    assert_eq!(only(text), "See our list, 25 euros. the entrance. From January.");
    for nothing in
        ["", "\n\n", "# Only a heading", "---\ntitle: x\n---\n", "<!-- nothing -->", "\u{FEFF}", "~~gone~~", "***"]
    {
        assert_eq!(read(nothing), [], "{nothing:?}");
    }
    let marked = "\u{FEFF}+++\ntitle = \"x\"\n+++\nOpen.\u{202E}\u{200B}\u{7}";
    assert_eq!(only(marked), "Open.");
}

#[test]
fn a_long_section_is_cut_behind_sentences_and_a_long_word_anywhere() {
    let sentence = "This sentence is said again and again. ";
    let passages = read(&format!("# Long\n{}", sentence.repeat(100)));
    assert!(passages.len() > 4);
    for (heading, text) in &passages {
        assert_eq!(heading, "Long");
        assert!(text.chars().count() <= LONGEST_PASSAGE && text.ends_with("again."), "{text}");
    }
    let endless = read(&"ä".repeat(2 * LONGEST_PASSAGE + 1));
    assert_eq!(endless.iter().map(|(_, text)| text.chars().count()).sum::<usize>(), 2 * LONGEST_PASSAGE + 2);
    let words = read(&"word ".repeat(300));
    assert!(
        words.iter().all(|(_, text)| text.trim_end_matches('.').split(' ').all(|word| word == "word")),
        "{words:?}"
    );
}

/// Pieces of Markdown, put together in no sensible order.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "# ",
            "## ",
            "- ",
            "1. ",
            "> ",
            "| a | b |\n",
            "|---|---|\n",
            "```\n",
            "---\n",
            "+++\n",
            "~~",
            "**",
            "`",
            "[",
            "](x)",
            "![",
            "<!--",
            "-->",
            "<b>",
            "\n",
            "\n\n",
            "    ",
            ": ",
            "[^1]",
            "[^1]: ",
            "\u{FEFF}",
            "\u{202E}",
            "\r",
            "\t",
            "\\",
            "&amp;",
            "$",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

proptest! {
    #[test]
    fn any_text_becomes_passages_of_one_line_that_are_not_too_long(text in scraps()) {
        for passage in passages("a.md", &text) {
            let long = passage.text.chars().count();
            prop_assert!((1..=LONGEST_PASSAGE).contains(&long), "{long}");
            prop_assert_eq!(line(&passage.text), passage.text.clone());
            prop_assert!(passage.headings.len() <= 6);
            for heading in &passage.headings {
                prop_assert!((1..=LONGEST_HEADING).contains(&heading.chars().count()));
            }
        }
    }
}

//! Words in the form in which they are compared: small letters without marks, and the root of a word without its ending.
//!
//! Nothing here knows a language well, and nothing needs to: texts and questions are treated alike, and the index ranks.

use std::sync::LazyLock;

use icu_normalizer::{DecomposingNormalizer, DecomposingNormalizerBorrowed};

/// Letters of a word that are compared; a longer one is no word.
const LONGEST: usize = 40;

/// Letters with marks come apart: what is left of `ä` without its mark is `a`.
static APART: LazyLock<DecomposingNormalizerBorrowed<'static>> = LazyLock::new(DecomposingNormalizer::new_nfd);

/// A text as the index takes it: its words in their common form, with single spaces between them.
pub fn searchable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in words(text) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    line
}

/// The words of a text: letters and digits, small, without marks and spelled out (`Straße` is `strasse`). What is longer
/// than 40 letters is left out.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    let apart = APART.normalize(text).into_owned();
    let mut words = Vec::new();
    let mut word = String::new();
    for c in apart.chars().chain([' ']) {
        if c.is_alphanumeric() {
            push_plain(c, &mut word);
        } else if !is_mark(c) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.into_iter().filter(|word| word.chars().count() <= LONGEST)
}

fn push_plain(letter: char, word: &mut String) {
    for c in letter.to_lowercase() {
        match c {
            'ß' => word.push_str("ss"),
            'æ' => word.push_str("ae"),
            'œ' => word.push_str("oe"),
            'ø' => word.push('o'),
            'đ' | 'ð' => word.push('d'),
            'ł' => word.push('l'),
            'ı' => word.push('i'),
            // Writing a letter small may give it a mark again (`İ`).
            c if c.is_alphanumeric() => word.push(c),
            _ => {}
        }
    }
}

/// What is written over, under or within a word and is no part of it: accents, soft hyphens, joiners.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{00AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Words that are in every question and say nothing about what is asked.
pub(super) fn says_nothing(word: &str) -> bool {
    word.chars().count() < 2 && word.bytes().all(|b| b.is_ascii_alphabetic()) || STOP.binary_search(&word).is_ok()
}

/// Endings of words, English and German, the longest first, each with the letters that must be left.
const ENDINGS: [(&str, usize); 17] = [
    ("ungen", 4),
    ("ments", 3),
    ("ment", 3),
    ("ungs", 4),
    ("ings", 3),
    ("ung", 4),
    ("ing", 3),
    ("ies", 3),
    ("ern", 4),
    ("ers", 4),
    ("ed", 3),
    ("en", 4),
    ("er", 4),
    ("es", 3),
    ("e", 4),
    ("n", 5),
    ("y", 3),
];

/// A word without its ending: `parking`, `parked` and `parks` are `park`, `Versicherungen` is `versicher`.
pub(super) fn root(word: &str) -> &str {
    let long_enough = |rest: &str, least: usize| rest.chars().count() >= least;
    for (ending, least) in ENDINGS {
        if let Some(rest) = word.strip_suffix(ending)
            && long_enough(rest, least)
        {
            return rest;
        }
    }
    match word.strip_suffix('s') {
        // `bus`, `glass`
        Some(rest) if !rest.ends_with('s') && long_enough(rest, 3) => rest,
        _ => word,
    }
}

/// English and German, in alphabetical order and in their common form.
#[rustfmt::skip]
const STOP: [&str; 286] = [
    "aber", "about", "alle", "allem", "allen", "aller", "alles", "along", "als", "also", "am", "an", "and", "any",
    "are", "as", "ask", "asking", "at", "auch", "auf", "aus", "be", "been", "bei", "beim", "bin", "bis", "bitte",
    "but", "by", "can", "could", "da", "danke", "dann", "das", "dass", "dem", "den", "denn", "der", "deren", "des",
    "deshalb", "did", "die", "dies", "diese", "diesem", "diesen", "dieser", "dieses", "do", "doch", "does", "doing",
    "don", "dort", "du", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "es", "etwas", "euch",
    "euer", "eure", "eurem", "euren", "eurer", "for", "frage", "fragen", "from", "fur", "gab", "geben", "gern",
    "gerne", "get", "gibt", "give", "guten", "hab", "habe", "haben", "had", "hallo", "has", "hat", "hatte", "hatten",
    "have", "he", "hello", "her", "here", "hi", "hier", "his", "how", "ich", "if", "ihm", "ihn", "ihnen", "ihr",
    "ihre", "ihrem", "ihren", "ihrer", "ihres", "im", "in", "ins", "into", "is", "isn", "ist", "it", "its", "ja",
    "just", "kann", "kannst", "know", "konnen", "konnte", "konnten", "let", "like", "ll", "mal", "man", "may", "me",
    "mein", "meine", "meinem", "meinen", "meiner", "mich", "might", "mine", "mir", "mit", "mochte", "mochten", "more",
    "much", "muss", "mussen", "musste", "must", "my", "nach", "need", "nein", "nicht", "no", "noch", "not", "nun",
    "nur", "ob", "oder", "of", "off", "ohne", "okay", "on", "one", "or", "our", "ours", "out", "please", "question",
    "re", "sagen", "say", "schon", "sehr", "sein", "seine", "shall", "she", "should", "sich", "sie", "sind", "so",
    "soll", "sollen", "sollte", "some", "sonst", "tell", "than", "thank", "thanks", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "to", "too", "uber", "um", "und", "uns", "unser", "unsere",
    "unserem", "unseren", "unserer", "up", "us", "ve", "very", "vom", "von", "vor", "wann", "want", "war", "waren",
    "warum", "was", "we", "wegen", "weil", "welche", "welchem", "welchen", "welcher", "welches", "well", "wenn",
    "wer", "werde", "werden", "were", "what", "when", "where", "whether", "which", "who", "whom", "whose", "why",
    "wie", "will", "wir", "wird", "wirst", "wissen", "with", "wo", "wohin", "wollen", "wollte", "wondering", "would",
    "wurde", "wurden", "yes", "you", "your", "yours", "zu", "zum", "zur",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_questions_meet_in_one_form() {
        for (written, compared) in [
            ("Where can I park?", "where can i park"),
            ("Parkplätze: Straße 12-14", "parkplatze strasse 12 14"),
            ("Parkpla\u{0308}tze", "parkplatze"),
            ("Kranken\u{00AD}kasse", "krankenkasse"),
            ("the doctor's ŁÓDŹ, Ærø, İstanbul", "the doctor s lodz aero istanbul"),
            ("Sprechstunde \u{202E}(Mo)", "sprechstunde mo"),
            ("Καλημέρα 停车场", "καλημερα 停车场"),
            ("\"NEAR(a b)\" AND * ^ - : {x}", "near a b and x"),
            (" \u{0301} \0 ", ""),
        ] {
            assert_eq!(searchable(written), compared, "{written:?}");
        }
        assert_eq!(searchable(&"a".repeat(41)), "");
    }

    #[test]
    fn endings_go_and_roots_stay() {
        for (word, kept) in [
            ("parking", "park"),
            ("parks", "park"),
            ("versicherungen", "versicher"),
            ("versicherung", "versicher"),
            ("allergies", "allerg"),
            ("allergy", "allerg"),
            ("payment", "pay"),
            ("bus", "bus"),
            ("glass", "glass"),
            ("ring", "ring"),
            ("karten", "kart"),
            ("karte", "kart"),
            ("", ""),
        ] {
            assert_eq!(root(word), kept, "{word}");
        }
    }

    #[test]
    fn words_that_are_in_every_question_are_known() {
        assert!(STOP.is_sorted() && STOP.iter().all(|word| searchable(word) == *word));
        for word in ["where", "können", "für", "a", "the"] {
            assert!(says_nothing(&searchable(word)), "{word}");
        }
        for word in ["park", "5", "hund", "停"] {
            assert!(!says_nothing(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_becomes_words_and_stays_as_it_is(text in any::<String>()) {
            let once = searchable(&text);
            prop_assert!(once.chars().all(|c| c == ' ' || c.is_alphanumeric()), "{once:?}");
            prop_assert_eq!(searchable(&once), once.clone(), "twice changes nothing");
            for word in words(&text) {
                prop_assert!(word.starts_with(root(&word)) && !word.is_empty());
            }
        }
    }
}

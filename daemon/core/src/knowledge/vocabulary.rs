//! Every word of the clinic's texts, and which of them a caller means by one of theirs.
//!
//! German writes in one word what English writes in two: whoever asks about a *Karte* means the *Versichertenkarte* too, and
//! the text about the *Parkplatz* answers what *Parkplatzgebühr* asks. An index of whole words misses both; one of all
//! groups of three letters finds `car` in `scarlet`. Here a word of the caller's is widened to the words that are in the
//! texts, and the index is asked for exactly those.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use memchr::memmem;

use super::words::{self, root};

/// Words of the texts that stand for one of the caller's, at most.
const MOST_FORMS: usize = 6;
/// Letters from which a root is looked for at the beginning and at the end of other words, and anywhere in them: what is
/// shorter is in too many.
const AT_THE_EDGE: usize = 4;
const IS_WITHIN: usize = 5;
/// Letters of a word that may have been put together.
const COMPOUND: usize = 9;

/// The words of some passages; none by default.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Each word once and in order, in a line of its own between two line feeds, with a tabulator and in how many passages it
    /// is behind it: found by their letters without a list of them.
    lines: String,
}

/// A word of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form<'a> {
    pub(super) word: &'a str,
    /// Passages that it is in.
    pub(super) passages: usize,
}

impl Vocabulary {
    /// The words of passages, each of which was made [`searchable`](super::searchable).
    pub fn of<'a>(passages: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for passage in passages {
            let words: BTreeSet<&str> = passage.split(' ').filter(|word| !word.is_empty()).collect();
            for word in words {
                *known.entry(word).or_default() += 1;
            }
        }
        let mut lines = String::from("\n");
        for (word, passages) in known {
            // Writing to a text cannot fail.
            let _ = writeln!(lines, "{word}\t{passages}");
        }
        Self { lines }
    }

    /// The words of the texts that the caller may mean by `word`, the nearest first; nothing if the texts have nothing
    /// like it.
    pub(super) fn forms<'a>(&'a self, word: &str) -> Vec<Form<'a>> {
        let meant = root(word);
        let long = meant.chars().count();
        let is_form = |known: &str| {
            known == word
                || root(known) == meant
                || long >= AT_THE_EDGE && (known.starts_with(meant) || root(known).ends_with(meant))
                || long >= IS_WITHIN && known.contains(meant)
        };
        // What is looked for within words is looked for everywhere, the rest only where words begin.
        let wanted = if long >= AT_THE_EDGE { meant.to_owned() } else { format!("\n{meant}") };
        let mut forms: Vec<Form<'_>> = self.with(&wanted).filter(|known| is_form(known.word)).collect();
        forms.dedup();
        if forms.is_empty() {
            forms = self.parts(word);
        }
        forms.sort_by_key(|known| (known.word != word, root(known.word) != meant, known.word.len()));
        forms.truncate(MOST_FORMS);
        forms
    }

    /// What a word was put together from, as far as the texts have it: the longest end and the longest beginning.
    fn parts<'a>(&'a self, word: &str) -> Vec<Form<'a>> {
        if word.chars().count() < COMPOUND {
            return Vec::new();
        }
        let long_enough = |part: &&str| part.chars().count() >= AT_THE_EDGE;
        let cuts = || word.char_indices().map(|(at, _)| at).filter(|at| *at > 0);
        let ends = cuts().map(|at| &word[at..]).take_while(long_enough);
        let beginnings = cuts().rev().map(|at| &word[..at]).take_while(long_enough);
        let mut forms: Vec<Form<'_>> = Vec::new();
        forms.extend(ends.map(|part| self.like(part)).find(|like| !like.is_empty()).into_iter().flatten());
        forms.extend(beginnings.map(|part| self.like(part)).find(|like| !like.is_empty()).into_iter().flatten());
        forms
    }

    /// The words of the texts that differ from `part` in their endings only.
    fn like<'a>(&'a self, part: &str) -> Vec<Form<'a>> {
        let meant = root(part);
        self.with(&format!("\n{meant}")).filter(|known| root(known.word) == meant).collect()
    }

    /// The words in whose lines `wanted` is, in order; one in which it is twice comes twice.
    fn with<'a>(&'a self, wanted: &str) -> impl Iterator<Item = Form<'a>> {
        // A few hundred kilobytes for each of the caller's words: the library looks at many bytes at once.
        let found: Vec<usize> = memmem::find_iter(self.lines.as_bytes(), wanted).collect();
        found.into_iter().filter_map(|at| {
            let at = if self.lines[at..].starts_with('\n') { at + 1 } else { at };
            let start = self.lines[..at].rfind('\n')? + 1;
            let (word, passages) = self.lines[start..].split_once('\n')?.0.split_once('\t')?;
            Some(Form { word, passages: passages.parse().ok()? })
        })
    }
}

/// The words of a question that say something, each once.
pub(super) fn telling(text: &str) -> impl Iterator<Item = String> {
    let mut seen = BTreeSet::new();
    words::words(text).filter(move |word| !words::says_nothing(word) && seen.insert(word.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::searchable;
    use proptest::prelude::*;

    fn vocabulary(text: &str) -> Vocabulary {
        Vocabulary::of([searchable(text).as_str()])
    }

    fn forms<'a>(known: &'a Vocabulary, word: &str) -> Vec<&'a str> {
        known.forms(word).into_iter().map(|form| form.word).collect()
    }

    #[test]
    fn a_word_means_its_other_forms_and_the_words_that_it_is_in() {
        let known = vocabulary(
            "Parkplätze Parkhaus parking parked Versichertenkarte Karte Kartenzahlung Hund Hunde Blindenhund car card scar \
             insurance insurer wheelchair wheelchairs",
        );
        for (asked, meant) in [
            ("parken", vec!["parked", "parking", "parkhaus", "parkplatze"]),
            ("karte", vec!["karte", "kartenzahlung", "versichertenkarte"]),
            ("versichertenkarten", vec!["versichertenkarte"]),
            ("hunde", vec!["hunde", "hund", "blindenhund"]),
            ("car", vec!["car"]),
            ("insured", vec!["insurer", "insurance"]),
            ("wheelchair", vec!["wheelchair", "wheelchairs"]),
            ("platze", vec!["parkplatze"]),
            ("dinosaur", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(forms(&known, asked), meant, "{asked}");
        }
    }

    #[test]
    fn it_is_known_in_how_many_passages_a_word_is() {
        let known = Vocabulary::of(["park park 3", "park", "", "tram 3"]);
        let counted = ["park", "tram", "3", "2"].map(|word| known.forms(word).first().map(|form| form.passages));
        assert_eq!(counted, [Some(2), Some(1), Some(2), None], "what is counted is no word");
    }

    #[test]
    fn a_word_that_is_put_together_means_its_parts() {
        let known = vocabulary("Der Parkplatz, die Gebühr, eine Karte");
        assert_eq!(forms(&known, "parkplatzgebuhren"), ["gebuhr", "parkplatz"]);
        assert_eq!(forms(&known, "krankenversicherungskarte"), ["karte"]);
        assert_eq!(forms(&known, "waldorfschule"), [""; 0]);
    }

    proptest! {
        #[test]
        fn every_word_of_a_text_is_found_by_itself_and_no_word_breaks_the_search(text in any::<String>(), other in any::<String>()) {
            let known = vocabulary(&text);
            for word in searchable(&text).split(' ').filter(|word| !word.is_empty()) {
                let forms = known.forms(word);
                prop_assert_eq!(forms.first(), Some(&Form { word, passages: 1 }));
            }
            for word in searchable(&other).split(' ') {
                prop_assert!(known.forms(word).len() <= MOST_FORMS);
            }
        }
    }
}

//! The clinic's own texts: Markdown cut into passages, and which of them answer a caller's question.
//!
//! ```text
//!  parking.md ──► markdown: Passage ──► words ──► the daemon's full-text index
//!                                         │                 ▲ expression
//!  the caller's question ──► Question ────┴─► Vocabulary ───┘
//!                                                           │ numbers and scores
//!                             answer ◄── worth_telling ◄────┘
//! ```
//!
//! - `markdown`: from a text to passages that can be read aloud.
//! - `words`: the words of texts and questions in one form, so that they meet.
//! - `question`: what is searched for. `vocabulary`: every word of the texts, and which of them a caller may mean.
//!
//! Ranking is the index's; what is good enough to be told is decided here.

mod markdown;
mod question;
mod vocabulary;
mod words;

pub use markdown::{LONGEST_PASSAGE, passages};
pub use question::Question;
pub use vocabulary::Vocabulary;
pub use words::searchable;

/// Passages that are told, at most.
pub const MOST_TOLD: u32 = 4;
/// Characters that are told, at most: the model reads all of them before it speaks.
const MOST_CHARACTERS: usize = 1_800;
/// A passage is told if it fits at least that well, the best being one.
const FITS: f64 = 0.4;

/// A piece of a text that can be quoted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The text's name within the clinic's folder: `parking.md`.
    pub document: String,
    /// The headings above it, the first one first.
    pub headings: Vec<String>,
    /// One line without marks, of [`LONGEST_PASSAGE`] characters at most.
    pub text: String,
}

impl Passage {
    /// Where it stands: `parking.md, Parking, Behind the house`.
    pub fn source(&self) -> String {
        let parts: Vec<&str> = std::iter::once(&self.document).chain(&self.headings).map(String::as_str).collect();
        parts.join(", ")
    }

    /// What names it: the words of its document's name and of its headings, ready for the index.
    pub fn title_words(&self) -> String {
        let name = self.document.rsplit_once('.').map_or(self.document.as_str(), |(name, _)| name);
        searchable(&format!("{name} {}", self.headings.join(" ")))
    }
}

/// Of passages that were found, the best first and each with its score, those that are worth telling; a higher score is
/// better. Scores that are not above nothing, or no numbers, find nothing.
pub fn worth_telling(found: impl IntoIterator<Item = (Passage, f64)>) -> Vec<Passage> {
    let mut told: Vec<Passage> = Vec::new();
    let (mut best, mut characters) = (0.0, 0);
    for (passage, score) in found.into_iter().take(MOST_TOLD as usize) {
        if told.is_empty() {
            best = score;
        }
        characters += passage.text.chars().count();
        // Said this way round, it also ends at a score that is no number.
        if !(score > 0.0 && score >= FITS * best) || characters > MOST_CHARACTERS {
            break;
        }
        told.push(passage);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(text: &str) -> Passage {
        let headings = vec!["Parking".to_owned(), "Behind the house".to_owned()];
        Passage { document: "getting-here/parking.md".to_owned(), headings, text: text.to_owned() }
    }

    fn told(scores: &[f64]) -> Vec<String> {
        let found = scores.iter().enumerate().map(|(n, score)| (passage(&n.to_string()), *score));
        worth_telling(found).into_iter().map(|passage| passage.text).collect()
    }

    #[test]
    fn a_passage_says_where_it_stands_and_what_names_it() {
        assert_eq!(passage("").source(), "getting-here/parking.md, Parking, Behind the house");
        assert_eq!(passage("").title_words(), "getting here parking parking behind the house");
    }

    #[test]
    fn what_fits_much_worse_than_the_best_is_not_told_and_neither_is_a_fifth() {
        assert_eq!(told(&[4.0, 3.0, 1.0, 0.5]), ["0", "1"]);
        assert_eq!(told(&[1.0; 7]).len(), MOST_TOLD as usize);
        assert_eq!(told(&[]), [""; 0]);
        for nothing in [0.0, -1.0, f64::NAN] {
            assert_eq!(told(&[nothing, 1.0]), [""; 0], "{nothing}");
        }
        assert_eq!(told(&[1.0, f64::NAN, 1.0]), ["0"]);
    }

    #[test]
    fn not_more_is_told_than_is_read_in_a_moment() {
        let long = "x".repeat(LONGEST_PASSAGE);
        let told = worth_telling(vec![(passage(&long), 1.0); 4]);
        assert_eq!(told.len(), MOST_CHARACTERS / LONGEST_PASSAGE);
        assert!(!told.is_empty());
    }
}

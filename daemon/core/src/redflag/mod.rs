//! Danger to life, heard in the caller's own words.
//!
//! The model is told what to do in an emergency; this is the second line of defence, for a model that does something
//! else. It reads the caller's transcribed words as they arrive, in any of the clinic's languages, and knows a denial
//! (`no chest pain`) from a complaint. A false alarm costs a sentence, a miss may cost a life: what is unclear counts.

mod phrases;

use std::sync::Arc;

use phrases::Token;
pub use phrases::{PhraseError, Phrases};

/// Tokens that are remembered: a phrase with its negation is shorter.
const REMEMBERED: usize = 40;
/// Bytes of a word that may go on with the next piece.
const LONGEST_WORD: usize = 100;
/// Bytes of one piece that are looked at; nobody says more in the time that one takes.
const PIECE: usize = 2_000;

/// The list that comes with Frontdesk for the language of a BCP-47 tag, as it is written.
fn built_in(language: &str) -> Option<&'static str> {
    match language.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
        "en" => Some(include_str!("../../../../images/emergency/en.txt")),
        "de" => Some(include_str!("../../../../images/emergency/de.txt")),
        _ => None,
    }
}

/// The lists for a clinic: English, and every other of its languages for which there is one.
pub fn lists(languages: &[String]) -> Vec<Phrases> {
    lists_with(languages, &[])
}

/// The lists for a clinic: English, and every other of its languages for which there is one or for which the clinic has
/// phrases of its `own`. What is its own is denied by the same words as the rest of its language; in a language that has
/// no list, nothing denies it.
pub fn lists_with(languages: &[String], own: &[(String, Phrases)]) -> Vec<Phrases> {
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let mut lists: Vec<(String, Phrases)> = Vec::new();
    for tag in ["en"].into_iter().chain(languages.iter().map(String::as_str)).chain(own.iter().map(|(tag, _)| &**tag)) {
        let language = primary(tag);
        if !lists.iter().any(|(known, _)| *known == language) {
            let list = Phrases::built_in(&language).unwrap_or_default();
            lists.push((language, list));
        }
    }
    for (tag, phrases) in own {
        let list = lists.iter_mut().find(|(known, _)| *known == primary(tag));
        list.expect("every language of theirs has a list").1.add_dangers(phrases);
    }
    lists.into_iter().map(|(_, list)| list).filter(|list| !list.is_empty()).collect()
}

/// Whether Frontdesk comes with a list for the language of a BCP-47 tag.
pub fn has_list(language: &str) -> bool {
    built_in(language).is_some()
}

/// Listens to one caller. It tells of danger once.
#[derive(Debug, Clone)]
pub struct Watch {
    lists: Arc<[Phrases]>,
    heard: Vec<Token>,
    /// The end of what was heard, which the next piece may go on in the middle of a word.
    tail: String,
    told: bool,
}

impl Watch {
    /// A watch for these phrases.
    pub fn new(lists: Arc<[Phrases]>) -> Self {
        Self { lists, heard: Vec::new(), tail: String::new(), told: false }
    }

    /// A piece of what the caller says has been written down. `true` the first time that it tells of danger.
    ///
    /// A piece goes on where the last one ended, in the middle of a word if it must.
    pub fn hear(&mut self, piece: &str) -> bool {
        if self.told {
            return false;
        }
        let mut end = piece.len().min(PIECE);
        while !piece.is_char_boundary(end) {
            end -= 1;
        }
        self.tail.push_str(&piece[..end]);
        let kept = self.heard.len();
        self.heard.extend(phrases::tokens(&self.tail));
        let lists = Arc::clone(&self.lists);
        self.told = lists.iter().any(|list| list.are_in(&self.heard, kept));
        self.settle(kept);
        self.told
    }

    /// The caller has finished, or somebody else speaks: what comes next is not part of the same sentence.
    pub fn pause(&mut self) {
        self.heard.extend(phrases::tokens(&std::mem::take(&mut self.tail)));
        self.heard.push(Token::Stop);
        self.forget();
    }

    /// Moves all but the last word of the tail to what was heard, so that a piece can go on with it.
    fn settle(&mut self, kept: usize) {
        let between = |c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}';
        let whole = self.tail.char_indices().rfind(|(_, c)| between(*c)).map_or(0, |(at, c)| at + c.len_utf8());
        let rest = self.tail.split_off(whole);
        self.heard.truncate(kept);
        self.heard.extend(phrases::tokens(&self.tail));
        self.tail = if rest.len() <= LONGEST_WORD { rest } else { String::new() };
        self.forget();
    }

    fn forget(&mut self) {
        let many = self.heard.len().saturating_sub(REMEMBERED);
        self.heard.drain(..many);
    }
}

#[cfg(test)]
#[path = "redflag_tests.rs"]
mod tests;

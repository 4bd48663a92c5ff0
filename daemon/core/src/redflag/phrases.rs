//! Lists of phrases: how they are written, and how they are found among words.

use super::built_in;
use crate::tools::text;

/// Words that a gap may span.
const GAP: usize = 3;
/// Words before a phrase that a negation reaches over.
const REACH: usize = 3;

/// A list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PhraseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What is said in one language when a life may be in danger, and what turns it into its opposite.
///
/// The form is described in `images/emergency/README.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phrases {
    dangers: Vec<Phrase>,
    negations: Vec<Word>,
    negations_after: Vec<Phrase>,
    breaks: Vec<Word>,
}

/// Parts, one behind the other.
type Phrase = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// Up to [`GAP`] other words may come first.
    behind_gap: bool,
    /// One of these, each of one or more words.
    choices: Vec<Vec<Word>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    /// Whatever follows in the word.
    open: bool,
}

impl Word {
    fn is(&self, heard: &str) -> bool {
        if self.open { heard.starts_with(&self.text) } else { heard == self.text }
    }
}

/// What was heard: words, and where a clause ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Stop,
}

/// Reads what was heard.
pub(super) fn tokens(heard: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for clause in heard.split_inclusive(['.', ',', ';', ':', '!', '?', '\n', '–', '—', '¿', '¡']) {
        tokens.extend(text::words(clause).map(Token::Word));
        if clause.ends_with(|c: char| !c.is_alphanumeric() && !c.is_whitespace() && c != '\'' && c != '\u{2019}') {
            tokens.push(Token::Stop);
        }
    }
    tokens
}

impl Phrases {
    /// The list that comes with Frontdesk for the language of a BCP-47 tag, if there is one.
    pub fn built_in(language: &str) -> Option<Self> {
        let text = built_in(language)?;
        Some(Self::parse(text).expect("the lists that come with Frontdesk are read by a test"))
    }

    /// Reads a list.
    pub fn parse(list: &str) -> Result<Self, PhraseError> {
        let mut phrases = Self::default();
        let mut section = Section::None;
        for (n, line) in list.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let wrong = |what| PhraseError { line: n + 1, what };
            match line {
                "" => {}
                "[phrases]" => section = Section::Phrases,
                "[negations]" => section = Section::Negations,
                "[negations after]" => section = Section::NegationsAfter,
                "[breaks]" => section = Section::Breaks,
                line => phrases.add(section, line).map_err(wrong)?,
            }
        }
        Ok(phrases)
    }

    /// Adds one phrase that means danger, in the form of a line of a list. Fails with what is wrong with it.
    pub fn add_danger(&mut self, line: &str) -> Result<(), &'static str> {
        let phrase = phrase(line)?;
        if phrase.is_empty() {
            return Err("write at least one word");
        }
        self.dangers.push(phrase);
        Ok(())
    }

    /// Adds the phrases that mean danger of another list of the same language; what denies stays as it is.
    pub(super) fn add_dangers(&mut self, other: &Self) {
        self.dangers.extend(other.dangers.iter().cloned());
    }

    /// Whether there is nothing to listen for.
    pub fn is_empty(&self) -> bool {
        self.dangers.is_empty()
    }

    /// Whether a phrase that ends at or behind token `from` is among the tokens, and is meant.
    pub(super) fn are_in(&self, tokens: &[Token], from: usize) -> bool {
        (0..tokens.len()).any(|at| {
            let found = |phrase: &Phrase| find(phrase, tokens, at).filter(|end| *end > from);
            let end = self.dangers.iter().filter_map(found).max();
            end.is_some_and(|end| !self.is_negated(&tokens[..at], &tokens[end..]))
        })
    }

    fn is_negated(&self, before: &[Token], behind: &[Token]) -> bool {
        for token in before.iter().rev().take(REACH) {
            match token {
                Token::Word(word) if self.negations.iter().any(|negation| negation.is(word)) => return true,
                Token::Word(word) if self.breaks.iter().any(|end| end.is(word)) => break,
                Token::Word(_) => {}
                Token::Stop => break,
            }
        }
        self.negations_after.iter().any(|phrase| find(phrase, behind, 0).is_some())
    }

    fn add(&mut self, section: Section, line: &str) -> Result<(), &'static str> {
        match section {
            Section::None => {
                return Err("a section must come first: [phrases], [negations], [negations after] or [breaks]");
            }
            Section::Phrases => self.dangers.push(phrase(line)?),
            Section::NegationsAfter => self.negations_after.push(phrase(line)?),
            Section::Negations => self.negations.push(word(line)?),
            Section::Breaks => self.breaks.push(word(line)?),
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Section {
    None,
    Phrases,
    Negations,
    NegationsAfter,
    Breaks,
}

/// Behind which token a phrase ends that begins at token `at`, in one clause.
fn find(phrase: &[Part], tokens: &[Token], at: usize) -> Option<usize> {
    let Some((part, rest)) = phrase.split_first() else { return Some(at) };
    let gap = if part.behind_gap { GAP } else { 0 };
    (at..=at + gap).take_while(|begin| tokens.get(at..*begin).is_some_and(is_one_clause)).find_map(|begin| {
        let fits = |choice: &&Vec<Word>| {
            let heard = tokens.get(begin..begin + choice.len());
            heard.is_some_and(|heard| {
                choice.iter().zip(heard).all(|(word, heard)| matches!(heard, Token::Word(heard) if word.is(heard)))
            })
        };
        part.choices.iter().filter(fits).find_map(|choice| find(rest, tokens, begin + choice.len()))
    })
}

fn is_one_clause(tokens: &[Token]) -> bool {
    !tokens.contains(&Token::Stop)
}

fn phrase(line: &str) -> Result<Phrase, &'static str> {
    let mut parts = Vec::new();
    let mut behind_gap = false;
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix("...") {
            if parts.is_empty() || behind_gap {
                return Err("... stands between words");
            }
            behind_gap = true;
            rest = behind.trim_start();
            continue;
        }
        let (choices, behind) = if let Some(inside) = rest.strip_prefix('(') {
            let (inside, behind) = inside.split_once(')').ok_or("a bracket is not closed")?;
            (inside.split('|').map(words).collect::<Result<Vec<_>, _>>()?, behind)
        } else {
            let end = rest.find([' ', '(']).unwrap_or(rest.len());
            (vec![words(&rest[..end])?], &rest[end..])
        };
        parts.push(Part { behind_gap: std::mem::take(&mut behind_gap), choices });
        rest = behind.trim_start();
    }
    if behind_gap {
        return Err("... stands between words");
    }
    Ok(parts)
}

fn words(choice: &str) -> Result<Vec<Word>, &'static str> {
    let words: Vec<Word> = choice.split_whitespace().map(word).collect::<Result<_, _>>()?;
    if words.is_empty() { Err("a choice between words has an empty one") } else { Ok(words) }
}

fn word(word: &str) -> Result<Word, &'static str> {
    let (stem, open) = word.strip_suffix('*').map_or((word, false), |stem| (stem, true));
    let mut read = text::words(stem);
    match (read.next(), read.next()) {
        // Anything shorter begins too many words.
        (Some(text), None) if !open || text.chars().count() >= 4 => Ok(Word { text, open }),
        (Some(_), None) => Err("in front of * there are four letters or more"),
        _ => Err("a word has only letters, and * may stand at its end"),
    }
}

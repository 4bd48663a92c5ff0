//! The `q` of lists: quoted and single words, and the operators that a program needs.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    mailbox::Letter,
    mime::{self, Part},
};
use crate::error::ApiError;

/// One condition.
#[derive(Debug, PartialEq, Eq)]
enum Term {
    Text(String),
    Subject(String),
    To(String),
    From(String),
    MessageId(String),
    Sent,
    Draft,
    NewerThan(Duration),
    OlderThan(Duration),
}

/// A search.
#[derive(Debug)]
pub(super) struct Search(Vec<Term>);

impl Search {
    /// Reads a search. Errors: an operator that is not simulated.
    pub(super) fn read(text: &str) -> Result<Self, ApiError> {
        words(text)
            .into_iter()
            .map(|(operator, word)| term(operator.as_deref(), &word))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn finds(&self, letter: &Letter, now: Timestamp) -> bool {
        let part = Part::read(&letter.raw);
        self.0.iter().all(|term| fits(term, letter, &part, now))
    }
}

fn fits(term: &Term, letter: &Letter, part: &Part, now: Timestamp) -> bool {
    let header = |name: &str| mime::decoded(part.header(name).unwrap_or_default()).to_lowercase();
    let age = now.duration_since(letter.at).unsigned_abs();
    match term {
        Term::Sent => letter.draft.is_none(),
        Term::Draft => letter.draft.is_some(),
        Term::Subject(word) => header("subject").contains(word),
        Term::To(word) => ["to", "cc", "bcc"].iter().any(|name| header(name).contains(word)),
        Term::From(word) => header("from").contains(word),
        Term::MessageId(id) => header("message-id").trim_matches(['<', '>']) == id,
        Term::NewerThan(most) => age <= *most,
        Term::OlderThan(least) => age >= *least,
        Term::Text(word) => {
            let all = [header("subject"), header("from"), header("to"), part.text().to_lowercase()];
            all.iter().any(|text| text.contains(word))
        }
    }
}

/// Words with what stands before their colon; a phrase in quotes is one word.
fn words(text: &str) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let operator =
            rest.split_once(':').filter(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        let operator = operator.filter(|(name, _)| !name.is_empty());
        let (name, body) = operator.map_or((None, rest), |(name, body)| (Some(name.to_lowercase()), body));
        let (word, after) = match body.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => body.split_once(char::is_whitespace).unwrap_or((body, "")),
        };
        found.push((name, word.to_lowercase()));
        rest = after.trim_start();
    }
    found
}

fn term(operator: Option<&str>, word: &str) -> Result<Term, ApiError> {
    let unknown = || ApiError::not_simulated(&format!("the search {}:{word}", operator.unwrap_or_default()));
    Ok(match (operator, word) {
        (None, "or" | "{" | "}") => return Err(ApiError::not_simulated("searches with OR")),
        (None, word) if word.starts_with(['-', '(', '{']) => {
            return Err(ApiError::not_simulated("searches with - or brackets"));
        }
        (None, word) => Term::Text(word.to_owned()),
        (Some("in"), "sent") => Term::Sent,
        (Some("in"), "draft" | "drafts") => Term::Draft,
        (Some("subject"), word) => Term::Subject(word.to_owned()),
        (Some("to"), word) => Term::To(word.to_owned()),
        (Some("from"), word) => Term::From(word.to_owned()),
        (Some("rfc822msgid"), word) => Term::MessageId(word.trim_matches(['<', '>']).to_owned()),
        (Some("newer_than"), word) => Term::NewerThan(age(word).ok_or_else(unknown)?),
        (Some("older_than"), word) => Term::OlderThan(age(word).ok_or_else(unknown)?),
        _ => return Err(unknown()),
    })
}

/// `1d`, `2m` (months of 30 days), `1y`.
fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let days = match unit {
        'd' => 1,
        'm' => 30,
        'y' => 365,
        _ => return None,
    };
    number.checked_mul(days)?.checked_mul(86_400).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(search: &str) -> bool {
        let raw = b"From: Desk <desk@clinic.example>\r\nTo: ana@patient.example\r\nMessage-ID: <7@x>\r\n\
            Subject: Appointment K7Q-4MR confirmed\r\n\r\nSee you on Tuesday.\r\n";
        let at: Timestamp = "2026-12-01T09:00:00Z".parse().unwrap();
        let letter = Letter { id: "1".into(), thread_id: "1".into(), raw: raw.to_vec(), at, draft: None };
        Search::read(search).unwrap().finds(&letter, at + Duration::from_hours(30))
    }

    #[test]
    fn words_phrases_and_operators_find_a_letter() {
        for good in [
            "",
            "in:sent \"K7Q-4MR\" newer_than:2d",
            "tuesday",
            "subject:confirmed",
            "subject:\"appointment k7q\"",
            "to:ana@patient.example rfc822msgid:<7@x>",
            "older_than:1d",
        ] {
            assert!(finds(good), "{good}");
        }
        for bad in ["in:drafts", "\"K7Q-4MS\"", "newer_than:1d", "subject:tuesday", "rfc822msgid:8@x"] {
            assert!(!finds(bad), "{bad}");
        }
    }

    #[test]
    fn other_operators_are_refused() {
        for unknown in ["has:attachment", "in:inbox", "a OR b", "-a", "newer_than:soon"] {
            assert_eq!(Search::read(unknown).unwrap_err().answer().status, 501, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn no_search_makes_the_reader_panic(text in ".{0,60}", more in "(in:|subject:|newer_than:|\")?.{0,20}") {
            let _ = Search::read(&format!("{more} {text}"));
        }
    }
}

//! One mailbox: what was sent, and drafts.

use jiff::{Timestamp, fmt::rfc2822};
use serde_json::{Value, json};

use super::mime::{self, Part};
use crate::{
    error::ApiError,
    oauth::{random_hex, random_id},
};

/// Recipients of one message at most (Google's limits of sending, November 2026).
const MOST_RECIPIENTS: usize = 500;
/// Headers that Gmail writes itself.
const REWRITTEN: [&str; 4] = ["from", "message-id", "bcc", "date"];

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// The sender's address.
    pub mailbox: String,
    /// Its id in the mailbox.
    pub id: String,
    /// The id of its thread.
    pub thread_id: String,
    /// As the client gave it.
    pub given: Vec<u8>,
    /// As it was delivered: `From`, `Message-ID` and `Date` as Gmail has them, without `Bcc`.
    pub raw: Vec<u8>,
    /// To whom: `To`, `Cc` and `Bcc`.
    pub recipients: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// The text of all its parts that a person would read, decoded.
    pub text: String,
    /// It was a draft first.
    pub was_draft: bool,
    /// When it was sent.
    pub at: Timestamp,
}

/// A letter in the box.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) thread_id: String,
    pub(super) raw: Vec<u8>,
    pub(super) at: Timestamp,
    /// The draft that it belongs to; none: it was sent.
    pub(super) draft: Option<String>,
}

/// One mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(super) letters: Vec<Letter>,
    pub(super) history: u64,
}

/// A letter that may be sent, and to whom.
pub(super) struct Checked {
    pub(super) given: Vec<u8>,
    letter: Part,
    recipients: Vec<String>,
}

/// Judges a letter as `messages.send` does.
pub(super) fn check(given: Vec<u8>) -> Result<Checked, ApiError> {
    let bad = |text: String| ApiError::new(400, "invalidArgument", text).modern();
    let letter = Part::read(&given);
    let mut recipients = Vec::new();
    for (name, title) in [("to", "To"), ("cc", "Cc"), ("bcc", "Bcc")] {
        for header in letter.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)) {
            let found = mime::addresses(&header.value).ok_or_else(|| bad(format!("Invalid {title} header")))?;
            recipients.extend(found);
        }
    }
    if recipients.is_empty() {
        return Err(bad("Recipient address required".to_owned()));
    }
    if recipients.len() > MOST_RECIPIENTS {
        return Err(bad("Too many recipients".to_owned()));
    }
    Ok(Checked { given, letter, recipients })
}

impl Mailbox {
    /// Sends a letter in the name of `email`. `rewrite`: with a Message-ID of Gmail's own.
    pub(super) fn send(
        &mut self,
        letter: Checked,
        email: &str,
        now: Timestamp,
        rewrite: bool,
        thread: Option<&str>,
    ) -> SentMail {
        let raw = delivered(&letter, email, now, rewrite);
        let id = random_hex();
        let thread_id = thread.map_or_else(|| id.clone(), str::to_owned);
        self.history += 1;
        self.letters.push(Letter {
            id: id.clone(),
            thread_id: thread_id.clone(),
            raw: raw.clone(),
            at: now,
            draft: None,
        });
        SentMail {
            mailbox: email.to_owned(),
            id,
            thread_id,
            raw,
            recipients: letter.recipients,
            subject: mime::decoded(letter.letter.header("subject").unwrap_or_default()),
            text: letter.letter.text(),
            given: letter.given,
            was_draft: false,
            at: now,
        }
    }

    /// Keeps a draft; it needs no recipients yet.
    pub(super) fn draft(&mut self, raw: Vec<u8>, now: Timestamp) -> &Letter {
        self.history += 1;
        let id = random_hex();
        let draft = Some(format!("r-{}", random_id()));
        self.letters.push(Letter { thread_id: id.clone(), id, raw, at: now, draft });
        let last = self.letters.len() - 1;
        &self.letters[last]
    }

    pub(super) fn find_draft(&self, draft: &str) -> Result<&Letter, ApiError> {
        let found = self.letters.iter().find(|letter| letter.draft.as_deref() == Some(draft));
        found.ok_or_else(not_found)
    }

    pub(super) fn remove_draft(&mut self, draft: &str) {
        self.history += 1;
        self.letters.retain(|letter| letter.draft.as_deref() != Some(draft));
    }

    pub(super) fn find(&self, id: &str) -> Result<&Letter, ApiError> {
        self.letters.iter().find(|letter| letter.id == id).ok_or_else(not_found)
    }
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(404, "notFound", "Requested entity was not found.").modern()
}

/// The letter as Gmail sends it on.
fn delivered(letter: &Checked, email: &str, now: Timestamp, rewrite: bool) -> Vec<u8> {
    let header = |name: &str| letter.letter.header(name);
    let mut head = Vec::new();
    let from = header("from").unwrap_or_default();
    let own = mime::addresses(from).is_some_and(|found| found.len() == 1 && found[0].eq_ignore_ascii_case(email));
    let name = from.rsplit_once('<').map_or("", |(name, _)| name.trim());
    head.push(match (own, name) {
        (true, _) => format!("From: {from}"),
        (false, "") => format!("From: {email}"),
        (false, name) => format!("From: {name} <{email}>"),
    });
    match header("message-id") {
        Some(id) if !rewrite => head.push(format!("Message-ID: {id}")),
        given => {
            head.push(format!("Message-ID: <CA{}@mail.gmail.com>", random_id()));
            head.extend(given.map(|id| format!("X-Google-Original-Message-ID: {id}")));
        }
    }
    let date = rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
    head.push(format!("Date: {}", header("date").unwrap_or(&date)));
    let others =
        letter.letter.headers.iter().filter(|h| !REWRITTEN.iter().any(|name| h.name.eq_ignore_ascii_case(name)));
    head.extend(others.map(|header| format!("{}: {}", header.name, header.value)));
    let mut raw = head.join("\r\n").into_bytes();
    raw.extend_from_slice(b"\r\n\r\n");
    raw.extend_from_slice(letter.letter.body());
    raw
}

impl Letter {
    /// What every answer says of it.
    pub(super) fn named(&self) -> Value {
        let label = if self.draft.is_some() { "DRAFT" } else { "SENT" };
        json!({ "id": self.id, "threadId": self.thread_id, "labelIds": [label] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(raw: &str, rewrite: bool) -> SentMail {
        let now = "2026-12-01T09:00:00Z".parse().unwrap();
        Mailbox::default().send(check(raw.as_bytes().to_vec()).unwrap(), "desk@clinic.example", now, rewrite, None)
    }

    #[test]
    fn gmail_writes_its_own_sender_and_message_id_and_keeps_bcc_to_itself() {
        let raw = "From: Boss <boss@elsewhere.example>\r\nTo: a@b.c\r\nBcc: d@e.f\r\nMessage-ID: <1@x>\r\nSubject: Hi\r\n\r\nText\r\n";
        let mail = sent(raw, true);
        let text = String::from_utf8(mail.raw).unwrap();
        assert!(text.starts_with("From: Boss <desk@clinic.example>\r\nMessage-ID: <CA"), "{text}");
        assert!(
            text.contains("X-Google-Original-Message-ID: <1@x>\r\nDate: Tue, 1 Dec 2026 09:00:00 +0000\r\n"),
            "{text}"
        );
        assert!(!text.contains("Bcc") && text.ends_with("Subject: Hi\r\n\r\nText\r\n"), "{text}");
        assert_eq!(mail.recipients, ["a@b.c", "d@e.f"]);
        assert_eq!(mail.given, raw.as_bytes());
        assert!(String::from_utf8(sent(raw, false).raw).unwrap().contains("Message-ID: <1@x>\r\n"));
    }

    #[test]
    fn a_letter_needs_somebody_to_go_to() {
        let refusal = |raw: &str| check(raw.as_bytes().to_vec()).err().map(|error| error.answer().body);
        let words = |raw: &str| String::from_utf8(refusal(raw).unwrap()).unwrap();
        assert!(words("Subject: x\r\n\r\n").contains("Recipient address required"));
        assert!(words("To: nobody\r\n\r\n").contains("Invalid To header"));
        assert!(words("To: a@b.c\r\nCc: nobody\r\n\r\n").contains("Invalid Cc header"));
    }
}

//! A letter as a message of RFC 5322:
//!
//! ```text
//! multipart/mixed
//! ├─ multipart/alternative: text/plain, text/html, text/calendar (the invitation card of mail programs)
//! └─ application/ics: the same file, for everything else
//! ```

use std::time::{Duration, SystemTime};

use frontdesk_core::booking::appointment::Appointment;
use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::facts::Facts;
use frontdesk_core::letter::ics::{self, Party};
use frontdesk_core::letter::{Notice, clean};
use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, Message, MultiPart, SinglePart};

use super::Mailer;
use crate::template::Letter;

/// Longest display name, in characters.
const LONGEST_NAME: usize = 80;
/// A machine wrote this: vacation notices and the like are not wanted (RFC 3834, and what Exchange looks for).
const AUTOMATIC: [(&str, &str); 2] = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// The header with the letter's own name: the same however often it is sent, and in its file. Mail servers leave it as it is,
/// unlike its `Message-ID`.
pub(super) const LETTER: &str = "X-Frontdesk-Letter";

/// To whom, when, and how the letter is told from others.
pub(super) struct Envelope<'a> {
    /// The recipient's name; may be empty.
    pub(super) name: &'a str,
    pub(super) to: &'a MailAddress,
    pub(super) date: Timestamp,
    /// Angle brackets included.
    pub(super) message_id: String,
    /// The `Message-ID` of the letter that this one follows up.
    pub(super) follows: Option<String>,
    /// The appointment's.
    pub(super) reference: Option<&'a str>,
}

impl Envelope<'_> {
    /// The letter's own name.
    pub(super) fn letter(&self) -> &str {
        self.message_id.trim_matches(['<', '>'])
    }
}

/// Why there is no message. An address that was read is one that lettre takes; this is for the case that it is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    #[error("an address is refused")]
    Address(#[from] lettre::address::AddressError),
    #[error("the parts make no message")]
    Message(#[from] lettre::error::Error),
    #[error("a content type is refused")]
    ContentType,
    #[error("a part cannot be encoded")]
    Encoding,
}

/// The calendar file that goes with a letter.
pub(super) fn invitation(
    appointment: &Appointment,
    facts: &Facts,
    notice: Notice,
    from: &MailAddress,
    envelope: &Envelope<'_>,
) -> String {
    let clinic = Party { name: &facts.clinic, address: from };
    let patient = Party { name: envelope.name, address: envelope.to };
    ics::invitation(appointment, facts, notice, clinic, patient, envelope.date)
}

pub(super) fn message(
    mailer: &Mailer,
    letter: &Letter,
    envelope: &Envelope<'_>,
    file: Option<(Notice, String)>,
) -> Result<Message, ComposeError> {
    let sent = Duration::from_secs(envelope.date.as_second().try_into().unwrap_or(0));
    let clinic = mailer.clinic.take();
    let mut builder = Message::builder()
        .from(mailbox(&clinic.name, &mailer.from)?)
        .to(mailbox(envelope.name, envelope.to)?)
        .date(SystemTime::UNIX_EPOCH + sent)
        .message_id(Some(envelope.message_id.clone()))
        .subject(&letter.subject);
    if let Some(reply_to) = &mailer.reply_to {
        builder = builder.reply_to(mailbox(&clinic.name, reply_to)?);
    }
    if let Some(follows) = &envelope.follows {
        builder = builder.in_reply_to(follows.clone()).references(follows.clone());
    }
    let reference = envelope.reference.map(|reference| ("X-Frontdesk-Booking", reference));
    let headers = AUTOMATIC.into_iter().chain(reference).chain([(LETTER, envelope.letter())]);
    for (name, value) in headers {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
    }
    let plain = SinglePart::plain(letter.text.clone());
    let Some(html) = &letter.html else { return Ok(builder.singlepart(plain)?) };
    let forms = MultiPart::alternative().singlepart(plain).singlepart(SinglePart::html(html.clone()));
    let Some((notice, file)) = file else { return Ok(builder.multipart(forms)?) };
    // In base64 line ends and folding arrive as they were written.
    let body = || {
        Body::new_with_encoding(file.clone().into_bytes(), ContentTransferEncoding::Base64)
            .map_err(|_| ComposeError::Encoding)
    };
    let card = SinglePart::builder()
        .header(content_type(&format!("text/calendar; charset=utf-8; method={}", ics::method(notice)))?)
        .body(body()?);
    let attached = Attachment::new("appointment.ics".to_owned()).body(body()?, content_type("application/ics")?);
    Ok(builder.multipart(MultiPart::mixed().multipart(forms.singlepart(card)).singlepart(attached))?)
}

fn content_type(text: &str) -> Result<ContentType, ComposeError> {
    ContentType::parse(text).map_err(|_| ComposeError::ContentType)
}

/// lettre panics over a display name with a line break in it: it gets none that was not cleaned.
fn mailbox(name: &str, address: &MailAddress) -> Result<Mailbox, ComposeError> {
    let name = Some(clean::line(name, LONGEST_NAME)).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, lettre::Address::new(address.local(), address.domain())?))
}

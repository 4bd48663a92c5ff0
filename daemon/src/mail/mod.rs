//! Letters: to patients about their appointments, to staff about messages.
//!
//! ```text
//! Appointment, Clinic ─► Notice, Facts ─► template ─► compose: text, page, .ics ─┬─► folder: KEY.eml
//!      Message ────────► MessageFacts ──► template ─► compose: text ─────────────┼─► smtp: a mail server
//!                                                                                └─► gmail: Gmail's API
//! ```
//!
//! [`retention`]: when letters in the folder are erased.
//!
//! Every letter has a key of its own and a `Message-ID` that follows from what it is about: sending it again is the same
//! letter again. What became of it is a [`Sent`]; whoever keeps the errands decides what follows.

mod compose;
mod folder;
mod gmail;
pub mod retention;
mod smtp;

use std::path::PathBuf;
use std::time::Duration;

use frontdesk_core::booking::appointment::Appointment;
use frontdesk_core::booking::book::Message;
use frontdesk_core::clinic::Clinic;
use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::facts::{Facts, MessageFacts};
use frontdesk_core::letter::{Moot, Notice, Sent};
use jiff::Timestamp;
use log::error;

use crate::config::{MailBackend, MailConfig};
use crate::current::Current;
use crate::google::Google;
use crate::template::{Letter, TemplateError, Templates};

use compose::{Envelope, invitation};
use gmail::Posting;

pub use folder::Folder;
pub use gmail::Gmail;
pub use smtp::Smtp;

/// Why no letters can be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A template of the clinic's.
    #[error("[mail] templates: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Templates(Vec<TemplateError>),
    /// The certificates of `[mail] smtp_ca_file`.
    #[error("[mail] smtp_ca_file: cannot use {path}: {why}")]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS towards the mail server cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Writes letters and hands them over.
pub struct Mailer {
    from: MailAddress,
    reply_to: Option<MailAddress>,
    staff: Option<MailAddress>,
    clinic: Current<Clinic>,
    templates: Templates,
    route: Route,
}

/// Where letters go.
pub enum Route {
    /// Into a folder.
    Folder(Folder),
    /// To a mail server.
    Smtp(Box<Smtp>),
    /// To Gmail.
    Gmail(Box<Gmail>),
}

impl Route {
    /// The configured one; by Gmail, with `google`'s access to mail. Asks nobody yet. Blocks on the file system: it reads
    /// certificates.
    pub fn of(config: &MailConfig, google: &Google, http: &reqwest::Client) -> Result<Self, MailError> {
        let patience = Patience::default();
        Ok(match &config.backend {
            MailBackend::Folder { path, .. } => Folder::at(path).into(),
            MailBackend::Smtp(server) => Smtp::new(server, patience)?.into(),
            MailBackend::Gmail => {
                let (access, root) = (google.mail.clone(), google.hosts.gmail.clone());
                Gmail::new(http.clone(), access, root, config.from.clone(), patience).into()
            }
        })
    }
}

impl From<Folder> for Route {
    fn from(folder: Folder) -> Self {
        Self::Folder(folder)
    }
}

impl From<Smtp> for Route {
    fn from(server: Smtp) -> Self {
        Self::Smtp(Box::new(server))
    }
}

impl From<Gmail> for Route {
    fn from(gmail: Gmail) -> Self {
        Self::Gmail(Box::new(gmail))
    }
}

/// How long a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the connection until the server wants the letter.
    pub before: Duration,
    /// From the letter to the server's word that it has it. Whoever gives up here does not know whether it was taken and
    /// sends it twice, so this is the longer one; both together stay below the minute that an errand may take.
    pub letter: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { before: Duration::from_secs(15), letter: Duration::from_secs(40) }
    }
}

/// An attempt to send a letter: whose errand it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The errand's key: the same key is the same file in a folder.
    pub key: &'a str,
    /// An earlier attempt may have sent the letter: where that can be seen it is looked for before it is sent.
    pub unsure: bool,
}

impl<'a> Attempt<'a> {
    /// The first one.
    pub fn first(key: &'a str) -> Self {
        Self { key, unsure: false }
    }
}

impl Mailer {
    /// A mailer for that clinic, by `route`, whatever the configuration's own backend is. Blocks on the file system: it
    /// reads the templates.
    pub fn new(
        route: impl Into<Route>,
        config: &MailConfig,
        clinic: impl Into<Current<Clinic>>,
    ) -> Result<Self, MailError> {
        let MailConfig { from, reply_to, staff, templates, backend: _ } = config.clone();
        let templates = Templates::load(templates.as_deref()).map_err(MailError::Templates)?;
        Ok(Self { from, reply_to, staff, clinic: clinic.into(), templates, route: route.into() })
    }

    /// Tells the patient what has become of their appointment, as it stands now.
    ///
    /// Takes at most as long as [`Patience`] says; cancelled, the letter may or may not have been sent.
    pub async fn notify(&self, appointment: &Appointment, attempt: Attempt<'_>, now: Timestamp) -> Sent {
        match Notice::about(appointment, now) {
            Ok(notice) => self.write(notice, appointment, attempt, now).await,
            Err(moot) => Sent::Moot(moot),
        }
    }

    /// Reminds the patient, unless the appointment was cancelled or moved to a later day meanwhile. Otherwise like
    /// [`notify`](Self::notify).
    pub async fn remind(&self, appointment: &Appointment, attempt: Attempt<'_>, now: Timestamp) -> Sent {
        match Notice::reminder(appointment, now) {
            Ok(notice) => self.write(notice, appointment, attempt, now).await,
            Err(moot) => Sent::Moot(moot),
        }
    }

    /// Tells staff of a message that a caller left at `taken`; `number` is its number in the store. Otherwise like
    /// [`notify`](Self::notify).
    pub async fn tell_staff(
        &self,
        number: i64,
        message: &Message,
        taken: Timestamp,
        attempt: Attempt<'_>,
        now: Timestamp,
    ) -> Sent {
        let Some(staff) = &self.staff else { return Sent::Moot(Moot::NoStaff) };
        let clinic = self.clinic.take();
        let facts = MessageFacts::of(number, message, &clinic);
        let language = self.templates.language(&clinic.language, "en");
        let letter = match self.templates.message(language, &facts) {
            Ok(letter) => letter,
            Err(error) => return unwritten(attempt.key, &error),
        };
        let envelope = Envelope {
            name: "",
            to: staff,
            date: now,
            message_id: MessageFacts::message_id(number, taken, self.from.domain()),
            follows: None,
            reference: None,
        };
        self.hand_over(&letter, &envelope, None, attempt).await
    }

    async fn write(&self, notice: Notice, appointment: &Appointment, attempt: Attempt<'_>, now: Timestamp) -> Sent {
        let Some(email) = appointment.patient.as_ref().and_then(|patient| patient.email.as_deref()) else {
            return Sent::Moot(Moot::NoMail);
        };
        let Ok(to) = MailAddress::parse(email) else {
            return Sent::Rejected("the patient's mail address is none that is written to".to_owned());
        };
        let clinic = self.clinic.take();
        let language = self.templates.language(&appointment.language, &clinic.language);
        let facts = match Facts::of(appointment, &clinic, dialect(appointment, &clinic, language)) {
            Ok(facts) => facts,
            Err(moot) => return Sent::Moot(moot),
        };
        let letter = match self.templates.notice(notice, language, &facts) {
            Ok(letter) => letter,
            Err(error) => return unwritten(attempt.key, &error),
        };
        let envelope = Envelope {
            name: &facts.name,
            to: &to,
            date: now,
            message_id: notice.message_id(appointment, self.from.domain()),
            follows: notice.follows(appointment, self.from.domain()),
            reference: Some(&facts.reference),
        };
        let file = invitation(appointment, &facts, notice, &self.from, &envelope);
        self.hand_over(&letter, &envelope, Some((notice, file)), attempt).await
    }

    async fn hand_over(
        &self,
        letter: &Letter,
        envelope: &Envelope<'_>,
        file: Option<(Notice, String)>,
        attempt: Attempt<'_>,
    ) -> Sent {
        let message = match compose::message(self, letter, envelope, file) {
            Ok(message) => message,
            Err(error) => {
                error!(errand = attempt.key; "a letter cannot be written: {error}");
                return Sent::Rejected("the letter cannot be written".to_owned());
            }
        };
        match &self.route {
            Route::Folder(folder) => folder.keep(attempt.key, message.formatted()).await,
            Route::Smtp(server) => server.send(message.envelope(), &message.formatted()).await,
            Route::Gmail(gmail) => {
                let words = envelope.reference.unwrap_or(&letter.subject);
                let Attempt { key, unsure } = attempt;
                gmail.send(&Posting { key, unsure, name: envelope.letter(), words, text: &message.formatted() }).await
            }
        }
    }
}

/// The tag by which dates are written: with its region, where it is of the letter's language.
fn dialect<'a>(appointment: &'a Appointment, clinic: &'a Clinic, language: &'a str) -> &'a str {
    let base = frontdesk_core::letter::words::base(language);
    let of_the_letter = |tag: &&str| frontdesk_core::letter::words::base(tag) == base;
    let tags = [appointment.language.as_str(), clinic.language.as_str()];
    tags.into_iter().find(of_the_letter).unwrap_or(language)
}

/// A template that was in order when it was loaded fails with these facts.
fn unwritten(key: &str, error: &TemplateError) -> Sent {
    error!(errand = key; "a letter cannot be written: {error}");
    Sent::Misconfigured("a template cannot be filled in; the log says which".to_owned())
}

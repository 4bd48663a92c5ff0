//! Letters: to patients about their appointments, to staff about messages.
//!
//! ```text
//! Appointment, Clinic ─► Notice, Facts ─► template ─► compose: text, page, .ics ─┬─► folder: KEY.eml
//!      Message ────────► MessageFacts ──► template ─► compose: text ─────────────┴─► smtp: a mail server
//! ```
//!
//! Every letter has a key of its own and a `Message-ID` that follows from what it is about: sending it again is the same
//! letter again. What became of it is a [`Sent`]; whoever keeps the errands decides what follows.

mod compose;
mod folder;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;

use frontdesk_core::booking::appointment::Appointment;
use frontdesk_core::booking::book::Message;
use frontdesk_core::clinic::Clinic;
use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::facts::{Facts, MessageFacts};
use frontdesk_core::letter::{Moot, Notice, Sent};
use jiff::Timestamp;
use log::error;

use crate::config::{MailBackend, MailConfig};
use crate::template::{Letter, TemplateError, Templates};

use compose::{Envelope, invitation};
use folder::Folder;

pub use smtp::{Patience, Smtp};

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
    clinic: Arc<Clinic>,
    templates: Templates,
    route: Route,
}

enum Route {
    Folder(Folder),
    Smtp(Box<Smtp>),
}

impl Mailer {
    /// A mailer for that clinic. Blocks on the file system: it reads the templates and certificates.
    pub fn new(config: &MailConfig, clinic: Arc<Clinic>) -> Result<Self, MailError> {
        let route = match &config.backend {
            MailBackend::Folder(path) => Route::Folder(Folder::at(path)),
            MailBackend::Smtp(server) => Route::Smtp(Box::new(Smtp::new(server, Patience::default())?)),
        };
        Self::by(route, config, clinic)
    }

    /// A mailer that hands everything to `server`, whatever the configuration's own backend is.
    pub fn with_server(server: Smtp, config: &MailConfig, clinic: Arc<Clinic>) -> Result<Self, MailError> {
        Self::by(Route::Smtp(Box::new(server)), config, clinic)
    }

    fn by(route: Route, config: &MailConfig, clinic: Arc<Clinic>) -> Result<Self, MailError> {
        let MailConfig { from, reply_to, staff, templates, backend: _ } = config.clone();
        let templates = Templates::load(templates.as_deref()).map_err(MailError::Templates)?;
        Ok(Self { from, reply_to, staff, clinic, templates, route })
    }

    /// Tells the patient what has become of their appointment, as it stands now.
    ///
    /// `key` names the errand: the same key is the same file in a folder. Takes at most as long as
    /// [`Patience`] says; cancelled, the letter may or may not have been sent.
    pub async fn notify(&self, appointment: &Appointment, key: &str, now: Timestamp) -> Sent {
        match Notice::about(appointment, now) {
            Ok(notice) => self.write(notice, appointment, key, now).await,
            Err(moot) => Sent::Moot(moot),
        }
    }

    /// Reminds the patient, unless the appointment was cancelled or moved to a later day meanwhile. Otherwise like
    /// [`notify`](Self::notify).
    pub async fn remind(&self, appointment: &Appointment, key: &str, now: Timestamp) -> Sent {
        match Notice::reminder(appointment, now) {
            Ok(notice) => self.write(notice, appointment, key, now).await,
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
        key: &str,
        now: Timestamp,
    ) -> Sent {
        let Some(staff) = &self.staff else { return Sent::Moot(Moot::NoStaff) };
        let facts = MessageFacts::of(number, message, &self.clinic);
        let language = self.templates.language(&self.clinic.language, "en");
        let letter = match self.templates.message(language, &facts) {
            Ok(letter) => letter,
            Err(error) => return unwritten(key, &error),
        };
        let envelope = Envelope {
            name: "",
            to: staff,
            date: now,
            message_id: MessageFacts::message_id(number, taken, self.from.domain()),
            follows: None,
            reference: None,
        };
        self.hand_over(&letter, &envelope, None, key).await
    }

    async fn write(&self, notice: Notice, appointment: &Appointment, key: &str, now: Timestamp) -> Sent {
        let Some(email) = appointment.patient.as_ref().and_then(|patient| patient.email.as_deref()) else {
            return Sent::Moot(Moot::NoMail);
        };
        let Ok(to) = MailAddress::parse(email) else {
            return Sent::Rejected("the patient's mail address is none that is written to".to_owned());
        };
        let language = self.templates.language(&appointment.language, &self.clinic.language);
        let facts = match Facts::of(appointment, &self.clinic, self.dialect(appointment, language)) {
            Ok(facts) => facts,
            Err(moot) => return Sent::Moot(moot),
        };
        let letter = match self.templates.notice(notice, language, &facts) {
            Ok(letter) => letter,
            Err(error) => return unwritten(key, &error),
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
        self.hand_over(&letter, &envelope, Some((notice, file)), key).await
    }

    /// The tag by which dates are written: with its region, where it is of the letter's language.
    fn dialect<'a>(&'a self, appointment: &'a Appointment, language: &'a str) -> &'a str {
        let base = frontdesk_core::letter::words::base(language);
        let of_the_letter = |tag: &&str| frontdesk_core::letter::words::base(tag) == base;
        let tags = [appointment.language.as_str(), self.clinic.language.as_str()];
        tags.into_iter().find(of_the_letter).unwrap_or(language)
    }

    async fn hand_over(
        &self,
        letter: &Letter,
        envelope: &Envelope<'_>,
        file: Option<(Notice, String)>,
        key: &str,
    ) -> Sent {
        let message = match compose::message(self, letter, envelope, file) {
            Ok(message) => message,
            Err(error) => {
                error!(errand = key; "a letter cannot be written: {error}");
                return Sent::Rejected("the letter cannot be written".to_owned());
            }
        };
        match &self.route {
            Route::Folder(folder) => folder.keep(key, message.formatted()).await,
            Route::Smtp(server) => server.send(message.envelope(), &message.formatted()).await,
        }
    }
}

/// A template that was in order when it was loaded fails with these facts.
fn unwritten(key: &str, error: &TemplateError) -> Sent {
    error!(errand = key; "a letter cannot be written: {error}");
    Sent::Misconfigured("a template cannot be filled in; the log says which".to_owned())
}

//! `[mail]`: how letters leave the box.

use std::path::{Path, PathBuf};

use frontdesk_core::letter::address::MailAddress;

use super::check::needed;
use super::complaint::{Complaints, Place};
use super::google::{GoogleConfig, GoogleLogin};
use super::secrets::{Secret, SecretName, Secrets};
use super::section::Section;
use super::value;
use crate::template::Templates;

/// Where letters come from as long as the clinic has not said so: a domain that nobody has (RFC 2606), for files that
/// nobody sends.
const NOBODY: &str = "frontdesk@clinic.invalid";
/// For how long letters are kept as files: whoever sends them does so within weeks.
const KEEP_DAYS: u32 = 30;
/// Ten years, as with the record of calls.
const MOST_DAYS: u32 = 3_650;
/// Longest name of a server (RFC 1035, 2.3.4) and of an account.
const MAX_NAME_BYTES: usize = 253;

/// How letters leave the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailConfig {
    /// Where they go.
    pub backend: MailBackend,
    /// Whom they come from; a bounce goes there too.
    pub from: MailAddress,
    /// Where answers go, if not there.
    pub reply_to: Option<MailAddress>,
    /// Where staff are told of messages that were taken.
    pub staff: Option<MailAddress>,
    /// The clinic's own templates, in place of the built-in ones.
    pub templates: Option<PathBuf>,
}

/// Where letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailBackend {
    /// Into a folder, as `.eml` files.
    Folder {
        /// Which one.
        path: PathBuf,
        /// How many days each is kept; 0 for ever.
        keep_days: u32,
    },
    /// To a mail server.
    Smtp(SmtpConfig),
    /// To Gmail, for the account of `[google]`.
    Gmail,
}

/// What is written as `backend`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    File,
    Smtp,
    Gmail,
}

/// A mail server that takes letters for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Its name; the certificate must be made out for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub security: SmtpSecurity,
    /// Account and password, if it wants to know who sends.
    pub login: Option<(String, Secret)>,
    /// PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is kept secret. There is no mode that does without if the server has no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS by STARTTLS; without it nothing is sent.
    StartTls,
    /// None, to this machine only.
    Plain,
}

impl SmtpSecurity {
    /// The port at which servers offer it (RFC 8314, RFC 5321).
    const fn port(self) -> u32 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::Plain => 25,
        }
    }
}

/// Checks `[mail]`; `state` is the directory in which the daemon keeps what it knows.
pub(super) fn mail(mut section: Section<'_>, state: &Path, secrets: Secrets<'_>) -> Option<MailConfig> {
    let wanted = section.text("backend", Wanted::File, |text| match text {
        "file" => Ok(Wanted::File),
        "smtp" => Ok(Wanted::Smtp),
        "gmail" => Ok(Wanted::Gmail),
        _ => Err("choose \"file\", \"smtp\" or \"gmail\""),
    });
    if wanted != Wanted::File {
        section.require("from", "write the address that the clinic's mail comes from");
    }
    if wanted == Wanted::Smtp {
        section.require("smtp_host", "write the name of the server that takes the clinic's mail");
    }
    let from = section.private("from", MailAddress::parse);
    let reply_to = section.private("reply_to", MailAddress::parse);
    let staff = section.private("staff", MailAddress::parse);
    let templates = templates(&mut section);
    let folder = section.text("outbox_dir", state.join("outbox"), folder);
    let keep_days = section.integer("keep_days", KEEP_DAYS, 0..=MOST_DAYS);
    let server = smtp(&mut section, wanted == Wanted::Smtp, secrets);
    section.finish();
    let from = match (from, wanted) {
        (Some(from), _) => from,
        (None, Wanted::File) => MailAddress::parse(NOBODY).ok()?,
        (None, _) => return None,
    };
    let backend = match wanted {
        Wanted::File => MailBackend::Folder { path: folder, keep_days },
        Wanted::Smtp => MailBackend::Smtp(server?),
        Wanted::Gmail => MailBackend::Gmail,
    };
    Some(MailConfig { backend, from, reply_to, staff, templates })
}

/// Checks that Gmail has an account to send from, and advises if that may not be the sender's; `place` is where Gmail is chosen.
pub(super) fn has_mailbox(mail: &MailConfig, google: &GoogleConfig, place: Option<Place>, out: &mut Complaints) {
    if mail.backend != MailBackend::Gmail {
        return;
    }
    let complaint = match &google.login {
        None => ("needs an account", "choose [google] login, as docs/google.md explains"),
        Some(GoogleLogin::Service { delegate: None, .. }) => (
            "needs a mailbox, and a service account has none",
            "write the mailbox that letters come from as [google] delegate, as docs/google.md explains",
        ),
        Some(GoogleLogin::Service { delegate: Some(delegate), .. })
            if !delegate.as_str().eq_ignore_ascii_case(mail.from.as_str()) =>
        {
            let remedy = "write that mailbox, or make sure that its Gmail settings have this address under \"Send mail as\": \
                          otherwise Gmail writes the mailbox's over it";
            out.advise(place, "[mail] from", "is not the mailbox of [google] delegate", remedy);
            return;
        }
        Some(_) => return,
    };
    out.error(place, "[mail] backend", format!("= \"gmail\" {}", complaint.0), complaint.1);
}

fn folder(text: &str) -> Result<PathBuf, String> {
    value::absolute_path(text).map_err(|_| "write an absolute path to a folder".to_owned())
}

/// A folder of templates, each of which has been tried out.
fn templates(section: &mut Section<'_>) -> Option<PathBuf> {
    let place = section.place("templates");
    let folder = section.optional("templates", folder)?;
    let Err(errors) = Templates::load(Some(&folder)) else { return Some(folder) };
    for error in errors {
        let found = format!("{}: {}", error.place(), error.found);
        section.out.error(place.clone(), "[mail] templates", found, error.remedy);
    }
    None
}

/// The server. Its keys are checked whether it is used or not; the password is needed only if it is.
fn smtp(section: &mut Section<'_>, used: bool, secrets: Secrets<'_>) -> Option<SmtpConfig> {
    let host = section.optional("smtp_host", host);
    let security_place = section.place("smtp_security");
    let security = section.text("smtp_security", SmtpSecurity::Tls, |text| match text {
        "tls" => Ok(SmtpSecurity::Tls),
        "starttls" => Ok(SmtpSecurity::StartTls),
        "none" => Ok(SmtpSecurity::Plain),
        _ => Err("choose \"tls\", \"starttls\" or \"none\""),
    });
    if security == SmtpSecurity::Plain && host.as_deref().is_some_and(|host| !is_loopback(host)) {
        let remedy =
            "choose \"tls\" or \"starttls\": letters and the password would cross the network readable by anybody";
        section.out.error(security_place, "[mail] smtp_security", "= \"none\" is for a server on this machine", remedy);
    }
    let port = section.integer("smtp_port", security.port(), 1..=65_535) as u16;
    let user = section.private("smtp_user", user);
    let ca_file = section.readable_file("smtp_ca_file");
    let login = match user {
        Some(user) if used => Some((user, needed(section, secrets.line(SecretName::SMTP_PASSWORD))?)),
        _ => None,
    };
    Some(SmtpConfig { host: host?, port, security, login, ca_file })
}

fn host(text: &str) -> Result<String, &'static str> {
    let fits = (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
    if fits { Ok(text.to_owned()) } else { Err("write a server's name such as \"mail.example.org\", without a port") }
}

fn user(text: &str) -> Result<String, &'static str> {
    let fits = (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("write the account's name") }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;

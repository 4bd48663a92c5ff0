//! `[mail]`: how letters leave the box.

use std::path::{Path, PathBuf};

use frontdesk_core::letter::address::MailAddress;

use super::check::needed;
use super::secrets::{Secret, SecretName, Secrets};
use super::section::Section;
use super::value;
use crate::template::Templates;

/// Where letters come from as long as the clinic has not said so: a domain that nobody has (RFC 2606), for files that
/// nobody sends.
const NOBODY: &str = "frontdesk@clinic.invalid";
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
    Folder(PathBuf),
    /// To a mail server.
    Smtp(SmtpConfig),
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
    let wants_server = section.text("backend", false, |text| match text {
        "file" => Ok(false),
        "smtp" => Ok(true),
        _ => Err("choose \"file\" or \"smtp\""),
    });
    if wants_server {
        section.require("from", "write the address that the clinic's mail comes from");
        section.require("smtp_host", "write the name of the server that takes the clinic's mail");
    }
    let from = section.private("from", MailAddress::parse);
    let reply_to = section.private("reply_to", MailAddress::parse);
    let staff = section.private("staff", MailAddress::parse);
    let templates = templates(&mut section);
    let folder = section.text("outbox_dir", state.join("outbox"), folder);
    let server = smtp(&mut section, wants_server, secrets);
    section.finish();
    let from = match (from, wants_server) {
        (Some(from), _) => from,
        (None, true) => return None,
        (None, false) => MailAddress::parse(NOBODY).ok()?,
    };
    let backend = if wants_server { MailBackend::Smtp(server?) } else { MailBackend::Folder(folder) };
    Some(MailConfig { backend, from, reply_to, staff, templates })
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

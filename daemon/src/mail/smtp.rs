//! A mail server, spoken to one letter at a time.
//!
//! The exchange is driven command by command, so that it is known whether a letter may have been taken when something
//! breaks: [`frontdesk_core::letter::smtp`] decides what that means. The time for it is kept here: lettre's own time-out ends
//! no wait for a reply.

use std::error::Error as _;
use std::time::Duration;

use frontdesk_core::letter::smtp::{Fault, Step, failed, refused};
use frontdesk_core::letter::{Sent, clean};
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::{MailError, Patience};
use crate::config::{SmtpConfig, SmtpSecurity};

/// One address of the server; another may answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The letter is taken; whether the server says goodbye does not matter.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// Longest receipt that is kept, in characters.
const LONGEST_RECEIPT: usize = 120;

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    security: SmtpSecurity,
    tls: TlsParameters,
    login: Option<Credentials>,
    patience: Patience,
}

impl Smtp {
    /// The server of the configuration. Blocks on the file system: it reads the system's certificates.
    pub fn new(config: &SmtpConfig, patience: Patience) -> Result<Self, MailError> {
        let mut tls = TlsParameters::builder(config.host.clone());
        if let Some(path) = &config.ca_file {
            let unusable = |why: String| MailError::CaFile { path: path.clone(), why };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?);
        }
        let login = config.login.as_ref();
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            security: config.security,
            tls: tls.build_rustls().map_err(MailError::Tls)?,
            login: login.map(|(user, password)| Credentials::new(user.clone(), password.expose().to_owned())),
            patience,
        })
    }

    /// Hands a letter over, whole, with CRLF line ends. `Done` carries the server's own words about it.
    pub async fn send(&self, envelope: &Envelope, letter: &[u8]) -> Sent {
        let mut step = Step::Connect;
        let mut connection = match timeout(self.patience.before, self.approach(&mut step, envelope)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return explained(step, &error),
            Err(_) => return failed(step, Fault::Silence),
        };
        let answer = match timeout(self.patience.letter, connection.message(letter)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return explained(Step::Content, &error),
            Err(_) => return failed(Step::Content, Fault::Silence),
        };
        let _ = timeout(GOODBYE_WITHIN, connection.quit()).await;
        Sent::Done { receipt: receipt(&answer) }
    }

    /// Everything before the letter; `step` tells how far it came.
    async fn approach(&self, step: &mut Step, envelope: &Envelope) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::default();
        let tls_first = (self.security == SmtpSecurity::Tls).then(|| self.tls.clone());
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_WITHIN), &hello, tls_first, None).await?;
        if self.security == SmtpSecurity::StartTls {
            *step = Step::StartTls;
            connection.starttls(self.tls.clone(), &hello).await?;
        }
        if let Some(login) = &self.login {
            *step = Step::Login;
            connection.auth(&[Mechanism::Plain, Mechanism::Login], login).await?;
        }
        *step = Step::Sender;
        connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await?;
        *step = Step::Recipient;
        for recipient in envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        *step = Step::Data;
        connection.command(Data).await?;
        Ok(connection)
    }
}

/// The server's name for the letter, with which its log is searched: `250 2.0.0 Ok: queued as 4F2A`. Addresses are left
/// out.
fn receipt(answer: &Response) -> String {
    let line = answer.first_line().unwrap_or_default();
    let words = line.split_whitespace().filter(|word| !word.contains('@'));
    clean::line(&words.fold(answer.code().to_string(), |said, word| said + " " + word), LONGEST_RECEIPT)
}

fn explained(step: Step, error: &Error) -> Sent {
    if let Some(code) = error.status() {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        return refused(step, code.into(), &text);
    }
    failed(step, fault(step, error))
}

fn fault(step: Step, error: &Error) -> Fault {
    if let Some(error) = tls_error(error) {
        return match error {
            rustls::Error::InvalidCertificate(_) => Fault::Certificate,
            // It speaks, but not TLS: the other port, or the other security.
            rustls::Error::InvalidMessage(_) => Fault::Unsupported,
            _ => Fault::Cut,
        };
    }
    match step {
        Step::StartTls | Step::Login if error.is_client() => Fault::Unsupported,
        Step::Connect if !error.is_response() => Fault::Unreachable,
        _ => Fault::Cut,
    }
}

/// What rustls has to say, however deep it is wrapped.
fn tls_error(error: &Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

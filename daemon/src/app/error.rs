//! Why the daemon does not run.

use std::io;
use std::net::SocketAddr;

use frontdesk_core::twilio::twiml::TwimlError;
use rustix::io::Errno;

use crate::google::GoogleError;
use crate::google::service::TokenError;
use crate::logging::Event;
use crate::mail::MailError;
use crate::net::TlsError;
use crate::store::StoreError;
use crate::supervise::Fault;

/// Why the daemon cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A port of ours.
    #[error("cannot listen on {address}, which is [{section}] listen ({})", remedy(source.kind()))]
    Listen {
        /// The section of the configuration.
        section: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS of a listener, or towards the services.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
    /// The credential for Gemini.
    #[error(transparent)]
    Credential(#[from] TokenError),
    /// Who we are at Google.
    #[error(transparent)]
    Google(#[from] GoogleError),
    /// The sentences of the fallback.
    #[error("the fallback of [phone] cannot be spoken")]
    Fallback(#[from] TwimlError),
    /// Letters.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness.
    #[error("the system gives no randomness, without which offers of appointments could be made up")]
    NoRandomness,
    /// The threads of the sound card.
    #[error("the threads of the front desk cannot be started")]
    Desk(#[source] io::Error),
    /// A part ended unasked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a person does about an address that cannot be listened on.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "is another program, or another frontdeskd, using it?",
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address, or not yet",
        io::ErrorKind::PermissionDenied => "ports below 1024 are not for this user: choose another",
        _ => "choose another address",
    }
}

impl AppError {
    /// Whether somebody has to change the configuration, or a file that it names: starting again would not help.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Tls(_) | Self::Credential(_) | Self::Google(_) | Self::Fallback(_) | Self::Mail(_) => true,
            Self::Store(error) => matches!(error, StoreError::NotOurs { .. } | StoreError::Newer { .. }),
            Self::Listen { .. } | Self::Http(_) | Self::NoRandomness | Self::Desk(_) | Self::Fault(_) => false,
        }
    }

    /// What the journal explains it by.
    pub fn event(&self) -> Event {
        match self {
            Self::Listen { .. } => Event::PortInUse,
            error if error.is_configuration() => Event::ConfigurationRefused,
            _ => Event::Failed,
        }
    }

    /// The system's number for it, if it has one: `systemctl status` shows its name.
    pub fn errno(&self) -> Option<u32> {
        if self.is_configuration() {
            return Some(Errno::INVAL.raw_os_error() as u32);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
                return u32::try_from(number).ok();
            }
            cause = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_the_systems_number() {
        let source = io::Error::from_raw_os_error(Errno::ADDRINUSE.raw_os_error());
        let address = SocketAddr::from(([127, 0, 0, 1], 8091));
        let busy = AppError::Listen { section: "phone", address, source };
        assert_eq!((busy.errno(), busy.is_configuration()), (Some(98), false));
        assert_eq!(AppError::NoRandomness.errno(), None);
        let spoken = AppError::Fallback(TwimlError::StreamUrl);
        assert_eq!((spoken.errno(), spoken.is_configuration()), (Some(22), true));
        let foreign = AppError::Store(StoreError::NotOurs { path: "/srv/notes.db".into() });
        assert!(foreign.is_configuration(), "the same file would be there the next time");
    }
}

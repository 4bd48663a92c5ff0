//! The doors of the daemon that are on the network, and which of them are not open though they should be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// A door of the daemon that is on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// For Twilio.
    Public,
    /// For people.
    Admin,
}

impl Door {
    /// The section of the configuration that says where it is.
    pub fn section(self) -> &'static str {
        match self {
            Self::Public => "phone",
            Self::Admin => "admin",
        }
    }

    /// Whom it is for.
    pub fn serves(self) -> &'static str {
        match self {
            Self::Public => "Twilio",
            Self::Admin => "people",
        }
    }

    /// Whether the daemon starts without it and tries again. An address that is not there yet comes with the network. The
    /// phone is not left unanswered because somebody has taken the port for people; without the phone's own port there
    /// is nothing to start for, and systemd tries again.
    pub fn may_come_later(self, why: io::ErrorKind) -> bool {
        match why {
            io::ErrorKind::AddrNotAvailable => true,
            io::ErrorKind::AddrInUse => self == Self::Admin,
            _ => false,
        }
    }
}

/// The doors that are not open though they should be. The lock is held for a look.
#[derive(Debug, Default)]
pub struct Shut(Mutex<Vec<(Door, SocketAddr)>>);

impl Shut {
    /// This one is not open; it waits for `address`.
    pub fn add(&self, door: Door, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((door, address));
    }

    /// This one is open.
    pub fn remove(&self, door: Door) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(shut, _)| *shut != door);
    }

    /// Which they are, and which address each waits for.
    pub fn doors(&self) -> Vec<(Door, SocketAddr)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

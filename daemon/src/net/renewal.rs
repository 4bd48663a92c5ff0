//! TLS of a listener whose certificate is renewed while it runs: certificates live for weeks, the daemon for longer.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};
use rustls::ServerConfig;

use super::tls::{TlsError, server_tls};
use crate::config::TlsFiles;
use crate::logging::chain;

/// How often the files are looked at, if anybody connects.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// What a file looks like from outside: another one by the same name, another content, another owner or other permissions
/// look different. So a file that could not be read is tried again when somebody has seen to that.
type Look = Option<(u64, u64, i64, i64)>;

/// TLS of a listener, from files that may be replaced. New connections meet the new certificate within a minute; one
/// that cannot be used is reported, and the old one stays.
#[derive(Debug)]
pub struct RenewedTls {
    files: TlsFiles,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    config: Arc<ServerConfig>,
    looks: [Look; 2],
    looked: Instant,
}

impl RenewedTls {
    /// Reads `files`; blocks on the disk.
    pub fn open(files: TlsFiles, now: Instant) -> Result<Self, TlsError> {
        // Looked at before they are read: what changes in between is noticed later.
        let looks = looks(&files);
        let config = server_tls(&files)?;
        Ok(Self { files, held: Mutex::new(Held { config, looks, looked: now }) })
    }

    /// The settings for a connection that is accepted at `now`. Once a minute this waits for the disk, on a thread that
    /// may; connections that come meanwhile are given what is known.
    pub async fn config(self: &Arc<Self>, now: Instant) -> Arc<ServerConfig> {
        if self.is_due(now) {
            let tls = Arc::clone(self);
            // A panic there leaves the old certificate in its place.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
        Arc::clone(&self.held().config)
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut held = self.held();
        let due = now >= held.looked + LOOK_EVERY;
        if due {
            held.looked = now;
        }
        due
    }

    fn look(&self) {
        let looks = looks(&self.files);
        if std::mem::replace(&mut self.held().looks, looks) == looks {
            return;
        }
        match server_tls(&self.files) {
            Ok(config) => {
                self.held().config = config;
                info!("the certificate in {} was renewed", self.files.cert.display());
            }
            // Perhaps only one of the two has been written yet: the other will look different.
            Err(error) => warn!("the renewed certificate is not used, the old one stays: {}", chain(&error)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn looks(files: &TlsFiles) -> [Look; 2] {
    [look(&files.cert), look(&files.key)]
}

/// Follows links: those who renew certificates like to move them.
fn look(path: &Path) -> Look {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

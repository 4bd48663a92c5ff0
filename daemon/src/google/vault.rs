//! The file in which a person's consent is kept, beside the store.
//!
//! It opens the clinic's calendars and mailbox: it is readable by the daemon's user alone, or not used. A power cut leaves
//! the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// The only one that there has been.
const VERSION: u32 = 1;
const MODE: u32 = 0o600;
const MOST_BYTES: u64 = 64 * 1024;
const AGAIN: &str = "remove it and run frontdeskctl google login";

/// What a person has consented to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// To whom: the OAuth client.
    pub(super) client_id: String,
    /// Who, if Google has told.
    pub(super) account: Option<String>,
    /// What was asked for.
    pub(super) asked: Vec<String>,
    /// What was granted of it.
    pub(super) granted: Vec<String>,
    /// When.
    pub(super) consented_at: Timestamp,
    /// When it ends by itself, if that is known.
    pub(super) ends_at: Option<Timestamp>,
    /// What access tokens are had with.
    pub(super) refresh_token: Secret,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    client_id: String,
    account: Option<String>,
    asked: Vec<String>,
    granted: Vec<String>,
    consented_at: Timestamp,
    ends_at: Option<Timestamp>,
    refresh_token: String,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Others may have read it.
    #[error(
        "{path} can be read by others than its owner (mode {mode:03o}): whoever has read it may use the clinic's account. \
         Withdraw the access at https://myaccount.google.com/permissions, {AGAIN}", path = .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is a link, or something that is no file.
    #[error("{path} is not a file of its own and is not followed: {AGAIN}", path = .path.display())]
    NotAFile {
        /// What has its name.
        path: PathBuf,
    },
    /// It is not what we write.
    #[error("{path} is damaged ({why}): {AGAIN}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way, without a word out of it.
        why: String,
    },
    /// The system.
    #[error("{path} cannot be read or written: it and its directory must belong to the daemon's user", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// The file; it need not exist. Every method blocks on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vault(PathBuf);

impl Vault {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// What is kept, if anything is.
    pub(super) fn read(&self) -> Result<Option<Kept>, VaultError> {
        let path = &self.0;
        let about = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            about => about.map_err(|source| self.io(source))?,
        };
        if !about.is_file() {
            return Err(VaultError::NotAFile { path: path.clone() });
        }
        let file = File::open(path).map_err(|source| self.io(source))?;
        let opened = file.metadata().map_err(|source| self.io(source))?;
        if (about.dev(), about.ino()) != (opened.dev(), opened.ino()) {
            return Err(VaultError::NotAFile { path: path.clone() });
        }
        let mode = opened.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed { path: path.clone(), mode });
        }
        let mut text = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|source| self.io(source))?;
        parse(&text).map(Some).map_err(|why| VaultError::Damaged { path: path.clone(), why })
    }

    /// Keeps this in place of what was kept before; it is on the disk when this returns.
    pub(super) fn write(&self, kept: &Kept) -> Result<(), VaultError> {
        let text = serde_json::to_vec_pretty(&Written::from(kept)).expect("texts and times are JSON");
        let temporary = self.0.with_added_extension("new");
        let written = put(&temporary, &text).and_then(|()| fs::rename(&temporary, &self.0));
        if written.is_err() {
            // Half a file is of no use; it may not even be there.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| self.sync_folder()).map_err(|source| self.io(source))
    }

    /// Keeps nothing any more; `true` if there was a file.
    pub(super) fn remove(&self) -> Result<bool, VaultError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.and_then(|()| self.sync_folder()).map(|()| true).map_err(|source| self.io(source)),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(self.0.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    fn io(&self, source: io::Error) -> VaultError {
        VaultError::Io { path: self.0.clone(), source }
    }
}

/// A name that a crash, or somebody else, has left is not written through.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The error says where, and repeats nothing: the parser quotes what it did not expect.
fn parse(text: &[u8]) -> Result<Kept, String> {
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("more than {MOST_BYTES} bytes"));
    }
    let at = |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let Written { version, client_id, account, asked, granted, consented_at, ends_at, refresh_token } =
        serde_json::from_slice(text).map_err(at)?;
    if version != VERSION {
        return Err(format!("version {version}, and this program knows {VERSION}"));
    }
    let refresh_token = Secret::new(&refresh_token);
    if refresh_token.expose().is_empty() {
        return Err("no token in it".to_owned());
    }
    Ok(Kept { client_id, account, asked, granted, consented_at, ends_at, refresh_token })
}

impl From<&Kept> for Written {
    fn from(kept: &Kept) -> Self {
        let Kept { client_id, account, asked, granted, consented_at, ends_at, refresh_token } = kept.clone();
        let refresh_token = refresh_token.expose().to_owned();
        Self { version: VERSION, client_id, account, asked, granted, consented_at, ends_at, refresh_token }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept() -> Kept {
        Kept {
            client_id: "1-a.apps".to_owned(),
            account: Some("desk@clinic.example".to_owned()),
            asked: vec!["openid".to_owned()],
            granted: vec!["openid".to_owned()],
            consented_at: "2026-11-27T01:00:00Z".parse().unwrap(),
            ends_at: None,
            refresh_token: Secret::new("1//made-up"),
        }
    }

    fn vault() -> (tempfile::TempDir, Vault) {
        let home = tempfile::tempdir().unwrap();
        let vault = Vault::at(&home.path().join("google-token.json"));
        (home, vault)
    }

    #[test]
    fn what_was_written_is_read_and_belongs_to_its_owner_alone() {
        let (home, vault) = vault();
        assert_eq!(vault.read().unwrap(), None);
        for ends_at in [None, Some("2026-12-04T01:00:00Z".parse().unwrap())] {
            let kept = Kept { ends_at, ..kept() };
            vault.write(&kept).unwrap();
            assert_eq!(vault.read().unwrap(), Some(kept));
        }
        assert_eq!(fs::metadata(&vault.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!([vault.remove().unwrap(), vault.remove().unwrap()], [true, false]);
        assert_eq!(vault.read().unwrap(), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let (_home, vault) = vault();
        vault.write(&kept()).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&vault.0, fs::Permissions::from_mode(mode)).unwrap();
            let error = vault.read().unwrap_err();
            assert!(matches!(error, VaultError::Exposed { mode: found, .. } if found == mode), "{error}");
            assert!(
                error.to_string().contains("myaccount.google.com") && !error.to_string().contains("1//"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_link_is_neither_followed_nor_written_through() {
        let (home, vault) = vault();
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "somebody's").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &vault.0).unwrap();
        std::os::unix::fs::symlink(&elsewhere, vault.0.with_added_extension("new")).unwrap();
        assert!(matches!(vault.read(), Err(VaultError::NotAFile { .. })));
        vault.write(&kept()).unwrap();
        assert_eq!(vault.read().unwrap(), Some(kept()));
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "somebody's");
    }

    #[test]
    fn a_damaged_file_says_so_and_what_would_do() {
        let (_home, vault) = vault();
        let good = serde_json::to_string(&Written::from(&kept())).unwrap();
        for (text, part) in [
            ("", "line 1, column 0"),
            ("\"1//made-up\"", "line 1"),
            (&good[..good.len() / 2], "line 1"),
            (&good.replace("\"version\":1", "\"version\":2"), "version 2"),
            (&good.replace("1//made-up", " "), "no token"),
        ] {
            put(&vault.0, text.as_bytes()).unwrap();
            let said = vault.read().unwrap_err().to_string();
            assert!(said.contains(part) && said.contains("frontdeskctl google login"), "{said}");
            assert!(!said.contains("made-up"), "{said}");
        }
    }

    #[test]
    fn a_directory_that_is_not_ours_is_told() {
        let error = Vault::at(Path::new("/nowhere/google-token.json")).write(&kept()).unwrap_err();
        assert!(matches!(&error, VaultError::Io { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..400) {
            let _ = parse(&bytes);
            let good = serde_json::to_vec(&Written::from(&kept())).unwrap();
            let _ = parse(&good[..cut.min(good.len())]);
        }
    }
}

//! Where this machine keeps secrets for the unit: encrypted by `systemd-creds` in `/etc/credstore.encrypted`, or as files that
//! only root may read in `/etc/credstore`.
//!
//! The host's key is made of random bytes and of the machine id. systemd throws a key away whose machine id is another, and
//! with it everything that was encrypted: nothing is encrypted before that id is settled.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::known::{self, Known};
use super::{SecretsError, Unfit};
use crate::config::Secret;
use crate::ctl::files::{self, NewFile};

const PLAIN: &str = "etc/credstore";
const ENCRYPTED: &str = "etc/credstore.encrypted";
const DROP_INS: &str = "etc/systemd/system/frontdeskd.service.d";
/// Where systemd looks for the unit and for what is added to it.
const UNITS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
const HOST_KEY: &str = "var/lib/systemd/credential.secret";
const CREDS: &str = "systemd-creds";
/// Has systemd pass on what is encrypted, wherever it is installed.
const GENERATOR: &str = "usr/lib/systemd/system-generators/frontdesk-generator";
/// From this version on `ImportCredential=` is known.
const KNOWS_IMPORT: u32 = 254;
/// A secret is a line, or a small JSON document.
const MOST_BYTES: u64 = 64 * 1024;

/// The secrets of a machine.
#[derive(Debug, Clone)]
pub(in crate::ctl) struct Vault {
    root: PathBuf,
}

/// How a secret is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ctl) enum Cipher {
    /// With this machine's key.
    Host,
    /// As it is, for this reason.
    Plain(&'static str),
}

/// A secret that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ctl) struct Kept {
    pub(in crate::ctl) known: Known,
    pub(in crate::ctl) path: PathBuf,
    pub(in crate::ctl) encrypted: bool,
    /// Since it was written.
    pub(in crate::ctl) age: Duration,
    /// As chmod(1) counts.
    pub(in crate::ctl) mode: u32,
    pub(in crate::ctl) owner: u32,
    pub(in crate::ctl) bytes: u64,
    /// Whether the unit is passed it; `None` where there is no unit.
    pub(in crate::ctl) passed: Option<bool>,
}

/// What is to be written and removed so that a secret is kept.
#[derive(Debug)]
pub(in crate::ctl) struct Plan {
    pub(in crate::ctl) files: Vec<NewFile>,
    /// What would contradict it.
    pub(in crate::ctl) obsolete: Vec<PathBuf>,
}

impl Vault {
    /// The secrets below `root`, `/` but for images and tests.
    pub(in crate::ctl) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// How this machine stores secrets; an error when it would lose them.
    pub(in crate::ctl) fn cipher(&self) -> Result<Cipher, SecretsError> {
        if self.root != Path::new("/") {
            return Ok(Cipher::Plain("another machine's key is not known here"));
        }
        if !has_program(CREDS) {
            return Ok(Cipher::Plain("this system has no systemd-creds"));
        }
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        settled(&read("/etc/machine-id"), &read("/proc/self/mountinfo")).map_err(SecretsError::Unsettled)?;
        if is_container() && !self.root.join(HOST_KEY).exists() {
            return Err(SecretsError::Unsettled("this is a container without a key of its own"));
        }
        Ok(Cipher::Host)
    }

    /// What has to be done to keep `secret`. Runs `systemd-creds`.
    pub(in crate::ctl) fn plan(&self, known: Known, secret: &Secret, cipher: &Cipher) -> Result<Plan, SecretsError> {
        let name = known.name.credential;
        let at = |folder: &str| self.root.join(folder).join(name);
        let file = |path, bytes| NewFile { path, bytes, mode: 0o600, folder_mode: 0o700 };
        let drop_in = self.drop_in(name);
        let (plain, encrypted) = (at(PLAIN), at(ENCRYPTED));
        match cipher {
            Cipher::Plain(_) => Ok(Plan {
                files: vec![file(plain, secret.expose().as_bytes().to_vec())],
                obsolete: vec![encrypted, drop_in],
            }),
            Cipher::Host => {
                let mut files = vec![file(encrypted, encrypt(name, secret)?)];
                if self.is_passed(name, true) == Some(false) {
                    let text = format!(
                        "# Written by frontdeskctl: the credential is kept encrypted.\n[Service]\n\
                         LoadCredentialEncrypted={name}\n"
                    );
                    files.push(NewFile { path: drop_in, bytes: text.into(), mode: 0o644, folder_mode: 0o755 });
                }
                Ok(Plan { files, obsolete: vec![plain] })
            }
        }
    }

    /// What is there, in the order in which people are told of them.
    pub(in crate::ctl) fn list(&self) -> Result<Vec<Kept>, SecretsError> {
        let mut kept = Vec::new();
        for known in known::ALL {
            for (folder, encrypted) in [(PLAIN, false), (ENCRYPTED, true)] {
                let path = self.root.join(folder).join(known.name.credential);
                let about = match fs::metadata(&path) {
                    Ok(about) => about,
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                    Err(source) => return Err(SecretsError::Unseen { path, source }),
                };
                let age = about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
                let (mode, owner, bytes) = (about.mode() & 0o7777, about.uid(), about.len());
                let passed = self.is_passed(known.name.credential, encrypted);
                kept.push(Kept { known, path, encrypted, age: age.unwrap_or_default(), mode, owner, bytes, passed });
            }
        }
        Ok(kept)
    }

    /// The secret in one of the files; checked for its form.
    pub(in crate::ctl) fn open(kept: &Kept) -> Result<Result<Secret, Unfit>, SecretsError> {
        let text = if kept.encrypted {
            decrypt(kept.known.name.credential, &kept.path)?
        } else {
            let read = files::read_text(&kept.path, MOST_BYTES);
            read.map_err(|source| SecretsError::Unseen { path: kept.path.clone(), source })?
        };
        Ok(kept.known.read(&text))
    }

    /// Removes all files of a secret; tells which.
    pub(in crate::ctl) fn remove(&self, known: Known) -> Result<Vec<PathBuf>, SecretsError> {
        let name = known.name.credential;
        let paths = [self.root.join(PLAIN).join(name), self.root.join(ENCRYPTED).join(name), self.drop_in(name)];
        let mut removed = Vec::new();
        for path in paths {
            if files::wipe(&path)? {
                removed.push(path);
            }
        }
        Ok(removed)
    }

    fn drop_in(&self, name: &str) -> PathBuf {
        self.root.join(DROP_INS).join(format!("60-encrypted-{name}.conf"))
    }

    /// Whether the unit is passed that credential; `None` where there is no unit.
    fn is_passed(&self, name: &str, encrypted: bool) -> Option<bool> {
        let texts = self.unit_texts();
        if !texts.is_empty() && self.root.join(GENERATOR).exists() {
            // What is encrypted takes the place of what is not.
            return Some(encrypted || !self.root.join(ENCRYPTED).join(name).exists());
        }
        (!texts.is_empty()).then(|| passes(&texts, name, encrypted, systemd_version().unwrap_or_default()))
    }

    /// The unit, then its drop-ins in the order of their names.
    fn unit_texts(&self) -> Vec<String> {
        let folders = UNITS.map(|folder| self.root.join(folder));
        let Some(unit) = folders.iter().find_map(|folder| fs::read_to_string(folder.join("frontdeskd.service")).ok())
        else {
            return Vec::new();
        };
        let mut drop_ins: Vec<PathBuf> = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder.join("frontdeskd.service.d")).ok())
            .flat_map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
            .collect();
        drop_ins.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
        std::iter::once(unit).chain(drop_ins.iter().filter_map(|path| fs::read_to_string(path).ok())).collect()
    }
}

/// Whether a unit of these texts is passed a credential. systemd keeps one setting for each name, the last.
fn passes(texts: &[String], name: &str, encrypted: bool, version: u32) -> bool {
    let mut wants = None;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let (id, path) = value.split_once(':').map_or((value, None), |(id, path)| (id, Some(path)));
        match key.trim() {
            "LoadCredential" if id.trim() == name => wants = Some((false, path)),
            "LoadCredentialEncrypted" if id.trim() == name => wants = Some((true, path)),
            "ImportCredential" if version >= KNOWS_IMPORT && is_globbed(id.trim(), name) => return true,
            _ => {}
        }
    }
    wants.is_some_and(|(of_encrypted, path)| of_encrypted == encrypted && path.is_none())
}

fn is_globbed(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// Whether the machine id will be the same after the next start; else why not.
fn settled(machine_id: &str, mounts: &str) -> Result<(), &'static str> {
    let id = machine_id.trim();
    if id.is_empty() || id == "uninitialized" {
        return Err("this system has no machine id yet (it gets one at its first start)");
    }
    if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("/etc/machine-id is broken");
    }
    // proc(5): the fifth field is the place; behind the dash is the file system's type.
    let passing = mounts.lines().any(|line| {
        let kind = line.split_once(" - ").and_then(|(_, rest)| rest.split_whitespace().next());
        line.split_whitespace().nth(4) == Some("/etc/machine-id") && kind == Some("tmpfs")
    });
    if passing {
        return Err("the machine id lasts only until the next start (the root is read-only, and nothing keeps it)");
    }
    Ok(())
}

fn is_container() -> bool {
    ["/run/systemd/container", "/run/.containerenv", "/.dockerenv"].iter().any(|path| Path::new(path).exists())
}

fn has_program(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}

/// `systemd 252 (252.38-1~deb12u1)`.
fn systemd_version() -> Option<u32> {
    let out = Command::new(CREDS).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&out.stdout).split_whitespace().nth(1)?.parse().ok()
}

fn encrypt(name: &str, secret: &Secret) -> Result<Vec<u8>, SecretsError> {
    let mut creds = Command::new(CREDS);
    creds.args(["encrypt", "--with-key=host", &format!("--name={name}"), "-", "-"]);
    run(creds, Some(secret), name)
}

fn decrypt(name: &str, path: &Path) -> Result<String, SecretsError> {
    let mut creds = Command::new(CREDS);
    creds.args(["decrypt", &format!("--name={name}")]).arg(path).arg("-");
    let failed = || SecretsError::Creds { name: name.to_owned(), said: "it is no text".to_owned() };
    String::from_utf8(run(creds, None, name)?).map_err(|_| failed())
}

/// The secret goes through a pipe: arguments and files are seen by others.
fn run(mut creds: Command, secret: Option<&Secret>, name: &str) -> Result<Vec<u8>, SecretsError> {
    let failed = |said: String| SecretsError::Creds { name: name.to_owned(), said };
    let stdin = if secret.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = creds
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("systemd-creds cannot be run: {error}")))?;
    if let (Some(secret), Some(mut pipe)) = (secret, child.stdin.take()) {
        // One that ends early says why itself. A secret fits into the pipe.
        let _ = pipe.write_all(secret.expose().as_bytes());
    }
    let out = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if out.status.success() {
        return Ok(out.stdout);
    }
    let said = String::from_utf8_lossy(&out.stderr).trim().lines().last().unwrap_or_default().to_owned();
    Err(failed(if said.is_empty() { out.status.to_string() } else { said }))
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;

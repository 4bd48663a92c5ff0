//! `secrets`: what the daemon is trusted with, on this machine. Values are taken in and never shown.

mod ask;
pub(super) mod known;
pub(super) mod vault;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Subcommand;
use serde_json::json;

use super::files::{self, FileError};
use super::local::{LocalError, needs_root};
use super::show::{span, table};
use super::{CtlError, Verdict, View};
pub use known::Unfit;
use known::{ALL, Known};
use vault::{Cipher, Kept, Vault};

/// Why a secret is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// There is none of that name.
    #[error("there is no secret {written:?}; the nearest is {nearest}, and frontdeskctl secrets list shows all")]
    Unknown {
        /// What was written.
        written: String,
        /// What may have been meant.
        nearest: &'static str,
    },
    /// It cannot be what it is said to be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Encrypting it would lose it.
    #[error(
        "nothing can be encrypted here: {0}. systemd would throw the key away, and everything that was encrypted with it. Run \
         it on the started box; or add --plain, which stores it unencrypted, readable by root alone"
    )]
    Unsettled(&'static str),
    /// systemd refuses.
    #[error("systemd-creds refuses {name}: {said}")]
    Creds {
        /// The credential.
        name: String,
        /// Its last line.
        said: String,
    },
    /// It cannot be looked at.
    #[error("{path} cannot be looked at: as root it can (sudo)", path = .path.display())]
    Unseen {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Nothing came.
    #[error("no secret was given; nothing was changed")]
    Nothing,
    /// What came is no text, or too much.
    #[error("what was given is no secret; nothing was changed")]
    Input(#[source] io::Error),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

impl PartialEq for SecretsError {
    /// By what is said.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// List which secrets there are, where and since when; never what they are. The default
    List,
    /// Store one: typed unseen, or from standard input, such as a file
    ///
    /// It is checked for its form and encrypted with this machine's key. The daemon sees it after a restart.
    Set {
        /// Its name, for example twilio-auth-token
        name: String,
        /// Store it unencrypted, readable by root alone
        #[arg(long)]
        plain: bool,
    },
    /// Say whether those that are there can be read and have the right form; the exit status is 1 if not
    Check,
    /// Remove one for good
    Remove {
        /// Its name
        name: String,
    },
}

/// Does it.
pub(super) fn run(command: Option<SecretsCommand>, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let vault = Vault::below(Path::new("/"));
    match command.unwrap_or(SecretsCommand::List) {
        SecretsCommand::List => list(&vault, view),
        SecretsCommand::Set { name, plain } => set(&vault, view, &name, plain),
        SecretsCommand::Check => check(&vault, view),
        SecretsCommand::Remove { name } => remove(&vault, view, &name),
    }
}

fn found(name: &str) -> Result<Known, LocalError> {
    known::find(name).map_err(|nearest| {
        LocalError::Secrets(SecretsError::Unknown { written: name.chars().take(64).collect(), nearest })
    })
}

fn list(vault: &Vault, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let kept = vault.list().map_err(LocalError::from)?;
    if view.json {
        let entries = kept.iter().map(|kept| {
            json!({
                "name": kept.known.name.credential, "path": kept.path, "encrypted": kept.encrypted,
                "age_s": kept.age.as_secs(), "passed": kept.passed,
            })
        });
        view.line(json!({ "secrets": entries.collect::<Vec<_>>() }))?;
        return Ok(Verdict::Well);
    }
    let mut rows = Vec::new();
    for known in ALL {
        let mut of_it = kept.iter().filter(|kept| kept.known == known).peekable();
        if of_it.peek().is_none() {
            rows.push(row(known, "-", "-".to_owned(), known.what.to_owned()));
        }
        rows.extend(of_it.map(described));
    }
    view.line(table(["NAME", "STORED", "SINCE", ""], &rows))?;
    Ok(Verdict::Well)
}

fn row(known: Known, stored: &str, since: String, more: String) -> [String; 4] {
    [known.name.credential.to_owned(), stored.to_owned(), since, more]
}

fn described(kept: &Kept) -> [String; 4] {
    let stored = if kept.encrypted { "encrypted" } else { "unencrypted" };
    let more = if kept.passed == Some(false) { "  (the unit does not read it: set it again)" } else { "" };
    row(kept.known, stored, span(kept.age), format!("{}{more}", kept.path.display()))
}

fn set(vault: &Vault, view: &mut View<'_>, name: &str, plain: bool) -> Result<Verdict, CtlError> {
    let known = found(name)?;
    needs_root("storing a secret")?;
    // Before anybody has typed.
    let cipher = if plain { Cipher::Plain("--plain") } else { vault.cipher().map_err(LocalError::from)? };
    let typed = ask::ask(known.what).map_err(|error| LocalError::Secrets(SecretsError::Input(error)))?;
    let text = typed.ok_or(LocalError::Secrets(SecretsError::Nothing))?;
    let secret = known.read(&text).map_err(|unfit| LocalError::Secrets(unfit.into()))?;
    let plan = vault.plan(known, &secret, &cipher).map_err(LocalError::from)?;
    files::commit(&plan.files).map_err(LocalError::from)?;
    for path in &plan.obsolete {
        files::wipe(path).map_err(LocalError::from)?;
    }
    reread_units();
    let path = plan.files[0].path.display();
    if view.json {
        view.line(json!({ "name": name, "path": plan.files[0].path, "encrypted": cipher == Cipher::Host }))?;
    } else {
        match cipher {
            Cipher::Host => view.line(format!("{name} is stored, encrypted with this machine's key, in {path}"))?,
            Cipher::Plain(why) => {
                view.line(format!("{name} is stored unencrypted ({why}), readable by root alone, in {path}"))?;
            }
        }
        view.line("the daemon sees it after: systemctl restart frontdeskd")?;
    }
    Ok(Verdict::Well)
}

fn check(vault: &Vault, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    needs_root("reading secrets")?;
    let mut well = true;
    let mut entries = Vec::new();
    for kept in vault.list().map_err(LocalError::from)? {
        let name = kept.known.name.credential;
        let complaint = match Vault::open(&kept) {
            Ok(Ok(_)) => complaint_of(&kept),
            Ok(Err(unfit)) => Some(unfit.to_string()),
            Err(error) => Some(error.to_string()),
        };
        well &= complaint.is_none();
        if view.json {
            entries.push(json!({ "name": name, "well": complaint.is_none(), "why": complaint }));
            continue;
        }
        match complaint {
            None => view.line(format!("ok     {name}"))?,
            Some(why) => {
                view.line(format!("WRONG  {name}: {why}"))?;
                view.line(format!("       -> sudo frontdeskctl secrets set {name}"))?;
            }
        }
    }
    if view.json {
        view.line(json!({ "well": well, "secrets": entries }))?;
    }
    Ok(if well { Verdict::Well } else { Verdict::Unwell })
}

/// What is wrong with its file, though it can be read.
pub(super) fn complaint_of(kept: &Kept) -> Option<String> {
    let path = kept.path.display();
    if kept.bytes == 0 {
        return Some(format!("{path} is empty"));
    }
    if !kept.encrypted && (kept.mode & 0o077 != 0 || kept.owner != 0) {
        return Some(format!("{path} can be read by others than root"));
    }
    (kept.passed == Some(false)).then(|| format!("{path} is there, but the unit does not read it"))
}

fn remove(vault: &Vault, view: &mut View<'_>, name: &str) -> Result<Verdict, CtlError> {
    let known = found(name)?;
    needs_root("removing a secret")?;
    let removed = vault.remove(known).map_err(LocalError::from)?;
    reread_units();
    if view.json {
        view.line(json!({ "removed": removed }))?;
    } else if removed.is_empty() {
        view.line(format!("{name} was not there"))?;
    } else {
        for path in &removed {
            view.line(format!("removed {}", path.display()))?;
        }
        view.line("the daemon that runs still has it, until: systemctl restart frontdeskd")?;
    }
    Ok(Verdict::Well)
}

/// Has systemd see new drop-ins. Where it does not run it will read them when it starts.
pub(super) fn reread_units() {
    if Path::new("/run/systemd/system").is_dir() {
        let _ = Command::new("systemctl").arg("daemon-reload").stdin(Stdio::null()).stderr(Stdio::null()).status();
    }
}

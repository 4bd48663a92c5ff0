//! What is to be, put in its place; and the plain secrets taken away.

use std::fs;
use std::path::{Path, PathBuf};

use super::ProvisionError;
use super::order::Order;
use crate::ctl::files::{self, FileError, NewFile};
use crate::ctl::secrets::reread_units;
use crate::ctl::secrets::vault::{Cipher, Vault};

/// One line for each thing that would be done.
pub(super) fn announced(order: &Order) -> Vec<String> {
    let texts = order.texts.iter().map(|text| format!("would write /{}", text.to.display()));
    let secrets = order.secrets.iter().map(|(known, _)| format!("would store the secret {}", known.name.credential));
    texts.chain(secrets).collect()
}

/// Writes all of it below `root`, or nothing; one line for each thing that was done.
pub(super) fn apply(order: &Order, root: &Path) -> Result<Vec<String>, ProvisionError> {
    let vault = Vault::below(root);
    let mut all: Vec<NewFile> = Vec::new();
    let mut obsolete = Vec::new();
    let mut report = Vec::new();
    for text in &order.texts {
        let (mode, folder_mode) = if text.private { (0o600, 0o700) } else { (0o644, 0o755) };
        let path = root.join(&text.to);
        report.push(format!("wrote {}", path.display()));
        all.push(NewFile { path, bytes: text.content.clone().into_bytes(), mode, folder_mode });
    }
    if !order.secrets.is_empty() {
        let cipher = vault.cipher()?;
        for (known, secret) in &order.secrets {
            let plan = vault.plan(*known, secret, &cipher)?;
            let how = match cipher {
                Cipher::Host => "encrypted with this box's key".to_owned(),
                Cipher::Plain(why) => format!("unencrypted ({why})"),
            };
            report.push(format!("stored the secret {}, {how}", known.name.credential));
            all.extend(plan.files);
            obsolete.extend(plan.obsolete);
        }
    }
    files::commit(&all).map_err(ProvisionError::File)?;
    for path in &obsolete {
        files::wipe(path).map_err(ProvisionError::NotWiped)?;
    }
    if root == Path::new("/") {
        reread_units();
    }
    Ok(report)
}

/// Overwrites and removes what holds plain secrets; with `whole` everything that was read. One line for each.
pub(super) fn wipe(order: &Order, from: &Path, whole: bool) -> Result<Vec<String>, FileError> {
    let mut report = Vec::new();
    for path in &order.plain {
        if files::wipe(path)? {
            report.push(format!("erased {}", path.display()));
        }
    }
    if whole {
        let failed = |source| FileError { path: from.to_owned(), verb: "removed", source };
        let about = fs::symlink_metadata(from);
        match about {
            Ok(about) if about.is_dir() => {
                fs::remove_dir_all(from).map_err(failed)?;
                report.push(format!("removed {}", from.display()));
            }
            Ok(_) => {
                files::wipe(from)?;
                report.push(format!("erased {}", from.display()));
            }
            // It was the single file, and is erased.
            Err(_) => {}
        }
    } else {
        remove_empty(&order.plain, from);
    }
    Ok(report)
}

/// `secrets/`, once nothing is in it.
fn remove_empty(plain: &[PathBuf], from: &Path) {
    let folders = plain.iter().filter_map(|path| path.parent());
    for folder in folders.filter(|folder| *folder != from && folder.ends_with("secrets")) {
        // One that is not empty stays.
        let _ = fs::remove_dir(folder);
    }
}

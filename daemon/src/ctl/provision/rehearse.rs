//! What is to be, tried out: the daemon's own check, on a copy of the configuration as it would be.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::order::{CONFIG, COUNTRY, Order};
use crate::config::{self, CREDENTIAL_STORES};
use crate::logging::chain;

/// Memory, where there is any that is a file system: secrets are not for the disk.
const MEMORY: &str = "/dev/shm";
/// Deeper than a configuration is.
const MOST_DEPTH: usize = 4;

/// Everything that is wrong with the configuration as it would be, each with file, line and key; the files are named as they
/// were written.
pub(super) fn rehearse(order: &Order, root: &Path) -> Result<(), Vec<String>> {
    // Keys, a network, and secrets, whose form has been checked, are told to a box that knows no clinic yet.
    if !order.texts.iter().any(|text| text.to.starts_with(CONFIG) && text.to != Path::new(COUNTRY)) {
        return Ok(());
    }
    let there = root.join(CONFIG);
    let stage = Stage::make().map_err(|error| vec![format!("nothing can be tried out here: {error}")])?;
    stage.fill(order, &there).map_err(|error| vec![format!("nothing can be tried out here: {error}")])?;
    let stores: Vec<PathBuf> = std::iter::once(stage.0.join("credstore"))
        .chain(CREDENTIAL_STORES.iter().map(|store| root.join(store.trim_start_matches('/'))))
        .collect();
    let loaded = config::inspect(&stage.0.join("config/config.toml"), &|_| None, &stores);
    let complaint = match loaded {
        Err(errors) => errors.0.iter().map(|complaint| stage.renamed(&complaint.to_string(), order, &there)).collect(),
        Ok(loaded) if loaded.unseen.is_empty() => match crate::app::check(&loaded.config) {
            Ok(()) => return Ok(()),
            Err(error) => vec![stage.renamed(&chain(&error).to_string(), order, &there)],
        },
        // Stand-ins for what cannot be seen cannot be tried out.
        Ok(_) => return Ok(()),
    };
    Err(complaint)
}

/// A folder of our own that is gone when this is.
struct Stage(PathBuf);

impl Stage {
    fn make() -> std::io::Result<Self> {
        let memory = Path::new(MEMORY);
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = parent.join(format!("frontdesk-provision-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        let stage = Self(path);
        for folder in ["config", "credstore"] {
            DirBuilder::new().mode(0o700).create(stage.0.join(folder))?;
        }
        Ok(stage)
    }

    /// The configuration as it is, and over it what is to be.
    fn fill(&self, order: &Order, there: &Path) -> std::io::Result<()> {
        let config = self.0.join("config");
        if there.is_dir() {
            copy(there, &config, MOST_DEPTH)?;
        }
        for text in &order.texts {
            let Ok(below) = text.to.strip_prefix(CONFIG) else { continue };
            let path = config.join(below);
            fs::create_dir_all(path.parent().unwrap_or(&config))?;
            fs::write(path, &text.content)?;
        }
        for (known, secret) in &order.secrets {
            fs::write(self.0.join("credstore").join(known.name.credential), secret.expose())?;
        }
        Ok(())
    }

    /// A complaint that names files where they were written.
    fn renamed(&self, complaint: &str, order: &Order, there: &Path) -> String {
        let config = self.0.join("config");
        let mut text = complaint.to_owned();
        for written in &order.texts {
            if let Ok(below) = written.to.strip_prefix(CONFIG) {
                let staged = config.join(below).display().to_string();
                // Only whole names: config.toml begins like config.toml.old.
                text = text.replace(&format!("{staged}:"), &format!("{}:", written.from.display()));
            }
        }
        let text = text.replace(&format!("{}/", config.display()), &format!("{}/", there.display()));
        let store = self.0.join("credstore").display().to_string();
        text.replace(&format!("{store}, "), "").replace(&store, "the folder's secrets")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // In memory; where it is not, the files are those that lie in the folder as well.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path, depth: usize) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let about = fs::metadata(&path)?;
        if about.is_dir() && depth > 0 {
            fs::create_dir_all(&target)?;
            copy(&path, &target, depth - 1)?;
        } else if about.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

//! `update` and `backup`: what a box needs over the years.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::finding::Finding;
use super::system;
use crate::ctl::show::span;

const PROGRAM: &str = "/usr/bin/frontdeskd";
/// A night was missed.
const OLD: Duration = Duration::from_hours(3 * 24);

/// What is known of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Versions {
    /// Of this tool, which came with the package.
    pub(super) here: String,
    /// Of the daemon that runs.
    pub(super) running: Option<String>,
    /// The package and its version.
    pub(super) installed: Option<(String, String)>,
    /// What apt could install.
    pub(super) candidate: Option<String>,
}

/// Asks dpkg and apt; neither goes to the network.
pub(super) async fn look_at_versions(running: Option<String>) -> Versions {
    let mut versions = Versions { here: env!("CARGO_PKG_VERSION").to_owned(), running, ..Versions::default() };
    // `frontdesk: /usr/bin/frontdeskd`
    let Ok(owner) = system::ask("dpkg-query", &["--search", PROGRAM]).await else { return versions };
    let Some((package, _)) = owner.split_once(':') else { return versions };
    if let Ok(version) = system::ask("dpkg-query", &["--show", "--showformat=${Version}", package]).await {
        versions.installed = Some((package.to_owned(), version));
    }
    let policy = system::ask("apt-cache", &["policy", package]).await.unwrap_or_default();
    versions.candidate = candidate(&policy);
    versions
}

/// `  Candidate: 0.2.0-1`
fn candidate(policy: &str) -> Option<String> {
    let said = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (said != "(none)").then(|| said.to_owned())
}

/// The check `update`.
pub(super) fn judge_versions(versions: &Versions) -> Vec<Finding> {
    let Versions { here, running, installed, candidate } = versions;
    let mut findings = Vec::new();
    if let Some(running) = running.as_ref().filter(|running| *running != here) {
        let what = format!("frontdeskd {running} runs, and {here} is installed: it runs from the next start on");
        findings.push(Finding::advice(what, "sudo systemctl restart frontdeskd"));
    }
    if let (Some((package, version)), Some(candidate)) = (installed, candidate)
        && candidate != version
    {
        let what = format!("{package} {candidate} is there, and {version} is installed");
        findings.push(Finding::advice(
            what,
            format!("sudo apt-get update && sudo apt-get install --only-upgrade {package}"),
        ));
    }
    if findings.is_empty() {
        findings.push(match installed {
            Some((package, version)) => Finding::ok(format!("{package} {version}; apt knows of nothing newer")),
            None => Finding::skipped(format!(
                "frontdeskd {here} was not installed as a package: nothing is known of newer ones"
            )),
        });
    }
    findings
}

/// What is known of the copies of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copies {
    /// None is wanted.
    Off,
    /// Nobody but the daemon and root may look.
    Unseen,
    /// Since the newest was made.
    Newest(Duration),
    /// There is none; since the store was begun, if there is one.
    None { store: Option<Duration> },
}

/// Looks at the copies beside `store`, of which so many are `kept`.
pub(super) fn look_at_copies(store: &Path, kept: u32) -> Copies {
    if kept == 0 {
        return Copies::Off;
    }
    let age = |path: &Path| {
        let written = fs::metadata(path).and_then(|about| about.modified())?;
        // One of the future was made by a clock that was wrong.
        Ok::<_, std::io::Error>(SystemTime::now().duration_since(written).unwrap_or_default())
    };
    let folder = store.with_file_name("backups");
    let is_denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    match fs::read_dir(&folder) {
        Ok(entries) => {
            let copies = entries.filter_map(Result::ok).map(|entry| entry.path());
            let copies = copies.filter(|path| path.extension().is_some_and(|extension| extension == "db"));
            let newest = copies.filter_map(|path| age(&path).ok()).min();
            newest.map_or_else(|| Copies::None { store: begun(store) }, Copies::Newest)
        }
        Err(error) if is_denied(&error) => Copies::Unseen,
        Err(_) => match fs::metadata(store) {
            Err(error) if is_denied(&error) => Copies::Unseen,
            _ => Copies::None { store: begun(store) },
        },
    }
}

fn begun(store: &Path) -> Option<Duration> {
    let about = fs::metadata(store).ok()?;
    let born = about.created().or_else(|_| about.modified()).ok()?;
    SystemTime::now().duration_since(born).ok()
}

/// The check `backup`.
pub(super) fn judge_copies(copies: &Copies) -> Vec<Finding> {
    let why = "journalctl -u frontdeskd --grep='copy of the store' -n 5 --no-pager; df -h /var/lib/frontdesk";
    vec![match copies {
        Copies::Off => Finding::advice(
            "no copies of the store are made ([store] backups = 0): what a broken card held is lost",
            "sudo nano /etc/frontdesk/config.toml  ([store] backups = 7), then: sudo systemctl restart frontdeskd",
        ),
        Copies::Unseen => {
            Finding::skipped_but("only root may look at the copies", "sudo frontdeskctl doctor --only backup")
        }
        Copies::Newest(age) if *age > OLD => {
            Finding::wrong(format!("the newest copy of the store is {} old", span(*age)), why)
        }
        Copies::Newest(age) => Finding::ok(format!("the newest copy of the store is {} old", span(*age))),
        Copies::None { store: Some(age) } if *age > OLD => {
            Finding::wrong(format!("there is no copy of the store, which was begun {} ago", span(*age)), why)
        }
        Copies::None { .. } => Finding::ok("the first copy of the store is made in the coming night"),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::Outcome;

    #[test]
    fn newer_versions_are_told() {
        let versions = |running: &str, installed: &str, candidate: &str| Versions {
            here: "0.2.0".to_owned(),
            running: Some(running.to_owned()),
            installed: Some(("frontdesk".to_owned(), installed.to_owned())),
            candidate: Some(candidate.to_owned()),
        };
        assert_eq!(judge_versions(&versions("0.2.0", "0.2.0-1", "0.2.0-1"))[0].outcome, Outcome::Ok);
        let findings = judge_versions(&versions("0.1.0", "0.2.0-1", "0.3.0-1"));
        assert!(findings[0].what.contains("frontdeskd 0.1.0 runs, and 0.2.0 is installed"), "{findings:?}");
        assert!(findings[1].fix.as_ref().unwrap().ends_with("--only-upgrade frontdesk"), "{findings:?}");
        assert_eq!(judge_versions(&Versions::default())[0].outcome, Outcome::Skipped);
        assert_eq!(candidate("frontdesk:\n  Installed: 1\n  Candidate: 2-1\n"), Some("2-1".to_owned()));
        assert_eq!(candidate("x:\n  Candidate: (none)\n"), None);
    }

    #[test]
    fn a_copy_is_new_or_missed() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("frontdesk.db");
        assert_eq!(look_at_copies(&store, 7), Copies::None { store: None });
        fs::create_dir(home.path().join("backups")).unwrap();
        let copy = home.path().join("backups/frontdesk-2026-11-20.db");
        fs::write(&copy, "").unwrap();
        assert_eq!(judge_copies(&look_at_copies(&store, 7))[0].outcome, Outcome::Ok);
        let week = Duration::from_hours(7 * 24);
        fs::File::options().write(true).open(&copy).unwrap().set_modified(SystemTime::now() - week).unwrap();
        let findings = judge_copies(&look_at_copies(&store, 7));
        assert!(findings[0].outcome == Outcome::Wrong && findings[0].what.contains("7 d"), "{findings:?}");
        assert_eq!(judge_copies(&look_at_copies(&store, 0))[0].outcome, Outcome::Advice);
        assert_eq!(judge_copies(&Copies::None { store: Some(week) })[0].outcome, Outcome::Wrong);
    }
}

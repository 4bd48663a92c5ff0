//! `config` and `secrets`: what the daemon would be started with.

use std::path::{Path, PathBuf};

use super::finding::{Finding, count};
use crate::config::{self, CREDENTIAL_STORES, Complaint, Config, Loaded};
use crate::ctl::local::is_root;
use crate::ctl::secrets::known::{self, Known};
use crate::ctl::secrets::vault::{Kept, Vault};
use crate::ctl::secrets::{SecretsError, complaint_of};
use crate::logging::chain;

/// What was found of the configuration.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) path: PathBuf,
    /// What keeps the daemon from starting, without what is about secrets.
    pub(super) errors: Vec<Complaint>,
    /// Secrets that are needed and not there, or unfit.
    pub(super) lacking: Vec<(Option<Known>, String)>,
    pub(super) advice: Vec<Complaint>,
    /// What is there and nobody here may look at.
    pub(super) unseen: Vec<String>,
    pub(super) files: usize,
    pub(super) secrets: usize,
    /// What the daemon's own trial of it said.
    pub(super) trial: Option<String>,
    /// What other checks go by; with stand-ins where secrets are lacking.
    pub(super) config: Option<Config>,
    /// Nothing in `config` stands in for a secret.
    pub(super) whole: bool,
}

/// Reads the configuration like `frontdeskd check`; blocks on the file system.
pub(super) fn look(path: &Path, root: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Facts {
    let stores = CREDENTIAL_STORES.map(|store| root.join(store.trim_start_matches('/')));
    match config::inspect(path, environment, &stores) {
        Ok(Loaded { config, advice, files, secrets, unseen }) => {
            let whole = unseen.is_empty();
            // Stand-ins cannot be tried out.
            let trial = if whole { crate::app::check(&config).err() } else { None };
            let trial = trial.map(|error| chain(&error).to_string());
            let (files, secrets) = (files.len(), secrets.len());
            let (errors, lacking) = (Vec::new(), Vec::new());
            let (path, config) = (path.to_owned(), Some(config));
            Facts { path, errors, lacking, advice, unseen, files, secrets, trial, config, whole }
        }
        Err(all) => {
            let (lacking, errors): (Vec<_>, Vec<_>) = all.0.into_iter().partition(is_of_a_secret);
            let lacking =
                lacking.into_iter().map(|it| (named(&it.found), format!("{}: {}", it.found, it.remedy))).collect();
            let config = if errors.is_empty() { with_stand_ins(path, environment) } else { None };
            let (path, advice, unseen) = (path.to_owned(), Vec::new(), Vec::new());
            Facts { path, errors, lacking, advice, unseen, files: 0, secrets: 0, trial: None, config, whole: false }
        }
    }
}

/// A secret is complained of without a place: it is in no file of ours.
fn is_of_a_secret(complaint: &Complaint) -> bool {
    complaint.place.is_none() && named(&complaint.found).is_some()
}

/// The secret that a complaint is about; of names that hold each other the longest.
fn named(text: &str) -> Option<Known> {
    let is_named = |known: &Known| text.contains(known.name.credential) || text.contains(known.name.variable);
    known::ALL.into_iter().filter(is_named).max_by_key(|known| known.name.credential.len())
}

/// The configuration as it would be with all secrets, so that everything else can be looked at.
fn with_stand_ins(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Option<Config> {
    let stand_in = |name: &str| {
        let known = known::ALL.into_iter().find(|known| known.name.variable == name)?;
        Some(match known.name.credential {
            "twilio-account-sid" => "AC00000000000000000000000000000000",
            _ if known.is_document() => return None,
            _ => "unseen-unseen-unseen",
        })
    };
    let looked_up = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => None,
        name => stand_in(name).map(str::to_owned).or_else(|| environment(name)),
    };
    config::load(path, &looked_up).ok().map(|loaded| loaded.config)
}

/// The check `config`.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let file = facts.path.display();
    let mut findings: Vec<Finding> =
        facts.errors.iter().map(|it| Finding::wrong(it.to_string(), edit(it, &facts.path))).collect();
    findings.extend(facts.trial.iter().map(|said| Finding::wrong(said, "sudo frontdeskd check")));
    findings.extend(facts.advice.iter().map(|it| Finding::advice(it.to_string(), edit(it, &facts.path))));
    if findings.is_empty() {
        findings.push(Finding::ok(match facts.files {
            // Only secrets are lacking: that is told elsewhere.
            0 => format!("{file} is complete, but for secrets"),
            files => format!("{file} and what belongs to it is complete ({} read)", count(files as u64, "file")),
        }));
    }
    findings
}

fn edit(complaint: &Complaint, whole: &Path) -> String {
    let (file, line) = complaint.place.as_ref().map_or((whole, None), |place| (&*place.file, place.line));
    let line = line.map(|line| format!("+{line} ")).unwrap_or_default();
    format!("sudo nano {line}{}; then: sudo frontdeskd check", file.display())
}

/// What was found of secrets that are stored here.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) kept: Vec<Kept>,
    /// What kept us from looking.
    pub(super) unseen: Option<String>,
    /// What cannot be opened, or has not the right form; for those that were opened.
    pub(super) unfit: Vec<(Known, String)>,
    /// Whether any was opened: as root.
    pub(super) opened: bool,
}

/// Lists the secrets of this machine; as root it opens each.
pub(super) fn look_at_stored(root: &Path) -> Stored {
    let vault = Vault::below(root);
    let mut stored = Stored { opened: is_root(), ..Stored::default() };
    match vault.list() {
        Err(error) => stored.unseen = Some(chain(&error).to_string()),
        Ok(kept) => stored.kept = kept,
    }
    if stored.opened {
        for kept in stored.kept.iter().filter(|kept| kept.bytes > 0) {
            match Vault::open(kept) {
                Ok(Ok(_)) => {}
                Ok(Err(unfit)) => stored.unfit.push((kept.known, unfit.to_string())),
                Err(error @ SecretsError::Creds { .. }) => {
                    let why = format!("{error} (was the machine id or the card another one?)");
                    stored.unfit.push((kept.known, why));
                }
                Err(error) => stored.unfit.push((kept.known, chain(&error).to_string())),
            }
        }
    }
    stored
}

/// The check `secrets`.
pub(super) fn judge_secrets(facts: &Facts, stored: &Stored) -> Vec<Finding> {
    let set = |known: Known| format!("sudo frontdeskctl secrets set {}", known.name.credential);
    let mut findings = Vec::new();
    for (known, said) in &facts.lacking {
        findings.push(Finding::wrong(said, known.map_or_else(|| "sudo frontdeskctl secrets list".to_owned(), set)));
    }
    for kept in &stored.kept {
        let Some(said) = complaint_of(kept) else { continue };
        let loose = !kept.encrypted && kept.bytes > 0 && (kept.mode & 0o077 != 0 || kept.owner != 0);
        let path = kept.path.display();
        let fix = if loose { format!("sudo chown root: {path} && sudo chmod 600 {path}") } else { set(kept.known) };
        let told = facts.lacking.iter().any(|(known, _)| *known == Some(kept.known));
        // One that is empty has been found lacking.
        if !(told && kept.bytes == 0) {
            findings.push(Finding::wrong(said, fix));
        }
    }
    findings.extend(stored.unfit.iter().map(|(known, said)| Finding::wrong(said, set(*known))));
    if !findings.is_empty() {
        return findings;
    }
    if !facts.errors.is_empty() && facts.config.is_none() {
        return vec![Finding::skipped("which are needed is known when the configuration can be read")];
    }
    match (&stored.unseen, facts.unseen.first()) {
        (Some(why), _) => vec![Finding::skipped_but(why, "sudo frontdeskctl doctor")],
        (None, Some(why)) if !stored.opened => vec![Finding::skipped_but(why, "sudo frontdeskctl doctor")],
        _ => vec![Finding::ok(match facts.secrets + facts.unseen.len() {
            0 => "none is needed".to_owned(),
            many => format!("what is needed is there: {}", count(many as u64, "secret")),
        })],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::Outcome;

    const CONFIG: &str = "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"Europe/Berlin\"\n\n[phone]\n\
                          public_url = \"https://desk.example.com\"\nnumber = \"+15550100100\"\n";

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "GEMINI_API_KEY" => "AIza-0123456789-0123456789",
            "TWILIO_ACCOUNT_SID" => "AC0123456789abcdef0123456789abcdef",
            "TWILIO_AUTH_TOKEN" => "0123456789abcdef0123456789abcdef",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn facts(text: &str, environment: &dyn Fn(&str) -> Option<String>, root: &Path) -> Facts {
        let store = root.join("frontdesk.db");
        let path = root.join("config.toml");
        std::fs::write(&path, format!("{text}\n[store]\npath = {:?}\n", store.display().to_string())).unwrap();
        look(&path, root, environment)
    }

    fn worst(findings: &[Finding]) -> &Finding {
        findings.iter().find(|finding| finding.outcome == Outcome::Wrong).unwrap_or_else(|| panic!("{findings:?}"))
    }

    #[test]
    fn a_key_that_will_not_do_is_told_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        let facts = facts(&CONFIG.replace("number", "numbr"), &environment, root.path());
        let findings = judge(&facts);
        let wrong = findings.iter().find(|finding| finding.what.contains("config.toml:7: [phone] numbr"));
        let fix = wrong.and_then(|wrong| wrong.fix.clone()).unwrap_or_else(|| panic!("{findings:?}"));
        assert!(fix.starts_with("sudo nano +7 /"), "{fix}");
    }

    #[test]
    fn a_secret_that_is_lacking_does_not_hide_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let without = |name: &str| environment(name).filter(|_| name != "TWILIO_AUTH_TOKEN");
        let facts = facts(CONFIG, &without, root.path());
        assert!(facts.config.is_some() && !facts.whole, "the rest can be looked at: {facts:?}");
        assert!(judge(&facts).iter().all(|finding| finding.outcome != Outcome::Wrong));
        let findings = judge_secrets(&facts, &Stored::default());
        let wrong = worst(&findings);
        assert!(wrong.what.contains("twilio-auth-token"), "{wrong:?}");
        assert_eq!(wrong.fix.as_deref(), Some("sudo frontdeskctl secrets set twilio-auth-token"));
    }

    #[test]
    fn a_store_of_secrets_is_looked_into() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("etc/credstore");
        std::fs::create_dir_all(&store).unwrap();
        let token = store.join("twilio-auth-token");
        std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
        let facts = facts(CONFIG, &environment, root.path());
        let findings = judge_secrets(&facts, &look_at_stored(root.path()));
        let wrong = worst(&findings);
        assert!(wrong.what.contains("can be read by others"), "{wrong:?}");
        assert!(wrong.fix.as_ref().unwrap().contains("chmod 600 /"), "{wrong:?}");
    }

    #[test]
    fn all_is_well() {
        let root = tempfile::tempdir().unwrap();
        let facts = facts(CONFIG, &environment, root.path());
        assert!(facts.whole);
        let all = [judge(&facts), judge_secrets(&facts, &Stored { opened: true, ..Stored::default() })].concat();
        let unwell: Vec<_> = all.iter().filter(|finding| finding.outcome != Outcome::Ok).collect();
        assert!(unwell.iter().all(|finding| finding.outcome == Outcome::Advice), "{unwell:?}");
    }
}

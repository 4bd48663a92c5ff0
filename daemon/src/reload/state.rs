//! What became of the last reload, for whoever asks how the daemon is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{Complaint, ConfigErrors};

/// Why a configuration was not taken: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The complaints, one a line.
    pub complaints: Vec<String>,
    /// Where the first of them is, in a few words: `config.toml line 12, [phone] max_calls`.
    pub first: String,
}

impl Refusal {
    /// A configuration that cannot be read or that breaks a rule.
    pub fn of_file(errors: &ConfigErrors) -> Self {
        let complaints = errors.0.iter().map(ToString::to_string).collect();
        Self { complaints, first: errors.0.first().map_or_else(String::new, place) }
    }

    /// One that is well written, and of which something cannot be used.
    pub fn of_parts(why: String) -> Self {
        Self { first: why.clone(), complaints: vec![why] }
    }

    /// The first complaint, whole.
    pub fn text_of_first(&self) -> &str {
        self.complaints.first().map_or(&self.first, String::as_str)
    }

    /// All complaints, a line each.
    pub fn text(&self) -> String {
        self.complaints.join("\n")
    }
}

/// Where a complaint is, short enough for a line with other things on it.
fn place(complaint: &Complaint) -> String {
    let file = complaint.place.as_ref().map(|place| {
        let name =
            place.file.file_name().map_or_else(|| place.file.display().to_string(), |name| name.display().to_string());
        place.line.map_or_else(|| name.clone(), |line| format!("{name} line {line}"))
    });
    let parts = [file.unwrap_or_default(), complaint.key.clone()];
    let known: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if known.is_empty() { complaint.found.clone() } else { known.join(", ") }
}

#[derive(Debug, Default)]
struct Known {
    refused: Option<Refusal>,
    restart: Vec<&'static str>,
}

/// How the configuration that runs stands to the one that is written. The lock is held for a copy.
#[derive(Debug, Default)]
pub struct State(Mutex<Known>);

impl State {
    /// A configuration was not taken: until a good one comes, that is worth telling.
    pub fn refused(&self, refusal: Refusal) {
        self.lock().refused = Some(refusal);
    }

    /// One was taken, but for what needs a `restart`.
    pub fn taken(&self, restart: Vec<&'static str>) {
        *self.lock() = Known { refused: None, restart };
    }

    /// Why the last one was not taken, if it was not.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refused.clone()
    }

    /// The keys that are written otherwise than they are in force, as of the last configuration that was taken.
    pub fn restart(&self) -> Vec<&'static str> {
        self.lock().restart.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Place;

    #[test]
    fn a_refusal_says_briefly_where_and_at_length_what() {
        let complaint = Complaint {
            place: Some(Place { file: Path::new("/etc/frontdesk/config.toml").into(), line: Some(12) }),
            key: "[phone] max_calls".into(),
            found: "= 5000".into(),
            remedy: "choose 1 to 1000".into(),
        };
        let of_secret =
            Complaint { place: None, key: String::new(), found: "no secret".into(), remedy: "give one".into() };
        let refusal = Refusal::of_file(&ConfigErrors(vec![complaint, of_secret.clone()]));
        assert_eq!(refusal.first, "config.toml line 12, [phone] max_calls");
        assert_eq!(
            refusal.text(),
            "/etc/frontdesk/config.toml:12: [phone] max_calls = 5000: choose 1 to 1000\nno secret: give one"
        );
        assert_eq!(Refusal::of_file(&ConfigErrors(vec![of_secret])).first, "no secret");
    }

    #[test]
    fn a_refusal_is_told_until_a_good_one_comes() {
        let state = State::default();
        state.taken(vec!["[phone] listen"]);
        state.refused(Refusal::of_parts("no".into()));
        assert_eq!(state.restart(), ["[phone] listen"], "still so");
        assert!(state.refusal().is_some());
        state.taken(Vec::new());
        assert_eq!((state.refusal(), state.restart()), (None, Vec::new()));
    }
}

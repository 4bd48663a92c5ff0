//! The configuration file, as a technician, an editor or a broken disk leaves it.

use frontdeskd::config::{ConfigErrors, Loaded, load};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

/// What stands between the main file and its drop-in.
const DROP_IN: &[u8] = b"\n#--- config.d/50.toml ---\n";
const SECRETS: [(&str, &str); 3] = [
    ("GEMINI_API_KEY", "made-up-key"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", "made-up-token"),
];

/// One directory for all inputs of a process: making one for each would be most of the work.
static DIRECTORY: LazyLock<Mutex<TempDir>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("the tests' machine has room for a file");
    std::fs::create_dir(directory.path().join("config.d")).expect("a new directory is writable");
    Mutex::new(directory)
});

/// A configuration file, and a drop-in behind the line `#--- config.d/50.toml ---`.
pub fn config(data: &[u8]) {
    let at = data.windows(DROP_IN.len()).position(|window| window == DROP_IN);
    let (main, drop_in) = at.map_or((data, &b""[..]), |at| (&data[..at], &data[at + DROP_IN.len()..]));
    let directory = DIRECTORY.lock().expect("a broken promise ends the process, or at least the test");
    let path = directory.path().join("config.toml");
    write(&path, main);
    write(&directory.path().join("config.d/50.toml"), drop_in);
    let environment =
        |name: &str| SECRETS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    match load(&path, &environment) {
        Ok(loaded) => is_sound(&loaded),
        Err(errors) => is_helpful(&errors, main, drop_in),
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the tests' machine has room for a file");
}

/// What the program relies on.
fn is_sound(Loaded { config, advice, files, secrets, unseen }: &Loaded) {
    assert_eq!(files.len(), 2);
    assert!(secrets.len() >= 3 && unseen.is_empty(), "nothing stands in for a secret: {secrets:?} {unseen:?}");
    assert!(advice.iter().all(|complaint| !complaint.remedy.is_empty()));
    assert!((1..=1_000).contains(&config.phone.max_calls));
    assert!(config.phone.no_input < config.phone.goodbye);
    assert!(!config.phone.public_url.ends_with('/') && config.phone.public_url.starts_with("http"));
    assert!(config.phone.fallback_number.as_ref() != Some(&config.phone.number));
    assert!(!config.clinic.name.trim().is_empty());
    let shown = format!("{config:?}");
    assert!(SECRETS[..].iter().skip(2).all(|(_, secret)| !shown.contains(secret)), "a secret in {shown}");
}

/// Every complaint says where, and what would do.
fn is_helpful(errors: &ConfigErrors, main: &[u8], drop_in: &[u8]) {
    assert!(!errors.0.is_empty(), "refused without a reason");
    let lines = |text: &[u8]| text.split(|&byte| byte == b'\n').count();
    let most = lines(main).max(lines(drop_in));
    for complaint in &errors.0 {
        assert!(!complaint.remedy.is_empty(), "{complaint} leaves the technician alone");
        let line = complaint.place.as_ref().and_then(|place| place.line);
        assert!(line.is_none_or(|line| (1..=most).contains(&line)), "{complaint} in a file of {most} lines");
    }
}

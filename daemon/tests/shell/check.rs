//! `frontdeskd check`: everything that can be known before a start is known then.

use std::path::Path;
use std::process::{Command, Output};

use super::fakes::certificates;

/// Runs `frontdeskd check` on a configuration with `gemini` in its section, and with this file of Google's.
fn check(home: &Path, gemini: &str, google: Option<&str>) -> Output {
    let path = home.join("config.toml");
    let text = format!(
        "[clinic]\nname = \"Riverside Clinic\"\ntime_zone = \"Europe/Berlin\"\n[gemini]\n{gemini}\n[phone]\n\
         public_url = \"https://desk.example.com\"\nnumber = \"+15550100100\"\n[store]\npath = \"{}\"\n",
        home.join("frontdesk.db").display()
    );
    std::fs::write(&path, text).unwrap();
    let credentials = home.join("google.json");
    std::fs::write(&credentials, google.unwrap_or("{}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_frontdeskd"))
        .args(["check", "--config"])
        .arg(&path)
        .env_remove("CREDENTIALS_DIRECTORY")
        .env("GEMINI_API_KEY", "a-key")
        .env("TWILIO_ACCOUNT_SID", super::world::ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", super::world::TOKEN)
        .env("GOOGLE_APPLICATION_CREDENTIALS", &credentials)
        .env("GOOGLE_OAUTH_CLIENT", &credentials)
        .output()
        .unwrap()
}

#[test]
fn files_that_are_there_but_cannot_be_used_are_found_before_the_start() {
    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("ca.pem");
    let ca_file = format!("ca_file = {authority:?}");

    std::fs::write(&authority, certificates().ca).unwrap();
    let fine = check(home.path(), &ca_file, None);
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stderr));
    assert!(!home.path().join("frontdesk.db").exists(), "nothing is started");

    let vertex = format!("{ca_file}\nvertex = {{ project = \"clinic\", location = \"us-central1\" }}");
    let account = r#"{"type":"service_account","client_email":"a@b.c","private_key":"none"}"#;
    let refused = check(home.path(), &vertex, Some(account));
    assert_eq!(refused.status.code(), Some(78));
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(complaint.contains("Google credentials"), "{complaint}");

    for (login, part) in [("service-account", "Google credentials"), ("user", "it is a service account's key")] {
        let refused = check(home.path(), &format!("{ca_file}\n[google]\nlogin = \"{login}\""), Some(account));
        assert_eq!(refused.status.code(), Some(78));
        let complaint = String::from_utf8(refused.stderr).unwrap();
        assert!(complaint.contains(part), "{complaint}");
    }

    std::fs::write(&authority, "").unwrap();
    let refused = check(home.path(), &ca_file, None);
    assert_eq!(refused.status.code(), Some(78));
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(complaint.contains("ca.pem") && complaint.contains("no PEM certificate"), "{complaint}");
}

use super::super::complaint::Complaints;
use super::super::file;
use super::*;

/// What is made of this `[google]`, with the complaints and the advice; both secrets are there as files if asked for.
fn checked(text: &str, with_secrets: bool) -> (Option<GoogleConfig>, Vec<String>, Vec<String>) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("secret.json");
    std::fs::write(&path, "{\"a\":\"document\"}").unwrap();
    let named = with_secrets.then(|| path.to_str().unwrap().to_owned());
    let environment = |name: &str| {
        named.clone().filter(|_| ["GOOGLE_OAUTH_CLIENT", "GOOGLE_APPLICATION_CREDENTIALS"].contains(&name))
    };
    let mut out = Complaints::default();
    let mut tables = file::parse(Path::new("config.toml"), &format!("[google]\n{text}"), &mut out);
    let section = Section::open(&mut tables, "google", Path::new("config.toml"), &mut out);
    let found = google(section, Path::new("/var/lib/frontdesk"), Secrets::new(&environment, &[]));
    let said = |list: &[super::super::Complaint]| list.iter().map(ToString::to_string).collect();
    (found, said(&out.errors), said(&out.advice))
}

#[test]
fn nobody_who_does_not_use_google_is_asked_for_anything() {
    let (found, errors, advice) = checked("", false);
    assert_eq!((errors, advice), (vec![], vec![]));
    let token_file = "/var/lib/frontdesk/google-token.json".into();
    assert_eq!(found, Some(GoogleConfig { endpoint: None, login: None, token_file }));
}

#[test]
fn a_service_account_may_act_for_a_mailbox() {
    let (found, errors, _) = checked("login = \"service-account\"\ndelegate = \"desk@clinic.example\"", true);
    let Some(GoogleLogin::Service { delegate, .. }) = found.and_then(|google| google.login) else {
        panic!("{errors:?}")
    };
    assert_eq!(delegate.unwrap().as_str(), "desk@clinic.example");
}

#[test]
fn only_a_service_account_with_a_mailbox_has_use_for_the_right_to_drafts() {
    let service = "login = \"service-account\"\ndrafts = true";
    let (found, errors, _) = checked(&format!("{service}\ndelegate = \"desk@clinic.example\""), true);
    assert!(matches!(found.unwrap().login, Some(GoogleLogin::Service { drafts: true, .. })), "{errors:?}");
    for useless in [service, "login = \"user\"\n\ndrafts = true", "\n\ndrafts = true"] {
        let (_, errors, _) = checked(useless, true);
        assert!(
            errors[0].contains("[google] drafts is of no use here: it is a right of a service account"),
            "{errors:?}"
        );
    }
}

#[test]
fn each_login_asks_for_its_secret() {
    for (login, variable) in [("service-account", "GOOGLE_APPLICATION_CREDENTIALS"), ("user", "GOOGLE_OAUTH_CLIENT")] {
        let (found, errors, _) = checked(&format!("login = \"{login}\""), false);
        assert!(found.is_none() && errors.len() == 1 && errors[0].contains(variable), "{errors:?}");
        assert!(checked(&format!("login = \"{login}\""), true).0.is_some());
    }
}

#[test]
fn seven_days_are_advised_against() {
    let (found, errors, advice) = checked("login = \"user\"\noauth_publishing = \"testing\"", true);
    assert!(found.is_some() && errors.is_empty(), "{errors:?}");
    assert!(advice[0].starts_with("config.toml:3: [google] oauth_publishing = \"testing\" means"), "{advice:?}");
    assert_eq!(checked("login = \"user\"\noauth_publishing = \"production\"", true).2, [""; 0]);
}

#[test]
fn a_simulator_is_on_this_machine_or_behind_tls() {
    for good in ["http://127.0.0.1:8099", "http://localhost:1", "https://google-sim.lan"] {
        let (found, errors, _) = checked(&format!("endpoint = \"{good}\""), false);
        assert!(found.is_some_and(|google| google.endpoint.is_some()), "{errors:?}");
    }
    for bad in ["http://google-sim.lan", "http://192.168.1.4:1", "ftp://127.0.0.1", "http://127.0.0.1/token", "x"] {
        assert_eq!(checked(&format!("endpoint = \"{bad}\""), false).1.len(), 1, "{bad}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    let text =
        "login = \"oauth\"\ndelegate = \"desk@clinic.example\"\noauth_publishing = \"draft\"\nclient_secret = \"x\"";
    let (_, errors, _) = checked(text, true);
    for (error, said) in errors.iter().zip([
        "config.toml:2: [google] login = \"oauth\": choose \"service-account\" or \"user\"",
        "config.toml:4: [google] oauth_publishing = \"draft\": choose \"testing\" or \"production\"",
        "config.toml:3: [google] delegate is of no use here: only a service account",
        "config.toml:5: [google] client_secret is not a known key: secrets are not kept in this file",
    ]) {
        assert!(error.starts_with(said), "{error}");
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
}

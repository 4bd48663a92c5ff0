//! A person's login at Google, from the consent to its end.

use std::os::unix::fs::PermissionsExt as _;

use frontdeskd::config::GooglePublishing;
use frontdeskd::google::exchange::LoginError;
use frontdeskd::google::user::Farewell;
use frontdeskd::google::{AccessError, Known};
use frontdeskd::http::reply::{GoogleHealth, GoogleState};
use jiff::Timestamp;
use serde_json::json;

use crate::google_world::{ACCOUNT, CALENDAR, FREE_BUSY, Office, SEND, consented, document, refreshed, refused, with};

#[tokio::test]
async fn a_code_is_traded_for_access_that_is_kept_and_used_at_once() {
    let office = Office::start([(200, consented())]).await;
    let Err(AccessError::NeedsConsent(why)) = office.google.calendar.bearer(None).await else { panic!("nobody is in") };
    assert!(why.contains("run frontdeskctl google login"), "{why}");

    let consent = office.log_in(&[CALENDAR, FREE_BUSY, SEND]).await.unwrap();
    assert_eq!((consent.account.as_deref(), consent.ends_at), (Some(ACCOUNT), None));
    assert_eq!(office.google.calendar.bearer(None).await.as_deref(), Ok("a1"));
    assert_eq!(office.google.mail.bearer(None).await.as_deref(), Ok("a1"));
    assert_eq!(office.google.known(), Known::Good);

    let asked = office.fake.asked("POST /token");
    assert_eq!(asked.len(), 1, "the token that came with the consent is good");
    let field = |name| asked[0].field(name).unwrap();
    assert_eq!((field("grant_type"), field("code")), ("authorization_code".to_owned(), "the-code".to_owned()));
    assert_eq!((field("client_id"), field("client_secret")), ("client".to_owned(), "made-up".to_owned()));
    assert_eq!(field("redirect_uri"), "http://127.0.0.1:8765/");
    assert_eq!(field("code_verifier"), "the-verifier");
    assert_eq!(std::fs::metadata(office.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = document(&office.file());
    assert_eq!((&kept["refresh_token"], &kept["account"]), (&json!("r1"), &json!(ACCOUNT)));
    assert!(!kept.to_string().contains("a1") && !kept.to_string().contains("the-code"), "{kept}");
}

#[tokio::test]
async fn of_many_who_are_refused_the_same_token_one_asks_for_all() {
    let office = Office::with_login([refreshed("a2")]).await;
    let all = (0..20).map(|_| office.google.calendar.bearer(Some("a1")));
    for token in futures_util::future::join_all(all).await {
        assert_eq!(token.as_deref(), Ok("a2"));
    }
    assert_eq!(office.tokens(), 2, "the code, and one refresh");
    let asked = &office.fake.asked("POST /token")[1];
    assert_eq!(asked.field("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(asked.field("refresh_token").as_deref(), Some("r1"));
}

#[tokio::test]
async fn a_new_refresh_token_replaces_the_old_one_over_a_restart() {
    let rotating = with(refreshed("a2").1, &json!({ "refresh_token": "r2" }));
    let office = Office::with_login([(200, rotating), refreshed("a3")]).await;
    assert_eq!(office.google.calendar.bearer(Some("a1")).await.as_deref(), Ok("a2"));
    assert_eq!(document(&office.file())["refresh_token"], "r2");

    let office = office.restart("client", None).await;
    assert_eq!(office.google.mail.bearer(None).await.as_deref(), Ok("a3"));
    assert_eq!(office.fake.asked("POST /token")[2].field("refresh_token").as_deref(), Some("r2"));
    let consent = office.login().standing().consent.unwrap();
    assert_eq!(consent.account.as_deref(), Some(ACCOUNT), "who it was is kept");
}

#[tokio::test]
async fn a_dead_login_is_told_and_not_asked_about_again_and_again() {
    let office = Office::with_login([refused("invalid_grant")]).await;
    for _ in 0..3 {
        let Err(AccessError::NeedsConsent(why)) = office.google.calendar.bearer(Some("a1")).await else {
            panic!("it is dead")
        };
        assert!(why.contains("password was changed") && why.ends_with("run frontdeskctl google login"), "{why}");
    }
    assert_eq!(office.tokens(), 2);
    let health = GoogleHealth::of(&office.google);
    assert_eq!((health.state, health.state.needs_somebody()), (GoogleState::NeedsConsent, true));

    office.fake.answers("POST /token", [(200, with(consented(), &json!({ "access_token": "a9" })))]);
    office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap();
    assert_eq!(office.google.calendar.bearer(Some("a1")).await.as_deref(), Ok("a9"), "a new consent mends it");
    assert_eq!(GoogleHealth::of(&office.google).state, GoogleState::Ok);
}

#[tokio::test]
async fn what_a_login_would_not_mend_is_a_matter_of_configuration() {
    let office = Office::with_login([refused("deleted_client")]).await;
    let Err(AccessError::Config(why)) = office.google.calendar.bearer(Some("a1")).await else { panic!("it is gone") };
    assert!(why.contains("make a new client"), "{why}");
    assert_eq!(GoogleHealth::of(&office.google).state, GoogleState::Misconfigured);
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again_at_once() {
    let page = json!("<html>");
    let office = Office::with_login([(503, page.clone()), (200, page.clone()), (403, page), refreshed("a2")]).await;
    for _ in 0..3 {
        let error = office.google.calendar.bearer(Some("a1")).await.unwrap_err();
        assert!(matches!(error, AccessError::Retry { .. }), "{error}");
        assert_eq!(GoogleHealth::of(&office.google).state, GoogleState::Unreachable);
    }
    assert_eq!(office.google.calendar.bearer(Some("a1")).await.as_deref(), Ok("a2"));
}

#[tokio::test]
async fn of_many_who_wait_while_google_is_away_one_waits_for_all() {
    let office = Office::with_login([(503, json!({}))]).await;
    let all = (0..20).map(|_| office.google.calendar.bearer(Some("a1")));
    for token in futures_util::future::join_all(all).await {
        assert!(matches!(token, Err(AccessError::Retry { .. })), "{token:?}");
    }
    assert_eq!(office.tokens(), 2, "the code, and one refresh");
}

#[tokio::test]
async fn a_token_that_is_still_good_is_used_while_google_is_away() {
    let short = with(consented(), &json!({ "expires_in": 200 }));
    let office = Office::start([(200, short), (503, json!({}))]).await;
    office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap();
    assert_eq!(office.google.calendar.bearer(None).await.as_deref(), Ok("a1"), "three minutes are left");
    assert!(office.tokens() >= 2, "and another was asked for");
    assert!(office.google.calendar.bearer(Some("a1")).await.is_err(), "unless it was refused");
}

#[tokio::test]
async fn an_unticked_box_changes_nothing_and_is_named() {
    let office = Office::with_login([(
        200,
        with(consented(), &json!({ "scope": format!("openid email {CALENDAR}"), "refresh_token": "r9" })),
    )])
    .await;
    let error = office.log_in(&[CALENDAR, FREE_BUSY, SEND]).await.unwrap_err();
    assert!(error.to_string().contains("not given: calendar.freebusy, gmail.send. Nothing was changed"), "{error}");
    assert_eq!(document(&office.file())["refresh_token"], "r1");
    assert_eq!(office.google.mail.bearer(None).await.as_deref(), Ok("a1"), "the old login goes on");
}

#[tokio::test]
async fn a_login_for_the_calendar_alone_is_none_for_mail() {
    let only = with(consented(), &json!({ "scope": format!("openid email {CALENDAR} {FREE_BUSY}") }));
    let office = Office::start([(200, only)]).await;
    office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap();
    assert_eq!(office.google.calendar.bearer(None).await.as_deref(), Ok("a1"));
    assert_eq!(GoogleHealth::of(&office.google).state, GoogleState::Ok, "nobody has missed it");
    let Err(AccessError::NeedsConsent(why)) = office.google.mail.bearer(None).await else {
        panic!("it was not asked for")
    };
    assert!(why.contains("does not cover the mail"), "{why}");
    assert_eq!(GoogleHealth::of(&office.google).state, GoogleState::NeedsConsent);
}

#[tokio::test]
async fn what_google_refuses_at_the_login_is_told_apart() {
    for (answer, part) in [
        (refused("invalid_grant"), "good once"),
        (refused("redirect_uri_mismatch"), "Desktop app"),
        ((401, json!({ "error": "invalid_client" })), "pass the client's file anew"),
        (refused("admin_policy_enforced"), "administrator"),
        ((503, json!(null)), "no access right now"),
        ((200, with(consented(), &json!({ "refresh_token": null }))), "for an hour and no longer"),
    ] {
        let office = Office::start([answer]).await;
        let error = office.log_in(&[CALENDAR]).await.unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(!office.file().exists());
        assert!(matches!(office.google.calendar.bearer(None).await, Err(AccessError::NeedsConsent(_))));
    }
}

#[tokio::test]
async fn a_login_that_cannot_be_kept_is_not_used() {
    let office = Office::start([(200, consented())]).await;
    std::fs::create_dir(office.file()).unwrap();
    let error = office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap_err();
    assert!(matches!(&error, LoginError::Vault(_)), "{error}");
    assert!(office.google.calendar.bearer(None).await.is_err());
}

#[tokio::test]
async fn the_seven_days_of_a_project_in_testing_are_known_from_the_first() {
    let week = with(consented(), &json!({ "refresh_token_expires_in": 604_799 }));
    let office = Office::start([(200, week), refreshed("a2")]).await;
    let ends_at = office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap().ends_at.unwrap();
    let left = ends_at.duration_since(Timestamp::now()).as_secs();
    assert!((604_700..604_800).contains(&left), "{left}");
    assert_eq!(GoogleHealth::of(&office.google).ends_at, Some(ends_at));
    // The figure is told once the answer has left.
    office.google.calendar.bearer(None).await.unwrap();
    let metrics = office.metrics.encode();
    let figure =
        metrics.lines().find_map(|line| line.strip_prefix("frontdesk_google_login_seconds_left{login=\"user\"} "));
    let figure: i64 = figure.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
    assert!((left - 60..=left).contains(&figure), "{figure}");

    let office = office.restart("client", None).await;
    assert_eq!(office.google.calendar.bearer(None).await.as_deref(), Ok("a2"));
    assert_eq!(
        GoogleHealth::of(&office.google).ends_at,
        Some(ends_at),
        "an answer that is silent of it changes nothing"
    );
}

#[tokio::test]
async fn a_project_that_is_said_to_be_in_testing_ends_its_logins_too() {
    let office = Office::start([(200, consented()), refreshed("a2")]).await;
    let at = office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap().at;
    let office = office.restart("client", Some(GooglePublishing::Testing)).await;
    office.google.calendar.bearer(None).await.unwrap();
    let ends_at = GoogleHealth::of(&office.google).ends_at.unwrap();
    assert_eq!(ends_at.duration_since(at).as_hours(), 7 * 24);
}

#[tokio::test]
async fn a_file_that_others_could_read_or_of_another_client_is_not_used() {
    let office = Office::with_login([refreshed("a2")]).await;
    std::fs::set_permissions(office.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let office = office.restart("client", None).await;
    let Err(AccessError::NeedsConsent(why)) = office.google.calendar.bearer(None).await else {
        panic!("it is exposed")
    };
    assert!(why.contains("mode 644") && why.contains("myaccount.google.com"), "{why}");

    std::fs::set_permissions(office.file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let office = office.restart("another-client", None).await;
    let Err(AccessError::NeedsConsent(why)) = office.google.calendar.bearer(None).await else {
        panic!("it is another's")
    };
    assert!(why.contains("another OAuth client"), "{why}");
    assert_eq!(office.tokens(), 1, "and Google is not asked");
}

#[tokio::test]
async fn a_logout_is_told_to_google_and_forgotten_in_any_case() {
    let office = Office::with_login([]).await;
    office.fake.answers("POST /revoke", [(200, json!({}))]);
    assert_eq!(office.login().logout().await.unwrap(), Farewell::Revoked);
    assert_eq!(office.fake.asked("POST /revoke")[0].field("token").as_deref(), Some("r1"));
    assert!(!office.file().exists());
    assert!(matches!(office.google.calendar.bearer(None).await, Err(AccessError::NeedsConsent(_))));
    assert_eq!(office.login().logout().await.unwrap(), Farewell::Nobody);

    let mut office = Office::with_login([]).await;
    office.fake.answers("POST /revoke", [(400, json!({ "error": "invalid_token" }))]);
    assert_eq!(office.login().logout().await.unwrap(), Farewell::Revoked, "it was worth nothing any more");

    office.log_in(&[CALENDAR]).await.unwrap();
    office.fake.away();
    assert!(matches!(office.login().logout().await.unwrap(), Farewell::NotTold(_)));
    assert!(!office.file().exists());
}

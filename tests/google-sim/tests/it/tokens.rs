//! The consent page and the token server.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use frontdesk_google_sim::{Consent, Settings};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use url::Url;

use crate::common::{AUTH, DR, Said, World, query, said};

const REDIRECT: &str = "http://127.0.0.1:8765/done";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What the person's browser is sent back with.
async fn consent(world: &World, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let scope = format!("{AUTH}calendar.events {AUTH}calendar.freebusy openid email");
    let mut asked = vec![
        ("client_id", world.sim.settings().client_id.as_str()),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", &scope),
        ("access_type", "offline"),
        ("state", "s t"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    asked.extend(more);
    let page = world.get(&query("/o/oauth2/v2/auth", asked)).await;
    assert_eq!(page.status, 302, "{page:?}");
    let back = Url::parse(page.header("location")).unwrap();
    assert!(back.as_str().starts_with(REDIRECT));
    back.query_pairs().into_owned().collect()
}

fn of(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn exchange(world: &World, code: &str, verifier: &str, redirect: &str) -> Said {
    let settings = world.sim.settings();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", &settings.client_id),
        ("client_secret", &settings.client_secret),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ];
    world.form("/token", &form).await
}

async fn log_in(world: &World) -> Value {
    let code = of(&consent(world, &[("prompt", "consent")]).await, "code");
    exchange(world, &code, VERIFIER, REDIRECT).await.ok()
}

async fn refresh(world: &World, token: &str) -> Said {
    let settings = world.sim.settings();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", &settings.client_id),
        ("client_secret", &settings.client_secret),
    ];
    world.form("/token", &form).await
}

async fn opens(world: &World, token: &str) -> u16 {
    let busy = json!({ "timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-02T00:00:00Z", "items": [{ "id": DR }] });
    said(world.http.post(format!("{}/calendar/v3/freeBusy", world.sim.base())).bearer_auth(token).json(&busy))
        .await
        .status
}

#[tokio::test]
async fn a_person_consents_and_the_code_is_good_once() {
    let world = World::new().await;
    let back = consent(&world, &[]).await;
    assert_eq!(of(&back, "state"), "s t");
    let code = of(&back, "code");
    let granted = exchange(&world, &code, VERIFIER, REDIRECT).await.ok();
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(3_599)));
    let scope = granted["scope"].as_str().unwrap();
    assert!(scope.contains(&format!("{AUTH}userinfo.email")), "the short name comes back long: {scope}");
    assert_eq!(granted.get("refresh_token_expires_in"), None);
    let claims = granted["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(
        (&claims["email"], &claims["iss"]),
        (&json!("frontdesk@clinic.example"), &json!("https://accounts.google.com"))
    );
    assert_eq!(opens(&world, granted["access_token"].as_str().unwrap()).await, 200);
    let again = exchange(&world, &code, VERIFIER, REDIRECT).await;
    assert_eq!(again.error(), (400, "invalid_grant"));
    assert_eq!(again.body["error_description"], "Malformed auth code.");
}

#[tokio::test]
async fn a_code_alone_is_worth_nothing() {
    let world = World::new().await;
    let code = || async { of(&consent(&world, &[]).await, "code") };
    let wrong = VERIFIER.replace('k', "K");
    assert_eq!(exchange(&world, &code().await, &wrong, REDIRECT).await.error(), (400, "invalid_grant"));
    assert_eq!(exchange(&world, &code().await, "", REDIRECT).await.error(), (400, "invalid_grant"));
    let elsewhere = exchange(&world, &code().await, VERIFIER, "http://127.0.0.1:8765/").await;
    assert_eq!(elsewhere.error(), (400, "redirect_uri_mismatch"));
    let old = code().await;
    world.sim.pass(Duration::from_mins(11));
    assert_eq!(exchange(&world, &old, VERIFIER, REDIRECT).await.error(), (400, "invalid_grant"));
    let fields = [("grant_type", "authorization_code"), ("code", "x"), ("client_id", "x"), ("client_secret", "y")];
    assert_eq!(world.form("/token", &fields).await.error(), (401, "invalid_client"));
    assert_eq!(world.form("/token", &[("grant_type", "password")]).await.error(), (400, "unsupported_grant_type"));
    assert_eq!(world.form("/token", &[]).await.error(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_person_denies_or_unticks() {
    let world = World::new().await;
    world.sim.set_consent(Consent::Deny);
    let back = consent(&world, &[]).await;
    assert_eq!((of(&back, "error"), of(&back, "code")), ("access_denied".into(), String::new()));
    world.sim.set_consent(Consent::Only(vec![format!("{AUTH}calendar.events")]));
    let granted = log_in(&world).await;
    assert_eq!(granted["scope"], format!("{AUTH}calendar.events"));
    assert_eq!(opens(&world, granted["access_token"].as_str().unwrap()).await, 403);
}

#[tokio::test]
async fn a_refresh_token_comes_at_the_first_consent_or_when_prompted_for() {
    let world = World::new().await;
    let first = of(&consent(&world, &[]).await, "code");
    assert!(exchange(&world, &first, VERIFIER, REDIRECT).await.ok()["refresh_token"].is_string());
    let second = of(&consent(&world, &[]).await, "code");
    assert_eq!(exchange(&world, &second, VERIFIER, REDIRECT).await.ok().get("refresh_token"), None);
    assert!(log_in(&world).await["refresh_token"].is_string());
}

#[tokio::test]
async fn a_refresh_token_lives_until_it_is_revoked() {
    let world = World::new().await;
    let granted = log_in(&world).await;
    let token = granted["refresh_token"].as_str().unwrap();
    world.sim.pass(Duration::from_hours(2));
    assert_eq!(opens(&world, granted["access_token"].as_str().unwrap()).await, 401, "an hour is over");
    let fresh = refresh(&world, token).await.ok();
    assert_eq!(fresh.get("refresh_token"), None, "the old one is kept");
    let fresh = fresh["access_token"].as_str().unwrap();
    assert_eq!(opens(&world, fresh).await, 200);
    let info = world.form("/tokeninfo", &[("access_token", fresh)]).await.ok();
    assert_eq!((&info["email"], &info["access_type"]), (&json!("frontdesk@clinic.example"), &json!("offline")));
    assert!(info["expires_in"].is_string());
    assert_eq!(world.form("/revoke", &[("token", "unknown")]).await.error(), (400, "invalid_token"));
    assert_eq!(world.form("/revoke", &[("token", fresh)]).await.status, 200);
    let refused = refresh(&world, token).await;
    assert_eq!(refused.error(), (400, "invalid_grant"), "one token's revocation ends all");
    assert_eq!(refused.body["error_description"], "Token has been expired or revoked.");
    assert_eq!(opens(&world, fresh).await, 401);
    assert_eq!(world.form("/tokeninfo", &[("access_token", fresh)]).await.error(), (400, "invalid_token"));
}

#[tokio::test]
async fn a_project_in_testing_tells_the_day_of_its_tokens_death_and_keeps_it() {
    let week = Duration::from_hours(7 * 24);
    let settings = Settings {
        refresh_token_life: Some(week),
        rotate_refresh_tokens: true,
        expires_in_text: true,
        ..Settings::default()
    };
    let world = World::with(settings, &["calendar"]).await;
    let granted = log_in(&world).await;
    assert_eq!(granted["refresh_token_expires_in"], week.as_secs());
    assert_eq!(granted["expires_in"], "3599", "some servers write it as text");
    let first = granted["refresh_token"].as_str().unwrap();
    world.sim.pass(Duration::from_hours(6 * 24));
    let second = refresh(&world, first).await.ok();
    let left = second["refresh_token_expires_in"].as_u64().unwrap();
    assert!((80_000..=86_400).contains(&left), "a day is left: {left}");
    assert_eq!(refresh(&world, first).await.error(), (400, "invalid_grant"), "rotated away");
    world.sim.pass(Duration::from_hours(25));
    assert_eq!(refresh(&world, second["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_bad_consent_request_shows_googles_page_of_errors() {
    let world = World::new().await;
    let page = |asked: Vec<(&'static str, String)>| {
        let path = query("/o/oauth2/v2/auth", asked.iter().map(|(name, value)| (*name, value.as_str())));
        let world = &world;
        async move { world.get(&path).await }
    };
    let good = || {
        vec![
            ("client_id", world.sim.settings().client_id.clone()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", format!("{AUTH}calendar.events")),
        ]
    };
    assert_eq!(page(good()).await.status, 302);
    for (at, wrong, status) in [
        (0, "other", 401),
        (1, "https://clinic.example/", 400),
        (1, "urn:ietf:wg:oauth:2.0:oob", 400),
        (2, "token", 400),
        (3, "https://www.googleapis.com/auth/calender", 400),
        (3, "", 400),
    ] {
        let mut asked = good();
        asked[at].1 = wrong.to_owned();
        assert_eq!(page(asked).await.status, status, "{wrong}");
    }
    let mut asked = good();
    asked.push(("acess_type", "offline".to_owned()));
    assert_eq!(page(asked).await.status, 400, "a misspelt parameter");
}

/// An assertion as a client makes it, from the written key file.
fn assertion(file: &Value, claims: &Value) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(file["private_key"].as_str().unwrap().as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": file["private_key_id"] });
    let signed = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let settings = Settings {
        delegation: [("desk@clinic.example".to_owned(), vec![format!("{AUTH}gmail.send")])].into(),
        ..Settings::default()
    };
    let world = World::with(settings, &["calendar"]).await;
    let file: Value = serde_json::from_str(&world.sim.service_account_key()).unwrap();
    assert_eq!(file["token_uri"], format!("{}/token", world.sim.base()));
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({
        "iss": file["client_email"], "scope": format!("{AUTH}calendar.events {AUTH}calendar.freebusy"),
        "aud": "https://oauth2.googleapis.com/token", "iat": now - 10, "exp": now + 3_590,
    });
    let ask = |claims: &Value| {
        let text = assertion(&file, claims);
        let world = &world;
        async move { world.form("/token", &[("grant_type", JWT_BEARER), ("assertion", &text)]).await }
    };
    let granted = ask(&claims).await.ok();
    assert_eq!(granted.get("refresh_token"), None);
    assert_eq!(opens(&world, granted["access_token"].as_str().unwrap()).await, 200);
    claims["sub"] = json!("desk@clinic.example");
    assert_eq!(ask(&claims).await.error(), (401, "unauthorized_client"), "not for these scopes");
    claims["scope"] = json!(format!("{AUTH}gmail.send"));
    assert!(ask(&claims).await.ok()["access_token"].is_string());
    world.sim.delete_service_account_key();
    let refused = ask(&claims).await;
    assert_eq!(
        (refused.error(), &refused.body["error_description"]),
        ((400, "invalid_grant"), &json!("Invalid JWT Signature."))
    );
}

#[tokio::test]
async fn the_older_interface_tells_whose_a_token_is() {
    let world = World::new().await;
    let granted = log_in(&world).await;
    let token = granted["access_token"].as_str().unwrap();
    let path = format!("/oauth2/v2/tokeninfo?access_token={token}");
    let info = said(world.http.post(format!("{}{path}", world.sim.base()))).await.ok();
    assert_eq!(info["email"], "frontdesk@clinic.example");
    let user = said(world.http.get(format!("{}/oauth2/v2/userinfo", world.sim.base())).bearer_auth(token)).await.ok();
    assert_eq!(user["email"], "frontdesk@clinic.example");
}

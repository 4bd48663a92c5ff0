//! Access tokens of a service account.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_core::letter::address::MailAddress;
use frontdeskd::config::{GoogleConfig, GoogleLogin, Secret};
use frontdeskd::google::scope::Feature;
use frontdeskd::google::service::{ServiceAccount, TokenError, Wanted};
use frontdeskd::google::{Access, AccessError, Google, Known};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::fakes::{Reply, Scripted};
use super::world::client;

/// Made for these tests; it opens nothing.
pub(crate) const PRIVATE_KEY: &str = include_str!("../data/service-account-test.pem");
const EMAIL: &str = "frontdesk@project.iam.gserviceaccount.com";

pub(crate) fn key_file(google: &Scripted) -> String {
    json!({
        "type": "service_account", "client_email": EMAIL, "private_key": PRIVATE_KEY, "private_key_id": "k1",
        "token_uri": format!("http://{}/token", google.address), "universe_domain": "googleapis.com",
    })
    .to_string()
}

pub(crate) fn granted(token: &str, expires_in: &Value) -> Reply {
    Reply::Say(200, json!({ "access_token": token, "expires_in": expires_in, "token_type": "Bearer" }).to_string())
}

async fn account(replies: Vec<Reply>) -> (ServiceAccount, Scripted) {
    let google = Scripted::start(replies).await;
    (ServiceAccount::new(&key_file(&google), Wanted::vertex(), None, client()).unwrap(), google)
}

#[tokio::test]
async fn a_token_is_asked_for_with_a_signed_assertion() {
    let (account, google) = account(vec![granted("t1", &json!(3599))]).await;
    assert_eq!(account.token(None).await.unwrap(), "t1");
    let requests = google.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token "));
    let form: std::collections::HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = form["assertion"].rsplit_once('.').unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .expect("RS256 with the account's key");
    let parts: Vec<Value> =
        signed.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
    assert_eq!(parts[0], json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    let claims = &parts[1];
    assert_eq!(claims["iss"], EMAIL);
    assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let now = jiff::Timestamp::now().as_second();
    assert_eq!(expires - issued, 3_600);
    assert!((now - 60..now).contains(&issued), "issued a little in the past: clocks differ");
}

#[tokio::test]
async fn a_token_is_kept_while_a_connection_could_live_with_it() {
    let (account, google) = account(vec![granted("t1", &json!("3599")), granted("t2", &json!(3599))]).await;
    assert_eq!(account.token(None).await.unwrap(), "t1");
    assert_eq!(account.token(None).await.unwrap(), "t1", "seconds may come as text");
    assert_eq!(google.requests().len(), 1);

    let (account, google) = self::account(vec![granted("t1", &json!(600)), granted("t2", &json!(3599))]).await;
    assert_eq!(account.token(None).await.unwrap(), "t1");
    assert_eq!(account.token(None).await.unwrap(), "t2", "ten minutes are not enough");
    assert_eq!(google.requests().len(), 2);
}

#[tokio::test]
async fn of_many_calls_with_a_refused_token_the_first_fetches_a_new_one_for_all() {
    let (account, google) = account(vec![granted("t1", &json!(3599)), granted("t2", &json!(3599))]).await;
    account.token(None).await.unwrap();
    let both = futures_util::future::join(account.token(Some("t1")), account.token(Some("t1"))).await;
    assert_eq!((both.0.unwrap().as_str(), both.1.unwrap().as_str()), ("t2", "t2"));
    assert_eq!(google.requests().len(), 2);
}

#[tokio::test]
async fn of_many_calls_that_wait_in_vain_one_waits_for_all() {
    let (account, google) = account(vec![Reply::Say(503, String::new()), granted("t1", &json!(3599))]).await;
    let both = futures_util::future::join(account.token(None), account.token(None)).await;
    assert!(both.0.is_err() && both.1.is_err());
    assert_eq!(google.requests().len(), 1);
    assert_eq!(account.token(None).await.unwrap(), "t1", "whoever comes later asks anew");
}

#[tokio::test]
async fn an_absurd_lifetime_is_cut() {
    let (account, _google) = account(vec![granted("t1", &json!(u64::MAX))]).await;
    assert_eq!(account.token(None).await.unwrap(), "t1");
}

#[tokio::test]
async fn a_refusal_is_told_from_passing_trouble() {
    let refused = |error: &str| Reply::Say(400, json!({ "error": error, "error_description": "why" }).to_string());
    for (reply, passing) in [
        (refused("invalid_grant"), false),
        (refused("invalid_client"), false),
        (Reply::Say(401, "{}".into()), true),
        (Reply::Say(403, "<html>Welcome to the hotel</html>".into()), true),
        (refused("temporarily_unavailable"), true),
        (Reply::Say(429, String::new()), true),
        (Reply::Say(503, "<html>".into()), true),
        (Reply::Say(200, "\"a-token-of-a-strange-endpoint\"".into()), true),
        (Reply::Drop, true),
    ] {
        let what = format!("{reply:?}");
        let error = account(vec![reply]).await.0.token(None).await.unwrap_err();
        assert_eq!(matches!(error, TokenError::Unreachable(_)), passing, "{what}: {error}");
        assert!(!error.to_string().contains("a-token-of"), "{error}");
    }
}

/// The claims of the assertion in a request.
fn claims(request: &str) -> Value {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let form: std::collections::HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let payload = form["assertion"].split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn calendars_and_mail_have_a_token_each_for_whom_the_account_acts() {
    let google = Scripted::start(vec![granted("t1", &json!(3599)), granted("t2", &json!(3599))]).await;
    let config = GoogleConfig {
        endpoint: Some(format!("http://{}", google.address).parse().unwrap()),
        login: Some(GoogleLogin::Service {
            key: Secret::new(&key_file(&google).replace("/token", "/not-there")),
            delegate: Some(MailAddress::parse("desk@clinic.example").unwrap()),
            drafts: false,
        }),
        token_file: "/nowhere/google-token.json".into(),
    };
    let (mut clinics, keeper) = Google::open(&config, Vec::new(), client()).unwrap();
    clinics.uses = vec![Feature::Calendar, Feature::Mail];
    assert!(keeper.is_none() && clinics.known() == Known::Nothing);
    assert_eq!(clinics.calendar.bearer(None).await.as_deref(), Ok("t1"));
    assert_eq!(clinics.mail.bearer(None).await.as_deref(), Ok("t2"));
    assert_eq!(clinics.known(), Known::Good);
    let requests = google.requests();
    assert!(requests[0].starts_with("POST /token "), "[google] endpoint counts more than the file");
    let (calendar, mail) = (claims(&requests[0]), claims(&requests[1]));
    assert_eq!((&calendar["sub"], &mail["sub"]), (&json!("desk@clinic.example"), &json!("desk@clinic.example")));
    assert!(calendar["scope"].as_str().unwrap().ends_with("calendar.freebusy"), "{calendar}");
    assert_eq!(mail["scope"], "https://www.googleapis.com/auth/gmail.send");
    assert_eq!(mail["aud"], "https://oauth2.googleapis.com/token", "whatever address is asked");
}

#[tokio::test]
async fn an_account_that_nothing_was_delegated_to_says_who_can() {
    let refused =
        json!({ "error": "unauthorized_client", "error_description": "Unauthorized client or scope in request." });
    let google = Scripted::start(vec![Reply::Say(401, refused.to_string()), Reply::Say(503, String::new())]).await;
    let wanted = Wanted::of(Feature::Mail, Some("desk@clinic.example".to_owned()));
    let access = Access::service(ServiceAccount::new(&key_file(&google), wanted, None, client()).unwrap());
    let Err(AccessError::Config(why)) = access.bearer(None).await else { panic!("it is refused") };
    assert!(why.contains("numeric client id") && !why.contains("desk@"), "{why}");
    assert!(matches!(access.known(), Known::Trouble(AccessError::Config(_))));
    assert!(matches!(access.bearer(None).await, Err(AccessError::Retry { .. })));
    assert!(matches!(access.known(), Known::Trouble(AccessError::Retry { .. })));
}

#[test]
fn a_key_file_that_is_none_is_named_and_not_quoted() {
    let with = |field: &str, value: Value| {
        let mut file = json!({ "type": "service_account", "client_email": EMAIL, "private_key": PRIVATE_KEY });
        file[field] = value;
        file.to_string()
    };
    for (file, part) in [
        ("\"a-secret-in-a-string\"".to_owned(), "line 1"),
        (r#"{"type":"service_account"}"#.to_owned(), "missing field `client_email`"),
        (with("type", json!("authorized_user")), "authorized_user"),
        (with("universe_domain", json!("example.com")), "universe_domain"),
        (with("private_key", json!("-----BEGIN nothing")), "not usable"),
        (with("token_uri", json!("http://oauth2.googleapis.com/token")), "begin with https://"),
        (with("token_uri", json!("token")), "token_uri is not an address"),
    ] {
        let Err(error) = ServiceAccount::new(&file, Wanted::vertex(), None, client()) else {
            panic!("{file} was taken")
        };
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains("a-secret"), "{text}");
    }
}

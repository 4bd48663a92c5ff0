//! A Google that does as a test says, and a daemon's login there.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_core::letter::address::MailAddress;
use frontdeskd::config::{GoogleConfig, GoogleLogin, GooglePublishing, Secret};
use frontdeskd::google::exchange::{Exchange, LoginError};
use frontdeskd::google::user::{Consented, UserLogin};
use frontdeskd::google::{Google, Identity};
use frontdeskd::http::serve::{Acceptor, Limits, serve};
use frontdeskd::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::client;

pub(crate) const CALENDAR: &str = "https://www.googleapis.com/auth/calendar.events";
pub(crate) const FREE_BUSY: &str = "https://www.googleapis.com/auth/calendar.freebusy";
pub(crate) const SEND: &str = "https://www.googleapis.com/auth/gmail.send";
const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";
pub(crate) const ACCOUNT: &str = "desk@clinic.example";

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) bearer: Option<String>,
    pub(crate) body: String,
}

impl Asked {
    /// A field of the form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields: HashMap<_, _> = form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        fields.get(name).cloned()
    }
}

#[derive(Default)]
struct Script {
    asked: Vec<Asked>,
    /// By method and path.
    answers: HashMap<String, VecDeque<(u16, Value)>>,
    takes: Duration,
}

/// A server that answers each path as listed, the last answer for ever.
pub(crate) struct Fake {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
    serving: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let mut serving = JoinSet::new();
        serving.spawn(serve(Acceptor::Tcp(listener, None), router, Limits::PEOPLE, CancellationToken::new()));
        Self { address, script, serving }
    }

    /// Answers `what` (`POST /token`) with these from now on.
    pub(crate) fn answers(&self, what: &str, answers: impl IntoIterator<Item = (u16, Value)>) {
        self.script.lock().unwrap().answers.insert(what.to_owned(), answers.into_iter().collect());
    }

    /// It takes that long over each answer from now on.
    pub(crate) fn takes(&self, time: Duration) {
        self.script.lock().unwrap().takes = time;
    }

    /// The requests of that kind.
    pub(crate) fn asked(&self, what: &str) -> Vec<Asked> {
        self.script.lock().unwrap().asked.iter().filter(|asked| asked.what == what).cloned().collect()
    }

    /// Nobody answers any more.
    pub(crate) fn away(&mut self) {
        self.serving.abort_all();
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let what = format!("{method} {}", uri.path());
    let bearer = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let takes = script.lock().unwrap().takes;
    tokio::time::sleep(takes).await;
    let mut script = script.lock().unwrap();
    script.asked.push(Asked { what: what.clone(), bearer, body: String::from_utf8(body.to_vec()).unwrap() });
    let Some(answers) = script.answers.get_mut(&what) else { return (StatusCode::NOT_FOUND, what) };
    let (status, body) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

/// What Google answers a code with, in which a person has consented to everything.
pub(crate) fn consented() -> Value {
    let claims = URL_SAFE_NO_PAD.encode(json!({ "email": ACCOUNT }).to_string());
    json!({
        "access_token": "a1", "expires_in": 3599, "refresh_token": "r1", "token_type": "Bearer",
        "scope": format!("openid {SEND} {EMAIL} {FREE_BUSY} {CALENDAR}"), "id_token": format!("e30.{claims}.s"),
    })
}

/// What Google answers a refresh token with.
pub(crate) fn refreshed(token: &str) -> (u16, Value) {
    (200, json!({ "access_token": token, "expires_in": "3599", "token_type": "Bearer" }))
}

pub(crate) fn refused(error: &str) -> (u16, Value) {
    (400, json!({ "error": error, "error_description": "Token has been expired or revoked." }))
}

/// A document with these fields in place of its own.
pub(crate) fn with(mut document: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// A daemon's Google with a person's login, and the task that keeps it.
pub(crate) struct Office {
    pub(crate) google: Arc<Google>,
    pub(crate) fake: Fake,
    pub(crate) metrics: Metrics,
    pub(crate) home: TempDir,
    keeping: JoinSet<()>,
}

impl Office {
    /// Nobody has logged in; Google answers `/token` with these.
    pub(crate) async fn start(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let fake = Fake::start().await;
        fake.answers("POST /token", answers);
        Self::on(fake, tempfile::tempdir().unwrap(), "client", None)
    }

    /// Somebody has logged in, for everything.
    pub(crate) async fn with_login(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let office = Self::start([(200, consented())].into_iter().chain(answers)).await;
        office.log_in(&[CALENDAR, FREE_BUSY, SEND]).await.unwrap();
        office
    }

    fn on(fake: Fake, home: TempDir, client_id: &str, publishing: Option<GooglePublishing>) -> Self {
        let file = json!({ "installed": { "client_id": client_id, "client_secret": "made-up" } });
        let config = GoogleConfig {
            endpoint: Some(fake.address.parse().unwrap()),
            login: Some(GoogleLogin::User { client: Secret::new(&file.to_string()), publishing }),
            token_file: home.path().join("google-token.json"),
        };
        let (google, keeper) = Google::open(&config, Vec::new(), client()).unwrap();
        let (metrics, mut keeping) = (Metrics::new(), JoinSet::new());
        keeping.spawn(keeper.unwrap().run(metrics.clone(), CancellationToken::new()));
        Self { google: Arc::new(google), fake, metrics, home, keeping }
    }

    /// The daemon starts again with the same files, and with that client.
    pub(crate) async fn restart(self, client_id: &str, publishing: Option<GooglePublishing>) -> Self {
        let Self { fake, home, mut keeping, .. } = self;
        keeping.shutdown().await;
        Self::on(fake, home, client_id, publishing)
    }

    pub(crate) fn login(&self) -> &UserLogin {
        let Identity::User { login, .. } = &self.google.identity else { panic!("a person logs in") };
        login
    }

    /// A browser has brought a code for these scopes.
    pub(crate) async fn log_in(&self, asked: &[&str]) -> Result<Consented, LoginError> {
        let exchange = Exchange {
            code: Secret::new("the-code"),
            verifier: Secret::new("the-verifier"),
            redirect_uri: "http://127.0.0.1:8765/".to_owned(),
            asked: ["openid", "email"].iter().chain(asked).map(|&scope| scope.to_owned()).collect(),
        };
        self.login().login(exchange).await
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.home.path().join("google-token.json")
    }

    /// How often `/token` was asked.
    pub(crate) fn tokens(&self) -> usize {
        self.fake.asked("POST /token").len()
    }
}

/// The document in a file.
pub(crate) fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) const ROBOT: &str = "frontdesk@project.iam.gserviceaccount.com";

/// A daemon's Google with a service account, which acts for `delegate`.
pub(crate) fn robot(fake: &Fake, delegate: Option<&str>) -> Arc<Google> {
    let key = json!({
        "type": "service_account", "client_email": ROBOT, "private_key": include_str!("../data/service-account-test.pem"),
    });
    let config = GoogleConfig {
        endpoint: Some(fake.address.parse().unwrap()),
        login: Some(GoogleLogin::Service {
            key: Secret::new(&key.to_string()),
            delegate: delegate.map(|delegate| MailAddress::parse(delegate).unwrap()),
            drafts: false,
        }),
        token_file: "/nowhere/google-token.json".into(),
    };
    Arc::new(Google::open(&config, Vec::new(), client()).unwrap().0)
}

//! A client that knows no more of the interfaces than a test needs.

use frontdesk_google_sim::{GoogleSim, Settings};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

pub(crate) const AUTH: &str = "https://www.googleapis.com/auth/";
pub(crate) const DR: &str = "dr-osei@clinic.example";

/// A simulator and somebody who uses it.
pub(crate) struct World {
    pub(crate) sim: GoogleSim,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Said {
    /// `errors[0].reason`.
    pub(crate) fn reason(&self) -> (u16, &str) {
        (self.status, self.body["error"]["errors"][0]["reason"].as_str().unwrap_or_default())
    }

    /// OAuth's `error`.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) async fn said(request: RequestBuilder) -> Said {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
    Said { status, headers, body }
}

impl World {
    /// The clinic's user, with those scopes.
    pub(crate) async fn with(settings: Settings, scopes: &[&str]) -> Self {
        let user = settings.user.clone();
        Self::of(settings, &user, scopes).await
    }

    /// Anybody, with those scopes; those without a scheme are Google's usual ones.
    pub(crate) async fn of(settings: Settings, who: &str, scopes: &[&str]) -> Self {
        let sim = GoogleSim::start(settings).await.unwrap();
        // Whoever is second finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let token = token(&sim, who, scopes);
        Self { sim, http, token }
    }

    /// The clinic's user, who may do everything.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), &["calendar", "https://mail.google.com/"]).await
    }

    pub(crate) fn request(&self, verb: Method, path: &str) -> RequestBuilder {
        self.http.request(verb, format!("{}{path}", self.sim.base())).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        said(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Said {
        said(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Said {
        said(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Said {
        said(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Said {
        said(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Said {
        said(self.http.post(format!("{}{path}", self.sim.base())).form(fields)).await
    }
}

/// A path with a query.
pub(crate) fn query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

pub(crate) fn token(sim: &GoogleSim, who: &str, scopes: &[&str]) -> String {
    let long = |scope: &&str| if scope.contains(':') { (*scope).to_owned() } else { format!("{AUTH}{scope}") };
    let scopes: Vec<String> = scopes.iter().map(long).collect();
    sim.token_for(who, &scopes.iter().map(String::as_str).collect::<Vec<_>>())
}

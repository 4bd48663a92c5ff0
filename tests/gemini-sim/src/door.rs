//! Who may come in: paths, credentials, and the two REST calls that a client makes before it connects.

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::wire::{Refusal, setup::MODELS};

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Live(LiveRoute),
    /// `GET /v1beta/models`
    Models,
    /// `POST /v1beta/auth_tokens`
    Tokens,
}

/// A Live endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveRoute {
    pub(crate) version: String,
    pub(crate) vertex: bool,
    /// The method for ephemeral tokens.
    pub(crate) constrained: bool,
}

impl Route {
    /// One or two slashes at the beginning: the JavaScript SDK sends two.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = path.trim_start_matches('/');
        if let Some(rest) = path.strip_prefix("ws/google.ai.generativelanguage.") {
            let (version, method) = rest.split_once(".GenerativeService.")?;
            let constrained = match method {
                "BidiGenerateContent" => false,
                "BidiGenerateContentConstrained" => true,
                _ => return None,
            };
            let known = ["v1", "v1beta", "v1alpha"].contains(&version);
            return known.then(|| Self::Live(LiveRoute { version: version.to_owned(), vertex: false, constrained }));
        }
        if let Some(rest) = path.strip_prefix("ws/google.cloud.aiplatform.") {
            let version = rest.strip_suffix(".LlmBidiService/BidiGenerateContent")?;
            let known = ["v1", "v1beta1"].contains(&version);
            return known
                .then(|| Self::Live(LiveRoute { version: version.to_owned(), vertex: true, constrained: false }));
        }
        match path.split_once('/')? {
            ("v1" | "v1beta" | "v1alpha", "models") => Some(Self::Models),
            ("v1beta" | "v1alpha", "auth_tokens") => Some(Self::Tokens),
            _ => None,
        }
    }
}

/// What a client presents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    key: Option<String>,
    token: Option<String>,
    bearer: Option<String>,
}

impl Credentials {
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default().as_bytes();
        let in_query = |name: &str| {
            form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let in_header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = |scheme: &str| {
            let value = in_header(AUTHORIZATION.as_str())?;
            let (given, credential) = value.split_once(' ')?;
            given.eq_ignore_ascii_case(scheme).then(|| credential.trim().to_owned())
        };
        Self {
            key: in_query("key").or_else(|| in_header("x-goog-api-key").map(str::to_owned)),
            token: in_query("access_token").or_else(|| authorization("Token")),
            bearer: authorization("Bearer"),
        }
    }

    /// Whether they open a Live session. Even a wrong key is only refused after the upgrade, with a close frame.
    pub(crate) fn check(&self, route: &LiveRoute, api_key: Option<&str>, tokens: &[String]) -> Result<(), Refusal> {
        let Some(api_key) = api_key else {
            return Ok(());
        };
        if let Some(token) = &self.token {
            let known = tokens.contains(token);
            return if known && !route.vertex { Ok(()) } else { Err(bad_token()) };
        }
        if route.constrained {
            return Err(bad_token());
        }
        if self.key.as_deref() == Some(api_key) || (route.vertex && self.bearer.is_some()) {
            return Ok(());
        }
        Err(Refusal::new(1007, "API key not valid. Please pass a valid API key."))
    }

    fn opens_rest(&self, api_key: Option<&str>) -> bool {
        api_key.is_none() || self.key.as_deref() == api_key
    }
}

fn bad_token() -> Refusal {
    Refusal::new(1007, "Auth token is missing or malformed. Please pass it in the access_token query parameter.")
}

/// The answer to a WebSocket upgrade; `None` when the request is none.
pub(crate) fn upgrade<B>(request: &Request<B>) -> Option<Response<Full<Bytes>>> {
    let headers = request.headers();
    let says = |name, word: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| says(UPGRADE, "websocket") && says(CONNECTION, "upgrade"));
    let key = key?;
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()));
    Some(response.body(Full::default()).expect("the headers are well formed"))
}

/// The answer to a REST call, and the token it made, if any.
pub(crate) fn rest(
    route: &Route,
    method: &Method,
    credentials: &Credentials,
    api_key: Option<&str>,
    new_token: impl FnOnce() -> String,
) -> Response<Full<Bytes>> {
    if !credentials.opens_rest(api_key) {
        return error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.");
    }
    match (route, method) {
        (Route::Models, &Method::GET) => answer(StatusCode::OK, &models()),
        (Route::Tokens, &Method::POST) => answer(StatusCode::OK, &json!({"name": new_token()})),
        _ => not_found(),
    }
}

fn models() -> Value {
    let model = |name: &&str| json!({"name": format!("models/{name}"), "supportedGenerationMethods": ["bidiGenerateContent", "countTokens"]});
    json!({"models": MODELS.iter().map(model).collect::<Vec<_>>()})
}

pub(crate) fn not_found() -> Response<Full<Bytes>> {
    error(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")
}

/// An error as Google's REST services write it.
pub(crate) fn error(status: StatusCode, word: &str, message: &str) -> Response<Full<Bytes>> {
    answer(status, &json!({"error": {"code": status.as_u16(), "message": message, "status": word}}))
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(Full::from(body.to_string()))
        .expect("the headers are well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(path: &str) -> Option<(String, bool, bool)> {
        match Route::of(path)? {
            Route::Live(route) => Some((route.version, route.vertex, route.constrained)),
            _ => None,
        }
    }

    #[test]
    fn the_services_paths_are_served() {
        let dev = "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
        for slashes in ["/", "//"] {
            assert_eq!(live(&format!("{slashes}{dev}")), Some(("v1beta".into(), false, false)));
            assert_eq!(live(&format!("{slashes}{dev}Constrained")), Some(("v1beta".into(), false, true)));
        }
        let vertex = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent";
        assert_eq!(live(vertex), Some(("v1beta1".into(), true, false)));
        for wrong in ["/", "/ws", "/ws/google.ai.generativelanguage.v2.GenerativeService.BidiGenerateContent", "/media"]
        {
            assert_eq!(Route::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn credentials_are_taken_from_every_place() {
        let present = |uri: &str, header: Option<(&'static str, &str)>| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            Credentials::of(&uri.parse().unwrap(), &headers)
        };
        let route = |constrained| LiveRoute { version: "v1beta".into(), vertex: false, constrained };
        let tokens = ["auth_tokens/abc".to_owned()];
        let opens = |credentials: Credentials, constrained| {
            credentials.check(&route(constrained), Some("secret"), &tokens).is_ok()
        };
        assert!(opens(present("/?key=secret", None), false));
        assert!(opens(present("/", Some(("x-goog-api-key", "secret"))), false));
        assert!(opens(present("/?access_token=auth_tokens%2Fabc", None), true));
        assert!(opens(present("/", Some(("authorization", "Token auth_tokens/abc"))), true));
        assert!(!opens(present("/?key=wrong", None), false));
        assert!(!opens(present("/?key=secret", None), true));
        assert!(!opens(present("/?access_token=auth_tokens/xyz", None), true));
        assert!(!opens(present("/", None), false));
        assert!(Credentials::default().check(&route(false), None, &[]).is_ok());
    }
}

//! Opening a WebSocket to Gemini Live.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::gemini::close::ConnectFailure;
use frontdesk_core::gemini::setup::Backend;
use http::Request;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, http as ws_http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::config::{GeminiAccess, GeminiConfig, Secret};
use crate::google::service::{ServiceAccount, TokenError, Wanted};
use crate::net::Stream;

/// A connection to the service.
pub type LiveSocket = WebSocketStream<Stream>;

/// Frames of the service fit into 1 MiB (the SDKs' own limit); with room to spare.
const MAX_MESSAGE: usize = 4 << 20;
/// The library clears that much before every read, also of nothing: larger messages are read in pieces.
const READ_BUFFER: usize = 2 << 10;
/// Messages of one turn of the loop leave in one write.
const WRITE_BUFFER: usize = 16 << 10;
/// A hundred messages of 20 ms may wait in the socket's own buffer before we hold audio back.
const MAX_WRITE_BUFFER: usize = 128 << 10;
/// Stands for a secret.
const REDACTED: &str = "(key)";
/// What Google writes in front of a key that it quotes.
const KEY_MARK: &str = "api_key:";
const CONNECT_WITHIN: Duration = Duration::from_secs(6);

enum Access {
    ApiKey(Secret),
    Account(Box<ServiceAccount>),
}

/// Opens connections. One for the whole daemon: TLS sessions and tokens are shared.
pub struct Connector {
    host: String,
    port: u16,
    prefix: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    access: Access,
}

impl Connector {
    /// A connector for the configured endpoint; `http` fetches tokens.
    pub fn new(config: &GeminiConfig, tls: Arc<ClientConfig>, http: reqwest::Client) -> Result<Self, TokenError> {
        let bad = |why: &str| TokenError::Credentials(format!("gemini.endpoint: {why}"));
        let uri: http::Uri = config.endpoint.parse().map_err(|_| bad("not an address"))?;
        let host = uri.host().ok_or_else(|| bad("no host"))?.to_owned();
        let secure = matches!(uri.scheme_str(), Some("wss" | "https"));
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| bad("no host name"))?;
        let access = match &config.access {
            GeminiAccess::ApiKey(key) => Access::ApiKey(key.clone()),
            GeminiAccess::Vertex { credentials, .. } => {
                Access::Account(Box::new(ServiceAccount::new(credentials.expose(), Wanted::vertex(), None, http)?))
            }
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port, prefix, tls: secure.then_some((tls, name)), access })
    }

    /// The product that the configuration names.
    pub fn backend(config: &GeminiConfig) -> Backend {
        match &config.access {
            GeminiAccess::ApiKey(_) => Backend::Developer,
            GeminiAccess::Vertex { project, location, .. } => {
                Backend::Vertex { project: project.clone(), location: location.clone() }
            }
        }
    }

    /// What the service said, fit for a log: without our key, which Google quotes when it suspends one
    /// (`Consumer 'api_key:AIza…' has been suspended`, possibly cut), and without line breaks.
    pub fn redact(&self, text: &str) -> String {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if let Access::ApiKey(key) = &self.access
            && !key.expose().is_empty()
        {
            text = text.replace(key.expose(), REDACTED);
        }
        if let Some(start) = text.find(KEY_MARK).map(|at| at + KEY_MARK.len()) {
            let end = text[start..].find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
            text.replace_range(start..end.map_or(text.len(), |length| start + length), REDACTED);
        }
        text
    }

    /// Opens a WebSocket at `path`. A bearer token that is refused is fetched anew once.
    pub async fn connect(&self, path: &str) -> Result<LiveSocket, ConnectFailure> {
        let open = async {
            let credential = self.credential(None).await?;
            match (self.attempt(path, &credential).await, &self.access) {
                (Err(ConnectFailure::Http { status: 401 | 403 }), Access::Account(_)) => {
                    let another = self.credential(Some(&credential)).await?;
                    self.attempt(path, &another).await
                }
                (outcome, _) => outcome,
            }
        };
        tokio::time::timeout(CONNECT_WITHIN, open)
            .await
            .unwrap_or_else(|_| Err(ConnectFailure::Network(format!("no connection within {CONNECT_WITHIN:?}"))))
    }

    /// The key, or a token that is not the one that was `refused`.
    async fn credential(&self, refused: Option<&str>) -> Result<String, ConnectFailure> {
        match &self.access {
            Access::ApiKey(key) => Ok(key.expose().to_owned()),
            Access::Account(account) => account.token(refused).await.map_err(|error| match error {
                TokenError::Unreachable(why) => ConnectFailure::Network(format!("the access token: {why}")),
                refused => ConnectFailure::Credential(refused.to_string()),
            }),
        }
    }

    async fn attempt(&self, path: &str, credential: &str) -> Result<LiveSocket, ConnectFailure> {
        let request = self.request(path, credential)?;
        let host = self.host.trim_matches(['[', ']']);
        let network = |what: &str, error: &dyn std::fmt::Display| {
            ConnectFailure::Network(format!("{what} with {host} port {}: {error}", self.port))
        };
        let tcp = TcpStream::connect((host, self.port)).await.map_err(|error| network("TCP", &error))?;
        tcp.set_nodelay(true).map_err(|error| network("TCP", &error))?;
        let stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some((config, name)) => {
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                let tls = connector.connect(name.clone(), tcp).await.map_err(|error| network("TLS", &error))?;
                Stream::Dialled(Box::new(tls))
            }
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(WsError::Http(answer)) => Err(ConnectFailure::Http { status: answer.status().as_u16() }),
            Err(error) => Err(network("WebSocket", &error)),
        }
    }

    fn request(&self, path: &str, credential: &str) -> Result<Request<()>, ConnectFailure> {
        let (name, value) = match &self.access {
            Access::ApiKey(_) => ("x-goog-api-key", credential.to_owned()),
            Access::Account(_) => ("authorization", format!("Bearer {credential}")),
        };
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        // Browsers and SDKs leave the usual port out of `Host`; some front ends know their name only that way.
        let usual = self.port == if self.tls.is_some() { 443 } else { 80 };
        let port = if usual { String::new() } else { format!(":{}", self.port) };
        let uri = format!("{scheme}://{}{port}{}{path}", self.host, self.prefix);
        let malformed = |_| ConnectFailure::Network(format!("{uri} is not an address"));
        let mut request = uri.as_str().into_client_request().map_err(malformed)?;
        let mut value = ws_http::HeaderValue::from_str(&value)
            .map_err(|_| ConnectFailure::Credential("the credential holds characters that no header can".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        let agent = concat!("frontdesk/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert("user-agent", ws_http::HeaderValue::from_static(agent));
        Ok(request)
    }
}

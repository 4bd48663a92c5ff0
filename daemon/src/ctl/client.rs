//! One request to the daemon: over its control socket, or over HTTP to its admin listener.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::browser::BrowserError;
use super::local::LocalError;
use crate::config::Secret;
use crate::http::reply::Failure;
use crate::net::{self, Stream, TlsError};

/// The daemon answers within its own limits; a network may not.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Five hundred calls are a few hundred kilobytes, one long transcript less.
const MOST_BYTES: usize = 32 << 20;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// Nobody listens on the socket.
    #[error(
        "no frontdeskd answers at {path}: is it running (systemctl status frontdeskd)? A daemon of another \
         configuration has its socket elsewhere: --socket PATH, or --url for its admin listener",
        path = .path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The system does not let this user connect.
    #[error(
        "you may not use {path}: run it with sudo, or have yourself added with: sudo usermod --append --groups \
         frontdesk YOU, and log in again",
        path = .path.display()
    )]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon cannot be reached for another reason.
    #[error("{place} cannot be reached")]
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It was reached and does not answer.
    #[error("{place} did not answer within {within:?}")]
    Silent {
        /// Where it was asked.
        place: String,
        /// For how long it was waited.
        within: Duration,
    },
    /// It answered that it cannot.
    #[error("{message}")]
    Refused {
        /// What it answered.
        status: StatusCode,
        /// Its own words.
        message: String,
    },
    /// It answered something else.
    #[error("{place} answered what no frontdeskd of this version would: {why}")]
    Foreign {
        /// Where it was asked.
        place: String,
        /// What was odd.
        why: String,
    },
    /// The address cannot be used.
    #[error("--url {url}: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Only the control socket serves it.
    #[error("{what} goes over the control socket alone, not over {url}: run it on the box, without --url")]
    SocketOnly {
        /// What was given.
        url: String,
        /// What was wanted.
        what: &'static str,
    },
    /// Nobody could log in at Google.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// It is about this machine, and was not done.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The answer could not be shown.
    #[error("the answer cannot be written")]
    Output(#[from] std::io::Error),
}

impl CtlError {
    /// The exit status that `--help` promises.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. }
            | Self::NotAllowed { .. } => 4,
            Self::NotRunning { .. } | Self::Unreachable { .. } | Self::Silent { .. } => 3,
            Self::Url { .. } | Self::SocketOnly { .. } => 2,
            Self::Local(error) => error.exit_code(),
            Self::Refused { .. } | Self::Foreign { .. } | Self::Browser(_) | Self::Tls(_) | Self::Output(_) => 1,
        };
        ExitCode::from(code)
    }
}

/// Where the daemon is.
pub(super) enum Target {
    /// Its control socket.
    Socket(PathBuf),
    /// Its admin listener.
    Http {
        /// Host and port, as the request names them.
        authority: String,
        host: String,
        port: u16,
        tls: Option<TlsConnector>,
    },
}

impl Target {
    /// Reads `http://host[:port]` or `https://host[:port]`. A token crosses a network encrypted only.
    pub(super) fn url(text: &str, ca_file: Option<&Path>, with_token: bool) -> Result<Self, CtlError> {
        let wrong = |why| CtlError::Url { url: text.to_owned(), why };
        let shape = "write http://127.0.0.1:8090, or https:// and a host name";
        let uri: Uri = text.parse().map_err(|_| wrong(shape))?;
        let (Some(scheme), Some(authority), "/" | "", None) = (uri.scheme(), uri.authority(), uri.path(), uri.query())
        else {
            return Err(wrong(shape));
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let secure = *scheme == Scheme::HTTPS;
        if !secure && (*scheme != Scheme::HTTP || authority.as_str().contains('@')) {
            return Err(wrong(shape));
        }
        if !secure && with_token && !loopback {
            return Err(wrong("use https://: the admin token would cross the network readable by anybody"));
        }
        let tls = if secure { Some(TlsConnector::from(net::client_tls(ca_file)?)) } else { None };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self::Http { authority: authority.to_string(), host, port, tls })
    }

    /// What must not be asked over the admin listener is told before anybody takes trouble over it.
    pub(super) fn needs_socket(&self, what: &'static str) -> Result<(), CtlError> {
        match self {
            Self::Socket(_) => Ok(()),
            Self::Http { authority, .. } => Err(CtlError::SocketOnly { url: authority.clone(), what }),
        }
    }

    /// For messages.
    fn place(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Http { authority, .. } => authority.clone(),
        }
    }

    /// What the request names as its host.
    fn authority(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Http { authority, .. } => authority,
        }
    }

    async fn connect(&self) -> Result<Stream, CtlError> {
        let unreachable = |source| CtlError::Unreachable { place: self.place(), source };
        match self {
            Self::Socket(path) => UnixStream::connect(path).await.map(Stream::Unix).map_err(|source| {
                let path = path.clone();
                match source.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => CtlError::NotRunning { path },
                    ErrorKind::PermissionDenied => CtlError::NotAllowed { path },
                    _ => unreachable(source),
                }
            }),
            Self::Http { host, port, tls, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                let Some(tls) = tls else { return Ok(Stream::Plain(stream)) };
                let invalid = |_| unreachable(ErrorKind::InvalidInput.into());
                let name = ServerName::try_from(host.clone()).map_err(invalid)?;
                let stream = tls.connect(name, stream).await.map_err(unreachable)?;
                Ok(Stream::Dialled(Box::new(stream)))
            }
        }
    }
}

/// Asks one daemon.
pub(super) struct Client {
    pub(super) target: Target,
    pub(super) token: Option<Secret>,
}

/// What came back, whatever it is.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    place: String,
}

impl Client {
    /// Asks, and takes any answer but a failure.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answer, CtlError> {
        self.ask_any(method, path).await?.unless_failed()
    }

    /// Asks, and waits that long for any answer but a failure.
    pub(super) async fn ask_within(&self, method: Method, path: &str, within: Duration) -> Result<Answer, CtlError> {
        self.answered(method, path, None, within).await?.unless_failed()
    }

    /// Asks, and takes any answer.
    pub(super) async fn ask_any(&self, method: Method, path: &str) -> Result<Answer, CtlError> {
        self.answered(method, path, None, ANSWER_WITHIN).await
    }

    /// Asks with a document, and takes any answer but a failure, for which it waits that long.
    pub(super) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        document: &impl Serialize,
        within: Duration,
    ) -> Result<Answer, CtlError> {
        let body = serde_json::to_vec(document).expect("what we ask with is JSON").into();
        self.answered(method, path, Some(body), within).await?.unless_failed()
    }

    async fn answered(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
    ) -> Result<Answer, CtlError> {
        let place = self.target.place();
        let exchange = tokio::time::timeout(within, self.exchange(method, path, body));
        let (status, body) = exchange.await.map_err(|_| CtlError::Silent { place: place.clone(), within })??;
        Ok(Answer { status, body, place })
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<(StatusCode, Bytes), CtlError> {
        let foreign = |why: String| CtlError::Foreign { place: self.target.place(), why };
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.target.authority());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        // The control socket knows who asks.
        if let (Some(token), Target::Http { .. }) = (&self.token, &self.target) {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Full::new(body.unwrap_or_default()));
        let request =
            request.map_err(|_| CtlError::Url { url: self.target.place(), why: "no header can carry the token" })?;
        let stream = TokioIo::new(self.target.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| foreign(error.to_string()))?;
        let answer = async move {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body =
                Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        // The connection ends with its only request; its errors are the request's as well.
        let (answer, _) = tokio::join!(answer, connection);
        answer.map_err(foreign)
    }
}

impl Answer {
    /// The answer, unless the daemon says that it cannot.
    pub(super) fn unless_failed(self) -> Result<Self, CtlError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let failure: Failure = self.json()?;
        Err(CtlError::Refused { status: self.status, message: failure.error.message })
    }

    /// What the answer says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, CtlError> {
        serde_json::from_slice(&self.body).map_err(|error| self.foreign(format!("{} with {error}", self.status)))
    }

    /// The answer as it came.
    pub(super) fn text(&self) -> Result<&str, CtlError> {
        std::str::from_utf8(&self.body).map_err(|_| self.foreign("it is no text".to_owned()))
    }

    fn foreign(&self, why: String) -> CtlError {
        CtlError::Foreign { place: self.place.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(url: &str, with_token: bool) -> &'static str {
        match Target::url(url, None, with_token) {
            Err(CtlError::Url { why, .. }) => why,
            Err(_) => "another error",
            Ok(_) => "",
        }
    }

    #[test]
    fn a_token_never_crosses_a_network_in_the_open() {
        assert!(why("http://192.168.1.7:8090", true).contains("readable by anybody"));
        assert!(why("http://desk.lan", true).contains("readable by anybody"));
        for local in ["http://127.0.0.1:8090", "http://localhost:8090/", "http://[::1]:8090"] {
            assert_eq!(why(local, true), "", "{local}");
        }
        assert_eq!(why("http://desk.lan", false), "");
    }

    #[test]
    fn what_is_no_base_address_is_refused() {
        for url in ["", "desk.lan:8090", "ftp://desk.lan", "http://desk.lan/v1", "http://me@127.0.0.1", "http://x/?a=b"]
        {
            assert!(why(url, false).contains("write http://"), "{url}");
        }
    }
}

//! Far ends that do as they are told: an HTTP server with a list of answers, and Gemini's door.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// Whatever a test waits for comes within that time, or never.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status and a body.
    Say(u16, String),
    /// These bytes, and the connection is closed.
    Raw(String),
    /// The connection is closed without a word.
    Drop,
    /// The connection stays, and nothing comes.
    Silence,
}

impl Reply {
    /// A problem in Twilio's shape.
    pub(crate) fn twilio(status: u16, code: u32) -> Self {
        Self::Say(status, format!(r#"{{"code":{code},"message":"no","status":{status}}}"#))
    }
}

/// An HTTP server that answers one request after the other as listed, the last answer for ever.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: watch::Receiver<Vec<String>>,
    _serving: JoinSet<()>,
}

impl Scripted {
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let mut replies = replies.into_iter().peekable();
        Self::answering(move |_| {
            let reply = replies.next().unwrap();
            if replies.peek().is_none() {
                replies = vec![reply.clone()].into_iter().peekable();
            }
            reply
        })
        .await
    }

    /// A server that answers each request, head and body, as it asks for.
    pub(crate) async fn answering(mut answer: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else { continue };
                let reply = answer(&request);
                seen.send_modify(|requests| requests.push(request));
                match reply {
                    Reply::Say(status, body) => {
                        let length = body.len();
                        let answer = format!(
                            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                             Connection: close\r\n\r\n{body}"
                        );
                        // Who asked may have gone.
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    Reply::Raw(bytes) => {
                        let _ = stream.write_all(bytes.as_bytes()).await;
                    }
                    Reply::Drop => {}
                    Reply::Silence => kept.push(stream),
                }
            }
        });
        Self { address, requests, _serving: serving }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }

    /// Waits until that many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<String> {
        let mut requests = self.requests.clone();
        let seen = requests.wait_for(|requests| requests.len() >= count);
        tokio::time::timeout(LONG, seen).await.expect("the request never came").unwrap().clone()
    }
}

/// Head and body of a request, as text.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

pub(crate) type Server = WebSocketStream<TcpStream>;

/// Gemini's door: whoever knocks waits until the test opens.
pub(crate) struct Gemini {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Gemini {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Lets the next one in; with the path and the headers of its request.
    pub(crate) async fn accept(&self) -> (Server, String, HeaderMap) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let seen = Arc::new(Mutex::new((String::new(), HeaderMap::new())));
        let note = Arc::clone(&seen);
        #[expect(clippy::result_large_err, reason = "the shape that the library asks for")]
        let callback = move |request: &Request, response: Response| {
            *note.lock().unwrap() = (request.uri().to_string(), request.headers().clone());
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
        let (path, headers) = seen.lock().unwrap().clone();
        (socket, path, headers)
    }

    /// Lets the next one in and says that its setup is complete.
    pub(crate) async fn listen(&self) -> Server {
        let (mut socket, ..) = self.accept().await;
        let setup = socket.next().await.unwrap().unwrap();
        assert!(setup.to_text().unwrap().contains("\"setup\""));
        socket.send(Message::text(r#"{"setupComplete":{}}"#)).await.unwrap();
        socket
    }
}

/// An authority, and a certificate for `localhost`, as PEM.
pub(crate) struct Certificates {
    pub(crate) ca: String,
    pub(crate) cert: String,
    pub(crate) key: String,
}

pub(crate) fn certificates() -> Certificates {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "an authority of a test");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    Certificates { ca: ca.pem(), cert: leaf.pem(), key: key.serialize_pem() }
}

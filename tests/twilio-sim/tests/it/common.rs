//! A bridge to try the simulator on: answers webhooks with given documents and hands every stream to a closure.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use frontdesk_twilio_sim::{CallPlan, Settings, Target, TwilioSim};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

pub(crate) const LONG: Duration = Duration::from_secs(20);
pub(crate) const STREAM: &str = r#"<Response><Connect><Stream url="wss://desk.example.com/media/1" statusCallback="https://desk.example.com/stream"><Parameter name="token" value="t1"/></Stream></Connect></Response>"#;

/// One request that the bridge got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) params: HashMap<String, String>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnStream = Arc<dyn Fn(Peer) -> Work + Send + Sync>;
type OnRequest = Arc<dyn Fn(&Got) -> String + Send + Sync>;

/// A bridge; dropping it closes it.
pub(crate) struct Bridge {
    pub(crate) addr: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bridge {
    /// `documents` answers a request with TwiML, or with a whole HTTP response if its text begins with `HTTP/`.
    pub(crate) async fn start<F>(
        documents: impl Fn(&Got) -> String + Send + Sync + 'static,
        on_stream: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let on_request: OnRequest = Arc::new(documents);
        let on_stream: OnStream = Arc::new(move |peer| Box::pin(on_stream(peer)));
        let log = got.clone();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, on_request.clone(), on_stream.clone(), log.clone()));
            }
        });
        Self { addr, got, task }
    }

    /// The requests so far, those of streams included.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// A call to this bridge.
    pub(crate) fn plan(&self) -> CallPlan {
        let mut plan = CallPlan::to_url("https://desk.example.com/voice");
        plan.status_callback = Some("https://desk.example.com/status".into());
        let target = Target { addr: self.addr, tls: false };
        plan.connect_to.insert("desk.example.com".into(), target);
        plan.time_limit = Duration::from_secs(30);
        plan
    }
}

/// A simulator whose verbs outside of streams take no time to speak of.
pub(crate) async fn quick_sim() -> TwilioSim {
    let settings = Settings { verb_speed: 1_000.0, ..Settings::default() };
    TwilioSim::start(settings).await.unwrap()
}

async fn serve(mut tcp: TcpStream, on_request: OnRequest, on_stream: OnStream, log: Arc<Mutex<Vec<Got>>>) {
    let mut peeked = vec![0; 4_096];
    let size = tcp.peek(&mut peeked).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&peeked[..size]).to_lowercase();
    if head.contains("upgrade: websocket") {
        let got = parse(&String::from_utf8_lossy(&peeked[..size]), "");
        let refuse = got.headers.contains_key("x-twilio-signature") && got.path == "/refuse";
        log.lock().unwrap().push(got);
        if refuse {
            let _ = tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
            return;
        }
        if let Ok(socket) = accept_async(tcp).await {
            on_stream(Peer::new(socket)).await;
        }
        return;
    }
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4_096];
        match tcp.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(n) => request.extend(&part[..n]),
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let parsed = parse(head, "");
            let length = parsed.headers.get("content-length");
            if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                break (head.to_owned(), body.to_owned());
            }
        }
    };
    let got = parse(&head, &body);
    log.lock().unwrap().push(got.clone());
    let answer = on_request(&got);
    let response = if answer.starts_with("HTTP/") {
        answer
    } else {
        let length = answer.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{answer}")
    };
    let _ = tcp.write_all(response.as_bytes()).await;
}

fn parse(head: &str, body: &str) -> Got {
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.filter_map(|line| line.split_once(": "));
    Got {
        path: path.unwrap_or_default().to_owned(),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        params: form_urlencoded::parse(body.as_bytes()).into_owned().collect(),
    }
}

/// The server's end of a stream.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) sid: String,
}

impl Peer {
    fn new(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, sid: String::new() }
    }

    /// The next JSON message; none when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Text(text) = message {
                let value: Value = serde_json::from_str(&text).ok()?;
                if value["event"] == "start" {
                    value["streamSid"].as_str().unwrap().clone_into(&mut self.sid);
                }
                return Some(value);
            }
        }
        None
    }

    /// Reads until a message of this kind.
    pub(crate) async fn until(&mut self, event: &str) -> Option<Value> {
        loop {
            let value = self.next().await?;
            if value["event"] == event {
                return Some(value);
            }
        }
    }

    pub(crate) async fn send(&mut self, value: Value) {
        let _ = self.socket.send(Message::text(value.to_string())).await;
    }

    pub(crate) async fn media(&mut self, audio: &[u8]) {
        let sid = self.sid.clone();
        let payload = STANDARD.encode(audio);
        self.send(json!({"event":"media","streamSid":sid,"media":{"payload":payload}})).await;
    }

    pub(crate) async fn mark(&mut self, name: &str) {
        let sid = self.sid.clone();
        self.send(json!({"event":"mark","streamSid":sid,"mark":{"name":name}})).await;
    }

    pub(crate) async fn clear(&mut self) {
        let sid = self.sid.clone();
        self.send(json!({"event":"clear","streamSid":sid})).await;
    }

    pub(crate) async fn close(&mut self) {
        let _ = self.socket.close(None).await;
        while self.next().await.is_some() {}
    }
}

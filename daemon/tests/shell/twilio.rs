//! What Twilio does: signed requests, and a media stream.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use ring::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::fakes::LONG;
use super::world::{ACCOUNT, PUBLIC_URL, TOKEN, World};

pub(crate) const CALL: &str = "CA00000000000000000000000000000001";
pub(crate) const OTHER: &str = "CA00000000000000000000000000000002";
pub(crate) const THIRD: &str = "CA00000000000000000000000000000003";

/// Parameters of a request.
pub(crate) type Form = Vec<(&'static str, String)>;

/// What is asked when `call` comes in.
pub(crate) fn voice(call: &str) -> Form {
    form(&[
        ("AccountSid", ACCOUNT),
        ("CallSid", call),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "+15550100200"),
        ("To", "+15550100100"),
    ])
}

/// What is reported when `call` moves on.
pub(crate) fn moved(call: &str, status: &str) -> Form {
    let mut form = voice(call);
    form[2] = ("CallStatus", status.to_owned());
    form
}

pub(crate) fn form(pairs: &[(&'static str, &str)]) -> Form {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

pub(crate) fn encode(form: &Form) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// Twilio's signature, written down a second time on purpose: the daemon's own code is what is judged.
pub(crate) fn sign(token: &str, url: &str, form: &Form) -> String {
    let mut pairs = form.clone();
    pairs.sort();
    let signed = pairs.iter().fold(url.to_owned(), |signed, (name, value)| signed + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The media token of the answer's TwiML.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        let (_, rest) = self.body.split_once("wss://desk.example.com/twilio/media/").expect("a stream is asked for");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Sends `text` and reads until the peer closes.
pub(crate) async fn exchange(address: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A peer that refuses may not read to the end.
    let _ = stream.write_all(text.as_bytes()).await;
    read_answer(&mut stream).await
}

pub(crate) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // What came before a reset counts.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer, but {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) fn post_text(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: box.example.net\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
    )
}

impl World {
    /// Posts a form with the right signature.
    pub(crate) async fn post(&self, path: &str, form: &Form) -> Answer {
        self.post_signed(path, form, &sign(TOKEN, &format!("{PUBLIC_URL}{path}"), form)).await
    }

    pub(crate) async fn post_signed(&self, path: &str, form: &Form, signature: &str) -> Answer {
        let header = format!("X-Twilio-Signature: {signature}\r\n");
        exchange(self.public, &post_text(path, &header, &encode(form))).await
    }

    /// Connects a media stream; the status if it is refused.
    pub(crate) async fn connect(&self, token: &str) -> Result<Stream, u16> {
        let url = format!("wss://desk.example.com/twilio/media/{token}");
        self.connect_signed(token, &sign(TOKEN, &url, &Vec::new())).await
    }

    pub(crate) async fn connect_signed(&self, token: &str, signature: &str) -> Result<Stream, u16> {
        let tcp = TcpStream::connect(self.public).await.unwrap();
        let mut request = format!("ws://desk.example.com/twilio/media/{token}").into_client_request().unwrap();
        request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
        match client_async(request, tcp).await {
            Ok((socket, _)) => Ok(Stream { socket, token: token.to_owned() }),
            Err(Error::Http(answer)) => {
                assert!(answer.body().as_ref().is_none_or(Vec::is_empty), "a refusal says nothing");
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A call whose stream has started, and who it is at Gemini.
    pub(crate) async fn talking(&self) -> (Stream, super::fakes::Server) {
        let token = self.post("/twilio/voice", &voice(CALL)).await.token();
        let gemini = self.gemini.listen().await;
        let mut stream = self.connect(&token).await.unwrap();
        stream.begin(CALL).await;
        super::world::until(|| self.counted_answered()).await;
        (stream, gemini)
    }

    fn counted_answered(&self) -> bool {
        self.line.calls.conversations().running().iter().any(|running| running.view.turn() == "agent-due")
    }
}

/// A media stream, Twilio's end.
pub(crate) struct Stream {
    pub(crate) socket: WebSocketStream<TcpStream>,
    token: String,
}

impl Stream {
    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Introduces itself.
    pub(crate) async fn begin(&mut self, call: &str) {
        self.say(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#).await;
        let token = self.token.clone();
        self.say(&format!(
            r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"streamSid":"MZ1",
            "accountSid":"{ACCOUNT}","callSid":"{call}","tracks":["inbound"],"customParameters":{{"token":"{token}"}},
            "mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}}}}"#
        ))
        .await;
    }

    /// Says that the stream is over.
    pub(crate) async fn stop(&mut self) {
        self.say(r#"{"event":"stop","streamSid":"MZ1","stop":{}}"#).await;
    }

    /// The close that the daemon sends; what it says before is read over.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match tokio::time::timeout(LONG, self.socket.next()).await.expect("no close") {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("no close, but {error}"),
                None => panic!("no close, but an end"),
            }
        }
    }

    pub(crate) async fn closed_with(&mut self) -> u16 {
        self.closed().await.expect("a close with a code").code.into()
    }
}

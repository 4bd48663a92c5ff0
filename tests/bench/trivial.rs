//! A bridge without duties, for the bench to compare with: it forwards at once whatever it gets.
//!
//! No signature, token, voice activity, pacing, marks, store, timers or reconnects; samples are doubled upwards and
//! dropped downwards. Same runtime, TLS and WebSocket library as the daemon. `trivial-bridge GEMINI_BASE CA_FILE`
//! prints where it listens.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use frontdesk_voice::mulaw;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

const TWIML: &str = r#"<Response><Connect><Stream url="wss://desk.example.com/media"/></Connect></Response>"#;
const LIVE_PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
const SETUP: &str = r#"{"setup":{"model":"models/gemini-3.8-live","generationConfig":{"responseModalities":["AUDIO"]},
    "inputAudioTranscription":{},"outputAudioTranscription":{}}}"#;
const GREET: &str = r#"{"realtimeInput":{"text":"Greet the caller."}}"#;

type Caller = WebSocketStream<TcpStream>;
type Model = WebSocketStream<TlsStream<TcpStream>>;

/// Where the model is.
struct Live {
    address: String,
    tls: Arc<ClientConfig>,
}

#[derive(Deserialize)]
struct FromCaller<'a> {
    #[serde(borrow, default, rename = "streamSid")]
    stream_sid: Option<&'a str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FromModel<'a> {
    setup_complete: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    server_content: Option<Content<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    #[serde(default)]
    interrupted: bool,
    #[serde(borrow)]
    model_turn: Option<Turn<'a>>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    inline_data: Option<Blob<'a>>,
}

#[derive(Deserialize)]
struct Blob<'a> {
    data: &'a str,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: trivial-bridge wss://localhost:PORT CA_FILE";
    let base = arguments.next().context(usage)?;
    let live = Arc::new(Live {
        address: base.strip_prefix("wss://").context(usage)?.to_owned(),
        tls: tls(Path::new(&arguments.next().context(usage)?))?,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        // A call that fails is missing in the bench's figures.
        tokio::spawn(answer(tcp, Arc::clone(&live)));
    }
}

fn tls(ca: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn settings() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 << 10)
}

async fn answer(mut tcp: TcpStream, live: Arc<Live>) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    let mut head = [0; 16];
    let size = tcp.peek(&mut head).await?;
    if head[..size].starts_with(b"GET /media") {
        return bridge(accept_async_with_config(tcp, Some(settings())).await?, &live).await;
    }
    // Simulated webhooks fit into one segment.
    let mut request = [0; 4_096];
    let _ = tcp.read(&mut request).await?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{TWIML}",
        TWIML.len()
    );
    tcp.write_all(answer.as_bytes()).await?;
    Ok(())
}

async fn connect(live: &Live) -> anyhow::Result<Model> {
    let tcp = TcpStream::connect(&live.address).await?;
    tcp.set_nodelay(true)?;
    let host = live.address.split(':').next().unwrap_or_default().to_owned();
    let stream = TlsConnector::from(Arc::clone(&live.tls)).connect(ServerName::try_from(host)?, tcp).await?;
    let url = format!("wss://{}{LIVE_PATH}?key=bench", live.address);
    let (mut model, _) = client_async_with_config(url, stream, Some(settings())).await?;
    model.send(Message::text(SETUP)).await?;
    while let Some(message) = model.next().await {
        if serde_json::from_slice::<FromModel<'_>>(&message?.into_data())?.setup_complete.is_some() {
            model.send(Message::text(GREET)).await?;
            return Ok(model);
        }
    }
    bail!("the model closed before it was set up")
}

async fn bridge(mut caller: Caller, live: &Live) -> anyhow::Result<()> {
    let mut model = connect(live).await?;
    let mut stream = String::new();
    loop {
        tokio::select! {
            message = caller.next() => match message.context("the caller is gone")?? {
                Message::Text(text) => {
                    let message: FromCaller<'_> = serde_json::from_str(&text)?;
                    if let (true, Some(sid)) = (stream.is_empty(), message.stream_sid) {
                        sid.clone_into(&mut stream);
                    }
                    if let Some(media) = message.media {
                        model.send(Message::text(upwards(media.payload)?)).await?;
                    }
                }
                Message::Close(_) => {
                    model.close(None).await?;
                    return Ok(());
                }
                _ => {}
            },
            message = model.next() => {
                let data = message.context("the model is gone")??.into_data();
                let Ok(message) = serde_json::from_slice::<FromModel<'_>>(&data) else { continue };
                let Some(content) = message.server_content else { continue };
                if content.interrupted {
                    caller.send(Message::text(format!(r#"{{"event":"clear","streamSid":"{stream}"}}"#))).await?;
                }
                for part in content.model_turn.into_iter().flat_map(|turn| turn.parts) {
                    let Some(blob) = part.inline_data else { continue };
                    caller.send(Message::text(downwards(&stream, blob.data)?)).await?;
                }
            }
        }
    }
}

fn upwards(payload: &str) -> anyhow::Result<String> {
    let pcm: Vec<u8> = STANDARD
        .decode(payload)?
        .into_iter()
        .flat_map(|code| {
            let [low, high] = mulaw::decode(code).to_le_bytes();
            [low, high, low, high]
        })
        .collect();
    let data = STANDARD.encode(pcm);
    Ok(format!(r#"{{"realtimeInput":{{"audio":{{"mimeType":"audio/pcm;rate=16000","data":"{data}"}}}}}}"#))
}

fn downwards(stream: &str, data: &str) -> anyhow::Result<String> {
    let pcm = STANDARD.decode(data)?;
    let kept = pcm.as_chunks::<6>().0.iter().map(|three| mulaw::encode(i16::from_le_bytes([three[0], three[1]])));
    let payload = STANDARD.encode(kept.collect::<Vec<u8>>());
    Ok(format!(r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":"{payload}"}}}}"#))
}

//! The least that the daemon takes for Gemini Live: it notes when each message of sound arrived, and speaks when told.
//!
//! A thread of its own, so that nothing else in the bench delays what it notes. Times are nanoseconds of
//! `CLOCK_MONOTONIC`, the same in all processes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Samples of one message of speech, 40 ms at 24 kHz.
const PIECE: usize = 960;

/// Now.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One piece of sound, and when all of it was there.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) at: u64,
    pub(super) pcm: Vec<i16>,
}

/// What went over the socket.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Connections that were set up.
    pub(super) sessions: usize,
    pub(super) arrived: Vec<Arrived>,
    /// When the first message of each reply was sent.
    pub(super) sent: Vec<u64>,
}

/// The model. Lives as long as the bench.
pub(super) struct Model {
    pub(super) address: SocketAddr,
    tape: Arc<Mutex<Tape>>,
    replies: UnboundedSender<Vec<i16>>,
}

impl Model {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tape = Arc::<Mutex<Tape>>::default();
        let (replies, mut asked) = unbounded_channel();
        let inside = Arc::clone(&tape);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("model".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((tcp, _)) = listener.accept().await {
                    // A connection that fails is missing in the figures, and asked for.
                    let _ = serve(tcp, &inside, &mut asked).await;
                }
            });
        })?;
        Ok(Self { address, tape, replies })
    }

    /// Speaks: 24 kHz, all at once, as the service does.
    pub(super) fn reply(&self, pcm: &[i16]) {
        // It ends with the bench.
        let _ = self.replies.send(pcm.to_vec());
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Tape) -> T) -> T {
        read(&self.tape.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(tcp: TcpStream, tape: &Mutex<Tape>, asked: &mut UnboundedReceiver<Vec<i16>>) -> anyhow::Result<()> {
    let note = || tape.lock().unwrap_or_else(PoisonError::into_inner);
    tcp.set_nodelay(true)?;
    let mut socket = accept_async(tcp).await?;
    loop {
        tokio::select! {
            message = socket.next() => {
                let data = message.context("the daemon is gone")??.into_data();
                let at = now();
                let Ok(message) = serde_json::from_slice::<Value>(&data) else { continue };
                if message.get("setup").is_some() {
                    socket.send(Message::text(r#"{"setupComplete":{}}"#)).await?;
                    note().sessions += 1;
                } else if let Some(sound) = message["realtimeInput"]["audio"]["data"].as_str() {
                    let pcm = samples(&STANDARD.decode(sound)?);
                    note().arrived.push(Arrived { at, pcm });
                }
            }
            Some(pcm) = asked.recv() => {
                note().sent.push(now());
                for piece in pcm.chunks(PIECE) {
                    socket.send(Message::text(speech(piece))).await?;
                }
                socket.send(Message::text(r#"{"serverContent":{"generationComplete":true}}"#)).await?;
                socket.send(Message::text(r#"{"serverContent":{"turnComplete":true}}"#)).await?;
            }
        }
    }
}

fn speech(pcm: &[i16]) -> String {
    let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let blob = json!({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes)}});
    json!({"serverContent": {"modelTurn": {"role": "model", "parts": [blob]}}}).to_string()
}

/// Samples of little-endian bytes.
pub(super) fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

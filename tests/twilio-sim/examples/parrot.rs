//! The smallest phone bridge: connects every call to a stream and says back what it hears.
//!
//! `cargo run -p frontdesk-twilio-sim --example parrot`, then
//! `cargo run -p frontdesk-twilio-sim -- --connect-to 127.0.0.1:8091 --say "Hello there" --record call.wav`.
//! It checks nothing and never hangs up; its use is to try the simulator and to load it.

use std::{env, net::SocketAddr};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

const DOCUMENT: &str = r#"<Response><Connect><Stream url="wss://desk.example.com/media"/></Connect></Response>"#;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(listen())
}

async fn listen() -> anyhow::Result<()> {
    let addr: SocketAddr = match env::args().nth(1) {
        Some(addr) => addr.parse().context("usage: parrot [ADDR:PORT]")?,
        None => SocketAddr::from(([127, 0, 0, 1], 8_091)),
    };
    let listener = TcpListener::bind(addr).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        // A call that fails is of no interest to the next one.
        tokio::spawn(answer(tcp));
    }
}

async fn answer(mut tcp: TcpStream) -> anyhow::Result<()> {
    let mut head = [0; 512];
    let size = tcp.peek(&mut head).await?;
    if head[..size].starts_with(b"GET /media") {
        return repeat(tcp).await;
    }
    // Simulated webhooks fit into one segment.
    let mut request = [0; 4_096];
    let _ = tcp.read(&mut request).await?;
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{DOCUMENT}",
        DOCUMENT.len()
    );
    tcp.write_all(response.as_bytes()).await?;
    Ok(())
}

async fn repeat(tcp: TcpStream) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    let mut socket = accept_async(tcp).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        if let Some((sid, payload)) = media(&text) {
            let reply = format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"{payload}"}}}}"#);
            socket.send(Message::text(reply)).await?;
        }
    }
    Ok(())
}

/// Stream and payload of a media message, found by their places on Twilio's wire.
fn media(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once(r#""streamSid":""#)?;
    let (sid, rest) = rest.split_once('"')?;
    let (_, rest) = rest.split_once(r#""payload":""#)?;
    let (payload, _) = rest.split_once('"')?;
    Some((sid, payload))
}

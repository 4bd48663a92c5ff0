//! The upgrade of a media stream: the signature first, so that a forged request uses no token up; then the token, and
//! only then a WebSocket.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use frontdesk_core::twilio::sid::CallSid;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use log::{debug, info, warn};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{header_text, unsigned};
use crate::net::Stream;
use crate::phone::calls::Command;
use crate::phone::line::PhoneLine;

/// Media Streams messages are some hundred bytes; Twilio's largest stay far below.
const MAX_MESSAGE: usize = 64 << 10;
/// Two messages at a time; the library clears that much before every read, also of nothing.
const READ_BUFFER: usize = 1 << 10;
const WRITE_BUFFER: usize = 8 << 10;
/// What may wait for a far end that is slow: beyond it the leg holds its own messages.
const MAX_WRITE_BUFFER: usize = 64 << 10;

/// `GET /twilio/media/{token}`
pub async fn upgrade(
    State(line): State<Arc<PhoneLine>>,
    token: Result<Path<String>, PathRejection>,
    mut request: Request,
) -> Response {
    // The framework would answer a path that is no text with a sentence.
    let Ok(Path(token)) = token else { return refuse(&line, "token", StatusCode::NOT_FOUND) };
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let accepted = admit(&line, &token, &request);
    let (call, key, on_upgrade) = match (accepted, on_upgrade) {
        (Ok((call, key)), Some(on_upgrade)) => (call, key, on_upgrade),
        (Err((why, status)), _) => return refuse(&line, why, status),
        (Ok(_), None) => return refuse(&line, "not-upgradable", StatusCode::BAD_REQUEST),
    };
    let handing = hand_over(Arc::clone(&line), call, token, on_upgrade);
    line.tasks.spawn("upgrade", call.into(), move |_| handing);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

fn refuse(line: &PhoneLine, why: &'static str, status: StatusCode) -> Response {
    line.metrics.upgrade_refused(why);
    debug!("a media stream was refused: {why}");
    status.into_response()
}

/// Who may stream: whoever asks for a WebSocket properly, holds a fresh token, and signs like Twilio.
fn admit(
    line: &PhoneLine,
    token: &str,
    request: &Request,
) -> Result<(CallSid, HeaderValue), (&'static str, StatusCode)> {
    let headers = request.headers();
    let says = |name, word| {
        header_text(headers, name)
            .is_some_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let asks = request.method() == Method::GET
        && says("connection", "upgrade")
        && says("upgrade", "websocket")
        && header_text(headers, "sec-websocket-version") == Some("13");
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks) else {
        return Err(("not-a-websocket", StatusCode::BAD_REQUEST));
    };
    let key = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| ("not-a-websocket", StatusCode::BAD_REQUEST))?;
    let socket = line.settings.take().phone.public_url.replacen("http", "ws", 1);
    let path = request.uri().path();
    let signature = header_text(headers, "x-twilio-signature");
    let form = line
        .checker
        .check_handshake(&format!("{socket}{path}"), signature)
        .map_err(|_| ("signature", unsigned("media stream")))?;
    let call = line.calls.redeem(Instant::now(), token).ok_or(("token", StatusCode::NOT_FOUND))?;
    info!(call_sid = call.as_str(); "media stream signed in the {} form", form.as_str());
    Ok((call, key))
}

/// Gives the upgraded socket to the call's task.
async fn hand_over(line: Arc<PhoneLine>, call: CallSid, token: String, on_upgrade: OnUpgrade) {
    let upgraded = match on_upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return debug!(call_sid = call.as_str(); "the upgrade was not finished: {error}"),
    };
    let Ok(socket) = websocket(upgraded).await else {
        return warn!(call_sid = call.as_str(); "an upgraded connection is not one of ours");
    };
    if !line.calls.ask(&call, Command::Attach { socket: Box::new(socket), token }) {
        debug!(call_sid = call.as_str(); "the call was over before its stream came");
    }
}

/// The bare stream below hyper, so that no adapter is paid for at every frame.
async fn websocket(upgraded: Upgraded) -> Result<WebSocketStream<Stream>, Upgraded> {
    let parts = upgraded.downcast::<TokioIo<Stream>>()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let early = parts.read_buf.to_vec();
    Ok(WebSocketStream::from_partially_read(parts.io.into_inner(), early, Role::Server, Some(config)).await)
}

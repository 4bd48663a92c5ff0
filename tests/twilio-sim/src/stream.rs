//! One media stream, from its handshake to its end: Twilio's side of the WebSocket.
//!
//! One task waits for three things: the next deadline (a frame every 20 ms of absolute time, or a mark that has been
//! reached), a message of the server, a command from outside. The timers of all calls share the runtime's timer wheel,
//! and every call has its own phase on it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

use crate::{
    call_shared::{CallShared, Command, Source},
    caller::Script,
    faults::{SignatureMode, StreamFaults},
    hooks::Hooks,
    limbo::Limbo,
    report::{Alert, What},
    session::Session,
    sign,
    stream_report::{StreamEnd, StreamReport},
    transport::Transport,
    twiml::StreamNoun,
    webhook::Client,
    wire::Introduction,
};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

pub(crate) type Socket = WebSocketStream<Transport>;

/// What a stream needs to know of its call.
pub(crate) struct StreamPlan<'a> {
    pub(crate) call: &'a CallShared,
    pub(crate) client: &'a Client,
    pub(crate) hooks: &'a Hooks,
    pub(crate) limbo: &'a Limbo,
    pub(crate) index: usize,
    pub(crate) account_sid: &'a str,
    pub(crate) call_sid: &'a str,
    pub(crate) stream_sid: &'a str,
    pub(crate) noun: &'a StreamNoun,
    pub(crate) faults: &'a StreamFaults,
    pub(crate) record_audio: bool,
    pub(crate) first_timestamp: u64,
}

/// How the call goes on after the stream.
pub(crate) enum Leave {
    NextVerb,
    HungUp,
    Completed,
    Replace(Source),
}

/// Runs one stream. `on_open` is called once the handshake has succeeded.
pub(crate) async fn run(
    plan: &StreamPlan<'_>,
    script: &mut Script,
    commands: &mut tokio::sync::mpsc::UnboundedReceiver<Command>,
    on_open: impl FnOnce(),
) -> Leave {
    let signature = signature(plan);
    plan.call.update(|report| {
        report.streams.push(StreamReport {
            sid: plan.stream_sid.to_owned(),
            url: plan.noun.url.clone(),
            signature: signature.clone(),
            ..StreamReport::default()
        });
    });
    let opening = open(plan.client, &plan.noun.url, signature.as_deref());
    let socket = match opening.await {
        Ok(socket) => socket,
        Err(refusal) => return refused(plan, refusal),
    };
    plan.call.note(What::StreamOpened(plan.noun.url.clone()));
    on_open();
    drive(plan, socket, script, commands).await
}

async fn drive(
    plan: &StreamPlan<'_>,
    socket: Socket,
    script: &mut Script,
    commands: &mut tokio::sync::mpsc::UnboundedReceiver<Command>,
) -> Leave {
    let introduction = Introduction {
        account_sid: plan.account_sid,
        call_sid: plan.call_sid,
        stream_sid: plan.stream_sid,
        parameters: &plan.noun.parameters,
        mode: &plan.faults.start,
    };
    let mut session = Session::begin(plan, socket, script, &introduction);
    let timer = sleep_until(Instant::now());
    tokio::pin!(timer);
    while !session.is_over() {
        timer.as_mut().reset(session.deadline());
        tokio::select! {
            () = &mut timer, if !session.is_half_open() => session.on_time(),
            message = session.next_message(), if !session.is_half_open() => session.on_message(message),
            command = commands.recv() => match command {
                Some(command) => session.on_command(command),
                // The simulator itself is gone.
                None => session.on_command(Command::HangUp),
            },
        }
    }
    session.finish().await
}

fn signature(plan: &StreamPlan<'_>) -> Option<String> {
    let url = &plan.noun.url;
    let https = || url.replacen("wss://", "https://", 1);
    let token = &plan.client.auth_token;
    Some(match plan.faults.signature {
        SignatureMode::Wss => sign::signature(token, url, &[]),
        SignatureMode::WssSlash => sign::signature(token, &format!("{url}/"), &[]),
        SignatureMode::Https => sign::signature(token, &https(), &[]),
        SignatureMode::Wrong => sign::signature("ffffffffffffffffffffffffffffffff", url, &[]),
        SignatureMode::None => return None,
    })
}

/// A handshake that failed.
pub(crate) struct Refusal {
    status: Option<u16>,
    code: u32,
    text: String,
}

fn refused(plan: &StreamPlan<'_>, refusal: Refusal) -> Leave {
    plan.call.alert(refusal.code, refusal.text);
    plan.call.update(|report| {
        report.last_stream().end = Some(StreamEnd::Refused { status: refusal.status, code: refusal.code });
    });
    Leave::NextVerb
}

async fn open(client: &Client, url: &str, signature: Option<&str>) -> Result<Socket, Refusal> {
    let failed = |code, text: String| Refusal { status: None, code, text };
    let transport = Transport::connect(url, &client.connect_to, &client.tls, CONNECT_LIMIT)
        .await
        .map_err(|e| failed(e.stream_code(), e.to_string()))?;
    let mut request = url.into_client_request().map_err(|e| failed(31_923, e.to_string()))?;
    if let Some(signature) = signature {
        let value = HeaderValue::from_str(signature).expect("base64 is a valid header value");
        request.headers_mut().insert("x-twilio-signature", value);
    }
    // Hundreds of calls in one process: small buffers, and messages of the size that Twilio's own would be.
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
    let handshake = client_async_with_config(request, transport, Some(config));
    match timeout(HANDSHAKE_LIMIT, handshake).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WsError::Http(response))) => Err(Refusal {
            status: Some(response.status().as_u16()),
            code: 31_920,
            text: format!("the handshake was answered {}", response.status()),
        }),
        Ok(Err(e)) => Err(failed(31_920, format!("the handshake failed: {e}"))),
        Err(_) => Err(failed(31_901, "the handshake was not answered".into())),
    }
}

/// Tries a handshake and drops the socket. Returns the status of the answer, 101 included.
pub(crate) async fn try_upgrade(client: &Client, url: &str, signature: Option<&str>) -> Result<u16, Alert> {
    match open(client, url, signature).await {
        Ok(mut socket) => {
            // The answer is known; how the goodbye goes is of no interest.
            let _ = timeout(CONNECT_LIMIT, socket.close(None)).await;
            Ok(101)
        }
        Err(Refusal { status: Some(status), .. }) => Ok(status),
        Err(Refusal { code, text, .. }) => Err(Alert { code, text }),
    }
}

/// A message for the socket.
pub(crate) fn text(content: impl Into<String>) -> Message {
    Message::text(content.into())
}

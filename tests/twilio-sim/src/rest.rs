//! The REST interface: calls, messages and numbers of one account, and its ways to fail.

use std::{convert::Infallible, io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, Method as HttpMethod, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use crate::{
    call_shared::{CallHandle, Command, Source},
    faults::RestFault,
    rest_view::CallState,
    sim::SimInner,
    sms,
    twiml::Method,
};

/// One request that reached the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// `GET`, `POST`, `DELETE`.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The decoded form.
    pub params: Vec<(String, String)>,
    /// The status answered; none: the answer was withheld.
    pub status: Option<u16>,
}

type Sim = State<Arc<SimInner>>;

/// Marks a response that must never leave: the connection is cut instead.
#[derive(Clone)]
struct CutConnection;

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, sim: Arc<SimInner>) {
    let app = router(sim.clone());
    let mut connections = JoinSet::new();
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => tcp,
                Err(e) => {
                    log::warn!("REST listener: {e}");
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        if sim.take_fault(true).is_some() {
            let _ = tcp.set_zero_linger();
            continue;
        }
        let app = app.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| answer(app.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
            if let Err(e) = connection.await {
                log::debug!("REST connection: {e}");
            }
        });
    }
}

async fn answer(app: Router, request: hyper::Request<hyper::body::Incoming>) -> io::Result<Response> {
    let response: Result<Response, Infallible> = tower_service(app, request.map(Body::new)).await;
    let response = response.unwrap_or_else(|never| match never {});
    if response.extensions().get::<CutConnection>().is_some() {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(response)
}

async fn tower_service(app: Router, request: Request) -> Result<Response, Infallible> {
    use hyper::service::Service;
    hyper_util::service::TowerToHyperService::new(app).call(request).await
}

fn router(sim: Arc<SimInner>) -> Router {
    let account = "/2010-04-01/Accounts/{account}";
    Router::new()
        .route(&format!("{account}/Calls.json"), get(list_calls).post(create_call))
        .route(&format!("{account}/Calls/{{call}}"), get(fetch_call).post(update_call))
        .route(&format!("{account}/Recordings/{{recording}}"), get(recording))
        .route(&format!("{account}/IncomingPhoneNumbers.json"), get(numbers))
        .route(&format!("{account}/Messages.json"), axum::routing::post(sms::create))
        .fallback(|| async { not_found() })
        .layer(middleware::from_fn_with_state(sim.clone(), guard))
        .with_state(sim)
}

/// Authentication, faults and the record of requests, around every route.
async fn guard(State(sim): Sim, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.method.to_string();
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let params = form(&bytes);
    let fault = sim.take_fault(false);
    let response = match fault {
        Some(RestFault::TooManyRequests { retry_after, .. }) => too_many(retry_after),
        Some(RestFault::ServerError { .. }) => {
            failure(StatusCode::INTERNAL_SERVER_ERROR, 20_500, "Internal Server Error")
        }
        _ if !authorised(&sim, &parts.headers) => failure(StatusCode::UNAUTHORIZED, 20_003, "Authenticate"),
        _ if !is_form(&parts.method, &parts.headers) => {
            failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, 20_415, "application/x-www-form-urlencoded wanted")
        }
        _ => next.run(Request::from_parts(parts, Body::from(bytes))).await,
    };
    let cut = matches!(fault, Some(RestFault::ResetAfterProcessing { .. }));
    sim.note_request(RestRequest { method, path, params, status: (!cut).then_some(response.status().as_u16()) });
    if let Some(RestFault::Delay { by, .. }) = fault {
        sleep(by).await;
    }
    let mut response = response;
    if cut {
        response.extensions_mut().insert(CutConnection);
    }
    response
}

fn authorised(sim: &SimInner, headers: &HeaderMap) -> bool {
    let credentials = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let plain = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    };
    let Some((user, password)) = credentials() else {
        return false;
    };
    let settings = &sim.settings;
    if user == settings.account_sid {
        return password == settings.auth_token || settings.other_tokens.contains(&password);
    }
    settings.api_keys.get(&user) == Some(&password)
}

fn is_form(method: &HttpMethod, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    method != HttpMethod::POST || kind.starts_with("application/x-www-form-urlencoded")
}

pub(crate) fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

pub(crate) fn value<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = params.iter().find(|(key, _)| key == name)?;
    Some(found.1.as_str())
}

// --- calls ---

async fn list_calls(State(sim): Sim, Path(account): Path<String>, request: Request) -> Response {
    if account != sim.settings.account_sid {
        return not_found();
    }
    let wanted = form(request.uri().query().unwrap_or_default().as_bytes());
    let matches = |call: &Value| {
        [("To", "to"), ("From", "from"), ("Status", "status")]
            .iter()
            .all(|(param, field)| value(&wanted, param).is_none_or(|wanted| call[*field] == wanted))
    };
    let calls: Vec<Value> = sim.calls().iter().map(|call| call.shared.facts().json()).filter(matches).collect();
    let path = format!("/2010-04-01/Accounts/{account}/Calls.json");
    page("calls", &path, &calls)
}

async fn create_call(State(sim): Sim, Path(account): Path<String>, body: Bytes) -> Response {
    if account != sim.settings.account_sid {
        return not_found();
    }
    let params = form(&body);
    let bad = |code, text: &str| failure(StatusCode::BAD_REQUEST, code, text);
    match (value(&params, "To"), value(&params, "From")) {
        (None | Some(""), _) => bad(21_201, "No 'To' number is specified"),
        (_, None | Some("")) => bad(21_213, "'From' parameter is required"),
        (Some(to), _) if !is_e164(to) => bad(21_211, "Invalid 'To' phone number"),
        // The account may not dial out: the simulator's callers call in.
        _ => bad(10_001, "Outbound calls are not enabled for this account"),
    }
}

pub(crate) fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn find_call(sim: &SimInner, account: &str, file: &str) -> Option<CallHandle> {
    let sid = file.strip_suffix(".json")?;
    if account != sim.settings.account_sid {
        return None;
    }
    sim.calls().into_iter().find(|call| call.sid() == sid)
}

async fn fetch_call(State(sim): Sim, Path((account, file)): Path<(String, String)>) -> Response {
    match find_call(&sim, &account, &file) {
        Some(call) => axum::Json(call.shared.facts().json()).into_response(),
        None => not_found(),
    }
}

async fn update_call(State(sim): Sim, Path((account, file)): Path<(String, String)>, body: Bytes) -> Response {
    let Some(call) = find_call(&sim, &account, &file) else {
        return not_found();
    };
    let bad = |code, text: &str| failure(StatusCode::BAD_REQUEST, code, text);
    let facts = call.shared.facts();
    if facts.state.is_final() {
        return bad(21_220, "Call is not in-progress. Cannot redirect.");
    }
    let params = form(&body);
    let command = match (value(&params, "Status"), value(&params, "Twiml"), value(&params, "Url")) {
        (Some("completed"), None, None) => Command::Complete,
        (Some("canceled"), None, None) => return axum::Json(facts.json()).into_response(),
        (None, Some(twiml), None) if twiml.chars().count() > 4_000 => {
            return bad(21_218, "Twiml parameter exceeds 4000 characters");
        }
        (None, Some(twiml), None) => Command::Replace(Source::Inline(twiml.to_owned())),
        (None, None, Some(url)) => Command::Replace(Source::Url {
            purpose: "update",
            url: url.to_owned(),
            method: match value(&params, "Method") {
                Some("GET") => Method::Get,
                _ => Method::Post,
            },
            extra: Vec::new(),
        }),
        _ => return bad(20_001, "One of Status, Twiml and Url is wanted"),
    };
    let mut shown = facts;
    if matches!(command, Command::Complete) {
        // Twilio shows the final state at once although the media are torn down a moment later.
        shown.state = CallState::Completed;
    }
    call.command(command);
    axum::Json(shown.json()).into_response()
}

// --- the rest of the account ---

async fn recording(State(sim): Sim, Path((account, file)): Path<(String, String)>) -> Response {
    // Without a suffix Twilio serves a WAV file too.
    let (sid, format) = file.split_once('.').unwrap_or((&file, "wav"));
    let find = |call: &CallHandle| {
        call.read(|report| {
            let found = report.recordings.iter().find(|r| r.sid == sid)?;
            Some(found.pcm.clone())
        })
    };
    match sim.calls().iter().find_map(find) {
        Some(pcm) if account == sim.settings.account_sid && format == "wav" => {
            ([(header::CONTENT_TYPE, "audio/x-wav")], wav(&pcm)).into_response()
        }
        _ => not_found(),
    }
}

/// 8 kHz, mono, 16 bits.
fn wav(pcm: &[i16]) -> Vec<u8> {
    let size = pcm.len() as u32 * 2;
    let mut file = Vec::with_capacity(44 + size as usize);
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(8_000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(size.to_le_bytes());
    file.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

async fn numbers(State(sim): Sim, Path(account): Path<String>) -> Response {
    if account != sim.settings.account_sid {
        return not_found();
    }
    let number = json!({
        "sid": "PN00000000000000000000000000000001", "account_sid": account,
        "phone_number": sim.settings.number, "friendly_name": sim.settings.number,
        "voice_url": "", "voice_method": "POST", "voice_fallback_url": "", "voice_fallback_method": "POST",
        "status_callback": "", "status_callback_method": "POST",
        "voice_application_sid": "", "trunk_sid": null, "api_version": "2010-04-01",
        "capabilities": {"voice": true, "sms": true, "mms": false, "fax": false},
    });
    let path = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json");
    page("incoming_phone_numbers", &path, &[number])
}

// --- answers ---

fn page(name: &str, path: &str, items: &[Value]) -> Response {
    let count = items.len();
    let first = format!("{path}?PageSize=50&Page=0");
    axum::Json(json!({
        name: items, "page": 0, "page_size": 50, "start": 0, "end": count.saturating_sub(1),
        "uri": first, "first_page_uri": first, "next_page_uri": null, "previous_page_uri": null,
    }))
    .into_response()
}

pub(crate) fn not_found() -> Response {
    let text = "The requested resource was not found";
    failure(StatusCode::NOT_FOUND, 20_404, text)
}

fn too_many(retry_after: Option<u32>) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = failure(status, 20_429, "Too Many Requests");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

pub(crate) fn failure(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code, "message": message, "status": status.as_u16(),
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
    });
    (status, axum::Json(body)).into_response()
}

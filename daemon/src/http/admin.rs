//! The REST of people and their tools: how the daemon is, which calls there are, and ending one.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /health` | [`Health`]; 200 if all is well, else 503 |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /v1/calls?limit=&before=&active=` | [`CallList`], the newest first |
//! | `GET /v1/calls/{sid}` | [`CallDetail`], with its transcript |
//! | `DELETE /v1/calls/{sid}` | 202 if it runs and will end, 404 if it is unknown, 409 if it is over |
//! | `GET /v1/desk?meters=` | [`DeskReport`]: the speakerphone, its levels, what has gone wrong with its sound; `meters=true` wakes one that stands by for some seconds, so that its levels move |
//! | `GET /v1/desk/devices` | [`DeskDevices`]: what could serve as one, and how it would be opened |
//! | `POST /v1/desk/test` | [`DeskTest`], after some seconds of sound; 409 while a conversation or a test runs, 503 without a device |
//! | `POST /v1/desk/talk?persona=` | 201 [`DeskTalk`]: a conversation begins there, in that persona's voice if one is named; 404 if there is no such persona, 409 while one runs, 503 without a device |
//! | `POST /v1/drain` | 202; on the control socket only |
//! | `POST /v1/reload` | [`Reloaded`]; 422 with every complaint if the configuration cannot be used and the one of before goes on; on the control socket only |
//!
//! What there is for the appointment book and the outbox is in [`book`](super::book), for access to Google in
//! [`google`].
//!
//! Everything else, and everything that fails, is a [`Failure`](super::reply::Failure).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::session::id::ConversationId;
use serde::Deserialize;

use super::auth::{self, AdminAuth};
use super::google;
use super::reply::{
    ActiveCall, CallDetail, CallList, DeskDevices, DeskReport, DeskTalk, DeskTest, Draining, Ending, Health,
    HealthStatus, ListedCall, Refused, Reloaded,
};
use crate::google::Google;
use crate::logging::chain;
use crate::metrics::{self, Metrics};
use crate::reload::Reloads;
use crate::reload::request::ReloadError;
use crate::store::{CallFilter, MAX_LISTED, Store, StoreError};

/// Calls in a listing, unless told otherwise.
const LISTED: usize = 50;
/// How long a person waits for a disk that does not answer.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// No request of ours has a larger body.
pub(super) const MAX_BODY: u64 = 16 * 1024;

/// The running calls, as seen by people. Called from request handlers: no method may block.
pub trait CallControl: Send + Sync {
    /// The calls that run on this box.
    fn active(&self) -> Vec<ActiveCall>;
    /// Tells a call to end, as staff's wish; `false` if it does not run here.
    fn end(&self, sid: &ConversationId) -> bool;
    /// Takes no new calls from now on; running ones go on.
    fn drain(&self);
}

/// Who knows how the daemon is. Called from request handlers: it may not block.
pub trait HealthSource: Send + Sync {
    /// How it is now.
    fn health(&self) -> Health;
}

/// The front desk, as seen by people.
pub trait DeskView: Send + Sync {
    /// How it is now. Called from request handlers: it may not block. Who looks at `meters` wants its levels alive for
    /// the next seconds: a device that stands by is woken.
    fn report(&self, meters: bool) -> DeskReport;
    /// The devices that could serve it. Opens sound cards: called where blocking is allowed.
    fn devices(&self) -> DeskDevices;
    /// Plays a sound and judges what comes back; takes some seconds. Dropped, it ends.
    fn test(&self) -> Pin<Box<dyn Future<Output = Result<DeskTest, Refused>> + Send + '_>>;
    /// Begins a conversation as the button does, in which `persona` speaks if one is named; answers which.
    fn talk(
        &self,
        persona: Option<PersonaId>,
    ) -> Pin<Box<dyn Future<Output = Result<ConversationId, Refused>> + Send + '_>>;
}

/// What the REST needs of the daemon; clones share it.
#[derive(Clone)]
pub struct AdminState {
    /// The record of calls.
    pub store: Store,
    /// What is counted.
    pub metrics: Metrics,
    /// The running calls.
    pub calls: Arc<dyn CallControl>,
    /// How the daemon is.
    pub health: Arc<dyn HealthSource>,
    /// The front desk.
    pub desk: Arc<dyn DeskView>,
    /// Access to Google, for calendars and mail.
    pub google: Arc<Google>,
    /// Has the configuration read again.
    pub reloads: Reloads,
}

impl AdminState {
    fn live(&self, sid: &str) -> Option<ActiveCall> {
        self.calls.active().into_iter().find(|active| active.call_sid.as_str() == sid)
    }
}

/// Everything that the admin listener serves, to whom `auth` admits.
pub fn router(state: AdminState, auth: AdminAuth) -> Router {
    let guard = (auth, state.metrics.clone());
    // Layers run from the last to the first: nobody learns from a refusal whether a path exists.
    let router = closed(rest()).layer(from_fn(limit_body)).layer(from_fn_with_state(guard, auth::admit));
    router.layer(axum::middleware::map_response(secure)).with_state(state)
}

/// The same for the control socket, whose callers have been authorised already, and what only they may ask.
pub(super) fn control_routes(state: AdminState) -> Router {
    let router =
        rest().route("/v1/drain", post(drain)).route("/v1/reload", post(reload)).merge(google::control_routes());
    let router = closed(router).layer(from_fn(limit_body));
    router.layer(axum::middleware::map_response(secure)).with_state(state)
}

fn rest() -> Router<AdminState> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(exposition))
        .route("/v1/calls", get(list))
        .route("/v1/calls/{sid}", get(show).delete(end))
        .route("/v1/desk", get(desk))
        .route("/v1/desk/devices", get(devices))
        .route("/v1/desk/test", post(test_desk))
        .route("/v1/desk/talk", post(talk))
        .merge(super::book::routes())
        .merge(google::routes())
}

/// With an answer of ours for what is not there, and for what is not asked that way.
fn closed(router: Router<AdminState>) -> Router<AdminState> {
    router
        .fallback(async || Refused::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this path is not asked that way: see Allow")
        })
}

async fn health(State(state): State<AdminState>) -> Response {
    let health = state.health.health();
    let status = match health.status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Degraded | HealthStatus::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health)).into_response()
}

async fn exposition(State(state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], state.metrics.encode()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    before: Option<i64>,
    #[serde(default)]
    active: bool,
}

async fn list(
    State(state): State<AdminState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<CallList>, Refused> {
    let bad = |message: String| Refused::new(StatusCode::BAD_REQUEST, "bad_query", message);
    let Query(query) = query.map_err(|rejection| {
        bad(format!("{}; limit and before are numbers, active is true or false", rejection.body_text()))
    })?;
    let limit = query.limit.unwrap_or(LISTED);
    if !(1..=MAX_LISTED).contains(&limit) {
        return Err(bad(format!("limit = {limit}: choose 1 to {MAX_LISTED}")));
    }
    let filter = CallFilter { limit, before: query.before, active_only: query.active };
    let calls = ask(state.store.calls(filter)).await?;
    let next = calls.last().filter(|_| calls.len() == limit).map(|oldest| oldest.id);
    let active = state.calls.active();
    let with_live = |call: crate::store::CallSummary| {
        let live = active.iter().find(|active| active.call_sid.as_str() == call.call_sid).cloned();
        ListedCall { call, live }
    };
    Ok(Json(CallList { calls: calls.into_iter().map(with_live).collect(), next }))
}

async fn show(State(state): State<AdminState>, Path(sid): Path<String>) -> Result<Json<CallDetail>, Refused> {
    let sid = call_sid(&sid)?;
    let call = ask(state.store.call(sid)).await?.ok_or_else(|| unknown(sid))?;
    Ok(Json(CallDetail { live: state.live(sid.as_str()), call }))
}

async fn end(State(state): State<AdminState>, Path(sid): Path<String>) -> Result<(StatusCode, Json<Ending>), Refused> {
    let sid = call_sid(&sid)?;
    if state.calls.end(&sid) {
        log::info!(call_sid:% = sid; "somebody asked for the call to be ended");
        return Ok((StatusCode::ACCEPTED, Json(Ending { call_sid: sid })));
    }
    let call = ask(state.store.call(sid)).await?.ok_or_else(|| unknown(sid))?;
    Err(match call.call.ended_at {
        Some(at) => Refused::new(StatusCode::CONFLICT, "ended", format!("the call {sid} is over since {at}")),
        None => Refused::new(
            StatusCode::CONFLICT,
            "not_here",
            format!("the call {sid} is not connected to the agent; Twilio's report of its end is awaited"),
        ),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeskQuery {
    #[serde(default)]
    meters: bool,
}

async fn desk(
    State(state): State<AdminState>,
    query: Result<Query<DeskQuery>, QueryRejection>,
) -> Result<Json<DeskReport>, Refused> {
    let bad = |message: String| Refused::new(StatusCode::BAD_REQUEST, "bad_query", message);
    let Query(query) = query.map_err(|rejection| bad(format!("{}; only meters is known", rejection.body_text())))?;
    Ok(Json(state.desk.report(query.meters)))
}

async fn devices(State(state): State<AdminState>) -> Result<Json<DeskDevices>, Refused> {
    let desk = Arc::clone(&state.desk);
    let looked = tokio::task::spawn_blocking(move || desk.devices()).await;
    let failed = |_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "no_devices", "the sound cards cannot be listed");
    looked.map(Json).map_err(failed)
}

async fn test_desk(State(state): State<AdminState>) -> Result<Json<DeskTest>, Refused> {
    state.desk.test().await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TalkQuery {
    persona: Option<String>,
}

async fn talk(
    State(state): State<AdminState>,
    query: Result<Query<TalkQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<DeskTalk>), Refused> {
    let bad = |message: String| Refused::new(StatusCode::BAD_REQUEST, "bad_query", message);
    let Query(query) = query.map_err(|rejection| bad(format!("{}; only persona is known", rejection.body_text())))?;
    let read = |id: &str| PersonaId::parse(id).map_err(|error| bad(format!("persona: {error}")));
    let persona = query.persona.as_deref().map(read).transpose()?;
    let call_sid = state.desk.talk(persona).await?;
    Ok((StatusCode::CREATED, Json(DeskTalk { call_sid })))
}

async fn drain(State(state): State<AdminState>) -> (StatusCode, Json<Draining>) {
    log::info!("somebody asked for no new calls to be taken");
    state.calls.drain();
    (StatusCode::ACCEPTED, Json(Draining { active_calls: state.calls.active().len() }))
}

async fn reload(State(state): State<AdminState>) -> Result<Json<Reloaded>, Refused> {
    log::info!("somebody asked for the configuration to be read again");
    let taken = state.reloads.ask().await.map_err(|error| {
        let (status, code) = match error {
            ReloadError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "config_refused"),
            ReloadError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ReloadError::Away => (StatusCode::SERVICE_UNAVAILABLE, "no_reload"),
        };
        Refused::new(status, code, error.to_string())
    })?;
    let owned = |keys: Vec<&'static str>| keys.into_iter().map(str::to_owned).collect();
    let (applied, needs_restart) = (owned(taken.applied), owned(taken.restart));
    Ok(Json(Reloaded { applied, needs_restart, advice: taken.advice }))
}

fn call_sid(text: &str) -> Result<ConversationId, Refused> {
    ConversationId::parse(text).map_err(|error| Refused::new(StatusCode::NOT_FOUND, "no_such_call", error.to_string()))
}

fn unknown(sid: ConversationId) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "no_such_call", format!("there is no record of the call {sid}"))
}

/// Waits for the store, but not for ever.
pub(super) async fn ask<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refused> {
    let unavailable = |message| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message);
    match tokio::time::timeout(STORE_ANSWERS_WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error @ (StoreError::Behind | StoreError::Busy | StoreError::Closed))) => {
            Err(unavailable(error.to_string()))
        }
        Ok(Err(error)) => {
            log::error!("a question of staff's could not be answered: {}", chain(&error));
            let message = "the store failed; the daemon's log says how";
            Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", message))
        }
        Err(_) => Err(unavailable(format!("the store did not answer within {STORE_ANSWERS_WITHIN:?}"))),
    }
}

/// Turns away what announces a large body. What is not announced is read to the same limit by the few handlers that take one.
async fn limit_body(request: Request, next: Next) -> Response {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_BODY) {
        let message = format!("a request here has no more than {MAX_BODY} bytes");
        return Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).into_response();
    }
    next.run(request).await
}

/// Transcripts stay out of caches, and out of other pages.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

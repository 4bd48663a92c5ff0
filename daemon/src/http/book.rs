//! The appointment book, messages and the outbox, for staff and technicians.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /v1/appointments?from=&to=` | [`AppointmentList`], by time; times are RFC 3339, the next seven days unless told otherwise |
//! | `GET /v1/messages?limit=&before=&unread=` | [`MessageList`], the newest first |
//! | `POST /v1/messages/{id}/read` | [`ListedMessage`]: it is dealt with, and is erased some months later |
//! | `GET /v1/outbox?dead=` | [`Errands`]: what is to be done outside and is not; with `dead=true` what was given up alone |
//! | `POST /v1/outbox/{id}/retry` | 202 and the [`ListedErrand`]; 404 if it is unknown, 409 if it runs or is settled |
//! | `POST /v1/outbox/retry` | 202 and [`Retried`]: all that were given up are tried again |
//! | `DELETE /v1/outbox/{id}` | the [`ListedErrand`], given up for good; 404 and 409 as above |
//! | `GET /v1/audit?limit=&after=` | [`AuditList`], the oldest first: who changed what |
//! | `GET /v1/audit/check` | [`AuditCheck`]: whether all of it is as it was written |
//!
//! Who looked at appointments and messages, and what was done with errands, is noted in the audit.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use frontdesk_core::booking::appointment::Span;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::admin::{AdminState, ask};
use super::reply::{AppointmentList, AuditCheck, AuditList, MessageList, Refused, Retried};
use crate::logging::Event;
use crate::store::{Errands, ListedErrand, ListedMessage, MAX_LISTED, MAX_SPAN, Staff};

/// What is listed unless told otherwise.
const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);
const MESSAGES: usize = 50;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/v1/appointments", get(appointments))
        .route("/v1/messages", get(messages))
        .route("/v1/messages/{id}/read", post(read))
        .route("/v1/audit", get(audit))
        .route("/v1/audit/check", get(check_audit))
        .route("/v1/outbox", get(outbox))
        .route("/v1/outbox/retry", post(retry_dead))
        .route("/v1/outbox/{id}", delete(give_up))
        .route("/v1/outbox/{id}/retry", post(retry))
}

fn bad(message: String) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "bad_query", message)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

async fn appointments(
    State(state): State<AdminState>,
    query: Result<Query<SpanQuery>, QueryRejection>,
) -> Result<Json<AppointmentList>, Refused> {
    let example = "from and to are times such as 2026-12-01T09:00:00Z";
    let Query(query) = query.map_err(|rejection| bad(format!("{}; {example}", rejection.body_text())))?;
    let now = Timestamp::now();
    let from = query.from.unwrap_or(now);
    let to = query.to.unwrap_or_else(|| from.saturating_add(WEEK).unwrap_or(Timestamp::MAX));
    if from >= to || to.duration_since(from) > MAX_SPAN {
        return Err(bad(format!(
            "from {from} to {to}: choose a span of no more than a year that begins before it ends"
        )));
    }
    let appointments = ask(state.store.appointments(Span { from, to }, now)).await?;
    let more = appointments.len() == MAX_LISTED;
    Ok(Json(AppointmentList { appointments, more }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    limit: Option<usize>,
    before: Option<i64>,
    #[serde(default)]
    unread: bool,
}

async fn messages(
    State(state): State<AdminState>,
    query: Result<Query<MessagesQuery>, QueryRejection>,
) -> Result<Json<MessageList>, Refused> {
    let Query(query) = query.map_err(|rejection| {
        bad(format!("{}; limit and before are numbers, unread is true or false", rejection.body_text()))
    })?;
    let limit = query.limit.unwrap_or(MESSAGES);
    if !(1..=MAX_LISTED).contains(&limit) {
        return Err(bad(format!("limit = {limit}: choose 1 to {MAX_LISTED}")));
    }
    let messages = ask(state.store.messages(limit, query.before, query.unread)).await?;
    let next = messages.last().filter(|_| messages.len() == limit).map(|oldest| oldest.id);
    Ok(Json(MessageList { messages, next }))
}

async fn read(State(state): State<AdminState>, Path(id): Path<String>) -> Result<Json<ListedMessage>, Refused> {
    let unknown = || Refused::new(StatusCode::NOT_FOUND, "no_such_message", "there is no message of that number");
    let id = id.parse().map_err(|_| unknown())?;
    ask(state.store.message_read(id, Timestamp::now())).await?.map(Json).ok_or_else(unknown)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    limit: Option<usize>,
    after: Option<i64>,
}

async fn audit(
    State(state): State<AdminState>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditList>, Refused> {
    let Query(query) =
        query.map_err(|rejection| bad(format!("{}; limit and after are numbers", rejection.body_text())))?;
    let limit = query.limit.unwrap_or(MAX_LISTED);
    if !(1..=MAX_LISTED).contains(&limit) {
        return Err(bad(format!("limit = {limit}: choose 1 to {MAX_LISTED}")));
    }
    let entries = ask(state.store.audit(query.after.unwrap_or_default(), limit)).await?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|newest| newest.id);
    Ok(Json(AuditList { entries, next }))
}

async fn check_audit(State(state): State<AdminState>) -> Result<Json<AuditCheck>, Refused> {
    let broken_at = ask(state.store.audit_broken_at()).await?;
    if let Some(row) = broken_at {
        log::error!(event:% = Event::AuditBroken, row; "the audit was changed from outside, or a row before this one is missing");
    }
    Ok(Json(AuditCheck { broken_at }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboxQuery {
    #[serde(default)]
    dead: bool,
}

async fn outbox(
    State(state): State<AdminState>,
    query: Result<Query<OutboxQuery>, QueryRejection>,
) -> Result<Json<Errands>, Refused> {
    let Query(OutboxQuery { dead }) =
        query.map_err(|rejection| bad(format!("{}; dead is true or false", rejection.body_text())))?;
    let now = Timestamp::now();
    let errands = if dead { ask(state.store.dead_errands(now)).await } else { ask(state.store.errands(now)).await };
    errands.map(Json)
}

async fn retry(
    State(state): State<AdminState>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ListedErrand>), Refused> {
    let errand = by_staff(&state, &id, Staff::Retry).await?;
    log::info!(errand = errand.id; "somebody asked for the errand to be tried again");
    Ok((StatusCode::ACCEPTED, Json(errand)))
}

/// One after the other, from the oldest: each is begun at once, and one that dies again meanwhile is left.
async fn retry_dead(State(state): State<AdminState>) -> Result<(StatusCode, Json<Retried>), Refused> {
    let (mut last, mut retried) = (0, 0);
    loop {
        let dead = ask(state.store.dead_errands(Timestamp::now())).await?.errands;
        let left: Vec<i64> = dead.into_iter().map(|errand| errand.id).filter(|id| *id > last).collect();
        if left.is_empty() {
            break;
        }
        for id in left {
            last = id;
            let tried = ask(state.store.errand_by_staff(id, Staff::Retry, Timestamp::now())).await?;
            retried += u64::from(tried.is_some_and(|(_, changed)| changed));
        }
    }
    log::info!("somebody asked for all errands that were given up to be tried again: {retried}");
    Ok((StatusCode::ACCEPTED, Json(Retried { retried })))
}

async fn give_up(State(state): State<AdminState>, Path(id): Path<String>) -> Result<Json<ListedErrand>, Refused> {
    let errand = by_staff(&state, &id, Staff::Drop).await?;
    log::warn!(errand = errand.id; "somebody gave the errand up for good");
    Ok(Json(errand))
}

async fn by_staff(state: &AdminState, id: &str, what: Staff) -> Result<ListedErrand, Refused> {
    let unknown = || Refused::new(StatusCode::NOT_FOUND, "no_such_errand", "there is no errand of that number");
    let number = id.parse().map_err(|_| unknown())?;
    let (errand, changed) =
        ask(state.store.errand_by_staff(number, what, Timestamp::now())).await?.ok_or_else(unknown)?;
    if changed {
        return Ok(errand);
    }
    let why = if errand.state == "begun" { "is being carried out just now" } else { "is settled" };
    Err(Refused::new(StatusCode::CONFLICT, "not_waiting", format!("the errand {number} {why} ({})", errand.state)))
}

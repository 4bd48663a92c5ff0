//! Access to Google, for technicians.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /v1/google` | [`GoogleReport`]: who we are there, and how that is |
//! | `POST /v1/google/login` with a [`GoogleLogin`] | 200 and the [`GoogleReport`] after it; 409 where nobody logs in, 502 if Google refuses or cannot be asked; then nothing was changed |
//! | `DELETE /v1/google/login` | [`GoogleForgotten`] |
//! | `POST /v1/google/test` with a [`GoogleTestPlan`] | [`GoogleTest`], after some seconds |
//!
//! All but the first on the control socket only: whoever may ask them can give the clinic's calendar to another account, or
//! send mail in its name.

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use frontdesk_core::letter::address::MailAddress;

use super::admin::{AdminState, MAX_BODY};
use super::reply::{GoogleFinding, GoogleForgotten, GoogleLogin, GoogleReport, GoogleTest, GoogleTestPlan, Refused};
use crate::config::Secret;
use crate::google::Identity;
use crate::google::exchange::{Exchange, LoginError};
use crate::google::probe::{Finding, Plan};
use crate::google::user::{Farewell, UserLogin};
use crate::logging::chain;

/// As many as Google itself takes in one question.
const MOST_CALENDARS: usize = 50;

/// For everybody who is admitted.
pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/v1/google", get(report))
}

/// For the control socket.
pub(super) fn control_routes() -> Router<AdminState> {
    Router::new()
        .route("/v1/google/login", post(login).delete(logout))
        .route("/v1/google/test", post(test))
        .layer(DefaultBodyLimit::max(MAX_BODY as usize))
}

async fn report(State(state): State<AdminState>) -> Json<GoogleReport> {
    Json(GoogleReport::of(&state.google))
}

/// The body, or what is wrong with it: never its text, which holds secrets.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refused> {
    let wrong = |rejection: JsonRejection| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            "bad_body",
            format!("the request is not understood ({})", rejection.status()),
        )
    };
    body.map(|Json(body)| body).map_err(wrong)
}

fn user(state: &AdminState) -> Result<&UserLogin, Refused> {
    match &state.google.identity {
        Identity::User { login, .. } => Ok(login),
        Identity::Nobody | Identity::Service { .. } => Err(Refused::new(
            StatusCode::CONFLICT,
            "no_login",
            "nobody logs in at Google here: for that, set [google] login = \"user\", pass the OAuth client as google-client \
             and restart the daemon",
        )),
    }
}

async fn login(
    State(state): State<AdminState>,
    login: Result<Json<GoogleLogin>, JsonRejection>,
) -> Result<Json<GoogleReport>, Refused> {
    let GoogleLogin { code, verifier, redirect_uri, asked } = body(login)?;
    let exchange = Exchange { code: Secret::new(&code), verifier: Secret::new(&verifier), redirect_uri, asked };
    user(&state)?.login(exchange).await.map_err(|error| refused(&error))?;
    Ok(Json(GoogleReport::of(&state.google)))
}

async fn logout(State(state): State<AdminState>) -> Result<Json<GoogleForgotten>, Refused> {
    let farewell = user(&state)?.logout().await.map_err(|error| refused(&error))?;
    Ok(Json(match farewell {
        Farewell::Nobody => GoogleForgotten { was_there: false, not_told: None },
        Farewell::Revoked => GoogleForgotten { was_there: true, not_told: None },
        Farewell::NotTold(why) => GoogleForgotten { was_there: true, not_told: Some(why) },
    }))
}

fn refused(error: &LoginError) -> Refused {
    let (status, code) = match error {
        LoginError::Code(_) => (StatusCode::BAD_GATEWAY, "code_refused"),
        LoginError::Missing(_) => (StatusCode::BAD_GATEWAY, "not_granted"),
        LoginError::NotLasting => (StatusCode::BAD_GATEWAY, "not_lasting"),
        LoginError::Client { .. } => (StatusCode::BAD_GATEWAY, "client_refused"),
        LoginError::Passing(_) => (StatusCode::BAD_GATEWAY, "google_unreachable"),
        LoginError::Vault(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not_kept"),
        LoginError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    Refused::new(status, code, chain(error).to_string())
}

async fn test(
    State(state): State<AdminState>,
    plan: Result<Json<GoogleTestPlan>, JsonRejection>,
) -> Result<Json<GoogleTest>, Refused> {
    let GoogleTestPlan { calendars, read_only, send_to } = body(plan)?;
    let bad = |message: String| Refused::new(StatusCode::BAD_REQUEST, "bad_plan", message);
    if calendars.len() > MOST_CALENDARS || calendars.iter().any(|id| id.is_empty() || id.len() > 256) {
        return Err(bad(format!("name up to {MOST_CALENDARS} calendars by their ids at Google")));
    }
    let send_to = send_to.map(|to| MailAddress::parse(&to)).transpose();
    let send_to = send_to.map_err(|error| bad(format!("a letter cannot be sent there: {error}")))?;
    let (calendars, also_busy) = if calendars.is_empty() {
        (state.google.calendars.clone(), state.google.also_busy.clone())
    } else {
        (calendars, Vec::new())
    };
    let findings = state.google.test(&Plan { calendars, also_busy, read_only, send_to }).await;
    let findings: Vec<GoogleFinding> = findings.into_iter().map(finding).collect();
    Ok(Json(GoogleTest { well: findings.iter().all(|finding| finding.well), findings }))
}

fn finding(Finding { what, outcome }: Finding) -> GoogleFinding {
    match outcome {
        Ok(found) => GoogleFinding { what, well: true, found, would_do: String::new() },
        Err(trouble) => GoogleFinding { what, well: false, found: trouble.found, would_do: trouble.would_do },
    }
}

//! The public listener: Twilio's paths, each behind its signature, and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};

use super::{hook, media};
use crate::phone::line::PhoneLine;
use crate::phone::paths;

/// The routes. Everything else is a 404 without a body.
///
/// Whoever is refused loses the connection too: only a peer whose requests are signed keeps one of the few there are.
pub fn router(line: Arc<PhoneLine>) -> Router {
    Router::new()
        .route(paths::VOICE, post(hook::voice))
        .route(paths::STATUS, post(hook::status))
        .route(paths::STREAM, post(hook::stream))
        .route(paths::AFTER, post(hook::after))
        .route(paths::VOICEMAIL, post(hook::voicemail))
        .route(&format!("{}{{token}}", paths::MEDIA), get(media::upgrade))
        .route("/healthz", get(|| async { ([(header::CONNECTION, "close")], "ok") }))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(map_response(let_go))
        .with_state(line)
}

async fn let_go(mut response: Response) -> Response {
    let kept = response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if !kept {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

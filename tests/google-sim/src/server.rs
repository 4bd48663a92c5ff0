//! The simulator as a test holds it, and its socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::{
    exchange::{Answer, Request},
    fault::{Accident, Fault},
    gmail::SentMail,
    hands::HandError,
    settings::{Consent, Role, Settings},
    sim::{Seen, Sim},
};

/// The largest request: Gmail's largest message in base64, and its wrapping.
const LARGEST: usize = 50 << 20;

/// A running simulator. Dropping it closes its socket and every connection.
pub struct GoogleSim {
    sim: Arc<Sim>,
    server: JoinHandle<()>,
}

/// What was waited for did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("it did not happen within {0:?}")]
pub struct WaitError(Duration);

impl GoogleSim {
    /// Opens the socket. Errors: the address is taken, or a calendar's time zone is unknown.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let sim = Sim::new(settings, base).map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))?;
        let sim = Arc::new(sim);
        let server = tokio::spawn(serve(listener, sim.clone()));
        Ok(Self { sim, server })
    }

    /// Where everything is: `http://127.0.0.1:PORT`, under which the paths are as at Google.
    pub fn base(&self) -> &str {
        &self.sim.base
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.sim.settings
    }

    /// The service account's key file, as Google's console gives it, with this simulator's addresses.
    pub fn service_account_key(&self) -> String {
        format!("{:#}\n", self.sim.key_file())
    }

    /// Writes [`service_account_key`](Self::service_account_key) to a file.
    pub fn write_service_account_key(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.service_account_key())
    }

    /// The desktop client's file.
    pub fn client_file(&self) -> String {
        format!("{:#}\n", self.sim.client_file())
    }

    /// An access token of that account for those scopes, without any ceremony.
    pub fn token_for(&self, email: &str, scopes: &[&str]) -> String {
        self.sim.token_for(email, scopes)
    }

    /// The next requests fail; faults are met in the order in which they were added.
    pub fn fail(&self, fault: Fault) {
        self.sim.state().faults.add(fault);
    }

    /// Takes back all faults and an outage.
    pub fn clear_faults(&self) {
        self.sim.state().faults.clear();
    }

    /// Begins or ends an outage: every connection is cut as soon as its request has been read.
    pub fn set_outage(&self, on: bool) {
        self.sim.state().faults.outage = on;
    }

    /// What the person at the consent page does from now on.
    pub fn set_consent(&self, consent: Consent) {
        self.sim.state().consent = consent;
    }

    /// Lets time pass at the simulator: tokens grow old, clocks differ.
    pub fn pass(&self, time: Duration) {
        self.sim.clock.pass(time);
    }

    /// The person takes back all that was granted.
    pub fn revoke_access(&self) {
        self.sim.state().grants.revoke();
    }

    /// The person chooses a new password: every refresh token for Gmail dies, the others live.
    pub fn change_password(&self) {
        self.sim.state().grants.change_password();
    }

    /// Ends every access token; refresh tokens and the service account's key stay good.
    pub fn expire_access_tokens(&self) {
        self.sim.state().grants.expire_access();
    }

    /// Somebody deletes the service account's key in the console.
    pub fn delete_service_account_key(&self) {
        self.sim.state().grants.key_deleted = true;
    }

    /// Somebody of the clinic adds an event by hand. The event has the fields of Calendar's `Event`; gives its id.
    pub fn staff_add(&self, calendar: &str, event: &Value) -> Result<String, HandError> {
        self.sim.staff_add(calendar, fields(event))
    }

    /// Somebody of the clinic adds an event from `start` to `end`, RFC 3339.
    pub fn staff_add_busy(&self, calendar: &str, summary: &str, start: &str, end: &str) -> Result<String, HandError> {
        let event = json!({ "summary": summary, "start": { "dateTime": start }, "end": { "dateTime": end } });
        self.staff_add(calendar, &event)
    }

    /// Somebody of the clinic changes an event by hand; `null` removes a field.
    pub fn staff_change(&self, calendar: &str, event: &str, change: &Value) -> Result<(), HandError> {
        self.sim.staff_change(calendar, event, fields(change))
    }

    /// Somebody of the clinic moves an event to another time, RFC 3339.
    pub fn staff_move(&self, calendar: &str, event: &str, start: &str, end: &str) -> Result<(), HandError> {
        let change = json!({
            "start": { "dateTime": start, "date": null }, "end": { "dateTime": end, "date": null },
        });
        self.staff_change(calendar, event, &change)
    }

    /// Somebody of the clinic deletes an event.
    pub fn staff_delete(&self, calendar: &str, event: &str) -> Result<(), HandError> {
        self.sim.staff_delete(calendar, event)
    }

    /// Every event of a calendar as its owner sees it, deleted ones included.
    pub fn events(&self, calendar: &str) -> Result<Vec<Value>, HandError> {
        self.sim.events(calendar)
    }

    /// Gives somebody a role in a calendar.
    pub fn share(&self, calendar: &str, email: &str, role: Role) -> Result<(), HandError> {
        self.sim.share(calendar, email, role)
    }

    /// Ends every sync token of a calendar: the next sync gets 410.
    pub fn expire_sync_tokens(&self, calendar: &str) -> Result<(), HandError> {
        self.sim.expire_sync_tokens(calendar)
    }

    /// Lets freeBusy answer for a calendar with this error (`internalError`), or again with its times.
    pub fn break_free_busy(&self, calendar: &str, reason: Option<&str>) -> Result<(), HandError> {
        self.sim.break_busy(calendar, reason)
    }

    /// Every message that was sent, in order.
    pub fn sent(&self) -> Vec<SentMail> {
        self.sim.state().sent.clone()
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Seen> {
        self.sim.state().seen.clone()
    }

    /// Waits until `what` finds something; asked again after every request and every act of a person.
    pub async fn wait_for<T>(&self, what: impl Fn(&Self) -> Option<T>, patience: Duration) -> Result<T, WaitError> {
        let search = async {
            loop {
                let changed = self.sim.changed.notified();
                tokio::pin!(changed);
                // Before looking: what changes while we look wakes us too.
                changed.as_mut().enable();
                if let Some(found) = what(self) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, search).await.map_err(|_| WaitError(patience))
    }
}

impl Drop for GoogleSim {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Serves until dropped.
async fn serve(listener: TcpListener, sim: Arc<Sim>) {
    let mut connections = JoinSet::new();
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    log::warn!("accept: {error}");
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let sim = sim.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(&sim, request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
            if let Err(error) = connection.await {
                log::debug!("connection: {error}");
            }
        });
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn answer(sim: &Sim, request: hyper::Request<Incoming>) -> io::Result<hyper::Response<Body>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let query = parts.uri.query().unwrap_or_default();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let (answer, accident) = sim.answer(&request);
    match accident {
        None => Ok(whole(&answer)),
        Some(Accident::Late(by)) => {
            tokio::time::sleep(by).await;
            Ok(whole(&answer))
        }
        // An error instead of a response makes hyper close the connection without one.
        // So has half of nothing to be.
        Some(Accident::Half) if answer.body.is_empty() => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Accident::Cut) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Accident::Half) => Ok(half(&answer)),
        Some(Accident::Malformed) => {
            let body = b"{\"kind\": \"calendar#event\", \"id\": \"bk".to_vec();
            Ok(whole(&Answer { status: 200, body, ..Answer::json(200, &json!({})) }))
        }
    }
}

fn response(answer: &Answer, body: Body) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.status).expect("every status here is written out");
    for (name, value) in &answer.headers {
        // A header is made of checked text; what is not legal in one is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn whole(answer: &Answer) -> hyper::Response<Body> {
    let body = Full::new(Bytes::from(answer.body.clone())).map_err(|never| match never {}).boxed();
    response(answer, body)
}

/// Promises the whole body, sends half of it, and breaks off.
fn half(answer: &Answer) -> hyper::Response<Body> {
    let length = answer.body.len();
    let first = Bytes::copy_from_slice(&answer.body[..length / 2]);
    let frames = stream::unfold(Some(first), |first| async move {
        if let Some(first) = first {
            return Some((Ok(Frame::data(first)), None));
        }
        // Once round the scheduler: the half leaves before the connection ends.
        tokio::task::yield_now().await;
        Some((Err(io::ErrorKind::ConnectionReset.into()), None))
    });
    let mut response = response(answer, BodyExt::boxed(StreamBody::new(frames)));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

//! Where a browser comes back to after somebody has consented at Google: a port of this machine, for one answer.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Browsers open more connections than they use.
const MOST_CONNECTIONS: usize = 32;
/// For the last page to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why nobody could log in.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The port.
    #[error("nothing can listen on {address}: choose another with --port, for ssh as well")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Nobody came back.
    #[error(
        "nobody came back from Google within {0:?}; nothing was changed. Run it again when somebody is at the browser"
    )]
    TooLate(Duration),
    /// The person said no.
    #[error(
        "access was denied in the browser; nothing was changed. If nobody said no: while the OAuth project is in testing, the \
         account must be one of its test users (Google's console, OAuth consent screen)"
    )]
    Denied,
    /// Google did not ask.
    #[error("Google did not ask for consent ({0}); nothing was changed. Look at the OAuth client in Google's console")]
    Refused(String),
    /// Nobody logs in here.
    #[error(
        "nobody logs in at Google here: for that, set [google] login = \"user\", pass the OAuth client as google-client and \
         restart the daemon"
    )]
    NoLogin,
    /// The system gives no randomness.
    #[error("the system gives no randomness, without which anybody could answer in the person's place")]
    NoRandomness,
}

/// A browser's request, and who waits for the page.
pub(super) struct Visit {
    /// The address that it asks for, from its path on.
    pub(super) target: String,
    answer: oneshot::Sender<(StatusCode, String)>,
}

impl Visit {
    /// Shows a page that says this.
    pub(super) fn show(self, status: StatusCode, title: &str, text: &str) {
        // A browser that has gone needs no page.
        let _ = self.answer.send((status, page(title, text)));
    }
}

/// The port, while it is waited.
pub(super) struct Browser {
    listener: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
    visits: (mpsc::Sender<Visit>, mpsc::Receiver<Visit>),
    stop: CancellationToken,
}

impl Browser {
    /// Listens on this machine alone; port 0 is any that is free.
    pub(super) async fn wait_at(port: u16) -> Result<Self, BrowserError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |source| BrowserError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (connections, visits, stop) = (JoinSet::new(), mpsc::channel(1), CancellationToken::new());
        Ok(Self { listener, address, connections, visits, stop })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where a browser is to come back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits for a request. Cancelling the wait loses nothing.
    pub(super) async fn next(&mut self) -> Visit {
        loop {
            tokio::select! {
                Some(visit) = self.visits.1.recv() => return visit,
                Ok((stream, _)) = self.listener.accept(), if self.connections.len() < MOST_CONNECTIONS => {
                    self.connections.spawn(serve(stream, self.visits.0.clone(), self.stop.clone()));
                }
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    /// Lets what is being answered be answered, and closes.
    pub(super) async fn close(mut self) {
        self.stop.cancel();
        let answered = async { while self.connections.join_next().await.is_some() {} };
        // A browser that does not read its page is not waited for.
        let _ = tokio::time::timeout(FAREWELL, answered).await;
    }
}

async fn serve(stream: TcpStream, visits: mpsc::Sender<Visit>, stop: CancellationToken) {
    let service = service_fn(move |request| answer(request, visits.clone()));
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // Its errors are the browser's.
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stop.cancelled() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

async fn answer(request: Request<Incoming>, visits: mpsc::Sender<Visit>) -> Result<Response<Full<Bytes>>, Infallible> {
    let nothing = || (StatusCode::NOT_FOUND, page("Nothing here", "There is nothing at this address."));
    let (status, page) = if request.method() == Method::GET {
        let (answer, answered) = oneshot::channel();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        match visits.send(Visit { target, answer }).await {
            Ok(()) => answered.await.unwrap_or_else(|_| nothing()),
            Err(_) => nothing(),
        }
    } else {
        nothing()
    };
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn page(title: &str, text: &str) -> String {
    let (title, text) = (escaped(title), escaped(text));
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Frontdesk: {title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}}</style>\
         <h1>{title}</h1><p>{text}</p></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_says_is_no_part_of_the_page() {
        let page = page("<b>", "\"><script>alert(1)</script> & more");
        assert!(
            page.contains("<h1>&lt;b&gt;</h1>") && !page.contains("<script>") && page.contains("&amp; more"),
            "{page}"
        );
    }
}

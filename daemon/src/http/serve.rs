//! Accepting connections: plain, TLS, or the control socket; bounded in number, size and patience.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use rustls::ServerConfig;
use tokio::net::unix::UCred;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::net::Stream;

/// A peer that has not sent its request's head by then is not waited for. Twilio needs milliseconds.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The same for TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// A request's head and the buffer behind it.
const BUFFER: usize = 16 << 10;
/// When the listener is stopped, a request that is being answered gets that long. Three listeners stop one after the
/// other, and all have three seconds.
const FINISH_WITHIN: Duration = Duration::from_millis(800);
/// After a failed accept (no file descriptors), not at once again.
const BREATHE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub enum Acceptor {
    /// A port, perhaps with TLS.
    Tcp(TcpListener, Option<Arc<ServerConfig>>),
    /// The control socket.
    Unix(UnixListener),
}

/// Who is at the other end; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address, unless it is the control socket.
    pub ip: Option<IpAddr>,
    /// Who runs the program at the other end of the control socket.
    pub credentials: Option<UCred>,
}

/// Serves `router` until `stop`, at most `most` connections at a time; further ones wait to be accepted.
///
/// A connection that asks nothing is closed after ten seconds, between two requests as well. Upgraded connections leave
/// with whoever upgraded them and no longer count. When it is stopped, nothing more is accepted, requests that are being
/// answered are finished within 0.8 s, and idle connections end at once.
pub async fn serve(acceptor: Acceptor, router: Router, most: usize, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&acceptor, &room) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((pending, peer, permit)) => {
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    match stop.run_until_cancelled(pending.handshake()).await {
                        Some(Ok(stream)) => answer(stream, router, peer, stop).await,
                        Some(Err(error)) => debug!("a TLS handshake failed: {error}"),
                        None => {}
                    }
                });
            }
            Err(error) if is_the_peers(&error) => debug!("a connection broke off before it was accepted: {error}"),
            Err(error) => {
                warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}

/// An accept that failed through its own peer's fault: the next one has nothing to do with it.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected)
}

/// A connection whose TLS handshake is still to come.
enum Pending {
    Ready(Stream),
    Tls(Box<tokio_rustls::Accept<tokio::net::TcpStream>>),
}

impl Pending {
    async fn handshake(self) -> io::Result<Stream> {
        match self {
            Self::Ready(stream) => Ok(stream),
            Self::Tls(accept) => {
                let accepted = tokio::time::timeout(HANDSHAKE_WITHIN, accept).await??;
                Ok(Stream::Accepted(Box::new(accepted)))
            }
        }
    }
}

async fn accept(
    acceptor: &Acceptor,
    room: &Arc<Semaphore>,
) -> io::Result<(Pending, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    match acceptor {
        Acceptor::Tcp(listener, tls) => {
            let (stream, address) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let peer = Peer { ip: Some(address.ip()), credentials: None };
            let pending = match tls {
                None => Pending::Ready(Stream::Plain(stream)),
                Some(config) => Pending::Tls(tokio_rustls::TlsAcceptor::from(Arc::clone(config)).accept(stream).into()),
            };
            Ok((pending, peer, permit))
        }
        Acceptor::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let credentials = Some(stream.peer_cred()?);
            Ok((Pending::Ready(Stream::Unix(stream)), Peer { ip: None, credentials }, permit))
        }
    }
}

async fn answer(stream: Stream, router: Router, peer: Peer, stop: CancellationToken) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut router = router.clone();
        async move { router.call(Request::from(request.map(axum::body::Body::new))).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let served = if let Some(served) = stop.run_until_cancelled(serving.as_mut()).await {
        served
    } else {
        serving.as_mut().graceful_shutdown();
        let Ok(served) = tokio::time::timeout(FINISH_WITHIN, serving).await else {
            return debug!("a connection was dropped: its request was not answered in time");
        };
        served
    };
    if let Err(error) = served {
        debug!("a connection ended: {error}");
    }
}

//! Accepting connections: plain, TLS, or the control socket; bounded in number, size and patience.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use tokio::net::unix::UCred;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::neighbours::Neighbours;
use crate::net::{RenewedTls, Stream};

/// A request's head and the buffer behind it.
const BUFFER: usize = 16 << 10;
/// When the listener is stopped, a request that is being answered gets that long. Three listeners stop one after the
/// other, and all have three seconds.
const FINISH_WITHIN: Duration = Duration::from_millis(800);
/// After a failed accept (no file descriptors), not at once again.
const BREATHE: Duration = Duration::from_millis(100);

/// What a listener grants to its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// Of these: for one peer that is not on this machine; its further ones are closed unheard.
    pub per_peer: usize,
    /// For a TLS handshake, then for a request's head; also how long a connection may stay that asks nothing.
    pub head_within: Duration,
}

impl Limits {
    /// For everybody on the Internet. Twilio needs milliseconds, and a webhook's time is up after 15 s: a stranger who
    /// holds connections open must not cost it more than a retry. Streams leave the listener when they are upgraded.
    pub const PUBLIC: Self = Self { connections: 512, per_peer: 64, head_within: Duration::from_secs(3) };
    /// For people and their tools, on a network of theirs.
    pub const PEOPLE: Self = Self { connections: 64, per_peer: 32, head_within: Duration::from_secs(10) };
}

/// Where connections come from.
pub enum Acceptor {
    /// A port, perhaps with TLS.
    Tcp(TcpListener, Option<Arc<RenewedTls>>),
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

/// Serves `router` until `stop`, within `limits`.
///
/// A connection that asks nothing is closed in time, between two requests as well. Upgraded connections leave with whoever
/// upgraded them and no longer count. When it is stopped, nothing more is accepted, requests that are being answered are
/// finished within 0.8 s, and idle connections end at once.
pub async fn serve(acceptor: Acceptor, router: Router, limits: Limits, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let neighbours = Arc::<Neighbours>::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&acceptor, &room) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((pending, peer, permit)) => {
                let Ok(place) = peer.ip.map(|ip| neighbours.admit(ip, limits.per_peer).ok_or(ip)).transpose() else {
                    debug!("a peer holds as many connections as it may: another one is closed");
                    continue;
                };
                let (router, stop, within) = (router.clone(), stop.clone(), limits.head_within);
                connections.spawn(async move {
                    let _held = (permit, place);
                    match stop.run_until_cancelled(pending.handshake(within)).await {
                        Some(Ok(stream)) => answer(stream, router, peer, within, stop).await,
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
    Tls(TcpStream, Arc<RenewedTls>),
}

impl Pending {
    async fn handshake(self, within: Duration) -> io::Result<Stream> {
        match self {
            Self::Ready(stream) => Ok(stream),
            Self::Tls(stream, tls) => {
                let acceptor = TlsAcceptor::from(tls.config(Instant::now()).await);
                let accepted = tokio::time::timeout(within, acceptor.accept(stream)).await??;
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
                Some(tls) => Pending::Tls(stream, Arc::clone(tls)),
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

async fn answer(stream: Stream, router: Router, peer: Peer, head_within: Duration, stop: CancellationToken) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut router = router.clone();
        async move { router.call(Request::from(request.map(axum::body::Body::new))).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
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

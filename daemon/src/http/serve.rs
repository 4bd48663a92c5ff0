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
/// Upgraded connections leave with whoever upgraded them and no longer count. When it is stopped, requests that are
/// being answered are finished by their own limits or dropped with the task.
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
                let router = router.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    match pending.handshake().await {
                        Ok(stream) => answer(stream, router, peer).await,
                        Err(error) => debug!("a TLS handshake failed: {error}"),
                    }
                });
            }
            Err(error) => {
                warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
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

async fn answer(stream: Stream, router: Router, peer: Peer) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut router = router.clone();
        async move { router.call(Request::from(request.map(axum::body::Body::new))).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        debug!("a connection ended: {error}");
    }
}

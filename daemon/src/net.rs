//! Byte streams under HTTP and WebSocket: plain or TLS, accepted or dialled.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::config::TlsFiles;

/// One connection's bytes.
#[derive(Debug)]
pub enum Stream {
    /// Behind a tunnel or proxy, or on loopback.
    Plain(TcpStream),
    /// Encrypted, accepted by us.
    Accepted(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// Encrypted, dialled by us.
    Dialled(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// The control socket.
    Unix(UnixStream),
}

/// Runs `$act` on whichever stream it is, pinned.
macro_rules! on {
    ($self:expr, $stream:ident => $act:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $act,
            Stream::Accepted($stream) => $act,
            Stream::Dialled($stream) => $act,
            Stream::Unix($stream) => $act,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Accepted(stream) => stream.is_write_vectored(),
            Self::Dialled(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }
}

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of ours.
    #[error("cannot use {path}: {why}")]
    File {
        /// Which.
        path: String,
        /// What was found.
        why: String,
    },
    /// The system trusts nobody.
    #[error("the system has no root certificates; install the package ca-certificates")]
    NoRoots,
    /// rustls refuses what it was given.
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
}

/// TLS towards the services: the system's roots, and those of `extra` (PEM).
///
/// With an extra file the system's roots may be missing: a rehearsal on a bare machine.
pub fn client_tls(extra: Option<&std::path::Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| bad_file(path, &error))?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// TLS of a listener of ours.
pub fn server_tls(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad_file(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                bad_file(&files.key, &format!("it is not the key of the certificate in {}", files.cert.display()))
            }
            error => bad_file(&files.cert, &error),
        })?;
    Ok(Arc::new(config))
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| bad_file(path, &error))?;
    if certificates.is_empty() {
        return Err(bad_file(path, &"it holds no PEM certificate"));
    }
    Ok(certificates)
}

fn bad_file(path: &std::path::Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.display().to_string(), why: why.to_string() }
}

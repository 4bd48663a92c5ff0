//! One connection to the server under test, in the clear or by TLS, and the map from public names to real addresses.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Where a public host really listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address to connect to.
    pub addr: SocketAddr,
    /// Whether it speaks TLS there; otherwise what the public sees as https and wss is http and ws.
    pub tls: bool,
}

/// Public host names (`desk.example.com`) to the addresses that stand for them. Signatures always speak of the public name.
pub type ConnectTo = HashMap<String, Target>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL has no host or an unknown scheme.
    #[error("the URL {0:?} names no server")]
    Url(String),
    /// No answer in time.
    #[error("no TCP connection within {0:?}")]
    Timeout(Duration),
    /// Refused, unreachable or unknown.
    #[error("no TCP connection: {0}")]
    Tcp(#[source] io::Error),
    /// The handshake failed.
    #[error("no TLS session: {0}")]
    Tls(#[source] io::Error),
}

impl ConnectError {
    /// Twilio's code for a webhook that failed like this.
    pub fn webhook_code(&self) -> u32 {
        match self {
            Self::Url(_) => 11_100,
            Self::Timeout(_) => 11_201,
            Self::Tcp(e) if e.kind() == io::ErrorKind::ConnectionRefused => 11_202,
            Self::Tcp(_) => 11_205,
            Self::Tls(_) => 11_220,
        }
    }

    /// Twilio's code for a stream that failed like this.
    pub fn stream_code(&self) -> u32 {
        match self {
            Self::Url(_) => 31_923,
            Self::Timeout(_) => 31_901,
            Self::Tcp(e) if e.kind() == io::ErrorKind::ConnectionRefused => 31_902,
            Self::Tcp(_) => 31_904,
            Self::Tls(_) => 31_910,
        }
    }
}

/// TLS settings for connections to the server: this CA's certificates, or those the machine trusts.
pub(crate) fn tls_config(ca: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let bad = |e| io::Error::other(format!("CA file {}: {e}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(bad)? {
            roots.add(certificate.map_err(bad)?).map_err(io::Error::other)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Connects to the server of `url`, or to what stands for it, within `limit`.
    pub(crate) async fn connect(
        url: &str,
        map: &ConnectTo,
        tls: &Arc<ClientConfig>,
        limit: Duration,
    ) -> Result<Self, ConnectError> {
        let place = Place::of(url, map).ok_or_else(|| ConnectError::Url(url.to_owned()))?;
        timeout(limit, place.connect(tls)).await.map_err(|_| ConnectError::Timeout(limit))?
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Makes the coming drop a reset instead of an orderly end.
    pub(crate) fn reset_on_drop(&self) {
        if let Err(e) = self.tcp().set_zero_linger() {
            log::warn!("the connection will be closed instead of reset: {e}");
        }
    }
}

struct Place<'a> {
    host: &'a str,
    address: String,
    tls: bool,
}

impl<'a> Place<'a> {
    fn of(url: &'a str, map: &ConnectTo) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secure = match scheme {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().filter(|a| !a.is_empty())?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (authority, if secure { "443" } else { "80" }),
        };
        let mapped = map.get(authority).or_else(|| map.get(host));
        Some(Self {
            host,
            address: mapped.map_or_else(|| format!("{host}:{port}"), |to| to.addr.to_string()),
            tls: mapped.map_or(secure, |to| to.tls),
        })
    }

    async fn connect(self, tls: &Arc<ClientConfig>) -> Result<Transport, ConnectError> {
        let tcp = TcpStream::connect(&self.address).await.map_err(ConnectError::Tcp)?;
        tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
        if !self.tls {
            return Ok(Transport::Plain(tcp));
        }
        let name = ServerName::try_from(self.host.to_owned()).map_err(|_| ConnectError::Url(self.host.to_owned()))?;
        let session = TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(ConnectError::Tls)?;
        Ok(Transport::Tls(Box::new(session)))
    }
}

/// `Host` header and request target of a URL.
pub(crate) fn host_and_target(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let target = uri.path_and_query().map_or("/", |p| p.as_str());
    Some((uri.authority()?.to_string(), target.to_owned()))
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_leads_to_its_stand_in_and_others_to_themselves() {
        let addr = "127.0.0.1:8091".parse().unwrap();
        let map = ConnectTo::from([("desk.example.com".into(), Target { addr, tls: false })]);
        let place = Place::of("wss://desk.example.com/twilio/media/1", &map).unwrap();
        assert_eq!((place.address.as_str(), place.tls), ("127.0.0.1:8091", false));
        let place = Place::of("https://other.example.com?x=1", &map).unwrap();
        assert_eq!((place.address.as_str(), place.tls), ("other.example.com:443", true));
        assert!(Place::of("ftp://desk.example.com/", &map).is_none());
    }
}

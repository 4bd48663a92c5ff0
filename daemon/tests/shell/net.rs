//! Files for TLS: those that cannot be used, and those that are replaced.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use frontdeskd::config::TlsFiles;
use frontdeskd::http::serve::{Acceptor, Limits, serve};
use frontdeskd::net::{RenewedTls, client_tls, server_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::fakes::{Certificates, certificates};
use super::log;

/// Puts another file into the place of `path`, as those do who renew certificates.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Files of `ours` in `directory`, and its authority's.
fn files(directory: &Path, ours: &Certificates) -> TlsFiles {
    let files = TlsFiles { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
    for (path, text) in [(&files.cert, &ours.cert), (&files.key, &ours.key), (&directory.join("ca.pem"), &ours.ca)] {
        replace(path, text);
    }
    files
}

/// Whether somebody who trusts `authority` is served with `config`.
async fn trusts(authority: &Path, config: Arc<rustls::ServerConfig>) -> bool {
    let (near, far) = tokio::io::duplex(64 << 10);
    let client = TlsConnector::from(client_tls(Some(authority)).unwrap());
    let connecting = client.connect("localhost".try_into().unwrap(), near);
    let (served, _) = tokio::join!(connecting, TlsAcceptor::from(config).accept(far));
    served.is_ok()
}

#[tokio::test]
async fn a_renewed_certificate_is_used_within_a_minute_and_one_that_is_broken_is_not() {
    log::keep();
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    let files = files(directory.path(), &certificates());
    let (now, minute) = (Instant::now(), Duration::from_mins(1));
    let tls = Arc::new(RenewedTls::open(files.clone(), now).unwrap());
    let first = tls.config(now).await;
    assert!(trusts(&authority, Arc::clone(&first)).await);
    assert!(Arc::ptr_eq(&first, &tls.config(now + minute).await), "nothing has changed");

    self::files(directory.path(), &certificates());
    assert!(!trusts(&authority, tls.config(now + minute).await).await, "looked at a moment ago");
    let second = tls.config(now + 2 * minute).await;
    assert!(trusts(&authority, Arc::clone(&second)).await);

    let third = certificates();
    replace(&files.cert, &third.cert);
    assert!(Arc::ptr_eq(&second, &tls.config(now + 3 * minute).await), "the key is still another's");
    assert!(Arc::ptr_eq(&second, &tls.config(now + 4 * minute).await));
    let path = files.key.display().to_string();
    let warned = || {
        let lines = log::lines_with("the renewed certificate is not used, the old one stays");
        lines.iter().filter(|line| line.contains(&path)).count()
    };
    assert_eq!(warned(), 1);
    // Somebody has mended its permissions, which leaves its time as it was.
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o400)).unwrap();
    tls.config(now + 5 * minute).await;
    assert_eq!(warned(), 2, "it is tried again");
    replace(&files.key, &third.key);
    replace(&authority, &third.ca);
    assert!(trusts(&authority, tls.config(now + 6 * minute).await).await);
}

#[tokio::test]
async fn a_listener_with_tls_serves_it_and_does_not_wait_for_whoever_shakes_no_hands() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), &certificates());
    let tls = Arc::new(RenewedTls::open(files, Instant::now()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let limits = Limits { connections: 1, ..Limits::PUBLIC };
    serving.spawn(serve(Acceptor::Tcp(listener, Some(tls)), Router::new(), limits, CancellationToken::new()));
    let ask = async || {
        let client = TlsConnector::from(client_tls(Some(&directory.path().join("ca.pem"))).unwrap());
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut stream = client.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask().await.starts_with("HTTP/1.1 404"));
    let mut mute = TcpStream::connect(address).await.unwrap();
    let began = tokio::time::Instant::now();
    // The only place is held until the handshake's time is up, which passes as soon as nothing else is to be done.
    tokio::time::pause();
    assert_eq!(mute.read(&mut [0]).await.unwrap(), 0, "closed");
    assert!(began.elapsed() < Duration::from_secs(4));
    tokio::time::resume();
    assert!(ask().await.starts_with("HTTP/1.1 404"));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ours = certificates();
    let (cert, key) = (write("cert.pem", &ours.cert), write("key.pem", &ours.key));
    let foreign = write("foreign.pem", &certificates().key);
    let (empty, missing) = (write("empty.pem", ""), directory.path().join("missing.pem"));
    let broken = write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(server_tls(&TlsFiles { cert: cert.clone(), key: key.clone() }).is_ok());
    for (cert, key, named, why) in [
        (&missing, &key, "missing.pem", "No such file"),
        (&empty, &key, "empty.pem", "no PEM certificate"),
        (&key, &key, "key.pem", "no PEM certificate"),
        (&cert, &missing, "missing.pem", "No such file"),
        (&cert, &cert, "cert.pem", "no items"),
        (&cert, &foreign, "foreign.pem", "not the key of the certificate"),
        (&broken, &key, "broken.pem", "BadEncoding"),
    ] {
        let text = server_tls(&TlsFiles { cert: cert.clone(), key: key.clone() }).unwrap_err().to_string();
        assert!(text.contains(named) && text.contains(why), "{text:?}: {named}, {why}");
    }
    for (authority, why) in [(&missing, "No such file"), (&empty, "no PEM certificate"), (&broken, "BadEncoding")] {
        let text = client_tls(Some(authority)).unwrap_err().to_string();
        assert!(text.contains(authority.to_str().unwrap()) && text.contains(why), "{text}");
    }
}

use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::ctl::doctor::finding::Outcome;

/// A server with a certificate of its own making, trusted by whoever is given `roots`.
struct Server {
    endpoint: Endpoint,
    tls: Arc<ClientConfig>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn server(name: &str, years: (i32, i32), trusted: bool) -> Server {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::DnsName("desk.test".try_into().unwrap()));
    if name != "localhost" {
        params.subject_alt_names.remove(0);
    }
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    if trusted {
        roots.add(certificate.der().clone()).unwrap();
    }
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serving = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let _ = acceptor.accept(stream).await;
        }
    });
    Server { endpoint: Endpoint { host: "localhost".to_owned(), port, secure: true }, tls: Arc::new(tls), serving }
}

fn this_year() -> i32 {
    let days = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    1970 + (days / 365) as i32
}

#[tokio::test]
async fn a_certificate_is_judged_by_the_real_handshake() {
    let year = this_year();
    for (name, years, trusted, said) in [
        ("localhost", (year - 1, year + 2), true, "that is trusted"),
        ("localhost", (year - 1, year + 2), false, "signed by nobody that this box trusts"),
        ("localhost", (year - 5, year - 4), true, "has expired"),
        ("localhost", (year + 2, year + 3), true, "not valid yet: this box's clock is behind"),
        ("desk.test", (year - 1, year + 2), true, "certificate of somebody else"),
    ] {
        let server = server(name, years, trusted).await;
        let [finding] = &judge_tls("Gemini", &server.endpoint, &reach(&server.endpoint, &server.tls).await)[..] else {
            panic!("one")
        };
        assert!(finding.what.contains(said), "{finding:?}");
        assert_eq!(finding.fix.is_some(), finding.outcome == Outcome::Wrong, "{finding:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_speaks_no_tls_is_told_apart() {
    let server = server("localhost", (2020, 2021), true).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, secure: true };
    let talking = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.example.com\r\n").await.unwrap();
    };
    let (reached, ()) = tokio::join!(reach(&endpoint, &server.tls), talking);
    assert!(matches!(reached, Reached::NoTls(_)), "{reached:?}");
    drop(listener);
    let reached = reach(&endpoint, &server.tls).await;
    let finding = &judge_tls("Twilio", &endpoint, &reached)[0];
    assert!(finding.what.contains("cannot be reached"), "{finding:?}");
    assert_eq!(finding.fix.as_deref(), Some(format!("nc -vz 127.0.0.1 {port}").as_str()));
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told() {
    let unknown = Endpoint::of("wss://no-such-host.invalid").unwrap();
    let address = Endpoint::of("http://127.0.0.1:80/x").unwrap();
    let resolved = resolve(&[unknown, address.clone()]).await;
    let finding = &judge_dns(&resolved)[0];
    assert!(finding.outcome == Outcome::Wrong && finding.what.contains("no-such-host.invalid"), "{finding:?}");
    assert_eq!(judge_dns(&resolve(&[address]).await)[0].outcome, Outcome::Ok);
}

#[test]
fn what_answers_at_the_public_address_is_told_apart() {
    let answered = |status, ours| Seen::Answered { status, ours, took: Duration::from_millis(40) };
    for (seen, outcome, said) in [
        (answered(200, true), Outcome::Ok, "leads to this daemon"),
        (answered(200, false), Outcome::Wrong, "something else"),
        (answered(301, false), Outcome::Wrong, "redirect"),
        (answered(502, false), Outcome::Wrong, "does not reach the daemon at 127.0.0.1:8091"),
        (answered(530, false), Outcome::Wrong, "does not reach the daemon"),
        (answered(404, false), Outcome::Wrong, "answers with 404"),
        (Seen::Distrusted(Distrust::UnknownIssuer), Outcome::Wrong, "Twilio will not trust it either"),
        (Seen::Failed("connection refused".to_owned()), Outcome::Wrong, "callers hear the fallback"),
    ] {
        let finding = &judge_public("https://desk.example.com", "127.0.0.1:8091", &seen)[0];
        assert!(finding.outcome == outcome && finding.what.contains(said), "{finding:?}");
        assert_eq!(finding.fix.is_some(), outcome == Outcome::Wrong, "{finding:?}");
    }
}

//! The way to Gemini.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::gemini::close::{ConnectFailure, Verdict};
use frontdeskd::config::{GeminiAccess, Secret, TlsFiles};
use frontdeskd::live::Connector;
use frontdeskd::net;
use serde_json::json;

use super::fakes::{Certificates, Gemini, Reply, Scripted, certificates};
use super::token::{granted, key_file};
use super::world::{KEY, client, settings, tls};

const PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

fn connector(endpoint: &str) -> Connector {
    Connector::new(&settings(endpoint), tls(), client()).unwrap()
}

async fn failure(connector: &Connector) -> ConnectFailure {
    connector.connect(PATH).await.expect_err("no connection")
}

#[tokio::test]
async fn the_key_travels_in_a_header_and_never_in_the_address() {
    let gemini = Gemini::start().await;
    let connector = connector(&format!("ws://{}/prefix/", gemini.address));
    let (connected, (_, path, headers)) = tokio::join!(connector.connect(PATH), gemini.accept());
    assert!(connected.is_ok());
    assert_eq!(path, format!("/prefix{PATH}"));
    assert_eq!(headers["x-goog-api-key"], KEY);
    assert_eq!(headers["host"], gemini.address.to_string());
    assert!(headers["user-agent"].to_str().unwrap().starts_with("frontdesk/"));
    assert!(!headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_status_at_the_upgrade_says_whether_to_try_again() {
    for (status, verdict) in
        [(401, Verdict::Fail), (404, Verdict::Fail), (302, Verdict::Fail), (429, Verdict::Quota), (500, Verdict::Retry)]
    {
        let gemini = Scripted::start(vec![Reply::Say(status, "<html>no</html>".into())]).await;
        let failure = failure(&connector(&format!("ws://{}", gemini.address))).await;
        assert_eq!(failure, ConnectFailure::Http { status });
        assert_eq!(failure.verdict(), verdict);
        assert_eq!(gemini.requests().len(), 1, "a key is not tried twice");
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_the_networks_fault() {
    let gone = Gemini::start().await.address;
    let refused = failure(&connector(&format!("ws://{gone}"))).await;
    assert_eq!(refused.verdict(), Verdict::Retry);
    assert!(refused.to_string().contains(&format!("TCP with 127.0.0.1 port {}", gone.port())), "{refused}");

    let silent = Scripted::start(vec![Reply::Silence]).await;
    let connector = connector(&format!("ws://{}", silent.address));
    let connecting = connector.connect(PATH);
    tokio::pin!(connecting);
    tokio::select! {
        _ = &mut connecting => panic!("nobody has answered"),
        _ = silent.wait_for(1) => {}
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(6_001)).await;
    let late = connecting.await.expect_err("no connection");
    assert!(late.to_string().contains("no connection within 6s"), "{late}");
}

#[tokio::test]
async fn tls_is_checked_against_the_authority_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let Certificates { ca, cert, key } = certificates();
    let path = |name: &str| directory.path().join(name);
    for (name, text) in [("ca.pem", &ca), ("cert.pem", &cert), ("key.pem", &key)] {
        std::fs::write(path(name), text).unwrap();
    }
    let server = net::server_tls(&TlsFiles { cert: path("cert.pem"), key: path("key.pem") }).unwrap();
    let gemini = Gemini::start().await;
    let serve = || async {
        let (tcp, _) = gemini.listener.accept().await.unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::clone(&server)).accept(tcp).await;
        match tls {
            Ok(tls) => tokio_tungstenite::accept_async(tls).await.is_ok(),
            Err(_) => false,
        }
    };
    let endpoint = format!("wss://localhost:{}", gemini.address.port());

    let trusting = net::client_tls(Some(&path("ca.pem"))).unwrap();
    let trusting = Connector::new(&settings(&endpoint), trusting, client()).unwrap();
    let (connected, served) = tokio::join!(trusting.connect(PATH), serve());
    assert!(connected.is_ok() && served, "{:?}", connected.err());

    let stranger = connector(&endpoint);
    let (refused, _) = tokio::join!(failure(&stranger), serve());
    assert!(refused.to_string().contains("TLS with localhost"), "{refused}");
    assert!(refused.to_string().contains("certificate"), "{refused}");
    assert_eq!(refused.verdict(), Verdict::Retry);
}

#[tokio::test]
async fn a_refused_access_token_is_fetched_anew_once() {
    let google = Scripted::start(vec![granted("stale", &json!(3599)), granted("fresh", &json!(3599))]).await;
    let gemini = Scripted::start(vec![Reply::Say(401, String::new()), Reply::Say(403, String::new())]).await;
    let mut settings = settings(&format!("ws://{}", gemini.address));
    settings.access = GeminiAccess::Vertex {
        project: "p".into(),
        location: "us-central1".into(),
        credentials: Secret::new(&key_file(&google)),
    };
    let connector = Connector::new(&settings, tls(), client()).unwrap();
    assert_eq!(failure(&connector).await, ConnectFailure::Http { status: 403 });
    let requests = gemini.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].contains("authorization: Bearer stale"), "{}", requests[0]);
    assert!(requests[1].contains("authorization: Bearer fresh"), "{}", requests[1]);
    assert_eq!(google.requests().len(), 2);
}

#[test]
fn a_key_is_kept_out_of_what_the_service_says() {
    let connector = connector("wss://example.com");
    for said in [
        format!("Permission denied: Consumer 'api_key:{KEY}' has been suspended."),
        format!("Consumer 'api_key:{}", &KEY[..9]),
        format!("the key {KEY} is\nnot valid"),
    ] {
        let text = connector.redact(&said);
        assert!(!text.contains(&KEY[..9]) && !text.contains('\n') && text.contains("(key)"), "{text}");
    }
    assert_eq!(connector.redact("API key not valid."), "API key not valid.");
}

//! The same over TLS, with a certificate from a CA made for the test.

use std::{io::Write, sync::Arc};

use frontdesk_twilio_sim::{CallPlan, CallState, Settings, Target, TwilioSim};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::common::LONG;

const HANG_UP: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 31\r\n\r\n<Response><Hangup/></Response> ";

/// A server with this certificate that answers everything with `<Hangup/>`.
async fn serve(certified: &CertifiedKey<rcgen::KeyPair>) -> std::net::SocketAddr {
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let mut request = [0; 4_096];
                let _ = tls.read(&mut request).await;
                let _ = tls.write_all(HANG_UP.as_bytes()).await;
                let _ = tls.shutdown().await;
            }
        }
    });
    addr
}

async fn call(ca: &CertifiedKey<rcgen::KeyPair>, addr: std::net::SocketAddr) -> (CallState, Vec<u32>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.cert.pem().as_bytes()).unwrap();
    let settings = Settings { ca: Some(file.path().to_owned()), ..Settings::default() };
    let sim = TwilioSim::start(settings).await.unwrap();
    let mut plan = CallPlan::to_url("https://desk.example.com/voice");
    let target = Target { addr, tls: true };
    plan.connect_to.insert("desk.example.com".into(), target);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    (report.state, report.alerts.iter().map(|alert| alert.code).collect())
}

#[tokio::test]
async fn a_certificate_of_the_ca_is_accepted_and_a_foreign_one_is_11220() {
    let own = generate_simple_self_signed(["desk.example.com".into()]).unwrap();
    let foreign = generate_simple_self_signed(["desk.example.com".into()]).unwrap();
    let addr = serve(&own).await;
    assert_eq!(call(&own, addr).await, (CallState::Completed, vec![]));
    assert_eq!(call(&foreign, addr).await, (CallState::Failed, vec![11_220]));
}

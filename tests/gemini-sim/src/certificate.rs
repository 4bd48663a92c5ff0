//! A certificate authority of the simulator's own, made at each start.

use std::{fmt::Write as _, net::Ipv4Addr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// What TLS needs on both sides.
pub(crate) struct Certificates {
    pub(crate) server: Arc<ServerConfig>,
    /// For clients to trust.
    pub(crate) ca_pem: String,
}

/// Makes an authority and a certificate for `localhost` and 127.0.0.1. The authority's key is forgotten at once.
pub(crate) fn make() -> Result<Certificates, Box<dyn std::error::Error + Send + Sync>> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "gemini-sim rehearsal authority");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
    leaf.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &ca)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificates { server: Arc::new(server), ca_pem: ca.pem() })
}

/// Letters that nobody guesses, for handles and tokens.
pub(crate) fn nonce() -> String {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; 12];
    SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

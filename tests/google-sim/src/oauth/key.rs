//! The service account's key, which also signs id tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

const PEM: &str = include_str!("../../data/service-account.pem");
const ID: &str = "5d0c2f0e9b7a4c1d8e6f";

/// The key.
pub(crate) struct Key(RsaKeyPair);

impl Key {
    pub(crate) fn load() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).expect("the kept key is PEM: every test reads it");
        Self(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("the kept key is RSA: every test reads it"))
    }

    /// A key file as Google's console gives it, which sends its reader to `base` for tokens.
    pub(crate) fn file(email: &str, client_id: &str, base: &str) -> Value {
        let certificate = format!("{base}/robot/v1/metadata/x509/{}", email.replace('@', "%40"));
        json!({
            "type": "service_account",
            "project_id": "clinic-frontdesk",
            "private_key_id": ID,
            "private_key": PEM,
            "client_email": email,
            "client_id": client_id,
            "auth_uri": format!("{base}/o/oauth2/auth"),
            "token_uri": format!("{base}/token"),
            "auth_provider_x509_cert_url": format!("{base}/oauth2/v1/certs"),
            "client_x509_cert_url": certificate,
            "universe_domain": "googleapis.com",
        })
    }

    pub(crate) fn knows_id(id: &str) -> bool {
        id == ID
    }

    pub(crate) fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.public_key().as_ref());
        public.verify(signed.as_bytes(), signature).is_ok()
    }

    /// A signed JWT with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": ID, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .expect("the buffer has the key's length");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

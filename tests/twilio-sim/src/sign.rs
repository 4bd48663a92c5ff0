//! Twilio's request signature: a keyed digest over the URL and the form parameters.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

/// Which digest a signature uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// HMAC-SHA1 with the account's auth token: what every request carries unless the account opted for shared keys.
    #[default]
    HmacSha1,
    /// HMAC-SHA256 with a shared signing key.
    HmacSha256,
}

/// The value of `X-Twilio-Signature` for a request to `url` with the decoded form parameters `params`.
///
/// `url` is signed as it stands: scheme, host, port if written, path and raw query, without the `#` overrides.
pub fn signature(token: &str, url: &str, params: &[(String, String)]) -> String {
    signature_with(Algorithm::HmacSha1, token, url, params)
}

/// As [`signature`], with the digest given.
pub fn signature_with(algorithm: Algorithm, key: &str, url: &str, params: &[(String, String)]) -> String {
    let digest = match algorithm {
        Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::HmacSha256 => hmac::HMAC_SHA256,
    };
    let tag = hmac::sign(&hmac::Key::new(digest, key.as_bytes()), signed_text(url, params).as_bytes());
    STANDARD.encode(tag.as_ref())
}

/// The text under the digest: the URL, then every distinct name with each of its distinct values, both in code point order.
fn signed_text(url: &str, params: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = url.to_owned();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        id: String,
        token: String,
        alg: Option<String>,
        url: String,
        params: Vec<(String, String)>,
        signature: String,
    }

    #[test]
    fn every_published_vector_comes_out_the_same() {
        let text = include_str!("../../proofs/twilio/vectors.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 17);
        for v in vectors {
            let algorithm = match v.alg.as_deref() {
                Some("HMAC_SHA256") => Algorithm::HmacSha256,
                _ => Algorithm::HmacSha1,
            };
            assert_eq!(signature_with(algorithm, &v.token, &v.url, &v.params), v.signature, "vector {}", v.id);
        }
    }

    #[test]
    fn names_sort_by_code_point_without_separators() {
        let params =
            [("a", "1"), ("B", "2"), ("Ab", "3"), ("AA", "4")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            signed_text("https://desk.example.com/twilio/voice", &params),
            "https://desk.example.com/twilio/voiceAA4Ab3B2a1"
        );
    }
}

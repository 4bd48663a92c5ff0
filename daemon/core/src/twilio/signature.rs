//! Whether a request comes from Twilio: its signature over the URL, the form parameters or the body.
//!
//! Decides only "authentic or not". The caller names the URL (the configured public address plus the raw path and
//! query of the request line, never the `Host` header) and answers every error alike, with an empty 403. That a
//! signed request may be replayed, and that a signed stream URL is the same on every attempt, is for others to mend:
//! handlers are idempotent per call, stream paths are single-use.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac};

/// Parameters that a signed form may have. Twilio sends about forty.
pub const MAX_PARAMS: usize = 512;
/// Bytes of one signed string: URL, names and values.
pub const MAX_SIGNED_BYTES: usize = 128 * 1024;

/// One of the secrets that Twilio may sign with: an account's auth token, or a shared signing key.
///
/// Only the prepared keys are held; neither they nor the text can be printed.
#[derive(Clone)]
pub struct AuthToken {
    sha1: hmac::Key,
    sha256: hmac::Key,
}

impl AuthToken {
    /// Prepares the token's keys. The text is used as it is: trimming belongs to whoever read it.
    pub fn new(token: &str) -> Self {
        Self {
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes()),
            sha256: hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()),
        }
    }

    fn key(&self, algorithm: Algorithm) -> &hmac::Key {
        match algorithm {
            Algorithm::Sha1 => &self.sha1,
            Algorithm::Sha256 => &self.sha256,
        }
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(..)")
    }
}

/// Why a request is not taken for Twilio's. None of them repeats what the request contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request has no `X-Twilio-Signature`.
    #[error("the request is not signed")]
    Missing,
    /// The header is not the base64 text of a digest of the right length.
    #[error("the signature is not base64, or not of the algorithm's length")]
    Malformed,
    /// `X-Twilio-Webhooks-Signature-Settings` names an algorithm that is not known here.
    #[error("the signature settings name an unknown algorithm")]
    UnknownAlgorithm,
    /// More parameters or bytes than any request of Twilio's has; nothing was computed.
    #[error("the request is larger than any that Twilio signs")]
    TooLarge,
    /// The address that the check was given is no absolute URL: a fault of the configuration, not of the peer.
    #[error("the address to check against is not an absolute http, https, ws or wss URL")]
    Url,
    /// A JSON request whose URL has no `bodySHA256`.
    #[error("the URL carries no bodySHA256 for the JSON body")]
    BodyHashMissing,
    /// The body is not the one whose hash was signed.
    #[error("the body does not match the hash in the URL")]
    BodyHash,
    /// Signed with another token, or for another address, or altered on its way.
    #[error("the signature does not match: check the auth token and that phone.public_url is the address Twilio calls")]
    Mismatch,
}

/// Which spelling of the stream's address a handshake was signed over.
///
/// Twilio documents the first two; the `https` forms are accepted too, because they cannot be forged either.
/// Log it: a change here is a change on Twilio's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeForm {
    /// `wss://host/path`.
    Socket,
    /// `wss://host/path/`.
    SocketSlash,
    /// `https://host/path`.
    Web,
    /// `https://host/path/`.
    WebSlash,
}

impl HandshakeForm {
    const ALL: [Self; 4] = [Self::Socket, Self::SocketSlash, Self::Web, Self::WebSlash];

    /// A word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "wss",
            Self::SocketSlash => "wss-slash",
            Self::Web => "https",
            Self::WebSlash => "https-slash",
        }
    }

    /// `url` in this spelling.
    fn spell(self, url: Url<'_>) -> String {
        let (scheme, slash) = match (self, url.is_secure()) {
            (Self::Socket, true) => ("wss", ""),
            (Self::SocketSlash, true) => ("wss", "/"),
            (Self::Web, true) => ("https", ""),
            (Self::WebSlash, true) => ("https", "/"),
            (Self::Socket, false) => ("ws", ""),
            (Self::SocketSlash, false) => ("ws", "/"),
            (Self::Web, false) => ("http", ""),
            (Self::WebSlash, false) => ("http", "/"),
        };
        let Url { host, port, rest, .. } = url;
        let colon = if port.is_some() { ":" } else { "" };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        format!("{scheme}://{host}{colon}{}{rest}{slash}", port.unwrap_or_default())
    }
}

/// Tells Twilio's requests from everybody else's. Cheap to share; holds no state.
#[derive(Debug, Clone)]
pub struct SignatureChecker {
    tokens: Vec<AuthToken>,
}

impl SignatureChecker {
    /// Accepts what is signed with any of `tokens`: the primary, and the secondary while tokens are being rotated.
    /// Without a token nothing is accepted.
    pub fn new(tokens: Vec<AuthToken>) -> Self {
        Self { tokens }
    }

    /// Checks a form POST, or a GET when `params` is empty.
    ///
    /// `url` is what Twilio was given, its query in raw form; `params` are the decoded pairs of the body in any
    /// order. `header` is `X-Twilio-Signature`, `settings_header` is `X-Twilio-Webhooks-Signature-Settings`.
    pub fn check_form(
        &self,
        url: &str,
        params: &[(Cow<'_, str>, Cow<'_, str>)],
        header: Option<&str>,
        settings_header: Option<&str>,
    ) -> Result<(), SignatureError> {
        let algorithm = Algorithm::from_settings(settings_header)?;
        let signature = algorithm.decode(header)?;
        self.check_url(url, &signed_params(url, params)?, algorithm, &signature)
    }

    /// Checks a JSON request: the signature over the URL, and the hash in the URL over the raw `body`.
    pub fn check_json_body(
        &self,
        url: &str,
        body: &[u8],
        header: Option<&str>,
        settings_header: Option<&str>,
    ) -> Result<(), SignatureError> {
        self.check_form(url, &[], header, settings_header)?;
        let claimed = body_hash(url).ok_or(SignatureError::BodyHashMissing)?;
        let actual = digest::digest(&digest::SHA256, body);
        if is_hex_of(claimed, actual.as_ref()) { Ok(()) } else { Err(SignatureError::BodyHash) }
    }

    /// Checks the handshake of a media stream and says which spelling of `wss_url` was signed.
    ///
    /// The path must hold a single-use token: a handshake's signature has no nonce, so by itself it would let
    /// whoever saw it connect again.
    pub fn check_handshake(&self, wss_url: &str, header: Option<&str>) -> Result<HandshakeForm, SignatureError> {
        let signature = Algorithm::Sha1.decode(header)?;
        if wss_url.len() > MAX_SIGNED_BYTES {
            return Err(SignatureError::TooLarge);
        }
        let url = Url::split(wss_url).ok_or(SignatureError::Url)?;
        HandshakeForm::ALL
            .into_iter()
            .find(|form| self.check_url(&form.spell(url), "", Algorithm::Sha1, &signature).is_ok())
            .ok_or(SignatureError::Mismatch)
    }

    /// Tries every token on every spelling of the URL's port.
    fn check_url(&self, url: &str, params: &str, algorithm: Algorithm, signature: &[u8]) -> Result<(), SignatureError> {
        let url = Url::split(url).ok_or(SignatureError::Url)?;
        let matches = url.port_variants().iter().any(|variant| {
            let signed = [variant.as_str(), params].concat();
            self.tokens.iter().any(|token| hmac::verify(token.key(algorithm), signed.as_bytes(), signature).is_ok())
        });
        if matches { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
}

impl Algorithm {
    /// The settings header is `key=<id>,algorithm=<name>`; without it, or without a name in it, the classic
    /// algorithm holds. The key's id is not needed: every known token is tried.
    fn from_settings(header: Option<&str>) -> Result<Self, SignatureError> {
        let mut found = None;
        for (name, value) in header.unwrap_or_default().split(',').filter_map(|setting| setting.split_once('=')) {
            if !name.trim().eq_ignore_ascii_case("algorithm") {
                continue;
            }
            let algorithm = match value.trim() {
                "HMAC_SHA1" => Self::Sha1,
                "HMAC_SHA256" => Self::Sha256,
                _ => return Err(SignatureError::UnknownAlgorithm),
            };
            if found.is_some_and(|other| other != algorithm) {
                return Err(SignatureError::UnknownAlgorithm);
            }
            found = Some(algorithm);
        }
        Ok(found.unwrap_or(Self::Sha1))
    }

    const fn digest_length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn decode(self, header: Option<&str>) -> Result<Vec<u8>, SignatureError> {
        let text = header.ok_or(SignatureError::Missing)?;
        // Base64 of the digest, padded: longer texts are not even decoded.
        if text.len() != self.digest_length().div_ceil(3) * 4 {
            return Err(SignatureError::Malformed);
        }
        let digest = BASE64.decode(text).map_err(|_| SignatureError::Malformed)?;
        if digest.len() == self.digest_length() { Ok(digest) } else { Err(SignatureError::Malformed) }
    }
}

/// The parameters as they are signed: names and values without separators, sorted by code point, a repeated pair
/// once. (UTF-8 sorts as its code points do.)
fn signed_params(url: &str, params: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<String, SignatureError> {
    let bytes = url.len() + params.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if params.len() > MAX_PARAMS || bytes > MAX_SIGNED_BYTES {
        return Err(SignatureError::TooLarge);
    }
    let mut pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (&**name, &**value)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    Ok(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect())
}

/// The value of `bodySHA256` in the URL's query.
fn body_hash(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("bodySHA256="))
}

fn is_hex_of(text: &str, bytes: &[u8]) -> bool {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    text.chars().map(Some).eq(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]))
}

/// An absolute URL, split without changing a byte of it.
#[derive(Debug, Clone, Copy)]
struct Url<'a> {
    scheme: &'a str,
    /// User information and brackets included.
    host: &'a str,
    port: Option<&'a str>,
    /// Path and query.
    rest: &'a str,
}

impl<'a> Url<'a> {
    fn split(url: &'a str) -> Option<Self> {
        // Twilio keeps what follows `#` to itself: connection overrides, no part of the signed string.
        let url = url.split('#').next().unwrap_or(url);
        let (scheme, after) = url.split_once("://")?;
        if !["http", "https", "ws", "wss"].contains(&scheme) {
            return None;
        }
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
            // The last colon lies inside an IPv6 address.
            _ => (authority, None),
        };
        (!host.is_empty()).then_some(Self { scheme, host, port, rest })
    }

    fn is_secure(self) -> bool {
        matches!(self.scheme, "https" | "wss")
    }

    /// The spellings that Twilio's own validators accept: without a port, and with one. Their rule for the default
    /// port knows only https, so a `wss` address gets `:80`; the right one is tried beside it.
    fn port_variants(self) -> Vec<String> {
        let Self { scheme, host, port, rest } = self;
        let with = |port: &str| format!("{scheme}://{host}:{port}{rest}");
        let mut variants = vec![format!("{scheme}://{host}{rest}")];
        match (port, scheme) {
            (Some(port), _) => variants.push(with(port)),
            (None, "https") => variants.push(with("443")),
            (None, "wss") => variants.extend([with("443"), with("80")]),
            (None, _) => variants.push(with("80")),
        }
        variants
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;

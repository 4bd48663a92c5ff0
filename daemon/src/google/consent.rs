//! Asking a person in a browser: the address to open, and what comes back from there (RFC 8252, PKCE by RFC 7636).
//!
//! Pure: randomness is an argument, sockets are elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use url::{Url, form_urlencoded};

use crate::config::Secret;

use super::endpoint::printable;

/// Google's codes have at most 256 bytes.
const LONGEST_CODE: usize = 1024;

/// One time of asking. Its secrets live as long as the person takes.
#[derive(Debug)]
pub struct Consent {
    state: Secret,
    verifier: Secret,
}

/// What a browser brought back.
#[derive(Debug, PartialEq, Eq)]
pub enum Callback {
    /// Consent, for the daemon to trade for a token.
    Code(Secret),
    /// The person said no.
    Denied,
    /// Google did not let it come to a question; its word for why.
    Refused(String),
    /// It answers another question than ours: an old page, or somebody else's.
    Foreign,
    /// No answer at all: an icon that the browser looks for, an empty address.
    Nothing,
}

impl Consent {
    /// Asks with these random bytes, 32 for each of the two secrets.
    pub fn new(random: &[u8; 64]) -> Self {
        let secret = |bytes: &[u8]| Secret::new(&URL_SAFE_NO_PAD.encode(bytes));
        Self { state: secret(&random[..32]), verifier: secret(&random[32..]) }
    }

    /// What proves to Google that whoever brings the code is whoever asked for it.
    pub fn verifier(&self) -> &str {
        self.verifier.expose()
    }

    /// The address that a person opens: `page` is Google's, `redirect` ours, to which the browser comes back.
    pub fn address(&self, page: &Url, client_id: &str, redirect: &str, scopes: &[String], hint: Option<&str>) -> Url {
        let mut address = page.clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", &scopes.join(" "))
            // Without these two a person who has consented before is not asked, and no lasting token comes.
            .append_pair("access_type", "offline")
            .append_pair("prompt", "consent")
            .append_pair("state", self.state.expose())
            .append_pair("code_challenge", &challenge(self.verifier.expose()))
            .append_pair("code_challenge_method", "S256");
        if let Some(hint) = hint {
            address.query_pairs_mut().append_pair("login_hint", hint);
        }
        address
    }

    /// Reads the address that the browser came back with: whole, as a person pastes it, or from its path on.
    pub fn read(&self, address: &str) -> Callback {
        let query = address.trim().split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let mut fields = [None, None, None];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let at = match &*name {
                "state" => 0,
                "code" => 1,
                "error" => 2,
                _ => continue,
            };
            // Of two, neither is to be trusted.
            fields[at] = Some(if fields[at].is_none() { value.into_owned() } else { String::new() });
        }
        let [state, code, error] = fields;
        match (state, code, error) {
            (None, None, None) => Callback::Nothing,
            (Some(state), ..) if !self.state.matches(state.as_bytes()) => Callback::Foreign,
            (Some(_), _, Some(error)) if error == "access_denied" => Callback::Denied,
            (Some(_), _, Some(error)) => Callback::Refused(printable(&error)),
            (Some(_), Some(code), None) if !code.is_empty() && code.len() <= LONGEST_CODE => {
                Callback::Code(Secret::new(&code))
            }
            _ => Callback::Foreign,
        }
    }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn consent() -> Consent {
        Consent::new(&std::array::from_fn(|at| at as u8))
    }

    fn state() -> String {
        consent().state.expose().to_owned()
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_person_is_asked_for_lasting_access_and_nothing_secret_is_in_the_address() {
        let consent = consent();
        let page = "https://accounts.google.com/o/oauth2/v2/auth".parse().unwrap();
        let scopes = ["openid".to_owned(), "https://www.googleapis.com/auth/calendar.events".to_owned()];
        let address = consent.address(&page, "id.apps", "http://127.0.0.1:8765/", &scopes, Some("desk@clinic.example"));
        assert!(address.as_str().starts_with("https://accounts.google.com/o/oauth2/v2/auth?client_id=id.apps&"));
        let fields: HashMap<_, _> = address.query_pairs().into_owned().collect();
        assert_eq!(fields["redirect_uri"], "http://127.0.0.1:8765/");
        assert_eq!(fields["scope"], "openid https://www.googleapis.com/auth/calendar.events");
        assert_eq!((fields["access_type"].as_str(), fields["prompt"].as_str()), ("offline", "consent"));
        assert_eq!((fields["response_type"].as_str(), fields["code_challenge_method"].as_str()), ("code", "S256"));
        assert_eq!(fields["code_challenge"], challenge(consent.verifier()));
        assert_eq!(fields["login_hint"], "desk@clinic.example");
        assert_eq!((fields["state"].len(), consent.verifier().len()), (43, 43));
        assert!(!address.as_str().contains(consent.verifier()));
    }

    #[test]
    fn what_comes_back_is_told_apart() {
        let (consent, state) = (consent(), state());
        let code = Callback::Code(Secret::new("4/0Ab"));
        assert_eq!(consent.read(&format!("/?state={state}&code=4%2F0Ab&scope=openid")), code);
        assert_eq!(consent.read(&format!(" http://127.0.0.1:8765/?code=4%2F0Ab&state={state}#x\n")), code, "pasted");
        assert_eq!(consent.read(&format!("/?error=access_denied&state={state}")), Callback::Denied);
        assert_eq!(
            consent.read(&format!("/?error=admin_policy_enforced&state={state}")),
            Callback::Refused("admin_policy_enforced".to_owned())
        );
        for nothing in ["", "/", "/favicon.ico", "/?", "hello", "/?utm=1"] {
            assert_eq!(consent.read(nothing), Callback::Nothing, "{nothing}");
        }
        let longest = "x".repeat(LONGEST_CODE + 1);
        for foreign in [
            "/?state=another&code=4".to_owned(),
            "/?code=4".to_owned(),
            "/?error=access_denied".to_owned(),
            format!("/?state={state}"),
            format!("/?state={state}&code="),
            format!("/?state={state}&code=a&code=b"),
            format!("/?state={state}&state={state}&code=a"),
            format!("/?state={state}&code={longest}"),
        ] {
            assert_eq!(consent.read(&foreign), Callback::Foreign, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_browser_sends_panics_or_passes_for_consent(text in ".{0,200}") {
            prop_assert!(!matches!(consent().read(&text), Callback::Code(_)));
            let dressed = format!("/?code={text}&error={text}&state={text}");
            prop_assert!(!matches!(consent().read(&dressed), Callback::Code(_)));
        }
    }
}

//! The vectors were computed with Twilio's own Python and Node validators.

use super::*;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    id: String,
    token: String,
    alg: Option<String>,
    url: String,
    params: Vec<(String, String)>,
    body: Option<String>,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../tests/data/twilio-signature-vectors.json")).unwrap()
}

fn vector(id: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.id == id).unwrap()
}

fn checker(tokens: &[&str]) -> SignatureChecker {
    SignatureChecker::new(tokens.iter().map(|token| AuthToken::new(token)).collect())
}

type Pairs = Vec<(Cow<'static, str>, Cow<'static, str>)>;

fn pairs(params: &[(String, String)]) -> Pairs {
    params.iter().map(|(name, value)| (Cow::Owned(name.clone()), Cow::Owned(value.clone()))).collect()
}

fn check(vector: &Vector, url: &str) -> Result<(), SignatureError> {
    let settings = vector.alg.as_ref().map(|name| format!("key=WK1,algorithm={name}"));
    checker(&[&vector.token]).check_form(url, &pairs(&vector.params), Some(&vector.signature), settings.as_deref())
}

const STATUS: &str = "https://desk.example.com/twilio/status";
const STATUS_443: &str = "https://desk.example.com:443/twilio/status";
const STATUS_8443: &str = "https://desk.example.com:8443/twilio/status";
const MEDIA: &str = "wss://desk.example.com/twilio/media";

#[test]
fn every_vector_of_twilios_validators_is_accepted() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 17);
    for vector in vectors {
        assert_eq!(check(&vector, &vector.url), Ok(()), "{}", vector.id);
        if let Some(body) = &vector.body {
            let checker = checker(&[&vector.token]);
            let result = checker.check_json_body(&vector.url, body.as_bytes(), Some(&vector.signature), None);
            assert_eq!(result, Ok(()), "{}", vector.id);
        }
    }
}

#[test]
fn the_port_may_be_written_or_left_out_as_in_twilios_validators() {
    for (seen, accepted, refused) in
        [(STATUS, ["V4b", "V4c"], "V4a"), (STATUS_443, ["V4b", "V4c"], "V4a"), (STATUS_8443, ["V4a", "V4b"], "V4c")]
    {
        for id in accepted {
            assert_eq!(check(&vector(id), seen), Ok(()), "{id} seen as {seen}");
        }
        assert_eq!(check(&vector(refused), seen), Err(SignatureError::Mismatch), "{refused} seen as {seen}");
    }
}

#[test]
fn nothing_in_the_url_is_normalised_except_the_overrides() {
    let v1 = vector("V1");
    assert_eq!(check(&v1, "https://desk.example.com/twilio/voice#ct=2000&rc=1"), Ok(()));
    for url in [
        "https://DESK.example.com/twilio/voice",
        "https://desk.example.com/twilio/voice/",
        "https://desk.example.com/twilio/voice?",
        "https://desk.example.com/twilio%2Fvoice",
        "http://desk.example.com/twilio/voice",
        "https://user@desk.example.com/twilio/voice",
    ] {
        assert_eq!(check(&v1, url), Err(SignatureError::Mismatch), "{url}");
    }
}

#[test]
fn addresses_that_are_no_urls_are_a_fault_of_the_configuration() {
    for url in ["", "desk.example.com", "/twilio/voice", "ftp://desk.example.com/", "https://", "https://:443/"] {
        assert_eq!(check(&vector("V1"), url), Err(SignatureError::Url), "{url:?}");
    }
}

#[test]
fn an_ipv6_host_keeps_its_colons() {
    let url = Url::split("https://[2001:db8::1]/twilio/voice").unwrap();
    assert_eq!((url.host, url.port), ("[2001:db8::1]", None));
    let url = Url::split("https://[2001:db8::1]:8443/twilio/voice").unwrap();
    assert_eq!((url.host, url.port), ("[2001:db8::1]", Some("8443")));
}

#[test]
fn both_tokens_are_accepted_while_they_are_being_rotated() {
    let (old, new) = (vector("V1"), vector("V11"));
    let both = checker(&[&old.token, &new.token]);
    for vector in [&old, &new] {
        let params = pairs(&vector.params);
        assert_eq!(both.check_form(&vector.url, &params, Some(&vector.signature), None), Ok(()));
    }
    let only_new = checker(&[&new.token]);
    let stale = only_new.check_form(&old.url, &pairs(&old.params), Some(&old.signature), None);
    assert_eq!(stale, Err(SignatureError::Mismatch));
    let none = checker(&[]).check_form(&old.url, &pairs(&old.params), Some(&old.signature), None);
    assert_eq!(none, Err(SignatureError::Mismatch));
}

#[test]
fn a_missing_or_malformed_header_is_told_apart_from_a_wrong_one() {
    let v1 = vector("V1");
    let checker = checker(&[&v1.token]);
    let result = |header| checker.check_form(&v1.url, &pairs(&v1.params), header, None);
    assert_eq!(result(None), Err(SignatureError::Missing));
    for header in
        ["", "x", "5VI9QbcMbuDY0Ee05NWk/9Uz97E", " 5VI9QbcMbuDY0Ee05NWk/9Uz97E", "5VI9QbcMbuDY0Ee05NWk/9Uz97EAA"]
    {
        assert_eq!(result(Some(header)), Err(SignatureError::Malformed), "{header:?}");
    }
    let (sha256, other) = (vector("V10").signature, vector("V2").signature);
    assert_eq!(result(Some(&sha256)), Err(SignatureError::Malformed));
    assert_eq!(result(Some(&other)), Err(SignatureError::Mismatch));
}

#[test]
fn the_settings_header_chooses_the_algorithm() {
    for (header, expected) in [
        (None, Ok(Algorithm::Sha1)),
        (Some("key=WK1"), Ok(Algorithm::Sha1)),
        (Some("key=WK1,algorithm=HMAC_SHA1"), Ok(Algorithm::Sha1)),
        (Some("key=WK1, algorithm=HMAC_SHA256"), Ok(Algorithm::Sha256)),
        (Some("algorithm=HMAC_SHA256,key=WK1"), Ok(Algorithm::Sha256)),
        (Some("key=WK1,algorithm=HMAC_MD5"), Err(SignatureError::UnknownAlgorithm)),
        (Some("key=WK1,algorithm="), Err(SignatureError::UnknownAlgorithm)),
        (Some("algorithm=HMAC_SHA256,algorithm=HMAC_SHA1"), Err(SignatureError::UnknownAlgorithm)),
    ] {
        assert_eq!(Algorithm::from_settings(header), expected, "{header:?}");
    }
}

#[test]
fn a_json_body_is_bound_to_the_signed_url() {
    let v5 = vector("V5");
    let checker = checker(&[&v5.token]);
    let body = v5.body.unwrap();
    let result = |url: &str, body: &str| checker.check_json_body(url, body.as_bytes(), Some(&v5.signature), None);
    assert_eq!(result(&v5.url, &body), Ok(()));
    assert_eq!(result(&v5.url, &body.replace(',', ", ")), Err(SignatureError::BodyHash));
    assert_eq!(result(&v5.url.replace("9239", "9238"), &body), Err(SignatureError::Mismatch));

    let v1 = vector("V3");
    let result = checker.check_json_body(&v1.url, body.as_bytes(), Some(&v1.signature), None);
    assert_eq!(result, Err(SignatureError::BodyHashMissing));
}

#[test]
fn a_handshake_is_accepted_in_each_of_its_spellings_and_named() {
    for (id, form) in [("V6", HandshakeForm::Socket), ("V6s", HandshakeForm::SocketSlash), ("V6h", HandshakeForm::Web)]
    {
        let vector = vector(id);
        let checker = checker(&[&vector.token]);
        for url in [MEDIA, "wss://desk.example.com/twilio/media/", "https://desk.example.com/twilio/media"] {
            assert_eq!(checker.check_handshake(url, Some(&vector.signature)), Ok(form), "{id} at {url}");
        }
        let other = checker.check_handshake("wss://desk.example.com/twilio/media2", Some(&vector.signature));
        assert_eq!(other, Err(SignatureError::Mismatch));
    }
    let checker = checker(&["x"]);
    assert_eq!(checker.check_handshake(MEDIA, None), Err(SignatureError::Missing));
    assert_eq!(checker.check_handshake("desk", Some(&vector("V6").signature)), Err(SignatureError::Url));
}

#[test]
fn a_rehearsal_without_tls_signs_the_ws_address() {
    let token = AuthToken::new("rehearsal");
    let url = "ws://127.0.0.1:8091/twilio/media/abc";
    let signature = BASE64.encode(hmac::sign(&token.sha1, url.as_bytes()));
    let checker = SignatureChecker::new(vec![token]);
    assert_eq!(checker.check_handshake(url, Some(&signature)), Ok(HandshakeForm::Socket));
}

#[test]
fn hostile_sizes_are_refused_before_anything_is_computed() {
    let v1 = vector("V1");
    let checker = checker(&[&v1.token]);
    let many: Pairs = (0..=MAX_PARAMS).map(|n| (Cow::Owned(n.to_string()), Cow::Borrowed(""))).collect();
    let large: Pairs = vec![("a".into(), "x".repeat(MAX_SIGNED_BYTES).into())];
    for params in [many, large] {
        let result = checker.check_form(&v1.url, &params, Some(&v1.signature), None);
        assert_eq!(result, Err(SignatureError::TooLarge));
    }
    let long = format!("wss://desk.example.com/{}", "x".repeat(MAX_SIGNED_BYTES));
    assert_eq!(checker.check_handshake(&long, Some(&v1.signature)), Err(SignatureError::TooLarge));
}

#[test]
fn a_token_prints_nothing_of_itself() {
    let printed = format!("{:?}", checker(&["0123456789abcdef"]));
    assert_eq!(printed, "SignatureChecker { tokens: [AuthToken(..)] }");
}

fn sign(token: &AuthToken, url: &str, params: &Pairs) -> String {
    let signed = [url, &signed_params(url, params).unwrap()].concat();
    BASE64.encode(hmac::sign(&token.sha1, signed.as_bytes()))
}

fn any_params() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[A-Za-z]{1,12}", ".{0,20}"), 0..12)
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_in_any_order(params in any_params(), path in "/[a-z/]{0,20}") {
        let token = AuthToken::new("made-up");
        let url = format!("https://desk.example.com{path}");
        let mut params = pairs(&params);
        let signature = sign(&token, &url, &params);
        params.reverse();
        let checker = SignatureChecker::new(vec![token]);
        prop_assert_eq!(checker.check_form(&url, &params, Some(&signature), None), Ok(()));
    }

    #[test]
    fn any_altered_character_is_noticed(
        params in any_params(), pick in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
    ) {
        let token = AuthToken::new("made-up");
        let url = "https://desk.example.com/twilio/voice";
        let signature = sign(&token, url, &pairs(&params));
        let checker = SignatureChecker::new(vec![token]);

        // One character of the URL, a name or a value becomes another.
        let mut texts: Vec<String> = vec![url["https://".len()..].to_owned()];
        texts.extend(params.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        let text = pick.get_mut(&mut texts);
        prop_assume!(!text.is_empty());
        let mut chars: Vec<char> = text.chars().collect();
        let changed = place.get_mut(&mut chars);
        *changed = if *changed == 'x' { 'y' } else { 'x' };
        *text = chars.into_iter().collect();

        let altered_url = format!("https://{}", texts[0]);
        let altered: Vec<(String, String)> =
            texts[1..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let result = checker.check_form(&altered_url, &pairs(&altered), Some(&signature), None);
        prop_assert!(result.is_err());
    }

    #[test]
    fn an_altered_signature_is_refused(place in any::<prop::sample::Index>()) {
        let token = AuthToken::new("made-up");
        let url = "https://desk.example.com/twilio/voice";
        let mut digest = BASE64.decode(sign(&token, url, &vec![])).unwrap();
        *place.get_mut(&mut digest) ^= 0x10;
        let checker = SignatureChecker::new(vec![token]);
        let result = checker.check_form(url, &[], Some(&BASE64.encode(digest)), None);
        prop_assert_eq!(result, Err(SignatureError::Mismatch));
    }

    #[test]
    fn no_input_panics(url in ".{0,60}", header in ".{0,40}", settings in ".{0,40}") {
        let checker = checker(&["made-up"]);
        prop_assert!(checker.check_form(&url, &[], Some(&header), Some(&settings)).is_err());
        prop_assert!(checker.check_handshake(&url, Some(&header)).is_err());
        let json = checker.check_json_body(&url, &[], Some(&header), Some(&settings));
        prop_assert!(json.is_err());
    }
}

//! What Twilio sends: messages of the media stream, webhooks, their signatures, and the names in them.

use crate::is_short;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::audio::pace::MarkName;
use frontdesk_core::twilio::message::{Envelope, Inbound, Writer, decode_payload};
use frontdesk_core::twilio::number::{CallerId, PhoneNumber};
use frontdesk_core::twilio::sid::{AccountSid, CallSid, RecordingSid, StreamSid};
use frontdesk_core::twilio::signature::{AuthToken, SignatureChecker, SignatureError};
use frontdesk_core::twilio::webhook::{
    DialRequest, Form, RecordingRequest, StatusRequest, StreamRequest, VoiceRequest, WebhookError,
};
use ring::hmac;
use std::borrow::Cow;

/// One text message of a media stream.
pub fn twilio_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let envelope = match Envelope::parse(text) {
        Ok(envelope) => envelope,
        Err(error) => return is_short(&error),
    };
    match envelope.message {
        Inbound::Media { payload } => payload_survives(&payload),
        Inbound::Mark { name } => mark_survives(&name),
        Inbound::Start(start) if start.format.is_telephony() => assert_eq!(start.format.sample_rate, 8_000),
        Inbound::Start(_) | Inbound::Connected | Inbound::Dtmf { .. } | Inbound::Stop | Inbound::Other => {}
    }
}

/// Audio that can be decoded is written by us as Twilio wrote it, or at least sounds the same.
fn payload_survives(payload: &str) {
    let mut mulaw = Vec::new();
    if decode_payload(payload, &mut mulaw).is_err() {
        return;
    }
    let sent = Writer::new("MZ1").media(&mulaw);
    let sent = std::str::from_utf8(&sent).expect("base64 and our own words are UTF-8");
    let Ok(Inbound::Media { payload }) = Envelope::parse(sent).map(|envelope| envelope.message) else {
        panic!("our own media message reads as another: {sent}");
    };
    let mut back = Vec::new();
    decode_payload(&payload, &mut back).expect("our own payload is base64");
    assert_eq!(back, mulaw);
}

fn mark_survives(name: &str) {
    if let Ok(mark) = name.parse::<MarkName>() {
        assert_eq!(mark.to_string().parse(), Ok(mark));
    }
}

/// The body of a webhook, read as every kind of request.
pub fn webhook(data: &[u8]) {
    let form = match Form::parse(data) {
        Ok(form) => form,
        Err(error) => return is_short(&error),
    };
    for (name, _) in form.pairs() {
        assert!(form.get(name).is_some(), "{name} is there and cannot be found");
    }
    let shown = |error: WebhookError| is_short(&error);
    if let Err(error) = VoiceRequest::parse(&form).map(|voice| {
        assert_eq!(form.get("CallSid"), Some(voice.call_sid.as_str()));
        if let Some(number) = voice.from.number() {
            assert_eq!(form.get("From"), Some(number.as_e164()));
        }
    }) {
        shown(error);
    }
    StatusRequest::parse(&form).map_or_else(shown, |status| {
        assert!(form.get("CallStatus").is_some_and(|word| word.starts_with(status.status.as_str())));
    });
    DialRequest::parse(&form).map_or_else(shown, |dial| {
        assert!(!dial.bridged || form.get("DialCallStatus").is_some());
    });
    RecordingRequest::parse(&form).map_or_else(shown, |recording| {
        assert!(recording.url.is_none_or(|url| !url.is_empty()));
    });
    StreamRequest::parse(&form).map_or_else(shown, |stream| {
        assert_eq!(form.get("StreamSid"), Some(stream.stream_sid.as_str()));
    });
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Lines: the address, `X-Twilio-Signature`, `X-Twilio-Webhooks-Signature-Settings`, and the body.
pub fn signature(data: &[u8]) {
    let mut lines = data.splitn(4, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (url, header, settings) = (line(), line(), line());
    let body = line();
    let [Ok(url), Ok(header), Ok(settings)] = [url, header, settings].map(std::str::from_utf8) else { return };
    let Ok(form) = Form::parse(body) else { return };
    let checker = SignatureChecker::new(vec![AuthToken::new("the-other-one"), AuthToken::new(TOKEN)]);
    let stranger = SignatureChecker::new(vec![AuthToken::new("a stranger's")]);
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    if checker.check_form(url, form.pairs(), some(header), some(settings)).is_ok() {
        let again = stranger.check_form(url, form.pairs(), some(header), some(settings));
        assert_eq!(again, Err(SignatureError::Mismatch), "one signature of two tokens");
    }
    let _ = checker.check_json_body(url, body, some(header), some(settings));
    let _ = checker.check_handshake(url, some(header));
    signed_by_us(&checker, &stranger, url, form.pairs());
}

/// What is signed as Twilio signs is accepted, unless it is no address at all or larger than any request.
fn signed_by_us(
    checker: &SignatureChecker,
    stranger: &SignatureChecker,
    url: &str,
    params: &[(Cow<'_, str>, Cow<'_, str>)],
) {
    let signed = url.split('#').next().unwrap_or_default();
    let mut pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (&**name, &**value)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let text: String =
        std::iter::once(signed).chain(pairs.into_iter().flat_map(|(name, value)| [name, value])).collect();
    let algorithms =
        [(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, None), (hmac::HMAC_SHA256, Some("key=1,algorithm=HMAC_SHA256"))];
    for (algorithm, settings) in algorithms {
        let header = sign(algorithm, &text);
        match checker.check_form(url, params, Some(&header), settings) {
            Ok(()) => {
                let theirs = stranger.check_form(url, params, Some(&header), settings);
                assert_eq!(theirs, Err(SignatureError::Mismatch));
            }
            Err(SignatureError::Url | SignatureError::TooLarge) => {}
            Err(error) => panic!("a request that Twilio signed is refused: {error}"),
        }
    }
    let header = sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, signed);
    match checker.check_handshake(url, Some(&header)) {
        Ok(_) => assert_eq!(stranger.check_handshake(url, Some(&header)), Err(SignatureError::Mismatch)),
        Err(SignatureError::Url | SignatureError::TooLarge) => {}
        // Two slashes at its end are an address that we never give.
        Err(SignatureError::Mismatch) if signed.ends_with("//") => {}
        Err(error) => panic!("a handshake that Twilio signed is refused: {error}"),
    }
}

fn sign(algorithm: hmac::Algorithm, text: &str) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, TOKEN.as_bytes()), text.as_bytes()))
}

/// Names: phone numbers, callers, resource identifiers, marks.
pub fn identifiers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PhoneNumber::parse(text) {
        Ok(number) => {
            assert_eq!(number.as_e164(), text);
            let shown = number.to_string();
            assert!(shown.matches('•').count() >= 3, "{shown} hides too little");
            assert_eq!(shown.chars().count(), text.len());
        }
        Err(error) => is_short(&error),
    }
    if let Some(number) = CallerId::parse(text).number() {
        assert_eq!(number.as_e164(), text);
    }
    mark_survives(text);
    macro_rules! sid {
        ($($kind:ident),+) => {
            $(match $kind::parse(text) {
                Ok(sid) => {
                    assert_eq!(sid.as_str(), text);
                    let json = serde_json::to_string(&sid).expect("a SID is plain text");
                    assert_eq!(serde_json::from_str::<$kind>(&json).expect("our own JSON"), sid);
                }
                Err(error) => is_short(&error),
            })+
        };
    }
    sid!(AccountSid, CallSid, RecordingSid, StreamSid);
}

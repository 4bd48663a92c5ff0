//! The Live API's JSON, both directions, and nothing else.
//!
//! One object per WebSocket message. The service sends it in binary frames, camelCase, often pretty-printed; it breaks
//! its own one-of union, so every field is optional and all that are present count. `snake_case` is accepted too.
//! Source: Google's public Live API reference and SDKs (python-genai 3.4, js-genai 3.1), November 2026.

use super::lenient::{Count, Flag, Json, List, Object, Text};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One message from the service.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerMessage<'a> {
    /// The setup was accepted.
    #[serde(alias = "setup_complete")]
    pub setup_complete: Object<Empty>,
    /// Audio, transcripts and flags.
    #[serde(borrow, alias = "server_content")]
    pub server_content: Object<ServerContent<'a>>,
    /// Functions to run.
    #[serde(borrow, alias = "tool_call")]
    pub tool_call: Object<ToolCalls<'a>>,
    /// Functions whose answers are no longer wanted.
    #[serde(borrow, alias = "tool_call_cancellation")]
    pub tool_call_cancellation: Object<Cancelled<'a>>,
    /// A handle to resume the session with.
    #[serde(borrow, alias = "session_resumption_update")]
    pub session_resumption_update: Object<Resumption<'a>>,
    /// The connection will be closed.
    #[serde(borrow, alias = "go_away")]
    pub go_away: Object<GoAway<'a>>,
    /// Tokens spent.
    #[serde(alias = "usage_metadata")]
    pub usage_metadata: Object<UsageMetadata>,
    /// May stand here as well as in the content.
    #[serde(borrow, alias = "interaction_status")]
    pub interaction_status: Text<'a>,
    /// Not of the protocol, but sent by some intermediaries.
    #[serde(borrow)]
    pub error: Object<ServerError<'a>>,
}

/// An object whose content does not matter.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct Empty {}

/// Audio, transcripts and flags of a turn.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerContent<'a> {
    /// Audio, and text that must never be spoken.
    #[serde(borrow, alias = "model_turn")]
    pub model_turn: Object<ModelTurn<'a>>,
    /// All output of this turn has been sent.
    #[serde(alias = "generation_complete")]
    pub generation_complete: Flag,
    /// The turn is over as if played in real time.
    #[serde(alias = "turn_complete")]
    pub turn_complete: Flag,
    /// The user interrupted: drop what is queued.
    pub interrupted: Flag,
    /// The model stays silent because it expects the user to go on.
    #[serde(alias = "waiting_for_input")]
    pub waiting_for_input: Flag,
    /// What the user said; append.
    #[serde(borrow, alias = "input_transcription")]
    pub input_transcription: Object<Transcription<'a>>,
    /// What the model says; append.
    #[serde(borrow, alias = "output_transcription")]
    pub output_transcription: Object<Transcription<'a>>,
    /// Only when the turn ended abnormally.
    #[serde(borrow, alias = "turn_complete_reason")]
    pub turn_complete_reason: Text<'a>,
    /// `IDLE`, `IN_PROGRESS`.
    #[serde(borrow, alias = "interaction_status")]
    pub interaction_status: Text<'a>,
}

/// Parts of the model's output.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ModelTurn<'a> {
    /// In order.
    #[serde(borrow)]
    pub parts: List<Object<Part<'a>>>,
}

/// One part; everything but audio is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Part<'a> {
    /// Audio.
    #[serde(borrow, alias = "inline_data")]
    pub inline_data: Object<Blob<'a>>,
}

/// Bytes with a type.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Blob<'a> {
    /// `audio/pcm;rate=24000`
    #[serde(borrow, alias = "mime_type")]
    pub mime_type: Text<'a>,
    /// Base64.
    #[serde(borrow)]
    pub data: Text<'a>,
}

impl Blob<'_> {
    /// The PCM rate, if this is PCM; a rate that is not named is 24 kHz.
    pub fn pcm_rate(&self) -> Option<u32> {
        let mime = self.mime_type.0.as_deref().unwrap_or("audio/pcm");
        let mut parts = mime.split(';').map(str::trim);
        let kind = parts.next()?;
        if !kind.eq_ignore_ascii_case("audio/pcm") && !kind.eq_ignore_ascii_case("audio/l16") {
            return None;
        }
        let rate = parts.find_map(|part| part.strip_prefix("rate="));
        Some(rate.and_then(|rate| rate.parse().ok()).unwrap_or(24_000))
    }
}

/// A fragment of a transcript.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Transcription<'a> {
    /// Carries its own spaces.
    #[serde(borrow)]
    pub text: Text<'a>,
}

/// Functions to run.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ToolCalls<'a> {
    /// In order.
    #[serde(borrow, alias = "function_calls")]
    pub function_calls: List<Object<FunctionCall<'a>>>,
}

/// One function to run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FunctionCall<'a> {
    /// May be missing on Vertex.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// The function.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// May be missing: no arguments.
    pub args: Json,
}

/// Calls whose answers are no longer wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cancelled<'a> {
    /// Their ids.
    #[serde(borrow)]
    pub ids: List<Text<'a>>,
}

/// A handle to resume the session with.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resumption<'a> {
    /// Empty when not resumable.
    #[serde(borrow, alias = "new_handle")]
    pub new_handle: Text<'a>,
    /// False while generating or running tools: the previous handle stays the one to use.
    pub resumable: Flag,
}

/// The connection will be closed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GoAway<'a> {
    /// Duration string such as `50s` or `1.5s`.
    #[serde(borrow, alias = "time_left")]
    pub time_left: Text<'a>,
}

impl GoAway<'_> {
    /// What is left, if it can be read.
    pub fn remaining(&self) -> Option<Duration> {
        let seconds: f64 = self.time_left.0.as_deref()?.trim().strip_suffix('s')?.parse().ok()?;
        (0.0..86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
    }
}

/// Tokens spent.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UsageMetadata {
    /// The whole context, billed again each turn.
    #[serde(alias = "prompt_token_count")]
    pub prompt_token_count: Count,
    /// Named differently on Vertex.
    #[serde(alias = "response_token_count", alias = "candidatesTokenCount", alias = "candidates_token_count")]
    pub response_token_count: Count,
    /// Both and what tools and thoughts cost.
    #[serde(alias = "total_token_count")]
    pub total_token_count: Count,
}

/// An error object of an intermediary.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerError<'a> {
    /// HTTP-like.
    pub code: Count,
    /// For people.
    #[serde(borrow)]
    pub message: Text<'a>,
}

impl<'a> ServerMessage<'a> {
    /// Parses one message; only what is not JSON is an error. Other JSON than an object says nothing.
    pub fn parse(frame: &'a [u8]) -> Result<Self, serde_json::Error> {
        let message: Object<Self> = serde_json::from_slice(frame)?;
        Ok(message.0.unwrap_or_default())
    }

    /// The interaction status from either place.
    pub fn interaction_status(&self) -> Option<&str> {
        let inner = self.server_content.0.as_ref().and_then(|content| content.interaction_status.0.as_deref());
        inner.or(self.interaction_status.0.as_deref())
    }
}

/// Base64 decoded at once, in characters; four of them make three bytes.
const PIECE: usize = 4 * 512;

/// Decodes a blob's base64, either alphabet, and appends its little-endian samples to `pcm`. A half sample at the end
/// is kept in `carry` for the next piece. Returns whether the text was base64.
pub fn decode_pcm(data: &str, scratch: &mut Vec<u8>, carry: &mut Option<u8>, pcm: &mut Vec<i16>) -> bool {
    let start = pcm.len();
    let engine = if data.bytes().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    // In pieces: every call keeps its scratch, and a message may be long.
    let mut pieces = data.as_bytes().chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        scratch.clear();
        scratch.extend(carry.take());
        let before = scratch.len();
        let decoded = engine.decode_vec(piece, scratch).is_ok();
        // Only the last piece may be padded.
        let whole = pieces.peek().is_none() || scratch.len() - before == PIECE / 4 * 3;
        if !decoded || !whole {
            // A half sample in front of it goes along: what follows would be noise.
            *carry = None;
            pcm.truncate(start);
            return false;
        }
        let (pairs, rest) = scratch.as_chunks::<2>();
        pcm.extend(pairs.iter().map(|&pair| i16::from_le_bytes(pair)));
        *carry = rest.first().copied();
    }
    true
}

/// Writes client messages. The buffer is taken back once its messages have left: no allocation per audio message.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: BytesMut,
    bytes: Vec<u8>,
}

impl Writer {
    /// `realtimeInput.audio` with PCM16 at 16 kHz.
    pub fn audio(&mut self, pcm: &[i16]) -> Bytes {
        const HEAD: &[u8] = br#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":""#;
        self.bytes.clear();
        self.bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        let encoded = self.bytes.len().div_ceil(3) * 4;
        self.buffer.reserve(HEAD.len() + encoded + 4);
        self.buffer.put_slice(HEAD);
        let at = self.buffer.len();
        self.buffer.resize(at + encoded, 0);
        let written = STANDARD
            .encode_slice(&self.bytes, &mut self.buffer[at..])
            .expect("the room was computed from the same length");
        self.buffer.truncate(at + written);
        self.buffer.put_slice(br#""}}}"#);
        self.buffer.split().freeze()
    }
}

/// `realtimeInput.text`: typed text that starts an answer.
pub fn text(text: &str) -> Bytes {
    json(&serde_json::json!({ "realtimeInput": { "text": text } }))
}

/// `clientContent` without turns: makes the model speak first.
pub fn greet() -> Bytes {
    Bytes::from_static(br#"{"clientContent":{"turnComplete":true}}"#)
}

/// `clientContent` with one user turn.
pub fn context(text: &str, turn_complete: bool) -> Bytes {
    json(&serde_json::json!({ "clientContent": {
        "turns": [{ "role": "user", "parts": [{ "text": text }] }],
        "turnComplete": turn_complete,
    } }))
}

/// When the answer of a non-blocking function is to be spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scheduling {
    /// When the current output is finished.
    WhenIdle,
    /// At once.
    Interrupt,
    /// Never: just know it.
    Silent,
}

/// One function's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionResponse<'a> {
    /// Copied from the call; left out where the call had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// Copied from the call.
    pub name: Cow<'a, str>,
    /// An object with `output` or `error`.
    pub response: Cow<'a, serde_json::Value>,
    /// Only for models that accept it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
}

/// `toolResponse` with `answers`.
pub fn tool_response(answers: &[FunctionResponse<'_>]) -> Bytes {
    json(&serde_json::json!({ "toolResponse": { "functionResponses": answers } }))
}

/// Any message built as a JSON value.
pub(crate) fn json(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> ServerMessage<'_> {
        ServerMessage::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn audio_and_transcript_of_one_frame() {
        let message = parse(
            r#"{"serverContent": {"modelTurn": {"role": "model", "parts": [
                {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAAAAEA//8CAA=="}}]},
                "outputTranscription": {"text": "Good morning, "}}}"#,
        );
        let content = message.server_content.0.unwrap();
        let parts = content.model_turn.0.unwrap().parts;
        let blob = parts.0[0].0.as_ref().unwrap().inline_data.0.as_ref().unwrap();
        assert_eq!(blob.pcm_rate(), Some(24_000));
        let (mut pcm, mut carry) = (Vec::new(), None);
        assert!(decode_pcm(blob.data.0.as_deref().unwrap(), &mut Vec::new(), &mut carry, &mut pcm));
        assert_eq!((pcm, carry), (vec![0, 0, 1, -1, 2], None));
        assert!(matches!(blob.data.0, Some(Cow::Borrowed(_))), "audio must not be copied");
        assert_eq!(content.output_transcription.0.unwrap().text.0.as_deref(), Some("Good morning, "));
    }

    #[test]
    fn a_broken_union_and_snake_case() {
        let message = parse(
            r#"{"server_content":{"interrupted":true,"turn_complete":true},"usage_metadata":{"prompt_token_count":"640",
            "candidatesTokenCount":118},"tool_call":{"function_calls":[{"name":"f"}]},"go_away":{"time_left":"1.5s"},
            "session_resumption_update":{"new_handle":"h","resumable":true},"interactionStatus":"IDLE"}"#,
        );
        assert_eq!(message.interaction_status(), Some("IDLE"));
        let content = message.server_content.0.unwrap();
        assert!(content.interrupted.0 && content.turn_complete.0 && !content.generation_complete.0);
        let usage = message.usage_metadata.0.unwrap();
        assert_eq!((usage.prompt_token_count.0, usage.response_token_count.0), (640, 118));
        let call = message.tool_call.0.unwrap().function_calls.0.remove(0).0.unwrap();
        assert_eq!((call.name.0.as_deref(), call.id.0, call.args.0.is_null()), (Some("f"), None, true));
        assert_eq!(message.go_away.0.unwrap().remaining(), Some(Duration::from_millis(1_500)));
        assert!(message.session_resumption_update.0.unwrap().resumable.0);
    }

    #[test]
    fn one_odd_field_costs_only_itself() {
        let message = parse(
            r#"{"serverContent":{"interrupted":"yes","turnComplete":[1,{"a":2}],"generationComplete":true,
            "modelTurn":{"parts":[5,{"text":"x","thought":true},null,{"inlineData":{"data":"AAA="}}]},
            "inputTranscription":"odd"},"toolCall":null,"goAway":7,"usageMetadata":[],"news":{"x":{}}}"#,
        );
        let content = message.server_content.0.unwrap();
        assert!(content.generation_complete.0 && !content.interrupted.0 && !content.turn_complete.0);
        assert_eq!(content.model_turn.0.unwrap().parts.0.len(), 4);
        assert!(message.tool_call.0.is_none() && message.go_away.0.is_none());
    }

    #[test]
    fn empty_frames_are_normal_and_rubbish_is_an_error() {
        assert!(parse("{}").server_content.0.is_none());
        assert!(parse(r#"{"setupComplete":{}}"#).setup_complete.0.is_some());
        assert!(parse(r#"{"setupComplete":{"sessionId":"x"}}"#).setup_complete.0.is_some());
        for silent in ["[1]", "5", "null", "\"x\""] {
            assert!(parse(silent).server_content.0.is_none());
        }
        for rubbish in ["", "nonsense", "{", "\u{0}"] {
            assert!(ServerMessage::parse(rubbish.as_bytes()).is_err(), "{rubbish:?}");
        }
    }

    #[test]
    fn half_a_sample_waits_for_its_other_half() {
        let (mut pcm, mut carry, mut scratch) = (Vec::new(), None, Vec::new());
        assert!(decode_pcm("AQAC", &mut scratch, &mut carry, &mut pcm));
        assert_eq!((pcm.as_slice(), carry), (&[1][..], Some(2)));
        assert!(decode_pcm("AQ==", &mut scratch, &mut carry, &mut pcm));
        assert_eq!((pcm.as_slice(), carry), (&[1, 258][..], None));
        assert!(decode_pcm("_-8=", &mut scratch, &mut carry, &mut pcm), "the URL alphabet");
        assert!(!decode_pcm("%", &mut scratch, &mut carry, &mut pcm));
    }

    #[test]
    fn rates_and_kinds_of_audio() {
        for (mime, rate) in [
            ("audio/pcm;rate=24000", Some(24_000)),
            ("audio/pcm", Some(24_000)),
            ("Audio/PCM; rate=16000", Some(16_000)),
            ("audio/l16; rate=24000; channels=1", Some(24_000)),
            ("text/plain", None),
        ] {
            let blob = Blob { mime_type: Text(Some(mime.into())), data: Text(None) };
            assert_eq!(blob.pcm_rate(), rate, "{mime}");
        }
    }

    #[test]
    fn what_we_send_is_exactly_the_protocol() {
        let mut writer = Writer::default();
        assert_eq!(
            &*writer.audio(&[0, 1, -2, 1]),
            br#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AAABAP7/AQA="}}}"#
        );
        assert_eq!(&*text("a \"b\""), br#"{"realtimeInput":{"text":"a \"b\""}}"#);
        let response = serde_json::json!({ "output": { "ok": true } });
        let answer = FunctionResponse {
            id: Some("c1".into()),
            name: "f".into(),
            response: Cow::Borrowed(&response),
            scheduling: Some(Scheduling::WhenIdle),
        };
        assert_eq!(
            &*tool_response(&[answer]),
            br#"{"toolResponse":{"functionResponses":[{"id":"c1","name":"f","response":{"output":{"ok":true}},"scheduling":"WHEN_IDLE"}]}}"#
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = ServerMessage::parse(&bytes);
        }

        #[test]
        fn pieces_of_any_size_give_the_same_samples(pcm in proptest::collection::vec(any::<i16>(), 1..400), cut in 1usize..50) {
            let bytes: Vec<u8> = pcm.iter().flat_map(|s| s.to_le_bytes()).collect();
            let (mut back, mut carry, mut scratch) = (Vec::new(), None, Vec::new());
            for piece in bytes.chunks(cut) {
                prop_assert!(decode_pcm(&STANDARD.encode(piece), &mut scratch, &mut carry, &mut back));
            }
            prop_assert_eq!(back, pcm);
        }
    }
}

//! Everything the service says, as the bytes of one message each.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

/// A tool call as it goes out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) args: Value,
}

/// Tokens of one turn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) text: u64,
    pub(crate) audio_in: u64,
    pub(crate) audio_out: u64,
}

/// The service mixes one-line and pretty-printed frames; so does this.
fn bytes(value: &Value, pretty: bool) -> Bytes {
    let text = if pretty { serde_json::to_vec_pretty(value) } else { serde_json::to_vec(value) };
    text.expect("a JSON value has no keys but text").into()
}

pub(crate) fn setup_complete(session_id: Option<&str>) -> Bytes {
    let body = session_id.map_or_else(|| json!({}), |id| json!({"sessionId": id}));
    bytes(&json!({"setupComplete": body}), true)
}

/// A piece of the model's speech; made once and sent to every session that hears it.
pub(crate) fn speech(pcm: &[i16], transcript: Option<&str>, pretty: bool) -> Bytes {
    let samples: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let part = json!({"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(samples)}});
    let mut content = json!({"modelTurn": {"role": "model", "parts": [part]}});
    if let Some(text) = transcript {
        content["outputTranscription"] = json!({"text": text});
    }
    bytes(&json!({"serverContent": content}), pretty)
}

pub(crate) fn input_transcription(text: &str) -> Bytes {
    bytes(&json!({"serverContent": {"inputTranscription": {"text": text}}}), true)
}

pub(crate) fn generation_complete() -> Bytes {
    Bytes::from_static(b"{\n  \"serverContent\": {\n    \"generationComplete\": true\n  }\n}\n")
}

pub(crate) fn interrupted() -> Bytes {
    Bytes::from_static(b"{\"serverContent\":{\"interrupted\":true}}")
}

pub(crate) fn turn_complete(usage: Option<Usage>, tell_status: bool, vertex: bool) -> Bytes {
    let mut message = json!({"serverContent": {"turnComplete": true}});
    if tell_status {
        message["serverContent"]["interactionStatus"] = json!("IDLE");
    }
    if let Some(usage) = usage {
        message["usageMetadata"] = usage_metadata(usage, vertex);
    }
    bytes(&message, true)
}

fn usage_metadata(usage: Usage, vertex: bool) -> Value {
    let Usage { text, audio_in, audio_out } = usage;
    let prompt = text + audio_in;
    let (count, details) = if vertex {
        ("candidatesTokenCount", "candidatesTokensDetails")
    } else {
        ("responseTokenCount", "responseTokensDetails")
    };
    json!({
        "promptTokenCount": prompt,
        count: audio_out,
        "totalTokenCount": prompt + audio_out,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": text},
            {"modality": "AUDIO", "tokenCount": audio_in},
        ],
        details: [{"modality": "AUDIO", "tokenCount": audio_out}],
    })
}

pub(crate) fn tool_call(calls: &[FunctionCall]) -> Bytes {
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let mut value = json!({"id": call.id, "name": call.name});
            // No arguments, no key: the service leaves it out.
            if call.args.as_object().is_some_and(|args| !args.is_empty()) {
                value["args"] = call.args.clone();
            }
            value
        })
        .collect();
    bytes(&json!({"toolCall": {"functionCalls": calls}}), true)
}

pub(crate) fn tool_call_cancellation(ids: &[String]) -> Bytes {
    bytes(&json!({"toolCallCancellation": {"ids": ids}}), false)
}

/// A new handle, or none while there is nothing to resume from.
pub(crate) fn resumption(handle: Option<&str>) -> Bytes {
    let body =
        handle.map_or_else(|| json!({"resumable": false}), |handle| json!({"newHandle": handle, "resumable": true}));
    bytes(&json!({"sessionResumptionUpdate": body}), true)
}

/// `time_left` as the service writes durations, `"50s"`; without one the field is missing.
pub(crate) fn go_away(time_left: Option<&str>) -> Bytes {
    let body = time_left.map_or_else(|| json!({}), |left| json!({"timeLeft": left}));
    bytes(&json!({"goAway": body}), true)
}

pub(crate) fn voice_activity(kind: &str, offset_ms: u64) -> Bytes {
    let offset = format!("{}.{:03}s", offset_ms / 1_000, offset_ms % 1_000);
    bytes(&json!({"serverContent": {}, "voiceActivity": {"type": kind, "audioOffset": offset}}), false)
}

/// What was seen on the wire and means nothing: a client has to live through all of it.
pub(crate) fn harmless_garbage() -> Vec<Bytes> {
    let frames = [
        r"{}",
        r#"{"serverContent":{}}"#,
        r#"{"serverContent":{"modelTurn":{}}}"#,
        r#"{"serverContent":{"modelTurn":{"role":"model","parts":[{"text":"**Considering**","thought":true}]}}}"#,
        r#"{"serverContent":{"modelTurn":{"role":"model","parts":[{"thoughtSignature":"AQ=="}]},"speechState":"NON_SPEECH"}}"#,
        r#"{"serverContent":{"someNewField":{"deep":[1,2,{"er":null}]}},"anotherNewField":"x"}"#,
        r#"{"usageMetadata":{"promptTokenCount":1,"serviceTier":"standard","trafficType":"A_NEW_KIND"}}"#,
        r#"{"voiceActivity":{"type":"ACTIVITY_WHATEVER"},"serverContent":{}}"#,
        r#"{"sessionResumptionUpdate":{}}"#,
        r#"{"toolCall":{}}"#,
        r#"{"toolCallCancellation":{"ids":["function-call-nobody-knows"]}}"#,
        r#"{"serverContent":{"interactionStatus":"SOMETHING_NEW"}}"#,
        r#"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":""}}]}}}"#,
        r#"["not","an","object"]"#,
        r"null",
        r#"{"serverContent":{"modelTurn":"#,
    ];
    let mut garbage: Vec<Bytes> = frames.iter().map(|frame| Bytes::from_static(frame.as_bytes())).collect();
    garbage.push(Bytes::from_static(&[0xff, 0x00, 0xc3, 0x28, 0xde, 0xad]));
    garbage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn speech_carries_little_endian_samples_and_their_text() {
        let frame = parsed(&speech(&[1, -2], Some("Hello"), true));
        let data = &frame["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"];
        assert_eq!(data, "AQD+/w==");
        assert_eq!(frame["serverContent"]["outputTranscription"]["text"], "Hello");
        assert!(parsed(&speech(&[1], None, false))["serverContent"].get("outputTranscription").is_none());
    }

    #[test]
    fn fixed_frames_are_json() {
        assert_eq!(parsed(&generation_complete())["serverContent"]["generationComplete"], true);
        assert_eq!(parsed(&interrupted())["serverContent"]["interrupted"], true);
    }

    #[test]
    fn a_call_without_arguments_has_no_args() {
        let call = FunctionCall { id: "1".into(), name: "end_call".into(), args: json!({}) };
        assert_eq!(
            parsed(&tool_call(&[call])),
            json!({"toolCall": {"functionCalls": [{"id": "1", "name": "end_call"}]}})
        );
    }

    #[test]
    fn usage_is_named_as_each_product_names_it() {
        let usage = Usage { text: 10, audio_in: 20, audio_out: 5 };
        let dev = parsed(&turn_complete(Some(usage), true, false));
        assert_eq!(dev["usageMetadata"]["responseTokenCount"], 5);
        assert_eq!(dev["usageMetadata"]["totalTokenCount"], 35);
        assert_eq!(dev["serverContent"]["interactionStatus"], "IDLE");
        assert_eq!(parsed(&turn_complete(Some(usage), false, true))["usageMetadata"]["candidatesTokenCount"], 5);
    }
}

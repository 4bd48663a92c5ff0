//! The far end of a live session: what Gemini may say.

use crate::script::{self, Sound, letter};
use arbitrary::{Arbitrary, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::gemini::close::{Close, ConnectFailure};
use frontdesk_core::gemini::model::Capabilities;
use frontdesk_core::gemini::setup::{Backend, Setup};
use frontdesk_core::tools::decl;
use serde_json::{Value, json};

/// One message. The letter of each is in front of it.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    /// `S`
    SetupComplete,
    /// `A` rate, sound, tens of milliseconds.
    Speech(u8, Sound, u8),
    /// `U` length, text.
    CallerText(String),
    /// `O` length, text.
    AgentText(String),
    /// `F` eight flags at once.
    Flags(u8),
    /// `T` name, id, arguments.
    Call(u8, u8, u8),
    /// `X` id.
    Cancel(u8),
    /// `H` which; one in eight is not resumable.
    Handle(u8),
    /// `G` seconds.
    GoAway(u8),
    /// `E` words: the longer, the more it says of itself.
    Error(u8),
    /// Every other letter: length, bytes.
    Raw(&'a [u8]),
}

impl<'a> Arbitrary<'a> for Said<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match letter(bytes)? {
            b'S' => Self::SetupComplete,
            b'A' => Self::Speech(bytes.arbitrary()?, bytes.arbitrary()?, bytes.arbitrary()?),
            b'U' => Self::CallerText(script::text(bytes)?),
            b'O' => Self::AgentText(script::text(bytes)?),
            b'F' => Self::Flags(bytes.arbitrary()?),
            b'T' => Self::Call(bytes.arbitrary()?, bytes.arbitrary()?, bytes.arbitrary()?),
            b'X' => Self::Cancel(bytes.arbitrary()?),
            b'H' => Self::Handle(bytes.arbitrary()?),
            b'G' => Self::GoAway(bytes.arbitrary()?),
            b'E' => Self::Error(bytes.arbitrary()?),
            _ => Self::Raw(script::piece(bytes)?),
        })
    }
}

impl Said<'_> {
    /// Whether it tells that the caller has interrupted.
    pub(crate) fn interrupts(&self) -> bool {
        matches!(self, Self::Flags(flags) if flags & 1 == 1)
    }

    /// The frame as it stands on the wire.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let message = match self {
            Self::SetupComplete => json!({ "setupComplete": {} }),
            Self::Speech(rate, sound, tens) => speech(*rate, *sound, *tens),
            Self::CallerText(text) => json!({ "serverContent": { "inputTranscription": { "text": text } } }),
            Self::AgentText(text) => json!({ "serverContent": { "outputTranscription": { "text": text } } }),
            Self::Flags(flags) => turn(*flags),
            Self::Call(name, id, args) => call(*name, *id, *args),
            Self::Cancel(id) => json!({ "toolCallCancellation": { "ids": [format!("c{}", id % 4)] } }),
            Self::Handle(which) => json!({ "sessionResumptionUpdate": {
                "newHandle": format!("h{which}"), "resumable": which % 8 != 0 } }),
            Self::GoAway(seconds) => json!({ "goAway": { "timeLeft": format!("{seconds}s") } }),
            Self::Error(words) => {
                json!({ "error": { "code": 500, "message": "an intermediary's ".repeat((*words).into()) } })
            }
            Self::Raw(bytes) => return bytes.to_vec(),
        };
        message.to_string().into_bytes()
    }
}

fn speech(rate: u8, sound: Sound, tens: u8) -> Value {
    // Nearly always what Google sends; now and then something else, silly rates included.
    let mime = match rate % 16 {
        0 => format!("audio/pcm;rate={}", u32::from(rate) * 777),
        1 => "audio/pcm".to_owned(),
        2 => "audio/ogg".to_owned(),
        _ => "audio/pcm;rate=24000".to_owned(),
    };
    let pcm: Vec<u8> = sound.pcm(usize::from(tens) * 240).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    // A part may end in the middle of a sample.
    let cut = pcm.len() - pcm.len().min(usize::from(rate / 128));
    json!({ "serverContent": { "modelTurn": { "role": "model", "parts": [
        { "inlineData": { "mimeType": mime, "data": STANDARD.encode(&pcm[..cut]) } }] } } })
}

fn turn(flags: u8) -> Value {
    let is = |bit: u8| flags >> bit & 1 == 1;
    let mut content = json!({ "interrupted": is(0), "generationComplete": is(1), "turnComplete": is(2),
        "waitingForInput": is(3) });
    if is(4) {
        content["interactionStatus"] = json!("IN_PROGRESS");
    }
    if is(5) {
        content["turnCompleteReason"] = json!("RESPONSE_REJECTED");
    }
    let mut message = json!({ "serverContent": content });
    if is(6) {
        message["usageMetadata"] = json!({ "promptTokenCount": "640", "totalTokenCount": 758 });
    }
    if is(7) {
        message["sessionResumptionUpdate"] = json!({ "newHandle": "h", "resumable": true });
    }
    message
}

fn call(name: u8, id: u8, args: u8) -> Value {
    let name = [decl::END_CALL, "find_free_slots", "book", ""][usize::from(name) % 4];
    let mut call = json!({ "name": name });
    if !id.is_multiple_of(5) {
        call["id"] = json!(format!("c{}", id % 4));
    }
    if !args.is_multiple_of(4) {
        call["args"] = json!({ "day": args });
    }
    json!({ "toolCall": { "functionCalls": [call] } })
}

/// How a connection may end.
pub(crate) fn close(which: u8) -> Close {
    const WORDS: [(u16, &str); 14] = [
        (1000, ""),
        (1001, ""),
        (1006, "connection reset"),
        (1007, "Request contains an invalid argument."),
        (1007, "Invalid session handle"),
        (1007, "API key not valid. Please pass a valid API key."),
        (1007, "Precondition check failed."),
        (1008, "Operation is not implemented, or supported, or enabled."),
        (1008, "BidiGenerateContent session not found"),
        (1008, "The operation was aborted."),
        (1009, "too big"),
        (1011, "Internal error encountered."),
        (1011, "RESOURCE_EXHAUSTED"),
        (4029, "of another world"),
    ];
    let (code, reason) = WORDS[usize::from(which) % WORDS.len()];
    Close { code, reason: reason.to_owned() }
}

/// How a connection may fail to come about.
pub(crate) fn failure(which: u8) -> ConnectFailure {
    match which % 6 {
        0 => ConnectFailure::Http { status: 401 },
        1 => ConnectFailure::Http { status: 429 },
        2 => ConnectFailure::Http { status: 503 },
        3 => ConnectFailure::Credential("no key".into()),
        _ => ConnectFailure::Network("timed out".into()),
    }
}

/// One of the models whose habits differ.
pub(crate) fn setup(which: u8) -> Setup {
    const MODELS: [&str; 4] = [
        "gemini-3.8-live",
        "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview",
        "gemini-live-2.5-flash-native-audio",
    ];
    Setup {
        backend: Backend::Developer,
        api_version: "v1beta".into(),
        model: MODELS[usize::from(which) % MODELS.len()].into(),
        voice: "Sulafat".into(),
        language: "en-US".into(),
        instruction: "You answer the phone of a clinic.".into(),
        tools: vec![decl::end_call()],
        silence_ms: 600,
    }
}

/// Where a connection stands, and whether what we send on it is in order.
pub(crate) struct Wire {
    capabilities: Capabilities,
    set_up: bool,
    ready: bool,
}

impl Wire {
    pub(crate) fn new(capabilities: Capabilities) -> Self {
        Self { capabilities, set_up: false, ready: false }
    }

    /// The session says that the service listens.
    pub(crate) fn ready(&mut self) {
        assert!(self.set_up, "ready without a setup");
        self.ready = true;
    }

    /// A message of ours arrives; anything that Gemini would close for is our fault.
    pub(crate) fn take(&mut self, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).expect("we send JSON");
        let message = message.as_object().expect("we send objects");
        assert_eq!(message.len(), 1, "one of a union");
        let (kind, body) = message.iter().next().expect("one");
        match kind.as_str() {
            "setup" => assert!(!std::mem::replace(&mut self.set_up, true), "set up twice"),
            "realtimeInput" | "clientContent" => assert!(self.ready, "{kind} before the service listens"),
            "toolResponse" => {
                assert!(self.ready, "an answer to nobody");
                let answers = body["functionResponses"].as_array().expect("answers");
                assert!(!answers.is_empty(), "an answer without an answer");
                let scheduled = answers.iter().any(|answer| answer.get("scheduling").is_some());
                assert!(!scheduled || self.capabilities.scheduling, "the model refuses scheduling");
            }
            other => panic!("we sent {other}"),
        }
    }
}

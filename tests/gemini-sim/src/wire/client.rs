//! Reading what a client says after its setup, and the setup's envelope.

use serde_json::{Map, Value};

use super::{
    Refusal,
    audio::{FastReader, decode_base64, pcm_rate, samples},
    shape::{SCHEDULING, conform},
};

/// One thing a client said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ClientMessage {
    /// The content of `setup`, keys in camelCase.
    Setup(Value),
    Audio {
        rate_hz: u32,
        pcm: Vec<i16>,
    },
    Video,
    Text(String),
    ActivityStart,
    ActivityEnd,
    AudioStreamEnd,
    Content {
        text: String,
        turn_complete: bool,
    },
    ToolResponse(Vec<FunctionResponse>),
    ContextUpdate(Value),
}

/// The result of one tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionResponse {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) response: Value,
    pub(crate) scheduling: Scheduling,
    pub(crate) will_continue: bool,
    /// The client said when to speak, at either place.
    pub(crate) is_scheduled: bool,
}

/// When to speak about a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scheduling {
    #[default]
    WhenIdle,
    Interrupt,
    Silent,
}

/// A message as it was understood.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) messages: Vec<ClientMessage>,
    /// What the service lets pass and a careful client does not do.
    pub(crate) complaints: Vec<String>,
}

/// Reads messages; keeps what makes the next audio message cheap.
#[derive(Default)]
pub(crate) struct Reader {
    fast: FastReader,
}

impl Reader {
    /// The fast path for audio: appends to `pcm` and tells the rate, or `None`: use [`read`](Self::read).
    pub(crate) fn read_audio(&mut self, message: &[u8], pcm: &mut Vec<i16>) -> Option<u32> {
        self.fast.read(message, pcm)
    }

    /// Any message, or how the service would close on it.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Parsed, Refusal> {
        let value: Value = serde_json::from_slice(message)
            .map_err(|error| Refusal::new(1007, format!("Invalid JSON payload received. {error}")))?;
        let fields = conform(value)?;
        let mut parsed = Parsed::default();
        if fields.len() != 1 {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            parsed.complaints.push(format!("one message must have one of its keys, not {names:?}"));
        }
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("setup", setup) => parsed.messages.push(ClientMessage::Setup(setup)),
                ("realtimeInput", Value::Object(input)) => {
                    self.realtime_input(message, input, &mut parsed)?;
                }
                ("clientContent", content) => parsed.messages.push(client_content(&content)),
                ("toolResponse", response) => parsed.tool_response(&response)?,
                ("contextUpdate", update) => {
                    parsed.messages.push(ClientMessage::ContextUpdate(update));
                }
                (name, _) => unreachable!("conform() lets no other key pass: {name}"),
            }
        }
        Ok(parsed)
    }

    fn realtime_input(
        &mut self,
        message: &[u8],
        input: Map<String, Value>,
        parsed: &mut Parsed,
    ) -> Result<(), Refusal> {
        if input.len() != 1 {
            let names: Vec<&str> = input.keys().map(String::as_str).collect();
            parsed.complaints.push(format!("realtimeInput must have one of its keys, not {names:?}"));
        }
        let alone = input.len() == 1 && parsed.messages.is_empty() && parsed.complaints.is_empty();
        for (name, value) in input {
            match (name.as_str(), value) {
                ("audio", blob) => {
                    let rate_hz = parsed.audio(&blob)?;
                    if let (true, Some(rate_hz), Some(data)) = (alone, rate_hz, blob["data"].as_str()) {
                        self.fast.learn(message, data, rate_hz);
                    }
                }
                ("mediaChunks", Value::Array(chunks)) => {
                    parsed.complaints.push("mediaChunks is deprecated: send audio".to_owned());
                    if let Some(first) = chunks.first() {
                        parsed.audio(first)?;
                    }
                }
                ("video", _) => parsed.messages.push(ClientMessage::Video),
                ("text", Value::String(text)) => parsed.messages.push(ClientMessage::Text(text)),
                ("activityStart", _) => parsed.messages.push(ClientMessage::ActivityStart),
                ("activityEnd", _) => parsed.messages.push(ClientMessage::ActivityEnd),
                ("audioStreamEnd", Value::Bool(true)) => {
                    parsed.messages.push(ClientMessage::AudioStreamEnd);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Parsed {
    /// Takes a PCM blob; its rate when there was nothing to complain about.
    fn audio(&mut self, blob: &Value) -> Result<Option<u32>, Refusal> {
        let data = blob["data"].as_str().unwrap_or_default();
        let mime_type = blob["mimeType"].as_str().unwrap_or_default();
        let mut bytes = Vec::new();
        decode_base64(data.as_bytes(), &mut bytes).map_err(|error| {
            Refusal::new(1007, format!("Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), {error}"))
        })?;
        let before = self.complaints.len();
        let Some(rate_hz) = pcm_rate(mime_type) else {
            self.complaints.push(format!("audio of type {mime_type:?}, need audio/pcm;rate=16000"));
            return Ok(None);
        };
        if !mime_type.contains("rate=") {
            self.complaints.push(format!("audio of type {mime_type:?} does not say its rate"));
        }
        if !bytes.len().is_multiple_of(2) {
            self.complaints.push(format!("audio of {} bytes: a sample has two", bytes.len()));
        }
        if bytes.is_empty() {
            self.complaints.push("audio without a sample".to_owned());
        }
        self.messages.push(ClientMessage::Audio { rate_hz, pcm: samples(&bytes).collect() });
        Ok((self.complaints.len() == before).then_some(rate_hz))
    }

    fn tool_response(&mut self, value: &Value) -> Result<(), Refusal> {
        let mut responses = Vec::new();
        for response in list(&value["functionResponses"]) {
            let name = response["name"].as_str().unwrap_or_default().to_owned();
            let Some(body) = response.get("response").filter(|body| body.is_object()) else {
                return Err(Refusal::invalid_argument());
            };
            if name.is_empty() {
                return Err(Refusal::invalid_argument());
            }
            if body.as_object().is_some_and(Map::is_empty) {
                self.complaints.push(format!("an empty response of {name:?}: give at least a status"));
            }
            // The types have it beside the response, Google's guide inside of it.
            let scheduling = response["scheduling"].as_str().or_else(|| body["scheduling"].as_str());
            responses.push(FunctionResponse {
                id: response["id"].as_str().unwrap_or_default().to_owned(),
                name,
                response: body.clone(),
                scheduling: scheduling.map(scheduling_of).unwrap_or_default(),
                will_continue: response["willContinue"].as_bool().unwrap_or_default(),
                is_scheduled: scheduling.is_some_and(|word| SCHEDULING.contains(&word)),
            });
        }
        if responses.is_empty() {
            return Err(Refusal::invalid_argument());
        }
        self.messages.push(ClientMessage::ToolResponse(responses));
        Ok(())
    }
}

fn scheduling_of(word: &str) -> Scheduling {
    match word {
        "INTERRUPT" => Scheduling::Interrupt,
        "SILENT" => Scheduling::Silent,
        _ => Scheduling::WhenIdle,
    }
}

fn client_content(content: &Value) -> ClientMessage {
    let turns = list(&content["turns"]);
    let parts = turns.iter().flat_map(|turn| list(&turn["parts"]));
    let text = parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n");
    let turn_complete = content["turnComplete"].as_bool().unwrap_or_default();
    ClientMessage::Content { text, turn_complete }
}

/// The items of a list; none of what is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Parsed {
        Reader::default().read(json.as_bytes()).unwrap()
    }

    #[test]
    fn audio_is_read_in_either_casing_and_alphabet() {
        let camel = read(r#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"+/8AAA=="}}}"#);
        let snake = read(r#"{"realtime_input": {"audio": {"data": "-_8AAA==", "mime_type": "audio/pcm;rate=16000"}}}"#);
        assert_eq!(camel.messages, [ClientMessage::Audio { rate_hz: 16_000, pcm: vec![-5, 0] }]);
        assert_eq!(camel.messages, snake.messages);
        assert!(camel.complaints.is_empty() && snake.complaints.is_empty());
    }

    #[test]
    fn the_fast_path_agrees_with_the_slow_one() {
        let message = |data: &str| {
            format!(r#"{{"realtime_input": {{"audio": {{"data": "{data}", "mime_type": "audio/pcm;rate=8000"}}}}}}"#)
        };
        let mut reader = Reader::default();
        let first = message("AAABAP7/AQAAAAEA/v8BAA==");
        let slow = reader.read(first.as_bytes()).unwrap().messages.remove(0);
        let mut pcm = Vec::new();
        assert_eq!(reader.read_audio(first.as_bytes(), &mut pcm), Some(8_000));
        assert_eq!(slow, ClientMessage::Audio { rate_hz: 8_000, pcm });
    }

    #[test]
    fn careless_audio_is_complained_about() {
        for (careless, word) in [
            (r#"{"realtimeInput":{"audio":{"mimeType":"audio/wav","data":"AAA="}}}"#, "audio/wav"),
            (r#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm","data":"AAA="}}}"#, "rate"),
            (r#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AAAA"}}}"#, "3 bytes"),
            (r#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000"}}}"#, "without"),
            (r#"{"realtimeInput":{"text":"a","audioStreamEnd":true}}"#, "one of its keys"),
            (r#"{"realtimeInput":{"text":"a"},"clientContent":{}}"#, "one of its keys"),
            (r#"{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{}}]}}"#, "empty"),
        ] {
            let complaints = read(careless).complaints;
            assert!(complaints.len() == 1 && complaints[0].contains(word), "{careless}: {complaints:?}");
        }
    }

    #[test]
    fn broken_messages_are_refused() {
        for broken in [
            "",
            "hello",
            "[]",
            r#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"%%%"}}}"#,
            r#"{"realtimeInput":{"sound":1}}"#,
            r#"{"toolResponse":{"functionResponses":[{"id":"1","name":"f"}]}}"#,
            r#"{"toolResponse":{"functionResponses":[{"id":"1","response":{"output":1}}]}}"#,
            r#"{"toolResponse":{}}"#,
        ] {
            assert_eq!(Reader::default().read(broken.as_bytes()).unwrap_err().code, 1007, "{broken}");
        }
    }

    #[test]
    fn scheduling_is_taken_from_either_place() {
        for message in [
            r#"{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"output":1},"scheduling":"SILENT"}]}}"#,
            r#"{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"output":1,"scheduling":"SILENT"}}]}}"#,
        ] {
            let parsed = read(message);
            let [ClientMessage::ToolResponse(responses)] = parsed.messages.as_slice() else { panic!("{parsed:?}") };
            assert_eq!(responses[0].scheduling, Scheduling::Silent);
        }
    }

    #[test]
    fn content_is_its_text() {
        let content = r#"{"clientContent":{"turns":[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]}}"#;
        assert_eq!(read(content).messages, [ClientMessage::Content { text: "a\nb".to_owned(), turn_complete: false }]);
        assert_eq!(
            read(r#"{"client_content":{"turn_complete":true}}"#).messages,
            [ClientMessage::Content { text: String::new(), turn_complete: true }]
        );
    }

    /// Text that looks like a client's, cut and mixed up.
    fn nearly_a_message() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            r#"{"realtimeInput":"#,
            r#"{"audio":"#,
            r#"{"data":"AAAA","mimeType":"audio/pcm;rate=16000"}"#,
            r#"{"toolResponse":{"functionResponses":[{"name":"f","response":"#,
            r#"{"setup":{"model":"#,
            r#"{"clientContent":{"turns":["#,
            "null",
            "1e999",
            "\"x\"",
            "[",
            "]",
            "{",
            "}",
            ",",
        ]);
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::default();
            let _ = reader.read(&bytes);
            let _ = reader.read_audio(&bytes, &mut Vec::new());
        }

        #[test]
        fn no_json_makes_the_reader_panic(text in nearly_a_message(), other in nearly_a_message()) {
            let mut reader = Reader::default();
            let _ = reader.read(text.as_bytes());
            let _ = reader.read_audio(other.as_bytes(), &mut Vec::new());
        }

        #[test]
        fn any_samples_come_through_both_paths(pcm in prop::collection::vec(any::<i16>(), 16..600)) {
            use base64::Engine as _;
            let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            let message =
                format!(r#"{{"realtimeInput":{{"audio":{{"mimeType":"audio/pcm;rate=16000","data":"{data}"}}}}}}"#);
            let mut reader = Reader::default();
            let slow = reader.read(message.as_bytes()).unwrap().messages.remove(0);
            let mut fast = Vec::new();
            prop_assert_eq!(reader.read_audio(message.as_bytes(), &mut fast), Some(16_000));
            prop_assert_eq!(slow, ClientMessage::Audio { rate_hz: 16_000, pcm: fast });
        }
    }
}

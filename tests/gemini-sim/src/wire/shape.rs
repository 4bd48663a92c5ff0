//! What a client may send, as data, and a reader that holds a message against it.
//!
//! The service parses protobuf JSON: every key in camelCase or `snake_case`, 64-bit integers as numbers or text, `null`
//! the same as absent, unknown names and wrong types refused with the path in the refusal.

use serde_json::{Map, Value};

use super::Refusal;

/// The shape of one value.
pub(crate) enum Shape {
    Text,
    Bool,
    Integer,
    Number,
    /// Anything, kept as it is: arguments, results and schemas are the application's own.
    Any,
    /// One of these words.
    Word(&'static [&'static str]),
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
}

use Shape::{Any, Bool, Integer, List, Number, Object, Text, Word};

/// Every message a client can send: exactly one of these keys.
pub(crate) static CLIENT_MESSAGE: Shape = Object(&[
    ("setup", SETUP),
    ("realtimeInput", REALTIME_INPUT),
    ("clientContent", Object(&[("turns", List(&CONTENT)), ("turnComplete", Bool)])),
    ("toolResponse", Object(&[("functionResponses", List(&FUNCTION_RESPONSE))])),
    ("contextUpdate", Object(&[("systemInstruction", CONTENT), ("tools", Object(&[("tools", List(&TOOL))]))])),
]);

const SETUP: Shape = Object(&[
    ("model", Text),
    ("generationConfig", GENERATION_CONFIG),
    ("systemInstruction", CONTENT),
    ("tools", List(&TOOL)),
    ("realtimeInputConfig", REALTIME_INPUT_CONFIG),
    ("sessionResumption", Object(&[("handle", Text), ("transparent", Bool)])),
    (
        "contextWindowCompression",
        Object(&[("triggerTokens", Integer), ("slidingWindow", Object(&[("targetTokens", Integer)]))]),
    ),
    ("inputAudioTranscription", TRANSCRIPTION),
    ("outputAudioTranscription", TRANSCRIPTION),
    ("proactivity", Object(&[("proactiveAudio", Bool), ("proactiveVideo", Bool)])),
    ("historyConfig", Object(&[("initialHistoryInClientContent", Bool)])),
    ("explicitVadSignal", Bool),
    ("avatarConfig", Any),
    ("safetySettings", List(&Object(&[("category", Text), ("threshold", Text), ("method", Text)]))),
    ("labels", Any),
]);

const GENERATION_CONFIG: Shape = Object(&[
    ("responseModalities", List(&Word(&["TEXT", "AUDIO", "IMAGE", "VIDEO"]))),
    (
        "speechConfig",
        Object(&[
            (
                "voiceConfig",
                Object(&[
                    ("prebuiltVoiceConfig", Object(&[("voiceName", Text)])),
                    ("voice", Text),
                    ("replicatedVoiceConfig", Any),
                ]),
            ),
            ("languageCode", Text),
            ("multiSpeakerVoiceConfig", Any),
        ]),
    ),
    ("mediaResolution", Word(&["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"])),
    ("temperature", Number),
    ("topP", Number),
    ("topK", Number),
    ("maxOutputTokens", Integer),
    ("seed", Integer),
    ("candidateCount", Integer),
    ("presencePenalty", Number),
    ("frequencyPenalty", Number),
    (
        "thinkingConfig",
        Object(&[
            ("includeThoughts", Bool),
            ("thinkingBudget", Integer),
            ("thinkingLevel", Word(&["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"])),
        ]),
    ),
    ("enableAffectiveDialog", Bool),
    ("translationConfig", Object(&[("targetLanguageCode", Text), ("echoTargetLanguage", Bool)])),
    ("audioTranscriptionConfig", TRANSCRIPTION),
]);

const REALTIME_INPUT_CONFIG: Shape = Object(&[
    (
        "automaticActivityDetection",
        Object(&[
            ("disabled", Bool),
            ("startOfSpeechSensitivity", Word(&["START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"])),
            ("endOfSpeechSensitivity", Word(&["END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"])),
            ("prefixPaddingMs", Integer),
            ("silenceDurationMs", Integer),
        ]),
    ),
    ("activityHandling", Word(&["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"])),
    (
        "turnCoverage",
        Word(&["TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"]),
    ),
    ("interimTranscriptTimestampEnabled", Bool),
]);

const TRANSCRIPTION: Shape = Object(&[
    ("languageCodes", List(&Text)),
    ("customVocabulary", List(&Text)),
    ("mode", Word(&["VERBATIM", "SMART"])),
    ("wordTimestamp", Bool),
    ("diarization", Bool),
    ("sourceText", Text),
    ("languageAuto", Any),
    ("languageHints", Any),
    ("adaptationPhrases", Any),
]);

const REALTIME_INPUT: Shape = Object(&[
    ("audio", BLOB),
    ("video", BLOB),
    ("text", Text),
    ("activityStart", Object(&[])),
    ("activityEnd", Object(&[])),
    ("audioStreamEnd", Bool),
    ("mediaChunks", List(&BLOB)),
]);

const BLOB: Shape = Object(&[("data", Text), ("mimeType", Text), ("displayName", Text)]);

const CONTENT: Shape = Object(&[("role", Text), ("parts", List(&PART))]);

const PART: Shape = Object(&[
    ("text", Text),
    ("inlineData", BLOB),
    ("fileData", Any),
    ("thought", Bool),
    ("thoughtSignature", Text),
    ("functionCall", Any),
    ("functionResponse", Any),
]);

const FUNCTION_RESPONSE: Shape = Object(&[
    ("id", Text),
    ("name", Text),
    ("response", Any),
    ("scheduling", Word(SCHEDULING)),
    ("willContinue", Bool),
    ("parts", Any),
]);

/// When the model speaks about a result.
pub(crate) const SCHEDULING: &[&str] = &["WHEN_IDLE", "INTERRUPT", "SILENT"];

const TOOL: Shape = Object(&[
    ("functionDeclarations", List(&FUNCTION)),
    ("googleSearch", Any),
    ("googleSearchRetrieval", Any),
    ("codeExecution", Any),
    ("urlContext", Any),
    ("googleMaps", Any),
    ("fileSearch", Any),
    ("computerUse", Any),
    ("mcpServers", Any),
]);

const FUNCTION: Shape = Object(&[
    ("name", Text),
    ("description", Text),
    ("parameters", Any),
    ("parametersJsonSchema", Any),
    ("response", Any),
    ("responseJsonSchema", Any),
    ("behavior", Word(&["BLOCKING", "NON_BLOCKING"])),
]);

/// The message with every key in camelCase, or why the service would refuse it.
pub(crate) fn conform(message: Value) -> Result<Map<String, Value>, Refusal> {
    match conform_value(message, &CLIENT_MESSAGE, "")? {
        Value::Object(message) => Ok(message),
        _ => Err(Refusal::new(1007, "Invalid JSON payload received. Expected an object.")),
    }
}

fn conform_value(value: Value, shape: &Shape, path: &str) -> Result<Value, Refusal> {
    let fits = match (shape, &value) {
        (Object(fields), Value::Object(_)) => return conform_object(value, fields, path),
        (List(_), Value::Array(_)) => return conform_list(value, shape, path),
        (Any, _) | (Text, Value::String(_)) | (Bool, Value::Bool(_)) | (Number, Value::Number(_)) => true,
        (Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (Integer, Value::String(text)) => text.parse::<i64>().is_ok(),
        (Word(words), Value::String(word)) => words.contains(&word.as_str()),
        _ => false,
    };
    if fits { Ok(value) } else { Err(wrong_value(&value, shape, path)) }
}

fn conform_object(value: Value, fields: &[(&str, Shape)], path: &str) -> Result<Value, Refusal> {
    let Value::Object(object) = value else {
        return Ok(value);
    };
    let mut conformed = Map::with_capacity(object.len());
    for (key, value) in object {
        let name = camel_case(&key);
        let Some((name, shape)) = fields.iter().find(|(known, _)| *known == name) else {
            return Err(unknown_name(&key, path));
        };
        if !value.is_null() {
            let value = conform_value(value, shape, &join(path, name))?;
            conformed.insert((*name).to_owned(), value);
        }
    }
    Ok(Value::Object(conformed))
}

fn conform_list(value: Value, shape: &Shape, path: &str) -> Result<Value, Refusal> {
    let (Value::Array(items), List(shape)) = (value, shape) else {
        return Ok(Value::Null);
    };
    let conform = |(index, item)| conform_value(item, shape, &format!("{path}[{index}]"));
    items.into_iter().enumerate().map(conform).collect::<Result<_, _>>().map(Value::Array)
}

fn unknown_name(key: &str, path: &str) -> Refusal {
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    Refusal::new(1007, format!("Invalid JSON payload received. Unknown name \"{key}\"{place}: Cannot find field."))
}

fn wrong_value(value: &Value, shape: &Shape, path: &str) -> Refusal {
    let kind = match shape {
        Text => "TYPE_STRING",
        Bool => "TYPE_BOOL",
        Integer => "TYPE_INT64",
        Number => "TYPE_DOUBLE",
        Word(_) => "TYPE_ENUM",
        List(_) => "a list",
        Any | Object(_) => "an object",
    };
    Refusal::new(1007, format!("Invalid value at '{path}' ({kind}), {value}"))
}

/// Paths in refusals are in the service's own `snake_case`.
fn join(path: &str, name: &str) -> String {
    let mut joined = String::with_capacity(path.len() + name.len() + 4);
    joined.push_str(path);
    if !path.is_empty() {
        joined.push('.');
    }
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            joined.push('_');
        }
        joined.push(letter.to_ascii_lowercase());
    }
    joined
}

fn camel_case(key: &str) -> String {
    let mut raise = false;
    let mut camel = String::with_capacity(key.len());
    for letter in key.chars() {
        if letter == '_' {
            raise = true;
        } else {
            camel.push(if raise { letter.to_ascii_uppercase() } else { letter });
            raise = false;
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_casings_are_the_same_message() {
        let snake = json!({"setup": {"model": "m", "realtime_input_config":
            {"automatic_activity_detection": {"silence_duration_ms": "600"}}}});
        let camel = json!({"setup": {"model": "m", "realtimeInputConfig":
            {"automaticActivityDetection": {"silenceDurationMs": "600"}}}});
        assert_eq!(conform(snake).unwrap(), conform(camel).unwrap());
    }

    #[test]
    fn an_applications_own_keys_are_left_alone() {
        let message = json!({"toolResponse": {"functionResponses":
            [{"id": "1", "name": "f", "response": {"snake_key": {"deep_key": null}}}]}});
        assert_eq!(Value::Object(conform(message.clone()).unwrap()), message);
    }

    #[test]
    fn null_is_absent() {
        let message = json!({"setup": {"model": "m", "tools": null}});
        assert_eq!(Value::Object(conform(message).unwrap()), json!({"setup": {"model": "m"}}));
    }

    #[test]
    fn refusals_name_the_place() {
        let reason = |message| conform(message).unwrap_err().reason;
        assert_eq!(
            reason(json!({"setup": {"generationConfig": {"speed": 2}}})),
            "Invalid JSON payload received. Unknown name \"speed\" at 'setup.generation_config': Cannot find field."
        );
        assert_eq!(
            reason(json!({"setup": {"generationConfig": {"responseModalities": ["audio"]}}})),
            "Invalid value at 'setup.generation_config.response_modalities[0]' (TYPE_ENUM), \"audio\""
        );
        assert!(reason(json!({"hello": 1})).contains("Unknown name \"hello\":"));
        assert!(reason(json!([])).contains("Invalid value"));
    }
}

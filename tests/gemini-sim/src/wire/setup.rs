//! A setup, and whether the model asked for would take it.

use std::collections::HashMap;

use serde_json::Value;

use super::{Refusal, client::list};

/// What a setup asked for, as far as the simulator acts on it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each mirrors an independent field of the wire")]
pub(crate) struct Setup {
    pub(crate) model: String,
    pub(crate) profile: Profile,
    /// Client says when speech starts and ends.
    pub(crate) manual_activity: bool,
    pub(crate) silence_ms: Option<u32>,
    pub(crate) prefix_ms: Option<u32>,
    pub(crate) start_is_insensitive: bool,
    pub(crate) end_is_insensitive: bool,
    pub(crate) no_interruption: bool,
    /// Wants handles.
    pub(crate) resumable: bool,
    pub(crate) handle: Option<String>,
    pub(crate) transcribe_input: bool,
    pub(crate) transcribe_output: bool,
    /// Seeds history before the conversation.
    pub(crate) initial_history: bool,
    pub(crate) report_activity: bool,
    /// The functions declared, and whether the model waits for each.
    pub(crate) functions: HashMap<String, bool>,
}

/// What differs between models, as of November 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Profile {
    /// `gemini-3.8-live`, and whatever is not known to be something else.
    #[default]
    Live38,
    /// `gemini-3.8-live-extended-thinking`.
    ExtendedThinking,
    /// `gemini-3.1-flash-live-preview`.
    Live31,
    /// The 2.5 native audio models.
    NativeAudio25,
}

/// The models served: those of the service, retired ones included, so that a client can be tested with them.
pub(crate) const MODELS: &[&str] = &[
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "gemini-2.5-flash-native-audio-latest",
    "gemini-live-2.5-flash-native-audio",
];

const VOICES: &[&str] = &[
    "Zephyr",
    "Puck",
    "Charon",
    "Kore",
    "Fenrir",
    "Leda",
    "Orus",
    "Aoede",
    "Callirrhoe",
    "Autonoe",
    "Enceladus",
    "Iapetus",
    "Umbriel",
    "Algieba",
    "Despina",
    "Erinome",
    "Algenib",
    "Rasalgethi",
    "Laomedeia",
    "Achernar",
    "Alnilam",
    "Schedar",
    "Gacrux",
    "Pulcherrima",
    "Achird",
    "Zubenelgenubi",
    "Vindemiatrix",
    "Sadachbia",
    "Sadaltager",
    "Sulafat",
];

/// Tools that the type has and Live models do not.
const NOT_LIVE: &[&str] =
    &["codeExecution", "urlContext", "googleMaps", "fileSearch", "computerUse", "mcpServers", "googleSearchRetrieval"];

impl Profile {
    pub(crate) fn of(model: &str) -> Self {
        match model {
            name if name.contains("extended-thinking") => Self::ExtendedThinking,
            name if name.contains("3.1") => Self::Live31,
            name if name.contains("2.5") => Self::NativeAudio25,
            _ => Self::Live38,
        }
    }

    /// Whether the model waits for a function whose declaration does not say.
    fn waits_by_default(self) -> bool {
        matches!(self, Self::Live31 | Self::NativeAudio25)
    }

    /// Whether `clientContent` is taken after the first turn.
    pub(crate) fn takes_late_content(self) -> bool {
        self != Self::Live31
    }

    /// Whether `interactionStatus` comes with `turnComplete`.
    pub(crate) fn tells_status(self) -> bool {
        matches!(self, Self::Live38 | Self::ExtendedThinking)
    }

    /// What the model says to a client that schedules its results, if it refuses.
    pub(crate) fn refuses_scheduling(self) -> Option<Refusal> {
        (self == Self::ExtendedThinking)
            .then(|| Refusal::new(1007, "Function response scheduling is not supported for this model."))
    }
}

impl Setup {
    /// Reads the content of a conforming `setup`, or tells how its model refuses it.
    pub(crate) fn read(setup: &Value, version: &str, vertex: bool) -> Result<Self, Refusal> {
        let full_name = setup["model"].as_str().unwrap_or_default();
        let model = known_model(full_name, version, vertex)?;
        let profile = Profile::of(&model);
        let detection = &setup["realtimeInputConfig"]["automaticActivityDetection"];
        let read = Self {
            profile,
            manual_activity: detection["disabled"] == true,
            silence_ms: milliseconds(&detection["silenceDurationMs"]),
            prefix_ms: milliseconds(&detection["prefixPaddingMs"]),
            start_is_insensitive: detection["startOfSpeechSensitivity"] == "START_SENSITIVITY_LOW",
            end_is_insensitive: detection["endOfSpeechSensitivity"] == "END_SENSITIVITY_LOW",
            no_interruption: setup["realtimeInputConfig"]["activityHandling"] == "NO_INTERRUPTION",
            resumable: setup["sessionResumption"].is_object(),
            handle: setup["sessionResumption"]["handle"].as_str().filter(|h| !h.is_empty()).map(str::to_owned),
            transcribe_input: setup["inputAudioTranscription"].is_object(),
            transcribe_output: setup["outputAudioTranscription"].is_object(),
            initial_history: setup["historyConfig"]["initialHistoryInClientContent"] == true,
            report_activity: setup["explicitVadSignal"] == true,
            functions: functions(setup, profile)?,
            model,
        };
        check_generation(&setup["generationConfig"], profile)?;
        check_for_product(setup, vertex)?;
        check_compression(&setup["contextWindowCompression"])?;
        Ok(read)
    }
}

/// The bare name of a served model.
fn known_model(full_name: &str, version: &str, vertex: bool) -> Result<String, Refusal> {
    let name = if vertex {
        full_name.rsplit_once("/publishers/google/models/").map(|(_, name)| name)
    } else {
        full_name.strip_prefix("models/")
    };
    match name.filter(|name| MODELS.contains(name)) {
        Some(name) => Ok(name.to_owned()),
        None if vertex => Err(Refusal::new(
            1008,
            format!("Publisher model `{full_name}` was not found or your project does not have access to it."),
        )),
        None => Err(Refusal::new(
            1008,
            format!(
                "{full_name} is not found for API version {version}, or is not supported for bidiGenerateContent. \
                 Call ListModels to see the list of available models and their supported methods."
            ),
        )),
    }
}

fn check_generation(config: &Value, profile: Profile) -> Result<(), Refusal> {
    if let Some(modalities) = config["responseModalities"].as_array() {
        match modalities.as_slice() {
            [only] if only == "AUDIO" => {}
            [only] if only == "TEXT" => {
                return Err(Refusal::new(1007, "Cannot extract voices from a non-audio request."));
            }
            _ => return Err(Refusal::invalid_argument()),
        }
    }
    let voice = config["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"].as_str();
    let level = config["thinkingConfig"]["thinkingLevel"].as_str();
    let native_25 = profile == Profile::NativeAudio25;
    match (profile, level) {
        (Profile::Live38, Some(_)) => {
            return Err(Refusal::new(1007, "Thinking level is not supported for this model."));
        }
        (Profile::ExtendedThinking, None | Some("MINIMAL" | "XHIGH")) => {
            return Err(Refusal::new(1007, "Thinking level must be specified for this model."));
        }
        _ => {}
    }
    if voice.is_some_and(|voice| !VOICES.contains(&voice))
        || (config["enableAffectiveDialog"] == true && !native_25)
        || !config["speechConfig"]["multiSpeakerVoiceConfig"].is_null()
    {
        return Err(Refusal::invalid_argument());
    }
    Ok(())
}

/// Fields that only one of Google's two products takes, or only one family of models.
fn check_for_product(setup: &Value, vertex: bool) -> Result<(), Refusal> {
    let native_25 = setup["model"].as_str().map(Profile::of) == Some(Profile::NativeAudio25);
    let refused = (!setup["proactivity"].is_null() && !native_25)
        || (!vertex && !setup["explicitVadSignal"].is_null())
        || (!vertex && setup["sessionResumption"]["transparent"] == true)
        || (vertex && !setup["labels"].is_null());
    if refused { Err(Refusal::invalid_argument()) } else { Ok(()) }
}

fn check_compression(compression: &Value) -> Result<(), Refusal> {
    let trigger = integer(&compression["triggerTokens"]);
    let target = integer(&compression["slidingWindow"]["targetTokens"]);
    match (trigger, target) {
        (Some(trigger), Some(target)) if target >= trigger => Err(Refusal::invalid_argument()),
        _ => Ok(()),
    }
}

fn functions(setup: &Value, profile: Profile) -> Result<HashMap<String, bool>, Refusal> {
    let mut functions = HashMap::new();
    for tool in list(&setup["tools"]) {
        if NOT_LIVE.iter().any(|name| !tool[name].is_null()) {
            return Err(Refusal::invalid_argument());
        }
        for function in list(&tool["functionDeclarations"]) {
            let name = function["name"].as_str().unwrap_or_default();
            let two_schemas = !function["parameters"].is_null() && !function["parametersJsonSchema"].is_null();
            if !is_function_name(name) || two_schemas {
                return Err(Refusal::invalid_argument());
            }
            let waits = match function["behavior"].as_str() {
                Some("BLOCKING") if profile == Profile::ExtendedThinking => {
                    return Err(Refusal::new(1007, "BLOCKING function calls are not supported for this model."));
                }
                Some("NON_BLOCKING") if profile == Profile::Live31 => {
                    return Err(Refusal::invalid_argument());
                }
                Some(behavior) => behavior == "BLOCKING",
                None => profile.waits_by_default(),
            };
            if functions.insert(name.to_owned(), waits).is_some() {
                return Err(Refusal::new(1007, format!("Duplicate function declaration found: {name}")));
            }
        }
    }
    if functions.len() > 512 { Err(Refusal::invalid_argument()) } else { Ok(functions) }
}

fn is_function_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_')
        && name.len() <= 128
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-:".contains(letter))
}

/// A number, or one written as text as protobuf does with 64 bits.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn milliseconds(value: &Value) -> Option<u32> {
    integer(value).and_then(|ms| u32::try_from(ms).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(setup: &Value) -> Result<Setup, Refusal> {
        Setup::read(setup, "v1beta", false)
    }

    #[test]
    fn a_full_setup_is_understood() {
        let setup = read(&json!({
            "model": "models/gemini-3.8-live",
            "generationConfig": {"responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Sulafat"}}}},
            "tools": [{"functionDeclarations": [
                {"name": "find_free_slots", "behavior": "BLOCKING"}, {"name": "end_call"}]}],
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": "600"}},
            "sessionResumption": {"handle": "abc"},
            "contextWindowCompression": {"triggerTokens": "64000", "slidingWindow": {"targetTokens": 32000}},
            "outputAudioTranscription": {},
        }))
        .unwrap();
        assert_eq!(setup.silence_ms, Some(600));
        assert_eq!(setup.handle.as_deref(), Some("abc"));
        assert!(setup.resumable && setup.transcribe_output && !setup.transcribe_input && !setup.manual_activity);
        assert_eq!(setup.functions, HashMap::from([("find_free_slots".into(), true), ("end_call".into(), false)]));
    }

    #[test]
    fn models_are_known_by_their_full_name() {
        assert_eq!(read(&json!({"model": "gemini-3.8-live"})).unwrap_err().code, 1008);
        let refusal = read(&json!({"model": "models/gemini-9"})).unwrap_err();
        assert!(refusal.reason.starts_with("models/gemini-9 is not found for API version v1beta"));
        assert!(
            refusal.cut_reason().len() <= 123 && refusal.cut_reason().ends_with("Call ListModels to see th"),
            "{}",
            refusal.cut_reason()
        );
        let vertex = "projects/p/locations/us-central1/publishers/google/models/gemini-3.8-live";
        assert!(Setup::read(&json!({"model": vertex}), "v1beta1", true).is_ok());
        assert_eq!(read(&json!({"model": vertex})).unwrap_err().code, 1008);
    }

    #[test]
    fn each_model_refuses_what_it_does_not_know() {
        let with = |model: &str, field: &str, value: Value| {
            let mut setup = json!({"model": format!("models/{model}")});
            setup[field] = value;
            read(&setup).err().map(|refusal| refusal.reason)
        };
        let thinking = json!({"thinkingConfig": {"thinkingLevel": "LOW"}});
        let blocking = json!([{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]);
        let refused = [
            ("gemini-3.8-live", "generationConfig", thinking.clone()),
            ("gemini-3.8-live", "generationConfig", json!({"responseModalities": ["TEXT"]})),
            ("gemini-3.8-live", "generationConfig", json!({"responseModalities": ["AUDIO", "TEXT"]})),
            ("gemini-3.8-live", "generationConfig", json!({"enableAffectiveDialog": true})),
            ("gemini-3.8-live", "proactivity", json!({"proactiveAudio": true})),
            ("gemini-3.8-live", "explicitVadSignal", json!(true)),
            ("gemini-3.8-live", "sessionResumption", json!({"transparent": true})),
            ("gemini-3.8-live", "tools", json!([{"codeExecution": {}}])),
            ("gemini-3.8-live", "tools", json!([{"functionDeclarations": [{"name": "1st"}]}])),
            (
                "gemini-3.8-live",
                "contextWindowCompression",
                json!({"triggerTokens": 10, "slidingWindow": {"targetTokens": "10"}}),
            ),
            ("gemini-3.8-live-extended-thinking", "tools", blocking.clone()),
            ("gemini-3.8-live-extended-thinking", "generationConfig", json!({})),
        ];
        for (model, field, value) in refused {
            assert!(with(model, field, value.clone()).is_some(), "{model} takes {field}: {value}");
        }
        let taken = [
            ("gemini-3.8-live", "tools", blocking),
            ("gemini-3.8-live", "tools", json!([{"googleSearch": {}}])),
            ("gemini-3.8-live-extended-thinking", "generationConfig", thinking.clone()),
            ("gemini-3.1-flash-live-preview", "generationConfig", thinking),
            ("gemini-2.5-flash-native-audio-preview-12-2025", "proactivity", json!({"proactiveAudio": true})),
        ];
        for (model, field, value) in taken {
            assert_eq!(with(model, field, value.clone()), None, "{model} refuses {field}: {value}");
        }
    }
}

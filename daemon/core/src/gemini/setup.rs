//! The first message of a connection, and where the connection goes.

use super::model::Capabilities;
use super::wire;
use bytes::Bytes;
use serde_json::{Value, json};

/// Which of Google's two products is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The Gemini Developer API, with an API key.
    Developer,
    /// Vertex AI, with an OAuth access token.
    Vertex {
        /// Google Cloud project.
        project: String,
        /// Region, `global`, `us` or `eu`.
        location: String,
    },
}

/// What a conversation is set up with; the same for all its connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Which product.
    pub backend: Backend,
    /// `v1beta`, for Vertex `v1` or `v1beta1`.
    pub api_version: String,
    /// Without resource path.
    pub model: String,
    /// Prebuilt voice.
    pub voice: String,
    /// BCP-47: a hint for the caller's transcription. Without it short utterances often come back in a wrong language.
    pub language: String,
    /// System instruction.
    pub instruction: String,
    /// Function declarations in the wire's form.
    pub tools: Vec<Value>,
    /// Silence that ends a caller's turn, milliseconds; 500 to 800 works well.
    pub silence_ms: u32,
}

impl Setup {
    /// What the model accepts.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(&self.model)
    }

    /// Path and query of the WebSocket, below an endpoint.
    pub fn path(&self) -> String {
        let version = &self.api_version;
        match &self.backend {
            Backend::Developer => {
                format!("/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent")
            }
            Backend::Vertex { .. } => {
                format!("/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent")
            }
        }
    }

    /// The model's resource name.
    pub fn resource(&self) -> String {
        match &self.backend {
            Backend::Developer => format!("models/{}", self.model.trim_start_matches("models/")),
            Backend::Vertex { project, location } => {
                format!("projects/{project}/locations/{location}/publishers/google/models/{}", self.model)
            }
        }
    }

    /// The setup message; with `handle` it resumes. `seeded` announces that history follows, for models that take
    /// it only there; a resumed session has its history already.
    pub fn message(&self, handle: Option<&str>, seeded: bool) -> Bytes {
        let capabilities = self.capabilities();
        let mut generation = json!({
            "responseModalities": ["AUDIO"],
            "speechConfig": { "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": self.voice } } },
        });
        if capabilities.needs_thinking_level {
            generation["thinkingConfig"] = json!({ "thinkingLevel": "LOW" });
        }
        let mut setup = json!({
            "model": self.resource(),
            "generationConfig": generation,
            "systemInstruction": { "parts": [{ "text": self.instruction }] },
            "realtimeInputConfig": { "automaticActivityDetection": { "silenceDurationMs": self.silence_ms } },
            "inputAudioTranscription": { "languageCodes": [self.language] },
            "outputAudioTranscription": {},
            "sessionResumption": handle.map_or_else(|| json!({}), |handle| json!({ "handle": handle })),
            "contextWindowCompression": { "slidingWindow": {} },
        });
        if !self.tools.is_empty() {
            setup["tools"] = json!([{ "functionDeclarations": self.tools }]);
        }
        if seeded && handle.is_none() && !capabilities.client_content {
            setup["historyConfig"] = json!({ "initialHistoryInClientContent": true });
        }
        wire::json(&json!({ "setup": setup }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn setup() -> Setup {
        Setup {
            backend: Backend::Developer,
            api_version: "v1beta".into(),
            model: "gemini-3.8-live".into(),
            voice: "Sulafat".into(),
            language: "en-US".into(),
            instruction: "You answer the phone of a clinic.".into(),
            tools: vec![json!({ "name": "end_call", "description": "Hangs up." })],
            silence_ms: 600,
        }
    }

    fn message(setup: &Setup, handle: Option<&str>, seeded: bool) -> Value {
        serde_json::from_slice(&setup.message(handle, seeded)).unwrap()
    }

    #[test]
    fn the_message_holds_what_the_model_accepts_and_nothing_else() {
        let expected = json!({"setup": {
            "model": "models/gemini-3.8-live",
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Sulafat"}}}
            },
            "systemInstruction": {"parts": [{"text": "You answer the phone of a clinic."}]},
            "tools": [{"functionDeclarations": [{"name": "end_call", "description": "Hangs up."}]}],
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 600}},
            "inputAudioTranscription": {"languageCodes": ["en-US"]},
            "outputAudioTranscription": {},
            "sessionResumption": {},
            "contextWindowCompression": {"slidingWindow": {}}
        }});
        assert_eq!(message(&setup(), None, true), expected);
        assert_eq!(message(&setup(), Some("abc"), false)["setup"]["sessionResumption"], json!({ "handle": "abc" }));
    }

    #[test]
    fn models_with_other_rules() {
        let thinking = Setup { model: "gemini-3.8-live-extended-thinking".into(), ..setup() };
        let level = &message(&thinking, None, false)["setup"]["generationConfig"]["thinkingConfig"];
        assert_eq!(level, &json!({ "thinkingLevel": "LOW" }));
        let seed_only = Setup { model: "gemini-3.1-flash-live-preview".into(), ..setup() };
        assert!(message(&seed_only, None, true)["setup"]["historyConfig"].is_object());
        assert!(message(&seed_only, None, false)["setup"]["historyConfig"].is_null());
        assert!(message(&seed_only, Some("abc"), true)["setup"]["historyConfig"].is_null(), "refused on resumption");
    }

    #[test]
    fn vertex_has_other_paths_and_names() {
        let backend = Backend::Vertex { project: "clinic".into(), location: "us-central1".into() };
        let vertex = Setup { backend, api_version: "v1beta1".into(), ..setup() };
        assert_eq!(vertex.path(), "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent");
        assert_eq!(vertex.resource(), "projects/clinic/locations/us-central1/publishers/google/models/gemini-3.8-live");
    }
}

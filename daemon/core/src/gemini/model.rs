//! What each Live model accepts: the service refuses a setup with one field too many.
//!
//! Source: Google's model pages and reported refusals, November 2026. A model that is not in the table is taken for
//! the newest generation.

/// What one model accepts and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table of yes and no")]
pub struct Capabilities {
    /// `clientContent` is accepted during the whole session, not only for seeding history before the first turn.
    pub client_content: bool,
    /// A function response may say when it is to be spoken of.
    pub scheduling: bool,
    /// `thinkingLevel` is mandatory.
    pub needs_thinking_level: bool,
    /// Audio must be held back while a function runs (2.5: the service closes otherwise).
    pub hold_audio_during_tools: bool,
}

const CURRENT: Capabilities = Capabilities {
    client_content: true,
    scheduling: true,
    needs_thinking_level: false,
    hold_audio_during_tools: false,
};

/// The table, by what a model's name contains; the first match counts.
const TABLE: &[(&str, Capabilities)] = &[
    ("3.8-live-extended-thinking", Capabilities { scheduling: false, needs_thinking_level: true, ..CURRENT }),
    ("3.8-live", CURRENT),
    ("3.1-flash-live", Capabilities { client_content: false, scheduling: false, ..CURRENT }),
    ("2.5-flash-native-audio", Capabilities { hold_audio_during_tools: true, ..CURRENT }),
];

impl Capabilities {
    /// What `model` (with or without its resource path) accepts.
    pub fn of(model: &str) -> Self {
        TABLE.iter().find(|(part, _)| model.contains(part)).map_or(CURRENT, |&(_, capabilities)| capabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart() {
        assert!(!Capabilities::of("models/gemini-3.8-live").needs_thinking_level);
        assert!(Capabilities::of("gemini-3.8-live-extended-thinking").needs_thinking_level);
        assert!(!Capabilities::of("gemini-3.1-flash-live-preview").client_content);
        assert!(Capabilities::of("gemini-live-2.5-flash-native-audio").hold_audio_during_tools);
        assert_eq!(Capabilities::of("gemini-9-live"), CURRENT);
    }
}

//! What one party's audio endpoint can do, whatever it is: a phone's media stream, a speakerphone, a browser.
//!
//! A source knows its codec, its rate and its pacing, and how to fall silent at once. It knows nothing of the model.

use crate::audio::pace::Position;
use crate::audio::vad::VoiceEvent;
use std::time::Instant;

/// What a source tells the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceEvent {
    /// Audio can flow.
    Started,
    /// The party's voice, as the local detector hears it.
    Voice(VoiceEvent),
    /// A key was pressed.
    Digit(char),
    /// The party is gone.
    Ended,
}

/// One party's audio endpoint.
pub trait Source {
    /// What happened, in order.
    fn next_event(&mut self) -> Option<SourceEvent>;

    /// The party's audio at 16 kHz that arrived since [`audio_taken`](Self::audio_taken).
    fn heard_audio(&self) -> &[i16];

    /// The party's audio has been passed on.
    fn audio_taken(&mut self);

    /// Appends agent speech at 24 kHz to what is to be said.
    fn play(&mut self, speech: &[i16]);

    /// The reply is complete: its last sample goes out.
    fn complete_reply(&mut self);

    /// Lowers the agent's voice at once.
    fn duck(&mut self, now: Instant);

    /// Lets the agent's voice come back.
    fn unduck(&mut self);

    /// Silences the agent at once and drops what it had to say. Returns how far it was heard.
    fn flush(&mut self, now: Instant) -> Position;

    /// Where the next sample that is played will stand.
    fn end(&self) -> Position;

    /// How far the ear has come by `now`, as well as can be known.
    fn heard(&self, now: Instant) -> Position;

    /// Whether the far end has confirmed that it played everything.
    fn is_confirmed(&self) -> bool;

    /// Until when audible sound reaches the ear, as far as it is known; never moved by silent audio.
    fn audible_until(&self) -> Option<Instant>;
}

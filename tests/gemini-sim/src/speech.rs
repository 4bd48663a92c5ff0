//! What the receptionist says, as ready-made messages.
//!
//! Each line is rendered, cut into frames and encoded once, and then shared by every session that says it: sending
//! speech costs a session no more than handing on the bytes.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use frontdesk_voice::{SpeakError, Voice, speak};

use crate::wire::server;

/// The rate of the model's speech.
pub(crate) const OUTPUT_HZ: u32 = 24_000;

/// Lengths of successive frames; the service is no more regular.
const FRAMES_MS: [usize; 6] = [40, 100, 200, 120, 60, 160];

/// How a line sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sound {
    #[default]
    Voice,
    /// Digital silence.
    Silent,
    /// Noise of one bit.
    NearZero,
}

/// One line, rendered.
pub(crate) struct Speech {
    pub(crate) text: String,
    pcm: Vec<i16>,
    frames: Vec<Range<usize>>,
    /// Messages per sound and with or without transcription, made when first needed.
    messages: [OnceLock<Vec<Bytes>>; 6],
}

impl Speech {
    fn new(text: &str, pcm: Vec<i16>) -> Self {
        let mut frames = Vec::new();
        let mut from = 0;
        for ms in FRAMES_MS.iter().cycle() {
            if from >= pcm.len() {
                break;
            }
            let to = (from + ms * OUTPUT_HZ as usize / 1_000).min(pcm.len());
            frames.push(from..to);
            from = to;
        }
        Self { text: text.to_owned(), pcm, frames, messages: Default::default() }
    }

    /// Length in samples.
    pub(crate) fn samples(&self) -> usize {
        self.pcm.len()
    }

    /// How long it takes to say.
    pub(crate) fn duration(&self) -> Duration {
        duration(self.pcm.len())
    }

    /// Frame `index`: the samples it holds, and its message.
    pub(crate) fn frame(&self, index: usize, sound: Sound, transcribe: bool) -> Option<(Range<usize>, Bytes)> {
        let samples = self.frames.get(index)?.clone();
        let version = sound as usize * 2 + usize::from(transcribe);
        let messages = self.messages[version].get_or_init(|| self.encode(sound, transcribe));
        Some((samples, messages[index].clone()))
    }

    fn encode(&self, sound: Sound, transcribe: bool) -> Vec<Bytes> {
        let fragments = self.fragments();
        let encode = |(index, samples): (usize, &Range<usize>)| {
            let pcm = &self.pcm[samples.clone()];
            let transcript = Some(fragments[index].as_str()).filter(|text| transcribe && !text.is_empty());
            let pretty = index % 3 == 1;
            match sound {
                Sound::Voice => server::speech(pcm, transcript, pretty),
                Sound::Silent => server::speech(&vec![0; pcm.len()], transcript, pretty),
                Sound::NearZero => server::speech(&near_zero(pcm.len()), transcript, pretty),
            }
        };
        self.frames.iter().enumerate().map(encode).collect()
    }

    /// The text spread over the frames, each word with the frame in which it roughly begins. Put together they are the
    /// text again, spaces included.
    fn fragments(&self) -> Vec<String> {
        let mut fragments = vec![String::new(); self.frames.len()];
        if fragments.is_empty() {
            return fragments;
        }
        for (at, word) in self.text.split_inclusive(' ').scan(0, |before, word| {
            let at = *before;
            *before += word.len();
            Some((at, word))
        }) {
            let sample = at * self.pcm.len() / self.text.len().max(1);
            let frame = self.frames.iter().position(|frame| frame.contains(&sample)).unwrap_or(0);
            fragments[frame].push_str(word);
        }
        fragments
    }
}

/// How long `samples` of the model's speech take.
pub(crate) fn duration(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(OUTPUT_HZ))
}

/// Noise that is not silence to a program and is to an ear.
fn near_zero(samples: usize) -> Vec<i16> {
    (0..samples as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 30) as i16 % 3 - 1).collect()
}

/// All lines said so far, ready to be said again.
pub(crate) struct Library {
    voice: Voice,
    lines: Mutex<HashMap<String, Arc<Speech>>>,
}

impl Library {
    pub(crate) fn new(voice: Voice) -> Self {
        Self { voice, lines: Mutex::default() }
    }

    /// A line that was rendered before.
    pub(crate) fn ready(&self, text: &str) -> Option<Arc<Speech>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned()
    }

    /// Renders a line; blocks for the time that espeak-ng takes.
    pub(crate) fn render(&self, text: &str) -> Result<(), SpeakError> {
        if self.ready(text).is_none() {
            self.insert(text, speak(text, &self.voice, OUTPUT_HZ)?);
        }
        Ok(())
    }

    /// Gives a line a sound of its own.
    pub(crate) fn insert(&self, text: &str, pcm: Vec<i16>) {
        let speech = Arc::new(Speech::new(text, pcm));
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), speech);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn speech() -> Speech {
        Speech::new("One two three four.", (0..OUTPUT_HZ as usize).map(|n| n as i16).collect())
    }

    fn content(message: &Bytes) -> Value {
        serde_json::from_slice::<Value>(message).unwrap()["serverContent"].take()
    }

    fn samples(message: &Bytes) -> Vec<i16> {
        let mut bytes = Vec::new();
        let content = content(message);
        let data = content["modelTurn"]["parts"][0]["inlineData"]["data"].as_str().unwrap();
        crate::wire::audio::decode_base64(data.as_bytes(), &mut bytes).unwrap();
        crate::wire::audio::samples(&bytes).collect()
    }

    #[test]
    fn frames_hold_every_sample_in_order() {
        let speech = speech();
        let messages: Vec<Bytes> = (0..).map_while(|n| speech.frame(n, Sound::Voice, true)).map(|f| f.1).collect();
        assert_eq!(messages.iter().flat_map(samples).collect::<Vec<_>>(), speech.pcm);
        let lengths: Vec<usize> = speech.frames.iter().map(|frame| frame.len() / 24).collect();
        assert_eq!(lengths, [40, 100, 200, 120, 60, 160, 40, 100, 180]);
        assert!(messages[1].contains(&b'\n') && !messages[0].contains(&b'\n'), "only some are pretty-printed");
    }

    #[test]
    fn fragments_are_the_text() {
        let speech = speech();
        let text = |transcribe| {
            (0..)
                .map_while(|n| speech.frame(n, Sound::Voice, transcribe))
                .filter_map(|(_, message)| content(&message)["outputTranscription"]["text"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(text(true).concat(), "One two three four.");
        assert_eq!(text(true).len(), 4);
        assert!(text(false).is_empty());
    }

    #[test]
    fn a_failed_voice_is_as_long_as_a_good_one() {
        let speech = speech();
        let (range, silent) = speech.frame(2, Sound::Silent, false).unwrap();
        assert_eq!(samples(&silent), vec![0; range.len()]);
        let (range, noise) = speech.frame(2, Sound::NearZero, false).unwrap();
        let noise = samples(&noise);
        assert!(noise.len() == range.len() && noise.iter().all(|s| s.abs() <= 1) && noise.iter().any(|s| *s != 0));
    }

    #[test]
    fn an_empty_line_has_no_frames() {
        let speech = Speech::new("", Vec::new());
        assert!(speech.frame(0, Sound::Voice, true).is_none());
        assert_eq!(speech.duration(), Duration::ZERO);
    }
}

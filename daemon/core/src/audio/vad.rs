//! Voice activity of one talker, with thresholds that know whether the agent is being heard.
//!
//! A detector (earshot, 16 ms frames) scores the likelihood of voice; an energy gate in front of it spares it the
//! silence that most of a call consists of, and a voice that goes on is confirmed now and then. While the agent is
//! heard, its echo may come back on the line, so a talker then has to be louder to count.

use super::level;
use crate::units::Dbfs;
use earshot::Detector;
use std::collections::VecDeque;
use std::time::Duration;

/// Samples that are judged at once: 16 ms at 16 kHz.
pub const FRAME: usize = 256;
const FRAME_SPAN: Duration = Duration::from_millis(16);

/// Voice within one stretch that makes it more than a cough or an "aha".
pub const SUSTAINED: Duration = Duration::from_millis(400);
/// Silence that ends a stretch of voice: longer than the closure of a stop consonant, shorter than a pause.
const HANGOVER: Duration = Duration::from_millis(240);

/// What a talker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceEvent {
    /// A voice began. Told at most 60 ms after it became loud.
    Onset,
    /// The voice of this stretch has lasted [`SUSTAINED`]. Once a stretch.
    Sustained,
    /// The stretch is over, [a quarter of a second](HANGOVER) ago.
    End {
        /// How much of it was voice.
        voiced: Duration,
    },
}

/// Thresholds of one situation.
struct Thresholds {
    /// Below this level nothing is a voice.
    gate: Dbfs,
    /// Score of the detector from which a frame is voice.
    score: f32,
    /// Frames in a row that make an onset.
    frames: u32,
}

/// White noise of a bad line (-45 dBFS) scores 0.52 at most, and the first frames of a voice 0.55 to 0.6 (earshot 1.2.2).
const QUIET: Thresholds = Thresholds { gate: Dbfs(-48.0), score: 0.55, frames: 2 };
/// An echo is the agent's own voice: no score tells it from a caller, only its level does. Speech is sent at about -20
/// dBFS with peaks 10 dB above, so an echo 30 dB down stays below this gate; a caller is 10 dB and more above it.
const AGENT_HEARD: Thresholds = Thresholds { gate: Dbfs(-38.0), score: 0.55, frames: 2 };
/// Behind an echo canceller that has learnt the room, an echo is 30 dB down and more (-56 dBFS), and its suppressor takes
/// a part of whoever speaks over the agent as well. The gate need not rise then as it does on the phone: a word's
/// quieter syllables would be lost.
const CANCELLED: Dbfs = Dbfs(-48.0);
/// And what the suppressor leaves of the first 400 ms of such a voice: with espeak-ng's speech over an equally loud echo,
/// [`SUSTAINED`] itself was reached only after 670 to 750 ms.
const SUSTAINED_CANCELLED: Duration = Duration::from_millis(288);
/// Frames before a loud one that the detector hears as well: it looks at 48 ms and their two predecessors. With less it
/// finds a voice up to 30 ms later.
const CONTEXT: usize = 5;
/// Frames of a sustained voice that are taken for more of it as long as they are loud, once the detector has confirmed
/// one: only a noise that takes over from the voice is noticed later for it, by 224 ms at most.
const TRUSTED: usize = 14;
/// Frames that the detector hears before one that confirms a voice. With less it takes a noise for the voice before it,
/// half a second longer.
const CONFIRM: usize = 4;
/// Frames for which a loud one keeps the gate open: without, the jumps of noise around the gate are taken for a voice.
const HOLD: usize = 3;

/// Judges one talker's stream at 16 kHz. No allocation after [`Vad::new`].
pub struct Vad {
    detector: Box<Detector>,
    frame: [i16; FRAME],
    filled: usize,
    /// The newest frames that the gate kept from the detector, to bring it up to date when the gate opens.
    skipped: VecDeque<[i16; FRAME]>,
    /// Frames for which the gate stays open.
    open_for: usize,
    gates: [f32; 2],
    /// What makes a voice a sustained one, while the agent is not heard and while it is.
    sustained: [Duration; 2],
    rising: u32,
    stretch: Option<Stretch>,
}

struct Stretch {
    voiced: Duration,
    silent: Duration,
    sustained: bool,
    /// Loud frames that are taken for voice unheard.
    trusted: usize,
}

impl Default for Vad {
    fn default() -> Self {
        Self::new()
    }
}

impl Vad {
    /// A judge that has heard nothing yet.
    pub fn new() -> Self {
        Self {
            detector: Detector::default_boxed(),
            frame: [0; FRAME],
            filled: 0,
            skipped: VecDeque::with_capacity(CONTEXT),
            open_for: 0,
            gates: [QUIET.gate.mean_square(), AGENT_HEARD.gate.mean_square()],
            sustained: [SUSTAINED; 2],
            rising: 0,
            stretch: None,
        }
    }

    /// A judge behind an echo canceller, which has heard nothing yet: it need not be told of a voice over the agent as
    /// loudly and as long as one on a phone.
    pub fn behind_canceller() -> Self {
        Self {
            gates: [QUIET.gate.mean_square(), CANCELLED.mean_square()],
            sustained: [SUSTAINED, SUSTAINED_CANCELLED],
            ..Self::new()
        }
    }

    /// Takes `pcm` (16 kHz, any length) and tells what the talker did meanwhile, through `event`, in order.
    pub fn push(&mut self, pcm: &[i16], agent_heard: bool, mut event: impl FnMut(VoiceEvent)) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let take = rest.len().min(FRAME - self.filled);
            self.frame[self.filled..self.filled + take].copy_from_slice(&rest[..take]);
            self.filled += take;
            rest = &rest[take..];
            if self.filled == FRAME {
                self.filled = 0;
                if let Some(happened) = self.judge(agent_heard) {
                    event(happened);
                }
            }
        }
    }

    /// Whether a stretch of voice is under way.
    pub fn is_voice(&self) -> bool {
        self.stretch.is_some()
    }

    fn judge(&mut self, agent_heard: bool) -> Option<VoiceEvent> {
        let thresholds = if agent_heard { &AGENT_HEARD } else { &QUIET };
        let loud = level::mean_square(&self.frame) >= self.gates[usize::from(agent_heard)];
        let voice = if loud && self.trusts() {
            self.skip(CONFIRM);
            true
        } else {
            self.score(loud) >= thresholds.score
        };
        match &mut self.stretch {
            None => {
                self.rising = if voice { self.rising + 1 } else { 0 };
                if self.rising < thresholds.frames {
                    return None;
                }
                let voiced = FRAME_SPAN * self.rising;
                self.rising = 0;
                self.stretch = Some(Stretch { voiced, silent: Duration::ZERO, sustained: false, trusted: 0 });
                Some(VoiceEvent::Onset)
            }
            Some(stretch) if voice => {
                stretch.silent = Duration::ZERO;
                stretch.voiced += FRAME_SPAN;
                stretch.trusted = if stretch.trusted > 0 { stretch.trusted - 1 } else { TRUSTED };
                if stretch.sustained || stretch.voiced < self.sustained[usize::from(agent_heard)] {
                    return None;
                }
                stretch.sustained = true;
                Some(VoiceEvent::Sustained)
            }
            Some(stretch) => {
                stretch.silent += FRAME_SPAN;
                stretch.trusted = 0;
                if stretch.silent < HANGOVER {
                    return None;
                }
                let voiced = stretch.voiced;
                self.stretch = None;
                Some(VoiceEvent::End { voiced })
            }
        }
    }

    /// Whether another loud frame is more of a voice that has lasted, without asking the detector.
    fn trusts(&self) -> bool {
        self.stretch.as_ref().is_some_and(|stretch| stretch.sustained && stretch.trusted > 0)
    }

    /// Keeps the frame, and no more than `most`, for the moment at which the detector is asked again.
    fn skip(&mut self, most: usize) {
        while self.skipped.len() >= most {
            self.skipped.pop_front();
        }
        self.skipped.push_back(self.frame);
    }

    /// The detector's score, or 0 below the gate.
    fn score(&mut self, loud: bool) -> f32 {
        self.open_for = if loud { HOLD } else { self.open_for.saturating_sub(1) };
        if self.open_for == 0 {
            self.skip(CONTEXT);
            return 0.0;
        }
        for before in self.skipped.drain(..) {
            self.detector.predict_i16(&before);
        }
        let score = self.detector.predict_i16(&self.frame);
        if loud { score } else { 0.0 }
    }
}

#[cfg(test)]
#[path = "vad_tests.rs"]
mod tests;

//! What the simulators' hooks write down in passing: one tape per call and side, judged when the run is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_gemini_sim::{OnAudio, OnSentAudio};
use frontdesk_twilio_sim::Hooks;

/// A sample beyond this is part of a marker: speech in the bench stays far below.
pub(crate) const LOUD: u16 = 14_000;
/// The model sends a reply without pauses of that length; what follows one is the next reply.
const BETWEEN_REPLIES: Duration = Duration::from_millis(700);

/// One message of caller audio as the model got it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// When it was read.
    pub(crate) at: Instant,
    /// Samples at 16 kHz.
    pub(crate) samples: usize,
    /// First and last loud sample.
    pub(crate) loud: Option<(usize, usize)>,
}

/// One call on Twilio's side.
#[derive(Debug, Default)]
pub(crate) struct LineTape {
    /// When each frame was sent, by its number; missing ones were not.
    pub(crate) sent: Vec<Option<Instant>>,
    /// Media messages: when, and bytes.
    pub(crate) media: Vec<(Instant, usize)>,
    /// All their bytes.
    pub(crate) heard: Vec<u8>,
    /// Clears.
    pub(crate) clears: Vec<Instant>,
}

/// One call on the model's side.
#[derive(Debug, Default)]
pub(crate) struct LiveTape {
    /// Caller audio.
    pub(crate) arrivals: Vec<Arrival>,
    /// Pieces of speech: when, and where they begin.
    pub(crate) pieces: Vec<(Instant, u64)>,
    /// When the newest reply began.
    pub(crate) reply_began: Option<Instant>,
    /// When `interrupted` was sent on the bench's demand.
    pub(crate) interrupted: Vec<Instant>,
}

/// All calls' tapes; clones share them.
#[derive(Clone)]
pub(crate) struct Tapes {
    calls: Arc<Vec<(Mutex<LineTape>, Mutex<LiveTape>)>>,
}

impl Tapes {
    /// Tapes for so many calls.
    pub(crate) fn new(calls: usize) -> Self {
        Self { calls: Arc::new((0..calls).map(|_| Default::default()).collect()) }
    }

    /// Twilio's side of a call.
    pub(crate) fn line(&self, call: usize) -> MutexGuard<'_, LineTape> {
        self.calls[call].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model's side of a call.
    pub(crate) fn live(&self, call: usize) -> MutexGuard<'_, LiveTape> {
        self.calls[call].1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes for the simulated Twilio.
    pub(crate) fn line_hooks(&self) -> Hooks {
        let (sent, media, clear) = (self.clone(), self.clone(), self.clone());
        Hooks {
            on_sent: Some(Arc::new(move |call, frame, at| {
                let frame = frame as usize;
                let tape = &mut sent.line(call).sent;
                tape.resize(tape.len().max(frame + 1), None);
                tape[frame] = Some(at);
            })),
            on_media: Some(Arc::new(move |call, bytes, at| {
                let mut tape = media.line(call);
                tape.media.push((at, bytes.len()));
                tape.heard.extend_from_slice(bytes);
            })),
            on_clear: Some(Arc::new(move |call, at| clear.line(call).clears.push(at))),
        }
    }

    /// Writes for the simulated Gemini, whose sessions have the numbers of the calls.
    pub(crate) fn on_audio(&self) -> OnAudio {
        let tapes = self.clone();
        Arc::new(move |session, pcm, at| {
            let is_loud = |sample: &i16| sample.unsigned_abs() > LOUD;
            let first = pcm.iter().position(is_loud);
            let loud = first.zip(pcm.iter().rposition(is_loud));
            tapes.live(session).arrivals.push(Arrival { at, samples: pcm.len(), loud });
        })
    }

    /// As above.
    pub(crate) fn on_sent_audio(&self) -> OnSentAudio {
        let tapes = self.clone();
        Arc::new(move |session, offset, _, at| {
            let mut tape = tapes.live(session);
            if tape.pieces.last().is_none_or(|(last, _)| at - *last > BETWEEN_REPLIES) {
                tape.reply_began = Some(at);
            }
            tape.pieces.push((at, offset));
        })
    }
}

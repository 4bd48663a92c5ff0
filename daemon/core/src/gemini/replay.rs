//! What the caller said most recently, to be said again to a resumed session.
//!
//! A broken connection takes with it what the service had heard but not yet answered. The last three seconds of speech
//! are kept, silence skipped, so that a resumed session gets every word. Kept as mu-law: 16 kB a second of speech.

use crate::audio::{g711, level};
use crate::units::{Dbfs, SampleRate};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Speech that is kept.
pub const SPAN: Duration = Duration::from_secs(3);
const FRAME_SPAN: Duration = Duration::from_millis(20);
const FRAME: usize = SampleRate::LISTENING.samples_in(FRAME_SPAN);
const FRAMES: usize = (SPAN.as_millis() / FRAME_SPAN.as_millis()) as usize;
/// Quieter than this is skipped.
const SILENCE: Dbfs = Dbfs(-50.0);
/// Silence kept behind speech and before it, so that words stay apart and keep their edges: 200 ms and 60 ms.
const TAIL: usize = 10;
const LEAD_IN: usize = 3;

/// Frames for which room is made at a time: half a second.
const STEP: usize = 25;

struct Frame {
    heard: Instant,
    mulaw: [u8; FRAME],
}

/// The caller's newest speech. Full (50 kB): the oldest frame goes. Grows in steps of [`STEP`] frames while the caller
/// speaks, and gives them back when what was said is forgotten.
pub struct Replay {
    frames: VecDeque<Frame>,
    part: Vec<i16>,
    silence: usize,
    gate: f32,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            frames: VecDeque::with_capacity(STEP),
            part: Vec::with_capacity(FRAME),
            silence: TAIL + LEAD_IN,
            gate: SILENCE.mean_square(),
        }
    }
}

impl Replay {
    /// Takes 16 kHz audio that was heard at `now`.
    pub fn push(&mut self, now: Instant, pcm: &[i16]) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let take = rest.len().min(FRAME - self.part.len());
            self.part.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            if self.part.len() == FRAME {
                self.keep(now);
            }
        }
    }

    /// Appends what was heard at `from` or later to `pcm`, oldest first.
    pub fn since(&self, from: Instant, pcm: &mut Vec<i16>) {
        for frame in self.frames.iter().filter(|frame| frame.heard >= from) {
            pcm.extend(frame.mulaw.iter().map(|&byte| g711::decode(byte)));
        }
        // The newest samples do not fill a frame yet; whoever goes on from here must not miss them.
        pcm.extend(&self.part);
    }

    /// Forgets what was heard before `from`.
    pub fn forget_before(&mut self, from: Instant) {
        while self.frames.front().is_some_and(|frame| frame.heard < from) {
            self.frames.pop_front();
        }
        if self.frames.len() <= STEP {
            self.frames.shrink_to(STEP);
        }
    }

    fn keep(&mut self, now: Instant) {
        let silent = level::mean_square(&self.part) < self.gate;
        self.silence = if silent { self.silence + 1 } else { 0 };
        let lead_in = self.silence.saturating_sub(TAIL);
        if lead_in > LEAD_IN && self.frames.len() >= LEAD_IN {
            // The oldest frame of a running lead-in makes room for the newest.
            let at = self.frames.len().saturating_sub(LEAD_IN);
            self.frames.remove(at);
        } else if self.frames.len() == FRAMES {
            self.frames.pop_front();
        }
        if self.frames.len() == self.frames.capacity() {
            self.frames.reserve_exact(STEP);
        }
        let mut mulaw = [0; FRAME];
        for (byte, &sample) in mulaw.iter_mut().zip(&self.part) {
            *byte = g711::encode(sample);
        }
        self.frames.push_back(Frame { heard: now, mulaw });
        self.part.clear();
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;

    const VOICE: [i16; FRAME] = [2_000; FRAME];
    const QUIET: [i16; FRAME] = [3; FRAME];

    fn kept_since(replay: &Replay, from: Instant) -> Duration {
        let mut pcm = Vec::new();
        replay.since(from, &mut pcm);
        SampleRate::LISTENING.duration_of(pcm.len())
    }

    fn run(script: &[(&[i16; FRAME], usize)]) -> (Replay, Instant, Instant) {
        let (mut replay, start) = (Replay::default(), Instant::now());
        let mut now = start;
        for &(frame, times) in script {
            for _ in 0..times {
                replay.push(now, frame);
                now += FRAME_SPAN;
            }
        }
        (replay, start, now)
    }

    #[test]
    fn long_silence_costs_next_to_nothing_and_words_keep_their_edges() {
        let (replay, start, _) = run(&[(&QUIET, 500), (&VOICE, 20), (&QUIET, 500), (&VOICE, 20)]);
        let mut pcm = Vec::new();
        replay.since(start, &mut pcm);
        let voiced = pcm.chunks(FRAME).filter(|frame| frame[0] > 1_000).count();
        assert_eq!(voiced, 40);
        assert!(pcm.len() / FRAME <= 40 + TAIL + 2 * LEAD_IN, "{} frames", pcm.len() / FRAME);
        let lead_in = pcm.chunks(FRAME).take_while(|frame| frame[0].abs() < 10).count();
        assert_eq!(lead_in, LEAD_IN, "a lead-in stands before the first word");
    }

    #[test]
    fn a_word_behind_what_was_forgotten_has_its_lead_in_too() {
        let (mut replay, _, now) = run(&[(&VOICE, 20), (&QUIET, 30)]);
        replay.forget_before(now);
        for frame in [&QUIET; 10].into_iter().chain([&VOICE; 5]) {
            replay.push(now, frame);
        }
        assert_eq!(kept_since(&replay, now), FRAME_SPAN * (LEAD_IN as u32 + 5));
    }

    #[test]
    fn three_seconds_are_kept_and_the_newest_win() {
        let (replay, start, now) = run(&[(&VOICE, 400)]);
        assert_eq!(kept_since(&replay, start), SPAN);
        assert_eq!(kept_since(&replay, now.checked_sub(FRAME_SPAN * 5).unwrap()), FRAME_SPAN * 5);
    }

    #[test]
    fn what_is_forgotten_stays_forgotten() {
        let (mut replay, start, now) = run(&[(&VOICE, 50)]);
        replay.forget_before(now.checked_sub(FRAME_SPAN * 10).unwrap());
        assert_eq!(kept_since(&replay, start), FRAME_SPAN * 10);
        replay.forget_before(now);
        assert_eq!(kept_since(&replay, start), Duration::ZERO);
        assert_eq!(replay.frames.capacity(), STEP, "and costs no memory");
    }

    #[test]
    fn the_newest_samples_are_told_although_they_fill_no_frame() {
        let (mut replay, start, now) = run(&[(&VOICE, 5)]);
        replay.push(now, &[1_234; 100]);
        let mut pcm = Vec::new();
        replay.since(start, &mut pcm);
        assert_eq!(pcm[5 * FRAME..], [1_234; 100]);
    }
}

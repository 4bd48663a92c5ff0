//! Falling silent or quiet at once: what has left and was not heard is taken back.

use std::time::Instant;

use super::{FRAME, Playout, Position, RATE};
use crate::audio::{g711, level};
use crate::units::{Dbfs, Gain};

/// How much quieter a ducked reply is.
const DUCK_DB: f32 = -15.0;
/// Frames of 20 ms that a ducked reply takes back to its level, after a false alarm.
const FADE_IN_FRAMES: u32 = 10;
/// A frame below this level is silence to a listener.
const AUDIBLE: Dbfs = Dbfs(-50.0);

impl Playout {
    /// Takes back what has not been heard and goes on with it at a lower level and a short lead.
    ///
    /// Returns whether the far end must be told to clear. When nothing is playing, what comes
    /// next begins at the lower level.
    #[must_use]
    pub fn duck(&mut self, now: Instant) -> bool {
        if self.ducked {
            return false;
        }
        self.ducked = true;
        self.target = Gain::from_db(DUCK_DB);
        let sounding = self.runs_until(now).is_some();
        if self.speech.unsent() == 0 && !sounding {
            self.gain = self.target;
            return false;
        }
        self.fade_left = 1;
        let heard = self.heard_at_clear(now);
        let unheard = self.speech.take_back((self.position.0 - heard.0) as usize);
        self.rewind(now, Position(self.position.0 - unheard as u64));
        unheard > 0 || sounding
    }

    /// Fades back in, after a false alarm.
    pub fn unduck(&mut self) {
        self.ducked = false;
        self.target = Gain::UNITY;
        self.fade_left = FADE_IN_FRAMES;
    }

    /// Drops everything that has not been heard. Returns how far the ear came, and whether the far end must clear.
    pub fn flush(&mut self, now: Instant) -> (Position, bool) {
        // By the clock too: a far end that echoes a mark before it has played that far may still hold what we sent.
        let playing = self.position > self.heard(now) || self.runs_until(now).is_some();
        let heard = self.heard_at_clear(now);
        self.speech.clear();
        self.complete = true;
        self.ducked = false;
        self.gain = Gain::UNITY;
        self.target = Gain::UNITY;
        self.fade_left = 0;
        self.rewind(now, heard);
        (heard, playing)
    }

    pub(super) fn rewind(&mut self, now: Instant, to: Position) {
        self.position = to;
        self.marked = self.marked.min(to);
        self.acknowledged = self.acknowledged.min(to);
        self.generation += 1;
        self.run = None;
        self.audible_until = self.audible_until.map(|until| until.min(now));
    }

    pub(super) fn fade_and_measure(&mut self, starts: Position) {
        let run = self.run.expect("a run was begun before anything was taken");
        let mut pcm = [0; FRAME];
        for (n, frame) in self.out.chunks_mut(FRAME).enumerate() {
            for (sample, &byte) in pcm.iter_mut().zip(frame.iter()) {
                *sample = g711::decode(byte);
            }
            let from = self.gain;
            if self.fade_left > 0 {
                self.gain = from.towards(self.target, 1.0 / self.fade_left as f32);
                self.fade_left -= 1;
            }
            if from != Gain::UNITY || self.gain != Gain::UNITY {
                for (at, (sample, byte)) in pcm.iter_mut().zip(frame.iter_mut()).enumerate() {
                    *sample = from.towards(self.gain, at as f32 / FRAME as f32).apply(*sample);
                    *byte = g711::encode(*sample);
                }
            }
            if Dbfs::of_mean_square(level::mean_square(&pcm)) > AUDIBLE {
                let end = (starts.0 - run.from.0) as usize + (n + 1) * FRAME;
                self.audible_until = Some(run.started + RATE.duration_of(end));
            }
        }
    }
}

//! From the agent to the loudspeaker.

use super::convert::{Converter, rate_of};
use super::earcon::Tone;
use crate::block::{Epoch, MOST, Playout, Speech};
use crate::knobs::Knobs;
use frontdesk_core::units::{Gain, SampleRate};
use heapless::spsc::Consumer;

/// How much quieter a ducked reply is: as on the phone.
const DUCK_DB: f32 = -15.0;
/// A duck is down after that many parts of a second, and back up after so many.
const DOWN: f32 = 0.008;
const UP: f32 = 0.2;
/// What breaks off in a stall fades out, and what goes on behind it fades in, over that many parts of a second: 2 ms.
const EDGE: u32 = 500;
/// Samples of the fade out, at the speech's rate.
const FADE: usize = SampleRate::SPEAKING.hz() as usize / EDGE as usize;

/// The playout side. Allocates when the device's rate changes.
pub(super) struct Speaker {
    path: Option<Path>,
    epoch: Epoch,
    /// Where the speech stands behind what was composed.
    end: u64,
    /// Where it stands behind what the device was given.
    given_end: u64,
    /// Nothing was spoken in this epoch yet: where the speech stands, the device alone knows.
    fresh: bool,
    volume: Gain,
    tone: Option<Tone>,
}

struct Path {
    len: u16,
    rate: SampleRate,
    voice: Converter,
    state: State,
    /// Samples of speech taken in, 24 kHz, and where the first of them stood.
    taken: u64,
    base: u64,
    /// Samples composed of this utterance, the device's rate.
    given: u64,
    /// It goes on behind a stall.
    resumed: bool,
    /// 0: full level, 1: ducked.
    duck: f32,
    /// The newest sample of speech that was taken in.
    last: i16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Silent,
    /// More is to come.
    Flowing,
    /// Nothing more will come: what is ready is the rest. True behind a stall.
    Ending {
        stalled: bool,
    },
}

impl Speaker {
    pub(super) fn new() -> Self {
        Self { path: None, epoch: Epoch::default(), end: 0, given_end: 0, fresh: true, volume: Gain::UNITY, tone: None }
    }

    /// The device plays blocks of `len` samples, and the newest that it was given stood at `end`.
    pub(super) fn follow(&mut self, len: u16, end: u64) {
        if self.path.as_ref().is_none_or(|path| path.len != len) {
            self.path = rate_of(usize::from(len)).map(|rate| Path::new(len, rate));
            self.tone = None;
        }
        self.given_end = end;
        if self.fresh {
            self.end = end;
        }
    }

    /// Drops what an epoch that has begun makes unheard.
    pub(super) fn set_epoch(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            return;
        }
        self.epoch = epoch;
        self.fresh = true;
        self.end = self.given_end;
        if let Some(path) = &mut self.path {
            path.silence();
            path.resumed = false;
        }
    }

    /// The next block, or `None` while the device's rate is unknown, or while the next speech may still come in time:
    /// unless `urgent`, which turns a stall into silence.
    pub(super) fn compose(
        &mut self,
        speech: &mut Consumer<'static, Speech>,
        knobs: &Knobs,
        urgent: bool,
    ) -> Option<Playout> {
        self.set_epoch(knobs.epoch());
        self.pull(speech, knobs);
        let path = self.path.as_mut()?;
        let len = usize::from(path.len);
        if path.state == State::Flowing && path.voice.ready() < len {
            if !urgent {
                return None;
            }
            path.break_off();
        }
        let mut block = Playout { epoch: None, end: 0, len: path.len, pcm: [0; MOST] };
        let pcm = &mut block.pcm[..len];
        if path.state == State::Silent {
            path.duck = f32::from(u8::from(knobs.is_ducked()));
        } else {
            block.epoch = Some(self.epoch);
            self.end = path.speak(pcm, knobs.is_ducked());
        }
        block.end = self.end;
        if let Some(earcon) = knobs.take_earcon() {
            self.tone = Some(Tone::new(earcon, path.rate.hz()));
        }
        if let Some(tone) = &mut self.tone
            && !tone.mix(pcm)
        {
            self.tone = None;
        }
        self.turn_up(knobs.volume(), pcm);
        Some(block)
    }

    /// Takes in as much speech as one block needs, and no more: what stays in the ring can still be dropped.
    fn pull(&mut self, speech: &mut Consumer<'static, Speech>, knobs: &Knobs) {
        loop {
            let Some(path) = &mut self.path else { return };
            if matches!(path.state, State::Ending { .. }) || path.is_full() {
                return;
            }
            let Some(block) = speech.dequeue() else { return };
            if block.epoch != self.epoch {
                // It may carry an epoch that began since this turn did.
                self.set_epoch(knobs.epoch());
            }
            if block.epoch == self.epoch
                && let Some(path) = &mut self.path
            {
                path.take(&block);
                self.fresh = false;
            }
        }
    }

    /// Applies the volume; a change of it passes over the whole block.
    fn turn_up(&mut self, volume: Gain, pcm: &mut [i16]) {
        let from = std::mem::replace(&mut self.volume, volume);
        if from == Gain::UNITY && volume == Gain::UNITY {
            return;
        }
        let len = pcm.len() as f32;
        for (n, sample) in pcm.iter_mut().enumerate() {
            *sample = from.towards(volume, (n + 1) as f32 / len).apply(*sample);
        }
    }
}

impl Path {
    fn new(len: u16, rate: SampleRate) -> Self {
        Self {
            len,
            rate,
            voice: Converter::new(SampleRate::SPEAKING, rate),
            state: State::Silent,
            taken: 0,
            base: 0,
            given: 0,
            resumed: false,
            duck: 0.0,
            last: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.state != State::Silent && self.voice.ready() >= usize::from(self.len)
    }

    fn take(&mut self, block: &Speech) {
        let pcm = &block.pcm[..usize::from(block.len).min(block.pcm.len())];
        if self.state == State::Silent && pcm.is_empty() {
            return;
        }
        self.state = State::Flowing;
        self.voice.push(pcm);
        self.last = pcm.last().copied().unwrap_or(self.last);
        self.taken += pcm.len() as u64;
        self.base = block.end.saturating_sub(self.taken);
        if block.last {
            self.voice.flush();
            self.state = State::Ending { stalled: false };
        }
    }

    /// Fills `pcm` with speech, and silence behind its end. Returns where the speech stands behind it.
    fn speak(&mut self, pcm: &mut [i16], ducked: bool) -> u64 {
        let count = self.voice.take(pcm);
        self.shape(&mut pcm[..count], ducked);
        self.given += count as u64;
        let State::Ending { stalled } = self.state else { return self.stand() };
        if self.voice.ready() > 0 {
            return self.stand();
        }
        let end = self.base + self.taken;
        self.silence();
        self.resumed = stalled;
        end
    }

    /// Where the speech stands, from what was composed of it.
    fn stand(&self) -> u64 {
        let spoken = self.given.saturating_sub(self.voice.lag() as u64);
        let spoken = spoken * u64::from(SampleRate::SPEAKING.hz()) / u64::from(self.rate.hz());
        self.base + spoken.min(self.taken)
    }

    fn shape(&mut self, pcm: &mut [i16], ducked: bool) {
        let target = f32::from(u8::from(ducked));
        let edge = u64::from(self.rate.hz() / EDGE);
        let begins = self.voice.lag() as u64;
        let rises = self.resumed && self.given < begins + edge;
        if target == 0.0 && self.duck == 0.0 && !rises {
            return;
        }
        let low = Gain::from_db(DUCK_DB);
        let hz = self.rate.hz() as f32;
        for (n, sample) in (self.given..).zip(pcm) {
            self.duck =
                if ducked { (self.duck + 1.0 / (DOWN * hz)).min(1.0) } else { (self.duck - 1.0 / (UP * hz)).max(0.0) };
            let mut value = Gain::UNITY.towards(low, self.duck).apply(*sample);
            if rises {
                value = Gain::from_db(-120.0)
                    .towards(Gain::UNITY, n.saturating_sub(begins) as f32 / edge as f32)
                    .apply(value);
            }
            *sample = value;
        }
    }

    /// Ends a stream that was to go on: its newest sample fades, because a jump to silence is heard as a click. The fade
    /// passes the filter like speech and is not counted as such.
    fn break_off(&mut self) {
        let mut fade = [0; FADE];
        for (left, sample) in (0..FADE as i32).rev().zip(&mut fade) {
            *sample = (i32::from(self.last) * left / FADE as i32) as i16;
        }
        self.voice.push(&fade);
        self.voice.flush();
        self.state = State::Ending { stalled: true };
    }

    /// Forgets the utterance.
    fn silence(&mut self) {
        self.voice.reset();
        self.state = State::Silent;
        (self.taken, self.base, self.given) = (0, 0, 0);
    }
}

#[cfg(test)]
#[path = "speak_tests.rs"]
mod tests;

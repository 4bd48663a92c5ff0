//! The room around the device: what its microphone hears, what its loudspeaker is heard to say.
//!
//! ```text
//!  host ──► volume, mute ──► loudspeaker ──┬──► recording
//!                                          │ echo: delay, gain
//!  host ◄── volume, mute ◄── microphone ◄──┴─── a person who says what is in a WAV file
//!                                └──► recording
//! ```
//! A recording begins when it is asked for and goes on in the room's time: while no stream runs it is silent. The person
//! waits while the microphone is off, so that no word is lost before somebody listens. No file and no clock here: samples
//! come with the time of their frame.

use crate::Time;
use crate::wav::Sound;
use std::collections::VecDeque;
use std::time::Duration;

/// The longest recording. Nothing is kept after it.
pub const LONGEST_RECORDING: Duration = Duration::from_mins(15);
/// Samples of the loudspeaker that the echo can reach back to: two seconds at 48 kHz.
const ECHO_MEMORY: usize = 96_000;
/// The shortest delay of the echo. The loudspeaker's samples are known when their transfer is over, and transfers are
/// several milliseconds long.
pub const SHORTEST_ECHO: Duration = Duration::from_millis(10);
/// The longest one.
pub const LONGEST_ECHO: Duration = Duration::from_millis(1500);
/// A stream that was silent for so long left a gap in the recording; less is the jitter of transfers.
const GAP: Duration = Duration::from_millis(20);

/// One of the two ways of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the room.
    Loudspeaker,
    /// From the room.
    Microphone,
}

/// How the loudspeaker comes back into the microphone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Echo {
    /// 1.0: as loud as it was.
    pub gain: f64,
    /// From [`SHORTEST_ECHO`] to [`LONGEST_ECHO`].
    pub delay: Duration,
}

/// Volume and mute of one side, as the host has set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Nothing passes.
    pub muted: bool,
    /// In 1/256 dB, never above 0.
    pub volume: i16,
}

impl Level {
    fn gain(self) -> Option<f64> {
        match (self.muted, self.volume) {
            (true, _) => Some(0.0),
            (_, 0) => None, // as it is, bit by bit
            (_, volume) => Some(10_f64.powf(f64::from(volume) / 256.0 / 20.0)),
        }
    }

    fn apply(self, pcm: &mut [i16]) {
        if let Some(gain) = self.gain() {
            for sample in pcm {
                *sample = (f64::from(*sample) * gain).round() as i16;
            }
        }
    }
}

/// What was recorded on one side.
#[derive(Debug)]
pub struct Recording {
    began: Time,
    /// Pieces of one rate each.
    pieces: Vec<Sound>,
    /// Up to when.
    length: Duration,
}

impl Recording {
    fn push(&mut self, begins: Time, pcm: &[i16], rate: u32) {
        let at = begins.saturating_sub(self.began);
        if at > self.length + GAP {
            let gap = at.saturating_sub(self.length);
            self.append(&vec![0; samples_in(gap.min(LONGEST_RECORDING), rate)], rate);
        }
        self.append(pcm, rate);
    }

    fn append(&mut self, pcm: &[i16], rate: u32) {
        let room = samples_in(LONGEST_RECORDING.saturating_sub(self.length), rate);
        let pcm = &pcm[..pcm.len().min(room)];
        self.length += Duration::from_secs_f64(pcm.len() as f64 / f64::from(rate));
        match self.pieces.last_mut() {
            Some(last) if last.rate == rate => last.pcm.extend(pcm),
            _ => self.pieces.push(Sound { rate, pcm: pcm.to_vec() }),
        }
    }

    /// Everything at the first piece's rate. Takes a while when there are several rates: not under a lock.
    pub fn into_sound(mut self) -> Sound {
        if self.pieces.len() == 1 {
            return self.pieces.remove(0);
        }
        let rate = self.pieces.first().map_or(48_000, |it| it.rate);
        let pcm = self.pieces.iter().flat_map(|piece| piece.at(rate).pcm).collect();
        Sound { rate, pcm }
    }
}

/// What the person in front of the device has yet to say.
#[derive(Debug)]
struct Speech {
    original: Sound,
    /// At the microphone's rate.
    current: Sound,
    /// Samples of `current` that have been said.
    said: usize,
}

impl Speech {
    fn set_rate(&mut self, rate: u32) {
        if self.current.rate != rate {
            self.said = (self.said as u64 * u64::from(rate) / u64::from(self.current.rate)) as usize;
            self.current = self.original.at(rate);
        }
    }
}

/// The loudspeaker's past, for the echo.
#[derive(Debug, Default)]
struct Past {
    /// The newest samples.
    pcm: VecDeque<i16>,
    rate: u32,
    /// When the newest ended, and how many there were before `pcm`.
    end: Time,
    dropped: u64,
}

impl Past {
    fn push(&mut self, ends: Time, pcm: &[i16], rate: u32) {
        if self.rate != rate {
            *self = Self { rate, ..Self::default() };
        }
        self.pcm.extend(pcm);
        let excess = self.pcm.len().saturating_sub(ECHO_MEMORY);
        self.pcm.drain(..excess);
        self.dropped += excess as u64;
        self.end = ends;
    }

    /// The position, in samples since the beginning, of what was heard at `time`.
    fn position(&self, time: Time) -> f64 {
        let behind = self.end.as_secs_f64() - time.as_secs_f64();
        (self.dropped + self.pcm.len() as u64) as f64 - behind * f64::from(self.rate)
    }

    fn at(&self, position: f64) -> f64 {
        let whole = position.floor();
        let sample = |at: f64| {
            let index = at - self.dropped as f64;
            if index < 0.0 { 0.0 } else { self.pcm.get(index as usize).map_or(0.0, |it| f64::from(*it)) }
        };
        let (first, part) = (sample(whole), position - whole);
        if part < 1e-6 { first } else { first + (sample(whole + 1.0) - first) * part }
    }
}

/// The room.
#[derive(Debug, Default)]
pub struct Room {
    speech: Option<Speech>,
    queue: VecDeque<Sound>,
    echo: Option<Echo>,
    past: Past,
    /// Where the echo is read next.
    echo_at: Option<f64>,
    recordings: [Option<Recording>; 2],
    /// Samples that went each way, and the loudest, since they were counted anew.
    pub heard: [Heard; 2],
}

/// What went one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Samples.
    pub samples: u64,
    /// The loudest of them.
    pub peak: u16,
}

impl Heard {
    fn count(&mut self, pcm: &[i16]) {
        self.samples += pcm.len() as u64;
        self.peak = pcm.iter().map(|it| it.unsigned_abs()).max().unwrap_or(0).max(self.peak);
    }
}

impl Room {
    /// The person says this after what they are saying.
    pub fn say(&mut self, sound: Sound) {
        self.queue.push_back(sound);
    }

    /// The person falls silent at once.
    pub fn hush(&mut self) {
        self.speech = None;
        self.queue.clear();
    }

    /// How long the person goes on speaking.
    pub fn left_to_say(&self) -> Duration {
        let length = |samples: usize, rate: u32| Duration::from_secs_f64(samples as f64 / f64::from(rate.max(1)));
        let now = self.speech.as_ref().map(|it| length(it.current.pcm.len() - it.said, it.current.rate));
        now.unwrap_or_default() + self.queue.iter().map(|it| length(it.pcm.len(), it.rate)).sum::<Duration>()
    }

    /// Sets or ends the echo.
    pub fn set_echo(&mut self, echo: Option<Echo>) {
        self.echo = echo;
        self.echo_at = None;
    }

    /// What the echo is.
    pub fn echo(&self) -> Option<Echo> {
        self.echo
    }

    /// Begins a recording, in place of one that runs.
    pub fn record(&mut self, side: Side, now: Time) {
        self.recordings[side as usize] = Some(Recording { began: now, pieces: vec![], length: Duration::ZERO });
    }

    /// Ends it; silent to the end when no stream runs. `rate` is for a recording in which nothing was ever heard.
    pub fn stop_recording(&mut self, side: Side, now: Time, rate: u32) -> Option<Recording> {
        let mut recording = self.recordings[side as usize].take()?;
        let rate = recording.pieces.last().map_or(rate, |it| it.rate);
        recording.push(now, &[], rate);
        Some(recording)
    }

    /// How long the recording is so far.
    pub fn recorded(&self, side: Side) -> Option<Duration> {
        self.recordings[side as usize].as_ref().map(|it| it.length)
    }

    /// The loudspeaker plays one packet, whose frame ends at `ends`.
    pub fn play(&mut self, ends: Time, mut pcm: Vec<i16>, rate: u32, level: Level) {
        level.apply(&mut pcm);
        self.heard[Side::Loudspeaker as usize].count(&pcm);
        let begins = ends.saturating_sub(Duration::from_millis(1));
        if let Some(recording) = &mut self.recordings[Side::Loudspeaker as usize] {
            recording.push(begins, &pcm, rate);
        }
        self.past.push(ends, &pcm, rate);
    }

    /// The microphone hears `count` samples in the frame that ends at `ends`.
    pub fn hear(&mut self, ends: Time, count: usize, rate: u32, level: Level) -> Vec<i16> {
        let begins = ends.saturating_sub(Duration::from_millis(1));
        let mut pcm = self.speak(count, rate);
        self.add_echo(begins, &mut pcm, rate);
        level.apply(&mut pcm);
        self.heard[Side::Microphone as usize].count(&pcm);
        if let Some(recording) = &mut self.recordings[Side::Microphone as usize] {
            recording.push(begins, &pcm, rate);
        }
        pcm
    }

    fn speak(&mut self, count: usize, rate: u32) -> Vec<i16> {
        let mut pcm = Vec::with_capacity(count);
        while pcm.len() < count {
            let Some(speech) = &mut self.speech else {
                let Some(original) = self.queue.pop_front() else { break };
                self.speech = Some(Speech { current: original.at(rate), original, said: 0 });
                continue;
            };
            speech.set_rate(rate);
            let left = &speech.current.pcm[speech.said.min(speech.current.pcm.len())..];
            let now = &left[..left.len().min(count - pcm.len())];
            pcm.extend(now);
            speech.said += now.len();
            if speech.said >= speech.current.pcm.len() {
                self.speech = None;
            }
        }
        pcm.resize(count, 0);
        pcm
    }

    fn add_echo(&mut self, begins: Time, pcm: &mut [i16], rate: u32) {
        let Some(Echo { gain, delay }) = self.echo else { return };
        if self.past.rate == 0 {
            return;
        }
        let wanted = self.past.position(begins) - delay.as_secs_f64() * f64::from(self.past.rate);
        // Sample after sample while both streams run; looked up anew only after one of them stood still.
        let near = |at: &f64| (at - wanted).abs() < f64::from(self.past.rate) * 0.005;
        let mut at = self.echo_at.filter(near).unwrap_or(wanted.round());
        let step = f64::from(self.past.rate) / f64::from(rate);
        for sample in pcm {
            let sum = f64::from(*sample) + gain * self.past.at(at);
            *sample = sum.round().clamp(-32_768.0, 32_767.0) as i16;
            at += step;
        }
        self.echo_at = Some(at);
    }
}

fn samples_in(span: Duration, rate: u32) -> usize {
    (span.as_secs_f64() * f64::from(rate)).round() as usize
}

#[cfg(test)]
#[path = "sound_tests.rs"]
mod tests;

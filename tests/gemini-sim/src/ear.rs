//! When somebody speaks: voice activity by energy, on the clock of the samples received.
//!
//! Time here is the number of samples that came, never the wall clock: a client that sends no silence is never heard
//! to have finished, as with the service.
//!
//! ```text
//! Silence ──speech for prefix_ms──► Speech ──silence for silence_ms──► Silence
//!    └─ gives up after a short pause        └─ audioStreamEnd, activityEnd ──┘
//! ```

use std::ops::Range;

use crate::wire::setup::Setup;

/// A window for one decision.
const WINDOW_MS: usize = 10;
/// A pause this short does not break a beginning: syllables have them.
const BREATH_MS: usize = 100;
/// Kept from before the first loud window, so that a soft beginning is heard.
const PRE_ROLL_MS: usize = 200;
/// Nobody speaks longer without a pause; what goes beyond is not kept.
const LONGEST_S: usize = 60;

/// How the ear listens.
#[derive(Debug, Clone)]
pub(crate) struct EarSettings {
    pub(crate) rate_hz: u32,
    /// Louder than this is speech.
    pub(crate) threshold_dbfs: f32,
    /// Speech this long has begun.
    pub(crate) prefix_ms: u32,
    /// Silence this long has ended it.
    pub(crate) silence_ms: u32,
    /// The client says when speech begins and ends.
    pub(crate) manual: bool,
    /// Keep the samples for recognition.
    pub(crate) keep: bool,
}

/// Default of `silenceDurationMs` as measured.
const SILENCE_MS: u32 = 800;
/// Speech this long is a beginning: 100 ms of noise did not interrupt the service, 400 ms of speech did.
const PREFIX_MS: u32 = 120;

impl EarSettings {
    pub(crate) fn new(setup: &Setup, rate_hz: u32, threshold_dbfs: f32, keep: bool) -> Self {
        let insensitive = if setup.start_is_insensitive { 8.0 } else { 0.0 };
        let patience = if setup.end_is_insensitive { SILENCE_MS + 400 } else { SILENCE_MS };
        Self {
            rate_hz,
            threshold_dbfs: threshold_dbfs + insensitive,
            prefix_ms: setup.prefix_ms.unwrap_or(PREFIX_MS),
            silence_ms: setup.silence_ms.unwrap_or(patience),
            manual: setup.manual_activity,
            keep,
        }
    }
}

/// What the ear noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sound {
    /// Speech has begun, at this sample.
    Began { onset: u64 },
    /// Speech is over.
    Ended(Spoken),
}

/// One utterance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spoken {
    /// The first and one past the last sample of the speech itself.
    pub(crate) place: Range<u64>,
    /// The sound with a little before and after; empty when not kept.
    pub(crate) pcm: Vec<i16>,
}

/// Listens to one connection.
pub(crate) struct Ear {
    settings: EarSettings,
    /// Mean square above which a window is loud.
    threshold: i64,
    window: usize,
    /// Samples received.
    clock: u64,
    window_energy: i64,
    window_filled: usize,
    phase: Phase,
    /// Recent samples, ending with the last one received.
    recent: Vec<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Silence,
    /// Something loud, not long enough yet.
    Perhaps {
        onset: u64,
        loud_windows: usize,
        last_loud: u64,
    },
    Speech {
        onset: u64,
        last_loud: u64,
    },
}

impl Ear {
    pub(crate) fn new(settings: EarSettings) -> Self {
        let full_scale = 32_768.0_f64.powi(2);
        let threshold = full_scale * 10_f64.powf(f64::from(settings.threshold_dbfs) / 10.0);
        Self {
            window: settings.rate_hz as usize * WINDOW_MS / 1_000,
            threshold: threshold as i64,
            clock: 0,
            window_energy: 0,
            window_filled: 0,
            phase: Phase::Silence,
            recent: Vec::new(),
            settings,
        }
    }

    pub(crate) fn rate_hz(&self) -> u32 {
        self.settings.rate_hz
    }

    /// Samples received so far.
    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// How long ago, in received samples, `sample` was.
    pub(crate) fn milliseconds_since(&self, sample: u64) -> u64 {
        self.clock.saturating_sub(sample) * 1_000 / u64::from(self.settings.rate_hz)
    }

    pub(crate) fn is_speech(&self) -> bool {
        matches!(self.phase, Phase::Speech { .. })
    }

    /// Takes the next samples; what they bring about goes to `noticed`.
    pub(crate) fn hear(&mut self, pcm: &[i16], noticed: &mut Vec<Sound>) {
        if self.settings.manual {
            // Outside of the client's windows audio is thrown away.
            if self.is_speech() {
                self.keep(pcm);
            }
            self.clock += pcm.len() as u64;
            return;
        }
        let mut rest = pcm;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.window - self.window_filled));
            self.keep(now);
            self.window_energy += now.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
            self.window_filled += now.len();
            self.clock += now.len() as u64;
            rest = later;
            if self.window_filled == self.window {
                let loud = self.window_energy > self.threshold * self.window as i64;
                (self.window_energy, self.window_filled) = (0, 0);
                noticed.extend(self.window_over(loud));
            }
        }
    }

    /// The client says that speech begins here; `false` when it had begun.
    pub(crate) fn begin(&mut self) -> bool {
        if self.is_speech() {
            return false;
        }
        self.recent.clear();
        self.phase = Phase::Speech { onset: self.clock, last_loud: self.clock };
        true
    }

    /// Speech, if any, is over here: the client says so, or it stopped sending.
    pub(crate) fn end(&mut self) -> Option<Spoken> {
        let Phase::Speech { onset, last_loud } = self.phase else {
            self.phase = Phase::Silence;
            return None;
        };
        let end = if self.settings.manual { self.clock } else { last_loud };
        self.phase = Phase::Silence;
        Some(self.spoken(onset..end))
    }

    fn window_over(&mut self, loud: bool) -> Option<Sound> {
        let now = self.clock;
        let samples = |ms: usize| (ms * self.settings.rate_hz as usize / 1_000) as u64;
        match &mut self.phase {
            Phase::Silence if loud => {
                let onset = now - self.window as u64;
                self.phase = Phase::Perhaps { onset, loud_windows: 1, last_loud: now };
                None
            }
            Phase::Perhaps { onset, loud_windows, last_loud } if loud => {
                (*loud_windows, *last_loud) = (*loud_windows + 1, now);
                let onset = *onset;
                (*loud_windows * WINDOW_MS >= self.settings.prefix_ms as usize).then(|| {
                    self.phase = Phase::Speech { onset, last_loud: now };
                    Sound::Began { onset }
                })
            }
            Phase::Perhaps { last_loud, .. } if now - *last_loud > samples(BREATH_MS) => {
                self.phase = Phase::Silence;
                None
            }
            Phase::Speech { last_loud, .. } if loud => {
                *last_loud = now;
                None
            }
            Phase::Speech { last_loud, .. } if now - *last_loud >= samples(self.settings.silence_ms as usize) => {
                self.end().map(Sound::Ended)
            }
            Phase::Silence | Phase::Perhaps { .. } | Phase::Speech { .. } => None,
        }
    }

    fn keep(&mut self, pcm: &[i16]) {
        if !self.settings.keep {
            return;
        }
        self.recent.extend_from_slice(pcm);
        let rate = self.settings.rate_hz as usize;
        // While nobody speaks, only what may turn out to be a beginning is of use.
        let wanted = if self.is_speech() { rate * LONGEST_S } else { rate };
        if self.recent.len() > 2 * wanted {
            self.recent.drain(..self.recent.len() - wanted);
        }
    }

    /// Takes the sound of `place` out of the recent samples, with some margin.
    fn spoken(&mut self, place: Range<u64>) -> Spoken {
        let margin = (PRE_ROLL_MS * self.settings.rate_hz as usize / 1_000) as u64;
        let oldest = self.clock.saturating_sub(self.recent.len() as u64);
        let index = |sample: u64| (sample.clamp(oldest, self.clock) - oldest) as usize;
        let kept = index(place.start.saturating_sub(margin))..index(place.end + margin);
        let pcm = self.recent[kept].to_vec();
        self.recent.clear();
        Spoken { place, pcm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn ear(prefix_ms: u32, silence_ms: u32, manual: bool) -> Ear {
        Ear::new(EarSettings { rate_hz: RATE, threshold_dbfs: -45.0, prefix_ms, silence_ms, manual, keep: true })
    }

    fn loud(ms: usize) -> Vec<i16> {
        (0..ms * 16).map(|n| if n % 40 < 20 { 3_000 } else { -3_000 }).collect()
    }

    fn quiet(ms: usize) -> Vec<i16> {
        (0..ms * 16).map(|n| if n % 2 == 0 { 20 } else { -20 }).collect()
    }

    /// Feeds in pieces of an odd size: decisions must not depend on how audio is cut.
    fn hear(ear: &mut Ear, pcm: &[i16]) -> Vec<Sound> {
        let mut noticed = Vec::new();
        for piece in pcm.chunks(333) {
            ear.hear(piece, &mut noticed);
        }
        noticed
    }

    #[test]
    fn speech_begins_and_ends_where_it_does() {
        let mut ear = ear(120, 600, false);
        let pcm = [quiet(500), loud(700), quiet(599)].concat();
        assert_eq!(hear(&mut ear, &pcm), [Sound::Began { onset: 8_000 }]);
        let ended = hear(&mut ear, &quiet(10));
        let [Sound::Ended(spoken)] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!(spoken.place, 8_000..19_200);
        assert_eq!(spoken.pcm.len(), (200 + 700 + 200) * 16);
    }

    #[test]
    fn noise_shorter_than_the_prefix_is_nothing() {
        let mut ear = ear(300, 600, false);
        assert_eq!(hear(&mut ear, &[loud(100), quiet(1_000), loud(250), quiet(1_000)].concat()), []);
    }

    #[test]
    fn syllables_add_up_to_a_beginning() {
        let mut ear = ear(200, 600, false);
        let syllables = [loud(80), quiet(60), loud(80), quiet(60), loud(80)].concat();
        assert_eq!(hear(&mut ear, &syllables), [Sound::Began { onset: 0 }]);
    }

    #[test]
    fn a_pause_shorter_than_asked_for_does_not_end_speech() {
        for (silence, ends) in [(300, 2), (600, 1)] {
            let mut ear = ear(100, silence, false);
            let pcm = [loud(500), quiet(400), loud(500), quiet(700)].concat();
            let ended = hear(&mut ear, &pcm).into_iter().filter(|sound| matches!(sound, Sound::Ended(_))).count();
            assert_eq!(ended, ends, "{silence} ms");
        }
    }

    #[test]
    fn without_samples_time_stands_still_until_the_stream_ends() {
        let mut ear = ear(100, 600, false);
        assert_eq!(hear(&mut ear, &loud(500)).len(), 1);
        assert!(ear.is_speech());
        assert_eq!(ear.end().unwrap().place, 0..8_000);
        assert_eq!(ear.end(), None);
    }

    #[test]
    fn the_client_decides_when_it_wants_to() {
        let mut ear = ear(100, 600, true);
        assert_eq!(hear(&mut ear, &loud(500)), []);
        assert!(ear.begin() && !ear.begin());
        assert_eq!(hear(&mut ear, &loud(250)), []);
        let spoken = ear.end().unwrap();
        assert_eq!(spoken.place, 8_000..12_000);
        assert_eq!(spoken.pcm.len(), 4_000);
    }

    #[test]
    fn silence_is_not_hoarded() {
        let mut ear = ear(100, 600, false);
        hear(&mut ear, &quiet(20_000));
        assert!(ear.recent.len() <= 2 * RATE as usize);
    }
}

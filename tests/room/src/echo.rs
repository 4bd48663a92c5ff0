//! How the loudspeaker comes back into the microphone.

use std::time::Duration;

use crate::{
    BLOCK,
    convolve::Convolver,
    recording::{Recording, samples_in},
};

/// The way from the loudspeaker to the microphone.
#[derive(Debug, Clone, PartialEq)]
pub struct EchoPath {
    /// Gain in decibels; −6 is a speakerphone without a canceller.
    pub gain_db: f32,
    /// From the loudspeaker to the microphone, exact to a sample. What the sound server and ALSA hold comes on top of it,
    /// as it does with a real device.
    pub delay: Duration,
    /// The room's impulse response at 48 kHz, after gain and delay. None: one reflection, unchanged in shape.
    pub response: Option<Vec<f32>>,
}

impl Default for EchoPath {
    /// −6 dB after 60 ms, unchanged in shape.
    fn default() -> Self {
        Self { gain_db: -6.0, delay: Duration::from_millis(60), response: None }
    }
}

/// A path at work.
pub(crate) struct Echo {
    gain: f32,
    delay: u64,
    room: Option<Convolver>,
}

impl Echo {
    pub(crate) fn new(path: &EchoPath) -> Self {
        Self {
            gain: 10_f32.powf(path.gain_db / 20.0),
            delay: samples_in(path.delay),
            room: path.response.as_deref().map(Convolver::new),
        }
    }

    /// Adds to `block`, the microphone from position `at` on, what comes back of the loudspeaker.
    pub(crate) fn add_to(&mut self, block: &mut [f32; BLOCK], at: u64, loudspeaker: &Recording) {
        let sample = |n: usize| {
            (at + n as u64).checked_sub(self.delay).map_or(0.0, |from| f32::from(loudspeaker.at(from)) * self.gain)
        };
        let dry: [f32; BLOCK] = std::array::from_fn(sample);
        let wet = self.room.as_mut().map(|room| room.next(&dry));
        let echo = wet.as_deref().unwrap_or(&dry);
        for (out, echo) in block.iter_mut().zip(echo) {
            *out += echo;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impulse_through(path: &EchoPath) -> Vec<f32> {
        let mut loudspeaker = Recording::default();
        let mut echo = Echo::new(path);
        let mut out = Vec::new();
        for n in 0..20u64 {
            let mut block = [0; BLOCK];
            block[7] = if n == 2 { 10_000 } else { 0 };
            loudspeaker.push(&block);
            let mut microphone = [0.0; BLOCK];
            echo.add_to(&mut microphone, n * BLOCK as u64, &loudspeaker);
            out.extend(microphone);
        }
        out
    }

    #[test]
    fn a_click_comes_back_once_at_its_time_and_level() {
        let out = impulse_through(&EchoPath { delay: Duration::from_micros(12_500), ..EchoPath::default() });
        let at = 2 * BLOCK + 7 + 600;
        assert!((out[at] - 5_011.9).abs() < 0.1, "{}", out[at]);
        assert_eq!(out.iter().filter(|sample| **sample != 0.0).count(), 1);
    }

    #[test]
    fn a_room_answers_with_its_response() {
        let mut response = vec![0.0; 700];
        (response[0], response[650]) = (1.0, -0.5);
        let out = impulse_through(&EchoPath { gain_db: 0.0, delay: Duration::ZERO, response: Some(response) });
        let at = 2 * BLOCK + 7;
        assert!((out[at] - 10_000.0).abs() < 1.0 && (out[at + 650] + 5_000.0).abs() < 1.0);
        assert!(out.iter().filter(|sample| sample.abs() > 1.0).count() == 2);
    }
}

//! Recognition of known phrases by their waveform.
//!
//! espeak-ng says a sentence the same way every time, so that what was said can be told from a recording without any
//! language model: the phrase whose waveform is most like it was said. Both sides pass the telephone's band first,
//! because a phone leg takes away what carries most of a voice's energy.

use std::ops::Range;

use crate::{
    correlate::{Correlator, Haystack, Needle, to_float},
    measure::rms_dbfs,
};

/// A phrase counts as heard from this correlation on. Measured with the phrases of this module's tests, through mu-law
/// and the telephone band: the right one reaches 0.99, with a quarter of it missing 0.80 to 0.96; a wrong one that
/// shares half its words 0.53 at most, and a stranger 0.23.
const HEARD: f32 = 0.6;
/// A window of a phrase counts as heard from this correlation on; the shorter the sound, the likelier a chance.
const WINDOW_HEARD: f32 = 0.7;
/// Length of such a window.
const WINDOW_MS: usize = 300;
/// How far a window may lie from where the phrase as a whole says it should be: room for a hole in the playout.
const WINDOW_SLIP_MS: usize = 250;
/// A window without a sound (a pause between sentences) proves nothing.
const WINDOW_SILENT_DBFS: f32 = -50.0;

/// Knows some phrases and tells which of them it hears.
pub struct Recogniser {
    rate_hz: u32,
    correlator: Correlator,
    phrases: Vec<Phrase>,
}

struct Phrase {
    text: String,
    pcm: Vec<i16>,
    filtered: Vec<f32>,
    needle: Needle,
}

/// A phrase that was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// Its place among the phrases given to [`Recogniser::new`].
    pub index: usize,
    /// Its text.
    pub text: String,
    /// How like it was, up to 1.
    pub correlation: f32,
    /// The sample at which it begins; 0 too when its beginning was cut off.
    pub at: usize,
}

/// Which words of one phrase were heard.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardWords {
    /// Every word of the phrase, in order. Words have no exact borders in sound: each is given the share of time that
    /// its letters have among all letters.
    pub words: Vec<Word>,
    /// Share of the phrase's time that was heard anywhere, 0 to 1.
    pub fraction: f32,
    /// Share of the phrase's time heard from its beginning without a hole, 0 to 1.
    pub leading: f32,
}

/// One word of a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is written, punctuation included.
    pub text: String,
    /// Whether its sound was found.
    pub heard: bool,
}

impl Recogniser {
    /// Learns phrases: text and sound at `rate_hz`. Soundless phrases are never recognised.
    pub fn new(rate_hz: u32, phrases: impl IntoIterator<Item = (String, Vec<i16>)>) -> Self {
        let phrases: Vec<_> = phrases.into_iter().collect();
        let longest = phrases.iter().map(|(_, pcm)| pcm.len()).max().unwrap_or(0);
        let correlator = Correlator::new(longest.max(1));
        let phrases = phrases
            .into_iter()
            .map(|(text, pcm)| {
                let filtered = telephone_band(&pcm, rate_hz);
                Phrase { needle: correlator.needle(&filtered), text, pcm, filtered }
            })
            .collect();
        Self { rate_hz, correlator, phrases }
    }

    /// The phrase that `heard` holds, or `None` when it is like none of them.
    ///
    /// Level, telephone band, mu-law and a missing quarter at either edge do not matter. Of two phrases in one
    /// recording, the clearer one is told.
    pub fn recognise(&self, heard: &[i16]) -> Option<Recognised> {
        // Silence around it, so that a phrase with a missing edge can lie partly outside of the recording.
        let margin = self.phrases.iter().map(|phrase| phrase.pcm.len()).max()? / 2;
        let hay = self.haystack(heard, margin);
        let (index, phrase, peak) = self
            .phrases
            .iter()
            .enumerate()
            .filter_map(|(index, phrase)| {
                let peak = self.correlator.best(&phrase.needle, &hay, 0..usize::MAX)?;
                Some((index, phrase, peak))
            })
            .max_by(|(.., a), (.., b)| a.correlation.total_cmp(&b.correlation))?;
        (peak.correlation >= HEARD).then(|| Recognised {
            index,
            text: phrase.text.clone(),
            correlation: peak.correlation,
            at: peak.at.saturating_sub(margin),
        })
    }

    /// Which words of phrase `index` are in `heard`, to about a third of a second.
    ///
    /// # Panics
    /// When there is no phrase `index`.
    pub fn words_heard(&self, index: usize, heard: &[i16]) -> HeardWords {
        let phrase = &self.phrases[index];
        let windows = self.windows(phrase, heard);
        let total = phrase.pcm.len().max(1) as f32;
        let share = |windows: &mut dyn Iterator<Item = &(Range<usize>, bool)>| {
            windows.map(|(window, _)| window.len()).sum::<usize>() as f32 / total
        };
        HeardWords {
            words: words(&phrase.text, phrase.pcm.len(), &windows),
            fraction: share(&mut windows.iter().filter(|(_, heard)| *heard)),
            leading: share(&mut windows.iter().take_while(|(_, heard)| *heard)),
        }
    }

    /// The phrase cut into windows, and whether each was heard where it belongs.
    fn windows(&self, phrase: &Phrase, heard: &[i16]) -> Vec<(Range<usize>, bool)> {
        let length = self.rate_hz as usize * WINDOW_MS / 1_000;
        let slip = self.rate_hz as usize * WINDOW_SLIP_MS / 1_000;
        let hay = self.haystack(heard, phrase.pcm.len());
        let windows: Vec<Range<usize>> = cut(phrase.pcm.len(), length).collect();
        let needles: Vec<Needle> =
            windows.iter().map(|window| self.correlator.needle(&phrase.filtered[window.clone()])).collect();
        let silent = |window: &Range<usize>| rms_dbfs(&phrase.pcm[window.clone()]) < WINDOW_SILENT_DBFS;
        let Some(begin) = self.begin(&windows, &needles, &hay) else {
            return windows.into_iter().map(|window| (window, false)).collect();
        };
        let mut previous = false;
        let is_heard = |(window, needle): (&Range<usize>, &Needle)| {
            let expected = begin + window.start;
            let place = expected.saturating_sub(slip)..expected + slip;
            let peak = self.correlator.best(needle, &hay, place);
            // A pause belongs to what it follows.
            previous = if silent(window) { previous } else { peak.is_some_and(|p| p.correlation >= WINDOW_HEARD) };
            previous
        };
        let heard: Vec<bool> = windows.iter().zip(&needles).map(is_heard).collect();
        windows.into_iter().zip(heard).collect()
    }

    /// Where the phrase begins in the haystack: what its clearest window says.
    fn begin(&self, windows: &[Range<usize>], needles: &[Needle], hay: &Haystack) -> Option<usize> {
        let peaks = windows.iter().zip(needles).filter_map(|(window, needle)| {
            let peak = self.correlator.best(needle, hay, window.start..usize::MAX)?;
            Some((peak.at - window.start, peak.correlation))
        });
        let (begin, correlation) = peaks.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (correlation >= WINDOW_HEARD).then_some(begin)
    }

    fn haystack(&self, heard: &[i16], margin: usize) -> Haystack {
        let mut padded = vec![0.0; heard.len() + 2 * margin];
        padded[margin..margin + heard.len()].copy_from_slice(&telephone_band(heard, self.rate_hz));
        self.correlator.haystack(&padded)
    }
}

/// Windows of about `length`, all of the same size to one sample, without a short one at the end.
fn cut(total: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    let count = (total / length.max(1)).max(1);
    (0..count).map(move |n| total * n / count..total * (n + 1) / count)
}

/// Each word with the windows that it mostly lies in.
fn words(text: &str, samples: usize, windows: &[(Range<usize>, bool)]) -> Vec<Word> {
    let letters = text.split_whitespace().map(str::len).sum::<usize>().max(1);
    let mut before = 0;
    let mut place = |word: &str| {
        let middle = (2 * before + word.len()) * samples / (2 * letters);
        before += word.len();
        let heard = windows.iter().any(|(window, heard)| *heard && window.contains(&middle));
        Word { text: word.to_owned(), heard }
    };
    text.split_whitespace().map(&mut place).collect()
}

/// What a telephone lets through, 300 to 3400 Hz, by two Butterworth filters of second order.
fn telephone_band(pcm: &[i16], rate_hz: u32) -> Vec<f32> {
    let mut signal = to_float(pcm);
    let rate = f64::from(rate_hz);
    Biquad::high_pass(300.0 / rate).run(&mut signal);
    if rate > 2.0 * 3_400.0 {
        Biquad::low_pass(3_400.0 / rate).run(&mut signal);
    }
    signal
}

/// A second-order filter; coefficients by the bilinear transform.
struct Biquad {
    ahead: [f64; 3],
    back: [f64; 2],
}

impl Biquad {
    /// `corner` as a share of the sample rate.
    fn low_pass(corner: f64) -> Self {
        let (cos, alpha) = Self::angle(corner);
        Self::new([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], cos, alpha)
    }

    fn high_pass(corner: f64) -> Self {
        let (cos, alpha) = Self::angle(corner);
        Self::new([f64::midpoint(1.0, cos), -(1.0 + cos), f64::midpoint(1.0, cos)], cos, alpha)
    }

    fn angle(corner: f64) -> (f64, f64) {
        let angle = std::f64::consts::TAU * corner;
        (angle.cos(), angle.sin() * std::f64::consts::FRAC_1_SQRT_2)
    }

    fn new(ahead: [f64; 3], cos: f64, alpha: f64) -> Self {
        let scale = 1.0 / (1.0 + alpha);
        Self { ahead: ahead.map(|b| b * scale), back: [-2.0 * cos * scale, (1.0 - alpha) * scale] }
    }

    fn run(&self, signal: &mut [f32]) {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in signal {
            let input = f64::from(*sample);
            let output = self.ahead[0] * input + one;
            one = self.ahead[1] * input - self.back[0] * output + two;
            two = self.ahead[2] * input - self.back[1] * output;
            *sample = output as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Voice, mulaw, resample, speak};

    const PHRASES: [&str; 6] = [
        "Hello, I would like to make an appointment, please.",
        "Hello, I would like to cancel my appointment, please.",
        "Tuesday morning would be fine.",
        "What are your opening hours?",
        "No, that is all. Thank you, goodbye.",
        "Can I speak to somebody, please?",
    ];

    fn say(text: &str) -> Vec<i16> {
        speak(text, &Voice::default(), 16_000).unwrap()
    }

    fn knows_phrases() -> Recogniser {
        Recogniser::new(16_000, PHRASES.map(|text| (text.to_owned(), say(text))))
    }

    /// Through the phone: 8 kHz, mu-law, quieter, and back to 16 kHz with some silence around.
    fn by_phone(pcm: &[i16]) -> Vec<i16> {
        let quiet: Vec<i16> = pcm.iter().map(|sample| sample / 5).collect();
        let narrow = mulaw::decode_all(&mulaw::encode_all(&resample(&quiet, 16_000, 8_000)));
        let mut heard = vec![0; 5_000];
        heard.extend(resample(&narrow, 8_000, 16_000));
        heard.resize(heard.len() + 9_000, 0);
        heard
    }

    #[test]
    fn every_phrase_is_recognised_through_the_phone() {
        let recogniser = knows_phrases();
        for (index, text) in PHRASES.iter().enumerate() {
            let heard = recogniser.recognise(&by_phone(&say(text))).unwrap();
            assert_eq!((heard.index, heard.text.as_str()), (index, *text));
            assert!(heard.correlation > 0.9, "{heard:?}");
            assert!(heard.at.abs_diff(5_000) < 20, "{heard:?}");
        }
    }

    #[test]
    fn a_missing_edge_does_not_matter() {
        let recogniser = knows_phrases();
        for (index, text) in PHRASES.iter().enumerate() {
            let pcm = say(text);
            let quarter = pcm.len() / 4;
            for cut in [&pcm[quarter..], &pcm[..3 * quarter]] {
                let heard = recogniser.recognise(&mulaw::decode_all(&mulaw::encode_all(cut))).unwrap();
                assert_eq!(heard.index, index, "{heard:?}");
                assert!(heard.correlation > 0.75, "{heard:?}");
            }
        }
    }

    #[test]
    fn an_unknown_phrase_and_silence_are_nothing() {
        let recogniser = knows_phrases();
        for stranger in ["I am calling because of an invoice.", "Where can I park my car?", "Yes."] {
            assert_eq!(recogniser.recognise(&by_phone(&say(stranger))), None, "{stranger}");
        }
        assert_eq!(recogniser.recognise(&vec![0; 16_000]), None);
        assert_eq!(recogniser.recognise(&[]), None);
    }

    #[test]
    fn words_after_a_cut_are_not_heard() {
        let recogniser = knows_phrases();
        let pcm = say(PHRASES[0]);
        let heard = recogniser.words_heard(0, &by_phone(&pcm[..pcm.len() * 6 / 10]));
        assert!((0.45..0.7).contains(&heard.leading), "{heard:?}");
        assert!((heard.fraction - heard.leading).abs() < f32::EPSILON, "{heard:?}");
        let first_missing = heard.words.iter().position(|word| !word.heard).unwrap();
        assert!((4..8).contains(&first_missing), "{heard:?}");
        assert!(heard.words[first_missing..].iter().all(|word| !word.heard), "{heard:?}");
    }

    #[test]
    fn all_words_are_heard_or_none() {
        let recogniser = knows_phrases();
        let all = recogniser.words_heard(4, &by_phone(&say(PHRASES[4])));
        assert!(all.words.iter().all(|word| word.heard), "{all:?}");
        assert!(all.leading > 0.99);
        let none = recogniser.words_heard(4, &by_phone(&say(PHRASES[2])));
        assert!(none.fraction < 0.2, "{none:?}");
    }
}

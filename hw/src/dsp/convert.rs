//! One stream's change of rate, a block in and a block out.

use crate::block::MOST;
use frontdesk_core::audio::resample::Resampler;
use frontdesk_core::units::SampleRate;

/// Blocks in which a ratio shows how far its answers lag at worst: 441 samples against pieces of 220 repeat after 220.
const TRIAL: usize = 256;
/// Samples that may wait: two blocks at the highest rate, and a filter's rest.
const ROOM: usize = 3 * MOST;

/// The rate of blocks of `len` samples.
pub(super) fn rate_of(len: usize) -> Option<SampleRate> {
    (len <= MOST).then(|| SampleRate::from_hz(len as u32 * 100)).flatten()
}

/// Changes blocks of 10 ms from one rate to another. Begins with as much silence as its answers ever lag, so that each
/// block in makes one block possible, with a delay that never changes. Allocates in [`Converter::new`] only.
pub(super) struct Converter {
    resampler: Option<Resampler>,
    ready: Vec<i16>,
    lag: usize,
}

impl Converter {
    pub(super) fn new(from: SampleRate, to: SampleRate) -> Self {
        let mut resampler = (from != to).then(|| Resampler::new(from, to));
        let lag = resampler.as_mut().map_or(0, |resampler| lag(resampler, from, to));
        let mut converter = Self { resampler, ready: Vec::with_capacity(ROOM), lag };
        converter.reset();
        converter
    }

    /// The delay, in samples of the new rate.
    pub(super) fn lag(&self) -> usize {
        self.lag
    }

    /// Samples that can be taken.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn push(&mut self, pcm: &[i16]) {
        match &mut self.resampler {
            Some(resampler) => resampler.push(pcm, &mut self.ready),
            None => self.ready.extend_from_slice(pcm),
        }
    }

    /// Makes ready what the filter holds back: the stream is over.
    pub(super) fn flush(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.flush(&mut self.ready);
        }
    }

    /// Fills the front of `out` with what is ready; returns how much that was.
    pub(super) fn take(&mut self, out: &mut [i16]) -> usize {
        let count = out.len().min(self.ready.len());
        out[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        count
    }

    /// As new.
    pub(super) fn reset(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.ready.clear();
        self.ready.resize(self.lag, 0);
    }
}

/// How far the answers lag behind whole blocks at worst, by trial: the filter's delay and what waits for a piece.
fn lag(resampler: &mut Resampler, from: SampleRate, to: SampleRate) -> usize {
    let silence = [0; MOST];
    let (block, answer) = (from.hz() as usize / 100, to.hz() as usize / 100);
    let mut out = Vec::with_capacity(ROOM);
    let (mut made, mut worst) = (0, 0);
    for n in 1..=TRIAL {
        out.clear();
        resampler.push(&silence[..block], &mut out);
        made += out.len();
        worst = worst.max((n * answer).saturating_sub(made));
    }
    resampler.reset();
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 6] = [80, 160, 240, 320, 441, 480];

    #[test]
    fn every_block_in_makes_one_block_possible_and_none_piles_up() {
        for (from, to) in LENGTHS.iter().flat_map(|&from| [(from, 160), (240, from)]) {
            let mut converter = Converter::new(rate_of(from).unwrap(), rate_of(to).unwrap());
            let mut out = vec![0; to];
            for n in 0..1_000 {
                converter.push(&vec![0; from]);
                assert_eq!(converter.take(&mut out), to, "{from} to {to}, block {n}");
                assert!(converter.ready() <= converter.lag(), "{from} to {to}, block {n}");
            }
        }
    }

    #[test]
    fn the_delay_is_what_it_says_and_short() {
        for (from, to) in LENGTHS.iter().flat_map(|&from| [(from, 160), (240, from)]) {
            let mut converter = Converter::new(rate_of(from).unwrap(), rate_of(to).unwrap());
            let (mut heard, mut block) = (Vec::new(), vec![0; to]);
            for n in 0..20 {
                let mut sent = vec![0; from];
                if n == 7 {
                    sent[from / 2] = 20_000;
                }
                converter.push(&sent);
                assert_eq!(converter.take(&mut block), to);
                heard.extend_from_slice(&block);
            }
            let loudest = (0..heard.len()).max_by_key(|&n| heard[n].unsigned_abs()).unwrap();
            let wanted = 7 * to + from / 2 * to / from + converter.lag();
            assert!(loudest.abs_diff(wanted) <= 1, "{from} to {to}: {loudest}, wanted {wanted}");
            assert!(converter.lag() * 1_000 <= 9 * to * 100, "{from} to {to}: {} samples", converter.lag());
        }
    }

    #[test]
    fn a_flush_gives_all_that_went_in() {
        for to in LENGTHS {
            let mut converter = Converter::new(SampleRate::SPEAKING, rate_of(to).unwrap());
            for len in [240, 240, 77] {
                converter.push(&vec![1_000; len]);
            }
            converter.flush();
            assert_eq!(converter.ready(), converter.lag() + 557 * to / 240);
        }
    }
}

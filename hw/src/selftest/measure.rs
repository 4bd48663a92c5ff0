//! The figures: levels by block, and the delay by correlation.

use super::{Compared, Report};
use crate::block::LISTENING;
use frontdesk_core::audio::level;
use frontdesk_core::units::Dbfs;
use std::ops::Range;

/// What a device and a sound server may still hold of a microphone that was switched off a moment ago: half a second.
const STALE: usize = 50;
/// The loudspeaker has sound from this level on.
const AUDIBLE: Dbfs = Dbfs(-45.0);
/// Audible blocks at the end of the sound in which a canceller must have learnt the room: the last two seconds.
const LEARNT: usize = 200;
/// A stretch without a restart with fewer audible blocks tells nothing.
const ENOUGH: usize = 100;
/// An echo that is louder than the noise by less cannot show how much of it is taken away, dB.
const WORTH_REDUCING: f32 = 10.0;
/// What a single figure in dB may claim.
const MOST_DB: f32 = 80.0;
/// At or above this a sample is at full scale: converters stop a little short of it.
const FULL_SCALE: u16 = 32_700;

/// The correlation is taken at a fourth of the rate: the sound has most of its energy below 2 kHz.
const COARSE: usize = 4;
/// Lags that are looked at, in coarse samples: an echo that seems to come 20 ms early, because drivers tell times that are
/// a little wrong, to one that takes 600 ms.
const EARLIEST: isize = -80;
const LATEST: isize = 2_400;
/// Around the best lag, so many coarse samples belong to the same echo: a room's tail, 100 ms.
const TAIL: usize = 400;
/// A correlation below this is no echo, however much it stands out.
const LEAST: f32 = 0.03;
/// And it must stand out from what chance makes by this factor.
const STANDS_OUT: f32 = 6.0;

/// An echo's delay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// From where the canceller is given what will be played to where it comes back, in milliseconds. The same to the
    /// sample as long as the streams run; each start of them may move it by some.
    pub millis: f32,
    /// What of that is the device's own processing, the air, and what the driver does not tell of: as exact as the
    /// driver's word, which on sound servers wanders by tens of milliseconds. Negative where it tells of too much.
    pub beyond_driver: f32,
    /// How alike the microphone and what was played are at that delay: 1 is a copy, 0 nothing in common. Echoes in real
    /// rooms reach 0.2 to 0.8.
    pub certainty: f32,
}

/// The microphone's own kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// There is none: each sample is the same.
    None,
    /// There is one.
    Some,
}

/// Whether the microphone gives anything at all. The noise of any real one moves the last bits.
pub(super) fn signal(blocks: &[Compared]) -> Signal {
    let mut samples = blocks.iter().skip(STALE).flat_map(|block| &block.raw);
    let first = samples.next();
    if samples.all(|sample| Some(sample) == first) { Signal::None } else { Signal::Some }
}

/// Everything that is measured; no verdicts.
pub(super) fn measure(blocks: &[Compared]) -> Report {
    let piece = longest(blocks);
    let restarts = blocks.windows(2).filter(|pair| pair[0].run != pair[1].run).count() as u32;
    let played = powers(piece, |block| &block.played);
    let raw = powers(piece, |block| &block.raw);
    let clean = powers(piece, |block| &block.clean);
    let audible: Vec<usize> = (0..piece.len()).filter(|&n| played[n] > AUDIBLE.mean_square()).collect();
    let noise = noise(blocks);
    let found = (audible.len() >= ENOUGH).then(|| find(piece, span(&audible))).flatten();
    let lag = found.map_or(0, |(lag, _)| lag);
    let late = span(&audible[audible.len().saturating_sub(LEARNT)..]);
    let (whole, late) = (span(&audible), late);
    let echoed = |range: &Range<usize>| shifted(range, lag, piece.len());
    let loud = mean(&played[late.clone()]);
    let (before, after) = (mean(&raw[echoed(&late)]), mean(&clean[echoed(&late)]));
    let echo = (before - noise).max(1.0);
    let worth = echo > noise.max(1.0) * 10f32.powf(WORTH_REDUCING / 10.0);
    Report {
        delay: found.map(|(lag, certainty)| Delay {
            millis: lag as f32 / 16.0,
            beyond_driver: lag as f32 / 16.0 - lead(piece),
            certainty,
        }),
        noise: Dbfs::of_mean_square(noise),
        played: Dbfs::of_mean_square(mean(&played[whole.clone()])),
        microphone: Dbfs::of_mean_square(mean(&raw[echoed(&whole)])),
        return_loss: if loud > 0.0 { ratio(loud, if found.is_some() { echo } else { before.max(1.0) }) } else { 0.0 },
        reduction: (worth && found.is_some()).then(|| ratio(before, after.max(1.0))),
        residual: Dbfs::of_mean_square(after),
        clipped: clipped(blocks),
        restarts,
        verdicts: Vec::new(),
    }
}

/// The longest stretch of one run: across two of them nothing lines up.
fn longest(blocks: &[Compared]) -> &[Compared] {
    blocks.chunk_by(|one, next| one.run == next.run).max_by_key(|piece| piece.len()).unwrap_or_default()
}

/// The mean square of each block, without what is constant.
fn powers(blocks: &[Compared], signal: impl Fn(&Compared) -> &[i16; LISTENING]) -> Vec<f32> {
    blocks.iter().map(|block| level::mean_square(signal(block))).collect()
}

/// The middle of the blocks before the sound, and after it where there are none: a cough does not count.
fn noise(blocks: &[Compared]) -> f32 {
    let is_audible = |block: &Compared| level::mean_square(&block.played) > AUDIBLE.mean_square();
    let first = blocks.iter().position(is_audible).unwrap_or(blocks.len());
    // An echo may seem to come a little early.
    let mut quiet: Vec<f32> =
        blocks[..first.saturating_sub(5)].iter().map(|block| level::mean_square(&block.raw)).collect();
    quiet.sort_unstable_by(f32::total_cmp);
    quiet.get(quiet.len() / 2).copied().unwrap_or(0.0)
}

/// From the first to behind the last.
fn span(sorted: &[usize]) -> Range<usize> {
    match (sorted.first(), sorted.last()) {
        (Some(first), Some(last)) => *first..last + 1,
        _ => 0..0,
    }
}

/// The same stretch as it comes back `lag` samples later.
fn shifted(range: &Range<usize>, lag: isize, end: usize) -> Range<usize> {
    let by = usize::try_from(lag).unwrap_or(0).div_ceil(LISTENING);
    let start = (range.start + by).min(end);
    start..(range.end + by).clamp(start, end)
}

fn mean(powers: &[f32]) -> f32 {
    if powers.is_empty() { 0.0 } else { powers.iter().sum::<f32>() / powers.len() as f32 }
}

fn ratio(more: f32, less: f32) -> f32 {
    (10.0 * (more.max(1.0) / less.max(1.0)).log10()).clamp(-MOST_DB, MOST_DB)
}

fn clipped(blocks: &[Compared]) -> f32 {
    let full = blocks.iter().flat_map(|block| &block.raw).filter(|sample| sample.unsigned_abs() >= FULL_SCALE).count();
    full as f32 / (blocks.len() * LISTENING).max(1) as f32
}

/// The middle of what lies between the two stamps, in milliseconds.
fn lead(piece: &[Compared]) -> f32 {
    let mut leads: Vec<i64> = piece.iter().filter_map(|block| block.lead).collect();
    leads.sort_unstable();
    leads.get(leads.len() / 2).map_or(0.0, |lead| *lead as f32 / 1e6)
}

/// The lag, in samples, at which what was played in `audible` is found in the microphone, and how alike they are there.
fn find(piece: &[Compared], audible: Range<usize>) -> Option<(isize, f32)> {
    let all =
        |signal: fn(&Compared) -> &[i16; LISTENING]| -> Vec<i16> { piece.iter().flat_map(signal).copied().collect() };
    let (played, raw) = (all(|block| &block.played), all(|block| &block.raw));
    let (far, near) = (coarse(&played), coarse(&raw));
    let wanted = audible.start * LISTENING / COARSE..audible.end * LISTENING / COARSE;
    let likeness: Vec<f32> = (EARLIEST..=LATEST).map(|lag| alike(&far, &near, &wanted, lag)).collect();
    let (best, most) = likeness.iter().map(|it| it.abs()).enumerate().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let elsewhere: Vec<f32> =
        likeness.iter().enumerate().filter(|(n, _)| n.abs_diff(best) > TAIL).map(|(_, it)| it * it).collect();
    let chance = mean(&elsewhere).sqrt();
    if most < LEAST || most < STANDS_OUT * chance {
        return None;
    }
    let around = (EARLIEST + best as isize) * COARSE as isize;
    let wanted = audible.start * LISTENING..audible.end * LISTENING;
    let lag = refine(&played, &raw, &wanted, around);
    // Between two coarse samples high notes are out of step: the last word is that of the full rate.
    let float = |pcm: &[i16]| pcm.iter().map(|sample| f32::from(*sample)).collect::<Vec<_>>();
    let exact = alike(&float(&played), &float(&raw), &wanted, lag);
    Some((lag, most.max(exact.abs()).min(1.0)))
}

/// A fourth of the rate, and high notes raised: what is steep is found more exactly than what is even.
fn coarse(pcm: &[i16]) -> Vec<f32> {
    let mut before = 0.0;
    let low = pcm.chunks_exact(COARSE).map(|four| four.iter().map(|sample| f32::from(*sample)).sum::<f32>());
    low.map(|sample| sample - 0.9 * std::mem::replace(&mut before, sample)).collect()
}

/// The normalised correlation of `far[wanted]` with `near`, `lag` samples later.
fn alike(far: &[f32], near: &[f32], wanted: &Range<usize>, lag: isize) -> f32 {
    let Some((far, near)) = aligned(far, near, wanted, lag) else { return 0.0 };
    let (mut product, mut one, mut other) = (0.0f32, 0.0f32, 0.0f32);
    for (far, near) in far.iter().zip(near) {
        product += far * near;
        one += far * far;
        other += near * near;
    }
    let energy = one * other;
    if energy > 0.0 { product / energy.sqrt() } else { 0.0 }
}

/// Both stretches as far as there is sound for both.
fn aligned<'a, T>(far: &'a [T], near: &'a [T], wanted: &Range<usize>, lag: isize) -> Option<(&'a [T], &'a [T])> {
    let start = usize::try_from(-lag).unwrap_or(0).max(wanted.start);
    let from = start.checked_add_signed(lag)?;
    let far = far.get(start..wanted.end)?;
    let near = near.get(from..)?;
    let len = far.len().min(near.len());
    Some((far.get(..len)?, near.get(..len)?))
}

/// The lag to the sample, near `around`.
fn refine(played: &[i16], raw: &[i16], wanted: &Range<usize>, around: isize) -> isize {
    let product = |lag: isize| {
        let pairs = aligned(played, raw, wanted, lag).map(|(far, near)| far.iter().zip(near));
        let sum: i64 = pairs.into_iter().flatten().map(|(far, near)| i64::from(*far) * i64::from(*near)).sum();
        sum.unsigned_abs()
    };
    let reach = 2 * COARSE as isize;
    (around - reach..=around + reach).max_by_key(|lag| product(*lag)).unwrap_or(around)
}

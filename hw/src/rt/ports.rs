//! One block of work between the device's frames and the rings: mixing down and up, the privacy mute, the choice of what
//! is played. No I/O and no clock: times come as arguments.

use crate::block::{Captured, MOST, Nanos, Played, Playout, Run};
use crate::figures::Figures;
use crate::knobs::Knobs;
use crate::pcm::negotiate::Setting;
use crate::pcm::wire;
use crate::rings::RtEnds;

/// All that the real-time thread touches apart from the device. Made before it starts and given back when it ends, so that
/// the next device uses the same rings.
pub struct Ports {
    ends: RtEnds,
    knobs: &'static Knobs,
    figures: &'static Figures,
    run: Run,
    /// Blocks of this run so far.
    captured: u64,
    played: u64,
    /// The newest end of speech that was given to the device.
    end: u64,
    /// What was played last, and how much of it: a fade begins where it ended.
    last: [i16; MOST],
    last_len: usize,
    /// Silence was played last: what comes next is faded in.
    silent: bool,
    /// So many blocks may still come late from a worker that has just been roused too.
    excused: u32,
}

/// A fade is this fraction of a block, 5 ms.
const FADES: usize = 2;
/// Blocks behind a standby that nobody waits for: what the streams start with, and one more.
const EXCUSED: u32 = 4;

impl Ports {
    /// Before the first device.
    pub fn new(ends: RtEnds, knobs: &'static Knobs, figures: &'static Figures) -> Self {
        Self {
            ends,
            knobs,
            figures,
            run: Run(0),
            captured: 0,
            played: 0,
            end: 0,
            last: [0; MOST],
            last_len: 0,
            silent: true,
            excused: 0,
        }
    }

    /// What is asked of the audio threads.
    pub fn knobs(&self) -> &'static Knobs {
        self.knobs
    }

    /// The rings' ends, for whoever ends the desk.
    pub fn into_ends(self) -> RtEnds {
        self.ends
    }

    /// What is counted.
    pub fn figures(&self) -> &'static Figures {
        self.figures
    }

    /// The present run.
    pub fn run(&self) -> Run {
        self.run
    }

    /// A stream starts: nothing lines up with what was before.
    pub fn begin_run(&mut self) {
        self.run = Run(self.run.0.wrapping_add(1));
        (self.captured, self.played) = (0, 0);
        self.last_len = 0;
        self.silent = true;
    }

    /// Streams that stood by are about to start. What the worker prepared before is silence; that it has no more of it yet
    /// is no fault.
    pub fn begin_rousing(&mut self) {
        self.excused = EXCUSED;
    }

    /// Passes one captured block on: `frames` as the device gave them, `at` when the last was at the converter.
    ///
    /// Full ring: the new block is dropped and counted; the worker is late and what it already has comes first.
    pub fn captured(&mut self, frames: &[u8], setting: &Setting, at: Nanos) {
        let muted = self.knobs.is_muted();
        let (run, seq, len) = (self.run, self.captured, setting.block().min(MOST) as u16);
        self.captured += 1;
        let mut block = Captured { run, seq, at, muted, len, pcm: [0; MOST] };
        // Muted sound is not even mixed down: no later stage can leak what it never had.
        if !muted && let Some(pcm) = block.pcm.get_mut(..usize::from(block.len)) {
            wire::to_mono(frames, setting.format, setting.channels, pcm);
        }
        if self.ends.captured.enqueue(block).is_err() {
            self.figures.capture_dropped.raise();
        }
    }

    /// Fills one block of `frames` for the device, and tells the worker of it: `at` is when its last sample will be at the
    /// converter. Returns how many bytes.
    pub fn playout(&mut self, frames: &mut [u8], setting: &Setting, at: Nanos) -> usize {
        let len = setting.block().min(MOST);
        let (run, seq) = (self.run, self.played);
        self.played += 1;
        let mut played = Played { run, seq, at, end: self.end, len: len as u16, pcm: [0; MOST] };
        let next = self.next(len);
        if let (Some(pcm), Some(last)) = (played.pcm.get_mut(..len), self.last.get_mut(..len)) {
            match next {
                Some(block) => {
                    for (to, from) in pcm.iter_mut().zip(&block.pcm) {
                        *to = *from;
                    }
                    if self.silent {
                        fade_in(pcm);
                    }
                    self.end = block.end;
                }
                None if !self.silent && self.last_len == len => fade_out(last, pcm),
                None => {}
            }
            last.copy_from_slice(pcm);
            self.last_len = len;
        }
        self.silent = next.is_none();
        played.end = self.end;
        // Nobody plays this a second time: a worker that does not take it has no echo to find in it either.
        let _ = self.ends.played.enqueue(played);
        wire::from_mono(played.pcm.get(..len).unwrap_or(&[]), setting.format, setting.channels, frames)
    }

    /// The next block that may be heard. Blocks of an older epoch, and of another rate than this device's, are dropped.
    fn next(&mut self, len: usize) -> Option<Playout> {
        let epoch = self.knobs.epoch();
        let excused = self.excused > 0;
        self.excused = self.excused.saturating_sub(1);
        for _ in 0..=self.ends.playout.capacity() {
            let Some(block) = self.ends.playout.dequeue() else { break };
            let stale = block.epoch.is_some_and(|its| (epoch.0.wrapping_sub(its.0) as i32) > 0);
            if !stale && usize::from(block.len) == len {
                return Some(block);
            }
        }
        if !excused {
            self.figures.starved.raise();
        }
        None
    }
}

/// Lets silence begin softly: the last 5 ms run backwards and fade. A hard stop would click.
fn fade_out(last: &[i16], pcm: &mut [i16]) {
    let fade = (pcm.len() / FADES).max(1);
    for (n, (sample, before)) in pcm.iter_mut().zip(last.iter().rev()).take(fade).enumerate() {
        *sample = (i32::from(*before) * (fade - n) as i32 / (fade + 1) as i32) as i16;
    }
}

/// Lets sound begin softly after silence that the worker did not intend: it starts in the middle of a wave.
fn fade_in(pcm: &mut [i16]) {
    let fade = (pcm.len() / FADES).max(1);
    for (n, sample) in pcm.iter_mut().take(fade).enumerate() {
        *sample = (i32::from(*sample) * (n + 1) as i32 / (fade + 1) as i32) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Epoch;
    use crate::pcm::negotiate::Format;
    use crate::pcm::port::Direction;
    use crate::rings::{self, DspEnds};
    use frontdesk_core::units::SampleRate;

    const STEREO: Setting = setting(Direction::Playout, 2);
    const MONO: Setting = setting(Direction::Capture, 1);

    const fn setting(direction: Direction, channels: u16) -> Setting {
        let rate = SampleRate::LISTENING;
        Setting { direction, rate, format: Format::S16, channels, period: 160, buffer: 640 }
    }

    fn leaked<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    fn ports() -> (Ports, DspEnds, &'static Knobs) {
        let (rt, dsp, _) = rings::make();
        let knobs = leaked(Knobs::new());
        (Ports::new(rt, knobs, leaked(Figures::new())), dsp, knobs)
    }

    fn block(epoch: Option<Epoch>, end: u64, level: i16) -> Playout {
        Playout { epoch, end, len: 160, pcm: [level; MOST] }
    }

    fn play(ports: &mut Ports) -> Vec<i16> {
        let mut frames = [0; 640];
        assert_eq!(ports.playout(&mut frames, &STEREO, Nanos(7)), 640);
        let stereo: Vec<i16> = frames.chunks(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect();
        assert!(stereo.chunks(2).all(|frame| frame[0] == frame[1]), "both channels say the same");
        stereo.into_iter().step_by(2).collect()
    }

    #[test]
    fn a_mute_leaves_nothing_in_the_ring_but_silence() {
        let (mut ports, mut dsp, knobs) = ports();
        let frames = [0x11; 320];
        ports.captured(&frames, &MONO, Nanos(1));
        knobs.set_muted(true);
        ports.captured(&frames, &MONO, Nanos(2));
        let open = dsp.captured.dequeue().unwrap();
        assert!(!open.muted && open.pcm[..160].iter().all(|it| *it == 0x1111) && open.at == Nanos(1));
        let muted = dsp.captured.dequeue().unwrap();
        assert!(muted.muted && muted.pcm.iter().all(|it| *it == 0) && muted.len == 160);
    }

    #[test]
    fn a_worker_that_does_not_take_loses_the_newest_and_it_is_counted() {
        let (mut ports, mut dsp, _) = ports();
        for n in 0..40 {
            ports.captured(&[0; 320], &MONO, Nanos(n));
        }
        assert_eq!(ports.figures().capture_dropped.read(), 40 - 31);
        assert_eq!(dsp.captured.dequeue().unwrap().at, Nanos(0));
    }

    #[test]
    fn a_barge_in_silences_what_waits_and_fades_what_was_heard() {
        let (mut ports, mut dsp, knobs) = ports();
        let old = Some(knobs.epoch());
        for end in [160, 320, 480] {
            dsp.playout.enqueue(block(old, end, 8_000)).unwrap();
        }
        let first = play(&mut ports);
        assert!(first[0] < 200 && first[159] == 8_000, "faded in after silence");
        knobs.begin_epoch();
        let after = play(&mut ports);
        assert!(after[0] > 7_800 && after[40] < after[20] && after[80..].iter().all(|it| *it == 0), "{after:?}");
        assert!(play(&mut ports).iter().all(|it| *it == 0));
        assert_eq!(ports.figures().starved.read(), 2);
        let ends: Vec<_> = std::iter::from_fn(|| dsp.played.dequeue()).map(|it| it.end).collect();
        assert_eq!(ends, [160, 160, 160], "what was dropped was never heard");
    }

    #[test]
    fn sounds_without_an_epoch_survive_a_barge_in_and_the_reference_is_what_was_played() {
        let (mut ports, mut dsp, knobs) = ports();
        dsp.playout.enqueue(block(Some(knobs.epoch()), 10, 1)).unwrap();
        dsp.playout.enqueue(block(None, 10, 500)).unwrap();
        knobs.begin_epoch();
        let heard = play(&mut ports);
        assert_eq!(heard[159], 500);
        let reference = dsp.played.dequeue().unwrap();
        assert_eq!(&reference.pcm[..160], &heard[..]);
        assert_eq!((reference.at, reference.len), (Nanos(7), 160));
    }

    #[test]
    fn a_block_of_another_devices_rate_is_not_played() {
        let (mut ports, mut dsp, _) = ports();
        dsp.playout.enqueue(Playout { len: 480, ..block(None, 0, 9_000) }).unwrap();
        assert!(play(&mut ports).iter().all(|it| *it == 0));
        assert_eq!(ports.figures().starved.read(), 1);
    }

    #[test]
    fn an_epoch_that_wraps_is_newer_than_the_one_before() {
        let (mut ports, mut dsp, knobs) = ports();
        dsp.playout.enqueue(block(Some(Epoch(u32::MAX)), 1, 700)).unwrap();
        assert!(play(&mut ports).iter().all(|it| *it == 0), "older than epoch 0");
        dsp.playout.enqueue(block(Some(knobs.epoch()), 2, 700)).unwrap();
        assert_eq!(play(&mut ports)[159], 700);
    }
}

//! The worker between simulated ends of its rings, in virtual time.

use super::*;
use crate::block::{Captured, Epoch, LISTENING, MOST, Nanos, Played, Run, SPEAKING, Speech};
use crate::knobs::{Ear, Earcon, EchoMode};
use crate::rings::{self, NetEnds, RtEnds};
use frontdesk_core::audio::vad::VoiceEvent;
use frontdesk_core::units::SampleRate;
use std::f64::consts::TAU;

/// What the device holds: a block is heard so many periods after it was given.
const HELD: u64 = 2;

struct Rig {
    rt: RtEnds,
    net: NetEnds,
    worker: Worker,
    knobs: &'static Knobs,
    figures: &'static Figures,
    news: Bell,
    len: usize,
    run: Run,
    period: u64,
    end: u64,
    /// Everything that was given to the device.
    loudspeaker: Vec<i16>,
    /// The agent's speech that was put into the ring, and what waits for room in it.
    said: u64,
    backlog: Vec<Speech>,
}

impl Rig {
    fn new(len: usize) -> Self {
        let (rt, ends, net) = rings::make();
        let (knobs, figures) = (&*Box::leak(Box::new(Knobs::new())), &*Box::leak(Box::new(Figures::new())));
        knobs.set_echo(EchoMode::Device);
        let news = Bell::new().unwrap();
        let worker = Worker::new(ends, knobs, figures, news.clone());
        Self {
            rt,
            net,
            worker,
            knobs,
            figures,
            news,
            len,
            run: Run(1),
            period: 10,
            end: 0,
            loudspeaker: Vec::new(),
            said: 0,
            backlog: Vec::new(),
        }
    }

    /// The time at which the period of `period` was complete.
    fn at(period: u64) -> Nanos {
        Nanos(period * 10_000_000)
    }

    /// The real-time thread's turn, without the worker's.
    fn device(&mut self, mic: &[i16]) {
        self.network();
        let mut pcm = [0; MOST];
        let epoch = self.knobs.epoch();
        while let Some(block) = self.rt.playout.dequeue() {
            if block.epoch.is_none_or(|it| it == epoch) {
                assert_eq!(usize::from(block.len), self.len);
                self.end = block.end;
                pcm = block.pcm;
                break;
            }
        }
        self.loudspeaker.extend_from_slice(&pcm[..self.len]);
        let mut captured = Captured {
            run: self.run,
            seq: self.period,
            at: Self::at(self.period),
            muted: false,
            len: self.len as u16,
            pcm: [0; MOST],
        };
        captured.pcm[..self.len].copy_from_slice(mic);
        let at = Self::at(self.period + HELD);
        let _ = self.rt.captured.enqueue(captured);
        let _ = self.rt.played.enqueue(Played {
            run: self.run,
            seq: self.period,
            at,
            end: self.end,
            len: self.len as u16,
            pcm,
        });
        self.period += 1;
    }

    fn step(&mut self, mic: &[i16]) {
        self.device(mic);
        self.worker.turn();
    }

    fn quiet(&mut self, periods: usize) {
        for _ in 0..periods {
            self.step(&[0; MOST][..self.len]);
        }
    }

    /// The agent says `pcm` (24 kHz) as fast as the ring takes it; `last` ends the reply.
    fn say(&mut self, pcm: &[i16], last: bool) {
        let pieces: Vec<_> = pcm.chunks(SPEAKING).collect();
        for (n, piece) in pieces.iter().enumerate() {
            self.said += piece.len() as u64;
            let mut block = Speech {
                epoch: self.knobs.epoch(),
                end: self.said,
                last: last && n + 1 == pieces.len(),
                len: piece.len() as u16,
                pcm: [0; SPEAKING],
            };
            block.pcm[..piece.len()].copy_from_slice(piece);
            self.backlog.push(block);
        }
        self.network();
    }

    fn network(&mut self) {
        while self.net.speech.ready() && !self.backlog.is_empty() {
            self.net.speech.enqueue(self.backlog.remove(0)).unwrap();
        }
    }

    fn heard(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.net.heard.dequeue()).collect()
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::iter::from_fn(|| self.net.noticed.dequeue()).collect()
    }
}

fn tone(hz: f64, rate: usize, len: usize) -> Vec<i16> {
    (0..len).map(|n| (8_000.0 * (TAU * hz * n as f64 / rate as f64).sin()) as i16).collect()
}

/// Noise of a voice's level, the same for the same seed.
fn noise(seed: u32, len: usize) -> Vec<i16> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as i16) / 4
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Where `needle` lies best in `hay`, and how alike they are.
fn find(needle: &[i16], hay: &[i16]) -> (usize, f64) {
    let energy = |pcm: &[i16]| pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let own = energy(needle);
    (0..=hay.len() - needle.len())
        .map(|at| {
            let window = &hay[at..at + needle.len()];
            let product: f64 = window.iter().zip(needle).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (at, product / (own * energy(window)).sqrt().max(1.0))
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .unwrap()
}

/// Ten times ten milliseconds of a voice that the detector knows: a buzz with the formants of an open vowel.
fn vowel(rate: usize, len: usize) -> Vec<i16> {
    let at = |n: usize| {
        let t = n as f64 / rate as f64;
        let pitch = 130.0 + 12.0 * (TAU * 3.0 * t).sin();
        let harmonics = (1..=24).map(|h| {
            let hz = pitch * f64::from(h);
            let formant = |middle: f64, width: f64| (-((hz - middle) / width).powi(2)).exp();
            (formant(700.0, 200.0) + 0.6 * formant(1_150.0, 250.0) + 0.25 * formant(2_500.0, 400.0) + 0.02)
                * (TAU * hz * t).sin()
        });
        let syllable = 0.55 + 0.45 * (TAU * 4.0 * t).sin();
        3_500.0 * syllable * harmonics.sum::<f64>()
    };
    (0..len).map(|n| at(n) as i16).collect()
}

const LENGTHS: [usize; 6] = [80, 160, 240, 320, 441, 480];

#[test]
fn what_is_captured_at_any_rate_is_heard_with_the_delay_that_its_time_tells() {
    for len in LENGTHS {
        let mut rig = Rig::new(len);
        rig.knobs.set_ear(Ear::Open);
        let sent = tone(440.0, len * 100, 100 * len);
        // A jump in the middle of a tone marks a moment.
        let first = rig.period;
        for (n, block) in sent.chunks(len).enumerate() {
            let mut block = block.to_vec();
            if n < 50 {
                block.fill(0);
            }
            rig.step(&block);
        }
        let heard = rig.heard();
        assert_eq!(heard.len(), 100, "{len}");
        let pcm: Vec<i16> = heard.iter().flat_map(|it| it.pcm).collect();
        let begins = pcm.iter().position(|s| s.unsigned_abs() > 1_000).unwrap();
        // The time stamp is that of a block's last sample.
        let block = &heard[begins / LISTENING];
        let at = block.at.0 as i64 - ((LISTENING - 1 - begins % LISTENING) as i64) * 62_500;
        let meant = Rig::at(first + 49).0 as i64;
        assert!((at - meant).abs() < 1_000_000, "{len}: {} us late", (at - meant) / 1_000);
        // And the worker's own delay is below 9 ms, so that one period more stays below 25.
        let delay = begins as f64 / 16.0 - 500.0;
        assert!((-1.0..9.0).contains(&delay), "{len}: {delay} ms");
    }
}

#[test]
fn every_sample_of_a_reply_is_played_at_any_rate_and_its_end_is_told() {
    for len in LENGTHS {
        let mut rig = Rig::new(len);
        rig.quiet(5);
        let said = noise(3, 24_000 + 77);
        // What is to come out: the same, by a resampler that has all the time.
        let rate = SampleRate::from_hz(len as u32 * 100).unwrap();
        let mut wanted = Vec::new();
        if rate == SampleRate::SPEAKING {
            wanted.clone_from(&said);
        } else {
            let mut resampler = frontdesk_core::audio::resample::Resampler::new(SampleRate::SPEAKING, rate);
            resampler.push(&said, &mut wanted);
            resampler.flush(&mut wanted);
        }
        rig.say(&said, true);
        let began = rig.loudspeaker.len();
        rig.quiet(110);
        let from = rig.loudspeaker.iter().position(|s| *s != 0).unwrap();
        let first = wanted.iter().position(|s| *s != 0).unwrap();
        let start = from - first;
        assert_eq!(rig.loudspeaker[start..start + wanted.len()], wanted, "{len}");
        let rest = &rig.loudspeaker[start + wanted.len()..];
        assert!(rest.iter().skip(len / 5).all(|s| *s == 0), "{len}: something behind the end");
        assert_eq!(rig.end, said.len() as u64, "{len}");
        // Two prepared blocks of silence and the filter: socket to device.
        let delay = (start - began) as f64 / len as f64 * 10.0;
        assert!(delay <= 30.0, "{len}: {delay} ms");
    }
}

#[test]
fn replies_that_follow_each_other_are_both_whole() {
    let mut rig = Rig::new(240);
    rig.quiet(5);
    let (one, other) = (noise(3, 1_000), noise(4, 1_700));
    rig.say(&one, true);
    rig.say(&other, true);
    rig.quiet(30);
    let first = find(&one, &rig.loudspeaker);
    let second = find(&other, &rig.loudspeaker);
    assert!(first.1 > 0.9999 && second.1 > 0.9999, "{first:?} {second:?}");
    assert!(second.0 - (first.0 + one.len()) < 240);
    assert_eq!(rig.end, 2_700);
}

#[test]
fn an_epoch_silences_with_the_next_block_and_what_follows_is_heard() {
    let mut rig = Rig::new(480);
    rig.quiet(5);
    rig.say(&noise(5, 24_000), false);
    rig.quiet(30);
    let flushed = rig.loudspeaker.len();
    let end = rig.end;
    rig.knobs.begin_epoch();
    rig.backlog.clear();
    rig.quiet(20);
    assert!(rig.loudspeaker[flushed..].iter().all(|s| *s == 0), "an old epoch was heard");
    assert_eq!(rig.end, end, "nothing more was spoken");
    rig.said = end;
    let fresh = tone(500.0, 24_000, 4_800);
    rig.say(&fresh, true);
    rig.quiet(40);
    assert_eq!(rig.end, end + 4_800);
    assert!(rig.loudspeaker[flushed..].iter().any(|s| *s > 7_000));
}

#[test]
fn a_ducked_reply_is_15_db_down_within_40_ms_and_comes_back_in_200() {
    let mut rig = Rig::new(480);
    rig.quiet(5);
    rig.say(&tone(1_000.0, 24_000, 72_000), true);
    rig.quiet(50);
    let peak = |pcm: &[i16]| f64::from(pcm.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0));
    let ducked = rig.loudspeaker.len();
    rig.knobs.set_ducked(true);
    rig.quiet(50);
    // Two blocks were prepared; the ramp takes less than a third.
    assert!((peak(&rig.loudspeaker[ducked..ducked + 480]) - 8_000.0).abs() < 100.0);
    let depth = 20.0 * (peak(&rig.loudspeaker[ducked + 3 * 480..][..480]) / 8_000.0).log10();
    assert!((-15.5..=-14.5).contains(&depth), "{depth} dB");
    let back = rig.loudspeaker.len();
    rig.knobs.set_ducked(false);
    rig.quiet(50);
    let half = peak(&rig.loudspeaker[back + 12 * 480..][..480]);
    assert!((3_500.0..6_500.0).contains(&half), "half way up: {half}");
    assert!((peak(&rig.loudspeaker[back + 24 * 480..][..480]) - 8_000.0).abs() < 100.0);
    // A tone of 1 kHz at this level moves by 1050 from sample to sample: nothing jumps.
    let worst = rig.loudspeaker[ducked - 480..back + 20 * 480].windows(2).map(|w| w[0].abs_diff(w[1])).max();
    assert!(worst < Some(1_200), "a click: {worst:?}");
}

#[test]
fn a_stalled_network_gives_silence_without_clicks_and_goes_on_with_the_next_sample() {
    let mut rig = Rig::new(480);
    rig.quiet(5);
    let said = tone(300.0, 24_000, 9_600);
    // In the middle of a wave, at its top.
    rig.say(&said[..4_820], false);
    rig.quiet(40);
    assert_eq!(rig.end, 4_820, "all that came was played");
    rig.say(&said[4_820..], true);
    rig.quiet(40);
    assert_eq!(rig.end, 9_600);
    let worst = rig.loudspeaker.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap();
    assert!(worst < 700, "a click of {worst}");
}

#[test]
fn an_earcon_is_heard_without_speech_and_obeys_the_volume() {
    let level = |db: f32| {
        let mut rig = Rig::new(480);
        rig.knobs.set_volume_db(db);
        rig.quiet(5);
        rig.knobs.play(Earcon::Begin);
        rig.quiet(50);
        assert!(rig.loudspeaker[rig.loudspeaker.len() - 480..].iter().all(|s| *s == 0), "it ends");
        assert_eq!(rig.end, 0, "it is no speech");
        level::dbfs(&rig.loudspeaker).0
    };
    assert!(level(0.0) > -35.0);
    assert!((level(0.0) - level(-10.0) - 10.0).abs() < 0.3);
}

#[test]
fn a_volume_beyond_full_scale_saturates() {
    let mut rig = Rig::new(240);
    rig.knobs.set_volume_db(30.0);
    rig.quiet(5);
    rig.say(&tone(500.0, 24_000, 4_800), true);
    rig.quiet(30);
    assert!(rig.loudspeaker.contains(&i16::MAX) && rig.loudspeaker.contains(&i16::MIN));
    let wraps = rig.loudspeaker.windows(2).filter(|w| w[0].abs_diff(w[1]) > 60_000).count();
    assert_eq!(wraps, 0);
}

#[test]
fn a_closed_ear_tells_nothing_and_a_watching_one_only_that_there_was_a_voice() {
    for ear in [Ear::Closed, Ear::Watching] {
        let mut rig = Rig::new(160);
        rig.knobs.set_ear(ear);
        for block in vowel(16_000, 24_000).chunks(160) {
            rig.step(block);
        }
        rig.quiet(50);
        assert!(rig.heard().is_empty());
        let noticed: Vec<_> = rig.noticed().iter().map(|it| it.voice).collect();
        if ear == Ear::Closed {
            assert!(noticed.is_empty() && !rig.news.answer(), "{noticed:?}");
        } else {
            assert!(rig.news.answer());
            assert!(
                matches!(noticed[..], [VoiceEvent::Onset, VoiceEvent::Sustained, VoiceEvent::End { .. }]),
                "{noticed:?}"
            );
        }
    }
}

#[test]
fn what_was_kept_while_watching_is_heard_first_in_order_and_without_a_seam() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Watching);
    let sent = noise(8, 160 * 250);
    for (n, block) in sent.chunks(160).enumerate() {
        if n == 200 {
            rig.knobs.set_ear(Ear::Open);
        }
        rig.step(block);
    }
    let heard: Vec<i16> = rig.heard().iter().flat_map(|it| it.pcm).collect();
    // One second before the ear opened, and everything since: at its own rate not a bit is changed.
    assert_eq!(heard, sent[100 * 160..]);
}

#[test]
fn what_was_kept_is_forgotten_when_the_ear_closes() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Watching);
    rig.step(&noise(8, 160));
    rig.knobs.set_ear(Ear::Closed);
    rig.step(&noise(9, 160));
    rig.knobs.set_ear(Ear::Open);
    rig.step(&noise(10, 160));
    let heard: Vec<i16> = rig.heard().iter().flat_map(|it| it.pcm).collect();
    assert_eq!(heard, noise(10, 160));
}

#[test]
fn what_was_kept_before_the_device_went_away_is_told_to_nobody() {
    for opened_while_away in [false, true] {
        let mut rig = Rig::new(480);
        rig.knobs.set_ear(Ear::Watching);
        rig.quiet(5);
        for _ in 0..100 {
            rig.step(&[5_000; 480]);
        }
        if opened_while_away {
            rig.knobs.set_ear(Ear::Open);
            // The network side may ring at any time.
            rig.worker.turn();
        }
        rig.run = Run(2);
        rig.quiet(20);
        rig.knobs.set_ear(Ear::Open);
        rig.quiet(1);
        let heard = rig.heard();
        assert_eq!(heard.len(), 21, "everything since the device is there again");
        assert!(heard.iter().all(|it| it.pcm.iter().all(|s| s.unsigned_abs() < 100)), "sound of another time");
    }
}

#[test]
fn a_closed_ear_has_no_level() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Open);
    for block in vowel(16_000, 16_000).chunks(160) {
        rig.step(block);
    }
    assert!(rig.figures.heard_level.read() > -40.0);
    rig.knobs.set_ear(Ear::Closed);
    rig.quiet(1);
    assert!(rig.figures.heard_level.read() <= Dbfs::SILENCE.0);
    rig.quiet(200);
    assert!(rig.figures.heard_level.read() <= Dbfs::SILENCE.0);
}

#[test]
fn a_canceller_that_fails_is_counted_and_so_is_the_end_of_it() {
    let mut rig = Rig::new(160);
    rig.knobs.set_echo(EchoMode::Software);
    rig.knobs.set_ear(Ear::Open);
    rig.quiet(10);
    let agent: Vec<i16> = noise(17, 24_000 * 24).iter().map(|s| s / 10).collect();
    rig.say(&agent, true);
    let told = |rig: &Rig| (rig.figures.taking_turns.read(), rig.figures.turns_taken.read());
    rig.quiet(250);
    assert_eq!(told(&rig), (0.0, 0), "it is new, and nothing was measured");
    // What no canceller takes away for long: sound that has nothing to do with the agent's, and is louder.
    let sent = vowel(16_000, 320_000);
    for block in sent.chunks(160) {
        rig.step(block);
    }
    assert_eq!(told(&rig), (1.0, 1));
    rig.knobs.set_echo(EchoMode::Device);
    rig.quiet(1);
    assert_eq!(told(&rig), (0.0, 2));
}

#[test]
fn a_network_that_does_not_read_loses_the_newest_and_is_counted() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Open);
    rig.quiet(300);
    assert_eq!(rig.heard().len(), 255);
    assert_eq!(rig.figures.heard_dropped.read(), 45);
    rig.quiet(1);
    assert_eq!(rig.heard().len(), 1, "and it goes on at once");
}

#[test]
fn a_stalled_worker_makes_up_for_everything_in_one_turn() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Open);
    rig.quiet(10);
    rig.heard();
    let sent = noise(11, 160 * 31);
    for block in sent.chunks(160) {
        rig.device(block);
    }
    rig.worker.turn();
    let heard: Vec<i16> = rig.heard().iter().flat_map(|it| it.pcm).collect();
    assert_eq!(heard, sent);
    rig.step(&noise(12, 160));
    assert_eq!(rig.heard().len(), 1, "no delay has piled up");
}

#[test]
fn the_progress_of_the_speech_goes_with_what_was_heard() {
    let mut rig = Rig::new(160);
    rig.knobs.set_ear(Ear::Open);
    rig.quiet(10);
    rig.heard();
    rig.say(&noise(13, 24_000), true);
    let began = rig.loudspeaker.len();
    rig.quiet(150);
    let start = rig.loudspeaker[began..].iter().position(|s| *s != 0).unwrap() as i64 + began as i64;
    let heard = rig.heard();
    assert_eq!(heard.last().unwrap().played, 24_000);
    assert!(heard.windows(2).all(|w| w[0].played <= w[1].played));
    for block in heard {
        // The device's sample n is heard with the block that was given with period n / 160, HELD periods later.
        let heard_by_then = (block.at.0 as i64 - Rig::at(9 + HELD).0 as i64) * 16 / 1_000_000;
        let wanted = ((heard_by_then - start) * 3 / 2).clamp(0, 24_000);
        assert!((block.played as i64 - wanted).abs() <= 24 * 3, "{} instead of {wanted}", block.played);
    }
}

#[test]
fn half_duplex_closes_the_microphone_while_the_agent_is_heard_and_opens_it_behind_the_echo() {
    let mut rig = Rig::new(160);
    rig.knobs.set_echo(EchoMode::HalfDuplex);
    rig.knobs.set_ear(Ear::Open);
    rig.quiet(10);
    rig.say(&noise(14, 24_000), true);
    rig.heard();
    let sent = vowel(16_000, 32_000);
    for block in sent.chunks(160) {
        rig.step(block);
    }
    let heard = rig.heard();
    let closed = heard.iter().filter(|it| it.pcm.iter().all(|s| *s == 0)).count();
    assert!((120..135).contains(&closed), "{closed} blocks: a second of speech and a quarter of its echo");
    let first = heard.iter().find(|it| it.voice.is_some()).unwrap();
    assert_eq!(first.voice, Some(VoiceEvent::Onset));
    assert!(first.at > Rig::at(20 + 125), "a voice was told of while the microphone was closed");
}

#[test]
fn a_new_run_and_another_rate_are_followed() {
    let mut rig = Rig::new(480);
    rig.knobs.set_ear(Ear::Open);
    rig.knobs.set_echo(EchoMode::Software);
    rig.quiet(20);
    // The device comes back at another rate; what was prepared for the old one is not for it.
    rig.len = 160;
    rig.run = Run(2);
    while rig.rt.playout.dequeue().is_some() {}
    rig.quiet(5);
    while rig.rt.playout.peek().is_some_and(|it| it.len != 160) {
        rig.rt.playout.dequeue();
    }
    rig.say(&tone(500.0, 24_000, 4_800), true);
    rig.quiet(40);
    assert_eq!(rig.end, 4_800);
    assert_eq!(rig.heard().len(), 65);
    assert_eq!(rig.figures.dsp_blocks.read(), 65);
}

#[test]
fn speech_of_an_epoch_that_begins_while_the_worker_is_at_work_is_not_lost() {
    let mut rig = Rig::new(240);
    rig.quiet(5);
    rig.say(&noise(15, 240 * 8), false);
    assert_eq!(rig.knobs.begin_epoch(), Epoch(1));
    rig.backlog.clear();
    rig.said = 0;
    let said = noise(16, 2_400);
    rig.say(&said, true);
    rig.quiet(30);
    assert!(find(&said, &rig.loudspeaker).1 > 0.9999);
    assert_eq!(rig.end, 2_400);
}

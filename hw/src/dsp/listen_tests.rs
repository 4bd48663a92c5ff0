//! The capture side with a canceller in a simulated room, in virtual time.

use super::*;
use crate::block::{MOST, Played};
use crate::selftest::stimulus;

/// Blocks of the stimulus in front of its murmur, and blocks of that.
const MURMUR: (usize, usize) = (270, 400);

struct Told(Vec<Heard>);

impl Sink for Told {
    fn heard(&mut self, heard: &Heard) {
        self.0.push(*heard);
    }
    fn noticed(&mut self, _noticed: Noticed) {}
    fn wants_all(&self) -> bool {
        false
    }
    fn compared(&mut self, _block: &Compared) {}
}

/// What is heard of an agent that never stops, from a microphone that is muted in `muted`, while a person talks from
/// block `person` on.
fn talk(blocks: usize, muted: std::ops::Range<usize>, person: usize) -> Vec<Heard> {
    talk_in(&room(), blocks, muted, person)
}

/// The same in another room.
fn talk_in(room: &[(usize, f32)], blocks: usize, muted: std::ops::Range<usize>, person: usize) -> Vec<Heard> {
    let murmur = &stimulus::render()[MURMUR.0 * LISTENING..][..MURMUR.1 * LISTENING];
    let far: Vec<i16> = murmur.iter().copied().cycle().take(blocks * LISTENING).collect();
    let (mut listener, mut reference, figures) = (Listener::new(), Reference::new(), Figures::new());
    listener.set_ear(Ear::Open, &figures);
    let mut told = Told(Vec::new());
    for n in 0..blocks {
        let (run, seq, len) = (Run(1), n as u64, LISTENING as u16);
        let at = Nanos(1_000_000_000 + seq * 10_000_000);
        let mut played = Played { run, seq, at: Nanos(at.0 + 20_000_000), end: 0, len, pcm: [0; MOST] };
        played.pcm[..LISTENING].copy_from_slice(&far[n * LISTENING..][..LISTENING]);
        reference.push(&played);
        let mut captured = Captured { run, seq, at, muted: muted.contains(&n), len, pcm: [0; MOST] };
        for (k, sample) in captured.pcm[..LISTENING].iter_mut().enumerate().filter(|_| !captured.muted) {
            let at = n * LISTENING + k;
            let echo: f32 =
                room.iter().filter(|(lag, _)| at >= *lag).map(|(lag, gain)| gain * f32::from(far[at - lag])).sum();
            let voice = if n >= person { vowel(at) } else { 0.0 };
            *sample = (echo + voice + hiss(at)) as i16;
        }
        listener.take(&captured, &mut reference, EchoMode::Software, &figures, &mut told);
    }
    told.0
}

/// Delays in samples and gains: the loudspeaker at -7 dB, and a tail.
fn room() -> Vec<(usize, f32)> {
    let mut seed = 7u32;
    let tap = |tap: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let tail = 0.12 * ((seed >> 16) as f32 / 32_768.0 - 1.0) * (-(tap as f32) / 22.0).exp();
        (960 + tap * 37 + (seed >> 28) as usize, if tap == 0 { 0.45 } else { tail })
    };
    (0..80).map(tap).collect()
}

fn hiss(at: usize) -> f32 {
    (((at as u32).wrapping_mul(2_654_435_761) >> 16) as f32 - 32_768.0) / 1_500.0
}

fn vowel(at: usize) -> f32 {
    let t = at as f32 / 16_000.0;
    let harmonics = (1..25).map(|h| {
        let hz = 130.0 * h as f32;
        let gain: f32 = [700.0, 1_220.0, 2_600.0].iter().map(|f: &f32| 1.0 / (1.0 + ((hz - f) / 120.0).powi(2))).sum();
        gain * (std::f32::consts::TAU * hz * t).sin()
    });
    let syllable = 0.15 + 0.85 * (0.5 - 0.5 * (std::f32::consts::TAU * 3.7 * t).cos());
    4_800.0 * syllable * harmonics.sum::<f32>()
}

fn level(heard: &[Heard]) -> f32 {
    Dbfs::of_mean_square(heard.iter().map(|it| power(&it.pcm)).sum::<f32>() / heard.len() as f32).0
}

fn voices(heard: &[Heard]) -> Vec<(usize, VoiceEvent)> {
    heard.iter().enumerate().filter_map(|(n, it)| it.voice.map(|voice| (n, voice))).collect()
}

#[test]
fn a_mute_does_not_unteach_the_canceller() {
    let heard = talk(2_400, 1_000..2_000, 2_100);
    let (before, after) = (level(&heard[900..1_000]), level(&heard[2_050..2_100]));
    assert!(after < before + 3.0, "{before} dBFS before the mute, {after} dBFS after it");
    let voices = voices(&heard);
    assert!(voices.iter().all(|(n, _)| *n >= 2_100), "its own echo was taken for a voice: {voices:?}");
    assert!(voices.iter().any(|(n, it)| (2_100..2_250).contains(n) && *it == VoiceEvent::Onset), "{voices:?}");
}

#[test]
fn a_canceller_learns_nothing_from_a_muted_microphone() {
    let heard = talk(600, 0..400, 600);
    assert!(heard[400..600].iter().all(|it| power(&it.pcm) == 0.0), "it lets through what it does not know");
    assert_eq!(voices(&heard), []);
}

#[test]
fn an_echo_out_of_the_cancellers_reach_keeps_the_microphone_closed() {
    // A loudspeaker behind a radio link. For five seconds everything is held back, by the canceller itself.
    let late: Vec<_> = room().into_iter().map(|(lag, gain)| (lag + 24_000, gain)).collect();
    let heard = talk_in(&late, 1_500, 0..0, 1_500);
    let open = heard.iter().position(|it| power(&it.pcm) > 0.0);
    assert_eq!(open, None, "the agent hears itself");
}

#[test]
fn the_microphone_is_open_three_seconds_into_the_agents_first_words() {
    let heard = talk(600, 0..0, 600);
    let open = heard.iter().position(|it| power(&it.pcm) > 0.0);
    assert!(open.is_some_and(|open| (200..300).contains(&open)), "{open:?}");
    let nothing = talk_in(&[], 600, 0..0, 600);
    let open = nothing.iter().position(|it| power(&it.pcm) > 0.0);
    assert_eq!(open, Some(200), "where there is no echo");
}

//! Recordings of rooms that are only calculated.

use super::facts::{Counts, Rate};
use super::*;
use crate::device::chain::Chain;
use crate::dsp::probe_canceller;
use crate::pcm::port::Errno;
use crate::rt::priority::Priority;
use proptest::prelude::*;

/// What is between loudspeaker and microphone.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Samples of 16 kHz.
    delay: usize,
    /// `None`: no way at all.
    gain_db: Option<f32>,
    /// `None`: digital silence.
    noise_dbfs: Option<f32>,
    /// What is left behind the canceller, dB.
    left_db: f32,
}

const COUNTER: Room = Room { delay: 960, gain_db: Some(-6.0), noise_dbfs: Some(-65.0), left_db: -30.0 };

fn amplitude(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

impl Room {
    fn record(self) -> Recording {
        let mut played = stimulus::render();
        played.resize(BLOCKS * LISTENING, 0);
        let mut seed = 7u32;
        // Uniform noise of amplitude 1 has a level of -4.77 dB.
        let loud = self.noise_dbfs.map_or(0.0, |dbfs| 32_768.0 * amplitude(dbfs + 4.77));
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * loud
        };
        let gain = self.gain_db.map_or(0.0, amplitude);
        let mut recording = Recording::with_room();
        for n in 0..BLOCKS {
            let from = n * LISTENING;
            let echo: [f32; LISTENING] = std::array::from_fn(|at| {
                (from + at).checked_sub(self.delay).map_or(0.0, |at| f32::from(played[at]) * gain)
            });
            let noise: [f32; LISTENING] = std::array::from_fn(|_| noise());
            let mix = |left: f32| std::array::from_fn(|at| (echo[at] * left + noise[at]).round() as i16);
            recording.push(&Compared {
                run: Run(1),
                lead: Some(20_000_000),
                played: std::array::from_fn(|at| played[from + at]),
                raw: mix(1.0),
                clean: mix(amplitude(self.left_db)),
            });
        }
        recording
    }

    fn report(self, facts: &Facts) -> Report {
        analyse(&self.record(), facts)
    }
}

fn facts() -> Facts {
    let rate = Rate::of(48_000, 48_001.0);
    Facts {
        echo: EchoMode::Software,
        muted: false,
        capture: rate,
        playout: rate,
        priority_refused: None,
        usb: None,
        sound: Counts::default(),
    }
}

fn codes(report: &Report) -> Vec<Code> {
    report.verdicts.iter().map(|verdict| verdict.code).collect()
}

#[test]
fn a_counter_with_our_canceller_is_measured_and_found_well() {
    let report = COUNTER.report(&facts());
    let delay = report.delay.unwrap();
    assert!((delay.millis - 60.0).abs() < 0.1 && delay.certainty > 0.9, "{delay:?}");
    assert!((delay.beyond_driver - 40.0).abs() < 0.1, "given 20 ms early: {delay:?}");
    assert!((report.noise.0 + 65.0).abs() < 1.0 && (report.return_loss - 6.0).abs() < 1.0, "{report:?}");
    assert!((report.reduction.unwrap() - 30.0).abs() < 2.0, "{report:?}");
    assert_eq!(codes(&report), [Code::CancellerWorks]);
    assert!(report.is_well());
}

#[test]
fn the_same_room_wants_a_canceller_where_the_device_was_trusted() {
    let report = COUNTER.report(&Facts { echo: EchoMode::Device, ..facts() });
    assert_eq!((codes(&report), report.reduction), (vec![Code::CancellerNeeded], None));
    assert!(!report.is_well() && report.verdicts[0].would_do.contains("echo = \"software\""));
    let quiet = Room { gain_db: Some(-50.0), ..COUNTER };
    let report = quiet.report(&Facts { echo: EchoMode::Device, ..facts() });
    assert!(report.is_well() && codes(&report) == [Code::DeviceCancels], "{report:?}");
}

#[test]
fn a_canceller_that_gets_no_hold_of_the_echo_is_found() {
    let report = Room { left_db: -3.0, ..COUNTER }.report(&facts());
    assert_eq!(codes(&report), [Code::NotConverging]);
    assert!(report.verdicts[0].would_do.contains("half-duplex"));
}

#[test]
fn a_microphone_without_signal_and_one_that_hears_nothing_are_two_things() {
    let dead = Room { gain_db: None, noise_dbfs: None, ..COUNTER };
    assert_eq!(codes(&dead.report(&facts())), [Code::NoMicrophone]);
    let deaf = Room { gain_db: None, ..COUNTER }.report(&facts());
    assert_eq!((codes(&deaf), deaf.delay), (vec![Code::NotHeard], None));
    assert!(deaf.return_loss > 40.0, "at least what the noise would hide: {deaf:?}");
    let muted = dead.report(&Facts { muted: true, ..facts() });
    assert_eq!(codes(&muted), [Code::Muted]);
}

#[test]
fn an_overdriven_microphone_and_a_noisy_room_are_told_beside_it() {
    let report = Room { gain_db: Some(12.0), ..COUNTER }.report(&facts());
    assert!(report.clipped > 0.01 && codes(&report).contains(&Code::Overdriven), "{report:?}");
    let report = Room { noise_dbfs: Some(-30.0), ..COUNTER }.report(&facts());
    assert!(codes(&report).contains(&Code::Noisy), "{report:?}");
}

#[test]
fn what_is_known_beside_the_recording_is_judged_by_importance() {
    let chain = Chain { speed: Some(12), hubs: vec![12, 480], controller: None };
    let narrow = Facts { usb: Some(chain.clone()), ..facts() };
    let report = COUNTER.report(&narrow);
    assert_eq!(codes(&report), [Code::NarrowUsb, Code::CancellerWorks]);
    assert!(report.is_well(), "a risk, not a fault");
    let worse = Facts {
        capture: Rate::of(16_000, 16_400.0),
        priority_refused: Some(Priority::Normal(Errno::of(libc::EPERM)).to_string()),
        sound: Counts { overruns: 2, ..Counts::default() },
        ..narrow
    };
    let report = COUNTER.report(&worse);
    assert_eq!(codes(&report), [Code::RateLies, Code::SoundLost, Code::NarrowUsb, Code::CancellerWorks]);
    assert!(report.verdicts[0].what.contains("16400") && report.verdicts[1].would_do.contains("LimitRTPRIO"));
    let unknown = Facts { playout: Rate::of(48_000, 0.0), ..facts() };
    assert_eq!(codes(&COUNTER.report(&unknown)), [Code::CancellerWorks], "not measured yet is no lie");
}

#[test]
fn a_restart_in_the_middle_is_told_and_the_longer_part_is_measured() {
    let mut recording = COUNTER.record();
    for block in &mut recording.blocks[..200] {
        block.run = Run(0);
    }
    let report = analyse(&recording, &facts());
    assert_eq!(report.restarts, 1);
    assert!((report.delay.unwrap().millis - 60.0).abs() < 0.1);
    assert_eq!(codes(&report), [Code::SoundLost, Code::CancellerWorks]);
}

#[test]
fn the_real_canceller_learns_from_the_sound() {
    let mut recording = COUNTER.record();
    let mut canceller = probe_canceller();
    for block in &mut recording.blocks {
        block.clean = block.raw;
        canceller(&block.played, &mut block.clean);
    }
    let report = analyse(&recording, &facts());
    assert!(report.reduction.unwrap() >= 20.0, "{report:?}");
    assert_eq!(codes(&report), [Code::CancellerWorks]);
}

#[test]
fn nothing_and_little_are_no_reason_to_fail() {
    assert_eq!(codes(&analyse(&Recording::default(), &facts())), [Code::NoMicrophone]);
    let mut short = COUNTER.record();
    short.blocks.truncate(150);
    let report = analyse(&short, &facts());
    assert_eq!(report.delay, None);
    assert!(!report.verdicts.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the delay, the level and the noise: found to half a millisecond, or told as not heard where noise hides it.
    #[test]
    fn any_room_is_measured(delay in 0usize..8_000, gain in -40f32..6.0, noise in -75f32..-45.0) {
        let room = Room { delay, gain_db: Some(gain), noise_dbfs: Some(noise), left_db: -25.0 };
        let report = room.report(&facts());
        let wanted = delay as f32 / 16.0;
        match report.delay {
            Some(found) => prop_assert!((found.millis - wanted).abs() < 0.5, "{found:?}, wanted {wanted}"),
            None => prop_assert!(-20.0 + gain < noise - 12.0, "{room:?}: {report:?}"),
        }
        prop_assert!((report.noise.0 - noise).abs() < 1.0);
        if -20.0 + gain > noise + 10.0 && gain < 3.0 {
            prop_assert!((report.return_loss + gain).abs() < 1.5, "{report:?}");
        }
        prop_assert!(report.verdicts.is_sorted_by_key(|it| (it.severity, it.code)));
    }
}

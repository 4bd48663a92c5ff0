//! The card's own levels, set once when it is opened: to a known place, because what was left there by another program,
//! or by a button, would be ours to explain. Loudness and mute are done in software after that.
//!
//! Decibels that USB devices announce are often wrong, so levels are shares of the raw range. Every access is a transfer
//! to the device and can take seconds on a sick one: never from the real-time thread.

use crate::device::quirks::Quirk;
use crate::pcm::port::Errno;
use alsa::mixer::{Mixer, Selem};
use std::time::{Duration, Instant};

/// A control of the card, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name, such as `PCM` or `Headset Capture`.
    pub name: String,
    /// The range of its playout volume.
    pub playout: Option<(i64, i64)>,
    /// It has a switch for the playout.
    pub playout_switch: bool,
    /// The range of its capture volume.
    pub capture: Option<(i64, i64)>,
    /// It has a switch for the capture.
    pub capture_switch: bool,
}

/// What to set on a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The playout volume, raw.
    PlayoutVolume(i64),
    /// The playout on or off.
    PlayoutSwitch(bool),
    /// The capture volume, raw.
    CaptureVolume(i64),
    /// The capture on or off.
    CaptureSwitch(bool),
}

/// All settings of a card together may take so long: one that does not answer is played at the levels that it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sets the card's levels. A card without a mixer is fine: nothing is set. What is refused stays as it is; a card that
/// does not answer is asked no more. `alive` is called between the transfers, each of which may take five seconds.
pub fn settle(index: u32, quirk: &Quirk, mut alive: impl FnMut()) {
    let until = Instant::now() + PATIENCE;
    alive();
    let Ok(mixer) = Mixer::new(&format!("hw:{index}"), true) else { return };
    let controls: Vec<_> = mixer.iter().filter_map(Selem::new).collect();
    let all = controls
        .iter()
        .flat_map(|control| steps(&describe(control), quirk).into_iter().map(move |step| (control, step)));
    let in_time = || Instant::now() < until;
    each(all, in_time, |(control, step)| {
        alive();
        apply(control, step).map_err(|error| Errno::of(error.errno()))
    });
}

/// Does one after the other, until there is no time left or one says that nobody answers. Returns how many were tried.
fn each<T>(
    all: impl Iterator<Item = T>,
    mut in_time: impl FnMut() -> bool,
    mut act: impl FnMut(T) -> Result<(), Errno>,
) -> usize {
    let mut tried = 0;
    for one in all {
        if !in_time() {
            break;
        }
        tried += 1;
        if act(one).is_err_and(|errno| errno.number() == libc::ETIMEDOUT) {
            break;
        }
    }
    tried
}

fn describe(control: &Selem<'_>) -> Control {
    Control {
        name: control.get_id().get_name().unwrap_or_default().to_owned(),
        playout: control.has_playback_volume().then(|| control.get_playback_volume_range()),
        playout_switch: control.has_playback_switch(),
        capture: control.has_capture_volume().then(|| control.get_capture_volume_range()),
        capture_switch: control.has_capture_switch(),
    }
}

/// What a control is set to.
pub fn steps(control: &Control, quirk: &Quirk) -> Vec<Step> {
    let mut steps = Vec::new();
    let sidetone = is_sidetone(&control.name);
    if let Some(range) = control.playout {
        let share = if sidetone { 0.0 } else { quirk.playout_level };
        steps.push(Step::PlayoutVolume(at(range, share)));
    }
    if control.playout_switch {
        steps.push(Step::PlayoutSwitch(!sidetone));
    }
    if let Some(range) = control.capture {
        steps.push(Step::CaptureVolume(at(range, quirk.capture_level)));
    }
    if control.capture_switch {
        steps.push(Step::CaptureSwitch(true));
    }
    steps
}

/// The playout side of a microphone's control lets the talker hear themself: at a desk that is feedback.
fn is_sidetone(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("mic") || name.contains("sidetone") || name.contains("side tone")
}

fn at((least, most): (i64, i64), share: f32) -> i64 {
    let span = most.saturating_sub(least).max(0);
    least.saturating_add((span as f64 * f64::from(share.clamp(0.0, 1.0))).round() as i64)
}

fn apply(control: &Selem<'_>, step: Step) -> alsa::Result<()> {
    match step {
        Step::PlayoutVolume(value) => control.set_playback_volume_all(value),
        Step::PlayoutSwitch(on) => control.set_playback_switch_all(on.into()),
        Step::CaptureVolume(value) => control.set_capture_volume_all(value),
        Step::CaptureSwitch(on) => control.set_capture_switch_all(on.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::quirks::UNKNOWN;

    fn control(name: &str) -> Control {
        Control { name: name.to_owned(), playout: None, playout_switch: false, capture: None, capture_switch: false }
    }

    #[test]
    fn loudspeaker_and_microphone_are_on_at_a_known_level() {
        let speaker = Control { playout: Some((0, 11)), playout_switch: true, ..control("PCM") };
        assert_eq!(steps(&speaker, &UNKNOWN), [Step::PlayoutVolume(8), Step::PlayoutSwitch(true)]);
        let microphone = Control { capture: Some((-20, 20)), capture_switch: true, ..control("Headset") };
        assert_eq!(steps(&microphone, &UNKNOWN), [Step::CaptureVolume(10), Step::CaptureSwitch(true)]);
    }

    #[test]
    fn the_talker_does_not_hear_themself() {
        let sidetone = Control { playout: Some((0, 100)), playout_switch: true, ..control("Mic") };
        assert_eq!(steps(&sidetone, &UNKNOWN), [Step::PlayoutVolume(0), Step::PlayoutSwitch(false)]);
    }

    #[test]
    fn a_card_that_does_not_answer_is_not_asked_on() {
        let tried = |refusal: i32| each(0..8, || true, |_| Err(Errno::of(refusal)));
        assert_eq!(tried(libc::EINVAL), 8, "what one control refuses, the next may take");
        assert_eq!(tried(libc::ETIMEDOUT), 1);
        // Each takes its time and answers in the end.
        let clock = std::cell::Cell::new(Duration::ZERO);
        let slow = |_| {
            clock.set(clock.get() + Duration::from_millis(900));
            Ok(())
        };
        assert_eq!(each(0..8, || clock.get() < PATIENCE, slow), 3);
    }

    #[test]
    fn a_range_that_is_upside_down_is_no_trouble() {
        assert_eq!(at((5, 5), 0.75), 5);
        assert_eq!(at((9, 1), 0.75), 9);
        assert_eq!(at((i64::MIN, i64::MAX), 0.0), i64::MIN);
    }
}

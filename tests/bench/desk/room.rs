//! The room's clock, and the device's own delays in it.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use frontdesk_room::{Air, BLOCK, EchoPath, RATE, Room, acoustics};
use frontdesk_tests::daemon::program;
use frontdesk_voice::{measure, resample};

use super::model::{Arrived, now, samples};

/// Nanoseconds of a sample.
const SAMPLE: f64 = 1e9 / RATE as f64;
/// A wait of the room's that is longer than this is a room that stands.
const STANDS: Duration = Duration::from_secs(5);
/// Likeness below which a sound was not found.
const ALIKE: f32 = 0.3;
/// Louder than this is a sound, in a loudspeaker that is digitally silent otherwise.
const AUDIBLE: u16 = 1_500;

/// Watches the room's clock: which position is which instant.
pub(super) struct Pace {
    /// Instants at which a step was seen to be done, and the position behind it.
    seen: Arc<Mutex<Vec<(u64, u64)>>>,
    over: Arc<AtomicBool>,
}

impl Pace {
    pub(super) fn watch(air: Arc<Air>) -> anyhow::Result<Self> {
        let pace = Self { seen: Arc::default(), over: Arc::default() };
        let (seen, over) = (Arc::clone(&pace.seen), Arc::clone(&pace.over));
        std::thread::Builder::new().name("pace".into()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let next = air.now() + 1;
                if air.wait_until(next, STANDS).is_err() {
                    return;
                }
                let (at, end) = (now(), air.now());
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((at, end));
            }
        })?;
        Ok(pace)
    }

    /// The instant of `position`, by what was seen around it, 10 s to either side. The room's steps follow a fixed grid;
    /// being late only ever adds, so the earliest seen is the grid's own.
    pub(super) fn instant(&self, position: f64) -> Option<f64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let near = |end: u64| (end as f64 - position).abs() < 10.0 * f64::from(RATE);
        let origins = seen.iter().filter(|(_, end)| near(*end)).map(|(at, end)| *at as f64 - *end as f64 * SAMPLE);
        Some(origins.min_by(f64::total_cmp)? + position * SAMPLE)
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// An office with a speakerphone: an echo of -6 dB after 60 ms, with reflections and a tail.
pub(super) fn echo_path() -> EchoPath {
    let response = acoustics::Room::office(RATE).response();
    EchoPath { gain_db: 0.0, delay: Duration::ZERO, response: Some(response) }
}

/// From the microphone to the arrival of each piece's oldest sample, milliseconds; `said` is what the person said from
/// position `at` on. The way is measured by the sound itself, so that what filters hold back is in it.
pub(super) fn upward(pace: &Pace, pieces: &[Arrived], rate: u32, said: &[i16], at: u64) -> anyhow::Result<Vec<f64>> {
    let all: Vec<i16> = pieces.iter().flat_map(|piece| piece.pcm.iter().copied()).collect();
    let needle = resample(said, RATE, rate);
    let found = measure::find(&needle, &all).context("nothing arrived")?;
    ensure!(found.correlation > ALIKE, "what arrived is not what was said: {found:?}");
    let step = f64::from(RATE) / f64::from(rate);
    let (mut delays, mut first) = (Vec::new(), 0);
    for piece in pieces {
        // Only while the person speaks: there the alignment is known to hold.
        if (found.at..found.at + needle.len()).contains(&first) {
            let position = at as f64 + (first as f64 - found.at as f64) * step;
            delays.extend(pace.instant(position).map(|instant| (piece.at as f64 - instant) / 1e6));
        }
        first += piece.pcm.len();
    }
    Ok(delays)
}

/// From each instant to the first sound of the loudspeaker behind it, milliseconds; nothing before `since` is looked at.
pub(super) fn downward(pace: &Pace, air: &Air, since: u64, sent: &[u64]) -> anyhow::Result<Vec<f64>> {
    // No more than that is copied: the room waits meanwhile.
    let (played, end) = air.listen_until(STANDS, |it| Some((it.since(since), it.end())))?;
    let delay = |sent: &u64| {
        // The clock is the same everywhere: any position tells where the instant lies.
        let here = pace.instant(end as f64)?;
        let from = (end as f64 - (here - *sent as f64) / SAMPLE) as u64;
        let window = played.get(usize::try_from(from.checked_sub(since)?).ok()?..)?.iter().take(RATE as usize);
        let onset = window.map(|sample| sample.unsigned_abs()).position(|level| level > AUDIBLE)?;
        let heard = pace.instant((from + onset as u64) as f64)?;
        Some((heard - *sent as f64) / 1e6)
    };
    Ok(sent.iter().filter_map(delay).collect())
}

/// What a program without duties meets at the device: to the microphone's periods, and to the loudspeaker.
pub(super) struct Device {
    pub(super) up: Vec<f64>,
    pub(super) down: Vec<f64>,
}

/// Measures them; blocks for about `seconds`.
pub(super) fn device(room: &Room, pace: &Pace, seconds: f64, said: &[i16]) -> anyhow::Result<Device> {
    let child = Command::new(program("desk-probe")?)
        .args(["duplex", &seconds.to_string()])
        .env("ALSA_CONFIG_PATH", room.alsa_config())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start desk-probe")?;
    let wait = Duration::from_secs(20);
    let began = room.air().now();
    // A second for the device to open.
    let line = room.air().say_pcm_at(began + u64::from(RATE), said);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "desk-probe failed: {}", output.status);
    let at = room.air().wait_until_said(&line, wait)?.start;
    let (mut pieces, mut written) = (Vec::new(), Vec::new());
    for line in String::from_utf8(output.stdout)?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["played", at] => written.push(at.parse()?),
            ["captured", at, sound] => pieces.push(Arrived { at: at.parse()?, pcm: samples(&STANDARD.decode(sound)?) }),
            _ => anyhow::bail!("desk-probe said {line:?}"),
        }
    }
    // The last burst may not have been played.
    written.pop();
    room.air().wait_until(room.air().now() + 10 * BLOCK as u64, wait)?;
    let down = downward(pace, room.air(), began, &written)?;
    Ok(Device { up: upward(pace, &pieces, RATE, said, at)?, down })
}

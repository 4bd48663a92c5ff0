//! What the desk's bench measures with, each in a process of its own:
//!
//! - `desk-probe duplex SECONDS`: the device's own delays, as a program without duties meets them at the period and the
//!   fill that the daemon uses. `captured NS BASE64` for each period read, `played NS` for each burst just before it is
//!   written;
//! - `desk-probe burn`: keeps all cores busy, until killed.

use std::io::Write as _;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams};
use alsa::{Direction, PCM, ValueOr};
use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use frontdesk_room::{BLOCK, RATE, SPEAKERPHONE};
use rustix::time::{ClockId, clock_gettime};

/// Periods that the playout buffer is kept filled with, as the daemon does.
const AHEAD: usize = 3;
/// Periods of the playout buffer.
const PLAYOUT: usize = 4;
/// Periods of the capture buffer.
const CAPTURE: usize = 16;
/// Periods from one burst to the next: no multiple of anything that the sound server does.
const APART: usize = 37;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["duplex", seconds] => duplex(Duration::from_secs_f64(seconds.parse()?)),
        ["burn"] => burn(),
        _ => bail!("usage: desk-probe duplex SECONDS | burn"),
    }
}

fn burn() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            std::thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    for thread in threads {
        let _: Result<(), _> = thread.join();
    }
    Ok(())
}

fn duplex(span: Duration) -> anyhow::Result<()> {
    let playout = open(Direction::Playback, PLAYOUT)?;
    let capture = open(Direction::Capture, CAPTURE)?;
    let (speaker, microphone) = (playout.io_i16()?, capture.io_i16()?);
    let burst: [i16; BLOCK] = std::array::from_fn(|n| if n / 24 % 2 == 0 { 12_000 } else { -12_000 });
    let (mut period, silence) = ([0; BLOCK], [0; BLOCK]);
    for _ in 0..AHEAD {
        speaker.writei(&silence)?;
    }
    capture.start()?;
    let mut out = std::io::stdout().lock();
    let until = Instant::now() + span;
    let mut count = 0;
    while Instant::now() < until {
        let mut got = 0;
        while got < BLOCK {
            got += microphone.readi(&mut period[got..]).context("capture")?;
        }
        let read = now();
        count += 1;
        let mut loud = count % APART == 0;
        if let Err(error) = playout.avail_update() {
            // It ran dry on a busy machine: filled again below, and the bursts behind it count from there.
            playout.try_recover(error, true).context("playout")?;
            loud = false;
        }
        while room(&playout)? {
            let written = now();
            speaker.writei(if loud { &burst } else { &silence }).context("playout")?;
            if std::mem::take(&mut loud) {
                writeln!(out, "played {written}")?;
            }
        }
        let bytes: Vec<u8> = period.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        writeln!(out, "captured {read} {}", STANDARD.encode(bytes))?;
    }
    Ok(())
}

/// Whether one more period may be written.
fn room(playout: &PCM) -> anyhow::Result<bool> {
    let free = usize::try_from(playout.avail_update().context("the playout has run dry")?)?;
    Ok(free >= (PLAYOUT - AHEAD + 1) * BLOCK)
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn open(direction: Direction, periods: usize) -> anyhow::Result<PCM> {
    let pcm = PCM::new(SPEAKERPHONE, direction, false).context("cannot open the speakerphone")?;
    {
        let params = HwParams::any(&pcm)?;
        params.set_access(Access::RWInterleaved)?;
        params.set_format(Format::s16())?;
        params.set_channels(1)?;
        params.set_rate(RATE, ValueOr::Nearest)?;
        params.set_period_size_near(BLOCK as i64, ValueOr::Nearest)?;
        params.set_buffer_size_near((periods * BLOCK) as i64)?;
        pcm.hw_params(&params)?;
    }
    pcm.prepare()?;
    Ok(pcm)
}

//! What a program at the desk does, reduced to its sound: one blocking loop that captures a period and plays one.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use alsa::{
    Direction, PCM,
    pcm::{Access, Format, HwParams},
};
use anyhow::Context as _;
use clap::Parser;
use frontdesk_voice::wav;

/// Plays and records at one ALSA device at the same time, mono at 48 kHz, and tells what it meets: a stand-in for the
/// daemon, and a measurement of a device. Its environment holds what desk-room prints.
///
/// Writes one line per event: open, error, done.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// ALSA's name of the device
    #[arg(long, default_value = frontdesk_room::SPEAKERPHONE)]
    device: String,
    /// WAV to play, mono, 48 kHz; silence follows it
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Where to write what is captured
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// How long
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Frames of a period
    #[arg(long, default_value_t = 480)]
    period: usize,
    /// Periods of the device's buffer; playout begins when half of it is full
    #[arg(long, default_value_t = 4)]
    buffer: usize,
    /// After an error, open the device again until it is there, instead of ending
    #[arg(long)]
    reopen: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let sound = match &args.play {
        Some(path) => wav::read_mono(path)?.0,
        None => Vec::new(),
    };
    let end = Instant::now() + Duration::from_secs_f64(args.seconds);
    let mut desk = Desk { sound, played: 0, captured: Vec::new(), intervals: Vec::new(), xruns: 0 };
    loop {
        match desk.talk(&args, end) {
            Ok(()) => break,
            Err((what, error)) if args.reopen && Instant::now() < end => {
                say(&format!("error {what} errno={} {error}", error.errno()))?;
                // Asked for by name, as udev does not know of such a device.
                thread::sleep(Duration::from_millis(50));
            }
            Err((what, error)) => {
                say(&format!("error {what} errno={} {error}", error.errno()))?;
                anyhow::bail!("{what} of {:?} failed: {error}", args.device);
            }
        }
    }
    if let Some(path) = &args.record {
        wav::write_mono(path, &desk.captured, frontdesk_room::RATE).context("cannot keep the recording")?;
    }
    say(&desk.report())
}

struct Desk {
    sound: Vec<i16>,
    played: usize,
    captured: Vec<i16>,
    /// From one captured period to the next.
    intervals: Vec<Duration>,
    xruns: u32,
}

type Failed = (&'static str, alsa::Error);

impl Desk {
    fn talk(&mut self, args: &Args, end: Instant) -> Result<(), Failed> {
        let playout = open(args, Direction::Playback).map_err(|error| ("opening", error))?;
        let capture = open(args, Direction::Capture).map_err(|error| ("opening", error))?;
        // A program that cannot write has bigger worries than this line.
        let _ = say("open");
        let (speaker, microphone) = (playout.io_i16(), capture.io_i16());
        let (speaker, microphone) = (speaker.map_err(|e| ("playout", e))?, microphone.map_err(|e| ("capture", e))?);
        let mut period = vec![0; args.period];
        for _ in 0..args.buffer / 2 {
            self.recovered(&playout, "playout", speaker.writei(&period))?;
        }
        // ALSA starts playout with the first period written; capture waits to be told.
        capture.start().map_err(|error| ("capture", error))?;
        let mut last: Option<Instant> = None;
        while Instant::now() < end {
            let count = self.recovered(&capture, "capture", microphone.readi(&mut period))?;
            let now = Instant::now();
            self.intervals.extend(last.replace(now).map(|last| now - last));
            self.captured.extend(&period[..count]);
            let next =
                (0..args.period).map(|n| self.sound.get(self.played + n).copied().unwrap_or(0)).collect::<Vec<_>>();
            self.played += args.period;
            self.recovered(&playout, "playout", speaker.writei(&next))?;
        }
        let delay = |pcm: &PCM| pcm.delay().map_or(0.0, |frames| frames as f64 / f64::from(frontdesk_room::RATE) * 1e3);
        let _ = say(&format!("delay playout_ms={:.1} capture_ms={:.1}", delay(&playout), delay(&capture)));
        Ok(())
    }

    fn recovered(&mut self, pcm: &PCM, what: &'static str, result: alsa::Result<usize>) -> Result<usize, Failed> {
        match result {
            Err(error) if error.errno() == EPIPE => {
                self.xruns += 1;
                let capture = what == "capture";
                let again = pcm.prepare().and_then(|()| if capture { pcm.start() } else { Ok(()) });
                again.map(|()| 0).map_err(|error| (what, error))
            }
            other => other.map_err(|error| (what, error)),
        }
    }

    fn report(&mut self) -> String {
        self.intervals.sort_unstable();
        let at = |share: f64| {
            let index = (share * self.intervals.len().saturating_sub(1) as f64).round() as usize;
            self.intervals.get(index).map_or(0.0, |span| span.as_secs_f64() * 1e3)
        };
        format!(
            "done periods={} xruns={} interval_ms p50={:.2} p99={:.2} max={:.2}",
            self.intervals.len(),
            self.xruns,
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}

/// `-EPIPE`, ALSA's word for an xrun.
const EPIPE: i32 = 32;

fn open(args: &Args, direction: Direction) -> alsa::Result<PCM> {
    let pcm = PCM::new(&args.device, direction, false)?;
    {
        let params = HwParams::any(&pcm)?;
        params.set_access(Access::RWInterleaved)?;
        params.set_format(Format::s16())?;
        params.set_channels(1)?;
        params.set_rate(frontdesk_room::RATE, alsa::ValueOr::Nearest)?;
        params.set_period_size_near(args.period as i64, alsa::ValueOr::Nearest)?;
        params.set_buffer_size_near((args.buffer * args.period) as i64)?;
        pcm.hw_params(&params)?;
    }
    pcm.prepare()?;
    Ok(pcm)
}

/// One line, at once.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush().context("cannot write")
}

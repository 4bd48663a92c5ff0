//! A virtual speakerphone to try a daemon with: the sound server, the room, and a person who does what is typed.

use std::{
    io::{self, BufRead as _, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use frontdesk_room::{EchoPath, RATE, Room, SPEAKERPHONE};
use frontdesk_voice::wav;

const COMMANDS: &str = "\
Commands, one a line:
  say TEXT                 the person speaks
  echo on [DB [MS]]        the loudspeaker comes back into the microphone [-6 dB after 60 ms]
  echo off
  noise DBFS | noise off   white noise in the room
  clock PPM                how far the speakerphone's quartz is off
  unplug | plug [NAME]     pull the speakerphone out, plug it in again
  record FILE              write what was to be heard, ten minutes at most: loudspeaker left, microphone right
  levels                   how loud both are
  quit                     or the end of the input";

/// A speakerphone for whoever has none: a private sound server, and a room with a person in it who does what is typed.
///
/// Start it in one terminal and the daemon in another, with the environment that is printed and with
/// `desk.device = "alsa:speakerphone"`. Nothing of this is to be heard on the machine's own sound card.
#[derive(Debug, Parser)]
#[command(version, after_help = COMMANDS)]
struct Args {
    /// ALSA's name of the speakerphone
    #[arg(long, default_value = SPEAKERPHONE)]
    name: String,
    /// Begin with the echo on
    #[arg(long)]
    echo: bool,
    /// Begin with white noise of this level, dBFS
    #[arg(long, value_name = "DBFS", allow_negative_numbers = true)]
    noise: Option<f32>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut room = Room::start()?;
    if args.name != SPEAKERPHONE {
        room.plug_as(&args.name)?;
    }
    if args.echo {
        room.air().set_echo(Some(&EchoPath::default()));
    }
    room.air().set_noise(args.noise);
    say(&format!("ALSA_CONFIG_PATH={}\ndesk.device = \"alsa:{}\"", room.alsa_config().display(), args.name))?;
    for line in io::stdin().lock().lines() {
        match obey(&mut room, &args.name, line?.trim()) {
            Ok(Some(answer)) => say(&answer)?,
            Ok(None) => break,
            Err(error) => say(&format!("{error:#}"))?,
        }
    }
    Ok(())
}

/// Does it; `None` at the end.
fn obey(room: &mut Room, name: &str, line: &str) -> anyhow::Result<Option<String>> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    match (command, words.as_slice()) {
        ("quit", []) => return Ok(None),
        ("", []) => {}
        ("say", [_, ..]) => {
            room.air().say(rest.trim())?;
        }
        ("echo", ["off"]) => room.air().set_echo(None),
        ("echo", ["on", numbers @ ..]) if numbers.len() <= 2 => room.air().set_echo(Some(&echo_path(numbers)?)),
        ("noise", ["off"]) => room.air().set_noise(None),
        ("noise", [dbfs]) => room.air().set_noise(Some(number(dbfs, -120.0..=0.0)?)),
        ("clock", [ppm]) => room.air().set_clock(1.0 + f64::from(number(ppm, -100_000.0..=100_000.0)?) / 1e6),
        ("unplug", []) => room.unplug()?,
        ("plug", []) => room.plug_as(name)?,
        ("plug", [name]) => room.plug_as(name)?,
        ("record", [_, ..]) => {
            let (loudspeaker, microphone) = (room.air().loudspeaker(), room.air().microphone());
            wav::write_stereo(Path::new(rest.trim()), &loudspeaker.since(0), &microphone.since(0), RATE)
                .context("cannot write the recording")?;
        }
        ("levels", []) => {
            let level = |pcm: Vec<i16>| frontdesk_voice::measure::rms_dbfs(&pcm);
            let span = Duration::from_secs(1);
            let (loudspeaker, microphone) = (room.air().loudspeaker(), room.air().microphone());
            let (ear, mouth) = (level(loudspeaker.newest(span)), level(microphone.newest(span)));
            return Ok(Some(format!("loudspeaker {ear:.0} dBFS, microphone {mouth:.0} dBFS")));
        }
        _ => bail!("{line:?}: see --help for the commands"),
    }
    Ok(Some("ok".into()))
}

fn echo_path(numbers: &[&str]) -> anyhow::Result<EchoPath> {
    let mut path = EchoPath::default();
    if let Some(gain) = numbers.first() {
        path.gain_db = number(gain, -120.0..=20.0)?;
    }
    if let Some(delay) = numbers.get(1) {
        path.delay = Duration::from_secs_f32(number(delay, 0.0..=10_000.0)? / 1e3);
    }
    Ok(path)
}

fn number(text: &str, range: std::ops::RangeInclusive<f32>) -> anyhow::Result<f32> {
    match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => bail!("{text:?}: want a number from {} to {}", range.start(), range.end()),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush().context("cannot write")
}

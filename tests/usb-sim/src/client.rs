//! The control port for programs: each order as a call that blocks until it is answered.

use crate::control::{Condition, Fault, Plug};
use crate::sound::Side;
use crate::telephone::Volume;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// The answer to a wait comes at most this much after its limit, else usb-sim is gone.
const SLACK: Duration = Duration::from_mins(1);

/// Why a call failed.
#[derive(Debug)]
pub enum ClientError {
    /// The connection: usb-sim does not run, or runs no more.
    Io(io::Error),
    /// usb-sim refused, and says why.
    Refused(String),
    /// It answered something that this client does not understand.
    Answer(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "usb-sim cannot be reached: {error}"),
            Self::Refused(why) => write!(f, "usb-sim refused: {why}"),
            Self::Answer(answer) => write!(f, "usb-sim answered {answer:?}, which is not understood here"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Answer<T> = Result<T, ClientError>;

/// What one side of the device does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamStatus {
    /// The host streams.
    pub active: bool,
    /// Samples a second.
    pub rate: u32,
    /// The host's volume, dB.
    pub volume_db: f64,
    /// The host's mute.
    pub muted: bool,
    /// Samples since `reset`.
    pub samples: u64,
    /// The loudest of them.
    pub peak: u16,
    /// Transfers since `reset`.
    pub transfers: u64,
    /// Transfers that the host took back before they were over, since `reset`.
    pub taken_back: u64,
    /// How often the stream ran dry since `reset`.
    pub starved: u64,
    /// The longest time that it was dry.
    pub longest_gap: Duration,
    /// The longest time by which a completion was late.
    pub latest: Duration,
}

/// What the device is and does.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "five lamps, so to speak, none of which depends on another")]
pub struct Status {
    /// Time since the program's start.
    pub time: Duration,
    /// Not pulled out.
    pub plugged: bool,
    /// A host has it.
    pub attached: bool,
    /// The host has chosen its configuration.
    pub configured: bool,
    /// How often a host took it.
    pub attaches: u64,
    /// What the hook switch says.
    pub hook: bool,
    /// Whether the device takes its microphone for off.
    pub muted: bool,
    /// How long the person goes on speaking.
    pub left_to_say: Duration,
    /// To the room.
    pub loudspeaker: StreamStatus,
    /// From the room.
    pub microphone: StreamStatus,
}

/// A lamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lamp {
    /// Lit.
    pub on: bool,
    /// Since when, after the program's start.
    pub since: Duration,
}

/// The lamps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lamps {
    /// In a call.
    pub off_hook: Lamp,
    /// The microphone is off.
    pub mute: Lamp,
    /// Somebody calls.
    pub ring: Lamp,
}

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Samples.
    pub samples: u64,
    /// Samples a second.
    pub rate: u32,
    /// The loudest.
    pub peak: u16,
}

/// A connection to the control port of a usb-sim.
#[derive(Debug)]
pub struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(address: impl ToSocketAddrs) -> Answer<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { lines: BufReader::new(stream) })
    }

    /// Sends one line and returns the lines of the answer and what follows its `ok`.
    pub fn order(&mut self, line: &str) -> Answer<(Vec<String>, String)> {
        self.order_within(line, Duration::ZERO)
    }

    /// The same without a limit, for an order that may be a long wait.
    pub fn order_patiently(&mut self, line: &str) -> Answer<(Vec<String>, String)> {
        self.exchange(line, None)
    }

    fn order_within(&mut self, line: &str, limit: Duration) -> Answer<(Vec<String>, String)> {
        self.exchange(line, Some(limit + SLACK))
    }

    fn exchange(&mut self, line: &str, limit: Option<Duration>) -> Answer<(Vec<String>, String)> {
        let stream = self.lines.get_mut();
        stream.set_read_timeout(limit)?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let mut answer = String::new();
            if self.lines.read_line(&mut answer)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let answer = answer.trim_end();
            if let Some(line) = answer.strip_prefix("  ") {
                lines.push(line.to_owned());
            } else if let Some(why) = answer.strip_prefix("error ") {
                return Err(ClientError::Refused(why.to_owned()));
            } else if let Some(summary) = answer.strip_prefix("ok") {
                return Ok((lines, summary.trim_start().to_owned()));
            } else {
                return Err(ClientError::Answer(answer.to_owned()));
            }
        }
    }

    fn fields(&mut self, line: &str) -> Answer<Fields> {
        let (_, summary) = self.order(line)?;
        let fields = summary.split(' ').filter_map(|it| it.split_once('='));
        Ok(Fields { map: fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), summary })
    }

    fn act(&mut self, line: &str) -> Answer<()> {
        self.order(line).map(|_| ())
    }

    /// Everything at once.
    pub fn status(&mut self) -> Answer<Status> {
        let it = self.fields("status")?;
        Ok(Status {
            time: it.seconds("time")?,
            plugged: it.on("plugged")?,
            attached: it.on("attached")?,
            configured: it.on("configured")?,
            attaches: it.number("attaches")?,
            hook: it.on("hook")?,
            muted: it.on("muted")?,
            left_to_say: Duration::from_millis(it.number("left_to_say_ms")?),
            loudspeaker: it.stream("loudspeaker")?,
            microphone: it.stream("microphone")?,
        })
    }

    /// The lamps.
    pub fn lamps(&mut self) -> Answer<Lamps> {
        let it = self.fields("lamps")?;
        let lamp = |name: &str| Answer::Ok(Lamp { on: it.on(name)?, since: it.seconds(&format!("{name}_since"))? });
        Ok(Lamps { off_hook: lamp("off-hook")?, mute: lamp("mute")?, ring: lamp("ring")? })
    }

    /// What happened since `since`, one line each, with seconds after the program's start in front.
    pub fn events(&mut self, since: Duration) -> Answer<Vec<String>> {
        self.order(&format!("events {:.6}", since.as_secs_f64())).map(|(lines, _)| lines)
    }

    /// Counts anew.
    pub fn reset(&mut self) -> Answer<()> {
        self.act("reset")
    }

    /// Says a WAV file of the computer on which usb-sim runs, after what is being said; returns its length.
    pub fn say(&mut self, file: &Path) -> Answer<Duration> {
        let it = self.fields(&format!("say \"{}\"", file.display()))?;
        let (samples, rate): (u64, u32) = (it.number("samples")?, it.number("rate")?);
        Ok(Duration::from_secs_f64(samples as f64 / f64::from(rate)))
    }

    /// Falls silent.
    pub fn silence(&mut self) -> Answer<()> {
        self.act("silence")
    }

    /// Begins a recording.
    pub fn record(&mut self, side: Side) -> Answer<()> {
        self.act(&format!("record start {side}"))
    }

    /// Ends it and writes a WAV file on the computer on which usb-sim runs.
    pub fn stop_recording(&mut self, side: Side, file: &Path) -> Answer<Recorded> {
        let it = self.fields(&format!("record stop {side} \"{}\"", file.display()))?;
        Ok(Recorded { samples: it.number("samples")?, rate: it.number("rate")?, peak: it.number("peak")? })
    }

    /// Lets the loudspeaker come back into the microphone.
    pub fn echo(&mut self, gain: f64, delay: Duration) -> Answer<()> {
        self.act(&format!("echo {gain} {}", delay.as_secs_f64() * 1000.0))
    }

    /// Ends that.
    pub fn no_echo(&mut self) -> Answer<()> {
        self.act("echo off")
    }

    /// Presses the call key.
    pub fn press_hook(&mut self) -> Answer<()> {
        self.act("hook press")
    }

    /// Presses the mute key; refused outside a call.
    pub fn press_mute(&mut self) -> Answer<()> {
        self.act("mute press")
    }

    /// Presses a volume key.
    pub fn press_volume(&mut self, key: Volume) -> Answer<()> {
        self.act(if key == Volume::Up { "volume up" } else { "volume down" })
    }

    /// Pulls the device out.
    pub fn unplug(&mut self) -> Answer<()> {
        self.act("unplug")
    }

    /// Plugs it in again, as another one where `plug` says so. With `--attach`, the kernel has it when this returns.
    pub fn plug(&mut self, plug: &Plug) -> Answer<()> {
        self.act(&format!("plug{plug}"))
    }

    /// The speed of the bus.
    pub fn clock(&mut self, factor: f64) -> Answer<()> {
        self.act(&format!("clock {factor}"))
    }

    /// The speed of the microphone against the bus.
    pub fn skew(&mut self, factor: f64) -> Answer<()> {
        self.act(&format!("skew {factor}"))
    }

    /// Lets something go wrong.
    pub fn fault(&mut self, fault: Fault) -> Answer<()> {
        self.act(&format!("fault {fault}"))
    }

    /// Blocks until the condition holds; refused after `limit`. Returns the time after the program's start.
    pub fn wait(&mut self, condition: Condition, limit: Duration) -> Answer<Duration> {
        let line = format!("wait {condition} {}", limit.as_millis());
        let (_, summary) = self.order_within(&line, limit)?;
        let seconds = summary.strip_prefix("time=").and_then(|it| it.parse().ok());
        seconds.map(Duration::from_secs_f64).ok_or(ClientError::Answer(summary))
    }
}

/// An answer's `key=value`s.
struct Fields {
    map: BTreeMap<String, String>,
    summary: String,
}

impl Fields {
    fn value<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Answer<T> {
        self.map.get(key).and_then(|it| parse(it)).ok_or_else(|| ClientError::Answer(self.summary.clone()))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Answer<T> {
        self.value(key, |it| it.parse().ok())
    }

    fn seconds(&self, key: &str) -> Answer<Duration> {
        self.number(key).map(Duration::from_secs_f64)
    }

    fn on(&self, key: &str) -> Answer<bool> {
        self.value(key, |it| match it {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    fn stream(&self, side: &str) -> Answer<StreamStatus> {
        let key = |name: &str| format!("{side}_{name}");
        Ok(StreamStatus {
            active: self.on(side)?,
            rate: self.number(&key("rate"))?,
            volume_db: self.number(&key("volume_db"))?,
            muted: self.on(&key("muted"))?,
            samples: self.number(&key("samples"))?,
            peak: self.number(&key("peak"))?,
            transfers: self.number(&key("transfers"))?,
            taken_back: self.number(&key("taken_back"))?,
            starved: self.number(&key("starved"))?,
            longest_gap: Duration::from_micros(self.number(&key("gap_us"))?),
            latest: Duration::from_micros(self.number(&key("late_us"))?),
        })
    }
}

//! The control port's language: one order a line, and what each means. How orders are carried out: `perform`.
//!
//! Every answer ends with a line that begins with `ok` or `error`; lines before it begin with two spaces. Words are
//! separated by spaces; a word in double quotes may hold spaces.

use crate::sound::{Echo, LONGEST_ECHO, SHORTEST_ECHO, Side};
use crate::telephone::Volume;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What can be ordered, for `help`.
pub const HELP: &str = "\
status                          everything at once, as key=value
lamps                           off-hook, mute, ring, and since when (seconds after the program's start)
events [SECONDS]                what happened since then, one a line
reset                           count samples, transfers and gaps from here on
say FILE                        the person in front of the device says what is in the WAV file, after what is being said
silence                         the person falls silent
record start SIDE               record the loudspeaker or the microphone, 15 minutes at most
record stop SIDE FILE           end it and write a WAV file
echo GAIN MS | echo off         the loudspeaker comes back into the microphone, after 10 to 1500 ms
hook press                      press the call key
mute press                      press the mute key; it works in a call only
volume up | volume down         press a volume key
unplug                          pull the device out
plug [OPTION ...]               plug it in again; --as SERIAL, --id VID:PID, --vendor NAME, --product NAME,
                                --playback-only (no microphone) or --duplex make it another device
clock FACTOR                    how fast the bus runs against the computer's clock, 0.5 to 2
skew FACTOR                     how fast the microphone runs against the bus, 0.99 to 1.01
fault stall N                   refuse the next N requests to units, endpoints and the HID
fault short N                   the next N packets of the microphone lose half of their samples
fault lose N                    the next N packets of the microphone are lost on the bus
fault stuck SIDE                transfers of this side are never over
fault garbage N                 N input reports that make no sense
fault none                      all is well again
wait CONDITION [MS]             until it holds, 5000 ms at most unless said otherwise. CONDITION: off-hook on|off,
                                mute on|off, ring on|off, loudspeaker on|off, microphone on|off, attached, configured,
                                detached, said
help                            this text
SIDE is loudspeaker or microphone. Files are those of the computer on which usb-sim runs.";

/// One order.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// `help`
    Help,
    /// `status`
    Status,
    /// `lamps`
    Lamps,
    /// `events`, with since when.
    Events(Duration),
    /// `reset`
    Reset,
    /// `say`
    Say(PathBuf),
    /// `silence`
    Silence,
    /// `record start`
    Record(Side),
    /// `record stop`
    StopRecording(Side, PathBuf),
    /// `echo`; none for `off`.
    Echo(Option<Echo>),
    /// `hook press`
    Hook,
    /// `mute press`
    Mute,
    /// `volume`
    Volume(Volume),
    /// `unplug`
    Unplug,
    /// `plug`
    Plug(Plug),
    /// `clock`
    Clock(f64),
    /// `skew`
    Skew(f64),
    /// `fault`
    Fault(Fault),
    /// `wait`, with how long.
    Wait(Condition, Duration),
}

/// What is to be another about the device when it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plug {
    /// Its serial number.
    pub serial: Option<String>,
    /// idVendor and idProduct.
    pub ids: Option<(u16, u16)>,
    /// The maker's name.
    pub vendor: Option<String>,
    /// Its name, from which that of the sound card is made.
    pub product: Option<String>,
    /// Whether it has a microphone.
    pub microphone: Option<bool>,
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many requests are refused.
    Stall(u32),
    /// So many packets are short.
    Short(u32),
    /// So many packets are lost.
    Lose(u32),
    /// A stream hangs.
    Stuck(Side),
    /// So many reports without sense.
    Garbage(u32),
    /// Nothing.
    None,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The off-hook lamp.
    OffHook(bool),
    /// The mute lamp.
    Mute(bool),
    /// The ring lamp.
    Ring(bool),
    /// A stream runs, or does not.
    Streams(Side, bool),
    /// A host has taken the device.
    Attached,
    /// A host has found it and chosen its configuration.
    Configured,
    /// No host has it.
    Detached,
    /// The person has said everything.
    Said,
}

/// Why a line is no order: for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misunderstood(String);

impl fmt::Display for Misunderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misunderstood {}

type Understood<T> = Result<T, Misunderstood>;

fn misunderstood<T>(text: impl Into<String>) -> Understood<T> {
    Err(Misunderstood(text.into()))
}

impl Order {
    /// Reads a line.
    pub fn parse(line: &str) -> Understood<Self> {
        let words = split(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["help"] => Self::Help,
            ["status"] => Self::Status,
            ["lamps"] => Self::Lamps,
            ["events"] => Self::Events(Duration::ZERO),
            ["events", since] => Self::Events(Duration::from_secs_f64(number(since, 0.0, 1e9, "seconds")?)),
            ["reset"] => Self::Reset,
            ["say", file] => Self::Say(file.into()),
            ["silence"] => Self::Silence,
            ["record", "start", side] => Self::Record(parse_side(side)?),
            ["record", "stop", side, file] => Self::StopRecording(parse_side(side)?, file.into()),
            ["echo", "off"] => Self::Echo(None),
            ["echo", gain, delay] => Self::Echo(Some(echo(gain, delay)?)),
            ["hook", "press"] => Self::Hook,
            ["mute", "press"] => Self::Mute,
            ["volume", "up"] => Self::Volume(Volume::Up),
            ["volume", "down"] => Self::Volume(Volume::Down),
            ["unplug"] => Self::Unplug,
            ["plug", options @ ..] => Self::Plug(plug(options)?),
            ["clock", factor] => Self::Clock(number(factor, 0.5, 2.0, "factor")?),
            ["skew", factor] => Self::Skew(number(factor, 0.99, 1.01, "factor")?),
            ["fault", fault @ ..] => Self::Fault(parse_fault(fault)?),
            ["wait", rest @ ..] => wait(rest)?,
            _ => return misunderstood(format!("nobody knows what to do with {line:?}; \"help\" lists what there is")),
        })
    }
}

/// Cuts a line into words.
fn split(line: &str) -> Understood<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let Some((word, after)) = quoted.split_once('"') else {
                return misunderstood("a quotation mark is opened and not closed");
            };
            (word, after)
        } else {
            rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

fn number(text: &str, least: f64, most: f64, what: &str) -> Understood<f64> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => misunderstood(format!("{what} {text:?}: a number from {least} to {most} would do")),
    }
}

fn count(text: &str) -> Understood<u32> {
    number(text, 1.0, 1e6, "count").map(|it| it as u32)
}

fn parse_side(text: &str) -> Understood<Side> {
    match text {
        "loudspeaker" => Ok(Side::Loudspeaker),
        "microphone" => Ok(Side::Microphone),
        _ => misunderstood(format!("side {text:?}: loudspeaker or microphone would do")),
    }
}

fn echo(gain: &str, delay: &str) -> Understood<Echo> {
    let (least, most) = (SHORTEST_ECHO.as_millis() as f64, LONGEST_ECHO.as_millis() as f64);
    let delay = Duration::from_secs_f64(number(delay, least, most, "milliseconds")? / 1000.0);
    Ok(Echo { gain: number(gain, 0.0, 4.0, "gain")?, delay })
}

/// Vendor and product as `lsusb` prints them.
pub fn parse_ids(text: &str) -> Understood<(u16, u16)> {
    let hex = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| text.len() == 4 && !text.starts_with('+'));
    match text.split_once(':').map(|(vendor, product)| (hex(vendor), hex(product))) {
        Some((Some(vendor), Some(product))) => Ok((vendor, product)),
        _ => misunderstood(format!("ids {text:?}: four hexadecimal digits twice would do, such as 0b0e:0422")),
    }
}

fn plug(options: &[&str]) -> Understood<Plug> {
    let mut plug = Plug::default();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let mut value = || match rest.next() {
            Some(value) if !value.is_empty() => Ok((*value).to_owned()),
            _ => misunderstood(format!("{option} needs a value")),
        };
        match *option {
            "--as" => plug.serial = Some(value()?),
            "--id" => plug.ids = Some(parse_ids(&value()?)?),
            "--vendor" => plug.vendor = Some(value()?),
            "--product" => plug.product = Some(value()?),
            "--playback-only" => plug.microphone = Some(false),
            "--duplex" => plug.microphone = Some(true),
            _ => {
                return misunderstood(format!(
                    "plug does not know {option:?}; --as, --id, --vendor, --product, --playback-only and --duplex would do"
                ));
            }
        }
    }
    Ok(plug)
}

fn parse_fault(words: &[&str]) -> Understood<Fault> {
    Ok(match words {
        ["stall", n] => Fault::Stall(count(n)?),
        ["short", n] => Fault::Short(count(n)?),
        ["lose", n] => Fault::Lose(count(n)?),
        ["garbage", n] => Fault::Garbage(count(n)?.min(32)),
        ["stuck", side] => Fault::Stuck(parse_side(side)?),
        ["none"] => Fault::None,
        _ => return misunderstood("fault: stall N, short N, lose N, garbage N, stuck SIDE or none would do"),
    })
}

fn wait(words: &[&str]) -> Understood<Order> {
    let (condition, rest) = match words {
        [what @ ("off-hook" | "mute" | "ring" | "loudspeaker" | "microphone"), state @ ("on" | "off"), rest @ ..] => {
            let on = *state == "on";
            let condition = match *what {
                "off-hook" => Condition::OffHook(on),
                "mute" => Condition::Mute(on),
                "ring" => Condition::Ring(on),
                side => Condition::Streams(parse_side(side)?, on),
            };
            (condition, rest)
        }
        ["attached", rest @ ..] => (Condition::Attached, rest),
        ["configured", rest @ ..] => (Condition::Configured, rest),
        ["detached", rest @ ..] => (Condition::Detached, rest),
        ["said", rest @ ..] => (Condition::Said, rest),
        _ => return misunderstood("wait: \"help\" lists the conditions"),
    };
    let limit = match rest {
        [] => 5000.0,
        [limit] => number(limit, 0.0, 3.6e6, "milliseconds")?,
        _ => return misunderstood("wait: one condition and one limit would do"),
    };
    Ok(Order::Wait(condition, Duration::from_secs_f64(limit / 1000.0)))
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::events::word;
        match self {
            Self::OffHook(on) => write!(f, "off-hook {}", word(*on)),
            Self::Mute(on) => write!(f, "mute {}", word(*on)),
            Self::Ring(on) => write!(f, "ring {}", word(*on)),
            Self::Streams(side, on) => write!(f, "{side} {}", word(*on)),
            Self::Attached => f.write_str("attached"),
            Self::Configured => f.write_str("configured"),
            Self::Detached => f.write_str("detached"),
            Self::Said => f.write_str("said"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stall(n) => write!(f, "stall {n}"),
            Self::Short(n) => write!(f, "short {n}"),
            Self::Lose(n) => write!(f, "lose {n}"),
            Self::Garbage(n) => write!(f, "garbage {n}"),
            Self::Stuck(side) => write!(f, "stuck {side}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// As options of `plug`.
impl fmt::Display for Plug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [("--as", &self.serial), ("--vendor", &self.vendor), ("--product", &self.product)];
        for (option, text) in texts {
            if let Some(text) = text {
                write!(f, " {option} \"{text}\"")?;
            }
        }
        if let Some((vendor, product)) = self.ids {
            write!(f, " --id {vendor:04x}:{product:04x}")?;
        }
        match self.microphone {
            Some(true) => f.write_str(" --duplex"),
            Some(false) => f.write_str(" --playback-only"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;

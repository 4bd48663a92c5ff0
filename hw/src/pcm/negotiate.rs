//! The choice of rate, format, channels, period and buffer, one direction at a time.
//!
//! Capture and playout of one speakerphone differ more often than not: a Jabra Speak 510 captures mono at 16 kHz only and
//! plays stereo only, at 8, 16 or 48 kHz (its `stream0` listing). What the hardware accepts is asked through [`Hardware`],
//! one setter after the other, because USB alternate settings couple them.

use super::port::{Direction, Errno};
use crate::block::MOST;
use frontdesk_core::units::SampleRate;
use std::time::Duration;

/// A sample format of the device. Little-endian, signed, interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// 16 bits in two bytes.
    S16,
    /// 24 bits in three bytes.
    S24Packed,
    /// 32 bits in four bytes.
    S32,
}

impl Format {
    /// In the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::S16, Self::S24Packed, Self::S32];

    /// Bytes of one sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S24Packed => 3,
            Self::S32 => 4,
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::S16 => "S16_LE",
            Self::S24Packed => "S24_3LE",
            Self::S32 => "S32_LE",
        })
    }
}

/// How one direction was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Which direction.
    pub direction: Direction,
    /// Frames per second, as the device says; see [`rt::rate`](crate::rt::rate) for what it does.
    pub rate: SampleRate,
    /// Sample format.
    pub format: Format,
    /// Channels, interleaved.
    pub channels: u16,
    /// Frames per period of the device: it wakes us that often.
    pub period: usize,
    /// Frames of its whole buffer.
    pub buffer: usize,
}

impl Setting {
    /// Frames of one of our blocks: 10 ms.
    pub const fn block(&self) -> usize {
        self.rate.hz() as usize / 100
    }

    /// Bytes of one frame.
    pub const fn frame_bytes(&self) -> usize {
        self.format.bytes() * self.channels as usize
    }

    /// How long so many frames last.
    pub const fn span(&self, frames: usize) -> Duration {
        Duration::from_nanos(frames as u64 * 1_000_000_000 / self.rate.hz() as u64)
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} {} Hz, {} channel{}, {}, period {:.1} ms, buffer {:.0} ms",
            self.direction,
            self.rate.hz(),
            self.channels,
            if self.channels == 1 { "" } else { "s" },
            self.format,
            self.span(self.period).as_secs_f64() * 1e3,
            self.span(self.buffer).as_secs_f64() * 1e3,
        )
    }
}

/// The questions of a negotiation, in the order in which they are asked. A setter narrows what is left; a refusal leaves
/// it as it was.
pub trait Hardware {
    /// Begins anew: everything is possible again.
    fn any(&mut self) -> Result<(), Errno>;
    /// Settles the format.
    fn set_format(&mut self, format: Format) -> Result<(), Errno>;
    /// Settles the channels.
    fn set_channels(&mut self, channels: u16) -> Result<(), Errno>;
    /// Settles the channels as near as it can; returns how many.
    fn set_channels_near(&mut self, channels: u16) -> Result<u16, Errno>;
    /// Settles the rate as near as it can; returns which.
    fn set_rate_near(&mut self, hz: u32) -> Result<u32, Errno>;
    /// Settles the period, in frames, as near as it can; returns which.
    fn set_period_near(&mut self, frames: usize) -> Result<usize, Errno>;
    /// Settles the buffer, in frames, as near as it can; returns which.
    fn set_buffer_near(&mut self, frames: usize) -> Result<usize, Errno>;
    /// Puts what was settled into force.
    fn commit(&mut self) -> Result<(), Errno>;
}

/// Why no setting was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// Nothing of ours is among what the device does.
    #[error("{direction}: the device accepts no combination of {tried}")]
    Nothing {
        /// Which direction.
        direction: Direction,
        /// What was offered to it.
        tried: String,
    },
    /// It answers with numbers that cannot be.
    #[error("{direction}: the device claims a period of {period} and a buffer of {buffer} frames")]
    Absurd {
        /// Which direction.
        direction: Direction,
        /// Frames.
        period: usize,
        /// Frames.
        buffer: usize,
    },
    /// It failed while it was asked.
    #[error("{direction}: the device failed while it was being set up")]
    Failed {
        /// Which direction.
        direction: Direction,
        /// How.
        #[source]
        source: Errno,
    },
}

/// Capture rates, best first: 48 kHz loses nothing, 16 kHz is all that the model hears.
const CAPTURE_RATES: [u32; 5] = [48_000, 16_000, 32_000, 44_100, 8_000];
/// Playout rates, best first.
const PLAYOUT_RATES: [u32; 5] = [48_000, 32_000, 24_000, 44_100, 16_000];
/// Of last resort for playout: what a telephone sounds like.
const LAST_PLAYOUT_RATES: [u32; 1] = [8_000];
/// Capture buffers: costs no latency and absorbs the scheduler's gaps.
const CAPTURE_PERIODS: usize = 16;
/// Playout buffers; the thread keeps three of them full, so this is latency.
const PLAYOUT_PERIODS: usize = 4;
/// A device that wakes us more rarely than every so many blocks cannot hold a conversation.
const LONGEST: usize = 10;

/// The rates for a direction, best first.
pub fn rates(direction: Direction) -> impl Iterator<Item = u32> {
    let (first, last): (&[u32], &[u32]) = match direction {
        Direction::Capture => (&CAPTURE_RATES, &[]),
        Direction::Playout => (&PLAYOUT_RATES, &LAST_PLAYOUT_RATES),
    };
    first.iter().chain(last).copied()
}

/// Finds the best setting that the hardware accepts and puts it into force. `avoid` names rates that the device is known
/// to play or capture wrongly.
pub fn negotiate(hardware: &mut dyn Hardware, direction: Direction, avoid: &[u32]) -> Result<Setting, NegotiateError> {
    let mut absurd = None;
    for format in Format::ALL {
        for hz in rates(direction).filter(|hz| !avoid.contains(hz)) {
            for channels in [Some(1), Some(2), None] {
                match attempt(hardware, direction, format, channels, hz) {
                    Ok(setting) => return Ok(setting),
                    Err(Refusal::Setting) => {}
                    Err(Refusal::Absurd { period, buffer }) => {
                        absurd = Some(NegotiateError::Absurd { direction, period, buffer });
                    }
                    Err(Refusal::Device(source)) => return Err(NegotiateError::Failed { direction, source }),
                }
            }
        }
    }
    let rates: Vec<_> = rates(direction).filter(|hz| !avoid.contains(hz)).map(|hz| hz.to_string()).collect();
    let tried = format!("S16_LE, S24_3LE or S32_LE at {} Hz", rates.join(", "));
    Err(absurd.unwrap_or(NegotiateError::Nothing { direction, tried }))
}

/// Why one combination will not do.
enum Refusal {
    /// The device does something else.
    Setting,
    /// It claims to do it, with these frames.
    Absurd { period: usize, buffer: usize },
    /// The device itself is the trouble.
    Device(Errno),
}

impl From<Errno> for Refusal {
    /// `EINVAL` empties the space of what is possible, and nothing else means that.
    fn from(errno: Errno) -> Self {
        if errno.number() == libc::EINVAL { Self::Setting } else { Self::Device(errno) }
    }
}

fn attempt(
    hardware: &mut dyn Hardware,
    direction: Direction,
    format: Format,
    channels: Option<u16>,
    hz: u32,
) -> Result<Setting, Refusal> {
    hardware.any()?;
    hardware.set_format(format)?;
    let channels = match channels {
        Some(channels) => {
            hardware.set_channels(channels)?;
            channels
        }
        None => hardware.set_channels_near(2)?,
    };
    // A rate that is nearly right would be off pitch and drift against everything else: it is refused, however near.
    if hardware.set_rate_near(hz)? != hz {
        return Err(Refusal::Setting);
    }
    let rate = SampleRate::from_hz(hz).ok_or(Refusal::Setting)?;
    let block = hz as usize / 100;
    let period = hardware.set_period_near(block)?;
    let wanted = match direction {
        Direction::Capture => CAPTURE_PERIODS,
        Direction::Playout => PLAYOUT_PERIODS,
    };
    let buffer = hardware.set_buffer_near(block.max(period) * wanted)?;
    let two = 2 * period.max(block);
    if period == 0 || channels == 0 || usize::from(channels) > MOST_CHANNELS || buffer < two || period > LONGEST * block
    {
        return Err(Refusal::Absurd { period, buffer });
    }
    debug_assert!(block <= MOST, "all rates tried are 48 kHz at most");
    hardware.commit()?;
    Ok(Setting { direction, rate, format, channels, period, buffer })
}

/// What the real-time thread keeps in the playout buffer after each turn, in frames: 30 ms, or two blocks more than a
/// period of the device if that is longer.
pub fn playout_target(setting: &Setting) -> usize {
    let block = setting.block();
    (3 * block).max(setting.period + 2 * block).min(setting.buffer)
}

/// Channels at most: the buffers of the real-time thread are made for that many.
pub const MOST_CHANNELS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One alternate setting of a USB streaming interface, as `/proc/asound/card*/stream0` lists it.
    #[derive(Debug, Clone)]
    struct Alternate {
        format: Format,
        channels: u16,
        rates: Vec<u32>,
    }

    /// A recorded device: its alternates, and which of them are left after what was settled.
    #[derive(Debug, Clone)]
    struct Recorded {
        alternates: Vec<Alternate>,
        left: Vec<Alternate>,
        frames: (usize, usize),
        committed: bool,
        broken: Option<Errno>,
    }

    impl Recorded {
        fn new(alternates: Vec<Alternate>) -> Self {
            // What `snd-usb-audio` allows of a full-speed device: 1 ms to 1 s.
            Self { left: Vec::new(), alternates, frames: (8, 48_000), committed: false, broken: None }
        }

        fn keep(&mut self, wanted: impl Fn(&Alternate) -> bool) -> Result<(), Errno> {
            let left: Vec<_> = self.left.iter().filter(|alternate| wanted(alternate)).cloned().collect();
            if left.is_empty() {
                return Err(Errno::of(libc::EINVAL));
            }
            self.left = left;
            Ok(())
        }
    }

    impl Hardware for Recorded {
        fn any(&mut self) -> Result<(), Errno> {
            if let Some(errno) = self.broken {
                return Err(errno);
            }
            self.left.clone_from(&self.alternates);
            Ok(())
        }
        fn set_format(&mut self, format: Format) -> Result<(), Errno> {
            self.keep(|alternate| alternate.format == format)
        }
        fn set_channels(&mut self, channels: u16) -> Result<(), Errno> {
            self.keep(|alternate| alternate.channels == channels)
        }
        fn set_channels_near(&mut self, channels: u16) -> Result<u16, Errno> {
            let near = self.left.iter().map(|alternate| alternate.channels).min_by_key(|it| it.abs_diff(channels));
            let near = near.ok_or(Errno::of(libc::EINVAL))?;
            self.set_channels(near).map(|()| near)
        }
        fn set_rate_near(&mut self, hz: u32) -> Result<u32, Errno> {
            let rates = self.left.iter().flat_map(|alternate| &alternate.rates).copied();
            let near = rates.min_by_key(|it| it.abs_diff(hz)).ok_or(Errno::of(libc::EINVAL))?;
            self.keep(|alternate| alternate.rates.contains(&near)).map(|()| near)
        }
        fn set_period_near(&mut self, frames: usize) -> Result<usize, Errno> {
            Ok(frames.clamp(self.frames.0, self.frames.1))
        }
        fn set_buffer_near(&mut self, frames: usize) -> Result<usize, Errno> {
            Ok(frames.clamp(self.frames.0, self.frames.1))
        }
        fn commit(&mut self) -> Result<(), Errno> {
            self.committed = true;
            Ok(())
        }
    }

    fn alternate(format: Format, channels: u16, rates: &[u32]) -> Alternate {
        Alternate { format, channels, rates: rates.to_vec() }
    }

    #[test]
    fn a_speak_510_is_opened_as_its_listing_allows() {
        let mut capture = Recorded::new(vec![alternate(Format::S16, 1, &[16_000])]);
        let setting = negotiate(&mut capture, Direction::Capture, &[]).unwrap();
        assert_eq!((setting.rate.hz(), setting.channels, setting.period, setting.buffer), (16_000, 1, 160, 2_560));
        assert!(capture.committed);
        assert_eq!(setting.to_string(), "capture 16000 Hz, 1 channel, S16_LE, period 10.0 ms, buffer 160 ms");
        let mut playout = Recorded::new(vec![alternate(Format::S16, 2, &[8_000, 16_000, 48_000])]);
        let setting = negotiate(&mut playout, Direction::Playout, &[16_000]).unwrap();
        assert_eq!((setting.rate.hz(), setting.channels, setting.period, setting.buffer), (48_000, 2, 480, 1_920));
    }

    #[test]
    fn a_rate_that_lies_is_avoided_even_for_a_worse_one() {
        let mut playout = Recorded::new(vec![alternate(Format::S16, 2, &[8_000, 16_000])]);
        let setting = negotiate(&mut playout, Direction::Playout, &[16_000]).unwrap();
        assert_eq!(setting.rate.hz(), 8_000);
        let error = negotiate(&mut playout, Direction::Playout, &[16_000, 8_000]).unwrap_err();
        assert!(error.to_string().starts_with("playout: the device accepts no combination of"), "{error}");
    }

    #[test]
    fn sixteen_bits_are_not_taken_for_granted_nor_two_channels() {
        let mut capture = Recorded::new(vec![alternate(Format::S24Packed, 4, &[48_000, 96_000])]);
        let setting = negotiate(&mut capture, Direction::Capture, &[]).unwrap();
        assert_eq!((setting.format, setting.channels, setting.frame_bytes()), (Format::S24Packed, 4, 12));
    }

    #[test]
    fn a_rate_nearby_is_refused() {
        let mut capture = Recorded::new(vec![alternate(Format::S16, 1, &[47_999, 15_999, 22_050])]);
        assert!(matches!(negotiate(&mut capture, Direction::Capture, &[]), Err(NegotiateError::Nothing { .. })));
    }

    #[test]
    fn a_device_that_claims_periods_of_nothing_is_told_from_one_that_fails() {
        let mut device = Recorded::new(vec![alternate(Format::S16, 1, &[48_000])]);
        device.frames = (0, 0);
        let error = negotiate(&mut device, Direction::Capture, &[]).unwrap_err();
        assert_eq!(error, NegotiateError::Absurd { direction: Direction::Capture, period: 0, buffer: 0 });
        device.broken = Some(Errno::NODEV);
        let error = negotiate(&mut device, Direction::Capture, &[]).unwrap_err();
        assert_eq!(error, NegotiateError::Failed { direction: Direction::Capture, source: Errno::NODEV });
    }

    proptest! {
        #[test]
        fn whatever_the_device_is_a_setting_is_one_that_it_does(
            alternates in prop::collection::vec(
                (prop::sample::select(Format::ALL.to_vec()), 0u16..12, prop::collection::vec(4_000u32..100_000, 1..4)),
                0..5,
            ),
            exact in prop::collection::vec(prop::sample::select(CAPTURE_RATES.to_vec()), 0..3),
            frames in (0usize..5_000, 0usize..100_000),
            avoid in prop::collection::vec(prop::sample::select(CAPTURE_RATES.to_vec()), 0..3),
            playout in any::<bool>(),
        ) {
            let mut alternates: Vec<_> = alternates
                .into_iter()
                .map(|(format, channels, rates)| Alternate { format, channels, rates })
                .collect();
            if let Some(first) = alternates.first_mut() {
                first.rates.extend(exact);
            }
            let mut device = Recorded::new(alternates.clone());
            device.frames = (frames.0.min(frames.1), frames.1);
            let direction = if playout { Direction::Playout } else { Direction::Capture };
            if let Ok(setting) = negotiate(&mut device, direction, &avoid) {
                prop_assert!(alternates.iter().any(|it| it.format == setting.format
                    && it.channels == setting.channels
                    && it.rates.contains(&setting.rate.hz())));
                prop_assert!(!avoid.contains(&setting.rate.hz()));
                prop_assert!(setting.block() <= MOST && setting.period > 0 && setting.buffer >= 2 * setting.block());
                let target = playout_target(&setting);
                prop_assert!(target >= 2 * setting.block() && target <= setting.buffer);
            } else {
                prop_assert!(!device.committed);
            }
        }
    }
}

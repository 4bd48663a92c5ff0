//! The real thing: one direction through libasound, by `readi` and `writei` only. `mmap` works on a developer's machine
//! and fails on 64-bit ARM, whose kernel has no status page to map.

use super::negotiate::{self, Format, Hardware, NegotiateError, Setting, playout_target};
use super::port::{Direction, Errno, POLLED, Pcm, Ready, Standing, State, Waiter, Woke};
use crate::bell::Bell;
use crate::block::{Nanos, PERIOD};
use alsa::pcm::{Access, HwParams, PCM, TstampType};
use alsa::poll::{Descriptors, Flags};
use alsa::{ValueOr, pcm};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// An open and configured direction of a device.
pub struct AlsaPcm {
    pcm: PCM,
    setting: Setting,
}

/// Why a direction could not be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// ALSA did not open it.
    #[error("{direction}: {name} cannot be opened")]
    Open {
        /// The name in ALSA's words.
        name: String,
        /// Which direction.
        direction: Direction,
        /// How ALSA refused.
        #[source]
        source: Errno,
    },
    /// It does nothing that we can use.
    #[error(transparent)]
    Negotiate(#[from] NegotiateError),
}

impl OpenError {
    /// The error number behind it, if one is.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { source, .. } | Self::Negotiate(NegotiateError::Failed { source, .. }) => Some(*source),
            Self::Negotiate(_) => None,
        }
    }
}

impl AlsaPcm {
    /// Opens and negotiates. Not for the real-time thread: allocates and waits for the device.
    pub fn open(name: &str, direction: Direction, avoid: &[u32]) -> Result<Self, OpenError> {
        let refused = |error: alsa::Error| OpenError::Open { name: name.to_owned(), direction, source: errno(error) };
        let way = match direction {
            Direction::Capture => alsa::Direction::Capture,
            Direction::Playout => alsa::Direction::Playback,
        };
        let pcm = PCM::new(name, way, true).map_err(refused)?;
        let setting = negotiate::negotiate(&mut Asking { pcm: &pcm, params: None }, direction, avoid)?;
        let failed = |error| NegotiateError::Failed { direction, source: errno(error) };
        let setting = in_force(&pcm, setting).map_err(failed)?;
        set_software(&pcm, &setting).map_err(failed)?;
        // Asked once here: the crate checks the size of a structure of libasound by an assertion, which must not be the
        // real-time thread's to find out.
        pcm.status().map_err(failed)?;
        Ok(Self { pcm, setting })
    }
}

/// What the device made of it: the last word on period and buffer.
fn in_force(pcm: &PCM, setting: Setting) -> alsa::Result<Setting> {
    let params = pcm.hw_params_current()?;
    let period = usize::try_from(params.get_period_size()?).unwrap_or(setting.period);
    let buffer = usize::try_from(params.get_buffer_size()?).unwrap_or(setting.buffer);
    Ok(Setting { period, buffer, ..setting })
}

fn set_software(pcm: &PCM, setting: &Setting) -> alsa::Result<()> {
    let software = pcm.sw_params_current()?;
    software.set_avail_min(frames(setting.block()))?;
    // Both directions are started by hand. The playout's threshold is what it is filled with before, for plugins that
    // have no other start.
    software.set_start_threshold(frames(match setting.direction {
        Direction::Capture => 1,
        Direction::Playout => playout_target(setting),
    }))?;
    software.set_stop_threshold(frames(setting.buffer))?;
    software.set_tstamp_mode(true)?;
    // Plugins without it keep their own clock, which `standing` then does not believe.
    let _ = software.set_tstamp_type(TstampType::Monotonic);
    pcm.sw_params(&software)
}

impl Pcm for AlsaPcm {
    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn prepare(&mut self) -> Result<(), Errno> {
        self.pcm.prepare().map_err(errno)
    }

    fn start(&mut self) -> Result<(), Errno> {
        if self.state() == State::Running {
            return Ok(());
        }
        self.pcm.start().map_err(errno)
    }

    fn resume(&mut self) -> Result<(), Errno> {
        self.pcm.resume().map_err(errno)
    }

    fn halt(&mut self) {
        // What cannot be stopped is about to be closed.
        let _ = self.pcm.drop();
    }

    fn state(&mut self) -> State {
        // Not `state()`: it panics on a number that a newer libasound may bring.
        match self.pcm.state_raw() {
            raw if raw == pcm::State::Running as i32 || raw == pcm::State::Draining as i32 => State::Running,
            raw if raw == pcm::State::XRun as i32 => State::Xrun,
            raw if raw == pcm::State::Suspended as i32 => State::Suspended,
            raw if raw == pcm::State::Disconnected as i32 => State::Disconnected,
            _ => State::Stopped,
        }
    }

    fn standing(&mut self) -> Result<Standing, Errno> {
        let status = self.pcm.status().map_err(errno)?;
        let stamp = status.get_htstamp();
        let nanos = (stamp.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(stamp.tv_nsec as u64);
        Ok(Standing {
            avail: usize::try_from(status.get_avail()).unwrap_or(0).min(self.setting.buffer),
            delay: status.get_delay(),
            moved: (nanos > 0).then_some(Nanos(nanos)),
        })
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        self.pcm.io_bytes().readi(into).map_err(errno)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Errno> {
        self.pcm.io_bytes().writei(from).map_err(errno)
    }

    fn descriptors(&mut self, into: &mut [libc::pollfd; POLLED]) -> Result<usize, Errno> {
        Descriptors::fill(&self.pcm, into).map_err(errno)
    }

    fn ready(&mut self, polled: &mut [libc::pollfd]) -> Result<Ready, Errno> {
        let flags = Descriptors::revents(&self.pcm, polled).map_err(errno)?;
        Ok(if flags.intersects(Flags::HUP | Flags::NVAL) {
            Ready::Gone
        } else if flags.contains(Flags::ERR) {
            Ready::Fault
        } else if flags.intersects(Flags::IN | Flags::OUT) {
            Ready::Yes
        } else {
            Ready::No
        })
    }
}

/// A negotiation with libasound.
struct Asking<'a> {
    pcm: &'a PCM,
    params: Option<HwParams<'a>>,
}

impl<'a> Asking<'a> {
    fn params(&self) -> Result<&HwParams<'a>, Errno> {
        self.params.as_ref().ok_or(Errno::BADFD)
    }
}

impl Hardware for Asking<'_> {
    fn any(&mut self) -> Result<(), Errno> {
        let params = HwParams::any(self.pcm).map_err(errno)?;
        // Plugins that would convert say what they can do without.
        params.set_rate_resample(false).map_err(errno)?;
        params.set_access(Access::RWInterleaved).map_err(errno)?;
        self.params = Some(params);
        Ok(())
    }

    fn set_format(&mut self, format: Format) -> Result<(), Errno> {
        let format = match format {
            Format::S16 => pcm::Format::S16LE,
            Format::S24Packed => pcm::Format::S243LE,
            Format::S32 => pcm::Format::S32LE,
        };
        self.params()?.set_format(format).map_err(errno)
    }

    fn set_channels(&mut self, channels: u16) -> Result<(), Errno> {
        self.params()?.set_channels(channels.into()).map_err(errno)
    }

    fn set_channels_near(&mut self, channels: u16) -> Result<u16, Errno> {
        let near = self.params()?.set_channels_near(channels.into()).map_err(errno)?;
        Ok(u16::try_from(near).unwrap_or(u16::MAX))
    }

    fn set_rate_near(&mut self, hz: u32) -> Result<u32, Errno> {
        self.params()?.set_rate_near(hz, ValueOr::Nearest).map_err(errno)
    }

    fn set_period_near(&mut self, wanted: usize) -> Result<usize, Errno> {
        let near = self.params()?.set_period_size_near(frames(wanted), ValueOr::Nearest).map_err(errno)?;
        Ok(usize::try_from(near).unwrap_or(0))
    }

    fn set_buffer_near(&mut self, wanted: usize) -> Result<usize, Errno> {
        let near = self.params()?.set_buffer_size_near(frames(wanted)).map_err(errno)?;
        Ok(usize::try_from(near).unwrap_or(0))
    }

    fn commit(&mut self) -> Result<(), Errno> {
        self.pcm.hw_params(self.params()?).map_err(errno)
    }
}

/// The wait for real devices: one `poll` on the stream's descriptors and the bell.
pub struct PollWaiter {
    /// The stream's, then the bell's.
    polled: [libc::pollfd; POLLED + 1],
    streams: Option<usize>,
}

impl PollWaiter {
    /// For one opened stream; another stream needs another waiter.
    pub fn new() -> Self {
        Self { polled: [libc::pollfd { fd: -1, events: 0, revents: 0 }; POLLED + 1], streams: None }
    }
}

impl Default for PollWaiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Waiter for PollWaiter {
    fn now(&mut self) -> Nanos {
        now()
    }

    fn wait(&mut self, stream: &mut dyn Pcm, bell: &Bell, at_most: Duration) -> Result<Woke, Errno> {
        let streams = if let Some(streams) = self.streams {
            streams
        } else {
            let mut its = [libc::pollfd { fd: -1, events: 0, revents: 0 }; POLLED];
            let count = stream.descriptors(&mut its)?.min(POLLED);
            self.polled[..POLLED].copy_from_slice(&its);
            *self.streams.insert(count)
        };
        self.polled[streams] = libc::pollfd { fd: bell.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let polled = &mut self.polled[..=streams];
        let count = alsa::poll::poll(polled, millis(at_most)).map_err(errno)?;
        if polled[streams].revents != 0 {
            return Ok(Woke::Bell);
        }
        if count == 0 {
            return Ok(Woke::Late);
        }
        Ok(Woke::Stream(stream.ready(&mut polled[..streams])?))
    }

    fn pause(&mut self, bell: &Bell, at_most: Duration) {
        let mut polled = [libc::pollfd { fd: bell.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let _ = alsa::poll::poll(&mut polled, millis(at_most));
    }
}

/// `CLOCK_MONOTONIC`, the clock of ALSA's time stamps.
pub fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Nanos((time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

/// The same clock, so much later.
pub fn after(span: Duration) -> Nanos {
    Nanos(now().0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
}

fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX).max(1)
}

fn frames(count: usize) -> pcm::Frames {
    pcm::Frames::try_from(count).unwrap_or(pcm::Frames::MAX)
}

/// The crate's poll helpers give negative numbers, everything else positive ones.
fn errno(error: alsa::Error) -> Errno {
    Errno::of(error.errno())
}

/// The longest that a healthy device leaves the thread without a wake-up.
pub const PATIENCE: Duration = PERIOD.saturating_mul(4);

//! What the real-time thread asks of one direction of a device. ALSA answers in [`alsa`](super::alsa); the tests bring a
//! device of their own, with faults on order.
//!
//! Every method returns at once and allocates nothing: PCMs are opened non-blocking.

use super::negotiate::Setting;
use crate::bell::Bell;
use crate::block::Nanos;
use std::time::Duration;

/// Which way the sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the microphone to us.
    Capture,
    /// From us to the loudspeaker.
    Playout,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Capture => "capture",
            Self::Playout => "playout",
        })
    }
}

/// An error number of Linux, positive whatever path it came by: ALSA's poll helpers deliver negative ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// Nothing there yet, or no room yet.
    pub const AGAIN: Self = Self(libc::EAGAIN);
    /// A signal came.
    pub const INTR: Self = Self(libc::EINTR);
    /// An xrun.
    pub const PIPE: Self = Self(libc::EPIPE);
    /// The system was suspended.
    pub const STRPIPE: Self = Self(libc::ESTRPIPE);
    /// A transfer over USB failed.
    pub const IO: Self = Self(libc::EIO);
    /// Unplugged.
    pub const NODEV: Self = Self(libc::ENODEV);
    /// The stream is in no state for that; what `readi` says first after an unplug.
    pub const BADFD: Self = Self(libc::EBADFD);
    /// Not available on this device.
    pub const NOSYS: Self = Self(libc::ENOSYS);
    /// Somebody else has it.
    pub const BUSY: Self = Self(libc::EBUSY);

    /// The number, of either sign.
    pub const fn of(number: i32) -> Self {
        Self(number.saturating_abs())
    }

    /// The number, positive.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(out)
    }
}

impl std::error::Error for Errno {}

/// The state of a stream, as far as it decides anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Set up or prepared, not started.
    Stopped,
    /// Sound flows.
    Running,
    /// It ran over or dry.
    Xrun,
    /// The system slept.
    Suspended,
    /// Unplugged.
    Disconnected,
}

/// Where a stream stands, read in one go so that the parts agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Frames that may be read, or room to write, in frames.
    pub avail: usize,
    /// Capture: frames between the converter and the next read. Playout: frames between the next write and the converter.
    /// Holds the driver's estimate of what is on the bus; not the device's own processing. Negative after some xruns.
    pub delay: i64,
    /// When the device moved last; `None` before the start and from plugins that do not tell.
    pub moved: Option<Nanos>,
}

/// What a poll showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Nothing.
    No,
    /// There is something to do.
    Yes,
    /// `POLLERR`: does not tell which error; the state does.
    Fault,
    /// `POLLHUP` or `POLLNVAL`: unplugged.
    Gone,
}

/// Descriptors that a stream may need for its poll: one on hardware, a few from plugins.
pub const POLLED: usize = 8;

/// One direction of an open device.
pub trait Pcm: Send {
    /// How it was opened.
    fn setting(&self) -> &Setting;
    /// Makes it ready to start, after an xrun as well.
    fn prepare(&mut self) -> Result<(), Errno>;
    /// Starts it. What starts by itself when it was filled answers that it runs: no error.
    fn start(&mut self) -> Result<(), Errno>;
    /// Goes on after a suspend.
    fn resume(&mut self) -> Result<(), Errno>;
    /// Stops at once; what is buffered is lost.
    fn halt(&mut self);
    /// Its state.
    fn state(&mut self) -> State;
    /// Where it stands.
    fn standing(&mut self) -> Result<Standing, Errno>;
    /// Reads whole frames, as many as there are and fit; returns how many frames.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Errno>;
    /// Writes whole frames, as many as there is room for; returns how many frames.
    fn write(&mut self, from: &[u8]) -> Result<usize, Errno>;
    /// Fills in what to poll for; returns how many. Called once after opening.
    fn descriptors(&mut self, into: &mut [libc::pollfd; POLLED]) -> Result<usize, Errno>;
    /// What the polled descriptors say.
    fn ready(&mut self, polled: &mut [libc::pollfd]) -> Result<Ready, Errno>;
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woke {
    /// The bell was rung.
    Bell,
    /// The stream: what it showed.
    Stream(Ready),
    /// Nothing happened for the time given.
    Late,
}

/// The clock and the only wait of the real-time thread.
pub trait Waiter: Send {
    /// Now.
    fn now(&mut self) -> Nanos;
    /// Waits for the stream or the bell, whichever is first.
    fn wait(&mut self, stream: &mut dyn Pcm, bell: &Bell, at_most: Duration) -> Result<Woke, Errno>;
    /// Waits for the bell alone: the brake of a loop whose stream says ready and brings nothing.
    fn pause(&mut self, bell: &Bell, at_most: Duration);
}

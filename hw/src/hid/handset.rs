//! One thread per device: waits for its reports and for us, feeds the [`Telephony`] machine, writes lamps.
//!
//! Mute does not wait for anybody: the thread switches the microphone off in the [`Knobs`], which the real-time thread
//! obeys with the next period, and answers the device; the network side is told afterwards and may be stalled.
//!
//! Not real-time: writing a lamp is a USB transfer, which a sick device lets wait for 5 s whatever `O_NONBLOCK` says
//! (Linux `hidraw_write`, `USB_CTRL_SET_TIMEOUT`). That is why nobody else ever writes, and nobody waits for the thread
//! for longer than [`STOP`].

use super::descriptor::Layout;
use super::telephony::{Due, Hook, Ignored, Lamps, Telephony};
use crate::bell::Bell;
use crate::knobs::{Earcon, Knobs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// For so long [`Handset::stop`] waits.
pub const STOP: Duration = Duration::from_secs(1);
/// Reports that are read before lamps and wishes get their turn; what hidraw keeps for a reader (`HIDRAW_BUFFER_SIZE`).
const MOST_READS: usize = 64;
/// Bytes of a read at least. Longer reports are cut, behind the last key that we look for.
const LEAST_BUFFER: usize = 64;

/// What happened at the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HidEvent {
    /// The hook switch was pressed.
    Hook(Hook),
    /// The mute key was pressed: the microphone is off (true) or on again, the lamp shows it, the earcon is asked for.
    Muted(bool),
    /// The device is gone; its thread has ended. The [panel](crate::panel) looks for it again.
    Lost(Lost),
}

/// Why a device is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It was unplugged, or its driver let go.
    #[error("the HID device has hung up")]
    HungUp,
    /// Reading failed.
    #[error("reading from the HID device failed: {0}")]
    Read(Errno),
    /// Writing failed.
    #[error("writing to the HID device failed: {0}")]
    Write(Errno),
    /// Waiting failed.
    #[error("waiting for the HID device failed: {0}")]
    Poll(Errno),
}

/// The lamps of calls. That of the microphone is not among them: it always shows [`Knobs::is_muted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallLamps {
    /// A conversation is active.
    pub off_hook: bool,
    /// Somebody calls.
    pub ring: bool,
}

impl CallLamps {
    fn bits(self) -> u8 {
        u8::from(self.off_hook) | u8::from(self.ring) << 1
    }

    fn of(bits: u8) -> Self {
        Self { off_hook: bits & 1 != 0, ring: bits & 2 != 0 }
    }
}

/// What was ignored and lost at a device since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// By the state machine.
    pub ignored: Ignored,
    /// Events that nobody had room for. The microphone was switched all the same.
    pub dropped: u64,
}

/// A device at work.
#[derive(Debug)]
pub struct Handset {
    shared: Arc<Shared>,
    /// Wakes the thread.
    control: Bell,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lamps: AtomicU8,
    stop: AtomicBool,
    lost: OnceLock<Lost>,
    foreign: AtomicU64,
    short: AtomicU64,
    echoes: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

impl Handset {
    /// Starts the thread of a device. `fd` is a hidraw node, open for both and `O_NONBLOCK`; `layout` its descriptor's.
    ///
    /// All lamps go off, and 100 ms later those of `lamps` on: a device that was plugged in again is told that a
    /// conversation goes on. Events go to `news`, with a ring of `bell` after each. When `news` is full the event is
    /// dropped and counted; a loss can still be seen by [`lost`](Self::lost).
    pub fn start(
        fd: OwnedFd,
        layout: Layout,
        lamps: CallLamps,
        knobs: &'static Knobs,
        news: SyncSender<HidEvent>,
        bell: Bell,
    ) -> io::Result<Self> {
        let control = Bell::new()?;
        let shared = Arc::new(Shared { lamps: AtomicU8::new(lamps.bits()), ..Shared::default() });
        let (ending, ended) = sync_channel(0);
        let worker = Worker {
            fd,
            telephony: Telephony::new(layout, wanted(&shared, knobs), Instant::now()),
            shared: shared.clone(),
            control: control.clone(),
            knobs,
            news,
            bell,
            waits_to_write: false,
        };
        let thread = std::thread::Builder::new().name("hid".to_owned()).spawn(move || {
            let _ending = ending;
            worker.run();
        })?;
        Ok(Self { shared, control, ended, thread: Some(thread) })
    }

    /// Shows a call, or that there is none. Never waits; the thread writes.
    pub fn lamps(&self, lamps: CallLamps) {
        self.shared.lamps.store(lamps.bits(), Ordering::Release);
        self.control.ring();
    }

    /// Shows the microphone's state after somebody else has changed it in the [`Knobs`]. Never waits.
    pub fn refresh(&self) {
        self.control.ring();
    }

    /// Why the device is gone; `None` while it is there.
    pub fn lost(&self) -> Option<Lost> {
        self.shared.lost.get().copied()
    }

    /// What was ignored and lost so far.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { foreign, short, echoes, refused, dropped, .. } = &*self.shared;
        let ignored =
            Ignored { foreign: read(foreign), short: read(short), echoes: read(echoes), refused: read(refused) };
        Counts { ignored, dropped: read(dropped) }
    }

    /// Switches the lamps off and ends the thread. False when it has not ended within [`STOP`], because the device does not
    /// take a report: then it ends by itself as soon as the system gives up on the device.
    pub fn stop(mut self) -> bool {
        self.ask_to_stop();
        // Nothing is ever sent.
        let ended = matches!(self.ended.recv_timeout(STOP), Err(RecvTimeoutError::Disconnected));
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            // It is past its last statement; a panic of it has been printed.
            let _ = thread.join();
        }
        ended
    }

    fn ask_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.control.ring();
    }
}

impl Drop for Handset {
    /// Asks the thread to end and does not wait for it.
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// Whether a write that failed so tells that the device is gone.
fn loss(error: Errno) -> Option<Lost> {
    match error {
        Errno::NODEV | Errno::SHUTDOWN => Some(Lost::HungUp),
        Errno::BADF | Errno::NXIO => Some(Lost::Write(error)),
        // A stalled endpoint, a transfer that failed or timed out, a report the device does not know. A device that is
        // gone hangs up beside.
        _ => None,
    }
}

fn wanted(shared: &Shared, knobs: &Knobs) -> Lamps {
    let CallLamps { off_hook, ring } = CallLamps::of(shared.lamps.load(Ordering::Acquire));
    Lamps { off_hook, ring, mute: knobs.is_muted() }
}

struct Worker {
    fd: OwnedFd,
    telephony: Telephony,
    shared: Arc<Shared>,
    control: Bell,
    knobs: &'static Knobs,
    news: SyncSender<HidEvent>,
    bell: Bell,
    /// The device had no room for a report.
    waits_to_write: bool,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0; self.telephony.longest_input().max(LEAST_BUFFER)];
        let ended = self.turns(&mut buffer);
        self.publish();
        if let Err(lost) = ended {
            let _ = self.shared.lost.set(lost);
            self.tell(HidEvent::Lost(lost));
        }
    }

    fn turns(&mut self, buffer: &mut [u8]) -> Result<(), Lost> {
        loop {
            let stop = self.shared.stop.load(Ordering::Acquire);
            self.telephony.set_lamps(if stop { Lamps::default() } else { wanted(&self.shared, self.knobs) });
            self.write()?;
            if stop {
                return Ok(());
            }
            if self.wait()? {
                self.read(buffer)?;
            }
            self.publish();
        }
    }

    /// Waits for the device, for us, or until something is due. True when there is something to read.
    fn wait(&self) -> Result<bool, Lost> {
        let timeout = self.telephony.wake_at().map(|at| at.saturating_duration_since(Instant::now()));
        // Rounded up by the kernel to its own clock; too early would only be another turn.
        let timeout =
            timeout.map(|span| Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) });
        let asked = if self.waits_to_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut fds = [PollFd::new(&self.fd, asked), PollFd::new(&self.control, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(Lost::Poll(error)),
        }
        let (device, control) = (fds[0].revents(), fds[1].revents());
        if control.contains(PollFlags::IN) {
            self.control.answer();
        }
        if device.contains(PollFlags::IN) {
            return Ok(true);
        }
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        if device.intersects(gone) { Err(Lost::HungUp) } else { Ok(false) }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Lost> {
        for _ in 0..MOST_READS {
            match rustix::io::read(&self.fd, &mut *buffer) {
                // hidraw has no empty reports: this is a peer's end.
                Ok(0) | Err(Errno::IO | Errno::NODEV) => return Err(Lost::HungUp),
                Ok(len) => self.report(&buffer[..len])?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Lost::Read(error)),
            }
        }
        Ok(())
    }

    fn report(&mut self, report: &[u8]) -> Result<(), Lost> {
        // Somebody else may have switched the microphone since the last report: the press turns what is.
        self.telephony.set_lamps(wanted(&self.shared, self.knobs));
        let pressed = self.telephony.input(report, Instant::now());
        if let Some(mute) = pressed.mute {
            self.knobs.set_muted(mute);
            self.knobs.play(if mute { Earcon::Muted } else { Earcon::Unmuted });
            self.tell(HidEvent::Muted(mute));
            // Before the next report: the device takes its mute back unless it is answered.
            self.write()?;
        }
        if let Some(hook) = pressed.hook {
            self.tell(HidEvent::Hook(hook));
        }
        Ok(())
    }

    /// Writes every report that is due, until the device has no room.
    fn write(&mut self) -> Result<(), Lost> {
        self.waits_to_write = false;
        while let Some(Due(report)) = self.telephony.due(Instant::now()) {
            match rustix::io::write(&self.fd, report) {
                Ok(_) => self.telephony.written(Instant::now()),
                Err(Errno::AGAIN) => {
                    self.waits_to_write = true;
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => match loss(error) {
                    Some(lost) => return Err(lost),
                    None => self.telephony.refused(),
                },
            }
        }
        Ok(())
    }

    fn tell(&self, event: HidEvent) {
        if self.news.try_send(event).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.bell.ring();
    }

    fn publish(&self) {
        let Ignored { foreign, short, echoes, refused } = self.telephony.ignored();
        self.shared.foreign.store(foreign, Ordering::Relaxed);
        self.shared.short.store(short, Ordering::Relaxed);
        self.shared.echoes.store(echoes, Ordering::Relaxed);
        self.shared.refused.store(refused, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "handset_tests.rs"]
mod tests;

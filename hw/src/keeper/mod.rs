//! The keeper: a plain thread that owns the life of the device.
//!
//! ```text
//!            open, negotiate, set levels           unplugged, failed, lying
//!  Absent ─────────────────────────────► Attached ──────────────────────────► Absent
//!    ▲  │                                 real-time thread runs                  │
//!    └──┘ not there, busy: try again after a while, or when something is plugged in
//! ```
//!
//! [`course`] decides when to try again and what to say; [`backend`] opens; [`news`] tells.

pub mod backend;
pub mod course;
pub mod news;
mod run;

use crate::bell::Bell;
use crate::device::DeviceSpec;
use crate::figures::Figures;
use crate::hotplug;
use crate::knobs::{EchoMode, Knobs};
use crate::rings::RtEnds;
use crate::rt::priority;
use crate::rt::standby::LINGER;
use backend::{AlsaBackend, Backend};
use news::{Attached, Outlet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a desk is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which device.
    pub device: DeviceSpec,
    /// Who keeps the echo away, when the technician knows better than the table of devices.
    pub echo: Option<EchoMode>,
    /// `SCHED_FIFO` priority of the real-time thread.
    pub priority: u8,
    /// How long the device's streams run on when nobody needs them; for ever without it.
    pub linger: Option<Duration>,
    /// How long to wait for what.
    pub pace: Pace,
}

impl Settings {
    /// A desk with this device and everything else as usual.
    pub fn of(device: DeviceSpec) -> Self {
        Self { device, echo: None, priority: priority::AUDIO, linger: Some(LINGER), pace: Pace::default() }
    }
}

/// Waits of the keeper.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the first new try.
    pub first: Duration,
    /// Between tries at most, when a change of the hardware would be noticed.
    pub most: Duration,
    /// Between tries at most, when nothing would tell: a device in use, a name of ALSA's.
    pub blind: Duration,
    /// From a change of the hardware to the try.
    pub settle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(5),
            // The jitter adds a fifth: still within two seconds of the device being there.
            blind: Duration::from_millis(1_500),
            settle: hotplug::SETTLE,
        }
    }
}

/// What is told when a device comes and goes, on the keeper's thread: for what belongs to the same device (buttons,
/// lamps). Must return soon.
pub trait Companion: Send {
    /// The device is open and sound flows.
    fn attached(&mut self, attached: &Attached);
    /// It is open still: asked every half second or more often, for what comes later than the sound card does.
    fn look(&mut self) {}
    /// It is about to be closed, or gone.
    fn detached(&mut self);
}

/// Nobody keeps the device company.
impl Companion for () {
    fn attached(&mut self, _attached: &Attached) {}
    fn detached(&mut self) {}
}

/// How it ended.
pub enum Stopped {
    /// All threads are joined and the device is closed; the rings' ends can be used again.
    Clean(RtEnds),
    /// The device holds a thread in the kernel, or one panicked. The threads were left behind; only the end of the process
    /// gets rid of them.
    Abandoned,
}

/// How long [`Keeper::stop`] waits. Closing a device that has just been unplugged takes up to a second.
const STOPPING: Duration = Duration::from_secs(3);

/// The handle of a running keeper.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    bell: Bell,
    done: Receiver<Option<RtEnds>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts keeping a real device. `worker` is rung once a period, behind what was captured and played.
    pub fn start(
        settings: Settings,
        ends: RtEnds,
        knobs: &'static Knobs,
        figures: &'static Figures,
        worker: Bell,
        outlet: Outlet,
        companion: Box<dyn Companion>,
    ) -> io::Result<Self> {
        let backend = AlsaBackend::new().showing_life(figures);
        Self::start_with(backend, settings, ends, knobs, figures, worker, outlet, companion)
    }

    /// Starts keeping a device of this backend.
    #[expect(
        clippy::too_many_arguments,
        reason = "the composition root names every part once; a struct would repeat them"
    )]
    pub fn start_with(
        backend: impl Backend + 'static,
        settings: Settings,
        ends: RtEnds,
        knobs: &'static Knobs,
        figures: &'static Figures,
        worker: Bell,
        outlet: Outlet,
        companion: Box<dyn Companion>,
    ) -> io::Result<Self> {
        let (bell, audio) = (Bell::new()?, knobs.audio_bell()?);
        let stop = Arc::<AtomicBool>::default();
        let (tell, done) = sync_channel(1);
        let (its, its_bell) = (Arc::clone(&stop), bell.clone());
        let parts =
            run::Parts { backend, settings, knobs, audio, worker, outlet, companion, bell: its_bell, stop: its };
        let thread = std::thread::Builder::new().name("desk-keeper".into()).spawn(move || {
            let ends = run::Run::new(parts, ends, figures).run();
            let _ = tell.send(ends);
        })?;
        Ok(Self { stop, bell, done, thread: Some(thread) })
    }

    /// Closes the device and joins every thread, or leaves them behind after three seconds.
    pub fn stop(mut self) -> Stopped {
        self.ask_to_stop();
        match self.done.recv_timeout(STOPPING) {
            Ok(ends) => {
                if let Some(thread) = self.thread.take() {
                    // It has said its last word: this takes no time.
                    let _ = thread.join();
                }
                ends.map_or(Stopped::Abandoned, Stopped::Clean)
            }
            Err(_) => Stopped::Abandoned,
        }
    }

    fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl Drop for Keeper {
    /// Asks for the end and does not wait for it.
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

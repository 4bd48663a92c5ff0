//! The keeper's thread.

use super::backend::{Backend, Failure, Opened};
use super::course::Course;
use super::news::{Attached, Outlet, Trouble};
use super::{Companion, Settings};
use crate::bell::Bell;
use crate::device::DeviceSpec;
use crate::figures::Figures;
use crate::knobs::Knobs;
use crate::rings::RtEnds;
use crate::rt::cycle::Cycle;
use crate::rt::ladder::End;
use crate::rt::ports::Ports;
use crate::rt::thread::{Finished, RtThread};
use crate::rt::trace::{self, RtEvent};
use heapless::spsc::{Consumer, Producer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the real-time thread may take to say which priority it got, and to end when asked to.
const RT_PATIENCE: Duration = Duration::from_secs(1);
/// How often events are fetched from the real-time thread.
const LOOKING: Duration = Duration::from_millis(500);
/// How soon news that found no room is offered again.
const OFFERING: Duration = Duration::from_millis(50);

pub(super) struct Parts<B> {
    pub(super) backend: B,
    pub(super) settings: Settings,
    pub(super) knobs: &'static Knobs,
    /// What the real-time thread listens for.
    pub(super) audio: Bell,
    pub(super) worker: Bell,
    pub(super) outlet: Outlet,
    pub(super) companion: Box<dyn Companion>,
    /// Rung for the stop and by the real-time thread's end.
    pub(super) bell: Bell,
    pub(super) stop: Arc<AtomicBool>,
}

pub(super) struct Run<B> {
    parts: Parts<B>,
    figures: &'static Figures,
    course: Course,
    events: Consumer<'static, RtEvent>,
    life: Life,
}

/// What the real-time thread needs beside a device, while there is none; what it is, while there is.
enum Life {
    Absent {
        idle: Box<Idle>,
        /// `None`: nothing is wanted.
        next: Option<Instant>,
    },
    Attached {
        thread: RtThread,
        device: String,
        since: Instant,
    },
    /// The real-time thread is lost, and the rings with it.
    Lost,
}

struct Idle {
    ports: Ports,
    trace: Producer<'static, RtEvent>,
}

impl<B: Backend> Run<B> {
    pub(super) fn new(parts: Parts<B>, ends: RtEnds, figures: &'static Figures) -> Self {
        let (trace, events) = trace::ring();
        let idle = Box::new(Idle { ports: Ports::new(ends, parts.knobs, figures), trace });
        let course = Course::new(parts.settings.pace, u64::from(std::process::id()));
        let next = first_try(&parts.settings);
        Self { parts, figures, course, events, life: Life::Absent { idle, next } }
    }

    /// Keeps until told to stop. Gives the rings' ends back, unless they are lost.
    pub(super) fn run(mut self) -> Option<RtEnds> {
        loop {
            self.wait();
            if self.parts.stop.load(Ordering::Acquire) {
                break;
            }
            self.look();
            if let Life::Lost = self.life {
                break;
            }
        }
        self.detach();
        self.parts.outlet.flush();
        match self.life {
            Life::Absent { idle, .. } => Some(idle.ports.into_ends()),
            Life::Attached { .. } | Life::Lost => None,
        }
    }

    fn wait(&mut self) {
        let wait = match &self.life {
            Life::Absent { next: Some(next), .. } => next.saturating_duration_since(Instant::now()),
            Life::Absent { next: None, .. } | Life::Lost => Duration::from_secs(1),
            Life::Attached { .. } => LOOKING,
        };
        // Shorter than any watchdog's patience, so that the turns that are counted here show life.
        let wait = wait.min(if self.parts.outlet.flush() { Duration::from_secs(1) } else { OFFERING });
        listen(&self.parts.bell, self.parts.backend.watch(), wait);
        self.parts.bell.answer();
    }

    /// Looks at what has happened meanwhile.
    fn look(&mut self) {
        while let Some(event) = self.events.dequeue() {
            self.parts.outlet.event(event);
        }
        if self.parts.backend.changed() {
            let settle = self.course.plugged();
            if let Life::Absent { next: Some(next), .. } = &mut self.life {
                *next = Instant::now() + settle;
            }
        }
        match &self.life {
            Life::Attached { thread, .. } if thread.is_done() => self.detach(),
            Life::Absent { next, .. } => {
                // Nobody else shows life while there is no device.
                self.figures.rt_turns.raise();
                if next.is_some_and(|next| next <= Instant::now()) {
                    self.attach();
                }
            }
            Life::Attached { .. } => self.parts.companion.look(),
            Life::Lost => {}
        }
    }

    /// Tries to open the device and to start the real-time thread with it.
    fn attach(&mut self) {
        match self.parts.backend.open(&self.parts.settings.device, self.course.avoid()) {
            Ok(opened) => self.start(opened),
            Err(Failure::NotWanted) => self.again(None),
            Err(failure) => {
                let next = self.course.failed(&failure);
                self.again(Some(next.after));
                if let Some(trouble) = next.trouble {
                    self.parts.outlet.trouble(trouble);
                }
            }
        }
    }

    fn again(&mut self, after: Option<Duration>) {
        if let Life::Absent { next, .. } = &mut self.life {
            *next = after.map(|after| Instant::now() + after);
        }
    }

    fn start(&mut self, opened: Opened) {
        let Life::Absent { idle, .. } = std::mem::replace(&mut self.life, Life::Lost) else { return };
        let Opened { name, card, echo, duplex } = opened;
        let echo = self.parts.settings.echo.unwrap_or(echo);
        self.parts.knobs.set_echo(echo);
        let (capture, playout) = (*duplex.capture.setting(), *duplex.playout.setting());
        let worker = self.parts.worker.clone();
        let cycle = Cycle::new(idle.ports, duplex, idle.trace, worker, self.course.is_strict());
        let cycle = Box::new(match self.parts.settings.linger {
            Some(linger) => cycle.standing_by_after(linger),
            None => cycle,
        });
        let (audio, done) = (self.parts.audio.clone(), self.parts.bell.clone());
        let thread = match RtThread::start(cycle, self.parts.settings.priority, audio, done) {
            Ok(thread) => thread,
            Err(refused) => {
                self.close(refused.cycle, Duration::from_secs(1));
                self.parts.outlet.trouble(Trouble {
                    what: format!("the system starts no thread for the audio: {}", refused.source),
                    would_do: "raise the limit on threads of the service (TasksMax=)".into(),
                });
                return;
            }
        };
        self.figures.opened.raise();
        let priority = thread.priority(RT_PATIENCE);
        let usb = card.and_then(|card| card.usb);
        let attached = Attached { name: name.clone(), capture, playout, echo, priority, usb };
        self.parts.companion.attached(&attached);
        self.parts.outlet.attached(attached);
        self.life = Life::Attached { thread, device: name, since: Instant::now() };
    }

    /// Ends the real-time thread, if there is one, and closes the device; plans the next try.
    fn detach(&mut self) {
        let (thread, device, since) = match std::mem::replace(&mut self.life, Life::Lost) {
            Life::Attached { thread, device, since } => (thread, device, since),
            other => {
                self.life = other;
                return;
            }
        };
        thread.stop();
        let finished = self.finished(thread);
        self.figures.standing_by.set(false);
        self.parts.companion.detached();
        let Some(Finished { cycle, end }) = finished else {
            self.parts.outlet.detached(End::Stopped);
            self.parts.outlet.trouble(Trouble {
                what: format!("the audio thread of {device} is lost: the driver does not let go of it, or it failed"),
                would_do: "restart the service; if it does not stop, restart the box".into(),
            });
            return;
        };
        // Told before the device is closed, which may take its time.
        self.parts.outlet.detached(end);
        let next = self.course.ended(Instant::now(), &device, since.elapsed(), end);
        if let Some(trouble) = next.trouble {
            self.parts.outlet.trouble(trouble);
        }
        if let End::Stalled(_) = end {
            self.figures.stalls.raise();
        }
        self.close(cycle, next.after);
    }

    /// Waits for the thread's end, but not for ever.
    fn finished(&self, thread: RtThread) -> Option<Finished> {
        let until = Instant::now() + RT_PATIENCE;
        while !thread.is_done() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            listen(&self.parts.bell, None, left);
            self.parts.bell.answer();
        }
        thread.join()
    }

    fn close(&mut self, mut cycle: Box<Cycle>, after: Duration) {
        cycle.halt();
        let (ports, duplex, trace) = cycle.into_parts();
        drop(duplex);
        let next = (self.parts.settings.device != DeviceSpec::None).then(|| Instant::now() + after);
        self.life = Life::Absent { idle: Box::new(Idle { ports, trace }), next };
    }
}

fn first_try(settings: &Settings) -> Option<Instant> {
    (settings.device != DeviceSpec::None).then(Instant::now)
}

/// Waits for the bell or a change of the hardware.
fn listen(bell: &Bell, watch: Option<std::os::fd::BorrowedFd<'_>>, at_most: Duration) {
    let its = bell.as_fd();
    let mut polled = [PollFd::from_borrowed_fd(its, PollFlags::IN), PollFd::from_borrowed_fd(its, PollFlags::IN)];
    if let Some(watch) = watch {
        polled[1] = PollFd::from_borrowed_fd(watch, PollFlags::IN);
    }
    let timeout = Timespec::try_from(at_most).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    // Whatever ends it, whoever called looks for itself.
    let _ = poll(&mut polled, Some(&timeout));
}

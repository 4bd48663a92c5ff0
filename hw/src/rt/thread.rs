//! The real-time thread: started with a device, it ends when told to or when the device does, and gives everything back,
//! so that closing, which may take long, happens elsewhere.

use super::cycle::Cycle;
use super::ladder::End;
use super::priority::{self, Priority};
use super::trace::RtNews;
use crate::bell::Bell;
use crate::pcm::quiet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Enough for the loop and libasound's plugins.
const STACK: usize = 512 * 1024;

/// A running real-time thread.
pub struct RtThread {
    control: Arc<Control>,
    granted: Receiver<Priority>,
    thread: JoinHandle<Option<Finished>>,
}

/// What a thread gives back.
pub struct Finished {
    /// All that it had.
    pub cycle: Box<Cycle>,
    /// Why it ended.
    pub end: End,
}

/// What does not start gives back what it was given.
pub struct NotStarted {
    /// All that it was given.
    pub cycle: Box<Cycle>,
    /// Why it did not start.
    pub source: io::Error,
}

struct Control {
    bell: Bell,
    stop: AtomicBool,
    done: AtomicBool,
}

impl RtThread {
    /// Starts it at this priority. It listens for `bell`; `done` is rung when it ends.
    pub fn start(cycle: Box<Cycle>, priority: u8, bell: Bell, done: Bell) -> Result<Self, NotStarted> {
        let control = Arc::new(Control { bell, stop: AtomicBool::new(false), done: AtomicBool::new(false) });
        let its = Arc::clone(&control);
        let (grant, granted) = sync_channel(1);
        // Handed over only once the thread is there: the rings must not be lost with a thread that could not start.
        let (hand, taken) = sync_channel::<Box<Cycle>>(1);
        let body = move || {
            let cycle = taken.recv().ok()?;
            quiet::drop_messages();
            priority::hold_stack();
            priority::hold(&*cycle);
            let _ = grant.send(priority::ask(priority));
            let finished = run(cycle, &its);
            its.done.store(true, Ordering::Release);
            done.ring();
            Some(finished)
        };
        match std::thread::Builder::new().name("desk-rt".into()).stack_size(STACK).spawn(body) {
            Ok(thread) => match hand.send(cycle) {
                Ok(()) => Ok(Self { control, granted, thread }),
                Err(refused) => Err(NotStarted { cycle: refused.0, source: io::ErrorKind::BrokenPipe.into() }),
            },
            Err(source) => Err(NotStarted { cycle, source }),
        }
    }

    /// Which priority it was granted; `None` when it does not say in time.
    pub fn priority(&self, patience: Duration) -> Option<Priority> {
        self.granted.recv_timeout(patience).ok()
    }

    /// Asks it to end; it does within a turn.
    pub fn stop(&self) {
        self.control.stop.store(true, Ordering::Release);
        self.control.bell.ring();
    }

    /// Whether joining it takes no time: it has ended, or panicked.
    pub fn is_done(&self) -> bool {
        self.control.done.load(Ordering::Acquire) || self.thread.is_finished()
    }

    /// Waits for its end; `None` when it panicked.
    pub fn join(self) -> Option<Finished> {
        self.thread.join().ok().flatten()
    }
}

fn run(mut cycle: Box<Cycle>, control: &Control) -> Finished {
    let end = match cycle.start() {
        Ok(()) => turns(&mut cycle, control),
        Err(end) => end,
    };
    cycle.note(RtNews::Ended(end));
    Finished { cycle, end }
}

fn turns(cycle: &mut Cycle, control: &Control) -> End {
    while !control.stop.load(Ordering::Acquire) {
        if let Err(end) = cycle.turn(&control.bell) {
            return end;
        }
    }
    End::Stopped
}

//! The worker's thread.

use super::worker::Worker;
use crate::bell::Bell;
use crate::rt::priority;
use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Real-time priority: below the real-time thread, above everything else.
const PRIORITY: u8 = 10;
/// Turns in a row that may panic: a worker that cannot do anything else is better noticed than repaired.
const PANICS: u32 = 3;

/// The running thread; dropped, it is stopped and waited for.
pub struct Handle {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    bell: Bell,
}

impl Handle {
    /// Whether the thread has ended by itself: several turns in a row have panicked. Nothing is heard or played any
    /// more, and [`Figures::dsp_blocks`](crate::figures::Figures::dsp_blocks) stands still.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // Panics are contained inside; there is no result to look at.
            let _ = thread.join();
        }
    }
}

/// Starts the thread. `bell` is rung by the real-time thread once a period, behind all of that period's blocks; the
/// network side may ring it too when it has put speech behind silence.
pub fn start(worker: Worker, bell: Bell) -> io::Result<Handle> {
    let stop = Arc::new(AtomicBool::new(false));
    let (rung, stopped) = (bell.clone(), Arc::clone(&stop));
    let thread = std::thread::Builder::new().name("dsp".to_owned()).spawn(move || run(worker, &rung, &stopped))?;
    Ok(Handle { thread: Some(thread), stop, bell })
}

fn run(mut worker: Worker, bell: &Bell, stop: &AtomicBool) {
    // An unprivileged start works as well, only not under load; the real-time thread's refusal is what is told.
    let _ = priority::ask(PRIORITY);
    let mut panics = 0;
    while !stop.load(Ordering::Acquire) {
        // An interrupted wait is one turn with nothing to do.
        let _ = poll(&mut [PollFd::new(bell, PollFlags::IN)], None);
        bell.answer();
        if catch_unwind(AssertUnwindSafe(|| worker.turn())).is_ok() {
            panics = 0;
            continue;
        }
        panics += 1;
        if panics == PANICS {
            return;
        }
        worker.renew();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::knobs::Knobs;
    use crate::rings;

    #[test]
    fn it_stops_when_it_is_told_and_not_before() {
        let (_rt, ends, _net) = rings::make();
        let (knobs, figures) = (Box::leak(Box::new(Knobs::new())), Box::leak(Box::new(Figures::new())));
        let bell = Bell::new().unwrap();
        let handle = start(Worker::new(ends, knobs, figures, Bell::new().unwrap()), bell.clone()).unwrap();
        bell.ring();
        assert!(!handle.is_finished());
        drop(handle);
    }
}

//! Which of the things that a task waits for has called.
//!
//! A call's task waits for two sockets and its orders, and is woken fifty times a second by one of them. A bell for each
//! says which, so that the others need not be asked: asking a TLS socket for nothing costs as much as reading a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

struct Ring {
    rung: AtomicBool,
    task: Waker,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken: it must find the bell rung.
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// One source's bell. Rung when it is new: nobody has asked its source yet.
pub struct Bell {
    ring: Arc<Ring>,
    waker: Waker,
}

impl Bell {
    /// A bell that wakes `task`.
    pub fn new(task: &Waker) -> Self {
        let ring = Arc::new(Ring { rung: AtomicBool::new(true), task: task.clone() });
        Self { waker: Waker::from(Arc::clone(&ring)), ring }
    }

    /// Whether it was rung since the last time; whoever is told so asks the source until that has nothing more.
    pub fn answer(&self) -> bool {
        self.ring.rung.swap(false, Ordering::AcqRel)
    }

    /// Rings without waking: there is more to be asked for than could be taken, or the source is a new one.
    pub fn keep_ringing(&self) {
        self.ring.rung.store(true, Ordering::Release);
    }

    /// The context in which the source is asked.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(std::sync::atomic::AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_bell_rings_once_until_it_is_rung_again() {
        let wakes = Arc::new(Counter(0.into()));
        let bell = Bell::new(&Waker::from(Arc::clone(&wakes)));
        assert!(bell.answer(), "a new bell is rung");
        assert!(!bell.answer());
        bell.context().waker().wake_by_ref();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(bell.answer() && !bell.answer());
        bell.keep_ringing();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "keeping it ringing wakes nobody");
        assert!(bell.answer());
    }
}

//! An eventfd: one thread rings it, another waits for it in its poll. Ringing never blocks.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A bell that wakes whoever polls it. Clones ring the same bell.
#[derive(Debug, Clone)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// A bell that has not been rung.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)))
    }

    /// Rings. One system call; nothing happens when it is rung already.
    pub fn ring(&self) {
        // The counter is full after 2^64 rings only, and then it is rung.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Whether it was rung since the last time.
    pub fn answer(&self) -> bool {
        rustix::io::read(&*self.0, &mut [0u8; 8][..]).is_ok()
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_however_often_it_was_rung() {
        let bell = Bell::new().unwrap();
        assert!(!bell.answer());
        bell.ring();
        bell.clone().ring();
        assert!(bell.answer());
        assert!(!bell.answer());
    }
}

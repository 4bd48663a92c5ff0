//! What to do about what a stream shows: the error ladder, without I/O.
//!
//! ```text
//!  seen                                         done
//!  EAGAIN, EINTR                                try again next turn
//!  EPIPE, xrun                                  restart the stream (too often: end, Failing)
//!  ESTRPIPE, suspended                          resume; no such thing, or 1 s in vain: restart
//!  EIO                                          end, Transfer: close, wait, open again
//!  ENODEV, EBADFD, disconnected, POLLHUP/NVAL   end, Unplugged: never the same handle again
//!  running, nothing moves for 200 ms            end, Stalled
//!  off its rate by more than 1 %                end, Lying
//! ```
//!
//! Sources: the kernel's `sound/core/init.c` and `pcm_native.c`. Seen with `snd-usb-audio` on Debian 12's kernel: after an
//! unplug `readi` says `EBADFD` first and `ENODEV` later, and captures that stood still for more than 100 ms say `EIO`.

use super::clock;
use crate::block::Nanos;
use crate::pcm::port::{Direction, Errno, State};
use std::time::Duration;

/// A stream that runs and does not move for so long has stalled: USB loses endpoints without any error.
pub const STALL: Duration = Duration::from_millis(200);
/// How long a suspended stream is asked to resume.
pub const RESUMING: Duration = Duration::from_secs(1);
/// So many restarts without a single block between them are no xruns any more.
pub const RESTARTS: u32 = 8;
/// So many restarts within [`OFTEN`] are no xruns any more either, even if a little sound went through between them. A
/// capture that never starts makes the playout run dry 25 times before it is known to stand still, and is to blame.
pub const MANY: usize = 32;
/// See [`MANY`].
pub const OFTEN: Duration = Duration::from_secs(2);

/// What a stream showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A call answered with an error, while the stream was in this state.
    Error(Errno, State),
    /// The poll showed a fault, and the stream is in this state.
    Fault(State),
    /// The poll showed that it is gone.
    Gone,
    /// It has not moved for so long.
    Still(Duration, State),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    /// Nothing; the next turn tries again.
    Again,
    /// Prepare, fill, start.
    Restart(Why),
    /// Ask it to resume. When it cannot (`ENOSYS`), restart it.
    Resume,
    /// Give the device back.
    End(End),
}

/// Why a stream is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It ran over or dry.
    Xrun,
    /// The system slept.
    Suspended,
    /// It said this.
    Error(Errno),
}

/// Why the real-time thread ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// It was asked to.
    Stopped,
    /// The device is gone.
    Unplugged,
    /// A transfer over USB failed.
    Transfer(Direction),
    /// The stream runs and nothing moves.
    Stalled(Direction),
    /// It cannot be kept running.
    Failing(Direction, Errno),
    /// The stream runs at another rate than it says.
    Lying {
        /// Which direction.
        direction: Direction,
        /// The rate that it claims, Hz.
        claimed: u32,
        /// The rate by the clock, Hz.
        measured: f32,
    },
}

impl std::fmt::Display for End {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => out.write_str("closed"),
            Self::Unplugged => out.write_str("unplugged"),
            Self::Transfer(direction) => write!(out, "{direction}: a transfer over USB failed"),
            Self::Stalled(direction) => write!(out, "{direction} stood still without an error"),
            Self::Failing(direction, errno) => write!(out, "{direction} could not be kept running: {errno}"),
            Self::Lying { direction, claimed, measured } => {
                write!(out, "{direction} ran at {measured:.0} Hz instead of {claimed} Hz")
            }
        }
    }
}

/// The ladder of one stream.
#[derive(Debug)]
pub struct Ladder {
    direction: Direction,
    suspended: Option<Nanos>,
    restarts: u32,
    /// When it was restarted, the oldest at `next`.
    recent: [Option<Nanos>; MANY],
    next: usize,
}

impl Ladder {
    /// At the bottom.
    pub const fn new(direction: Direction) -> Self {
        Self { direction, suspended: None, restarts: 0, recent: [None; MANY], next: 0 }
    }

    /// The device moved the sound on by itself, since the last restart: whatever was wrong is over.
    pub fn moved(&mut self) {
        self.suspended = None;
        self.restarts = 0;
    }

    /// It ran since the last restart for as long as what it was given lasts: no row of restarts, for what else was.
    pub fn lasted(&mut self) {
        self.restarts = 0;
    }

    /// What to do about it.
    pub fn climb(&mut self, now: Nanos, seen: Seen) -> Act {
        match seen {
            Seen::Gone | Seen::Error(_, State::Disconnected) | Seen::Fault(State::Disconnected) => {
                Act::End(End::Unplugged)
            }
            Seen::Still(_, State::Disconnected) => Act::End(End::Unplugged),
            Seen::Error(errno, state) => self.error(now, errno, state),
            Seen::Fault(state) => self.state(now, state, Errno::IO),
            Seen::Still(span, _) if span < STALL => Act::Again,
            Seen::Still(_, State::Running) => Act::End(End::Stalled(self.direction)),
            Seen::Still(_, state) => self.state(now, state, Errno::PIPE),
        }
    }

    fn error(&mut self, now: Nanos, errno: Errno, state: State) -> Act {
        match errno {
            Errno::AGAIN if state == State::Suspended => self.suspended(now),
            Errno::AGAIN | Errno::INTR => Act::Again,
            Errno::PIPE => self.restart(now, Why::Xrun, errno),
            Errno::STRPIPE => self.suspended(now),
            Errno::NODEV | Errno::BADFD => Act::End(End::Unplugged),
            Errno::IO => Act::End(End::Transfer(self.direction)),
            _ => self.restart(now, Why::Error(errno), errno),
        }
    }

    fn state(&mut self, now: Nanos, state: State, errno: Errno) -> Act {
        match state {
            State::Xrun => self.restart(now, Why::Xrun, Errno::PIPE),
            State::Suspended => self.suspended(now),
            State::Disconnected => Act::End(End::Unplugged),
            // Nothing is wrong with it: the next read or write brings the error out, or the stillness does.
            State::Running => Act::Again,
            State::Stopped => self.restart(now, Why::Error(errno), errno),
        }
    }

    fn suspended(&mut self, now: Nanos) -> Act {
        let since = *self.suspended.get_or_insert(now);
        if clock::since(since, now) < RESUMING {
            return Act::Resume;
        }
        self.suspended = None;
        self.restart(now, Why::Suspended, Errno::STRPIPE)
    }

    /// It cannot resume.
    pub fn cannot_resume(&mut self, now: Nanos) -> Act {
        self.suspended = None;
        self.restart(now, Why::Suspended, Errno::STRPIPE)
    }

    fn restart(&mut self, now: Nanos, why: Why, errno: Errno) -> Act {
        self.restarts += 1;
        if self.restarts > RESTARTS || self.is_often(now) {
            return Act::End(End::Failing(self.direction, errno));
        }
        Act::Restart(why)
    }

    /// Takes note of a restart; whether there were more than [`MANY`] of late.
    fn is_often(&mut self, now: Nanos) -> bool {
        let Some(oldest) = self.recent.get_mut(self.next) else { return false };
        let before = oldest.replace(now);
        self.next = (self.next + 1) % MANY;
        before.is_some_and(|before| clock::since(before, now) < OFTEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: Nanos = Nanos(5_000_000_000);

    fn once(seen: Seen) -> Act {
        Ladder::new(Direction::Capture).climb(AT, seen)
    }

    #[test]
    fn every_rung_leads_where_the_picture_says() {
        let error = |errno| once(Seen::Error(errno, State::Running));
        assert_eq!(error(Errno::AGAIN), Act::Again);
        assert_eq!(error(Errno::INTR), Act::Again);
        assert_eq!(error(Errno::PIPE), Act::Restart(Why::Xrun));
        assert_eq!(error(Errno::STRPIPE), Act::Resume);
        assert_eq!(error(Errno::IO), Act::End(End::Transfer(Direction::Capture)));
        assert_eq!(error(Errno::NODEV), Act::End(End::Unplugged));
        assert_eq!(error(Errno::BADFD), Act::End(End::Unplugged));
        assert_eq!(error(Errno::of(-libc::EPIPE)), Act::Restart(Why::Xrun));
        assert_eq!(error(Errno::of(libc::EINVAL)), Act::Restart(Why::Error(Errno::of(libc::EINVAL))));
        assert_eq!(once(Seen::Gone), Act::End(End::Unplugged));
        assert_eq!(once(Seen::Error(Errno::PIPE, State::Disconnected)), Act::End(End::Unplugged));
        assert_eq!(once(Seen::Fault(State::Disconnected)), Act::End(End::Unplugged));
        assert_eq!(once(Seen::Fault(State::Xrun)), Act::Restart(Why::Xrun));
        assert_eq!(once(Seen::Fault(State::Suspended)), Act::Resume);
        assert_eq!(once(Seen::Fault(State::Running)), Act::Again);
        assert_eq!(once(Seen::Still(STALL, State::Running)), Act::End(End::Stalled(Direction::Capture)));
        assert_eq!(once(Seen::Still(STALL / 2, State::Running)), Act::Again);
        assert_eq!(once(Seen::Still(STALL, State::Xrun)), Act::Restart(Why::Xrun));
    }

    #[test]
    fn a_stream_that_does_not_resume_within_a_second_is_restarted() {
        let mut ladder = Ladder::new(Direction::Playout);
        for millis in (0..1_000).step_by(40) {
            let now = Nanos(AT.0 + millis * 1_000_000);
            assert_eq!(ladder.climb(now, Seen::Error(Errno::STRPIPE, State::Suspended)), Act::Resume);
        }
        let later = Nanos(AT.0 + 1_000_000_000);
        assert_eq!(ladder.climb(later, Seen::Error(Errno::AGAIN, State::Suspended)), Act::Restart(Why::Suspended));
        assert_eq!(Ladder::new(Direction::Playout).cannot_resume(later), Act::Restart(Why::Suspended));
    }

    #[test]
    fn xruns_without_a_block_between_them_are_given_up() {
        let mut ladder = Ladder::new(Direction::Playout);
        let seen = Seen::Error(Errno::PIPE, State::Xrun);
        for _ in 0..RESTARTS {
            assert_eq!(ladder.climb(AT, seen), Act::Restart(Why::Xrun));
        }
        assert_eq!(ladder.climb(AT, seen), Act::End(End::Failing(Direction::Playout, Errno::PIPE)));
        ladder.moved();
        assert_eq!(ladder.climb(AT, seen), Act::Restart(Why::Xrun));
    }

    #[test]
    fn xruns_that_come_too_often_are_given_up_though_sound_goes_through_between_them() {
        let xruns = |gap: u64| {
            let mut ladder = Ladder::new(Direction::Playout);
            let seen = Seen::Error(Errno::PIPE, State::Xrun);
            let climbed = (0..1_000).map(|n| {
                ladder.moved();
                ladder.climb(Nanos(AT.0 + n * gap * 1_000_000), seen)
            });
            climbed.take_while(|act| *act == Act::Restart(Why::Xrun)).count()
        };
        assert_eq!(xruns(60), MANY);
        assert_eq!(xruns(100), 1_000, "ten a second: a bad line, and still some sound");
    }

    fn any_state() -> impl Strategy<Value = State> {
        prop::sample::select(vec![State::Stopped, State::Running, State::Xrun, State::Suspended, State::Disconnected])
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            (any::<i32>(), any_state()).prop_map(|(number, state)| Seen::Error(Errno::of(number), state)),
            (0i32..140, any_state()).prop_map(|(number, state)| Seen::Error(Errno::of(-number), state)),
            any_state().prop_map(Seen::Fault),
            Just(Seen::Gone),
            (0u64..1_000, any_state()).prop_map(|(ms, state)| Seen::Still(Duration::from_millis(ms), state)),
        ]
    }

    proptest! {
        /// The loop cannot go on for ever without sound: a row of faults with no block between them ends, waits, or is one
        /// that a device with nothing wrong shows as well.
        #[test]
        fn restarts_are_bounded_and_a_device_that_is_gone_is_let_go(
            seen in prop::collection::vec(any_seen(), 1..200),
        ) {
            let mut ladder = Ladder::new(Direction::Capture);
            let mut restarts = 0;
            for (turn, seen) in seen.into_iter().enumerate() {
                let act = ladder.climb(Nanos(turn as u64 * 40_000_000), seen);
                let gone = matches!(
                    seen,
                    Seen::Gone
                        | Seen::Error(_, State::Disconnected)
                        | Seen::Fault(State::Disconnected)
                        | Seen::Still(_, State::Disconnected)
                );
                if gone {
                    prop_assert_eq!(act, Act::End(End::Unplugged));
                }
                match act {
                    Act::Restart(_) => restarts += 1,
                    Act::End(_) => return Ok(()),
                    Act::Again | Act::Resume => {}
                }
                prop_assert!(restarts <= RESTARTS);
            }
        }
    }
}

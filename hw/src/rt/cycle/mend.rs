//! What is done about what the [ladder](crate::rt::ladder) says: streams are started again, or the device is given back.

use super::Cycle;
use crate::block::{Nanos, PERIOD};
use crate::pcm::port::{Direction, Errno, Standing};
use crate::rt::clock::since;
use crate::rt::ladder::{Act, End, RESTARTS, Seen, Why};
use crate::rt::trace::RtNews;
use std::time::Duration;

/// A playout that runs for so long has played what it was started with, though nobody looked meanwhile.
const LASTING: Duration = PERIOD.saturating_mul(2);

impl Cycle {
    pub(super) fn fail(&mut self, direction: Direction, now: Nanos, errno: Errno) -> Result<(), End> {
        let state = self.pcm(direction).state();
        self.settle(direction, now, Seen::Error(errno, state))
    }

    /// Does what the ladder says about it. A restart that fails is seen in turn; the ladder ends that.
    pub(super) fn settle(&mut self, direction: Direction, now: Nanos, seen: Seen) -> Result<(), End> {
        if since(self.side(direction).started, now) > LASTING {
            self.side(direction).ladder.lasted();
        }
        let mut act = self.side(direction).ladder.climb(now, seen);
        for _ in 0..=RESTARTS {
            match act {
                Act::Again => return Ok(()),
                Act::End(end) => return Err(end),
                Act::Resume => match self.pcm(direction).resume() {
                    Ok(()) => {
                        self.resumed(direction, now);
                        return Ok(());
                    }
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                    Err(_) => act = self.side(direction).ladder.cannot_resume(now),
                },
                Act::Restart(why) => {
                    self.told(direction, why);
                    match self.restart(direction) {
                        Ok(()) => return Ok(()),
                        Err(errno) => {
                            let state = self.pcm(direction).state();
                            act = self.side(direction).ladder.climb(now, Seen::Error(errno, state));
                            // Between the steps of a restart there is no next turn to wait for.
                            if act == Act::Again {
                                return Ok(());
                            }
                        }
                    }
                }
            }
        }
        Err(End::Failing(direction, Errno::PIPE))
    }

    fn resumed(&mut self, direction: Direction, now: Nanos) {
        self.ports.begin_run();
        self.side(direction).moved = now;
        self.side(direction).meter.restart();
        self.side(direction).steady.restart();
        self.note(RtNews::Resumed(direction));
    }

    fn told(&mut self, direction: Direction, why: Why) {
        match (why, direction) {
            (Why::Xrun, Direction::Capture) => self.ports.figures().overruns.raise(),
            (Why::Xrun, Direction::Playout) => self.ports.figures().underruns.raise(),
            (Why::Suspended | Why::Error(_), _) => {}
        }
        self.note(match why {
            Why::Xrun => RtNews::Xrun(direction),
            Why::Suspended => RtNews::Resumed(direction),
            Why::Error(errno) => RtNews::Recovered(direction, errno),
        });
    }

    /// Prepares and starts one direction.
    fn restart(&mut self, direction: Direction) -> Result<(), Errno> {
        self.make_ready(direction)?;
        self.pcm(direction).start()
    }

    /// Prepares one direction; the playout with its target of sound in it.
    pub(super) fn make_ready(&mut self, direction: Direction) -> Result<(), Errno> {
        // One that still runs, after an odd error, would refuse to be prepared.
        self.pcm(direction).halt();
        self.pcm(direction).prepare()?;
        self.ports.begin_run();
        let now = self.duplex.waiter.now();
        self.side(direction).restart(now);
        if direction == Direction::Playout {
            let buffer = self.duplex.playout.setting().buffer;
            self.fill(now, Standing { avail: buffer, delay: 0, moved: None })?;
        }
        Ok(())
    }
}

//! The turns of a thread whose streams stand by: the device stays open, set up and watched, and nothing flows.

use super::{Cycle, FRUITLESS};
use crate::bell::Bell;
use crate::block::{Nanos, PERIOD};
use crate::pcm::port::{Direction, Errno, Ready, State, Woke};
use crate::rt::clock::since;
use crate::rt::ladder::End;
use crate::rt::standby::Step;
use crate::rt::trace::RtNews;

/// Heartbeats between two tries to make the stream ready anew.
const TRYING: u32 = 5;

impl Cycle {
    /// Behind a turn with sound: stops both directions when nobody needs them any more.
    pub(super) fn consider_rest(&mut self, now: Nanos) -> Result<(), End> {
        let needed = self.ports.knobs().wants_sound(now);
        match self.standby.step(now, needed) {
            Step::Rest => self.rest(),
            Step::GoOn | Step::Start { .. } => Ok(()),
        }
    }

    fn rest(&mut self) -> Result<(), End> {
        self.halt();
        self.watch_for_loss()?;
        (self.fruitless, self.heartbeats) = (0, 0);
        self.ports.figures().standing_by.set(true);
        self.ports.figures().standbys.raise();
        self.note(RtNews::StandsBy);
        Ok(())
    }

    /// A stopped stream always polls as one with an error. One that is ready to start is silent until it is lost.
    fn watch_for_loss(&mut self) -> Result<(), End> {
        self.duplex.capture.prepare().map_err(|errno| ended(Direction::Capture, errno))
    }

    /// One turn without sound: waits for somebody who needs the streams, and looks whether the device is there.
    pub(super) fn turn_at_rest(&mut self, bell: &Bell) -> Result<(), End> {
        let now = self.duplex.waiter.now();
        let patience = self.standby.patience(now);
        // A stream that shows something over and over, and nothing behind it, is looked at with each heartbeat only.
        let woke = if self.fruitless < FRUITLESS {
            self.duplex.waiter.wait(&mut *self.duplex.capture, bell, patience)
        } else {
            self.duplex.waiter.pause(bell, patience);
            Ok(Woke::Late)
        };
        let now = self.duplex.waiter.now();
        self.ports.figures().rt_turns.raise();
        bell.answer();
        match woke {
            Ok(Woke::Bell) => {}
            Ok(Woke::Late) => self.heartbeats = self.heartbeats.wrapping_add(1),
            Ok(Woke::Stream(Ready::Gone)) => return Err(End::Unplugged),
            Ok(Woke::Stream(Ready::No | Ready::Yes | Ready::Fault)) | Err(_) => {
                self.fruitless = self.fruitless.saturating_add(1);
            }
        }
        self.look_for_loss()?;
        // It obeys meanwhile, and shows that it lives.
        self.worker.ring();
        match self.standby.step(now, self.ports.knobs().wants_sound(now)) {
            Step::Start { needed } => self.rouse(needed),
            Step::GoOn | Step::Rest => Ok(()),
        }
    }

    /// A card that is gone answers no call. A plugin may not notice, until it is asked to make the stream ready.
    fn look_for_loss(&mut self) -> Result<(), End> {
        if self.heartbeats >= TRYING {
            self.heartbeats = 0;
            return self.watch_for_loss();
        }
        match self.duplex.capture.state() {
            State::Disconnected => return Err(End::Unplugged),
            State::Stopped => {}
            // The system slept, or a plugin has ideas of its own.
            State::Running | State::Xrun | State::Suspended => {
                self.duplex.capture.halt();
                self.watch_for_loss()?;
            }
        }
        match self.duplex.capture.standing() {
            Err(errno @ (Errno::NODEV | Errno::BADFD | Errno::IO)) => Err(ended(Direction::Capture, errno)),
            // Nothing else needs to be mended on streams that do not run: it shows again when they start.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Starts both directions for whoever has needed them since.
    fn rouse(&mut self, needed: Nanos) -> Result<(), End> {
        self.ports.begin_rousing();
        self.begin()?;
        self.worker.ring();
        self.ports.figures().standing_by.set(false);
        self.roused = Some(needed);
        self.fruitless = 0;
        self.note(RtNews::Roused);
        Ok(())
    }

    /// Behind a turn that captured something: how long whoever needed the streams had to wait for it.
    pub(super) fn count_rousing(&mut self, now: Nanos) {
        if let Some(needed) = self.roused.take() {
            self.ports.figures().rousing.count(since(needed, now).saturating_sub(PERIOD));
        }
    }
}

/// How a device ends of which this was seen while it was started or stopped.
pub(super) fn ended(direction: Direction, errno: Errno) -> End {
    match errno {
        Errno::NODEV | Errno::BADFD => End::Unplugged,
        Errno::IO => End::Transfer(direction),
        errno => End::Failing(direction, errno),
    }
}

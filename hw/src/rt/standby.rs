//! When the streams of a device that is there run, and when they stand by. No I/O and no clock: times come as arguments.
//!
//! ```text
//!             nobody has needed them for `linger`
//!   Running ─────────────────────────────────────► Resting
//!      ▲                                              │ somebody needs them
//!      └────────── LEAD, for the lamps ── Rousing ◄───┘
//! ```
//!
//! A stream that runs costs hundreds of wake-ups a second, for a desk at which nobody talks nearly all day. One that stands
//! by costs none, and does not listen either. It starts in milliseconds, but not unheard: some loudspeakers click, and the
//! echo has to be learnt anew. So streams run on for a while when a conversation is over.

use super::clock::{plus, since};
use crate::block::Nanos;
use std::time::Duration;

/// How long streams run on, as a rule. Longer than a device's true rate takes to be measured twice, 7 s: what a device is
/// good for is known before it first stands by, and its thread keeps what it has learnt.
pub const LINGER: Duration = Duration::from_secs(10);
/// From the need to the start: the lamps are set meanwhile. Some devices change their sound with the off-hook lamp, and
/// streams that run already would hear it.
pub const LEAD: Duration = Duration::from_millis(20);
/// How often a thread without streams looks whether its device is there, and shows that it lives: more often than any
/// watchdog asks.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What is done already.
    GoOn,
    /// Stop the streams.
    Rest,
    /// Start them. They have been needed since.
    Start {
        /// The moment.
        needed: Nanos,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// They run, and were needed last at this moment; or started then.
    Running {
        needed: Nanos,
    },
    Resting,
    /// Needed since.
    Rousing {
        needed: Nanos,
    },
}

/// The decision, for one device.
#[derive(Debug)]
pub struct Standby {
    linger: Option<Duration>,
    state: State,
}

impl Standby {
    /// Streams that run on for `linger`; for ever without one.
    pub const fn new(linger: Option<Duration>) -> Self {
        Self { linger, state: State::Running { needed: Nanos(0) } }
    }

    /// The streams were started.
    pub const fn started(&mut self, now: Nanos) {
        self.state = State::Running { needed: now };
    }

    /// Whether they stand by, or are about to start.
    pub const fn is_resting(&self) -> bool {
        !matches!(self.state, State::Running { .. })
    }

    /// What to do at `now`, when somebody needs the streams or nobody does. After [`Step::Start`] it is told when they
    /// have [started](Self::started); until then it says the same again.
    pub fn step(&mut self, now: Nanos, needed: bool) -> Step {
        match (self.state, needed) {
            (State::Running { .. }, true) => {
                self.state = State::Running { needed: now };
                Step::GoOn
            }
            (State::Running { needed: last }, false) if self.linger.is_some_and(|span| since(last, now) >= span) => {
                self.state = State::Resting;
                Step::Rest
            }
            (State::Resting, true) => {
                self.state = State::Rousing { needed: now };
                Step::GoOn
            }
            // Needed for a moment: whoever needed them finds them running.
            (State::Rousing { needed }, _) if since(needed, now) >= LEAD => Step::Start { needed },
            (State::Running { .. } | State::Resting, false) | (State::Rousing { .. }, _) => Step::GoOn,
        }
    }

    /// How long nothing is to be done while they stand by, unless somebody rings.
    pub fn patience(&self, now: Nanos) -> Duration {
        match self.state {
            State::Rousing { needed } => since(now, plus(needed, LEAD)),
            State::Resting | State::Running { .. } => HEARTBEAT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(millis: u64) -> Nanos {
        Nanos(1_000_000_000 + millis * 1_000_000)
    }

    fn resting() -> Standby {
        let mut standby = Standby::new(Some(Duration::from_secs(10)));
        standby.started(at(0));
        assert_eq!(standby.step(at(10_000), false), Step::Rest);
        standby
    }

    #[test]
    fn streams_run_on_for_a_while_behind_the_last_need_and_no_longer() {
        let mut standby = Standby::new(Some(Duration::from_secs(10)));
        standby.started(at(0));
        assert_eq!(standby.step(at(9_999), false), Step::GoOn, "the start counts as a need");
        assert_eq!(standby.step(at(9_999), true), Step::GoOn);
        assert_eq!(standby.step(at(19_998), false), Step::GoOn);
        assert_eq!(standby.step(at(19_999), false), Step::Rest);
        assert!(standby.is_resting());
        assert_eq!(standby.step(at(90_000), false), Step::GoOn, "told once");
    }

    #[test]
    fn a_need_starts_them_when_the_lamps_have_had_their_time() {
        let mut standby = resting();
        assert_eq!(standby.patience(at(60_000)), HEARTBEAT);
        assert_eq!(standby.step(at(60_000), true), Step::GoOn);
        assert_eq!(standby.patience(at(60_005)), Duration::from_millis(15));
        assert_eq!(standby.step(at(60_005), true), Step::GoOn);
        assert_eq!(standby.step(at(60_020), true), Step::Start { needed: at(60_000) });
        assert!(standby.is_resting(), "until it is told that they run");
        standby.started(at(60_050));
        assert!(!standby.is_resting());
        assert_eq!(standby.step(at(70_049), false), Step::GoOn);
        assert_eq!(standby.step(at(70_050), false), Step::Rest);
    }

    #[test]
    fn a_need_that_is_over_before_they_start_starts_them_all_the_same() {
        let mut standby = resting();
        standby.step(at(60_000), true);
        assert_eq!(standby.step(at(60_020), false), Step::Start { needed: at(60_000) });
    }

    #[test]
    fn without_a_linger_they_never_stand_by() {
        let mut standby = Standby::new(None);
        standby.started(at(0));
        assert_eq!(standby.step(Nanos(u64::MAX), false), Step::GoOn);
        assert!(!standby.is_resting());
    }

    proptest! {
        #[test]
        fn whoever_needs_sound_has_it_within_the_lead(needs in prop::collection::vec((0u64..30_000, any::<bool>()), 1..60)) {
            let mut standby = Standby::new(Some(Duration::from_secs(10)));
            standby.started(at(0));
            let (mut now, mut waits) = (0, None);
            for (later, needed) in needs {
                now += later;
                // As the thread does: it sleeps no longer than it is told to.
                loop {
                    match standby.step(at(now), needed) {
                        Step::Start { needed } => {
                            prop_assert!(since(needed, at(now)) >= LEAD);
                            standby.started(at(now));
                            waits = None;
                        }
                        Step::Rest => prop_assert!(!needed),
                        Step::GoOn => {}
                    }
                    if !(needed && standby.is_resting()) {
                        break;
                    }
                    let first = *waits.get_or_insert(now);
                    prop_assert!(now - first <= LEAD.as_millis() as u64);
                    now += standby.patience(at(now)).as_millis() as u64;
                }
            }
        }
    }
}

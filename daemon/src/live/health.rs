//! Whether Gemini is known to be down, so that the next caller is not made to find out.
//!
//! ```text
//!            up()                    down()
//! Unknown ─────────► Up      any ─────────────► Down ──rest is over──► Unknown   (a configuration stays Down)
//!                            any ──suspect()──► Suspect ──10 s──► Unknown
//! ```
//!
//! Before the machine's clock is right the state is `WaitingForClock`, and stays it until somebody says that it is.
//!
//! Nothing is probed while nobody calls: a failure is remembered for a while, then the next call tries again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_core::gemini::live::Fault;
use log::{info, warn};

use crate::logging::Event;

/// Somebody may be renewing a key just now.
const REST_OF_CONFIGURATION: Duration = Duration::from_mins(1);
/// Quotas are counted by the minute.
const REST_OF_QUOTA: Duration = Duration::from_secs(65);
/// After the first failure to reach the service; twice as long after each further one.
const SHORTEST_REST: Duration = Duration::from_secs(20);
/// An outage of hours costs one caller in five minutes the first seconds of the call.
const LONGEST_REST: Duration = Duration::from_mins(5);
/// How long a first sign of trouble is believed: by then the call that met it knows more.
const SUSPECT_FOR: Duration = Duration::from_secs(10);

/// What is known of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Nobody has called yet, or what was known of it is too old.
    Unknown,
    /// The last conversation could be opened.
    Up,
    /// A call that is under way could not connect at once: no outage yet, but no new call is tried before then.
    Suspect {
        /// When the suspicion is dropped.
        until: Instant,
    },
    /// The machine's clock is wrong: no certificate would hold, so nobody tries.
    WaitingForClock,
    /// It could not be used; not tried again before then.
    Down {
        /// Whose fault.
        fault: Fault,
        /// The next call after this tries again.
        until: Instant,
    },
}

impl LiveState {
    /// The word for people, and why.
    pub fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Unknown => ("unknown", None),
            Self::Up => ("up", None),
            Self::Suspect { .. } => ("suspect", None),
            Self::WaitingForClock => ("waiting", Some("the machine's clock is not set")),
            Self::Down { fault, .. } => ("down", Some(fault_word(fault))),
        }
    }
}

#[derive(Debug)]
struct Known {
    state: LiveState,
    since: Instant,
    /// How long the next failure to reach the service is rested on.
    next_rest: Duration,
    /// The fault that the log was told of; an outage is told once, however many callers meet it.
    told: Option<Fault>,
}

impl Known {
    /// Before the clock is right nothing else is worth knowing.
    fn turn(&mut self, now: Instant, state: LiveState) {
        if self.state != LiveState::WaitingForClock {
            (self.state, self.since) = (state, now);
        }
    }
}

/// The memory of the service's state. Cheap to ask.
#[derive(Debug)]
pub struct LiveHealth {
    known: Mutex<Known>,
}

impl LiveHealth {
    /// Nothing is known.
    pub fn new(now: Instant) -> Self {
        let known = Known { state: LiveState::Unknown, since: now, next_rest: SHORTEST_REST, told: None };
        Self { known: Mutex::new(known) }
    }

    /// A conversation was opened.
    pub fn up(&self, now: Instant) {
        let mut known = self.lock();
        known.turn(now, LiveState::Up);
        if known.told.take().is_some() {
            info!(event:% = Event::GeminiUp; "Gemini can be reached again");
        }
        known.next_rest = SHORTEST_REST;
    }

    /// A conversation was lost, or could not be opened.
    pub fn down(&self, now: Instant, fault: Fault) {
        let mut known = self.lock();
        let rest = match fault {
            Fault::Configuration => REST_OF_CONFIGURATION,
            Fault::Quota => REST_OF_QUOTA,
            Fault::Unreachable => {
                // Calls that fail together have met one outage, not many.
                if matches!(known.state, LiveState::Down { fault: Fault::Unreachable, until } if now < until) {
                    return;
                }
                let rest = known.next_rest;
                known.next_rest = LONGEST_REST.min(rest * 2);
                rest
            }
        };
        known.turn(now, LiveState::Down { fault, until: now + rest });
        if known.told.replace(fault) != Some(fault) {
            let event = if fault == Fault::Configuration { Event::GeminiRefused } else { Event::GeminiDown };
            let seconds = rest.as_secs();
            warn!(event:% = event; "Gemini cannot be used: {}; callers go to the fallback, and it is tried again in {seconds} s", fault_word(fault));
        }
    }

    /// A call that is under way could not connect at first and tries again: new calls are not tried for ten seconds. It
    /// counts as no outage, and changes nothing while one is known.
    pub fn suspect(&self, now: Instant) {
        let mut known = self.lock();
        if !matches!(known.state, LiveState::Down { until, .. } if now < until) {
            known.turn(now, LiveState::Suspect { until: now + SUSPECT_FOR });
        }
    }

    /// The machine's clock is wrong: nobody tries before [`clock_is_right`](Self::clock_is_right), whatever else happens.
    pub fn wait_for_clock(&self, now: Instant) {
        self.lock().turn(now, LiveState::WaitingForClock);
    }

    /// The clock has been set; of the service nothing is known. Changes nothing if it was not waited for.
    pub fn clock_is_right(&self, now: Instant) {
        let mut known = self.lock();
        if known.state == LiveState::WaitingForClock {
            (known.state, known.since) = (LiveState::Unknown, now);
        }
    }

    /// Whether the machine's clock is waited for.
    pub fn waits_for_clock(&self) -> bool {
        self.lock().state == LiveState::WaitingForClock
    }

    /// Whether the next call should not even try.
    pub fn is_down(&self, now: Instant) -> bool {
        match self.lock().state {
            LiveState::Down { until, .. } | LiveState::Suspect { until } => now < until,
            LiveState::WaitingForClock => true,
            LiveState::Unknown | LiveState::Up => false,
        }
    }

    /// What is known at `now`, and since when. An outage that may be over by now is not known any more; a configuration
    /// that was refused stays refused until a call shows that somebody has mended it.
    pub fn state(&self, now: Instant) -> (LiveState, Instant) {
        let known = self.lock();
        match known.state {
            LiveState::Down { fault: Fault::Quota | Fault::Unreachable, until } | LiveState::Suspect { until }
                if now >= until =>
            {
                (LiveState::Unknown, until)
            }
            state => (state, known.since),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word for logs and metrics.
pub fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Configuration => "configuration",
        Fault::Quota => "quota",
        Fault::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn health() -> (LiveHealth, Instant) {
        let now = Instant::now();
        (LiveHealth::new(now), now)
    }

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let (health, now) = health();
        assert!(!health.is_down(now));
        health.down(now, Fault::Unreachable);
        assert!(health.is_down(now + 19 * SECOND));
        assert!(!health.is_down(now + 20 * SECOND), "the next call tries again");
        health.up(now);
        assert!(!health.is_down(now));
    }

    #[test]
    fn while_the_clock_is_wrong_nobody_tries() {
        let (health, now) = health();
        health.clock_is_right(now);
        assert_eq!(health.state(now), (LiveState::Unknown, now));
        health.wait_for_clock(now);
        health.up(now + SECOND);
        health.down(now + SECOND, Fault::Quota);
        let hours = now + 10_000 * SECOND;
        assert!(health.is_down(hours));
        assert_eq!(health.state(hours), (LiveState::WaitingForClock, now));
        health.clock_is_right(hours);
        assert!(!health.is_down(hours));
        assert_eq!(health.state(hours), (LiveState::Unknown, hours));
    }

    #[test]
    fn an_outage_that_may_be_over_is_not_known_any_more_and_a_bad_configuration_is() {
        for (fault, rest, then) in [
            (Fault::Unreachable, 20 * SECOND, "unknown"),
            (Fault::Quota, 65 * SECOND, "unknown"),
            (Fault::Configuration, 60 * SECOND, "down"),
        ] {
            let (health, now) = health();
            health.down(now, fault);
            assert_eq!(health.state(now + SECOND).0.words(), ("down", Some(fault_word(fault))));
            assert_eq!(health.state(now + rest).0.words().0, then, "{fault:?}");
        }
        let (health, now) = health();
        health.down(now, Fault::Quota);
        assert_eq!(health.state(now + 100 * SECOND).1, now + 65 * SECOND, "unknown since then");
    }

    #[test]
    fn an_outage_that_lasts_is_tried_less_and_less_often() {
        let (health, mut now) = health();
        let mut rests = Vec::new();
        for _ in 0..6 {
            health.down(now, Fault::Unreachable);
            // Another call that was cut by the same outage.
            health.down(now + SECOND, Fault::Unreachable);
            let LiveState::Down { until, .. } = health.state(now).0 else { panic!("it is down") };
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests, [20, 40, 80, 160, 300, 300]);
        health.up(now);
        health.down(now, Fault::Unreachable);
        assert!(!health.is_down(now + 20 * SECOND), "it was up in between");
    }

    #[test]
    fn a_suspicion_spares_new_callers_for_ten_seconds_and_is_no_outage() {
        let (health, now) = health();
        health.suspect(now);
        assert_eq!(health.state(now).0.words(), ("suspect", None));
        assert!(health.is_down(now + 9 * SECOND));
        assert!(!health.is_down(now + 10 * SECOND));
        assert_eq!(health.state(now + 10 * SECOND).0, LiveState::Unknown);
        health.suspect(now);
        health.up(now + SECOND);
        assert!(!health.is_down(now + SECOND), "it has connected after all");
        health.down(now, Fault::Unreachable);
        health.suspect(now + SECOND);
        assert!(health.is_down(now + 19 * SECOND), "an outage is more than a suspicion");
        assert!(!health.is_down(now + 20 * SECOND), "and was the first in a row");
    }
}

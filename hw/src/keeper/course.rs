//! When to try again, at which rates, and what to tell a person. No I/O; times come as arguments.

use super::Pace;
use super::backend::Failure;
use super::news::Trouble;
use crate::pcm::port::Direction;
use crate::rt::ladder::End;
use frontdesk_core::backoff::Backoff;
use std::time::{Duration, Instant};

/// A device that ran for so long was well: its troubles before do not count any more.
const WELL: Duration = Duration::from_secs(5);
/// So many failures within [`MINUTE`] are worth a person's attention.
const OFTEN: usize = 3;
const MINUTE: Duration = Duration::from_mins(1);
/// After a failed transfer the bus gets time.
const AFTER_TRANSFER: Duration = Duration::from_millis(200);

/// Rates that a device has shown not to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Avoid {
    device: String,
    rates: Vec<(Direction, u32)>,
}

impl Avoid {
    /// The rates of one direction to be avoided, of this device.
    pub fn rates(&self, device: &str, direction: Direction) -> Vec<u32> {
        let its = self.rates.iter().filter(|(way, _)| self.device == device && *way == direction);
        its.map(|(_, rate)| *rate).collect()
    }

    fn add(&mut self, device: &str, direction: Direction, rate: u32) {
        if self.device != device {
            *self = Self { device: device.to_owned(), rates: Vec::new() };
        }
        if !self.rates.contains(&(direction, rate)) {
            self.rates.push((direction, rate));
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Try again after so long.
    pub after: Duration,
    /// What to tell a person.
    pub trouble: Option<Trouble>,
}

/// The course of one desk.
#[derive(Debug)]
pub struct Course {
    pace: Pace,
    backoff: Backoff,
    avoid: Avoid,
    strict: bool,
    transfers: Vec<Instant>,
    stalls: Vec<Instant>,
}

impl Course {
    /// At the beginning. The seed spreads the tries.
    pub fn new(pace: Pace, seed: u64) -> Self {
        Self {
            pace,
            backoff: Backoff::new(pace.first, pace.most, seed),
            avoid: Avoid::default(),
            strict: true,
            transfers: Vec::new(),
            stalls: Vec::new(),
        }
    }

    /// Rates to be avoided.
    pub fn avoid(&self) -> &Avoid {
        &self.avoid
    }

    /// Whether a device that does not keep its rate is given back: not when it keeps none.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The hardware has changed: try again after so long.
    pub fn plugged(&mut self) -> Duration {
        self.backoff.reset();
        // It may be another device, and that one may keep its rate.
        self.strict = true;
        self.pace.settle
    }

    /// It could not be opened.
    pub fn failed(&mut self, failure: &Failure) -> Next {
        if matches!(failure, Failure::Unusable { .. }) && !self.avoid.rates.is_empty() {
            // It keeps none of its rates: one that is off is better than none.
            self.avoid = Avoid::default();
            self.strict = false;
            return Next { after: self.delay(false), trouble: None };
        }
        let blind = matches!(failure, Failure::Busy { .. } | Failure::Refused { .. });
        Next { after: self.delay(blind), trouble: Some(failure.trouble()) }
    }

    /// The device's life ended: that of `device`, after `lasted`.
    pub fn ended(&mut self, now: Instant, device: &str, lasted: Duration, end: End) -> Next {
        if lasted >= WELL {
            self.backoff.reset();
        }
        let mut after = self.delay(false);
        let trouble = match end {
            End::Stopped | End::Unplugged => None,
            End::Transfer(_) => {
                after = after.max(AFTER_TRANSFER.min(self.pace.most));
                often(&mut self.transfers, now).then(|| Trouble {
                    what: format!("transfers over USB to {device} keep failing"),
                    would_do: "another cable, a port of the box itself instead of a hub, or a hub with its own power"
                        .into(),
                })
            }
            End::Stalled(direction) => often(&mut self.stalls, now).then(|| Trouble {
                what: format!("{direction} of {device} keeps standing still, and no error says why"),
                would_do: "unplug it and plug it in again; if that happens often, use another port".into(),
            }),
            End::Failing(direction, errno) => Some(Trouble {
                what: format!("{direction} of {device} cannot be kept running: {errno}"),
                would_do: "unplug it and plug it in again".into(),
            }),
            End::Lying { direction, claimed, measured } => {
                self.avoid.add(device, direction, claimed);
                Some(Trouble {
                    what: format!("{direction} of {device} runs at {measured:.0} Hz when {claimed} Hz are asked for"),
                    would_do: "nothing: another rate is tried; if none is right, use another device".into(),
                })
            }
        };
        Next { after, trouble }
    }

    fn delay(&mut self, blind: bool) -> Duration {
        let delay = self.backoff.next().unwrap_or(self.pace.most);
        if blind { delay.min(self.pace.blind) } else { delay }
    }
}

/// Whether this is the third within a minute.
fn often(times: &mut Vec<Instant>, now: Instant) -> bool {
    times.retain(|then| now.saturating_duration_since(*then) < MINUTE);
    times.push(now);
    times.len() >= OFTEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::port::Errno;
    use proptest::prelude::*;

    fn course() -> Course {
        Course::new(Pace::default(), 1)
    }

    const fn lying(claimed: u32) -> End {
        End::Lying { direction: Direction::Playout, claimed, measured: 22_050.0 }
    }

    #[test]
    fn tries_grow_rare_until_something_is_plugged_in() {
        let mut course = course();
        let absent = Failure::NotThere { what: "nothing".into() };
        let delays: Vec<_> = (0..10).map(|_| course.failed(&absent).after).collect();
        assert!(delays[0] <= Duration::from_millis(120) && delays[9] >= Duration::from_secs(4), "{delays:?}");
        assert_eq!(course.plugged(), Duration::from_millis(250));
        assert!(course.failed(&absent).after <= Duration::from_millis(120));
    }

    #[test]
    fn where_nothing_tells_of_a_change_tries_stay_within_two_seconds() {
        let mut course = course();
        let busy = Failure::Busy { device: "x".into(), direction: Direction::Capture, owner: None };
        assert!((0..20).all(|_| course.failed(&busy).after < Duration::from_secs(2)));
    }

    #[test]
    fn a_bad_cable_is_reported_the_third_time_within_a_minute() {
        let mut course = course();
        let start = Instant::now();
        let mut end = |seconds| {
            course.ended(start + Duration::from_secs(seconds), "J", Duration::ZERO, End::Transfer(Direction::Capture))
        };
        assert!(end(0).trouble.is_none() && end(70).trouble.is_none());
        let next = end(80);
        assert!(next.trouble.is_none() && next.after >= Duration::from_millis(200));
        assert!(end(90).trouble.unwrap().would_do.contains("cable"));
    }

    #[test]
    fn a_device_that_lies_is_opened_at_another_rate_and_at_last_at_any() {
        let mut course = course();
        let trouble = course.ended(Instant::now(), "J", Duration::ZERO, lying(16_000)).trouble.unwrap();
        assert!(trouble.what.contains("runs at 22050 Hz when 16000 Hz"), "{trouble:?}");
        assert_eq!(course.avoid().rates("J", Direction::Playout), [16_000]);
        assert_eq!(course.avoid().rates("J", Direction::Capture), [0u32; 0]);
        assert_eq!(course.avoid().rates("other", Direction::Playout), [0u32; 0]);
        let unusable = Failure::Unusable { device: "J".into(), what: "none left".into() };
        assert!(course.is_strict() && course.failed(&unusable).trouble.is_none());
        assert!(!course.is_strict() && course.avoid().rates("J", Direction::Playout).is_empty());
        assert!(course.failed(&unusable).trouble.is_some(), "now it really is");
        course.plugged();
        assert!(course.is_strict(), "what is plugged in next is held to its word again");
    }

    proptest! {
        #[test]
        fn no_life_of_a_device_makes_a_try_wait_longer_than_its_due(
            ends in prop::collection::vec(
                (prop::sample::select(vec![
                    End::Unplugged,
                    End::Transfer(Direction::Playout),
                    End::Stalled(Direction::Capture),
                    End::Failing(Direction::Capture, Errno::IO),
                    lying(8_000),
                    lying(48_000),
                ]), 0u64..20),
                1..100,
            )
        ) {
            let mut course = course();
            let mut now = Instant::now();
            for (end, seconds) in ends {
                now += Duration::from_secs(seconds);
                let next = course.ended(now, "J", Duration::from_secs(seconds), end);
                prop_assert!(next.after <= Duration::from_secs(6));
                prop_assert!(seconds < 5 || next.after <= Duration::from_millis(240));
                prop_assert!(course.transfers.len() <= 100 && course.avoid.rates.len() <= 2);
            }
        }
    }
}

//! When to look for a device's buttons, and when to say that there are none. No file, no clock.
//!
//! The sound card is there before its buttons are: the hidraw node and its udev rule come some hundred milliseconds later,
//! and at the first plug after boot `hid-generic` binds first and hangs up its node when the vendor's module
//! (`hid-jabra`, `hid-plantronics`) takes over. So what fails is tried again, and told only when it goes on failing.

use std::time::{Duration, Instant};

/// From the first failure to the next try.
pub const FIRST: Duration = Duration::from_millis(250);
/// Between two tries at most.
pub const MOST: Duration = Duration::from_secs(5);
/// For so long there must be none before it is told, and some before that is taken back.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// The search for the buttons of one device, from its attachment to its end.
///
/// ```text
///            found                    PATIENCE
///  Without ─────────► With (young) ───────────► With (lasting)
///    │ ▲ ▲  failed      │ failed                   │ failed
///    └─┘ └──────────────┴──────────────────────────┘
/// ```
///
/// Buttons that come and go faster than [`PATIENCE`] are as good as none: the spell without them goes on.
#[derive(Debug)]
pub struct Search {
    state: State,
    /// The present spell without buttons that last; `None` while they do.
    without: Option<Spell>,
}

#[derive(Debug)]
enum State {
    Without { next: Instant },
    With { since: Instant },
}

#[derive(Debug, Clone, Copy)]
struct Spell {
    since: Instant,
    wait: Duration,
    told: bool,
}

impl Spell {
    fn new(since: Instant) -> Self {
        Self { since, wait: FIRST, told: false }
    }
}

impl Search {
    /// For a device that was just attached: the first try is due at once.
    pub fn new(now: Instant) -> Self {
        Self { state: State::Without { next: now }, without: Some(Spell::new(now)) }
    }

    /// Whether a try is due.
    pub fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Without { next } if next <= now)
    }

    /// A try has succeeded.
    pub fn found(&mut self, now: Instant) {
        self.state = State::With { since: now };
    }

    /// A try has failed, or what was found is lost. Whether that is to be told.
    pub fn failed(&mut self, now: Instant) -> bool {
        let spell = self.without.get_or_insert(Spell::new(now));
        self.state = State::Without { next: now + spell.wait };
        spell.wait = (spell.wait * 2).min(MOST);
        let tell = !spell.told && now.saturating_duration_since(spell.since) >= PATIENCE;
        spell.told |= tell;
        tell
    }

    /// To be asked now and then. Whether what was told is to be taken back: what was found has lasted.
    pub fn lasts(&mut self, now: Instant) -> bool {
        match self.state {
            State::With { since } if now.saturating_duration_since(since) >= PATIENCE => {
                self.without.take().is_some_and(|spell| spell.told)
            }
            State::With { .. } | State::Without { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails at every try; the times of the tries and of what was told.
    fn fail_for(search: &mut Search, start: Instant, span: Duration) -> (Vec<Duration>, Vec<Duration>) {
        let (mut tries, mut told) = (Vec::new(), Vec::new());
        for at in (0..span.as_millis() as u64).step_by(50).map(Duration::from_millis) {
            if search.is_due(start + at) {
                tries.push(at);
                told.extend(search.failed(start + at).then_some(at));
            }
        }
        (tries, told)
    }

    #[test]
    fn what_fails_is_tried_again_ever_more_slowly_and_told_once() {
        let start = Instant::now();
        let (tries, told) = fail_for(&mut Search::new(start), start, Duration::from_mins(1));
        let millis: Vec<_> = tries.iter().map(Duration::as_millis).take(8).collect();
        assert_eq!(millis, [0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750]);
        assert_eq!(told, [Duration::from_millis(3_750)]);
    }

    #[test]
    fn a_node_that_comes_late_or_hangs_up_once_is_not_worth_a_word() {
        let start = Instant::now();
        let mut search = Search::new(start);
        assert!(!search.failed(start));
        search.found(start + FIRST);
        assert!(!search.is_due(start + FIRST));
        assert!(!search.failed(start + Duration::from_secs(1)));
        search.found(start + Duration::from_secs(2));
        assert!(!search.lasts(start + Duration::from_mins(1)));
    }

    #[test]
    fn what_was_told_is_taken_back_when_the_buttons_last() {
        let start = Instant::now();
        let mut search = Search::new(start);
        assert_eq!(fail_for(&mut search, start, Duration::from_secs(10)).1.len(), 1);
        let found = start + Duration::from_secs(12);
        search.found(found);
        assert!(!search.lasts(found + PATIENCE / 2));
        assert!(search.lasts(found + PATIENCE));
        assert!(!search.lasts(found + PATIENCE * 2), "once");
        // The next loss is a new one: tried again soon, told late.
        let lost = found + Duration::from_hours(1);
        assert!(!search.failed(lost));
        assert!(search.is_due(lost + FIRST));
    }

    proptest! {
        #[test]
        fn told_and_taken_back_take_turns_and_each_takes_its_time(
            steps in prop::collection::vec((0u64..4_000, any::<bool>()), 0..80)
        ) {
            let mut now = Instant::now();
            let mut search = Search::new(now);
            let (mut said_none, mut changed) = (false, now);
            for (ms, good) in steps {
                now += Duration::from_millis(ms);
                if search.lasts(now) {
                    prop_assert!(said_none && now - changed >= PATIENCE);
                    (said_none, changed) = (false, now);
                }
                if good && search.is_due(now) {
                    search.found(now);
                } else if !good && search.failed(now) {
                    prop_assert!(!said_none && now - changed >= PATIENCE);
                    (said_none, changed) = (true, now);
                }
                // Without buttons there always is a next try.
                let found = matches!(search.state, State::With { .. });
                prop_assert!(found || search.is_due(now + MOST));
            }
        }
    }
}

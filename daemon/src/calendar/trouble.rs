//! Telling of what does not work, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use frontdesk_core::clinic::ids::PractitionerId;

/// What is wrong with whose calendar. A calendar is asked every minute and for every caller: what has been said already is
/// not said again before it changes or is over.
#[derive(Debug, Default)]
pub struct Troubles {
    said: Mutex<BTreeMap<PractitionerId, Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    why: String,
    /// The calendar has not been usable since then, for whatever reason.
    since: Instant,
}

impl Troubles {
    /// Nothing is wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// That calendar cannot be used; `why` names nobody. Logged, and `true`, if it is news.
    pub fn note(&self, of: &PractitionerId, why: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(of).is_some_and(|before| before.why == why) {
            return false;
        }
        log::warn!(practitioner = of.as_str(); "the outside calendar cannot be used: {why}");
        let since = said.get(of).map_or_else(Instant::now, |before| before.since);
        said.insert(of.clone(), Trouble { why: why.to_owned(), since });
        true
    }

    /// That calendar can be used. Logged, and `true`, if it is news.
    pub fn over(&self, of: &PractitionerId) -> bool {
        let was_said = self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(of).is_some();
        if was_said {
            log::info!(practitioner = of.as_str(); "the outside calendar can be used again");
        }
        was_said
    }

    /// How many calendars have not been usable for longer than `span` at `now`.
    pub fn lasting(&self, span: Duration, now: Instant) -> usize {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.values().filter(|trouble| now.saturating_duration_since(trouble.since) > span).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_so_is_its_end() {
        let (troubles, osei) = (Troubles::new(), PractitionerId::parse("osei").unwrap());
        assert!(!troubles.over(&osei));
        assert_eq!(["away", "away", "full", "away"].map(|why| troubles.note(&osei, why)), [true, false, true, true]);
        assert!(troubles.note(&PractitionerId::parse("kim").unwrap(), "away"), "another's is another trouble");
        assert_eq!([troubles.over(&osei), troubles.over(&osei), troubles.note(&osei, "away")], [true, false, true]);
    }

    #[test]
    fn a_trouble_lasts_from_its_first_reason_until_it_is_over() {
        let (troubles, osei) = (Troubles::new(), PractitionerId::parse("osei").unwrap());
        let (span, later) = (Duration::from_mins(15), Instant::now() + Duration::from_mins(16));
        troubles.note(&osei, "away");
        troubles.note(&osei, "full");
        assert_eq!([troubles.lasting(span, Instant::now()), troubles.lasting(span, later)], [0, 1]);
        troubles.over(&osei);
        assert_eq!(troubles.lasting(span, later), 0);
    }
}

//! The one line that `systemctl status` shows, such as
//! `2 calls · desk: Jabra Speak2 55, 48 kHz · Gemini ok 120 ms`: what is, then what somebody should look at.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::shown;
use crate::doors::Door;
use crate::http::reply::StoreState;
use crate::live::health::{LiveState, fault_word};

/// What the line is made of.
#[derive(Debug)]
pub(super) struct Line {
    /// Phone calls that run.
    pub(super) calls: usize,
    /// The desk in a few words, if there is one.
    pub(super) desk: Option<String>,
    /// What is known of Gemini, and how long the last connection took.
    pub(super) gemini: (LiveState, Option<Duration>),
    /// What the machine's clock shows.
    pub(super) clock: Timestamp,
    /// Where records are kept.
    pub(super) store: StoreState,
    /// Errands that were given up.
    pub(super) dead: u64,
    /// What is wrong outside.
    pub(super) outside: Vec<Outside>,
    /// Listeners that wait for their address.
    pub(super) shut: Vec<Door>,
    /// Where the first mistake of a configuration is that was refused.
    pub(super) reload_refused: Option<String>,
    /// No conversations begin any more.
    pub(super) draining: bool,
}

/// Something that is wrong outside of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Somebody must log in at Google.
    Google,
    /// Errands wait for longer than they should.
    Outbox,
    /// A calendar has not answered for long.
    Calendar,
}

impl Outside {
    fn words(self) -> &'static str {
        match self {
            Self::Google => "Google needs somebody (frontdeskctl google)",
            Self::Outbox => "the outbox is late",
            Self::Calendar => "calendar not usable",
        }
    }
}

impl Line {
    pub(super) fn text(&self) -> String {
        let what = [Some(calls(self.calls)), self.desk.clone(), Some(self.gemini())];
        what.into_iter().flatten().chain(self.troubles()).collect::<Vec<_>>().join(" · ")
    }

    fn gemini(&self) -> String {
        match self.gemini {
            (LiveState::Unknown, _) => "Gemini not known".to_owned(),
            (LiveState::Up, None) => "Gemini ok".to_owned(),
            (LiveState::Up, Some(took)) => format!("Gemini ok {} ms", took.as_millis()),
            (LiveState::Suspect { .. }, _) => "Gemini slow to answer".to_owned(),
            (LiveState::WaitingForClock, _) => format!("waiting for the clock (it shows {})", shown(self.clock)),
            (LiveState::Down { fault, .. }, _) => format!("Gemini down ({})", fault_word(fault)),
        }
    }

    fn troubles(&self) -> Vec<String> {
        let store = match self.store {
            StoreState::Ok => None,
            StoreState::Behind => Some("disk takes no records"),
            StoreState::Afresh => Some("store was damaged, see frontdeskctl status"),
            StoreState::Damaged => Some("store is damaged: restart the daemon"),
            StoreState::Memory => Some("records in memory only"),
        };
        let dead = (self.dead > 0).then(|| format!("{} given up in the outbox", self.dead));
        let refused = self.reload_refused.as_ref().map(|first| format!("reload refused: {first}"));
        let draining = self.draining.then(|| "draining".to_owned());
        let shut = self.shut.iter().map(|door| format!("[{}] listen is not to be had", door.section()));
        let outside = self.outside.iter().map(|trouble| trouble.words().to_owned());
        let last = [refused, draining].into_iter().flatten();
        shut.chain(store.map(str::to_owned)).chain(dead).chain(outside).chain(last).collect()
    }
}

fn calls(calls: usize) -> String {
    match calls {
        0 => "no calls".to_owned(),
        1 => "1 call".to_owned(),
        many => format!("{many} calls"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use frontdesk_core::gemini::live::Fault;

    use super::*;

    fn well() -> Line {
        Line {
            calls: 2,
            desk: Some("desk: Jabra Speak2 55, 48 kHz".into()),
            gemini: (LiveState::Up, Some(Duration::from_micros(120_700))),
            clock: "1970-01-01T00:03:20Z".parse().unwrap(),
            store: StoreState::Ok,
            dead: 0,
            outside: Vec::new(),
            shut: Vec::new(),
            reload_refused: None,
            draining: false,
        }
    }

    #[test]
    fn when_all_is_well_it_says_what_is() {
        assert_eq!(well().text(), "2 calls · desk: Jabra Speak2 55, 48 kHz · Gemini ok 120 ms");
        let phone_only = Line { calls: 0, desk: None, gemini: (LiveState::Unknown, None), ..well() };
        assert_eq!(phone_only.text(), "no calls · Gemini not known");
    }

    #[test]
    fn what_is_wrong_stands_behind_it() {
        let refused = Some("config.toml line 12, [phone] max_calls".to_owned());
        assert_eq!(
            Line { calls: 1, reload_refused: refused, shut: vec![Door::Admin], ..well() }.text(),
            "1 call · desk: Jabra Speak2 55, 48 kHz · Gemini ok 120 ms · [admin] listen is not to be had · \
             reload refused: config.toml line 12, [phone] max_calls"
        );
        let down = (LiveState::Down { fault: Fault::Unreachable, until: Instant::now() }, Some(Duration::from_secs(1)));
        assert_eq!(
            Line { desk: None, gemini: down, store: StoreState::Memory, dead: 3, draining: true, ..well() }.text(),
            "2 calls · Gemini down (unreachable) · records in memory only · 3 given up in the outbox · draining"
        );
    }

    #[test]
    fn what_is_wrong_outside_is_named() {
        let outside = vec![Outside::Google, Outside::Outbox, Outside::Calendar];
        assert_eq!(
            Line { calls: 0, desk: None, outside, ..well() }.text(),
            "no calls · Gemini ok 120 ms · Google needs somebody (frontdeskctl google) · the outbox is late · \
             calendar not usable"
        );
    }

    #[test]
    fn a_clock_that_is_waited_for_is_shown() {
        let line = Line { calls: 0, desk: None, gemini: (LiveState::WaitingForClock, None), ..well() };
        assert_eq!(line.text(), "no calls · waiting for the clock (it shows 1970-01-01 00:03)");
    }
}

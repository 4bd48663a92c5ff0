//! Which of the played blocks belongs to a captured one, and how far the agent's speech had come at some moment.

use crate::block::{Captured, Nanos, PERIOD, Played, Run};
use frontdesk_core::audio::level;
use frontdesk_core::units::Dbfs;
use std::collections::VecDeque;

/// Played blocks that wait for the captured ones of their time, and those that are remembered: more than the rings hold.
const KEPT: usize = 48;
/// A block is given to the canceller so long before it is heard, if it is known by then: an echo must never come before
/// its cause, and a time stamp may be a few milliseconds wrong.
const LEAD: i64 = 20_000_000;
/// So far the first pair of a run may be from its place: more than half a period, so that there always is one.
const SLACK: i64 = 7_500_000;
/// Captured blocks without a played one after which the two are paired anew: half a second.
const ESTRANGED: u32 = 50;
/// Below this level nobody hears the loudspeaker.
const AUDIBLE: Dbfs = Dbfs(-50.0);
/// So long after the last sound of the loudspeaker its echo is over: the device's own delay and the room's tail.
const TAIL: u64 = 250_000_000;

const PERIOD_NANOS: i64 = PERIOD.as_nanos() as i64;

/// The loudspeaker's side of the echo. No allocation after [`Reference::new`].
pub(super) struct Reference {
    waiting: VecDeque<Played>,
    /// Played blocks of this run, by time: when, and the speech's end.
    history: VecDeque<(Nanos, u64)>,
    run: Option<Run>,
    /// What lies between a captured block and the played one that goes with it, ns; found at the first of a run.
    lead: Option<i64>,
    /// And what lies between their numbers, from the first pair on. Both directions keep the pace of one device, so it
    /// stays what it is; stamps wander by milliseconds, and a block left out for that would move the echo.
    offset: Option<i64>,
    /// Captured blocks in a row without their played ones.
    alone: u32,
    /// The last captured block had its played one.
    paired: bool,
    /// The end of the echo of what was audible.
    audible_until: Nanos,
}

impl Reference {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::with_capacity(KEPT),
            history: VecDeque::with_capacity(KEPT),
            run: None,
            lead: None,
            offset: None,
            alone: 0,
            paired: false,
            audible_until: Nanos(0),
        }
    }

    /// Takes a played block in. The oldest is forgotten when nothing is captured.
    pub(super) fn push(&mut self, played: &Played) {
        if self.run != Some(played.run) {
            *self = Self {
                waiting: std::mem::take(&mut self.waiting),
                history: std::mem::take(&mut self.history),
                run: Some(played.run),
                lead: None,
                offset: None,
                alone: 0,
                paired: false,
                audible_until: self.audible_until,
            };
            self.waiting.clear();
        }
        if self.waiting.len() == KEPT {
            self.waiting.pop_front();
        }
        if self.history.len() == KEPT {
            self.history.pop_front();
        }
        self.history.push_back((played.at, played.end));
        self.waiting.push_back(*played);
    }

    /// Whether the block that belongs to `captured` has not come yet, but will at any moment: the real-time thread
    /// was seen between its two rings.
    pub(super) fn is_behind(&self, captured: &Captured) -> bool {
        let Some(offset) = self.offset else { return false };
        let wanted = captured.seq.saturating_add_signed(offset);
        self.paired && self.run == Some(captured.run) && self.waiting.back().is_none_or(|played| played.seq < wanted)
    }

    /// The played block that goes with `captured`; `None` where there is none, and silence stands for it.
    pub(super) fn find(&mut self, captured: &Captured) -> Option<Played> {
        let found = self.look(captured);
        self.paired = found.is_some();
        self.alone = if self.paired { 0 } else { self.alone + 1 };
        if self.alone >= ESTRANGED {
            // Two devices, or one that lost sound without a word.
            (self.lead, self.offset, self.alone) = (None, None, 0);
        }
        if let Some(played) = &found
            && level::mean_square(&played.pcm[..usize::from(played.len)]) > AUDIBLE.mean_square()
        {
            self.audible_until = self.audible_until.max(Nanos(played.at.0 + TAIL));
        }
        found
    }

    fn look(&mut self, captured: &Captured) -> Option<Played> {
        if self.run != Some(captured.run) {
            return None;
        }
        let Some(offset) = self.offset else { return self.meet(captured) };
        let wanted = captured.seq.saturating_add_signed(offset);
        while self.waiting.front().is_some_and(|it| it.seq < wanted) {
            self.waiting.pop_front();
        }
        self.waiting.pop_front_if(|it| it.seq == wanted)
    }

    /// The first pair of a run, by time: the newest block that is not more than the lead ahead.
    fn meet(&mut self, captured: &Captured) -> Option<Played> {
        let at = captured.at.0 as i64;
        let newest = self.waiting.back()?.at.0 as i64;
        let lead = *self.lead.get_or_insert((newest - at).clamp(-PERIOD_NANOS, LEAD));
        while self.waiting.front().is_some_and(|it| (it.at.0 as i64) < at + lead - SLACK) {
            self.waiting.pop_front();
        }
        let found = self.waiting.pop_front_if(|it| (it.at.0 as i64) <= at + lead + SLACK)?;
        self.offset = Some(found.seq as i64 - captured.seq as i64);
        Some(found)
    }

    /// What lies between a captured block and the played one given with it, in milliseconds.
    pub(super) fn lead_ms(&self) -> i32 {
        (self.lead.unwrap_or(0) / 1_000_000) as i32
    }

    /// Whether the loudspeaker, or the room's answer to it, may be heard at `at`.
    pub(super) fn is_audible(&self, at: Nanos) -> bool {
        at < self.audible_until
    }

    /// How far the agent's speech had come to the loudspeaker at `at`.
    pub(super) fn spoken(&self, at: Nanos) -> u64 {
        let later = self.history.partition_point(|(when, _)| *when <= at);
        let before = later.checked_sub(1).and_then(|n| self.history.get(n)).map(|(_, end)| *end);
        match (before, self.history.get(later)) {
            (Some(before), Some((when, end))) if *end > before => {
                let missing = (when.0 - at.0) * 24 / 1_000_000;
                end.saturating_sub(missing).max(before)
            }
            (Some(before), _) => before,
            (None, Some((_, end))) => *end,
            (None, None) => 0,
        }
    }

    /// The newest end of speech that was given to the device.
    pub(super) fn newest_end(&self) -> u64 {
        self.history.back().map_or(0, |(_, end)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MOST;

    fn played(ms: u64, end: u64) -> Played {
        Played { run: Run(1), seq: ms / 10, at: Nanos(ms * 1_000_000), end, len: 480, pcm: [end as i16; MOST] }
    }

    fn captured(ms: u64) -> Captured {
        Captured { run: Run(1), seq: ms / 10, at: Nanos(ms * 1_000_000), muted: false, len: 480, pcm: [0; MOST] }
    }

    #[test]
    fn blocks_go_by_time_and_a_lost_one_is_made_up() {
        let mut reference = Reference::new();
        for n in 0..20 {
            if n != 8 {
                reference.push(&played(1_000 + 10 * n, n));
            }
            let found = reference.find(&captured(971 + 10 * n)).map(|it| it.end);
            // 29 ms ahead of what is captured: the newest is more than the lead away, so the one before it is given.
            let due = n.checked_sub(1).filter(|due| *due != 8);
            assert_eq!(found, if n == 0 { None } else { due }, "block {n}");
        }
    }

    #[test]
    fn jitter_of_the_stamps_moves_nothing() {
        let mut reference = Reference::new();
        for n in 0..100u64 {
            reference.push(&played(1_000 + 10 * n + n * 7 % 5, n));
            assert_eq!(reference.find(&captured(985 + 10 * n)).map(|it| it.end), Some(n));
        }
    }

    #[test]
    fn stamps_that_wander_apart_move_nothing() {
        let mut reference = Reference::new();
        for n in 0..2_000u64 {
            reference
                .push(&Played { at: Nanos((1_000 + 10 * n) * 1_000_000 + n * 20_000), ..played(1_000 + 10 * n, n) });
            assert_eq!(reference.find(&captured(985 + 10 * n)).map(|it| it.end), Some(n), "40 ms in 20 s");
        }
    }

    #[test]
    fn what_is_lost_on_either_side_is_missed_once_and_moves_nothing() {
        let mut reference = Reference::new();
        for n in 0..100u64 {
            reference.push(&played(1_000 + 10 * n, n));
            if n % 7 != 3 {
                assert_eq!(reference.find(&captured(985 + 10 * n)).map(|it| it.end), Some(n));
            }
        }
    }

    #[test]
    fn two_devices_are_paired_anew_when_they_have_lost_each_other() {
        let mut reference = Reference::new();
        let mut found = 0;
        for n in 0..300u64 {
            // The loudspeaker's device leaps by a second, without a word.
            let leap = if n < 100 { 0 } else { 100 };
            reference.push(&Played { seq: n + leap, ..played(1_000 + 10 * n, n) });
            found += usize::from(reference.find(&captured(985 + 10 * n)).is_some());
        }
        assert!((240..300).contains(&found), "{found}");
    }

    #[test]
    fn a_block_is_awaited_only_while_they_come() {
        let mut reference = Reference::new();
        assert!(!reference.is_behind(&captured(985)), "nothing is played at all");
        reference.push(&played(1_000, 0));
        assert!(reference.find(&captured(985)).is_some());
        assert!(reference.is_behind(&captured(995)));
        assert!(reference.find(&captured(995)).is_none());
        assert!(!reference.is_behind(&captured(1_005)), "one came late: no more waiting");
    }

    #[test]
    fn progress_is_told_between_blocks() {
        let mut reference = Reference::new();
        reference.push(&played(1_000, 240));
        reference.push(&played(1_010, 480));
        reference.push(&played(1_020, 480));
        for (ms, spoken) in [(1_000, 240), (1_005, 360), (1_010, 480), (1_015, 480), (1_100, 480)] {
            assert_eq!(reference.spoken(Nanos(ms * 1_000_000)), spoken, "at {ms} ms");
        }
    }

    #[test]
    fn a_new_run_begins_anew() {
        let mut reference = Reference::new();
        reference.push(&played(1_000, 1));
        assert!(reference.find(&captured(985)).is_some());
        reference.push(&Played { run: Run(2), ..played(1_010, 2) });
        assert!(reference.find(&captured(995)).is_none(), "the old run's capture has nothing to go with");
        assert!(reference.find(&Captured { run: Run(2), ..captured(1_005) }).is_some());
    }
}

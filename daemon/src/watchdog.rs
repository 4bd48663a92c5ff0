//! What must make progress for the service manager's watchdog to be fed.
//!
//! The store answers through the runtime, so neither stands still. At the desk two threads are looked at by what they
//! have counted since the last look, a third of the watchdog's interval ago:
//!
//! | thread | must have moved | but not |
//! |---|---|---|
//! | real-time | always: without a device its keeper counts in its place | |
//! | signal processing | blocks of captured sound, while a device's streams run at both looks; its turns, while they stand by | when the device was opened anew, lost, standing still or put on standby in between |
//!
//! A device that is absent, or that brings nothing, is no reason for a restart: the keeper opens it again by itself, and
//! the phone is answered meanwhile.

use std::sync::{Mutex, PoisonError};

use frontdesk_hw::figures::Figures;

use crate::desk::state::{DeskState, DeviceState};
use crate::store::{Store, StoreError};

/// What stands still.
#[derive(Debug, thiserror::Error)]
pub enum Standstill {
    /// The store, or the runtime that asks it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The real-time thread.
    #[error("the audio thread of the desk stands still")]
    Realtime,
    /// The thread of signal processing.
    #[error("the signal processing of the desk stands still while its device is there")]
    Processing,
}

/// What the threads of a desk had counted at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Turns of the real-time thread.
    pub turns: u64,
    /// Blocks that were processed.
    pub blocks: u64,
    /// Turns of the thread that processes them.
    pub pulses: u64,
    /// Times a device was opened, stood still, or began to stand by: each explains blocks that did not come.
    pub disturbed: u64,
    /// What the device does.
    pub sound: Sound,
}

/// What there is to be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// No device is there.
    Absent,
    /// It is there, and its streams stand by: the real-time thread wakes the other with each of its own turns.
    StandsBy,
    /// They run.
    Runs,
}

impl Look {
    /// What they have counted by now.
    pub fn at(figures: &Figures, state: &DeskState) -> Self {
        Self {
            turns: figures.rt_turns.read(),
            blocks: figures.dsp_blocks.read(),
            pulses: figures.dsp_turns.read(),
            disturbed: figures.opened.read() + figures.stalls.read() + figures.standbys.read(),
            sound: match state.device() {
                DeviceState::Off | DeviceState::Absent(_) => Sound::Absent,
                DeviceState::Ready(_) if figures.standing_by.is_set() => Sound::StandsBy,
                DeviceState::Ready(_) => Sound::Runs,
            },
        }
    }

    /// Whether the threads have moved since `last`.
    pub fn progress_since(&self, last: &Self) -> Result<(), Standstill> {
        if self.turns == last.turns {
            return Err(Standstill::Realtime);
        }
        let moved = match (last.sound, self.sound) {
            _ if self.disturbed != last.disturbed => true,
            (Sound::Runs, Sound::Runs) => self.blocks != last.blocks,
            // Roused between the looks, it has had less than one of them for its first block; turns it takes in both.
            (Sound::StandsBy, Sound::StandsBy | Sound::Runs) => self.pulses != last.pulses,
            (Sound::Absent, _) | (_, Sound::Absent) | (Sound::Runs, Sound::StandsBy) => true,
        };
        if moved { Ok(()) } else { Err(Standstill::Processing) }
    }
}

/// One look after the other. The first has nothing to be compared with, and passes.
#[derive(Debug, Default)]
pub struct Looks(Option<Look>);

impl Looks {
    /// Takes the next look; it is what the one after it is compared with, whatever comes of it.
    pub fn take(&mut self, look: Look) -> Result<(), Standstill> {
        self.0.replace(look).map_or(Ok(()), |last| look.progress_since(&last))
    }
}

/// Looks at the audio threads.
pub type LookAt = Box<dyn Fn() -> Look + Send + Sync>;

/// The proof that is asked for before every ping.
pub struct Proof {
    store: Store,
    audio: Option<LookAt>,
    looks: Mutex<Looks>,
}

impl Proof {
    /// Asks `store`, and looks at the audio threads by `audio`, where there are any.
    pub fn new(store: Store, audio: Option<LookAt>) -> Self {
        Self { store, audio, looks: Mutex::default() }
    }

    /// Returns when everything is known to move. The store's answer comes through the runtime from its thread, also
    /// while the disk takes nothing, which no restart would mend.
    pub async fn give(&self) -> Result<(), Standstill> {
        self.store.flush().await?;
        let Some(audio) = &self.audio else { return Ok(()) };
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).take(audio())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::port::{Device, Opening};

    const FIRST: Look = Look { turns: 100, blocks: 100, pulses: 100, disturbed: 1, sound: Sound::Runs };

    fn device() -> Device {
        let opening = Opening { capture_hz: 16_000, playout_hz: 48_000, priority_refused: None, sysfs: None };
        Device { name: "Speak".to_owned(), opened: String::new(), remarks: Vec::new(), opening }
    }

    fn word(second: Look) -> Option<&'static str> {
        match second.progress_since(&FIRST) {
            Ok(()) => None,
            Err(Standstill::Realtime) => Some("realtime"),
            Err(Standstill::Processing) => Some("processing"),
            Err(Standstill::Store(_)) => Some("store"),
        }
    }

    #[test]
    fn both_threads_move_while_a_device_runs() {
        assert_eq!(word(Look { turns: 101, blocks: 101, ..FIRST }), None);
        assert_eq!(word(Look { turns: 101, ..FIRST }), Some("processing"));
        assert_eq!(word(Look { blocks: 101, ..FIRST }), Some("realtime"), "the device cannot be the reason");
        assert_eq!(word(FIRST), Some("realtime"));
    }

    #[test]
    fn without_a_device_there_is_nothing_to_process() {
        assert_eq!(word(Look { turns: 101, sound: Sound::Absent, ..FIRST }), None, "unplugged meanwhile");
        assert_eq!(
            word(Look { sound: Sound::Absent, ..FIRST }),
            Some("realtime"),
            "the keeper looks for one all the time"
        );
        let absent = Look { sound: Sound::Absent, ..FIRST };
        assert!(Look { turns: 101, ..FIRST }.progress_since(&absent).is_ok(), "plugged in a moment ago");
    }

    #[test]
    fn a_device_that_was_opened_anew_or_stood_still_explains_it() {
        assert_eq!(word(Look { turns: 101, disturbed: 2, ..FIRST }), None);
        assert_eq!(word(Look { disturbed: 2, ..FIRST }), Some("realtime"));
    }

    #[test]
    fn a_device_that_stands_by_excuses_blocks_and_no_thread() {
        let standby = Look { sound: Sound::StandsBy, ..FIRST };
        let since = |last: Look, next: Look| next.progress_since(&last);
        assert!(since(standby, Look { turns: 101, pulses: 101, ..standby }).is_ok(), "an idle box is left alone");
        assert!(matches!(since(standby, Look { turns: 101, ..standby }), Err(Standstill::Processing)));
        assert!(matches!(since(standby, Look { pulses: 101, ..standby }), Err(Standstill::Realtime)));
        // It began to between the looks, or ended.
        assert!(since(FIRST, Look { turns: 101, disturbed: 2, ..standby }).is_ok());
        assert!(since(standby, Look { turns: 101, pulses: 101, ..FIRST }).is_ok());
        assert!(matches!(since(standby, Look { turns: 101, ..FIRST }), Err(Standstill::Processing)));
    }

    #[test]
    fn a_standstill_is_told_as_long_as_it_lasts_and_no_longer() {
        let mut looks = Looks::default();
        assert!(looks.take(FIRST).is_ok(), "nothing to compare with");
        let stands = Look { turns: 200, ..FIRST };
        assert!(matches!(looks.take(stands), Err(Standstill::Processing)));
        assert!(matches!(looks.take(Look { turns: 300, ..stands }), Err(Standstill::Processing)));
        assert!(looks.take(Look { turns: 400, blocks: 101, ..stands }).is_ok());
    }

    #[tokio::test]
    async fn the_proof_fails_while_a_desk_stands_still_and_asks_nothing_of_one_that_is_not_there() {
        use crate::config::StoreConfig;

        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig { path: directory.path().join("calls.db"), keep_days: 1 }).unwrap();
        let figures: &'static Figures = Box::leak(Box::default());
        let state = DeskState::new(DeviceState::Absent("why".to_owned()), Box::leak(Box::default()));
        let look: LookAt = Box::new(move || Look::at(figures, &state));
        let (proof, without) = (Proof::new(store.clone(), Some(look)), Proof::new(store.clone(), None));
        assert!(proof.give().await.is_ok() && without.give().await.is_ok());
        assert!(matches!(proof.give().await, Err(Standstill::Realtime)));
        assert!(without.give().await.is_ok());
        figures.rt_turns.raise();
        assert!(proof.give().await.is_ok());
        store.close().await;
        assert!(matches!(proof.give().await, Err(Standstill::Store(_))));
    }

    #[test]
    fn a_look_reads_what_the_threads_count() {
        let (figures, state) =
            (Figures::new(), DeskState::new(DeviceState::Absent("why".to_owned()), Box::leak(Box::default())));
        figures.rt_turns.raise();
        figures.opened.raise();
        figures.stalls.raise();
        figures.standbys.raise();
        figures.dsp_turns.raise();
        let absent = Look { turns: 1, blocks: 0, pulses: 1, disturbed: 3, sound: Sound::Absent };
        assert_eq!(Look::at(&figures, &state), absent);
        state.set_device(DeviceState::Ready(device()));
        assert_eq!(Look::at(&figures, &state), Look { sound: Sound::Runs, ..absent });
        figures.standing_by.set(true);
        assert_eq!(Look::at(&figures, &state), Look { sound: Sound::StandsBy, ..absent });
    }
}

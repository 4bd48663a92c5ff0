//! A box that comes up in the past, in virtual time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use frontdesk_core::session::id::DeskId;

use super::*;
use crate::clock::sanity::PATIENCE;
use crate::conversation::running::{Busy, Party, Running};
use crate::live::health::LiveState;
use crate::metrics::Metrics;

/// Each test's machine has a clock of its own.
macro_rules! machine {
    ($name:ident) => {
        static $name: AtomicI64 = AtomicI64::new(0);
        fn machine() -> Clock {
            let civil = Timestamp::from_second($name.load(Ordering::Relaxed)).unwrap();
            Clock::at(Instant::now().into_std(), civil)
        }
        fn set(to: &str) {
            $name.store(to.parse::<Timestamp>().unwrap().as_second(), Ordering::Relaxed);
        }
    };
}

struct Box {
    home: tempfile::TempDir,
    conversations: Arc<Conversations>,
}

impl Box {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), conversations: Conversations::new(9, Metrics::new()) }
    }

    fn sources(&self, machine: fn() -> Clock) -> Sources {
        Sources { machine, synchronized: self.home.path().join("synchronized") }
    }

    fn open(&self, machine: fn() -> Clock) -> (Gate, Keeper) {
        open(look(self.sources(machine), &self.home.path().join("frontdesk.db")), Arc::clone(&self.conversations))
    }

    fn knows(&self, time: &str) {
        fs::write(self.home.path().join(KNOWN), time).unwrap();
    }

    /// What a conversation is told that would begin now.
    fn asked(&self) -> Result<(), Busy> {
        let id = DeskId::of(1).into();
        let running = Running {
            id,
            live_id: "L1".into(),
            party: Party::Visitor,
            since: Instant::now().into_std(),
            view: Arc::default(),
        };
        let asked = self.conversations.admit(running, Arc::new(|_| true));
        self.conversations.remove(&id);
        asked
    }

    fn state(&self) -> LiveState {
        self.conversations.health().state(Instant::now().into_std()).0
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_before_the_clock_is_set_and_everything_within_a_second_after() {
    machine!(CLOCK);
    set("1970-01-01T00:00:10Z");
    let desk = Box::new();
    let (gate, keeper) = desk.open(machine);
    assert_eq!((desk.asked(), desk.state(), gate.is_open()), (Err(Busy::ModelDown), LiveState::WaitingForClock, false));
    let (stop, began) = (CancellationToken::new(), Arc::new(AtomicI64::new(0)));
    let (watching, started) = (gate.clone(), Arc::clone(&began));
    let errands = watching.then(stop.clone(), async move { started.store(1, Ordering::Relaxed) });
    let story = async {
        tokio::time::sleep(2 * PATIENCE).await;
        assert_eq!((desk.asked(), began.load(Ordering::Relaxed)), (Err(Busy::ModelDown), 0), "however long it takes");
        set("2026-11-27T08:00:00Z");
        tokio::time::sleep(LOOK_EVERY + Duration::from_millis(1)).await;
        assert_eq!((desk.asked(), desk.state(), gate.is_open()), (Ok(()), LiveState::Unknown, true));
        assert_eq!(began.load(Ordering::Relaxed), 1);
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), errands, story);
    assert_eq!(
        read(&desk.home.path().join(KNOWN)),
        Some("2026-11-27T08:00:00Z".parse().unwrap()),
        "kept for the next start"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_behind_the_last_known_time_is_believed_when_the_time_service_has_set_it() {
    machine!(CLOCK);
    set("2026-11-20T08:00:00Z");
    let desk = Box::new();
    desk.knows("2027-05-01T00:00:00Z\n");
    let (gate, keeper) = desk.open(machine);
    assert!(!gate.is_open());
    let stop = CancellationToken::new();
    let story = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(!gate.is_open());
        fs::write(desk.home.path().join("synchronized"), "").unwrap();
        tokio::time::sleep(2 * LOOK_EVERY).await;
        assert!(gate.is_open());
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), story);
    assert_eq!(read(&desk.home.path().join(KNOWN)), Some("2026-11-20T08:00:00Z".parse().unwrap()), "put right");
}

#[tokio::test]
async fn a_clock_that_is_right_is_waited_for_by_nobody() {
    let desk = Box::new();
    desk.knows("no time at all");
    let (gate, _keeper) = desk.open(Clock::machine);
    assert_eq!((desk.asked(), gate.is_open()), (Ok(()), true));
}

#[tokio::test]
async fn who_waits_for_the_clock_ends_when_told_to() {
    machine!(CLOCK);
    set("1970-01-01T00:00:10Z");
    let desk = Box::new();
    let (gate, keeper) = desk.open(machine);
    let stop = CancellationToken::new();
    stop.cancel();
    tokio::join!(keeper.run(stop.clone()), gate.then(stop.clone(), std::future::pending::<()>()));
    assert_eq!(read(&desk.home.path().join(KNOWN)), None, "a time that is wrong is not kept");
}

//! The feed while much happens at once.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::appointment::{Patient, Slot, Span};
use frontdesk_core::booking::book::{Book as _, BookError, Errand};
use frontdesk_core::letter::ics::Names;
use frontdesk_core::session::id::{ConversationId, DeskId};
use frontdeskd::calendar::Backend;
use frontdeskd::calendar::feed::Feed;
use frontdeskd::config::StoreConfig;
use frontdeskd::errands::{Diary, Entries};
use frontdeskd::store::{OpenBook, Store};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::booked::{at, clinic};

fn now() -> Timestamp {
    at("2026-11-27T09:00:00Z")
}

struct World {
    folder: tempfile::TempDir,
    store: Store,
    diary: Arc<Diary>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig { path: folder.path().join("book.db"), keep_days: 30 }).unwrap();
        let clinic = Arc::new(clinic());
        let entries = Entries::new(store.clone(), Arc::clone(&clinic), Arc::new(Backend::Local), now);
        let feed = Feed::new(folder.path().join("feed/calendar.ics"), Names::Hidden);
        let diary = Arc::new(Diary::new(store.clone(), Arc::new(entries), clinic, feed, now));
        let world = Self { folder, store, diary };
        fs::create_dir(world.path().parent().unwrap()).unwrap();
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("feed/calendar.ics")
    }

    /// Books the appointment of that number, and returns its reference.
    async fn book(&self, number: u64) -> String {
        let from = now() + Duration::from_hours(24) + Duration::from_mins(30 * number);
        let time = Span { from, to: from + Duration::from_mins(30) };
        let clinic = clinic();
        let slot = Slot {
            kind: clinic.types[0].id.clone(),
            practitioner: clinic.practitioners[0].id.clone(),
            location: clinic.locations[0].id.clone(),
            time,
            busy: time,
        };
        let by = ConversationId::from(DeskId::of(number.into()));
        let patient = Patient {
            name: "Ana Rossi".to_owned(),
            phone: None,
            email: None,
            sms: false,
            born: None,
            booked_by: None,
            note: String::new(),
        };
        let book = move |book: &mut OpenBook<'_>| -> Result<_, BookError> {
            let held = book.hold(&slot, &by, "en", now(), now() + Duration::from_mins(2))?;
            let (booked, _) = book.book(held.id, &by, &patient, now())?;
            book.send(&Errand::Calendar(held.id), &format!("calendar:{}:0", held.id), now())?;
            Ok(booked.reference.to_string())
        };
        self.store.transact(book).await.unwrap()
    }
}

/// Nothing here waits for the clock, which stands still but for that, except a rewriting for the one before it.
#[tokio::test(start_paused = true)]
async fn forty_changes_are_one_rewriting_and_each_is_in_the_feed_when_its_errand_is_done() {
    let world = Arc::new(World::new());
    let began = Instant::now();
    world.diary.rewrite().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "the first waits for nothing");
    let mut errands = Vec::new();
    for number in 0..40 {
        let (world, reference) = (Arc::clone(&world), world.book(number).await);
        errands.push(async move {
            world.diary.rewrite().await.unwrap();
            let feed = fs::read_to_string(world.path()).unwrap();
            assert!(feed.contains(&reference), "{reference} is not in the feed");
        });
    }
    futures_util::future::join_all(errands).await;
    assert_eq!(began.elapsed().as_secs(), 2, "the second, for all of them");
    let last = world.book(40).await;
    world.diary.rewrite().await.unwrap();
    let feed = fs::read_to_string(world.path()).unwrap();
    assert!(feed.contains(&last) && feed.matches("BEGIN:VEVENT").count() == 41);
    assert_eq!(began.elapsed().as_secs(), 4);
    world.store.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_in_step_is_left_alone_and_one_that_could_not_be_written_is_written_later() {
    let world = World::new();
    world.diary.rewrite().await.unwrap();
    fs::remove_file(world.path()).unwrap();
    world.diary.rewrite().await.unwrap();
    assert!(!world.path().exists(), "nothing has changed, so nothing was written");

    let reference = world.book(1).await;
    fs::remove_dir(world.path().parent().unwrap()).unwrap();
    let why = world.diary.rewrite().await.unwrap_err();
    assert!(why.contains("cannot be written"), "{why}");
    fs::create_dir(world.path().parent().unwrap()).unwrap();
    world.diary.rewrite().await.unwrap();
    assert!(fs::read_to_string(world.path()).unwrap().contains(&reference));
    world.store.close().await;
}

#[tokio::test]
async fn whoever_stops_waiting_for_the_feed_keeps_nobody_else_from_it() {
    let world = World::new();
    let reference = world.book(1).await;
    // Dropped at its first await: it may or may not have begun.
    tokio::select! {
        biased;
        _ = world.diary.rewrite() => {}
        () = std::future::ready(()) => {}
    }
    world.diary.rewrite().await.unwrap();
    assert!(fs::read_to_string(world.path()).unwrap().contains(&reference));
    world.store.close().await;
}

//! Copies of the store: when there is one, what is left of it, and what it finds.

use std::fs;

use jiff::Zoned;
use jiff::civil::date;

use super::damage::{PAGE, filled, harm, leaves};
use super::*;

fn night() -> Zoned {
    "2026-11-27T03:00[Europe/London]".parse().unwrap()
}

fn names(fixture: &Fixture) -> Vec<String> {
    let files = fs::read_dir(fixture.directory.path().join("backups")).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn damage_that_a_copy_meets_is_told_and_mended_at_the_next_start() {
    let fixture = Fixture::new();
    filled(&fixture).await;
    let pages = leaves(&fixture, "turns");
    harm(&fixture, |bytes| pages.iter().for_each(|page| bytes[*page..*page + PAGE].fill(0xa5)));
    let store = fixture.open();
    assert!(!store.is_damaged(), "what callers said is not read at the start");
    assert!(backup::look_at(&store, &fixture.path(), &night()).await);
    assert_eq!(names(&fixture), [""; 0], "nothing is left of it");
    store.close().await;

    let store = fixture.open();
    assert_eq!((store.keeping(), store.is_damaged()), (Keeping::Afresh, false));
    store.close().await;
}

#[tokio::test]
async fn what_was_left_of_copies_that_were_cut_short_is_removed() {
    let fixture = Fixture::new();
    let store = fixture.open();
    backup::make_one(&fixture.path(), 7, date(2026, 11, 1)).await.unwrap();
    let folder = fixture.directory.path().join("backups");
    fs::write(folder.join("frontdesk-2026-10-31.db.part"), "half of it").unwrap();
    fs::write(folder.join("somebody-2026-10-31.db.part"), "none of ours").unwrap();
    assert!(!backup::look_at(&store, &fixture.path(), &night()).await);
    let whole = ["frontdesk-2026-11-01.db", "frontdesk-2026-11-27.db"];
    assert_eq!(names(&fixture), [&whole[..], &["somebody-2026-10-31.db.part"]].concat());
    store.close().await;
}

#[tokio::test]
async fn a_copy_that_is_damaged_itself_is_passed_over_for_the_next_that_is_whole() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    for day in [1, 2] {
        backup::make_one(&fixture.path(), 7, date(2026, 11, day)).await.unwrap();
    }
    let newest = fixture.directory.path().join("backups/frontdesk-2026-11-02.db");
    let mut bytes = fs::read(&newest).unwrap();
    let from = bytes.len() / 2;
    bytes[from..from + 4 * PAGE].fill(0xa5);
    fs::write(&newest, bytes).unwrap();
    harm(&fixture, |bytes| bytes[..20 * PAGE].fill(0x5a));
    let store = fixture.open();
    let saved = &store.salvage().unwrap().saved;
    assert!(saved.contains("the backup was frontdesk-2026-11-01.db"), "{saved}");
    assert!(saved.contains(&format!("appointments: {}", all.len())), "{saved}");
    store.close().await;
}

#[tokio::test]
async fn a_store_that_is_gone_is_told_and_the_copies_of_it_are_no_copies_of_the_new_one() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    let copy = backup::make_one(&fixture.path(), 7, date(2026, 11, 1)).await.unwrap();
    fs::remove_file(fixture.path()).unwrap();
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Afresh);
    let told = store.salvage().unwrap().to_string();
    assert!(told.contains("its file is gone") && told.contains(&copy.display().to_string()), "{told}");
    for day in 2..=4 {
        backup::make_one(&fixture.path(), 1, date(2026, 11, day)).await.unwrap();
    }
    assert!(copy.exists(), "it may still be wanted");
    store.close().await;
    let note = store.salvage().unwrap().aside.clone();
    fs::remove_file(note).unwrap();
    let store = fixture.open();
    assert_eq!((store.keeping(), store.salvage()), (Keeping::File, None));
    store.close().await;

    // The new one is damaged, and has been through less than the old.
    harm(&fixture, |bytes| bytes[..2 * PAGE].fill(0x5a));
    let store = fixture.open();
    let saved = store.salvage().unwrap().saved.clone();
    assert!(saved.contains("the backup was frontdesk-2026-11-04.db"), "{saved}");
    store.close().await;
    fs::rename(store.salvage().unwrap().aside.clone(), fixture.directory.path().join("looked-at")).unwrap();

    // Whoever puts the copy in its place has all that is in it.
    fs::copy(&copy, fixture.path()).unwrap();
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::File);
    let appointments = "SELECT COUNT(*) FROM appointments";
    let kept: i64 = fixture.connection().query_row(appointments, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, all.len() as i64);
    store.close().await;
}

/// A clock was wrong for a while, years ahead, and then set right: reminders are still to come.
#[tokio::test]
async fn a_clock_that_was_ahead_for_a_while_makes_no_reminder_late() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    let ahead = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 3_650);
    let set = "UPDATE outbox SET state = 'dropped', settled_at = ?1 WHERE id = (SELECT MIN(id) FROM outbox)";
    fixture.connection().execute(set, [ahead.as_millisecond()]).unwrap();
    let index = leaves(&fixture, "appointments_starts");
    harm(&fixture, |bytes| bytes[index[0]..index[0] + PAGE].fill(0xa5));
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Afresh);
    let waiting = "SELECT COUNT(*) FROM outbox WHERE kind = 'reminder' AND state = 'waiting'";
    let waiting: i64 = fixture.connection().query_row(waiting, [], |row| row.get(0)).unwrap();
    assert_eq!(waiting, all.len() as i64 - 1, "all but the one that is due within a day");
    store.close().await;
}

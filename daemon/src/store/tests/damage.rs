//! Damage: what can be read is saved, what was found is kept, and nothing is done twice.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use frontdesk_core::booking::appointment::{Appointment, Span, State};
use frontdesk_core::booking::book::{Book as _, BookError, Errand, Message};
use jiff::SignedDuration;
use jiff::civil::date;

use super::book::{booked, hold, patient, slot};
use super::*;

pub(super) const PAGE: usize = 4096;
/// Enough for a dozen pages.
const MANY: u32 = 150;

/// When the daemon starts again: reminders are still to come.
fn now() -> Timestamp {
    Timestamp::now()
}

/// Books an appointment in two days and so many times forty minutes, with what follows from it.
fn book_one(book: &mut OpenBook<'_>, n: u32) -> Result<Appointment, BookError> {
    let start = now().duration_since(at(0)).as_mins() + 2 * 24 * 60;
    let wanted = slot("osei", start + i64::from(n) * 40, 30);
    let held = book.hold(&wanted, &sid(n), "en-GB", now(), now() + Duration::from_mins(2))?;
    let (booked, _) = book.book(held.id, &sid(n), &patient(&format!("Patient {n}")), now())?;
    for (errand, kind) in [(Errand::Calendar(held.id), "calendar"), (Errand::Mail(held.id), "mail")] {
        book.send(&errand, &format!("{kind}:{}:0", held.id), now())?;
    }
    let reminded = booked.slot.time.from - SignedDuration::from_hours(24);
    book.send(&Errand::Reminder(held.id, reminded), &format!("reminder:{}:0", held.id), now())?;
    Ok(booked)
}

async fn appointment(store: &Store, n: u32) -> Appointment {
    store.transact(move |book| book_one(book, n)).await.unwrap()
}

/// A store with many appointments, a message and some calls, closed.
pub(super) async fn filled(fixture: &Fixture) -> BTreeMap<String, Appointment> {
    let store = fixture.open();
    let message = Message {
        name: "Ana".to_owned(),
        phone: None,
        topic: "billing".to_owned(),
        text: "Please call back.\nIt is about the bill.".to_owned(),
        today: false,
    };
    let fill = move |book: &mut OpenBook<'_>| -> Result<Vec<Appointment>, BookError> {
        let number = book.take_message(&message, &sid(1), now())?;
        book.send(&Errand::Message(number), &format!("message:{number}"), now())?;
        (0..MANY).map(|n| book_one(book, n)).collect()
    };
    let all = store.transact(fill).await.unwrap();
    record_all(&store, (1..20).flat_map(|n| [started(n, at(0)), said(n, 0, "word"), ended(n, 9)]));
    store.close().await;
    all.into_iter().map(|made| (made.reference.to_string(), made)).collect()
}

/// Where the leaves of a table or an index are in the file, in their order.
pub(super) fn leaves(fixture: &Fixture, of: &str) -> Vec<usize> {
    let db = fixture.connection();
    let sql = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY path";
    let mut statement = db.prepare(sql).unwrap();
    let pages = statement.query_map([of], |row| row.get::<_, i64>(0)).unwrap();
    pages.map(|page| (page.unwrap() as usize - 1) * PAGE).collect()
}

pub(super) fn harm(fixture: &Fixture, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = fs::read(fixture.path()).unwrap();
    change(&mut bytes);
    fs::write(fixture.path(), &bytes).unwrap();
    bytes
}

async fn kept(store: &Store) -> BTreeMap<String, Appointment> {
    let span = Span { from: now(), to: now() + SignedDuration::from_hours(24 * 366) };
    let found = store.appointments_within(span, now(), 1_000).await.unwrap();
    found.into_iter().map(|one| (one.reference.to_string(), one)).collect()
}

/// The files beside the store that a damaged one was renamed to.
fn aside(fixture: &Fixture) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture.directory.path()).unwrap().map(|file| file.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("frontdesk.db.corrupt-")).collect()
}

fn saved(store: &Store) -> String {
    store.salvage().expect("it was salvaged").saved.clone()
}

#[tokio::test]
async fn appointments_on_whole_pages_are_saved_and_the_damaged_file_is_kept_as_it_was_found() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    let pages = leaves(&fixture, "appointments");
    assert!(pages.len() > 8, "{pages:?}");
    let bytes = harm(&fixture, |bytes| {
        for page in [pages[2], pages[5]] {
            bytes[page..page + PAGE].fill(0xa5);
        }
    });

    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Afresh);
    let found = kept(&store).await;
    assert!(found.iter().all(|(reference, one)| all[reference] == *one), "what was saved is as it was");
    let lost = all.len() - found.len();
    assert!((2..=60).contains(&lost), "{lost} of {MANY} were on two pages");
    let words = saved(&store);
    assert!(words.contains(&format!("appointments: {}, unreadable in 2 places", found.len())), "{words}");
    assert!(words.contains("messages: 1;") && words.contains("calls: 19;"), "{words}");
    assert!(words.contains("there was no backup"), "{words}");
    assert_eq!(store.messages(9, None, true).await.unwrap()[0].text, "Please call back.\nIt is about the bill.");
    assert_eq!(store.call(sid(7)).await.unwrap().unwrap().transcript, [turn(0, "word")]);
    let [file] = &aside(&fixture)[..] else { panic!("{:?}", aside(&fixture)) };
    assert_eq!(fs::read(file).unwrap(), bytes);
    assert_eq!(*file, store.salvage().unwrap().aside);
    let told = store.salvage().unwrap().to_string();
    assert!(told.contains("move that file away") && !told.contains("Patient"), "{told}");
    store.close().await;

    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Afresh, "until somebody has looked");
    assert_eq!(kept(&store).await, found);
    fs::rename(file, fixture.directory.path().join("looked-at")).unwrap();
    assert_eq!((store.keeping(), store.salvage()), (Keeping::File, None));
    store.close().await;
}

#[tokio::test]
async fn what_was_lost_is_taken_from_the_backup_and_what_was_changed_since_is_not() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    backup::make_one(&fixture.path(), 7, date(2026, 11, 26)).await.unwrap();
    let store = fixture.open();
    let (first, new) = (all.values().next().unwrap().clone(), appointment(&store, MANY + 1).await);
    let id = first.id;
    let cancel = move |book: &mut OpenBook<'_>| book.cancel(id, "patient", &sid(1), now());
    store.transact(cancel).await.unwrap();
    store.close().await;
    let pages = leaves(&fixture, "appointments");
    let is_on = |bytes: &[u8], page: usize, text: &str| {
        bytes[page..page + PAGE].windows(text.len()).any(|window| window == text.as_bytes())
    };
    harm(&fixture, |bytes| {
        let harmless =
            |page: &&usize| !is_on(bytes, **page, &id.to_string()) && !is_on(bytes, **page, &new.id.to_string());
        let page = *pages.iter().find(harmless).unwrap();
        bytes[page..page + PAGE].fill(0);
    });

    let store = fixture.open();
    let found = kept(&store).await;
    assert_eq!(found.len(), all.len() + 1, "none is missing");
    assert_eq!(
        found[&first.reference.to_string()].state,
        State::Cancelled,
        "it was read, so the backup's is not asked"
    );
    assert!(found.contains_key(&new.reference.to_string()));
    let words = saved(&store);
    assert!(words.contains("from the backup, unreadable in 1 place"), "{words}");
    assert!(words.contains("the backup was frontdesk-2026-11-26.db"), "{words}");
    store.close().await;
}

#[tokio::test]
async fn a_file_whose_beginning_is_lost_is_replaced_from_the_backup() {
    for harmed in [0, 40, 20 * PAGE] {
        let fixture = Fixture::new();
        let all = filled(&fixture).await;
        backup::make_one(&fixture.path(), 7, date(2026, 11, 26)).await.unwrap();
        let bytes =
            harm(&fixture, |bytes| if harmed < PAGE { bytes.truncate(harmed) } else { bytes[..harmed].fill(0x5a) });
        let store = fixture.open();
        assert_eq!(store.keeping(), Keeping::Afresh, "{harmed}");
        assert!(kept(&store).await == all, "{harmed}: {}", saved(&store));
        assert_eq!(fs::read(&store.salvage().unwrap().aside).unwrap(), bytes, "{harmed}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_read_as_far_as_it_goes() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    harm(&fixture, |bytes| bytes.truncate(bytes.len() / 2 / PAGE * PAGE));
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Afresh);
    let found = kept(&store).await;
    assert!(found.len() > 20 && found.len() < all.len(), "{} of {}", found.len(), all.len());
    assert!(found.iter().all(|(reference, one)| all[reference] == *one));
    store.close().await;
}

/// The table's last row says that its number is beyond all others, and cannot be read.
fn lie_about_the_last(fixture: &Fixture, table: &str) {
    let leaf = *leaves(fixture, table).last().unwrap();
    harm(fixture, |bytes| {
        let word = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        // The file format, 1.6: how many cells the page has, and behind its header where they are.
        let cells = word(leaf + 3);
        let cell = leaf + word(leaf + 8 + 2 * (cells - 1));
        // The number follows the length, which has two bytes; then comes how the row is made up.
        let number = [0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
        bytes[cell + 2..cell + 11].copy_from_slice(&number);
        bytes[cell + 11..cell + 20].fill(0xff);
    });
}

#[test]
fn a_number_beyond_all_others_does_not_keep_the_daemon_from_starting() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = Fixture::new();
    let all = runtime().block_on(filled(&fixture));
    lie_about_the_last(&fixture, "appointments");
    let (path, (tell, told)) = (fixture.path(), std::sync::mpsc::channel());
    let starting = std::thread::spawn(move || tell.send(open_at(&path)));
    let store = told.recv_timeout(Duration::from_mins(1)).expect("the start takes years").unwrap();
    starting.join().unwrap().unwrap();
    assert_eq!(store.keeping(), Keeping::Afresh);
    runtime().block_on(async {
        assert_eq!(kept(&store).await.len(), all.len() - 1, "all but the last: {}", saved(&store));
        store.close().await;
    });
}

#[tokio::test]
async fn no_letter_and_no_reminder_is_sent_twice_because_of_damage() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    let store = fixture.open();
    // One letter is on its way, the last thing that is known of it.
    let begun = store.claim_errands(now(), [0, 1, 0, 0, 0]).await.unwrap().due;
    assert_eq!(begun.len(), 1);
    store.close().await;
    let index = leaves(&fixture, "appointments_starts");
    harm(&fixture, |bytes| bytes[index[0]..index[0] + PAGE].fill(0xa5));

    let store = fixture.open();
    assert_eq!((store.keeping(), kept(&store).await.len()), (Keeping::Afresh, all.len()), "only an index was lost");
    let due = store.claim_errands(now(), [500; 5]).await.unwrap().due;
    let kinds: BTreeMap<&str, usize> = due.iter().fold(BTreeMap::new(), |mut kinds, due| {
        *kinds.entry(due.errand.kind().as_str()).or_default() += 1;
        kinds
    });
    assert_eq!(
        kinds,
        BTreeMap::from([("calendar", MANY as usize), ("message", 1)]),
        "staff, and what can be looked up"
    );
    assert!(due.iter().all(|due| due.unsure));
    let errands = store.errands(now()).await.unwrap();
    assert_eq!(errands.dead, u64::from(MANY), "letters are for a person to look at");
    let letter = errands.errands.iter().find(|errand| errand.state == "dead").unwrap();
    assert!(letter.note.as_deref().unwrap().contains("this may have been done"), "{letter:?}");
    // Their time has not come, so they were not sent.
    let tomorrow = store.claim_errands(now() + SignedDuration::from_hours(24 * 10), [500; 5]).await.unwrap().due;
    assert_eq!(tomorrow.len(), all.len());
    assert!(tomorrow.iter().all(|due| matches!(due.errand, Errand::Reminder(..))));
    store.close().await;
}

#[tokio::test]
async fn reminders_that_were_lost_are_wanted_again() {
    let fixture = Fixture::new();
    let all = filled(&fixture).await;
    let pages = leaves(&fixture, "outbox");
    harm(&fixture, |bytes| pages.iter().for_each(|page| bytes[*page..*page + PAGE].fill(0xa5)));
    let store = fixture.open();
    let errands = store.errands(now()).await.unwrap();
    let kinds: Vec<&str> = errands.errands.iter().map(|errand| errand.kind.as_str()).collect();
    assert_eq!(kinds, vec!["reminder"; all.len()]);
    store.close().await;
}

#[tokio::test]
async fn damage_that_shows_while_the_daemon_runs_is_told_and_mended_at_the_next_start() {
    let fixture = Fixture::new();
    filled(&fixture).await;
    let store = fixture.open();
    assert!(!store.is_damaged());
    let pages = leaves(&fixture, "turns");
    harm(&fixture, |bytes| pages.iter().for_each(|page| bytes[*page..*page + PAGE].fill(0xa5)));
    store.call(sid(3)).await.unwrap_err();
    assert!(store.is_damaged());
    hold(&store, 1, slot("lind", 60, 30), at(0)).await.expect("what is whole goes on");
    store.close().await;

    let store = fixture.open();
    assert_eq!((store.keeping(), store.is_damaged()), (Keeping::Afresh, false));
    assert_eq!(kept(&store).await.len(), MANY as usize);
    assert_eq!(store.call(sid(3)).await.unwrap().unwrap().transcript, [], "its words are lost");
    store.close().await;
    fs::remove_file(&aside(&fixture)[0]).unwrap();
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::File);
    store.close().await;
}

#[tokio::test]
async fn a_power_loss_while_the_new_file_takes_its_place_loses_nothing() {
    let fixture = Fixture::new();
    filled(&fixture).await;
    let pages = leaves(&fixture, "appointments");
    let bytes = harm(&fixture, |bytes| bytes[pages[1]..pages[1] + PAGE].fill(0xa5));
    let store = fixture.open();
    let (found, file) = (kept(&store).await, store.salvage().unwrap().aside.clone());
    store.close().await;
    let (path, fresh) = (fixture.path(), fixture.path().with_added_extension("new"));
    // The new file is whole, and nothing was renamed yet; then only the damaged one was.
    for damaged in [path.clone(), file.clone()] {
        fs::rename(&path, &fresh).unwrap();
        fs::rename(&file, &damaged).ok();
        let store = fixture.open();
        assert_eq!((store.keeping(), kept(&store).await), (Keeping::Afresh, found.clone()), "{damaged:?}");
        store.close().await;
        assert_eq!((fs::read(&file).unwrap(), fresh.exists()), (bytes.clone(), false));
    }
    // A new file that was not finished is begun again.
    fs::remove_file(&path).unwrap();
    fs::rename(&file, &path).unwrap();
    fs::write(&fresh, &bytes[..PAGE * 3]).unwrap();
    let store = fixture.open();
    assert_eq!((store.keeping(), kept(&store).await), (Keeping::Afresh, found));
    store.close().await;
}

#[tokio::test]
async fn a_day_has_one_private_copy_and_the_newest_are_kept() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let made = appointment(&store, 1).await;
    for day in 1..=5 {
        let copy = backup::make_one(&fixture.path(), 3, date(2026, 11, day)).await.unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(backup::make_one(&fixture.path(), 3, date(2026, 11, day)).await, None, "there is one of that day");
    }
    let folder = fixture.directory.path().join("backups");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["frontdesk-2026-11-03.db", "frontdesk-2026-11-04.db", "frontdesk-2026-11-05.db"]);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    booked(&store, 1, made.id, at(1)).await.expect("the store goes on");
    store.close().await;
}

/// What is over a place of the file: one byte again and again, as of a card that has lost blocks, or anything,
/// for a page at least: a single letter that another took the place of is no damage that SQLite can see.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let same = (1..3 * PAGE, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    prop_oneof![same, prop::collection::vec(any::<u8>(), PAGE..3 * PAGE)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Wherever bytes are lost, the phone is answered and appointments are made.
    #[test]
    fn any_damage_leaves_a_book_that_can_be_used(
        places in prop::collection::vec((0.0..1.0_f64, written()), 1..6)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let before = filled(&fixture).await;
            let bytes = harm(&fixture, |bytes| {
                for (place, written) in places {
                    let from = (place * bytes.len() as f64) as usize;
                    let to = (from + written.len()).min(bytes.len());
                    bytes[from..to].copy_from_slice(&written[..to - from]);
                }
            });
            let store = fixture.open();
            assert_ne!(store.keeping(), Keeping::Memory);
            assert!(kept(&store).await.len() <= before.len());
            appointment(&store, MANY + 7).await;
            if let Some(salvage) = store.salvage() {
                assert_eq!(fs::read(&salvage.aside).unwrap(), bytes);
            }
            store.close().await;
        });
    }
}

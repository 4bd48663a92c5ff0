//! What may go wrong: power, disk, thread, other programs. Nothing that was committed is lost, nothing is deleted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command as Process, Stdio};

use super::*;

#[tokio::test]
async fn a_record_of_an_unknown_call_is_counted_and_takes_nothing_with_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [said(9, 0, "lost"), started(1, at(0)), said(1, 0, "kept")]);
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript, [turn(0, "kept")]);
    assert_eq!(store.failed_records(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_never_waits() {
    let fixture = Fixture::new();
    let store = fixture.open();
    // The thread is held up by a question, as it would be by a disk that does not answer.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, is_held) = oneshot::channel();
    let holder = store.clone();
    let holding = tokio::spawn(async move {
        holder
            .ask("holding", move |_| {
                let _ = tell.send(());
                let _ = held.recv();
                Ok(())
            })
            .await
    });
    is_held.await.unwrap();
    assert!(store.record(started(1, at(0))));
    let accepted = 1 + (0..QUEUE as u32 + 9).filter(|&n| store.record(said(1, n, "word"))).count();
    assert_eq!(accepted, QUEUE);
    assert_eq!((store.waiting_records(), store.dropped_records()), (QUEUE, 10));
    let nothing = || store.shared.queue.try_send(Command::Ask(Box::new(|_| {})));
    assert_eq!((0..=QUESTIONS).filter(|_| nothing().is_ok()).count(), QUESTIONS, "questions have room of their own");
    assert!(matches!(store.flush().await, Err(StoreError::Busy)));
    release.send(()).unwrap();
    holding.await.unwrap().unwrap();
    store.close().await;
    let store = fixture.open();
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript.len(), QUEUE - 1);
    store.close().await;
}

/// Waits for a fact that nobody announces.
async fn until(fact: impl Fn() -> bool) {
    let looking = async {
        while !fact() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("it never came about");
}

/// Makes the disk as full as it is when `pages` is small.
async fn room_for(store: &Store, pages: u32) {
    let sql = format!("PRAGMA max_page_count = {pages}");
    store.ask("limiting", move |db| db.query_row(&sql, [], |_| Ok(()))).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_makes_records_wait_and_loses_none() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0))]);
    room_for(&store, 1).await;
    record_all(&store, (0..4).map(|n| said(1, n, &"x".repeat(100_000))));
    store.flush().await.expect("the thread moves: the watchdog is fed");
    assert!(store.is_behind());
    assert_eq!((store.waiting_records(), store.failed_records()), (4, 0));
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript, [], "what is on the disk can be read");

    room_for(&store, 1_000_000).await;
    record_all(&store, [said(1, 9, "room again")]);
    until(|| !store.is_behind()).await;
    let kept = store.call(sid(1)).await.unwrap().unwrap();
    assert_eq!(kept.transcript.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 9]);
    assert_eq!((store.waiting_records(), store.failed_records()), (0, 0));
    store.close().await;
}

#[tokio::test]
async fn a_program_that_locks_the_file_delays_records_until_it_lets_go() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0))]);
    store.flush().await.unwrap();
    let other = fixture.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // More than one transaction's worth.
    record_all(&store, (0..300).map(|n| said(1, n, "word")));
    record_all(&store, [started(2, at(5))]);
    store.flush().await.unwrap();
    assert!(store.is_behind());
    let unknown = store.call(sid(2)).await;
    assert!(matches!(unknown, Err(StoreError::Behind)), "it is not said that there is no such call");

    other.execute_batch("COMMIT").unwrap();
    until(|| !store.is_behind()).await;
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript.len(), 300);
    assert!(store.call(sid(2)).await.unwrap().is_some());
    assert_eq!((store.dropped_records(), store.failed_records()), (0, 0));
    store.close().await;
}

#[tokio::test]
async fn as_many_records_wait_as_would_have_queued_and_the_thread_still_answers() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0))]);
    room_for(&store, 1).await;
    record_all(&store, [said(1, 0, &"x".repeat(100_000))]);
    store.flush().await.unwrap();
    let accepted = 1 + (1..QUEUE as u32 + 9).filter(|&n| store.record(said(1, n, "word"))).count();
    assert_eq!((accepted, store.dropped_records()), (QUEUE, 9));
    store.flush().await.unwrap();
    room_for(&store, 1_000_000).await;
    until(|| !store.is_behind()).await;
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript.len(), QUEUE);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_is_closed_while_records_wait_does_not_wait_with_them() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0))]);
    room_for(&store, 1).await;
    record_all(&store, (0..3).map(|n| said(1, n, &"x".repeat(100_000))));
    store.close().await;
    assert_eq!((store.waiting_records(), store.failed_records()), (0, 3));
    let store = fixture.open();
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript, []);
    store.close().await;
}

#[tokio::test]
async fn a_record_that_the_database_refuses_takes_no_other_with_it() {
    for harm in ["ABORT", "ROLLBACK"] {
        let fixture = Fixture::new();
        let store = fixture.open();
        let trigger = format!(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON turns WHEN NEW.text = 'bad'
             BEGIN SELECT RAISE({harm}, 'no such word'); END"
        );
        store.ask("refusing", move |db| db.execute_batch(&trigger)).await.unwrap();
        let text = |n| if n % 5 == 3 { "bad" } else { "good" };
        record_all(&store, std::iter::once(started(1, at(0))).chain((0..10).map(|n| said(1, n, text(n)))));
        let kept = store.call(sid(1)).await.unwrap().unwrap();
        assert_eq!(kept.transcript.iter().map(|turn| turn.seq).collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6, 7, 9], "{harm}");
        assert_eq!((store.failed_records(), store.waiting_records()), (2, 0), "{harm}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_call_that_was_cut_by_a_power_loss_ends_at_the_last_thing_known_of_it() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let event = Event { at: at(20), kind: "resumed".into(), detail: serde_json::Value::Null };
    record_all(&store, [started(1, at(0)), started(2, at(5)), said(2, 3, "hello"), started(3, at(6)), ended(3, 30)]);
    record_all(&store, [started(4, at(7)), Record::Event { call: sid(4), event }]);
    // Closing leaves running calls open: whoever ends them says why.
    store.close().await;

    let store = fixture.open();
    assert_eq!(store.recovered(), 3);
    for (n, end, reason) in [(1, 0, "power-loss"), (2, 6, "power-loss"), (3, 30, "goodbye"), (4, 20, "power-loss")] {
        let call = store.call(sid(n)).await.unwrap().unwrap().call;
        assert_eq!((call.ended_at, call.end_reason.as_deref()), (Some(at(end)), Some(reason)), "call {n}");
    }
    store.close().await;
    let store = fixture.open();
    assert_eq!(store.recovered(), 0);
    store.close().await;
}

#[tokio::test]
async fn a_second_daemon_is_refused_while_the_first_runs() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let refused = fixture.try_open().unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    store.close().await;
    fixture.open().close().await;
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let fixture = Fixture::new();
    fixture.connection().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let bytes = std::fs::read(fixture.path()).unwrap();
    let refused = fixture.try_open().unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    assert_eq!(std::fs::read(fixture.path()).unwrap(), bytes);
}

/// Works as any other, and everything of it is gone with it.
async fn assert_in_memory(fixture: &Fixture) {
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::Memory);
    record_all(&store, [started(1, at(0)), said(1, 0, "kept for now"), ended(1, 9)]);
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().transcript, [turn(0, "kept for now")]);
    assert_eq!((store.recovered(), store.failed_records()), (0, 0));
    store.close().await;
}

#[tokio::test]
async fn without_a_place_for_its_file_calls_are_kept_in_memory() {
    let mut fixture = Fixture::new();
    fixture.name = "no-such-directory/frontdesk.db";
    assert_in_memory(&fixture).await;
    fixture.name = "frontdesk.db";
    std::fs::create_dir(fixture.path()).unwrap();
    assert_in_memory(&fixture).await;
}

#[tokio::test]
async fn what_sqlite_cannot_open_is_left_alone_and_calls_are_kept_in_memory() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(7, at(0)), ended(7, 9)]);
    store.close().await;
    let in_the_way = fixture.directory.path().join("frontdesk.db-wal");
    std::fs::create_dir(&in_the_way).unwrap();
    assert_in_memory(&fixture).await;

    std::fs::remove_dir(in_the_way).unwrap();
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::File);
    assert!(store.call(sid(7)).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_damaged_file_that_may_be_anybodys_is_left_as_it_is() {
    let fixture = Fixture::new();
    let bytes = b"this is no database, however long it may be".repeat(100);
    std::fs::write(fixture.path(), &bytes).unwrap();
    assert_in_memory(&fixture).await;
    assert_eq!(std::fs::read(fixture.path()).unwrap(), bytes);
}

#[tokio::test]
async fn a_damaged_file_of_ours_is_set_aside_whole_and_a_new_one_takes_its_place() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, (1..50).flat_map(|n| [started(n, at(0)), said(n, 0, "word")]));
    store.close().await;
    // Everything behind the header of the first page.
    let mut bytes = std::fs::read(fixture.path()).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(fixture.path(), &bytes).unwrap();

    let store = fixture.open();
    assert_eq!((store.keeping(), store.call(sid(1)).await.unwrap()), (Keeping::Afresh, None));
    record_all(&store, [started(1, at(60))]);
    store.close().await;
    let aside: Vec<PathBuf> = std::fs::read_dir(fixture.directory.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("frontdesk.db.corrupt-"))
        .collect();
    let [file] = aside.as_slice() else { panic!("{aside:?}") };
    assert_eq!(std::fs::read(file).unwrap(), bytes);

    std::fs::remove_file(file).unwrap();
    let store = fixture.open();
    assert_eq!(store.keeping(), Keeping::File);
    assert!(store.call(sid(1)).await.unwrap().is_some(), "the new file stays");
    store.close().await;
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused() {
    let fixture = Fixture::new();
    fixture.open().close().await;
    fixture.connection().pragma_update(None, "user_version", 99).unwrap();
    let refused = fixture.try_open().unwrap_err().to_string();
    let known = open::STEPS.len();
    assert!(refused.contains(&format!("written by a later version (schema 99, this one knows {known})")), "{refused}");
}

#[tokio::test]
async fn an_older_store_is_brought_up_to_date_and_keeps_its_calls() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0)), said(1, 0, "kept"), ended(1, 9)]);
    store.close().await;

    let with = |step| [open::STEPS, &[step]].concat();
    let broken = with("ALTER TABLE calls ADD COLUMN mood TEXT; SELECT nonsense");
    assert!(matches!(open::open_file(&fixture.path(), &broken), Err(StoreError::Sqlite { .. })));
    let next = with("ALTER TABLE calls ADD COLUMN mood TEXT");
    let opened = open::open_file(&fixture.path(), &next).unwrap();
    let version: i64 = opened.db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, next.len() as i64);
    let kept = opened.db.query_row("SELECT text, mood FROM turns JOIN calls ON calls.id = call", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    });
    assert_eq!(kept.unwrap(), ("kept".to_owned(), None));
}

/// A file of the first version, with what that version wrote into columns that are gone.
#[tokio::test]
async fn a_store_of_the_first_version_is_read_by_this_one() {
    let fixture = Fixture::new();
    let first = fixture.connection();
    first.execute_batch(open::STEPS[0]).unwrap();
    first.pragma_update(None, "application_id", lock::APPLICATION_ID).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    let call = "INSERT INTO calls (call_sid, account_sid, direction, started_at, ended_at)
                VALUES ('CA00000000000000000000000000000001', 'AC1', 'inbound', 1790949785000, 1790949786000)";
    let usage = "INSERT INTO usage (call, at, prompt, response, total, audio_in, audio_out)
                 VALUES (1, 1790949785000, 3, 4, 7, 0, 0)";
    first.execute_batch(&format!("{call}; {usage}")).unwrap();
    drop(first);

    let store = fixture.open();
    assert_eq!(store.call(sid(1)).await.unwrap().unwrap().tokens, Tokens { prompt: 3, response: 4, total: 7 });
    record_all(
        &store,
        [Record::Usage { call: sid(1), at: at(5), tokens: Tokens { prompt: 1, response: 1, total: 2 } }],
    );
    let kept = store.call(sid(1)).await.unwrap().unwrap();
    assert_eq!((kept.tokens.total, kept.call.ended_at), (9, Some(at(1))));
    store.close().await;
}

#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let _store = fixture.open();
    for name in ["frontdesk.db", "frontdesk.db-wal"] {
        let mode = std::fs::metadata(fixture.directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The variable that turns the next test into the victim.
const VICTIM: &str = "FRONTDESK_TEST_STORE";

/// Not a test of its own: the process that the next one kills. It says each turn's number once it is committed.
#[tokio::test]
#[ignore = "runs only as the victim of a_killed_daemon_loses_nothing_that_was_committed"]
async fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let store = open_at(Path::new(&path)).unwrap();
    assert!(store.record(started(1, at(0))));
    for seq in 0.. {
        assert!(store.record(said(1, seq, "word")));
        store.flush().await.unwrap();
        writeln!(std::io::stdout(), "committed {seq}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_daemon_loses_nothing_that_was_committed() {
    let fixture = Fixture::new();
    let mut victim = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::faults::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(VICTIM, fixture.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let committed = |line: String| line.strip_prefix("committed ").and_then(|seq| seq.parse::<u64>().ok());
    let last = lines.map_while(Result::ok).filter_map(committed).find(|&seq| seq >= 25).unwrap();
    victim.kill().unwrap(); // SIGKILL
    victim.wait().unwrap();

    let store = fixture.open();
    assert_eq!(store.recovered(), 1);
    let kept = store.call(sid(1)).await.unwrap().unwrap();
    assert!(kept.transcript.len() as u64 > last, "{} turns, {last} was committed", kept.transcript.len());
    assert!(kept.transcript.iter().zip(0..).all(|(turn, seq)| turn.seq == seq));
    assert_eq!(kept.call.ended_at, kept.transcript.last().map(|turn| turn.ended_at));
    assert_eq!(kept.call.end_reason.as_deref(), Some("power-loss"));
    let intact: String =
        store.ask("checking", |db| db.query_row("PRAGMA integrity_check", [], |r| r.get(0))).await.unwrap();
    assert_eq!(intact, "ok");
    store.close().await;
}

//! Whose the file is: what says so, and who else may look into it.

use std::process::Command as Process;

use super::*;

/// The variable that turns a test into another program: the store that it looks into.
const LOOKER: &str = "FRONTDESK_TEST_LOOKER";

/// Not a test of its own: the program that looks into the store in the next.
#[test]
#[ignore = "runs only as the other program of the test below"]
fn looks_into_the_store_and_goes() {
    let Some(path) = std::env::var_os(LOOKER) else { return };
    let db = Connection::open(path).unwrap();
    let calls: i64 = db.query_row("SELECT COUNT(*) FROM calls", [], |row| row.get(0)).unwrap();
    assert_eq!(calls, 1);
    db.close().unwrap();
}

/// The last who closes a database removes its log: nobody else may take himself for the last.
#[tokio::test]
async fn another_program_that_looks_into_a_new_store_does_not_take_its_log_away() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0))]);
    store.flush().await.unwrap();
    let mut looker = Process::new(std::env::current_exe().unwrap());
    looker.args(["--exact", "store::tests::claim::looks_into_the_store_and_goes", "--ignored"]);
    let looked = looker.env(LOOKER, fixture.path()).output().unwrap();
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stdout));
    let log = fixture.directory.path().join("frontdesk.db-wal");
    assert!(log.exists(), "what is written from now on is lost at a power loss");

    record_all(&store, [started(2, at(1))]);
    store.flush().await.unwrap();
    let calls: i64 = fixture.connection().query_row("SELECT COUNT(*) FROM calls", [], |row| row.get(0)).unwrap();
    assert_eq!(calls, 2);
    store.close().await;
}

#[tokio::test]
async fn a_mark_that_a_power_loss_has_torn_is_made_whole() {
    let fixture = Fixture::new();
    let store = fixture.open();
    record_all(&store, [started(1, at(0)), ended(1, 9)]);
    store.close().await;
    let lock = fixture.path().with_added_extension("lock");
    let whole = std::fs::read(&lock).unwrap();
    assert!(!whole.is_empty());
    std::fs::write(&lock, &whole[..11]).unwrap();
    fixture.open().close().await;
    assert_eq!(std::fs::read(&lock).unwrap(), whole);
}

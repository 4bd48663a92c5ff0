//! A process that is killed at every write of its loop: nothing that it said to be promised is lost, nothing is done twice.
//!
//! Two ways to die, both without a chance to tidy up. By `SIGKILL` after each of its steps; and by `SIGXFSZ`, which the
//! system sends in the middle of a write that would make a file longer than it may be: with a limit that grows from run to
//! run, every write to the write-ahead log is once the one that is torn.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Command as Process, Stdio};

use frontdesk_core::booking::appointment::{AppointmentId, State};
use frontdesk_core::booking::book::{Book as _, BookError, Errand};

use super::book::{patient, slot};
use super::*;

/// The variables that turn a test into the victim: its directory, and the step after which it kills itself.
const VICTIM: &str = "FRONTDESK_TEST_CRASH";
const STEP: &str = "FRONTDESK_TEST_CRASH_STEP";
/// The variable that tells it how many were before it.
const ROUND: &str = "FRONTDESK_TEST_CRASH_ROUND";
/// Appointments that the victim makes if nobody stops it.
const LOOPS: i64 = 40;

/// The steps of a victim; `die` is the one after which it ends.
struct Steps {
    taken: u32,
    die: Option<u32>,
}

impl Steps {
    /// Says what has happened, then goes on or dies.
    fn took(&mut self, what: &str) {
        let mut out = std::io::stdout();
        writeln!(out, "{what}").unwrap();
        out.flush().unwrap();
        self.taken += 1;
        if self.die == Some(self.taken) {
            Process::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
            // The signal may come an instant later; nothing else may happen until then.
            loop {
                std::thread::park();
            }
        }
    }
}

/// Carries an errand out: a file of its key's name, made once.
fn carry(directory: &Path, due: &Due) -> &'static str {
    let file = directory.join("effects").join(&due.key);
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(_) => "carried",
        Err(error) => {
            assert!(error.kind() == std::io::ErrorKind::AlreadyExists && due.unsure, "carried twice without a warning");
            "carried before"
        }
    }
}

/// Has everything carried out that is due.
async fn carry_all(store: &Store, directory: &Path, mut took: impl FnMut(&str)) {
    loop {
        let claimed = store.claim_errands(at(1_000_000), [1; 5]).await.unwrap();
        if claimed.due.is_empty() {
            return;
        }
        for due in claimed.due {
            took(&format!("begun {}", due.key));
            let how = carry(directory, &due);
            took(&format!("{how} {}", due.key));
            store.settle_errand(due.id, Settlement::Done(String::new()), at(1_000_000)).await.unwrap();
            took(&format!("done {}", due.key));
        }
    }
}

/// Books one appointment with three errands; every third is moved, every fifth taken back.
async fn arrange(store: &Store, n: i64, steps: &mut Steps) {
    let by = sid(n as u32);
    let day = 60 * 24 * n;
    let hold =
        |minute: i64| store.transact(move |book| book.hold(&slot("osei", day + minute, 30), &by, "en", at(0), at(120)));
    let id = hold(0).await.unwrap().id;
    steps.took(&format!("held {id}"));
    store
        .transact(move |book| -> Result<(), BookError> {
            book.book(id, &by, &patient("Ana"), at(1))?;
            book.send(&Errand::Calendar(id), &format!("calendar-{id}-0"), at(1))?;
            book.send(&Errand::Mail(id), &format!("mail-{id}-0"), at(1))
        })
        .await
        .unwrap();
    steps.took(&format!("booked {id}"));
    if n % 3 == 0 {
        let hold = hold(60).await.unwrap().id;
        let moved = store.transact(move |book| -> Result<(), BookError> {
            book.reschedule(id, hold, &by, at(2))?;
            book.send(&Errand::Calendar(id), &format!("calendar-{id}-1"), at(2))
        });
        moved.await.unwrap();
        steps.took(&format!("moved {id}"));
    }
    if n % 5 == 0 {
        let cancelled = store.transact(move |book| -> Result<(), BookError> {
            book.cancel(id, "patient", &by, at(3))?;
            book.send(&Errand::Mail(id), &format!("mail-{id}-2"), at(3))
        });
        cancelled.await.unwrap();
        steps.took(&format!("cancelled {id}"));
    }
}

/// Not a test of its own: the process that dies in the others.
#[tokio::test]
#[ignore = "runs only as the victim of the other tests here"]
async fn arranges_until_it_is_killed() {
    let Some(directory) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
    let die = std::env::var(STEP).ok().map(|step| step.parse().unwrap());
    let mut steps = Steps { taken: 0, die };
    let store = open_at(&directory.join("frontdesk.db")).unwrap();
    let done = LOOPS * std::env::var(ROUND).unwrap().parse::<i64>().unwrap();
    carry_all(&store, &directory, |what| steps.took(what)).await;
    for n in done + 1..=done + LOOPS {
        arrange(&store, n, &mut steps).await;
        carry_all(&store, &directory, |what| steps.took(what)).await;
    }
}

/// What victims have said, and what must be so from then on.
#[derive(Default)]
struct Said {
    booked: BTreeSet<String>,
    moved: BTreeSet<String>,
    cancelled: BTreeSet<String>,
    begun: u32,
    done: BTreeSet<String>,
}

impl Said {
    fn listen(&mut self, line: &str) {
        let Some((what, of)) = line.split_once(' ') else { return };
        match what {
            "booked" => drop(self.booked.insert(of.to_owned())),
            "moved" => drop(self.moved.insert(of.to_owned())),
            "cancelled" => drop(self.cancelled.insert(of.to_owned())),
            "begun" => {
                self.begun += 1;
                assert!(!self.done.contains(of), "{of} was done, and is begun again");
            }
            "done" => drop(self.done.insert(of.to_owned())),
            _ => {}
        }
    }
}

struct Grave {
    fixture: Fixture,
    said: Said,
    rounds: u32,
}

impl Grave {
    async fn dug() -> Self {
        let fixture = Fixture::new();
        fs::create_dir(fixture.directory.path().join("effects")).unwrap();
        fixture.open().close().await;
        Self { fixture, said: Said::default(), rounds: 0 }
    }

    /// Runs a victim to its end, by `step` or by a file of more than `bytes`. Returns whether it was killed.
    fn run(&mut self, step: Option<u32>, bytes: Option<u64>) -> bool {
        let itself = std::env::current_exe().unwrap();
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{}", bytes / 512));
        let mut victim = Process::new("sh");
        // POSIX: ulimit -f counts 512 bytes. No core file is wanted of it.
        victim.args(["-c", &format!("ulimit -c 0; ulimit -f {limit}; exec \"$@\""), "sh"]).arg(itself).args([
            "--exact",
            "store::tests::crash::arranges_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ]);
        victim.env(VICTIM, self.fixture.directory.path()).env_remove(STEP).env(ROUND, self.rounds.to_string());
        self.rounds += 1;
        victim.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(step) = step {
            victim.env(STEP, step.to_string());
        }
        let mut victim = victim.spawn().unwrap();
        for line in std::io::BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok) {
            // The first follows the test's own name.
            self.said.listen(line.rsplit("... ").next().unwrap());
        }
        let mut complaint = String::new();
        victim.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        let ended = victim.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert!(ended.success() || matches!(signal, Some(9 | 25)), "{ended}: {complaint}");
        signal.is_some()
    }

    /// Opens what is left, has the rest carried out, and looks whether all is as it was said.
    async fn look(&mut self) {
        let directory = self.fixture.directory.path().to_owned();
        let store = self.fixture.open();
        assert_eq!(store.keeping(), Keeping::File);
        let intact: String =
            store.ask("checking", |db| db.query_row("PRAGMA integrity_check", [], |row| row.get(0))).await.unwrap();
        assert_eq!(intact, "ok");
        let said = &mut self.said;
        carry_all(&store, &directory, |what| said.listen(what)).await;
        assert_eq!(store.errands(at(1_000_000)).await.unwrap().errands, []);
        for id in &self.said.booked {
            let name = AppointmentId(u128::from_str_radix(id, 16).unwrap());
            let kept = store.appointment(name).await.unwrap().expect("what was promised is lost");
            assert!(kept.state == State::Cancelled || !self.said.cancelled.contains(id));
            assert!(kept.revision >= u32::from(self.said.moved.contains(id)));
        }
        let live: i64 = store
            .ask("counting", |db| {
                db.query_row("SELECT COUNT(*) FROM appointments WHERE state = 'held'", [], |r| r.get(0))
            })
            .await
            .unwrap();
        assert_eq!(live, 0, "nobody is left to say yes");
        assert_eq!(store.audit_broken_at().await.unwrap(), None);
        store.close().await;
        let effects = fs::read_dir(directory.join("effects")).unwrap().count();
        let sql = "SELECT COUNT(*) FROM outbox WHERE state = 'done' AND note IS NOT 'overtaken'";
        let done: i64 = self.fixture.connection().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(effects as i64, done, "each effect has its errand, and each errand its effect");
        assert!(self.said.done.iter().all(|key| directory.join("effects").join(key).exists()));
    }
}

#[tokio::test]
async fn a_daemon_that_is_killed_after_any_step_loses_nothing_and_repeats_nothing() {
    let mut grave = Grave::dug().await;
    for step in 1..=24 {
        assert!(grave.run(Some(step), None), "step {step} is beyond the loop");
        grave.look().await;
    }
    assert!(grave.said.booked.len() > 24 && grave.said.done.len() > 48, "{}", grave.said.booked.len());
}

#[tokio::test]
async fn a_daemon_whose_write_is_torn_anywhere_loses_nothing_and_repeats_nothing() {
    let mut grave = Grave::dug().await;
    // Below is the database itself and the index of its log. A frame of the log has 4,120 bytes: by 1,536, each is torn in
    // three places, and from the second commit on every write is met.
    let (first, last, by) = (150_000, 280_000, 1_536);
    let mut killed = 0;
    for bytes in (first..last).step_by(by) {
        killed += u32::from(grave.run(None, Some(bytes)));
        grave.look().await;
    }
    assert!(killed > 50, "only {killed} were killed: the files stay below the limits");
}

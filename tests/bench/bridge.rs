//! The two bridges under the same load: the daemon, and the one without duties.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use frontdesk_tests::daemon::{Daemon, Plan, home, program};
use tempfile::TempDir;

use crate::memory::rss_kib;
use crate::protocol::{Offer, Order, Outcome};

/// Until then a process that has just started has settled: what it allocated to start is given back.
const SETTLES: Duration = Duration::from_secs(1);

/// Which bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The daemon.
    Ours,
    /// The one without duties.
    Trivial,
}

/// A bridge that listens. Killed when dropped.
pub(crate) struct Bridge {
    running: Running,
    /// Where Twilio reaches it.
    pub(crate) address: SocketAddr,
    /// From its start to that.
    pub(crate) ready: Duration,
    /// Resident memory before its first call.
    pub(crate) idle_kib: u64,
}

enum Running {
    Daemon(Box<Daemon>, #[expect(dead_code, reason = "keeps the daemon's folder")] TempDir),
    Trivial(Child),
}

impl Bridge {
    /// Starts one beside the simulators that `offer` names.
    pub(crate) async fn start(which: Which, offer: &Offer, calls: usize) -> anyhow::Result<Self> {
        let (running, address, ready) = match which {
            Which::Ours => daemon(offer, calls).await?,
            Which::Trivial => trivial(offer)?,
        };
        tokio::time::sleep(SETTLES).await;
        let mut bridge = Self { running, address, ready, idle_kib: 0 };
        bridge.idle_kib = rss_kib(bridge.pid())?;
        Ok(bridge)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Daemon(daemon, _) => daemon.pid(),
            Running::Trivial(child) => child.id(),
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Running::Trivial(child) = &mut self.running {
            // It may have ended already; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn daemon(offer: &Offer, calls: usize) -> anyhow::Result<(Running, SocketAddr, Duration)> {
    let home = home()?;
    let plan = Plan {
        lines: vec![("phone", format!("max_calls = {}", calls + 10)), ("log", r#"level = "info""#.to_owned())],
        gemini: offer.gemini.clone(),
        gemini_ca: Some(offer.ca.clone()),
        gemini_key: "a-key-for-benches".into(),
        twilio_api: offer.twilio_api.clone(),
        account_sid: offer.account_sid.clone(),
        auth_token: offer.auth_token.clone(),
        home: home.path().to_owned(),
    };
    let began = Instant::now();
    let daemon = Daemon::start(&plan).await?;
    let ready = began.elapsed();
    let address = daemon.public;
    Ok((Running::Daemon(Box::new(daemon), home), address, ready))
}

fn trivial(offer: &Offer) -> anyhow::Result<(Running, SocketAddr, Duration)> {
    let began = Instant::now();
    let mut child = Command::new(program("trivial-bridge")?)
        .arg(&offer.gemini)
        .arg(&offer.ca)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start trivial-bridge")?;
    let stdout = child.stdout.take().context("trivial-bridge has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let ready = began.elapsed();
    let address = line.trim().parse().context("trivial-bridge did not say where it listens")?;
    Ok((Running::Trivial(child), address, ready))
}

/// The simulators' process. Killed when dropped.
pub(crate) struct Load {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where its simulators are.
    pub(crate) offer: Offer,
}

impl Load {
    /// Starts it for so many calls.
    pub(crate) fn start(calls: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(program("load")?)
            .arg(calls.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the load")?;
        let orders = child.stdin.take().context("the load takes no orders")?;
        let mut answers = BufReader::new(child.stdout.take().context("the load has no output")?);
        let offer = read(&mut answers)?;
        Ok(Self { child, orders, answers, offer })
    }

    /// Loads a bridge; blocks until that is over.
    pub(crate) fn run(&mut self, order: &Order) -> anyhow::Result<Outcome> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        read(&mut self.answers)
    }
}

fn read<T: serde::de::DeserializeOwned>(from: &mut impl std::io::BufRead) -> anyhow::Result<T> {
    let mut line = String::new();
    ensure!(from.read_line(&mut line)? > 0, "the load has ended; what it said is above");
    Ok(serde_json::from_str(&line)?)
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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

    /// From an interruption read to its `clear` written: the least bound, in milliseconds, that 99 in 100 keep. Nothing
    /// of a bridge that does not count.
    pub(crate) async fn cleared_ms(&self) -> anyhow::Result<Option<f64>> {
        let Running::Daemon(daemon, _) = &self.running else { return Ok(None) };
        let (_, metrics) = daemon.get("/metrics").await?;
        Ok(percentile(&metrics, "frontdesk_clear_seconds", 0.99).map(|seconds| seconds * 1e3))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Daemon(daemon, _) => daemon.pid(),
            Running::Trivial(child) => child.id(),
        }
    }
}

/// The least bound of a histogram's buckets that so large a share keeps; `None` of an empty one.
fn percentile(metrics: &str, name: &str, share: f64) -> Option<f64> {
    let buckets: Vec<(f64, f64)> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?.split_once("\"} "))
        .filter_map(|(bound, count)| Some((bound.replace('+', "").parse().ok()?, count.parse().ok()?)))
        .collect();
    let (_, all) = buckets.last().filter(|(_, all)| *all > 0.0)?;
    buckets.iter().find(|(_, count)| *count >= share * all).map(|(bound, _)| *bound)
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
        environment: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_bound_that_so_many_keep() {
        let metrics = "x_bucket{le=\"0.001\"} 97\nx_bucket{le=\"0.002\"} 99\nx_bucket{le=\"+Inf\"} 100\nx_count 100\n";
        assert_eq!(percentile(metrics, "x", 0.99), Some(0.002));
        assert_eq!(percentile(metrics, "x", 0.999), Some(f64::INFINITY));
        assert_eq!(percentile("x_bucket{le=\"+Inf\"} 0\n", "x", 0.99), None);
    }
}

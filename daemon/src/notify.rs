//! Telling systemd how we are: ready, busy, stopping, and alive.
//!
//! The watchdog is fed by proof: before each ping a question travels through the runtime to the parts that must not
//! stand still, and back. A daemon whose sockets are open but whose threads hang is killed and started again.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::logging::{Event, chain};

/// A line to the service manager, or to nobody when there is none; clones share it. No method blocks.
#[derive(Debug, Clone)]
pub struct Notifier {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Finds the manager by `NOTIFY_SOCKET`, and what it expects of a watchdog by `WATCHDOG_USEC` and `WATCHDOG_PID`,
    /// all looked up by `environment`. A socket that cannot be used is logged and treated like none: systemd will
    /// notice the silence by itself.
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let socket = environment("NOTIFY_SOCKET").filter(|path| !path.is_empty()).and_then(|path| {
            let connected = connect(&path);
            connected.map_err(|error| log::error!("systemd cannot be told anything at {path}: {error}")).ok()
        });
        let ours = environment("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = environment("WATCHDOG_USEC").and_then(|micros| micros.parse().ok()).map(Duration::from_micros);
        let watchdog = watchdog.filter(|interval| ours && socket.is_some() && !interval.is_zero());
        Self { socket: socket.map(Arc::new), watchdog }
    }

    /// Everything that does not depend on the outside world works. `status` is shown by `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// The configuration is being read again; [`ready`](Self::ready) ends it. systemd from 253 on wants to know when, in the
    /// same message, or takes the reload for failed (systemd.service(5), `Type=notify-reload`); 252 passes over the time.
    pub fn reloading(&self, status: &str) {
        let now = NotifyState::monotonic_usec_now().ok();
        let states: Vec<_> =
            std::iter::once(NotifyState::Reloading).chain(now).chain([NotifyState::Status(status)]).collect();
        self.tell(&states);
    }

    /// The process is about to end because of what `status` says; `errno` is the system's number for it, if it has one.
    pub fn failed(&self, status: &str, errno: Option<u32>) {
        let states: Vec<_> =
            std::iter::once(NotifyState::Status(status)).chain(errno.map(NotifyState::Errno)).collect();
        self.tell(&states);
    }

    /// The end has begun; systemd will not take it for a crash.
    pub fn stopping(&self, status: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// Pings the watchdog three times in its interval, each time after `prove` has returned in a third of it. Without
    /// a watchdog it only waits for `stop`.
    ///
    /// `prove` asks the parts that must make progress, and returns what is wrong if they say so: then, and when it is
    /// late, nothing is sent and the reason is logged. One that asks the store forgives a disk that stalls for less
    /// than the interval.
    pub async fn feed_watchdog<F, E>(&self, stop: CancellationToken, prove: impl Fn() -> F)
    where
        F: Future<Output = Result<(), E>>,
        E: std::error::Error,
    {
        let Some(limit) = self.watchdog else { return stop.cancelled().await };
        let third = limit / 3;
        let mut ticks = interval(third);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pinging = async {
            loop {
                ticks.tick().await;
                match timeout(third, prove()).await {
                    Ok(Ok(())) => self.tell(&[NotifyState::Watchdog]),
                    Ok(Err(error)) => {
                        log::error!(event:% = Event::WatchdogStarved; "no progress, the watchdog is not fed: {}", chain(&error));
                    }
                    Err(_) => {
                        log::error!(event:% = Event::WatchdogStarved; "no progress for {third:?}, the watchdog is not fed");
                    }
                }
            }
        };
        stop.run_until_cancelled(pinging).await;
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        // One line each: what follows a line break would be another statement.
        let message: String = states.iter().map(|state| state.to_string().replace(['\n', '\r'], " ") + "\n").collect();
        if let Err(error) = socket.send(message.as_bytes()) {
            log::warn!("systemd was not told {:?}: {error}", message.trim_end());
        }
    }
}

/// Connects to a path, or to an abstract name that begins with `@`.
fn connect(path: &str) -> io::Result<UnixDatagram> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path.as_bytes()))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A service manager's end of the line, and what the daemon finds in its environment.
    struct Manager {
        socket: UnixDatagram,
        variables: Vec<(&'static str, String)>,
        _directory: tempfile::TempDir,
    }

    impl Manager {
        fn listening() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let variables = vec![("NOTIFY_SOCKET", path.to_str().unwrap().to_owned())];
            Self { socket, variables, _directory: directory }
        }

        fn with(mut self, variable: &'static str, value: &str) -> Self {
            self.variables.push((variable, value.to_owned()));
            self
        }

        fn notifier(&self) -> Notifier {
            Notifier::from_environment(&|name| {
                self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
            })
        }

        fn heard(&self) -> String {
            let mut buffer = [0; 512];
            let length = self.socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        }

        fn hears_nothing_more(&self) -> bool {
            self.socket.set_nonblocking(true).unwrap();
            self.socket.recv(&mut [0; 8]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the store stands still")]
    struct Stuck;

    #[test]
    fn systemd_is_told_in_its_words() {
        let manager = Manager::listening();
        let notifier = manager.notifier();
        notifier.ready("ready; calls=0");
        assert_eq!(manager.heard(), "READY=1\nSTATUS=ready; calls=0\n");
        notifier.status("two\nlines");
        assert_eq!(manager.heard(), "STATUS=two lines\n");
        notifier.clone().stopping("draining");
        assert_eq!(manager.heard(), "STOPPING=1\nSTATUS=draining\n");
    }

    #[test]
    fn a_reload_is_one_message_with_its_time_and_a_failure_tells_its_number() {
        let manager = Manager::listening();
        let notifier = manager.notifier();
        notifier.reloading("reading");
        let heard = manager.heard();
        let lines: Vec<&str> = heard.lines().collect();
        assert_eq!((lines[0], lines[2]), ("RELOADING=1", "STATUS=reading"));
        assert!(lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0, "{heard}");
        notifier.failed("the port is taken", Some(98));
        assert_eq!(manager.heard(), "STATUS=the port is taken\nERRNO=98\n");
        notifier.failed("no reason", None);
        assert_eq!(manager.heard(), "STATUS=no reason\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let notifier = Notifier::from_environment(&|_| None);
        notifier.ready("ready");
        let gone = Notifier::from_environment(&|name| (name == "NOTIFY_SOCKET").then(|| "/nowhere/notify".to_owned()));
        gone.ready("ready");
    }

    #[test]
    fn a_watchdog_meant_for_another_process_is_not_ours() {
        let of = |pid: u32| {
            Manager::listening().with("WATCHDOG_USEC", "30000000").with("WATCHDOG_PID", &pid.to_string()).notifier()
        };
        assert_eq!(of(std::process::id()).watchdog, Some(Duration::from_secs(30)));
        assert_eq!(of(std::process::id() + 1).watchdog, None);
        assert_eq!(Manager::listening().with("WATCHDOG_USEC", "soon").notifier().watchdog, None);
    }

    #[tokio::test]
    async fn the_watchdog_is_fed_while_there_is_progress_and_not_after() {
        let manager = Manager::listening().with("WATCHDOG_USEC", "30000");
        let (stop, proofs) = (CancellationToken::new(), Cell::new(0));
        let prove = || {
            proofs.set(proofs.get() + 1);
            if proofs.get() == 5 {
                stop.cancel();
            }
            std::future::ready(if proofs.get() <= 2 { Ok(()) } else { Err(Stuck) })
        };
        manager.notifier().feed_watchdog(stop.clone(), prove).await;
        assert_eq!([manager.heard(), manager.heard()], ["WATCHDOG=1\n", "WATCHDOG=1\n"]);
        assert!(manager.hears_nothing_more());
    }

    #[tokio::test]
    async fn a_proof_that_never_comes_is_no_proof() {
        let manager = Manager::listening().with("WATCHDOG_USEC", "3000");
        let (stop, asked) = (CancellationToken::new(), Cell::new(0));
        let prove = || {
            asked.set(asked.get() + 1);
            if asked.get() == 3 {
                stop.cancel();
            }
            std::future::pending::<Result<(), Stuck>>()
        };
        manager.notifier().feed_watchdog(stop.clone(), prove).await;
        assert!(manager.hears_nothing_more());
    }

    #[tokio::test]
    async fn the_store_can_be_asked_by_a_supervised_task() {
        let directory = tempfile::tempdir().unwrap();
        let config = crate::config::StoreConfig { path: directory.path().join("calls.db"), keep_days: 1 };
        let store = crate::store::Store::open(&config).unwrap();
        let manager = Manager::listening().with("WATCHDOG_USEC", "3000000");
        let notifier = manager.notifier();
        let mut tasks = crate::supervise::Supervisor::new(crate::metrics::Metrics::new());
        let prove = move || {
            let store = store.clone();
            async move { store.flush().await }
        };
        tasks.start("watchdog", |stop| async move { notifier.feed_watchdog(stop, prove).await });
        let heard = tokio::task::spawn_blocking(move || manager.heard()).await.unwrap();
        assert_eq!(heard, "WATCHDOG=1\n");
        tasks.wind_down(crate::supervise::Grace::of_calls(Duration::ZERO)).await;
    }

    #[tokio::test]
    async fn without_a_watchdog_it_waits_to_be_stopped() {
        let stop = CancellationToken::new();
        let notifier = Notifier::from_environment(&|_| None);
        let feeding = notifier.feed_watchdog(stop.clone(), || std::future::ready(Ok::<(), Stuck>(())));
        tokio::join!(feeding, async { stop.cancel() });
    }
}

//! Who starts a task waits for it: the owner of everything that runs, and the order in which it stops.
//!
//! ```text
//! Supervisor ─┬─ long-lived tasks, named: one that ends unasked is a fault, and the daemon stops in order
//!             └─ Calls: tasks of calls, any number: one that panics is counted, and the others go on
//!
//! wind_down: calls may finish ─ grace ─► are told to stop ─ farewell ─► are dropped
//!            then the long-lived tasks, the one that was started last first
//! ```

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use frontdesk_core::session::id::ConversationId;
use futures_util::FutureExt as _;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::logging::chain;
use crate::metrics::Metrics;

/// Why a task gave up.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// A long-lived task ended though nobody asked it to: the daemon cannot go on as it is.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It ended as if all were well.
    #[error("the task {name} ended though nobody asked it to")]
    Ended {
        /// The task.
        name: &'static str,
    },
    /// It gave up.
    #[error("the task {name} failed")]
    Failed {
        /// The task.
        name: &'static str,
        /// Why.
        #[source]
        source: TaskError,
    },
    /// It has a defect; the log has the place.
    #[error("the task {name} panicked")]
    Panicked {
        /// The task.
        name: &'static str,
    },
}

/// What a long-lived task may return.
pub trait Outcome: Send + 'static {
    /// An error, if it was one.
    fn into_result(self) -> Result<(), TaskError>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), TaskError> {
        Ok(())
    }
}

impl<E: Into<TaskError> + Send + 'static> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), TaskError> {
        self.map_err(Into::into)
    }
}

/// How long everything is waited for when the daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// For running calls to end by themselves.
    pub calls: Duration,
    /// For the rest of them to hand their callers over, once they are told to.
    pub farewell: Duration,
    /// For all long-lived tasks together.
    pub tasks: Duration,
}

impl Grace {
    /// Gives `calls` to running calls, and what is usual to everything else.
    pub const fn of_calls(calls: Duration) -> Self {
        Self { calls, farewell: Duration::from_secs(3), tasks: Duration::from_secs(3) }
    }
}

/// What did not end in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOver {
    /// Tasks of calls that were told to stop before their end.
    pub calls_cut: usize,
    /// Long-lived tasks that had to be dropped.
    pub tasks: Vec<&'static str>,
}

/// Owns every task. Dropped, it drops them all, in no order: call [`wind_down`](Self::wind_down).
#[derive(Debug)]
pub struct Supervisor {
    running: JoinSet<Result<(), TaskError>>,
    /// Those that have not been seen to end, in the order in which they were started.
    tasks: Vec<Task>,
    calls: Calls,
}

#[derive(Debug)]
struct Task {
    id: Id,
    name: &'static str,
    stop: CancellationToken,
}

impl Supervisor {
    /// Owns nothing yet. Panics of calls' tasks are counted in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        let calls = Calls {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            drop: CancellationToken::new(),
            metrics,
        };
        Self { running: JoinSet::new(), tasks: Vec::new(), calls }
    }

    /// Starts a task that is to run as long as the daemon. It is to end soon after its token is cancelled, and not
    /// before.
    ///
    /// Panics outside a runtime.
    pub fn start<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = task(stop.clone());
        let id = self.running.spawn(async move { task.await.into_result() }).id();
        self.tasks.push(Task { id, name, stop });
    }

    /// A handle for starting the tasks of calls.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Waits until a long-lived task ends unasked, and says which; for ever if none does. Cancelling the wait loses
    /// nothing.
    pub async fn run_until_fault(&mut self) -> Fault {
        let Some(ended) = self.running.join_next_with_id().await else { return std::future::pending().await };
        let (name, result) = self.reap(ended);
        match result {
            Ok(()) => Fault::Ended { name },
            Err(Unwell::Error(source)) => Fault::Failed { name, source },
            Err(Unwell::Panic) => Fault::Panicked { name },
        }
    }

    /// Stops everything in order and waits for it, each step no longer than its `grace`. Whoever accepts calls must
    /// refuse new ones before.
    pub async fn wind_down(mut self, grace: Grace) -> LeftOver {
        let calls_cut = self.calls.wind_down(grace).await;
        let deadline = Instant::now() + grace.tasks;
        while let Some(last) = self.tasks.last() {
            last.stop.cancel();
            let waiting_for = last.id;
            while self.tasks.iter().any(|task| task.id == waiting_for) {
                match timeout_at(deadline, self.running.join_next_with_id()).await {
                    Ok(Some(ended)) => self.report(ended),
                    Ok(None) => self.tasks.clear(),
                    Err(_) => return LeftOver { calls_cut, tasks: self.drop_all().await },
                }
            }
        }
        // A call that was let in before, and whose task began behind the others' end.
        self.calls.tell(grace).await;
        LeftOver { calls_cut, tasks: Vec::new() }
    }

    /// Drops what still runs, and says what it was.
    async fn drop_all(&mut self) -> Vec<&'static str> {
        // The rest was never told to stop: what ends now within an instant is not stuck.
        self.tasks.iter().for_each(|task| task.stop.cancel());
        while let Ok(Some(ended)) = timeout(Duration::from_millis(50), self.running.join_next_with_id()).await {
            self.report(ended);
        }
        let stuck = self.tasks.drain(..).map(|task| task.name).collect();
        self.running.abort_all();
        stuck
    }

    /// Logs what went wrong with a task that was to end.
    fn report(&mut self, ended: Ended) {
        match self.reap(ended) {
            (name, Ok(())) => log::debug!(task = name; "stopped"),
            (name, Err(Unwell::Error(error))) => {
                log::error!(task = name; "failed while stopping: {}", chain(error.as_ref()));
            }
            (name, Err(Unwell::Panic)) => log::error!(task = name; "panicked while stopping"),
        }
    }

    fn reap(&mut self, ended: Ended) -> (&'static str, Result<(), Unwell>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result.map_err(Unwell::Error)),
            Err(error) => (error.id(), Err(Unwell::Panic)),
        };
        let place = self.tasks.iter().position(|task| task.id == id);
        let place = place.expect("every task in the set was entered when it was started and is reaped once");
        (self.tasks.remove(place).name, result)
    }
}

type Ended = Result<(Id, Result<(), TaskError>), JoinError>;

/// How a task ended, if not well.
enum Unwell {
    Error(TaskError),
    Panic,
}

/// Starts tasks that belong to a call and end with it. Clones start into the same set.
#[derive(Debug, Clone)]
pub struct Calls {
    tracker: TaskTracker,
    /// The grace period is over: hand the caller over.
    stop: CancellationToken,
    /// So is the time for that.
    drop: CancellationToken,
    metrics: Metrics,
}

impl Calls {
    /// Starts a task of `call`, from any task. When its token is cancelled, it has a few seconds in which to hand its
    /// caller over; then it is dropped where it waits. A panic is logged and counted, and ends this task alone.
    pub fn spawn<F>(&self, name: &'static str, call: ConversationId, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = AssertUnwindSafe(task(self.stop.child_token())).catch_unwind();
        let (drop, metrics) = (self.drop.clone(), self.metrics.clone());
        self.tracker.spawn(async move {
            match drop.run_until_cancelled(task).await {
                Some(Ok(())) => {}
                Some(Err(_)) => {
                    metrics.task_panicked();
                    log::error!(call_sid:% = call, task = name; "a call's task panicked");
                }
                None => {
                    log::warn!(call_sid:% = call, task = name; "a call's task did not stop in time and was dropped");
                }
            }
        });
    }

    /// Tasks that run.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Lets the tasks end, tells the rest to, drops the rest of those; how many had to be told.
    async fn wind_down(&self, grace: Grace) -> usize {
        self.tracker.close();
        let cut = if timeout(grace.calls, self.tracker.wait()).await.is_ok() { 0 } else { self.tracker.len() };
        self.tell(grace).await;
        cut
    }

    /// Tells the tasks to stop, also those that a listener starts from now on, and drops those that do not.
    async fn tell(&self, grace: Grace) {
        self.stop.cancel();
        if timeout(grace.farewell, self.tracker.wait()).await.is_err() {
            self.drop.cancel();
            // A task that does not even return to the runtime cannot be waited for.
            let _ = timeout(Duration::from_secs(1), self.tracker.wait()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;

    const AT_ONCE: Grace = Grace { calls: Duration::ZERO, farewell: Duration::ZERO, tasks: Duration::ZERO };
    const PATIENT: Grace =
        Grace { calls: Duration::from_mins(1), farewell: Duration::from_mins(1), tasks: Duration::from_mins(1) };

    fn call() -> ConversationId {
        ConversationId::parse("CA0123456789abcdef0123456789abcdef").unwrap()
    }

    fn supervisor() -> Supervisor {
        Supervisor::new(Metrics::new())
    }

    #[tokio::test]
    async fn a_call_that_a_listener_still_starts_is_told_and_waited_for() {
        let mut supervisor = supervisor();
        let (calls, (told, heard)) = (supervisor.calls(), oneshot::channel());
        supervisor.start("listener", |stop| async move {
            stop.cancelled().await;
            calls.spawn("late", call(), |stop| async move {
                stop.cancelled().await;
                tokio::task::yield_now().await;
                told.send(()).unwrap();
            });
        });
        assert_eq!(supervisor.wind_down(PATIENT).await, LeftOver::default());
        heard.await.expect("its caller was handed over");
    }

    #[tokio::test]
    async fn a_task_that_ends_unasked_is_a_fault_with_its_name() {
        let mut tasks = supervisor();
        tasks.start("steady", |stop| async move { stop.cancelled().await });
        tasks.start("weary", |_stop| async {});
        assert!(matches!(tasks.run_until_fault().await, Fault::Ended { name: "weary" }));

        tasks.start("broken", |_stop| async { Err::<(), _>("the reason") });
        let fault = tasks.run_until_fault().await;
        assert_eq!(fault.to_string(), "the task broken failed");
        assert_eq!(std::error::Error::source(&fault).unwrap().to_string(), "the reason");

        tasks.start("faulty", |_stop| std::future::poll_fn(|_| -> std::task::Poll<()> { panic!("on purpose") }));
        assert!(matches!(tasks.run_until_fault().await, Fault::Panicked { name: "faulty" }));
        assert_eq!(tasks.wind_down(PATIENT).await, LeftOver::default());
    }

    #[tokio::test]
    async fn tasks_stop_one_after_another_the_last_started_first() {
        let mut tasks = supervisor();
        let order = Arc::new(Mutex::new(Vec::new()));
        for name in ["store", "sessions", "listener"] {
            let order = Arc::clone(&order);
            tasks.start(name, |stop| async move {
                stop.cancelled().await;
                tokio::task::yield_now().await;
                order.lock().unwrap().push(name);
            });
        }
        assert_eq!(tasks.wind_down(PATIENT).await, LeftOver::default());
        assert_eq!(*order.lock().unwrap(), ["listener", "sessions", "store"]);
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_named_and_dropped() {
        let mut tasks = supervisor();
        tasks.start("willing", |stop| async move { stop.cancelled().await });
        let (held, dropped) = oneshot::channel::<()>();
        tasks.start("deaf", |_stop| async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let left = tasks.wind_down(AT_ONCE).await;
        assert_eq!(left, LeftOver { calls_cut: 0, tasks: vec!["deaf"] });
        dropped.await.unwrap_err();
    }

    #[tokio::test]
    async fn a_panicking_call_is_counted_and_the_others_go_on() {
        let metrics = Metrics::new();
        let tasks = Supervisor::new(metrics.clone());
        let calls = tasks.calls();
        calls.spawn("leg", call(), |_stop| async { panic!("on purpose") });
        let (finish, finished) = oneshot::channel::<()>();
        let (said, heard) = oneshot::channel::<&str>();
        calls.spawn("leg", call(), |_stop| async {
            finished.await.unwrap();
            said.send("goodbye").unwrap();
        });
        while calls.running() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(metrics.encode().contains("frontdesk_task_panics_total 1\n"));
        finish.send(()).unwrap();
        assert_eq!(heard.await.unwrap(), "goodbye");
        assert_eq!(tasks.wind_down(PATIENT).await.calls_cut, 0);
    }

    #[tokio::test]
    async fn calls_may_finish_before_anything_else_stops() {
        let mut tasks = supervisor();
        let (finish, finished) = oneshot::channel::<()>();
        let (stopping, seen) = oneshot::channel::<bool>();
        tasks.start("listener", |stop| async move { stop.cancelled().await });
        tasks.calls().spawn("leg", call(), |stop| async move {
            finished.await.unwrap();
            stopping.send(stop.is_cancelled()).unwrap();
        });
        let (left, ()) = tokio::join!(tasks.wind_down(PATIENT), async { finish.send(()).unwrap() });
        assert_eq!(left, LeftOver::default());
        assert!(!seen.await.unwrap(), "it was not told to stop");
    }

    #[tokio::test]
    async fn a_call_beyond_its_grace_is_told_then_dropped() {
        let tasks = supervisor();
        let (said, heard) = oneshot::channel::<&str>();
        tasks.calls().spawn("leg", call(), |stop| async move {
            stop.cancelled().await;
            said.send("one moment please").unwrap();
        });
        let (held, dropped) = oneshot::channel::<()>();
        tasks.calls().spawn("leg", call(), |_stop| async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let grace = Grace { farewell: Duration::from_millis(100), ..AT_ONCE };
        assert_eq!(tasks.wind_down(grace).await.calls_cut, 2);
        assert_eq!(heard.await.unwrap(), "one moment please");
        dropped.await.unwrap_err();
    }
}

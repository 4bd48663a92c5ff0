//! The self-test of the desk: who asks for it, and its course beside the desk's task.
//!
//! ```text
//!  request ── sound, room for a recording ──► task: Course ──► worker
//!     ▲                                            │
//!     └── judged, off the runtime's threads ◄──────┘ recording and facts, or why there is none
//! ```
//!
//! The task does nothing that takes time for it, and a conversation never waits: it ends the test. While one runs, voices
//! begin no conversation, because the loudspeaker's might be one; the button does.

use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use frontdesk_hw::device::chain::Chain;
use frontdesk_hw::dsp::probe::Probing;
use frontdesk_hw::selftest::facts::{Counts, Facts, Rate};
use frontdesk_hw::selftest::{BLOCKS, Recording, analyse, stimulus};
use tokio::sync::{mpsc, oneshot};

use super::port::{Opening, Port};
use super::state::{DeskState, DeviceState};
use crate::http::reply::DeskTest;

/// Requests that may wait for the task, each to be refused but one.
const WAITING: usize = 4;
/// So long behind a test its sound may still come back, and a voice that was taken for one end.
const ECHO: Duration = Duration::from_secs(1);
/// A device whose sound flows is done after that; one that stands still is not waited for any longer.
const WITHIN: Duration = Duration::from_millis(BLOCKS as u64 * 10 + 2_500);

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestError {
    /// The configuration wants no desk.
    #[error("there is no desk to be tested: [desk] device is \"none\"")]
    Off,
    /// There is no device.
    #[error("there is no speakerphone to be tested: {0}")]
    NoDevice(String),
    /// Somebody is talking.
    #[error("a conversation is under way at the desk; test it when that is over")]
    Talking,
    /// Somebody else tests.
    #[error("another test is under way; it takes {} seconds", stimulus::LENGTH.as_secs() + 1)]
    Running,
    /// Somebody wanted to talk.
    #[error("a conversation began at the desk and ended the test; test it when that is over")]
    Interrupted,
    /// It went away.
    #[error("the speakerphone went away during the test: {0}")]
    Gone(String),
    /// Nothing was captured any more.
    #[error("the speakerphone's sound stood still during the test; plug it in again, and see the log")]
    StoodStill,
    /// The worker failed.
    #[error("the signal processing failed; the log says more")]
    Failed,
    /// The daemon stops.
    #[error("frontdeskd is being stopped")]
    Stopping,
}

/// Asks the desk's task for tests. Clones ask the same.
#[derive(Debug, Clone)]
pub struct Tester(Option<mpsc::Sender<Asked>>);

/// A request on its way to the task.
#[derive(Debug)]
pub struct Asked {
    stimulus: Vec<i16>,
    recording: Recording,
    answer: oneshot::Sender<Result<Taken, TestError>>,
}

/// What the task has to give.
#[derive(Debug)]
struct Taken {
    recording: Recording,
    facts: Facts,
    device: String,
    sysfs: Option<PathBuf>,
}

impl Tester {
    /// One that asks nobody: there is no desk.
    pub fn off() -> Self {
        Self(None)
    }

    /// One with the end that the task reads.
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, asked) = mpsc::channel(WAITING);
        (Self(Some(sender)), asked)
    }

    /// Tests the desk; takes as long as the sound lasts and a little longer. Dropped, the test ends.
    pub async fn test(&self) -> Result<DeskTest, TestError> {
        let sender = self.0.as_ref().ok_or(TestError::Off)?;
        let prepare = || (stimulus::render(), Recording::with_room());
        let (stimulus, recording) = tokio::task::spawn_blocking(prepare).await.map_err(|_| TestError::Stopping)?;
        let (answer, taken) = oneshot::channel();
        // Full: requests that nobody has refused yet.
        sender.try_send(Asked { stimulus, recording, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => TestError::Running,
            mpsc::error::TrySendError::Closed(_) => TestError::Stopping,
        })?;
        let taken = taken.await.map_err(|_| TestError::Stopping)??;
        let judge = move || {
            let Taken { recording, mut facts, device, sysfs } = taken;
            facts.usb = sysfs.as_deref().map(Chain::read);
            DeskTest::of(device, &analyse(&recording, &facts), &facts)
        };
        tokio::task::spawn_blocking(judge).await.map_err(|_| TestError::Stopping)
    }
}

/// Tests, as the task sees them: at most one.
pub(super) struct Course {
    asked: mpsc::Receiver<Asked>,
    running: Option<Running>,
    /// One was last seen under way then.
    sounded: Option<Instant>,
}

struct Running {
    probing: Probing,
    answer: oneshot::Sender<Result<Taken, TestError>>,
    device: String,
    opening: Opening,
    before: Counts,
    deadline: Instant,
}

impl Course {
    pub(super) fn new(asked: mpsc::Receiver<Asked>) -> Self {
        Self { asked, running: None, sounded: None }
    }

    /// Whether one is under way.
    pub(super) fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// When it is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.deadline)
    }

    /// Whether its sound may be what is heard: the room answers for a while.
    pub(super) fn is_heard(&self, now: Instant) -> bool {
        self.is_on() || self.sounded.is_some_and(|last| now < last + ECHO)
    }

    /// Ends the one that is under way, if any.
    pub(super) fn end(&mut self, why: TestError) {
        if let Some(running) = self.running.take() {
            running.finish(Err(why));
        }
    }

    /// Takes requests and results.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, port: &Port, state: &DeskState, talking: bool) {
        if self.is_on() {
            self.sounded = Some(now);
        }
        self.take_result(cx, now, port);
        while let Poll::Ready(Some(asked)) = self.asked.poll_recv(cx) {
            if let Err((why, answer)) = self.begin(asked, now, port, state, talking) {
                // Who has left needs no answer.
                let _ = answer.send(Err(why));
            }
        }
    }

    fn take_result(&mut self, cx: &mut Context<'_>, now: Instant, port: &Port) {
        let Some(running) = &mut self.running else { return };
        match running.probing.result() {
            Some(Ok(recording)) => {
                let Some(running) = self.running.take() else { return };
                let taken = running.taken(recording, port);
                running.finish(Ok(taken));
            }
            Some(Err(why)) => self.end(match why {
                frontdesk_hw::dsp::probe::Aborted::Conversation => TestError::Interrupted,
                frontdesk_hw::dsp::probe::Aborted::Failed => TestError::Failed,
            }),
            None if now >= running.deadline => self.end(TestError::StoodStill),
            // Whoever asked has left: the sound ends too.
            None if running.answer.poll_closed(cx).is_ready() => self.running = None,
            None => {}
        }
    }

    fn begin(
        &mut self,
        asked: Asked,
        now: Instant,
        port: &Port,
        state: &DeskState,
        talking: bool,
    ) -> Result<(), (TestError, oneshot::Sender<Result<Taken, TestError>>)> {
        let Asked { stimulus, recording, answer } = asked;
        let device = match state.device() {
            DeviceState::Ready(device) => device,
            DeviceState::Off => return Err((TestError::Off, answer)),
            DeviceState::Absent(why) => return Err((TestError::NoDevice(why), answer)),
        };
        if talking {
            return Err((TestError::Talking, answer));
        }
        if self.is_on() {
            return Err((TestError::Running, answer));
        }
        let Some(probing) = port.prober.begin(stimulus, recording) else {
            return Err((TestError::StoodStill, answer));
        };
        log::info!("a self-test of the speakerphone begins");
        let before = Counts::of(port.figures);
        let running =
            Running { probing, answer, device: device.name, opening: device.opening, before, deadline: now + WITHIN };
        self.running = Some(running);
        Ok(())
    }
}

impl Running {
    fn taken(&self, recording: Recording, port: &Port) -> Taken {
        let Opening { capture_hz, playout_hz, priority_refused, sysfs } = self.opening.clone();
        let facts = Facts {
            echo: port.knobs.echo(),
            muted: port.knobs.is_muted(),
            capture: Rate::of(capture_hz, port.figures.capture_rate.read()),
            playout: Rate::of(playout_hz, port.figures.playout_rate.read()),
            priority_refused,
            usb: None,
            sound: Counts::of(port.figures).since(self.before),
        };
        Taken { recording, facts, device: self.device.clone(), sysfs }
    }

    fn finish(self, result: Result<Taken, TestError>) {
        match &result {
            Ok(_) => log::info!("the self-test of the speakerphone is over"),
            Err(why) => log::info!("the self-test of the speakerphone has no result: {why}"),
        }
        // Who has left needs no answer.
        let _ = self.answer.send(result);
    }
}

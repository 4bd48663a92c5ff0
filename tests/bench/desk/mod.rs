//! The desk's figures: a virtual speakerphone with an echo, the daemon as a process, and the least of a model.
//!
//! ```text
//!  person ──► room ──► ALSA ──► frontdeskd ──ws──► model     up: from the room's clock to the message read
//!         ◄──      ◄──      ◄──            ◄──               down: from the message written to the room's clock
//! ```
//!
//! Of each message the oldest sample counts: it has waited longest. "Device" is the same way as a program without duties
//! measures it in the same room, with the same periods and fill, before the daemon runs; "ours" is a quantile of the
//! whole way without the device's median. All jitter of the room and of the sound server is therefore on our account.
//!
//! The echo cannot be judged at the model: while the agent is heard and no voice is, silence is sent there. What counts is
//! the worker's own figure, taken before that happens: it compares the microphone's blocks with what the canceller, noise
//! suppression and gain have made of them, a second of the agent's speech at a time. The self-test measures the same with
//! a sound of its own.

mod idle;
mod model;
mod room;
mod rows;
mod threads;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use frontdesk_room::{RATE, Room};
use frontdesk_tests::daemon::{Daemon, Plan, home, program};
use frontdesk_voice::measure::{self, rms_dbfs};
use frontdesk_voice::{Voice, speak};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::machine::Machine;
use crate::table::Row;
use idle::Idle;
use model::Model;
use room::{Device, Pace};
use threads::Threads;

const SOON: Duration = Duration::from_secs(20);
/// What the person says.
const QUESTION: &str = "Hello, I would like to know when you are open, and what I should bring to my first visit.";
/// What the agent says at length.
const ANSWER: &str = "We are open Monday to Friday from eight until six. Please bring your insurance card, a list of your \
    medicines, and the letter of your family doctor. If you come by car, there is a garage behind the house; the first \
    hour is free of charge. The lift is on the right hand side of the entrance, and we are on the second floor.";
/// Short replies after each question.
const REPLIES: usize = 4;
/// The canceller may converge before its work is judged.
const CONVERGES: Duration = Duration::from_secs(5);
/// A machine that others use may stand still for seconds: what that spoils is measured again, and told.
const ATTEMPTS: usize = 3;
/// The microphone's own noise, dBFS.
const NOISE: f32 = -65.0;

/// How long it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Questions with their short replies, on a machine that is left alone.
    pub(crate) turns: usize,
    /// With all cores loaded.
    pub(crate) loaded: Duration,
    /// Of each other measurement.
    pub(crate) idle: Duration,
    /// Times that the button of a desk that stands by is pressed.
    pub(crate) presses: usize,
}

/// What was measured.
#[derive(Debug, Default)]
struct Found {
    up: Vec<f64>,
    down: Vec<f64>,
    device_up: Vec<f64>,
    device_down: Vec<f64>,
    loaded_up: Vec<f64>,
    loaded_down: Vec<f64>,
    /// Per cent of a core while the agent speaks.
    rt: Option<f64>,
    dsp: Option<f64>,
    daemon: Option<f64>,
    /// The worker's own figures of echo return loss enhancement, dB, one for each second of the agent's speech.
    erle: Vec<f64>,
    /// The self-test's, of its own sound.
    tested: Option<f64>,
    /// For how long all cores were loaded, and what was lost meanwhile.
    loaded_seconds: f64,
    xruns: Option<u64>,
    starved: Option<u64>,
    /// Without a conversation: while the button is waited for, and while a voice is.
    idle: Option<Idle>,
    watching: Option<Idle>,
    /// From a press of the button of a desk that stood by to its first sound in the room, ms; and to the microphone's
    /// first block, on average.
    pressed: Vec<f64>,
    rousing: Option<f64>,
    remarks: Vec<String>,
    failed: Vec<String>,
}

impl Found {
    /// Keeps why a part could not be measured: the others can.
    fn keep(&mut self, part: &str, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            self.failed.push(format!("desk, {part}: {error:#}"));
        }
    }
}

/// The figures, what they do not say, and what could not be measured.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    pub(crate) remarks: Vec<String>,
    pub(crate) failed: Vec<String>,
}

/// Measures everything that can be measured.
pub(crate) async fn measure(effort: Effort) -> Measured {
    let mut found = Found::default();
    let outcome = parts(effort, &mut found).await;
    found.keep("the room", outcome);
    Measured { rows: rows::of(&found), remarks: found.remarks, failed: found.failed }
}

async fn parts(effort: Effort, found: &mut Found) -> anyhow::Result<()> {
    let room = block_in_place(Room::start)?;
    room.air().set_noise(Some(NOISE));
    let pace = Pace::watch(room.shared_air())?;
    let question = speak(QUESTION, &Voice::default(), RATE)?;
    let device = device(&room, &pace, &question, found);
    found.keep("the device alone", device);
    room.air().set_echo(Some(&room::echo_path()));
    let outcome = conversation(&room, &pace, effort, &question, found).await;
    found.keep("a conversation", outcome);
    let outcome = idle::measure(&room, &pace, effort, found).await;
    found.keep("idle", outcome);
    Ok(())
}

/// What a program without duties meets in the room.
fn device(room: &Room, pace: &Pace, question: &[i16], found: &mut Found) -> anyhow::Result<()> {
    let seconds = question.len() as f64 / f64::from(RATE) + 2.0;
    let mut attempts = 1;
    loop {
        match block_in_place(|| room::device(room, pace, seconds, question)) {
            Ok(Device { up, down }) => {
                (found.device_up, found.device_down) = (up, down);
                return Ok(());
            }
            Err(error) if attempts < ATTEMPTS => {
                found.remarks.push(format!("tried again: the device alone: {error:#}"));
            }
            Err(error) => return Err(error),
        }
        attempts += 1;
    }
}

/// One conversation, with all that is measured in it.
async fn conversation(
    room: &Room,
    pace: &Pace,
    effort: Effort,
    question: &[i16],
    found: &mut Found,
) -> anyhow::Result<()> {
    let short = short()?;
    let mut attempts = 1;
    let counter = loop {
        let counter = Counter::open(room, pace).await?;
        match counter.converse(effort, question, &short, found).await {
            Ok(()) => break counter,
            Err(error) => {
                let told = format!("{error:#}; {} sessions; sound {}", counter.sessions(), counter.sound().await?);
                ensure!(attempts < ATTEMPTS, "{told}; the daemon logged\n{}", counter.daemon.log().join("\n"));
                found.remarks.push(format!("tried again: {told}"));
                attempts += 1;
            }
        }
    };
    counter.loaded(effort.loaded, question, &short, found).await?;
    ensure!(counter.sessions() == 1, "one conversation was meant to last");
    Ok(())
}

/// A room, and a daemon that uses its speakerphone.
struct Counter<'a> {
    room: &'a Room,
    pace: &'a Pace,
    model: Model,
    daemon: Daemon,
    _home: TempDir,
}

impl<'a> Counter<'a> {
    async fn open(room: &'a Room, pace: &'a Pace) -> anyhow::Result<Self> {
        let model = Model::start()?;
        let (daemon, home) = start(room, &model, "voice").await?;
        Ok(Self { room, pace, model, daemon, _home: home })
    }

    /// On a machine that is left alone.
    async fn converse(&self, effort: Effort, question: &[i16], short: &[i16], found: &mut Found) -> anyhow::Result<()> {
        self.wake(question)?;
        for _ in 0..effort.turns {
            self.turn(question, short, &mut found.up, &mut found.down)?;
        }
        self.answer(found).await
    }

    /// The same turns while another process keeps all cores busy, and what is lost meanwhile.
    async fn loaded(&self, span: Duration, question: &[i16], short: &[i16], found: &mut Found) -> anyhow::Result<()> {
        let before = self.sound().await?;
        let burning = Burning::start()?;
        let (began, machine) = (Instant::now(), Machine::now()?);
        let mut outcome = Ok(());
        while outcome.is_ok() && began.elapsed() < span {
            outcome = self.turn(question, short, &mut found.loaded_up, &mut found.loaded_down);
        }
        let busy = Machine::now()?.busy_since(machine);
        drop(burning);
        let after = self.sound().await?;
        let grown = |name: &str| after[name].as_u64().zip(before[name].as_u64()).map(|(now, then)| now - then);
        found.loaded_seconds = began.elapsed().as_secs_f64();
        found.xruns = grown("overruns").zip(grown("underruns")).map(|(over, under)| over + under);
        found.starved = ["gaps", "stalls", "starved", "capture_dropped", "heard_dropped"].into_iter().map(grown).sum();
        found.remarks.push(format!(
            "loaded for {:.0} s, machine {:.0} % busy; sound before {before}, after {after}",
            found.loaded_seconds,
            busy * 100.0
        ));
        // What was lost until a turn failed is told all the same.
        outcome.context("cores loaded")
    }

    fn sessions(&self) -> usize {
        self.model.read(|tape| tape.sessions)
    }

    async fn sound(&self) -> anyhow::Result<Value> {
        Ok(self.daemon.json("/v1/desk").await?["sound"].take())
    }

    /// The first words begin the conversation.
    fn wake(&self, question: &[i16]) -> anyhow::Result<()> {
        block_in_place(|| {
            let said = self.room.air().say_pcm(question);
            self.room.air().wait_until_said(&said, SOON)
        })?;
        let until = Instant::now() + SOON;
        while self.sessions() == 0 {
            ensure!(Instant::now() < until, "no conversation began");
            self.pass(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// Lets the room go on.
    fn pass(&self, span: Duration) -> anyhow::Result<()> {
        let air = self.room.air();
        block_in_place(|| air.wait_until(air.now() + (span.as_secs_f64() * f64::from(RATE)) as u64, span + SOON))?;
        Ok(())
    }

    /// The person asks, the agent gives short answers.
    fn turn(&self, question: &[i16], short: &[i16], up: &mut Vec<f64>, down: &mut Vec<f64>) -> anyhow::Result<()> {
        let heard = self.model.read(|tape| tape.arrived.len());
        let at = block_in_place(|| {
            let said = self.room.air().say_pcm(question);
            self.room.air().wait_until_said(&said, SOON)
        })?;
        self.pass(Duration::from_millis(800))?;
        let pieces = self.model.read(|tape| tape.arrived[heard.min(tape.arrived.len())..].to_vec());
        up.extend(room::upward(self.pace, &pieces, 16_000, question, at.start).context("on the way to the model")?);
        let replies = self.model.read(|tape| tape.sent.len());
        for n in 0..REPLIES {
            self.model.reply(short);
            // No multiple of a period: the replies meet all of its phases.
            self.pass(Duration::from_micros(1_103_300 + 3_700 * n as u64))?;
        }
        let sent = self.model.read(|tape| tape.sent[replies.min(tape.sent.len())..].to_vec());
        let heard = block_in_place(|| room::downward(self.pace, self.room.air(), at.start, &sent))?;
        ensure!(heard.len() == REPLIES, "of {REPLIES} replies {} were sent, {} heard", sent.len(), heard.len());
        down.extend(heard);
        Ok(())
    }

    /// The agent speaks at length, the person is silent: CPU of the threads, and what is left of the echo.
    async fn answer(&self, found: &mut Found) -> anyhow::Result<()> {
        let answer = speak(ANSWER, &Voice::default(), 24_000)?;
        let span = Duration::from_secs_f64(answer.len() as f64 / 24_000.0);
        self.model.reply(&answer);
        block_in_place(|| self.room.air().wait_for_voice(Duration::from_millis(200), SOON))?;
        self.pass(CONVERGES)?;
        let (from, began, heard) = (self.room.air().now(), Instant::now(), self.model.read(|tape| tape.arrived.len()));
        let before = Threads::of(self.daemon.pid())?;
        let mut told = Vec::new();
        while began.elapsed() + CONVERGES + Duration::from_secs(1) < span {
            self.pass(Duration::from_millis(500))?;
            told.extend(self.daemon.json("/v1/desk").await?["levels"]["echo_reduction"].as_f64());
        }
        let after = Threads::of(self.daemon.pid())?;
        let seconds = began.elapsed().as_secs_f64();
        let share = |name| after.since(&before, name).map(|spent| spent.nanos as f64 / seconds / 1e7);
        found.remarks.push(format!("per cent of a core while the agent speaks: {}", after.shares(&before, seconds)));
        let microphone = self.room.air().microphone().since(from);
        let gaps = measure::gaps(&microphone, RATE, -50.0, 1_500);
        ensure!(
            gaps.is_empty(),
            "the agent was to speak for {seconds:.1} s and was cut short: {} ms of {} were silent from {} ms on; the \
             worker told of {told:.0?} dB",
            gaps.iter().map(|gap| gap.len() * 1_000 / RATE as usize).sum::<usize>(),
            microphone.len() * 1_000 / RATE as usize,
            gaps[0].start * 1_000 / RATE as usize
        );
        let pieces = self.model.read(|tape| tape.arrived.get(heard..).unwrap_or_default().to_vec());
        let left: Vec<i16> = pieces.iter().flat_map(|piece| piece.pcm.iter().copied()).collect();
        ensure!(!left.is_empty(), "nothing reached the model while the agent spoke");
        (found.rt, found.dsp) = (share("desk-rt"), share("dsp"));
        found.daemon = Some(after.all_since(&before).nanos as f64 / seconds / 1e7);
        // A figure stands until the next one is there.
        told.dedup();
        found.remarks.push(format!(
            "echo at the microphone {:.1} dBFS, at the model {:.1} dBFS in {:.1} of {seconds:.1} s; the worker told of \
             {told:.0?} dB",
            rms_dbfs(&microphone),
            rms_dbfs(&left),
            left.len() as f64 / 16_000.0
        ));
        found.erle = told;
        Ok(())
    }
}

/// Half a second of speech behind 20 ms that are loud from the first sample on, and found by it. Speech, because from
/// tones alone a canceller learns no more of a room than what it does to these.
fn short() -> anyhow::Result<Vec<i16>> {
    let speech = speak(ANSWER, &Voice::default(), 24_000)?;
    let start = speech.iter().position(|sample| sample.unsigned_abs() > 1_000).context("a silent voice")?;
    let onset = (0..480).map(|n| if n / 30 % 2 == 0 { 9_000 } else { -9_000 });
    Ok(onset.chain(speech[start..].iter().copied().take(12_000)).collect())
}

async fn start(room: &Room, model: &Model, wake: &str) -> anyhow::Result<(Daemon, TempDir)> {
    let home = home()?;
    let plan = Plan {
        lines: vec![
            ("desk", r#"device = "alsa:speakerphone""#.into()),
            ("desk", format!("wake = {wake:?}")),
            // Ten minutes of load and what comes before them are one conversation.
            ("desk", "max_minutes = 60".into()),
            ("log", r#"level = "info""#.into()),
        ],
        environment: vec![("ALSA_CONFIG_PATH", room.alsa_config().display().to_string())],
        gemini: format!("ws://{}", model.address),
        gemini_ca: None,
        gemini_key: "a-key-for-benches".into(),
        // Nobody calls.
        twilio_api: "http://127.0.0.1:9".into(),
        account_sid: format!("AC{}", "0".repeat(32)),
        auth_token: "0".repeat(32),
        home: home.path().to_owned(),
    };
    let daemon = Daemon::start(&plan).await?;
    daemon.wait_for_log("the desk has a speakerphone", SOON).await?;
    Ok((daemon, home))
}

/// Another process that keeps all cores busy. Killed when dropped.
struct Burning(Child);

impl Burning {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(program("desk-probe")?);
        Ok(Self(command.arg("burn").stdin(Stdio::null()).spawn().context("cannot start desk-probe")?))
    }
}

impl Drop for Burning {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

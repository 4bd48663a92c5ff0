//! The caller: a script that speaks, waits, interrupts and hangs up, driven by what the caller hears.
//!
//! [`Script`] is fed one 20 ms frame of what was heard and gives one 20 ms frame to be said. It knows no clock and no
//! socket: its time is the number of frames.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use frontdesk_voice::mulaw;
use tokio::sync::oneshot;

use crate::{ear::Ear, faults::Fault, ids::Rng, playback::SILENCE};

/// Bytes, and samples, of one 20 ms frame.
pub const FRAME: usize = 160;

/// How long one frame lasts.
pub const FRAME_TIME: Duration = Duration::from_millis(20);

/// Something the caller says: speech at 8 kHz and the name under which reports speak of it.
#[derive(Clone)]
pub struct Utterance {
    label: Arc<str>,
    mulaw: Arc<[u8]>,
}

impl Utterance {
    /// An utterance named `label` from linear samples at 8 kHz.
    pub fn new(label: impl Into<Arc<str>>, pcm: &[i16]) -> Self {
        Self { label: label.into(), mulaw: pcm.iter().copied().map(mulaw::encode).collect() }
    }

    /// The name given to it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How long saying it takes.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.mulaw.len() as u64 * 125)
    }
}

impl fmt::Debug for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utterance({:?}, {:?})", self.label, self.duration())
    }
}

/// One thing the caller does. A step begins when the one before it has ended.
#[derive(Debug, Clone)]
pub enum Step {
    /// Says it, whatever the agent does meanwhile.
    Say(Utterance),
    /// Waits until the agent has been audible for `min` (pauses under 200 ms do not interrupt that).
    WaitForAgentSpeech {
        /// How much speech is enough.
        min: Duration,
        /// After this long the caller gives up and goes on with the next step; the report says so.
        timeout: Duration,
    },
    /// Waits until the agent, having spoken since the caller last did, has been quiet for `quiet`.
    WaitForSilence {
        /// How long the agent must be quiet.
        quiet: Duration,
        /// As above.
        timeout: Duration,
    },
    /// Waits.
    Pause(Duration),
    /// Waits until the agent has been audible for `after`, then speaks over it.
    Interrupt {
        /// How much of the agent the caller listens to first.
        after: Duration,
        /// As above; the caller speaks then all the same.
        timeout: Duration,
        /// What is said over the agent.
        say: Utterance,
    },
    /// Presses keys, one every 100 ms: `0`-`9`, `*`, `#`.
    Digits(String),
    /// White noise at this level, for this long.
    Noise {
        /// Level in decibels relative to full scale.
        dbfs: f32,
        /// How long it lasts.
        lasts: Duration,
    },
    /// Breaks something in the stream, at this point of the script.
    Fault(Fault),
    /// Puts the receiver down.
    HangUp,
}

/// A caller and the line noise around them. When the steps are over, the caller stays on the line and listens.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// What the caller does, in order.
    pub steps: Vec<Step>,
    /// Level of white noise under everything the caller says, in dBFS. None: digital silence between utterances.
    pub noise_dbfs: Option<f32>,
}

impl Caller {
    /// A caller who does `steps` on a clean line.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), noise_dbfs: None }
    }
}

/// What a frame of the script asks of the stream, beside the frame itself.
#[derive(Debug)]
pub(crate) enum Act {
    /// The caller began to say this.
    Began(String),
    /// The caller has said this to the end.
    Finished(String),
    /// A wait timed out; the text says which.
    GaveUp(String),
    Digit(char),
    Fault(Fault),
    HangUp,
}

/// What waits to be done.
enum Task {
    Step(Step),
    /// Whoever waits for the steps before this one learns that they are done.
    Notify(oneshot::Sender<()>),
}

/// The script as it runs.
pub(crate) struct Script {
    tasks: VecDeque<Task>,
    /// Frames since the task at the head began.
    frames: u64,
    /// How much of the utterance at the head has been said.
    saying: Option<usize>,
    ear: Ear,
    noise: Option<f32>,
    rng: Rng,
}

/// Whether a step is over, and whether it used up this frame.
enum Progress {
    Stay,
    Next,
    NextFrame,
}

const FRAMES_BETWEEN_DIGITS: u64 = 5;

impl Script {
    pub(crate) fn new(caller: &Caller, rng: Rng) -> Self {
        Self {
            tasks: caller.steps.iter().cloned().map(Task::Step).collect(),
            frames: 0,
            saying: None,
            ear: Ear::default(),
            noise: caller.noise_dbfs,
            rng,
        }
    }

    /// Adds steps behind those that wait; `done` hears when the last of them is over.
    pub(crate) fn append(&mut self, steps: Vec<Step>, done: Option<oneshot::Sender<()>>) {
        self.tasks.extend(steps.into_iter().map(Task::Step));
        self.tasks.extend(done.map(Task::Notify));
    }

    /// One frame of time: `heard` in, `said` out (mu-law, 160 bytes), what else happens appended to `acts`.
    pub(crate) fn frame(&mut self, heard: &[u8], said: &mut [u8; FRAME], acts: &mut Vec<Act>) {
        self.ear.hear(heard);
        said.fill(SILENCE);
        if let Some(dbfs) = self.noise {
            self.fill_with_noise(dbfs, said);
        }
        while let Some(progress) = self.work(said, acts) {
            match progress {
                Progress::Stay => {
                    self.frames += 1;
                    break;
                }
                Progress::Next => self.next_task(),
                Progress::NextFrame => {
                    self.next_task();
                    break;
                }
            }
        }
    }

    fn next_task(&mut self) {
        self.frames = 0;
        if let Some(Task::Notify(done)) = self.tasks.pop_front() {
            // Whoever asked may have stopped waiting: then nobody needs to know.
            let _ = done.send(());
        }
    }

    fn work(&mut self, said: &mut [u8; FRAME], acts: &mut Vec<Act>) -> Option<Progress> {
        let step = match self.tasks.front()? {
            Task::Notify(_) => return Some(Progress::Next),
            Task::Step(step) => step.clone(),
        };
        let elapsed = FRAME_TIME * self.frames as u32;
        Some(match step {
            Step::Say(utterance) => self.say(&utterance, said, acts),
            Step::WaitForAgentSpeech { min, timeout } => {
                let done = self.ear.audible_for() >= min;
                wait(done, elapsed >= timeout, "the agent to speak", acts)
            }
            Step::WaitForSilence { quiet, timeout } => {
                let done = self.ear.has_spoken() && self.ear.quiet_for() >= quiet;
                wait(done, elapsed >= timeout, "the agent to finish", acts)
            }
            Step::Pause(length) if elapsed >= length => Progress::Next,
            Step::Pause(_) => Progress::Stay,
            Step::Interrupt { after, timeout, say } => {
                if self.saying.is_none() && self.ear.audible_for() < after {
                    if elapsed < timeout {
                        return Some(Progress::Stay);
                    }
                    acts.push(Act::GaveUp("the agent to interrupt".into()));
                }
                self.say(&say, said, acts)
            }
            Step::Digits(digits) => {
                let at = (self.frames / FRAMES_BETWEEN_DIGITS) as usize;
                match digits.chars().nth(at) {
                    None => Progress::Next,
                    Some(digit) => {
                        if self.frames.is_multiple_of(FRAMES_BETWEEN_DIGITS) {
                            acts.push(Act::Digit(digit));
                        }
                        Progress::Stay
                    }
                }
            }
            Step::Noise { dbfs, lasts } if elapsed < lasts => {
                self.fill_with_noise(dbfs, said);
                Progress::Stay
            }
            Step::Noise { .. } => Progress::Next,
            Step::Fault(fault) => {
                acts.push(Act::Fault(fault));
                Progress::Next
            }
            Step::HangUp => {
                acts.push(Act::HangUp);
                Progress::NextFrame
            }
        })
    }

    fn say(&mut self, utterance: &Utterance, said: &mut [u8; FRAME], acts: &mut Vec<Act>) -> Progress {
        let mut position = self.saying.take().unwrap_or_else(|| {
            acts.push(Act::Began(utterance.label.to_string()));
            0
        });
        let rest = &utterance.mulaw[position..];
        let count = rest.len().min(FRAME);
        self.mix(&rest[..count], said);
        position += count;
        if position < utterance.mulaw.len() {
            self.saying = Some(position);
            return Progress::Stay;
        }
        acts.push(Act::Finished(utterance.label.to_string()));
        self.ear.forget_speech();
        Progress::NextFrame
    }

    fn mix(&self, speech: &[u8], said: &mut [u8; FRAME]) {
        if self.noise.is_none() {
            said[..speech.len()].copy_from_slice(speech);
            return;
        }
        for (out, &code) in said.iter_mut().zip(speech) {
            *out = mulaw::encode(mulaw::decode(*out).saturating_add(mulaw::decode(code)));
        }
    }

    fn fill_with_noise(&mut self, dbfs: f32, said: &mut [u8; FRAME]) {
        // Uniform noise of amplitude a has an RMS of a / sqrt(3).
        let amplitude = 32_768.0 * 10_f32.powf(dbfs / 20.0) * 3_f32.sqrt();
        for out in said {
            *out = mulaw::encode((self.rng.signed_unit() * amplitude) as i16);
        }
    }
}

fn wait(done: bool, late: bool, what: &str, acts: &mut Vec<Act>) -> Progress {
    if !done && !late {
        return Progress::Stay;
    }
    if !done {
        acts.push(Act::GaveUp(what.into()));
    }
    Progress::Next
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: [u8; FRAME] = [0x80; FRAME];
    const QUIET: [u8; FRAME] = [SILENCE; FRAME];

    struct Rig {
        script: Script,
        acts: Vec<Act>,
    }

    impl Rig {
        fn new(steps: Vec<Step>) -> Self {
            let script = Script::new(&Caller::new(steps), Rng::new(1, 1));
            Self { script, acts: Vec::new() }
        }

        /// Runs `frames` frames in which the caller hears `heard`; returns what was said.
        fn run(&mut self, frames: usize, heard: &[u8; FRAME]) -> Vec<u8> {
            let mut all = Vec::new();
            for _ in 0..frames {
                let mut said = [0; FRAME];
                self.script.frame(heard, &mut said, &mut self.acts);
                all.extend(said);
            }
            all
        }

        fn words(&mut self) -> Vec<String> {
            self.acts.drain(..).map(|act| format!("{act:?}")).collect()
        }
    }

    fn speech(label: &str, samples: usize) -> Utterance {
        Utterance::new(label, &vec![8_000; samples])
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn an_utterance_is_said_sample_by_sample_and_padded_with_silence() {
        let mut rig = Rig::new(vec![Step::Say(speech("hello", 200))]);
        let said = rig.run(3, &QUIET);
        assert!(said[..200].iter().all(|&b| b == mulaw::encode(8_000)));
        assert!(said[200..].iter().all(|&b| b == SILENCE));
        assert_eq!(rig.words(), [r#"Began("hello")"#, r#"Finished("hello")"#]);
        assert!(rig.run(50, &QUIET).iter().all(|&b| b == SILENCE));
    }

    #[test]
    fn the_caller_answers_only_after_the_agent_has_spoken_and_fallen_silent() {
        let quiet = Duration::from_millis(500);
        let mut rig = Rig::new(vec![Step::WaitForSilence { quiet, timeout: LONG }, Step::Say(speech("answer", 160))]);
        rig.run(100, &QUIET);
        rig.run(50, &LOUD);
        rig.run(24, &QUIET);
        assert!(rig.words().is_empty());
        rig.run(1, &QUIET);
        assert_eq!(rig.words().len(), 2);
    }

    #[test]
    fn an_interruption_waits_for_its_moment_and_then_speaks_over_the_agent() {
        let mut rig = Rig::new(vec![Step::Interrupt {
            after: Duration::from_millis(300),
            timeout: LONG,
            say: speech("stop", 320),
        }]);
        rig.run(14, &LOUD);
        assert!(rig.words().is_empty());
        let said = rig.run(3, &LOUD);
        assert_eq!(rig.words().len(), 2);
        assert!(said[..320].iter().all(|&b| b != SILENCE));
    }

    #[test]
    fn a_caller_who_hears_nothing_gives_up_and_goes_on() {
        let mut rig = Rig::new(vec![
            Step::WaitForAgentSpeech { min: FRAME_TIME, timeout: Duration::from_millis(100) },
            Step::HangUp,
        ]);
        rig.run(6, &QUIET);
        assert_eq!(rig.words(), [r#"GaveUp("the agent to speak")"#, "HangUp"]);
    }

    #[test]
    fn keys_are_pressed_one_every_100_ms() {
        let mut rig = Rig::new(vec![Step::Digits("1#".into()), Step::HangUp]);
        rig.run(5, &QUIET);
        assert_eq!(rig.words(), ["Digit('1')"]);
        rig.run(6, &QUIET);
        assert_eq!(rig.words(), ["Digit('#')", "HangUp"]);
    }

    #[test]
    fn noise_has_the_level_asked_for() {
        let noise = Step::Noise { dbfs: -30.0, lasts: Duration::from_secs(1) };
        let said = Rig::new(vec![noise]).run(50, &QUIET);
        let level = frontdesk_voice::measure::rms_dbfs(&mulaw::decode_all(&said));
        assert!((level + 30.0).abs() < 1.0, "{level}");
    }

    #[tokio::test]
    async fn whoever_appends_steps_hears_when_they_are_done() {
        let mut rig = Rig::new(vec![]);
        let (done, mut waits) = oneshot::channel();
        rig.script.append(vec![Step::Pause(Duration::from_millis(40))], Some(done));
        rig.run(2, &QUIET);
        assert!(waits.try_recv().is_err());
        rig.run(1, &QUIET);
        assert!(waits.try_recv().is_ok());
    }
}

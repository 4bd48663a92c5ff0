//! The room between loudspeaker and microphone, and the person in it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use frontdesk_voice::{SpeakError, Voice, speak};

use crate::{
    BLOCK, RATE,
    ear::Ear,
    echo::{Echo, EchoPath},
    jack::Jack,
    noise::Noise,
    precedence,
    recording::{Recording, samples_in},
    tick::Clock,
};

/// A wait that came to its limit.
#[derive(Debug, thiserror::Error)]
#[error("waited {limit:?} for {what}; the loudspeaker was last audible until {quiet:?} ago")]
pub struct NotHeard {
    /// What was waited for.
    pub what: &'static str,
    /// For how long.
    pub limit: Duration,
    /// Since when the loudspeaker is quiet.
    pub quiet: Duration,
}

/// What the person was asked to say, and where it lies in the microphone's recording.
#[derive(Debug, Clone)]
pub struct Said {
    number: usize,
    /// The samples, 48 kHz: what to look for.
    pub pcm: Arc<[i16]>,
}

/// The room: a thread that is the speakerphone's clock. Ends when dropped.
#[derive(Debug)]
pub struct Air {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    scene: Mutex<Scene>,
    /// A block has passed.
    passed: Condvar,
}

#[derive(Default)]
struct Scene {
    over: bool,
    jack: Option<Arc<Jack>>,
    factor: Option<f64>,
    echo: Option<Echo>,
    noise: Option<Noise>,
    /// Everything that was said or is to be, in order, with its beginning.
    lines: Vec<Line>,
    /// Those that are not over.
    waiting: VecDeque<usize>,
    ear: Ear,
    loudspeaker: Recording,
    microphone: Recording,
}

#[derive(Debug)]
struct Line {
    pcm: Arc<[i16]>,
    not_before: u64,
    start: Option<u64>,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("at", &self.microphone.end()).finish_non_exhaustive()
    }
}

impl Scene {
    /// 10 ms: `heard` came out of the loudspeaker; what reaches the microphone meanwhile.
    fn pass(&mut self, heard: &[i16; BLOCK]) -> [i16; BLOCK] {
        let at = self.microphone.end();
        self.ear.hear(at, heard);
        self.loudspeaker.push(heard);
        let mut sum = [0.0; BLOCK];
        self.speak(at, &mut sum);
        if let Some(noise) = &mut self.noise {
            noise.add_to(&mut sum);
        }
        if let Some(echo) = &mut self.echo {
            echo.add_to(&mut sum, at, &self.loudspeaker);
        }
        // A microphone clips; `as` saturates.
        let block = sum.map(|sample| sample.round() as i16);
        self.microphone.push(&block);
        block
    }

    fn speak(&mut self, at: u64, sum: &mut [f32; BLOCK]) {
        let mut from = at;
        while let Some(&number) = self.waiting.front() {
            let line = &mut self.lines[number];
            let start = *line.start.get_or_insert(from.max(line.not_before));
            if start >= at + BLOCK as u64 {
                line.start = None; // its time is yet to come
                return;
            }
            for (n, out) in sum.iter_mut().enumerate() {
                let index = (at + n as u64).checked_sub(start).map(|index| index as usize);
                *out += index.and_then(|index| line.pcm.get(index)).copied().map_or(0.0, f32::from);
            }
            from = start + line.pcm.len() as u64;
            if from > at + BLOCK as u64 {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

impl Air {
    /// A quiet room without a speakerphone.
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let thread = thread::Builder::new().name("air".into()).spawn(move || {
            precedence::of_this_thread();
            run(&inside);
        });
        Self { shared, thread: Some(thread.expect("the system has a thread for us")) }
    }

    pub(crate) fn put(&self, jack: Option<Jack>) {
        self.scene().jack = jack.map(Arc::new);
    }

    /// The present: samples since the room was made.
    pub fn now(&self) -> u64 {
        self.scene().microphone.end()
    }

    /// The way of the loudspeaker's sound into the microphone; none at first.
    pub fn set_echo(&self, path: Option<&EchoPath>) {
        let echo = path.map(Echo::new);
        self.scene().echo = echo;
    }

    /// White noise of this level, dBFS; none at first.
    pub fn set_noise(&self, dbfs: Option<f32>) {
        self.scene().noise = dbfs.map(Noise::at);
    }

    /// Lets the speakerphone's quartz run `factor` times as fast as the machine's clock: 1.0005 is 500 ppm too fast.
    ///
    /// # Panics
    /// Outside of 0.5 to 2.
    pub fn set_clock(&self, factor: f64) {
        assert!((0.5..=2.0).contains(&factor), "a clock {factor} times as fast");
        self.scene().factor = Some(factor);
    }

    /// The person says it in espeak-ng's default voice, when what they say before is over.
    pub fn say(&self, text: &str) -> Result<Said, SpeakError> {
        self.say_as(text, &Voice::default())
    }

    /// The same in another voice.
    pub fn say_as(&self, text: &str, voice: &Voice) -> Result<Said, SpeakError> {
        Ok(self.say_pcm(speak(text, voice, RATE)?))
    }

    /// Any sound, 48 kHz.
    pub fn say_pcm(&self, pcm: impl Into<Arc<[i16]>>) -> Said {
        self.say_pcm_at(0, pcm)
    }

    /// Any sound, 48 kHz, to begin exactly at `position` if that is yet to come and nothing else is being said then.
    pub fn say_pcm_at(&self, position: u64, pcm: impl Into<Arc<[i16]>>) -> Said {
        let pcm = pcm.into();
        let mut scene = self.scene();
        let number = scene.lines.len();
        scene.lines.push(Line { pcm: Arc::clone(&pcm), not_before: position, start: None });
        scene.waiting.push_back(number);
        Said { number, pcm }
    }

    /// Waits until the loudspeaker has been audible for `after`, then says it over that.
    pub fn interrupt(&self, text: &str, after: Duration, limit: Duration) -> anyhow::Result<Said> {
        let pcm = speak(text, &Voice::default(), RATE)?;
        self.wait_for_voice(after, limit)?;
        Ok(self.say_pcm(pcm))
    }

    /// Waits until it has been said to the end; returns the positions at which the microphone had it.
    pub fn wait_until_said(&self, said: &Said, limit: Duration) -> Result<std::ops::Range<u64>, NotHeard> {
        self.wait("the person to finish", limit, |scene| {
            let start = scene.lines[said.number].start?;
            let end = start + said.pcm.len() as u64;
            (end <= scene.microphone.end()).then_some(start..end)
        })
    }

    /// Waits until the loudspeaker has been audible for `min` (pauses under 200 ms do not interrupt that); returns the
    /// position at which that voice began, exact to 10 ms.
    pub fn wait_for_voice(&self, min: Duration, limit: Duration) -> Result<u64, NotHeard> {
        self.wait("the loudspeaker to be audible", limit, |scene| {
            scene.ear.onset().filter(|_| scene.ear.audible() >= samples_in(min))
        })
    }

    /// Waits until the loudspeaker has been quiet for `quiet`; returns the position at which that began, exact to 10 ms.
    pub fn wait_for_silence(&self, quiet: Duration, limit: Duration) -> Result<u64, NotHeard> {
        self.wait("the loudspeaker to be quiet", limit, |scene| {
            let silent = scene.ear.quiet();
            (silent >= samples_in(quiet)).then(|| scene.loudspeaker.end() - silent)
        })
    }

    /// Waits until `found` finds something in what the loudspeaker has played; it is asked every 10 ms.
    pub fn listen_until<T>(
        &self,
        limit: Duration,
        mut found: impl FnMut(&Recording) -> Option<T>,
    ) -> Result<T, NotHeard> {
        self.wait("something in the loudspeaker's sound", limit, |scene| found(&scene.loudspeaker))
    }

    /// Lets the room go on until this position.
    pub fn wait_until(&self, position: u64, limit: Duration) -> Result<(), NotHeard> {
        self.wait("time to pass", limit, |scene| (scene.microphone.end() >= position).then_some(()))
    }

    /// What the loudspeaker has played, ten minutes at most.
    pub fn loudspeaker(&self) -> Recording {
        self.scene().loudspeaker.clone()
    }

    /// What has reached the microphone, ten minutes at most.
    pub fn microphone(&self) -> Recording {
        self.scene().microphone.clone()
    }

    fn wait<T>(
        &self,
        what: &'static str,
        limit: Duration,
        mut happened: impl FnMut(&Scene) -> Option<T>,
    ) -> Result<T, NotHeard> {
        let deadline = Instant::now() + limit;
        let mut scene = self.scene();
        loop {
            if let Some(it) = happened(&scene) {
                return Ok(it);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let quiet = Duration::from_micros(scene.ear.quiet() * 1_000_000 / u64::from(RATE));
                return Err(NotHeard { what, limit, quiet });
            }
            scene = self.shared.passed.wait_timeout(scene, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.shared.scene()
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        self.scene().over = true;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been told already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock's thread. The pipes are touched without the lock: a late sound server must not hold up whoever asks.
fn run(shared: &Shared) {
    let mut clock = Clock::new(Instant::now());
    loop {
        thread::sleep(clock.next(Instant::now()));
        let (jack, factor, over) = {
            let mut scene = shared.scene();
            (scene.jack.clone(), scene.factor.take(), scene.over)
        };
        if over {
            return;
        }
        if let Some(factor) = factor {
            clock.set_factor(factor);
        }
        let heard = jack.as_ref().map_or([0; BLOCK], |jack| jack.loudspeaker());
        let block = shared.scene().pass(&heard);
        shared.passed.notify_all();
        if let Some(jack) = jack {
            jack.microphone(&block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(scene: &mut Scene, blocks: usize) -> Vec<i16> {
        (0..blocks).flat_map(|_| scene.pass(&[0; BLOCK])).collect()
    }

    fn say(scene: &mut Scene, not_before: u64, pcm: &[i16]) {
        scene.waiting.push_back(scene.lines.len());
        scene.lines.push(Line { pcm: pcm.into(), not_before, start: None });
    }

    #[test]
    fn lines_are_said_one_after_the_other_and_not_before_their_time() {
        let mut scene = Scene::default();
        say(&mut scene, 0, &[7; 700]);
        say(&mut scene, 0, &[8; 3]);
        say(&mut scene, 2_000, &[9; 2]);
        let said = pass(&mut scene, 6);
        assert!(said[..700].iter().all(|sample| *sample == 7));
        assert_eq!(said[700..703], [8; 3]);
        assert!(said[703..2_000].iter().all(|sample| *sample == 0));
        assert_eq!(said[2_000..2_003], [9, 9, 0]);
        assert_eq!(scene.lines.iter().map(|line| line.start).collect::<Vec<_>>(), [Some(0), Some(700), Some(2_000)]);
        assert!(scene.waiting.is_empty());
    }

    #[test]
    fn a_line_that_ends_with_a_block_is_followed_in_the_next_one() {
        let mut scene = Scene::default();
        say(&mut scene, 0, &[7; BLOCK]);
        say(&mut scene, 0, &[8; 1]);
        let said = pass(&mut scene, 2);
        assert_eq!((said[BLOCK - 1], said[BLOCK], said[BLOCK + 1]), (7, 8, 0));
    }

    #[test]
    fn a_microphone_clips_and_adds_what_reaches_it() {
        let mut scene = Scene {
            echo: Some(Echo::new(&EchoPath { gain_db: 0.0, delay: Duration::ZERO, response: None })),
            ..Scene::default()
        };
        say(&mut scene, 0, &[30_000; 240]);
        let block = scene.pass(&[5_000; BLOCK]);
        assert_eq!((block[0], block[240]), (i16::MAX, 5_000));
        assert_eq!(scene.loudspeaker.since(0), [5_000; BLOCK]);
        assert_eq!(scene.microphone.since(0), block);
    }

    #[test]
    fn a_room_lives_in_real_time_or_as_much_faster_as_its_clock_says() {
        let start = Instant::now();
        let air = Air::new();
        let reaches = |seconds: u64| {
            air.wait_until(seconds * u64::from(RATE), Duration::from_secs(20)).unwrap();
            start.elapsed().as_secs_f64()
        };
        // A stalled machine makes it later, never earlier.
        let plain = reaches(2);
        assert!(plain >= 1.98, "two seconds after {plain} s");
        air.set_clock(2.0);
        let faster = reaches(8);
        assert!((4.98..7.5).contains(&faster), "two seconds and six at twice the speed after {faster} s");
    }
}

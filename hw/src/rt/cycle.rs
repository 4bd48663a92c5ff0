//! One turn of the real-time thread: wait for the capture, take what it has, keep the playout filled. The capture clocks
//! the loop, the playout follows; it never stops while the device is open, silence included, because starting a USB stream
//! clicks and shifts the echo.

use super::clock::{Steady, minus, plus, since};
use super::ladder::{Act, End, Ladder, RESTARTS, STALL, Seen, Why};
use super::ports::Ports;
use super::rate::{Finding, Meter};
use super::trace::{RtEvent, RtNews};
use crate::bell::Bell;
use crate::block::{MOST, Nanos, PERIOD};
use crate::pcm::alsa::PATIENCE;
use crate::pcm::negotiate::{MOST_CHANNELS, playout_target};
use crate::pcm::port::{Direction, Errno, Pcm, Ready, Standing, Waiter, Woke};
use heapless::spsc::Producer;
use std::time::Duration;

/// Both directions of an open device, and the wait for it.
pub struct Duplex {
    /// The microphone.
    pub capture: Box<dyn Pcm>,
    /// The loudspeaker.
    pub playout: Box<dyn Pcm>,
    /// The wait for the capture.
    pub waiter: Box<dyn Waiter>,
}

/// Bytes of a block of the widest device.
const WIDEST: usize = MOST * MOST_CHANNELS * 4;
/// Blocks in one turn at most; the longest buffer holds fewer.
const BLOCKS: usize = 32;
/// How long a stream may take to bring its first frame.
const STARTING: Duration = Duration::from_secs(1);
/// A stream has to be found still so often: when the whole machine stood still, everything looks stalled at first.
const LOOKS: u32 = 5;
/// A playout that runs for so long has played what it was started with, though nobody looked meanwhile.
const LASTING: Duration = PERIOD.saturating_mul(2);
/// So many wake-ups in a row that bring nothing are too many: the loop would spin above every other thread.
const FRUITLESS: u32 = 4;
/// So many are worth telling.
const SPINNING: u32 = 64;

/// What one direction needs from turn to turn.
struct Side {
    ladder: Ladder,
    meter: Meter,
    steady: Steady,
    /// Frames since the start: read, or written.
    total: u64,
    /// Bytes of the present block that were read, or are still to be written.
    partial: usize,
    /// The last position, when it changed, and how often it was seen not to have changed since.
    position: u64,
    moved: Nanos,
    seen_still: u32,
    started: Nanos,
}

impl Side {
    fn new(pcm: &dyn Pcm) -> Self {
        let setting = pcm.setting();
        Self {
            ladder: Ladder::new(setting.direction),
            meter: Meter::new(setting.rate.hz()),
            steady: Steady::default(),
            total: 0,
            partial: 0,
            position: 0,
            moved: Nanos(0),
            seen_still: 0,
            started: Nanos(0),
        }
    }

    fn restart(&mut self, now: Nanos) {
        (self.total, self.partial, self.position, self.seen_still) = (0, 0, 0, 0);
        (self.moved, self.started) = (now, now);
        self.meter.restart();
        self.steady.restart();
    }

    /// Takes note of a position; says how long it has not moved when that is too long.
    fn still(&mut self, now: Nanos, position: u64) -> Option<Duration> {
        if position != self.position {
            // What we put into a buffer ourselves is no such sign: the device has to have taken some of it.
            self.ladder.moved();
            (self.position, self.moved, self.seen_still) = (position, now, 0);
            return None;
        }
        self.seen_still = self.seen_still.saturating_add(1);
        let patience = if self.moved == self.started { STARTING } else { STALL };
        let span = since(self.moved, now);
        (span >= patience && self.seen_still >= LOOKS).then_some(span)
    }
}

/// The whole of the real-time thread's state. About 40 KiB; made and dropped elsewhere.
pub struct Cycle {
    ports: Ports,
    duplex: Duplex,
    trace: Producer<'static, RtEvent>,
    worker: Bell,
    capture: Side,
    playout: Side,
    captured: [u8; WIDEST],
    playing: [u8; WIDEST],
    fruitless: u32,
    /// Whether a device that does not keep its rate is given back.
    strict: bool,
}

impl Cycle {
    /// Joins a device to the rings. `worker` is rung once a turn that captured something, behind what that turn played. `strict`: end when the device's true rate
    /// is not what it claims; otherwise only tell.
    pub fn new(ports: Ports, duplex: Duplex, trace: Producer<'static, RtEvent>, worker: Bell, strict: bool) -> Self {
        let (capture, playout) = (Side::new(&*duplex.capture), Side::new(&*duplex.playout));
        let (captured, playing) = ([0; WIDEST], [0; WIDEST]);
        Self { ports, duplex, trace, worker, capture, playout, captured, playing, fruitless: 0, strict }
    }

    /// What it was made of. Dropping the device closes it, which may take long.
    pub fn into_parts(self) -> (Ports, Duplex, Producer<'static, RtEvent>) {
        (self.ports, self.duplex, self.trace)
    }

    /// Starts both directions.
    pub fn start(&mut self) -> Result<(), End> {
        self.restart_or_end(Direction::Playout)?;
        self.restart_or_end(Direction::Capture)?;
        self.note(RtNews::Started);
        Ok(())
    }

    /// One turn. Returns how it ended, if it did.
    pub fn turn(&mut self, bell: &Bell) -> Result<(), End> {
        let woke = self.duplex.waiter.wait(&mut *self.duplex.capture, bell, PATIENCE);
        let now = self.duplex.waiter.now();
        let figures = self.ports.figures();
        figures.rt_turns.raise();
        let seen = match woke {
            Ok(Woke::Bell) => {
                bell.answer();
                None
            }
            Ok(Woke::Late | Woke::Stream(Ready::Yes | Ready::No)) => None,
            Ok(Woke::Stream(Ready::Fault)) => Some(Seen::Fault(self.duplex.capture.state())),
            Ok(Woke::Stream(Ready::Gone)) => Some(Seen::Gone),
            Err(errno) => Some(Seen::Error(errno, self.duplex.capture.state())),
        };
        if let Some(seen) = seen {
            self.settle(Direction::Capture, now, seen)?;
        }
        let captured = self.capture(now)?;
        let played = self.play(now);
        if captured > 0 {
            // Behind both: the worker pairs what was captured with what was played.
            self.worker.ring();
        }
        let played = played?;
        figures.rt_work.count(since(now, self.duplex.waiter.now()));
        self.brake(bell, captured + played > 0 || matches!(woke, Ok(Woke::Late | Woke::Bell)));
        Ok(())
    }

    /// Stops both directions at once.
    pub fn halt(&mut self) {
        self.duplex.capture.halt();
        self.duplex.playout.halt();
    }

    /// Tells of something.
    pub fn note(&mut self, what: RtNews) {
        let at = self.duplex.waiter.now();
        // A full ring loses the event, not the count of it.
        let _ = self.trace.enqueue(RtEvent { at, run: self.ports.run(), what });
    }

    /// Takes every whole block that was captured; returns how many.
    fn capture(&mut self, now: Nanos) -> Result<usize, End> {
        let setting = *self.duplex.capture.setting();
        let standing = match self.duplex.capture.standing() {
            Ok(standing) => standing,
            Err(errno) => return self.fail(Direction::Capture, now, errno).map(|()| 0),
        };
        let base = believed(standing.moved, now);
        let position = self.capture.total.saturating_add(standing.avail as u64);
        if self.watch(Direction::Capture, now, base, position)? {
            return Ok(0);
        }
        let block = setting.block();
        let held = self.capture.partial / setting.frame_bytes().max(1);
        if standing.avail + held >= block {
            let complete = minus(base, setting.span(standing.avail + held - block));
            self.ports.figures().rt_lateness.count(since(complete, now));
        }
        let mut delay = standing.delay.max(standing.avail as i64);
        let bytes = (block * setting.frame_bytes()).min(WIDEST);
        let mut blocks = 0;
        for _ in 0..BLOCKS {
            let Some(room) = self.captured.get_mut(self.capture.partial..bytes) else { break };
            match self.duplex.capture.read(room) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(frames) => {
                    self.capture.total += frames as u64;
                    self.capture.partial += frames * setting.frame_bytes();
                    delay -= frames as i64;
                }
                Err(errno) => return self.fail(Direction::Capture, now, errno).map(|()| blocks),
            }
            if self.capture.partial < bytes {
                break;
            }
            self.capture.partial = 0;
            // What is left in front of the next read was captured after this block.
            let at = minus(base, setting.span(usize::try_from(delay).unwrap_or(0)));
            let at = self.capture.steady.next(at, setting.span(block));
            self.ports.captured(self.captured.get(..bytes).unwrap_or(&[]), &setting, at);
            blocks += 1;
        }
        Ok(blocks)
    }

    /// Fills the playout up to its target; returns how many blocks it took.
    fn play(&mut self, now: Nanos) -> Result<usize, End> {
        let standing = match self.duplex.playout.standing() {
            Ok(standing) => standing,
            Err(errno) => return self.fail(Direction::Playout, now, errno).map(|()| 0),
        };
        let setting = *self.duplex.playout.setting();
        let fill = setting.buffer.saturating_sub(standing.avail);
        self.ports.figures().playout_fill.count(setting.span(fill));
        let base = believed(standing.moved, now);
        if self.watch(Direction::Playout, now, base, self.playout.total.saturating_sub(fill as u64))? {
            return Ok(0);
        }
        match self.fill(base, standing) {
            Ok(blocks) => Ok(blocks),
            Err(errno) => self.fail(Direction::Playout, now, errno).map(|()| 0),
        }
    }

    fn fill(&mut self, base: Nanos, standing: Standing) -> Result<usize, Errno> {
        let setting = *self.duplex.playout.setting();
        let (block, frame) = (setting.block(), setting.frame_bytes().max(1));
        let bytes = (block * frame).min(WIDEST);
        let mut fill = setting.buffer.saturating_sub(standing.avail);
        let mut delay = usize::try_from(standing.delay).unwrap_or(0).max(fill);
        let target = playout_target(&setting);
        let mut blocks = 0;
        for _ in 0..BLOCKS {
            if self.playout.partial == 0 {
                if fill + block > target {
                    break;
                }
                let at = self.playout.steady.next(plus(base, setting.span(delay + block)), setting.span(block));
                self.playout.partial = self.ports.playout(&mut self.playing, &setting, at).min(bytes);
                blocks += 1;
            }
            let rest = self.playing.get(bytes.saturating_sub(self.playout.partial)..bytes).unwrap_or(&[]);
            match self.duplex.playout.write(rest) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(frames) => {
                    self.playout.total += frames as u64;
                    self.playout.partial = self.playout.partial.saturating_sub(frames * frame);
                    (fill, delay) = (fill + frames, delay + frames);
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(blocks)
    }

    /// Looks whether a direction moves, and at which rate. Whether something was done about it: then what was seen of the
    /// stream holds no more.
    fn watch(&mut self, direction: Direction, now: Nanos, at: Nanos, position: u64) -> Result<bool, End> {
        if let Some(span) = self.side(direction).still(now, position) {
            let state = self.pcm(direction).state();
            return self.settle(direction, now, Seen::Still(span, state)).map(|()| true);
        }
        let figures = self.ports.figures();
        match self.side(direction).meter.feed(at, position) {
            None => {}
            // What the playout seems to miss is the thread's own lateness in filling it.
            Some(Finding::Gap { .. }) if direction == Direction::Playout => {}
            Some(Finding::Gap { frames }) => {
                figures.gaps.raise();
                self.note(RtNews::Gap { samples: frames });
            }
            Some(Finding::Rate { hz, first, lies }) => {
                match direction {
                    Direction::Capture => figures.capture_rate.set(hz),
                    Direction::Playout => figures.playout_rate.set(hz),
                }
                if first {
                    self.note(RtNews::Rate(direction, hz));
                }
                let claimed = self.pcm(direction).setting().rate.hz();
                if lies && self.strict {
                    return Err(End::Lying { direction, claimed, measured: hz });
                }
            }
        }
        Ok(false)
    }

    fn fail(&mut self, direction: Direction, now: Nanos, errno: Errno) -> Result<(), End> {
        let state = self.pcm(direction).state();
        self.settle(direction, now, Seen::Error(errno, state))
    }

    /// Does what the ladder says about it. A restart that fails is seen in turn; the ladder ends that.
    fn settle(&mut self, direction: Direction, now: Nanos, seen: Seen) -> Result<(), End> {
        if since(self.side(direction).started, now) > LASTING {
            self.side(direction).ladder.lasted();
        }
        let mut act = self.side(direction).ladder.climb(now, seen);
        for _ in 0..=RESTARTS {
            match act {
                Act::Again => return Ok(()),
                Act::End(end) => return Err(end),
                Act::Resume => match self.pcm(direction).resume() {
                    Ok(()) => {
                        self.resumed(direction, now);
                        return Ok(());
                    }
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                    Err(_) => act = self.side(direction).ladder.cannot_resume(now),
                },
                Act::Restart(why) => {
                    self.told(direction, why);
                    match self.restart(direction) {
                        Ok(()) => return Ok(()),
                        Err(errno) => {
                            let state = self.pcm(direction).state();
                            act = self.side(direction).ladder.climb(now, Seen::Error(errno, state));
                            // Between the steps of a restart there is no next turn to wait for.
                            if act == Act::Again {
                                return Ok(());
                            }
                        }
                    }
                }
            }
        }
        Err(End::Failing(direction, Errno::PIPE))
    }

    fn resumed(&mut self, direction: Direction, now: Nanos) {
        self.ports.begin_run();
        self.side(direction).moved = now;
        self.side(direction).meter.restart();
        self.side(direction).steady.restart();
        self.note(RtNews::Resumed(direction));
    }

    fn told(&mut self, direction: Direction, why: Why) {
        match (why, direction) {
            (Why::Xrun, Direction::Capture) => self.ports.figures().overruns.raise(),
            (Why::Xrun, Direction::Playout) => self.ports.figures().underruns.raise(),
            (Why::Suspended | Why::Error(_), _) => {}
        }
        self.note(match why {
            Why::Xrun => RtNews::Xrun(direction),
            Why::Suspended => RtNews::Resumed(direction),
            Why::Error(errno) => RtNews::Recovered(direction, errno),
        });
    }

    fn restart_or_end(&mut self, direction: Direction) -> Result<(), End> {
        self.restart(direction).map_err(|errno| match errno {
            Errno::NODEV | Errno::BADFD => End::Unplugged,
            Errno::IO => End::Transfer(direction),
            errno => End::Failing(direction, errno),
        })
    }

    /// Prepares and starts one direction; the playout with its target of sound in it.
    fn restart(&mut self, direction: Direction) -> Result<(), Errno> {
        // One that still runs, after an odd error, would refuse to be prepared.
        self.pcm(direction).halt();
        self.pcm(direction).prepare()?;
        self.ports.begin_run();
        let now = self.duplex.waiter.now();
        self.side(direction).restart(now);
        if direction == Direction::Playout {
            let buffer = self.duplex.playout.setting().buffer;
            self.fill(now, Standing { avail: buffer, delay: 0, moved: None })?;
        }
        self.pcm(direction).start()
    }

    /// Slows the loop down when the stream wakes it for nothing.
    fn brake(&mut self, bell: &Bell, fruitful: bool) {
        if fruitful {
            self.fruitless = 0;
            return;
        }
        self.fruitless = self.fruitless.saturating_add(1);
        if self.fruitless == SPINNING {
            self.note(RtNews::Spinning);
        }
        if self.fruitless >= FRUITLESS {
            self.duplex.waiter.pause(bell, PERIOD / 4);
        }
    }

    fn pcm(&mut self, direction: Direction) -> &mut dyn Pcm {
        match direction {
            Direction::Capture => &mut *self.duplex.capture,
            Direction::Playout => &mut *self.duplex.playout,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Capture => &mut self.capture,
            Direction::Playout => &mut self.playout,
        }
    }
}

/// The device's time stamp, unless it is of another clock or too old: plugins bring such.
fn believed(moved: Option<Nanos>, now: Nanos) -> Nanos {
    moved.filter(|moved| *moved <= now && since(*moved, now) <= PERIOD * 2).unwrap_or(now)
}

//! One turn of the real-time thread: wait for the capture, take what it has, keep the playout filled. The capture clocks
//! the loop, the playout follows; neither stops while somebody is talked to, silence included, because starting a USB
//! stream clicks and shifts the echo. When nobody has needed sound for a while both [stand by](super::standby).

mod mend;
mod rest;
mod side;

use super::clock::{minus, plus, since};
use super::ladder::{End, Seen};
use super::ports::Ports;
use super::rate::Finding;
use super::standby::Standby;
use super::trace::{RtEvent, RtNews};
use crate::bell::Bell;
use crate::block::{MOST, Nanos, PERIOD};
use crate::pcm::alsa::PATIENCE;
use crate::pcm::negotiate::{MOST_CHANNELS, playout_target};
use crate::pcm::port::{Direction, Errno, Pcm, Ready, Standing, Waiter, Woke};
use heapless::spsc::Producer;
use side::Side;
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
/// So many wake-ups in a row that bring nothing are too many: the loop would spin above every other thread.
const FRUITLESS: u32 = 4;
/// So many are worth telling.
const SPINNING: u32 = 64;

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
    heartbeats: u32,
    /// Whether a device that does not keep its rate is given back.
    strict: bool,
    standby: Standby,
    /// The streams were started for somebody who has needed them since, and nothing was captured yet.
    roused: Option<Nanos>,
}

impl Cycle {
    /// Joins a device to the rings. `worker` is rung once a turn that captured something, behind what that turn played. `strict`: end when the device's true rate
    /// is not what it claims; otherwise only tell. Its streams run until it is halted.
    pub fn new(ports: Ports, duplex: Duplex, trace: Producer<'static, RtEvent>, worker: Bell, strict: bool) -> Self {
        let (capture, playout) = (Side::new(&*duplex.capture), Side::new(&*duplex.playout));
        let (captured, playing) = ([0; WIDEST], [0; WIDEST]);
        let (fruitless, heartbeats, standby, roused) = (0, 0, Standby::new(None), None);
        Self {
            ports,
            duplex,
            trace,
            worker,
            capture,
            playout,
            captured,
            playing,
            fruitless,
            heartbeats,
            strict,
            standby,
            roused,
        }
    }

    /// Its streams stand by when nobody has needed them for `linger`, and start as soon as somebody does: see
    /// [`Knobs::wants_sound`](crate::knobs::Knobs::wants_sound).
    #[must_use]
    pub fn standing_by_after(self, linger: Duration) -> Self {
        Self { standby: Standby::new(Some(linger)), ..self }
    }

    /// What it was made of. Dropping the device closes it, which may take long.
    pub fn into_parts(self) -> (Ports, Duplex, Producer<'static, RtEvent>) {
        (self.ports, self.duplex, self.trace)
    }

    /// Starts both directions.
    pub fn start(&mut self) -> Result<(), End> {
        self.ports.figures().standing_by.set(false);
        self.begin()?;
        self.note(RtNews::Started);
        Ok(())
    }

    /// What takes its time comes first, for both: the playout would run dry while the capture is made ready.
    fn begin(&mut self) -> Result<(), End> {
        for direction in [Direction::Playout, Direction::Capture] {
            self.make_ready(direction).map_err(|errno| rest::ended(direction, errno))?;
        }
        for direction in [Direction::Playout, Direction::Capture] {
            self.pcm(direction).start().map_err(|errno| rest::ended(direction, errno))?;
        }
        let now = self.duplex.waiter.now();
        self.standby.started(now);
        Ok(())
    }

    /// One turn. Returns how it ended, if it did.
    pub fn turn(&mut self, bell: &Bell) -> Result<(), End> {
        if self.standby.is_resting() {
            return self.turn_at_rest(bell);
        }
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
            self.count_rousing(now);
        }
        let played = played?;
        figures.rt_work.count(since(now, self.duplex.waiter.now()));
        self.brake(bell, captured + played > 0 || matches!(woke, Ok(Woke::Late | Woke::Bell)));
        self.consider_rest(now)
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

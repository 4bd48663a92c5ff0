//! A sound card in virtual time, with faults on order. It moves in steps of 1 ms, as full-speed USB does, keeps its own
//! rate, runs over and dry, and answers what `snd-usb-audio` was seen to answer.

#![allow(dead_code, reason = "each test program uses another part of it")]
#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on has found something")]

use frontdesk_core::units::SampleRate;
use frontdesk_hw::bell::Bell;
use frontdesk_hw::block::Nanos;
use frontdesk_hw::device::{Card, DeviceSpec, Usb};
use frontdesk_hw::keeper::backend::{Backend, Failure, Opened};
use frontdesk_hw::keeper::course::Avoid;
use frontdesk_hw::knobs::EchoMode;
use frontdesk_hw::pcm::negotiate::{Format, Setting};
use frontdesk_hw::pcm::port::{Direction, Errno, POLLED, Pcm, Ready, Standing, State, Waiter, Woke};
use frontdesk_hw::rt::cycle::Duplex;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What goes wrong, at the beginning of a wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The stream is found in an xrun.
    Xrun(Direction),
    /// The system sleeps; `resume` says `EAGAIN` so many times, then works.
    Sleep { refusals: u32 },
    /// The system sleeps, and the device cannot resume.
    SleepForGood,
    /// Every call says `EIO`.
    Transfer,
    /// The endpoint stands still; no error.
    Stall(Direction),
    /// Pulled out: `EBADFD` first, then `ENODEV`.
    Unplug,
    /// The thread is woken so much later.
    Late(Duration),
    /// So many captured frames are lost without an error.
    Lose(u64),
    /// Waits return at once, without anything to do.
    Spin(u32),
    /// An errno from the next call of this direction.
    Say(Direction, Errno),
    /// From here on the device waits for the bell: nothing happens in a test that watches a thread.
    Hold,
    /// The driver does not come back at all.
    Hang,
}

#[derive(Debug)]
struct Stream {
    setting: Setting,
    /// The device's clock against its nominal rate.
    clock: f64,
    state: State,
    started: u64,
    /// Frames read or written since the start.
    ours: u64,
    lost: u64,
    stalled: Option<u64>,
    say: Option<Errno>,
}

/// Everything about one plugged-in device.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) turns: u64,
    script: VecDeque<(u64, Fault)>,
    streams: [Stream; 2],
    refusals: Option<u32>,
    unplugged: Option<u32>,
    transfer: bool,
    spin: u32,
    pub(crate) pauses: u32,
    hold: bool,
    hang: bool,
    /// Set as soon as the driver does not come back.
    hung: Arc<Latch>,
    /// What was played, first channel, until it is full.
    pub(crate) played: Vec<i16>,
    pub(crate) starts: u32,
}

/// Something that happens once, in another thread.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    happened: Mutex<bool>,
    told: Condvar,
}

impl Latch {
    fn set(&self) {
        *self.happened.lock().unwrap() = true;
        self.told.notify_all();
    }

    /// Waits until it has happened; whether it has, within `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let happened = self.happened.lock().unwrap();
        let (happened, _) = self.told.wait_timeout_while(happened, patience, |happened| !*happened).unwrap();
        *happened
    }
}

/// A shared world.
#[derive(Clone)]
pub(crate) struct Sim(pub(crate) Arc<Mutex<World>>);

/// How a simulated device is made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) capture: u32,
    pub(crate) playout: u32,
    pub(crate) clock: [f64; 2],
    pub(crate) script: Vec<(u64, Fault)>,
    /// Samples that are kept of what was played.
    pub(crate) keep: usize,
}

impl Plan {
    pub(crate) fn of(script: &[(u64, Fault)]) -> Self {
        Self { capture: 16_000, playout: 48_000, clock: [1.0; 2], script: script.to_vec(), keep: 0 }
    }
}

pub(crate) fn setting(direction: Direction, hz: u32, channels: u16, periods: usize) -> Setting {
    let rate = SampleRate::from_hz(hz).unwrap();
    let period = hz as usize / 100;
    Setting { direction, rate, format: Format::S16, channels, period, buffer: period * periods }
}

impl Sim {
    /// A Speak 510: mono capture, stereo playout.
    pub(crate) fn new(plan: &Plan) -> Self {
        let stream = |setting, clock| Stream {
            setting,
            clock,
            state: State::Stopped,
            started: 0,
            ours: 0,
            lost: 0,
            stalled: None,
            say: None,
        };
        Self(Arc::new(Mutex::new(World {
            now: 1_000_000_000,
            turns: 0,
            script: plan.script.iter().copied().collect(),
            streams: [
                stream(setting(Direction::Capture, plan.capture, 1, 16), plan.clock[0]),
                stream(setting(Direction::Playout, plan.playout, 2, 4), plan.clock[1]),
            ],
            refusals: None,
            unplugged: None,
            transfer: false,
            spin: 0,
            pauses: 0,
            hold: false,
            hang: false,
            hung: Arc::default(),
            played: Vec::with_capacity(plan.keep),
            starts: 0,
        })))
    }

    pub(crate) fn duplex(&self) -> Duplex {
        let side = |direction| {
            let setting = self.world().streams[index(direction)].setting;
            Box::new(Side { sim: self.clone(), direction, setting })
        };
        Duplex {
            capture: side(Direction::Capture),
            playout: side(Direction::Playout),
            waiter: Box::new(SimWaiter(self.clone())),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Capture => 0,
        Direction::Playout => 1,
    }
}

impl World {
    /// Frames that the device has moved since the start, in steps of 1 ms.
    fn moved(&self, side: usize) -> u64 {
        let stream = &self.streams[side];
        if stream.state != State::Running {
            return stream.ours;
        }
        let millis = (self.now - stream.started) / 1_000_000;
        let moved = (millis as f64 * f64::from(stream.setting.rate.hz()) * stream.clock / 1_000.0) as u64;
        stream.stalled.unwrap_or(moved.saturating_sub(stream.lost))
    }

    /// Frames to read, or frames still to be played.
    fn held(&mut self, side: usize) -> u64 {
        let moved = self.moved(side);
        let stream = &mut self.streams[side];
        let held = if side == 0 { moved.saturating_sub(stream.ours) } else { stream.ours.saturating_sub(moved) };
        let broke = if side == 0 { held > stream.setting.buffer as u64 } else { moved > stream.ours };
        if stream.state == State::Running && broke {
            stream.state = State::Xrun;
        }
        held
    }

    /// What every call answers first.
    fn check(&mut self, direction: Direction) -> Result<(), Errno> {
        if let Some(calls) = &mut self.unplugged {
            *calls += 1;
            return Err(if *calls == 1 { Errno::BADFD } else { Errno::NODEV });
        }
        if self.transfer {
            return Err(Errno::IO);
        }
        let stream = &mut self.streams[index(direction)];
        if let Some(errno) = stream.say.take() {
            return Err(errno);
        }
        match stream.state {
            State::Xrun => Err(Errno::PIPE),
            State::Suspended => Err(Errno::STRPIPE),
            State::Stopped | State::Running | State::Disconnected => Ok(()),
        }
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Xrun(direction) => self.streams[index(direction)].state = State::Xrun,
            Fault::Sleep { refusals } => self.sleep(Some(refusals)),
            Fault::SleepForGood => self.sleep(None),
            Fault::Transfer => self.transfer = true,
            Fault::Stall(direction) => {
                self.streams[index(direction)].stalled = Some(self.moved(index(direction)));
            }
            Fault::Unplug => self.unplugged = Some(0),
            Fault::Late(span) => self.now += span.as_nanos() as u64,
            Fault::Lose(frames) => self.streams[0].lost += frames,
            Fault::Spin(times) => self.spin = times,
            Fault::Say(direction, errno) => self.streams[index(direction)].say = Some(errno),
            Fault::Hold => self.hold = true,
            Fault::Hang => self.hang = true,
        }
    }

    fn sleep(&mut self, refusals: Option<u32>) {
        self.refusals = refusals;
        for stream in &mut self.streams {
            stream.state = State::Suspended;
        }
    }
}

struct Side {
    sim: Sim,
    direction: Direction,
    setting: Setting,
}

impl Pcm for Side {
    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn prepare(&mut self) -> Result<(), Errno> {
        let mut world = self.sim.world();
        if world.unplugged.is_some() {
            return Err(Errno::NODEV);
        }
        if world.transfer {
            return Err(Errno::IO);
        }
        let stream = &mut world.streams[index(self.direction)];
        if stream.state == State::Running {
            return Err(Errno::BUSY);
        }
        stream.state = State::Stopped;
        (stream.ours, stream.lost) = (0, 0);
        stream.stalled = stream.stalled.map(|_| 0);
        Ok(())
    }

    fn start(&mut self) -> Result<(), Errno> {
        let mut world = self.sim.world();
        if world.unplugged.is_some() {
            return Err(Errno::NODEV);
        }
        let now = world.now;
        world.starts += 1;
        let stream = &mut world.streams[index(self.direction)];
        (stream.state, stream.started) = (State::Running, now);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Errno> {
        let mut world = self.sim.world();
        match world.refusals {
            None => Err(Errno::NOSYS),
            Some(0) => {
                // It goes on where it stopped.
                let now = world.now;
                let stream = &mut world.streams[index(self.direction)];
                let behind = if self.direction == Direction::Playout { stream.setting.block() as u64 } else { 0 };
                stream.state = State::Running;
                let frames = (stream.ours - behind.min(stream.ours)) as f64 / f64::from(stream.setting.rate.hz());
                stream.started = now.saturating_sub((frames * 1e9) as u64);
                Ok(())
            }
            Some(refusals) => {
                world.refusals = Some(refusals - 1);
                Err(Errno::AGAIN)
            }
        }
    }

    fn halt(&mut self) {
        self.sim.world().streams[index(self.direction)].state = State::Stopped;
    }

    fn state(&mut self) -> State {
        let mut world = self.sim.world();
        if world.unplugged.is_some_and(|calls| calls > 1) {
            return State::Disconnected;
        }
        world.held(index(self.direction));
        world.streams[index(self.direction)].state
    }

    fn standing(&mut self) -> Result<Standing, Errno> {
        let mut world = self.sim.world();
        if world.unplugged.is_some() {
            return world.check(self.direction).map(|()| unreachable!("unplugged"));
        }
        let held = world.held(index(self.direction)) as usize;
        let (buffer, now) = (self.setting.buffer, world.now);
        let avail = match self.direction {
            Direction::Capture => held.min(buffer),
            Direction::Playout => buffer.saturating_sub(held),
        };
        Ok(Standing { avail, delay: held as i64, moved: Some(Nanos(now / 1_000_000 * 1_000_000)) })
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        let mut world = self.sim.world();
        let held = world.held(0);
        world.check(Direction::Capture)?;
        let stream = &mut world.streams[0];
        let frames = held.min((into.len() / stream.setting.frame_bytes()) as u64);
        if frames == 0 {
            return Err(Errno::AGAIN);
        }
        // A counter: whoever reads it knows what was lost.
        for (n, frame) in into.chunks_exact_mut(2).take(frames as usize).enumerate() {
            frame.copy_from_slice(&((stream.ours + n as u64) as i16).to_le_bytes());
        }
        stream.ours += frames;
        Ok(frames as usize)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Errno> {
        let mut world = self.sim.world();
        let held = world.held(1);
        world.check(Direction::Playout)?;
        let world = &mut *world;
        let stream = &mut world.streams[1];
        let room = (stream.setting.buffer as u64).saturating_sub(held);
        let frames = room.min((from.len() / stream.setting.frame_bytes()) as u64) as usize;
        if frames == 0 {
            return Err(Errno::AGAIN);
        }
        for frame in from.chunks_exact(stream.setting.frame_bytes()).take(frames) {
            if world.played.len() < world.played.capacity() {
                world.played.push(i16::from_le_bytes([frame[0], frame[1]]));
            }
        }
        stream.ours += frames as u64;
        Ok(frames)
    }

    fn descriptors(&mut self, _into: &mut [libc::pollfd; POLLED]) -> Result<usize, Errno> {
        Ok(0)
    }

    fn ready(&mut self, _polled: &mut [libc::pollfd]) -> Result<Ready, Errno> {
        Ok(Ready::No)
    }
}

struct SimWaiter(Sim);

impl Waiter for SimWaiter {
    fn now(&mut self) -> Nanos {
        Nanos(self.0.world().now)
    }

    fn wait(&mut self, _stream: &mut dyn Pcm, bell: &Bell, at_most: Duration) -> Result<Woke, Errno> {
        {
            let mut world = self.0.world();
            world.turns += 1;
            while world.script.front().is_some_and(|(turn, _)| *turn <= world.turns) {
                if let Some((_, fault)) = world.script.pop_front() {
                    world.strike(fault);
                }
            }
        }
        if self.0.world().hang {
            self.0.world().hung.set();
            loop {
                std::thread::park();
            }
        }
        if self.0.world().hold {
            wait_for(bell);
            return Ok(Woke::Bell);
        }
        if bell.answer() {
            return Ok(Woke::Bell);
        }
        let mut world = self.0.world();
        if world.spin > 0 {
            world.spin -= 1;
            return Ok(Woke::Stream(Ready::Yes));
        }
        let until = world.now + at_most.as_nanos() as u64;
        let block = world.streams[0].setting.block() as u64;
        loop {
            if world.unplugged.is_some() || world.streams[0].state == State::Xrun {
                return Ok(Woke::Stream(Ready::Fault));
            }
            if world.streams[0].state == State::Suspended {
                // A poll on a suspended stream returns at once; the brake is what lets time pass.
                return Ok(Woke::Stream(Ready::Fault));
            }
            if world.held(0) >= block {
                return Ok(Woke::Stream(Ready::Yes));
            }
            if world.now >= until {
                return Ok(Woke::Late);
            }
            world.now += 1_000_000;
        }
    }

    fn pause(&mut self, _bell: &Bell, at_most: Duration) {
        let mut world = self.0.world();
        world.pauses += 1;
        world.now += at_most.as_nanos() as u64;
    }
}

/// Waits until the bell is rung, and leaves it to its owner to answer.
pub(crate) fn wait_for(bell: &Bell) {
    let mut polled = [rustix::event::PollFd::from_borrowed_fd(bell.as_fd(), rustix::event::PollFlags::IN)];
    while rustix::event::poll(&mut polled, None).is_err() {}
}

/// What a try to open meets.
#[derive(Debug, Clone)]
pub(crate) enum Plug {
    NotThere,
    Busy,
    GoneDuringOpen,
    Device(Plan),
}

/// A world of devices that come and go.
#[derive(Clone)]
pub(crate) struct Desk {
    plugs: Arc<Mutex<VecDeque<Plug>>>,
    pub(crate) opens: Arc<Mutex<u32>>,
    pub(crate) bell: Bell,
    /// Whether the driver of one of them has [hung](Fault::Hang).
    pub(crate) hung: Arc<Latch>,
    /// For more cycles than a list would hold: after the list, this again and again.
    pub(crate) forever: Option<Plan>,
}

impl Desk {
    pub(crate) fn new(plugs: &[Plug]) -> Self {
        let plugs = Arc::new(Mutex::new(plugs.iter().cloned().collect()));
        Self { plugs, opens: Arc::default(), bell: Bell::new().unwrap(), hung: Arc::default(), forever: None }
    }

    /// Something is plugged in.
    pub(crate) fn plug(&self, plug: Plug) {
        self.plugs.lock().unwrap().push_back(plug);
        self.bell.ring();
    }
}

impl Backend for Desk {
    fn open(&mut self, _spec: &DeviceSpec, avoid: &Avoid) -> Result<Opened, Failure> {
        *self.opens.lock().unwrap() += 1;
        let next = self.plugs.lock().unwrap().pop_front();
        let plan = match next.or_else(|| self.forever.clone().map(Plug::Device)) {
            None | Some(Plug::NotThere) => {
                return Err(Failure::NotThere { what: "there is no sound card at all".into() });
            }
            Some(Plug::Busy) => {
                let owner = Some("arecord (process 4711)".into());
                return Err(Failure::Busy { device: NAME.into(), direction: Direction::Capture, owner });
            }
            Some(Plug::GoneDuringOpen) => {
                return Err(Failure::NotThere { what: format!("{NAME} went away while it was being opened") });
            }
            Some(Plug::Device(plan)) => plan,
        };
        let mut plan = plan;
        let avoided = avoid.rates(NAME, Direction::Playout);
        match [plan.playout, 48_000, 8_000].into_iter().find(|hz| !avoided.contains(hz)) {
            None => return Err(Failure::Unusable { device: NAME.into(), what: "no rate is left".into() }),
            Some(hz) if hz != plan.playout => (plan.playout, plan.clock[1]) = (hz, 1.0),
            Some(_) => {}
        }
        let usb = Usb {
            vid: 0x0B0E,
            pid: 0x0422,
            serial: None,
            port: Some("1-1.2".into()),
            id_path: None,
            sysfs: None,
            speed: Some(12),
        };
        let card =
            Card { index: 1, id: "USB".into(), name: NAME.into(), capture: Some(0), playout: Some(0), usb: Some(usb) };
        let sim = Sim::new(&plan);
        sim.world().hung = Arc::clone(&self.hung);
        let duplex = sim.duplex();
        Ok(Opened { name: NAME.into(), card: Some(card), echo: EchoMode::Device, duplex })
    }

    fn watch(&self) -> Option<BorrowedFd<'_>> {
        Some(self.bell.as_fd())
    }

    fn changed(&mut self) -> bool {
        self.bell.answer()
    }
}

pub(crate) const NAME: &str = "Jabra Speak 510";

//! Sockets and threads: the shell around [`Bus`] and [`Room`](crate::sound::Room).
//!
//! One lock holds everything; replies are written under it, because their order matters. A host that does not read for
//! two seconds is unplugged. Threads: one for each connection, one that wakes when the device's clock has something.

use crate::Time;
use crate::bus::{BUS_ID, Bus};
use crate::descriptors::Model;
use crate::perform;
use crate::wire::{self, Command, Read, Reply, Request};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A host that takes no bytes for so long is gone.
const STUCK_PEER: Duration = Duration::from_secs(2);

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where USB/IP is served.
    pub listen: SocketAddr,
    /// Where orders are taken.
    pub control: SocketAddr,
    /// The device.
    pub model: Model,
    /// How fast the bus is.
    pub clock: f64,
    /// How late the host may be before frames are lost.
    pub patience: Duration,
    /// Whether the device mutes its own microphone.
    pub mutes_itself: bool,
    /// Whether it is plugged in at the start.
    pub plugged: bool,
    /// The kernel's vhci-hcd, when the device is to be plugged into this computer.
    pub vhci: Option<PathBuf>,
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    state: Mutex<State>,
    /// The next thing that is due may have changed.
    due: Condvar,
    /// Somebody may wait for what has changed.
    pub(crate) changed: Condvar,
    pub(crate) vhci: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) bus: Bus,
    pub(crate) plugged: bool,
    pub(crate) attaches: u64,
    /// The host that has the device.
    host: Option<TcpStream>,
}

impl State {
    pub(crate) fn is_attached(&self) -> bool {
        self.host.is_some()
    }

    /// Pulls the device out. The host's thread sees its connection end.
    pub(crate) fn unplug(&mut self, now: Time) {
        self.plugged = false;
        if let Some(host) = self.host.take() {
            hang_up(&host);
            self.bus.detach(now);
        }
    }

    /// Takes what the host of the attach `attach` sends. False when it has the device no more: what it sent before it was
    /// pulled out must not reach the device in another host's hands.
    fn handle(&mut self, attach: u64, now: Time, command: Command) -> bool {
        if self.attaches != attach || !self.is_attached() {
            return false;
        }
        let replies = self.bus.handle(now, command);
        self.send(now, &replies);
        true
    }

    fn send(&mut self, now: Time, replies: &[Reply]) {
        let bytes: Vec<u8> = replies.iter().flat_map(Reply::encode).collect();
        let Some(host) = &mut self.host else { return };
        if !bytes.is_empty() && host.write_all(&bytes).is_err() {
            hang_up(host);
            self.host = None;
            self.bus.detach(now);
        }
    }
}

/// The other side may have hung up before: then there is nothing left to do.
fn hang_up(host: &TcpStream) {
    let _ = host.shutdown(Shutdown::Both);
}

impl Shared {
    pub(crate) fn now(&self) -> Time {
        self.started.elapsed()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has left nothing half done that another could not go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something has changed: both to the clock's thread and to those who wait.
    pub(crate) fn stir(&self) {
        self.due.notify_one();
        self.changed.notify_all();
    }
}

/// A server whose sockets are open.
#[derive(Debug)]
pub struct Server {
    usb: TcpListener,
    control: TcpListener,
    shared: Shared,
}

impl Server {
    /// Opens the sockets.
    pub fn bind(options: Options) -> io::Result<Self> {
        let named = |what: &str, address: SocketAddr| {
            TcpListener::bind(address)
                .map_err(|error| io::Error::new(error.kind(), format!("{what} cannot listen on {address}: {error}")))
        };
        let (usb, control) = (named("USB/IP", options.listen)?, named("control", options.control)?);
        let mut bus = Bus::new(options.model, options.patience);
        bus.mutes_itself = options.mutes_itself;
        bus.set_clock(options.clock);
        let shared = Shared {
            started: Instant::now(),
            state: Mutex::new(State { bus, plugged: options.plugged, attaches: 0, host: None }),
            due: Condvar::new(),
            changed: Condvar::new(),
            vhci: options.vhci,
            listen: usb.local_addr()?,
        };
        Ok(Self { usb, control, shared })
    }

    /// Where USB/IP is served.
    pub fn usb_address(&self) -> io::Result<SocketAddr> {
        self.usb.local_addr()
    }

    /// Where orders are taken.
    pub fn control_address(&self) -> io::Result<SocketAddr> {
        self.control.local_addr()
    }

    /// Serves for as long as the program lives.
    pub fn run(&self) {
        let shared = &self.shared;
        thread::scope(|scope| {
            scope.spawn(|| keep_time(shared));
            scope.spawn(|| {
                for stream in self.control.incoming().flatten() {
                    scope.spawn(move || take_orders(shared, stream));
                }
            });
            if shared.vhci.is_some() && shared.lock().plugged {
                scope.spawn(|| perform::attach(shared).unwrap_or_else(|error| complain(&error)));
            }
            for stream in self.usb.incoming().flatten() {
                scope.spawn(move || {
                    if let Err(error) = serve(shared, stream) {
                        complain(&error);
                    }
                });
            }
        });
    }
}

/// For whoever reads the program's log.
#[expect(clippy::print_stderr, reason = "this program has no other log")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("usb-sim: {error}");
}

/// Sends what the device's clock has carried out, when it has.
fn keep_time(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        let now = shared.now();
        let replies = state.bus.poll(now);
        state.send(now, &replies);
        shared.changed.notify_all();
        state = match state.bus.wake_at() {
            None => shared.due.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let span = at.saturating_sub(shared.now());
                shared.due.wait_timeout(state, span).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn take_orders(shared: &Shared, stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if line.trim().is_empty() {
            continue;
        }
        if out.write_all(perform::answer(shared, &line).as_bytes()).is_err() {
            return;
        }
    }
}

/// Bytes that have come and were not understood yet.
struct Inbox {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Inbox {
    /// The next item, or `None` at the end.
    fn next<T>(&mut self, decode: impl Fn(&[u8]) -> Read<T>) -> io::Result<Option<T>> {
        loop {
            if let Some((item, length)) =
                decode(&self.bytes).map_err(|it| io::Error::new(ErrorKind::InvalidData, it))?
            {
                self.bytes.drain(..length);
                return Ok(Some(item));
            }
            let mut more = [0; 16_384];
            let count = self.stream.read(&mut more)?;
            if count == 0 {
                return Ok(None);
            }
            self.bytes.extend(&more[..count]);
        }
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(STUCK_PEER))?;
    let mut out = stream.try_clone()?;
    let mut inbox = Inbox { stream, bytes: Vec::new() };
    match inbox.next(Request::decode)? {
        None => Ok(()),
        Some(Request::List) => {
            let listed = {
                let state = shared.lock();
                state.plugged.then(|| state.bus.listed())
            };
            out.write_all(&wire::list(listed.as_slice()))
        }
        Some(Request::Import(id)) => {
            let Some(attach) = take(shared, &id, out)? else { return Ok(()) };
            let ended = carry(shared, attach, &mut inbox);
            leave(shared, attach);
            ended
        }
    }
}

/// Gives the device to a host, when it is there and free, and tells the how manieth time that is.
fn take(shared: &Shared, id: &str, mut out: TcpStream) -> io::Result<Option<u64>> {
    let mut state = shared.lock();
    if !state.plugged || state.host.is_some() || id != BUS_ID {
        drop(state);
        out.write_all(&wire::import(None))?;
        return Ok(None);
    }
    out.write_all(&wire::import(Some(&state.bus.listed())))?;
    state.bus.attach(shared.now());
    state.host = Some(out);
    state.attaches += 1;
    let attach = state.attaches;
    drop(state);
    shared.stir();
    Ok(Some(attach))
}

/// A host's connection has ended: the device is free, unless another host has it by now.
fn leave(shared: &Shared, attach: u64) {
    let mut state = shared.lock();
    if state.attaches == attach
        && let Some(host) = state.host.take()
    {
        hang_up(&host);
        state.bus.detach(shared.now());
    }
    drop(state);
    shared.stir();
}

/// Carries the host's commands to the bus until the connection ends, or the device is pulled out.
fn carry(shared: &Shared, attach: u64, inbox: &mut Inbox) -> io::Result<()> {
    loop {
        let command = match inbox.next(Command::decode) {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(()),
            // What unplugging looks like from here.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut state = shared.lock();
        let due = state.bus.wake_at();
        if !state.handle(attach, shared.now(), command) {
            return Ok(());
        }
        if state.bus.wake_at() != due {
            shared.due.notify_one();
        }
        drop(state);
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{DEVICE, Setup, Submit};

    fn unplugged_from_the_world() -> Server {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = Options {
            listen: anywhere,
            control: anywhere,
            model: Model::default(),
            clock: 1.0,
            patience: Duration::ZERO,
            mutes_itself: false,
            plugged: true,
            vhci: None,
        };
        Server::bind(options).unwrap()
    }

    /// Both ends of a host's connection, theirs first.
    fn host(server: &Server) -> (TcpStream, TcpStream) {
        let theirs = TcpStream::connect(server.usb_address().unwrap()).unwrap();
        (theirs, server.usb.accept().unwrap().0)
    }

    #[test]
    fn what_a_host_sent_before_it_lost_the_device_does_not_reach_the_next_host() {
        let server = unplugged_from_the_world();
        let shared = &server.shared;
        let (_old, ours) = host(&server);
        let first = take(shared, BUS_ID, ours).unwrap().unwrap();
        shared.lock().unplug(shared.now());
        shared.lock().plugged = true;
        let (mut new, ours) = host(&server);
        let second = take(shared, BUS_ID, ours).unwrap().unwrap();

        let ask = |sequence| {
            let setup = Setup { kind: 0x80, request: 6, value: 0x0100, index: 0, length: 18 };
            Command::Submit(Submit {
                sequence,
                device: 2,
                endpoint: 0x80,
                length: 18,
                setup,
                packets: vec![],
                data: vec![],
            })
        };
        assert!(!shared.lock().handle(first, shared.now(), ask(900)));
        assert!(shared.lock().handle(second, shared.now(), ask(1)));
        let mut answer = [0; 8 + DEVICE + 48 + 18];
        new.read_exact(&mut answer).unwrap();
        let (reply, _) = Reply::decode(&answer[8 + DEVICE..], |_| true).unwrap().unwrap();
        assert!(matches!(reply, Reply::Completed(it) if it.sequence == 1 && it.actual == 18));
        leave(shared, first);
        assert!(shared.lock().is_attached(), "the old host's end is not the new one's");
    }
}

//! The two pipes between the sound server and the room.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionread},
    pipe::fcntl_setpipe_size,
};

use crate::BLOCK;

/// Bytes of one block of the loudspeaker.
const LOUDSPEAKER_BLOCK: usize = BLOCK * Jack::CHANNELS * 2;
/// Two of the server's fillings, 21 ms: one is read while the other is filled.
const LOUDSPEAKER_PIPE: usize = 2 * 4_096;
/// 340 ms, longer than the longest stall of a loaded machine.
const MICROPHONE_PIPE: usize = 32_768;
/// A server that has not filled the pipe for so long has nothing to play; before that, it is late.
const PATIENCE: Duration = Duration::from_millis(200);
/// Blocks after which a microphone whose pipe was never empty is one that nobody listens to.
const DEAF: u32 = 25;

/// The plug of one speakerphone.
#[derive(Debug)]
pub(crate) struct Jack {
    loudspeaker: File,
    microphone: File,
    flow: Mutex<Flow>,
}

/// What is in the pipes.
#[derive(Debug)]
struct Flow {
    /// Read of the loudspeaker, and not a whole block yet.
    partial: Vec<u8>,
    playing: bool,
    /// Blocks since the microphone's pipe was empty.
    waiting: u32,
}

impl Jack {
    /// Channels of the loudspeaker, all the same.
    pub(crate) const CHANNELS: usize = 4;

    pub(crate) fn open(loudspeaker: &Path, microphone: &Path) -> io::Result<Self> {
        // Opened for both directions, a pipe needs nobody at its other end.
        let open = |path: &Path, size: usize| {
            let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
            let file = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(path)?;
            fcntl_setpipe_size(&file, size)?;
            Ok::<_, io::Error>(file)
        };
        let flow = Mutex::new(Flow { partial: Vec::new(), playing: false, waiting: 0 });
        Ok(Self {
            loudspeaker: open(loudspeaker, LOUDSPEAKER_PIPE)?,
            microphone: open(microphone, MICROPHONE_PIPE)?,
            flow,
        })
    }

    /// The next block of the loudspeaker: silence when nobody plays. Waits for a server that is late, 200 ms at most,
    /// and once.
    pub(crate) fn loudspeaker(&self) -> [i16; BLOCK] {
        let mut flow = self.flow.lock().expect("nobody panics with it");
        let deadline = Instant::now() + PATIENCE;
        while flow.partial.len() < LOUDSPEAKER_BLOCK {
            let mut buffer = [0; LOUDSPEAKER_BLOCK];
            let wanted = LOUDSPEAKER_BLOCK - flow.partial.len();
            match (&self.loudspeaker).read(&mut buffer[..wanted]) {
                Ok(count) if count > 0 => {
                    flow.partial.extend(&buffer[..count]);
                    flow.playing = true;
                }
                _ if flow.playing && self.fills_until(deadline) => {}
                _ => {
                    flow.playing = false;
                    break;
                }
            }
        }
        let mut block = [0; BLOCK];
        let frames = flow.partial.chunks_exact(2 * Self::CHANNELS);
        for (sample, frame) in block.iter_mut().zip(frames) {
            *sample = i16::from_le_bytes([frame[0], frame[1]]);
        }
        flow.partial.clear();
        block
    }

    fn fills_until(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.loudspeaker, PollFlags::IN)], Some(&limit)) {
                Err(Errno::INTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Gives the next block to the microphone. Nobody listens: the older ones are thrown away, so that whoever begins to
    /// listen hears the present.
    pub(crate) fn microphone(&self, block: &[i16; BLOCK]) {
        let mut flow = self.flow.lock().expect("nobody panics with it");
        let waiting = ioctl_fionread(&self.microphone).unwrap_or(0);
        flow.waiting = if waiting == 0 { 0 } else { flow.waiting + 1 };
        if flow.waiting > DEAF {
            let mut stale = vec![0; MICROPHONE_PIPE];
            // Whoever begins to listen right now may have taken it.
            let _ = (&self.microphone).read(&mut stale);
        }
        let bytes: Vec<u8> = block.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        // Full: a listener that has stood still for 340 ms misses this block.
        let _ = (&self.microphone).write(&bytes);
    }
}

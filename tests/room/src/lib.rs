//! A virtual speakerphone in a virtual room, for whoever has none on the desk.
//!
//! ```text
//!                  ALSA, `pulse` plugin        private PulseAudio             Air: the clock, one thread
//!  program ──writei──► "speakerphone" ──► sink ──pipe──► loudspeaker ──┬──► ear: recorded, measured
//!                                                                      │ echo: delay, gain, response of a room
//!  program ◄──readi─── "speakerphone" ◄── source ◄─pipe── microphone ◄─┴─◄ person, noise
//! ```
//!
//! The sound server's sink and source are pipes, and [`Air`] at their other ends is the speakerphone's clock: 10 ms of
//! the loudspeaker are taken and 10 ms of the microphone are given in one step, so that recordings of both line up to
//! the sample and an echo has exactly the delay that was asked for. Null sinks, the usual way, pace themselves: between
//! the two of them lie 170 to 265 ms that differ from start to start.
//!
//! What is late: when the machine stalls, the clock stands still and catches up; nothing is lost unless it stands for
//! longer than a second. The program's own xruns are heard as silence, as on a real device.
//!
//! - [`Room`]: everything together; [`SoundServer`]: the sound card; [`Air`]: the room, and the person in it;
//! - [`acoustics`]: how a room answers; [`EchoPath`]: how the loudspeaker comes back; [`Recording`]: what was to be heard, and when.
//!
//! Nothing here is shipped. All functions block for no longer than the limit that they are given.

pub mod acoustics;
mod air;
mod convolve;
mod ear;
mod echo;
mod jack;
mod noise;
mod precedence;
mod recording;
mod room;
mod server;
mod tick;

pub use air::{Air, NotHeard, Said};
pub use echo::EchoPath;
pub use recording::Recording;
pub use room::Room;
pub use server::{ServerError, SoundServer};

/// Samples a second of everything in the room.
pub const RATE: u32 = 48_000;
/// Samples of one step of the room's clock, 10 ms.
pub const BLOCK: usize = 480;
/// The name of the speakerphone in the ALSA configuration: `desk.device = "alsa:speakerphone"`.
pub const SPEAKERPHONE: &str = "speakerphone";
/// The name of a PCM that captures what the loudspeaker plays, for `arecord` and the like.
pub const EAR: &str = "ear";

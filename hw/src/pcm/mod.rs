//! One direction of a sound card: what the real-time thread asks of it ([`port`]), the choice of rate, format and buffers
//! ([`negotiate`]), samples on the wire ([`wire`]), the real thing ([`alsa`]) and its silence ([`quiet`]).

pub mod alsa;
pub mod negotiate;
pub mod port;
pub mod quiet;
pub mod wire;

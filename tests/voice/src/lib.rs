//! Speech for the rehearsal world and its tests.
//!
//! Nothing here is part of the shipped product, and nothing here uses the product's own audio code: it is what the
//! product is judged with.
//!
//! ```text
//! text ──speak()──► PCM ──► simulator ──► product ──► simulator ──► PCM heard
//!                    │                                                 │
//!                    └──────────► measure::find, Recogniser ◄──────────┘
//! ```
//!
//! - [`speak`] renders text with espeak-ng: the same text gives the same samples, so that speech can be recognised by
//!   correlation with what was meant to be said.
//! - [`Recogniser`] tells which of some known phrases was heard, and which of its words.
//! - [`measure`] answers "how loud", "where", "how much quieter" and "where are the holes".
//! - [`mulaw`] is a second, independent G.711 codec; [`wav`] keeps recordings for people to listen to.
//!
//! All functions block and are meant for worker threads; none needs the network.

mod correlate;
pub mod measure;
pub mod mulaw;
mod recognise;
mod resample;
mod speak;
pub mod wav;

pub use recognise::{HeardWords, Recognised, Recogniser, Word};
pub use resample::resample;
pub use speak::{SpeakError, Voice, speak};

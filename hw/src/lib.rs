//! The sound card of the front desk. No tokio, no HTTP, no log: what happens leaves as blocks, figures and news.
//!
//! ```text
//!            device clock          │      worker thread       │   network time (frontdeskd)
//!  ALSA ──► rt: readi, mute ──captured──► dsp: echo, noise,  ──heard──► a conversation
//!       ◄──     writei      ◄──playout──  voice, resampling  ◄─speech─
//!                           ──played────►
//! ```
//!
//! - [`keeper`]: the life of the device, from [`device`] (which one) and [`pcm`] (how it is opened, with its levels set by
//!   [`mixer`]) to [`rt`] (the thread that serves it); [`hotplug`] tells when to look again.
//! - [`block`]: what the rings carry; [`rings`]: the rings; [`knobs`]: what the network side asks; [`figures`]: what the
//!   threads tell of themselves; [`bell`]: how one wakes another.
//! - [`dsp`]: the worker; [`hid`]: buttons and lamps, which [`panel`] keeps beside the device.
//! - [`desk`]: all of it put together.

pub mod bell;
pub mod block;
pub mod desk;
pub mod device;
pub mod dsp;
pub mod figures;
pub mod hid;
pub mod hotplug;
pub mod keeper;
pub mod knobs;
pub mod mixer;
pub mod panel;
pub mod pcm;
pub mod rings;
pub mod rt;
pub mod selftest;

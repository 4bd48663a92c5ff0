//! What Frontdesk does: sockets, clocks, tasks, files. What it decides is in `frontdesk-core`.
//!
//! ```text
//!  http::public ─► phone::line ─► phone::task (one per call) ─┐
//!   (webhooks,      (who may                                  ├─► conversation::driver ─► live::link ─► Gemini
//!    upgrades)       call)                                    │            │
//!                   the sound card ◄─► desk::task ────────────┘   conversation::journal
//!                                                                  │    │   │
//!                                                              store  metrics  log
//!                                                                │ errands
//!                                                             outbox ─► errands ─► calendar, mail, phone::sms
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a task of a test ends with the test's runtime"))]

pub mod app;
pub mod arguments;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod conversation;
pub mod ctl;
pub mod current;
pub mod desk;
pub mod doors;
pub mod errands;
pub mod gate;
pub mod google;
pub mod http;
pub mod knowledge;
pub mod live;
pub mod logging;
pub mod mail;
pub mod metrics;
pub mod net;
pub mod notify;
pub mod outbox;
pub mod phone;
pub mod reload;
pub mod status;
pub mod store;
pub mod supervise;
pub mod template;
pub mod watchdog;

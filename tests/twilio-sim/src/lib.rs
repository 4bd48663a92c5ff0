//! A simulator of Twilio voice, faithful enough to judge a phone bridge by, and independent of the one it judges.
//!
//! ```text
//!                        ┌────────────────────────── TwilioSim ─────────────────────────┐
//!  server   webhooks     │ call ── fetches TwiML, runs its verbs, posts the callbacks   │
//!  under  ◄──────────────┤  │  webhook, sign, overrides, twiml                          │
//!  test     media stream │  └─ stream/session ── wire, line ── playback ── ear ─ Script  │ what the caller
//!         ◄─────────────►│                                     (what is heard) (caller) │ does follows from
//!           REST         │                                                              │ what is heard
//!         ──────────────►│ rest ── commands to calls; faults                            │
//!                        └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Start with [`TwilioSim::start`], place a call with [`TwilioSim::call`], watch and steer it through its
//! [`CallHandle`]. Everything random is seeded. Nothing is polled: whoever waits is woken by the change.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use frontdesk_twilio_sim::{Caller, CallPlan, Settings, Step, Target, TwilioSim, Utterance};
//! # async fn example(hello: Vec<i16>) -> Result<(), Box<dyn std::error::Error>> {
//! let sim = TwilioSim::start(Settings::default()).await?;
//! let mut plan = CallPlan::to_url("https://desk.example.com/twilio/voice");
//! let addr = "127.0.0.1:8091".parse()?;
//! plan.connect_to.insert("desk.example.com".into(), Target { addr, tls: false });
//! let (quiet, timeout) = (Duration::from_millis(700), Duration::from_secs(20));
//! plan.caller = Caller::new([
//!     Step::WaitForSilence { quiet, timeout },
//!     Step::Say(Utterance::new("hello", &hello)),
//!     Step::WaitForSilence { quiet, timeout },
//!     Step::HangUp,
//! ]);
//! let call = sim.call(plan);
//! let report = call.wait_ended(Duration::from_secs(60)).await?;
//! assert!(report.problems().is_empty());
//! # Ok(())
//! # }
//! ```

mod call;
mod call_shared;
mod caller;
mod ear;
mod faults;
mod hooks;
mod ids;
mod limbo;
mod line;
mod overrides;
mod plan;
pub mod playback;
mod report;
mod rest;
mod rest_view;
mod session;
pub mod sign;
mod sim;
mod sms;
mod stream;
mod stream_report;
mod transport;
pub mod twiml;
mod verbs;
mod webhook;
mod wire;

pub use call_shared::{CallHandle, WaitError};
pub use caller::{Caller, FRAME, FRAME_TIME, Step, Utterance};
pub use faults::{CallbackDelivery, Fault, RestFault, SignatureMode, StartMode, StreamFaults, WebhookFault};
pub use hooks::Hooks;
pub use ids::Rng;
pub use plan::{CallPlan, DialOutcome};
pub use report::{Alert, CallReport, Dialled, Event, RecordingReport, WebhookRecord, What};
pub use rest::RestRequest;
pub use rest_view::CallState;
pub use sim::{Settings, TwilioSim};
pub use sms::TextMessage;
pub use stream_report::{Clear, Heard, Said, StreamEnd, StreamReport, samples, span};
pub use transport::{ConnectError, ConnectTo, Target};

//! A simulator of the Gemini Live API: a scripted receptionist that Google's own SDKs can talk to.
//!
//! It listens by voice activity, recognises the scenario's lines by their sound, speaks with espeak-ng, calls tools, is
//! interrupted, forgets nothing between connections, and misbehaves on demand. Its wire code shares nothing with the
//! product, because it is the product's judge: what a careful client does not do ends up in
//! [`SessionReport::protocol_errors`].
//!
//! ```text
//!  door ──► connection ◄──► conversation ──► speech (ready-made frames)
//!  path, key   │  socket, clock      │  rules, no socket, no clock
//!              │                     └──► ear (voice activity on the sample clock)
//!              └──► hall (sessions, handles, faults)        └──► report
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use frontdesk_gemini_sim::{Ending, Fault, GeminiSim, Settings, Target};
//!
//! let sim = GeminiSim::start(Settings::default()).await?;
//! println!("point the client at {}", sim.ws_base());
//! sim.wait_for(|sessions| sessions.iter().any(|session| session.greeted == 1), Duration::from_secs(5)).await?;
//! sim.inject(Target::Newest, Fault::GoAway { time_left: Some(Duration::from_secs(10)), then: Ending::Deadline });
//! sim.wait_for(|sessions| sessions[0].connections == 2, Duration::from_secs(15)).await?;
//! assert!(sim.sessions()[0].protocol_errors.is_empty());
//! sim.stop().await;
//! # Ok(()) }
//! ```

mod certificate;
mod connection;
mod conversation;
mod door;
mod ear;
mod fault;
mod hall;
mod link;
mod pong_gate;
mod report;
mod scenario;
mod server;
mod settings;
mod speech;
mod wire;

pub use fault::{Ending, Fault, FaultError, Injection, Lasts, PlannedFault, Target};
pub use report::{Closed, ClosedBy, Reply, SessionReport, TextReceived, TextSource, ToolCall, Utterance};
pub use scenario::{CallTime, Exchange, Scenario, ScenarioError, ScriptedCall, VoiceChoice};
pub use server::{GeminiSim, WaitError};
pub use settings::{OnAudio, OnSentAudio, Settings, Timing};

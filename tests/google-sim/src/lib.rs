//! A simulator of Google's token server, Calendar v3 and Gmail v1 that Google's own clients can talk to.
//!
//! It is built from Google's discovery documents: what a request may hold, what an answer holds and which scopes open a method
//! is read there, not written again. It shares no code with the product, because it is the product's judge. What exists at
//! Google and not here is refused with 501 `notSimulated`, never guessed; a method that the kept documents lack is not found,
//! and the log says so.
//!
//! ```text
//!  server ──► sim ──► fault (what goes wrong)
//!  socket      │ ───► oauth (consent, tokens, who comes)
//!              │ ───► discovery, schema, fields (what may be asked and answered)
//!              │ ───► calendar (events, lists, freeBusy)
//!              │ ───► gmail (letters, drafts, search)
//!              └ ───► control, hands (switches and people, under /sim/ and in the library)
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use frontdesk_google_sim::{Failure, Fault, GoogleSim, Settings};
//!
//! let sim = GoogleSim::start(Settings::default()).await?;
//! println!("point the client at {} with this key file: {}", sim.base(), sim.service_account_key());
//! sim.fail(Fault::next(Failure::CutAfter).at("calendar.events.insert"));
//! sim.staff_add_busy("dr-osei@clinic.example", "Lunch", "2026-12-01T12:00:00Z", "2026-12-01T13:00:00Z")?;
//! let mail = sim.wait_for(|sim| sim.sent().pop(), Duration::from_secs(10)).await?;
//! assert_eq!(mail.recipients, ["ana@patient.example"]);
//! # Ok(()) }
//! ```

mod calendar;
mod clock;
mod control;
mod discovery;
mod error;
mod exchange;
mod fault;
mod fields;
mod gmail;
mod hands;
mod oauth;
mod schema;
mod server;
mod settings;
mod sim;

pub use fault::{Failure, Fault, FaultError};
pub use gmail::SentMail;
pub use hands::HandError;
pub use server::{GoogleSim, WaitError};
pub use settings::{CalendarSetup, Consent, Role, Settings};
pub use sim::Seen;

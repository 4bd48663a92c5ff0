//! Gemini Live: one conversation with the model, reconnects included.
//!
//! `wire` holds the JSON, `setup` the first message, `model` what each model accepts, `close` what its closes mean,
//! `calls` the functions it asked for, `replay` what it must be told again, and `live` puts them together.

pub mod calls;
pub mod close;
pub mod lenient;
pub mod live;
pub mod model;
pub mod replay;
pub mod setup;
pub mod wire;

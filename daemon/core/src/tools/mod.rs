//! What the model may call: what it is told of the functions, and what it sends when it calls one.
//!
//! ```text
//!  decl ──► setup ──► model ──call──► request ──► clerk ──answer──► model
//! ```
//!
//! - [`decl`]: the declarations.
//! - [`request`]: a call's arguments, checked.
//! - [`text`], [`address`], [`near`]: names, addresses and numbers as people say them and models type them.

pub mod address;
mod args;
pub mod decl;
pub mod near;
pub mod request;
pub mod text;

//! The REST as people and their tools meet it: over real sockets, from a real store.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod admin;
mod book;
mod control;
mod ctl;
mod desk;
mod google_ctl;
mod google_login;
mod google_world;
mod health;
mod world;

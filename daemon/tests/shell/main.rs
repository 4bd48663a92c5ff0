//! The daemon's edges as their peers meet them: real sockets, peers that misbehave, no simulator and no audio.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod app;
mod booked;
mod caldav;
mod call;
mod check;
mod clinic;
mod connect;
mod connections;
mod desk;
mod desk_ends;
mod desk_quiet;
mod desk_world;
mod fakes;
mod feed;
mod functions;
mod gmail;
mod google_calendar;
mod hook;
mod log;
mod mail;
mod media;
mod net;
mod rest;
mod sms;
mod start;
mod token;
mod twilio;
mod world;

//! Bookings: what is free, what may be booked by whom, and what is said about it. Pure: the calendar's contents and the
//! time are arguments.
//!
//! - [`appointment`]: an appointment and the states that it goes through.
//! - [`book`]: the appointment book, which the store keeps.
//! - [`opening`]: when patients are seen on a day. [`wish`]: what a caller would like. [`slots`]: what is free for it.
//! - [`offer`]: what the model holds instead of a time, so that it cannot make one up.
//! - [`when`]: the days and times in a caller's words. [`spoken`]: dates, times and offers as they are said.
//! - [`refusal`]: why something is not done, and what is said then.

pub mod appointment;
pub mod book;
pub mod offer;
pub mod opening;
pub mod refusal;
pub mod slots;
pub mod spoken;
pub mod when;
pub mod wish;

#[cfg(test)]
mod world;

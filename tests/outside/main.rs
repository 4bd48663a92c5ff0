//! Stories with real servers of mail and calendars, which work, fail and come back. Run by `tests/proofs/caldav/run.sh` and
//! `tests/proofs/mail/run.sh`, which say where the servers are.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod calendar;
mod mail;
mod wire;

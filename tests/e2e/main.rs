//! Stories from end to end: the real daemon as a process, real sockets, real time. Each is what a person would tell.

mod booking;
mod desk;
mod desk_test;
mod people;
mod phone_call;
mod silence;
mod strangers;
mod trouble;

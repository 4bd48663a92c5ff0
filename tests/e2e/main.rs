//! Stories from end to end: the real daemon as a process, real sockets, real time. Each is what a person would tell.

mod booking;
mod booking_change;
mod booking_offers;
mod booking_privacy;
mod booking_refused;
mod desk;
mod desk_standby;
mod desk_test;
mod doctor;
mod google;
mod google_mail;
mod people;
mod phone_call;
mod reload;
mod silence;
mod strangers;
mod trouble;

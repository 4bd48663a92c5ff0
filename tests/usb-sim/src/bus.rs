//! The port that the device is plugged into: transfers wait here until the device's clock has carried them out.
//!
//! No socket and no clock inside. [`Bus::handle`] takes what the host sends, [`Bus::poll`] gives what has been carried out by
//! `now`, [`Bus::wake_at`] says when to poll next. Replies must reach the host in the order in which they are given: an
//! unlink that overtakes the transfer which it did not stop makes Linux drop the device.

use crate::Time;
use crate::descriptors::{BUTTONS, LOUDSPEAKER, MICROPHONE, Model};
use crate::device::{Device, Restarted, Stall};
use crate::events::Event;
use crate::iso::{Counts, FrameClock, SampleClock};
use crate::sound::{Level, Room, Side};
use crate::wire::{Command, Completed, Done, Listed, Packet, Reply, Submit};
use std::collections::VecDeque;
use std::time::Duration;

/// The bus id of the one port.
pub const BUS_ID: &str = "1-1";

const EPIPE: i32 = -32;
const EXDEV: i32 = -18;
const EINVAL: i32 = -22;
const EOVERFLOW: i32 = -75;
const ECONNRESET: i32 = -104;

/// An isochronous transfer under way.
#[derive(Debug)]
struct Transfer {
    sequence: u32,
    begins: Time,
    due: Time,
    number: u32,
    packets: Vec<Packet>,
    data: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    clock: FrameClock,
    pending: VecDeque<Transfer>,
}

/// The port, the device in it and the room around it.
#[derive(Debug)]
pub struct Bus {
    /// The device. Its state is that of the last time it had power.
    pub device: Device,
    /// The room.
    pub room: Room,
    /// Whether the device mutes its own microphone while its mute lamp is lit. Else that is left to the host, so that a
    /// test can hear whether the host does it.
    pub mutes_itself: bool,
    patience: Duration,
    streams: [Stream; 2],
    microphone: SampleClock,
    /// Transfers that wait for a button: sequence number and room for a report.
    buttons: VecDeque<(u32, u32)>,
}

impl Bus {
    /// A device of this model. `patience`: see [`FrameClock::take`].
    pub fn new(model: Model, patience: Duration) -> Self {
        let stream = || Stream { clock: FrameClock::new(1.0), pending: VecDeque::new() };
        Self {
            device: Device::new(model),
            room: Room::default(),
            mutes_itself: false,
            patience,
            streams: [stream(), stream()],
            microphone: SampleClock::new(1.0),
            buttons: VecDeque::new(),
        }
    }

    /// How the device is listed.
    pub fn listed(&self) -> Listed {
        let identity = &self.device.model.identity;
        Listed {
            bus_id: BUS_ID.into(),
            ids: (identity.vendor_id, identity.product_id),
            interfaces: self.device.model.classes().collect(),
        }
    }

    /// A host takes the device.
    pub fn attach(&mut self, now: Time) {
        self.forget();
        self.device.power_on();
        self.device.events.note(now, Event::Attached);
    }

    /// The host is gone, or the device from it.
    pub fn detach(&mut self, now: Time) {
        self.forget();
        self.device.power_on();
        self.device.events.note(now, Event::Detached);
    }

    fn forget(&mut self) {
        self.buttons.clear();
        for stream in &mut self.streams {
            stream.pending.clear();
            stream.clock.stop();
        }
    }

    /// The bus's clock runs `factor` times as fast as the computer's.
    pub fn set_clock(&mut self, factor: f64) {
        self.streams.iter_mut().for_each(|it| it.clock.set_factor(factor));
    }

    /// The microphone's clock runs `factor` times as fast as the bus's.
    pub fn set_skew(&mut self, factor: f64) {
        self.microphone.set_factor(factor);
    }

    /// What happened to the transfers of a side.
    pub fn counts(&self, side: Side) -> Counts {
        self.streams[side as usize].clock.counts
    }

    /// Counts from here on.
    pub fn reset_counts(&mut self) {
        self.streams.iter_mut().for_each(|it| it.clock.counts = Counts::default());
        self.room.heard = Default::default();
    }

    /// Takes what the host sends.
    pub fn handle(&mut self, now: Time, command: Command) -> Vec<Reply> {
        let mut replies = self.poll(now);
        match command {
            Command::Unlink { sequence, target } => replies.push(self.unlink(sequence, target)),
            Command::Submit(it) => replies.extend(self.submit(now, it)),
        }
        replies
    }

    fn unlink(&mut self, sequence: u32, target: u32) -> Reply {
        let mut stopped = self.buttons.iter().any(|(it, _)| *it == target);
        self.buttons.retain(|(it, _)| *it != target);
        for stream in &mut self.streams {
            let before = stream.pending.len();
            stream.pending.retain(|transfer| transfer.sequence != target);
            let taken_back = before - stream.pending.len();
            stream.clock.counts.taken_back += taken_back as u64;
            stopped |= taken_back > 0;
        }
        Reply::Unlinked { sequence, status: if stopped { ECONNRESET } else { 0 } }
    }

    fn submit(&mut self, now: Time, submit: Submit) -> Option<Reply> {
        let failed =
            |status| Some(Reply::Completed(Completed { sequence: submit.sequence, status, ..Completed::default() }));
        match submit.endpoint {
            0x00 | 0x80 => Some(self.control(now, &submit)),
            LOUDSPEAKER => self.stream(now, Side::Loudspeaker, submit),
            MICROPHONE if self.device.model.has_microphone => self.stream(now, Side::Microphone, submit),
            BUTTONS => {
                self.buttons.push_back((submit.sequence, submit.length));
                self.press(now)
            }
            _ => failed(EPIPE),
        }
    }

    fn control(&mut self, now: Time, submit: &Submit) -> Reply {
        let mut reply = Completed { sequence: submit.sequence, ..Completed::default() };
        match self.device.control(now, submit.setup, &submit.data) {
            Ok((mut data, restarted)) => {
                if let Some(Restarted(side)) = restarted {
                    self.streams[side as usize].clock.stop();
                }
                data.truncate(submit.length as usize);
                reply.actual = if submit.endpoint & 0x80 == 0 { submit.length } else { data.len() as u32 };
                reply.data = data;
            }
            Err(Stall) => reply.status = EPIPE,
        }
        Reply::Completed(reply)
    }

    fn stream(&mut self, now: Time, side: Side, submit: Submit) -> Option<Reply> {
        let refusal = match (submit.packets.is_empty(), self.device.setting(side).active) {
            (true, _) => Some(EINVAL),
            (_, false) => Some(EPIPE),
            _ => None,
        };
        if let Some(status) = refusal {
            return Some(Reply::Completed(Completed { sequence: submit.sequence, status, ..Completed::default() }));
        }
        let stream = &mut self.streams[side as usize];
        let slot = stream.clock.take(now, submit.packets.len() as u32, self.patience);
        stream.pending.push_back(Transfer {
            sequence: submit.sequence,
            begins: slot.begins,
            due: slot.due,
            number: slot.number,
            packets: submit.packets,
            data: submit.data,
        });
        None
    }

    /// What has been carried out by `now`.
    pub fn poll(&mut self, now: Time) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some((due, side)) = self.next_transfer().filter(|(due, _)| *due <= now) {
            let stream = &mut self.streams[side as usize];
            stream.clock.counts.latest = stream.clock.counts.latest.max(now.saturating_sub(due));
            if let Some(transfer) = stream.pending.pop_front() {
                replies.push(Reply::Completed(self.carry_out(side, transfer)));
            }
        }
        self.device.telephone.poll(now, &mut self.device.events);
        while let Some(reply) = self.press(now) {
            replies.push(reply);
        }
        replies
    }

    /// When there is something to poll for.
    pub fn wake_at(&self) -> Option<Time> {
        let telephone = self.device.telephone.wake_at(!self.buttons.is_empty());
        [self.next_transfer().map(|(due, _)| due), telephone].into_iter().flatten().min()
    }

    /// The transfer that is over first: the two sides are carried out in the order of time, for the echo's sake.
    fn next_transfer(&self) -> Option<(Time, Side)> {
        [Side::Loudspeaker, Side::Microphone]
            .into_iter()
            .filter(|side| !self.device.faults.stuck[*side as usize])
            .filter_map(|side| self.streams[side as usize].pending.front().map(|it| (it.due, side)))
            .min_by_key(|(due, _)| *due)
    }

    fn press(&mut self, now: Time) -> Option<Reply> {
        let (sequence, room) = *self.buttons.front()?;
        let mut data = self.device.telephone.next_report(now)?;
        self.buttons.pop_front();
        // More than was asked for is babble on the bus. On the wire it must not appear: Linux would drop the device.
        let status = if data.len() > room as usize { EOVERFLOW } else { 0 };
        data.truncate(room as usize);
        Some(Reply::Completed(Completed { sequence, status, actual: data.len() as u32, data, ..Completed::default() }))
    }

    fn carry_out(&mut self, side: Side, transfer: Transfer) -> Completed {
        let count = transfer.packets.len() as u32;
        let frame = transfer.due.saturating_sub(transfer.begins) / count.max(1);
        let mut reply = Completed { sequence: transfer.sequence, start_frame: transfer.number, ..Completed::default() };
        for (index, packet) in (1..).zip(transfer.packets) {
            let ends = transfer.begins + frame * index;
            let done = match side {
                Side::Loudspeaker => self.play(ends, packet, &transfer.data),
                Side::Microphone => self.hear(ends, packet, &mut reply.data),
            };
            reply.actual += done.actual;
            reply.packets.push(done);
        }
        reply
    }

    fn play(&mut self, ends: Time, packet: Packet, data: &[u8]) -> Done {
        let range = packet.offset as usize..(packet.offset + packet.length) as usize;
        let bytes = data.get(range).unwrap_or_default();
        let pcm = bytes.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect();
        let setting = self.device.setting(Side::Loudspeaker);
        self.room.play(ends, pcm, setting.rate, setting.level);
        Done { packet, actual: packet.length, status: 0 }
    }

    fn hear(&mut self, ends: Time, packet: Packet, data: &mut Vec<u8>) -> Done {
        let setting = self.device.setting(Side::Microphone);
        let muted = setting.level.muted || (self.mutes_itself && self.device.telephone.is_muted());
        let count = self.microphone.frame(setting.rate, packet.length as usize / 2);
        let mut pcm = self.room.hear(ends, count, setting.rate, Level { muted, ..setting.level });
        let faults = &mut self.device.faults;
        if faults.lost > 0 {
            faults.lost -= 1;
            return Done { packet, actual: 0, status: EXDEV };
        }
        if faults.short > 0 {
            faults.short -= 1;
            pcm.truncate(count / 2);
        }
        data.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        Done { packet, actual: pcm.len() as u32 * 2, status: 0 }
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;

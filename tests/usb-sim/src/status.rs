//! The answers to `status`, `lamps` and `events`, as text.

use crate::Time;
use crate::bus::Bus;
use crate::events::word;
use crate::sound::Side;
use crate::telephone::Lit;
use std::fmt::Write as _;
use std::time::Duration;

/// What the bus does not know.
pub(crate) struct Port {
    pub(crate) plugged: bool,
    pub(crate) attached: bool,
    pub(crate) attaches: u64,
}

/// Everything, as `key=value`.
pub(crate) fn status(now: Time, bus: &Bus, state: &Port) -> String {
    let device = &bus.device;
    let mut out = format!(
        "time={:.3} plugged={} attached={} configured={} attaches={} hook={} muted={} left_to_say_ms={}",
        now.as_secs_f64(),
        word(state.plugged),
        word(state.attached),
        word(device.is_configured()),
        state.attaches,
        word(device.telephone.is_off_hook()),
        word(device.telephone.is_muted()),
        bus.room.left_to_say().as_millis(),
    );
    for side in [Side::Loudspeaker, Side::Microphone] {
        stream(&mut out, bus, side);
    }
    out
}

fn stream(out: &mut String, bus: &Bus, side: Side) {
    let (setting, counts, heard) = (bus.device.setting(side), bus.counts(side), bus.room.heard[side as usize]);
    let recorded = bus.room.recorded(side).map_or("off".to_owned(), |it| it.as_millis().to_string());
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        " {side}={} {side}_rate={} {side}_volume_db={:.1} {side}_muted={} {side}_samples={} {side}_peak={} \
         {side}_transfers={} {side}_taken_back={} {side}_starved={} {side}_gap_us={} {side}_late_us={} {side}_recorded_ms={recorded}",
        word(setting.active),
        setting.rate,
        f64::from(setting.level.volume) / 256.0,
        word(setting.level.muted),
        heard.samples,
        heard.peak,
        counts.transfers,
        counts.taken_back,
        counts.starved,
        micros(counts.longest_gap),
        micros(counts.latest),
    );
}

fn micros(span: Duration) -> u128 {
    span.as_micros()
}

/// The lamps and since when they are as they are.
pub(crate) fn lamps(bus: &Bus) -> String {
    let lamps = bus.device.telephone.lamps();
    let lit = |name: &str, it: Lit| format!("{name}={} {name}_since={:.3}", word(it.on), it.since.as_secs_f64());
    format!("{} {} {}", lit("off-hook", lamps.off_hook), lit("mute", lamps.mute), lit("ring", lamps.ring))
}

/// What happened since `since`: one line each.
pub(crate) fn events(bus: &Bus, since: Time) -> Vec<String> {
    bus.device.events.since(since).map(|(at, event)| format!("{:.3} {event}", at.as_secs_f64())).collect()
}

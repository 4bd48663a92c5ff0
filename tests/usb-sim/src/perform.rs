//! Orders carried out. Files are read and written, and sound is converted, outside the lock: the clock must not wait.

use crate::control::{Condition, Fault, HELP, Order, Plug};
use crate::descriptors::{CONSUMER_REPORT, LAMP_REPORT, Model, TELEPHONY_REPORT};
use crate::device::Faults;
use crate::server::{Shared, State};
use crate::sound::Side;
use crate::status::{self, Port};
use crate::telephone::NotInCall;
use crate::wav::Sound;
use crate::{Time, vhci};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

/// The lines of an answer, each with its end.
pub(crate) fn answer(shared: &Shared, line: &str) -> String {
    let done = Order::parse(line).map_err(|it| it.to_string()).and_then(|order| perform(shared, order));
    match done {
        Ok(Done { lines, summary }) => {
            let lines = lines.into_iter().map(|line| format!("  {line}"));
            let end = format!("ok {summary}").trim_end().to_owned();
            lines.chain([end]).collect::<Vec<_>>().join("\n") + "\n"
        }
        Err(error) => format!("error {}\n", error.replace('\n', " ")),
    }
}

struct Done {
    lines: Vec<String>,
    summary: String,
}

fn told(summary: String) -> Done {
    Done { lines: vec![], summary }
}

fn perform(shared: &Shared, order: Order) -> Result<Done, String> {
    match order {
        Order::Help => Ok(Done { lines: HELP.lines().map(str::to_owned).collect(), summary: String::new() }),
        Order::Say(file) => say(shared, &file),
        Order::StopRecording(side, file) => stop_recording(shared, side, &file),
        Order::Wait(condition, limit) => wait(shared, condition, limit),
        Order::Plug(plug) => plug_in(shared, &plug),
        order => {
            let mut state = shared.lock();
            let answer = at_once(&mut state, shared.now(), &order);
            drop(state);
            shared.stir();
            answer
        }
    }
}

fn at_once(state: &mut State, now: Time, order: &Order) -> Result<Done, String> {
    let plugged = Port { plugged: state.plugged, attached: state.is_attached(), attaches: state.attaches };
    let bus = &mut state.bus;
    let device = &mut bus.device;
    match *order {
        Order::Status => return Ok(told(status::status(now, bus, &plugged))),
        Order::Lamps => return Ok(told(status::lamps(bus))),
        Order::Events(since) => {
            let lines = status::events(bus, since);
            return Ok(Done { summary: format!("events={}", lines.len()), lines });
        }
        Order::Reset => bus.reset_counts(),
        Order::Silence => bus.room.hush(),
        Order::Record(side) => bus.room.record(side, now),
        Order::Echo(echo) => bus.room.set_echo(echo),
        Order::Hook => device.telephone.press_hook(now, &mut device.events),
        Order::Mute => device
            .telephone
            .press_mute(now, &mut device.events)
            .map_err(|NotInCall| "the mute key works in a call only, and the off-hook lamp is off".to_owned())?,
        Order::Volume(key) => device.telephone.press_volume(now, key, &mut device.events),
        Order::Unplug => state.unplug(now),
        Order::Clock(factor) => bus.set_clock(factor),
        Order::Skew(factor) => bus.set_skew(factor),
        Order::Fault(fault) => inject(state, now, fault),
        Order::Help | Order::Say(_) | Order::StopRecording(..) | Order::Wait(..) | Order::Plug(_) => {
            unreachable!("they do not only touch the state")
        }
    }
    Ok(told(format!("time={:.3}", now.as_secs_f64())))
}

fn inject(state: &mut State, now: Time, fault: Fault) {
    let device = &mut state.bus.device;
    let faults = &mut device.faults;
    match fault {
        Fault::Stall(n) => faults.stall = n,
        Fault::Short(n) => faults.short = n,
        Fault::Lose(n) => faults.lost = n,
        Fault::Stuck(side) => faults.stuck[side as usize] = true,
        Fault::None => *faults = Faults::default(),
        Fault::Garbage(n) => {
            let off_hook = device.telephone.is_off_hook();
            (0..n).for_each(|index| device.telephone.report(now, garbage(index, off_hook)));
        }
    }
}

/// Reports that no descriptor announces, each another way: empty, too short, too long, of unknown ids. Linux keeps most of
/// them to itself; the last two reach hidraw: right but for bits that mean nothing.
fn garbage(index: u32, off_hook: bool) -> Vec<u8> {
    // A generator of Lehmer's kind: the same garbage in every run.
    let byte = |at: u32| ((index * 8 + at + 1).wrapping_mul(48_271) >> 8) as u8;
    match index % 8 {
        0 => vec![],
        1 => vec![TELEPHONY_REPORT],
        2 => (0..8).map(byte).collect(),
        3 => vec![LAMP_REPORT, 0xFF],
        4 => vec![CONSUMER_REPORT, 0xFC, 0xFF, 0xFF],
        5 => vec![0xEE, byte(0)],
        6 => vec![TELEPHONY_REPORT, 0xFC | u8::from(off_hook)],
        _ => vec![CONSUMER_REPORT, 0xFC],
    }
}

fn named(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

fn say(shared: &Shared, file: &Path) -> Result<Done, String> {
    let bytes = fs::read(file).map_err(|error| named(file, &error))?;
    let sound = Sound::decode(&bytes).map_err(|error| named(file, &error))?;
    let rate = shared.lock().bus.device.setting(Side::Microphone).rate;
    let sound = sound.at(rate);
    let summary = format!("samples={} rate={rate}", sound.pcm.len());
    shared.lock().bus.room.say(sound);
    Ok(told(summary))
}

fn stop_recording(shared: &Shared, side: Side, file: &Path) -> Result<Done, String> {
    let recording = {
        let mut state = shared.lock();
        let rate = state.bus.device.setting(side).rate;
        state.bus.room.stop_recording(side, shared.now(), rate)
    };
    let sound = recording.ok_or_else(|| format!("the {side} is not being recorded"))?.into_sound();
    fs::write(file, sound.encode()).map_err(|error| named(file, &error))?;
    let peak = sound.pcm.iter().map(|it| it.unsigned_abs()).max().unwrap_or(0);
    Ok(told(format!("samples={} rate={} peak={peak}", sound.pcm.len(), sound.rate)))
}

fn wait(shared: &Shared, condition: Condition, limit: Duration) -> Result<Done, String> {
    let state = shared.lock();
    let (state, timed_out) = shared
        .changed
        .wait_timeout_while(state, limit, |state| !holds(state, condition))
        .unwrap_or_else(PoisonError::into_inner);
    drop(state);
    if timed_out.timed_out() {
        return Err(format!("waited {} ms in vain for {condition}", limit.as_millis()));
    }
    Ok(told(format!("time={:.3}", shared.now().as_secs_f64())))
}

fn holds(state: &State, condition: Condition) -> bool {
    let device = &state.bus.device;
    let lamps = device.telephone.lamps();
    match condition {
        Condition::OffHook(on) => lamps.off_hook.on == on,
        Condition::Mute(on) => lamps.mute.on == on,
        Condition::Ring(on) => lamps.ring.on == on,
        Condition::Streams(side, on) => device.setting(side).active == on,
        Condition::Attached => state.is_attached(),
        Condition::Configured => state.is_attached() && device.is_configured(),
        Condition::Detached => !state.is_attached(),
        Condition::Said => state.bus.room.left_to_say().is_zero(),
    }
}

fn plug_in(shared: &Shared, plug: &Plug) -> Result<Done, String> {
    {
        let mut state = shared.lock();
        if state.plugged {
            return Err("the device is plugged in; \"unplug\" comes first".to_owned());
        }
        state.bus.device.model = changed(&state.bus.device.model, plug);
        state.plugged = true;
    }
    shared.stir();
    if shared.vhci.is_some() {
        attach(shared).map_err(|error| error.to_string())?;
    }
    Ok(told(format!("time={:.3}", shared.now().as_secs_f64())))
}

fn changed(model: &Model, plug: &Plug) -> Model {
    let mut model = model.clone();
    let set = |to: &mut String, text: &Option<String>| text.iter().for_each(|text| to.clone_from(text));
    set(&mut model.identity.serial, &plug.serial);
    set(&mut model.identity.vendor, &plug.vendor);
    set(&mut model.identity.product, &plug.product);
    if let Some(ids) = plug.ids {
        (model.identity.vendor_id, model.identity.product_id) = ids;
    }
    model.has_microphone = plug.microphone.unwrap_or(model.has_microphone);
    model
}

/// Plugs the device into this computer's kernel.
pub(crate) fn attach(shared: &Shared) -> io::Result<()> {
    shared.vhci.as_ref().map_or(Ok(()), |vhci| vhci::attach(shared.listen, vhci).map(|_port| ()))
}

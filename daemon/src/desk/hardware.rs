//! The sound card as the desk's port: what it tells, in the words of the desk.

use frontdesk_core::units::Dbfs;
use frontdesk_hw::desk::{Happened, Side};
use frontdesk_hw::figures::Figures;
use frontdesk_hw::hid::handset::{CallLamps, HidEvent};
use frontdesk_hw::keeper::Settings;
use frontdesk_hw::keeper::news::{Attached, News as DeviceNews};
use frontdesk_hw::knobs::Knobs;
use frontdesk_hw::rt::priority::Priority;
use log::debug;

use super::port::{Device, News, Opening, Port, Shown};
use crate::config::DeskConfig;

/// What the configuration says about the sound card.
pub fn settings(config: &DeskConfig) -> Settings {
    Settings { echo: config.echo, ..Settings::of(config.device.clone()) }
}

/// Knobs for the life of the process.
pub fn knobs() -> &'static Knobs {
    Box::leak(Box::default())
}

/// Figures for the life of the process: the audio threads must never be the ones to free them.
pub fn figures() -> &'static Figures {
    let figures: &'static Figures = Box::leak(Box::new(Figures::new()));
    for level in [&figures.capture_level, &figures.heard_level, &figures.playout_level] {
        level.set(Dbfs::SILENCE.0);
    }
    figures
}

/// How loud everything is played from now on, in percent of the amplitude.
pub fn set_volume(knobs: &Knobs, percent: u32) {
    knobs.set_volume_db(20.0 * (percent as f32 / 100.0).log10());
}

/// The port of a started desk.
pub fn port(side: Side, config: &DeskConfig) -> Port {
    let Side { ends, device, buttons, bell, knobs, figures, lamps, worker, prober } = side;
    set_volume(knobs, config.volume_percent);
    let unmuting = lamps.clone();
    Port {
        ends,
        news: Box::new(move |ends| {
            loop {
                // What means nothing to the desk is passed over.
                if let Some(news) = told(Side::next(ends, &device, &buttons)?) {
                    return Some(news);
                }
            }
        }),
        bell,
        worker,
        prober,
        knobs,
        figures,
        show: Box::new(move |Shown { off_hook, ring }| lamps.show(CallLamps { off_hook, ring })),
        unmute: Box::new(move || {
            knobs.set_muted(false);
            unmuting.refresh();
        }),
    }
}

fn told(happened: Happened) -> Option<News> {
    Some(match happened {
        Happened::Device(DeviceNews::Attached(attached)) => News::Attached(device(&attached)),
        Happened::Device(DeviceNews::Detached { why }) => News::Detached { why: why.to_string() },
        Happened::Device(DeviceNews::Trouble(trouble)) => {
            News::Trouble(format!("{}; {}", trouble.what, trouble.would_do))
        }
        Happened::Device(DeviceNews::Event(event)) => {
            debug!("the sound card: {:?}", event.what);
            return None;
        }
        Happened::Button(HidEvent::Hook(hook)) => News::Hook(hook),
        Happened::Button(HidEvent::Muted(muted)) => News::Muted(muted),
        // They are looked for again, and it is told when they stay away.
        Happened::Button(HidEvent::Lost(why)) => {
            debug!("the speakerphone's buttons: {why}");
            return None;
        }
        Happened::NoButtons(why) => News::NoButtons(why),
        Happened::Buttons => News::Buttons,
        Happened::Voice(voice) => News::Voice(voice),
    })
}

fn device(attached: &Attached) -> Device {
    let refused = attached.priority.filter(|priority| !matches!(priority, Priority::Fifo(_)));
    let refused = refused.map(|priority| priority.to_string());
    Device {
        name: attached.name.clone(),
        opened: format!("{}; {}; echo {}", attached.capture, attached.playout, attached.echo.word()),
        remarks: refused.clone().into_iter().collect(),
        opening: Opening {
            capture_hz: attached.capture.rate.hz(),
            playout_hz: attached.playout.rate.hz(),
            priority_refused: refused,
            sysfs: attached.usb.as_ref().and_then(|usb| usb.sysfs.clone()),
        },
    }
}

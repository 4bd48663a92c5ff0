//! The life of the device as the keeper leads it, with simulated devices that come, lie, break and go.

#![allow(clippy::unwrap_used, reason = "outside of test functions as well: a test that cannot go on has failed")]

mod sim;

use frontdesk_hw::bell::Bell;
use frontdesk_hw::device::DeviceSpec;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::keeper::news::{self, Attached, News, Trouble};
use frontdesk_hw::keeper::{Companion, Keeper, Pace, Settings, Stopped};
use frontdesk_hw::knobs::{EchoMode, Knobs};
use frontdesk_hw::pcm::port::Direction;
use frontdesk_hw::rings;
use frontdesk_hw::rt::ladder::End;
use frontdesk_hw::rt::trace::RtNews;
use sim::{Desk, Fault, NAME, Plan, Plug};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Longer than anything takes here; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Kept {
    desk: Desk,
    keeper: Keeper,
    news: Receiver<News>,
    company: Receiver<Option<String>>,
    knobs: &'static Knobs,
    figures: &'static Figures,
}

struct Company(Sender<Option<String>>);

impl Companion for Company {
    fn attached(&mut self, attached: &Attached) {
        let _ = self.0.send(attached.usb.as_ref().and_then(|usb| usb.port.clone()));
    }
    fn detached(&mut self) {
        let _ = self.0.send(None);
    }
}

fn settings(pace: Pace) -> Settings {
    Settings { pace, ..Settings::of(DeviceSpec::Auto) }
}

/// Tries that come at once: what is tested is the order of things.
fn at_once() -> Pace {
    let soon = Duration::from_millis(1);
    Pace { first: soon, most: soon, blind: soon, settle: soon }
}

/// Tries that never come by themselves.
fn only_when_told() -> Pace {
    let never = Duration::from_hours(1);
    Pace { first: never, most: never, blind: never, settle: Duration::from_millis(1) }
}

fn keep(plugs: &[Plug], settings: Settings) -> Kept {
    let (tell, company) = channel();
    keep_with(plugs, settings, company, Box::new(Company(tell)))
}

fn keep_with(
    plugs: &[Plug],
    settings: Settings,
    company: Receiver<Option<String>>,
    companion: Box<dyn Companion>,
) -> Kept {
    let desk = Desk::new(plugs);
    let (ends, _dsp, _net) = rings::make();
    let knobs: &'static Knobs = Box::leak(Box::default());
    let figures: &'static Figures = Box::leak(Box::default());
    let (outlet, news) = news::channel(Bell::new().unwrap());
    let worker = Bell::new().unwrap();
    let keeper = Keeper::start_with(desk.clone(), settings, ends, knobs, figures, worker, outlet, companion).unwrap();
    Kept { desk, keeper, news, company, knobs, figures }
}

impl Kept {
    /// The next news of the device's state. What happened in the real-time thread is passed over.
    fn state(&self) -> News {
        loop {
            match self.news.recv_timeout(PATIENCE).expect("news") {
                News::Event(_) => {}
                state => return state,
            }
        }
    }

    fn attached(&self) -> Attached {
        match self.state() {
            News::Attached(attached) => *attached,
            other => panic!("{other:?}"),
        }
    }

    fn trouble(&self) -> Trouble {
        match self.state() {
            News::Trouble(trouble) => trouble,
            other => panic!("{other:?}"),
        }
    }
}

fn device(script: &[(u64, Fault)]) -> Plug {
    Plug::Device(Plan::of(script))
}

/// Runs so many periods and then waits, so that the test's machine is not kept busy.
fn steady() -> Plug {
    device(&[(20, Fault::Hold)])
}

#[test]
fn a_device_that_is_there_is_attached_and_said_how() {
    let kept = keep(&[steady()], settings(only_when_told()));
    let attached = kept.attached();
    assert_eq!((attached.capture.rate.hz(), attached.playout.rate.hz()), (16_000, 48_000));
    assert_eq!((attached.echo, kept.knobs.echo()), (EchoMode::Device, EchoMode::Device));
    assert!(attached.priority.is_some());
    let text = attached.to_string();
    assert!(text.starts_with(NAME) && text.contains("playout 48000 Hz, 2 channels, S16_LE"), "{text}");
    assert_eq!(kept.company.recv_timeout(PATIENCE), Ok(Some("1-1.2".to_owned())));
    assert!(matches!(kept.keeper.stop(), Stopped::Clean(_)));
    assert_eq!(kept.company.recv_timeout(PATIENCE), Ok(None));
    assert_eq!(kept.figures.opened.read(), 1);
    let rest: Vec<_> = kept.news.try_iter().filter(|it| matches!(it, News::Detached { .. })).collect();
    assert_eq!(rest, [News::Detached { why: End::Stopped }]);
}

/// Tells what it is told, as a word.
struct Witness(Sender<&'static str>);

impl Companion for Witness {
    fn attached(&mut self, _attached: &Attached) {
        let _ = self.0.send("attached");
    }
    fn look(&mut self) {
        let _ = self.0.send("look");
    }
    fn detached(&mut self) {
        let _ = self.0.send("detached");
    }
}

#[test]
fn the_companion_may_look_again_as_long_as_the_device_is_attached() {
    let (tell, told) = channel();
    let kept = keep_with(&[steady()], settings(only_when_told()), channel().1, Box::new(Witness(tell)));
    for word in ["attached", "look", "look"] {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(word));
    }
    assert!(matches!(kept.keeper.stop(), Stopped::Clean(_)));
    assert_eq!(told.iter().find(|word| *word != "look"), Some("detached"));
    assert_eq!(told.try_iter().count(), 0);
}

#[test]
fn pulled_out_and_plugged_in_again_it_is_back_without_waiting_for_a_try() {
    let kept = keep(&[device(&[(30, Fault::Unplug)])], settings(only_when_told()));
    kept.attached();
    assert_eq!(kept.state(), News::Detached { why: End::Unplugged });
    kept.desk.plug(steady());
    kept.attached();
    assert_eq!(*kept.desk.opens.lock().unwrap(), 2, "no try in between");
    let company: Vec<_> = kept.company.try_iter().collect();
    assert_eq!(company, [Some("1-1.2".to_owned()), None, Some("1-1.2".to_owned())]);
    assert!(matches!(kept.keeper.stop(), Stopped::Clean(_)));
}

#[test]
fn at_the_usual_pace_it_is_back_within_two_seconds() {
    let kept = keep(&[device(&[(30, Fault::Unplug)])], settings(Pace::default()));
    kept.attached();
    assert_eq!(kept.state(), News::Detached { why: End::Unplugged });
    kept.desk.plug(steady());
    let plugged = Instant::now();
    while !matches!(kept.state(), News::Attached(_)) {}
    // The goal is two seconds; this machine may be loaded, so only the mechanism is held to account.
    assert!(plugged.elapsed() < Duration::from_secs(5), "{:?}", plugged.elapsed());
}

#[test]
fn a_busy_device_names_its_owner_once_and_is_had_when_it_is_free() {
    let mut plugs = vec![Plug::Busy; 10];
    plugs.extend([Plug::GoneDuringOpen, Plug::NotThere, steady()]);
    let kept = keep(&plugs, settings(at_once()));
    let busy = kept.trouble();
    assert!(busy.what.contains("in use by arecord (process 4711)") && busy.would_do.contains("stop"), "{busy:?}");
    assert!(kept.trouble().what.contains("went away while it was being opened"));
    assert!(kept.trouble().what.contains("no sound card at all"));
    kept.attached();
}

#[test]
fn a_device_that_lies_is_opened_at_the_next_rate() {
    let lying = Plan { playout: 32_000, clock: [1.0, 1.378], script: vec![(900, Fault::Hold)], ..Plan::of(&[]) };
    let kept = keep(&[Plug::Device(lying.clone()), Plug::Device(lying)], settings(at_once()));
    assert_eq!(kept.attached().playout.rate.hz(), 32_000);
    let News::Detached { why: End::Lying { direction: Direction::Playout, claimed: 32_000, .. } } = kept.state() else {
        panic!("it was believed");
    };
    assert!(kept.trouble().what.contains("when 32000 Hz are asked for"));
    assert_eq!(kept.attached().playout.rate.hz(), 48_000);
}

#[test]
fn transfers_that_fail_over_and_over_are_blamed_on_the_cable() {
    let kept = keep(&vec![device(&[(5, Fault::Transfer)]); 3], settings(at_once()));
    for _ in 0..3 {
        kept.attached();
        assert_eq!(kept.state(), News::Detached { why: End::Transfer(Direction::Capture) });
    }
    assert!(kept.trouble().would_do.contains("cable"));
}

#[test]
fn a_stalled_endpoint_is_counted_and_opened_anew() {
    let kept = keep(&[device(&[(5, Fault::Stall(Direction::Playout))]), steady()], settings(at_once()));
    kept.attached();
    assert_eq!(kept.state(), News::Detached { why: End::Stalled(Direction::Playout) });
    kept.attached();
    assert_eq!(kept.figures.stalls.read(), 1);
}

#[test]
fn what_happens_in_the_thread_is_told() {
    let kept = keep(&[device(&[(5, Fault::Xrun(Direction::Playout)), (20, Fault::Hold)])], settings(at_once()));
    let events = std::iter::from_fn(|| kept.news.recv_timeout(PATIENCE).ok()).filter_map(|news| match news {
        News::Event(event) => Some(event.what),
        _ => None,
    });
    let until_xrun: Vec<_> = events.take(2).collect();
    assert_eq!(until_xrun, [RtNews::Started, RtNews::Xrun(Direction::Playout)]);
}

#[test]
fn the_technicians_word_on_the_echo_counts_more_than_the_devices() {
    let kept = keep(&[steady()], Settings { echo: Some(EchoMode::HalfDuplex), ..settings(only_when_told()) });
    assert_eq!((kept.attached().echo, kept.knobs.echo()), (EchoMode::HalfDuplex, EchoMode::HalfDuplex));
}

#[test]
fn a_driver_that_does_not_let_go_does_not_hold_up_the_end() {
    let kept = keep(&[device(&[(5, Fault::Hang)])], settings(at_once()));
    kept.attached();
    // The device is told of before its thread has come that far.
    assert!(kept.desk.hung.wait(PATIENCE));
    let Kept { keeper, news, .. } = kept;
    let begun = Instant::now();
    assert!(matches!(keeper.stop(), Stopped::Abandoned));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let told = |it| matches!(it, News::Trouble(trouble) if trouble.what.contains("does not let go"));
    assert!(news.iter().any(told), "a person is told");
}

#[test]
fn the_rings_serve_the_next_keeper() {
    let kept = keep(&[steady()], settings(at_once()));
    kept.attached();
    let Stopped::Clean(ends) = kept.keeper.stop() else { panic!("abandoned") };
    let (outlet, news) = news::channel(Bell::new().unwrap());
    let desk = Desk::new(&[steady()]);
    let worker = Bell::new().unwrap();
    let next = settings(at_once());
    let keeper = Keeper::start_with(desk, next, ends, kept.knobs, kept.figures, worker, outlet, Box::new(())).unwrap();
    assert!(matches!(news.recv_timeout(PATIENCE), Ok(News::Attached(_))));
    assert!(matches!(keeper.stop(), Stopped::Clean(_)));
}

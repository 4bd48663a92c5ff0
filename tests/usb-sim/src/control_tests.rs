use super::*;
use proptest::prelude::*;

fn why(line: &str) -> String {
    Order::parse(line).unwrap_err().to_string()
}

#[test]
fn lines_are_understood() {
    let seconds = Duration::from_secs;
    for (line, order) in [
        ("status", Order::Status),
        ("  say \"two words.wav\"  ", Order::Say("two words.wav".into())),
        ("record stop loudspeaker /tmp/a.wav", Order::StopRecording(Side::Loudspeaker, "/tmp/a.wav".into())),
        ("echo 0.5 60", Order::Echo(Some(Echo { gain: 0.5, delay: Duration::from_millis(60) }))),
        ("echo off", Order::Echo(None)),
        ("events 2", Order::Events(seconds(2))),
        ("wait off-hook on", Order::Wait(Condition::OffHook(true), seconds(5))),
        ("wait microphone off 1000", Order::Wait(Condition::Streams(Side::Microphone, false), seconds(1))),
        ("fault stuck microphone", Order::Fault(Fault::Stuck(Side::Microphone))),
        ("plug", Order::Plug(Plug::default())),
    ] {
        assert_eq!(Order::parse(line), Ok(order), "{line}");
    }
}

#[test]
fn a_line_that_is_not_understood_says_what_would_do() {
    for (line, part) in [
        ("frob", "\"help\" lists"),
        ("", "\"help\" lists"),
        ("say", "\"help\" lists"),
        ("say \"open", "quotation mark"),
        ("echo 0.5 5", "from 10 to 1500"),
        ("echo loud 60", "from 0 to 4"),
        ("clock NaN", "from 0.5 to 2"),
        ("clock 0", "from 0.5 to 2"),
        ("record start mouth", "loudspeaker or microphone"),
        ("fault", "stall N"),
        ("fault stall -1", "from 1 to"),
        ("wait mute", "lists the conditions"),
        ("wait said 1 2", "one limit"),
        ("plug --as", "--as needs a value"),
        ("plug --as \"\"", "--as needs a value"),
        ("plug --frob", "--playback-only"),
        ("plug --id b0e:422", "0b0e:0422"),
    ] {
        assert!(why(line).contains(part), "{line}: {}", why(line));
    }
}

#[test]
fn every_order_of_the_help_is_understood() {
    let orders = HELP.lines().filter(|line| !line.starts_with(' ') && line.contains("  ") || *line == "help");
    let examples: Vec<String> = orders
        .flat_map(|line| line.split("  ").next().unwrap_or_default().split(" | "))
        .map(|it| {
            let it = it.replace(" [SECONDS]", "").replace(" [OPTION ...]", "").replace(" [MS]", "");
            let it = it.replace("CONDITION", "said").replace("SIDE", "microphone").replace("FILE", "a.wav");
            it.replace("GAIN", "1").replace("MS", "60").replace("FACTOR", "1").replace(" N", " 3")
        })
        .collect();
    assert!(examples.len() > 25, "{examples:?}");
    for example in examples {
        Order::parse(&example).unwrap_or_else(|error| panic!("{example:?}: {error}"));
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in "\\PC{0,80}") {
        let _ = Order::parse(&line);
    }

    #[test]
    fn plug_options_come_back_as_they_were_written(
        serial in proptest::option::of("[A-Za-z0-9 ]{1,12}"), product in proptest::option::of("[A-Za-z0-9 ]{1,20}"),
        vendor in proptest::option::of("[a-z]{1,8}"), ids: Option<(u16, u16)>, microphone: Option<bool>,
    ) {
        let plug = Plug { serial, ids, vendor, product, microphone };
        prop_assert_eq!(Order::parse(&format!("plug{plug}")), Ok(Order::Plug(plug)));
    }

    #[test]
    fn conditions_and_faults_come_back_as_they_were_written(on: bool, n in 1_u32..30) {
        use Condition::*;
        let streams = Streams(if on { Side::Loudspeaker } else { Side::Microphone }, on);
        for it in [OffHook(on), Mute(on), Ring(on), streams, Attached, Configured, Detached, Said] {
            prop_assert_eq!(Order::parse(&format!("wait {it} 7")), Ok(Order::Wait(it, Duration::from_millis(7))));
        }
        let stuck = Fault::Stuck(Side::Loudspeaker);
        for it in [Fault::Stall(n), Fault::Short(n), Fault::Lose(n), Fault::Garbage(n), stuck, Fault::None] {
            prop_assert_eq!(Order::parse(&format!("fault {it}")), Ok(Order::Fault(it)));
        }
    }
}
